//! Why a node was chosen: how many were looked at, the scores of the best, and what each score says.

use std::collections::BTreeSet;

use api::AllocMetric;

use super::{
    facts::{Nodes, node_name},
    page::rows,
    refusal,
    words::{and, count},
};
use crate::cli::table::Table;

/// Below this, two scores are the same.
const SAME: f64 = 1e-6;

pub(super) fn lines(metric: &AllocMetric, node: &str, nodes: &Nodes) -> Vec<String> {
    let mut lines = vec![looked_at(metric)];
    lines.extend(refusal::reasons(metric));
    if metric.score_meta_data.is_empty() {
        lines.push(String::from("No scores were kept."));
        return lines;
    }
    lines.extend(rows(&table(metric, node, nodes)));
    lines.push(verdict(metric, node, nodes));
    lines.extend(sentences(metric, node).map(|line| format!("  - {line}")));
    lines
}

fn looked_at(metric: &AllocMetric) -> String {
    let places: Vec<String> = metric.nodes_available.keys().cloned().collect();
    let place = if places.is_empty() { String::new() } else { format!(" in {}", and(&places)) };
    let (filtered, full) = (metric.nodes_filtered, metric.nodes_exhausted);
    let looked = format!("The scheduler looked at {}{place}", count(metric.nodes_evaluated, "node"));
    match (filtered, full) {
        (0, 0) if metric.nodes_evaluated == 1 => format!("{looked}, which could take it."),
        (0, 0) => format!("{looked}; any of them could take it."),
        _ => format!("{looked}: {filtered} did not meet the requirements, {full} had no room."),
    }
}

fn table(metric: &AllocMetric, node: &str, nodes: &Nodes) -> Table {
    let scorers = scorers(metric);
    let head: Vec<&str> =
        ["", "Node"].into_iter().chain(scorers.iter().copied()).chain(["normalized"]).collect();
    let mut table = Table::new(&head).with_blanks();
    for row in &metric.score_meta_data {
        let mut cells =
            vec![String::from(if row.node_id == node { "*" } else { "" }), node_name(nodes, &row.node_id)];
        let cell =
            |&scorer: &&str| row.scores.get(scorer).map_or(String::from("-"), |score| format!("{score:.3}"));
        cells.extend(scorers.iter().map(cell));
        cells.push(format!("{:.3}", row.norm_score));
        table.row(cells);
    }
    table
}

/// In the order in which people know them.
fn scorers(metric: &AllocMetric) -> Vec<&str> {
    const KNOWN: [&str; 7] = [
        "binpack",
        "job-anti-affinity",
        "node-reschedule-penalty",
        "node-affinity",
        "allocation-spread",
        "preemption",
        "devices",
    ];
    let here: BTreeSet<&str> =
        metric.score_meta_data.iter().flat_map(|row| row.scores.keys()).map(String::as_str).collect();
    let known = KNOWN.into_iter().filter(|name| here.contains(name));
    known.chain(here.iter().copied().filter(|name| !KNOWN.contains(name))).collect()
}

fn verdict(metric: &AllocMetric, node: &str, nodes: &Nodes) -> String {
    let name = node_name(nodes, node);
    let Some(mine) = metric.score_meta_data.iter().find(|row| row.node_id == node) else {
        return format!(
            "{name} is none of these: several allocations were placed together, and the table shows the best nodes for \
             one of them."
        );
    };
    let others = metric.score_meta_data.iter().filter(|row| row.node_id != node);
    let Some(best) = others.max_by(|a, b| a.norm_score.total_cmp(&b.norm_score)) else {
        return format!("{name} was the only choice.");
    };
    let difference = mine.norm_score - best.norm_score;
    if difference > SAME {
        format!(
            "{name} has the highest mean of its scores, {:.3}; the next, {}, has {:.3}.",
            mine.norm_score,
            node_name(nodes, &best.node_id),
            best.norm_score
        )
    } else if difference >= -SAME {
        format!(
            "{name} shares the highest score with others; which of equals is taken, the job's name and version decide."
        )
    } else {
        format!(
            "{name} has not the highest score: an even spread comes before scores, and of several allocations placed \
             together each is placed where the earlier ones leave most to gain."
        )
    }
}

/// One sentence per score that says something about the chosen node, or that sets nodes apart.
fn sentences(metric: &AllocMetric, node: &str) -> impl Iterator<Item = String> {
    let mine = metric.score_meta_data.iter().find(|row| row.node_id == node);
    scorers(metric).into_iter().filter_map(move |scorer| {
        let mine = mine?.scores.get(scorer).copied();
        let sentence = match mine {
            Some(score) => present(scorer, score)?,
            None => absent(scorer)?.to_owned(),
        };
        Some(format!("{scorer}: {sentence}"))
    })
}

fn present(scorer: &str, score: f64) -> Option<String> {
    Some(match scorer {
        "binpack" => String::from(
            "how full CPU and memory of the node become, from 0 to 1 (with the scheduler algorithm `spread`: how empty \
             they stay).",
        ),
        "job-anti-affinity" => {
            String::from("allocations of the same group are on the node already, which counts against it.")
        }
        "node-reschedule-penalty" => {
            String::from("an earlier attempt failed on this node, which counts against it.")
        }
        "node-affinity" if score > 0.0 => String::from("the job's `affinity` blocks speak for the node."),
        "node-affinity" => {
            String::from("the job's `affinity` blocks speak against the node, and it was taken all the same.")
        }
        "allocation-spread" if score > 0.0 => {
            String::from("the job's `spread` blocks want more allocations where the node is.")
        }
        "allocation-spread" => {
            String::from("the job's `spread` blocks want fewer allocations where the node is.")
        }
        "preemption" => String::from(
            "less important allocations had to go for it; the nearer to 1, the less was lost with them.",
        ),
        "devices" => String::from("how well the node's devices are what the tasks prefer."),
        _ => return None,
    })
}

fn absent(scorer: &str) -> Option<&'static str> {
    Some(match scorer {
        "job-anti-affinity" => "other nodes have allocations of the same group already; this one has none.",
        "node-reschedule-penalty" => "an earlier attempt failed on other nodes, not on this one.",
        "node-affinity" => "the job's `affinity` blocks say nothing about this node.",
        "preemption" => "nothing had to go for it here.",
        _ => return None,
    })
}
