//! What tasks ask for and what nodes offer.

use serde::{Deserialize, Serialize};

use crate::claims::DeviceAsk;

/// What one task asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Share of CPU in MHz. Default: 100; 0 with `cores`.
    pub cpu_mhz: u32,
    /// Whole cores for this task alone, instead of a share. What they count in MHz depends on the node.
    #[serde(skip_serializing_if = "is_zero")]
    pub cores: u32,
    /// Default: 300.
    pub memory_mb: u32,
    /// The most memory it may use where operators allow more than is reserved. Not less than `memory_mb`.
    pub memory_max: Option<MemoryMax>,
    /// The task's own network ask (`resources { network { .. } }`), the form of job files before 2020.
    pub network: Option<NetworkAsk>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceAsk>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu_mhz: 100, cores: 0, memory_mb: 300, memory_max: None, network: None, devices: Vec::new() }
    }
}

impl Resources {
    /// What the task may use at most. `oversubscribed`: of its allocation.
    pub fn memory_limit(&self, oversubscribed: bool) -> MemoryMax {
        self.memory_max.filter(|_| oversubscribed).unwrap_or(MemoryMax::Mb(self.memory_mb))
    }
}

/// An upper bound for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryMax {
    Mb(u32),
    /// As much as the node has.
    Unlimited,
}

impl MemoryMax {
    /// As job files and the API write it: -1 is no limit, 0 says nothing.
    pub fn from_number(number: i64) -> Option<Self> {
        match number {
            -1 => Some(Self::Unlimited),
            _ => u32::try_from(number).ok().filter(|mb| *mb > 0).map(Self::Mb),
        }
    }

    pub fn to_number(self) -> i64 {
        match self {
            Self::Mb(mb) => i64::from(mb),
            Self::Unlimited => -1,
        }
    }
}

/// Ports wanted on the node's address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkAsk {
    /// Bandwidth in Mbit/s. Stored and shown; enforced only on nodes whose link speed is known (none yet).
    pub mbits: u32,
    pub ports: Vec<Port>,
}

/// One port ask. Labels are unique within a task group, across its tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    pub label: String,
    /// The host port asked for; `None` lets the scheduler choose from the node's dynamic range.
    pub fixed: Option<u16>,
    /// The port inside the container: `None` for the same as on the host (or what `port_map` says).
    pub to: Option<u16>,
    /// The host port may be somebody else's on the same node, for programs that share it (`SO_REUSEPORT`). Says something
    /// of ports that are asked for by number only: no other is given twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_collision: bool,
}

/// Amounts of the dimensions that bin packing adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Capacity {
    pub cpu_mhz: u32,
    pub memory_mb: u32,
    pub disk_mb: u32,
}

impl Capacity {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu_mhz: self.cpu_mhz.saturating_add(other.cpu_mhz),
            memory_mb: self.memory_mb.saturating_add(other.memory_mb),
            disk_mb: self.disk_mb.saturating_add(other.disk_mb),
        }
    }

    /// Of each dimension the larger.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self {
            cpu_mhz: self.cpu_mhz.max(other.cpu_mhz),
            memory_mb: self.memory_mb.max(other.memory_mb),
            disk_mb: self.disk_mb.max(other.disk_mb),
        }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            cpu_mhz: self.cpu_mhz.saturating_sub(other.cpu_mhz),
            memory_mb: self.memory_mb.saturating_sub(other.memory_mb),
            disk_mb: self.disk_mb.saturating_sub(other.disk_mb),
        }
    }

    /// The dimension in which `self` does not fit into `room`, in the order cpu, memory, disk.
    pub fn exceeds(self, room: Self) -> Option<&'static str> {
        if self.cpu_mhz > room.cpu_mhz {
            Some("cpu")
        } else if self.memory_mb > room.memory_mb {
            Some("memory")
        } else if self.disk_mb > room.disk_mb {
            Some("disk")
        } else {
            None
        }
    }
}
