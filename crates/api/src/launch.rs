//! Jobs that launch others, and helpers of a group's main tasks.

use crate::wire::{Map, base64_text, nil, wire};

wire! {
    pub struct DispatchPayloadConfig {
        pub file: String,
    }

    pub struct TaskLifecycle {
        /// `prestart`, `poststart` or `poststop`.
        pub hook: String,
        pub sidecar: bool,
    }

    pub struct PeriodicConfig {
        /// Default: true.
        pub enabled: Option<bool>,
        /// The only expression, if there is one only.
        pub spec: String,
        /// All of them, if there are several.
        #[serde(with = "nil")]
        pub specs: Vec<String>,
        /// `cron`.
        pub spec_type: String,
        pub prohibit_overlap: bool,
        /// Default: `UTC`.
        pub time_zone: String,
    }

    pub struct ParameterizedJobConfig {
        /// `optional`, `required` or `forbidden`. Default: `optional`.
        pub payload: String,
        #[serde(with = "nil")]
        pub meta_required: Vec<String>,
        #[serde(with = "nil")]
        pub meta_optional: Vec<String>,
    }

    pub struct JobDispatchRequest {
        #[serde(rename = "JobID")]
        pub job_id: String,
        /// Base64 on the wire.
        #[serde(with = "base64_text")]
        pub payload: Vec<u8>,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        pub id_prefix_template: String,
        /// 0: that of the parameterized job.
        pub priority: i64,
    }

    pub struct JobDispatchResponse {
        #[serde(rename = "DispatchedJobID")]
        pub dispatched_job_id: String,
        #[serde(rename = "EvalID")]
        pub eval_id: String,
        pub eval_create_index: u64,
        pub job_create_index: u64,
        pub index: u64,
    }

    pub struct PeriodicForceResponse {
        #[serde(rename = "EvalID")]
        pub eval_id: String,
        pub eval_create_index: u64,
        pub index: u64,
    }
}

impl From<model::Lifecycle> for TaskLifecycle {
    fn from(lifecycle: model::Lifecycle) -> Self {
        Self { hook: lifecycle.hook.as_str().to_owned(), sidecar: lifecycle.sidecar }
    }
}
