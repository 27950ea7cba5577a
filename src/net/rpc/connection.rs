//! One connection to another agent, seen by the side that made it: who waits for which answer.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::{Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Error, ErrorKind, PROTOCOL,
    frame::{
        MAX_PIECE, Outgoing, Request, Response, Sending, TELL, WINDOW, Welcome, cost, decode, frame,
        write_all,
    },
    identity::Identity,
    reader::Reader,
};

/// Frames that may wait to be written.
const MAX_QUEUED: usize = 1024;

/// Why a connection brought no answer.
pub(super) enum Lost {
    Unsent,
    Unanswered(&'static str),
    Refused(Error),
}

/// Who waits for answers with one number.
enum Waiter {
    Call(oneshot::Sender<Result<Bytes, Error>>),
    Stream {
        /// Until it has come.
        head: Option<oneshot::Sender<Result<Bytes, Error>>>,
        pieces: mpsc::UnboundedSender<Piece>,
        /// What may still come; the other side keeps to it, and with it the length of the queue.
        left: Arc<AtomicI64>,
        /// What this side may still send.
        credit: Arc<Semaphore>,
    },
}

enum Piece {
    Bytes(Bytes),
    End(Option<Error>),
}

type Waiting = HashMap<u64, Waiter>;

/// One TCP connection. Ends when it breaks or nobody holds it.
pub(super) struct Connection {
    queue: mpsc::Sender<Outgoing>,
    /// Calls without an answer and streams without an end. `None`: closed.
    waiting: Mutex<Option<Waiting>>,
    next_id: AtomicU64,
    heard: AtomicBool,
}

impl Connection {
    /// Says who we are, hears who they are.
    ///
    /// # Errors
    /// Nobody is there who speaks the protocol, or one of both refuses the other.
    pub(super) async fn make(
        address: &str,
        identity: &Identity,
        silence: Duration,
    ) -> Result<Arc<Self>, Error> {
        let failed = |why: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Unreachable, format!("{address} cannot be reached: {why}"))
        };
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (reading, mut writing) = stream.into_split();
        let mut first = BytesMut::new();
        first.put_u8(PROTOCOL);
        first.extend_from_slice(&frame(&identity.hello())?);
        writing.write_all(&first).await.map_err(|error| failed(&error))?;
        let mut reader = Reader::new(reading, None);
        let welcome = match reader.next().await {
            Ok(Some(frame)) => frame.bytes,
            Ok(None) => {
                return Err(failed(
                    &"it closed the connection without saying who it is; is this the RPC port of an agent?",
                ));
            }
            Err(broken) => return Err(failed(&broken)),
        };
        let welcome: Welcome = decode(&welcome).map_err(|error| failed(&error))?;
        identity.accepts(&welcome.hello, address).map_err(|(_, error)| error)?;
        if let Some(refusal) = welcome.refusal {
            let Error { kind, message } = refusal.into();
            return Err(Error::new(kind, format!("{address} refuses this agent: {message}")));
        }
        reader.trust();
        Ok(Self::start(reader, writing, silence))
    }

    fn start(
        mut reader: Reader<OwnedReadHalf>,
        writing: impl tokio::io::AsyncWrite + Unpin + Send + 'static,
        silence: Duration,
    ) -> Arc<Self> {
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
            let mut ticks = tokio::time::interval(silence);
            // After a stall of this process, the other side gets its time all the same.
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut asked = false;
            loop {
                tokio::select! {
                    _ = &mut writing => break,
                    response = reader.next() => {
                        let (Ok(Some(frame)), Some(connection)) = (response, weak.upgrade()) else { break };
                        let Ok(response) = decode::<Response>(&frame.bytes) else { break };
                        if !connection.settle(response) {
                            tracing::warn!("the other side of a connection sends more than it may, it is closed");
                            break;
                        }
                    }
                    _ = ticks.tick() => {
                        let Some(connection) = weak.upgrade() else { break };
                        let silent = !connection.heard.swap(false, Ordering::Relaxed);
                        if asked && silent {
                            tracing::debug!("a connection is silent, it is closed");
                            break;
                        }
                        // Asked even when much is heard: the other side wants to hear something, too.
                        asked = !connection.is_idle();
                        if asked {
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

    pub(super) fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    fn is_idle(&self) -> bool {
        self.lock().as_ref().is_none_or(HashMap::is_empty)
    }

    /// Whoever waits learns it through the dropped sender.
    fn close(&self) {
        self.lock().take();
    }

    /// False: the other side breaks the rules.
    fn settle(&self, response: Response) -> bool {
        self.heard.store(true, Ordering::Relaxed);
        let Response { id, body, failure, more, credit } = response;
        let result = failure.map_or(Ok(body), |failure| Err(failure.into()));
        let mut waiting = self.lock();
        let Some(waiting) = waiting.as_mut() else { return true };
        if !more {
            match waiting.remove(&id) {
                Some(Waiter::Call(caller)) => drop(caller.send(result)),
                Some(Waiter::Stream { head: Some(head), .. }) => {
                    let ended = || Error::new(ErrorKind::Internal, "a stream ended before it began");
                    let _ = head.send(Err(result.err().unwrap_or_else(ended)));
                }
                Some(Waiter::Stream { pieces, .. }) => drop(pieces.send(Piece::End(result.err()))),
                // No caller: it went away, or it was a ping.
                None => {}
            }
            return true;
        }
        match (waiting.get_mut(&id), result) {
            (Some(Waiter::Stream { credit: own, .. }), Ok(_)) if credit > 0 => {
                own.add_permits(credit as usize);
                own.available_permits() <= WINDOW as usize
            }
            (Some(Waiter::Stream { head, pieces, left, .. }), Ok(body)) => {
                if let Some(head) = head.take() {
                    let _ = head.send(Ok(body));
                    return true;
                }
                let cost = i64::from(cost(body.len()));
                let _ = pieces.send(Piece::Bytes(body));
                left.fetch_sub(cost, Ordering::Relaxed) >= cost
            }
            (None, _) => true,
            (Some(_), _) => false,
        }
    }

    fn ping(&self) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if let Ok(frame) = frame(&Request::Ping { id }) {
            // A full queue is no sign of life either.
            let _ = self.queue.try_send(frame.into());
        }
    }

    /// Sends what must not be lost as long as the connection lives, from where one cannot wait.
    fn send_later(&self, request: &Request) {
        let Ok(frame) = frame(request) else { return };
        if let Err(mpsc::error::TrySendError::Full(frame)) = self.queue.try_send(frame.into())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let queue = self.queue.clone();
            runtime.spawn(async move { queue.send(frame).await });
        }
    }

    /// Asks for one answer.
    pub(super) async fn ask(
        self: &Arc<Self>,
        method: &str,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, Lost> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = Request::Call { id, method: method.into(), deadline_ms: until(deadline), body };
        let (caller, answer) = oneshot::channel();
        let (answer, mut open) = self.begin(id, &request, Waiter::Call(caller), answer, deadline).await?;
        open.over = true;
        Ok(answer)
    }

    /// Asks for a head and pieces.
    pub(super) async fn open(
        self: &Arc<Self>,
        method: &str,
        body: Bytes,
        deadline: Instant,
    ) -> Result<(Bytes, Pieces), Lost> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request =
            Request::Open { id, method: method.into(), deadline_ms: until(deadline), credit: WINDOW, body };
        let (caller, answer) = oneshot::channel();
        let (pieces, queue) = mpsc::unbounded_channel();
        let left = Arc::new(AtomicI64::new(WINDOW.into()));
        let credit = Arc::new(Semaphore::new(WINDOW as usize));
        let waiter =
            Waiter::Stream { head: Some(caller), pieces, left: left.clone(), credit: credit.clone() };
        let (head, open) = self.begin(id, &request, waiter, answer, deadline).await?;
        Ok((head, Pieces { queue, open, left, read: 0, credit, feeding: None }))
    }

    async fn begin(
        self: &Arc<Self>,
        id: u64,
        request: &Request,
        waiter: Waiter,
        answer: oneshot::Receiver<Result<Bytes, Error>>,
        deadline: Instant,
    ) -> Result<(Bytes, Open), Lost> {
        let bytes = frame(request).map_err(Lost::Refused)?;
        match self.lock().as_mut() {
            None => return Err(Lost::Unsent),
            Some(waiting) => waiting.insert(id, waiter),
        };
        let sending = Sending::default();
        let mut open = Open { connection: self.clone(), id, sending: sending.clone(), over: false };
        let answer = tokio::time::timeout_at(deadline, async {
            let outgoing = Outgoing { bytes, sending: Some(sending), held: None };
            if self.queue.send(outgoing).await.is_err() {
                return Err(());
            }
            answer.await.map_err(drop)
        });
        match answer.await {
            Ok(Ok(Ok(answer))) => Ok((answer, open)),
            Ok(Ok(Err(error))) => {
                open.over = true;
                Err(Lost::Refused(error))
            }
            Ok(Err(())) if open.sending.withdraw() => Err(Lost::Unsent),
            Ok(Err(())) => Err(Lost::Unanswered("the connection was lost")),
            Err(_) if open.sending.withdraw() => Err(Lost::Unsent),
            Err(_) => Err(Lost::Unanswered("it took too long")),
        }
    }
}

fn until(deadline: Instant) -> u64 {
    let left = deadline.saturating_duration_since(Instant::now());
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// A call or stream that is not over. Dropped before it is, it tells the other side.
struct Open {
    connection: Arc<Connection>,
    id: u64,
    sending: Sending,
    over: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if let Some(waiting) = self.connection.lock().as_mut() {
            waiting.remove(&self.id);
        }
        if !self.sending.withdraw() {
            self.connection.send_later(&Request::Cancel { id: self.id });
        }
    }
}

/// The pieces of a stream, as the other side gave them. Not read, they wait there; dropped, the stream ends there.
pub struct Pieces {
    queue: mpsc::UnboundedReceiver<Piece>,
    open: Open,
    left: Arc<AtomicI64>,
    /// Read, and the other side does not know it yet.
    read: u32,
    /// For what this side sends.
    credit: Arc<Semaphore>,
    feeding: Option<AbortOnDropHandle<()>>,
}

impl Pieces {
    /// Sends pieces of our own along, for a method that takes some, as fast as they are read there, until the pieces of
    /// the other side are dropped.
    pub fn feed(&mut self, mut input: BoxStream<'static, Bytes>) {
        let (id, queue, credit) = (self.open.id, self.open.connection.queue.clone(), self.credit.clone());
        self.feeding = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let send = async |body: Bytes, last| {
                let bytes = frame(&Request::Piece { id, body, last }).map_err(drop)?;
                queue.send(bytes.into()).await.map_err(drop)
            };
            while let Some(mut rest) = input.next().await {
                loop {
                    let piece = rest.split_to(rest.len().min(MAX_PIECE));
                    credit.acquire_many(cost(piece.len())).await.expect("never closed").forget();
                    if send(piece, false).await.is_err() {
                        return;
                    }
                    if rest.is_empty() {
                        break;
                    }
                }
            }
            // Where it cannot be sent, there is nobody who waits for it.
            let _: Result<(), ()> = send(Bytes::new(), true).await;
        })));
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").field("over", &self.open.over).finish_non_exhaustive()
    }
}

impl Stream for Pieces {
    /// After an error comes nothing more. [`ErrorKind::Unknown`]: the connection was lost.
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.open.over {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(self.queue.poll_recv(context));
        let (piece, over) = match piece {
            Some(Piece::Bytes(bytes)) => {
                self.read += cost(bytes.len());
                (Some(Ok(bytes)), false)
            }
            Some(Piece::End(None)) => (None, true),
            Some(Piece::End(Some(error))) => (Some(Err(error)), true),
            None => {
                let lost =
                    Error::new(ErrorKind::Unknown, "the connection was lost in the middle of a stream");
                (Some(Err(lost)), true)
            }
        };
        self.open.over = over;
        if self.read >= TELL && !over {
            let credit = std::mem::take(&mut self.read);
            self.left.fetch_add(credit.into(), Ordering::Relaxed);
            let request = Request::Credit { id: self.open.id, credit };
            self.open.connection.send_later(&request);
        }
        Poll::Ready(piece)
    }
}
