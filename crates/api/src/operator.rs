//! Servers in the log, autopilot, scheduler settings: what operators ask for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    time::Time,
    wire::{is_default, span, wire},
};

wire! {
    pub struct RaftConfiguration {
        pub servers: Vec<RaftServer>,
        /// Of the log entry that made it so.
        pub index: u64,
    }

    pub struct RaftServer {
        /// Of the server's agent.
        #[serde(rename = "ID")]
        pub id: String,
        /// `<node>.<region>`, or `(unknown)`.
        pub node: String,
        /// RPC, `ip:port`.
        pub address: String,
        pub leader: bool,
        pub voter: bool,
        pub raft_protocol: String,
        /// Last log entry known to be on its disk.
        #[serde(skip_serializing_if = "is_default")]
        pub last_index: u64,
    }

    pub struct LeadershipTransfer {
        pub from: RaftPeer,
        pub to: RaftPeer,
        /// It led already.
        pub noop: bool,
        pub err: Option<String>,
    }

    pub struct RaftPeer {
        #[serde(rename = "ID")]
        pub id: String,
        pub address: String,
    }

    pub struct AutopilotHealth {
        /// Of all servers.
        pub healthy: bool,
        /// Healthy voters that may be lost without losing the majority.
        pub failure_tolerance: usize,
        pub servers: Vec<ServerHealth>,
        /// Ids.
        pub leader: String,
        pub voters: Vec<String>,
    }

    pub struct ServerHealth {
        #[serde(rename = "ID")]
        pub id: String,
        pub name: String,
        pub address: String,
        /// `alive`, `leaving`, `left`, `failed`; `none`: gossip does not know it.
        pub serf_status: String,
        pub version: String,
        pub leader: bool,
        #[serde(with = "span")]
        pub last_contact: Duration,
        pub last_term: u64,
        pub last_index: u64,
        pub healthy: bool,
        pub voter: bool,
        /// Since when it has been as healthy as it is.
        pub stable_since: Time,
    }

    pub struct SchedulerConfigurationResponse {
        pub scheduler_config: SchedulerConfiguration,
        pub index: u64,
        /// Nanoseconds.
        pub last_contact: i64,
        pub known_leader: bool,
        pub next_token: String,
    }

    pub struct SchedulerConfigurationUpdate {
        pub updated: bool,
        pub index: u64,
    }

    pub struct PreemptionConfig {
        pub system_scheduler_enabled: bool,
        pub sys_batch_scheduler_enabled: bool,
        pub batch_scheduler_enabled: bool,
        pub service_scheduler_enabled: bool,
    }
}

/// How clean-up and health of servers work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AutopilotConfiguration {
    pub cleanup_dead_servers: bool,
    #[serde(with = "span")]
    pub last_contact_threshold: Duration,
    pub max_trailing_logs: u64,
    pub min_quorum: u64,
    #[serde(with = "span")]
    pub server_stabilization_time: Duration,
    pub enable_redundancy_zones: bool,
    pub disable_upgrade_migration: bool,
    pub enable_custom_upgrades: bool,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Default for AutopilotConfiguration {
    fn default() -> Self {
        Self {
            cleanup_dead_servers: true,
            last_contact_threshold: Duration::from_millis(200),
            max_trailing_logs: 250,
            min_quorum: 0,
            server_stabilization_time: Duration::from_secs(10),
            enable_redundancy_zones: false,
            disable_upgrade_migration: false,
            enable_custom_upgrades: false,
            create_index: 0,
            modify_index: 0,
        }
    }
}

/// Defaults: what troupe does and cannot be told otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SchedulerConfiguration {
    pub scheduler_algorithm: String,
    pub preemption_config: PreemptionConfig,
    pub memory_oversubscription_enabled: bool,
    pub reject_job_registration: bool,
    pub pause_eval_broker: bool,
    /// 0: all nodes are looked at.
    pub node_limit_for_feasibility_checks: u64,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Default for SchedulerConfiguration {
    fn default() -> Self {
        Self {
            scheduler_algorithm: String::from("binpack"),
            preemption_config: PreemptionConfig::default(),
            memory_oversubscription_enabled: false,
            reject_job_registration: false,
            pause_eval_broker: false,
            node_limit_for_feasibility_checks: 0,
            create_index: 0,
            modify_index: 0,
        }
    }
}
