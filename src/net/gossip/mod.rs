//! Who is in the cluster, and who is not any more: SWIM over UDP.
//!
//! [`Swim`] is the brain; [`Gossip`] gives it a socket and a clock. One task owns both, and does nothing that takes
//! long: a member that is slow to answer is taken for dead.

mod swim; // the brain
mod wire; // bytes

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    runtime::Handle,
    sync::{broadcast, mpsc, oneshot, watch},
    time::Instant,
};

pub use self::{
    swim::{Alarm, Effects, Event, MAX_DATAGRAM, Member, Pace, Status, Swim, TagsTooLong},
    wire::Tags,
};

/// How a member takes part.
#[derive(Debug, Clone)]
pub struct Config {
    pub node: u128,
    /// Where to listen. Port 0: any.
    pub bind: SocketAddr,
    /// The address that others are told, when it is not the one to listen on.
    pub advertise: Option<IpAddr>,
    /// Milliseconds of the wall clock: grows with each start of the node.
    pub started: u64,
    pub tags: Tags,
    pub pace: Pace,
    /// For the choice of whom to talk to.
    pub seed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for members on {address}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("{0} is no address that other members can reach: set an address to advertise")]
    Unspecified(SocketAddr),
    #[error(transparent)]
    Tags(#[from] TagsTooLong),
    /// The member left before.
    #[error("this member does not take part any more")]
    Gone,
}

/// This process as a member. When the last clone is dropped, the others find out by themselves; see
/// [`Gossip::leave`].
#[derive(Debug, Clone)]
pub struct Gossip {
    address: SocketAddr,
    commands: mpsc::Sender<Request>,
    members: watch::Receiver<Arc<Vec<Member>>>,
    garbage: watch::Receiver<u64>,
    events: broadcast::Sender<Event>,
}

#[derive(Debug)]
enum Request {
    Join(Vec<SocketAddr>),
    SetTags(Tags, oneshot::Sender<Result<(), TagsTooLong>>),
    Leave(oneshot::Sender<()>),
}

impl Gossip {
    /// Listens, alone until somebody is found. See [`Gossip::join`].
    ///
    /// # Errors
    /// The address cannot be used or is not one for others, or the tags are too long.
    pub async fn start(config: Config, runtime: Handle) -> Result<Self, Error> {
        let runtime_of_member = runtime.clone();
        runtime
            .spawn(async move { Self::start_here(config, &runtime_of_member).await })
            .await
            .map_err(|_| Error::Gone)?
    }

    async fn start_here(config: Config, runtime: &Handle) -> Result<Self, Error> {
        let bind = config.bind;
        let failed = |source| Error::Bind { address: bind, source };
        let socket = UdpSocket::bind(bind).await.map_err(failed)?;
        let mut address = socket.local_addr().map_err(failed)?;
        if let Some(ip) = config.advertise {
            address.set_ip(ip);
        }
        if address.ip().is_unspecified() {
            return Err(Error::Unspecified(address));
        }
        let (swim, effects) =
            Swim::new(config.node, address, config.started, config.tags, config.pace.clone(), config.seed)?;
        let (commands, requests) = mpsc::channel(64);
        let (tell_members, members) = watch::channel(Arc::new(swim.members()));
        let (tell_garbage, garbage) = watch::channel(0);
        let (events, _) = broadcast::channel(1024);
        let body = Body {
            swim,
            socket,
            alarms: BTreeMap::new(),
            next_alarm: 0,
            members: tell_members,
            garbage: tell_garbage,
            events: events.clone(),
            goodbye: 4 * config.pace.gossip_every,
        };
        runtime.spawn(body.live(requests, effects));
        Ok(Self { address, commands, members, garbage, events })
    }

    /// The address that others are told.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// This member first. Failed and left ones are among them until they are forgotten.
    pub fn members(&self) -> Arc<Vec<Member>> {
        self.members.borrow().clone()
    }

    /// Fires when anything about any member changed.
    pub fn changes(&self) -> watch::Receiver<Arc<Vec<Member>>> {
        self.members.clone()
    }

    /// What happens from now on. A receiver that is too slow misses some: look at [`Gossip::members`] then.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Datagrams that no member would send.
    pub fn garbage(&self) -> u64 {
        *self.garbage.borrow()
    }

    /// Looks for members at these addresses until one is found; what comes of it is seen in
    /// [`Gossip::changes`].
    ///
    /// # Errors
    /// This member left.
    pub async fn join(&self, addresses: Vec<SocketAddr>) -> Result<(), Error> {
        self.commands.send(Request::Join(addresses)).await.map_err(|_| Error::Gone)
    }

    /// # Errors
    /// They are too long, or this member left.
    pub async fn set_tags(&self, tags: Tags) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Request::SetTags(tags, answer)).await.map_err(|_| Error::Gone)?;
        Ok(answered.await.map_err(|_| Error::Gone)??)
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

/// The task that owns brain and socket.
struct Body {
    swim: Swim,
    socket: UdpSocket,
    /// By time, then in the order they were set.
    alarms: BTreeMap<(Instant, u64), Alarm>,
    next_alarm: u64,
    members: watch::Sender<Arc<Vec<Member>>>,
    garbage: watch::Sender<u64>,
    events: broadcast::Sender<Event>,
    goodbye: Duration,
}

impl Body {
    async fn live(mut self, mut requests: mpsc::Receiver<Request>, effects: Effects) {
        self.perform(effects).await;
        // One more than allowed: a datagram that was cut off is too long, too.
        let mut datagram = [0; MAX_DATAGRAM + 1];
        let mut leaving: Option<(Instant, oneshot::Sender<()>)> = None;
        loop {
            let alarm = self.alarms.keys().next().map(|(at, _)| *at);
            let gone = leaving.as_ref().map(|(at, _)| *at);
            let next = alarm.into_iter().chain(gone).min();
            tokio::select! {
                request = requests.recv() => match request {
                    None => return,
                    Some(Request::Join(addresses)) => {
                        let effects = self.swim.join(addresses);
                        self.perform(effects).await;
                    }
                    Some(Request::SetTags(tags, answer)) => {
                        let result = self.swim.set_tags(tags);
                        let told = answer.send(result.as_ref().map(drop).map_err(Clone::clone));
                        if let (Ok(effects), Ok(())) = (result, told) {
                            self.perform(effects).await;
                        }
                        self.members.send_replace(Arc::new(self.swim.members()));
                    }
                    Some(Request::Leave(answer)) => {
                        let effects = self.swim.say_goodbye();
                        self.perform(effects).await;
                        leaving = Some((Instant::now() + self.goodbye, answer));
                    }
                },
                received = self.socket.recv_from(&mut datagram) => match received {
                    Ok((length, from)) => {
                        let effects = self.swim.received(from, &datagram[..length]);
                        self.perform(effects).await;
                        let garbage = self.swim.garbage();
                        self.garbage.send_if_modified(|known| std::mem::replace(known, garbage) != garbage);
                    }
                    // Somebody we wrote to does not listen: the probes will find out.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => {
                        tracing::warn!(%error, "datagrams cannot be received");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                () = sleep_until(next) => {
                    self.wake().await;
                    if gone.is_some_and(|at| at <= Instant::now()) {
                        let effects = self.swim.leave();
                        self.perform(effects).await;
                        self.members.send_replace(Arc::new(self.swim.members()));
                        if let Some((_, answer)) = leaving {
                            let _ = answer.send(());
                        }
                        return;
                    }
                }
            }
        }
    }

    async fn wake(&mut self) {
        let later = self.alarms.split_off(&(Instant::now(), u64::MAX));
        let mut due: Vec<_> = std::mem::replace(&mut self.alarms, later).into_values().collect();
        due.sort_by(Alarm::order);
        for alarm in due {
            let effects = self.swim.woken(alarm);
            self.perform(effects).await;
        }
    }

    async fn perform(&mut self, effects: Effects) {
        for (after, alarm) in effects.wake {
            self.alarms.insert((Instant::now() + after, self.next_alarm), alarm);
            self.next_alarm += 1;
        }
        if !effects.events.is_empty() {
            self.members.send_replace(Arc::new(self.swim.members()));
        }
        for event in effects.events {
            tracing::debug!(?event, "membership changed");
            // Nobody may be listening.
            let _ = self.events.send(event);
        }
        for (to, datagram) in effects.send {
            if let Err(error) = self.socket.send_to(&datagram, to).await {
                tracing::debug!(%to, %error, "a datagram was not sent");
            }
        }
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
