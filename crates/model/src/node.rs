//! A machine that runs allocations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ids::NodeId, resources::Capacity, time::Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    #[default]
    Initializing,
    Ready,
    Down,
}

impl NodeStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Ready => "ready",
            Self::Down => "down",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eligibility {
    #[default]
    Eligible,
    Ineligible,
}

/// What a node says of itself, and what the servers note about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    pub id: NodeId,
    pub name: String,
    pub datacenter: String,
    pub class: String,
    /// `ip:port` of the node's own HTTP API.
    pub http_addr: String,
    /// The address on which tasks' ports are published.
    pub address: String,
    /// Fingerprints (`kernel.name`, `driver.docker.version`, ...). Keys that start with `unique.` differ per node
    /// and take no part in the class.
    pub attributes: BTreeMap<String, String>,
    pub meta: BTreeMap<String, String>,
    /// The whole machine.
    pub capacity: Capacity,
    /// Kept back from tasks.
    pub reserved: Capacity,
    /// Host ports that are never given out.
    pub reserved_ports: Vec<u16>,
    /// First and last port of the dynamic range, both included. Default: 20000 to 32000.
    pub dynamic_ports: (u16, u16),
    pub drivers: BTreeMap<String, DriverInfo>,
    pub status: NodeStatus,
    pub status_updated_at: Timestamp,
    pub eligibility: Eligibility,
    /// The last ten, oldest first.
    pub events: Vec<NodeEvent>,
    /// Hash over all that feasibility looks at and that is not unique to the node: nodes of one class pass or fail
    /// the same constraints. Set by `state`.
    pub computed_class: String,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Node {
    /// What tasks may use.
    pub fn available(&self) -> Capacity {
        self.capacity.minus(self.reserved)
    }

    pub fn is_schedulable(&self) -> bool {
        self.status == NodeStatus::Ready && self.eligibility == Eligibility::Eligible
    }
}

/// One driver on one node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DriverInfo {
    /// The software is there.
    pub detected: bool,
    /// Tasks can be started now.
    pub healthy: bool,
    /// Why (not): shown by `node status`.
    pub description: String,
    /// Also merged into the node's attributes (`driver.docker.version`).
    pub attributes: BTreeMap<String, String>,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeEvent {
    pub message: String,
    /// `Cluster`, `Driver`, `Drain`, ...
    pub subsystem: String,
    pub time: Timestamp,
    pub index: u64,
}
