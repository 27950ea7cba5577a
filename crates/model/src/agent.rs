//! A member of the cluster as the catalog shows it: servers, machines that run tasks, and those that are both.

use serde::{Deserialize, Serialize};

use crate::{ids::NodeId, time::Timestamp};

/// Whether the agent is there, by gossip. One that left is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    #[default]
    Alive,
    Failed,
}

/// Where one of an agent's own services is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// An IP address or a host name; empty: that of the agent.
    pub address: String,
    /// 0: not known, so not advertised.
    pub port: u16,
}

/// What gossip says of an agent. Written by the leader, and only when something changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// That of its node, if it runs tasks.
    pub id: NodeId,
    /// Without the region.
    pub name: String,
    /// The address that others reach.
    pub address: String,
    pub datacenter: String,
    pub region: String,
    /// Takes part in the log, or may.
    pub server: bool,
    /// Runs tasks.
    pub client: bool,
    pub status: AgentStatus,
    pub http: Endpoint,
    pub rpc: Endpoint,
    /// Gossip.
    pub serf: Endpoint,
    /// Port of its Consul API; 0: not known.
    pub consul_port: u16,
    /// `major.minor.patch`
    pub build: String,
    /// Name under which the servers are in the catalog (`http`, `rpc`, `serf`); empty: they are not. Default: `nomad`.
    pub server_service: String,
    /// The same for machines that run tasks (`http`). Default: `nomad-client`.
    pub client_service: String,
    /// When the status last changed.
    pub status_updated_at: Timestamp,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Agent {
    pub const SERVER_SERVICE: &str = "nomad";
    pub const CLIENT_SERVICE: &str = "nomad-client";
    /// Under which all servers are found, whatever they are called otherwise.
    pub const CONSUL_SERVICE: &str = "consul";

    pub fn is_alive(&self) -> bool {
        self.status == AgentStatus::Alive
    }

    /// The same in all that gossip says; when it was learnt does not matter.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let bare = |agent: &Self| Self {
            status_updated_at: Timestamp::ZERO,
            create_index: 0,
            modify_index: 0,
            ..agent.clone()
        };
        bare(self) == bare(other)
    }
}
