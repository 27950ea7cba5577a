//! Jobs in lists, and how their allocations stand.

use crate::wire::{Absent, Map, is_default, nil, wire};

wire! {
    /// A job in lists.
    pub struct JobListStub {
        #[serde(rename = "ID")]
        pub id: String,
        #[serde(rename = "ParentID")]
        pub parent_id: String,
        pub name: String,
        #[serde(skip_serializing_if = "is_default")]
        pub namespace: String,
        #[serde(with = "nil")]
        pub datacenters: Vec<String>,
        pub node_pool: String,
        pub multiregion: Absent,
        #[serde(rename = "Type")]
        pub kind: String,
        pub priority: i64,
        pub periodic: bool,
        pub parameterized_job: bool,
        pub stop: bool,
        pub status: String,
        pub status_description: String,
        pub job_summary: Option<JobSummary>,
        pub create_index: u64,
        pub modify_index: u64,
        pub job_modify_index: u64,
        /// Nanoseconds since 1970.
        pub submit_time: i64,
        #[serde(skip_serializing_if = "is_default")]
        pub meta: Map<String>,
    }

    /// How the allocations of a job stand, per group.
    pub struct JobSummary {
        #[serde(rename = "JobID")]
        pub job_id: String,
        pub namespace: String,
        pub summary: Map<TaskGroupSummary>,
        /// Of periodic and parameterized jobs.
        pub children: Option<JobChildren>,
        pub create_index: u64,
        pub modify_index: u64,
    }

    pub struct JobChildren {
        pub pending: i64,
        pub running: i64,
        pub dead: i64,
    }

    pub struct TaskGroupSummary {
        pub queued: i64,
        pub complete: i64,
        pub failed: i64,
        pub running: i64,
        pub starting: i64,
        pub lost: i64,
        pub unknown: i64,
    }
}
