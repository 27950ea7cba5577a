//! Places what a job that runs on every node misses, and rolls its new version out.
//!
//! Where an allocation goes is known; what is open is whether there is room, how many may be replaced now, and what
//! the deployment can count on: only what was placed or can still be tried. A node without room is waited for and
//! holds up nobody.

use std::collections::{BTreeMap, BTreeSet};

use model::{AllocStop, Allocation, Eviction, GroupRollout, Job, NodeId, Placement, Plan, Timestamp};

use crate::{
    outcome::Failed,
    rank::{OnNode, Ranker},
    reconcile::{Created, NodeGroup, NodeWant, Rollout, Work},
};

/// Completes the plan with placements and with what that means for the deployment.
pub(crate) fn place<'a>(
    job: &'a Job,
    ranker: &mut Ranker<'a>,
    work: &mut Work<'a>,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
    plan: &mut Plan,
    failed: &mut Failed,
) {
    let groups = std::mem::take(&mut work.on_nodes);
    let rollout = std::mem::take(&mut work.rollout);
    let mut created = Created::default();
    let mut totals: Vec<(&str, u32, u32)> = Vec::new();
    for mut group in groups {
        let placed = place_group(job, ranker, &mut group, &rollout, ids, plan, failed);
        let annotation = work.annotations.entry(group.group.name.clone()).or_default();
        annotation.destructive += placed.updated as u32;
        annotation.ignore += (group.updates.len() - placed.updated) as u32;

        let updating = group.in_place + placed.updated + placed.later;
        let total = placed.fresh + updating;
        let canaries = placed.canaries;
        created.count(&rollout, job, group.group, &group.known, total, updating > 0, canaries);
        let counted = |alloc: &&&Allocation| {
            rollout.active_deployment().is_some_and(|active| alloc.deployment == Some(active.id))
        };
        let total = (group.held.iter().filter(counted).count() + total) as u32;
        totals.push((&group.group.name, total, placed.canaries as u32));
    }
    if let Some(active) = rollout.active_deployment() {
        let mut deployment = active.clone();
        for (name, total, canaries) in totals {
            if let Some(group) = deployment.groups.get_mut(name) {
                group.desired_total = total;
                if group.awaits_promotion() {
                    group.desired_canaries = canaries;
                }
            }
        }
        if deployment.groups != active.groups {
            deployment.modify_time = now;
            plan.deployment = Some(deployment);
        }
        enter(plan, &active.groups);
    } else if !created.is_empty() {
        let deployment = created.begin(job, now, ids);
        work.deployment_id = Some(deployment.id);
        plan.deployment_id = work.deployment_id;
        enter(plan, &deployment.groups);
        plan.deployment = Some(deployment);
    }
}

/// What is placed counts towards the deployment, in the groups that it rolls out.
fn enter(plan: &mut Plan, groups: &BTreeMap<String, GroupRollout>) {
    for placement in plan.placements.iter_mut().filter(|one| groups.contains_key(&*one.group)) {
        placement.deployment = plan.deployment_id;
    }
}

#[derive(Default)]
struct Placed {
    fresh: usize,
    updated: usize,
    /// Updates that were not tried yet.
    later: usize,
    /// Nodes that prove the version before the others get it.
    canaries: usize,
}

fn place_group(
    job: &Job,
    ranker: &mut Ranker<'_>,
    group: &mut NodeGroup<'_>,
    rollout: &Rollout<'_>,
    ids: &mut dyn FnMut() -> u128,
    plan: &mut Plan,
    failed: &mut Failed,
) -> Placed {
    let live = group.held.iter().filter(|alloc| alloc.canary && rollout.includes(alloc)).count();
    let canaries = rollout.canaries_of(job, group.group, group.updates.len()).min(live + group.updates.len());
    let mut placed = Placed { canaries, ..Placed::default() };
    if group.fresh.is_empty() && group.updates.is_empty() {
        return placed;
    }
    let name: std::sync::Arc<str> = group.group.name.as_str().into();
    let mut full: BTreeSet<NodeId> = BTreeSet::new();
    let mut search = ranker.search_nodes(group.at);
    let mut attempt = |want: &NodeWant<'_>, canary: bool| {
        let stops = want.replaces.zip(want.stop_with);
        if let Some((old, _)) = stops {
            search.free(old);
        }
        match search.pick_on(want.slot, &mut group.tally) {
            OnNode::Placed(choice, metric) => {
                plan.stops.extend(stops.map(|(old, words)| AllocStop {
                    id: old.id,
                    node: old.node,
                    description: words.into(),
                    client: None,
                }));
                let id = model::AllocId(ids());
                let evict = |victim: &Allocation| Eviction { id: victim.id, node: victim.node, by: id };
                plan.evictions.extend(choice.victims.into_iter().map(evict));
                plan.placements.push(Placement {
                    id,
                    node: choice.node,
                    group: name.clone(),
                    index: 0,
                    ports: choice.ports,
                    claims: choice.claims,
                    deployment: None,
                    canary,
                    job_index: None,
                    previous: want.replaces.map(|old| old.id),
                    reschedules: Vec::new(),
                    metric: Some(metric),
                });
                return true;
            }
            OnNode::Full => {
                full.insert(search.node_at(want.slot));
            }
            OnNode::Unsuitable => {}
        }
        // What would have been replaced stays as it is.
        if let Some((old, _)) = stops {
            search.unfree(old);
        }
        false
    };
    for want in &group.fresh {
        placed.fresh += usize::from(attempt(want, false));
    }
    let proving = canaries > 0;
    let limit = if proving {
        if rollout.is_paused() { 0 } else { canaries - live.min(canaries) }
    } else {
        rollout.limit(job, group.group, &group.held, placed.fresh)
    };
    for (at, want) in group.updates.iter().enumerate() {
        if placed.updated >= limit {
            placed.later = group.updates.len() - at;
            break;
        }
        placed.updated += usize::from(attempt(want, proving));
    }
    if !full.is_empty() {
        failed.add_nodes(&group.group.name, group.tally.metric(), full);
        failed.wait_for(ranker.feasibility(), group.at);
    }
    placed
}
