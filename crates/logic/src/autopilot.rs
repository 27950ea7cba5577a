//! Which servers are in the log: new ones come in and get a vote when they have proved to be there, those that left or
//! died go, one change at a time and never at the cost of the majority.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{AutopilotSettings, Timestamp};

/// The servers in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Membership {
    /// Drawn when the cluster was founded; 0: unknown, founded by an older version or not at all.
    pub cluster: u64,
    /// Of the log entry that made it so; 0: none.
    pub index: u64,
    /// Ids and RPC addresses.
    pub voters: BTreeMap<u64, String>,
    /// They get the log and have no vote.
    pub learners: BTreeMap<u64, String>,
    /// A change was begun and not ended: its leader died in between. Voters are those of before and after.
    pub unfinished: bool,
}

impl Membership {
    pub fn address_of(&self, id: u64) -> Option<&String> {
        self.voters.get(&id).or_else(|| self.learners.get(&id))
    }
}

/// How far the servers are, as one of them sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    pub leading: bool,
    pub leader: Option<u64>,
    pub term: u64,
    /// Last entry in this server's log.
    pub last_index: u64,
    pub applied_index: u64,
    /// On the leader: all other servers in the log.
    pub peers: BTreeMap<u64, PeerProgress>,
    /// On others: since the leader was last heard. `None`: never.
    pub heard_leader: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerProgress {
    /// Last entry known to be on its disk.
    pub matched: u64,
    /// Since it last confirmed something, by the time at which that was sent. `None`: never in this term.
    pub last_contact: Option<Duration>,
}

/// What gossip says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Alive,
    Failed,
    Left,
}

/// A server of the region that gossip knows, this one among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub id: u64,
    /// RPC.
    pub address: String,
    pub presence: Presence,
    /// Whether it shall have the log and never a vote (`non_voting_server`).
    pub never_votes: bool,
}

/// All that a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub own: u64,
    pub members: &'a Membership,
    pub progress: &'a Progress,
    pub servers: &'a [Server],
    pub settings: &'a AutopilotSettings,
    /// `bootstrap_expect`; 0: not set.
    pub expect: u32,
    /// How often the leader is heard: nobody is heard of sooner.
    pub heartbeat: Duration,
}

/// A change of the servers in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A change that another leader began has to be ended first.
    FinishChange,
    SetAddress {
        id: u64,
        address: String,
    },
    /// Why, in words.
    Remove {
        id: u64,
        reason: String,
    },
    AddLearner {
        id: u64,
        address: String,
    },
    Promote {
        id: u64,
    },
}

/// A server as `operator autopilot health` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHealth {
    pub id: u64,
    pub address: String,
    /// `None`: gossip does not know it.
    pub presence: Option<Presence>,
    pub leader: bool,
    pub voter: bool,
    pub healthy: bool,
    /// Since when it is healthy or unhealthy.
    pub since: Timestamp,
    /// Zero on the leader; `None`: it was never heard.
    pub last_contact: Option<Duration>,
    pub last_index: u64,
    pub term: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether all servers are.
    pub healthy: bool,
    /// How many voters may fail without the loss of the majority.
    pub failure_tolerance: u32,
    pub servers: Vec<ServerHealth>,
}

/// The brain. It remembers since when things are as they are; a new leader begins anew.
#[derive(Debug, Default)]
pub struct Autopilot {
    /// Whether each server is healthy, and since when.
    health: BTreeMap<u64, (bool, Timestamp)>,
    /// Servers that are failed or unknown to gossip, and since when.
    missing: BTreeMap<u64, Timestamp>,
    /// The most voters there ever were: one that replaces a lost one need not wait.
    most_voters: usize,
    /// Servers that refused to be added (see [`Autopilot::refused`]), and until when they are left alone.
    refused: BTreeMap<u64, Timestamp>,
}

/// How long a server that could not be added is left alone.
const REFUSED: Duration = Duration::from_secs(10);

impl Autopilot {
    /// Looks at everything and says what to do first, if anything. Everybody else's turn comes with the next look.
    pub fn look(&mut self, view: &View<'_>, now: Timestamp) -> Option<Action> {
        if !view.progress.leading {
            *self = Self::default();
            return None;
        }
        self.observe(view, now);
        if view.members.unfinished {
            return Some(Action::FinishChange);
        }
        self.moved(view)
            .or_else(|| self.to_remove(view, now))
            .or_else(|| self.to_promote(view, now))
            .or_else(|| self.to_add(view, now))
    }

    /// A server was not added: it belongs to another cluster, or cannot be reached.
    pub fn refused(&mut self, id: u64, now: Timestamp) {
        self.refused.insert(id, now.plus(REFUSED));
    }

    fn observe(&mut self, view: &View<'_>, now: Timestamp) {
        let ids: BTreeSet<u64> = members(view).map(|(id, _)| id).collect();
        self.most_voters = self.most_voters.max(view.members.voters.len());
        self.health.retain(|id, _| ids.contains(id));
        self.missing.retain(|id, _| ids.contains(id) && presence(view, *id) != Some(Presence::Alive));
        self.refused.retain(|_, until| *until > now);
        for id in ids {
            let healthy = is_healthy(view, id);
            let known = self.health.entry(id).or_insert((healthy, now));
            if known.0 != healthy {
                *known = (healthy, now);
            }
            if presence(view, id) != Some(Presence::Alive) {
                self.missing.entry(id).or_insert(now);
            }
        }
    }

    fn moved(&self, view: &View<'_>) -> Option<Action> {
        members(view).find_map(|(id, written)| {
            let now = alive(view).find(|server| server.id == id && server.address != *written)?;
            Some(Action::SetAddress { id, address: now.address.clone() })
        })
    }

    fn to_remove(&self, view: &View<'_>, now: Timestamp) -> Option<Action> {
        let dead = |id: u64| {
            let address = view.members.address_of(id).expect("only members are asked about");
            let other = alive(view).find(|server| server.id != id && server.address == *address);
            let missing = self.missing.get(&id).map(|since| now.since(*since));
            let settled = missing? >= view.settings.server_stabilization_time;
            // The leader hears it, whatever gossip says.
            let heard = view.progress.peers.get(&id).and_then(|peer| peer.last_contact);
            let silent = heard.is_none_or(|silence| silence >= view.settings.server_stabilization_time);
            match presence(view, id) {
                Some(Presence::Left) => Some(String::from("it left")),
                Some(Presence::Alive) => None,
                _ if other.is_some() => Some("another server is at its address".into()),
                _ if !view.settings.cleanup_dead_servers => None,
                Some(Presence::Failed) if self.successor(view, id) => {
                    Some("it failed and another server stands by".into())
                }
                _ if settled && silent => Some("it failed".into()),
                _ => None,
            }
        };
        let voters = view.members.voters.keys().copied().filter(|id| *id != view.own);
        let gone: Vec<_> = voters.filter_map(|id| Some((id, dead(id)?))).collect();
        let learners = view.members.learners.keys().copied();
        let gone_learner = learners.filter(|id| *id != view.own).find_map(|id| Some((id, dead(id)?)));
        if let Some((id, reason)) = gone_learner {
            return Some(Action::Remove { id, reason });
        }
        // Those that left on purpose will not come back: nothing is won by waiting for them.
        let left = |id: u64| presence(view, id) == Some(Presence::Left);
        let voters = view.members.voters.len();
        let min_quorum = usize::try_from(view.settings.min_quorum).unwrap_or(usize::MAX);
        let may_go = |id: u64| {
            let rest = view.members.voters.keys().filter(|other| **other != id);
            let rest_alive = rest.filter(|other| **other == view.own || is_reached(view, **other)).count();
            let majority_after = (voters - 1) / 2 + 1;
            let few_enough = gone.len() <= (voters - 1) / 2 && voters > min_quorum;
            rest_alive >= majority_after && (left(id) || few_enough)
        };
        let (id, reason) = gone.iter().find(|(id, _)| voters > 1 && may_go(*id))?;
        Some(Action::Remove { id: *id, reason: reason.clone() })
    }

    /// Whether a healthy server without a vote waits to take the place of this voter.
    fn successor(&self, view: &View<'_>, id: u64) -> bool {
        view.members.voters.contains_key(&id)
            && view.members.learners.keys().any(|learner| {
                let healthy = self.health.get(learner).is_some_and(|(healthy, _)| *healthy);
                let votes = alive(view).any(|server| server.id == *learner && !server.never_votes);
                healthy && votes
            })
    }

    fn to_promote(&self, view: &View<'_>, now: Timestamp) -> Option<Action> {
        // A cluster that is being founded, or that lost a server, needs it at once.
        let wanted = usize::try_from(view.expect).unwrap_or(0).max(3).max(self.most_voters);
        let wait = if view.members.voters.len() < wanted {
            Duration::ZERO
        } else {
            view.settings.server_stabilization_time
        };
        let stable = |id: &u64| {
            let since = self.health.get(id).filter(|(healthy, _)| *healthy).map(|(_, since)| *since);
            since.is_some_and(|since| now.since(since) >= wait)
        };
        let votes = |id: &u64| alive(view).any(|server| server.id == *id && !server.never_votes);
        let learner = view.members.learners.keys().find(|id| votes(id) && stable(id))?;
        Some(Action::Promote { id: *learner })
    }

    fn to_add(&self, view: &View<'_>, now: Timestamp) -> Option<Action> {
        let new = alive(view).find(|server| {
            view.members.address_of(server.id).is_none()
                && self.refused.get(&server.id).is_none_or(|until| *until <= now)
        })?;
        Some(Action::AddLearner { id: new.id, address: new.address.clone() })
    }

    /// What people are shown. Complete on the leader only.
    pub fn health(&self, view: &View<'_>, now: Timestamp) -> Health {
        let servers: Vec<_> = members(view)
            .map(|(id, address)| {
                let (healthy, since) = *self.health.get(&id).unwrap_or(&(is_healthy(view, id), now));
                let leader = id == view.own && view.progress.leading;
                let peer = view.progress.peers.get(&id);
                ServerHealth {
                    id,
                    address: address.clone(),
                    presence: presence(view, id),
                    leader,
                    voter: view.members.voters.contains_key(&id),
                    healthy,
                    since,
                    last_contact: if leader {
                        Some(Duration::ZERO)
                    } else {
                        peer.and_then(|peer| peer.last_contact)
                    },
                    last_index: if leader {
                        view.progress.last_index
                    } else {
                        peer.map_or(0, |peer| peer.matched)
                    },
                    term: view.progress.term,
                }
            })
            .collect();
        let voters = view.members.voters.len();
        let healthy = servers.iter().filter(|server| server.voter && server.healthy).count();
        let tolerance = healthy.saturating_sub(voters / 2 + 1);
        Health {
            healthy: !servers.is_empty() && servers.iter().all(|server| server.healthy),
            failure_tolerance: u32::try_from(tolerance).unwrap_or(u32::MAX),
            servers,
        }
    }
}

fn members<'a>(view: &View<'a>) -> impl Iterator<Item = (u64, &'a String)> {
    view.members.voters.iter().chain(&view.members.learners).map(|(id, address)| (*id, address))
}

fn alive<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Server> {
    view.servers.iter().filter(|server| server.presence == Presence::Alive)
}

fn presence(view: &View<'_>, id: u64) -> Option<Presence> {
    view.servers.iter().find(|server| server.id == id).map(|server| server.presence)
}

/// Whether the leader hears it, in the sense of the settings.
fn is_reached(view: &View<'_>, id: u64) -> bool {
    // A heartbeat's answer is at least as old as the heartbeat.
    let threshold = view.settings.last_contact_threshold.max(view.heartbeat * 2);
    let contact = view.progress.peers.get(&id).and_then(|peer| peer.last_contact);
    contact.is_some_and(|silence| silence <= threshold)
}

fn is_healthy(view: &View<'_>, id: u64) -> bool {
    if id == view.own {
        return true;
    }
    let Some(peer) = view.progress.peers.get(&id) else { return false };
    let trailing = view.progress.last_index.saturating_sub(peer.matched);
    presence(view, id) == Some(Presence::Alive)
        && is_reached(view, id)
        && trailing <= view.settings.max_trailing_logs
}

#[cfg(test)]
mod tests;
