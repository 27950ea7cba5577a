//! Servers in the log, autopilot, scheduler settings: what operators ask for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    job_to_model::Refused,
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

/// How the scheduler works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SchedulerConfiguration {
    pub scheduler_algorithm: String,
    pub preemption_config: PreemptionConfig,
    pub memory_oversubscription_enabled: bool,
    pub reject_job_registration: bool,
    pub pause_eval_broker: bool,
    /// Input only: all nodes are looked at, as 0 says.
    pub node_limit_for_feasibility_checks: u64,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Default for SchedulerConfiguration {
    fn default() -> Self {
        Self::from(&model::SchedulerSettings::default())
    }
}

impl From<&model::SchedulerSettings> for SchedulerConfiguration {
    fn from(settings: &model::SchedulerSettings) -> Self {
        let model::Preemption { system, sysbatch, batch, service } = settings.preemption;
        Self {
            scheduler_algorithm: settings.algorithm.as_str().to_owned(),
            preemption_config: PreemptionConfig {
                system_scheduler_enabled: system,
                sys_batch_scheduler_enabled: sysbatch,
                batch_scheduler_enabled: batch,
                service_scheduler_enabled: service,
            },
            memory_oversubscription_enabled: settings.memory_oversubscription,
            reject_job_registration: settings.reject_job_registration,
            pause_eval_broker: settings.pause_eval_broker,
            node_limit_for_feasibility_checks: 0,
            create_index: settings.create_index,
            modify_index: settings.modify_index,
        }
    }
}

impl SchedulerConfiguration {
    /// The settings in the model's words.
    ///
    /// # Errors
    /// Names each value that cannot be obeyed.
    pub fn into_model(self) -> Result<model::SchedulerSettings, Refused> {
        let mut problems = Vec::new();
        let algorithm = match self.scheduler_algorithm.as_str() {
            "" => Some(model::Algorithm::default()),
            text => model::Algorithm::parse(text),
        };
        if algorithm.is_none() {
            let found = &self.scheduler_algorithm;
            problems.push(format!("SchedulerAlgorithm must be \"binpack\" or \"spread\", found {found:?}"));
        }
        if self.node_limit_for_feasibility_checks != 0 {
            problems.push(format!(
                "NodeLimitForFeasibilityChecks must be 0, found {}: all nodes are looked at, whatever their number",
                self.node_limit_for_feasibility_checks
            ));
        }
        if !problems.is_empty() {
            return Err(Refused { problems });
        }
        let preemption = self.preemption_config;
        Ok(model::SchedulerSettings {
            algorithm: algorithm.unwrap_or_default(),
            preemption: model::Preemption {
                system: preemption.system_scheduler_enabled,
                sysbatch: preemption.sys_batch_scheduler_enabled,
                batch: preemption.batch_scheduler_enabled,
                service: preemption.service_scheduler_enabled,
            },
            memory_oversubscription: self.memory_oversubscription_enabled,
            reject_job_registration: self.reject_job_registration,
            pause_eval_broker: self.pause_eval_broker,
            create_index: self.create_index,
            modify_index: self.modify_index,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheduler_settings_go_in_and_out() {
        let settings = model::SchedulerSettings {
            algorithm: model::Algorithm::Spread,
            preemption: model::Preemption { system: false, sysbatch: true, batch: true, service: false },
            memory_oversubscription: true,
            pause_eval_broker: true,
            modify_index: 7,
            ..model::SchedulerSettings::default()
        };
        let text = serde_json::to_string(&SchedulerConfiguration::from(&settings)).unwrap();
        let read: SchedulerConfiguration = serde_json::from_str(&text).unwrap();
        assert_eq!(read.into_model().unwrap(), settings);
        // What is left out keeps its default.
        let read: SchedulerConfiguration = serde_json::from_str("{}").unwrap();
        assert_eq!(read.into_model().unwrap(), model::SchedulerSettings::default());
    }

    #[test]
    fn scheduler_settings_that_cannot_be_obeyed_are_refused() {
        let text = r#"{"SchedulerAlgorithm": "best", "NodeLimitForFeasibilityChecks": 100}"#;
        let read: SchedulerConfiguration = serde_json::from_str(text).unwrap();
        let problems = read.into_model().unwrap_err().problems;
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
