//! Why an allocation is where it is, and as it is: facts to sentences.

use super::{
    facts::{AllocFacts, node_name},
    life,
    page::Page,
    scores, words,
};
use crate::cli::format::{Clock, short};

pub(super) fn page(facts: &AllocFacts, clock: Clock) -> Page {
    let mut page = Page::default();
    page.section("", head(facts, clock));
    page.section("Where it came from", life::origin(facts));
    let metric = facts.allocation.metrics.as_ref();
    let chosen = metric.map(|metric| scores::lines(metric, &facts.allocation.node_id, &facts.nodes));
    page.section("Why this node", chosen.unwrap_or_default());
    page.section("What gave way to it", life::evicted(facts));
    page.section("Why it ended", life::end(facts));
    page.section("Its tasks", life::tasks(facts, clock));
    page.section("What follows", life::next(facts, clock));
    page
}

fn head(facts: &AllocFacts, clock: Clock) -> Vec<String> {
    let alloc = &facts.allocation;
    let mut lines = vec![format!(
        "Allocation {} is {} of version {} of job \"{}\", on node {}.",
        short(&alloc.id, false),
        alloc.name,
        facts.job_version,
        alloc.job_id,
        node_name(&facts.nodes, &alloc.node_id)
    )];
    let wanted = match &*alloc.desired_status {
        "run" => "It shall run",
        "evict" => "It shall give up its room",
        _ => "It shall not run any more",
    };
    let is = match &*alloc.client_status {
        "pending" => "its node has not started it yet",
        "running" => "it runs",
        "complete" => "it ended, and did not fail",
        "failed" => "it failed",
        "lost" => "it was lost with its node",
        "unknown" => "nothing is known of it while its node is cut off",
        other => other,
    };
    let created = clock.relative(model::Timestamp(alloc.create_time));
    let changed = clock.relative(model::Timestamp(alloc.modify_time));
    lines.push(format!("{wanted}; {is}. It was placed {created}, and changed last {changed}."));
    if let Some(node) = facts.nodes.get(&alloc.node_id) {
        let state = match () {
            () if node.status != "ready" => Some(format!("Its node is {} now.", node.status)),
            () if node.draining => Some(String::from("Its node is being emptied now.")),
            () if !node.eligible => {
                Some(String::from("Its node is not eligible now: nothing new is placed there."))
            }
            () => None,
        };
        lines.extend(state);
    } else {
        lines.push(String::from("Its node is not known any more."));
    }
    let health = alloc.deployment_status.as_ref().and_then(|status| status.healthy);
    if !alloc.deployment_id.is_empty() {
        let deployment = short(&alloc.deployment_id, false);
        lines.push(match health {
            Some(true) => format!("Deployment {deployment} counts it as healthy."),
            Some(false) => format!("Deployment {deployment} counts it as unhealthy."),
            None => format!("Deployment {deployment} does not know yet whether it is healthy."),
        });
    }
    if let Some(eval) = &facts.evaluation {
        lines.push(format!(
            "It was placed by evaluation {}, because {}.",
            short(&eval.id, false),
            words::trigger(&eval.triggered_by, &eval.node_id)
        ));
    }
    lines
}
