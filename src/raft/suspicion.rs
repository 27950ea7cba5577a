//! A leader whose process died is replaced before its lease is over.
//!
//! The lease exists because silence proves nothing. That nobody listens at the leader's address while its machine
//! answers proves a lot; when a majority of the voters find so, they let go of the lease together and one of them asks
//! for votes at once. Each lets go on its own evidence, and only of a leader that was silent for longer than leaders
//! answer reads alone ([`Pace::suspect_after`]): even if all of them are wrong, no read is older than it should be.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use openraft::{async_runtime::watch::WatchReceiver, raft::TransferLeaderRequest};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{
    config::Pace,
    contact::Contact,
    machine::Machine,
    network::{Head, Peers},
    types::{LogId, Types, Vote},
};
use crate::net::rpc::{Call, Router};

/// Asks another voter about the leader of this vote.
#[derive(Serialize, Deserialize)]
struct Suspect {
    head: Head,
    leader: Vote,
    /// Whether to let go of its lease now.
    give_up: bool,
}

#[derive(Serialize, Deserialize)]
struct Opinion {
    agrees: bool,
    last: Option<LogId>,
}

impl Call for Suspect {
    const METHOD: &'static str = "Raft1.Suspect";
    type Answer = Opinion;
}

/// How long what others say of a leader is believed.
const BELIEF: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Suspicion {
    raft: openraft::Raft<Types, Machine>,
    contact: Arc<Contact>,
    peers: Peers,
    pace: Pace,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    /// Id of the leader that is said to be dead, and since when.
    leader: Mutex<Option<(u64, Instant)>>,
    look: Notify,
    elections: AtomicU64,
}

/// A leader that is not this server.
struct Leader {
    vote: Vote,
    id: u64,
    address: String,
    /// Ids and addresses in the log.
    voters: BTreeMap<u64, String>,
    last: Option<LogId>,
}

impl Suspicion {
    pub(super) fn new(
        raft: &openraft::Raft<Types, Machine>,
        contact: &Arc<Contact>,
        peers: &Peers,
        pace: Pace,
    ) -> Self {
        Self {
            raft: raft.clone(),
            contact: contact.clone(),
            peers: peers.clone(),
            pace,
            told: Arc::default(),
        }
    }

    pub(super) fn told(&self) {
        if let Some(leader) = self.leader() {
            *self.told.leader.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((leader.id, Instant::now()));
            self.told.look.notify_one();
        }
    }

    /// Elections that did not wait for a lease.
    pub(super) fn elections(&self) -> u64 {
        self.told.elections.load(Ordering::Relaxed)
    }

    pub(super) fn register(&self, router: &mut Router) {
        let this = self.clone();
        router.register_urgent(move |Suspect { head, leader, give_up }: Suspect| {
            let this = this.clone();
            async move {
                head.check(&this.peers)?;
                Ok(this.opinion(leader, give_up).await)
            }
        });
    }

    fn leader(&self) -> Option<Leader> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let vote = metrics.vote;
        let id = vote.leader_id.voted_for;
        if !vote.committed || id == metrics.id || metrics.current_leader != Some(id) {
            return None;
        }
        let membership = metrics.membership_config.membership();
        let written = |id: u64| membership.get_node(&id).map(|peer| peer.address.clone()).unwrap_or_default();
        let voters: BTreeMap<_, _> = membership.voter_ids().map(|id| (id, written(id))).collect();
        // A change of the servers that is under way has two majorities: the lease decides then.
        if membership.get_joint_config().len() > 1 || !voters.contains_key(&metrics.id) {
            return None;
        }
        let last = self.raft.data_metrics().borrow_watched().last_log;
        Some(Leader { vote, id, address: self.peers.address_of(id, &written(id)), voters, last })
    }

    /// Whether this server takes the leader for dead.
    async fn doubts(&self, leader: &Leader) -> bool {
        if !self.contact.is_silent(self.pace.suspect_after) {
            return false;
        }
        let told = *self.told.leader.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|(id, since)| id == leader.id && since.elapsed() < BELIEF) {
            return true;
        }
        self.peers.transport.is_refused(&leader.address).await
    }

    async fn opinion(&self, vote: Vote, give_up: bool) -> Opinion {
        let Some(leader) = self.leader().filter(|leader| leader.vote == vote) else {
            return Opinion { agrees: false, last: None };
        };
        let agrees = if give_up { self.let_go(&leader).await } else { self.doubts(&leader).await };
        Opinion { agrees, last: leader.last }
    }

    /// Frees this server for another leader.
    async fn let_go(&self, leader: &Leader) -> bool {
        if !self.contact.give_up(&leader.vote, self.pace.suspect_after) {
            return false;
        }
        // What a leader sends that hands over: whoever gets it and is not the next leader lets go of the lease.
        let request = TransferLeaderRequest::new(leader.vote, leader.id, None);
        matches!(self.raft.handle_transfer_leader(request).await, Ok(Ok(())))
    }

    /// Looks at silent leaders until it is dropped.
    pub(super) async fn watch(self) {
        loop {
            let pause = match self.contact.silence() {
                Some(silence) if silence < self.pace.suspect_after => self.pace.suspect_after - silence,
                _ => self.pace.heartbeat,
            };
            let _ = tokio::time::timeout(pause, self.told.look.notified()).await;
            if !self.contact.is_silent(self.pace.suspect_after) {
                continue;
            }
            let Some(leader) = self.leader() else { continue };
            if self.contact.is_deaf_to(&leader.vote, self.pace.election.1 * 3) {
                // It lives against all evidence and the others follow it: only an election with a higher term brings
                // all of them together again.
                let _ = self.raft.trigger().elect(false).await;
                continue;
            }
            // One after the other, so that they do not stand against each other.
            let rank = leader.voters.keys().filter(|id| **id < self.peers.own && **id != leader.id).count();
            tokio::time::sleep(self.pace.heartbeat / 2 * u32::try_from(rank).unwrap_or(0)).await;
            if self.leader().is_none_or(|now| now.vote != leader.vote) || !self.doubts(&leader).await {
                continue;
            }
            self.replace(&leader).await;
        }
    }

    async fn replace(&self, leader: &Leader) {
        let majority = leader.voters.len() / 2 + 1;
        let opinions = self.ask(leader, false).await;
        let agreeing = opinions.iter().filter(|opinion| opinion.agrees).count() + 1;
        if agreeing < majority {
            return;
        }
        if opinions.iter().any(|opinion| opinion.agrees && opinion.last > leader.last) {
            // Only a server that has everything can win: that one finds out by itself.
            return;
        }
        let agreeing = self.ask(leader, true).await.iter().filter(|opinion| opinion.agrees).count() + 1;
        if agreeing < majority || !self.let_go(leader).await {
            return;
        }
        tracing::warn!(leader = leader.id, address = leader.address, "the leader is gone, asking for votes");
        self.told.elections.fetch_add(1, Ordering::Relaxed);
        // Without raft there is nothing left to replace.
        let _ = self.raft.trigger().elect(true).await;
    }

    async fn ask(&self, leader: &Leader, give_up: bool) -> Vec<Opinion> {
        let others = leader.voters.iter().filter(|(id, _)| **id != self.peers.own && **id != leader.id);
        let mut asked: FuturesUnordered<_> = others
            .map(|(id, address)| {
                let mut link = self.peers.link(*id, address);
                let question = Suspect { head: link.head(), leader: leader.vote, give_up };
                async move { link.ask(&question, self.pace.election.0).await.ok() }
            })
            .collect();
        let mut opinions = Vec::new();
        let needed = leader.voters.len() / 2;
        while let Some(opinion) = asked.next().await {
            opinions.extend(opinion);
            // Those that cannot be reached are not waited for.
            if !give_up && opinions.iter().filter(|opinion| opinion.agrees).count() >= needed {
                break;
            }
        }
        opinions
    }
}
