//! Allocations and what their tasks wrote.

use serde_json::json;

use super::{fake::Fake, fixtures::*, nomad};

fn one_alloc() -> Fake {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("allocs", &[ALLOC]))
        .on(&format!("GET /v1/allocation/{ALLOC}"), &alloc())
        .on(&format!("GET /v1/client/allocation/{ALLOC}/stats"), &usage());
    fake
}

#[test]
fn one_allocation_in_full() {
    for line in [&["alloc", "status", "-stats", "bc057046"][..], &["alloc-status", "--stats", "bc057046"]] {
        insta::assert_snapshot!("alloc_status_stats", nomad(&one_alloc(), line).text());
    }
    insta::assert_snapshot!("alloc_status_via_status", nomad(&one_alloc(), &["status", "bc057046"]).text());
    insta::assert_snapshot!(
        "alloc_status_short",
        nomad(&one_alloc(), &["alloc", "status", "-short", "bc"]).text()
    );
}

#[test]
fn without_its_node_an_allocation_is_still_shown() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("allocs", &[ALLOC]))
        .on(&format!("GET /v1/allocation/{ALLOC}"), &alloc())
        .raw(&format!("GET /v1/client/allocation/{ALLOC}/stats"), 500, b"No path to node");
    let ran = nomad(&fake, &["alloc", "status", "bc"]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.err, "Couldn't retrieve stats: Unexpected response code: 500 (No path to node)\n");
    assert!(ran.out.contains("\n500 MHz  256 MiB  300 MiB  db: 127.0.0.1:27440\n"), "{}", ran.out);
}

#[test]
fn an_evicted_one_says_for_whom() {
    let fake = Fake::start();
    let mut alloc = alloc();
    (alloc.desired_status, alloc.client_status) = ("evict".into(), "complete".into());
    alloc.desired_description = "Preempted by alloc ID 77e1a2b3-1c1c-4f0e-9f25-5b4b0a3e5f11".into();
    fake.on("PUT /v1/search", &found("allocs", &[ALLOC])).on(&format!("GET /v1/allocation/{ALLOC}"), &alloc);
    let out = nomad(&fake, &["alloc", "status", "bc"]).out;
    let expected = "\nDesired Status      = evict\n\
        Desired Description = Preempted by alloc ID 77e1a2b3-1c1c-4f0e-9f25-5b4b0a3e5f11\n";
    assert!(out.contains(expected), "{out}");
}

#[test]
fn ports_of_the_groups_network() {
    let fake = Fake::start();
    let mut alloc = json!(alloc());
    alloc["AllocatedResources"]["Shared"] = json!({
        "DiskMB": 300,
        "Networks": [{ "Mode": "bridge", "IP": "10.0.0.5", "DynamicPorts": [{ "Label": "db", "Value": 23456, "To": 6379 }] }],
        "Ports": [{ "Label": "db", "Value": 23456, "To": 6379, "HostIP": "10.0.0.5" }],
    });
    fake.on("PUT /v1/search", &found("allocs", &[ALLOC])).on(&format!("GET /v1/allocation/{ALLOC}"), &alloc);
    let out = nomad(&fake, &["alloc", "status", "bc"]).out;
    let expected = "\nAllocation Addresses (mode = \"bridge\"):\n\
                    Label  Dynamic  Address\n*db    yes      10.0.0.5:23456 -> 6379\n";
    assert!(out.contains(expected), "{out}");
}

#[test]
fn cores_of_its_own() {
    let fake = Fake::start();
    let mut alloc = json!(alloc());
    alloc["AllocatedResources"]["Tasks"]["redis"]["Cpu"] =
        json!({ "CpuShares": 4800, "ReservedCores": [0, 3] });
    fake.on("PUT /v1/search", &found("allocs", &[ALLOC])).on(&format!("GET /v1/allocation/{ALLOC}"), &alloc);
    let out = nomad(&fake, &["alloc", "status", "bc"]).out;
    assert!(out.contains("\nCPU (2 cores)  Memory"), "{out}");
    assert!(out.contains("\n4800 MHz "), "{out}");
}

#[test]
fn prefixes_of_allocations() {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("allocs", &[ALLOC, "bc11"])).on("GET /v1/allocations", &json!([stub()]));
    let ran = nomad(&fake, &["alloc", "status", "bc"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("Prefix matched multiple allocations\n\nID        Node ID"), "{}", ran.out);
    assert_eq!(nomad(&fake, &["logs", "bc"]).code, 1);
    assert_eq!(
        nomad(&fake, &["alloc", "status", "b"]).err,
        "Identifier must contain at least two characters.\n"
    );
    assert_eq!(nomad(&fake, &["logs", "b"]).err, "Alloc ID must contain at least two characters.\n");
    let none = Fake::start();
    none.on("PUT /v1/search", &json!({ "Matches": {} }));
    assert_eq!(
        nomad(&none, &["alloc", "status", "bcd"]).err,
        "No allocation(s) with prefix or id \"bc\" found\n"
    );
}

fn with_logs() -> Fake {
    let fake = one_alloc();
    let lines: String = (1..=20).map(|number| format!("line {number}\n")).collect();
    fake.raw(&format!("GET /v1/client/fs/logs/{ALLOC}"), 200, lines.as_bytes())
        .raw(&format!("GET /v1/client/fs/logs/{ALLOC}?type=stderr"), 200, b"oops\n")
        .on("GET /v1/job/redis/allocations", &json!([stub()]));
    fake
}

#[test]
fn what_a_task_wrote() {
    let fake = with_logs();
    let ran = nomad(&fake, &["logs", "bc057046"]);
    assert_eq!((ran.code, ran.out.lines().count(), ran.err.as_str()), (0, 20, ""));
    let asked = fake.the(&format!("GET /v1/client/fs/logs/{ALLOC}")).line;
    assert_eq!(
        asked,
        format!("GET /v1/client/fs/logs/{ALLOC}?task=redis&type=stdout&follow=false&plain=true&origin=start")
    );
    for (line, expected) in [
        (&["alloc", "logs", "-stderr", "bc057046", "redis"][..], "oops\n"),
        (&["logs", "-tail", "-n", "2", "bc057046"], "line 19\nline 20\n"),
        (&["logs", "-n=1", "-job", "redis"], "line 20\n"),
        (&["logs", "-f", "-stderr", "bc057046"], "oops\n"),
    ] {
        assert_eq!(nomad(&with_logs(), line).out, expected, "{line:?}");
    }
    assert_eq!(nomad(&with_logs(), &["logs", "-tail", "bc057046"]).out.lines().count(), 10);
    let both = nomad(&with_logs(), &["logs", "-f", "bc057046"]).out;
    assert!(both.contains("oops\n") && both.contains("line 20\n"), "{both}");
}

#[test]
fn a_task_must_be_named_where_there_are_several() {
    let fake = Fake::start();
    let mut alloc = alloc();
    let group = &mut alloc.job.as_mut().unwrap().task_groups[0];
    group.tasks.push(api::Task { name: String::from("backup"), ..api::Task::default() });
    fake.on("PUT /v1/search", &found("allocs", &[ALLOC])).on(&format!("GET /v1/allocation/{ALLOC}"), &alloc);
    assert_eq!(
        nomad(&fake, &["logs", "bc057046"]).err,
        "Failed to validate task: Allocation \"bc057046\" is running the following tasks:\n  * backup\n  * redis\n\n\
         Please specify the task.\n"
    );
    assert_eq!(nomad(&fake, &["logs", "bc057046", "nope"]).code, 1);
}

#[test]
fn log_failures_are_told() {
    let fake = one_alloc();
    let refusal = "task \"redis\" not started yet. No logs available";
    fake.raw(&format!("GET /v1/client/fs/logs/{ALLOC}"), 404, refusal.as_bytes());
    let ran = nomad(&fake, &["logs", "bc057046"]);
    assert_eq!(
        ran.text(),
        format!("--- stderr\nError reading file: Unexpected response code: 404 ({refusal})\n--- exit 1")
    );
    assert_eq!(nomad(&fake, &["logs", "-n=1", "-c=1", "bc"]).err, "Both -n and -c are not allowed\n");
}
