//! What a job was made from, and names of its versions.

use crate::wire::{Map, nil, wire};

wire! {
    /// The text that a version of a job was made from.
    pub struct JobSubmission {
        pub source: String,
        /// `hcl2`, `hcl1` or `json`.
        pub format: String,
        /// `-var` of the command line.
        #[serde(with = "nil")]
        pub variable_flags: Map<String>,
        /// `-var-file`, as one text.
        pub variables: String,
        pub namespace: String,
        #[serde(rename = "JobID")]
        pub job_id: String,
        pub version: u64,
        pub job_modify_index: u64,
    }

    pub struct JobTagRequest {
        pub name: String,
        pub description: String,
        /// Absent, and none asked for otherwise: the newest.
        pub version: Option<u64>,
        pub latest: bool,
    }

    pub struct JobTagResponse {
        pub name: String,
        pub description: String,
        /// Nanoseconds since 1970.
        pub tagged_time: i64,
        pub index: u64,
        /// Nanoseconds.
        pub last_contact: i64,
        pub known_leader: bool,
        pub next_token: String,
    }
}

impl JobSubmission {
    /// What the version of a job was made from.
    pub fn new(job: &model::Job, submission: &model::Submission) -> Self {
        Self {
            source: submission.source.clone(),
            format: submission.format.clone(),
            variable_flags: submission.variable_flags.clone(),
            variables: submission.variables.clone(),
            namespace: job.namespace.clone(),
            job_id: job.id.clone(),
            version: job.version,
            job_modify_index: job.job_modify_index,
        }
    }

    /// What is to be kept.
    pub fn into_model(self) -> model::Submission {
        model::Submission {
            source: self.source,
            format: if self.format.is_empty() { String::from("hcl2") } else { self.format },
            variable_flags: self.variable_flags,
            variables: self.variables,
        }
    }
}
