//! The thread that gives the brain sockets and a clock. It does nothing else: a member that is slow to answer is taken
//! for dead.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, UdpSocket},
    sync::{broadcast, mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Error, Event, Joined, Key, Member, Refusals, Tags,
    pools::{Alarm, Call, Effects, Pools, Progress, Round},
    stream::{self, Asked, StateExchange},
    swim::{MAX_DATAGRAM, TagsTooLong},
};

/// How long [`super::Gossip::join`] waits for answers.
const JOIN: Duration = Duration::from_secs(5);
/// Time between two lists of members, for each member: 10 ms for a thousand.
const TELL_EACH: Duration = Duration::from_micros(10);
/// Datagrams that are read before timers get their turn.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(super) enum Request {
    Join(Vec<SocketAddr>, oneshot::Sender<Joined>),
    SetTags(Box<Tags>, oneshot::Sender<Result<(), TagsTooLong>>),
    SetKeys(Vec<Key>),
    ForceLeave(String, bool, oneshot::Sender<Result<(), Error>>),
    Leave(oneshot::Sender<()>),
}

/// An answer to a call of the brain.
type Answered = (SocketAddr, Round, Result<Vec<u8>, String>);

/// Somebody waits for answers.
struct Joining {
    until: Instant,
    waiting: BTreeSet<SocketAddr>,
    joined: Joined,
    tell: oneshot::Sender<Joined>,
}

/// What the thread owns.
pub(super) struct Body {
    pub(super) pools: Pools,
    pub(super) socket: UdpSocket,
    pub(super) exchange: Arc<dyn StateExchange>,
    pub(super) members: watch::Sender<Arc<Vec<Member>>>,
    pub(super) refused: watch::Sender<Refusals>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) goodbye: Duration,
    pub(super) began: Instant,
    pub(super) hands: Hands,
}

/// What is under way.
pub(super) struct Hands {
    /// By time, then in the order they were set.
    alarms: BTreeMap<(Duration, u64), Alarm>,
    next_alarm: u64,
    joins: Vec<Joining>,
    answered: (mpsc::Sender<Answered>, mpsc::Receiver<Answered>),
    /// Members changed since they were last shown.
    untold: bool,
    told: Duration,
    /// What made the difference: told after the list, so that whoever hears of it finds it there.
    events: Vec<Event>,
}

impl Hands {
    pub(super) fn new() -> Self {
        Self {
            alarms: BTreeMap::new(),
            next_alarm: 0,
            joins: Vec::new(),
            answered: mpsc::channel(64),
            untold: false,
            told: Duration::ZERO,
            events: Vec::new(),
        }
    }
}

impl Body {
    pub(super) async fn live(
        mut self,
        listener: TcpListener,
        mut requests: mpsc::Receiver<Request>,
        effects: Effects,
    ) {
        let (brain, mut asked) = mpsc::channel(64);
        tokio::spawn(stream::serve(listener, self.pools.envelope(), brain));
        self.perform(effects).await;
        // One more than allowed: a datagram that was cut off is too long, too.
        let mut datagram = [0; MAX_DATAGRAM + 1];
        let mut leaving: Option<(Instant, oneshot::Sender<()>)> = None;
        loop {
            let alarm = self.hands.alarms.keys().next().map(|(at, _)| self.began + *at);
            let gone = leaving.as_ref().map(|(at, _)| *at);
            let joins = self.hands.joins.iter().map(|join| join.until).min();
            let tell = self.hands.untold.then(|| self.began + self.may_tell());
            let next = alarm.into_iter().chain(gone).chain(joins).chain(tell).min();
            tokio::select! {
                // What has come counts before what has not: after a pause the answers of others are in the socket.
                biased;
                received = self.socket.recv_from(&mut datagram) => {
                    self.received(received, &mut datagram).await;
                    if next.is_some_and(|next| next <= Instant::now()) {
                        self.wake().await;
                    }
                }
                () = sleep_until(next) => self.wake().await,
                request = requests.recv() => match request {
                    None => return,
                    Some(Request::Leave(tell)) => {
                        let effects = self.pools.say_goodbye(self.now());
                        self.perform(effects).await;
                        leaving = Some((Instant::now() + self.goodbye, tell));
                    }
                    Some(request) => self.serve(request).await,
                },
                Some(asked) = asked.recv() => self.asked(asked).await,
                Some((peer, round, answer)) = self.hands.answered.1.recv() => {
                    let (effects, progress) = self.pools.answered(self.now(), peer, round, answer);
                    self.perform(effects).await;
                    self.progress(peer, progress);
                }
            }
            if self.hands.untold && self.may_tell() <= self.now() {
                self.tell_members();
            }
            self.end_joins();
            self.tell_refused();
            if leaving.as_ref().is_some_and(|(at, _)| *at <= Instant::now()) {
                let effects = self.pools.leave(self.now());
                self.perform(effects).await;
                self.tell_members();
                if let Some((_, tell)) = leaving {
                    let _ = tell.send(());
                }
                return;
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The datagram that came, and those that wait behind it.
    async fn received(&mut self, first: io::Result<(usize, SocketAddr)>, datagram: &mut [u8]) {
        let mut received = first;
        for _ in 0..AT_ONCE {
            match received {
                Ok((length, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    let effects = self.pools.received(self.now(), from, &datagram[..length]);
                    self.perform(effects).await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Somebody we wrote to does not listen: the probes will find out.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    tracing::warn!(%error, "datagrams cannot be received");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return;
                }
            }
            received = self.socket.try_recv_from(datagram);
        }
    }

    async fn serve(&mut self, request: Request) {
        let now = self.now();
        match request {
            Request::Join(addresses, tell) => self.join(addresses, tell).await,
            Request::SetTags(tags, tell) => {
                let result = self.pools.set_tags(now, *tags);
                let told = result.as_ref().map(drop).map_err(Clone::clone);
                if let Ok(effects) = result {
                    self.perform(effects).await;
                }
                self.tell_members();
                let _ = tell.send(told);
            }
            Request::SetKeys(keys) => self.pools.set_keys(keys),
            Request::ForceLeave(name, prune, tell) => {
                let told = match self.pools.force_leave(now, &name, prune) {
                    Ok(effects) => {
                        self.perform(effects).await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
                let _ = tell.send(told);
            }
            Request::Leave(_) => unreachable!("the loop takes it"),
        }
    }

    async fn join(&mut self, addresses: Vec<SocketAddr>, tell: oneshot::Sender<Joined>) {
        let own = self.pools.address();
        let waiting: BTreeSet<_> = addresses.into_iter().filter(|address| *address != own).collect();
        let effects = self.pools.join(self.now(), waiting.iter().copied());
        self.hands.joins.push(Joining {
            until: Instant::now() + JOIN,
            waiting,
            joined: Joined::default(),
            tell,
        });
        self.perform(effects).await;
    }

    fn progress(&mut self, peer: SocketAddr, progress: Progress) {
        for join in &mut self.hands.joins {
            match &progress {
                Progress::Goes => {}
                Progress::Done => {
                    if join.waiting.remove(&peer) {
                        join.joined.contacted += 1;
                    }
                }
                Progress::Failed(reason) => {
                    if join.waiting.remove(&peer) {
                        join.joined.failed.push((peer, reason.clone()));
                    }
                }
            }
        }
    }

    fn end_joins(&mut self) {
        let now = Instant::now();
        let joins = std::mem::take(&mut self.hands.joins);
        let ended = |join: &Joining| join.waiting.is_empty() || join.until <= now;
        let (ended, open): (Vec<_>, Vec<_>) = joins.into_iter().partition(ended);
        self.hands.joins = open;
        if !ended.is_empty() {
            self.tell_members();
        }
        for mut join in ended {
            let late = join.waiting.iter().map(|peer| (*peer, "no answer in time".to_owned()));
            join.joined.failed.extend(late);
            // Who asked may have gone.
            let _ = join.tell.send(join.joined);
        }
    }

    async fn asked(&mut self, asked: Asked) {
        match asked {
            Asked::Refused { from, why } => self.pools.refuse(self.now(), from, why),
            Asked::Question { from, text, answer } => {
                let told = match self.pools.asked(self.now(), from, &text) {
                    Ok((text, effects)) => {
                        self.perform(effects).await;
                        Ok(text)
                    }
                    Err(reason) => Err(reason),
                };
                let _ = answer.send(told);
            }
        }
    }

    async fn wake(&mut self) {
        let later = self.hands.alarms.split_off(&(self.now(), u64::MAX));
        let mut due: Vec<_> = std::mem::replace(&mut self.hands.alarms, later).into_values().collect();
        due.sort_by(Alarm::order);
        for alarm in due {
            let effects = self.pools.woken(self.now(), alarm);
            self.perform(effects).await;
        }
    }

    async fn perform(&mut self, effects: Effects) {
        for (at, alarm) in effects.wake {
            self.hands.alarms.insert((at, self.hands.next_alarm), alarm);
            self.hands.next_alarm += 1;
        }
        self.hands.untold |= !effects.events.is_empty();
        self.hands.events.extend(effects.events);
        for (to, datagram) in effects.send {
            if let Err(error) = self.socket.send_to(&datagram, to).await {
                tracing::debug!(%to, %error, "a datagram was not sent");
            }
        }
        for Call { peer, round, request } in effects.calls {
            let (exchange, answered) = (self.exchange.clone(), self.hands.answered.0.clone());
            tokio::spawn(async move {
                let answer = exchange.exchange(peer, request).await.map_err(|error| error.to_string());
                // The brain may have left.
                let _ = answered.send((peer, round, answer)).await;
            });
        }
    }

    /// All members are copied to be shown: the more there are, the less often.
    fn may_tell(&self) -> Duration {
        let count = u32::try_from(self.members.borrow().len()).unwrap_or(u32::MAX);
        self.hands.told + TELL_EACH * count
    }

    fn tell_members(&mut self) {
        (self.hands.untold, self.hands.told) = (false, self.now());
        self.members.send_replace(Arc::new(self.pools.members()));
        for event in self.hands.events.drain(..) {
            tracing::debug!(?event, "membership changed");
            // Nobody may be listening.
            let _ = self.events.send(event);
        }
    }

    fn tell_refused(&self) {
        let refused = self.pools.refused();
        self.refused.send_if_modified(|known| std::mem::replace(known, refused) != refused);
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
