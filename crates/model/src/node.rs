//! A machine that runs allocations.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    alloc::Allocation,
    claims::DeviceGroup,
    ids::NodeId,
    job::JobType,
    node_pool::PoolName,
    resources::{Capacity, is_zero},
    time::Timestamp,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    #[default]
    Initializing,
    Ready,
    Down,
    /// Not heard of, and something on it may stay `unknown` for a while before it counts as lost.
    Disconnected,
}

impl NodeStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Ready => "ready",
            Self::Down => "down",
            Self::Disconnected => "disconnected",
        }
    }

    /// Nobody hears of the node: it is down or disconnected.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Down | Self::Disconnected)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eligibility {
    #[default]
    Eligible,
    Ineligible,
}

/// How long a drain may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainDeadline {
    /// As long as the migrations need.
    #[default]
    Never,
    /// What is left then moves at once.
    After(Duration),
    /// Everything moves at once.
    Force,
}

/// A node is being emptied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Drain {
    /// As asked.
    pub deadline: DrainDeadline,
    /// `started_at` and the deadline added up; `None` without a deadline.
    pub force_at: Option<Timestamp>,
    /// Leaves the allocations of system jobs where they are.
    pub ignore_system: bool,
    pub started_at: Timestamp,
    /// Free words of whoever asked.
    pub meta: BTreeMap<String, String>,
}

impl Drain {
    /// Nothing may stay any longer.
    pub fn is_forced(&self, now: Timestamp) -> bool {
        self.deadline == DrainDeadline::Force || self.force_at.is_some_and(|at| at <= now)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainStatus {
    #[default]
    Draining,
    Complete,
    Canceled,
}

impl DrainStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Complete => "complete",
            Self::Canceled => "canceled",
        }
    }
}

/// The newest drain of a node, kept when it is over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LastDrain {
    pub status: DrainStatus,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    /// It left the allocations of system jobs where they are.
    pub ignore_system: bool,
    pub meta: BTreeMap<String, String>,
    /// Log index of its last change.
    pub index: u64,
    /// The node was made eligible again after it.
    pub opened: bool,
}

/// What a node says of itself, and what the servers note about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    pub id: NodeId,
    pub name: String,
    pub datacenter: String,
    pub class: String,
    /// Only jobs that ask for this pool, or for all of them, run here.
    pub pool: PoolName,
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
    /// How many cores the whole machine has; 0: not known, and none can be given to a task alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub core_count: u32,
    /// Ids of the cores that may be given to a task alone, ascending.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reservable_cores: Vec<u16>,
    /// Ids of the cores that are kept back from tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reserved_cores: Vec<u16>,
    /// Each name once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceGroup>,
    /// Host ports that are never given out.
    pub reserved_ports: Vec<u16>,
    /// First and last port of the dynamic range, both included. Default: 20000 to 32000.
    pub dynamic_ports: (u16, u16),
    pub drivers: BTreeMap<String, DriverInfo>,
    pub status: NodeStatus,
    pub status_updated_at: Timestamp,
    pub eligibility: Eligibility,
    /// It is being emptied now. Set by the servers.
    pub drain: Option<Drain>,
    /// Set by the servers.
    pub last_drain: Option<LastDrain>,
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

    /// What one core counts.
    pub fn core_mhz(&self) -> u32 {
        self.capacity.cpu_mhz.checked_div(self.core_count).unwrap_or(0)
    }

    /// It was emptied and has not been opened again since.
    pub fn is_drained(&self) -> bool {
        self.drain.is_none()
            && self.eligibility == Eligibility::Ineligible
            && self
                .last_drain
                .as_ref()
                .is_some_and(|last| last.status == DrainStatus::Complete && !last.opened)
    }

    /// Constraints find the same in both.
    pub fn is_like(&self, other: &Self) -> bool {
        let usable = |node: &Self| -> Vec<(String, bool)> {
            let drivers = node.drivers.iter();
            drivers.map(|(name, driver)| (name.clone(), driver.detected && driver.healthy)).collect()
        };
        let devices = |node: &Self| -> Vec<_> {
            let healthy = |group: &DeviceGroup| group.healthy().map(|device| device.id.clone()).collect();
            let of_group =
                |group: &DeviceGroup| (group.name.clone(), group.attributes.clone(), healthy(group));
            node.devices.iter().map(of_group).collect::<Vec<(_, _, Vec<String>)>>()
        };
        self.name == other.name
            && self.datacenter == other.datacenter
            && self.class == other.class
            && self.pool == other.pool
            && self.attributes == other.attributes
            && self.meta == other.meta
            && usable(self) == usable(other)
            && devices(self) == devices(other)
    }

    /// The drain of the node, under way or over, leaves allocations of such jobs where they are.
    pub fn leaves_alone(&self, kind: JobType) -> bool {
        let ignores = match (&self.drain, &self.last_drain) {
            (Some(drain), _) => drain.ignore_system,
            (None, Some(last)) => last.ignore_system,
            (None, None) => false,
        };
        ignores && kind.is_per_node()
    }

    /// A drain of the node is not over because of the allocation: it shall run there, or its tasks have not ended yet.
    pub fn is_held_up_by(&self, alloc: &Allocation) -> bool {
        !alloc.is_terminal() || (!alloc.client.is_terminal() && !self.status.is_gone())
    }

    pub fn is_schedulable(&self) -> bool {
        self.status == NodeStatus::Ready && self.eligibility == Eligibility::Eligible && self.drain.is_none()
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
    /// Facts under the names of the HTTP API.
    pub details: BTreeMap<String, String>,
    pub time: Timestamp,
    pub index: u64,
}
