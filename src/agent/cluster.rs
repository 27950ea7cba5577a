//! What HTTP asks of the log: the port, answered by raft, or by what servers tell an agent without a log.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    actors::{
        autopilot::{Autopilot, GetHealth},
        kit::Link,
        ports::{
            ChangeError, ClusterError, Consensus, Consistency, Freshness, Health, Leadership, Member,
            Members, Peer, PeerRef,
        },
    },
    net::mirror::CatalogMirror,
    raft,
};

/// The log of this server.
pub(super) struct Log {
    pub raft: raft::Server,
    /// Leads somewhere while this server leads.
    pub autopilot: Link<Autopilot>,
    pub members: Arc<dyn Members>,
}

impl Log {
    /// The agent that takes part under this id.
    fn member(&self, id: u64) -> Option<Member> {
        let id = id.to_string();
        self.members.members().into_iter().find(|member| member.tags.get("raft_id") == Some(&id))
    }

    fn id_of(&self, peer: &PeerRef) -> Result<u64, ClusterError> {
        let (_, peers) = self.peers();
        let members = self.raft.members();
        let mut all = members.voters.iter().chain(&members.learners);
        let found = match peer {
            PeerRef::Address(wanted) => all.find(|(_, address)| *address == wanted).map(|(id, _)| *id),
            PeerRef::Id(wanted) => {
                let address = peers.iter().find(|peer| peer.id == *wanted).map(|peer| &peer.address);
                all.find(|(_, known)| Some(*known) == address).map(|(id, _)| *id)
            }
        };
        found.ok_or_else(|| {
            let (what, value) = match peer {
                PeerRef::Address(address) => ("address", address),
                PeerRef::Id(id) => ("id", id),
            };
            ClusterError::Refused(format!("{what} {value:?} was not found in the Raft configuration"))
        })
    }
}

impl From<ChangeError> for ClusterError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotLeader { .. } => Self::NoLeader,
            ChangeError::Unknown(why) => Self::Unknown(why),
            error => Self::Refused(error.to_string()),
        }
    }
}

#[async_trait]
impl Consensus for Log {
    async fn catch_up(&self, wanted: Consistency) -> Result<Freshness, ClusterError> {
        let strong = match wanted {
            Consistency::Stale => return Ok(self.raft.freshness()),
            Consistency::Default => false,
            Consistency::Consistent => true,
        };
        self.raft.read_barrier(strong).await.map_err(|error| match error {
            raft::ReadError::NoLeader => ClusterError::NoLeader,
            error => ClusterError::Refused(error.to_string()),
        })
    }

    fn leadership(&self) -> Leadership {
        self.raft.leadership().borrow().clone()
    }

    fn peers(&self) -> (u64, Vec<Peer>) {
        let members = self.raft.members();
        let progress = self.raft.progress();
        let leadership = self.leadership();
        let stats = self.raft.stats();
        let voters = members.voters.iter().map(|peer| (peer, true));
        let learners = members.learners.iter().map(|peer| (peer, false));
        let peers =
            voters.chain(learners).map(|((id, address), voter)| {
                let member = self.member(*id);
                let known = progress.peers.get(id);
                let leader = leadership.leader_address.as_ref() == Some(address);
                Peer {
                    id: member
                        .as_ref()
                        .and_then(|member| member.tags.get("id").cloned())
                        .unwrap_or_else(|| id.to_string()),
                    name: member.map(|member| member.name).unwrap_or_default(),
                    address: address.clone(),
                    leader,
                    voter,
                    last_index: known
                        .map_or(0, |known| known.matched)
                        .max(if leader && leadership.is_leader { stats.last_log_index } else { 0 }),
                    last_contact: if leader && leadership.is_leader {
                        Some(Duration::ZERO)
                    } else {
                        known.and_then(|known| known.last_contact)
                    },
                    term: stats.term,
                }
            });
        (members.index, peers.collect())
    }

    async fn remove_peer(&self, peer: PeerRef) -> Result<(), ClusterError> {
        Ok(self.raft.remove(self.id_of(&peer)?).await?)
    }

    async fn transfer_leadership(&self, to: Option<PeerRef>) -> Result<(), ClusterError> {
        let to = to.map(|peer| self.id_of(&peer)).transpose()?;
        Ok(self.raft.transfer_leadership(to).await?)
    }

    async fn health(&self) -> Result<Health, ClusterError> {
        if !self.leadership().is_leader {
            return Err(ClusterError::NoLeader);
        }
        self.autopilot.ask(GetHealth).await.map_err(|error| ClusterError::Unreachable(error.to_string()))
    }
}

/// An agent without a log: it knows what servers told it.
pub(super) struct NoLog {
    pub leadership: watch::Receiver<Leadership>,
    pub mirror: CatalogMirror,
}

#[async_trait]
impl Consensus for NoLog {
    /// What the mirror has: servers tell it of each change when it happens.
    async fn catch_up(&self, _: Consistency) -> Result<Freshness, ClusterError> {
        Ok(self.mirror.freshness())
    }

    fn leadership(&self) -> Leadership {
        self.leadership.borrow().clone()
    }

    fn peers(&self) -> (u64, Vec<Peer>) {
        (0, Vec::new())
    }

    async fn remove_peer(&self, _: PeerRef) -> Result<(), ClusterError> {
        Err(ClusterError::Refused("this agent is not a server; ask one".into()))
    }

    async fn transfer_leadership(&self, _: Option<PeerRef>) -> Result<(), ClusterError> {
        Err(ClusterError::Refused("this agent is not a server; ask one".into()))
    }
}
