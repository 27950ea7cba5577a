//! What is kept with a version of a job: the text it was made from, and a name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A name for one version of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VersionTag {
    /// Unique in the job.
    pub name: String,
    pub description: String,
    pub tagged_at: Timestamp,
}

/// The text that a version of a job was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Submission {
    pub source: String,
    /// `hcl2`, `hcl1` or `json`.
    pub format: String,
    /// Values of variables from the command line.
    pub variable_flags: BTreeMap<String, String>,
    /// Files of variables, as one text.
    pub variables: String,
}

impl Submission {
    /// More is not kept. (Nomad's `job_max_source_size`.)
    pub const MAX_BYTES: usize = 1_000_000;

    /// Bytes of all its texts.
    pub fn size(&self) -> usize {
        let flags = self.variable_flags.iter().map(|(name, value)| name.len() + value.len());
        self.source.len() + self.format.len() + self.variables.len() + flags.sum::<usize>()
    }
}
