//! The tables. A root is never changed once published: the one writer clones it (a few pointers), applies an entry
//! and publishes the clone.

use std::{collections::BTreeMap, sync::Arc};

use imbl::{OrdMap, OrdSet};
use model::{
    Agent, AllocId, Allocation, AutopilotSettings, Deployment, DeploymentId, EvalId, Evaluation, Job, JobKey,
    JobStatus, JobType, Node, NodeId, NodePool, PoolName, ScalingEvent, SchedulerSettings, Submission,
    TaskGroup, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Owner, ServiceInstance, ServiceKey},
    command::Epoch,
    usage::{Room, Usage},
};

/// Per table, the log index of its last change: what blocking queries compare with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableIndexes {
    pub nodes: u64,
    pub jobs: u64,
    pub evals: u64,
    pub allocs: u64,
    pub deployments: u64,
    pub services: u64,
    pub agents: u64,
    /// Events of counts.
    pub scaling: u64,
    pub pools: u64,
}

/// How many allocations of a group are in which state, over the life of the job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupCounts {
    /// Wanted and not placed, as the last evaluation said.
    pub queued: u32,
    pub starting: u32,
    pub running: u32,
    pub failed: u32,
    pub complete: u32,
    pub lost: u32,
    pub unknown: u32,
}

/// What is counted per job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobCounters {
    pub groups: BTreeMap<String, GroupCounts>,
    /// Allocations that shall run and have not ended.
    pub live_allocs: u32,
    /// Evaluations that are not terminal.
    pub open_evals: u32,
    /// Whether there ever was an evaluation.
    pub evaluated: bool,
    /// The newest state that an evaluation of the job has looked at.
    pub looked_index: u64,
    /// Of a periodic job: slots up to here were launched or passed over.
    pub launched_until: Timestamp,
    pub create_index: u64,
    pub modify_index: u64,
}

/// By group, newest first.
pub type ScalingEvents = BTreeMap<String, Vec<ScalingEvent>>;

/// The jobs that one job has launched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// Their ids, in their order.
    pub members: OrdSet<Arc<str>>,
    pub pending: u32,
    pub running: u32,
    pub dead: u32,
}

impl Family {
    fn count(&mut self, status: JobStatus) -> &mut u32 {
        match status {
            JobStatus::Pending => &mut self.pending,
            JobStatus::Running => &mut self.running,
            JobStatus::Dead => &mut self.dead,
        }
    }
}

/// Name and id of each service that an allocation or an agent has in the catalog.
pub(crate) type NamedServices = Vec<(Arc<str>, String)>;

/// The state at one log index.
#[derive(Debug, Clone, Default)]
pub struct Root {
    /// Index of the last applied entry.
    pub index: u64,
    pub indexes: TableIndexes,
    pub nodes: OrdMap<NodeId, Arc<Node>>,
    /// The members of the cluster, by the id of their nodes. Empty until a leader has looked.
    pub agents: OrdMap<NodeId, Arc<Agent>>,
    /// Names the log: indexes of two logs say nothing of each other. Zeros until a leader has named it.
    pub epoch: Epoch,
    /// The newest version of each job.
    pub jobs: OrdMap<JobKey, Arc<Job>>,
    /// Every version that is kept, by the index that registered it (`Job::job_modify_index`).
    pub job_versions: OrdMap<(JobKey, u64), Arc<Job>>,
    /// The texts that versions were made from, under the keys of the versions.
    pub submissions: OrdMap<(JobKey, u64), Arc<Submission>>,
    /// What became of the counts of a job's groups, newest first.
    pub scaling_events: OrdMap<JobKey, Arc<ScalingEvents>>,
    pub counters: OrdMap<JobKey, Arc<JobCounters>>,
    pub evals: OrdMap<EvalId, Arc<Evaluation>>,
    pub allocs: OrdMap<AllocId, Arc<Allocation>>,
    pub deployments: OrdMap<DeploymentId, Arc<Deployment>>,
    pub usage: Usage,
    pub autopilot: Arc<AutopilotSettings>,
    pub scheduler: Arc<SchedulerSettings>,
    /// Pools of nodes that are not built in. See [`Root::pools`].
    pub made_pools: OrdMap<PoolName, Arc<NodePool>>,

    /// Allocations whose room [`Root::reserve`] counts as free already, while their rows say that they run. None in a
    /// state that comes from the log.
    pub(crate) given_up: OrdSet<AllocId>,
    pub(crate) allocs_by_node: OrdSet<(NodeId, AllocId)>,
    pub(crate) allocs_by_job: OrdMap<JobKey, OrdSet<AllocId>>,
    pub(crate) allocs_by_eval: OrdSet<(EvalId, AllocId)>,
    pub(crate) evals_by_job: OrdMap<JobKey, OrdSet<EvalId>>,
    /// Evaluations that are not terminal, by the index of their last change.
    pub(crate) open_evals: OrdSet<(u64, EvalId)>,
    /// Jobs that run on every node.
    pub(crate) per_node_jobs: OrdSet<JobKey>,
    /// Jobs that launch others by the calendar.
    pub(crate) periodic_jobs: OrdSet<JobKey>,
    /// By the job that launched them, also when that one is forgotten.
    pub(crate) families: OrdMap<JobKey, Arc<Family>>,
    /// Nodes that are being emptied.
    pub(crate) draining: OrdSet<NodeId>,
    /// Nodes that are down or disconnected.
    pub(crate) gone: OrdSet<NodeId>,
    /// Allocations that shall run on nodes that are not registered (any more).
    pub(crate) orphans: OrdSet<AllocId>,
    pub(crate) active_deployments: OrdSet<DeploymentId>,
    pub(crate) deployments_by_job: OrdMap<JobKey, OrdSet<DeploymentId>>,
    pub(crate) services: OrdMap<ServiceKey, Arc<ServiceInstance>>,
    pub(crate) services_by_owner: OrdMap<Owner, Arc<NamedServices>>,
    pub(crate) service_indexes: OrdMap<Arc<str>, u64>,
    /// By lower-case name, the ways in which services with capitals in their names were written.
    pub(crate) service_spellings: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
}

impl Root {
    /// All pools of nodes, in the order of their names.
    pub fn pools(&self) -> Vec<Arc<NodePool>> {
        let mut pools: Vec<_> = NodePool::built_in().into_iter().map(Arc::new).collect();
        pools.extend(self.made_pools.values().cloned());
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        pools
    }

    pub fn pool(&self, name: &PoolName) -> Option<Arc<NodePool>> {
        let built_in = || NodePool::built_in().into_iter().find(|pool| pool.name == *name).map(Arc::new);
        self.made_pools.get(name).cloned().or_else(built_in)
    }

    pub fn has_pool(&self, name: &PoolName) -> bool {
        name.is_built_in() || self.made_pools.contains_key(name)
    }

    pub fn allocs_of_node(&self, node: NodeId) -> impl Iterator<Item = &Arc<Allocation>> {
        self.allocs_by_node
            .range((node, AllocId(0))..=(node, AllocId(u128::MAX)))
            .filter_map(|(_, id)| self.allocs.get(id))
    }

    /// Allocations because of which a drain of the node is not over.
    pub fn holding_up<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Arc<Allocation>> {
        self.allocs_of_node(node.id)
            .filter(|alloc| node.is_held_up_by(alloc) && !node.leaves_alone(self.kind_of(alloc)))
    }

    /// Nodes that are down or disconnected, in the order of their ids.
    pub fn gone_nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.gone.iter().filter_map(|id| self.nodes.get(id))
    }

    /// Nodes that are being emptied, in the order of their ids.
    pub fn draining_nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.draining.iter().filter_map(|id| self.nodes.get(id))
    }

    /// Allocations that shall run on nodes that are not registered (any more).
    pub fn orphans(&self) -> impl Iterator<Item = &Arc<Allocation>> {
        self.orphans.iter().filter_map(|id| self.allocs.get(id))
    }

    /// In the order of their ids.
    pub fn allocs_of_job(&self, job: &JobKey) -> impl Iterator<Item = &Arc<Allocation>> {
        self.allocs_by_job.get(job).into_iter().flatten().filter_map(|id| self.allocs.get(id))
    }

    pub fn allocs_of_eval(&self, eval: EvalId) -> impl Iterator<Item = &Arc<Allocation>> {
        self.allocs_by_eval
            .range((eval, AllocId(0))..=(eval, AllocId(u128::MAX)))
            .filter_map(|(_, id)| self.allocs.get(id))
    }

    pub fn evals_of_job(&self, job: &JobKey) -> impl Iterator<Item = &Arc<Evaluation>> {
        self.evals_by_job.get(job).into_iter().flatten().filter_map(|id| self.evals.get(id))
    }

    pub fn deployments_of_job(&self, job: &JobKey) -> impl Iterator<Item = &Arc<Deployment>> {
        self.deployments_by_job.get(job).into_iter().flatten().filter_map(|id| self.deployments.get(id))
    }

    /// Evaluations that are not terminal and changed after entry `index`, in the order of their last change.
    pub fn open_evals_since(&self, index: u64) -> impl Iterator<Item = &Arc<Evaluation>> {
        self.open_evals.range((index + 1, EvalId(0))..).filter_map(|(_, id)| self.evals.get(id))
    }

    pub fn active_deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.active_deployments.iter().filter_map(|id| self.deployments.get(id))
    }

    /// Takes a plan's room into account before the plan is in the log: usage only, no rows. For verifying the next
    /// plan while this one is being written.
    pub fn reserve(&mut self, plan: &model::Plan) {
        let index = self.index;
        let stops = plan.stops.iter().map(|stop| stop.id);
        for id in stops.chain(plan.evictions.iter().map(|eviction| eviction.id)) {
            if let Some(alloc) = self.allocs.get(&id).filter(|alloc| self.holds_room(alloc)).cloned() {
                self.given_up.insert(id);
                let room = self.room_of(&alloc);
                self.usage.release(index, alloc.node, &room);
            }
        }
        for placement in &plan.placements {
            let Some(job) = self.version_placed(plan, placement) else { continue };
            let capacity = job.group(&placement.group).map(TaskGroup::capacity).unwrap_or_default();
            let room = Room::new(capacity, &placement.ports, placement.claims.as_deref());
            self.usage.add(placement.node, &room);
        }
    }

    /// This state with room as `ahead` counts it, an earlier state after [`Root::reserve`]. What ended since still counts
    /// as running. `None` if nodes changed since: then its room says nothing of them.
    pub fn with_room_of(&self, ahead: &Root) -> Option<Root> {
        (self.indexes.nodes <= ahead.index).then(|| Root {
            usage: ahead.usage.clone(),
            given_up: ahead.given_up.clone(),
            ..self.clone()
        })
    }

    /// Whether the allocation's room, ports, cores and devices are counted as used on its node.
    pub fn holds_room(&self, alloc: &Allocation) -> bool {
        !alloc.is_terminal() && !self.given_up.contains(&alloc.id)
    }

    /// What the allocation takes of its node.
    pub fn room_of<'a>(&self, alloc: &'a Allocation) -> Room<'a> {
        let capacity = self.group_of(alloc).map(TaskGroup::capacity).unwrap_or_default();
        Room::new(capacity, &alloc.ports, alloc.claims.as_deref())
    }

    /// How many canaries of the group run and were found healthy.
    pub fn healthy_canaries(&self, group: &model::GroupRollout) -> u32 {
        let rows = group.placed_canaries.iter().filter_map(|id| self.allocs.get(id));
        let good = |alloc: &&Arc<Allocation>| {
            !alloc.is_terminal() && alloc.health.is_some_and(|health| health.healthy)
        };
        rows.filter(good).count() as u32
    }

    /// The newest deployment of the job.
    pub fn latest_deployment(&self, job: &JobKey) -> Option<&Arc<Deployment>> {
        self.deployments_of_job(job).max_by_key(|deployment| deployment.create_index)
    }

    /// Kept versions of a job, newest first.
    pub fn versions_of_job(&self, job: &JobKey) -> Vec<&Arc<Job>> {
        let mut versions: Vec<_> =
            self.job_versions.range((job.clone(), 0)..=(job.clone(), u64::MAX)).map(|(_, job)| job).collect();
        versions.reverse();
        versions
    }

    /// A kept version of a job that is stored; what an earlier job of that name left behind is no version of it.
    pub fn version_of_job(&self, job: &JobKey, version: u64) -> Option<&Arc<Job>> {
        let created = self.jobs.get(job)?.create_index;
        let is_it = |row: &&Arc<Job>| row.version == version && row.create_index == created;
        self.versions_of_job(job).into_iter().find(is_it)
    }

    /// The job version that a placement of the plan runs.
    pub fn version_placed(&self, plan: &model::Plan, placement: &model::Placement) -> Option<&Arc<Job>> {
        self.job_versions.get(&(plan.job.clone(), placement.job_index.unwrap_or(plan.job_index)))
    }

    /// The text that a version of a job was made from, if it was kept.
    pub fn submission(&self, job: &JobKey, version: u64) -> Option<&Arc<Submission>> {
        let version = self.version_of_job(job, version)?;
        self.submissions.get(&(job.clone(), version.job_modify_index))
    }

    /// The job version that an allocation runs.
    pub fn job_of(&self, alloc: &Allocation) -> Option<&Arc<Job>> {
        self.job_versions.get(&(alloc.job.clone(), alloc.job_index))
    }

    /// How the job of an allocation is scheduled; `service` if nobody knows any more.
    pub fn kind_of(&self, alloc: &Allocation) -> JobType {
        self.job_of(alloc).map_or_else(JobType::default, |job| job.kind)
    }

    /// Jobs that run on every node and were not stopped.
    pub fn per_node_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.per_node_jobs.iter().filter_map(|key| self.jobs.get(key)).filter(|job| !job.stop)
    }

    /// Jobs that launch others by the calendar, are enabled and were not stopped.
    pub fn periodic_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        let jobs = self.periodic_jobs.iter().filter_map(|key| self.jobs.get(key));
        jobs.filter(|job| !job.stop && job.periodic.as_ref().is_some_and(|periodic| periodic.enabled))
    }

    /// What a job has launched and is still known; `None`: nothing.
    pub fn family(&self, parent: &JobKey) -> Option<&Family> {
        self.families.get(parent).map(Arc::as_ref)
    }

    /// Replaces the row of the newest version of a job.
    pub(crate) fn enter_job(&mut self, job: Arc<Job>) {
        let key = job.key();
        let enter = |set: &mut OrdSet<JobKey>, belongs: bool| {
            if belongs {
                set.insert(key.clone());
            } else {
                set.remove(&key);
            }
        };
        enter(&mut self.per_node_jobs, job.kind.is_per_node() && !job.only_launches());
        enter(&mut self.periodic_jobs, job.is_periodic());
        self.leave_family(&key);
        if let Some(parent) = job.parent() {
            let family = Arc::make_mut(self.families.entry(parent).or_default());
            family.members.insert(key.id.clone());
            *family.count(job.status) += 1;
        }
        self.jobs.insert(key, job);
    }

    pub(crate) fn forget_job(&mut self, key: &JobKey) {
        self.leave_family(key);
        self.jobs.remove(key);
        self.per_node_jobs.remove(key);
        self.periodic_jobs.remove(key);
        self.counters.remove(key);
        self.scaling_events.remove(key);
    }

    /// Forgets a version and its text. `job_index`: at which it was registered.
    pub(crate) fn forget_version(&mut self, key: &JobKey, job_index: u64) {
        let version = (key.clone(), job_index);
        self.job_versions.remove(&version);
        self.submissions.remove(&version);
    }

    /// The job's row is about to be replaced or removed.
    fn leave_family(&mut self, key: &JobKey) {
        let Some(job) = self.jobs.get(key) else { return };
        let Some(parent) = job.parent() else { return };
        let status = job.status;
        let Some(family) = self.families.get_mut(&parent) else { return };
        let family = Arc::make_mut(family);
        family.members.remove(&key.id);
        let count = family.count(status);
        *count = count.saturating_sub(1);
        if family.members.is_empty() {
            self.families.remove(&parent);
        }
    }

    /// The task group that an allocation is an instance of.
    pub fn group_of(&self, alloc: &Allocation) -> Option<&TaskGroup> {
        self.job_of(alloc)?.group(&alloc.group)
    }
}
