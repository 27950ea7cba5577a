//! The brain of an agent as a member of two pools: all agents of its region, and, if it is a server, the servers of
//! all regions. What comes in, and what shall happen; no socket, no clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng, seq::IteratorRandom};

use super::{
    Error, Key,
    complaints::{Complaints, Refusals},
    envelope::{Envelope, Pool, Refused},
    member::{Event, Member, Status},
    pace::Pace,
    rumour::Tags,
    swim::{self, MAX_DATAGRAM, Outcome, Swim, TagsTooLong},
};

mod exchange; // push and pull with another agent

pub use self::exchange::{Progress, Round};

/// Addresses that are tried again and again.
const MAX_SEEDS: usize = 256;

/// Who an agent is, and how it takes part.
#[derive(Debug, Clone)]
pub struct Setup {
    pub node: u128,
    /// The address that others are told.
    pub address: SocketAddr,
    /// Milliseconds of the wall clock: grows with each start of the node.
    pub started: u64,
    pub tags: Tags,
    pub lan: Pace,
    /// For servers: the pace of the pool of the servers of all regions.
    pub wan: Option<Pace>,
    /// The first seals, all open; none: nothing is sealed.
    pub keys: Vec<Key>,
    pub seed: u64,
    /// Where other agents may be, from a former life.
    pub known: Vec<SocketAddr>,
}

/// Something to be done later: hand it back to [`Pools::woken`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    due: Duration,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Pool(Pool, swim::Alarm),
    /// Look for agents that are not known yet.
    Seek,
    /// Compare all that is known with somebody.
    Exchange(Pool),
}

impl Alarm {
    /// Of alarms that are due together, which goes first.
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.kind, &other.kind) {
            (Kind::Pool(_, a), Kind::Pool(_, b)) => a.order(b),
            (Kind::Pool(..), _) => std::cmp::Ordering::Less,
            (_, Kind::Pool(..)) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        }
    }
}

/// A question for another agent, over a stream. Hand the answer to [`Pools::answered`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub peer: SocketAddr,
    pub round: Round,
    pub request: Vec<u8>,
}

/// What shall happen.
#[derive(Debug, Default)]
pub struct Effects {
    pub send: Vec<(SocketAddr, Vec<u8>)>,
    /// At which time.
    pub wake: Vec<(Duration, Alarm)>,
    pub events: Vec<Event>,
    pub calls: Vec<Call>,
}

impl Effects {
    fn add(&mut self, other: Self) {
        self.send.extend(other.send);
        self.wake.extend(other.wake);
        self.events.extend(other.events);
        self.calls.extend(other.calls);
    }
}

/// One agent's view of the cluster. `now` is any clock that never goes back.
#[derive(Debug)]
pub struct Pools {
    lan: Swim,
    wan: Option<Swim>,
    envelope: Arc<Mutex<Envelope>>,
    region: String,
    complaints: Complaints,
    /// Where agents may be.
    seeds: BTreeSet<SocketAddr>,
    /// When a seed that is not known is tried while others are.
    next_try: Duration,
    /// Being asked right now.
    asked: BTreeSet<SocketAddr>,
    /// Exchanges in a row that brought nothing new.
    quiet: BTreeMap<Pool, u32>,
    /// Servers of other regions that events told of.
    shown: BTreeSet<u128>,
    random: StdRng,
    left: bool,
}

impl Pools {
    /// # Errors
    /// The tags are too long.
    pub fn new(now: Duration, setup: Setup) -> Result<(Self, Effects), TagsTooLong> {
        let Setup { node, address, started, tags, lan, wan, keys, seed, known } = setup;
        let region = tags.region.clone();
        let unique: [&[u8]; 4] =
            [b"nonces", &node.to_le_bytes(), &started.to_le_bytes(), &seed.to_le_bytes()];
        let envelope = Arc::new(Mutex::new(Envelope::new(&region, keys, &unique)));
        let (lan, lan_outcome) = Swim::new(now, node, address, started, tags.clone(), lan, seed)?;
        let (wan, wan_outcome) = match wan {
            Some(pace) => {
                let (swim, outcome) = Swim::new(now, node, address, started, tags, pace, seed ^ 2)?;
                (Some(swim), Some(outcome))
            }
            None => (None, None),
        };
        let mut pools = Self {
            lan,
            wan,
            envelope,
            region,
            complaints: Complaints::default(),
            seeds: BTreeSet::new(),
            next_try: now,
            asked: BTreeSet::new(),
            quiet: BTreeMap::new(),
            shown: BTreeSet::new(),
            random: StdRng::seed_from_u64(seed ^ 3),
            left: false,
        };
        let mut effects = pools.wrap(Pool::Lan, lan_outcome);
        if let Some(outcome) = wan_outcome {
            effects.add(pools.wrap(Pool::Wan, outcome));
            effects.wake.push(pools.next_exchange(now, Pool::Wan));
        }
        effects.wake.push(pools.next_exchange(now, Pool::Lan));
        effects.wake.push(at(now + pools.lan.pace().probe_every, Kind::Seek));
        effects.add(pools.join(now, known));
        Ok((pools, effects))
    }

    /// The address that others are told.
    pub fn address(&self) -> SocketAddr {
        self.lan.identity().addr
    }

    pub(super) fn envelope(&self) -> Arc<Mutex<Envelope>> {
        self.envelope.clone()
    }

    pub fn set_keys(&mut self, keys: Vec<Key>) {
        self.sealing().set_keys(keys);
    }

    /// Asks the agents there to let this one in, and again and again as long as they are not known.
    pub fn join(&mut self, now: Duration, addresses: impl IntoIterator<Item = SocketAddr>) -> Effects {
        let mut effects = Effects::default();
        for address in addresses {
            if address == self.address() || self.left {
                continue;
            }
            if self.seeds.len() < MAX_SEEDS {
                self.seeds.insert(address);
            }
            effects.add(self.call(address));
        }
        // Whoever is known by then need not be asked again.
        self.next_try = now + self.lan.pace().repeat_every;
        effects
    }

    /// A datagram came. What no member would send is counted and changes nothing.
    pub fn received(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) -> Effects {
        let opened =
            if datagram.len() > MAX_DATAGRAM { Err(Refused::Garbage) } else { self.sealing().open(datagram) };
        let (pool, text) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                self.complaints.refuse(now, from, why);
                return Effects::default();
            }
        };
        let swim = match (pool, &mut self.wan) {
            (Pool::Lan, _) => &mut self.lan,
            (Pool::Wan, Some(wan)) => wan,
            (Pool::Wan, None) => {
                self.complaints.refuse(now, from, Refused::Pool);
                return Effects::default();
            }
        };
        let (outcome, read) = swim.received(now, from, &text);
        if let Err(why) = read {
            self.complaints.refuse(now, from, why);
        }
        self.wrap(pool, outcome)
    }

    pub fn woken(&mut self, now: Duration, alarm: Alarm) -> Effects {
        match alarm.kind {
            Kind::Pool(pool, inner) => {
                let swim = match (pool, &mut self.wan) {
                    (Pool::Wan, Some(wan)) => wan,
                    _ => &mut self.lan,
                };
                let outcome = swim.woken(now, now.saturating_sub(alarm.due), inner);
                self.wrap(pool, outcome)
            }
            Kind::Seek => {
                let mut effects = self.seek(now);
                effects.wake.push(at(now + self.lan.pace().probe_every, Kind::Seek));
                effects
            }
            Kind::Exchange(pool) => {
                let mut effects = self.exchange(pool);
                effects.wake.push(self.next_exchange(now, pool));
                effects
            }
        }
    }

    /// # Errors
    /// The tags are too long; the old ones stay.
    pub fn set_tags(&mut self, now: Duration, tags: Tags) -> Result<Effects, TagsTooLong> {
        let outcome = self.lan.set_tags(now, tags.clone())?;
        let mut effects = self.wrap(Pool::Lan, outcome);
        if let Some(wan) = &mut self.wan {
            let outcome = wan.set_tags(now, tags)?;
            effects.add(self.wrap(Pool::Wan, outcome));
        }
        Ok(effects)
    }

    /// First half of leaving: tells that it is on purpose. Wait a little for the news to spread.
    pub fn say_goodbye(&mut self, now: Duration) -> Effects {
        self.left = true;
        self.seeds.clear();
        self.both(now, Swim::say_goodbye)
    }

    /// Second half of leaving: from now on nothing is answered.
    pub fn leave(&mut self, now: Duration) -> Effects {
        self.both(now, Swim::leave)
    }

    /// Counts a failed member as one that left. `name` is that of the node, with or without `.<region>`.
    ///
    /// # Errors
    /// No such member, or it is alive.
    pub fn force_leave(&mut self, now: Duration, name: &str, prune: bool) -> Result<Effects, Error> {
        let fits = |member: &Member| {
            member.name == name || format!("{}.{}", member.name, member.tags.region) == name
        };
        // A name may have been given twice, to one that is gone and to its successor.
        let found: Vec<_> = self.members().into_iter().filter(fits).collect();
        let gone: Vec<_> =
            found.iter().filter(|member| !member.is_alive()).map(|member| member.node).collect();
        if gone.is_empty() {
            let name = name.to_owned();
            return Err(if found.is_empty() { Error::NoSuchMember(name) } else { Error::IsAlive(name) });
        }
        let mut effects = Effects::default();
        for node in gone {
            if let Some(outcome) = self.lan.dismiss(now, node, prune) {
                effects.add(self.wrap(Pool::Lan, outcome));
            }
            if let Some(outcome) = self.wan.as_mut().and_then(|wan| wan.dismiss(now, node, prune)) {
                effects.add(self.wrap(Pool::Wan, outcome));
            }
        }
        Ok(effects)
    }

    /// This one first, then all agents of the region, then the servers of other regions.
    pub fn members(&self) -> Vec<Member> {
        let elsewhere = self.wan.iter().flat_map(Swim::others).filter(|member| self.is_elsewhere(member));
        std::iter::once(self.lan.own()).chain(self.lan.others()).chain(elsewhere).collect()
    }

    /// What was not read, and why.
    pub fn refused(&self) -> Refusals {
        self.complaints.refused
    }

    /// Something came that cannot be read, and not as a datagram.
    pub(super) fn refuse(&mut self, now: Duration, from: SocketAddr, why: Refused) {
        self.complaints.refuse(now, from, why);
    }

    fn is_elsewhere(&self, member: &Member) -> bool {
        !member.tags.region.is_empty() && member.tags.region != self.region && !self.lan.has(member.node)
    }

    fn sealing(&self) -> MutexGuard<'_, Envelope> {
        self.envelope.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn both(&mut self, now: Duration, act: impl Fn(&mut Swim, Duration) -> Outcome) -> Effects {
        let outcome = act(&mut self.lan, now);
        let mut effects = self.wrap(Pool::Lan, outcome);
        if let Some(wan) = &mut self.wan {
            let outcome = act(wan, now);
            effects.add(self.wrap(Pool::Wan, outcome));
        }
        effects
    }

    fn wrap(&mut self, pool: Pool, outcome: Outcome) -> Effects {
        let mut sealing = self.envelope.lock().unwrap_or_else(PoisonError::into_inner);
        let send = outcome.send.into_iter().map(|(to, text)| (to, sealing.wrap(pool, &text))).collect();
        drop(sealing);
        let wake = outcome.wake.into_iter().map(|(due, alarm)| at(due, Kind::Pool(pool, alarm))).collect();
        let events = match pool {
            Pool::Lan => outcome.events,
            Pool::Wan => {
                outcome.events.into_iter().filter_map(|event| self.news_of_elsewhere(event)).collect()
            }
        };
        Effects { send, wake, events, calls: Vec::new() }
    }

    /// Servers of other regions are told of as soon as their tags have come; those of this one are in the other
    /// pool.
    fn news_of_elsewhere(&mut self, event: Event) -> Option<Event> {
        let member = event.member();
        if !self.is_elsewhere(member) {
            return None;
        }
        let node = member.node;
        match event {
            Event::Joined(_) => {
                self.shown.insert(node);
                Some(event)
            }
            Event::Updated(member) if self.shown.insert(node) => Some(match member.status {
                Status::Alive => Event::Joined(member),
                _ => Event::Updated(member),
            }),
            Event::Forgotten(_) => self.shown.remove(&node).then_some(event),
            _ => Some(event),
        }
    }

    fn seek(&mut self, now: Duration) -> Effects {
        let mut effects = Effects::default();
        if self.left {
            return effects;
        }
        if self.lan.size() == 0 {
            for seed in self.seeds.clone() {
                effects.add(self.call(seed));
            }
        } else if now >= self.next_try {
            self.next_try = now + self.lan.pace().repeat_every;
            let known = |seed: &SocketAddr| {
                self.lan.knows(*seed) || self.wan.as_ref().is_some_and(|wan| wan.knows(*seed))
            };
            let missing = self.seeds.iter().copied().filter(|seed| !known(seed)).choose(&mut self.random);
            if let Some(seed) = missing {
                effects.add(self.call(seed));
            }
        }
        // Servers of this region that do not take part in the pool of all regions yet, as far as this one knows.
        if let Some(wan) = &mut self.wan {
            let strangers: Vec<_> =
                self.lan.alive().filter(|member| member.is_server() && !wan.knows(member.addr)).collect();
            let outcomes: Vec<_> = strangers.into_iter().map(|member| wan.greet(now, member.addr)).collect();
            for outcome in outcomes {
                effects.add(self.wrap(Pool::Wan, outcome));
            }
        }
        effects
    }
}

fn at(due: Duration, kind: Kind) -> (Duration, Alarm) {
    (due, Alarm { due, kind })
}

#[cfg(test)]
mod tests;
