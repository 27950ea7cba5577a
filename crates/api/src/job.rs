//! A job as clients send and read it.
//!
//! Fields whose absence means something else than zero are `Option`s; in answers they are always set. Fields of type
//! `Absent` are known to clients and not obeyed here.

use serde_json::Value;

pub use crate::action::{Action, JobAction};
pub use crate::files::{ChangeScript, TaskArtifact, Template, WaitConfig};
pub use crate::job_list::{JobChildren, JobListStub, JobSummary, TaskGroupSummary};
pub use crate::launch::{DispatchPayloadConfig, ParameterizedJobConfig, PeriodicConfig, TaskLifecycle};
pub use crate::location::{Affinity, Constraint, Spread, SpreadTarget};
use crate::scale::ScalingPolicy;
use crate::wire::{Absent, Map, base64_text, is_default, nil, wire};

wire! {
    /// What pages about a job say besides.
    pub struct JobUIConfig {
        /// Markdown.
        pub description: String,
        #[serde(with = "nil")]
        pub links: Vec<JobUILink>,
    }

    pub struct JobUILink {
        pub label: String,
        #[serde(rename = "URL")]
        pub url: String,
    }

    pub struct Job {
        #[serde(rename = "ID")]
        pub id: String,
        pub name: String,
        pub namespace: String,
        pub region: String,
        /// `service` or `batch`. Default: `service`.
        #[serde(rename = "Type")]
        pub kind: String,
        /// Default: 50.
        pub priority: Option<i64>,
        pub all_at_once: bool,
        /// Default: `["*"]`.
        #[serde(with = "nil")]
        pub datacenters: Vec<String>,
        pub node_pool: String,
        #[serde(with = "nil")]
        pub constraints: Vec<Constraint>,
        #[serde(with = "nil")]
        pub affinities: Vec<Affinity>,
        #[serde(with = "nil")]
        pub spreads: Vec<Spread>,
        #[serde(with = "nil")]
        pub task_groups: Vec<TaskGroup>,
        /// Pushed into the groups on input; all zero on output.
        #[serde(with = "zeroed_update")]
        pub update: Option<UpdateStrategy>,
        /// Input only: pushed into the groups.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reschedule: Option<ReschedulePolicy>,
        /// Input only: pushed into the groups.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub migrate: Option<MigrateStrategy>,
        pub multiregion: Absent,
        pub periodic: Option<PeriodicConfig>,
        pub parameterized_job: Option<ParameterizedJobConfig>,
        pub dispatched: bool,
        pub dispatch_idempotency_token: String,
        /// What a dispatch brought along; base64 on the wire.
        #[serde(with = "base64_text")]
        pub payload: Vec<u8>,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        pub consul_namespace: String,
        pub vault_namespace: String,
        #[serde(rename = "NomadTokenID")]
        pub nomad_token_id: String,
        #[serde(rename = "ParentID")]
        pub parent_id: String,
        pub stop: bool,
        pub status: String,
        pub status_description: String,
        pub stable: bool,
        pub version: u64,
        /// Nanoseconds since 1970.
        pub submit_time: i64,
        pub create_index: u64,
        pub modify_index: u64,
        pub job_modify_index: u64,
        #[serde(rename = "UI")]
        pub ui: Option<JobUIConfig>,
        /// A name that somebody gave to this version.
        pub version_tag: Option<JobVersionTag>,
    }

    pub struct JobVersionTag {
        pub name: String,
        pub description: String,
        /// Nanoseconds since 1970.
        pub tagged_time: i64,
    }

    pub struct TaskGroup {
        pub name: String,
        /// Default: 1.
        pub count: Option<i64>,
        pub update: Option<UpdateStrategy>,
        pub migrate: Option<MigrateStrategy>,
        #[serde(with = "nil")]
        pub constraints: Vec<Constraint>,
        pub scaling: Option<ScalingPolicy>,
        pub restart_policy: Option<RestartPolicy>,
        pub disconnect: Option<DisconnectStrategy>,
        #[serde(with = "nil")]
        pub tasks: Vec<Task>,
        pub ephemeral_disk: Option<EphemeralDisk>,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        pub reschedule_policy: Option<ReschedulePolicy>,
        #[serde(with = "nil")]
        pub affinities: Vec<Affinity>,
        #[serde(with = "nil")]
        pub spreads: Vec<Spread>,
        #[serde(with = "nil")]
        pub networks: Vec<NetworkResource>,
        pub consul: Absent,
        #[serde(with = "nil")]
        pub services: Vec<Service>,
        pub volumes: Absent,
        /// Nanoseconds.
        pub shutdown_delay: Option<i64>,
        /// Nanoseconds.
        pub max_run_duration: Option<i64>,
        /// The old form of `Disconnect.StopOnClientAfter`; nanoseconds, input only.
        pub stop_after_client_disconnect: Option<i64>,
        /// The old form of `Disconnect.LostAfter`; nanoseconds, input only.
        pub max_client_disconnect: Option<i64>,
        /// The old form of `Disconnect.Replace`, the other way round; input only.
        pub prevent_reschedule_on_lost: bool,
    }

    pub struct Task {
        pub name: String,
        pub driver: String,
        pub user: String,
        #[serde(with = "nil")]
        pub config: Map<Value>,
        #[serde(with = "nil")]
        pub env: Map<String>,
        #[serde(with = "nil")]
        pub services: Vec<Service>,
        pub vault: Absent,
        pub secrets: Absent,
        pub consul: Absent,
        #[serde(with = "nil")]
        pub templates: Vec<Template>,
        #[serde(with = "nil")]
        pub constraints: Vec<Constraint>,
        #[serde(with = "nil")]
        pub affinities: Vec<Affinity>,
        pub resources: Option<Resources>,
        pub restart_policy: Option<RestartPolicy>,
        pub dispatch_payload: Option<DispatchPayloadConfig>,
        pub lifecycle: Option<TaskLifecycle>,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        /// Nanoseconds. Default: 5 s.
        pub kill_timeout: Option<i64>,
        pub log_config: Option<LogConfig>,
        #[serde(with = "nil")]
        pub artifacts: Vec<TaskArtifact>,
        pub leader: bool,
        /// Nanoseconds.
        pub shutdown_delay: i64,
        pub volume_mounts: Absent,
        pub scaling_policies: Absent,
        pub kill_signal: String,
        pub kind: String,
        #[serde(rename = "CSIPluginConfig")]
        pub csi_plugin_config: Absent,
        pub identity: Absent,
        pub identities: Absent,
        #[serde(with = "nil")]
        pub actions: Vec<Action>,
        pub schedule: Absent,
    }

    pub struct Resources {
        /// MHz. Default: 100.
        #[serde(rename = "CPU")]
        pub cpu: Option<i64>,
        /// Whole cores, instead of `CPU`.
        pub cores: i64,
        /// Default: 300.
        #[serde(rename = "MemoryMB")]
        pub memory_mb: Option<i64>,
        #[serde(rename = "MemoryMaxMB")]
        pub memory_max_mb: i64,
        #[serde(rename = "DiskMB")]
        pub disk_mb: i64,
        #[serde(rename = "IOPS")]
        pub iops: i64,
        #[serde(with = "nil")]
        pub networks: Vec<NetworkResource>,
        #[serde(with = "nil")]
        pub devices: Vec<RequestedDevice>,
        #[serde(rename = "NUMA")]
        pub numa: Absent,
        #[serde(rename = "SecretsMB")]
        pub secrets_mb: i64,
    }

    pub struct RequestedDevice {
        /// `type`, `vendor/type` or `vendor/type/model`.
        pub name: String,
        /// Default: 1.
        pub count: Option<i64>,
        #[serde(with = "nil")]
        pub constraints: Vec<Constraint>,
        #[serde(with = "nil")]
        pub affinities: Vec<Affinity>,
    }

    /// Keys without a value are left out.
    pub struct NetworkResource {
        #[serde(skip_serializing_if = "is_default")]
        pub mode: String,
        #[serde(skip_serializing_if = "is_default")]
        pub device: String,
        #[serde(rename = "CIDR", skip_serializing_if = "is_default")]
        pub cidr: String,
        #[serde(rename = "IP", skip_serializing_if = "is_default")]
        pub ip: String,
        #[serde(skip_serializing_if = "is_default")]
        pub hostname: String,
        #[serde(rename = "MBits", skip_serializing_if = "is_default")]
        pub mbits: i64,
        #[serde(rename = "DNS", skip_serializing_if = "is_default")]
        pub dns: Absent,
        #[serde(skip_serializing_if = "is_default")]
        pub reserved_ports: Vec<Port>,
        #[serde(skip_serializing_if = "is_default")]
        pub dynamic_ports: Vec<Port>,
        #[serde(rename = "CNI", skip_serializing_if = "is_default")]
        pub cni: Absent,
    }

    /// Keys without a value are left out.
    pub struct Port {
        #[serde(skip_serializing_if = "is_default")]
        pub label: String,
        #[serde(skip_serializing_if = "is_default")]
        pub value: i64,
        /// 0: not set; -1: the same as on the host.
        #[serde(skip_serializing_if = "is_default")]
        pub to: i64,
        #[serde(skip_serializing_if = "is_default")]
        pub host_network: String,
        #[serde(skip_serializing_if = "is_default")]
        pub ignore_collision: bool,
    }

    pub struct Service {
        pub name: String,
        pub task_name: String,
        pub port_label: String,
        pub address_mode: String,
        pub address: String,
        pub enable_tag_override: bool,
        #[serde(with = "nil")]
        pub tags: Vec<String>,
        #[serde(with = "nil")]
        pub canary_tags: Vec<String>,
        #[serde(with = "nil")]
        pub checks: Vec<ServiceCheck>,
        /// Input only: for the checks that have none of their own.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub check_restart: Option<CheckRestart>,
        pub connect: Absent,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        #[serde(with = "nil")]
        pub canary_meta: Map<String>,
        /// `address` or `address:port` under names of the user's own.
        #[serde(with = "nil")]
        pub tagged_addresses: Map<String>,
        pub namespace: String,
        pub on_update: String,
        pub provider: String,
        pub cluster: String,
        pub identity: Absent,
        pub kind: String,
        pub weights: Option<ServiceWeights>,
    }

    /// 0 counts as 1.
    pub struct ServiceWeights {
        pub passing: i64,
        pub warning: i64,
    }

    pub struct ServiceCheck {
        pub name: String,
        #[serde(rename = "Type")]
        pub kind: String,
        pub command: String,
        #[serde(with = "nil")]
        pub args: Vec<String>,
        pub path: String,
        pub protocol: String,
        pub port_label: String,
        pub expose: bool,
        pub address_mode: String,
        /// Nanoseconds.
        pub interval: i64,
        /// Nanoseconds.
        pub timeout: i64,
        pub initial_status: String,
        pub notes: String,
        #[serde(rename = "TLSServerName")]
        pub tls_server_name: String,
        #[serde(rename = "TLSSkipVerify")]
        pub tls_skip_verify: bool,
        pub method: String,
        #[serde(with = "nil")]
        pub header: Map<Vec<String>>,
        pub check_restart: Option<CheckRestart>,
        #[serde(rename = "GRPCService")]
        pub grpc_service: String,
        #[serde(rename = "GRPCUseTLS")]
        pub grpc_use_tls: bool,
        pub task_name: String,
        pub success_before_passing: i64,
        pub failures_before_critical: i64,
        pub failures_before_warning: i64,
        pub body: String,
        pub on_update: String,
    }

    pub struct CheckRestart {
        pub limit: i64,
        /// Nanoseconds. Default: 1 s.
        pub grace: Option<i64>,
        pub ignore_warnings: bool,
    }

    /// Durations in nanoseconds.
    pub struct UpdateStrategy {
        pub stagger: Option<i64>,
        pub max_parallel: Option<i64>,
        pub health_check: Option<String>,
        pub min_healthy_time: Option<i64>,
        pub healthy_deadline: Option<i64>,
        pub progress_deadline: Option<i64>,
        pub auto_revert: Option<bool>,
        pub auto_promote: Option<bool>,
        pub canary: Option<i64>,
    }

    /// Durations in nanoseconds.
    pub struct RestartPolicy {
        pub attempts: Option<i64>,
        pub interval: Option<i64>,
        pub delay: Option<i64>,
        pub mode: Option<String>,
        pub render_templates: Option<bool>,
    }

    /// Durations in nanoseconds.
    pub struct ReschedulePolicy {
        pub attempts: Option<i64>,
        pub interval: Option<i64>,
        pub delay: Option<i64>,
        pub delay_function: Option<String>,
        pub max_delay: Option<i64>,
        pub unlimited: Option<bool>,
    }

    /// Durations in nanoseconds.
    pub struct MigrateStrategy {
        pub max_parallel: Option<i64>,
        pub health_check: Option<String>,
        pub min_healthy_time: Option<i64>,
        pub healthy_deadline: Option<i64>,
    }

    /// Durations in nanoseconds.
    pub struct DisconnectStrategy {
        pub lost_after: Option<i64>,
        pub stop_on_client_after: Option<i64>,
        /// Default: true.
        pub replace: Option<bool>,
        /// Default: `best_score`.
        pub reconcile: Option<String>,
    }

    pub struct EphemeralDisk {
        pub sticky: bool,
        /// Default: 300.
        #[serde(rename = "SizeMB")]
        pub size_mb: Option<i64>,
        pub migrate: bool,
    }

    pub struct LogConfig {
        /// Default: 10.
        pub max_files: Option<i64>,
        /// Default: 10.
        #[serde(rename = "MaxFileSizeMB")]
        pub max_file_size_mb: Option<i64>,
        pub disabled: bool,
    }
}

/// The job's own update strategy is written as an object of zeros, as clients expect.
mod zeroed_update {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::UpdateStrategy;

    pub(super) fn serialize<S: Serializer>(
        value: &Option<UpdateStrategy>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.clone().unwrap_or_else(UpdateStrategy::zero).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<UpdateStrategy>, D::Error> {
        Ok(Option::<UpdateStrategy>::deserialize(deserializer)?.filter(|update| !update.says_nothing()))
    }
}

impl UpdateStrategy {
    /// `max_parallel = 0`: no rolling update, no deployment.
    pub fn zero() -> Self {
        Self {
            stagger: Some(0),
            max_parallel: Some(0),
            health_check: Some(String::new()),
            min_healthy_time: Some(0),
            healthy_deadline: Some(0),
            progress_deadline: Some(0),
            auto_revert: Some(false),
            auto_promote: Some(false),
            canary: Some(0),
        }
    }

    /// Nothing is set, or only to zero.
    pub(crate) fn says_nothing(&self) -> bool {
        let zero = |value: Option<i64>| value.unwrap_or(0) == 0;
        [
            self.stagger,
            self.max_parallel,
            self.min_healthy_time,
            self.healthy_deadline,
            self.progress_deadline,
            self.canary,
        ]
        .into_iter()
        .all(zero)
            && self.health_check.as_deref().unwrap_or_default().is_empty()
            && !self.auto_revert.unwrap_or(false)
            && !self.auto_promote.unwrap_or(false)
    }
}
