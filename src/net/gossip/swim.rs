//! The brain of membership: what comes in, and what shall happen. No socket, no clock.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use bytes::Bytes;
use foca::{AccumulatingRuntime, BroadcastHandler, Foca, OwnedNotification, PeriodicParams, Timer};
use rand::{SeedableRng, rngs::StdRng, seq::IteratorRandom};
use serde::{Deserialize, Serialize};

use super::wire::{
    Datagram, HEAD, Identity, Known as KnownRumour, MAX_RUMOUR, PacketCodec, Rumour, Rumours, Tags,
};

/// Longest datagram: fits into an Ethernet frame.
pub const MAX_DATAGRAM: usize = 1400;

/// Nodes in one digest: 28 bytes each.
const MAX_DIGEST: usize = (MAX_DATAGRAM - HEAD - 3) / 28;

/// Whether a member takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Alive,
    /// Did not answer for so long that it counts as dead.
    Failed,
    /// Went on purpose.
    Left,
}

/// A member as this one knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub node: u128,
    /// Its address, as long as its tags have not arrived.
    pub name: String,
    pub address: SocketAddr,
    pub status: Status,
    pub tags: Tags,
}

/// Something changed about a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Joined(Member),
    Failed(Member),
    Left(Member),
    /// Its tags or its address changed.
    Updated(Member),
    /// It was failed or left for so long that it is forgotten.
    Forgotten(Member),
}

/// How patient members are. All members should have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// One other member is probed in each.
    pub probe_every: Duration,
    /// How long it may take to answer, before others are asked to try.
    pub probe_timeout: Duration,
    /// Probe periods that a suspect has to speak up, in small clusters; grows with the logarithm of the size.
    pub suspicion: u32,
    pub gossip_every: Duration,
    /// How often the list of members and one's own tags are spread again, for those who missed them.
    pub repeat_every: Duration,
    /// How long the dead are remembered.
    pub forget_after: Duration,
}

impl Pace {
    /// Within a data centre.
    pub fn lan() -> Self {
        Self {
            probe_every: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            suspicion: 4,
            gossip_every: Duration::from_millis(200),
            repeat_every: Duration::from_secs(10),
            forget_after: Duration::from_secs(72 * 3600),
        }
    }

    /// Between data centres.
    pub fn wan() -> Self {
        Self {
            probe_every: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(3),
            suspicion: 6,
            gossip_every: Duration::from_millis(500),
            repeat_every: Duration::from_secs(30),
            forget_after: Duration::from_secs(72 * 3600),
        }
    }

    fn settings(&self, members: usize) -> foca::Config {
        let size = u32::try_from(members.max(1)).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        let periodic = |frequency, members| PeriodicParams { frequency, num_members: members };
        let few = NonZeroUsize::new(3).expect("three");
        foca::Config {
            probe_period: self.probe_every,
            probe_rtt: self.probe_timeout,
            suspect_to_down_after: self
                .probe_every
                .mul_f64(f64::from(self.suspicion) * f64::from(size.get()).log10().max(1.0)),
            remove_down_after: Some(self.forget_after),
            max_packet_size: NonZeroUsize::new(MAX_DATAGRAM - HEAD).expect("more than one"),
            notify_down_members: true,
            periodic_announce: Some(periodic(self.repeat_every, NonZeroUsize::MIN)),
            periodic_announce_to_down_members: Some(periodic(2 * self.repeat_every, few)),
            periodic_gossip: Some(periodic(self.gossip_every, few)),
            ..foca::Config::new_lan(size)
        }
    }
}

/// Something to be done later: hand it back to [`Swim::woken`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Foca(Timer<Identity>),
    /// Look for the others as long as nobody is known.
    Seek,
    /// Spread one's own tags again.
    Repeat,
}

impl Alarm {
    /// Of alarms that are due together, which goes first.
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.0, &other.0) {
            (Kind::Foca(a), Kind::Foca(b)) => a.cmp(b),
            (Kind::Foca(_), _) => std::cmp::Ordering::Less,
            (_, Kind::Foca(_)) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        }
    }
}

/// What shall happen.
#[derive(Debug, Default)]
pub struct Effects {
    pub send: Vec<(SocketAddr, Bytes)>,
    pub wake: Vec<(Duration, Alarm)>,
    pub events: Vec<Event>,
}

/// The tags are too long to be spread.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tags of a member have {found} bytes, at most {MAX_RUMOUR} can be spread")]
pub struct TagsTooLong {
    pub found: usize,
}

/// One member's view of all.
pub struct Swim {
    foca: Foca<Identity, PacketCodec, StdRng, Rumours>,
    runtime: AccumulatingRuntime<Identity>,
    rumours: Rumours,
    own: Rumour,
    others: BTreeMap<u128, Known>,
    seeds: Vec<SocketAddr>,
    pace: Pace,
    random: StdRng,
    /// Rumours and digests that go to one member.
    letters: Vec<(SocketAddr, Datagram)>,
    garbage: u64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    identity: Identity,
    status: Status,
}

impl std::fmt::Debug for Swim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swim").field("own", &self.own).field("others", &self.others).finish_non_exhaustive()
    }
}

impl Swim {
    /// `started` must grow with each start of the same node: milliseconds of the wall clock.
    ///
    /// # Errors
    /// The tags are too long.
    pub fn new(
        node: u128,
        address: SocketAddr,
        started: u64,
        tags: Tags,
        pace: Pace,
        seed: u64,
    ) -> Result<(Self, Effects), TagsTooLong> {
        let roles = u8::from(tags.role.contains("server")) | u8::from(tags.role.contains("client")) << 1;
        let identity = Identity { node, addr: address, bump: started, roles };
        let own = checked(Rumour { node, version: started, leaving: None, tags })?;
        let rumours = Rumours::default();
        let foca = Foca::with_custom_broadcast(
            identity,
            pace.settings(1),
            StdRng::seed_from_u64(seed ^ 1),
            PacketCodec,
            rumours.clone(),
        );
        let mut swim = Self {
            foca,
            runtime: AccumulatingRuntime::default(),
            rumours,
            own,
            others: BTreeMap::new(),
            seeds: Vec::new(),
            pace,
            random: StdRng::seed_from_u64(seed),
            letters: Vec::new(),
            garbage: 0,
        };
        swim.spread_own();
        let mut effects = swim.effects();
        effects.wake.push((swim.pace.probe_every, Alarm(Kind::Seek)));
        effects.wake.push((swim.pace.repeat_every, Alarm(Kind::Repeat)));
        Ok((swim, effects))
    }

    /// Looks for members at these addresses, again and again as long as nobody is known.
    pub fn join(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Effects {
        let own = self.foca.identity().addr;
        for address in addresses.into_iter().filter(|address| *address != own) {
            if !self.seeds.contains(&address) {
                self.seeds.push(address);
            }
            self.announce(address);
        }
        self.effects()
    }

    /// A datagram came. What no member would send is counted and changes nothing.
    pub fn received(&mut self, from: SocketAddr, datagram: &[u8]) -> Effects {
        let result = if datagram.len() > MAX_DATAGRAM {
            Err("it is too long".to_owned())
        } else {
            Datagram::decode(datagram)
                .map_err(|error| error.to_string())
                .and_then(|datagram| self.read(from, datagram))
        };
        if let Err(error) = result {
            self.garbage += 1;
            tracing::debug!(%from, error, "a datagram is not from a member");
        }
        self.effects()
    }

    fn read(&mut self, from: SocketAddr, datagram: Datagram) -> Result<(), String> {
        match datagram {
            Datagram::Foca(packet) => match self.foca.handle_data(&packet, &mut self.runtime) {
                Ok(()) | Err(foca::Error::DataFromOurselves) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            // Only for those who take part: nobody shall make us write to a stranger.
            _ if !self.foca.iter_members().any(|member| member.id().addr == from) => Ok(()),
            Datagram::Rumour(rumour) => {
                let identity = *self.foca.identity();
                // It need not be spread further: whoever misses it is written to, too.
                self.rumours
                    .receive_item(&rumour, Some(&identity))
                    .map(drop)
                    .map_err(|error| error.to_string())
            }
            Datagram::Digest(known) => {
                let heard = self.rumours.lock();
                let newer = known
                    .iter()
                    .filter_map(|known| {
                        heard.newest.get(&known.node).filter(|rumour| rumour.version > known.version)
                    })
                    .map(|rumour| (from, Datagram::Rumour(rumour.encode().into())));
                self.letters.extend(newer);
                Ok(())
            }
        }
    }

    pub fn woken(&mut self, alarm: Alarm) -> Effects {
        match alarm.0 {
            Kind::Foca(timer) => {
                let forgotten = match &timer {
                    Timer::RemoveDown(identity) => Some(*identity),
                    _ => None,
                };
                if let Err(error) = self.foca.handle_timer(timer, &mut self.runtime) {
                    tracing::debug!(%error, "a timer of the membership came late");
                }
                let mut effects = self.effects();
                effects.events.extend(forgotten.and_then(|identity| self.forget(identity)));
                effects
            }
            Kind::Seek => {
                if self.foca.num_members() == 0 {
                    for seed in self.seeds.clone() {
                        self.announce(seed);
                    }
                }
                let mut effects = self.effects();
                effects.wake.push((self.pace.probe_every, Alarm(Kind::Seek)));
                effects
            }
            Kind::Repeat => {
                self.spread_own();
                self.ask_for_rumours();
                let mut effects = self.effects();
                effects.wake.push((self.pace.repeat_every, Alarm(Kind::Repeat)));
                effects
            }
        }
    }

    /// # Errors
    /// The tags are too long; the old ones stay.
    pub fn set_tags(&mut self, tags: Tags) -> Result<Effects, TagsTooLong> {
        self.own = checked(Rumour { version: self.own.version + 1, tags, ..self.own.clone() })?;
        self.spread_own();
        Ok(self.effects())
    }

    /// First half of leaving: tells that it is on purpose. Wait a little for the news to spread.
    pub fn say_goodbye(&mut self) -> Effects {
        self.own.version += 1;
        self.own.leaving = Some(self.foca.identity().bump);
        self.seeds.clear();
        self.spread_own();
        self.effects()
    }

    /// Second half of leaving: from now on nothing is answered.
    pub fn leave(&mut self) -> Effects {
        if let Err(error) = self.foca.leave_cluster(&mut self.runtime) {
            tracing::debug!(%error, "leaving the cluster was not told to anybody");
        }
        self.effects()
    }

    /// This member first, then the others in the order of their ids.
    pub fn members(&self) -> Vec<Member> {
        let own = self.foca.identity();
        let status = if self.own.leaving.is_some() { Status::Left } else { Status::Alive };
        let me = Member {
            node: own.node,
            name: self.own.tags.name.clone(),
            address: own.addr,
            status,
            tags: self.own.tags.clone(),
        };
        std::iter::once(me).chain(self.others.values().map(|known| self.member(known))).collect()
    }

    /// Datagrams that no member would send.
    pub fn garbage(&self) -> u64 {
        self.garbage
    }

    fn member(&self, known: &Known) -> Member {
        let heard = self.rumours.lock();
        let tags =
            heard.newest.get(&known.identity.node).map(|rumour| rumour.tags.clone()).unwrap_or_default();
        Member {
            node: known.identity.node,
            name: if tags.name.is_empty() { known.identity.addr.to_string() } else { tags.name.clone() },
            address: known.identity.addr,
            status: known.status,
            tags,
        }
    }

    fn announce(&mut self, address: SocketAddr) {
        let whoever = Identity { node: 0, addr: address, bump: 0, roles: 0 };
        if let Err(error) = self.foca.announce(whoever, &mut self.runtime) {
            tracing::debug!(%error, "nothing could be announced");
        }
    }

    fn spread_own(&mut self) {
        let sent =
            self.foca.add_broadcast(&self.own.encode()).and_then(|_| self.foca.broadcast(&mut self.runtime));
        if let Err(error) = sent {
            tracing::warn!(%error, "this member's tags cannot be spread");
        }
    }

    /// Asks some member for what it knows better.
    fn ask_for_rumours(&mut self) {
        let Some(peer) = self.foca.iter_members().map(|member| member.id().addr).choose(&mut self.random)
        else {
            return;
        };
        let heard = self.rumours.lock();
        let known = self.others.keys().map(|node| KnownRumour {
            node: *node,
            version: heard.newest.get(node).map_or(0, |rumour| rumour.version),
        });
        // In a large cluster the others have their turn another time.
        let known = known.sample(&mut self.random, MAX_DIGEST);
        self.letters.push((peer, Datagram::Digest(known)));
    }

    fn effects(&mut self) -> Effects {
        let mut effects = Effects::default();
        let size = self.foca.num_members();
        while let Some(notification) = self.runtime.to_notify() {
            if let OwnedNotification::MemberUp(newcomer) = &notification {
                // It missed what was said before.
                self.letters.push((newcomer.addr, Datagram::Rumour(self.own.encode().into())));
            }
            self.note(notification, &mut effects.events);
        }
        self.listen(&mut effects.events);
        if !effects.events.is_empty()
            && let Err(error) = self.foca.set_config(self.pace.settings(size + 1))
        {
            tracing::warn!(%error, "the pace of the membership cannot follow its size");
        }
        while let Some((to, packet)) = self.runtime.to_send() {
            effects.send.push((to.addr, Datagram::Foca(packet).encode()));
        }
        effects.send.extend(self.letters.drain(..).map(|(to, letter)| (to, letter.encode())));
        while let Some((after, timer)) = self.runtime.to_schedule() {
            effects.wake.push((after, Alarm(Kind::Foca(timer))));
        }
        effects
    }

    fn note(&mut self, notification: OwnedNotification<Identity>, events: &mut Vec<Event>) {
        match notification {
            OwnedNotification::MemberUp(identity) => self.is_up(identity, events),
            OwnedNotification::MemberDown(identity) => self.is_down(identity, events),
            OwnedNotification::Rename(before, after) => {
                if before.node != after.node {
                    self.is_down(before, events);
                }
                self.is_up(after, events);
            }
            OwnedNotification::Rejoin(identity) => {
                tracing::warn!(bump = identity.bump, "others had given this member up; it is back");
            }
            OwnedNotification::Active | OwnedNotification::Idle | OwnedNotification::Defunct => {}
        }
    }

    fn is_up(&mut self, identity: Identity, events: &mut Vec<Event>) {
        let before = self.others.get(&identity.node).copied();
        if before.is_some_and(|before| before.identity.bump > identity.bump) {
            // A former life of a node whose present one is known.
            return;
        }
        let known = Known { identity, status: Status::Alive };
        self.others.insert(identity.node, known);
        let member = self.member(&known);
        match before {
            Some(Known { status: Status::Alive, identity: old }) if old.addr == identity.addr => {}
            Some(Known { status: Status::Alive, .. }) => events.push(Event::Updated(member)),
            _ => events.push(Event::Joined(member)),
        }
    }

    fn is_down(&mut self, identity: Identity, events: &mut Vec<Event>) {
        let status = if self.said_goodbye(&identity) { Status::Left } else { Status::Failed };
        let Some(known) = self.others.get_mut(&identity.node) else { return };
        if known.identity.bump > identity.bump || known.status != Status::Alive {
            return;
        }
        known.status = status;
        let known = *known;
        let member = self.member(&known);
        events.push(if status == Status::Left { Event::Left(member) } else { Event::Failed(member) });
    }

    fn said_goodbye(&self, identity: &Identity) -> bool {
        let heard = self.rumours.lock();
        let leaving = heard.newest.get(&identity.node).and_then(|rumour| rumour.leaving);
        leaving.is_some_and(|bump| bump >= identity.bump)
    }

    /// Looks at the rumours that came.
    fn listen(&mut self, events: &mut Vec<Event>) {
        let fresh = std::mem::take(&mut self.rumours.lock().fresh);
        for node in fresh {
            if node == self.own.node {
                // Somebody remembers more of this node than it does itself: a former life, and a clock that went back.
                let remembered = self.rumours.lock().newest.get(&node).map(|rumour| rumour.version);
                if remembered.is_some_and(|version| version > self.own.version) {
                    self.own.version = remembered.map_or(self.own.version, |version| version + 1);
                    self.spread_own();
                }
                continue;
            }
            let Some(known) = self.others.get(&node).copied() else { continue };
            if known.status == Status::Failed && self.said_goodbye(&known.identity) {
                let known = Known { status: Status::Left, ..known };
                self.others.insert(node, known);
                events.push(Event::Left(self.member(&known)));
            } else {
                events.push(Event::Updated(self.member(&known)));
            }
        }
    }

    fn forget(&mut self, identity: Identity) -> Option<Event> {
        let known = self.others.get(&identity.node)?;
        if known.status == Status::Alive || known.identity.bump > identity.bump {
            return None;
        }
        let known = *known;
        let member = self.member(&known);
        self.others.remove(&identity.node);
        self.rumours.lock().newest.remove(&identity.node);
        Some(Event::Forgotten(member))
    }
}

fn checked(rumour: Rumour) -> Result<Rumour, TagsTooLong> {
    // The version and the farewell may grow by a few bytes each.
    let found = rumour.encode().len() + 16;
    if found > MAX_RUMOUR { Err(TagsTooLong { found }) } else { Ok(rumour) }
}

#[cfg(test)]
mod tests;
