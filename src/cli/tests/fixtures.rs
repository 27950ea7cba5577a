//! The redis job of the tutorials, as the API shows it.

use api::{AllocListStub, Allocation, Deployment, Evaluation, Job, JobListStub, JobSummary, Node};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// 2017-12-15T20:32:43Z, 65 s after the job was submitted.
pub(super) const NOW: i64 = 1_513_369_963;

pub(super) const SUBMITTED: i64 = (NOW - 65) * 1_000_000_000;
pub(super) const MODIFIED: i64 = (NOW - 54) * 1_000_000_000;

pub(super) const ALLOC: &str = "bc057046-1c1c-4f0e-9f25-5b4b0a3e5f11";
pub(super) const NODE: &str = "58b5acd3-2f6e-4d2c-8a35-a3c1ad3c9e10";
pub(super) const EVAL: &str = "4c6b1bbc-7a0e-4c0b-8b8e-6a1f6d0c2b7d";
pub(super) const DEPLOYMENT: &str = "8554724d-0d3c-4bb3-9a0f-0f1f0f0f0f0f";

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(super) fn job() -> Job {
    of(json!({
        "ID": "redis", "Name": "redis", "Type": "service", "Priority": 50, "Datacenters": ["dc1"], "NodePool": "default",
        "Status": "running", "Version": 1, "SubmitTime": SUBMITTED, "JobModifyIndex": 63,
        "TaskGroups": [{
            "Name": "cache", "Count": 1,
            "Tasks": [{ "Name": "redis", "Driver": "docker", "Config": { "image": "redis:3.2" } }],
        }],
    }))
}

pub(super) fn listed() -> JobListStub {
    of(json!({
        "ID": "redis", "Name": "redis", "Type": "service", "Priority": 50, "Status": "running",
        "SubmitTime": SUBMITTED,
    }))
}

pub(super) fn summary() -> JobSummary {
    of(json!({ "JobID": "redis", "Summary": { "cache": { "Running": 1 } } }))
}

pub(super) fn deployment() -> Deployment {
    of(json!({
        "ID": DEPLOYMENT, "JobID": "redis", "JobVersion": 1, "Status": "running",
        "StatusDescription": "Deployment is running",
        "TaskGroups": { "cache": { "DesiredTotal": 1, "PlacedAllocs": 1 } },
    }))
}

pub(super) fn stub() -> AllocListStub {
    of(json!({
        "ID": ALLOC, "EvalID": EVAL, "Name": "redis.cache[0]", "NodeID": NODE, "NodeName": "laptop", "JobID": "redis",
        "JobVersion": 1, "TaskGroup": "cache", "DesiredStatus": "run", "ClientStatus": "running",
        "CreateTime": SUBMITTED, "ModifyTime": MODIFIED, "CreateIndex": 70,
    }))
}

pub(super) fn eval(status: &str) -> Evaluation {
    of(json!({
        "ID": EVAL, "Namespace": "default", "Type": "service", "TriggeredBy": "job-register", "JobID": "redis",
        "Priority": 50, "Status": status, "CreateIndex": 65, "CreateTime": SUBMITTED, "ModifyTime": MODIFIED,
    }))
}

pub(super) fn alloc() -> Allocation {
    let at = |secs: i64| (NOW - secs) * 1_000_000_000;
    let event =
        |secs: i64, kind: &str, text: &str| json!({ "Type": kind, "Time": at(secs), "DisplayMessage": text });
    of(json!({
        "ID": ALLOC, "EvalID": EVAL, "Name": "redis.cache[0]", "NodeID": NODE, "NodeName": "laptop", "JobID": "redis",
        "Job": job(), "TaskGroup": "cache", "DesiredStatus": "run", "ClientStatus": "running",
        "DeploymentID": DEPLOYMENT, "DeploymentStatus": { "Healthy": true },
        "CreateTime": SUBMITTED, "ModifyTime": MODIFIED, "CreateIndex": 70,
        "AllocatedResources": {
            "Tasks": { "redis": {
                "Cpu": { "CpuShares": 500 }, "Memory": { "MemoryMB": 256 },
                "Networks": [{ "IP": "127.0.0.1", "MBits": 10, "DynamicPorts": [{ "Label": "db", "Value": 27440 }] }],
            } },
            "Shared": { "DiskMB": 300 },
        },
        "TaskStates": { "redis": {
            "State": "running", "StartedAt": "2017-12-15T20:31:49Z",
            "Events": [
                event(65, "Received", "Task received by client"),
                event(64, "Task Setup", "Building Task Directory"),
                event(63, "Driver", "Downloading image redis:3.2"),
                event(54, "Started", "Task started by client"),
            ],
        } },
    }))
}

pub(super) fn usage() -> Value {
    json!({ "Tasks": { "redis": { "ResourceUsage": {
        "MemoryStats": {
            "RSS": 3_040_870, "Cache": 16_384, "Swap": 0, "Max Usage": 0, "MaxUsage": 4_194_304,
            "Measured": ["RSS", "Cache", "Swap", "Max Usage"],
        },
        "CpuStats": {
            "TotalTicks": 7.9, "Percent": 0.131, "ThrottledPeriods": 0, "ThrottledTime": 0,
            "Measured": ["Throttled Periods", "Throttled Time", "Percent"],
        },
    } } } })
}

pub(super) fn node() -> Node {
    of(json!({
        "ID": NODE, "Name": "laptop", "Datacenter": "dc1", "SchedulingEligibility": "eligible", "Status": "ready",
        "Attributes": { "kernel.name": "linux", "cpu.numcores": "4" },
        "NodeResources": {
            "Cpu": { "CpuShares": 9600 }, "Memory": { "MemoryMB": 15_360 }, "Disk": { "DiskMB": 81_920 },
        },
        "ReservedResources": { "Cpu": { "CpuShares": 100 } },
        "Drivers": {
            "docker": { "Detected": true, "Healthy": true, "HealthDescription": "Healthy" },
            "exec": { "Detected": true, "Healthy": false, "HealthDescription": "not root" },
            "java": { "Detected": false, "Healthy": false },
        },
        "Events": [
            { "Message": "Node registered", "Subsystem": "Cluster", "Timestamp": "2017-12-15T20:00:00Z" },
            { "Message": "Healthy", "Subsystem": "Driver: docker", "Timestamp": "2017-12-15T20:00:05Z" },
        ],
    }))
}

/// Searches for `prefix` find this id in this context.
pub(super) fn found(context: &str, ids: &[&str]) -> Value {
    json!({ "Matches": { context: ids } })
}
