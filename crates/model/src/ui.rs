//! What pages about a job say besides.

use serde::{Deserialize, Serialize};

/// `ui`: what pages about the job say besides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobUi {
    /// Markdown, at most [`JobUi::LONGEST`] characters.
    pub description: String,
    pub links: Vec<JobLink>,
}

impl JobUi {
    /// Characters of a description.
    pub const LONGEST: usize = 1000;
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobLink {
    pub label: String,
    pub url: String,
}
