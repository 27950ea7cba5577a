//! Finds the other agents in the catalog of a Consul API: that of another troupe agent, or a real Consul.
//!
//! Clients ask for the tag `rpc`, servers for `serf`. Asking once is all that happens here; when to ask again is the
//! caller's matter. An agent does not ask itself: [`whose`].

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::Deserialize;

use super::config::ConsulSettings;

/// A Consul API on the same network answers in milliseconds; a frozen one must not hold up the next attempt.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Servers beyond that are not tried: one that answers is enough to hear of the others.
const MAX_SERVERS: usize = 64;
/// A catalog that answers with more is not one.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Why no servers were found. Nothing was changed anywhere.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the Consul API at {address} cannot be asked; set `consul {{ address = .. }}`, or list the servers in \
         `servers` or `retry_join`"
    )]
    Unreachable { address: String, source: reqwest::Error },
    #[error("the Consul API at {address} refused: {status} {text}")]
    Refused { address: String, status: u16, text: String },
    #[error("what answers at {address} is no Consul API: {reason}")]
    NotConsul { address: String, reason: String },
    #[error("the Consul API at {address} knows no service {service:?} with the tag {tag:?} yet")]
    Nobody { address: String, service: String, tag: String },
}

/// Whose Consul API an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This agent's own: there is nobody to be found through it.
    Ours,
    /// Somebody else's.
    Theirs,
}

/// Whether `consul { address }` is this agent's own Consul API.
///
/// `asked` are the addresses of that setting, `listening` the doors of our Consul API that were really opened (none,
/// when something else had the port already), `own` the addresses of this machine.
pub fn whose(asked: &[SocketAddr], listening: &[SocketAddr], own: &[IpAddr]) -> Whose {
    let is_here = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified() || own.contains(&ip);
    let hits = |asked: &SocketAddr, door: &SocketAddr| {
        let same_ip = if door.ip().is_unspecified() { is_here(asked.ip()) } else { asked.ip() == door.ip() };
        asked.port() == door.port() && same_ip
    };
    let ours = asked.iter().any(|asked| listening.iter().any(|door| hits(asked, door)));
    if ours { Whose::Ours } else { Whose::Theirs }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    /// Of the node.
    #[serde(default)]
    address: String,
    /// Of the service; empty: that of the node.
    #[serde(default)]
    service_address: String,
    #[serde(default)]
    service_port: u16,
}

/// Addresses (`host:port`) under which the service is registered with the tag, without repetitions, in the order of the
/// answer.
///
/// # Errors
/// Nobody answers, somebody else answers, or the service is not there (yet).
pub async fn servers(settings: &ConsulSettings, service: &str, tag: &str) -> Result<Vec<String>, Error> {
    let address = settings.address.clone();
    let client = crate::trust::plain().timeout(TIMEOUT).no_proxy().build();
    let unreachable = |source| Error::Unreachable { address: address.clone(), source };
    let url = format!("http://{address}/v1/catalog/service/{service}");
    let mut request = client.map_err(unreachable)?.get(url).query(&[("tag", tag)]);
    if let Some(token) = &settings.token {
        request = request.header("X-Consul-Token", token);
    }
    let mut answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BYTES {
            return Err(Error::NotConsul { address, reason: format!("more than {MAX_BYTES} bytes") });
        }
    }
    if !status.is_success() {
        let text: String =
            String::from_utf8_lossy(&body).lines().next().unwrap_or_default().chars().take(200).collect();
        return Err(Error::Refused { address, status: status.as_u16(), text });
    }
    let entries: Vec<Entry> = serde_json::from_slice(&body)
        .map_err(|error| Error::NotConsul { address: address.clone(), reason: error.to_string() })?;
    let found = addresses(&entries);
    if found.is_empty() {
        return Err(Error::Nobody { address, service: service.into(), tag: tag.into() });
    }
    Ok(found)
}

fn addresses(entries: &[Entry]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for entry in entries {
        let host = if entry.service_address.is_empty() { &entry.address } else { &entry.service_address };
        if host.is_empty() || entry.service_port == 0 {
            continue;
        }
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let dial = format!("{bracketed}:{}", entry.service_port);
        if !found.contains(&dial) && found.len() < MAX_SERVERS {
            found.push(dial);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers one request with this text; gives its address and what it was asked.
    async fn answering(answer: &'static str) -> (ConsulSettings, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        (ConsulSettings { address, token: Some("secret".into()), ..ConsulSettings::default() }, asked)
    }

    async fn ask(answer: &'static str) -> Result<Vec<String>, Error> {
        let (settings, _) = answering(answer).await;
        servers(&settings, "nomad", "rpc").await
    }

    #[tokio::test]
    async fn takes_the_services_address_or_else_the_nodes() {
        let answer = concat!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
            r#"[{"Node":"a","Address":"10.0.0.1","ServiceAddress":"","ServicePort":4647},
                {"Node":"b","Address":"10.0.0.1","ServiceAddress":"10.0.0.2","ServicePort":4647},
                {"Node":"b","Address":"10.0.0.1","ServiceAddress":"10.0.0.2","ServicePort":4647},
                {"Node":"c","Address":"fd00::1","ServicePort":4747},
                {"Node":"d","Address":"10.0.0.4","ServicePort":0}]"#
        );
        let (settings, asked) = answering(answer).await;
        let found = servers(&settings, "nomad", "rpc").await.unwrap();
        assert_eq!(found, ["10.0.0.1:4647", "10.0.0.2:4647", "[fd00::1]:4747"]);
        let asked = asked.await.unwrap().to_lowercase();
        assert!(asked.starts_with("get /v1/catalog/service/nomad?tag=rpc "), "{asked}");
        assert!(asked.contains("x-consul-token: secret"), "{asked}");
    }

    #[tokio::test]
    async fn says_why_there_are_none() {
        let none = ask("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n[]").await.unwrap_err();
        assert!(matches!(none, Error::Nobody { .. }), "{none}");
        let other = ask("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>").await.unwrap_err();
        assert!(matches!(other, Error::NotConsul { .. }), "{other}");
        let refused =
            ask("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\nACL not found").await.unwrap_err();
        assert!(refused.to_string().ends_with("refused: 403 ACL not found"), "{refused}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let settings = ConsulSettings { address, ..ConsulSettings::default() };
        let gone = servers(&settings, "nomad", "rpc").await.unwrap_err();
        assert!(matches!(gone, Error::Unreachable { .. }), "{gone}");
    }

    #[test]
    fn an_agent_knows_its_own_door() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let own: [IpAddr; 1] = ["10.0.0.1".parse().unwrap()];
        let check = |asked: &str, listening: &[SocketAddr], expected: Whose| {
            assert_eq!(whose(&[at(asked)], listening, &own), expected, "{asked} {listening:?}");
        };
        let everywhere = [at("0.0.0.0:8500")];
        check("127.0.0.1:8500", &everywhere, Whose::Ours);
        check("10.0.0.1:8500", &everywhere, Whose::Ours);
        check("10.0.0.2:8500", &everywhere, Whose::Theirs);
        check("127.0.0.1:8501", &everywhere, Whose::Theirs);
        // Something else had the port: it is asked.
        check("127.0.0.1:8500", &[], Whose::Theirs);
        // We listen on another address of this machine only.
        check("127.0.0.1:8500", &[at("10.0.0.1:8500")], Whose::Theirs);
    }
}
