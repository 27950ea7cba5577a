//! Listens, and answers what comes over each connection.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    Error, ErrorKind, PROTOCOL,
    frame::{Failure, MAX_PIECE, Outgoing, Request, Response, Welcome, cost, decode, frame, write_all},
    identity::{Hello, Identity, Misfit},
    input::{Feed, Input, input},
    load::{Complaints, Counters, Limits, Load, Place, Places},
    reader::{Broken, Frame, Reader, long_frames},
    router::Router,
};

/// A connection must say who it is within this time.
const HELLO: Duration = Duration::from_secs(10);
/// How often a connection is looked at.
const TICK: Duration = Duration::from_secs(30);
/// Ticks without a frame after which a connection is closed on which nothing is asked.
const IDLE_TICKS: u32 = 20;
/// Ticks without a frame after which a connection is closed although something is asked: callers that wait ask every few
/// seconds whether we are alive, so this one is gone. Also the time for one frame.
const GONE_TICKS: u32 = 4;
/// Answers that may wait for a slow reader before its further calls wait, too.
const MAX_QUEUED_ANSWERS: usize = 256;
/// Calls of one connection that may be open, those whose answers wait included.
const MAX_OPEN_CALLS: usize = 4096;
/// What a caller may let a stream send ahead.
const MAX_CREDIT: usize = 16 << 20;

/// How a listener behaves.
#[derive(Debug, Clone, Default)]
pub struct ServeConfig {
    pub identity: Arc<Identity>,
    pub limits: Limits,
    /// Kept by whoever shows them.
    pub counters: Arc<Counters>,
}

/// [`serve_as`] nobody in particular: region `global`, no gossip key.
pub async fn serve(listener: TcpListener, router: Arc<Router>, stop: CancellationToken) {
    serve_as(listener, router, ServeConfig::default(), stop).await;
}

/// Accepts connections and answers calls until `stop`. Then what is being answered is dropped.
pub async fn serve_as(
    listener: TcpListener,
    router: Arc<Router>,
    config: ServeConfig,
    stop: CancellationToken,
) {
    let ServeConfig { identity, limits, counters } = config;
    let door =
        Arc::new(Door { router, identity, counters, complaints: Complaints::default(), long: long_frames() });
    let places = Places::new(limits);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((connection, peer)) => {
                Counters::count(&door.counters.accepted);
                match places.take(peer.ip()) {
                    Ok(place) => {
                        connections.spawn(door.clone().welcome(connection, peer, place));
                    }
                    Err(reason) => {
                        Counters::count(&door.counters.too_many);
                        door.complaints.say(peer, reason);
                    }
                }
            }
            Err(error) => {
                // Out of file descriptors, mostly: trying again at once would only burn time.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    connections.shutdown().await;
}

/// What the connections of a listener share.
struct Door {
    router: Arc<Router>,
    identity: Arc<Identity>,
    counters: Arc<Counters>,
    complaints: Complaints,
    long: Arc<Semaphore>,
}

/// Why a connection ends that was not closed in order.
enum Fault {
    Broken(Broken),
    WrongProtocol(u8),
    Silent,
    Unreadable(Error),
    Breach(&'static str),
    Misfit(Misfit, Error),
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl Door {
    async fn welcome(self: Arc<Self>, connection: TcpStream, peer: SocketAddr, _place: Place) {
        self.counters.open.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let _open = Open(self.counters.clone());
        let _ = connection.set_nodelay(true);
        let (reading, mut writing) = connection.into_split();
        let greeted = tokio::time::timeout(HELLO, self.greet(reading, &mut writing, peer)).await;
        let ended = match greeted.unwrap_or(Err(Fault::Silent)) {
            Ok(Some((reader, caller))) => Conversation::new(self.clone(), caller).hold(reader, writing).await,
            Ok(None) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = ended {
            self.complain(peer, fault);
        }
    }

    /// Hears who calls and says who answers. `None`: the caller went away without a word.
    async fn greet(
        &self,
        mut reading: OwnedReadHalf,
        writing: &mut OwnedWriteHalf,
        peer: SocketAddr,
    ) -> Result<Option<(Reader<OwnedReadHalf>, Hello)>, Fault> {
        match reading.read_u8().await {
            Ok(PROTOCOL) => {}
            Ok(other) => return Err(Fault::WrongProtocol(other)),
            Err(_) => return Ok(None),
        }
        let mut reader = Reader::new(reading, Some(self.long.clone()));
        let Some(Frame { bytes, .. }) = reader.next().await? else { return Ok(None) };
        let caller: Hello = decode(&bytes).map_err(Fault::Unreadable)?;
        let misfit = self.identity.accepts(&caller, &peer.ip().to_string()).err();
        let refusal = misfit.as_ref().map(|(_, error)| error.clone().into());
        let welcome = Welcome { hello: self.identity.hello(), refusal };
        let welcome = frame(&welcome).expect("a hello is short");
        writing.write_all(&welcome).await.map_err(Broken::Io)?;
        if let Some((misfit, error)) = misfit {
            let _ = writing.shutdown().await;
            return Err(Fault::Misfit(misfit, error));
        }
        reader.trust();
        Ok(Some((reader, caller)))
    }

    /// Counts it, and says it if this peer was not complained about just now.
    fn complain(&self, peer: SocketAddr, fault: Fault) {
        let counters = &self.counters;
        let (counter, words) = match fault {
            // It happens all the time, to the best of peers.
            Fault::Broken(Broken::Io(error)) => {
                tracing::debug!(%peer, %error, "a connection failed");
                return;
            }
            Fault::Broken(broken @ Broken::Oversized { .. }) => (&counters.oversized, broken.to_string()),
            Fault::Broken(broken @ Broken::Truncated) => (&counters.truncated, broken.to_string()),
            Fault::WrongProtocol(byte) => (
                &counters.wrong_protocol,
                format!("it begins with {byte:#04x}, which is no protocol of this port"),
            ),
            Fault::Silent => (&counters.silent, "it was silent for too long".into()),
            Fault::Unreadable(error) => (&counters.unreadable, error.message),
            Fault::Breach(what) => (&counters.unreadable, what.into()),
            Fault::Misfit(Misfit::Key, error) => (&counters.other_key, error.message),
            Fault::Misfit(Misfit::Version, error) => (&counters.other_version, error.message),
        };
        Counters::count(counter);
        self.complaints.say(peer, &words);
    }
}

/// Counts a connection as open.
struct Open(Arc<Counters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// One connection after the hellos.
struct Conversation {
    door: Arc<Door>,
    caller: Hello,
    load: Arc<Load>,
    /// Dropped with this task: whatever is being answered ends when the caller is gone.
    working: JoinSet<Option<u64>>,
    open: HashMap<u64, Working>,
}

/// What is being answered.
struct Working {
    task: AbortHandle,
    /// Of a stream.
    credit: Option<Arc<Semaphore>>,
    /// Of a stream whose caller may send pieces, until the last one.
    feed: Option<Feed>,
}

impl Conversation {
    fn new(door: Arc<Door>, caller: Hello) -> Self {
        let load = Arc::default();
        Self { door, caller, load, working: JoinSet::new(), open: HashMap::new() }
    }

    /// Until one of both closes.
    async fn hold(mut self, mut reader: Reader<OwnedReadHalf>, writing: OwnedWriteHalf) -> Result<(), Fault> {
        let (answers, queue) = mpsc::channel(MAX_QUEUED_ANSWERS);
        self.working.spawn(async move {
            let _ = write_all(writing, queue).await;
            None
        });
        let load = self.load.clone();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut quiet = 0;
        loop {
            let heard = tokio::select! {
                Some(done) = self.working.join_next_with_id() => {
                    match done {
                        Ok((_, Some(id))) => {
                            self.open.remove(&id);
                        }
                        // Nobody reads answers any more.
                        Ok((_, None)) => return Ok(()),
                        // Aborted: its caller cancelled it.
                        Err(_) => {}
                    }
                    continue;
                }
                _ = ticks.tick() => {
                    quiet += 1;
                    let waits = !self.open.is_empty() || reader.is_amid();
                    if waits && quiet > GONE_TICKS {
                        return Err(Fault::Silent);
                    }
                    if quiet > IDLE_TICKS {
                        return Ok(());
                    }
                    continue;
                }
                heard = async { load.is_light().await; reader.next().await } => heard?,
            };
            let Some(heard) = heard else { return Ok(()) };
            quiet = 0;
            if !self.hear(heard, &answers).await? {
                return Ok(());
            }
        }
    }

    /// False: nobody reads answers any more.
    async fn hear(&mut self, heard: Frame, answers: &mpsc::Sender<Outgoing>) -> Result<bool, Fault> {
        match decode::<Request>(&heard.bytes).map_err(Fault::Unreadable)? {
            Request::Call { id, method, .. } | Request::Open { id, method, .. } if !self.may_ask(&method) => {
                let refusal = self.refusal(&method);
                return Ok(answers.send(response(id, Err(refusal), false)).await.is_ok());
            }
            Request::Call { id, method, deadline_ms, body } => {
                let Entry::Vacant(place) = self.open.entry(id) else { return Err(TWICE) };
                let held = (self.load.hold(heard.bytes.len()), heard.room);
                let (door, load, answers) = (self.door.clone(), self.load.clone(), answers.clone());
                let task = self.working.spawn(async move {
                    let deadline = Duration::from_millis(deadline_ms);
                    let result = door.router.answer(&method, deadline, body).await;
                    let mut outgoing = response(id, result, false);
                    drop(held);
                    outgoing.held = load.hold_answer(outgoing.bytes.len());
                    if outgoing.held.is_none() {
                        let lost = "the answer was thrown away: the caller does not read its answers";
                        outgoing = response(id, Err(Error::new(ErrorKind::Unknown, lost)), false);
                    }
                    let _ = answers.send(outgoing).await;
                    Some(id)
                });
                place.insert(Working { task, credit: None, feed: None });
            }
            Request::Open { id, method, deadline_ms, credit, body } => {
                let Entry::Vacant(place) = self.open.entry(id) else { return Err(TWICE) };
                let credit = Arc::new(Semaphore::new((credit as usize).min(MAX_CREDIT)));
                let (door, answers) = (self.door.clone(), answers.clone());
                let spending = credit.clone();
                let (feed, input) = input(id, answers.clone());
                let feed = Some(feed).filter(|_| door.router.takes_input(&method));
                let task = self.working.spawn(async move {
                    let deadline = Duration::from_millis(deadline_ms);
                    pour(&door.router, id, &method, deadline, (body, input), &spending, &answers).await;
                    Some(id)
                });
                place.insert(Working { task, credit: Some(credit), feed });
            }
            Request::Credit { id, credit: more } => {
                // Of a stream that is over: nothing.
                if let Some(credit) = self.open.get(&id).and_then(|working| working.credit.as_ref()) {
                    let more = more as usize;
                    if credit.available_permits() + more > MAX_CREDIT {
                        return Err(Fault::Breach("it wants more ahead of a stream than is allowed"));
                    }
                    credit.add_permits(more);
                }
            }
            Request::Piece { id, body, last } => match self.open.get_mut(&id) {
                // It is over.
                None => {}
                Some(working) if last => working.feed = None,
                Some(working) if working.feed.as_ref().is_some_and(|feed| feed.take(body)) => {}
                Some(_) => return Err(Fault::Breach("it sends pieces that are more than was asked for")),
            },
            Request::Cancel { id } => {
                if let Some(working) = self.open.remove(&id) {
                    working.task.abort();
                }
            }
            Request::Ping { id } => {
                return Ok(answers.send(response(id, Ok(Bytes::new()), false)).await.is_ok());
            }
        }
        Ok(true)
    }

    fn may_ask(&self, method: &str) -> bool {
        Counters::count(&self.door.counters.calls);
        let router = &self.door.router;
        let stranger = self.caller.region != self.door.identity.region;
        router.knows(method) && self.open.len() < MAX_OPEN_CALLS && !(stranger && router.is_home_only(method))
    }

    /// Why it may not.
    fn refusal(&self, method: &str) -> Error {
        let Door { router, identity, counters, .. } = &*self.door;
        if !router.knows(method) {
            Counters::count(&counters.unknown_method);
            let method: String = method.chars().take(100).collect();
            return Error::new(ErrorKind::NotFound, format!("this agent has no method {method}"));
        }
        if let Some(error) =
            identity.at_home(&self.caller, method).err().filter(|_| router.is_home_only(method))
        {
            Counters::count(&counters.other_region);
            return error;
        }
        Error::new(ErrorKind::Overloaded, "too many calls are open on this connection")
    }
}

const TWICE: Fault = Fault::Breach("two of its calls have the same number");

/// Sends the head and the pieces, as far as the reader's credit goes.
async fn pour(
    router: &Router,
    id: u64,
    method: &str,
    deadline: Duration,
    (body, input): (Bytes, Input),
    credit: &Semaphore,
    answers: &mpsc::Sender<Outgoing>,
) {
    let mut pouring = match router.open(method, deadline, body, input).await {
        Ok(pouring) => pouring,
        Err(error) => {
            let _ = answers.send(response(id, Err(error), false)).await;
            return;
        }
    };
    let head = std::mem::take(&mut pouring.head);
    if answers.send(response(id, Ok(head), true)).await.is_err() {
        return;
    }
    let end = loop {
        match pouring.next(method).await {
            None => break Ok(Bytes::new()),
            Some(Err(error)) => break Err(error),
            Some(Ok(mut rest)) => loop {
                let piece = rest.split_to(rest.len().min(MAX_PIECE));
                let spent = credit.acquire_many(cost(piece.len())).await;
                spent.expect("never closed").forget();
                if answers.send(response(id, Ok(piece), true)).await.is_err() {
                    return;
                }
                if rest.is_empty() {
                    break;
                }
            },
        }
    };
    let _ = answers.send(response(id, end, false)).await;
}

fn response(id: u64, result: Result<Bytes, Error>, more: bool) -> Outgoing {
    let response = match result {
        Ok(body) => Response { id, body, failure: None, more, credit: 0 },
        Err(error) => {
            Response { id, body: Bytes::new(), failure: Some(error.into()), more: false, credit: 0 }
        }
    };
    let framed = frame(&response).or_else(|error| {
        let error = Error::new(ErrorKind::Internal, format!("the answer cannot be sent: {error}"));
        let failure = Some(Failure::from(error));
        frame(&Response { id, body: Bytes::new(), failure, more: false, credit: 0 })
    });
    framed.expect("an error message is short").into()
}
