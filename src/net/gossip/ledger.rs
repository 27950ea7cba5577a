//! What foca knows of each address, written down where it makes bytes of it.
//!
//! foca keeps a list and searches it from the start for every piece of news. Most of what a datagram tells is old: here
//! that is seen at once.

use std::{collections::HashMap, net::SocketAddr};

use foca::{Identity as _, Member, State};

use super::wire::Identity;

/// The members of foca's list, by address.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lines: HashMap<SocketAddr, Line>,
    /// Where anything changed since this was last emptied. Some may be there twice.
    pub(super) changed: Vec<SocketAddr>,
}

/// Who is at an address, without the address: most lines of a large pool are far from the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    node: u128,
    bump: u64,
    incarnation: u16,
    state: State,
    roles: u8,
}

impl Ledger {
    /// foca took this over.
    pub(super) fn note(&mut self, member: &Member<Identity>) {
        let address = member.id().addr;
        let Identity { node, bump, roles, .. } = *member.id();
        let line = Line { node, bump, incarnation: member.incarnation(), state: member.state(), roles };
        if self.lines.insert(address, line) != Some(line) {
            self.changed.push(address);
        }
    }

    /// foca was told to forget this one.
    pub(super) fn forget(&mut self, identity: &Identity) {
        let is_gone = |known: Member<Identity>| known.id() == identity && known.state() == State::Down;
        if self.get(identity.addr).is_some_and(is_gone) {
            self.lines.remove(&identity.addr);
        }
    }

    pub(super) fn get(&self, address: SocketAddr) -> Option<Member<Identity>> {
        let Line { node, bump, incarnation, state, roles } = *self.lines.get(&address)?;
        Some(Member::new(Identity { node, addr: address, bump, roles }, incarnation, state))
    }

    /// Whether somebody there takes part.
    pub(super) fn is_alive(&self, address: SocketAddr) -> bool {
        self.get(address).is_some_and(|known| known.state() != State::Down)
    }

    /// Whether foca would change anything. Of two lives at an address the later counts, of one life the higher
    /// incarnation, of one incarnation the worse; from `Down` no life comes back. (SWIM paper, section 4.2)
    pub(super) fn is_news(&self, told: &Member<Identity>) -> bool {
        let Some(known) = self.get(told.id().addr) else { return true };
        if known.id() != told.id() {
            return !known.id().win_addr_conflict(told.id());
        }
        match (known.state(), told.state()) {
            (State::Down, _) => false,
            (_, State::Down) => true,
            (State::Alive, State::Suspect) => told.incarnation() >= known.incarnation(),
            _ => told.incarnation() > known.incarnation(),
        }
    }
}

#[cfg(test)]
impl Ledger {
    /// Whether it says the same as foca's list. Of former lives at its own address foca writes what is not in the list.
    pub(super) fn agrees<'a>(
        &self,
        list: impl Iterator<Item = &'a Member<Identity>>,
        own: SocketAddr,
    ) -> bool {
        let mut members = 0;
        let same = list
            .filter(|member| member.id().addr != own)
            .inspect(|_| members += 1)
            .all(|member| self.get(member.id().addr).as_ref() == Some(member));
        same && members == self.lines.keys().filter(|address| **address != own).count()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use foca::{AccumulatingRuntime, Foca};
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::net::gossip::{pace::Pace, wire::PacketCodec};

    fn told() -> impl Strategy<Value = Member<Identity>> {
        let state = prop::sample::select(vec![State::Alive, State::Suspect, State::Down]);
        (1..4_u8, 1..3_u128, 1..3_u64, 0..3_u16, state).prop_map(|(host, node, bump, incarnation, state)| {
            let addr = ([10, 0, 0, host], 4648).into();
            Member::new(Identity { node, addr, bump, roles: 1 }, incarnation, state)
        })
    }

    proptest! {
        #[test]
        fn what_is_no_news_changes_nothing_at_foca(told in prop::collection::vec(told(), 1..60)) {
            let own = Identity { node: 9, addr: ([10, 0, 0, 9], 4648).into(), bump: 1, roles: 1 };
            let codec = PacketCodec::default();
            let mut foca = Foca::new(own, Pace::lan().settings(1), StdRng::seed_from_u64(1), codec.clone());
            let mut runtime = AccumulatingRuntime::default();
            for member in told {
                let is_news = codec.overheard().ledger.is_news(&member);
                let before: Vec<_> = foca.iter_membership_state().cloned().collect();
                foca.apply_many(std::iter::once(member), true, &mut runtime).unwrap();
                let after: Vec<_> = foca.iter_membership_state().cloned().collect();
                prop_assert_eq!(is_news, before != after);
                prop_assert!(codec.overheard().ledger.agrees(after.iter(), own.addr));
                while let Some((after, _)) = runtime.to_schedule() {
                    prop_assert!(after > Duration::ZERO);
                }
            }
        }
    }
}
