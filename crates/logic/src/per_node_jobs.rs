//! Jobs that run on every node, and nodes that became ready for them or ceased to be.

use model::{EvalStatus, Evaluation, Job, Timestamp, Trigger};
use state::Root;

use crate::node_gateway::eval_of;

/// One evaluation for each job that runs on every node and has not been looked at since a node last came or went, was
/// opened or closed, or changed what constraints look at.
///
/// Not tied to any of these: whatever makes a node turn, the state notes when, and each job when it was looked at. To
/// be asked after changes of nodes; costs a comparison per such job.
pub fn evals_for_turned_nodes(root: &Root, now: Timestamp, ids: &mut dyn FnMut() -> u128) -> Vec<Evaluation> {
    root.per_node_jobs()
        .filter(|job| !is_up_to_date(root, job, now))
        .map(|job| eval_of(root, &job.key(), Trigger::NodeUpdate, now, ids))
        .collect()
}

fn is_up_to_date(root: &Root, job: &Job, now: Timestamp) -> bool {
    let turned = root.usage.turned_index;
    let key = job.key();
    root.counters.get(&key).is_some_and(|counters| counters.looked_index >= turned)
        || root.evals_of_job(&key).any(|eval| {
            // It will be looked at in a state that is not older than the evaluation.
            let is_due = eval.wait_until <= now || eval.trigger == Trigger::FailedFollowUp;
            eval.status == EvalStatus::Pending && eval.create_index >= turned && is_due
        })
}

#[cfg(test)]
mod tests;
