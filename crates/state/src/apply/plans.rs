//! Plans become true. They were verified by the plan applier; nothing is decided here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{
    AllocId, Allocation, ClientStatus, DesiredStatus, EvalId, Evaluation, Eviction, Job, JobKey, Placement,
    Plan, Timestamp,
};

use super::{deployments, drains, evals};
use crate::{command::Outcome, root::Root};

pub(super) fn apply(root: &mut Root, index: u64, plan: Plan, settled: Vec<Evaluation>) -> Outcome {
    let mut jobs: BTreeSet<JobKey> = BTreeSet::from([plan.job.clone()]);
    if let Some(deployment) = plan.deployment {
        deployments::put(root, index, deployment);
    }
    for (id, status, description) in plan.deployment_updates {
        deployments::set_status(root, index, id, status, description, plan.now);
    }
    for stop in plan.stops {
        if let Some(alloc) = root.allocs.get(&stop.id) {
            let was = alloc.clone();
            let mut alloc = Allocation::clone(alloc);
            // What was evicted meanwhile stays known as that.
            if alloc.desired != DesiredStatus::Evict {
                alloc.desired = DesiredStatus::Stop;
                alloc.desired_description = stop.description;
            }
            if let Some(client) = stop.client {
                alloc.client = client;
            }
            alloc.modify_time = plan.now;
            alloc.alloc_modify_index = index;
            jobs.insert(alloc.job.clone());
            root.put_alloc(index, alloc);
            if !was.is_terminal() {
                deployments::uncount(root, index, &was);
            }
        }
    }
    let mut preempted: BTreeMap<AllocId, Vec<AllocId>> = BTreeMap::new();
    for eviction in plan.evictions {
        if let Some(job) = evict(root, index, &eviction, plan.now) {
            jobs.insert(job);
            preempted.entry(eviction.by).or_default().push(eviction.id);
        }
    }
    for id in plan.unknown {
        disconnect(root, index, id, plan.now);
    }
    for id in plan.reconnected {
        if let Some(alloc) = root.allocs.get(&id).filter(|alloc| !alloc.is_terminal()) {
            let mut alloc = Allocation::clone(alloc);
            alloc.returned = false;
            // What replaced it is gone; a later failure is its own.
            alloc.next = None;
            root.put_alloc(index, alloc);
        }
    }
    for (id, eval) in plan.followups {
        if let Some(alloc) = root.allocs.get(&id) {
            let mut alloc = Allocation::clone(alloc);
            alloc.followup_eval = Some(eval);
            root.put_alloc(index, alloc);
        }
    }
    let version = root.job_versions.get(&(plan.job.clone(), plan.job_index)).cloned();
    if let Some(job) = &version {
        for id in plan.in_place {
            update_in_place(root, index, (id, plan.eval), job, plan.deployment_id, plan.now);
        }
        for placement in plan.placements {
            let Some(job) = version_of(root, &plan.job, &placement, job) else { continue };
            if let Some(previous) = placement.previous
                && let Some(alloc) = root.allocs.get(&previous)
            {
                let mut alloc = Allocation::clone(alloc);
                alloc.next = Some(placement.id);
                root.put_alloc(index, alloc);
            }
            // The name is shared with the job version instead of being kept once per allocation.
            root.put_alloc(
                index,
                Allocation {
                    id: placement.id,
                    job: plan.job.clone(),
                    job_index: job.job_modify_index,
                    job_version: job.version,
                    group: placement.group,
                    index: placement.index,
                    node: placement.node,
                    eval: plan.eval,
                    deployment: placement.deployment,
                    canary: placement.canary,
                    ports: placement.ports,
                    claims: placement.claims,
                    desired: DesiredStatus::Run,
                    desired_description: String::new(),
                    client: ClientStatus::Pending,
                    client_description: String::new(),
                    tasks: Arc::default(),
                    services: Arc::default(),
                    health: None,
                    previous: placement.previous,
                    next: None,
                    followup_eval: None,
                    migrate: false,
                    no_shutdown_delay: false,
                    unknown_since: None,
                    returned: false,
                    oversubscribed: plan.oversubscribed,
                    preempted: preempted.remove(&placement.id).unwrap_or_default(),
                    preempted_by: None,
                    reschedules: placement.reschedules,
                    metric: placement.metric,
                    create_time: plan.now,
                    modify_time: plan.now,
                    create_index: index,
                    modify_index: index,
                    alloc_modify_index: index,
                },
            );
            drains::reopen(root, index, placement.node, plan.snapshot_index, plan.now);
            if let Some(id) = placement.deployment {
                deployments::count_placed(root, index, id, placement.id, plan.now);
            }
        }
    }
    evals::upsert_all(root, index, plan.preempted_jobs);
    evals::upsert_all(root, index, settled);
    for job in &jobs {
        root.refresh_job_status(index, job);
    }
    Outcome::Done
}

/// What a placement runs: the plan's version, or an earlier one of the job that it names.
fn version_of(root: &Root, key: &JobKey, placement: &Placement, newest: &Arc<Job>) -> Option<Arc<Job>> {
    match placement.job_index {
        None => Some(newest.clone()),
        Some(index) => root.job_versions.get(&(key.clone(), index)).cloned(),
    }
}

/// Takes the room of an allocation for a more important one. Answers with the job that loses it; `None` when it has
/// ended by itself meanwhile.
fn evict(root: &mut Root, index: u64, eviction: &Eviction, now: Timestamp) -> Option<JobKey> {
    let was = root.allocs.get(&eviction.id).filter(|alloc| !alloc.is_terminal())?.clone();
    let mut alloc = Allocation::clone(&was);
    alloc.desired = DesiredStatus::Evict;
    alloc.desired_description = format!("Preempted by alloc ID {}", eviction.by);
    alloc.preempted_by = Some(eviction.by);
    alloc.modify_time = now;
    alloc.alloc_modify_index = index;
    root.put_alloc(index, alloc);
    deployments::uncount(root, index, &was);
    Some(was.job.clone())
}

/// The node of the allocation cannot be reached, and the group allows to wait.
fn disconnect(root: &mut Root, index: u64, id: AllocId, now: Timestamp) {
    let Some(alloc) = root.allocs.get(&id).filter(|alloc| !alloc.is_terminal()) else { return };
    let is_away = root.nodes.get(&alloc.node).is_none_or(|node| node.status.is_gone());
    let mut alloc = Allocation::clone(alloc);
    if is_away {
        alloc.client = ClientStatus::Unknown;
        alloc.client_description = String::from("alloc is unknown since its node is disconnected");
        alloc.unknown_since = Some(now);
        alloc.modify_time = now;
    } else {
        // The node came back after the plan was verified: no report will end the doubt any more.
        alloc.returned = true;
    }
    root.put_alloc(index, alloc);
}

fn update_in_place(
    root: &mut Root,
    index: u64,
    (id, eval): (AllocId, EvalId),
    job: &model::Job,
    deployment: Option<model::DeploymentId>,
    now: Timestamp,
) {
    let Some(alloc) = root.allocs.get(&id) else { return };
    let mut alloc = Allocation::clone(alloc);
    alloc.job_index = job.job_modify_index;
    alloc.job_version = job.version;
    // Whoever follows the evaluation sees what it changed.
    root.allocs_by_eval.remove(&(alloc.eval, id));
    root.allocs_by_eval.insert((eval, id));
    alloc.eval = eval;
    alloc.modify_time = now;
    alloc.alloc_modify_index = index;
    if deployment.is_some() && alloc.deployment != deployment {
        alloc.deployment = deployment;
        alloc.health = None;
    }
    root.put_alloc(index, alloc);
    if let Some(deployment) = deployment {
        deployments::count_placed(root, index, deployment, id, now);
    }
}
