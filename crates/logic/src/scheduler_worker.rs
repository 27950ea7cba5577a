//! What a worker begins a plan with, and what it does with the result.

use model::{EvalId, EvalStatus, Evaluation, JobKey, JobType, Timestamp, Trigger};
use scheduler::Decision;
use state::Root;

/// What the scheduler breaks ties with: the same for the same version of a job, so that a plan can be predicted, and
/// another one for each job, so that not all of them begin with the same node.
pub fn rng_seed(root: &Root, job: &JobKey) -> u64 {
    let version = root.jobs.get(job).map_or(0, |job| job.version);
    // FNV-1a, which leaves similar ids similar; the last lines of SplitMix64 stir it.
    let bytes =
        job.namespace.bytes().chain([0]).chain(job.id.bytes()).chain([0]).chain(version.to_le_bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// Plans on the room that plans on their way leave (`ahead`). That there is none is believed of the committed state only:
/// what is on its way may never be written, and then nothing would wake the evaluation.
pub fn decide(ahead: Option<&Root>, committed: &Root, mut plan: impl FnMut(&Root) -> Decision) -> Decision {
    let hopeful = ahead.map(&mut plan).filter(|decision| decision.eval.failed_groups.is_empty());
    hopeful.unwrap_or_else(|| plan(committed))
}

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

/// The evaluation as failed, and the blocked one that takes over from it. `seen`: index of the newest state.
pub fn given_up(eval: &Evaluation, attempts: u32, seen: u64, now: Timestamp, id: EvalId) -> [Evaluation; 2] {
    let mut failed = eval.clone();
    failed.status = EvalStatus::Failed;
    failed.status_description = format!("maximum attempts reached ({attempts})");
    failed.modify_time = now;
    let mut blocked =
        Evaluation::new(id, eval.job.clone(), eval.kind, eval.priority, Trigger::MaxPlanAttempts, now);
    blocked.status = EvalStatus::Blocked;
    blocked.status_description = "created due to placement conflicts".into();
    blocked.previous = Some(eval.id);
    blocked.snapshot_index = seen;
    failed.blocked = Some(id);
    [failed, blocked]
}

#[cfg(test)]
mod tests {
    use model::{Job, Timestamp};
    use state::Command;

    use super::*;

    #[test]
    fn each_job_and_each_version_breaks_ties_differently_and_always_alike() {
        let mut root = Root::default();
        let mut seeds = std::collections::BTreeSet::new();
        for (at, name) in (1u64..).zip(["a", "b", "a1", "1a", "web-1", "web-2", "a"]) {
            // The last one is a second version of the first.
            let job = Box::new(Job { id: name.into(), priority: at as u16, ..Job::default() });
            let key = job.key();
            root.apply(at, Command::RegisterJob { job, enforce_index: None, eval: None, now: Timestamp(1) });
            assert_eq!(rng_seed(&root, &key), rng_seed(&root.clone(), &key));
            seeds.insert(rng_seed(&root, &key));
        }
        assert_eq!(seeds.len(), 7, "{seeds:?}");
        // Nearby names begin anywhere, also in a small cluster.
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..64 {
            seen.insert(rng_seed(&root, &JobKey::new("default", format!("job{number}"))) % 8);
        }
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn gives_up_only_without_progress() {
        assert_eq!(after_plan(true, true, 9, JobType::Batch), Next::Done);
        assert_eq!(after_plan(false, true, 9, JobType::Batch), Next::Retry);
        assert_eq!(after_plan(false, false, 1, JobType::Batch), Next::Retry);
        assert_eq!(after_plan(false, false, 2, JobType::Batch), Next::GiveUp);
        assert_eq!(after_plan(false, false, 4, JobType::Service), Next::Retry);
    }
}
