//! What the scheduler would do with a job if it were registered now. Nothing is written.
//!
//! One evaluation on a copy of the state, and not what comes after it: [`crate::what_if`] plays that.

use std::{collections::BTreeMap, sync::Arc};

use model::{AllocId, AllocMetric, EvalId, Evaluation, Job, Timestamp, Trigger, plan::Annotations};
use scheduler::{Input, schedule};
use state::{Command, Outcome, Refusal, Root};

use crate::scheduler_worker::rng_seed;

/// What would be done.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// The job as it is stored, if it is.
    pub before: Option<Arc<Job>>,
    /// The job as it would be stored.
    pub after: Arc<Job>,
    /// How many allocations of each group would be touched, by kind of change.
    pub annotations: Annotations,
    /// Groups that would not be placed as a whole, and why.
    pub failed: BTreeMap<String, AllocMetric>,
    /// Allocations of less important jobs that would give up their room.
    pub evicted: Vec<AllocId>,
    /// Evaluations that would follow.
    pub evals: Vec<Evaluation>,
}

/// Registers the job on a copy of the state and lets the scheduler look at it once.
///
/// # Errors
/// The state would refuse the registration.
pub fn dry_run(
    root: &Root,
    job: &Job,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Result<DryRun, Refusal> {
    let key = job.key();
    let before = root.jobs.get(&key).cloned();
    let mut copy = root.clone();
    let index = root.index + 1;
    let eval = Evaluation::new(EvalId(ids()), key.clone(), job.kind, job.priority, Trigger::JobRegister, now);
    let id = eval.id;
    let command =
        Command::RegisterJob { job: Box::new(job.clone()), enforce_index: None, eval: Some(eval), now };
    if let Outcome::Refused(refusal) = copy.apply(index, command) {
        return Err(refusal);
    }
    let (Some(after), Some(eval)) = (copy.jobs.get(&key).cloned(), copy.evals.get(&id).cloned()) else {
        return Err(Refusal::UnknownEval(id));
    };
    let rng_seed = rng_seed(&copy, &key);
    let decision = schedule(Input { root: &copy, eval: &eval, now, ids, rng_seed });
    Ok(DryRun {
        before,
        after,
        annotations: decision.annotations,
        failed: decision.eval.failed_groups,
        evicted: decision.plan.evictions.iter().map(|eviction| eviction.id).collect(),
        evals: decision.new_evals,
    })
}

#[cfg(test)]
mod tests;
