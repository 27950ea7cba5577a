//! Evaluations: reasons to look at a job.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{DeploymentId, EvalId, JobKey, NodeId},
    job::JobType,
    metric::AllocMetric,
    time::Timestamp,
};

/// Why an evaluation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    JobRegister,
    JobDeregister,
    /// A slot of the job's calendar has come.
    PeriodicJob,
    /// Somebody stopped an allocation.
    AllocStop,
    /// Somebody stopped an allocation and wants another one in its place, also where jobs run on every node.
    AllocReschedule,
    NodeUpdate,
    AllocFailure,
    DeploymentWatcher,
    QueuedAllocs,
    MaxPlanAttempts,
    FailedFollowUp,
    NodeDrain,
    MaxDisconnectTimeout,
    Reconnect,
    /// Allocations of the job gave up their room for more important ones.
    Preemption,
}

impl Trigger {
    pub const ALL: [Self; 15] = [
        Self::JobRegister,
        Self::JobDeregister,
        Self::PeriodicJob,
        Self::AllocStop,
        Self::AllocReschedule,
        Self::NodeUpdate,
        Self::AllocFailure,
        Self::DeploymentWatcher,
        Self::QueuedAllocs,
        Self::MaxPlanAttempts,
        Self::FailedFollowUp,
        Self::NodeDrain,
        Self::MaxDisconnectTimeout,
        Self::Reconnect,
        Self::Preemption,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobRegister => "job-register",
            Self::JobDeregister => "job-deregister",
            Self::PeriodicJob => "periodic-job",
            Self::AllocStop => "alloc-stop",
            Self::AllocReschedule => "alloc-reschedule",
            Self::NodeUpdate => "node-update",
            Self::AllocFailure => "alloc-failure",
            Self::DeploymentWatcher => "deployment-watcher",
            Self::QueuedAllocs => "queued-allocs",
            Self::MaxPlanAttempts => "max-plan-attempts",
            Self::FailedFollowUp => "failed-follow-up",
            Self::NodeDrain => "node-drain",
            Self::MaxDisconnectTimeout => "max-disconnect-timeout",
            Self::Reconnect => "reconnect",
            Self::Preemption => "preemption",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvalStatus {
    #[default]
    Pending,
    /// Waits for capacity.
    Blocked,
    Complete,
    Failed,
    Canceled,
}

impl EvalStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Blocked => "blocked",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Canceled)
    }
}

/// One look at one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub id: EvalId,
    pub job: JobKey,
    pub kind: JobType,
    pub priority: u16,
    pub trigger: Trigger,
    pub status: EvalStatus,
    pub status_description: String,
    pub job_index: u64,
    pub node: Option<NodeId>,
    pub deployment: Option<DeploymentId>,
    /// Not to be processed before; zero: at once.
    pub wait_until: Timestamp,
    pub previous: Option<EvalId>,
    pub next: Option<EvalId>,
    pub blocked: Option<EvalId>,
    /// Per group that could not be placed as a whole: why.
    pub failed_groups: BTreeMap<String, AllocMetric>,
    /// Per group: allocations wanted and not placed.
    pub queued: BTreeMap<String, u32>,
    /// For a blocked evaluation: classes already looked at, and whether each could run the job if it had room.
    pub class_eligibility: BTreeMap<String, bool>,
    /// For a blocked evaluation: a constraint looks at what is unique to nodes, so classes say nothing.
    pub escaped_class: bool,
    /// For a blocked evaluation: resource dimensions that were missing (`cpu`, `memory`, ...).
    pub missing: BTreeSet<String>,
    /// For a blocked evaluation of a job that runs on every node: the nodes that had no room. Nobody else can help.
    #[serde(default)]
    pub full_nodes: BTreeSet<NodeId>,
    /// State index that the scheduler had seen.
    pub snapshot_index: u64,
    pub create_time: Timestamp,
    pub modify_time: Timestamp,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Evaluation {
    pub fn new(
        id: EvalId,
        job: JobKey,
        kind: JobType,
        priority: u16,
        trigger: Trigger,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            job,
            kind,
            priority,
            trigger,
            status: EvalStatus::Pending,
            status_description: String::new(),
            job_index: 0,
            node: None,
            deployment: None,
            wait_until: Timestamp::ZERO,
            previous: None,
            next: None,
            blocked: None,
            failed_groups: BTreeMap::new(),
            queued: BTreeMap::new(),
            class_eligibility: BTreeMap::new(),
            escaped_class: false,
            missing: BTreeSet::new(),
            full_nodes: BTreeSet::new(),
            snapshot_index: 0,
            create_time: now,
            modify_time: now,
            create_index: 0,
            modify_index: 0,
        }
    }
}
