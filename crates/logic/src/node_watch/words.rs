//! The words between the watch over nodes and its shell: settings, what is heard, what should happen.

use std::time::Duration;

use model::NodeId;

/// What gossip says of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Alive,
    Suspect,
    Failed,
    /// It said that it leaves.
    Left,
}

/// How patient the servers are.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Nodes get at least this long between heartbeats. Default: 10 s.
    pub min_heartbeat_ttl: Duration,
    /// With many nodes, the time grows so that no more heartbeats than this come in. Default: 50.
    pub max_heartbeats_per_second: f64,
    /// How late a heartbeat may be. Default: 10 s.
    pub heartbeat_grace: Duration,
    /// What nodes get after a new leader was elected: they have to find it first. Default: 5 min.
    pub failover_heartbeat_ttl: Duration,
    /// A node that answers although gossip takes it for dead is asked again after this time. Default: 10 s.
    pub ask_again: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_heartbeat_ttl: Duration::from_secs(10),
            max_heartbeats_per_second: 50.0,
            heartbeat_grace: Duration::from_secs(10),
            failover_heartbeat_ttl: Duration::from_secs(300),
            ask_again: Duration::from_secs(10),
        }
    }
}

/// Why a node is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    HeartbeatMissed,
    /// Accused by gossip or by a broken connection, and silent when it was asked.
    NoAnswer,
    Left,
}

impl Reason {
    /// As the node's event says it.
    pub fn words(self) -> &'static str {
        match self {
            Self::HeartbeatMissed => "Node heartbeat missed",
            Self::NoAnswer => "Node does not answer and others cannot reach it",
            Self::Left => "Node left the cluster",
        }
    }
}

/// What should happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the node a few times whether it is there, and say what came of it with the same `round`.
    Check { node: NodeId, round: u64 },
    /// Let a majority of servers confirm that this one leads, and say what came of it.
    Confirm,
    /// Put it into the log that these are gone, and say what came of it.
    Declare(Vec<(NodeId, Reason)>),
}

/// What came of asking a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    Answered,
    Silent,
    /// It could not be asked. Heartbeats decide.
    Unknown,
}
