//! Checks of one allocation.

use crate::wire::{is_default, wire};

wire! {
    pub struct CheckResult {
        #[serde(rename = "ID")]
        pub id: String,
        /// `healthiness` or `readiness`.
        pub mode: String,
        /// `success`, `failure` or `pending`.
        pub status: String,
        /// Of an HTTP check that was answered.
        #[serde(skip_serializing_if = "is_default")]
        pub status_code: u16,
        pub output: String,
        /// Seconds since 1970.
        pub timestamp: i64,
        /// Of the allocation: `job.group[0]`.
        pub group: String,
        /// Empty: the service is the group's.
        #[serde(skip_serializing_if = "is_default")]
        pub task: String,
        pub service: String,
        pub check: String,
    }
}
