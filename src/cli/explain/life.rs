//! The life of an allocation: what it replaced, what gave way, why it ended, and what follows.

use api::{Allocation, TaskState};
use model::Timestamp;

use super::{
    facts::{AllocFacts, node_name},
    words,
};
use crate::cli::format::{Clock, short};

/// Events shown per task.
const EVENTS: usize = 4;

fn named(facts: &AllocFacts, alloc: &Allocation) -> String {
    format!("{} on node {}", short(&alloc.id, false), node_name(&facts.nodes, &alloc.node_id))
}

/// What it replaced, and which attempt it is.
pub(super) fn origin(facts: &AllocFacts) -> Vec<String> {
    let alloc = &facts.allocation;
    let mut lines = Vec::new();
    if let Some(previous) = &facts.previous {
        let why = words::replaced(&previous.desired_description, &previous.client_status);
        let why = why.map(|why| format!(", since {why}")).unwrap_or_default();
        lines.push(format!("It took the place of allocation {}{why}.", named(facts, previous)));
    } else if !alloc.previous_allocation.is_empty() {
        let previous = short(&alloc.previous_allocation, false);
        lines
            .push(format!("It took the place of allocation {previous}, of which nothing is known any more."));
    }
    let attempts = alloc.reschedule_tracker.as_ref().map_or(0, |tracker| tracker.events.len());
    if attempts > 0 {
        let limit =
            facts.reschedule_attempts.map(|limit| format!(" of {limit} per interval")).unwrap_or_default();
        lines.push(format!("It is attempt {attempts}{limit} to place anew what failed."));
    }
    lines
}

/// Who gave up room for it.
pub(super) fn evicted(facts: &AllocFacts) -> Vec<String> {
    let alloc = &facts.allocation;
    let mut lines: Vec<String> = facts
        .preempted
        .iter()
        .map(|victim| {
            format!(
                "Allocation {} had to go; it was of the less important job \"{}\".",
                named(facts, victim),
                victim.job_id
            )
        })
        .collect();
    let forgotten = alloc.preempted_allocations.len() - facts.preempted.len();
    if forgotten > 0 {
        lines.push(format!(
            "{} went of which nothing is known any more.",
            words::count(forgotten as i64, "allocation")
        ));
    }
    lines
}

/// Why it does not run any more.
pub(super) fn end(facts: &AllocFacts) -> Vec<String> {
    let alloc = &facts.allocation;
    let mut lines = Vec::new();
    if alloc.desired_status == "run" && matches!(&*alloc.client_status, "pending" | "running") {
        return lines;
    }
    if alloc.desired_status != "run" {
        lines.extend(words::stopped(&alloc.desired_description));
    }
    if let Some(by) = &facts.preempted_by {
        lines.push(format!(
            "That one is of job \"{}\", on node {}.",
            by.job_id,
            node_name(&facts.nodes, &by.node_id)
        ));
    }
    if !alloc.client_description.is_empty() {
        lines.push(format!("Its node says: {}.", alloc.client_description.trim_end_matches('.')));
    }
    lines
}

/// How each task stands, and the last things that happened to it.
pub(super) fn tasks(facts: &AllocFacts, clock: Clock) -> Vec<String> {
    facts.allocation.task_states.iter().flat_map(|(name, state)| task(name, state, clock)).collect()
}

fn task(name: &str, state: &TaskState, clock: Clock) -> Vec<String> {
    let failed = if state.failed { ", and failed" } else { "" };
    let restarts = match state.restarts {
        0 => String::new(),
        1 => String::from(", and was restarted once"),
        more => format!(", and was restarted {more} times"),
    };
    let mut lines = vec![format!("Task \"{name}\" is {}{failed}{restarts}.", state.state)];
    let from = state.events.len().saturating_sub(EVENTS);
    for event in &state.events[from..] {
        let sentence = if event.display_message.is_empty() { &event.message } else { &event.display_message };
        let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        let when = clock.relative(Timestamp(event.time));
        lines.push(format!("  - {when}: {}: {sentence}", event.kind));
    }
    lines
}

/// Its replacement, there or to come.
pub(super) fn next(facts: &AllocFacts, clock: Clock) -> Vec<String> {
    let alloc = &facts.allocation;
    if let Some(next) = &facts.next {
        return vec![format!("Allocation {} took its place.", named(facts, next))];
    }
    if !alloc.next_allocation.is_empty() {
        let next = short(&alloc.next_allocation, false);
        return vec![format!("Allocation {next} took its place, of which nothing is known any more.")];
    }
    let until = facts.followup.as_ref().map(|eval| eval.wait_until.0).filter(|until| *until > (clock.now)());
    if let Some(until) = until {
        let (span, date) = (clock.relative(until), clock.absolute(until));
        let span = span.trim_end_matches(" from now");
        return vec![match &*alloc.client_status {
            "unknown" => format!("It counts as lost in {span} ({date}), unless its node comes back."),
            _ => format!(
                "A replacement is placed in {span} ({date}), as the delay of the `reschedule` block says."
            ),
        }];
    }
    match (&*alloc.client_status, &*alloc.desired_status) {
        ("failed" | "lost", "run") => vec![format!(
            "Nothing took its place so far; `troupe explain {}` says what the job waits for.",
            alloc.job_id
        )],
        _ => Vec::new(),
    }
}
