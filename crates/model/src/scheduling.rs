//! What operators decide about the scheduler.

use serde::{Deserialize, Serialize};

use crate::job::JobType;

/// Which of two nodes with room is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// The fuller one: big allocations find room later.
    #[default]
    Binpack,
    /// The emptier one.
    Spread,
}

impl Algorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binpack => "binpack",
            Self::Spread => "spread",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Binpack, Self::Spread].into_iter().find(|one| one.as_str() == text)
    }
}

/// Which types of jobs may take the room of less important ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preemption {
    /// Default: yes.
    pub system: bool,
    pub sysbatch: bool,
    pub batch: bool,
    pub service: bool,
}

impl Preemption {
    pub fn is_on(self, kind: JobType) -> bool {
        match kind {
            JobType::Service => self.service,
            JobType::Batch => self.batch,
            JobType::System => self.system,
            JobType::Sysbatch => self.sysbatch,
        }
    }
}

impl Default for Preemption {
    fn default() -> Self {
        Self { system: true, sysbatch: false, batch: false, service: false }
    }
}

/// How the scheduler works (`operator scheduler`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulerSettings {
    pub algorithm: Algorithm,
    pub preemption: Preemption,
    /// Tasks may use more memory than they reserve, up to their `memory_max`.
    pub memory_oversubscription: bool,
    /// New jobs, and new versions of old ones, are turned away at the door.
    pub reject_job_registration: bool,
    /// Evaluations are kept, and nobody works on them.
    pub pause_eval_broker: bool,
    pub create_index: u64,
    pub modify_index: u64,
}
