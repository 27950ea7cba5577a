//! Emptying a node: the drain itself, and marking what shall move.

use std::collections::BTreeSet;

use model::{
    AllocId, Allocation, Drain, DrainStatus, Eligibility, Evaluation, JobKey, LastDrain, Node, NodeId,
    Timestamp,
};

use super::{
    evals,
    nodes::{event, push_event, put},
};
use crate::{
    command::{Outcome, Refusal},
    root::Root,
};

/// Starts, changes or ends the drain of a node.
pub(super) fn set(
    root: &mut Root,
    index: u64,
    id: NodeId,
    drain: Option<Drain>,
    mark_eligible: bool,
    evals: Vec<Evaluation>,
    now: Timestamp,
) -> Outcome {
    let Some(node) = root.nodes.get(&id) else { return Outcome::Refused(Refusal::UnknownNode(id)) };
    let mut node = Node::clone(node);
    let was = node.drain.take();
    let message = match (&was, &drain) {
        (None, Some(_)) => "Node drain strategy set",
        (Some(_), Some(_)) => "Node drain strategy updated",
        (_, None) => "Node drain disabled",
    };
    match drain {
        Some(mut drain) => {
            // A change does not make the drain younger.
            if let Some(was) = &was {
                drain.started_at = was.started_at;
            }
            node.eligibility = Eligibility::Ineligible;
            node.last_drain = Some(LastDrain {
                status: DrainStatus::Draining,
                started_at: drain.started_at,
                updated_at: now,
                ignore_system: drain.ignore_system,
                meta: drain.meta.clone(),
                index,
                opened: false,
            });
            node.drain = Some(drain);
            push_event(&mut node, index, event("Drain", message, now));
        }
        None => {
            if mark_eligible {
                node.eligibility = Eligibility::Eligible;
            }
            if was.is_some() {
                if let Some(last) = &mut node.last_drain {
                    last.status = DrainStatus::Canceled;
                    last.updated_at = now;
                    last.index = index;
                }
                push_event(&mut node, index, event("Drain", message, now));
            }
        }
    }
    node.modify_index = index;
    let is_over = node.drain.is_none();
    put(root, index, node);
    if is_over {
        // What has not moved yet stays.
        let marked: Vec<_> =
            root.allocs_of_node(id).filter(|alloc| alloc.migrate && !alloc.is_terminal()).cloned().collect();
        for alloc in marked {
            root.put_alloc(index, Allocation { migrate: false, ..Allocation::clone(&alloc) });
        }
    }
    evals::upsert_all(root, index, evals);
    Outcome::Done
}

pub(super) fn finish(root: &mut Root, index: u64, id: NodeId, forced: bool, now: Timestamp) -> Outcome {
    let Some(node) = root.nodes.get(&id) else { return Outcome::Refused(Refusal::UnknownNode(id)) };
    // A plan that was on its way when the node was seen empty may have come first: the drain goes on.
    if node.drain.is_none() || root.holding_up(node).next().is_some() {
        return Outcome::Done;
    }
    let mut node = Node::clone(node);
    node.drain = None;
    if let Some(last) = &mut node.last_drain {
        last.status = DrainStatus::Complete;
        last.updated_at = now;
        last.index = index;
    }
    let mut done = event("Drain", "Node drain complete", now);
    if forced {
        done.details.insert("deadline_reached".to_owned(), "true".to_owned());
    }
    push_event(&mut node, index, done);
    node.modify_index = index;
    put(root, index, node);
    Outcome::Done
}

/// A plan that was verified before the drain began and became true after it was over put something on the node: the
/// drain goes on until that is gone as well.
pub(super) fn reopen(root: &mut Root, index: u64, id: NodeId, snapshot: u64, now: Timestamp) {
    let Some(node) = root.nodes.get(&id).filter(|node| node.is_drained()) else { return };
    let mut node = Node::clone(node);
    let Some(last) = node.last_drain.as_mut().filter(|last| snapshot < last.index) else { return };
    last.status = DrainStatus::Draining;
    last.updated_at = now;
    last.index = index;
    let (started_at, ignore_system, meta) = (last.started_at, last.ignore_system, last.meta.clone());
    node.drain = Some(Drain { started_at, ignore_system, meta, ..Drain::default() });
    node.modify_index = index;
    put(root, index, node);
}

pub(super) fn mark_migrate(
    root: &mut Root,
    index: u64,
    allocs: Vec<AllocId>,
    new_evals: Vec<Evaluation>,
    now: Timestamp,
) -> Outcome {
    let mut jobs: BTreeSet<JobKey> = BTreeSet::new();
    for id in allocs {
        let Some(alloc) = root.allocs.get(&id).filter(|alloc| !alloc.is_terminal() && !alloc.migrate) else {
            continue;
        };
        let mut alloc = Allocation::clone(alloc);
        alloc.migrate = true;
        alloc.modify_time = now;
        jobs.insert(alloc.job.clone());
        root.put_alloc(index, alloc);
    }
    evals::upsert_all(root, index, new_evals);
    for job in &jobs {
        root.refresh_job_status(index, job);
    }
    Outcome::Done
}

pub(super) fn skip_shutdown_delay(
    root: &mut Root,
    index: u64,
    mut allocs: Vec<AllocId>,
    job: Option<&JobKey>,
) -> Outcome {
    allocs.extend(job.into_iter().flat_map(|job| root.allocs_of_job(job)).map(|alloc| alloc.id));
    for id in allocs {
        if let Some(alloc) =
            root.allocs.get(&id).filter(|alloc| !alloc.client.is_terminal() && !alloc.no_shutdown_delay)
        {
            let alloc = Allocation { no_shutdown_delay: true, ..Allocation::clone(alloc) };
            root.put_alloc(index, alloc);
        }
    }
    Outcome::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    #[test]
    fn a_node_that_was_opened_again_is_not_drained() {
        let (id, now) = (NodeId(1), Timestamp(1));
        let mut root = Root::default();
        let node = Node { id, ..Node::default() };
        root.apply(1, Command::RegisterNode { node, evals: vec![], now });
        let drain = Some(Drain::default());
        root.apply(2, Command::SetNodeDrain { node: id, drain, mark_eligible: false, evals: vec![], now });
        root.apply(3, Command::FinishDrain { node: id, forced: false, now });
        assert!(root.nodes[&id].is_drained());
        // What runs there when it is closed the next time was not asked to leave.
        for (at, eligibility) in [(4, Eligibility::Eligible), (5, Eligibility::Ineligible)] {
            root.apply(at, Command::SetNodeEligibility { node: id, eligibility, evals: vec![], now });
            assert!(!root.nodes[&id].is_drained(), "{eligibility:?}");
        }
    }
}
