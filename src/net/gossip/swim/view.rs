//! What a member knows of the others, and which events that makes.

use std::{sync::Arc, time::Duration};

use foca::{OwnedNotification, State, Timer};

use super::{Event, Identity, Known, LOOK_EVERY, Member, Status, Swim, Tags};

impl Swim {
    pub(super) fn member(&self, known: &Known) -> Member {
        let heard = &self.rumours;
        let tags =
            heard.newest.get(&known.identity.node).map(|rumour| rumour.tags.clone()).unwrap_or_default();
        Member {
            node: known.identity.node,
            name: if tags.name.is_empty() { known.identity.addr.to_string() } else { tags.name.clone() },
            address: known.identity.addr,
            status: known.status,
            suspected: known.suspected,
            tags,
        }
    }

    pub(super) fn note(&mut self, notification: OwnedNotification<Identity>, events: &mut Vec<Event>) {
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
        let suspected = before.is_some_and(|before| before.suspected);
        let known = Known { identity, status: Status::Alive, suspected };
        self.others.insert(identity.node, known);
        let member = self.member(&known);
        match before {
            Some(Known { status: Status::Alive, identity: old, .. }) if old.addr == identity.addr => {}
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
        known.suspected = false;
        known.status = status;
        let known = *known;
        let member = self.member(&known);
        events.push(if status == Status::Left { Event::Left(member) } else { Event::Failed(member) });
        if status == Status::Left && self.to_be_pruned(identity.node) {
            events.extend(self.forget(identity));
        }
    }

    fn said_goodbye(&self, identity: &Identity) -> bool {
        let heard = &self.rumours;
        let leaving = heard.newest.get(&identity.node).and_then(|rumour| rumour.leaving);
        leaving.is_some_and(|bump| bump >= identity.bump)
    }

    fn to_be_pruned(&self, node: u128) -> bool {
        self.rumours.newest.get(&node).is_some_and(|rumour| rumour.prune)
    }

    /// Looks at the rumours that came.
    pub(super) fn listen(&mut self, events: &mut Vec<Event>) {
        let fresh = std::mem::take(&mut self.rumours.fresh);
        for node in fresh {
            if node == self.own.node {
                // Somebody knows more of this node than it does itself: a former life and a clock that went back, or
                // an operator who gave it up too early.
                let remembered = self.rumours.version(node);
                if remembered > self.own.version {
                    self.own.version = remembered + 1;
                    self.spread_own();
                }
                continue;
            }
            let Some(known) = self.others.get(&node).copied() else { continue };
            if known.status == Status::Alive || !self.said_goodbye(&known.identity) {
                events.push(Event::Updated(self.member(&known)));
                continue;
            }
            if known.status == Status::Failed {
                let known = Known { status: Status::Left, ..known };
                self.others.insert(node, known);
                events.push(Event::Left(self.member(&known)));
            }
            if self.to_be_pruned(node) {
                events.extend(self.forget(known.identity));
            }
        }
    }

    /// Tells who is suspected now and was not, and the other way round.
    pub(super) fn look(&mut self, now: Duration, events: &mut Vec<Event>) {
        let mut changed = Vec::new();
        {
            let mut overheard = self.codec.overheard();
            if overheard.ledger.changed.is_empty() || now < self.looked + LOOK_EVERY {
                return;
            }
            self.looked = now;
            for address in std::mem::take(&mut overheard.ledger.changed) {
                let Some(member) = overheard.ledger.get(address) else { continue };
                let Some(known) = self.others.get_mut(&member.id().node) else { continue };
                let suspected = member.state() == State::Suspect;
                // Of a former life of the node nothing counts.
                let counts = known.identity.bump <= member.id().bump && known.status == Status::Alive;
                if counts && known.suspected != suspected {
                    known.suspected = suspected;
                    changed.push(*known);
                }
            }
        }
        for known in changed {
            let member = self.member(&known);
            events.push(if known.suspected { Event::Suspected(member) } else { Event::Refuted(member) });
        }
    }

    pub(super) fn forget(&mut self, identity: Identity) -> Option<Event> {
        // foca forgets only those who are down.
        let _ = self.foca.handle_timer(Timer::RemoveDown(identity), &mut self.runtime);
        self.codec.overheard().ledger.forget(&identity);
        let known = *self.others.get(&identity.node)?;
        if known.status == Status::Alive || known.identity.bump > identity.bump {
            return None;
        }
        let member = self.member(&known);
        self.graves.remove(&identity.addr);
        self.others.remove(&identity.node);
        if let Some(rumour) = self.rumours.newest.get_mut(&identity.node) {
            // Who asks is told that it is gone; `forget_strangers` takes the rest.
            rumour.tags = Arc::new(Tags::default());
        }
        Some(Event::Forgotten(member))
    }
}
