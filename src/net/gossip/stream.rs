//! Exchanges over TCP, on the port of the datagrams.
//!
//! Each way one message: `T`, `S`, a version, how many bytes follow (4), an envelope. What is refused is answered with
//! the reason, in words and not sealed: the keys may be what differs.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

use super::envelope::{Envelope, Pool, Refused};

/// Longest message: 10,000 members have some 3 MiB.
const MAX_MESSAGE: usize = 20 << 20;
/// Exchanges that others may have with this agent at a time.
const MAX_STREAMS: usize = 128;
/// What these may hold in memory, in KiB.
const MAX_MEMORY: usize = 64 << 10;
const CONNECT: Duration = Duration::from_secs(3);
/// For a whole exchange.
const PATIENCE: Duration = Duration::from_secs(10);

const ANSWER: [u8; 3] = [b'T', b'S', 1];
const REFUSAL: [u8; 3] = [b'T', b'R', 1];

/// Brings what an agent knows to another one and back what that one says to it.
#[async_trait]
pub trait StateExchange: Send + Sync + 'static {
    /// `peer` is its address of gossip.
    ///
    /// # Errors
    /// It did not answer, or refused; the reason is for people.
    async fn exchange(&self, peer: SocketAddr, state: Vec<u8>) -> io::Result<Vec<u8>>;
}

/// A connection for each exchange, sealed like the datagrams.
pub(super) struct TcpExchange {
    envelope: Arc<Mutex<Envelope>>,
}

impl TcpExchange {
    pub(super) fn new(envelope: Arc<Mutex<Envelope>>) -> Self {
        Self { envelope }
    }
}

fn wrap(envelope: &Mutex<Envelope>, text: &[u8]) -> Vec<u8> {
    envelope.lock().unwrap_or_else(PoisonError::into_inner).wrap(Pool::Wan, text)
}

fn open(envelope: &Mutex<Envelope>, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    envelope.lock().unwrap_or_else(PoisonError::into_inner).open(bytes).map(|(_, text)| text.into_owned())
}

#[async_trait]
impl StateExchange for TcpExchange {
    async fn exchange(&self, peer: SocketAddr, state: Vec<u8>) -> io::Result<Vec<u8>> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        let mut stream = timeout(CONNECT, TcpStream::connect(peer)).await.map_err(late)??;
        let answer = async {
            send(&mut stream, ANSWER, &wrap(&self.envelope, &state)).await?;
            drop(state);
            receive(&mut stream, None).await
        };
        let (kind, bytes) = timeout(PATIENCE, answer).await.map_err(late)??;
        if kind == REFUSAL {
            let reason = String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned();
            return Err(io::Error::other(reason));
        }
        open(&self.envelope, &bytes).map_err(|refused| io::Error::other(refused.to_string()))
    }
}

async fn send(stream: &mut TcpStream, kind: [u8; 3], bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&kind).await?;
    stream.write_all(&length.to_le_bytes()).await?;
    stream.write_all(bytes).await?;
    stream.flush().await
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Memory is taken as bytes arrive, not as they are announced; out of `memory`, if it is shared.
async fn receive(stream: &mut TcpStream, memory: Option<&Semaphore>) -> io::Result<([u8; 3], Vec<u8>)> {
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let [a, b, c, l0, l1, l2, l3] = head;
    let kind = [a, b, c];
    if kind != ANSWER && kind != REFUSAL {
        return Err(invalid("it is not from an agent of this version"));
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > MAX_MESSAGE {
        return Err(invalid("it is too long"));
    }
    let (mut bytes, mut taken) = (Vec::new(), Vec::new());
    while bytes.len() < length {
        let next = (length - bytes.len()).min(64 << 10);
        if let Some(memory) = memory {
            let kib = u32::try_from(next.div_ceil(1 << 10)).expect("at most 64");
            taken.push(memory.acquire_many(kib).await.map_err(io::Error::other)?);
        }
        let from = bytes.len();
        bytes.resize(from + next, 0);
        stream.read_exact(&mut bytes[from..]).await?;
    }
    Ok((kind, bytes))
}

/// A question from another agent, for the brain.
#[derive(Debug)]
pub(super) enum Asked {
    Question { from: SocketAddr, text: Vec<u8>, answer: oneshot::Sender<Result<Vec<u8>, String>> },
    Refused { from: SocketAddr, why: Refused },
}

/// Answers exchanges until the brain is gone.
pub(super) async fn serve(listener: TcpListener, envelope: Arc<Mutex<Envelope>>, brain: mpsc::Sender<Asked>) {
    let (streams, memory) = (Arc::new(Semaphore::new(MAX_STREAMS)), Arc::new(Semaphore::new(MAX_MEMORY)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = brain.closed() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "an exchange was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Those who come when all are busy are hung up on: they ask somebody else, or again.
        let Ok(permit) = streams.clone().try_acquire_owned() else { continue };
        let (envelope, brain, memory) = (envelope.clone(), brain.clone(), memory.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let told = timeout(PATIENCE, answer(stream, from, &envelope, &brain, &memory)).await;
            if let Ok(Err(error)) = told {
                tracing::debug!(%from, %error, "an exchange was not answered");
                if error.kind() == io::ErrorKind::InvalidData {
                    let _ = brain.send(Asked::Refused { from, why: Refused::Garbage }).await;
                }
            }
        });
    }
}

async fn answer(
    mut stream: TcpStream,
    from: SocketAddr,
    envelope: &Mutex<Envelope>,
    brain: &mpsc::Sender<Asked>,
    memory: &Semaphore,
) -> io::Result<()> {
    let (kind, bytes) = receive(&mut stream, Some(memory)).await?;
    if kind != ANSWER {
        return Err(invalid("it is not a question"));
    }
    let text = match open(envelope, &bytes) {
        Ok(text) => text,
        Err(why) => {
            let _ = brain.send(Asked::Refused { from, why }).await;
            // Seen from there it is this agent that has another key.
            let reason = match why {
                Refused::KeyMissingHere => Refused::KeyMissingThere,
                Refused::KeyMissingThere => Refused::KeyMissingHere,
                other => other,
            };
            return send(&mut stream, REFUSAL, reason.to_string().as_bytes()).await;
        }
    };
    let (sender, answered) = oneshot::channel();
    let gone = |()| io::Error::other("this agent is leaving");
    brain.send(Asked::Question { from, text, answer: sender }).await.map_err(|_| gone(()))?;
    match answered.await.map_err(|_| gone(()))? {
        Ok(text) => send(&mut stream, ANSWER, &wrap(envelope, &text)).await,
        Err(reason) => send(&mut stream, REFUSAL, reason.as_bytes()).await,
    }
}
