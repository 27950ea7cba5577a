//! Probes of checks: TCP connections, HTTP requests, the health service of gRPC.

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use futures::StreamExt;
use model::CheckStatus;
use tokio::{net::TcpStream, runtime::Handle, time::timeout};

use super::on_runtime;
use crate::{
    actors::ports::{Probe, ProbeTls, Prober},
    trust,
};

/// A check's output is stored and replicated: a page is enough to see what is wrong.
const OUTPUT_LIMIT: usize = 4096;

/// Whose health a gRPC server knows.
const GRPC_HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Probes over the real network.
#[derive(Debug, Clone)]
pub struct NetProber {
    /// For plain HTTP, which is what nearly all checks speak.
    client: reqwest::Client,
    runtime: Handle,
}

impl NetProber {
    pub fn new(runtime: Handle) -> Self {
        let client = of_checks(trust::plain()).build();
        Self { client: client.expect("nothing that varies is in it"), runtime }
    }
}

#[async_trait]
impl Prober for NetProber {
    async fn probe(&self, probe: &Probe, limit: Duration) -> (CheckStatus, String) {
        let (client, probe) = (self.client.clone(), probe.clone());
        let work = async move {
            match probe {
                Probe::Tcp { address } => tcp(&address, limit).await,
                Probe::Http { .. } => http(&client, &probe, limit).await,
                Probe::Grpc { address, service, tls } => {
                    let asked = grpc(&address, &service, tls.as_ref(), limit).await;
                    let (status, said) = match asked {
                        Ok(()) => (CheckStatus::Passing, String::from("SERVING")),
                        Err(why) => (CheckStatus::Critical, why),
                    };
                    (status, format!("gRPC {address}/{service}: {said}"))
                }
            }
        };
        match on_runtime(&self.runtime, work).await {
            Ok(result) => result,
            Err(error) => (CheckStatus::Critical, format!("the probe broke off: {error}")),
        }
    }
}

async fn tcp(address: &str, limit: Duration) -> (CheckStatus, String) {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(_)) => (CheckStatus::Passing, format!("TCP connect {address}: Success")),
        Ok(Err(error)) => (CheckStatus::Critical, format!("dial tcp {address}: connect: {}", words(&error))),
        Err(_) => (CheckStatus::Critical, format!("dial tcp {address}: i/o timeout")),
    }
}

fn of_checks(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    // A connection kept open would tell of the server that was there, not of the one that is.
    builder.user_agent("troupe health check").pool_max_idle_per_host(0).no_proxy()
}

/// A client that speaks TLS as the check wants it, and the host of its URLs.
fn over_tls(
    address: &str,
    tls: &ProbeTls,
    builder: reqwest::ClientBuilder,
) -> Result<(reqwest::Client, String), String> {
    let mut builder = of_checks(builder);
    let mut host = address.to_owned();
    if !tls.server_name.is_empty() {
        let target: SocketAddr =
            address.parse().map_err(|_| format!("{address} is no address with a port"))?;
        builder = builder.resolve(&tls.server_name, target);
        host = format!("{}:{}", tls.server_name, target.port());
    }
    Ok((builder.build().map_err(|error| root_cause(&error))?, host))
}

/// Asks how the service is. In words why it is not well.
async fn grpc(address: &str, service: &str, tls: Option<&ProbeTls>, limit: Duration) -> Result<(), String> {
    let (client, url) = match tls {
        Some(tls) => {
            let builder = if tls.skip_verify {
                trust::unverified().http2_prior_knowledge()
            } else {
                trust::verified_http2()
            };
            let (client, host) = over_tls(address, tls, builder)?;
            (client, format!("https://{host}{GRPC_HEALTH}"))
        }
        None => {
            let client = of_checks(trust::plain()).http2_prior_knowledge().build();
            (client.map_err(|error| root_cause(&error))?, format!("http://{address}{GRPC_HEALTH}"))
        }
    };
    let request =
        client.post(url).timeout(limit).header("content-type", "application/grpc").header("te", "trailers");
    let answer = request.body(health_request(service)).send().await.map_err(|error| root_cause(&error))?;
    if let Some(code) = answer.headers().get("grpc-status").and_then(|code| code.to_str().ok())
        && code != "0"
    {
        let message =
            answer.headers().get("grpc-message").and_then(|text| text.to_str().ok()).unwrap_or_default();
        return Err(match code {
            "5" => String::from("the server does not know this service"),
            "12" => String::from("the server has no health service"),
            _ => format!("status {code} {message}"),
        });
    }
    if !answer.status().is_success() {
        return Err(format!("{}: not a gRPC server", answer.status()));
    }
    let (page, complete) = first_bytes(answer).await;
    complete?;
    match serving(&page) {
        Some(1) => Ok(()),
        Some(2) => Err(String::from("NOT_SERVING")),
        Some(3) => Err(String::from("SERVICE_UNKNOWN")),
        Some(_) => Err(String::from("UNKNOWN")),
        None => Err(String::from("an answer without a status")),
    }
}

/// A frame with `HealthCheckRequest { service }`.
fn health_request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        varint(service.len(), &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

fn varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The status in a frame with a `HealthCheckResponse`. A message without one says 0.
fn serving(frame: &[u8]) -> Option<u8> {
    let (head, message) = frame.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().ok()?) as usize;
    match message.get(..length)? {
        [] => Some(0),
        [0x08, status, ..] => Some(*status),
        _ => None,
    }
}

async fn http(client: &reqwest::Client, probe: &Probe, limit: Duration) -> (CheckStatus, String) {
    let Probe::Http { address, path, method, headers, body, tls } = probe else {
        return (CheckStatus::Critical, String::from("not an HTTP probe"));
    };
    let method = if method.is_empty() { "GET" } else { method.as_str() };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = &format!("{scheme}://{address}{path}");
    let critical = |why: &str| (CheckStatus::Critical, format!("HTTP {method} {url}: {why}"));
    let Ok(verb) = reqwest::Method::from_bytes(method.as_bytes()) else {
        return critical("not an HTTP method");
    };
    let mut request = match tls {
        Some(tls) => {
            let builder = if tls.skip_verify { trust::unverified() } else { trust::verified() };
            match over_tls(address, tls, builder) {
                Ok((client, host)) => client.request(verb, format!("https://{host}{path}")),
                Err(why) => return critical(&why),
            }
        }
        None => client.request(verb, url),
    };
    request = request.timeout(limit);
    for (name, values) in headers {
        for value in values {
            request = request.header(name, value);
        }
    }
    if !body.is_empty() {
        request = request.body(body.clone());
    }
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => {
            return critical(&format!("no answer within {limit:?}"));
        }
        Err(error) => return critical(&root_cause(&error)),
    };
    let status = response.status();
    let (text, complete) = first_page(response).await;
    let verdict = match status.as_u16() {
        200..=299 => CheckStatus::Passing,
        429 => CheckStatus::Warning,
        _ => CheckStatus::Critical,
    };
    let output = format!("HTTP {method} {url}: {status} Output: {text}");
    match complete {
        Ok(()) => (verdict, output),
        Err(why) => (CheckStatus::Critical, format!("{output} ({why})")),
    }
}

/// Reads no more of the body than is shown.
async fn first_page(response: reqwest::Response) -> (String, Result<(), String>) {
    let (page, complete) = first_bytes(response).await;
    (String::from_utf8_lossy(&page).into_owned(), complete)
}

async fn first_bytes(response: reqwest::Response) -> (Vec<u8>, Result<(), String>) {
    let mut page = Vec::new();
    let mut complete = Ok(());
    let mut chunks = response.bytes_stream();
    while page.len() < OUTPUT_LIMIT {
        match chunks.next().await {
            Some(Ok(chunk)) => page.extend_from_slice(&chunk),
            Some(Err(error)) => {
                complete = Err(format!("the body broke off: {}", root_cause(&error)));
                break;
            }
            None => break,
        }
    }
    page.truncate(OUTPUT_LIMIT);
    (page, complete)
}

fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return String::from("time-out");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(io) => words(io),
        None => cause.to_string(),
    }
}

/// The system's words, without Rust's number behind them.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers each connection with the bytes, then closes it; `None` never answers.
    async fn server(answer: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if let Some(answer) = answer {
                    let mut buffer = [0; 4096];
                    let _ = stream.read(&mut buffer).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                } else {
                    open.push(stream);
                }
            }
        });
        address
    }

    async fn get(address: &str, limit: Duration) -> (CheckStatus, String) {
        let probe = Probe::Http {
            address: address.to_owned(),
            path: String::from("/health"),
            tls: None,
            method: String::new(),
            headers: [(String::from("X-A"), vec![String::from("1")])].into(),
            body: String::new(),
        };
        NetProber::new(Handle::current()).probe(&probe, limit).await
    }

    #[tokio::test]
    async fn http_status_decides() {
        for (answer, verdict, text) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", CheckStatus::Passing, "200 OK Output: fine"),
            (
                "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
                CheckStatus::Warning,
                "429 Too Many Requests Output: ",
            ),
            (
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nlate",
                CheckStatus::Critical,
                "503 Service Unavailable Output: late",
            ),
        ] {
            let address = server(Some(answer)).await;
            let (status, output) = get(&address, Duration::from_secs(5)).await;
            assert_eq!((status, output), (verdict, format!("HTTP GET http://{address}/health: {text}")));
        }
    }

    #[tokio::test]
    async fn silence_and_refusal_are_critical() {
        let address = server(None).await;
        let (status, output) = get(&address, Duration::from_millis(50)).await;
        assert_eq!(status, CheckStatus::Critical);
        assert!(output.ends_with("no answer within 50ms"), "{output}");

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap().to_string();
        drop(listener);
        let (status, output) = get(&closed, Duration::from_secs(5)).await;
        assert_eq!(status, CheckStatus::Critical);
        assert!(output.ends_with(": connection refused"), "{output}");
        let (status, output) = NetProber::new(Handle::current())
            .probe(&Probe::Tcp { address: closed.clone() }, Duration::from_secs(5))
            .await;
        assert_eq!(status, CheckStatus::Critical);
        assert_eq!(output, format!("dial tcp {closed}: connect: connection refused"));
    }

    #[tokio::test]
    async fn tcp_connects() {
        let address = server(None).await;
        let probe = Probe::Tcp { address: address.clone() };
        let (status, output) = NetProber::new(Handle::current()).probe(&probe, Duration::from_secs(5)).await;
        assert_eq!((status, output), (CheckStatus::Passing, format!("TCP connect {address}: Success")));
    }

    /// A gRPC server that answers with these bytes, and these trailers behind them.
    async fn grpc_server(answer: &'static [u8], code: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut calls = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = calls.accept().await {
                assert_eq!(request.uri().path(), GRPC_HEALTH);
                assert_eq!(request.headers()["content-type"], "application/grpc");
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", code.parse().unwrap());
                let mut response = http::Response::new(());
                if answer.is_empty() {
                    *response.headers_mut() = trailers;
                    respond.send_response(response, true).unwrap();
                    continue;
                }
                let mut stream = respond.send_response(response, false).unwrap();
                stream.send_data(bytes::Bytes::from_static(answer), false).unwrap();
                stream.send_trailers(trailers).unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn grpc_services_say_how_they_are() {
        let serving = &[0, 0, 0, 0, 2, 8, 1];
        for (answer, code, verdict, words) in [
            (&serving[..], "0", CheckStatus::Passing, "SERVING"),
            (&[0, 0, 0, 0, 2, 8, 2], "0", CheckStatus::Critical, "NOT_SERVING"),
            (&[0, 0, 0, 0, 0], "0", CheckStatus::Critical, "UNKNOWN"),
            (&[0, 0, 0, 0, 9, 8], "0", CheckStatus::Critical, "an answer without a status"),
            (&[], "5", CheckStatus::Critical, "the server does not know this service"),
            (&[], "12", CheckStatus::Critical, "the server has no health service"),
        ] {
            let address = grpc_server(answer, code).await;
            let probe = Probe::Grpc { address: address.clone(), service: String::from("web"), tls: None };
            let found = NetProber::new(Handle::current()).probe(&probe, Duration::from_secs(5)).await;
            assert_eq!(found, (verdict, format!("gRPC {address}/web: {words}")));
        }
    }

    #[test]
    fn names_of_services_are_framed() {
        assert_eq!(health_request(""), [0, 0, 0, 0, 0]);
        assert_eq!(health_request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = health_request(&"x".repeat(300));
        assert_eq!((&long[..8], long.len()), (&[0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02][..], 308));
    }
}
