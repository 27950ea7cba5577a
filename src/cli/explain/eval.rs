//! What an evaluation was for, and what came of it: facts to sentences.

use std::collections::BTreeMap;

use api::{AllocListStub, Evaluation};

use super::{
    facts::{EvalFacts, failing, node_name},
    page::Page,
    refusal, waiting,
    words::{self, and, count},
};
use crate::cli::format::{Clock, short};

pub(super) fn page(facts: &EvalFacts, clock: Clock) -> Page {
    let mut page = Page::default();
    page.section("", head(facts, clock));
    page.section("Its chain", chain(facts));
    page.section("What it placed", placed(facts));
    page.section("What found no place, and why", refused(facts));
    page.section("What it waits for", waits(facts, clock));
    page
}

fn head(facts: &EvalFacts, clock: Clock) -> Vec<String> {
    let eval = &facts.evaluation;
    let mut lines = vec![
        format!(
            "Evaluation {} is a look at job \"{}\" ({}, priority {}). It was made {} because {}.",
            short(&eval.id, false),
            eval.job_id,
            eval.kind,
            eval.priority,
            clock.relative(model::Timestamp(eval.create_time)),
            words::trigger(&eval.triggered_by, &eval.node_id)
        ),
        format!("It {}.", words::eval_status(&eval.status, &eval.status_description)),
    ];
    if !eval.deployment_id.is_empty() {
        lines.push(format!("It belongs to deployment {}.", short(&eval.deployment_id, false)));
    }
    lines
}

fn chain(facts: &EvalFacts) -> Vec<String> {
    let eval = &facts.evaluation;
    [
        ("Before it", &eval.previous_eval, &facts.previous),
        ("After it", &eval.next_eval, &facts.next),
        ("Waiting for the rest", &eval.blocked_eval, &facts.blocked),
    ]
    .into_iter()
    .filter(|(_, id, _)| !id.is_empty())
    .map(|(place, id, other)| format!("{place}: {}", link(id, other.as_ref())))
    .collect()
}

fn link(id: &str, eval: Option<&Evaluation>) -> String {
    let id = short(id, false);
    match eval {
        None => format!("evaluation {id}, of which nothing is known any more."),
        Some(eval) => format!(
            "evaluation {id}, made because {}; it {}.",
            words::trigger(&eval.triggered_by, &eval.node_id),
            words::eval_status(&eval.status, &eval.status_description)
        ),
    }
}

/// Per group, with the nodes.
fn placed(facts: &EvalFacts) -> Vec<String> {
    /// Nodes named per group.
    const MOST: usize = 5;
    let mut groups: BTreeMap<&str, Vec<&AllocListStub>> = BTreeMap::new();
    for alloc in &facts.allocations {
        groups.entry(&alloc.task_group).or_default().push(alloc);
    }
    let mut lines: Vec<String> = groups
        .into_iter()
        .map(|(group, allocs)| {
            let mut nodes: Vec<String> =
                allocs.iter().map(|alloc| node_name(&facts.nodes, &alloc.node_id)).collect();
            nodes.sort_unstable();
            nodes.dedup();
            let more = nodes.len().saturating_sub(MOST);
            nodes.truncate(MOST);
            if more > 0 {
                nodes.push(count(more as i64, "other node"));
            }
            format!("Group \"{group}\": {} on {}.", count(allocs.len() as i64, "allocation"), and(&nodes))
        })
        .collect();
    let evicted: usize = facts.allocations.iter().map(|alloc| alloc.preempted_allocations.len()).sum();
    if evicted > 0 {
        lines
            .push(format!("{} of less important jobs had to give way.", count(evicted as i64, "allocation")));
    }
    if lines.is_empty() && facts.evaluation.status == "complete" {
        lines.push(String::from("No new allocation (or none of which anything is known any more)."));
    }
    lines
}

/// Failed groups, of itself or of the evaluation that it goes on for.
fn refused(facts: &EvalFacts) -> Vec<String> {
    let Some(failing) = failing(&facts.evaluation, || facts.previous.as_ref()) else { return Vec::new() };
    let mut lines = Vec::new();
    for (group, metric) in &failing.failed_tg_allocs {
        let queued = failing.queued_allocations.get(group).copied().unwrap_or(0);
        let number = if queued > 0 { queued } else { metric.coalesced_failures.max(0) + 1 };
        lines.push(format!("Group \"{group}\": no place for {}.", count(number, "allocation")));
        lines.extend(refusal::lines(metric, facts.closest.get(group), &facts.nodes, &facts.elsewhere));
    }
    lines
}

fn waits(facts: &EvalFacts, clock: Clock) -> Vec<String> {
    let own = waiting::sentence(&facts.evaluation, &facts.nodes, clock);
    let rest = facts.blocked.as_ref().and_then(|eval| waiting::sentence(eval, &facts.nodes, clock));
    own.into_iter().chain(rest).collect()
}
