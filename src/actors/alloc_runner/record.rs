//! What a node remembers of an allocation.

use std::sync::Arc;

use logic::{alloc_runner::is_over, heritage::TakeOver};
use model::{AllocHealth, Allocation, Job, SmallMap, TaskGroup, TaskState, Timestamp};
use serde::{Deserialize, Serialize};

use crate::actors::ports::{Part, Remembered, TaskHandle};

/// What a node remembers of an allocation: enough to go on after a restart of the agent.
#[derive(Debug, Clone)]
pub struct Record {
    pub row: Row,
    pub progress: Progress,
}

/// What the servers said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub alloc: Arc<Allocation>,
    pub job: Arc<Job>,
}

/// How far an allocation has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub handles: SmallMap<String, Arc<TaskHandle>>,
    pub tasks: Arc<SmallMap<String, TaskState>>,
    pub health: Option<AllocHealth>,
    /// Somebody wanted it stopped.
    pub killed: bool,
    /// When the first task ran; zero: none has.
    pub began: Timestamp,
    /// What is taken over of the allocation before, until that is done.
    pub takes_over: Option<TakeOver>,
}

impl Record {
    pub fn new(alloc: Arc<Allocation>, job: Arc<Job>) -> Self {
        let health = alloc.health;
        Self { row: Row { alloc, job }, progress: Progress { health, ..Progress::default() } }
    }

    pub fn encode(&self, part: Part) -> Vec<u8> {
        let bytes = match part {
            Part::Row => rmp_serde::to_vec_named(&self.row),
            Part::Progress => rmp_serde::to_vec_named(&self.progress),
        };
        bytes.expect("records hold no type that MessagePack cannot encode")
    }

    /// # Errors
    /// When the bytes are not a record.
    pub fn decode(remembered: &Remembered) -> Result<Self, rmp_serde::decode::Error> {
        // Rows once held all: each part skips what belongs to the other.
        let progress = remembered.progress.as_ref().unwrap_or(&remembered.row);
        Ok(Self { row: rmp_serde::from_slice(&remembered.row)?, progress: rmp_serde::from_slice(progress)? })
    }

    /// All tasks are over.
    pub fn is_over(&self) -> bool {
        !self.progress.tasks.is_empty() && is_over(&self.progress.tasks)
    }

    pub(in crate::actors) fn group(&self) -> Option<&TaskGroup> {
        self.row.job.group(&self.row.alloc.group)
    }
}
