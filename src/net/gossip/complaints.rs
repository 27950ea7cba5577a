//! What was refused, counted and said now and then.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::envelope::Refused;

/// One line about each kind of refusal in this time.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// How many datagrams and exchanges were not read, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    /// No agent of this version would send them.
    pub garbage: u64,
    /// From agents of another region, which took this one for one of theirs.
    pub region: u64,
    /// Sealed with another key, or not sealed where they should be, or the other way round.
    pub key: u64,
    /// There were more members than any cluster has.
    pub full: u64,
}

impl Refusals {
    pub fn total(&self) -> u64 {
        self.garbage + self.region + self.key + self.full
    }
}

#[derive(Debug, Default)]
pub(super) struct Complaints {
    pub(super) refused: Refusals,
    /// When it was said, and how many since.
    said: BTreeMap<Refused, (Duration, u64)>,
}

impl Complaints {
    pub(super) fn refuse(&mut self, now: Duration, from: SocketAddr, why: Refused) {
        match why {
            Refused::Garbage => self.refused.garbage += 1,
            Refused::Region | Refused::Pool => self.refused.region += 1,
            Refused::Key | Refused::KeyMissingHere | Refused::KeyMissingThere => self.refused.key += 1,
            Refused::Full => self.refused.full += 1,
        }
        let (said, unsaid) = self.said.entry(why).or_insert((now, u64::MAX));
        if *unsaid != u64::MAX && now < *said + SAY_EVERY {
            *unsaid += 1;
            return;
        }
        let before = if *unsaid == u64::MAX { 0 } else { *unsaid };
        (*said, *unsaid) = (now, 0);
        tracing::warn!(%from, reason = %why, unsaid = before, "gossip was refused");
    }
}
