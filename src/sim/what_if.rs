//! `sim -from`: predicts on a copy of a cluster's state what would happen to it, and says so.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, BufReader, Write as _},
    process::ExitCode,
};

use logic::what_if::{Change, Error, Prediction, Report, Waiting, latest_time, predict};
use model::{Job, Node, NodeId, Timestamp};
use serde_json::{Value, json};
use state::{Root, records::read_state};

use super::{Problem, complain, wall_clock};
use crate::cli::{Source, WhatIfArgs, reasons};

/// Something would find no room.
const BLOCKED: u8 = 2;

/// Predicts and prints. The exit code is 2 when something would find no room.
pub(super) fn run(args: &WhatIfArgs) -> ExitCode {
    match words_of(args) {
        Ok((text, blocked)) => {
            // Whoever reads it may have gone.
            let _ = io::stdout().write_all(text.as_bytes());
            if blocked { ExitCode::from(BLOCKED) } else { ExitCode::SUCCESS }
        }
        Err(problem) => complain(&problem.to_string()),
    }
}

/// What is printed, and whether something would find no room.
fn words_of(args: &WhatIfArgs) -> Result<(String, bool), Problem> {
    let (root, now) = match &args.state {
        Source::Fetched(bytes) => (read(&args.from, &mut &bytes[..])?, Timestamp(wall_clock())),
        Source::File(path) => {
            let file = File::open(path).map_err(|error| Problem(format!("{}: {error}", args.from)))?;
            let root = read(&args.from, &mut BufReader::new(file))?;
            let now = latest_time(&root);
            (root, now)
        }
    };
    let mut changes = Vec::new();
    for wanted in &args.fail_nodes {
        let id = find_node(&root, wanted)?;
        if !changes.contains(&Change::Fail(id)) {
            changes.push(Change::Fail(id));
        }
    }
    for (path, job) in &args.jobs {
        changes.push(Change::Register(Box::new(accept(path, job.clone())?)));
    }
    // Ids that no cluster has: real ones are random, with a version number in their middle.
    let mut next = u128::MAX << 64;
    let mut ids = || {
        next += 1;
        next
    };
    let prediction = predict(&root, &changes, now, &mut ids).map_err(|error| match error {
        Error::Refused(why) => Problem(format!("the cluster would refuse this: {why}")),
        Error::GoneAlready(id, status) => {
            let name = Names(&root).of(id);
            Problem(format!(
                "-fail-node: node {name} is {} already: losing it changes nothing",
                status.as_str()
            ))
        }
        error => Problem(error.to_string()),
    })?;
    let mut text = table(args, &root, &prediction, now);
    if args.json {
        let _ = writeln!(text, "{}", object(args, &root, &prediction.report, now));
    }
    Ok((text, prediction.report.is_blocked()))
}

fn read(from: &str, source: &mut impl io::Read) -> Result<Root, Problem> {
    read_state(source).map_err(|error| {
        Problem(match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                format!("{from}: the snapshot is cut off: its last row is missing; save it again")
            }
            io::ErrorKind::InvalidData => format!("{from}: {error}"),
            _ => format!("{from} cannot be read: {error}"),
        })
    })
}

/// As the server takes it.
fn accept(path: &str, job: api::Job) -> Result<Job, Problem> {
    let refused =
        |problems: Vec<String>| Problem(format!("{path}: the job is not valid: {}", problems.join("; ")));
    let mut job = job.into_model().map_err(|refusal| refused(refusal.problems))?;
    jobspec::canonicalize(&mut job);
    let problems = jobspec::validate(&job);
    if !problems.is_empty() {
        return Err(refused(problems.iter().map(ToString::to_string).collect()));
    }
    if job.namespace != "default" {
        return Err(refused(vec![format!(
            "namespace {:?} does not exist; only \"default\" does",
            job.namespace
        )]));
    }
    Ok(job)
}

/// The one node whose id is this or begins so, or whose name this is.
fn find_node(root: &Root, wanted: &str) -> Result<NodeId, Problem> {
    let is_it = |node: &&Node| {
        node.name == wanted || (!wanted.is_empty() && node.id.to_string().starts_with(&wanted.to_lowercase()))
    };
    let found: Vec<&Node> = root.nodes.values().map(|node| &**node).filter(is_it).collect();
    match found[..] {
        [node] => Ok(node.id),
        [] => {
            let known: Vec<String> = root.nodes.keys().take(8).map(|id| Names(root).of(*id)).collect();
            let more = if root.nodes.len() > known.len() { ", ..." } else { "" };
            Err(Problem(format!(
                "-fail-node {wanted:?}: the cluster has no such node; it has {} nodes: {}{more}",
                root.nodes.len(),
                known.join(", ")
            )))
        }
        _ => {
            let all: Vec<String> = found.iter().map(|node| format!("{} ({})", node.name, node.id)).collect();
            Err(Problem(format!(
                "-fail-node {wanted:?}: {} nodes match: {}; write more of the id",
                found.len(),
                all.join(", ")
            )))
        }
    }
}

/// Nodes as people know them.
struct Names<'a>(&'a Root);

impl Names<'_> {
    fn of(&self, id: NodeId) -> String {
        let name = self.0.nodes.get(&id).map_or("?", |node| node.name.as_str());
        format!("{name} ({})", id.short())
    }
}

fn list(indexes: &[u32]) -> String {
    indexes.iter().map(|index| format!("[{index}]")).collect::<Vec<_>>().join(" ")
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

// Writing into a String cannot fail: results are dropped below.
fn table(args: &WhatIfArgs, root: &Root, prediction: &Prediction, now: Timestamp) -> String {
    let report = &prediction.report;
    let names = Names(root);
    let live = root.allocs.values().filter(|alloc| !alloc.is_terminal()).count();
    let mut text = format!(
        "{}, index {}: {}, {}, {}\n",
        args.from,
        root.index,
        counted(root.nodes.len(), "node"),
        counted(root.jobs.len(), "job"),
        counted(live, "live allocation")
    );
    if report.jobs.is_empty() {
        text += "\nNothing would change.\n";
    }
    for job in &report.jobs {
        let mut notes = String::new();
        if job.registered {
            notes += ", registered";
        }
        if job.rolling {
            notes += ", its roll-out goes on";
        }
        let _ = writeln!(text, "\nJob \"{}\"{notes}", job.job.id);
        for (name, group) in &job.groups {
            let sum = |per_node: &BTreeMap<NodeId, Vec<u32>>| per_node.values().map(Vec::len).sum::<usize>();
            let _ = writeln!(
                text,
                "  Group \"{name}\": {} placed, {} moved, {} stopped, {} updated in place, {} as before",
                sum(&group.placed),
                group.moved.len(),
                sum(&group.stopped),
                group.in_place,
                group.unchanged
            );
            for (node, indexes) in &group.placed {
                let _ =
                    writeln!(text, "    place {} on {}: {}", indexes.len(), names.of(*node), list(indexes));
            }
            let mut ways: BTreeMap<(NodeId, NodeId), Vec<u32>> = BTreeMap::new();
            for moved in &group.moved {
                ways.entry((moved.from, moved.to)).or_default().push(moved.index);
            }
            for ((from, to), indexes) in &ways {
                let (count, list) = (indexes.len(), list(indexes));
                let _ = if from == to {
                    writeln!(text, "    replace {count} on {}: {list}", names.of(*to))
                } else {
                    writeln!(text, "    move {count} from {} to {}: {list}", names.of(*from), names.of(*to))
                };
            }
            for (node, indexes) in &group.stopped {
                let _ =
                    writeln!(text, "    stop {} on {}: {}", indexes.len(), names.of(*node), list(indexes));
            }
            if group.evicted > 0 {
                let count = counted(group.evicted as usize, "allocation");
                let _ = writeln!(text, "    {count} of these gave way to more important ones");
            }
            if let Some(blocked) = &group.blocked {
                let before = match blocked.before {
                    0 => String::new(),
                    before => format!(" ({before} of them before)"),
                };
                let count = counted(blocked.missing as usize, "allocation");
                let _ = writeln!(text, "    no room for {count}{before}");
                for reason in blocked.metric.iter().flat_map(reasons) {
                    let _ = writeln!(text, "      {reason}");
                }
            }
        }
    }
    if !report.waits.is_empty() {
        text += "\nLater\n";
    }
    for wait in &report.waits {
        let span = wait.at.since(now).as_secs();
        let _ = match &wait.what {
            Waiting::Job(job, why) => {
                writeln!(text, "  in {span}s: job \"{}\" is looked at again ({why})", job.id)
            }
            Waiting::Node => {
                writeln!(text, "  in {span}s: a disconnected node counts as down, unless it is back")
            }
        };
    }
    text += &fullest(report, &names);
    if !report.complete {
        text += "\nThe prediction is not complete: the roll-outs have too many steps.\n";
    }
    text += if report.is_blocked() { "\nNot everything finds room.\n" } else { "\nEverything finds room.\n" };
    text
}

fn fullest(report: &Report, names: &Names<'_>) -> String {
    let mut rows = vec![["Fullest nodes", "CPU", "Memory", "Disk", "Allocations"].map(String::from)];
    for fill in &report.fullest {
        let (before, after) = (fill.before.percent(), fill.after.percent());
        let change = |at: usize| format!("{}% -> {}%", before[at], after[at]);
        let allocs = format!("{} -> {}", fill.before.allocs, fill.after.allocs);
        rows.push([names.of(fill.node), change(0), change(1), change(2), allocs]);
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::from("\n");
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn object(args: &WhatIfArgs, root: &Root, report: &Report, now: Timestamp) -> Value {
    let node = |id: NodeId| json!({ "id": id, "name": root.nodes.get(&id).map(|node| node.name.clone()) });
    let per_node = |rows: &BTreeMap<NodeId, Vec<u32>>| -> Vec<Value> {
        rows.iter().map(|(id, indexes)| json!({ "node": node(*id), "indexes": indexes })).collect()
    };
    let jobs: Vec<Value> = report
        .jobs
        .iter()
        .map(|job| {
            let groups: serde_json::Map<String, Value> = job
                .groups
                .iter()
                .map(|(name, group)| {
                    let moved = group.moved.iter();
                    let moved: Vec<Value> = moved
                        .map(|row| json!({ "index": row.index, "from": node(row.from), "to": node(row.to) }))
                        .collect();
                    let blocked = group.blocked.as_ref().map(|row| {
                        json!({ "missing": row.missing, "before": row.before, "reasons": row.metric.as_ref().map(reasons) })
                    });
                    let group = json!({
                        "placed": per_node(&group.placed),
                        "moved": moved,
                        "stopped": per_node(&group.stopped),
                        "evicted": group.evicted,
                        "in_place": group.in_place,
                        "unchanged": group.unchanged,
                        "blocked": blocked,
                    });
                    (name.clone(), group)
                })
                .collect();
            json!({
                "namespace": &*job.job.namespace,
                "job": &*job.job.id,
                "registered": job.registered,
                "rolling": job.rolling,
                "groups": groups,
            })
        })
        .collect();
    let waits = report.waits.iter().map(|wait| match &wait.what {
        Waiting::Job(job, why) => {
            json!({ "in_s": wait.at.since(now).as_secs(), "job": &*job.id, "why": why })
        }
        Waiting::Node => {
            json!({ "in_s": wait.at.since(now).as_secs(), "why": "a disconnected node counts as down" })
        }
    });
    let fullest = report.fullest.iter().map(|fill| {
        let [cpu, memory, disk] = fill.before.percent();
        let before = json!({ "cpu_percent": cpu, "memory_percent": memory, "disk_percent": disk, "allocs": fill.before.allocs });
        let [cpu, memory, disk] = fill.after.percent();
        let after = json!({ "cpu_percent": cpu, "memory_percent": memory, "disk_percent": disk, "allocs": fill.after.allocs });
        json!({ "node": node(fill.node), "before": before, "after": after })
    });
    json!({
        "from": args.from,
        "index": root.index,
        "blocked": report.is_blocked(),
        "complete": report.complete,
        "jobs": jobs,
        "waits": waits.collect::<Vec<_>>(),
        "fullest": fullest.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
