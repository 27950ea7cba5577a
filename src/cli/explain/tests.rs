//! Pages of fixtures: what people read.

use std::collections::BTreeMap;

use model::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    alloc, eval,
    facts::{AllocFacts, Elsewhere, EvalFacts, JobFacts, NodeFacts, Nodes},
    job,
    page::Page,
    room::{Amount, Closest},
};
use crate::cli::format::{Clock, Zone};

const NOW: i64 = 1_513_369_963;

fn clock() -> Clock {
    Clock { now: || Timestamp::from_secs(NOW), zone: Zone::Utc }
}

fn at(secs_ago: i64) -> i64 {
    (NOW - secs_ago) * 1_000_000_000
}

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn check(name: &str, page: &Page) {
    insta::assert_snapshot!(name, page.to_string());
}

fn nodes() -> Nodes {
    let node = |name: &str, class: &str| NodeFacts {
        name: name.into(),
        datacenter: "dc1".into(),
        class: class.into(),
        status: "ready".into(),
        eligible: true,
        draining: false,
    };
    BTreeMap::from([
        ("11111111-a".into(), node("laptop", "small")),
        ("22222222-a".into(), node("rack-1", "large")),
        ("33333333-a".into(), NodeFacts { draining: true, eligible: false, ..node("rack-2", "large") }),
    ])
}

fn some_elsewhere() -> Elsewhere {
    Elsewhere {
        asked: vec!["dc9".into()],
        datacenters: vec!["dc1".into(), "dc2".into()],
        pool: "default".into(),
        pools: vec!["default".into()],
        nodes: 4,
        not_ready: 1,
        draining: 1,
        ineligible: 0,
    }
}

fn a_job(kind: &str, status: &str) -> api::Job {
    of(json!({
        "ID": "shop", "Type": kind, "Status": status, "Version": 3, "Priority": 50,
        "TaskGroups": [
            { "Name": "web", "Count": 3, "Update": { "MaxParallel": 1 },
              "ReschedulePolicy": { "Attempts": 2, "Unlimited": false } },
            { "Name": "db", "Count": 1 },
        ],
    }))
}

/// The scheduler's report on a group that lacks memory, a driver and a port.
fn lacking() -> Value {
    json!({
        "NodesEvaluated": 15, "NodesFiltered": 2, "NodesExhausted": 13, "NodesAvailable": { "dc1": 14, "dc2": 1 },
        "ClassFiltered": { "small": 2 }, "ClassExhausted": { "small": 12 },
        "ConstraintFiltered": { "missing drivers": 1, "${attr.kernel.name} = windows": 1 },
        "DimensionExhausted": { "memory": 12, "network: reserved port collision http=8080": 1 },
        "CoalescedFailures": 1,
    })
}

fn lacks_memory() -> Closest {
    Closest {
        ask: Amount { cpu_mhz: 500, memory_mb: 4000, disk_mb: 300 },
        node: "22222222-a".into(),
        free: Amount { cpu_mhz: 2000, memory_mb: 3500, disk_mb: 9000 },
        lacks: Amount { cpu_mhz: 0, memory_mb: 500, disk_mb: 0 },
        largest: Amount { cpu_mhz: 4000, memory_mb: 16_000, disk_mb: 90_000 },
        large_enough: 2,
        constrained: true,
    }
}

fn waiting_job() -> JobFacts {
    JobFacts {
        job: a_job("service", "running"),
        summary: of(json!({ "Summary": { "web": { "Running": 1, "Queued": 2 }, "db": { "Failed": 2 } } })),
        evaluations: of(json!([
            { "ID": "bbbbbbbb-b", "Status": "blocked", "TriggeredBy": "queued-allocs", "PreviousEval": "aaaaaaaa-a",
              "ClassEligibility": { "v1:1": true, "v1:2": false, "v1:3": false }, "CreateTime": at(65) },
            { "ID": "cccccccc-c", "Status": "pending", "TriggeredBy": "alloc-failure",
              "WaitUntil": "2017-12-15T20:33:13Z", "CreateTime": at(65) },
            { "ID": "aaaaaaaa-a", "Status": "complete", "TriggeredBy": "job-register", "CreateTime": at(65),
              "QueuedAllocations": { "web": 2, "db": 0 }, "BlockedEval": "bbbbbbbb-b",
              "FailedTGAllocs": { "web": lacking() } },
        ])),
        allocations: of(json!([
            { "ID": "a1a1a1a1-0", "TaskGroup": "web", "NodeID": "11111111-a", "DesiredStatus": "run",
              "ClientStatus": "running", "JobVersion": 3 },
            { "ID": "a3a3a3a3-0", "TaskGroup": "web", "NodeID": "33333333-a", "DesiredStatus": "run",
              "ClientStatus": "running", "JobVersion": 3 },
            { "ID": "f1f1f1f1-0", "TaskGroup": "db", "NodeID": "22222222-a", "DesiredStatus": "run",
              "ClientStatus": "failed", "FollowupEvalID": "cccccccc-c", "ModifyTime": at(40), "JobVersion": 3 },
        ])),
        deployment: of(json!({
            "ID": "dddddddd-d", "Status": "running", "JobVersion": 3,
            "TaskGroups": { "web": { "DesiredTotal": 3, "PlacedAllocs": 1, "RequireProgressBy": "2017-12-15T20:42:43Z" } },
        })),
        nodes: nodes(),
        elsewhere: some_elsewhere(),
        closest: BTreeMap::from([("web".into(), lacks_memory())]),
    }
}

#[test]
fn a_job_that_waits_for_room() {
    check("job_waits_for_room", &job::page(&waiting_job(), clock()));
}

#[test]
fn a_job_that_no_node_is_large_enough_for() {
    let mut facts = waiting_job();
    let closest = facts.closest.get_mut("web").unwrap();
    (closest.large_enough, closest.largest.memory_mb, closest.constrained) = (0, 3500, false);
    let page = job::page(&facts, clock()).to_string();
    assert!(
        page.contains(
            "No node is that large, even if nothing else ran there: the most that one has is 3500 MB"
        ),
        "{page}"
    );
    assert!(
        page.contains("The node that comes closest, rack-1 (22222222), has 3500 MB of memory free"),
        "{page}"
    );
}

#[test]
fn a_job_without_any_node() {
    let metric = json!({ "NodesEvaluated": 0, "NodesAvailable": { "dc9": 0 } });
    let check = |elsewhere: Elsewhere, expected: &str| {
        let facts = JobFacts {
            job: a_job("service", "pending"),
            evaluations: of(json!([
                { "ID": "bbbbbbbb-b", "Status": "blocked", "TriggeredBy": "queued-allocs",
                  "FailedTGAllocs": { "web": metric } },
            ])),
            elsewhere,
            ..JobFacts::default()
        };
        let page = job::page(&facts, clock()).to_string();
        assert!(
            page.contains("No node takes allocations in dc9, where the job wants to be.\n")
                && page.contains(expected),
            "{page}"
        );
        assert!(page.contains("as soon as a node joins, changes, or becomes eligible"), "{page}");
    };
    check(Elsewhere::default(), "no nodes at all: start an agent");
    check(
        Elsewhere { nodes: 3, datacenters: vec!["dc1".into()], ..Elsewhere::default() },
        "The cluster has 3 nodes, in dc1; all are ready.",
    );
    check(
        some_elsewhere(),
        "has 4 nodes, in dc1 and dc2; 1 is not ready (down, cut off, or just starting) and 1 is being emptied",
    );
}

#[test]
fn a_job_that_is_well_or_over() {
    let mut facts = JobFacts {
        job: a_job("service", "running"),
        summary: of(json!({ "Summary": { "web": { "Running": 3 }, "db": { "Running": 1 } } })),
        ..waiting_job()
    };
    facts.evaluations.retain(|eval| eval.status == "complete");
    facts.allocations.truncate(1);
    facts.deployment.as_mut().unwrap().status = "successful".into();
    check("job_is_well", &job::page(&facts, clock()));
    facts.job.stop = true;
    facts.job.status = "dead".into();
    facts.summary = of(json!({ "Summary": { "web": { "Complete": 3 }, "db": { "Failed": 1, "Lost": 1 } } }));
    facts.allocations.clear();
    check("job_is_stopped", &job::page(&facts, clock()));
}

#[test]
fn what_fails_for_good_is_said() {
    let mut facts = waiting_job();
    facts.evaluations.retain(|eval| eval.status == "complete");
    facts.allocations = of(json!([
        { "ID": "f1f1f1f1-0", "TaskGroup": "web", "NodeID": "22222222-a", "DesiredStatus": "run", "JobVersion": 3,
          "ClientStatus": "failed", "ModifyTime": at(40), "RescheduleTracker": { "Events": [{}, {}] } },
    ]));
    let page = job::page(&facts, clock()).to_string();
    assert!(
        page.contains(
            "failed 40s ago and is not replaced: the `reschedule` block allows 2 per interval, and 2 were"
        ),
        "{page}"
    );
}

fn an_alloc() -> AllocFacts {
    AllocFacts {
        allocation: of(json!({
            "ID": "a1a1a1a1-0", "EvalID": "aaaaaaaa-a", "Name": "shop.web[0]", "NodeID": "22222222-a", "JobID": "shop",
            "TaskGroup": "web", "DesiredStatus": "run", "ClientStatus": "running",
            "PreviousAllocation": "a0a0a0a0-0", "PreemptedAllocations": ["e1e1e1e1-0", "e2e2e2e2-0"],
            "DeploymentID": "dddddddd-d", "DeploymentStatus": { "Healthy": true },
            "RescheduleTracker": { "Events": [{}] },
            "CreateTime": at(65), "ModifyTime": at(54),
            "Metrics": {
                "NodesEvaluated": 5, "NodesFiltered": 1, "NodesExhausted": 1, "NodesAvailable": { "dc1": 5 },
                "ConstraintFiltered": { "missing drivers": 1 }, "DimensionExhausted": { "cpu": 1 },
                "ScoreMetaData": [
                    { "NodeID": "22222222-a", "NormScore": 0.61,
                      "Scores": { "binpack": 0.479, "node-affinity": 0.5, "preemption": 0.85 } },
                    { "NodeID": "11111111-a", "NormScore": 0.1, "Scores": { "binpack": 0.6, "job-anti-affinity": -0.4 } },
                    { "NodeID": "44444444-a", "NormScore": -0.2,
                      "Scores": { "binpack": 0.1, "allocation-spread": -0.5 } },
                ],
            },
            "TaskStates": { "web": { "State": "running", "Restarts": 1, "Events": [
                { "Type": "Received", "Time": at(65), "DisplayMessage": "Task received by client" },
                { "Type": "Started", "Time": at(60), "DisplayMessage": "Task started by client" },
                { "Type": "Terminated", "Time": at(56), "DisplayMessage": "Exit Code: 1" },
                { "Type": "Restarting", "Time": at(55), "DisplayMessage": "Task restarting in 1s" },
                { "Type": "Started", "Time": at(54), "DisplayMessage": "Task started by client" },
            ] } },
        })),
        job_version: 3,
        reschedule_attempts: Some(2),
        evaluation: of(json!({ "ID": "aaaaaaaa-a", "TriggeredBy": "alloc-failure", "Status": "complete" })),
        previous: of(json!({ "ID": "a0a0a0a0-0", "NodeID": "11111111-a", "ClientStatus": "failed" })),
        preempted: vec![of(json!({ "ID": "e1e1e1e1-0", "NodeID": "22222222-a", "JobID": "batch" }))],
        nodes: nodes(),
        ..AllocFacts::default()
    }
}

#[test]
fn an_allocation_that_runs() {
    check("alloc_runs", &alloc::page(&an_alloc(), clock()));
}

#[test]
fn an_allocation_that_was_moved() {
    let mut facts = an_alloc();
    facts.allocation.node_id = "33333333-a".into();
    facts.allocation.desired_status = "stop".into();
    facts.allocation.desired_description = "alloc is being migrated".into();
    facts.allocation.client_status = "complete".into();
    facts.allocation.preempted_allocations.clear();
    facts.preempted.clear();
    facts.allocation.metrics = None;
    facts.next = of(json!({ "ID": "a2a2a2a2-0", "NodeID": "11111111-a" }));
    check("alloc_moved", &alloc::page(&facts, clock()));
}

#[test]
fn an_allocation_ends_for_many_reasons() {
    let check = |description: &str, expected: &str| {
        let mut facts = an_alloc();
        facts.allocation.desired_status = "stop".into();
        facts.allocation.desired_description = description.into();
        let page = alloc::page(&facts, clock()).to_string();
        assert!(page.contains(expected), "{description}: {page}");
    };
    check("alloc not needed due to job update", "It is not wanted any more");
    check("alloc is being updated due to job update", "A newer version of the job takes its place");
    check("alloc is lost since its node is down", "Its node went down, so it was given up.");
    check("alloc was rescheduled because it failed", "It failed, and another allocation took its place.");
    check(
        "Preempted by alloc ID 99999999-9",
        "It gave up its room for allocation 99999999 of a more important job.",
    );
    check("moon is full", "The servers say: moon is full.");
}

#[test]
fn an_evaluation_that_placed_a_part() {
    let facts = EvalFacts {
        evaluation: of(json!({
            "ID": "aaaaaaaa-a", "JobID": "shop", "Type": "service", "Priority": 50, "Status": "complete",
            "TriggeredBy": "job-register", "CreateTime": at(65), "BlockedEval": "bbbbbbbb-b",
            "QueuedAllocations": { "web": 2, "db": 0 }, "FailedTGAllocs": { "web": lacking() },
        })),
        blocked: of(json!({
            "ID": "bbbbbbbb-b", "Status": "blocked", "TriggeredBy": "queued-allocs", "EscapedComputedClass": true,
        })),
        allocations: waiting_job().allocations,
        nodes: nodes(),
        elsewhere: some_elsewhere(),
        closest: BTreeMap::from([("web".into(), lacks_memory())]),
        ..EvalFacts::default()
    };
    check("eval_placed_a_part", &eval::page(&facts, clock()));
}

#[test]
fn an_evaluation_waits_for_many_reasons() {
    let check = |evaluation: Value, expected: &str| {
        let evaluation = of(evaluation);
        let page = eval::page(&EvalFacts { evaluation, nodes: nodes(), ..EvalFacts::default() }, clock());
        assert!(page.to_string().contains(expected), "{page}");
    };
    check(
        json!({ "ID": "e", "Status": "pending", "TriggeredBy": "alloc-failure", "WaitUntil": "2017-12-15T20:33:13Z" }),
        "Evaluation e is looked at in 30s (2017-12-15T20:33:13Z).",
    );
    check(json!({ "ID": "e", "Status": "pending" }), "Evaluation e waits for its turn");
    check(
        json!({ "ID": "e", "Status": "blocked", "TriggeredBy": "max-plan-attempts" }),
        "its plans collided",
    );
    check(
        json!({ "ID": "e", "Status": "blocked", "NodeID": "11111111-a" }),
        "the job runs on every node, and laptop (11111111) has no room",
    );
    check(
        json!({ "ID": "e", "Status": "blocked", "ClassEligibility": { "v1:1": false } }),
        "no node that is known meets the requirements (1 class of like nodes, none suitable)",
    );
    check(
        json!({ "ID": "e", "Status": "failed", "StatusDescription": "maximum attempts reached (5)" }),
        "It failed: maximum attempts reached (5).",
    );
}
