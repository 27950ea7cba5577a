//! What the scheduler decided. A plan leaves nothing to choose for whoever applies it.

mod shared; // placements as they are written

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    alloc::{AssignedPort, ClientStatus, RescheduleEvent},
    claims::Claims,
    deployment::{Deployment, DeploymentStatus},
    eval::Evaluation,
    ids::{AllocId, DeploymentId, EvalId, JobKey, NodeId},
    metric::AllocMetric,
    time::Timestamp,
};

/// Everything one evaluation wants changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub eval: EvalId,
    pub job: JobKey,
    /// `Job::job_modify_index` of the version that is placed; 0 when only stopping.
    pub job_index: u64,
    pub priority: u16,
    pub all_at_once: bool,
    /// State index of the snapshot the plan was made from.
    pub snapshot_index: u64,
    pub stops: Vec<AllocStop>,
    #[serde(with = "shared")]
    pub placements: Vec<Placement>,
    /// Allocations of less important jobs that give up their room for placements.
    #[serde(default)]
    pub evictions: Vec<Eviction>,
    /// One evaluation for each job that loses an allocation.
    #[serde(default)]
    pub preempted_jobs: Vec<Evaluation>,
    /// Allocations that keep running and get the plan's job version.
    pub in_place: Vec<AllocId>,
    /// The deployment that updates in place belong to.
    pub deployment_id: Option<DeploymentId>,
    /// A new deployment, or the running one with new totals.
    pub deployment: Option<Deployment>,
    pub deployment_updates: Vec<(DeploymentId, DeploymentStatus, String)>,
    /// Failed allocations whose replacement waits for a follow-up evaluation.
    pub followups: Vec<(AllocId, EvalId)>,
    /// Allocations on disconnected nodes of which nothing is known any more, for as long as their group allows.
    #[serde(default)]
    pub unknown: Vec<AllocId>,
    /// Allocations that came back with their nodes and stay.
    #[serde(default)]
    pub reconnected: Vec<AllocId>,
    /// What is placed may use memory up to its `memory_max`.
    #[serde(default)]
    pub oversubscribed: bool,
    pub now: Timestamp,
}

impl Plan {
    pub fn new(eval: EvalId, job: JobKey, priority: u16, snapshot_index: u64, now: Timestamp) -> Self {
        Self {
            eval,
            job,
            job_index: 0,
            priority,
            all_at_once: false,
            snapshot_index,
            stops: Vec::new(),
            placements: Vec::new(),
            evictions: Vec::new(),
            preempted_jobs: Vec::new(),
            in_place: Vec::new(),
            deployment_id: None,
            deployment: None,
            deployment_updates: Vec::new(),
            followups: Vec::new(),
            unknown: Vec::new(),
            reconnected: Vec::new(),
            oversubscribed: false,
            now,
        }
    }

    /// Changes nothing.
    pub fn is_noop(&self) -> bool {
        self.stops.is_empty()
            && self.placements.is_empty()
            && self.in_place.is_empty()
            && self.deployment.is_none()
            && self.deployment_updates.is_empty()
            && self.followups.is_empty()
            && self.unknown.is_empty()
            && self.reconnected.is_empty()
    }
}

/// An allocation that shall no longer run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocStop {
    pub id: AllocId,
    pub node: NodeId,
    pub description: String,
    /// Set where no node will report any more (`Lost`).
    pub client: Option<ClientStatus>,
}

/// An allocation that gives up its room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eviction {
    pub id: AllocId,
    pub node: NodeId,
    /// The placement that it gives way to; another one of the plan on the same node may use what that leaves.
    pub by: AllocId,
}

/// A new allocation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Placement {
    pub id: AllocId,
    pub node: NodeId,
    pub group: Arc<str>,
    pub index: u32,
    pub ports: Vec<AssignedPort>,
    /// Cores and devices, if it asked for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Arc<Claims>>,
    pub deployment: Option<DeploymentId>,
    /// A new version that runs beside the old one until it is promoted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// The version placed, where it is not the plan's: what replaces a lost allocation of the stable version while the
    /// new one still has to prove itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_index: Option<u64>,
    pub previous: Option<AllocId>,
    pub reschedules: Vec<RescheduleEvent>,
    /// Shared by the placements that were decided together; a plan writes each once.
    #[serde(skip)]
    pub metric: Option<Arc<AllocMetric>>,
}

/// How many allocations of a group a plan touches, by kind of change. Shown by `plan` and `eval status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupAnnotation {
    pub ignore: u32,
    pub place: u32,
    pub stop: u32,
    pub migrate: u32,
    pub in_place: u32,
    pub destructive: u32,
    /// New versions beside the old ones, to be promoted.
    pub canary: u32,
    /// Allocations of other jobs that give up their room for the group.
    pub preemptions: u32,
}

/// Per group.
pub type Annotations = BTreeMap<String, GroupAnnotation>;
