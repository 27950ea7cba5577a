//! Who is in the cluster, and who is not any more: SWIM over UDP, and push and pull over TCP on the same port.
//!
//! Two pools share the port: all agents of a region, and the servers of all regions. [`pools::Pools`] is the brain;
//! [`Gossip`] gives it sockets and a clock, on a thread of its own.

mod body; // the thread: sockets and clock
mod complaints; // what was refused, counted and said now and then
mod envelope; // pool, region and seal of every datagram
mod key; // the shared key
mod ledger; // what foca knows, by address
mod letter; // what is in a datagram
mod member; // a member, as others see it
mod pace; // how patient members are
mod news; // what waits to be passed on
pub mod pools; // the brain: both pools of an agent
mod rumour; // what members say about themselves
mod stream; // exchanges over TCP
mod swim; // the brain of one pool
mod wire; // members in bytes

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, UdpSocket},
    sync::{broadcast, mpsc, oneshot, watch},
    time::Instant,
};

use self::{
    body::{Body, Hands, Request},
    pools::{Pools, Setup},
    stream::TcpExchange,
};
pub use self::{
    complaints::Refusals,
    key::{Key, KeyError},
    member::{Event, Member, Status},
    pace::Pace,
    rumour::Tags,
    stream::StateExchange,
    swim::{MAX_DATAGRAM, TagsTooLong},
};

/// How a member takes part.
#[derive(Debug, Clone)]
pub struct Config {
    /// The id of the agent.
    pub node: u128,
    /// Where to listen, UDP and TCP. Port 0: any.
    pub bind: SocketAddr,
    /// The address that others are told, when it is not the one to listen on. Port 0: the one that is listened on.
    pub advertise: Option<SocketAddr>,
    /// Milliseconds of the wall clock: grows with each start of the node.
    pub started: u64,
    /// The region in them decides about the pool.
    pub tags: Tags,
    pub lan: Pace,
    /// Servers: the pace of the pool of the servers of all regions. `None`: no part in it.
    pub wan: Option<Pace>,
    /// The first one seals, all open, so that keys can be changed while agents run. None: nothing is sealed.
    pub keys: Vec<Key>,
    /// For the choice of whom to talk to.
    pub seed: u64,
    /// Members of before ([`Gossip::known_members`]): they are looked for as if they had been joined.
    pub known: Vec<SocketAddr>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for members on {address}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("{0} is no address that other members can reach: set an address to advertise")]
    Unspecified(SocketAddr),
    #[error(transparent)]
    Tags(#[from] TagsTooLong),
    #[error("no member is called {0:?}")]
    NoSuchMember(String),
    #[error("member {0:?} is alive: let it leave by itself, or wait until it has failed")]
    IsAlive(String),
    /// The member left before.
    #[error("this member does not take part any more")]
    Gone,
    #[error("no thread for the members can be started")]
    Thread(#[source] io::Error),
}

/// What came of joining.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// Agents that answered, this one not counted.
    pub contacted: usize,
    /// Who did not, and why, for people. They are asked again and again as long as nobody is known, and now and then
    /// after that.
    pub failed: Vec<(SocketAddr, String)>,
}

/// This process as a member. When the last clone is dropped, the others find out by themselves; see
/// [`Gossip::leave`].
#[derive(Debug, Clone)]
pub struct Gossip {
    address: SocketAddr,
    commands: mpsc::Sender<Request>,
    members: watch::Receiver<Arc<Vec<Member>>>,
    refused: watch::Receiver<Refusals>,
    events: broadcast::Sender<Event>,
}

impl Gossip {
    /// Listens, alone until somebody is found; see [`Gossip::join`]. Runs on a thread of its own.
    ///
    /// # Errors
    /// The address cannot be used or is not one for others, or the tags are too long.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let (started, start) = oneshot::channel();
        let thread = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = started.send(Err(Error::Thread(error)));
                    return;
                }
            };
            runtime.block_on(async move {
                match Self::prepare(config).await {
                    Ok((gossip, life)) => {
                        if started.send(Ok(gossip)).is_ok() {
                            life.await;
                        }
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
        };
        std::thread::Builder::new().name("gossip".into()).spawn(thread).map_err(Error::Thread)?;
        start.await.map_err(|_| Error::Gone)?
    }

    async fn prepare(config: Config) -> Result<(Self, impl Future<Output = ()>), Error> {
        let (socket, listener) = listen(config.bind).await?;
        let bound = socket.local_addr().map_err(|source| Error::Bind { address: config.bind, source })?;
        let address = match config.advertise {
            Some(address) if address.port() == 0 => SocketAddr::new(address.ip(), bound.port()),
            Some(address) => address,
            None => bound,
        };
        if address.ip().is_unspecified() {
            return Err(Error::Unspecified(address));
        }
        let began = Instant::now();
        let goodbye = 4 * config.lan.gossip_every;
        let setup = Setup {
            node: config.node,
            address,
            started: config.started,
            tags: config.tags,
            lan: config.lan,
            wan: config.wan,
            keys: config.keys,
            seed: config.seed,
            known: config.known,
        };
        let (pools, effects) = Pools::new(began.elapsed(), setup)?;
        let (commands, requests) = mpsc::channel(64);
        let (tell_members, members) = watch::channel(Arc::new(pools.members()));
        let (tell_refused, refused) = watch::channel(Refusals::default());
        let (events, _) = broadcast::channel(1024);
        let body = Body {
            exchange: Arc::new(TcpExchange::new(pools.envelope())),
            pools,
            socket,
            members: tell_members,
            refused: tell_refused,
            events: events.clone(),
            goodbye,
            began,
            hands: Hands::new(),
        };
        Ok((Self { address, commands, members, refused, events }, body.live(listener, requests, effects)))
    }

    /// The address that others are told.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// This member first, then all agents of the region, then the servers of other regions. Failed and left ones are
    /// among them until they are forgotten.
    pub fn members(&self) -> Arc<Vec<Member>> {
        self.members.borrow().clone()
    }

    /// Where the others that are alive are: for [`Config::known`] of the next start.
    pub fn known_members(&self) -> Vec<SocketAddr> {
        let members = self.members();
        members.iter().skip(1).filter(|member| member.is_alive()).map(|member| member.address).collect()
    }

    /// Fires when anything about any member changed.
    pub fn changes(&self) -> watch::Receiver<Arc<Vec<Member>>> {
        self.members.clone()
    }

    /// What happens from now on. A receiver that is too slow misses some: look at [`Gossip::members`] then.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Datagrams and exchanges that were not read.
    pub fn refused(&self) -> Refusals {
        *self.refused.borrow()
    }

    /// Looks for members at these addresses, and waits for their answers, at most some five seconds. Those who
    /// answered are among [`Gossip::members`] then.
    ///
    /// # Errors
    /// This member left.
    pub async fn join(&self, addresses: Vec<SocketAddr>) -> Result<Joined, Error> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Request::Join(addresses, answer)).await.map_err(|_| Error::Gone)?;
        answered.await.map_err(|_| Error::Gone)
    }

    /// # Errors
    /// They are too long, or this member left.
    pub async fn set_tags(&self, tags: Tags) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Request::SetTags(Box::new(tags), answer)).await.map_err(|_| Error::Gone)?;
        Ok(answered.await.map_err(|_| Error::Gone)??)
    }

    /// The first one seals from now on, all open.
    ///
    /// # Errors
    /// This member left.
    pub async fn set_keys(&self, keys: Vec<Key>) -> Result<(), Error> {
        self.commands.send(Request::SetKeys(keys)).await.map_err(|_| Error::Gone)
    }

    /// Counts a failed member as one that left, everywhere. `name` is that of the node, with or without `.<region>`;
    /// `prune` forgets it at once.
    ///
    /// # Errors
    /// No such member, or it is alive, or this member left.
    pub async fn force_leave(&self, name: &str, prune: bool) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let request = Request::ForceLeave(name.to_owned(), prune, answer);
        self.commands.send(request).await.map_err(|_| Error::Gone)?;
        answered.await.map_err(|_| Error::Gone)?
    }

    /// Tells the others that this member goes on purpose, waits a little for the news to spread, and stops.
    pub async fn leave(&self) {
        let (answer, answered) = oneshot::channel();
        // A closed channel: it has left already.
        if self.commands.send(Request::Leave(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}

/// The same port for both.
async fn listen(bind: SocketAddr) -> Result<(UdpSocket, TcpListener), Error> {
    let failed = |source| Error::Bind { address: bind, source };
    // A port that is free for datagrams may be taken for streams; any other will do then.
    let mut tries = if bind.port() == 0 { 16 } else { 1 };
    loop {
        tries -= 1;
        let socket = UdpSocket::bind(bind).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok((socket, listener)),
            Err(error) if tries == 0 => return Err(failed(error)),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
