//! Calls one agent, over one connection that is made again when it breaks.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Call, Error, ErrorKind, StreamCall,
    connection::{Connection, Lost, Pieces},
    frame::{decode, encode},
    identity::Identity,
};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Who calls. Default: region `global`, no gossip key.
    pub identity: Arc<Identity>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// Wait after the first failed connection; doubles with each further one.
    pub first_backoff: Duration,
    pub max_backoff: Duration,
    /// A connection that has calls or streams open is asked so often whether it is alive, and given up when nothing at
    /// all is heard for twice as long. Below a minute: the other side takes a caller for gone that says nothing for two.
    pub silence: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            identity: Arc::default(),
            connect_timeout: Duration::from_secs(5),
            first_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(5),
            silence: Duration::from_secs(15),
        }
    }
}

/// Connections that may break under a call before it was sent.
const MAX_ATTEMPTS: u32 = 3;
/// A refusal is logged so often.
const QUIET: Duration = Duration::from_secs(60);

/// Calls one address. Clones share the connection.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    address: String,
    config: ClientConfig,
    /// Held while a connection is being made, so that one caller makes it for all.
    current: tokio::sync::Mutex<Current>,
}

#[derive(Default)]
struct Current {
    connection: Option<Arc<Connection>>,
    failures: u32,
    not_before: Option<Instant>,
    complained: Option<Instant>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects when it is first needed.
    pub fn new(address: impl Into<String>, config: ClientConfig) -> Self {
        let current = tokio::sync::Mutex::default();
        Self { inner: Arc::new(Inner { address: address.into(), config, current }) }
    }

    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Asks and waits for the answer. Dropping the future tells the other side that nobody waits any more.
    ///
    /// # Errors
    /// What the other side said; [`ErrorKind::Refused`] when one of both does not want to talk to the other;
    /// [`ErrorKind::Unreachable`] when the question was surely not sent, and [`ErrorKind::Unknown`] when it was and no
    /// answer came within `timeout`.
    pub async fn call<C: Call>(&self, call: &C, timeout: Duration) -> Result<C::Answer, Error> {
        decode(&self.call_encoded(C::METHOD, encode(call)?, timeout).await?)
    }

    /// As [`Client::call`], for callers that encode by themselves.
    ///
    /// # Errors
    /// As for [`Client::call`].
    pub async fn call_encoded(&self, method: &str, body: Bytes, timeout: Duration) -> Result<Bytes, Error> {
        let deadline = Instant::now() + timeout;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let connection = self.connection_until(deadline).await?;
            match connection.ask(method, body.clone(), deadline).await {
                Ok(answer) => return Ok(answer),
                Err(lost) => self.give_up(lost, method, attempts, deadline)?,
            }
        }
    }

    /// Asks, and waits for the head for at most `timeout`. The pieces come as they are read and for as long as both sides
    /// live; one slow reader holds up nothing else.
    ///
    /// # Errors
    /// As [`Client::call`]; later ones come as the last piece.
    pub async fn stream<C: StreamCall>(
        &self,
        call: &C,
        timeout: Duration,
    ) -> Result<(C::Head, Pieces), Error> {
        let deadline = Instant::now() + timeout;
        let body = encode(call)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let connection = self.connection_until(deadline).await?;
            match connection.open(C::METHOD, body.clone(), deadline).await {
                Ok((head, pieces)) => return Ok((decode(&head)?, pieces)),
                Err(lost) => self.give_up(lost, C::METHOD, attempts, deadline)?,
            }
        }
    }

    /// Whether to try again on another connection.
    fn give_up(&self, lost: Lost, method: &str, attempts: u32, deadline: Instant) -> Result<(), Error> {
        match lost {
            // It broke before the question was on it.
            Lost::Unsent if attempts < MAX_ATTEMPTS && Instant::now() < deadline => Ok(()),
            Lost::Unsent => Err(self.unreachable("the connection takes nothing")),
            Lost::Unanswered(why) => Err(Error::new(
                ErrorKind::Unknown,
                format!("{} did not answer {method}: {why}", self.inner.address),
            )),
            Lost::Refused(error) => Err(error),
        }
    }

    fn unreachable(&self, why: &str) -> Error {
        Error::new(ErrorKind::Unreachable, format!("{} cannot be reached: {why}", self.inner.address))
    }

    async fn connection_until(&self, deadline: Instant) -> Result<Arc<Connection>, Error> {
        tokio::time::timeout_at(deadline, self.connection())
            .await
            .unwrap_or_else(|_| Err(self.unreachable("no connection in time")))
    }

    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let Inner { address, config, current } = &*self.inner;
        let mut current = current.lock().await;
        if let Some(connection) = current.connection.as_ref().filter(|connection| connection.is_open()) {
            return Ok(connection.clone());
        }
        current.connection = None;
        if let Some(not_before) = current.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        let making = Connection::make(address, &config.identity, config.silence);
        let made = tokio::time::timeout(config.connect_timeout, making).await;
        match made.unwrap_or_else(|_| Err(self.unreachable("no answer in time"))) {
            Ok(connection) => {
                *current = Current { connection: Some(connection.clone()), ..Current::default() };
                Ok(connection)
            }
            Err(error) => {
                let now = Instant::now();
                let backoff = config.first_backoff * 2_u32.saturating_pow(current.failures.min(16));
                current.failures += 1;
                current.not_before = Some(now + backoff.min(config.max_backoff));
                let quiet = current.complained.is_some_and(|last| now.duration_since(last) < QUIET);
                if error.kind == ErrorKind::Refused && !quiet {
                    current.complained = Some(now);
                    tracing::warn!(peer = address, %error, "another agent and this one do not fit together");
                }
                Err(error)
            }
        }
    }
}
