//! A plan meets the newest state.
//!
//! The problem. Workers plan in parallel on snapshots, so by the time a plan arrives another one may have taken the
//! room, the job may have been stopped or changed, a node may be gone. What is still true is kept, what is not is
//! taken out, and the worker is told to look again.
//!
//! A replacement and the stop of what it replaces belong together: when the new one is refused, the old one stays.
//! That may leave less room for others on its node, so nodes are looked at until nothing more is taken out.

use std::collections::{BTreeMap, BTreeSet};

use model::{AllocId, NodeId, Plan};
use state::Root;

use crate::fit::{Change, fits};

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
    while check.nodes() {}
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
        self.plan.in_place.retain(|id| root.allocs.get(id).is_some_and(|alloc| !alloc.is_terminal()));
        self.plan.followups.retain(|(id, _)| root.allocs.contains_key(id));
        self.plan.unknown.retain(|id| !came_back.contains(id));
        self.plan.reconnected.retain(|id| root.allocs.get(id).is_some_and(|alloc| !alloc.is_terminal()));
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
        let taken: BTreeSet<(&str, u32)> = root
            .allocs_of_job(&self.plan.job)
            .filter(|alloc| !alloc.is_terminal() && !stopped.contains(&alloc.id) && holds_name(alloc))
            .map(|alloc| (&*alloc.group, alloc.index))
            .collect();
        let refused: Vec<usize> = (0..self.plan.placements.len())
            .filter(|&at| {
                let placement = &self.plan.placements[at];
                let replaced = placement.previous.and_then(|id| root.allocs.get(&id));
                taken.contains(&(&*placement.group, placement.index))
                    || replaced.is_some_and(|alloc| alloc.next.is_some_and(|next| next != placement.id))
            })
            .collect();
        self.refuse(&refused);
    }

    /// Looks at each node that gets something. Answers whether anything was taken out.
    fn nodes(&mut self) -> bool {
        let root = self.root;
        let mut changes: BTreeMap<NodeId, Change> = BTreeMap::new();
        for stop in &self.plan.stops {
            let Some(alloc) = root.allocs.get(&stop.id).filter(|alloc| !alloc.is_terminal()) else {
                continue;
            };
            let capacity = root.group_of(alloc).map(model::TaskGroup::capacity).unwrap_or_default();
            changes.entry(alloc.node).or_default().free(capacity, alloc.ports.iter().map(|port| port.value));
        }
        let job = root.job_versions.get(&(self.plan.job.clone(), self.plan.job_index));
        let mut capacities: BTreeMap<&str, model::Capacity> = BTreeMap::new();
        for group in job.into_iter().flat_map(|job| &job.groups) {
            capacities.insert(&group.name, group.capacity());
        }
        let mut refused = Vec::new();
        let mut ports = Vec::new();
        for (at, placement) in self.plan.placements.iter().enumerate() {
            let slot = root.usage.slot(placement.node).filter(|slot| slot.schedulable);
            let (Some(slot), Some(&capacity)) = (slot, capacities.get(&*placement.group)) else {
                refused.push(at);
                continue;
            };
            let change = changes.entry(placement.node).or_default();
            ports.clear();
            ports.extend(placement.ports.iter().map(|port| port.value));
            if fits(slot, change, capacity, &ports).is_ok() {
                change.take(capacity, ports.iter().copied());
            } else {
                refused.push(at);
            }
        }
        self.refuse(&refused)
    }

    /// Takes out placements, by position, and the stops of what they would have replaced.
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
        Verified {
            plan: self.plan,
            complete: self.complete,
            refused_nodes: self.refused.into_iter().collect(),
        }
    }
}
