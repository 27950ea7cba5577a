//! What must hold after every step. Used by debug assertions, property tests and the simulation alike.

use std::collections::{BTreeMap, BTreeSet};

use model::{Capacity, NodeId};

use crate::{catalog::Owner, root::Root};

/// Checks all of them and names the first that is broken.
///
/// # Errors
/// The words say which invariant, where, and with which values.
pub fn check(root: &Root) -> Result<(), String> {
    no_port_given_twice(root)?;
    nothing_is_claimed_twice(root)?;
    no_node_over_its_capacity(root)?;
    placements_never_exceed_count(root)?;
    usage_is_the_sum_of_allocations(root)?;
    catalog_follows_allocations(root)?;
    gone_nodes_are_known(root)?;
    orphans_have_no_node(root)?;
    the_evicted_gave_way_to_somebody(root)
}

/// On one node, no two allocations that shall run hold the same port, unless one of them does not mind.
///
/// # Errors
/// Names the node, the port and both allocations.
pub fn no_port_given_twice(root: &Root) -> Result<(), String> {
    let mut holders: BTreeMap<(NodeId, u16), model::AllocId> = BTreeMap::new();
    for alloc in root.allocs.values().filter(|alloc| !alloc.is_terminal()) {
        for port in alloc.ports.iter().filter(|port| !port.ignore_collision) {
            if let Some(other) = holders.insert((alloc.node, port.value), alloc.id) {
                return Err(format!(
                    "port {} on node {} is given to {other} and to {}",
                    port.value, alloc.node, alloc.id
                ));
            }
        }
    }
    Ok(())
}

/// On one node, no two allocations that shall run hold the same core or device.
///
/// # Errors
/// Names the node, what it is, and both allocations.
pub fn nothing_is_claimed_twice(root: &Root) -> Result<(), String> {
    let mut holders: BTreeMap<(NodeId, String), model::AllocId> = BTreeMap::new();
    for alloc in root.allocs.values().filter(|alloc| !alloc.is_terminal()) {
        let Some(claims) = &alloc.claims else { continue };
        let cores = claims.cores().map(|core| format!("core {core}"));
        let devices = claims.devices().map(|(name, id)| format!("device {name} {id}"));
        for what in cores.chain(devices) {
            if let Some(other) = holders.insert((alloc.node, what.clone()), alloc.id) {
                return Err(format!("{what} on node {} is given to {other} and to {}", alloc.node, alloc.id));
            }
        }
    }
    Ok(())
}

/// The allocations that shall run on a node fit into it.
///
/// # Errors
/// Names the node and the dimension.
pub fn no_node_over_its_capacity(root: &Root) -> Result<(), String> {
    for slot in root.usage.slots.iter() {
        if let Some(dimension) = slot.used.exceeds(slot.total) {
            return Err(format!(
                "node {} is over its {dimension}: {:?} of {:?}",
                slot.node, slot.used, slot.total
            ));
        }
    }
    Ok(())
}

/// A group of the newest version of a job never has more live allocations with that version than its count, and a
/// name index is held by one live allocation of a version only; on each node, for jobs that run on every one.
///
/// # Errors
/// Names job, group and numbers.
pub fn placements_never_exceed_count(root: &Root) -> Result<(), String> {
    for (key, job) in &root.jobs {
        let mut live: BTreeMap<(&str, Option<NodeId>), u32> = BTreeMap::new();
        let mut indexes = BTreeSet::new();
        for alloc in root.allocs_of_job(key) {
            if alloc.is_terminal() || alloc.is_double() || alloc.job_index != job.job_modify_index {
                continue;
            }
            // It fills no place yet.
            if alloc.canary {
                continue;
            }
            let node = job.kind.is_per_node().then_some(alloc.node);
            *live.entry((&*alloc.group, node)).or_default() += 1;
            if !indexes.insert((alloc.group.clone(), alloc.index, node)) {
                return Err(format!(
                    "two live allocations of {key} are named {}[{}]",
                    alloc.group, alloc.index
                ));
            }
        }
        for ((group, _), live) in live {
            let count = job.group(group).map_or(0, |group| group.count);
            // Promoted canaries fill places from now on, beside those that were filled anew meanwhile; the next evaluation
            // makes them fewer.
            let promoted = root.latest_deployment(key).and_then(|latest| latest.groups.get(group));
            let canaries = promoted.filter(|group| group.promoted).map_or(0, |group| group.desired_canaries);
            if live > count + canaries {
                return Err(format!(
                    "group {group} of {key} has {live} live allocations and a count of {count}"
                ));
            }
        }
    }
    Ok(())
}

/// Nothing of a stopped or forgotten job shall run, once its evaluation is complete. Not part of [`check`]: between
/// the stop and its evaluation allocations still run.
///
/// # Errors
/// Names job and allocation.
pub fn nothing_runs_for_a_stopped_job(root: &Root) -> Result<(), String> {
    for alloc in root.allocs.values().filter(|alloc| !alloc.is_terminal()) {
        let stopped = root.jobs.get(&alloc.job).is_none_or(|job| job.stop);
        let settled = root.evals_of_job(&alloc.job).all(|eval| eval.status.is_terminal());
        if stopped && settled {
            return Err(format!("{} runs although job {} is stopped", alloc.id, alloc.job));
        }
    }
    Ok(())
}

/// No allocation is counted on that sits on a node which is down or gone, once the evaluations of its job are
/// complete. Not part of [`check`]: between the loss and its evaluation there are such.
///
/// # Errors
/// Names allocation and node.
pub fn nothing_waits_on_a_lost_node(root: &Root) -> Result<(), String> {
    for alloc in root.allocs.values().filter(|alloc| !alloc.is_terminal()) {
        let lost = root.nodes.get(&alloc.node).is_none_or(|node| match node.status {
            model::NodeStatus::Down => true,
            model::NodeStatus::Disconnected => alloc.client != model::ClientStatus::Unknown,
            _ => false,
        });
        let settled = root
            .evals_of_job(&alloc.job)
            .all(|eval| eval.status.is_terminal() || eval.status == model::EvalStatus::Blocked);
        if lost && settled {
            return Err(format!(
                "{} of {} is counted on, on the lost node {}",
                alloc.id, alloc.job, alloc.node
            ));
        }
    }
    Ok(())
}

/// The usage kept incrementally equals what adding up gives.
///
/// # Errors
/// Names the node and both values.
pub fn usage_is_the_sum_of_allocations(root: &Root) -> Result<(), String> {
    let mut sums: BTreeMap<NodeId, (Capacity, u32, (usize, usize))> = BTreeMap::new();
    let mut shared: BTreeMap<NodeId, Vec<u16>> = BTreeMap::new();
    for alloc in root.allocs.values().filter(|alloc| !alloc.is_terminal()) {
        let room = root.room_of(alloc);
        let sum = sums.entry(alloc.node).or_default();
        sum.0 = sum.0.plus(room.capacity);
        sum.1 += 1;
        shared.entry(alloc.node).or_default().extend(room.shared_ports());
        sum.2.0 += room.claims.map_or(0, |claims| claims.cores().count());
        sum.2.1 += room.claims.map_or(0, |claims| claims.devices().count());
    }
    for slot in root.usage.slots.iter() {
        let (capacity, allocs, claimed) = sums.get(&slot.node).copied().unwrap_or_default();
        let held = slot.claimable.as_ref().map(|claimable| claimable.held()).unwrap_or_default();
        if held != claimed {
            return Err(format!(
                "node {}: usage says that {held:?} cores and devices are held, adding up says {claimed:?}",
                slot.node
            ));
        }
        let mut ports = shared.remove(&slot.node).unwrap_or_default();
        ports.sort_unstable();
        if !slot.shared_ports.iter().eq(ports.iter().copied()) {
            return Err(format!(
                "node {}: usage says that the ports {:?} are shared, adding up says {ports:?}",
                slot.node, slot.shared_ports
            ));
        }
        if slot.used != capacity || slot.allocs != allocs {
            return Err(format!(
                "node {}: usage says {:?} for {} allocations, adding up says {capacity:?} for {allocs}",
                slot.node, slot.used, slot.allocs
            ));
        }
    }
    Ok(())
}

/// Every catalog row belongs to an allocation that shall run and runs, or to an agent that is in the table.
///
/// # Errors
/// Names the service and what it belongs to.
pub fn catalog_follows_allocations(root: &Root) -> Result<(), String> {
    for service in root.all_services() {
        let lives = match service.owner() {
            Owner::Agent(id) => root.agents.contains_key(&id),
            Owner::Alloc(id) => root.allocs.get(&id).is_some_and(|alloc| {
                alloc.desired == model::DesiredStatus::Run && alloc.client == model::ClientStatus::Running
            }),
        };
        if !lives {
            return Err(format!(
                "service {} is listed for {:?}, which does not run",
                service.name,
                service.owner()
            ));
        }
    }
    Ok(())
}

/// A job has at most one blocked evaluation, and a stopped or forgotten one has none. Not part of [`check`]: a newer
/// one and the cancellation of the older are two entries.
///
/// # Errors
/// Names the job and the evaluations.
pub fn one_blocked_evaluation_per_job(root: &Root) -> Result<(), String> {
    let mut blocked = BTreeMap::new();
    for eval in root.open_evals_since(0).filter(|eval| eval.status == model::EvalStatus::Blocked) {
        if root.jobs.get(&eval.job).is_none_or(|job| job.stop) {
            return Err(format!("{} is blocked although job {} is stopped", eval.id, eval.job));
        }
        if let Some(other) = blocked.insert(&eval.job, eval.id) {
            return Err(format!("{other} and {} are blocked for job {}", eval.id, eval.job));
        }
    }
    Ok(())
}

/// Exactly the nodes that are down or disconnected are known as gone.
///
/// # Errors
/// Names those that are known.
pub fn gone_nodes_are_known(root: &Root) -> Result<(), String> {
    let gone = root.nodes.values().filter(|node| node.status.is_gone()).map(|node| node.id);
    let known = root.gone_nodes().map(|node| node.id);
    if gone.eq(known) && root.gone.len() == root.gone_nodes().count() {
        return Ok(());
    }
    Err(format!("nodes that are gone are known as {:?}", root.gone))
}

/// Exactly the allocations that shall run on nodes that are not registered are known as such.
///
/// # Errors
/// Names the allocation.
pub fn orphans_have_no_node(root: &Root) -> Result<(), String> {
    for alloc in root.allocs.values() {
        let is_orphan = !alloc.is_terminal() && !root.nodes.contains_key(&alloc.node);
        if is_orphan != root.orphans.contains(&alloc.id) {
            return Err(format!("{} on {}: an orphan is {is_orphan}", alloc.id, alloc.node));
        }
    }
    Ok(())
}

/// An allocation is evicted for another one of a different job on the same node, and that one knows of it.
///
/// # Errors
/// Names both.
pub fn the_evicted_gave_way_to_somebody(root: &Root) -> Result<(), String> {
    for alloc in root.allocs.values() {
        let is_evicted = alloc.desired == model::DesiredStatus::Evict;
        if is_evicted != alloc.preempted_by.is_some() {
            return Err(format!(
                "{} shall {} and was evicted for {:?}",
                alloc.id,
                alloc.desired.as_str(),
                alloc.preempted_by
            ));
        }
        if let Some(winner) = alloc.preempted_by.and_then(|id| root.allocs.get(&id))
            && (winner.node != alloc.node || winner.job == alloc.job || !winner.preempted.contains(&alloc.id))
        {
            return Err(format!("{} was evicted for {}, which has not taken its room", alloc.id, winner.id));
        }
        for loser in alloc.preempted.iter().filter_map(|id| root.allocs.get(id)) {
            if loser.preempted_by != Some(alloc.id) {
                return Err(format!(
                    "{} was evicted for {:?}, not for {}",
                    loser.id, loser.preempted_by, alloc.id
                ));
            }
        }
    }
    Ok(())
}

/// An allocation that came back with its node was decided about, and nothing runs twice: the evaluations of its job
/// are complete. Not part of [`check`].
///
/// # Errors
/// Names the allocation.
pub fn nothing_is_left_undecided(root: &Root) -> Result<(), String> {
    for alloc in root.allocs.values().filter(|alloc| !alloc.is_terminal() && alloc.returned) {
        let settled = root.evals_of_job(&alloc.job).all(|eval| eval.status.is_terminal());
        if settled {
            return Err(format!("{} of {} is back and nobody decided about it", alloc.id, alloc.job));
        }
    }
    Ok(())
}

/// A node that was emptied and takes nothing new holds nothing.
///
/// # Errors
/// Names the node and an allocation.
pub fn nothing_stays_on_a_drained_node(root: &Root) -> Result<(), String> {
    for node in root.nodes.values() {
        let Some(last) = node.last_drain.as_ref().filter(|_| node.is_drained()) else { continue };
        let left = root
            .allocs_of_node(node.id)
            .filter(|alloc| !node.leaves_alone(root.kind_of(alloc)))
            .find(|alloc| !alloc.is_terminal() && alloc.create_index <= last.index);
        if let Some(alloc) = left {
            return Err(format!("{} is on the drained node {}", alloc.id, node.id));
        }
    }
    Ok(())
}
