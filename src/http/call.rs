//! One request: its path, parameters and body, bounded and decoded.

use std::{net::IpAddr, time::Duration};

use actix_web::{
    HttpRequest,
    http::{Method, StatusCode},
    web,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use model::{AllocId, time::parse_duration};
use serde::de::DeserializeOwned;

use super::{BODY_LIMIT, failure::Failure};
use crate::actors::ports::{Consistency, WebRequest};

/// The longest a blocking query waits, and how long it waits when it does not say.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Agents that may pass a request on, one after the other: client, server, server of the other region.
const HOPS: u8 = 3;

#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The segments of the path, percent-decoded.
    pub(super) path: Vec<String>,
    params: Vec<(String, String)>,
    body: Bytes,
    /// Path and query as they came.
    pub(super) uri: String,
    /// Agents that have passed the request on before it came here.
    pub(super) hops: u8,
    /// Who asks, if it asks this agent itself.
    pub(super) peer: Option<IpAddr>,
}

impl Call {
    /// Reads the request. Bodies are read for writes only.
    pub(super) async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, Failure> {
        let mut call = Self::head(request)?;
        if call.method != Method::GET {
            call.body = read_body(request, payload).await?;
        }
        Ok(call)
    }

    /// Reads the request without its body.
    pub(super) fn head(request: &HttpRequest) -> Result<Self, Failure> {
        let uri = request.uri().path_and_query().map_or("/", |uri| uri.as_str()).to_owned();
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        Self::new(request.method().clone(), uri, Bytes::new(), 0, peer)
    }

    /// A request that another agent passed on.
    pub(super) fn passed_on(request: WebRequest) -> Result<Self, Failure> {
        if request.hops > HOPS {
            return Err(too_many_hops());
        }
        if request.body.len() > BODY_LIMIT {
            return Err(too_large());
        }
        let method = request.method.parse().map_err(|_| Failure::method())?;
        Self::new(method, request.uri, request.body, request.hops, None)
    }

    fn new(
        method: Method,
        uri: String,
        body: Bytes,
        hops: u8,
        peer: Option<IpAddr>,
    ) -> Result<Self, Failure> {
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        let path = path.split('/').skip(1).map(percent_decode).collect::<Option<Vec<String>>>();
        let path = path.ok_or_else(|| Failure::bad("the path is not percent-encoded UTF-8"))?;
        let params = web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|error| Failure::bad(format!("the query string cannot be read: {error}")))?
            .into_inner();
        Ok(Self { method, path, params, body, uri, hops, peer })
    }

    /// The request that runs an action inside a task, as this one asks for it.
    pub(super) fn of_action(&self, alloc: AllocId, task: &str, action: &str) -> Self {
        let mut params =
            vec![(String::from("task"), task.to_owned()), (String::from("action"), action.to_owned())];
        params.extend(self.params.iter().filter(|(name, _)| name == "tty").cloned());
        let query: Vec<String> =
            params.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
        let path = ["v1", "client", "allocation", &alloc.to_string(), "exec"].map(String::from).to_vec();
        Self {
            method: Method::GET,
            uri: format!("/{}?{}", path.join("/"), query.join("&")),
            path,
            params,
            body: Bytes::new(),
            hops: self.hops,
            peer: self.peer,
        }
    }

    /// This request, for another agent to answer.
    ///
    /// # Errors
    /// It was passed on so often that it must be going round in a circle.
    pub(super) fn to_pass_on(&self) -> Result<WebRequest, Failure> {
        if self.hops >= HOPS {
            return Err(too_many_hops());
        }
        Ok(WebRequest {
            method: self.method.to_string(),
            uri: self.uri.clone(),
            body: self.body.clone(),
            hops: self.hops + 1,
        })
    }

    pub(super) fn only_get(&self) -> Result<(), Failure> {
        if self.method == Method::GET { Ok(()) } else { Err(Failure::method()) }
    }

    /// Writes come as PUT or POST.
    pub(super) fn only_write(&self) -> Result<(), Failure> {
        if self.is_write() { Ok(()) } else { Err(Failure::method()) }
    }

    pub(super) fn is_write(&self) -> bool {
        matches!(self.method, Method::PUT | Method::POST)
    }

    /// All parameters, in their order.
    pub(super) fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of a parameter; empty text counts as none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|text| !text.is_empty())
    }

    /// As [`Self::text`], but present without a value is empty text.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.params.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        self.flag_or(name, false)
    }

    pub(super) fn flag_or(&self, name: &str, default: bool) -> Result<bool, Failure> {
        match self.text(name) {
            None => Ok(default),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(_) => {
                Err(Failure::bad(format!("Expect `true` or `false` for `{name}` query string parameter")))
            }
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text
            .parse()
            .map_err(|_| Failure::bad(format!("Expect a number for `{name}` query string parameter")))?;
        Ok(Some(number))
    }

    /// `?pretty`: present and not `0`.
    pub(super) fn pretty(&self) -> bool {
        self.raw("pretty").is_some_and(|value| value != "0")
    }

    pub(super) fn prefix(&self) -> &str {
        self.text("prefix").unwrap_or_default()
    }

    /// The namespace asked for. Default: `default`.
    pub(super) fn namespace(&self) -> &str {
        self.text("namespace").unwrap_or("default")
    }

    /// Whether rows of this namespace are asked for.
    pub(super) fn sees(&self, namespace: &str) -> bool {
        matches!(self.namespace(), "*") || self.namespace() == namespace
    }

    /// How fresh the answer has to be. `stale` without a value counts as yes.
    pub(super) fn consistency(&self) -> Result<Consistency, Failure> {
        if self.flag_or("stale", true)? && self.raw("stale").is_some() {
            Ok(Consistency::Stale)
        } else if self.raw("consistent").is_some() {
            Ok(Consistency::Consistent)
        } else {
            Ok(Consistency::Default)
        }
    }

    /// The index of a blocking query; 0: answer at once.
    pub(super) fn index(&self) -> Result<u64, Failure> {
        self.text("index").map_or(Ok(0), |text| text.parse().map_err(|_| Failure::bad("Invalid index")))
    }

    pub(super) fn wait(&self) -> Result<Duration, Failure> {
        let Some(text) = self.text("wait") else { return Ok(LONGEST_WAIT) };
        let wait = parse_duration(text).ok_or_else(|| Failure::bad("Invalid wait time"))?;
        Ok(if wait.is_zero() { LONGEST_WAIT } else { wait.min(LONGEST_WAIT) })
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.body.is_empty() {
            return Err(Failure::bad("Request body is empty"));
        }
        Ok(api::decode(&self.body)?)
    }

    /// The body as JSON, or the default where there is none.
    pub(super) fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Failure> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }
}

fn too_many_hops() -> Failure {
    Failure::server(format!(
        "the request was passed on by {HOPS} agents: they do not agree on who has to answer; try again in a moment"
    ))
}

fn too_large() -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the request body is larger than the limit of {BODY_LIMIT} bytes"),
    )
}

async fn read_body(request: &HttpRequest, mut payload: web::Payload) -> Result<Bytes, Failure> {
    let announced =
        request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > BODY_LIMIT) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|error| Failure::bad(format!("the request body cannot be read: {error}")))?;
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn percent_decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        assert_eq!(percent_decode("a%2Fb%20c").as_deref(), Some("a/b c"));
        assert_eq!(percent_decode(&percent_encode("a/b c+ü")).as_deref(), Some("a/b c+ü"));
        for text in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(percent_decode(text), None, "{text}");
        }
    }
}
