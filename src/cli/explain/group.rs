//! What a job's groups want, what runs, and where.

use std::collections::{BTreeMap, BTreeSet};

use api::{AllocListStub, TaskGroup};

use super::{
    facts::JobFacts,
    page::rows,
    words::{and, count, plural},
};
use crate::cli::table::Table;

/// Whether it runs, or is about to.
pub(super) fn is_live(alloc: &AllocListStub) -> bool {
    alloc.desired_status == "run" && matches!(&*alloc.client_status, "pending" | "running" | "unknown")
}

/// `Group "web": 3 wanted; 2 running, 1 waits for a place.`
pub(super) fn sentence(facts: &JobFacts, group: &TaskGroup) -> String {
    let summary = facts.summary.summary.get(&group.name).cloned().unwrap_or_default();
    let wanted = match &*facts.job.kind {
        _ if facts.job.stop => String::from("nothing wanted"),
        "system" | "sysbatch" => String::from("one wanted on every suitable node"),
        _ => format!("{} wanted", group.count.unwrap_or(1)),
    };
    let counts: Vec<String> = [
        (summary.running, "running"),
        (summary.starting, "starting"),
        (summary.queued, "waiting for a place"),
        (summary.unknown, "on nodes that are cut off"),
        (summary.complete, "complete"),
        (summary.failed, "failed"),
        (summary.lost, "lost with their nodes"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    let counts = if counts.is_empty() { String::from("nothing there yet") } else { and(&counts) };
    format!("Group \"{}\": {wanted}; {counts}.", group.name)
}

/// Per group, datacenter and node class: nodes and allocations.
pub(super) fn places(facts: &JobFacts) -> Vec<String> {
    let mut places: BTreeMap<(&str, &str, &str), (BTreeSet<&str>, i64)> = BTreeMap::new();
    for alloc in facts.allocations.iter().filter(|alloc| is_live(alloc)) {
        let node = facts.nodes.get(&alloc.node_id);
        let (datacenter, class) = node.map_or(("", ""), |node| (&*node.datacenter, &*node.class));
        let (nodes, allocs) = places.entry((&alloc.task_group, datacenter, class)).or_default();
        nodes.insert(&alloc.node_id);
        *allocs += 1;
    }
    if places.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["Group", "Datacenter", "Node Class", "Nodes", "Allocations"]);
    for ((group, datacenter, class), (nodes, allocs)) in places {
        table.row([group, datacenter, class, &nodes.len().to_string(), &allocs.to_string()]);
    }
    let mut lines = rows(&table);
    lines.extend(on_bad_nodes(facts));
    lines
}

/// Those on nodes that take nothing any more, which is why they will move, or stay alone.
fn on_bad_nodes(facts: &JobFacts) -> Vec<String> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for alloc in facts.allocations.iter().filter(|alloc| is_live(alloc)) {
        let Some(node) = facts.nodes.get(&alloc.node_id) else { continue };
        let state = match () {
            () if node.status != "ready" => "that is not ready",
            () if node.draining => "that is being emptied: what moves when, the `migrate` block says",
            () if !node.eligible => {
                "that is marked as not eligible: what runs there stays, and nothing new comes"
            }
            () => continue,
        };
        *counts.entry(state).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(state, number)| format!("{} on a node {state}.", count(number, "allocation")))
        .collect()
}

/// How many more a group wants that found no place.
pub(super) fn missing(facts: &JobFacts, group: &str, coalesced: i64) -> String {
    let queued = facts.summary.summary.get(group).map_or(0, |summary| summary.queued);
    let number = if queued > 0 { queued } else { coalesced.max(0) + 1 };
    let each = plural(number, "allocation");
    format!("Group \"{group}\": {number} {each} {} no place.", if number == 1 { "has" } else { "have" })
}
