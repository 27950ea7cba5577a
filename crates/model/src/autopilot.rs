//! What operators decide about the servers in the log.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How servers come into the log and leave it (`operator autopilot`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutopilotSettings {
    /// Whether servers that failed are taken out of the log. Default: yes.
    pub cleanup_dead_servers: bool,
    /// A server that the leader did not hear for longer is unhealthy. Default: 200 ms.
    pub last_contact_threshold: Duration,
    /// A server whose log is further behind is unhealthy. Default: 250 entries.
    pub max_trailing_logs: u64,
    /// With fewer voters than this, none is taken out for being dead. Default: 0, no such limit.
    pub min_quorum: u32,
    /// A new server is healthy for so long before it gets a vote, and a failed one stays failed for so long before it
    /// loses its. Default: 10 s.
    pub server_stabilization_time: Duration,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Default for AutopilotSettings {
    fn default() -> Self {
        Self {
            cleanup_dead_servers: true,
            last_contact_threshold: Duration::from_millis(200),
            max_trailing_logs: 250,
            min_quorum: 0,
            server_stabilization_time: Duration::from_secs(10),
            create_index: 0,
            modify_index: 0,
        }
    }
}
