//! Applies a command. One command, one file; what several of them touch is here.

mod agents; // members of the cluster
mod collect; // forgetting
mod deployments; // status of roll-outs
mod steering; // what people decide about roll-outs
mod evals; // evaluations
mod jobs; // registration and stop
mod launches; // jobs launched by jobs
mod nodes; // machines
mod drains; // emptying machines
mod pools; // pools of machines
mod plans; // placements and stops
mod history; // texts and names of versions, changes of counts
mod settings; // what operators replace as a whole
mod autopilot; // settings of the servers
mod scheduler; // settings of the scheduler
mod reports; // what nodes say

use std::sync::Arc;

use model::{Allocation, ClientStatus, JobKey, JobStatus, JobType, Node, NodeStatus};

use crate::{
    catalog,
    command::{Command, Outcome},
    root::{GroupCounts, JobCounters, Root},
};

impl Root {
    /// Carries out one command as part of entry `index`. Several commands may share an index.
    pub fn apply(&mut self, index: u64, command: Command) -> Outcome {
        self.index = index;
        match command {
            Command::RegisterNode { node, evals, now } => nodes::register(self, index, node, evals, now),
            Command::SetNodeStatus { node, status, event, evals, now } => {
                nodes::set_status(self, index, node, status, event, evals, now)
            }
            Command::SetNodeEligibility { node, eligibility, evals, now } => {
                nodes::set_eligibility(self, index, node, eligibility, evals, now)
            }
            Command::RegisterJob { job, enforce_index, eval, now } => {
                jobs::register(self, index, *job, enforce_index, eval, now)
            }
            Command::DeregisterJob { job, purge, eval, now } => {
                jobs::deregister(self, index, &job, purge, eval, now)
            }
            Command::LaunchJob { parent, child, launch, eval, now } => {
                launches::launch(self, index, &parent, &child, launch, eval, now)
            }
            Command::SetJobStability { job, version, stable } => {
                jobs::set_stability(self, index, &job, version, stable)
            }
            Command::UpdateEvals { evals } => {
                evals::upsert_all(self, index, evals);
                Outcome::Done
            }
            Command::ApplyPlan { plan, evals } => plans::apply(self, index, *plan, evals),
            Command::UpdateAllocs { updates, evals, synced, now } => {
                reports::apply(self, index, updates, evals, synced, now)
            }
            Command::UpdateDeployment { deployment, status, description, stable, evals, now } => {
                deployments::update(self, index, deployment, status, description, stable, evals, now)
            }
            Command::SteerDeployment { deployment, steering, evals, now } => {
                steering::steer(self, index, deployment, steering, evals, now)
            }
            Command::Collect { before } => collect::collect(self, index, before),
            Command::AddDeployment { deployment } => {
                deployments::put(self, index, deployment);
                Outcome::Done
            }
            Command::SetNodeDrain { node, drain, mark_eligible, evals, now } => {
                drains::set(self, index, node, drain, mark_eligible, evals, now)
            }
            Command::FinishDrain { node, forced, now } => drains::finish(self, index, node, forced, now),
            Command::MarkMigrate { allocs, evals, now } => {
                drains::mark_migrate(self, index, allocs, evals, now)
            }
            Command::SkipShutdownDelay { allocs, job } => {
                drains::skip_shutdown_delay(self, index, allocs, job.as_ref())
            }
            Command::PurgeNode { node, evals, now } => nodes::purge(self, index, node, evals, now),
            Command::UpdateAgents { put, gone, epoch, now } => {
                agents::update(self, index, put, gone, epoch, now)
            }
            Command::SetAutopilot { settings, enforce_index } => {
                autopilot::set(self, index, settings, enforce_index)
            }
            Command::SetScheduler { settings, enforce_index } => {
                scheduler::set(self, index, settings, enforce_index)
            }
            Command::KeepSubmission { job, submission } => {
                history::keep_submission(self, index, &job, *submission)
            }
            Command::TagVersion { job, name, tagging, now } => {
                history::tag(self, index, &job, name, tagging, now)
            }
            Command::NoteScaling { job, group, event } => {
                history::note_scaling(self, index, &job, group, *event)
            }
            Command::DeleteEvals { evals } => history::delete_evals(self, index, evals),
            Command::PutPools { pools } => pools::put(self, index, pools),
            Command::DeletePool { name } => pools::delete(self, index, &name),
        }
    }

    /// Enters a new version of an allocation's row and all that is derived from it: indexes, usage, counters, catalog.
    pub(crate) fn put_alloc(&mut self, index: u64, mut alloc: Allocation) {
        alloc.modify_index = index;
        let before = self.allocs.get(&alloc.id).cloned();
        if before.is_none() {
            alloc.create_index = index;
            self.allocs_by_node.insert((alloc.node, alloc.id));
            self.allocs_by_job.entry(alloc.job.clone()).or_default().insert(alloc.id);
            self.allocs_by_eval.insert((alloc.eval, alloc.id));
        }
        let was = before.as_deref().is_some_and(|alloc| !alloc.is_terminal());
        let is = !alloc.is_terminal();
        let moved = before.as_deref().is_some_and(|before| before.job_index != alloc.job_index);
        if was && (!is || moved) {
            let old = before.as_deref().expect("`was` is only true for an earlier row");
            let room = self.room_of(old);
            self.usage.release(index, old.node, &room);
        }
        if is && (!was || moved) {
            self.take_room(&alloc);
        }
        if alloc.alloc_modify_index == index
            && let Some(slot) = self.usage.slot_mut(alloc.node)
        {
            slot.assigned_index = index;
        }
        if is && !self.nodes.contains_key(&alloc.node) {
            self.orphans.insert(alloc.id);
        } else if was && !is {
            self.orphans.remove(&alloc.id);
        }
        self.count(index, &alloc, before.as_deref());
        self.indexes.allocs = index;
        let row = Arc::new(alloc);
        self.allocs.insert(row.id, row.clone());
        catalog::refresh(self, index, &row);
    }

    /// Enters a node's row and what is derived from it.
    pub(crate) fn enter_node(&mut self, index: u64, node: Arc<Node>) {
        let is_new = self.usage.slot(node.id).is_none();
        let before = self.nodes.get(&node.id);
        if has_turned(before.map(Arc::as_ref), &node) {
            self.usage.turned_index = index;
        }
        self.usage.put_node(index, &node);
        if node.drain.is_some() {
            self.draining.insert(node.id);
        } else {
            self.draining.remove(&node.id);
        }
        if node.status.is_gone() {
            self.gone.insert(node.id);
        } else {
            self.gone.remove(&node.id);
        }
        let id = node.id;
        self.nodes.insert(id, node);
        if is_new {
            // It was purged and is back: what was placed on it then still counts.
            let left: Vec<_> =
                self.allocs_of_node(id).filter(|alloc| !alloc.is_terminal()).cloned().collect();
            for alloc in left {
                self.orphans.remove(&alloc.id);
                self.take_room(&alloc);
            }
        }
    }

    /// Counts all that the allocation takes as used on its node.
    pub(crate) fn take_room(&mut self, alloc: &Allocation) {
        let room = self.room_of(alloc);
        self.usage.add(alloc.node, &room);
    }

    fn count(&mut self, index: u64, alloc: &Allocation, before: Option<&Allocation>) {
        let counters = Arc::make_mut(
            self.counters
                .entry(alloc.job.clone())
                .or_insert_with(|| Arc::new(JobCounters { create_index: index, ..JobCounters::default() })),
        );
        counters.modify_index = index;
        let group = counters.groups.entry(alloc.group.to_string()).or_default();
        if let Some(before) = before {
            let count = field(group, before.client);
            *count = count.saturating_sub(1);
            if !before.is_terminal() {
                counters.live_allocs = counters.live_allocs.saturating_sub(1);
            }
        }
        *field(group, alloc.client) += 1;
        if !alloc.is_terminal() {
            counters.live_allocs += 1;
        }
    }

    /// Sets the derived status of a job after its allocations or evaluations changed.
    pub(crate) fn refresh_job_status(&mut self, index: u64, key: &JobKey) {
        let Some(job) = self.jobs.get(key) else { return };
        let empty = JobCounters::default();
        let counters = self.counters.get(key).map_or(&empty, |counters| counters);
        let status = if counters.live_allocs > 0 {
            JobStatus::Running
        } else if job.stop {
            JobStatus::Dead
        } else if job.kind == JobType::System || job.only_launches() {
            // Also where no node may run it yet: the next one may. And what launches others is there for them.
            JobStatus::Running
        } else if counters.open_evals > 0 || !counters.evaluated {
            JobStatus::Pending
        } else if job.groups.iter().all(|group| group.count == 0) || counters.evaluated {
            JobStatus::Dead
        } else {
            JobStatus::Pending
        };
        if job.status != status {
            let mut job = Arc::clone(job);
            let row = Arc::make_mut(&mut job);
            row.status = status;
            row.modify_index = index;
            self.put_job_row(index, job);
        }
    }

    /// Replaces the row of the newest version.
    pub(crate) fn put_job_row(&mut self, index: u64, job: Arc<model::Job>) {
        let key = job.key();
        self.job_versions.insert((key, job.job_modify_index), job.clone());
        self.enter_job(job);
        self.indexes.jobs = index;
    }
}

/// Whether jobs that run on every node have to look at this one again. Also one that takes nothing new any more: it may
/// hold what was only kept until something newer could take its place there.
fn has_turned(before: Option<&Node>, node: &Node) -> bool {
    let Some(before) = before else { return node.is_schedulable() };
    // One that has yet to tell what it has is looked at when it has told.
    before.status != node.status && node.status != NodeStatus::Initializing
        || before.is_schedulable() != node.is_schedulable()
        || node.is_schedulable() && !before.is_like(node)
}

fn field(counts: &mut GroupCounts, status: ClientStatus) -> &mut u32 {
    match status {
        ClientStatus::Pending => &mut counts.starting,
        ClientStatus::Running => &mut counts.running,
        ClientStatus::Complete => &mut counts.complete,
        ClientStatus::Failed => &mut counts.failed,
        ClientStatus::Lost => &mut counts.lost,
        ClientStatus::Unknown => &mut counts.unknown,
    }
}
