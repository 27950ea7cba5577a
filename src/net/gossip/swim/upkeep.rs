//! What a member does now and then: asking for what it missed, forgetting what is over.

use std::time::Duration;

use rand::seq::IteratorRandom;

use super::{Event, Letter, SMALL, Swim};
use crate::net::gossip::letter::MAX_DIGEST;

impl Swim {
    /// Asks some member for what it knows better.
    pub(super) fn ask_for_rumours(&mut self) {
        let peer = self.foca.iter_members().map(|member| member.id().addr).choose(&mut self.random);
        let Some(peer) = peer else { return };
        let heard = &self.rumours;
        let known = self.others.keys().map(|node| (*node, heard.version(*node)));
        // In a large cluster the others have their turn another time.
        let known = known.sample(&mut self.random, MAX_DIGEST);
        self.letters.push((peer, Letter::Digest(known)));
    }

    /// Rumours may come before the members that they are about, but not many and not for ever.
    pub(super) fn forget_strangers(&mut self) {
        let heard = &mut self.rumours;
        heard.accused.retain(|address, _| self.suspicions.contains_key(address));
        if heard.newest.len() > 2 * (self.others.len() + SMALL) {
            heard.newest.retain(|node, _| *node == self.own.node || self.others.contains_key(node));
        }
    }

    /// Forgets those who are dead for long enough.
    pub(super) fn bury(&mut self, now: Duration) -> Vec<Event> {
        let due: Vec<_> = self.graves.iter().filter(|(_, (at, _))| *at <= now).map(|(a, _)| *a).collect();
        let due: Vec<_> = due.into_iter().filter_map(|address| self.graves.remove(&address)).collect();
        due.into_iter().filter_map(|(_, identity)| self.forget(identity)).collect()
    }
}
