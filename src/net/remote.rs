//! Messages to actors on other agents: a [`Remote`] finds the leader, a server, a region or a node, and sends again
//! where that is safe. What may have been carried out is reported as unknown and never sent again.

use std::{
    collections::HashMap,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use model::NodeId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{sync::watch, time::Instant};

use super::rpc::{Call, Client, ClientConfig, Error, ErrorKind, Pieces, Router, StreamCall};
use crate::actors::ports::Leadership;

/// How long a message waits for a leader to be there.
pub const HOLD: Duration = Duration::from_secs(5);
/// Pause before an agent that could not be reached is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that are kept; beyond it the unused ones are closed.
const KEPT: usize = 256;

/// RPC addresses (`ip:port`) of others, as they are known now.
pub trait Whereabouts: Send + Sync + 'static {
    /// Servers of this region that are alive; not this agent itself.
    fn servers(&self) -> Vec<String>;
    /// Servers of another region that are alive.
    fn region(&self, name: &str) -> Vec<String>;
    fn node(&self, id: NodeId) -> Option<String>;
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Waits up to [`HOLD`] for one. Must not be this agent.
    Leader,
    /// Any server of the region.
    Server,
    /// Any server of another region.
    Region(String),
    Node(NodeId),
    /// `ip:port`.
    Address(String),
}

/// Finds agents and keeps one connection to each. Clones share them.
#[derive(Clone)]
pub struct Carrier {
    inner: Arc<Inner>,
}

struct Inner {
    whereabouts: Arc<dyn Whereabouts>,
    leadership: watch::Receiver<Leadership>,
    config: ClientConfig,
    clients: Mutex<HashMap<String, Client>>,
    /// Which of several servers is asked first: the one that answered last.
    turn: AtomicUsize,
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

impl Carrier {
    pub fn new(
        whereabouts: Arc<dyn Whereabouts>,
        leadership: watch::Receiver<Leadership>,
        config: ClientConfig,
    ) -> Self {
        let (clients, turn) = (Mutex::default(), AtomicUsize::new(0));
        Self { inner: Arc::new(Inner { whereabouts, leadership, config, clients, turn }) }
    }

    /// A way for messages of one kind.
    pub fn remote<C: Call>(&self, to: To) -> Remote<C> {
        Remote { carrier: self.clone(), to, kind: PhantomData }
    }

    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Opens a stream; the first agent that can be reached answers.
    ///
    /// # Errors
    /// As for [`Remote::ask`]; later ones come as the last piece.
    pub async fn stream<C: StreamCall>(
        &self,
        to: &To,
        call: &C,
        patience: Duration,
    ) -> Result<(C::Head, Pieces), Error> {
        let places = &self.inner.whereabouts;
        let addresses: Vec<String> = match to {
            To::Leader => {
                let now = self.inner.leadership.borrow().clone();
                now.leader_address.filter(|_| !now.is_leader).into_iter().collect()
            }
            To::Server => places.servers(),
            To::Region(name) => places.region(name),
            To::Node(id) => places.node(*id).into_iter().collect(),
            To::Address(address) => vec![address.clone()],
        };
        let mut failure = Error::new(ErrorKind::Unreachable, "no agent is known that could answer");
        for address in addresses {
            match self.client(&address).stream(call, patience).await {
                Err(error) if nothing_done(error.kind) => failure = error,
                opened => return opened,
            }
        }
        Err(failure)
    }

    fn leads_itself(&self) -> bool {
        self.inner.leadership.borrow().is_leader
    }

    /// The connection to an address, shared by all who call it.
    pub fn client(&self, address: &str) -> Client {
        let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= KEPT && !clients.contains_key(address) {
            clients.clear();
        }
        clients
            .entry(address.to_owned())
            .or_insert_with(|| Client::new(address, self.inner.config.clone()))
            .clone()
    }

    async fn ask_leader<C: Call>(&self, call: &C, patience: Duration) -> Result<C::Answer, Error> {
        let deadline = Instant::now() + HOLD.min(patience);
        let mut leadership = self.leadership();
        let mut why = String::from("No cluster leader");
        loop {
            let now = leadership.borrow_and_update().clone();
            let leader = now.leader_address.filter(|_| !now.is_leader);
            if let Some(leader) = leader {
                match self.client(&leader).call(call, patience).await {
                    Err(error) if nothing_done(error.kind) => why = error.message,
                    answered => return answered,
                }
            } else if now.is_leader {
                // It became the leader meanwhile: the caller looks again.
                return Err(Error::new(ErrorKind::NoLeader, "this server leads now"));
            }
            if Instant::now() >= deadline {
                return Err(Error::new(ErrorKind::NoLeader, why));
            }
            let look_again = Instant::now() + PAUSE;
            // Either somebody else leads, or the same one is tried again.
            let _ = tokio::time::timeout_at(look_again.min(deadline), leadership.changed()).await;
        }
    }

    async fn ask_any<C: Call>(
        &self,
        addresses: &[String],
        call: &C,
        patience: Duration,
        nobody: &str,
    ) -> Result<C::Answer, Error> {
        let first = self.inner.turn.load(Ordering::Relaxed);
        let mut failure = Error::new(ErrorKind::Unreachable, nobody);
        for turn in 0..addresses.len() {
            let position = (first + turn) % addresses.len();
            match self.client(&addresses[position]).call(call, patience).await {
                Err(error) if nothing_done(error.kind) => failure = error,
                answered => {
                    self.inner.turn.store(position, Ordering::Relaxed);
                    return answered;
                }
            }
        }
        Err(failure)
    }
}

/// The message may be sent again, to somebody else, too.
fn nothing_done(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unreachable | ErrorKind::Refused | ErrorKind::NoLeader | ErrorKind::Overloaded)
}

/// Sends messages of one kind to one agent, wherever it is at the time.
pub struct Remote<C> {
    carrier: Carrier,
    to: To,
    kind: PhantomData<fn(C)>,
}

impl<C: Call> Remote<C> {
    /// # Errors
    /// What the other agent said. [`ErrorKind::NoLeader`] and [`ErrorKind::Unreachable`]: nothing was changed.
    /// [`ErrorKind::Unknown`]: the message was sent and may have been carried out.
    pub async fn ask(&self, call: &C, patience: Duration) -> Result<C::Answer, Error> {
        let places = &self.carrier.inner.whereabouts;
        match &self.to {
            To::Leader => self.carrier.ask_leader(call, patience).await,
            To::Server => {
                let servers = places.servers();
                self.carrier.ask_any(&servers, call, patience, "no server is known").await
            }
            To::Region(name) => {
                let servers = places.region(name);
                self.carrier.ask_any(&servers, call, patience, "No path to region").await
            }
            To::Node(id) => {
                let address = places.node(*id).ok_or_else(|| {
                    Error::new(ErrorKind::Unreachable, format!("node {id} is not among the members"))
                })?;
                self.carrier.client(&address).call(call, patience).await
            }
            To::Address(address) => self.carrier.client(address).call(call, patience).await,
        }
    }
}

/// A message that a server passes on to the leader, once.
#[derive(Debug, Serialize, Deserialize)]
struct PassedOn {
    method: String,
    body: Bytes,
    patience_ms: u64,
}

impl Call for PassedOn {
    const METHOD: &'static str = "Leader.PassedOn";
    type Answer = Bytes;
}

type Answering = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>;
type Handler = Arc<dyn Fn(Bytes) -> Answering + Send + Sync>;

/// Methods that the leader carries out, and that every server answers: what comes to another one is passed on.
pub struct LeaderMethods {
    carrier: Carrier,
    methods: HashMap<&'static str, Handler>,
}

impl std::fmt::Debug for LeaderMethods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaderMethods").field("methods", &self.methods.keys()).finish_non_exhaustive()
    }
}

impl LeaderMethods {
    pub fn new(carrier: Carrier) -> Self {
        Self { carrier, methods: HashMap::new() }
    }

    /// `handler` must refuse with [`ErrorKind::NoLeader`] when this server stops to lead meanwhile.
    /// `patience`: how long the leader may take.
    pub fn register<C, F, A>(&mut self, router: &mut Router, patience: Duration, handler: F)
    where
        C: Call,
        F: Fn(C) -> A + Send + Sync + 'static,
        A: Future<Output = Result<C::Answer, Error>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let here = handler.clone();
        let passed_on: Handler = Arc::new(move |body| match unpack::<C>(&body) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(call) => {
                let answering = here(call);
                Box::pin(async move { pack(&answering.await?) })
            }
        });
        self.methods.insert(C::METHOD, passed_on);
        let carrier = self.carrier.clone();
        router.register(move |call: C| {
            let (carrier, handler) = (carrier.clone(), handler.clone());
            async move {
                if carrier.leads_itself() {
                    return handler(call).await;
                }
                let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
                let message = PassedOn { method: C::METHOD.into(), body: pack(&call)?, patience_ms };
                match carrier.remote::<PassedOn>(To::Leader).ask(&message, patience).await {
                    Err(error) if error.kind == ErrorKind::NoLeader && carrier.leads_itself() => {
                        handler(call_again(&message.body)?).await
                    }
                    answer => unpack(&answer?),
                }
            }
        });
    }

    /// Answers what other servers pass on. After all methods were registered.
    pub fn finish(self, router: &mut Router) {
        let (methods, carrier) = (Arc::new(self.methods), self.carrier);
        router.register(move |message: PassedOn| {
            let (methods, leads) = (methods.clone(), carrier.leads_itself());
            async move {
                if !leads {
                    return Err(Error::new(ErrorKind::NoLeader, "this server does not lead"));
                }
                let handler = methods.get(message.method.as_str()).ok_or_else(|| {
                    let method = &message.method;
                    Error::new(ErrorKind::NotFound, format!("the leader has no method {method}"))
                })?;
                handler(message.body).await
            }
        });
    }
}

fn call_again<C: Call>(body: &Bytes) -> Result<C, Error> {
    unpack(body)
}

fn pack<T: Serialize>(message: &T) -> Result<Bytes, Error> {
    rmp_serde::to_vec_named(message)
        .map(Bytes::from)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("the message cannot be encoded: {error}")))
}

fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    rmp_serde::from_slice(bytes)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("the message cannot be decoded: {error}")))
}

#[cfg(test)]
mod tests;
