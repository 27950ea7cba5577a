//! What becomes of the evaluation: its final form, the blocked one for what found no room, and the delayed ones for
//! failed allocations whose next attempt is not due yet.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    AllocId, AllocMetric, EvalId, EvalStatus, Evaluation, Job, JobKey, NodeId, Plan, Timestamp, Trigger,
    plan::Annotations,
};
use state::Root;

use crate::{
    feasible::{Feasibility, Verdict},
    reconcile::Work,
    zero_per_group,
};

/// Follow-ups due within one such window share an evaluation.
const FOLLOWUP_WINDOW: std::time::Duration = std::time::Duration::from_secs(5);

const BLOCKED_DESCRIPTION: &str = "created to place remaining allocations";

/// Groups that could not be placed as a whole.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    groups: BTreeMap<String, FailedGroup>,
    /// One of them looks at what is unique to nodes.
    escaped: bool,
    /// Per class: one of them could run there.
    eligible: Vec<bool>,
}

#[derive(Debug)]
struct FailedGroup {
    metric: AllocMetric,
    queued: u32,
    /// The nodes without room, for a job that runs on every node.
    nodes: BTreeSet<NodeId>,
}

impl Failed {
    /// Counts an allocation that was not placed; the reason is asked for once per group.
    pub(crate) fn add(&mut self, group: &str, metric: impl FnOnce() -> AllocMetric) {
        if let Some(failed) = self.groups.get_mut(group) {
            failed.metric.coalesced_failures += 1;
            failed.queued += 1;
        } else {
            let failed = FailedGroup { metric: metric(), queued: 1, nodes: BTreeSet::new() };
            self.groups.insert(group.to_owned(), failed);
        }
    }

    /// Enters the nodes on which a group that wants all of them found no room.
    pub(crate) fn add_nodes(&mut self, group: &str, mut metric: AllocMetric, nodes: BTreeSet<NodeId>) {
        let queued = nodes.len() as u32;
        metric.coalesced_failures = queued.saturating_sub(1);
        self.groups.insert(group.to_owned(), FailedGroup { metric, queued, nodes });
    }

    /// Notes where the group would run if there were room. `at`: its position in the version that was tried. What comes
    /// back as an older version may run where the newest one does not, so each version is noted for itself.
    pub(crate) fn wait_for(&mut self, feasibility: &Feasibility<'_>, at: usize) {
        self.escaped |= feasibility.is_escaped(at);
        let verdicts = feasibility.verdicts(at);
        self.eligible.resize(verdicts.len(), false);
        for (eligible, verdict) in self.eligible.iter_mut().zip(verdicts) {
            *eligible |= *verdict == Verdict::Eligible;
        }
    }
}

/// Completes the plan with its follow-ups, and the evaluation. Returns it with the new ones.
#[expect(clippy::too_many_arguments, reason = "everything the two phases found out")]
pub(crate) fn settle(
    root: &Root,
    eval: &Evaluation,
    job: Option<&Job>,
    plan: &mut Plan,
    work: &Work<'_>,
    failed: Failed,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> (Evaluation, Vec<Evaluation>) {
    let mut new_evals = follow_ups(eval, work, plan, now, ids);
    new_evals.extend(expiries(eval, work, plan, now, ids));
    let mut done = eval.clone();
    done.status = EvalStatus::Complete;
    done.status_description = String::new();
    done.modify_time = now;
    done.snapshot_index = root.index;
    done.deployment = work.deployment_id.or(eval.deployment);
    done.queued = zero_per_group(job);
    done.blocked = None;
    done.failed_groups = BTreeMap::new();
    for (name, group) in &failed.groups {
        done.queued.insert(name.clone(), group.queued);
    }
    if !failed.groups.is_empty() {
        if waits_for_room(eval) {
            // It goes on waiting under its own id.
            done.status = EvalStatus::Blocked;
            done.status_description = BLOCKED_DESCRIPTION.into();
            block(&mut done, root, &failed);
        } else {
            let id = EvalId(ids());
            let mut blocked =
                Evaluation::new(id, eval.job.clone(), eval.kind, eval.priority, Trigger::QueuedAllocs, now);
            blocked.status = EvalStatus::Blocked;
            blocked.status_description = BLOCKED_DESCRIPTION.into();
            blocked.job_index = eval.job_index;
            blocked.previous = Some(eval.id);
            blocked.snapshot_index = root.index;
            block(&mut blocked, root, &failed);
            done.blocked = Some(id);
            new_evals.push(blocked);
        }
    }
    done.failed_groups = failed.groups.into_iter().map(|(name, group)| (name, group.metric)).collect();
    (done, new_evals)
}

/// Adds an evaluation for each job that loses allocations, and counts those per group that they go for.
pub(crate) fn preempt(
    root: &Root,
    plan: &mut Plan,
    annotations: &mut Annotations,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) {
    let group_of: BTreeMap<AllocId, &str> =
        plan.placements.iter().map(|placement| (placement.id, &*placement.group)).collect();
    let mut jobs: BTreeSet<&JobKey> = BTreeSet::new();
    for eviction in &plan.evictions {
        if let Some(&group) = group_of.get(&eviction.by) {
            annotations.entry(group.to_owned()).or_default().preemptions += 1;
        }
        jobs.extend(root.allocs.get(&eviction.id).map(|alloc| &alloc.job));
    }
    for job in jobs.into_iter().filter_map(|key| root.jobs.get(key)) {
        let id = EvalId(ids());
        let mut eval = Evaluation::new(id, job.key(), job.kind, job.priority, Trigger::Preemption, now);
        eval.job_index = job.job_modify_index;
        plan.preempted_jobs.push(eval);
    }
}

/// The evaluation was itself blocked and is being retried.
fn waits_for_room(eval: &Evaluation) -> bool {
    eval.status == EvalStatus::Blocked
        || matches!(eval.trigger, Trigger::QueuedAllocs | Trigger::MaxPlanAttempts)
}

/// Notes what would have to change for the evaluation to be worth another look.
fn block(blocked: &mut Evaluation, root: &Root, failed: &Failed) {
    blocked.escaped_class = failed.escaped;
    let classes = root.usage.classes.iter().zip(&failed.eligible);
    blocked.class_eligibility =
        classes.map(|(class, &eligible)| (class.hash.to_string(), eligible)).collect();
    blocked.full_nodes = failed.groups.values().flat_map(|group| group.nodes.iter().copied()).collect();
    if let (Some(&first), Some(&last)) = (blocked.full_nodes.first(), blocked.full_nodes.last()) {
        blocked.node = (first == last).then_some(first);
    }
    blocked.missing = failed
        .groups
        .values()
        .flat_map(|group| group.metric.dimension_exhausted.keys().cloned())
        .collect::<BTreeSet<_>>();
}

/// One evaluation per window in which failed allocations become due.
fn follow_ups(
    eval: &Evaluation,
    work: &Work<'_>,
    plan: &mut Plan,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Vec<Evaluation> {
    let mut later = work.later.clone();
    later.sort_by_key(|&(alloc, due)| (due, alloc));
    let mut evals: Vec<Evaluation> = Vec::new();
    for (alloc, due) in later {
        let fits = evals.last().is_some_and(|last| due <= last.wait_until.plus(FOLLOWUP_WINDOW));
        if !fits {
            let id = EvalId(ids());
            let mut next =
                Evaluation::new(id, eval.job.clone(), eval.kind, eval.priority, Trigger::AllocFailure, now);
            next.status_description = "created for delayed rescheduling".into();
            next.job_index = eval.job_index;
            next.previous = Some(eval.id);
            next.wait_until = due;
            evals.push(next);
        }
        if let Some(last) = evals.last() {
            plan.followups.push((alloc, last.id));
        }
    }
    evals
}

/// One evaluation per time at which unknown allocations count as lost.
fn expiries(
    eval: &Evaluation,
    work: &Work<'_>,
    plan: &mut Plan,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Vec<Evaluation> {
    let mut due: BTreeMap<Timestamp, Evaluation> = BTreeMap::new();
    for &(alloc, until) in &work.expire {
        let followup = due.entry(until).or_insert_with(|| {
            let id = EvalId(ids());
            let trigger = Trigger::MaxDisconnectTimeout;
            let mut next = Evaluation::new(id, eval.job.clone(), eval.kind, eval.priority, trigger, now);
            next.status_description = "created for delayed disconnect timeout".into();
            next.job_index = eval.job_index;
            next.previous = Some(eval.id);
            next.wait_until = until;
            next
        });
        plan.followups.push((alloc, followup.id));
    }
    due.into_values().collect()
}
