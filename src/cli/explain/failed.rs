//! The failed allocations of a job that wait to be replaced, or will not be.

use api::AllocListStub;
use model::Timestamp;

use super::facts::{JobFacts, node_name};
use crate::cli::{
    deployment,
    format::{Clock, short},
};

/// Listed at most; the rest is counted.
const MOST: usize = 10;

pub(super) fn lines(facts: &JobFacts, clock: Clock) -> Vec<String> {
    let mut all: Vec<String> =
        facts.allocations.iter().filter_map(|alloc| waiting(facts, alloc, clock)).collect();
    all.extend(facts.allocations.iter().filter_map(|alloc| given_up(facts, alloc, clock)));
    let left = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    if left > 0 {
        all.push(format!("And {left} more."));
    }
    all
}

fn subject(facts: &JobFacts, alloc: &AllocListStub) -> String {
    let node = node_name(&facts.nodes, &alloc.node_id);
    format!("Allocation {} (group \"{}\", on {node})", short(&alloc.id, false), alloc.task_group)
}

/// Its replacement, or the end of its time, has a date.
fn waiting(facts: &JobFacts, alloc: &AllocListStub, clock: Clock) -> Option<String> {
    if !alloc.next_allocation.is_empty() || alloc.desired_status != "run" {
        return None;
    }
    if deployment::fails_with(facts.deployment.as_ref(), alloc) {
        return Some(format!(
            "{} made its roll-out fail and is not replaced. A new version brings it back, or `job revert`.",
            subject(facts, alloc)
        ));
    }
    let eval = facts.evaluations.iter().find(|eval| eval.id == alloc.followup_eval_id)?;
    let until = eval.wait_until.0;
    if until <= (clock.now)() {
        return None;
    }
    let (span, date) = (clock.relative(until), clock.absolute(until));
    let span = span.trim_end_matches(" from now");
    let subject = subject(facts, alloc);
    Some(if alloc.client_status == "unknown" {
        format!(
            "{subject} is on a node that is cut off. It counts as lost in {span} ({date}), unless the node comes back."
        )
    } else {
        format!(
            "{subject} {} {}. Its replacement is placed in {span} ({date}), as the delay of the `reschedule` block says.",
            alloc.client_status,
            clock.relative(Timestamp(alloc.modify_time)),
        )
    })
}

/// It failed, and nothing will replace it.
fn given_up(facts: &JobFacts, alloc: &AllocListStub, clock: Clock) -> Option<String> {
    let over = alloc.client_status == "failed" && alloc.desired_status == "run";
    let alone = alloc.next_allocation.is_empty() && alloc.followup_eval_id.is_empty();
    // Which evaluation will look at it is not known yet.
    let settled = facts.evaluations.iter().all(|eval| eval.status != "pending" && eval.status != "blocked");
    if !over || !alone || !settled || facts.job.stop || alloc.job_version != facts.job.version {
        return None;
    }
    let group = facts.job.task_groups.iter().find(|group| group.name == alloc.task_group)?;
    let policy = group.reschedule_policy.as_ref().filter(|policy| policy.unlimited != Some(true))?;
    let attempts = policy.attempts.unwrap_or(0);
    let used = alloc.reschedule_tracker.as_ref().map_or(0, |tracker| tracker.events.len());
    Some(format!(
        "{} failed {} and is not replaced: the `reschedule` block allows {attempts} per interval, and {used} were \
         tried.",
        subject(facts, alloc),
        clock.relative(Timestamp(alloc.modify_time)),
    ))
}
