//! Calls one agent, over one connection that is made again when it breaks.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::codec::FramedRead;

use super::{
    Call, Error, ErrorKind, PROTOCOL,
    frame::{Outgoing, Request, Response, Sending, codec, decode, encode, frame, write_all},
};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// Wait after the first failed connection; doubles with each further one.
    pub first_backoff: Duration,
    pub max_backoff: Duration,
    /// A connection that has calls open and was silent for so long is asked whether it is alive, and given up when it
    /// is silent as long again.
    pub silence: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(5),
            silence: Duration::from_secs(15),
        }
    }
}

/// Connections that may break under a call before it was sent.
const MAX_ATTEMPTS: u32 = 3;

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
    /// What the other side said; or [`ErrorKind::Unreachable`] when the question was surely not sent, and
    /// [`ErrorKind::Unknown`] when it was and no answer came within `timeout`.
    pub async fn call<C: Call>(&self, call: &C, timeout: Duration) -> Result<C::Answer, Error> {
        let deadline = Instant::now() + timeout;
        let body = encode(call)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let connection = tokio::time::timeout_at(deadline, self.connection())
                .await
                .unwrap_or_else(|_| Err(self.unreachable("no connection in time")))?;
            match connection.ask(C::METHOD, body.clone(), deadline).await {
                Ok(answer) => return decode(&answer),
                // It broke before the question was on it.
                Err(Lost::Unsent) if attempts < MAX_ATTEMPTS && Instant::now() < deadline => {}
                Err(Lost::Unsent) => return Err(self.unreachable("the connection takes nothing")),
                Err(Lost::Unanswered(why)) => {
                    return Err(Error::new(
                        ErrorKind::Unknown,
                        format!("{} did not answer {}: {why}", self.inner.address, C::METHOD),
                    ));
                }
                Err(Lost::Refused(error)) => return Err(error),
            }
        }
    }

    fn unreachable(&self, why: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Unreachable, format!("{} cannot be reached: {why}", self.inner.address))
    }

    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let config = &self.inner.config;
        let mut current = self.inner.current.lock().await;
        if let Some(connection) = current.connection.as_ref().filter(|connection| connection.is_open()) {
            return Ok(connection.clone());
        }
        current.connection = None;
        if let Some(not_before) = current.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        let connecting = async {
            let mut stream = TcpStream::connect(&self.inner.address).await?;
            stream.set_nodelay(true)?;
            stream.write_u8(PROTOCOL).await?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = tokio::time::timeout(config.connect_timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        match stream {
            Ok(stream) => {
                let connection = Connection::start(stream, config.silence);
                *current = Current { connection: Some(connection.clone()), ..Current::default() };
                Ok(connection)
            }
            Err(error) => {
                let backoff = config.first_backoff * 2_u32.saturating_pow(current.failures.min(16));
                current.failures += 1;
                current.not_before = Some(Instant::now() + backoff.min(config.max_backoff));
                Err(self.unreachable(error))
            }
        }
    }
}

/// Why a connection brought no answer.
enum Lost {
    Unsent,
    Unanswered(&'static str),
    Refused(Error),
}

type Waiting = HashMap<u64, oneshot::Sender<Result<Bytes, Error>>>;

/// One TCP connection. Ends when it breaks or nobody holds it.
struct Connection {
    queue: mpsc::Sender<Outgoing>,
    /// Calls without an answer. `None`: closed.
    waiting: Mutex<Option<Waiting>>,
    next_id: AtomicU64,
    heard: AtomicBool,
}

/// Frames that may wait to be written.
const MAX_QUEUED: usize = 1024;

impl Connection {
    fn start(stream: TcpStream, silence: Duration) -> Arc<Self> {
        let (reading, writing) = stream.into_split();
        let (queue, queued) = mpsc::channel(MAX_QUEUED);
        let connection = Arc::new(Self {
            queue,
            waiting: Mutex::new(Some(Waiting::new())),
            next_id: AtomicU64::new(1),
            heard: AtomicBool::new(false),
        });
        // Both hold it weakly: the last caller that lets go ends them through the closed queue.
        let weak = Arc::downgrade(&connection);
        tokio::spawn(async move {
            let mut writing = std::pin::pin!(write_all(writing, queued));
            let mut responses = FramedRead::new(reading, codec());
            let mut ticks = tokio::time::interval(silence);
            // After a stall of this process, the other side gets its time all the same.
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut asked = false;
            loop {
                tokio::select! {
                    _ = &mut writing => break,
                    response = responses.next() => {
                        let (Some(Ok(bytes)), Some(connection)) = (response, weak.upgrade()) else { break };
                        let Ok(response) = decode::<Response>(&bytes) else { break };
                        connection.settle(response);
                    }
                    _ = ticks.tick() => {
                        let Some(connection) = weak.upgrade() else { break };
                        if connection.heard.swap(false, Ordering::Relaxed) || connection.is_idle() {
                            asked = false;
                        } else if asked {
                            tracing::debug!("a connection is silent, it is closed");
                            break;
                        } else {
                            asked = true;
                            connection.ping();
                        }
                    }
                }
            }
            if let Some(connection) = weak.upgrade() {
                connection.close();
            }
        });
        connection
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    fn is_idle(&self) -> bool {
        self.lock().as_ref().is_none_or(HashMap::is_empty)
    }

    /// Whoever waits learns it through the dropped sender.
    fn close(&self) {
        self.lock().take();
    }

    fn settle(&self, response: Response) {
        self.heard.store(true, Ordering::Relaxed);
        let caller = self.lock().as_mut().and_then(|waiting| waiting.remove(&response.id));
        // No caller: it went away, or it was a ping.
        if let Some(caller) = caller {
            let _ = caller.send(match response.failure {
                None => Ok(response.body),
                Some(failure) => Err(failure.into()),
            });
        }
    }

    fn ping(&self) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if let Ok(frame) = frame(&Request::Ping { id }) {
            // A full queue is no sign of life either.
            let _ = self.queue.try_send(frame.into());
        }
    }

    async fn ask(self: &Arc<Self>, method: &str, body: Bytes, deadline: Instant) -> Result<Bytes, Lost> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let left = deadline.saturating_duration_since(Instant::now());
        let request = Request::Call {
            id,
            method: method.into(),
            deadline_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1),
            body,
        };
        let bytes = frame(&request).map_err(Lost::Refused)?;
        let (caller, answer) = oneshot::channel();
        match self.lock().as_mut() {
            None => return Err(Lost::Unsent),
            Some(waiting) => waiting.insert(id, caller),
        };
        let sending = Sending::default();
        let mut call = Open { connection: self, id, sending: sending.clone(), answered: false };
        let answer = tokio::time::timeout_at(deadline, async {
            if self.queue.send(Outgoing { bytes, sending }).await.is_err() {
                return Err(());
            }
            answer.await.map_err(drop)
        });
        let answer = answer.await;
        match answer {
            Ok(Ok(result)) => {
                call.answered = true;
                result.map_err(Lost::Refused)
            }
            Ok(Err(())) if call.sending.withdraw() => Err(Lost::Unsent),
            Ok(Err(())) => Err(Lost::Unanswered("the connection was lost")),
            Err(_) if call.sending.withdraw() => Err(Lost::Unsent),
            Err(_) => Err(Lost::Unanswered("it took too long")),
        }
    }
}

/// A call whose caller waits. Dropped without an answer, it tells the other side.
struct Open<'a> {
    connection: &'a Arc<Connection>,
    id: u64,
    sending: Sending,
    answered: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if let Some(waiting) = self.connection.lock().as_mut() {
            waiting.remove(&self.id);
        }
        if !self.sending.withdraw()
            && let Ok(frame) = frame(&Request::Cancel { id: self.id })
        {
            // With a full queue the other side finds out by its deadline.
            let _ = self.connection.queue.try_send(frame.into());
        }
    }
}
