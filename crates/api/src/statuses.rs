//! Jobs with all that a page about them shows: `/v1/jobs/statuses`.

use crate::wire::{nil, wire};

wire! {
    pub struct JobStatusesRequest {
        /// None: all jobs.
        #[serde(with = "nil")]
        pub jobs: Vec<JobStatusesKey>,
        /// Also jobs that others have launched.
        pub include_children: bool,
    }

    pub struct JobStatusesKey {
        #[serde(rename = "ID")]
        pub id: String,
        pub namespace: String,
    }

    pub struct JobStatusesJob {
        #[serde(rename = "ID")]
        pub id: String,
        pub namespace: String,
        pub name: String,
        #[serde(rename = "Type")]
        pub kind: String,
        pub node_pool: String,
        #[serde(with = "nil")]
        pub datacenters: Vec<String>,
        pub priority: i64,
        pub version: u64,
        /// Nanoseconds since 1970.
        pub submit_time: i64,
        pub modify_index: u64,
        #[serde(with = "nil")]
        pub allocs: Vec<JobStatusesAlloc>,
        pub group_count_sum: i64,
        /// Of the jobs that it has launched; null if it launches none.
        pub child_statuses: Option<Vec<String>>,
        #[serde(rename = "ParentID")]
        pub parent_id: String,
        pub latest_deployment: Option<JobStatusesDeployment>,
        pub stop: bool,
        pub is_pack: bool,
        pub status: String,
    }

    pub struct JobStatusesAlloc {
        #[serde(rename = "ID")]
        pub id: String,
        pub group: String,
        pub client_status: String,
        #[serde(rename = "NodeID")]
        pub node_id: String,
        pub deployment_status: JobStatusesHealth,
        pub job_version: u64,
        #[serde(rename = "FollowupEvalID")]
        pub followup_eval_id: String,
        pub has_paused_task: bool,
    }

    pub struct JobStatusesHealth {
        pub canary: bool,
        /// Null: not known yet.
        pub healthy: Option<bool>,
    }

    pub struct JobStatusesDeployment {
        #[serde(rename = "ID")]
        pub id: String,
        pub is_active: bool,
        pub job_version: u64,
        pub status: String,
        pub status_description: String,
        pub all_auto_promote: bool,
        pub requires_promotion: bool,
    }
}
