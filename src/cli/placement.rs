//! Why allocations were not placed, in the lines that people know.

use api::AllocMetric;

/// One line per reason, each starting with `* `.
pub(super) fn reasons(metric: &AllocMetric) -> Vec<String> {
    let mut lines = Vec::new();
    if metric.nodes_evaluated == 0 {
        lines.push(String::from("* No nodes were eligible for evaluation"));
        if metric.nodes_in_pool == 0 && !matches!(metric.node_pool.as_str(), "" | "default" | "all") {
            lines.push(format!("* No nodes are available in node pool \"{}\"", metric.node_pool));
        }
    }
    for (datacenter, count) in &metric.nodes_available {
        if *count == 0 {
            lines.push(format!("* No nodes are available in datacenter \"{datacenter}\""));
        }
    }
    for (class, count) in &metric.class_filtered {
        lines.push(format!("* Class \"{class}\": {count} nodes excluded by filter"));
    }
    for (constraint, count) in &metric.constraint_filtered {
        lines.push(format!("* Constraint \"{constraint}\": {count} nodes excluded by filter"));
    }
    if metric.nodes_exhausted > 0 {
        lines.push(format!("* Resources exhausted on {} nodes", metric.nodes_exhausted));
    }
    for (class, count) in &metric.class_exhausted {
        lines.push(format!("* Class \"{class}\" exhausted on {count} nodes"));
    }
    for (dimension, count) in &metric.dimension_exhausted {
        lines.push(format!("* Dimension \"{dimension}\" exhausted on {count} nodes"));
    }
    lines
}

/// `Task Group "cache" (failed to place 2 allocations):`
pub(super) fn headline(group: &str, metric: &AllocMetric) -> String {
    let count = metric.coalesced_failures.max(0) + 1;
    let noun = if count == 1 { "allocation" } else { "allocations" };
    format!("Task Group \"{group}\" (failed to place {count} {noun}):")
}

/// `true` or `false`, as tables of evaluations show it; not known before the evaluation is done.
pub(super) fn failed_text(eval: &api::Evaluation) -> &'static str {
    match (eval.status.as_str(), eval.failed_tg_allocs.is_empty()) {
        ("blocked", _) => "N/A - In Progress",
        (_, true) => "false",
        (_, false) => "true",
    }
}
