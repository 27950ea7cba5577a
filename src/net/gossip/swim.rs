//! The brain of one pool: what comes in, and what shall happen. No socket, no clock.
//!
//! foca keeps the list of members and spreads news; around it are rumours (what members say about themselves).

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use foca::{AccumulatingRuntime, Foca, NoCustomBroadcast, OwnedNotification, Timer};
use rand::{SeedableRng, rngs::StdRng};

use super::{
    envelope::{ENVELOPE, Refused},
    letter::Letter,
    member::{Event, Member, Status},
    news::News,
    pace::Pace,
    rumour::{MAX_RUMOUR, Rumour, Rumours, Tags},
    wire::{Identity, PacketCodec},
};

mod datagrams; // what comes, and what goes
mod health; // how far this member can trust itself
mod suspicion; // from a probe without answer to a verdict
mod upkeep; // now and then
mod table; // comparing all that two members know
mod view; // the others, and events

pub(super) use self::table::Part;
use self::{health::Health, suspicion::Suspicion};

/// Longest datagram: fits into an Ethernet frame.
pub const MAX_DATAGRAM: usize = 1400;
/// Longest message of foca: a datagram without envelope and kind.
pub(super) const MAX_PACKET: usize = MAX_DATAGRAM - ENVELOPE - 1;
/// Members that are let in: a bound for what strangers can make us keep.
const MAX_MEMBERS: usize = if cfg!(test) { 2000 } else { 32 * 1024 };
/// Up to this size newcomers are written to by everybody; in larger pools they learn by exchange.
const SMALL: usize = 32;
/// Members taken over from an exchange in one go: foca looks through all for each.
const BITE: usize = 128;
/// Times that a probe gets more time after a pause.
const PROLONG: u32 = 3;
/// Shortest time between two looks at all members.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Something to be done later: hand it back to [`Swim::woken`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Alarm {
    Foca(Timer<Identity>),
    /// Ask for rumours, forget the dead.
    Repeat,
    /// Take over more of what an exchange brought.
    Swallow,
    /// Ask suspects whether they are there.
    Ask,
    /// Probe again, if there was no answer yet.
    AskAgain,
}

impl Alarm {
    /// Of alarms that are due together, which goes first.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Foca(a), Self::Foca(b)) => a.cmp(b),
            (Self::Foca(_), _) => std::cmp::Ordering::Less,
            (_, Self::Foca(_)) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        }
    }
}

/// What shall happen.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) send: Vec<(SocketAddr, Vec<u8>)>,
    /// At which time.
    pub(super) wake: Vec<(Duration, Alarm)>,
    pub(super) events: Vec<Event>,
}

/// The tags are too long to be spread.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tags of a member have {found} bytes, at most {MAX_RUMOUR} can be spread")]
pub struct TagsTooLong {
    pub found: usize,
}

/// One member's view of a pool. `now` is any clock that never goes back.
pub(super) struct Swim {
    foca: Foca<Identity, PacketCodec, StdRng, NoCustomBroadcast>,
    codec: PacketCodec,
    runtime: AccumulatingRuntime<Identity>,
    rumours: Rumours,
    news: News,
    own: Rumour,
    others: BTreeMap<u128, Known>,
    pace: Pace,
    random: StdRng,
    /// Rumours and digests that go to one member.
    letters: Vec<(SocketAddr, Letter)>,
    /// When a dead one is forgotten, by address.
    graves: BTreeMap<SocketAddr, (Duration, Identity)>,
    /// Members that an exchange brought, and whether they are passed on.
    swallow: VecDeque<(foca::Member<Identity>, bool)>,
    /// Size of the pool that foca is set for.
    size: usize,
    looked: Duration,
    /// Of those that this member probed in vain itself.
    suspicions: BTreeMap<SocketAddr, Suspicion>,
    health: Health,
    /// How often the current probe got more time.
    prolonged: u32,
    /// Own incarnation when it was last looked at.
    incarnation: u16,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    identity: Identity,
    status: Status,
    suspected: bool,
}

impl std::fmt::Debug for Swim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swim").field("own", &self.own).field("others", &self.others).finish_non_exhaustive()
    }
}

impl Swim {
    /// `started` must grow with each start of the same node: milliseconds of the wall clock.
    pub(super) fn new(
        now: Duration,
        node: u128,
        address: SocketAddr,
        started: u64,
        tags: Tags,
        pace: Pace,
        seed: u64,
    ) -> Result<(Self, Outcome), TagsTooLong> {
        let roles = u8::from(tags.is_server()) | u8::from(tags.is_client()) << 1;
        let identity = Identity { node, addr: address, bump: started, roles };
        let own = checked(Rumour { node, version: started, tags: tags.into(), ..Rumour::default() })?;
        let codec = PacketCodec::default();
        let random = StdRng::seed_from_u64(seed ^ 1);
        let foca = Foca::new(identity, pace.settings(1), random, codec.clone());
        let mut swim = Self {
            foca,
            codec,
            runtime: AccumulatingRuntime::default(),
            rumours: Rumours::default(),
            news: News::new(),
            own,
            others: BTreeMap::new(),
            pace,
            random: StdRng::seed_from_u64(seed),
            letters: Vec::new(),
            graves: BTreeMap::new(),
            swallow: VecDeque::new(),
            size: 1,
            looked: now,
            suspicions: BTreeMap::new(),
            health: Health::default(),
            prolonged: 0,
            incarnation: 0,
        };
        swim.spread_own();
        let mut outcome = swim.outcome(now);
        outcome.wake.push((now + swim.pace.repeat_every, Alarm::Repeat));
        Ok((swim, outcome))
    }

    pub(super) fn identity(&self) -> Identity {
        *self.foca.identity()
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Others that are alive.
    pub(super) fn size(&self) -> usize {
        self.foca.num_members()
    }

    /// Whether somebody alive is at the address.
    pub(super) fn knows(&self, address: SocketAddr) -> bool {
        self.codec.overheard().ledger.is_alive(address)
    }

    /// Those alive, for whoever wants to talk to one of them.
    pub(super) fn alive(&self) -> impl Iterator<Item = Identity> + '_ {
        self.foca.iter_members().map(|member| *member.id())
    }

    /// Asks whoever is at the address for the members that it knows.
    pub(super) fn greet(&mut self, now: Duration, address: SocketAddr) -> Outcome {
        if address != self.foca.identity().addr {
            let whoever = Identity { node: 0, addr: address, bump: 0, roles: 0 };
            if let Err(error) = self.foca.announce(whoever, &mut self.runtime) {
                tracing::debug!(%error, "nothing could be announced");
            }
        }
        self.outcome(now)
    }

    /// A datagram came. What no member would send changes nothing.
    pub(super) fn received(
        &mut self,
        now: Duration,
        from: SocketAddr,
        text: &[u8],
    ) -> (Outcome, Result<(), Refused>) {
        let read = match Letter::decode(text) {
            Ok(letter) => self.read(from, letter),
            Err(error) => Err(error.to_string()),
        };
        let full = std::mem::take(&mut self.codec.overheard().full);
        let read = read.map_err(|error| {
            tracing::debug!(%from, error, "a datagram is not from a member");
            if full { Refused::Full } else { Refused::Garbage }
        });
        // Also after an error: something may have been read before it.
        (self.outcome(now), read)
    }

    /// `late`: how long ago it was due.
    pub(super) fn woken(&mut self, now: Duration, late: Duration, alarm: Alarm) -> Outcome {
        self.health.woke(now, late, 2 * self.pace.probe_every);
        match alarm {
            Alarm::Foca(timer @ Timer::ProbeRandomMember(_)) => self.end_of_probe(now, timer),
            Alarm::Foca(timer @ Timer::SendIndirectProbe { .. }) => {
                if let Err(error) = self.foca.handle_timer(timer, &mut self.runtime) {
                    tracing::debug!(%error, "nobody is asked to probe");
                }
                let again = self.ask_again();
                let mut outcome = self.outcome(now);
                if again {
                    // Between now and the end of the probe.
                    let rest = self.pace.probe_every.saturating_sub(self.pace.probe_timeout);
                    outcome.wake.push((now + self.health.stretch(rest / 2), Alarm::AskAgain));
                }
                outcome
            }
            Alarm::Ask => self.ask(now),
            Alarm::AskAgain => {
                self.ask_again();
                self.outcome(now)
            }
            Alarm::Foca(timer) => {
                if matches!(timer, Timer::PeriodicGossip(_))
                    && self.foca.updates_backlog() == 0
                    && !self.news.is_empty()
                {
                    self.gossip();
                }
                if let Err(error) = self.foca.handle_timer(timer, &mut self.runtime) {
                    tracing::debug!(%error, "a timer of the membership came late");
                }
                self.outcome(now)
            }
            Alarm::Repeat => {
                self.ask_for_rumours();
                self.forget_strangers();
                let forgotten = self.bury(now);
                let mut outcome = self.outcome(now);
                outcome.events.extend(forgotten);
                outcome.wake.push((now + self.pace.repeat_every, Alarm::Repeat));
                outcome
            }
            Alarm::Swallow => self.swallow(now),
        }
    }

    fn end_of_probe(&mut self, now: Duration, timer: Timer<Identity>) -> Outcome {
        let open = {
            let overheard = self.codec.overheard();
            overheard.probe.filter(|_| !overheard.answered)
        };
        if let Some((target, _)) = open
            && self.health.is_unsure(now)
            && self.prolonged < PROLONG
        {
            // The answer may be in the socket, or was never asked for: this member paused.
            self.prolonged += 1;
            self.ask_again();
            if let Timer::ProbeRandomMember(token) = timer {
                let again = Timer::SendIndirectProbe { probed_id: target, token };
                if let Err(error) = self.foca.handle_timer(again, &mut self.runtime) {
                    tracing::debug!(%error, "nobody is asked to probe");
                }
            }
            let mut outcome = self.outcome(now);
            outcome.wake.push((now + self.pace.probe_every, Alarm::Foca(timer)));
            return outcome;
        }
        self.prolonged = 0;
        match open {
            None => self.health.better(),
            // When others suspect it, too, the fault is not here.
            Some((target, _)) if self.others.get(&target.node).is_some_and(|known| !known.suspected) => {
                self.health.worse();
            }
            Some(_) => {}
        }
        {
            let mut overheard = self.codec.overheard();
            overheard.probe = None;
            overheard.answered = false;
        }
        if let Err(error) = self.foca.handle_timer(timer, &mut self.runtime) {
            tracing::debug!(%error, "a probe ended early");
        }
        self.outcome(now)
    }

    /// # Errors
    /// The tags are too long; the old ones stay.
    pub(super) fn set_tags(&mut self, now: Duration, tags: Tags) -> Result<Outcome, TagsTooLong> {
        self.own = checked(Rumour { version: self.own.version + 1, tags: tags.into(), ..self.own.clone() })?;
        self.spread_own();
        Ok(self.outcome(now))
    }

    /// First half of leaving: tells that it is on purpose. Wait a little for the news to spread.
    pub(super) fn say_goodbye(&mut self, now: Duration) -> Outcome {
        self.own.version += 1;
        self.own.leaving = Some(self.foca.identity().bump);
        self.spread_own();
        self.outcome(now)
    }

    /// Second half of leaving: from now on nothing is answered.
    pub(super) fn leave(&mut self, now: Duration) -> Outcome {
        if let Err(error) = self.foca.leave_cluster(&mut self.runtime) {
            tracing::debug!(%error, "leaving the cluster was not told to anybody");
        }
        // There is no second chance to tell it.
        for _ in 0..3 {
            self.gossip();
        }
        self.outcome(now)
    }

    /// Tells all that a member that is gone went on purpose. `None`: no such member.
    pub(super) fn dismiss(&mut self, now: Duration, node: u128, prune: bool) -> Option<Outcome> {
        let known = *self.others.get(&node)?;
        let rumour = {
            let heard = &self.rumours;
            let before = heard.newest.get(&node).cloned().unwrap_or(Rumour { node, ..Rumour::default() });
            Rumour { version: before.version + 1, leaving: Some(known.identity.bump), prune, ..before }
        };
        self.spread(&rumour);
        Some(self.outcome(now))
    }

    pub(super) fn own(&self) -> Member {
        let own = self.foca.identity();
        let status = if self.own.leaving.is_some() { Status::Left } else { Status::Alive };
        Member {
            node: own.node,
            name: self.own.tags.name.clone(),
            address: own.addr,
            status,
            suspected: false,
            tags: self.own.tags.clone(),
        }
    }

    /// In the order of their ids.
    pub(super) fn others(&self) -> impl Iterator<Item = Member> + '_ {
        self.others.values().map(|known| self.member(known))
    }

    pub(super) fn has(&self, node: u128) -> bool {
        self.others.contains_key(&node)
    }

    fn spread_own(&mut self) {
        self.spread(&self.own.clone());
    }

    fn outcome(&mut self, now: Duration) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some(notification) = self.runtime.to_notify() {
            if let OwnedNotification::MemberUp(newcomer) = &notification
                && self.size() <= SMALL
            {
                // It missed what was said before.
                self.letters.push((newcomer.addr, Letter::Rumour(self.own.encode())));
            }
            self.note(notification, &mut outcome.events);
        }
        self.listen(&mut outcome.events);
        self.look(now, &mut outcome.events);
        let incarnation = self.codec.overheard().incarnation;
        if incarnation > self.incarnation {
            // Others waited for this member in vain.
            self.health.worse();
        }
        self.incarnation = incarnation;
        if self.size() + 1 != self.size {
            self.size = self.size() + 1;
            if let Err(error) = self.foca.set_config(self.pace.settings(self.size)) {
                tracing::warn!(%error, "the pace of the membership cannot follow its size");
            }
        }
        outcome.send = self.packets();
        outcome.send.extend(self.letters.drain(..).map(|(to, letter)| (to, letter.encode())));
        while let Some((after, timer)) = self.runtime.to_schedule() {
            match timer {
                // One per address, however often it dies.
                Timer::RemoveDown(identity) => {
                    self.graves.insert(identity.addr, (now + after, identity));
                }
                verdict @ Timer::ChangeSuspectToDown { .. } => self.suspect(now, verdict, &mut outcome),
                timer @ (Timer::ProbeRandomMember(_) | Timer::SendIndirectProbe { .. }) => {
                    outcome.wake.push((now + self.health.stretch(after), Alarm::Foca(timer)));
                }
                timer => outcome.wake.push((now + after, Alarm::Foca(timer))),
            }
        }
        outcome
    }
}

fn checked(rumour: Rumour) -> Result<Rumour, TagsTooLong> {
    // The version and the farewell may grow by a few bytes each.
    let found = rumour.encode().len() + 16;
    if found > MAX_RUMOUR { Err(TagsTooLong { found }) } else { Ok(rumour) }
}
