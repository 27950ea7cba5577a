//! Where other agents are: what gossip knows, for those who call them.

use std::sync::{Arc, PoisonError, RwLock};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use model::NodeId;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    actors::ports::{Witness, Word},
    net::{
        contacts::{Contact, Contacts},
        gossip::{Gossip, Member, Status},
        remote::Whereabouts,
    },
    raft,
};

/// Addresses out of gossip. Servers named in the configuration stand in as long as gossip knows none.
#[derive(Clone)]
pub(super) struct Places {
    gossip: Gossip,
    region: String,
    /// RPC address of this agent: it does not call itself.
    own: String,
    told: Arc<RwLock<Vec<String>>>,
}

impl Places {
    pub(super) fn new(gossip: Gossip, region: String, own: String) -> Self {
        Self { gossip, region, own, told: Arc::default() }
    }

    /// RPC addresses of servers, from a configuration or a server.
    pub(super) fn tell(&self, servers: Vec<String>) {
        *self.told.write().unwrap_or_else(PoisonError::into_inner) = servers;
    }

    fn servers_of(&self, region: &str) -> Vec<String> {
        let members = self.gossip.members();
        let servers = members.iter().filter(|member| is_server(member) && member.tags.region == region);
        servers
            .filter(|member| member.status == Status::Alive)
            .map(|member| member.tags.rpc_address.clone())
            .filter(|address| *address != self.own)
            .collect()
    }

    /// All servers of the region, this agent too if it is one, with the leader that raft knows.
    pub(super) fn contacts(&self, leader: Option<String>) -> Contacts {
        let members = self.gossip.members();
        let servers = members.iter().filter(|member| {
            is_server(member) && member.tags.region == self.region && member.status == Status::Alive
        });
        let servers = servers
            .map(|member| Contact {
                rpc: member.tags.rpc_address.clone(),
                gossip: member.address.to_string(),
            })
            .collect();
        Contacts { region: self.region.clone(), servers, leader }
    }
}

fn is_server(member: &Member) -> bool {
    member.tags.is_server()
}

impl Whereabouts for Places {
    fn servers(&self) -> Vec<String> {
        let found = self.servers_of(&self.region);
        if found.is_empty() {
            self.told.read().unwrap_or_else(PoisonError::into_inner).clone()
        } else {
            found
        }
    }

    fn region(&self, name: &str) -> Vec<String> {
        self.servers_of(name)
    }

    fn node(&self, id: NodeId) -> Option<String> {
        let members = self.gossip.members();
        let member = members.iter().find(|member| member.node == id.0 && member.status != Status::Left)?;
        Some(member.tags.rpc_address.clone()).filter(|address| !address.is_empty())
    }
}

/// What gossip says of machines that run tasks.
impl Witness for Places {
    fn words(&self) -> BoxStream<'static, (NodeId, Word)> {
        // Subscribed before the first look, so that nothing between both is missed.
        let events = self.gossip.events();
        let gossip = self.gossip.clone();
        let now: Vec<_> = gossip
            .members()
            .iter()
            .skip(1)
            .map(|member| (NodeId(member.node), word(member)))
            .filter(|(_, word)| *word != Word::Alive)
            .collect();
        let later = stream::unfold((gossip, events), |(gossip, mut events)| async move {
            let words = match events.recv().await {
                Ok(event) => vec![(NodeId(event.member().node), word(event.member()))],
                // Too slow: what is so now.
                Err(RecvError::Lagged(_)) => {
                    gossip.members().iter().map(|member| (NodeId(member.node), word(member))).collect()
                }
                Err(RecvError::Closed) => return None,
            };
            Some((stream::iter(words), (gossip, events)))
        });
        stream::iter(now).chain(later.flatten()).boxed()
    }
}

fn word(member: &Member) -> Word {
    match member.status {
        Status::Alive if member.suspected => Word::Suspect,
        Status::Alive => Word::Alive,
        Status::Failed => Word::Failed,
        Status::Left => Word::Left,
    }
}

/// For raft: ids are those of logs, not of agents.
impl raft::Addresses for Places {
    fn address_of(&self, id: u64) -> Option<String> {
        let members = self.gossip.members();
        let member = members.iter().find(|member| {
            is_server(member) && member.tags.region == self.region && member.tags.raft == Some(id)
        })?;
        Some(member.tags.rpc_address.clone())
    }
}
