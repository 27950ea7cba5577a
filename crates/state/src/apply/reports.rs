//! What nodes report of their allocations.

use std::{collections::BTreeSet, sync::Arc};

use model::{
    AllocUpdate, Allocation, ClientStatus, DesiredStatus, Evaluation, JobKey, NodeId, NodeStatus, Timestamp,
    alloc::LOST_WITH_NODE,
};

use super::{deployments, evals, nodes};
use crate::{command::Outcome, root::Root};

pub(super) fn apply(
    root: &mut Root,
    index: u64,
    updates: Vec<AllocUpdate>,
    new_evals: Vec<Evaluation>,
    synced: Option<NodeId>,
    now: Timestamp,
) -> Outcome {
    // Only the first report of a node that was gone brings back what had been given up.
    let synced =
        synced.filter(|id| root.nodes.get(id).is_some_and(|node| node.status == NodeStatus::Initializing));
    let mut jobs: BTreeSet<JobKey> = BTreeSet::new();
    for update in updates {
        // Forgotten meanwhile: the node will be told to forget it as well.
        let Some(alloc) = root.allocs.get(&update.id) else { continue };
        let mut alloc = Allocation::clone(alloc);
        if synced == Some(alloc.node) && may_return(root, &alloc, &update) {
            alloc.desired = DesiredStatus::Run;
            alloc.desired_description = String::new();
            alloc.alloc_modify_index = index;
            alloc.returned = true;
            // Whatever asked it to leave had what it wanted: it was given up.
            alloc.migrate = false;
            deployments::recount(root, index, &alloc);
        }
        if alloc.client == ClientStatus::Unknown {
            alloc.unknown_since = None;
            alloc.followup_eval = None;
            alloc.returned = true;
        }
        alloc.client = update.client;
        alloc.client_description = update.client_description;
        alloc.tasks = update.tasks;
        alloc.services = Arc::new(update.services);
        alloc.modify_time = update.time;
        let before = alloc.health.map(|health| health.healthy);
        let mut counted = None;
        if let Some(mut health) = update.health
            && update.deployment == alloc.deployment
            && before != Some(health.healthy)
        {
            health.modify_index = index;
            alloc.health = Some(health);
            counted = alloc.deployment.map(|id| (id, alloc.group.clone(), health.healthy));
        }
        jobs.insert(alloc.job.clone());
        root.put_alloc(index, alloc);
        if let Some((id, group, healthy)) = counted {
            deployments::count_health(root, index, id, &group, before, healthy, update.time);
        }
    }
    if let Some(node) = synced {
        nodes::synced(root, index, node, now);
    }
    evals::upsert_all(root, index, new_evals);
    for job in &jobs {
        root.refresh_job_status(index, job);
    }
    Outcome::Done
}

/// Whether an allocation that was given up with its node may run on now that the node is back with it: it runs, its
/// job wants such, and its room, ports, cores and devices were not given away. Which of it and its replacement stays is for the
/// next evaluation to say.
fn may_return(root: &Root, alloc: &Allocation, update: &AllocUpdate) -> bool {
    let runs = update.client == ClientStatus::Running && update.health.is_none_or(|health| health.healthy);
    let is_lost = alloc.desired == DesiredStatus::Stop
        && alloc.client == ClientStatus::Lost
        && alloc.desired_description == LOST_WITH_NODE;
    let is_wanted =
        root.jobs.get(&alloc.job).is_some_and(|job| !job.stop && job.group(&alloc.group).is_some());
    let kind = root.kind_of(alloc);
    let is_emptied = root
        .nodes
        .get(&alloc.node)
        .is_none_or(|node| (node.drain.is_some() || node.is_drained()) && !node.leaves_alone(kind));
    if !runs || !is_lost || !is_wanted || is_emptied {
        return false;
    }
    let (Some(slot), Some(_)) = (root.usage.slot(alloc.node), root.group_of(alloc)) else { return false };
    let room = root.room_of(alloc);
    let has_free = |claims| slot.claimable.as_ref().is_some_and(|claimable| claimable.has_free(claims));
    slot.used.plus(room.capacity).exceeds(slot.total).is_none()
        && room.port_numbers().all(|port| !slot.ports.contains(port) && slot.shared_ports.count(port) == 0)
        && room.claims.is_none_or(has_free)
}
