//! Deployments: the roll-out of a job version, group by group.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AllocId, DeploymentId, JobKey},
    time::Timestamp,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    #[default]
    Running,
    /// By hand: nothing is replaced and no deadline passes until it is resumed.
    Paused,
    Successful,
    Failed,
    Cancelled,
}

impl DeploymentStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// It has not ended.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// Descriptions that people and scripts know.
pub mod description {
    pub const RUNNING: &str = "Deployment is running";
    pub const NEEDS_PROMOTION: &str = "Deployment is running but requires manual promotion";
    pub const AUTO_PROMOTION: &str = "Deployment is running pending automatic promotion";
    pub const PAUSED: &str = "Deployment is paused";
    pub const FAILED_BY_HAND: &str = "Deployment marked as failed";
    pub const SUCCESSFUL: &str = "Deployment completed successfully";
    pub const NEWER_JOB: &str = "Cancelled due to newer version of job";
    pub const STOPPED_JOB: &str = "Cancelled because job is stopped";
    pub const UNHEALTHY: &str = "Failed due to unhealthy allocations";
    pub const PROGRESS_DEADLINE: &str = "Failed due to progress deadline";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: DeploymentId,
    pub job: JobKey,
    pub job_version: u64,
    /// `Job::job_modify_index` of the version rolled out.
    pub job_index: u64,
    pub job_create_index: u64,
    pub groups: BTreeMap<String, GroupRollout>,
    pub status: DeploymentStatus,
    pub status_description: String,
    pub create_time: Timestamp,
    pub modify_time: Timestamp,
    pub create_index: u64,
    pub modify_index: u64,
}

/// One group's part of a deployment. The counters are kept by `state` from the allocations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupRollout {
    pub desired_total: u32,
    /// Allocations of the new version that have to prove themselves before any old one goes; 0: none, or none any more
    /// to come.
    pub desired_canaries: u32,
    /// Those that were placed, also ones that were replaced since.
    pub placed_canaries: BTreeSet<AllocId>,
    /// The canaries were found good, and the rest follows.
    pub promoted: bool,
    /// The canaries are promoted as soon as all are healthy.
    pub auto_promote: bool,
    /// If this group fails, the newest stable version comes back.
    pub auto_revert: bool,
    pub placed: u32,
    pub healthy: u32,
    pub unhealthy: u32,
    pub progress_deadline: Duration,
    /// Fails when there is no newly healthy allocation by then; zero before the first placement.
    pub require_progress_by: Timestamp,
}

impl GroupRollout {
    /// Nothing but canaries is begun until they are promoted.
    pub fn awaits_promotion(&self) -> bool {
        self.desired_canaries > 0 && !self.promoted
    }
}

impl Deployment {
    /// What it is described as while it runs.
    pub fn running_description(&self) -> &'static str {
        let mut waiting = self.groups.values().filter(|group| group.awaits_promotion()).peekable();
        if waiting.peek().is_none() {
            description::RUNNING
        } else if waiting.all(|group| group.auto_promote) {
            description::AUTO_PROMOTION
        } else {
            description::NEEDS_PROMOTION
        }
    }
}
