//! Which evaluations a node's report or registration calls for.

use std::collections::BTreeMap;

use model::{
    AllocUpdate, ClientStatus, DesiredStatus, EvalId, EvalStatus, Evaluation, JobKey, JobType, Node,
    NodeStatus, Timestamp, Trigger,
};
use state::Root;

/// One evaluation for each job of which an allocation newly ended although it shall still run; the success of a batch
/// job's allocation calls for none.
pub fn evals_for_report(
    root: &Root,
    updates: &[AllocUpdate],
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Vec<Evaluation> {
    let mut evals: BTreeMap<JobKey, Evaluation> = BTreeMap::new();
    for update in updates {
        let Some(alloc) = root.allocs.get(&update.id) else { continue };
        let newly_ended = update.client.is_terminal() && !alloc.client.is_terminal();
        if !newly_ended || alloc.desired != DesiredStatus::Run {
            continue;
        }
        let Some(job) = root.jobs.get(&alloc.job).filter(|job| !job.stop) else { continue };
        // Success is what a batch job is for; a service shall go on.
        if update.client == ClientStatus::Complete && job.kind == JobType::Batch {
            continue;
        }
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

/// One evaluation for each job that is counted on somewhere where nothing runs any more, and that nobody looks at.
///
/// [`evals_for_node`] speaks for what was on the node when it went. A plan that was verified before and became true
/// after that puts allocations on a node of which all are told already; this finds them. To be asked after changes
/// of nodes and allocations; walks the usage table and only looks into nodes that are down and not empty.
pub fn evals_for_lost(root: &Root, now: Timestamp, ids: &mut dyn FnMut() -> u128) -> Vec<Evaluation> {
    let mut evals: BTreeMap<JobKey, Evaluation> = BTreeMap::new();
    for slot in root.usage.slots.iter().filter(|slot| !slot.schedulable && slot.allocs > 0) {
        if root.nodes.get(&slot.node).is_some_and(|node| node.status != NodeStatus::Down) {
            continue;
        }
        for alloc in root.allocs_of_node(slot.node).filter(|alloc| !alloc.is_terminal()) {
            let looked_at = || {
                root.evals_of_job(&alloc.job)
                    .any(|eval| eval.status == EvalStatus::Pending && eval.wait_until <= now)
            };
            if evals.contains_key(&alloc.job) || looked_at() {
                continue;
            }
            let job = root.jobs.get(&alloc.job);
            let mut eval = Evaluation::new(
                EvalId(ids()),
                alloc.job.clone(),
                job.map_or(JobType::Service, |job| job.kind),
                job.map_or(50, |job| job.priority),
                Trigger::NodeUpdate,
                now,
            );
            eval.node = Some(slot.node);
            eval.job_index = job.map_or(0, |job| job.job_modify_index);
            evals.insert(alloc.job.clone(), eval);
        }
    }
    evals.into_values().collect()
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
            index: 0,
            ports: vec![],
            deployment: None,
            previous: None,
            reschedules: vec![],
            metric: None,
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
                tasks: BTreeMap::new(),
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
