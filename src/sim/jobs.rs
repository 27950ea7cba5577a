//! The jobs of a simulation, as a user would register them.

use serde_json::{Value, json};

use super::machine::WANTED_HALF;
use crate::cli::SimArgs;

/// What one task asks for.
pub(super) const TASK_MHZ: u32 = 100;
pub(super) const TASK_MB: u32 = 100;

/// The job of that number, as `PUT /v1/jobs` takes it.
pub(super) fn job(args: &SimArgs, name: &str, groups: usize, count: usize) -> Value {
    let ports: Vec<Value> = (0..args.ports).map(|number| json!({ "Label": format!("p{number}") })).collect();
    let networks = if ports.is_empty() { json!([]) } else { json!([{ "DynamicPorts": ports }]) };
    let groups: Vec<Value> = (0..groups)
        .map(|number| {
            json!({
                "Name": format!("g{number}"),
                "Count": if is_everywhere(args) { Value::Null } else { json!(count) },
                "Networks": networks,
                "EphemeralDisk": { "SizeMB": 101 },
                "Tasks": [{
                    "Name": "t",
                    "Driver": "mock_driver",
                    "Resources": { "CPU": TASK_MHZ, "MemoryMB": TASK_MB },
                }],
            })
        })
        .collect();
    let mut job = json!({
        "ID": name,
        "Name": name,
        "Type": args.kind,
        "Datacenters": ["dc1"],
        "TaskGroups": groups,
    });
    if args.kind == "service" {
        // Without a roll-out that would watch each allocation for seconds.
        job["Update"] = json!({ "MaxParallel": 0 });
    }
    if args.constraint {
        job["Constraints"] =
            json!([{ "LTarget": "${meta.half}", "RTarget": WANTED_HALF.to_string(), "Operand": "=" }]);
    }
    if args.affinity {
        job["Affinities"] =
            json!([{ "LTarget": "${meta.tenth}", "RTarget": "3", "Operand": "=", "Weight": 50 }]);
    }
    if args.spread {
        job["Spreads"] = json!([{ "Attribute": "${meta.rack}", "Weight": 50 }]);
    }
    json!({ "Job": job })
}

/// One allocation on each node, whatever the count.
pub(super) fn is_everywhere(args: &SimArgs) -> bool {
    matches!(args.kind.as_str(), "system" | "sysbatch")
}
