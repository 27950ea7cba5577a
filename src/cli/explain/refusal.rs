//! Why a group found no place: the scheduler's counts as sentences, and what would help.

use api::AllocMetric;

use super::{
    facts::{Elsewhere, Nodes, node_name},
    room::{Amount, Closest},
    words::{and, count, plural},
};

/// The sentences, the reasons as list items.
pub(super) fn lines(
    metric: &AllocMetric,
    closest: Option<&Closest>,
    nodes: &Nodes,
    elsewhere: &Elsewhere,
) -> Vec<String> {
    if metric.nodes_evaluated == 0 {
        return vec![nobody(metric, elsewhere), cluster(elsewhere)];
    }
    let mut lines = vec![looked_at(metric)];
    lines.extend(reasons(metric));
    lines.extend(closest.into_iter().flat_map(|closest| room(closest, nodes)));
    lines
}

fn looked_at(metric: &AllocMetric) -> String {
    let place = match metric.nodes_available.len() {
        0 | 1 => metric.nodes_available.keys().map(|place| format!(" in {place}")).collect(),
        _ => {
            let places: Vec<String> =
                metric.nodes_available.iter().map(|(place, ready)| format!("{place} ({ready})")).collect();
            format!(" in {}", and(&places))
        }
    };
    match metric.nodes_evaluated {
        1 => format!("The one node{place} that takes allocations could not take it:"),
        all => format!("Of the {}{place} that take allocations, none could take it:", count(all, "node")),
    }
}

/// Not one node was looked at.
fn nobody(metric: &AllocMetric, elsewhere: &Elsewhere) -> String {
    let no_pool = metric.nodes_in_pool == 0 && !matches!(metric.node_pool.as_str(), "" | "default" | "all");
    if no_pool {
        return format!("No node of the node pool \"{}\" takes allocations.", metric.node_pool);
    }
    let asked: Vec<String> = match elsewhere.asked.is_empty() {
        true => metric.nodes_available.keys().cloned().collect(),
        false => elsewhere.asked.clone(),
    };
    match asked.is_empty() {
        true => String::from("No node takes allocations in the datacenters that the job asks for."),
        false => format!("No node takes allocations in {}, where the job wants to be.", and(&asked)),
    }
}

/// What nodes there are instead.
fn cluster(elsewhere: &Elsewhere) -> String {
    let apart: Vec<String> = [
        (elsewhere.not_ready, "not ready (down, cut off, or just starting)"),
        (elsewhere.draining, "being emptied"),
        (elsewhere.ineligible, "marked as not eligible"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {} {what}", if number == 1 { "is" } else { "are" }))
    .collect();
    let there =
        format!("The cluster has {}, in {}", count(elsewhere.nodes, "node"), and(&elsewhere.datacenters));
    let there = match elsewhere.pools.iter().any(|pool| !matches!(pool.as_str(), "" | "default")) {
        true => format!("{there}, of the node pools {}", and(&elsewhere.pools)),
        false => there,
    };
    match (elsewhere.nodes, apart.is_empty()) {
        (0, _) => String::from("The cluster has no nodes at all: start an agent with the client enabled."),
        (_, true) => format!("{there}; all are ready."),
        (_, false) => format!("{there}; {}.", and(&apart)),
    }
}

/// One list item per reason that the scheduler counted.
pub(super) fn reasons(metric: &AllocMetric) -> Vec<String> {
    let filtered = metric
        .constraint_filtered
        .iter()
        .map(|(reason, &number)| format!("  - {}", constraint(reason, number)));
    let mut lines: Vec<String> = filtered.collect();
    lines.extend(by_class(&metric.class_filtered, "left out for these requirements"));
    lines.extend(
        metric.dimension_exhausted.iter().map(|(what, &number)| format!("  - {}", dimension(what, number))),
    );
    lines.extend(by_class(&metric.class_exhausted, "without room"));
    if lines.is_empty() {
        lines.extend(
            [(metric.nodes_filtered, "left out by a requirement"), (metric.nodes_exhausted, "without room")]
                .into_iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| format!("  - {} {what}", count(number, "node"))),
        );
    }
    lines
}

fn by_class(counts: &std::collections::BTreeMap<String, i64>, what: &str) -> Option<String> {
    let classes: Vec<String> = counts.iter().map(|(class, number)| format!("{class} ({number})")).collect();
    (!classes.is_empty()).then(|| format!("    {what}, by node class: {}", and(&classes)))
}

/// A requirement that nodes do not meet, and what to do about it.
fn constraint(reason: &str, number: i64) -> String {
    let nodes = count(number, "node");
    match reason {
        "missing drivers" => format!(
            "{nodes} without a driver that a task needs, or with one that is not well (`node status -verbose` shows them)"
        ),
        "missing devices" => format!("{nodes} without a device that a task needs"),
        "missing network" | "missing compatible host volumes" => format!("{nodes}: {reason}"),
        "computed class ineligible" => format!("{nodes}: others of the same class were refused already"),
        "distinct_hosts" => {
            format!("{nodes} with an allocation of the job already: `distinct_hosts` allows one per node")
        }
        _ => match reason.strip_prefix("distinct_property: ") {
            Some(crowd) => format!("{nodes}: `distinct_property` allows no further one ({crowd})"),
            None => format!(
                "{nodes} {} not meet the constraint \"{reason}\"",
                if number == 1 { "does" } else { "do" }
            ),
        },
    }
}

/// What there is too little of.
fn dimension(what: &str, number: i64) -> String {
    let nodes = count(number, "node");
    let have = if number == 1 { "has" } else { "have" };
    match what {
        "cpu" => format!("{nodes} {have} too little CPU left"),
        "memory" | "disk" | "cores" => format!("{nodes} {have} too little {what} left"),
        "network: dynamic port selection failed" => {
            format!("{nodes} {have} too few free ports left in the dynamic range")
        }
        _ => {
            match what.strip_prefix("network: reserved port collision ").and_then(|port| port.split_once('='))
            {
                Some((label, port)) => {
                    format!(
                        "{nodes} on which port {port} (label \"{label}\") is in use; leave `static` out to take any port"
                    )
                }
                None => format!("{nodes}: {what}"),
            }
        }
    }
}

/// How far the closest node is from having room, and what would help.
fn room(closest: &Closest, nodes: &Nodes) -> Vec<String> {
    let mut lines = Vec::new();
    let ask = amounts(closest.ask.parts());
    if !closest.node.is_empty() {
        let lacks: Vec<String> = closest
            .lacks
            .parts()
            .map(|(what, lack, unit)| {
                let free =
                    closest.free.parts().find(|(name, ..)| *name == what).map_or(0, |(_, free, _)| free);
                format!("{} {unit} of {what} free and lacks {lack} {unit}", free.max(0))
            })
            .collect();
        let aside = if closest.constrained { " (requirements aside)" } else { "" };
        lines.push(format!(
            "An allocation asks for {ask}. The node that comes closest{aside}, {}, has {}.",
            node_name(nodes, &closest.node),
            and(&lacks)
        ));
    } else {
        lines.push(format!("An allocation asks for {ask}."));
    }
    lines.push(remedy(closest));
    lines
}

fn remedy(closest: &Closest) -> String {
    if closest.large_enough > 0 {
        let would = plural(closest.large_enough, "node");
        return format!(
            "{} {would} would be large enough if nothing else ran there: stop something, ask for less, or add a node.",
            closest.large_enough
        );
    }
    let too_much: Vec<String> = largest_lack(closest.ask, closest.largest)
        .map(|(what, has, unit)| format!("{has} {unit} of {what}"))
        .collect();
    match too_much.is_empty() {
        true => String::from(
            "No node has all of it, even if nothing else ran there: ask for less, or add a node.",
        ),
        false => format!(
            "No node is that large, even if nothing else ran there: the most that one has is {}. Ask for less, or add a \
             larger node.",
            and(&too_much)
        ),
    }
}

/// The most there is of what is asked for and nobody has.
fn largest_lack(ask: Amount, largest: Amount) -> impl Iterator<Item = (&'static str, i64, &'static str)> {
    let all = [
        ("CPU", ask.cpu_mhz, largest.cpu_mhz, "MHz"),
        ("memory", ask.memory_mb, largest.memory_mb, "MB"),
        ("disk", ask.disk_mb, largest.disk_mb, "MB"),
    ];
    all.into_iter().filter(|(_, ask, has, _)| ask > has).map(|(what, _, has, unit)| (what, has, unit))
}

fn amounts(parts: impl Iterator<Item = (&'static str, i64, &'static str)>) -> String {
    let parts: Vec<String> = parts.map(|(what, number, unit)| format!("{number} {unit} of {what}")).collect();
    and(&parts)
}
