//! What people do to allocations, and files of allocations.

use crate::{
    time::Time,
    wire::{is_default, wire},
};

wire! {
    pub struct AllocStopResponse {
        #[serde(rename = "EvalID")]
        pub eval_id: String,
        pub index: u64,
    }

    pub struct AllocRestartRequest {
        /// Empty: all that run.
        pub task_name: String,
        pub all_tasks: bool,
    }

    pub struct AllocSignalRequest {
        /// Empty: all that run.
        pub task: String,
        /// Default: `SIGKILL`.
        pub signal: String,
    }

    /// A node did it.
    pub struct NodeAnswer {
        pub index: u64,
    }

    pub struct AllocFileInfo {
        pub name: String,
        pub is_dir: bool,
        /// Bytes.
        pub size: u64,
        /// `-rw-r--r--`
        pub file_mode: String,
        pub mod_time: Time,
        #[serde(skip_serializing_if = "is_default")]
        pub content_type: String,
    }
}
