//! Which evaluations a node's report, registration or disappearance calls for, and what becomes of a node that is gone.

use std::collections::BTreeMap;

use model::{
    AllocUpdate, Allocation, ClientStatus, DesiredStatus, EvalId, EvalStatus, Evaluation, JobKey, JobType,
    Node, NodeId, NodeStatus, Timestamp, Trigger,
};
use state::Root;

/// One evaluation for each job of which an allocation newly ended although it shall still run, or came back with its
/// node; the success of a batch job's allocation calls for none.
pub fn evals_for_report(
    root: &Root,
    updates: &[AllocUpdate],
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Vec<Evaluation> {
    let mut evals: BTreeMap<JobKey, Evaluation> = BTreeMap::new();
    for update in updates {
        let Some(alloc) = root.allocs.get(&update.id) else { continue };
        // Also of a job that was stopped: it may be there again before the report is true.
        let trigger = if came_back(root, alloc, update) {
            Trigger::Reconnect
        } else {
            let Some(job) = root.jobs.get(&alloc.job).filter(|job| !job.stop) else { continue };
            let newly_ended = update.client.is_terminal() && !alloc.client.is_terminal();
            // Success is what a batch job is for; a service shall go on.
            let is_success = update.client == ClientStatus::Complete && job.kind.completes();
            if !newly_ended || alloc.desired != DesiredStatus::Run || is_success {
                continue;
            }
            Trigger::AllocFailure
        };
        evals.entry(alloc.job.clone()).or_insert_with(|| eval_of(root, &alloc.job, trigger, now, ids));
    }
    evals.into_values().collect()
}

/// The servers had given up the allocation, or knew nothing of it.
fn came_back(root: &Root, alloc: &Allocation, update: &AllocUpdate) -> bool {
    let is_syncing =
        || root.nodes.get(&alloc.node).is_some_and(|node| node.status == NodeStatus::Initializing);
    match alloc.client {
        ClientStatus::Unknown => alloc.desired == DesiredStatus::Run,
        // Also one that is not lost yet: a plan that says so may be on its way.
        ClientStatus::Lost | ClientStatus::Running | ClientStatus::Pending => {
            update.client == ClientStatus::Running && is_syncing()
        }
        ClientStatus::Complete | ClientStatus::Failed => false,
    }
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
    evals_for_allocs_on(root, node.id, now, ids)
}

/// One evaluation for each job with allocations on the node: for a node that is purged.
pub fn evals_for_allocs_on(
    root: &Root,
    node: NodeId,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Vec<Evaluation> {
    let mut evals: BTreeMap<JobKey, Evaluation> = BTreeMap::new();
    for alloc in root.allocs_of_node(node).filter(|alloc| !alloc.is_terminal()) {
        evals.entry(alloc.job.clone()).or_insert_with(|| node_eval(root, alloc, now, ids));
    }
    evals.into_values().collect()
}

/// One evaluation for each job that is counted on somewhere where nothing runs any more, and that nobody looks at.
///
/// [`evals_for_node`] speaks for what was on the node when it went. A plan that was verified before and became true
/// after that puts allocations on a node of which all are told already; this finds them. To be asked after changes
/// of nodes and allocations; walks the usage table and only looks into nodes that are gone and not empty.
pub fn evals_for_lost(root: &Root, now: Timestamp, ids: &mut dyn FnMut() -> u128) -> Vec<Evaluation> {
    let mut evals: BTreeMap<JobKey, Evaluation> = BTreeMap::new();
    let gone = root.gone_nodes().filter(|node| root.usage.slot(node.id).is_some_and(|slot| slot.allocs > 0));
    let on_gone = gone.flat_map(|node| root.allocs_of_node(node.id)).filter(|alloc| !alloc.is_terminal());
    for alloc in root.orphans().chain(on_gone) {
        let looked_at = || {
            root.evals_of_job(&alloc.job)
                .any(|eval| eval.status == EvalStatus::Pending && eval.wait_until <= now)
        };
        if evals.contains_key(&alloc.job) || is_waited_for(root, alloc, now) || looked_at() {
            continue;
        }
        evals.insert(alloc.job.clone(), node_eval(root, alloc, now, ids));
    }
    evals.into_values().collect()
}

/// Known as unknown, and its group has patience left.
fn is_waited_for(root: &Root, alloc: &Allocation, now: Timestamp) -> bool {
    let Some(node) = root.nodes.get(&alloc.node) else { return false };
    node.status == NodeStatus::Disconnected
        && alloc.client == ClientStatus::Unknown
        && patience_until(root, node, alloc, now).is_some_and(|until| until > now)
}

/// Until when the allocation may stay unknown; `None` if its group has no patience at all.
fn patience_until(root: &Root, node: &Node, alloc: &Allocation, now: Timestamp) -> Option<Timestamp> {
    let patience = root.group_of(alloc)?.disconnect.as_ref()?.patience()?;
    let since = match alloc.client {
        ClientStatus::Unknown => alloc.unknown_since.unwrap_or(now),
        ClientStatus::Running if node.status == NodeStatus::Disconnected => node.status_updated_at,
        ClientStatus::Running => now,
        _ => return None,
    };
    Some(since.plus(patience))
}

/// The status of a node that nobody hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// `Disconnected` while something on it may stay unknown, else `Down`.
    pub status: NodeStatus,
    /// When a disconnected node will be down if it does not come back.
    pub look_again: Option<Timestamp>,
}

/// Which status a node has that nobody hears of.
pub fn gone_status(root: &Root, node: &Node, now: Timestamp) -> Gone {
    let until = root
        .allocs_of_node(node.id)
        .filter(|alloc| !alloc.is_terminal())
        .filter_map(|alloc| patience_until(root, node, alloc, now))
        .max()
        .filter(|&until| until > now);
    let status = if until.is_some() { NodeStatus::Disconnected } else { NodeStatus::Down };
    Gone { status, look_again: until }
}

/// Disconnected nodes for which patience has run out by now, and when it runs out for the next one.
pub fn overdue(root: &Root, now: Timestamp) -> (Vec<NodeId>, Option<Timestamp>) {
    let mut down = Vec::new();
    let mut next: Option<Timestamp> = None;
    for node in root.gone_nodes().filter(|node| node.status == NodeStatus::Disconnected) {
        match gone_status(root, node, now).look_again {
            None => down.push(node.id),
            Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
        }
    }
    (down, next)
}

fn node_eval(root: &Root, alloc: &Allocation, now: Timestamp, ids: &mut dyn FnMut() -> u128) -> Evaluation {
    let mut eval = eval_of(root, &alloc.job, Trigger::NodeUpdate, now, ids);
    eval.node = Some(alloc.node);
    eval
}

/// An evaluation of a job that may be gone.
pub(crate) fn eval_of(
    root: &Root,
    key: &JobKey,
    trigger: Trigger,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Evaluation {
    let job = root.jobs.get(key);
    let mut eval = Evaluation::new(
        EvalId(ids()),
        key.clone(),
        job.map_or(JobType::Service, |job| job.kind),
        job.map_or(50, |job| job.priority),
        trigger,
        now,
    );
    eval.job_index = job.map_or(0, |job| job.job_modify_index);
    eval
}

#[cfg(test)]
mod tests {
    use model::{AllocId, Capacity, NodeId, Placement, Plan, Task, TaskGroup};
    use state::Command;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    /// A node that went down, and a plan from before that became true after it.
    fn overtaken() -> Root {
        let mut root = Root::default();
        let node = Node {
            id: NodeId(1),
            capacity: Capacity { cpu_mhz: 1000, memory_mb: 1000, disk_mb: 1000 },
            status: NodeStatus::Down,
            ..Node::default()
        };
        root.apply(1, Command::RegisterNode { node, evals: vec![], now: NOW });
        let tasks = vec![Task { name: "task".into(), ..Task::default() }];
        let group = TaskGroup { name: "group".into(), count: 1, tasks, ..TaskGroup::default() };
        let job = model::Job { id: "web".into(), groups: vec![group], ..model::Job::default() };
        let key = job.key();
        root.apply(2, Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now: NOW });
        let mut plan = Plan::new(EvalId(1), key, 50, 1, NOW);
        plan.job_index = 2;
        plan.placements.push(Placement {
            id: AllocId(1),
            node: NodeId(1),
            group: "group".into(),
            ..Placement::default()
        });
        root.apply(3, Command::ApplyPlan { plan: Box::new(plan), evals: vec![] });
        root
    }

    #[test]
    fn what_landed_on_a_lost_node_is_looked_at_once() {
        let mut root = overtaken();
        let evals = evals_for_lost(&root, NOW, &mut || 7);
        let [eval] = &evals[..] else { panic!("{evals:?}") };
        assert_eq!((&*eval.job.id, eval.trigger, eval.node), ("web", Trigger::NodeUpdate, Some(NodeId(1))));
        root.apply(4, Command::UpdateEvals { evals });
        assert!(evals_for_lost(&root, NOW, &mut || 8).is_empty());
    }

    #[test]
    fn a_service_that_ends_is_looked_at() {
        let root = overtaken();
        let check = |client, expected| {
            let update = AllocUpdate {
                id: AllocId(1),
                client,
                client_description: String::new(),
                tasks: std::sync::Arc::default(),
                services: vec![],
                health: None,
                deployment: None,
                time: NOW,
            };
            assert_eq!(evals_for_report(&root, &[update], NOW, &mut || 7).len(), expected, "{client:?}");
        };
        check(ClientStatus::Running, 0);
        check(ClientStatus::Failed, 1);
        check(ClientStatus::Complete, 1);
    }
}
