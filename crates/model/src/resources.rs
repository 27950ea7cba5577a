//! What tasks ask for and what nodes offer.

use serde::{Deserialize, Serialize};

/// What one task asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Share of CPU in MHz. Default: 100.
    pub cpu_mhz: u32,
    /// Default: 300.
    pub memory_mb: u32,
    /// The task's own network ask (`resources { network { .. } }`), the form of job files before 2020.
    pub network: Option<NetworkAsk>,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu_mhz: 100, memory_mb: 300, network: None }
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
