//! Decides what shall run where: a pure function of a snapshot.
//!
//! The problem. A job says how many instances of each of its task groups it wants; the state says which
//! allocations there are and how the machines are. Find the smallest set of changes that brings the second to the
//! first, and choose for each new allocation the machine on which it does best. The answer leaves nothing to
//! choose for whoever applies it: ids, ports and times are inside.
//!
//! Three phases:
//!
//! 1. `reconcile`: per group, which allocations stop, stay, are updated in place or replaced, how many are missing,
//!    and what a roll-out allows now. Looks at no machine but those that hold allocations.
//! 2. `feasible`: which machines could run a group at all (datacenter, drivers, constraints), answered once per
//!    node class.
//! 3. `rank`: which of those has room, and which one is best. All of them are scored, in one pass over the dense
//!    usage table. Where none has room, less important allocations may be evicted.
//!
//! Jobs that run on every node go the same way with nothing to choose: `reconcile` says on which nodes one is missing,
//! and `rank` is only asked whether that node has room.
//!
//! Plans are made in parallel from snapshots, so a plan may be out of date when it arrives: [`verify`] is the one
//! place where it meets the newest state. Both sides ask the same function, [`fits`].

mod evict; // who has to give way
mod feasible; // who could run it
mod fit; // does it fit: the one answer to that
mod outcome; // the evaluation as it is stored, the blocked one, the delayed ones
mod rank; // who runs it best
mod every_node; // jobs that run on every node
mod older_versions; // what comes back as it was while a new version proves itself
mod reconcile; // what has to change
mod verify; // a plan against the newest state

use std::collections::BTreeMap;

use model::{AllocStop, Evaluation, Eviction, Placement, Plan, Timestamp, plan::Annotations};

pub use fit::{Change, Exhausted, fits};
pub use verify::{Verified, verify};

/// Everything a decision depends on.
pub struct Input<'a> {
    /// The snapshot to decide on.
    pub root: &'a state::Root,
    pub eval: &'a Evaluation,
    pub now: Timestamp,
    /// Where new ids come from.
    pub ids: &'a mut dyn FnMut() -> u128,
    /// Picks dynamic ports, and the first among nodes that are equally good.
    pub rng_seed: u64,
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("index", &self.root.index)
            .field("eval", self.eval)
            .field("now", &self.now)
            .field("rng_seed", &self.rng_seed)
            .finish_non_exhaustive()
    }
}

/// What shall happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub plan: Plan,
    /// The evaluation as it shall be stored once the plan was applied as a whole.
    pub eval: Evaluation,
    /// The blocked evaluation for what found no room, and delayed ones for later reschedules.
    pub new_evals: Vec<Evaluation>,
    /// How many allocations of each group are touched, by kind of change.
    pub annotations: Annotations,
}

/// Decides what the evaluation's job needs now.
pub fn schedule(input: Input<'_>) -> Decision {
    let Input { root, eval, now, ids, rng_seed } = input;
    let job = root.jobs.get(&eval.job).filter(|job| !job.stop && !job.only_launches()).map(|job| &**job);
    let feasibility = job.map(|job| feasible::Feasibility::new(root, job));
    let mut work = reconcile::reconcile(root, eval, job, feasibility.as_ref(), now, ids);

    let mut plan = Plan::new(eval.id, eval.job.clone(), eval.priority, root.index, now);
    plan.stops = work.stops.iter().map(|stop| stop.to_plan()).collect();
    plan.unknown = std::mem::take(&mut work.unknown);
    plan.reconnected = std::mem::take(&mut work.reconnected);
    plan.in_place = work.in_place.iter().map(|alloc| alloc.id).collect();
    plan.deployment_updates = std::mem::take(&mut work.deployment_updates);
    plan.deployment = work.deployment.take();
    plan.deployment_id = work.deployment_id;
    let mut failed = outcome::Failed::default();
    if let (Some(job), Some(feasibility)) = (job, &feasibility) {
        plan.job_index = job.job_modify_index;
        plan.all_at_once = job.all_at_once;
        plan.oversubscribed = root.scheduler.memory_oversubscription;
        let is_per_node = job.kind.is_per_node();
        if is_per_node || work.groups.iter().any(|group| !group.wants.is_empty()) {
            let before = older_versions::place(root, &work, rng_seed, now, ids, &mut plan, &mut failed);
            let mut ranker = rank::Ranker::new(root, job, feasibility, &work.stops, rng_seed);
            ranker.adopt(&before);
            if is_per_node {
                every_node::place(job, &mut ranker, &mut work, now, ids, &mut plan, &mut failed);
            }
            for group in &work.groups {
                let newest = group.wants.iter().filter(|want| want.version.is_none());
                let mut search = Placing { now, ids, plan: &mut plan, failed: &mut failed };
                search.group(&mut ranker, group.at, group, newest, work.deployment_id);
            }
            if !plan.evictions.is_empty() {
                let needed = ranker.spare();
                plan.evictions.retain(|eviction| needed.contains(&eviction.id));
                outcome::preempt(root, &mut plan, &mut work.annotations, now, ids);
            }
        }
    }
    let (eval, new_evals) = outcome::settle(root, eval, job, &mut plan, &work, failed, now, ids);
    Decision { plan, eval, new_evals, annotations: work.annotations }
}

/// What placements are entered into.
struct Placing<'p> {
    now: Timestamp,
    ids: &'p mut dyn FnMut() -> u128,
    plan: &'p mut Plan,
    failed: &'p mut outcome::Failed,
}

impl Placing<'_> {
    /// Finds a node for each of these allocations, which are of one version. `at`: the position of the group in that.
    fn group<'w, 'a: 'w>(
        &mut self,
        ranker: &mut rank::Ranker<'_>,
        at: usize,
        group: &reconcile::GroupWork<'a>,
        wants: impl Iterator<Item = &'w reconcile::Want<'a>>,
        deployment: Option<model::DeploymentId>,
    ) {
        let mut wants = wants.peekable();
        if wants.peek().is_none() {
            return;
        }
        let Self { now, ids, plan, failed } = self;
        let name: std::sync::Arc<str> = group.group.name.as_str().into();
        let mut search = ranker.search(at);
        let mut waits = false;
        for want in wants {
            let stops = want.replaces.filter(|_| want.stop_with.is_some());
            if let Some(old) = stops {
                search.free(old);
            }
            let penalty = want.penalty_nodes();
            let kept = want.keeps_node(group.group).and_then(|node| search.take_on(node));
            let Some(choice) = kept.or_else(|| search.pick(&penalty)) else {
                // What would have been replaced stays as it is.
                if let Some(old) = stops {
                    search.unfree(old);
                }
                failed.add(&group.group.name, || search.metric());
                waits = true;
                continue;
            };
            if let (Some(old), Some(description)) = (stops, want.stop_with) {
                plan.stops.push(AllocStop {
                    id: old.id,
                    node: old.node,
                    description: description.into(),
                    client: None,
                });
            }
            let id = model::AllocId(ids());
            let evict = |victim: &model::Allocation| Eviction { id: victim.id, node: victim.node, by: id };
            plan.evictions.extend(choice.victims.into_iter().map(evict));
            plan.placements.push(Placement {
                id,
                node: choice.node,
                group: name.clone(),
                index: want.index,
                ports: choice.ports,
                claims: choice.claims,
                deployment: deployment.filter(|_| group.in_deployment && want.version.is_none()),
                canary: want.canary,
                job_index: want.version.map(|job| job.job_modify_index),
                previous: want.replaces.map(|alloc| alloc.id),
                reschedules: want.history(group.group, *now),
                metric: Some(search.success_metric()),
            });
        }
        if waits {
            failed.wait_for(ranker.feasibility(), at);
        }
    }
}

/// Counts per group name, with a row for every group of the job.
fn zero_per_group(job: Option<&model::Job>) -> BTreeMap<String, u32> {
    job.into_iter().flat_map(|job| job.groups.iter().map(|group| (group.name.clone(), 0))).collect()
}

#[cfg(test)]
mod testing; // small worlds for the tests
#[cfg(test)]
mod tests;
