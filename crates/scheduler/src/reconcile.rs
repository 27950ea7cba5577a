//! First phase: what has to change?
//!
//! The problem. Per group there is a wanted number of instances and a set of allocations: some run the newest
//! version, some an older one; some failed, some were on a machine that is gone. Each of them goes into exactly one
//! bucket (ignored, stopped, lost, rescheduled now or later, updated in place, replaced), and what is then missing
//! is placed. A roll-out limits how many may be replaced at a time. Running it twice on the result changes nothing.
//!
//! Jobs that run on every node are another matter (`every_node`): there the wanted number is one per node.
//!
//! Names: an allocation is `job.group[index]`. New ones take the lowest index that is free, replacements keep the
//! index of what they replace, and scaling down stops the highest indexes first.

mod away; // nodes that cannot be reached, and what comes back with them
mod canaries; // new versions beside the old ones
mod change; // in place, or destructive?
mod every_node; // one on each node that may run it
mod group; // the buckets of one group
mod reschedule; // when a failed allocation is tried again
mod rollout; // deployments: which one counts, what it allows

use model::{
    AllocId, AllocStop, Allocation, ClientStatus, Deployment, DeploymentId, DeploymentStatus, Evaluation,
    Job, NodeId, RescheduleEvent, TaskGroup, Timestamp, plan::Annotations,
};
use state::Root;

use away::Whereabouts;
pub(crate) use every_node::{NodeGroup, NodeWant};
pub(crate) use rollout::{Created, Rollout};

use crate::feasible::Feasibility;

/// Why allocations stop, in the words that people and scripts know.
pub(crate) mod description {
    pub(crate) const NOT_NEEDED: &str = "alloc not needed due to job update";
    pub(crate) const UPDATING: &str = "alloc is being updated due to job update";
    pub(crate) const TAINTED: &str = "alloc not needed as node is tainted";
    pub(crate) const LOST: &str = model::alloc::LOST_WITH_NODE;
    pub(crate) const MIGRATING: &str = "alloc is being migrated";
    pub(crate) const RECONNECTED: &str = "alloc not needed due to disconnected client reconnect";
    pub(crate) const RESCHEDULED: &str = "alloc was rescheduled because it failed";
}

/// An allocation that stops, whether or not anything else can be placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop<'a> {
    pub(crate) alloc: &'a Allocation,
    pub(crate) description: &'static str,
    pub(crate) client: Option<ClientStatus>,
}

impl Stop<'_> {
    pub(crate) fn to_plan(self) -> AllocStop {
        AllocStop {
            id: self.alloc.id,
            node: self.alloc.node,
            description: self.description.into(),
            client: self.client,
        }
    }
}

/// An allocation that shall be placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want<'a> {
    pub(crate) index: u32,
    pub(crate) replaces: Option<&'a Allocation>,
    /// What is replaced stops with these words, if a place for the new one is found.
    pub(crate) stop_with: Option<&'static str>,
    /// A reschedule after a failure that had waited this long.
    pub(crate) rescheduled_after: Option<std::time::Duration>,
    /// It runs beside what it may replace later.
    pub(crate) canary: bool,
    /// The version it runs, where that is not the newest one: a roll-out that has not shown yet that the newest one is
    /// good, or has shown that it is not, does not take what worked away.
    pub(crate) version: Option<&'a Job>,
}

impl<'a> Want<'a> {
    /// One that replaces nothing.
    pub(super) fn fresh(index: u32) -> Self {
        Self { index, replaces: None, stop_with: None, rescheduled_after: None, canary: false, version: None }
    }

    pub(super) fn instead_of(old: &'a Allocation) -> Self {
        Self { replaces: Some(old), ..Self::fresh(old.index) }
    }

    /// Nodes on which this instance failed before.
    pub(crate) fn penalty_nodes(&self) -> Vec<NodeId> {
        let Some(failed) = self.replaces.filter(|_| self.rescheduled_after.is_some()) else {
            return Vec::new();
        };
        failed.reschedules.iter().map(|event| event.previous_node).chain([failed.node]).collect()
    }

    /// The node of what it replaces, where the data are that it shall take over.
    pub(crate) fn keeps_node(&self, group: &TaskGroup) -> Option<NodeId> {
        self.replaces.filter(|_| group.ephemeral_disk.is_sticky()).map(|old| old.node)
    }

    /// The earlier attempts of the new allocation.
    pub(crate) fn history(&self, group: &TaskGroup, now: Timestamp) -> Vec<RescheduleEvent> {
        let Some(old) = self.replaces else { return Vec::new() };
        match self.rescheduled_after {
            Some(delay) => reschedule::history(group, old, delay, now),
            // Lost with its node: the chain goes on. A new version starts afresh.
            None if self.stop_with.is_none() => old.reschedules.clone(),
            None => Vec::new(),
        }
    }
}

/// What one group needs.
#[derive(Debug)]
pub(crate) struct GroupWork<'a> {
    /// Position in the job.
    pub(crate) at: usize,
    pub(crate) group: &'a TaskGroup,
    /// Replacements by a new version first.
    pub(crate) wants: Vec<Want<'a>>,
    /// New allocations count towards the deployment.
    pub(crate) in_deployment: bool,
}

/// The answer of this phase.
#[derive(Debug, Default)]
pub(crate) struct Work<'a> {
    pub(crate) stops: Vec<Stop<'a>>,
    pub(crate) in_place: Vec<&'a Allocation>,
    pub(crate) groups: Vec<GroupWork<'a>>,
    /// The same for a job that runs on every node.
    pub(crate) on_nodes: Vec<NodeGroup<'a>>,
    /// What its roll-out allows.
    pub(crate) rollout: Rollout<'a>,
    /// Failed allocations and when their replacement is due.
    pub(crate) later: Vec<(AllocId, Timestamp)>,
    /// Allocations that nobody knows anything of from now on.
    pub(crate) unknown: Vec<AllocId>,
    /// Unknown ones and when they count as lost.
    pub(crate) expire: Vec<(AllocId, Timestamp)>,
    /// Allocations that came back and stay.
    pub(crate) reconnected: Vec<AllocId>,
    pub(crate) deployment_updates: Vec<(DeploymentId, DeploymentStatus, String)>,
    /// A deployment to be created.
    pub(crate) deployment: Option<Deployment>,
    /// The deployment that new allocations belong to.
    pub(crate) deployment_id: Option<DeploymentId>,
    pub(crate) annotations: Annotations,
}

/// Compares what is wanted with what there is. `job` is `None` when it is stopped or gone.
pub(crate) fn reconcile<'a>(
    root: &'a Root,
    eval: &Evaluation,
    job: Option<&'a Job>,
    feasibility: Option<&Feasibility<'a>>,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Work<'a> {
    let mut work = Work::default();
    let mut allocs: Vec<&'a Allocation> = root.allocs_of_job(&eval.job).map(|alloc| &**alloc).collect();
    allocs.sort_by_key(|alloc| (alloc.index, alloc.create_index, alloc.id));
    let rollout = rollout::current(root, eval, job, &mut work);
    let (Some(job), Some(feasibility)) = (job, feasibility) else {
        for alloc in allocs {
            stop_unwanted(root, alloc, now, &mut work);
        }
        return work;
    };
    for alloc in &allocs {
        if job.group(&alloc.group).is_none() {
            stop_unwanted(root, alloc, now, &mut work);
        }
    }
    if job.kind.is_per_node() {
        let task = every_node::Task::new(root, eval, job, feasibility, &rollout, now);
        work.on_nodes = task.reconcile(&allocs, &mut work);
        work.rollout = rollout;
        return work;
    }
    let mut created = Created::default();
    for (at, group) in job.groups.iter().enumerate() {
        let of_group: Vec<&'a Allocation> =
            allocs.iter().copied().filter(|alloc| *alloc.group == *group.name).collect();
        let task = group::Task { root, eval, job, feasibility, at, group, rollout: &rollout, now };
        task.reconcile(&of_group, &mut work, &mut created);
    }
    rollout::finish(job, &rollout, created, now, ids, &mut work);
    work
}

/// Stops an allocation that nobody wants any more, unless it has ended by itself.
fn stop_unwanted<'a>(root: &Root, alloc: &'a Allocation, now: Timestamp, work: &mut Work<'a>) {
    if alloc.is_terminal() {
        return;
    }
    let stop = if away::whereabouts(root, alloc, now) == Whereabouts::Lost {
        Stop { alloc, description: description::LOST, client: Some(ClientStatus::Lost) }
    } else {
        Stop { alloc, description: description::NOT_NEEDED, client: None }
    };
    work.annotations.entry(alloc.group.to_string()).or_default().stop += 1;
    work.stops.push(stop);
}
