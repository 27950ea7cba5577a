//! Counts of groups, and changing them alone.

use crate::wire::{Absent, Map, nil, wire};

wire! {
    pub struct JobScaleRequest {
        /// Absent: only a note, which is not kept.
        pub count: Option<i64>,
        /// `Group`: its name.
        #[serde(with = "nil")]
        pub target: Map<String>,
        pub message: String,
        pub error: bool,
        pub meta: Absent,
        pub policy_override: bool,
        /// 0: whatever it is.
        pub job_modify_index: u64,
    }

    pub struct JobScaleStatus {
        #[serde(rename = "JobID")]
        pub job_id: String,
        pub namespace: String,
        pub job_create_index: u64,
        pub job_modify_index: u64,
        pub job_stopped: bool,
        pub task_groups: Map<TaskGroupScaleStatus>,
    }

    pub struct TaskGroupScaleStatus {
        pub desired: i64,
        pub placed: i64,
        pub running: i64,
        pub healthy: i64,
        pub unhealthy: i64,
        pub events: Absent,
    }
}
