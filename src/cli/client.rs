//! The HTTP client of the commands. Blocking on the outside: a command does one thing after the other.

mod raw; // requests as somebody typed them
mod socket; // websockets

use std::{error::Error as _, io, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, future::try_join_all, stream::select_all};
use reqwest::{Method, StatusCode, Url};
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Runtime;

use super::{
    Context, Tool,
    flags::{Flag, Flags, absent_switch, absent_text, switch, text},
    output::Failure,
};

/// Flags of every command that talks to the Nomad API.
pub(super) const NOMAD_FLAGS: &[Flag] = &[
    text("address", "url", "Address of the agent. Also NOMAD_ADDR. Default: http://127.0.0.1:4646."),
    text("region", "name", "Region to forward to. Also NOMAD_REGION."),
    text("namespace", "name", "Namespace. Also NOMAD_NAMESPACE."),
    text("token", "secret", "Token that is sent along. Also NOMAD_TOKEN."),
    switch("no-color", "Plain text. Also NOMAD_CLI_NO_COLOR."),
    switch("force-color", "Colours also where the output is no terminal."),
    absent_text("ca-cert"),
    absent_text("ca-path"),
    absent_text("client-cert"),
    absent_text("client-key"),
    absent_text("tls-server-name"),
    absent_switch("tls-skip-verify"),
    absent_switch("insecure"),
];

/// Flags of every command that talks to the Consul API.
pub(super) const CONSUL_FLAGS: &[Flag] = &[
    text(
        "http-addr",
        "address",
        "Address of the agent. Also CONSUL_HTTP_ADDR. Default: http://127.0.0.1:8500.",
    ),
    text("datacenter", "name", "Datacenter to ask about. Default: the agent's."),
    text("token", "secret", "Token that is sent along. Also CONSUL_HTTP_TOKEN."),
    switch("stale", "Let any server answer."),
    absent_text("token-file"),
    absent_text("ca-file"),
    absent_text("ca-path"),
    absent_text("client-cert"),
    absent_text("client-key"),
    absent_text("tls-server-name"),
];

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// For a write: it may or may not have happened, unless the connection was refused.
    #[error("{method} \"{url}\": {reason}")]
    Transport { method: &'static str, url: String, reason: String, refused: bool },
    #[error("Unexpected response code: {code} ({body})")]
    Status { code: u16, body: String },
    #[error("{method} \"{url}\": the answer was not understood: {reason}")]
    Body { method: &'static str, url: String, reason: String },
}

impl ClientError {
    /// Nobody listens there.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Transport { refused: true, .. })
    }

    /// `Error <doing>: <why>`
    pub(super) fn while_doing(self, doing: &str) -> Failure {
        Failure::message(format!("Error {doing}: {self}"))
    }
}

pub(super) use self::{
    raw::Raw,
    socket::{Heard, Hearing, Speaking},
};

/// What a stream of bytes has to say.
#[derive(Debug)]
pub(super) enum Event {
    /// Bytes from the stream of that number.
    Bytes(usize, Bytes),
    /// Another span has passed, with or without bytes.
    Idle,
}

pub(super) struct Client {
    base: Url,
    http: reqwest::Client,
    runtime: Runtime,
    /// Sent with every request.
    query: Vec<(String, String)>,
    token: Option<(&'static str, String)>,
}

impl Client {
    /// A client of the Nomad or the Consul API, as flags and environment say.
    pub(super) fn new(ctx: &Context<'_>, flags: &Flags, tool: Tool) -> Result<Self, Failure> {
        let flag = if tool == Tool::Consul { "http-addr" } else { "address" };
        let variables: &[&str] = match (tool, ctx.program) {
            (Tool::Consul, _) => &["CONSUL_HTTP_ADDR"],
            (_, super::Program::Troupe) => &["TROUPE_ADDR", "NOMAD_ADDR"],
            _ => &["NOMAD_ADDR", "TROUPE_ADDR"],
        };
        let from_env =
            variables.iter().find_map(|&name| ctx.variable(name).map(|value| (name.to_owned(), value)));
        let (source, address) =
            flags.text(flag).map(|value| (format!("-{flag}"), value.to_owned())).or(from_env).unwrap_or_else(
                || (String::from("default"), format!("http://127.0.0.1:{}", default_port(tool))),
            );
        Self::at(ctx, flags, tool, &source, &address)
    }

    /// A client of the agent at an address that `source` gave.
    pub(super) fn at(
        ctx: &Context<'_>,
        flags: &Flags,
        tool: Tool,
        source: &str,
        address: &str,
    ) -> Result<Self, Failure> {
        let base = base_url(source, address, default_port(tool))?;
        let setting = |flag: &str, variable: &str| {
            flags
                .text(flag)
                .map(str::to_owned)
                .or_else(|| ctx.variable(variable))
                .filter(|value| !value.is_empty())
        };
        let mut query = Vec::new();
        let token = match tool {
            Tool::Nomad | Tool::Own => {
                query.extend(setting("region", "NOMAD_REGION").map(|value| (String::from("region"), value)));
                query.extend(
                    setting("namespace", "NOMAD_NAMESPACE").map(|value| (String::from("namespace"), value)),
                );
                setting("token", "NOMAD_TOKEN").map(|token| ("X-Nomad-Token", token))
            }
            Tool::Consul => {
                query.extend(flags.text("datacenter").map(|value| (String::from("dc"), value.to_owned())));
                if flags.on("stale") {
                    query.push((String::from("stale"), String::new()));
                }
                setting("token", "CONSUL_HTTP_TOKEN").map(|token| ("X-Consul-Token", token))
            }
        };
        let mut builder = crate::trust::plain().connect_timeout(Duration::from_secs(10));
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| Failure::message(format!("Error initializing client: {error}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { base, http, runtime, query, token })
    }

    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        self.call(Method::GET, path, query, None::<&()>)
    }

    /// One page of a list, and where the next one begins.
    pub(super) fn get_page<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(T, Option<String>), ClientError> {
        self.call_for_page(Method::GET, path, query, None::<&()>)
    }

    /// With a body.
    pub(super) fn delete_with<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.call(Method::DELETE, path, &[], Some(body))
    }

    pub(super) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.call(Method::PUT, path, &[], Some(body))
    }

    pub(super) fn put_with<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.call(Method::PUT, path, query, Some(body))
    }

    /// Where only POST will do.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        self.call(Method::POST, path, query, None::<&()>)
    }

    /// As [`Self::post`], with a body.
    pub(super) fn post_with<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.call(Method::POST, path, &[], Some(body))
    }

    pub(super) fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        self.call(Method::DELETE, path, query, None::<&()>)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        self.call_for_page(method, path, query, body).map(|(answer, _)| answer)
    }

    fn call_for_page<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<(T, Option<String>), ClientError> {
        let name = go_name(&method);
        let url = self.url(path, query);
        let (bytes, next) = self.runtime.block_on(async {
            let mut request = self.request(method, url.clone());
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = checked(request.send().await, name, &url).await?;
            let next = response.headers().get("X-Nomad-NextToken");
            let next = next.and_then(|token| token.to_str().ok()).map(str::to_owned);
            let bytes = response.bytes().await.map_err(|error| transport(name, &url, &error))?;
            Ok::<_, ClientError>((bytes, next))
        })?;
        // Answers without content (`null` in JSON) stand for "nothing to say".
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        let answer = serde_json::from_slice(bytes).map_err(|error| ClientError::Body {
            method: name,
            url: url.to_string(),
            reason: error.to_string(),
        })?;
        Ok((answer, next))
    }

    /// Writes an answer of any size to `out` as it comes. The inner error is that of `out`.
    pub(super) fn download(
        &self,
        path: &str,
        query: &[(&str, &str)],
        out: &mut (impl io::Write + ?Sized),
    ) -> Result<io::Result<()>, ClientError> {
        let url = self.url(path, query);
        self.runtime.block_on(async {
            let answer = checked(self.request(Method::GET, url.clone()).send().await, "Get", &url).await?;
            let mut pieces = Box::pin(answer.bytes_stream());
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|error| transport("Get", &url, &error))?;
                if let Err(error) = out.write_all(&piece) {
                    return Ok(Err(error));
                }
            }
            Ok(out.flush())
        })
    }

    /// Reads several answers as they come and hands each piece to `on`, until all of them end.
    pub(super) fn stream(
        &self,
        requests: &[(&str, Vec<(&str, String)>)],
        idle: Duration,
        mut on: impl FnMut(Event) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let urls: Vec<Url> = requests
            .iter()
            .map(|(path, query)| {
                let query: Vec<(&str, &str)> =
                    query.iter().map(|(key, value)| (*key, value.as_str())).collect();
                self.url(path, &query)
            })
            .collect();
        let failed = |error: ClientError| Failure::message(format!("Error reading file: {error}"));
        self.runtime.block_on(async {
            let open = urls.iter().map(|url| async move {
                checked(self.request(Method::GET, url.clone()).send().await, "Get", url).await
            });
            let answers = try_join_all(open).await.map_err(failed)?;
            let mut pieces =
                select_all(answers.into_iter().enumerate().map(|(number, answer)| {
                    Box::pin(answer.bytes_stream().map(move |piece| (number, piece)))
                }));
            // Counted from the last tick, not from the last piece: a task that never pauses has ticks, too.
            let mut tick = tokio::time::Instant::now() + idle;
            loop {
                match tokio::time::timeout_at(tick, pieces.next()).await {
                    Err(_) => {
                        tick += idle;
                        on(Event::Idle)?;
                    }
                    Ok(None) => return Ok(()),
                    Ok(Some((number, Ok(piece)))) => on(Event::Bytes(number, piece))?,
                    Ok(Some((number, Err(error)))) => {
                        return Err(failed(transport("Get", &urls[number], &error)));
                    }
                }
            }
        })
    }

    /// Runs a conversation that takes its time.
    pub(super) fn converse<T>(&self, conversation: impl Future<Output = T>) -> T {
        self.runtime.block_on(conversation)
    }

    /// Waits.
    pub(super) fn pause(&self, span: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(span).await });
    }

    fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some((header, token)) => request.header(*header, token),
            None => request,
        }
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        let own = self.query.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        if !query.is_empty() || !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().copied().chain(own));
        }
        url
    }
}

/// One element of a path, with what has a meaning there escaped.
pub(super) fn element(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(byte as char),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn default_port(tool: Tool) -> u16 {
    match tool {
        Tool::Nomad | Tool::Own => 4646,
        Tool::Consul => 8500,
    }
}

fn base_url(source: &str, address: &str, default_port: u16) -> Result<Url, Failure> {
    let refuse = |reason: &str| {
        Failure::message(format!(
            "Error initializing client: {source}: {reason}: {address:?} (expected http://host:port)"
        ))
    };
    if address.starts_with("unix:") {
        return Err(refuse("unix sockets are not available in this release"));
    }
    if address.starts_with("https:") {
        return Err(refuse("TLS is not available in this release"));
    }
    if !address.contains("://") && address.contains('/') {
        return Err(refuse("not an HTTP address"));
    }
    let with_scheme = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let mut url = Url::parse(&with_scheme).map_err(|error| refuse(&error.to_string()))?;
    if url.scheme() != "http" || url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("not an HTTP address"));
    }
    // `:4646` without a host means this machine; so does a missing port mean the usual one.
    if !address.contains("://") && url.port().is_none() {
        url.set_port(Some(default_port)).map_err(|()| refuse("not an HTTP address"))?;
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

fn go_name(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "Put",
        Method::DELETE => "Delete",
        Method::POST => "Post",
        _ => "Get",
    }
}

async fn checked(
    answer: reqwest::Result<reqwest::Response>,
    method: &'static str,
    url: &Url,
) -> Result<reqwest::Response, ClientError> {
    let response = answer.map_err(|error| transport(method, url, &error))?;
    if response.status() == StatusCode::OK || response.status() == StatusCode::NO_CONTENT {
        return Ok(response);
    }
    let code = response.status().as_u16();
    let body = response.text().await.unwrap_or_default().trim().to_owned();
    Err(ClientError::Status { code, body })
}

/// Says why in the words that people search for.
fn transport(method: &'static str, url: &Url, error: &reqwest::Error) -> ClientError {
    let host = url.host_str().unwrap_or_default();
    let peer = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
    let mut cause = error.source();
    let mut last = error.to_string();
    let mut kind = None;
    while let Some(next) = cause {
        last = next.to_string();
        if let Some(io) = next.downcast_ref::<io::Error>() {
            kind = Some(io.kind());
        }
        cause = next.source();
    }
    let refused = kind == Some(io::ErrorKind::ConnectionRefused);
    let reason = match kind {
        Some(io::ErrorKind::ConnectionRefused) => format!("dial tcp {peer}: connect: connection refused"),
        Some(io::ErrorKind::ConnectionReset) => format!("read tcp {peer}: read: connection reset by peer"),
        Some(io::ErrorKind::TimedOut) => format!("dial tcp {peer}: i/o timeout"),
        _ if error.is_timeout() => format!("dial tcp {peer}: i/o timeout"),
        _ if last.contains("lookup address") => format!("dial tcp: lookup {host}: no such host"),
        _ if error.is_connect() => format!("dial tcp {peer}: {last}"),
        _ => last,
    };
    ClientError::Transport { method, url: url.to_string(), reason, refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_scheme() {
        for (address, expected) in [
            ("http://10.0.0.5:4646", "http://10.0.0.5:4646/"),
            ("http://node.local", "http://node.local/"),
            ("10.0.0.5:8500", "http://10.0.0.5:8500/"),
            ("consul.local", "http://consul.local:8500/"),
            ("[::1]:8500", "http://[::1]:8500/"),
        ] {
            assert_eq!(base_url("-http-addr", address, 8500).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn wrong_addresses_name_their_source() {
        for address in
            ["htp://x:1", "htp:/x", "https://x:1", "unix:///x", "http://", "http://x:99999", "http//x:4646"]
        {
            let Err(Failure::Message(text)) = base_url("NOMAD_ADDR", address, 4646) else {
                panic!("{address} was accepted");
            };
            assert!(text.contains("NOMAD_ADDR") && text.contains(address), "{text}");
        }
    }

    #[test]
    fn path_elements_are_escaped() {
        assert_eq!(element("a/b c"), "a%2Fb%20c");
    }
}
