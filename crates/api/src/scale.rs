//! Counts of groups: changing them alone, their bounds, and what became of them.

use serde_json::Value;

use crate::{
    job_from_model::config_to_json,
    wire::{Map, nil, wire},
};

wire! {
    pub struct JobScaleRequest {
        /// Absent: only a note.
        pub count: Option<i64>,
        /// `Group`: its name.
        #[serde(with = "nil")]
        pub target: Map<String>,
        pub message: String,
        /// The note says that something went wrong; only without a count.
        pub error: bool,
        #[serde(with = "nil")]
        pub meta: Map<Value>,
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
        /// Newest first.
        #[serde(with = "nil")]
        pub events: Vec<ScalingEvent>,
    }

    pub struct ScalingEvent {
        /// Nanoseconds since 1970.
        pub time: i64,
        /// Null: a note.
        pub count: Option<i64>,
        pub previous_count: i64,
        pub message: String,
        pub error: bool,
        #[serde(with = "nil")]
        pub meta: Map<Value>,
        #[serde(rename = "EvalID")]
        pub eval_id: Option<String>,
        pub create_index: u64,
    }

    /// Bounds of a group's count, and what whoever scales it shall know.
    pub struct ScalingPolicy {
        #[serde(rename = "ID")]
        pub id: String,
        /// `horizontal`.
        #[serde(rename = "Type")]
        pub kind: String,
        #[serde(with = "nil")]
        pub target: Map<String>,
        /// Free words for the scaler.
        #[serde(with = "nil")]
        pub policy: Map<Value>,
        /// Default: the group's count.
        pub min: Option<i64>,
        pub max: Option<i64>,
        /// Default: true.
        pub enabled: Option<bool>,
        pub create_index: u64,
        pub modify_index: u64,
    }

    pub struct ScalingPolicyListStub {
        #[serde(rename = "ID")]
        pub id: String,
        pub enabled: bool,
        #[serde(rename = "Type")]
        pub kind: String,
        #[serde(with = "nil")]
        pub target: Map<String>,
        pub create_index: u64,
        pub modify_index: u64,
    }
}

impl ScalingPolicy {
    /// The policy of a group of that job.
    pub fn new(job: &model::Job, group: &str, scaling: &model::Scaling) -> Self {
        let key = job.key();
        let target = [("Namespace", &*key.namespace), ("Job", &*key.id), ("Group", group)];
        Self {
            id: model::Scaling::policy_id(&key, group),
            kind: String::from("horizontal"),
            target: target.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            policy: scaling
                .policy
                .iter()
                .map(|(name, value)| (name.clone(), config_to_json(value)))
                .collect(),
            min: Some(i64::from(scaling.min)),
            max: Some(i64::from(scaling.max)),
            enabled: Some(scaling.enabled),
            create_index: job.create_index,
            modify_index: job.job_modify_index,
        }
    }
}

impl From<ScalingPolicy> for ScalingPolicyListStub {
    fn from(policy: ScalingPolicy) -> Self {
        Self {
            id: policy.id,
            enabled: policy.enabled.unwrap_or(true),
            kind: policy.kind,
            target: policy.target,
            create_index: policy.create_index,
            modify_index: policy.modify_index,
        }
    }
}

impl From<&model::ScalingEvent> for ScalingEvent {
    fn from(event: &model::ScalingEvent) -> Self {
        Self {
            time: event.time.as_nanos(),
            count: event.count.map(i64::from),
            previous_count: i64::from(event.previous),
            message: event.message.clone(),
            error: event.error,
            meta: event.meta.iter().map(|(name, value)| (name.clone(), config_to_json(value))).collect(),
            eval_id: event.eval.map(|id| id.to_string()),
            create_index: event.create_index,
        }
    }
}
