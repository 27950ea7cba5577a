//! Founding a cluster, and changing who is in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use openraft::{
    ChangeMembers, RaftMetrics, ServerState,
    async_runtime::watch::WatchReceiver,
    errors::{ChangeMembershipError, ClientWriteError, Fatal, InitializeError, RaftError},
};
use tokio::time::Instant;

use super::{
    Server,
    proposals::leader_of,
    types::{LogId, Peer, StoredMembership, Types, cluster_of},
};
use crate::actors::ports::{ChangeError, Membership, PeerProgress, Progress};

fn closed(error: &Fatal<Types>) -> ChangeError {
    ChangeError::Closed(error.to_string())
}

type Change = ChangeMembers<u64, Peer>;

impl Server {
    /// Whether this server was never part of a cluster: its log is empty and it never voted.
    pub async fn is_empty(&self) -> Result<bool, ChangeError> {
        let initialized = self.inner.raft.is_initialized().await;
        initialized.map(|initialized| !initialized).map_err(|fatal| closed(&fatal))
    }

    /// Founds a cluster of these servers (ids and RPC addresses, this one among them) and asks for their votes. To be
    /// called on one of them only; the others get the log from it.
    ///
    /// # Errors
    /// [`ChangeError::Refused`] when this server is part of a cluster already, or is not among the members.
    pub async fn found(&self, members: BTreeMap<u64, String>) -> Result<(), ChangeError> {
        // Never 0, which stands for none.
        let cluster = rand::random::<u64>().max(1);
        let members: BTreeMap<_, _> =
            members.into_iter().map(|(id, address)| (id, Peer { address, cluster })).collect();
        self.inner.raft.initialize(members).await.map_err(|error| match error {
            RaftError::APIError(InitializeError::NotAllowed(_)) => {
                ChangeError::Refused("this server is part of a cluster already".into())
            }
            RaftError::APIError(error) => ChangeError::Refused(error.to_string()),
            RaftError::Fatal(fatal) => closed(&fatal),
        })
    }

    /// The servers in the log, as far as this one knows.
    pub fn members(&self) -> Membership {
        membership_in(&self.inner.raft.metrics().borrow_watched())
    }

    /// How far the servers are.
    pub fn progress(&self) -> Progress {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leading = metrics.state == ServerState::Leader;
        let contacts = metrics.heartbeat.as_ref();
        let peers = metrics.replication.iter().flatten().filter(|(id, _)| **id != metrics.id);
        let peers = peers.map(|(id, matched)| {
            let acked = contacts.and_then(|contacts| contacts.get(id).copied().flatten());
            let progress = PeerProgress {
                matched: matched.as_ref().map_or(0, LogId::index),
                last_contact: acked.map(|acked| openraft::Instant::elapsed(&*acked)),
            };
            (*id, progress)
        });
        Progress {
            leading,
            leader: metrics.current_leader,
            term: metrics.current_term,
            last_index: metrics.last_log_index.unwrap_or(0),
            applied_index: metrics.last_applied.as_ref().map_or(0, LogId::index),
            peers: peers.collect(),
            heard_leader: if leading { None } else { self.inner.contact.silence() },
        }
    }

    /// Lets a server have the log, without a vote. Does not wait until it has it.
    ///
    /// # Errors
    /// See [`ChangeError`]; so for all that follow.
    pub async fn add_learner(&self, id: u64, address: &str) -> Result<(), ChangeError> {
        if self.members().address_of(id).is_some() {
            return self.set_address(id, address).await;
        }
        let peer = Peer { address: address.into(), cluster: self.members().cluster };
        self.change(Change::AddNodes(BTreeMap::from([(id, peer)]))).await
    }

    /// Gives a learner a vote.
    pub async fn promote(&self, id: u64) -> Result<(), ChangeError> {
        if self.members().voters.contains_key(&id) {
            return Ok(());
        }
        self.change(Change::AddVoterIds(BTreeSet::from([id]))).await
    }

    /// Takes a server out of the log, voter or not. A leader that removes itself hands the lead to another one.
    pub async fn remove(&self, id: u64) -> Result<(), ChangeError> {
        let members = self.members();
        if members.voters.contains_key(&id) {
            if members.voters.len() == 1 {
                return Err(ChangeError::Refused("the only voter cannot be removed".into()));
            }
            self.change(Change::RemoveVoters(BTreeSet::from([id]))).await
        } else if members.learners.contains_key(&id) {
            self.change(Change::RemoveNodes(BTreeSet::from([id]))).await
        } else {
            Err(ChangeError::Refused(format!("server {id} is not in the log")))
        }
    }

    /// Notes where a server is now.
    pub async fn set_address(&self, id: u64, address: &str) -> Result<(), ChangeError> {
        let members = self.members();
        match members.address_of(id) {
            None => Err(ChangeError::Refused(format!("server {id} is not in the log"))),
            Some(known) if known == address => Ok(()),
            Some(_) => {
                let peer = Peer { address: address.into(), cluster: members.cluster };
                self.change(Change::SetNodes(BTreeMap::from([(id, peer)]))).await
            }
        }
    }

    /// Ends a change that was begun by a leader that is gone (see [`Membership::unfinished`]).
    pub async fn finish_change(&self) -> Result<(), ChangeError> {
        self.change(Change::AddVoterIds(BTreeSet::new())).await
    }

    async fn change(&self, change: Change) -> Result<(), ChangeError> {
        let changing = self.inner.raft.change_membership(change, false);
        match tokio::time::timeout(self.inner.config.propose_timeout, changing).await {
            Err(_) => Err(ChangeError::Unknown(format!(
                "not committed within {:?}",
                self.inner.config.propose_timeout
            ))),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::Fatal(fatal))) => Err(closed(&fatal)),
            Ok(Err(RaftError::APIError(error))) => Err(match error {
                ClientWriteError::ForwardToLeader(forward) => {
                    ChangeError::NotLeader { leader: leader_of(&forward) }
                }
                ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => {
                    ChangeError::UnderWay
                }
                ClientWriteError::ChangeMembershipError(error) => ChangeError::Refused(error.to_string()),
                ClientWriteError::LogEntryDiscarded(error) => ChangeError::Unknown(error.to_string()),
                ClientWriteError::PreconditionFailed(error) => ChangeError::Refused(error.to_string()),
            }),
        }
    }

    /// Hands the lead to `to`, or to the voter that is furthest along, and waits until it leads.
    ///
    /// # Errors
    /// As for changes; [`ChangeError::Unknown`] when the other one did not lead in time: it may still.
    pub async fn transfer_leadership(&self, to: Option<u64>) -> Result<(), ChangeError> {
        let progress = self.progress();
        if !progress.leading {
            let leader = self.leadership().borrow().leader_address.clone();
            return Err(ChangeError::NotLeader { leader });
        }
        let own = self.inner.config.node_id;
        let members = self.members();
        let others = || members.voters.keys().copied().filter(|id| *id != own);
        let to = match to {
            Some(id) if id == own => return Ok(()),
            Some(id) if members.voters.contains_key(&id) => id,
            Some(id) => return Err(ChangeError::Refused(format!("server {id} has no vote and cannot lead"))),
            None => others()
                .max_by_key(|id| progress.peers.get(id).map(|peer| peer.matched))
                .ok_or_else(|| ChangeError::Refused("there is no other server that could lead".into()))?,
        };
        let mut metrics = self.inner.raft.metrics();
        let fatal = |fatal: Fatal<Types>| closed(&fatal);
        self.inner.raft.trigger().transfer_leader(to).await.map_err(fatal)?;
        // The time in which it would happen without a transfer.
        let patience = self.inner.config.pace.election.1 * 4;
        let deadline = Instant::now() + patience.max(Duration::from_secs(1));
        loop {
            let now = metrics.borrow_watched().current_leader;
            match now {
                Some(id) if id == to => {
                    // What others see of it here may be a moment older.
                    let retired = async { self.leadership().wait_for(|now| !now.is_leader).await.is_ok() };
                    let _ = tokio::time::timeout_at(deadline, retired).await;
                    return Ok(());
                }
                Some(id) if id != own => {
                    return Err(ChangeError::Refused(format!("server {id} took the lead instead")));
                }
                _ => {}
            }
            if !matches!(tokio::time::timeout_at(deadline, metrics.changed()).await, Ok(Ok(()))) {
                return Err(ChangeError::Unknown(format!("server {to} does not lead yet")));
            }
        }
    }
}

fn membership_in(metrics: &RaftMetrics<Types>) -> Membership {
    shown(&metrics.membership_config)
}

pub(super) fn shown(stored: &StoredMembership) -> Membership {
    let membership = stored.membership();
    let addressed =
        |id: u64| (id, membership.get_node(&id).map(|peer| peer.address.clone()).unwrap_or_default());
    Membership {
        cluster: cluster_of(membership),
        index: stored.log_id().as_ref().map_or(0, LogId::index),
        voters: membership.voter_ids().map(addressed).collect(),
        learners: membership.learner_ids().map(addressed).collect(),
        unfinished: membership.get_joint_config().len() > 1,
    }
}
