//! Why a job is as it is: facts to sentences.

use std::collections::BTreeMap;

use api::{Deployment, Evaluation};

use super::{
    facts::{JobFacts, failing},
    failed, group,
    page::Page,
    refusal, waiting,
    words::{self, and, count},
};
use crate::cli::format::{Clock, short};

pub(super) fn page(facts: &JobFacts, clock: Clock) -> Page {
    let mut page = Page::default();
    let mut head = vec![headline(facts)];
    head.extend(facts.job.task_groups.iter().map(|group| group::sentence(facts, group)));
    page.section("", head);
    page.section("Where it runs", group::places(facts));
    page.section("What waits, and why", waits(facts, clock));
    page.section(
        "Deployment",
        facts.deployment.as_ref().map(|one| deployment(facts, one, clock)).unwrap_or_default(),
    );
    page.section("Failed allocations", failed::lines(facts, clock));
    page.section("Newest evaluations", newest(facts, clock));
    page
}

fn headline(facts: &JobFacts) -> String {
    let job = &facts.job;
    let head = format!(
        "Job \"{}\" ({}, version {}, priority {})",
        job.id,
        job.kind,
        job.version,
        job.priority.unwrap_or(50)
    );
    let waiting = facts.summary.summary.values().map(|group| group.queued).sum::<i64>();
    match &*job.status {
        _ if job.stop => format!("{head} was stopped: nothing of it shall run."),
        "running" if waiting > 0 => format!("{head} is running, in part: {} for a place.", wait(waiting)),
        "running" => format!("{head} is running."),
        "pending" => format!("{head} is pending: nothing of it runs at the moment."),
        "dead" => format!("{head} is dead: nothing of it runs or is to run any more."),
        other => format!("{head} is {other}."),
    }
}

fn wait(number: i64) -> String {
    format!("{} {}", count(number, "allocation"), if number == 1 { "waits" } else { "wait" })
}

/// What found no place and why, and what waits for its turn or its time.
fn waits(facts: &JobFacts, clock: Clock) -> Vec<String> {
    let mut lines = Vec::new();
    for eval in facts.evaluations.iter().filter(|eval| eval.status == "blocked") {
        let previous = || facts.evaluations.iter().find(|previous| previous.id == eval.previous_eval);
        for (name, metric) in failing(eval, previous).iter().flat_map(|eval| &eval.failed_tg_allocs) {
            lines.push(group::missing(facts, name, metric.coalesced_failures));
            lines.extend(refusal::lines(metric, facts.closest.get(name), &facts.nodes, &facts.elsewhere));
        }
        lines.extend(waiting::sentence(eval, &facts.nodes, clock));
    }
    // Those with a date stand with the allocations that they are for.
    let due = |eval: &&Evaluation| eval.status == "pending" && eval.wait_until.0 <= (clock.now)();
    lines.extend(
        facts.evaluations.iter().filter(due).filter_map(|eval| waiting::sentence(eval, &facts.nodes, clock)),
    );
    lines
}

fn deployment(facts: &JobFacts, deployment: &Deployment, clock: Clock) -> Vec<String> {
    let id = short(&deployment.id, false);
    let version = deployment.job_version;
    let older = if version == facts.job.version { "" } else { " (not the newest version)" };
    let subject = format!("Deployment {id} of version {version}{older}");
    match &*deployment.status {
        "successful" => return vec![format!("{subject} was successful.")],
        "running" => {}
        "failed" => return vec![format!("{subject} failed: {}.", deployment.status_description)],
        other => return vec![format!("{subject} is {other}: {}.", deployment.status_description)],
    }
    let mut lines = vec![format!("{subject} is going on, until all that it wants is healthy.")];
    for (name, group) in &deployment.task_groups {
        lines.push(format!(
            "Group \"{name}\": {} wanted, {} placed, {} healthy, {} unhealthy.",
            group.desired_total, group.placed_allocs, group.healthy_allocs, group.unhealthy_allocs
        ));
        let parallel = facts.job.task_groups.iter().find(|one| one.name == *name);
        let parallel = parallel.and_then(|one| one.update.as_ref()?.max_parallel).filter(|most| *most > 0);
        let open = group.placed_allocs - group.healthy_allocs - group.unhealthy_allocs;
        if let Some(most) = parallel.filter(|most| group.placed_allocs < group.desired_total && open >= *most)
        {
            lines.push(format!(
                "Its next allocations are replaced once these are healthy: `max_parallel` is {most}."
            ));
        }
        let by = group.require_progress_by.0;
        if group.healthy_allocs < group.desired_total && !by.is_zero() {
            lines.push(format!(
                "Unless another one becomes healthy by {} ({}), the deployment fails.",
                clock.absolute(by),
                clock.relative(by)
            ));
        }
    }
    lines
}

/// The newest evaluation that looked at each group.
fn newest(facts: &JobFacts, clock: Clock) -> Vec<String> {
    let mut by_eval: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for group in &facts.job.task_groups {
        let at = facts.evaluations.iter().position(|eval| eval.queued_allocations.contains_key(&group.name));
        if let Some(at) = at {
            by_eval.entry(at).or_default().push(format!("\"{}\"", group.name));
        }
    }
    let mut lines: Vec<String> = by_eval
        .into_iter()
        .map(|(at, groups)| {
            let noun = if groups.len() == 1 { "group" } else { "groups" };
            format!("For {noun} {}: {}", and(&groups), told(&facts.evaluations[at], clock))
        })
        .collect();
    let failed = facts.evaluations.first().filter(|eval| eval.status == "failed");
    lines.extend(failed.map(|eval| told(eval, clock)));
    if let Some(first) = facts.evaluations.first() {
        lines.push(format!("`troupe explain {}` says more of the newest one.", short(&first.id, false)));
    }
    lines
}

fn told(eval: &Evaluation, clock: Clock) -> String {
    format!(
        "Evaluation {}, made {} because {}, {}.",
        short(&eval.id, false),
        clock.relative(model::Timestamp(eval.create_time)),
        words::trigger(&eval.triggered_by, &eval.node_id),
        words::eval_status(&eval.status, &eval.status_description)
    )
}
