//! Allocations: instances of task groups on nodes, and what happened to their tasks.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    claims::Claims,
    ids::{AllocId, DeploymentId, EvalId, JobKey, NodeId},
    service::{OnUpdate, TaggedAddress, Weights},
    small_map::SmallMap,
    time::Timestamp,
};

/// Why an allocation shall stop that was given up with its node. People and scripts know the words, and `state` knows
/// by them what may run on when the node comes back.
pub const LOST_WITH_NODE: &str = "alloc is lost since its node is down";

/// What the servers want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredStatus {
    #[default]
    Run,
    Stop,
    /// It gives up its room for an allocation of a more important job.
    Evict,
}

impl DesiredStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Stop => "stop",
            Self::Evict => "evict",
        }
    }
}

/// What the node last reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientStatus {
    #[default]
    Pending,
    Running,
    Complete,
    Failed,
    Lost,
    /// Its node is cut off and the group's `disconnect` says to wait: it may well run.
    Unknown,
}

impl ClientStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }

    /// Nothing of it runs any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Lost)
    }
}

/// One instance of a task group. Refers to its job version; carries no copy of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    pub id: AllocId,
    pub job: JobKey,
    /// `Job::job_modify_index` of the version this runs.
    pub job_index: u64,
    /// Version number of that job, for tables.
    pub job_version: u64,
    pub group: Arc<str>,
    /// Index in the group, from 0: the name is `job.group[index]`.
    pub index: u32,
    pub node: NodeId,
    pub eval: EvalId,
    pub deployment: Option<DeploymentId>,
    /// It runs a new version beside the old one, and was not promoted yet.
    #[serde(default)]
    pub canary: bool,
    /// Host ports given to it, in the order of the group's asks.
    pub ports: Vec<AssignedPort>,
    /// Cores and devices given to it; `None`: it asked for none. Few do, so that others pay a pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Arc<Claims>>,
    pub desired: DesiredStatus,
    /// Why it shall stop; empty while it shall run.
    pub desired_description: String,
    pub client: ClientStatus,
    pub client_description: String,
    /// The last report of the node. Empty until it reported.
    pub tasks: Arc<SmallMap<String, TaskState>>,
    /// Its services and their checks, as last reported.
    pub services: Arc<Vec<ServiceState>>,
    pub health: Option<AllocHealth>,
    pub previous: Option<AllocId>,
    pub next: Option<AllocId>,
    /// Evaluation that will reschedule it later.
    pub followup_eval: Option<EvalId>,
    /// A drain wants it elsewhere: the next evaluation of its job moves it. Set by `Command::MarkMigrate`.
    #[serde(default)]
    pub migrate: bool,
    /// When it is stopped, its tasks are not given their `shutdown_delay`. Set by `Command::SkipShutdownDelay`.
    #[serde(default)]
    pub no_shutdown_delay: bool,
    /// Since when the servers do not know what became of it; `None` unless it is `unknown`.
    #[serde(default)]
    pub unknown_since: Option<Timestamp>,
    /// Its node was cut off and is back: it runs, and what replaced it meanwhile may run too. Until the next
    /// evaluation of its job decides which one stays.
    #[serde(default)]
    pub returned: bool,
    /// When it was placed operators allowed tasks to use more memory than they reserve.
    #[serde(default)]
    pub oversubscribed: bool,
    /// Allocations that were evicted to make room for it.
    #[serde(default)]
    pub preempted: Vec<AllocId>,
    /// The one it was evicted for.
    #[serde(default)]
    pub preempted_by: Option<AllocId>,
    pub reschedules: Vec<RescheduleEvent>,
    pub metric: Option<Arc<crate::metric::AllocMetric>>,
    pub create_time: Timestamp,
    pub modify_time: Timestamp,
    pub create_index: u64,
    pub modify_index: u64,
    /// Log index of the last change by the servers, not the node: what the node waits for.
    pub alloc_modify_index: u64,
}

impl Allocation {
    /// `job.group[index]`
    pub fn name(&self) -> String {
        format!("{}.{}[{}]", self.job.id, self.group, self.index)
    }

    /// It runs and does what it shall: its deployment found it healthy, or, where none asks, its checks pass.
    pub fn is_healthy(&self) -> bool {
        self.client == ClientStatus::Running
            && match self.health {
                Some(health) => health.healthy,
                None if self.deployment.is_some() => false,
                None => self.services.iter().all(|service| service.status() == CheckStatus::Passing),
            }
    }

    /// It counts on a node without filling its place in the group: nobody knows whether it runs, or it is back and
    /// nobody has decided yet whether it stays.
    pub fn is_double(&self) -> bool {
        self.client == ClientStatus::Unknown || self.returned
    }

    /// It shall not run, or no longer runs.
    pub fn is_terminal(&self) -> bool {
        self.desired != DesiredStatus::Run || self.client.is_terminal()
    }
}

/// A port that was given to an allocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedPort {
    pub label: Arc<str>,
    /// The task that asked; `None` for the group's network.
    pub task: Option<Arc<str>>,
    /// On the host.
    pub value: u16,
    /// Inside the container; 0: as on the host (or what `port_map` says).
    pub to: u16,
    /// Others may have it on the same node too: it was asked for so, by number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_collision: bool,
}

/// Whether a deployment may count on the allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocHealth {
    pub healthy: bool,
    pub since: Timestamp,
    /// Log index at which the servers learnt it.
    #[serde(default)]
    pub modify_index: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskPhase {
    #[default]
    Pending,
    Running,
    Dead,
}

impl TaskPhase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Dead => "dead",
        }
    }
}

/// The life of one task so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskState {
    pub phase: TaskPhase,
    pub failed: bool,
    pub restarts: u32,
    pub last_restart: Timestamp,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// The last ten, oldest first.
    pub events: Vec<TaskEvent>,
}

impl TaskState {
    /// Adds an event; beyond ten the oldest is forgotten.
    pub fn push(&mut self, event: TaskEvent) {
        if self.events.len() >= 10 {
            self.events.remove(0);
        }
        self.events.push(event);
    }
}

/// Names of task events, as the HTTP API and `alloc status` show them.
pub mod event_type {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer};

    use crate::words;

    pub const RECEIVED: &str = "Received";
    pub const TASK_SETUP: &str = "Task Setup";
    pub const SETUP_FAILURE: &str = "Setup Failure";
    /// Says what a file waits for, and what became of it.
    pub const TEMPLATE: &str = "Template";
    pub const DOWNLOADING_ARTIFACTS: &str = "Downloading Artifacts";
    pub const ARTIFACT_FAILED: &str = "Failed Artifact Download";
    /// Says what was taken over of the allocation before, or why nothing was.
    pub const EPHEMERAL_DISK: &str = "Ephemeral Disk";
    pub const DRIVER: &str = "Driver";
    pub const DRIVER_FAILURE: &str = "Driver Failure";
    pub const STARTED: &str = "Started";
    pub const TERMINATED: &str = "Terminated";
    pub const RESTARTING: &str = "Restarting";
    pub const NOT_RESTARTING: &str = "Not Restarting";
    pub const RESTART_SIGNALED: &str = "Restart Signaled";
    pub const KILLING: &str = "Killing";
    pub const KILLED: &str = "Killed";
    pub const SIBLING_FAILED: &str = "Sibling Task Failed";
    pub const LEADER_DEAD: &str = "Leader Task Dead";
    pub const MAIN_DEAD: &str = "Main Tasks Dead";
    pub const SIGNALING: &str = "Signaling";
    pub const SHUTDOWN_DELAY: &str = "Waiting for shutdown delay";
    pub const ALLOC_UNHEALTHY: &str = "Alloc Unhealthy";
    pub const FAILED_RESTORING: &str = "Failed Restoring Task";

    /// What stands in the events of every task.
    const COMMON: &[&str] = &[
        RECEIVED,
        TASK_SETUP,
        STARTED,
        TERMINATED,
        KILLING,
        KILLED,
        "Task received by client",
        "Building Task Directory",
        "Task started by client",
        "Task successfully killed",
    ];

    pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, str>, D::Error> {
        Cow::<'static, str>::deserialize(deserializer).map(|text| words::known(text, COMMON))
    }
}

/// Something that happened to a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskEvent {
    /// One of [`event_type`].
    #[serde(deserialize_with = "event_type::read")]
    pub kind: Cow<'static, str>,
    pub time: Timestamp,
    /// The sentence that is shown.
    #[serde(deserialize_with = "event_type::read")]
    pub message: Cow<'static, str>,
    /// Facts under the names of the HTTP API (`exit_code`, `signal`, `oom_killed`, `restart_reason`, `start_delay`,
    /// `kill_timeout`, `fails_task`, `driver_error`, ...).
    #[serde(skip_serializing_if = "SmallMap::is_empty")]
    pub details: SmallMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    Passing,
    Warning,
    Critical,
}

impl CheckStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One instance of a service as its node sees it, after interpolation. Reported while the service is registered:
/// from the start of its task until just before the kill signal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceState {
    /// The task that holds the service; empty for the group's services.
    pub task: String,
    pub name: String,
    pub tags: Vec<String>,
    pub meta: BTreeMap<String, String>,
    /// Where clients connect to.
    pub address: String,
    /// 0 for a service without a port.
    pub port: u16,
    pub port_label: String,
    pub checks: Vec<CheckState>,
    #[serde(default, skip_serializing_if = "Weights::is_default")]
    pub weights: Weights,
    /// Under names of the user's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, TaggedAddress>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enable_tag_override: bool,
}

impl ServiceState {
    /// The worst of its checks; passing when it has none.
    pub fn status(&self) -> CheckStatus {
        self.checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Passing)
    }
}

/// The last result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckState {
    pub name: String,
    /// `tcp`, `http` or `script`.
    pub kind: String,
    pub status: CheckStatus,
    /// What the check said, at most 4 KiB.
    pub output: String,
    pub updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "OnUpdate::is_default")]
    pub on_update: OnUpdate,
}

/// One earlier attempt in a chain of replacements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescheduleEvent {
    pub time: Timestamp,
    pub previous: AllocId,
    pub previous_node: NodeId,
    /// How long this attempt had waited.
    pub delay: std::time::Duration,
}

/// What a node reports of an allocation. Replaces the earlier report as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllocUpdate {
    pub id: AllocId,
    pub client: ClientStatus,
    pub client_description: String,
    pub tasks: Arc<SmallMap<String, TaskState>>,
    pub services: Vec<ServiceState>,
    pub health: Option<AllocHealth>,
    /// The deployment that `health` speaks of: a report about an earlier one is not counted.
    pub deployment: Option<DeploymentId>,
    pub time: Timestamp,
}
