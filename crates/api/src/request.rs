//! What clients ask of jobs, and the answers.

use crate::{
    alloc::AllocListStub,
    diff::JobDiff,
    eval::Evaluation,
    job::Job,
    metric::AllocMetric,
    submission::JobSubmission,
    time::Time,
    wire::{Map, nil, wire},
};

wire! {
    pub struct JobRegisterRequest {
        pub job: Option<Job>,
        /// The text the job was made from; kept with the version.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub submission: Option<JobSubmission>,
        /// Register only if the stored job's index is `job_modify_index` (0: there is none).
        pub enforce_index: bool,
        pub job_modify_index: u64,
        pub policy_override: bool,
        pub preserve_counts: bool,
        pub preserve_resources: bool,
        pub eval_priority: i64,
        pub region: String,
        pub namespace: String,
    }

    pub struct JobRegisterResponse {
        #[serde(rename = "EvalID")]
        pub eval_id: String,
        pub eval_create_index: u64,
        pub job_modify_index: u64,
        pub warnings: String,
        pub index: u64,
        /// Nanoseconds.
        pub last_contact: i64,
        pub known_leader: bool,
        pub next_token: String,
    }

    pub struct JobDeregisterResponse {
        #[serde(rename = "EvalID")]
        pub eval_id: String,
        pub eval_create_index: u64,
        pub job_modify_index: u64,
        #[serde(rename = "VolumeEvalID")]
        pub volume_eval_id: String,
        pub volume_eval_index: u64,
        pub index: u64,
        /// Nanoseconds.
        pub last_contact: i64,
        pub known_leader: bool,
        pub next_token: String,
    }

    pub struct JobEvaluateRequest {
        #[serde(rename = "JobID")]
        pub job_id: String,
        pub eval_options: EvalOptions,
    }

    pub struct EvalOptions {
        pub force_reschedule: bool,
    }

    /// Registers an earlier version anew.
    pub struct JobRevertRequest {
        #[serde(rename = "JobID")]
        pub job_id: String,
        pub job_version: u64,
        /// Only if this is the version now.
        pub enforce_prior_version: Option<u64>,
    }

    pub struct JobStabilityRequest {
        #[serde(rename = "JobID")]
        pub job_id: String,
        pub job_version: u64,
        pub stable: bool,
    }

    pub struct JobStabilityResponse {
        pub index: u64,
    }

    pub struct JobsParseRequest {
        #[serde(rename = "JobHCL")]
        pub job_hcl: String,
        /// Values for the variables of the job file: `name = value` lines.
        pub variables: String,
        pub canonicalize: bool,
    }

    pub struct JobValidateRequest {
        pub job: Option<Job>,
        pub region: String,
        pub namespace: String,
    }

    pub struct JobValidateResponse {
        pub driver_config_validated: bool,
        #[serde(with = "nil")]
        pub validation_errors: Vec<String>,
        pub error: String,
        pub warnings: String,
    }

    pub struct JobVersionsResponse {
        pub versions: Vec<Job>,
        /// Asked for with `diffs`: of each version to the one before it. One less than there are versions.
        pub diffs: Option<Vec<JobDiff>>,
        pub index: u64,
        /// Nanoseconds.
        pub last_contact: i64,
        pub known_leader: bool,
        pub next_token: String,
    }

    pub struct JobPlanRequest {
        pub job: Option<Job>,
        pub diff: bool,
        pub policy_override: bool,
        pub region: String,
        pub namespace: String,
    }

    /// What would be done; nothing is.
    pub struct JobPlanResponse {
        pub annotations: Option<PlanAnnotations>,
        #[serde(rename = "FailedTGAllocs", with = "nil")]
        pub failed_tg_allocs: Map<AllocMetric>,
        /// 0 for a new job; pass it to a register with `EnforceIndex`.
        pub job_modify_index: u64,
        #[serde(with = "nil")]
        pub created_evals: Vec<Evaluation>,
        pub diff: Option<JobDiff>,
        /// Null: the job does not run by the clock.
        pub next_periodic_launch: Time,
        pub warnings: String,
        pub index: u64,
    }

    pub struct PlanAnnotations {
        #[serde(rename = "DesiredTGUpdates", with = "nil")]
        pub desired_tg_updates: Map<DesiredUpdates>,
        #[serde(with = "nil")]
        pub preempted_allocs: Vec<AllocListStub>,
    }

    pub struct DesiredUpdates {
        pub ignore: u64,
        pub place: u64,
        pub migrate: u64,
        pub stop: u64,
        pub in_place_update: u64,
        pub destructive_update: u64,
        pub canary: u64,
        pub preemptions: u64,
        pub disconnect: u64,
        pub reconnect: u64,
        pub reschedule_now: u64,
        pub reschedule_later: u64,
    }
}

/// What read answers carry in headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryMeta {
    pub index: u64,
    pub known_leader: bool,
    /// Milliseconds since the answering server heard of the leader.
    pub last_contact_ms: u64,
}

impl From<&model::GroupAnnotation> for DesiredUpdates {
    fn from(annotation: &model::GroupAnnotation) -> Self {
        Self {
            ignore: u64::from(annotation.ignore),
            place: u64::from(annotation.place),
            migrate: u64::from(annotation.migrate),
            stop: u64::from(annotation.stop),
            in_place_update: u64::from(annotation.in_place),
            destructive_update: u64::from(annotation.destructive),
            canary: u64::from(annotation.canary),
            preemptions: u64::from(annotation.preemptions),
            ..Self::default()
        }
    }
}
