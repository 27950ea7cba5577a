//! Gauges that the state knows at any time. Nothing is sampled, so there are no counters and no timings.

use std::{collections::BTreeMap, fmt::Write as _};

use actix_web::HttpResponse;
use api::Time;
use model::{ClientStatus, EvalStatus, JobStatus, Timestamp};
use serde::Serialize;
use state::Root;

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, json},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    /// `2006-01-02 15:04:05 +0000 UTC`
    timestamp: String,
    gauges: Vec<Gauge>,
    points: [(); 0],
    counters: [(); 0],
    samples: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Gauge {
    name: String,
    value: f64,
    labels: BTreeMap<&'static str, String>,
}

pub(super) fn gauges(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let gauges = collect(ctx, &ctx.state.root());
    match call.text("format") {
        None => {
            let now = Time(Timestamp::from_secs(ctx.clock.now().as_nanos() / 1_000_000_000)).to_rfc3339();
            let timestamp = format!("{} +0000 UTC", now.trim_end_matches('Z').replace('T', " "));
            Ok(json(call, &Summary { timestamp, gauges, points: [], counters: [], samples: [] }))
        }
        Some("prometheus") => Ok(HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(exposition(&gauges))),
        Some(other) => Err(Failure::bad(format!("unknown format {other:?}; use \"prometheus\""))),
    }
}

fn collect(ctx: &Context, root: &Root) -> Vec<Gauge> {
    let mut gauges = Vec::new();
    let mut gauge = |name: &str, value: usize, labels: &[(&'static str, &str)]| {
        let labels = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        gauges.push(Gauge { name: format!("nomad.{name}"), value: value as f64, labels });
    };
    for (key, counters) in &root.counters {
        for (group, counts) in &counters.groups {
            for (state, count) in [
                ("queued", counts.queued),
                ("complete", counts.complete),
                ("failed", counts.failed),
                ("running", counts.running),
                ("starting", counts.starting),
                ("lost", counts.lost),
            ] {
                let labels =
                    [("namespace", &*key.namespace), ("job", &*key.id), ("task_group", group.as_str())];
                gauge(&format!("nomad.job_summary.{state}"), count as usize, &labels);
            }
        }
    }
    for status in [JobStatus::Pending, JobStatus::Running, JobStatus::Dead] {
        let count = root.jobs.values().filter(|job| job.status == status).count();
        gauge(&format!("nomad.job_status.{}", status.as_str()), count, &[]);
    }
    let open = |status| root.open_evals_since(0).filter(move |eval| eval.status == status).count();
    gauge("nomad.evals.pending", open(EvalStatus::Pending), &[]);
    gauge("nomad.blocked_evals.total_blocked", open(EvalStatus::Blocked), &[]);
    let escaped = root
        .open_evals_since(0)
        .filter(|eval| eval.status == EvalStatus::Blocked && eval.escaped_class)
        .count();
    gauge("nomad.blocked_evals.total_escaped", escaped, &[]);
    if let Some(node) = ctx.agent.node.and_then(|id| root.nodes.get(&id)) {
        let id = node.id.to_string();
        let labels = [
            ("node_id", id.as_str()),
            ("datacenter", node.datacenter.as_str()),
            ("node_pool", node.pool.as_str()),
            ("host", node.name.as_str()),
        ];
        for status in [ClientStatus::Pending, ClientStatus::Running] {
            let allocs = root.allocs_of_node(node.id).filter(|alloc| alloc.client == status).count();
            gauge(&format!("client.allocations.{}", status.as_str()), allocs, &labels);
        }
        let allocs = root.allocs_of_node(node.id).filter(|alloc| !alloc.is_terminal());
        let used =
            allocs.fold(model::Capacity::default(), |sum, alloc| sum.plus(root.room_of(alloc).capacity));
        let free = node.available().minus(used);
        for (state, amount) in [("allocated", used), ("unallocated", free)] {
            gauge(&format!("client.{state}.cpu"), amount.cpu_mhz as usize, &labels);
            gauge(&format!("client.{state}.memory"), amount.memory_mb as usize, &labels);
            gauge(&format!("client.{state}.disk"), amount.disk_mb as usize, &labels);
        }
    }
    gauges
}

/// Prometheus' text form.
fn exposition(gauges: &[Gauge]) -> String {
    let mut text = String::new();
    let mut names: Vec<&str> = gauges.iter().map(|gauge| gauge.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let flat = name.replace(['.', '-'], "_");
        // Writing to a text cannot fail.
        let _ = writeln!(text, "# TYPE {flat} gauge");
        for gauge in gauges.iter().filter(|gauge| gauge.name == name) {
            let labels: Vec<String> = gauge
                .labels
                .iter()
                .map(|(key, value)| {
                    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                    format!("{key}=\"{value}\"")
                })
                .collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "{flat}{labels} {}", gauge.value);
        }
    }
    text
}
