//! Which evaluations a node's report or registration calls for.

use std::collections::BTreeMap;

use model::{AllocUpdate, ClientStatus, DesiredStatus, EvalId, Evaluation, JobKey, Node, Timestamp, Trigger};
use state::Root;

/// One evaluation for each job of which an allocation newly failed (and shall still run), or newly ended although
/// the node was not told to stop it.
pub fn evals_for_report(
    root: &Root,
    updates: &[AllocUpdate],
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Vec<Evaluation> {
    let mut evals: BTreeMap<JobKey, Evaluation> = BTreeMap::new();
    for update in updates {
        let Some(alloc) = root.allocs.get(&update.id) else { continue };
        let newly_failed = update.client == ClientStatus::Failed && alloc.client != ClientStatus::Failed;
        if !newly_failed || alloc.desired != DesiredStatus::Run {
            continue;
        }
        let Some(job) = root.jobs.get(&alloc.job).filter(|job| !job.stop) else { continue };
        evals.entry(alloc.job.clone()).or_insert_with(|| {
            let mut eval = Evaluation::new(
                EvalId(ids()),
                alloc.job.clone(),
                job.kind,
                job.priority,
                Trigger::AllocFailure,
                now,
            );
            eval.job_index = job.job_modify_index;
            eval
        });
    }
    evals.into_values().collect()
}

/// One evaluation for each job with allocations on a node that became unable (or able again) to run them.
pub fn evals_for_node(
    root: &Root,
    node: &Node,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Vec<Evaluation> {
    let was = root.nodes.get(&node.id).map(|before| before.status);
    if was.is_none() || was == Some(node.status) {
        return Vec::new();
    }
    let mut evals: BTreeMap<JobKey, Evaluation> = BTreeMap::new();
    for alloc in root.allocs_of_node(node.id).filter(|alloc| !alloc.is_terminal()) {
        let Some(job) = root.jobs.get(&alloc.job) else { continue };
        evals.entry(alloc.job.clone()).or_insert_with(|| {
            let mut eval = Evaluation::new(
                EvalId(ids()),
                alloc.job.clone(),
                job.kind,
                job.priority,
                Trigger::NodeUpdate,
                now,
            );
            eval.node = Some(node.id);
            eval.job_index = job.job_modify_index;
            eval
        });
    }
    evals.into_values().collect()
}
