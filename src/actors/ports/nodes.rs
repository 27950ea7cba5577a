//! The doors between servers and nodes: what a node asks of the servers, and how the leader learns whether a node is
//! there.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
pub use logic::node_watch::Word;
use model::{AllocId, AllocUpdate, Allocation, Job, Node, NodeId};
use serde::{Deserialize, Serialize};

// ---------------------------------------------------------------------------------------------- servers, seen by a node

/// What a server tells a node to run: what changed since the node last asked, and the whole list of ids to check it
/// against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Assignments {
    /// Log index of the state that was read; pass it to the next `watch`. An older one is never acted on.
    pub index: u64,
    /// Allocations that the servers changed after the index that was asked for; all of them for index 0.
    pub allocs: Vec<Allocation>,
    /// Every allocation of the node that the servers know. What the node has beside these is forgotten; what it
    /// misses of these it asks for again, from index 0.
    pub known: Vec<AllocId>,
    /// The job versions that `allocs` refer to, by `job_modify_index`.
    pub jobs: BTreeMap<u64, Arc<Job>>,
}

/// Answer to a registration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Log index of the registration. Below one that the node has seen before: the log is a new one.
    pub index: u64,
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The next one is due within this time.
    pub ttl: Duration,
    /// RPC addresses (`ip:port`) of all servers of the region. Empty: not known now.
    pub servers: Vec<String>,
    /// `false`: the servers do not count on the node (never heard of it, or gave it up): it registers again.
    pub known: bool,
}

/// A node's way to the servers. Every call may be repeated when its outcome is unknown.
#[async_trait]
pub trait ServerLink: Send + Sync + 'static {
    /// Registers the node or updates what is known of it. Carried out by the leader.
    async fn register(&self, node: Node) -> Result<Registered, LinkError>;
    /// Says that the node is there. Carried out by the leader.
    async fn heartbeat(&self, node: NodeId) -> Result<Heartbeat, LinkError>;
    /// Waits until something changed for the node after `index` (at most some minutes). Answered by any server that
    /// is not behind `index`; index 0 is answered at once, by a server that has asked the leader how far it is.
    async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError>;
    /// Reports what became of allocations. All of it is in the log when this returns `Ok`. `synced`: with this, the
    /// node has told of all allocations that it has. Carried out by the leader.
    async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>, synced: bool) -> Result<(), LinkError>;
    /// The agent ends on purpose and its tasks go on: until the next heartbeat is overdue, silence is no bad sign.
    /// Carried out by the leader.
    async fn goodbye(&self, node: NodeId) -> Result<(), LinkError>;
    /// A server lost the standing connection of the node. Told by that server, not by the node; carried out by the
    /// leader, who asks the node whether it is there.
    async fn parted(&self, node: NodeId) -> Result<(), LinkError>;
    /// Resolves when other servers became known: worth a try before a pause is over.
    async fn servers_changed(&self) {
        std::future::pending().await
    }
}

/// The servers did not answer, or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LinkError {
    /// Whether it was carried out is unknown.
    #[error("no server can be reached: {0}")]
    Unreachable(String),
    /// Nothing was changed.
    #[error("No cluster leader")]
    NoLeader,
    /// This server knows less than the node has been told already; another one may know more.
    #[error("the server lags behind what the node knows")]
    Behind,
    /// The servers do not count on the node: it has to register and to tell what it has before anything else.
    #[error("the node has to register again")]
    Reregister,
    #[error("the servers refused: {0}")]
    Refused(String),
}

// ---------------------------------------------------------------------------------------------- nodes, seen by the leader

/// What gossip says of nodes.
pub trait Witness: Send + Sync + 'static {
    /// Begins with the present word on each node that does not count as alive; then each change. Ends when gossip
    /// does.
    fn words(&self) -> BoxStream<'static, (NodeId, Word)>;
}

/// What came of asking an agent whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping {
    /// The agent there runs this node.
    Answered,
    /// Nobody there, no answer in time, or the agent there runs another node.
    Silent,
    /// Nobody knows where to ask.
    NoAddress,
}

/// Asks nodes, over RPC, whether they are there.
#[async_trait]
pub trait Pinger: Send + Sync + 'static {
    /// One try, over a connection of its own.
    async fn ping(&self, node: NodeId, limit: Duration) -> Ping;
}
