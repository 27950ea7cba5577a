//! Deployments.

use crate::{
    time::Time,
    wire::{Map, nanos, nil, wire},
};

wire! {
    pub struct Deployment {
        #[serde(rename = "ID")]
        pub id: String,
        pub namespace: String,
        #[serde(rename = "JobID")]
        pub job_id: String,
        pub job_version: u64,
        pub job_modify_index: u64,
        pub job_spec_modify_index: u64,
        pub job_create_index: u64,
        pub is_multiregion: bool,
        #[serde(with = "nil")]
        pub task_groups: Map<DeploymentState>,
        pub status: String,
        pub status_description: String,
        pub eval_priority: i64,
        pub create_index: u64,
        pub modify_index: u64,
        /// Nanoseconds since 1970.
        pub create_time: i64,
        pub modify_time: i64,
    }

    /// One group's part.
    pub struct DeploymentState {
        pub auto_revert: bool,
        pub auto_promote: bool,
        /// Nanoseconds.
        pub progress_deadline: i64,
        pub require_progress_by: Time,
        pub promoted: bool,
        #[serde(with = "nil")]
        pub placed_canaries: Vec<String>,
        pub desired_canaries: i64,
        pub desired_total: i64,
        pub placed_allocs: i64,
        pub healthy_allocs: i64,
        pub unhealthy_allocs: i64,
    }
}

wire! {
    pub struct DeploymentPauseRequest {
        #[serde(rename = "DeploymentID")]
        pub deployment_id: String,
        /// False: resume.
        pub pause: bool,
    }

    pub struct DeploymentPromoteRequest {
        #[serde(rename = "DeploymentID")]
        pub deployment_id: String,
        pub all: bool,
        #[serde(with = "nil")]
        pub groups: Vec<String>,
    }

    pub struct DeploymentHealthRequest {
        #[serde(rename = "DeploymentID")]
        pub deployment_id: String,
        #[serde(rename = "HealthyAllocationIDs", with = "nil")]
        pub healthy: Vec<String>,
        #[serde(rename = "UnhealthyAllocationIDs", with = "nil")]
        pub unhealthy: Vec<String>,
    }

    pub struct DeploymentUpdateResponse {
        /// Empty: nothing is to be scheduled.
        #[serde(rename = "EvalID")]
        pub eval_id: String,
        pub eval_create_index: u64,
        pub deployment_modify_index: u64,
        pub reverted_job_version: Option<u64>,
        pub index: u64,
    }
}

impl From<&model::Deployment> for Deployment {
    fn from(deployment: &model::Deployment) -> Self {
        Self {
            id: deployment.id.to_string(),
            namespace: deployment.job.namespace.to_string(),
            job_id: deployment.job.id.to_string(),
            job_version: deployment.job_version,
            job_modify_index: deployment.job_index,
            job_spec_modify_index: deployment.job_index,
            job_create_index: deployment.job_create_index,
            is_multiregion: false,
            task_groups: deployment.groups.iter().map(|(name, group)| (name.clone(), group.into())).collect(),
            status: deployment.status.as_str().to_owned(),
            status_description: deployment.status_description.clone(),
            eval_priority: 0,
            create_index: deployment.create_index,
            modify_index: deployment.modify_index,
            create_time: deployment.create_time.as_nanos(),
            modify_time: deployment.modify_time.as_nanos(),
        }
    }
}

impl From<&model::GroupRollout> for DeploymentState {
    fn from(group: &model::GroupRollout) -> Self {
        Self {
            progress_deadline: nanos(group.progress_deadline),
            require_progress_by: group.require_progress_by.into(),
            desired_total: i64::from(group.desired_total),
            placed_allocs: i64::from(group.placed),
            healthy_allocs: i64::from(group.healthy),
            unhealthy_allocs: i64::from(group.unhealthy),
            auto_revert: group.auto_revert,
            auto_promote: group.auto_promote,
            promoted: group.promoted,
            placed_canaries: group.placed_canaries.iter().map(ToString::to_string).collect(),
            desired_canaries: i64::from(group.desired_canaries),
        }
    }
}
