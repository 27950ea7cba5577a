//! Evaluations.

use crate::{
    metric::AllocMetric,
    request::PlanAnnotations,
    time::Time,
    wire::{Absent, Map, id_text, is_default, wire},
};

wire! {
    /// Keys without a value are left out.
    pub struct Evaluation {
        #[serde(rename = "ID")]
        pub id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub namespace: String,
        #[serde(skip_serializing_if = "is_default")]
        pub priority: i64,
        #[serde(rename = "Type", skip_serializing_if = "is_default")]
        pub kind: String,
        #[serde(skip_serializing_if = "is_default")]
        pub triggered_by: String,
        #[serde(rename = "JobID", skip_serializing_if = "is_default")]
        pub job_id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub job_modify_index: u64,
        #[serde(rename = "NodeID", skip_serializing_if = "is_default")]
        pub node_id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub node_modify_index: u64,
        #[serde(rename = "DeploymentID", skip_serializing_if = "is_default")]
        pub deployment_id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub status: String,
        #[serde(skip_serializing_if = "is_default")]
        pub status_description: String,
        /// Nanoseconds.
        #[serde(skip_serializing_if = "is_default")]
        pub wait: i64,
        #[serde(skip_serializing_if = "is_default")]
        pub wait_until: Time,
        #[serde(skip_serializing_if = "is_default")]
        pub next_eval: String,
        #[serde(skip_serializing_if = "is_default")]
        pub previous_eval: String,
        #[serde(skip_serializing_if = "is_default")]
        pub blocked_eval: String,
        #[serde(skip_serializing_if = "is_default")]
        pub related_evals: Vec<EvaluationStub>,
        #[serde(rename = "FailedTGAllocs", skip_serializing_if = "is_default")]
        pub failed_tg_allocs: Map<AllocMetric>,
        #[serde(skip_serializing_if = "is_default")]
        pub plan_annotations: Option<PlanAnnotations>,
        #[serde(skip_serializing_if = "is_default")]
        pub class_eligibility: Map<bool>,
        #[serde(skip_serializing_if = "is_default")]
        pub quota_limit_reached: String,
        #[serde(skip_serializing_if = "is_default")]
        pub missing_non_node_resources: Absent,
        #[serde(skip_serializing_if = "is_default")]
        pub escaped_computed_class: bool,
        #[serde(skip_serializing_if = "is_default")]
        pub annotate_plan: bool,
        #[serde(skip_serializing_if = "is_default")]
        pub queued_allocations: Map<i64>,
        #[serde(skip_serializing_if = "is_default")]
        pub snapshot_index: u64,
        #[serde(skip_serializing_if = "is_default")]
        pub create_index: u64,
        #[serde(skip_serializing_if = "is_default")]
        pub modify_index: u64,
        /// Nanoseconds since 1970.
        #[serde(skip_serializing_if = "is_default")]
        pub create_time: i64,
        #[serde(skip_serializing_if = "is_default")]
        pub modify_time: i64,
    }

    /// An evaluation that came from, or led to, another one.
    pub struct EvaluationStub {
        #[serde(rename = "ID")]
        pub id: String,
        pub priority: i64,
        #[serde(rename = "Type")]
        pub kind: String,
        pub triggered_by: String,
        pub namespace: String,
        #[serde(rename = "JobID")]
        pub job_id: String,
        #[serde(rename = "NodeID")]
        pub node_id: String,
        #[serde(rename = "DeploymentID")]
        pub deployment_id: String,
        pub status: String,
        pub status_description: String,
        pub wait_until: Time,
        pub next_eval: String,
        pub previous_eval: String,
        pub blocked_eval: String,
        pub create_index: u64,
        pub modify_index: u64,
        pub create_time: i64,
        pub modify_time: i64,
    }
}

impl From<&model::Evaluation> for Evaluation {
    fn from(eval: &model::Evaluation) -> Self {
        Self {
            id: eval.id.to_string(),
            namespace: eval.job.namespace.to_string(),
            priority: i64::from(eval.priority),
            kind: eval.kind.as_str().to_owned(),
            triggered_by: eval.trigger.as_str().to_owned(),
            job_id: eval.job.id.to_string(),
            job_modify_index: eval.job_index,
            node_id: id_text(eval.node),
            deployment_id: id_text(eval.deployment),
            status: eval.status.as_str().to_owned(),
            status_description: eval.status_description.clone(),
            wait_until: eval.wait_until.into(),
            next_eval: id_text(eval.next),
            previous_eval: id_text(eval.previous),
            blocked_eval: id_text(eval.blocked),
            failed_tg_allocs: eval
                .failed_groups
                .iter()
                .map(|(group, metric)| (group.clone(), metric.into()))
                .collect(),
            class_eligibility: eval.class_eligibility.clone(),
            escaped_computed_class: eval.escaped_class,
            queued_allocations: eval
                .queued
                .iter()
                .map(|(group, count)| (group.clone(), i64::from(*count)))
                .collect(),
            snapshot_index: eval.snapshot_index,
            create_index: eval.create_index,
            modify_index: eval.modify_index,
            create_time: eval.create_time.as_nanos(),
            modify_time: eval.modify_time.as_nanos(),
            ..Self::default()
        }
    }
}

impl From<&model::Evaluation> for EvaluationStub {
    fn from(eval: &model::Evaluation) -> Self {
        Self {
            id: eval.id.to_string(),
            priority: i64::from(eval.priority),
            kind: eval.kind.as_str().to_owned(),
            triggered_by: eval.trigger.as_str().to_owned(),
            namespace: eval.job.namespace.to_string(),
            job_id: eval.job.id.to_string(),
            node_id: id_text(eval.node),
            deployment_id: id_text(eval.deployment),
            status: eval.status.as_str().to_owned(),
            status_description: eval.status_description.clone(),
            wait_until: eval.wait_until.into(),
            next_eval: id_text(eval.next),
            previous_eval: id_text(eval.previous),
            blocked_eval: id_text(eval.blocked),
            create_index: eval.create_index,
            modify_index: eval.modify_index,
            create_time: eval.create_time.as_nanos(),
            modify_time: eval.modify_time.as_nanos(),
        }
    }
}
