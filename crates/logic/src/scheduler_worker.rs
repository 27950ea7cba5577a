//! What a worker does with the result of a plan.

use model::JobType;

/// How often a plan that was only partly committed is made anew from newer state.
pub fn attempts(kind: JobType) -> u32 {
    match kind {
        JobType::Service | JobType::System => 5,
        JobType::Batch | JobType::Sysbatch => 2,
    }
}

/// What comes after a plan was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The evaluation is settled.
    Done,
    /// Make another plan from a state at least as new as the commit.
    Retry,
    /// Too many collisions: the evaluation fails and a blocked one takes over.
    GiveUp,
}

/// `attempt` counts from 1; `progress` is whether the plan committed anything at all, which starts the count anew.
pub fn after_plan(complete: bool, progress: bool, attempt: u32, kind: JobType) -> Next {
    if complete {
        Next::Done
    } else if progress || attempt < attempts(kind) {
        Next::Retry
    } else {
        Next::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_up_only_without_progress() {
        assert_eq!(after_plan(true, true, 9, JobType::Batch), Next::Done);
        assert_eq!(after_plan(false, true, 9, JobType::Batch), Next::Retry);
        assert_eq!(after_plan(false, false, 1, JobType::Batch), Next::Retry);
        assert_eq!(after_plan(false, false, 2, JobType::Batch), Next::GiveUp);
        assert_eq!(after_plan(false, false, 4, JobType::Service), Next::Retry);
    }
}
