//! Probes of checks: TCP connections and HTTP requests.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use model::CheckStatus;
use tokio::{net::TcpStream, runtime::Handle, time::timeout};

use super::on_runtime;
use crate::actors::ports::{Probe, Prober};

/// A check's output is stored and replicated: a page is enough to see what is wrong.
const OUTPUT_LIMIT: usize = 4096;

/// Probes over the real network.
#[derive(Debug, Clone)]
pub struct NetProber {
    client: reqwest::Client,
    runtime: Handle,
}

impl NetProber {
    pub fn new(runtime: Handle) -> Self {
        // A connection kept open would tell of the server that was there, not of the one that is.
        let client = reqwest::Client::builder()
            .user_agent("troupe health check")
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()
            .expect("a client without TLS and with constant headers has nothing that can fail");
        Self { client, runtime }
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

async fn http(client: &reqwest::Client, probe: &Probe, limit: Duration) -> (CheckStatus, String) {
    let Probe::Http { url, method, headers, body } = probe else {
        return (CheckStatus::Critical, String::from("not an HTTP probe"));
    };
    let method = if method.is_empty() { "GET" } else { method.as_str() };
    let critical = |why: &str| (CheckStatus::Critical, format!("HTTP {method} {url}: {why}"));
    let Ok(verb) = reqwest::Method::from_bytes(method.as_bytes()) else {
        return critical("not an HTTP method");
    };
    let mut request = client.request(verb, url).timeout(limit);
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
    (String::from_utf8_lossy(&page).into_owned(), complete)
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
            url: format!("http://{address}/health"),
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
}
