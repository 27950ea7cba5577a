//! The doors to the rest of the cluster: who is there, who leads, how fresh the state is, and requests that another
//! agent has to answer.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::NodeId;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

// ---------------------------------------------------------------------------------------------- members

/// An agent as gossip knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// `<node>.<region>`
    pub name: String,
    /// Of gossip.
    pub address: String,
    pub port: u16,
    /// `alive`, `leaving`, `left` or `failed`.
    pub status: String,
    /// `role` (`nomad`: a server; `client`), `region`, `dc`, `build`, `id` (of the agent), `rpc_addr`, `port` (of
    /// RPC), `http_addr` and `consul_addr` (`ip:port`), `client` (there: a server that also runs tasks); for the catalog
    /// `server_service`, `client_service` (names, where they are not the usual ones) and `auto_advertise` (`false`:
    /// neither of the two is listed), ...
    pub tags: BTreeMap<String, String>,
}

impl Member {
    pub fn is_server(&self) -> bool {
        self.tags.get("role").is_some_and(|role| role == "nomad")
    }

    pub fn is_alive(&self) -> bool {
        self.status == "alive"
    }

    /// Empty while its tags have not arrived.
    pub fn region(&self) -> &str {
        self.tags.get("region").map_or("", String::as_str)
    }
}

/// What came of joining.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// Agents that answered.
    pub contacted: usize,
    /// For each address without an answer: it, and why.
    pub failed: Vec<String>,
}

/// Who is in the cluster, as far as this agent knows.
#[async_trait]
pub trait Members: Send + Sync + 'static {
    /// All agents of this region, this one first, and the servers of other regions.
    fn members(&self) -> Vec<Member>;

    /// Fires when anything about any member changed. A source that cannot tell never fires: who listens looks from
    /// time to time as well.
    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    /// Looks for members at the addresses (`host`, `host:port`; default port: that of gossip) and waits some seconds
    /// for an answer.
    async fn join(&self, addresses: Vec<String>) -> Joined;

    /// Counts a failed member as one that left. `name` is that of the node, with or without `.<region>`; `prune`
    /// forgets it at once.
    ///
    /// # Errors
    /// No such member, or it is alive.
    async fn force_leave(&self, name: &str, prune: bool) -> Result<(), String>;

    /// This agent leaves on purpose and ends afterwards.
    async fn leave(&self) -> Result<(), String>;
}

// ---------------------------------------------------------------------------------------------- consensus

/// Who leads, as far as this agent knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leadership {
    pub is_leader: bool,
    pub term: u64,
    /// RPC address (`ip:port`) of the leader.
    pub leader_address: Option<String>,
}

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Consistency {
    /// What this agent has, however old.
    Stale,
    /// All that the leader had committed when it was asked, while it holds its lease.
    #[default]
    Default,
    /// As before, and a majority confirmed that it leads.
    Consistent,
}

/// What a reader may be told of the age of what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    pub known_leader: bool,
    /// Since this server last heard of the leader; zero on the leader.
    pub last_contact: Duration,
}

/// Why the leader did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Nothing was changed.
    #[error("No cluster leader")]
    NoLeader,
    /// Nothing was changed.
    #[error("No path to region")]
    NoRegion(String),
    /// The agent that has to answer cannot be reached. Nothing was changed.
    #[error("{0}")]
    Unreachable(String),
    /// The request was sent and no answer came: it may have been carried out or not.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    #[error("{0}")]
    Refused(String),
}

/// A server's part in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// UUID of the server's agent.
    pub id: String,
    /// Name of the node with `.<region>`; empty when gossip does not know it.
    pub name: String,
    /// RPC, `ip:port`.
    pub address: String,
    pub leader: bool,
    pub voter: bool,
    /// Last log entry known to be on its disk.
    pub last_index: u64,
    /// Since the leader last heard of it; `None`: never.
    pub last_contact: Option<Duration>,
    pub term: u64,
}

/// Names one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerRef {
    Id(String),
    /// RPC, `ip:port`.
    Address(String),
}

/// The log, as operators and readers see it. What changes something works on the leader only.
#[async_trait]
pub trait Consensus: Send + Sync + 'static {
    /// Waits until the state of this agent is as fresh as asked.
    async fn catch_up(&self, wanted: Consistency) -> Result<Freshness, ClusterError>;

    fn leadership(&self) -> Leadership;

    /// The servers that take part, and the index of the log entry that made them so. Complete on the leader.
    fn peers(&self) -> (u64, Vec<Peer>);

    async fn remove_peer(&self, peer: PeerRef) -> Result<(), ClusterError>;

    /// Hands the lead to `to`, or to the server that is furthest along.
    async fn transfer_leadership(&self, to: Option<PeerRef>) -> Result<(), ClusterError>;

    /// How the servers are. Only the leader knows.
    async fn health(&self) -> Result<Health, ClusterError> {
        Err(ClusterError::Refused(String::from("only the leader knows how the servers are")))
    }
}

// ---------------------------------------------------------------------------------------------- servers in the log

pub use logic::{
    autopilot::{Health, Membership, PeerProgress, Presence, Progress, ServerHealth},
    founding::Answer as ClaimAnswer,
};

/// Why the servers in the log were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Nothing was changed. The RPC address of the leader, where it is known.
    #[error("this server is not the leader")]
    NotLeader { leader: Option<String> },
    /// Nothing was changed.
    #[error("another change of the servers is under way; try again when it is done")]
    UnderWay,
    /// It may have been changed or not: look at the members before trying again.
    #[error("the outcome of the change is unknown: {0}")]
    Unknown(String),
    /// Nothing was changed, and trying again is pointless.
    #[error("{0}")]
    Refused(String),
    /// Nothing was changed: raft has stopped.
    #[error("the log is closed: {0}")]
    Closed(String),
}

/// Another server wants to found a cluster with this one.
#[derive(Debug)]
pub struct Claim {
    pub by: u64,
    pub answer: oneshot::Sender<ClaimAnswer>,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub id: u64,
    /// Its log is empty.
    pub empty: bool,
    /// See [`Membership::cluster`].
    pub cluster: u64,
}

/// The servers in the log, for the actors that decide who they are. What changes something works on the leader only.
#[async_trait]
pub trait LogMembers: Send + Sync + 'static {
    /// Id and RPC address of this server.
    fn own(&self) -> (u64, String);

    /// Whether this server was never part of a cluster.
    async fn is_empty(&self) -> Result<bool, ChangeError>;

    fn membership(&self) -> Membership;

    fn progress(&self) -> Progress;

    /// How often the leader is heard.
    fn heartbeat(&self) -> Duration;

    async fn found(&self, members: BTreeMap<u64, String>) -> Result<(), ChangeError>;

    async fn add_learner(&self, id: u64, address: &str) -> Result<(), ChangeError>;

    async fn promote(&self, id: u64) -> Result<(), ChangeError>;

    async fn remove(&self, id: u64) -> Result<(), ChangeError>;

    async fn set_address(&self, id: u64, address: &str) -> Result<(), ChangeError>;

    async fn finish_change(&self) -> Result<(), ChangeError>;

    /// Claims of other servers from now on, for as long as the receiver lives. While nobody receives, and when the log
    /// is not empty, they are answered without asking.
    fn claims(&self) -> mpsc::Receiver<Claim>;

    /// Asks another server to take part in a founding of this one.
    ///
    /// # Errors
    /// It cannot be reached.
    async fn claim(&self, id: u64, address: &str) -> Result<ClaimAnswer, String>;

    /// Asks the server at the address who it is.
    ///
    /// # Errors
    /// It cannot be reached.
    async fn identify(&self, address: &str) -> Result<Identity, String>;
}

/// Takes offers of catalogs, for an agent that has none of its own (`consul agent` beside `nomad agent`).
pub trait Upstream: Send + Sync + 'static {
    /// The RPC addresses of servers whose catalog may be followed. Returns how long the offer counts.
    fn offer(&self, servers: Vec<String>) -> Duration;
}

// ---------------------------------------------------------------------------------------------- requests for others

/// Which agent has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Leader,
    /// Any server of this region.
    Server,
    /// Any server of another region; it passes the request on to its leader where that is needed.
    Region(String),
    Node(NodeId),
}

/// A request of the Nomad API on its way to another agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRequest {
    /// `GET`, ...
    pub method: String,
    /// `/v1/jobs?prefix=a`
    pub uri: String,
    pub body: Bytes,
    /// Agents that have passed it on.
    #[serde(default)]
    pub hops: u8,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// An answer whose body comes bit by bit.
pub struct WebStream {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: BoxStream<'static, Result<Bytes, ClusterError>>,
}

/// The other agents' HTTP APIs, over RPC.
#[async_trait]
pub trait Elsewhere: Send + Sync + 'static {
    /// `patience` is how long the answer may take (blocking queries).
    async fn ask(
        &self,
        target: Target,
        request: WebRequest,
        patience: Duration,
    ) -> Result<WebAnswer, ClusterError>;

    /// For answers without end: logs that are followed.
    async fn stream(&self, target: Target, request: WebRequest) -> Result<WebStream, ClusterError>;

    /// For sessions: pieces in both directions. Nothing is asked of `input` that the other agent does not take; the end
    /// of `input` ends nothing by itself.
    async fn talk(
        &self,
        target: Target,
        request: WebRequest,
        input: BoxStream<'static, Bytes>,
    ) -> Result<WebStream, ClusterError>;
}
