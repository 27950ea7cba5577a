//! The tutorials' clusters, command by command, as somebody would follow them.
//!
//! | module | tutorial | machines |
//! | --- | --- | --- |
//! | `microservices` | "Deploying Microservices Transparently in Clusters with Docker and Nomad", parts 1 to 3 | node-01 to node-03, and a laptop |
//! | `nomad_with_consul` | "Containers in Production with Nomad", from "Run a cluster with Nomad with Consul" on | server, client, client2 |
//!
//! Each machine is a set of namespaces (`machine.rs`) with an address, a host name, files and, on clients, a Docker Engine of
//! its own, so commands, paths, ports and names are those of the tutorial. Replaced are the addresses of its network, and
//! `/dev/null` as the place of an agent's log. Nothing can be pulled: images have the tutorial's names and hold small servers
//! that listen where the original does (`tests/images/web.rs`). Where a person would wait and look again, the test does.
//!
//! Output is compared with what the tutorial prints in all that is not an id, a time or a version; where today's output
//! has a further line or column, docs/lab.md says so under "Differences".

mod microservices;
mod nomad_with_consul;

use std::path::Path;

use serde_json::Value;

use crate::{
    machine::{Machine, eventually},
    ran::Ran,
};

/// A table as the tutorials print it: cells are two blanks apart. The last column may be shorter.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(String::from).collect()
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(cells).collect()
}

/// A file of this repository.
fn ours(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a Consul API says, or nothing while it does not.
fn consul(machine: &Machine, host: &str, path: &str) -> Value {
    let answer = machine.run(&format!("curl -sf http://{host}:8500{path}"));
    serde_json::from_str(&answer.stdout).unwrap_or_default()
}

/// Waits until this many nodes are ready; the table of `nomad node status`.
#[track_caller]
fn nodes_ready(machine: &Machine, count: usize) -> Vec<Vec<String>> {
    eventually(&format!("{count} nodes are ready"), || {
        let table = rows(&machine.run("nomad node status").ok().stdout);
        (table.iter().filter(|row| row.last().is_some_and(|status| status == "ready")).count() == count)
            .then_some(table)
    })
}

/// Waits until so many allocations of a job are to run and do, and the summary counts them; `nomad status JOB`, and their
/// short ids.
#[track_caller]
fn running(machine: &Machine, job: &str, count: usize) -> (Ran, Vec<String>) {
    eventually(&format!("{count} allocations of {job} run"), || {
        let status = machine.run(&format!("nomad status {job}")).ok();
        let allocs = status.table("Allocations");
        let run = allocs.iter().filter(|row| row.windows(2).any(|two| two == ["run", "running"]));
        let ids: Vec<String> = run.map(|row| row[0].clone()).collect();
        let counted = status.table("Summary")[1][1..4] == ["0".into(), "0".into(), count.to_string()];
        (ids.len() == count && counted).then_some((status, ids))
    })
}

/// `nomad run` as the tutorials show it: triggered, placed, complete.
#[track_caller]
fn placed(run: &Ran, job: &str, group: &str, count: usize) {
    run.has(&[
        "==> Monitoring evaluation \"",
        &format!("\n    Evaluation triggered by job \"{job}\"\n"),
        "\n    Evaluation status changed: \"pending\" -> \"complete\"\n",
        "\n==> Evaluation \"",
        "\" finished with status \"complete\"\n",
    ]);
    let end = format!(", group \"{group}\"");
    let created =
        run.stdout.lines().filter(|line| line.contains("\" created: node \"") && line.ends_with(&end));
    assert_eq!(created.count(), count, "{}", run.stdout);
}

/// The address of a port, as `nomad alloc status` shows it.
#[track_caller]
fn address(machine: &Machine, alloc: &str, label: &str) -> String {
    let shown = machine.run(&format!("nomad alloc status {alloc}")).ok().stdout;
    let word = |line: &str| {
        let mut words = line.split_whitespace();
        words.find(|word| word.trim_start_matches('*').trim_end_matches(':') == label)?;
        words.find(|word| word.contains(':')).map(str::to_owned)
    };
    shown.lines().find_map(word).unwrap_or_else(|| panic!("no address of {label} in\n{shown}"))
}
