//! Push and pull with another agent: on joining, and now and then with somebody.
//!
//! Two rounds: both say who they are and a sum over what they know; then, if the sums differ, each tells what the
//! other lacks. See [`Part`].

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use rand::seq::IteratorRandom;

use super::{Alarm, Call, Effects, Kind, Pool, Pools, at};
use crate::net::gossip::{envelope::Refused, swim::Part, wire::Garbage};

/// First byte of what goes over a stream; no datagram has it there.
const STREAM: u8 = 0x81;
/// Exchanges by this agent's own will at a time.
const MAX_CALLS: usize = 32;
/// After so many exchanges without news the next one may wait.
const QUIET: u32 = 2;

/// Which of the two questions of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    First,
    Second,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another call follows.
    Goes,
    Done,
    /// For people.
    Failed(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Told {
    #[serde(rename = "k")]
    node: (u64, u64),
    #[serde(rename = "a")]
    address: SocketAddr,
    #[serde(rename = "g")]
    region: String,
    #[serde(rename = "l", default)]
    lan: Option<Part>,
    /// Servers only.
    #[serde(rename = "w", default)]
    wan: Option<Part>,
}

impl Told {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
    fn new(pools: &Pools, lan: Option<Part>, wan: Option<Part>) -> Self {
        let identity = pools.lan.identity();
        let node = ((identity.node >> 64) as u64, identity.node as u64);
        Self { node, address: identity.addr, region: pools.region.clone(), lan, wan }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![STREAM];
        rmp_serde::encode::write_named(&mut bytes, self).expect("a vector takes any length");
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Garbage> {
        match bytes.split_first() {
            Some((&STREAM, body)) => rmp_serde::from_slice(body).map_err(|error| Garbage(error.to_string())),
            _ => Err(Garbage("an exchange of another version".into())),
        }
    }

    fn node(&self) -> u128 {
        u128::from(self.node.0) << 64 | u128::from(self.node.1)
    }
}

impl Pools {
    /// Asks the agent there, unless it is being asked.
    pub(super) fn call(&mut self, peer: SocketAddr) -> Effects {
        let mut effects = Effects::default();
        if self.asked.insert(peer) {
            let told = Told::new(self, Some(self.lan.hello()), self.wan.as_ref().map(super::Swim::hello));
            effects.calls.push(Call { peer, round: Round::First, request: told.encode() });
        }
        effects
    }

    /// Compares with somebody of the pool.
    pub(super) fn exchange(&mut self, pool: Pool) -> Effects {
        let swim = match (pool, &self.wan) {
            (Pool::Wan, Some(wan)) => wan,
            _ => &self.lan,
        };
        let peer = swim.alive().map(|member| member.addr).choose(&mut self.random);
        match peer {
            Some(peer) if !self.left && self.asked.len() < MAX_CALLS => self.call(peer),
            _ => Effects::default(),
        }
    }

    /// Soon while there is news, seldom when there is none.
    pub(super) fn next_exchange(&self, now: Duration, pool: Pool) -> (Duration, Alarm) {
        let swim = match (pool, &self.wan) {
            (Pool::Wan, Some(wan)) => wan,
            _ => &self.lan,
        };
        let quiet = self.quiet.get(&pool).is_some_and(|times| *times >= QUIET);
        let every =
            if quiet { swim.pace().exchange_every(swim.size()) } else { swim.pace().exchange_every / 6 };
        at(now + every, Kind::Exchange(pool))
    }

    /// Another agent asks over a stream. `Err`: for people there.
    ///
    /// # Errors
    /// It is not from an agent, or not for this one.
    pub fn asked(
        &mut self,
        now: Duration,
        from: SocketAddr,
        request: &[u8],
    ) -> Result<(Vec<u8>, Effects), String> {
        let told = match Told::decode(request) {
            Ok(told) => told,
            Err(error) => {
                self.complaints.refuse(now, from, Refused::Garbage);
                return Err(error.to_string());
            }
        };
        if self.left {
            return Err("this agent is leaving".into());
        }
        let (node, mut effects) = (told.node(), Effects::default());
        let mut answer = Told::new(self, None, None);
        let mut read = Ok(());
        if let Some(part) = told.lan.filter(|_| told.region == self.region) {
            match self.lan.answer(now, &part, node) {
                Ok((part, outcome)) => {
                    answer.lan = Some(part);
                    effects.add(self.wrap(Pool::Lan, outcome));
                }
                Err(error) => read = Err(error),
            }
        }
        if let (Some(part), Some(wan)) = (told.wan, &mut self.wan) {
            match wan.answer(now, &part, node) {
                Ok((part, outcome)) => {
                    answer.wan = Some(part);
                    effects.add(self.wrap(Pool::Wan, outcome));
                }
                Err(error) => read = Err(error),
            }
        }
        if let Err(error) = read {
            tracing::debug!(%from, %error, "an exchange is not from a member");
            self.complaints.refuse(now, from, Refused::Garbage);
        }
        Ok((answer.encode(), effects))
    }

    /// What came of a [`Call`]: the answer, or why there is none.
    pub fn answered(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        round: Round,
        answer: Result<Vec<u8>, String>,
    ) -> (Effects, Progress) {
        self.asked.remove(&peer);
        let told = match answer.and_then(|bytes| Told::decode(&bytes).map_err(|error| error.to_string())) {
            Ok(told) => told,
            Err(reason) => {
                // Perhaps datagrams get through.
                let outcome = self.lan.greet(now, peer);
                return (self.wrap(Pool::Lan, outcome), Progress::Failed(reason));
            }
        };
        if told.lan.is_none() && told.wan.is_none() {
            let reason = if told.region == self.region {
                "it takes no part".into()
            } else {
                format!(
                    "it is of region {:?}, this agent of {:?}: only servers join servers of another region",
                    told.region, self.region
                )
            };
            // It will be the same next time.
            self.seeds.remove(&peer);
            return (Effects::default(), Progress::Failed(reason));
        }
        let (node, mut effects) = (told.node(), Effects::default());
        let mut more = Told::new(self, None, None);
        let mut read = Ok(());
        if let Some(part) = told.lan.filter(|_| told.region == self.region) {
            if round == Round::First {
                self.count_quiet(Pool::Lan, part.is_same());
            }
            match self.lan.conclude(now, &part, node) {
                Ok((part, outcome)) => {
                    more.lan = part;
                    effects.add(self.wrap(Pool::Lan, outcome));
                }
                Err(error) => read = Err(error),
            }
        }
        if let (Some(part), Some(wan)) = (told.wan, &mut self.wan) {
            let concluded = wan.conclude(now, &part, node);
            if round == Round::First {
                self.count_quiet(Pool::Wan, part.is_same());
            }
            match concluded {
                Ok((part, outcome)) => {
                    more.wan = part;
                    effects.add(self.wrap(Pool::Wan, outcome));
                }
                Err(error) => read = Err(error),
            }
        }
        if let Err(error) = read {
            self.complaints.refuse(now, peer, Refused::Garbage);
            return (effects, Progress::Failed(error.to_string()));
        }
        if round == Round::First && (more.lan.is_some() || more.wan.is_some()) {
            self.asked.insert(peer);
            effects.calls.push(Call { peer, round: Round::Second, request: more.encode() });
            return (effects, Progress::Goes);
        }
        (effects, Progress::Done)
    }

    fn count_quiet(&mut self, pool: Pool, same: bool) {
        let times = self.quiet.entry(pool).or_default();
        *times = if same { *times + 1 } else { 0 };
    }
}
