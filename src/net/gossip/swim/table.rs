//! Push and pull: two members compare all that they know of a pool.
//!
//! foca sends each piece of news a limited number of times, so whoever missed it would never hear of it. First both
//! tell a sum over their members; only if the sums differ, tables follow, and then only what the other lacks.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use bytes::{Buf, BufMut, Bytes};
use foca::State;
use serde::{Deserialize, Serialize};

use super::{Alarm, BITE, Identity, MAX_MEMBERS, Outcome, Rumour, Swim};
use crate::net::gossip::wire::{Garbage, read_member, write_member};

/// What one of two members tells the other about a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::net::gossip) struct Part {
    /// Over all members that are alive and the versions of their rumours.
    sum: u64,
    /// Members and the version of the rumour of each: all, or those that the other lacks.
    rows: Bytes,
    /// Whether `rows` are all.
    all: bool,
    rumours: Vec<Bytes>,
    /// Ids of nodes whose rumours are asked for.
    wanted: Bytes,
}

type Row = (foca::Member<Identity>, u64);

fn write(rows: &[Row]) -> Bytes {
    let mut bytes = Vec::with_capacity(rows.len() * 42);
    for (member, version) in rows {
        write_member(member, &mut bytes).expect("a vector has room");
        bytes.put_u64(*version);
    }
    bytes.into()
}

fn read(mut bytes: Bytes) -> Result<Vec<Row>, Garbage> {
    let mut rows = Vec::new();
    while bytes.has_remaining() {
        if rows.len() >= MAX_MEMBERS {
            return Err(Garbage("more members than any cluster has".into()));
        }
        let member = read_member(&mut bytes)?;
        rows.push((member, bytes.try_get_u64()?));
    }
    Ok(rows)
}

impl Part {
    /// Whether both know the same.
    pub(in crate::net::gossip) fn is_same(&self) -> bool {
        !self.all
    }
}

impl Swim {
    /// Opens an exchange: who this member is, and the sum over all that it knows.
    pub(in crate::net::gossip) fn hello(&self) -> Part {
        let own = self.own_row();
        Part {
            sum: sum(&self.rows()),
            rows: write(&[own]),
            rumours: vec![self.own.encode().into()],
            ..Part::default()
        }
    }

    /// Answers whatever the other told. `caller`: whose own rumour shall be passed on to all.
    pub(in crate::net::gossip) fn answer(
        &mut self,
        now: Duration,
        part: &Part,
        caller: u128,
    ) -> Result<(Part, Outcome), Garbage> {
        // Before anything is taken over: a newcomer shall see that the sums differ.
        let rows = self.rows();
        let own = sum(&rows);
        let mut outcome = self.take(now, read(part.rows.clone())?, &part.rumours, caller)?;
        let mut answer = Part { sum: own, rumours: self.rumours_of(part.wanted.clone()), ..Part::default() };
        if own != part.sum && part.sum != 0 {
            answer.rows = write(&rows);
            answer.all = true;
            // Who opens an exchange with a stranger joins: do not let it ask for our tags in vain.
            answer.rumours.push(self.own.encode().into());
        }
        let more = self.outcome(now);
        outcome.send.extend(more.send);
        outcome.wake.extend(more.wake);
        outcome.events.extend(more.events);
        Ok((answer, outcome))
    }

    /// Takes over an answer. The part is what the other lacks, to be sent to it if there is any.
    pub(in crate::net::gossip) fn conclude(
        &mut self,
        now: Duration,
        part: &Part,
        peer: u128,
    ) -> Result<(Option<Part>, Outcome), Garbage> {
        let theirs = read(part.rows.clone())?;
        if !part.all {
            return Ok((None, self.take(now, theirs, &part.rumours, peer)?));
        }
        let ours: HashMap<SocketAddr, Row> =
            self.rows().into_iter().map(|row| (row.0.id().addr, row)).collect();
        let mut missing = ours.clone();
        let (mut lacking, mut news, mut wanted, mut rumours) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (member, version) in theirs {
            let mine = ours.get(&member.id().addr);
            missing.remove(&member.id().addr);
            let known = self.rumours.version(member.id().node);
            if version > known {
                wanted.put_u128(member.id().node);
            } else if known > version {
                rumours.extend(self.rumour(member.id().node));
            }
            match mine {
                Some((mine, version)) if *mine != member => {
                    lacking.push((mine.clone(), *version));
                    news.push((member, *version));
                }
                Some(_) => {}
                None => news.push((member, version)),
            }
        }
        for (member, version) in missing.into_values() {
            if member.state() != State::Down {
                rumours.extend(self.rumour(member.id().node));
                lacking.push((member, version));
            }
        }
        // In any order, but the same each time.
        lacking.sort_by_key(|(member, _)| member.id().addr);
        let outcome = self.take(now, news, &part.rumours, peer)?;
        let more = Part { rows: write(&lacking), rumours, wanted: wanted.into(), ..Part::default() };
        let idle = more.rows.is_empty() && more.rumours.is_empty() && more.wanted.is_empty();
        Ok(((!idle).then_some(more), outcome))
    }

    fn take(
        &mut self,
        now: Duration,
        rows: Vec<Row>,
        rumours: &[Bytes],
        teller: u128,
    ) -> Result<Outcome, Garbage> {
        let decoded: Vec<Rumour> =
            rumours.iter().map(|bytes| Rumour::decode(bytes)).collect::<Result<_, _>>()?;
        for rumour in decoded {
            let is_new = rumour.version > self.rumours.version(rumour.node);
            if is_new && rumour.node == teller {
                self.spread(&rumour);
            } else if is_new {
                self.rumours.hear(rumour)?;
            }
        }
        let room = MAX_MEMBERS.saturating_sub(self.foca.iter_membership_state().len());
        let was_idle = self.swallow.is_empty();
        let own = *self.foca.identity();
        let mut welcome = Vec::new();
        {
            let overheard = self.codec.overheard();
            for (member, _) in rows {
                let is_news = member.id().addr == own.addr || overheard.ledger.is_news(&member);
                let known = self.others.contains_key(&member.id().node) || *member.id() == own;
                // The dead that we never knew, or forgot, stay forgotten.
                let fits = member.state() != State::Down && self.swallow.len() + welcome.len() < room;
                if is_news && (known || fits) {
                    welcome.push(member);
                }
            }
        }
        // Who learns of more than it knew is new here: the others know them.
        let tells = welcome.len() <= BITE.max(self.size());
        self.swallow.extend(welcome.into_iter().map(|member| (member, tells)));
        if was_idle && !self.swallow.is_empty() {
            return Ok(self.woken(now, Duration::ZERO, Alarm::Swallow));
        }
        Ok(self.outcome(now))
    }

    /// Takes over some of what an exchange brought.
    pub(super) fn swallow(&mut self, now: Duration) -> Outcome {
        let own = self.foca.identity().addr;
        for _ in 0..BITE {
            let Some((member, tells)) = self.swallow.pop_front() else { break };
            if member.id().addr != own && !self.codec.overheard().ledger.is_news(&member) {
                continue;
            }
            let applied = self.foca.apply_many(std::iter::once(member.clone()), tells, &mut self.runtime);
            if let Err(error) = applied {
                tracing::debug!(%error, "a member of an exchange was not taken over");
            } else if !tells && member.id().addr != own {
                // foca makes no bytes of it then.
                self.codec.overheard().ledger.note(&member);
            }
        }
        let mut outcome = self.outcome(now);
        if !self.swallow.is_empty() {
            outcome.wake.push((now + Duration::from_millis(1), Alarm::Swallow));
        }
        outcome
    }

    fn own_row(&self) -> Row {
        let incarnation = self.codec.overheard().incarnation;
        (foca::Member::new(*self.foca.identity(), incarnation, State::Alive), self.own.version)
    }

    /// All that is known, this member first.
    fn rows(&self) -> Vec<Row> {
        let heard = &self.rumours;
        let others =
            self.foca.iter_membership_state().map(|member| (member.clone(), heard.version(member.id().node)));
        std::iter::once(self.own_row()).chain(others).collect()
    }

    fn rumour(&self, node: u128) -> Option<Bytes> {
        if node == self.own.node {
            return Some(self.own.encode().into());
        }
        self.rumours.newest.get(&node).map(|rumour| rumour.encode().into())
    }

    fn rumours_of(&self, mut wanted: Bytes) -> Vec<Bytes> {
        let mut found = Vec::new();
        while let Ok(node) = wanted.try_get_u128() {
            found.extend(self.rumour(node));
            if found.len() >= MAX_MEMBERS {
                break;
            }
        }
        found
    }
}

/// The same for the same members in any order; suspicions do not count. Never 0.
fn sum(rows: &[Row]) -> u64 {
    let hash = |(member, version): &Row| {
        let mut bytes = Vec::with_capacity(64);
        super::super::wire::write_identity(member.id(), &mut bytes).expect("a vector has room");
        bytes.put_u64(*version);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let alive = rows.iter().filter(|(member, _)| member.state() != State::Down);
    alive.map(hash).fold(1, u64::wrapping_add) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::gossip::{Pace, Tags};

    fn address(node: u128) -> SocketAddr {
        let [.., a, b] = u32::try_from(node).unwrap().to_be_bytes();
        ([10, 0, a, b], 4648).into()
    }

    fn told(nodes: std::ops::Range<u128>) -> Part {
        let identity = |node| Identity { node, addr: address(node), bump: 1, roles: 2 };
        let rows: Vec<_> = nodes.map(|node| (foca::Member::alive(identity(node)), 1)).collect();
        Part { rows: write(&rows), ..Part::default() }
    }

    fn hear(swim: &mut Swim, part: &Part) {
        let (_, mut outcome) = swim.answer(Duration::ZERO, part, 2).unwrap();
        while outcome.wake.iter().any(|(_, alarm)| *alarm == Alarm::Swallow) {
            outcome = swim.woken(Duration::ZERO, Duration::ZERO, Alarm::Swallow);
        }
    }

    #[test]
    fn a_newcomer_keeps_what_the_others_know_for_itself() {
        let tags = Tags { name: "one".into(), ..Tags::default() };
        let (mut swim, _) = Swim::new(Duration::ZERO, 1, address(1), 1, tags, Pace::lan(), 1).unwrap();
        hear(&mut swim, &told(2..400));
        assert_eq!((swim.size(), swim.foca.updates_backlog()), (398, 0));
        assert!(swim.ledger_agrees());
        // The same again and a few more: these may be news to others, too.
        hear(&mut swim, &told(2..410));
        assert_eq!((swim.size(), swim.foca.updates_backlog()), (408, 10));
        assert!(swim.ledger_agrees());
    }
}
