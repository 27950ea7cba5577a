//! A plan meets the newest state.
//!
//! The problem. Workers plan in parallel on snapshots, so by the time a plan arrives another one may have taken the
//! room, the job may have been stopped or changed, a node may be gone. What is still true is kept, what is not is
//! taken out, and the worker is told to look again.
//!
//! A replacement and the stop of what it replaces belong together: when the new one is refused, the old one stays.
//! That may leave less room for others on its node, so nodes are looked at until nothing more is taken out.
//!
//! The same holds for a placement and those that are evicted for it. What has appeared in room meanwhile spares some of
//! them.

use std::collections::{BTreeMap, BTreeSet};

use model::{AllocId, NodeId, Plan};
use state::{Room, Root};

use crate::{
    evict::{Victim, gives_way, importance, spare},
    fit::{Change, fits},
};

/// A plan that is true on the newest state.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    pub plan: Plan,
    /// Nothing was taken out.
    pub complete: bool,
    /// Nodes on which a placement was refused.
    pub refused_nodes: Vec<NodeId>,
}

/// Takes out of the plan what does not fit the newest state.
pub fn verify(root: &Root, plan: Plan) -> Verified {
    let mut check = Check { root, plan, complete: true, refused: BTreeSet::new() };
    check.job();
    check.allocations();
    check.evictions();
    while check.nodes() {}
    check.spare();
    check.finish()
}

struct Check<'a> {
    root: &'a Root,
    plan: Plan,
    complete: bool,
    refused: BTreeSet<NodeId>,
}

impl Check<'_> {
    /// Does nothing for a job that was stopped, started or changed since, and places nothing in a roll-out that ended.
    fn job(&mut self) {
        let job = self.root.jobs.get(&self.plan.job).filter(|job| !job.stop);
        if job.map_or(0, |job| job.job_modify_index) != self.plan.job_index {
            // Also its stops: the version that is wanted now may want them to run.
            self.refuse_all();
            self.clear_rest();
            return;
        }
        let cancelled: Vec<_> = self.plan.deployment_updates.iter().map(|(id, _, _)| *id).collect();
        if let Some(new) = &self.plan.deployment {
            let other_runs = self.root.deployments_of_job(&self.plan.job).any(|other| {
                other.id != new.id && other.status.is_active() && !cancelled.contains(&other.id)
            });
            let has_ended = self.root.deployments.get(&new.id).is_some_and(|known| !known.status.is_active());
            if other_runs || has_ended {
                self.refuse_all();
            }
        } else if let Some(id) = self.plan.deployment_id
            && self.root.deployments.get(&id).is_none_or(|known| !known.status.is_active())
            && !(self.plan.placements.is_empty() && self.plan.in_place.is_empty())
        {
            // It was cancelled or failed meanwhile: what it allowed must be looked at again.
            self.refuse_all();
        }
        let before = self.plan.deployment_updates.len();
        let root = self.root;
        self.plan
            .deployment_updates
            .retain(|(id, _, _)| root.deployments.get(id).is_some_and(|known| known.status.is_active()));
        self.complete &= before == self.plan.deployment_updates.len();
    }

    /// Refuses names that are taken, and drops what speaks of allocations that are gone, or lost and back again.
    fn allocations(&mut self) {
        let root = self.root;
        let sizes = |plan: &Plan| {
            let rest = (plan.unknown.len(), plan.reconnected.len());
            (plan.stops.len(), plan.in_place.len(), plan.followups.len(), rest)
        };
        let before = sizes(&self.plan);
        let is_back = |node: NodeId| root.nodes.get(&node).is_some_and(|node| !node.status.is_gone());
        let lost = self.plan.stops.iter().filter(|stop| stop.client.is_some() && is_back(stop.node));
        let known =
            self.plan.unknown.iter().filter(|&id| {
                root.allocs.get(id).is_none_or(|alloc| alloc.is_terminal() || is_back(alloc.node))
            });
        let came_back: BTreeSet<AllocId> = lost.map(|stop| stop.id).chain(known.copied()).collect();
        let replaced: Vec<usize> = (0..self.plan.placements.len())
            .filter(|&at| self.plan.placements[at].previous.is_some_and(|id| came_back.contains(&id)))
            .collect();
        self.refuse(&replaced);
        self.plan.stops.retain(|stop| root.allocs.contains_key(&stop.id) && !came_back.contains(&stop.id));
        self.plan.in_place.retain(|id| root.allocs.get(id).is_some_and(|alloc| root.holds_room(alloc)));
        self.plan.followups.retain(|(id, _)| root.allocs.contains_key(id));
        self.plan.unknown.retain(|id| !came_back.contains(id));
        self.plan.reconnected.retain(|id| root.allocs.get(id).is_some_and(|alloc| root.holds_room(alloc)));
        self.complete &= before == sizes(&self.plan);

        let unchanged = root
            .counters
            .get(&self.plan.job)
            .is_none_or(|counters| counters.modify_index <= self.plan.snapshot_index);
        if unchanged || self.plan.placements.is_empty() {
            return;
        }
        let stopped: BTreeSet<AllocId> = self.plan.stops.iter().map(|stop| stop.id).collect();
        // Whoever is back and not welcome, or away, does not hold its name.
        let holds_name = |alloc: &model::Allocation| {
            self.plan.reconnected.contains(&alloc.id)
                || !(alloc.is_double() || self.plan.unknown.contains(&alloc.id))
        };
        // Jobs that run on every node have the same name on each.
        let is_per_node = root
            .job_versions
            .get(&(self.plan.job.clone(), self.plan.job_index))
            .is_some_and(|job| job.kind.is_per_node());
        let place = |node: NodeId| is_per_node.then_some(node);
        // Canaries share names with those that they may replace.
        let taken: BTreeSet<(&str, u32, Option<NodeId>, bool)> = root
            .allocs_of_job(&self.plan.job)
            .filter(|alloc| !alloc.is_terminal() && !stopped.contains(&alloc.id) && holds_name(alloc))
            .map(|alloc| (&*alloc.group, alloc.index, place(alloc.node), alloc.canary))
            .collect();
        let refused: Vec<usize> = (0..self.plan.placements.len())
            .filter(|&at| {
                let placement = &self.plan.placements[at];
                let replaced = placement.previous.and_then(|id| root.allocs.get(&id));
                let name = (&*placement.group, placement.index, place(placement.node), placement.canary);
                taken.contains(&name)
                    || replaced.is_some_and(|alloc| alloc.next.is_some_and(|next| next != placement.id))
            })
            .collect();
        self.refuse(&refused);
    }

    /// Refuses what others would be evicted for that need not give way (any more). Who has ended meanwhile has left
    /// its room already.
    fn evictions(&mut self) {
        if self.plan.evictions.is_empty() {
            return;
        }
        let root = self.root;
        self.plan
            .evictions
            .retain(|one| root.allocs.get(&one.id).is_some_and(|alloc| root.holds_room(alloc)));
        let job = root.job_versions.get(&(self.plan.job.clone(), self.plan.job_index));
        let may_stay = |id: &AllocId| match (root.allocs.get(id), job) {
            (Some(alloc), Some(job)) => !gives_way(root, alloc, job),
            _ => true,
        };
        let stays = self.plan.evictions.iter().filter(|one| may_stay(&one.id));
        let refused: BTreeSet<AllocId> = stays.map(|one| one.by).collect();
        let refused: Vec<usize> = (0..self.plan.placements.len())
            .filter(|&at| refused.contains(&self.plan.placements[at].id))
            .collect();
        self.refuse(&refused);
    }

    /// What the plan changes on nodes apart from its placements.
    fn freed(&self) -> BTreeMap<NodeId, Change> {
        let mut changes: BTreeMap<NodeId, Change> = BTreeMap::new();
        let stops = self.plan.stops.iter().map(|stop| stop.id);
        for id in stops.chain(self.plan.evictions.iter().map(|one| one.id)) {
            let Some(alloc) = self.root.allocs.get(&id).filter(|alloc| self.root.holds_room(alloc)) else {
                continue;
            };
            changes.entry(alloc.node).or_default().free(&self.root.room_of(alloc));
        }
        changes
    }

    /// Looks at each node that gets something. Answers whether anything was taken out.
    fn nodes(&mut self) -> bool {
        let root = self.root;
        let mut changes = self.freed();
        let mut capacities: BTreeMap<(&str, Option<u64>), Option<model::Capacity>> = BTreeMap::new();
        let mut refused = Vec::new();
        let mut ports = Vec::new();
        for (at, placement) in self.plan.placements.iter().enumerate() {
            let slot = root.usage.slot(placement.node).filter(|slot| slot.schedulable);
            let find =
                || Some(root.version_placed(&self.plan, placement)?.group(&placement.group)?.capacity());
            let capacity = *capacities.entry((&placement.group, placement.job_index)).or_insert_with(find);
            let (Some(slot), Some(capacity)) = (slot, capacity) else {
                refused.push(at);
                continue;
            };
            let change = changes.entry(placement.node).or_default();
            ports.clear();
            let room = Room::new(capacity, &placement.ports, placement.claims.as_deref());
            ports.extend(room.port_numbers());
            if fits(slot, change, room.capacity, &ports, room.claims).is_ok() {
                change.take(&room);
            } else {
                refused.push(at);
            }
        }
        self.refuse(&refused)
    }

    /// Keeps those that need not go, now that it is known what is placed.
    fn spare(&mut self) {
        if self.plan.evictions.is_empty() {
            return;
        }
        let root = self.root;
        let mut changes = self.freed();
        for placement in &self.plan.placements {
            let job = root.version_placed(&self.plan, placement);
            let group = job.and_then(|job| job.group(&placement.group));
            let capacity = group.map(model::TaskGroup::capacity).unwrap_or_default();
            let room = Room::new(capacity, &placement.ports, placement.claims.as_deref());
            changes.entry(placement.node).or_default().take(&room);
        }
        let mut victims: BTreeMap<NodeId, Vec<Victim<'_>>> = BTreeMap::new();
        for alloc in self.plan.evictions.iter().filter_map(|one| root.allocs.get(&one.id)) {
            let capacity = root.room_of(alloc).capacity;
            let importance = importance(root, alloc).unwrap_or_default();
            victims.entry(alloc.node).or_default().push(Victim { alloc, capacity, importance });
        }
        let mut needed: BTreeSet<AllocId> = BTreeSet::new();
        for (node, mut victims) in victims {
            if let (Some(slot), Some(change)) = (root.usage.slot(node), changes.get_mut(&node)) {
                spare(slot, change, &mut victims);
                needed.extend(victims.iter().map(|victim| victim.alloc.id));
            }
        }
        self.plan.evictions.retain(|one| needed.contains(&one.id));
        let loses: BTreeSet<&model::JobKey> = needed.iter().map(|id| &root.allocs[id].job).collect();
        self.plan.preempted_jobs.retain(|eval| loses.contains(&eval.job));
    }

    /// Takes out placements, by position, with the stops of what they would have replaced and those evicted for them.
    fn refuse(&mut self, refused: &[usize]) -> bool {
        if refused.is_empty() {
            return false;
        }
        self.complete = false;
        let mut kept: BTreeSet<AllocId> = BTreeSet::new();
        for &at in refused.iter().rev() {
            let placement = self.plan.placements.remove(at);
            self.refused.insert(placement.node);
            kept.extend(placement.previous);
            self.plan.evictions.retain(|one| one.by != placement.id);
        }
        // What is lost with its node stops all the same.
        self.plan.stops.retain(|stop| stop.client.is_some() || !kept.contains(&stop.id));
        true
    }

    fn refuse_all(&mut self) {
        self.complete = false;
        let all: Vec<usize> = (0..self.plan.placements.len()).collect();
        self.refuse(&all);
        self.plan.in_place.clear();
        self.plan.deployment = None;
        self.plan.deployment_id = None;
    }

    /// Whatever is neither placed nor updated in place.
    fn clear_rest(&mut self) {
        self.plan.stops.clear();
        self.plan.evictions.clear();
        self.plan.deployment_updates.clear();
        self.plan.followups.clear();
        self.plan.unknown.clear();
        self.plan.reconnected.clear();
    }

    fn finish(mut self) -> Verified {
        if self.plan.all_at_once && !self.complete {
            self.refuse_all();
            self.clear_rest();
        }
        if self.plan.evictions.is_empty() {
            self.plan.preempted_jobs.clear();
        }
        Verified {
            plan: self.plan,
            complete: self.complete,
            refused_nodes: self.refused.into_iter().collect(),
        }
    }
}
