//! The way to other servers as a door of its own: TCP outside, a simulated network in tests.

use std::{io, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::net::TcpStream;

use crate::net::rpc::{Client, ClientConfig, Error};

/// Makes connections.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// A connection to one server (`ip:port`), made when it is first used. `patience`: the longest wait between two
    /// attempts to make it.
    fn open(&self, address: &str, patience: Duration) -> Box<dyn Wire>;

    /// Whether the machine at the address is there and says that nobody listens: the process is gone. Silence is no
    /// such answer.
    async fn is_refused(&self, address: &str) -> bool;
}

/// A connection to one server.
#[async_trait]
pub trait Wire: Send + Sync {
    async fn call(&self, method: &'static str, body: Bytes, timeout: Duration) -> Result<Bytes, Error>;
}

/// Calls over TCP, as the agent that the configuration names.
#[derive(Debug, Clone, Default)]
pub struct Tcp(pub ClientConfig);

/// After a cut that is mended, TCP by itself may stay silent for as long as the cut was: a new connection is sooner.
const SILENCE: Duration = Duration::from_secs(2);

/// How long a machine may take to say that nobody listens.
const REFUSAL: Duration = Duration::from_millis(200);

#[async_trait]
impl Transport for Tcp {
    fn open(&self, address: &str, patience: Duration) -> Box<dyn Wire> {
        let config =
            ClientConfig { max_backoff: patience, silence: self.0.silence.min(SILENCE), ..self.0.clone() };
        Box::new(Client::new(address, config))
    }

    async fn is_refused(&self, address: &str) -> bool {
        let attempt = tokio::time::timeout(REFUSAL, TcpStream::connect(address)).await;
        matches!(attempt, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

#[async_trait]
impl Wire for Client {
    async fn call(&self, method: &'static str, body: Bytes, timeout: Duration) -> Result<Bytes, Error> {
        self.call_encoded(method, body, timeout).await
    }
}
