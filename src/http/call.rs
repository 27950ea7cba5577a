//! One request: its path, parameters and body, bounded and decoded.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::{Method, StatusCode},
    web,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use super::{BODY_LIMIT, failure::Failure};

/// The longest a blocking query waits, and how long it waits when it does not say.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The segments of the path, percent-decoded.
    pub(super) path: Vec<String>,
    params: Vec<(String, String)>,
    body: Bytes,
}

impl Call {
    /// Reads the request. Bodies are read for writes only.
    pub(super) async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, Failure> {
        let path =
            request.uri().path().split('/').skip(1).map(percent_decode).collect::<Option<Vec<String>>>();
        let params = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|error| Failure::bad(format!("the query string cannot be read: {error}")))?;
        let method = request.method().clone();
        let body = if method == Method::GET { Bytes::new() } else { read_body(request, payload).await? };
        Ok(Self {
            method,
            path: path.ok_or_else(|| Failure::bad("the path is not percent-encoded UTF-8"))?,
            params: params.into_inner(),
            body,
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

    /// The index of a blocking query; 0: answer at once.
    pub(super) fn index(&self) -> Result<u64, Failure> {
        self.text("index").map_or(Ok(0), |text| text.parse().map_err(|_| Failure::bad("Invalid index")))
    }

    pub(super) fn wait(&self) -> Result<Duration, Failure> {
        let Some(text) = self.text("wait") else { return Ok(LONGEST_WAIT) };
        let wait = parse_duration(text).ok_or_else(|| Failure::bad("Invalid wait time"))?;
        Ok(if wait.is_zero() { LONGEST_WAIT } else { wait.min(LONGEST_WAIT) })
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

async fn read_body(request: &HttpRequest, mut payload: web::Payload) -> Result<Bytes, Failure> {
    let too_large = || {
        Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request body is larger than the limit of {BODY_LIMIT} bytes"),
        )
    };
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

/// `90s`, `1m30s`, `10000ms`, `1.5h`: numbers with units, added up. Also a bare `0`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        total += number
            * match &after[..end] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &after[end..];
    }
    Duration::try_from_secs_f64(total).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text}");
        };
        check("60s", Some(60_000));
        check("10000ms", Some(10_000));
        check("1m30s", Some(90_000));
        check("1.5h", Some(5_400_000));
        check("0", Some(0));
        for text in ["", "5", "s", "5 s", "-5s", "1.2.3s", "5x", "99999999999999999999999h"] {
            check(text, None);
        }
    }

    #[test]
    fn segments() {
        assert_eq!(percent_decode("a%2Fb%20c").as_deref(), Some("a/b c"));
        for text in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(percent_decode(text), None, "{text}");
        }
    }
}
