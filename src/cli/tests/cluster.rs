//! Servers, the log, drains, and the commands known from Consul that change the cluster.

use serde_json::{Value, json};

use super::{Ran, fake::Fake, fixtures::*, nomad, run_as};

fn consul(fake: &Fake, line: &[&str]) -> Ran {
    run_as("consul", &[("CONSUL_HTTP_ADDR", fake.address.trim_start_matches("http://"))], "", line)
}

fn member(name: &str, region: &str, address: &str) -> Value {
    json!({
        "Name": format!("{name}.{region}"), "Addr": address, "Port": 4648, "Status": "alive", "ProtocolCur": 2,
        "Tags": { "build": "0.1.0", "dc": "dc1", "region": region, "rpc_addr": address, "port": "4647" },
    })
}

#[test]
fn each_region_names_its_leader() {
    let fake = Fake::start();
    let members = [
        member("n1", "global", "10.0.0.1"),
        member("n2", "global", "10.0.0.2"),
        member("e1", "europe", "10.9.0.1"),
    ];
    fake.on("GET /v1/agent/members", &json!({ "Members": members }))
        // Asked in the order of the regions' names.
        .on("GET /v1/status/leader", &"10.9.0.1:4647")
        .on("GET /v1/status/leader", &"10.0.0.2:4647")
        .on("GET /v1/status/leader", &"10.9.0.1:4647")
        .raw("GET /v1/status/leader", 500, b"No path to region");
    let ran = nomad(&fake, &["server", "members"]);
    insta::assert_snapshot!("server_members_of_two_regions", ran.text());
    let asked: Vec<String> = fake.seen().into_iter().map(|request| request.line).collect();
    assert_eq!(asked[1..], ["GET /v1/status/leader?region=europe", "GET /v1/status/leader?region=global"]);
    let ran = nomad(&fake, &["server", "members"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "\nError determining leaders: Region \"global\": Unexpected response code: 500 (No path to region)\n"
        )
    );
}

#[test]
fn joining_servers() {
    let fake = Fake::start();
    fake.on("PUT /v1/agent/join", &json!({ "num_joined": 2, "error": "", "warning": "" }))
        .on("PUT /v1/agent/join", &json!({ "num_joined": 1, "error": "", "warning": "x: no answer" }))
        .on("PUT /v1/agent/join", &json!({ "num_joined": 0, "error": "x: no answer" }));
    let join = |command: &[&str]| nomad(&fake, command).text();
    assert_eq!(
        join(&["server", "join", "10.0.0.2", "10.0.0.3"]),
        "Joined 2 servers successfully\n--- exit 0"
    );
    assert_eq!(fake.the("PUT").line, "PUT /v1/agent/join?address=10.0.0.2&address=10.0.0.3");
    assert_eq!(
        join(&["server-join", "10.0.0.2", "x"]),
        "Joined 1 servers successfully\n--- stderr\nx: no answer\n--- exit 0"
    );
    assert_eq!(
        join(&["server", "join", "x"]),
        "--- stderr\nError joining: failed joining: x: no answer\n--- exit 1"
    );
}

#[test]
fn forcing_servers_to_leave() {
    let fake = Fake::start();
    fake.raw("PUT /v1/agent/force-leave", 200, b"").raw("PUT /v1/agent/force-leave", 500, b"it is alive");
    assert_eq!(nomad(&fake, &["server", "force-leave", "-prune", "n2"]).text(), "--- exit 0");
    assert_eq!(fake.the("PUT").line, "PUT /v1/agent/force-leave?node=n2&prune=true");
    assert_eq!(
        nomad(&fake, &["server-force-leave", "n2"]).err,
        "Error force-leaving server n2: Unexpected response code: 500 (it is alive)\n"
    );
}

fn peers() -> Value {
    let server = |id: &str, name: &str, address: &str, leader: bool, last: u64| {
        json!({
            "ID": id, "Node": name, "Address": address, "Leader": leader, "Voter": true, "RaftProtocol": "3",
            "ProtocolVersion": "3", "LastIndex": last,
        })
    };
    json!({
        "Servers": [
            server("e349749b-3303-3ddf-959c-b5885a0e1f6e", "n1.global", "10.0.0.1:4647", true, 120),
            server("ea59315c-ab56-dd36-b9ed-1bc4c3dac5b3", "n2.global", "10.0.0.2:4647", false, 119),
            server("c1b5a2a0-2f2a-4f1a-9d3f-9f3f6d0c2b7d", "(unknown)", "10.0.0.3:4647", false, 20),
        ],
        "Index": 22,
    })
}

#[test]
fn servers_in_the_log() {
    let fake = Fake::start();
    fake.on("GET /v1/operator/raft/configuration", &peers());
    insta::assert_snapshot!("raft_peers", nomad(&fake, &["operator", "raft", "list-peers"]).text());
    insta::assert_snapshot!("raft_peers_consul", consul(&fake, &["operator", "raft", "list-peers"]).text());
    // The same command of both tools: under our own name it is Nomad's.
    let ours = run_as("troupe", &[("NOMAD_ADDR", &fake.address)], "", &["operator", "raft", "list-peers"]);
    assert_eq!(ours.out, nomad(&fake, &["operator", "raft", "list-peers"]).out);
    nomad(&fake, &["operator", "raft", "list-peers", "-stale", "-region=eu"]);
    let last = fake.seen().pop().unwrap();
    assert_eq!(last.line, "GET /v1/operator/raft/configuration?stale=&region=eu");
}

#[test]
fn removing_servers_from_the_log() {
    let fake = Fake::start();
    fake.raw("DELETE /v1/operator/raft/peer", 200, b"");
    let remove = |program: &str, flag: &[&str]| {
        let env = [("NOMAD_ADDR", &*fake.address), ("CONSUL_HTTP_ADDR", &*fake.address)];
        run_as(program, &env, "", &[&["operator", "raft", "remove-peer"], flag].concat()).text()
    };
    assert_eq!(remove("nomad", &["-peer-id=s2"]), "Removed peer with id \"s2\"\n--- exit 0");
    assert_eq!(fake.the("DELETE").line, "DELETE /v1/operator/raft/peer?id=s2");
    let done = "Removed peer with address \"10.0.0.2:4647\"\n--- exit 0";
    assert_eq!(remove("nomad", &["-peer-address", "10.0.0.2:4647"]), done);
    assert_eq!(remove("consul", &["-address", "10.0.0.2:4647"]), done);
    assert_eq!(remove("consul", &["-id=s2"]), "Removed peer with id \"s2\"\n--- exit 0");
    for (program, flags) in [
        ("nomad", &[][..]),
        ("consul", &[]),
        ("nomad", &["-peer-id=a", "-peer-address=b"]),
        ("consul", &["-id=a", "-address=b"]),
    ] {
        assert!(remove(program, flags).ends_with("--- exit 1"), "{program} {flags:?}");
    }
}

#[test]
fn handing_over_the_lead() {
    let fake = Fake::start();
    let moved = json!({ "From": { "ID": "s1" }, "To": { "ID": "s2" }, "Noop": false, "Err": null });
    fake.on("PUT /v1/operator/raft/transfer-leadership", &moved)
        .on("PUT /v1/operator/raft/transfer-leadership", &json!({ "Noop": true }))
        .on("POST /v1/operator/raft/transfer-leader", &json!({ "Success": true }));
    let line = ["operator", "raft", "transfer-leadership", "-peer-id", "s2"];
    assert_eq!(nomad(&fake, &line).out, "Transferred leadership to peer with id \"s2\"\n");
    assert_eq!(nomad(&fake, &line).out, "The peer with id \"s2\" is the leader already\n");
    assert_eq!(consul(&fake, &["operator", "raft", "transfer-leader", "-id=s2"]).out, "Success\n");
    assert_eq!(fake.the("POST").line, "POST /v1/operator/raft/transfer-leader?id=s2");
}

#[test]
fn autopilot_settings() {
    let fake = Fake::start();
    let config = json!({
        "CleanupDeadServers": true, "LastContactThreshold": "200ms", "MaxTrailingLogs": 250, "MinQuorum": 0,
        "ServerStabilizationTime": "10s", "EnableRedundancyZones": false, "DisableUpgradeMigration": false,
        "EnableCustomUpgrades": false, "RedundancyZoneTag": "", "UpgradeVersionTag": "", "ModifyIndex": 5,
    });
    fake.on("GET /v1/operator/autopilot/configuration", &config)
        .on("PUT /v1/operator/autopilot/configuration", &true)
        .on("PUT /v1/operator/autopilot/configuration", &false);
    insta::assert_snapshot!(
        "autopilot_config",
        nomad(&fake, &["operator", "autopilot", "get-config"]).text()
    );
    insta::assert_snapshot!(
        "autopilot_config_consul",
        consul(&fake, &["operator", "autopilot", "get-config"]).text()
    );
    let set = [
        "operator",
        "autopilot",
        "set-config",
        "-cleanup-dead-servers=false",
        "-last-contact-threshold=1s",
        "-max-trailing-logs=10",
        "-min-quorum=3",
    ];
    assert_eq!(nomad(&fake, &set).out, "Configuration updated!\n");
    let request = fake.the("PUT");
    assert_eq!(request.line, "PUT /v1/operator/autopilot/configuration?cas=5");
    let sent: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(sent["CleanupDeadServers"], false);
    assert_eq!(sent["LastContactThreshold"], "1s");
    assert_eq!(sent["ServerStabilizationTime"], "10s");
    assert_eq!((&sent["MaxTrailingLogs"], &sent["MinQuorum"]), (&json!(10), &json!(3)));
    let ran = consul(&fake, &set);
    assert_eq!(
        ran.text(),
        "--- stderr\nConfiguration could not be atomically updated, please try again\n--- exit 1"
    );
    assert_eq!(nomad(&fake, &["operator", "autopilot", "set-config", "-cleanup-dead-servers=x"]).code, 1);
}

#[test]
fn the_health_of_servers() {
    let fake = Fake::start();
    let server = |id: &str, leader: bool, healthy: bool| {
        json!({
            "ID": id, "Name": format!("{id}.global"), "Address": "10.0.0.1:4647", "SerfStatus": "alive",
            "Version": "0.1.0", "Leader": leader, "Voter": true, "Healthy": healthy, "LastContact": "15ms",
            "LastTerm": 2, "LastIndex": 53, "StableSince": null,
        })
    };
    let health = json!({
        "Healthy": false, "FailureTolerance": 0, "Leader": "s1", "Voters": ["s1", "s2"],
        "Servers": [server("s1", true, true), server("s2", false, false)],
    });
    // Unhealthy is an answer, whatever its code.
    fake.raw("GET /v1/operator/autopilot/health", 429, health.to_string().as_bytes());
    let ran = nomad(&fake, &["operator", "autopilot", "health"]);
    insta::assert_snapshot!("autopilot_health", ran.text());
    assert_eq!(consul(&fake, &["operator", "autopilot", "state"]).out, ran.out);
    let shown = nomad(&fake, &["operator", "autopilot", "health", "-json"]).out;
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["Servers"][1]["Healthy"], false);
}

#[test]
fn the_scheduler() {
    let fake = Fake::start();
    let config = json!({ "SchedulerAlgorithm": "binpack", "PreemptionConfig": {} });
    fake.on("GET /v1/operator/scheduler/configuration", &json!({ "SchedulerConfig": config }));
    insta::assert_snapshot!(
        "scheduler_config",
        nomad(&fake, &["operator", "scheduler", "get-config"]).text()
    );
    let path = "PUT /v1/operator/scheduler/configuration";
    fake.on(path, &json!({ "Updated": true, "Index": 7 })).on(path, &json!({ "Updated": false, "Index": 7 }));
    let set = ["operator", "scheduler", "set-config", "-scheduler-algorithm=spread"];
    assert_eq!(nomad(&fake, &set).out, "Scheduler configuration updated!\n");
    assert!(nomad(&fake, &set).text().contains("could not be atomically updated"));
    let fake = Fake::start();
    fake.on("GET /v1/operator/scheduler/configuration", &json!({ "SchedulerConfig": config }))
        .on(path, &json!({ "Updated": true, "Index": 8 }));
    let on = [
        "-preempt-service-scheduler=true",
        "-preempt-batch-scheduler=true",
        "-preempt-system-scheduler=false",
    ];
    let set = ["operator", "scheduler", "set-config", on[0], on[1], on[2]];
    assert_eq!(nomad(&fake, &set).code, 0);
    let sent: Value = serde_json::from_str(&fake.the("PUT").body).unwrap();
    let sent = &sent["PreemptionConfig"];
    let is_on = |kind: &str| sent[format!("{kind}SchedulerEnabled")].as_bool().unwrap();
    assert_eq!(["Service", "Batch", "System", "SysBatch"].map(is_on), [true, true, false, false]);
    let wrong = ["operator", "scheduler", "set-config", "-pause-eval-broker=often"];
    assert!(nomad(&fake, &wrong).text().contains("true or false"));
}

#[test]
fn facts_about_the_agent() {
    let fake = Fake::start();
    fake.on(
        "GET /v1/agent/self",
        &json!({ "stats": { "raft": { "term": "2", "state": "Leader" }, "client": { "node_id": NODE } } }),
    )
    .on("GET /v1/agent/servers", &json!(["10.0.0.1:4647", "10.0.0.2:4647"]))
    .raw("PUT /v1/agent/servers", 200, b"")
    .raw("PUT /v1/system/gc", 200, b"")
    .raw("PUT /v1/system/reconcile/summaries", 200, b"");
    assert_eq!(
        nomad(&fake, &["agent-info"]).out,
        format!("client\n  node_id = {NODE}\nraft\n  state = Leader\n  term = 2\n")
    );
    for name in [&["node", "config"][..], &["client-config"]] {
        let show = [name, &["-servers"]].concat();
        assert_eq!(nomad(&fake, &show).out, "10.0.0.1:4647\n10.0.0.2:4647\n");
    }
    assert_eq!(
        nomad(&fake, &["node", "config", "-update-servers", "10.0.0.3:4647"]).out,
        "Updated server list\n"
    );
    assert_eq!(fake.the("PUT").line, "PUT /v1/agent/servers?address=10.0.0.3%3A4647");
    assert_eq!(nomad(&fake, &["node", "config"]).code, 1);
    assert_eq!(nomad(&fake, &["system", "gc"]).text(), "--- exit 0");
    assert_eq!(nomad(&fake, &["system", "reconcile", "summaries"]).text(), "--- exit 0");
}

/// The node of the fixtures, being emptied or not.
fn shown(drain: Value, last: &str) -> Value {
    let mut shown = serde_json::to_value(node()).unwrap();
    shown["Drain"] = json!(!drain.is_null());
    shown["DrainStrategy"] = drain;
    if !last.is_empty() {
        shown["LastDrain"] = json!({ "Status": last });
    }
    shown
}

/// Its allocation: client status, desired status, whether it shall move.
fn moved(client: &str, desired: &str, migrate: bool) -> Value {
    let mut alloc = serde_json::to_value(alloc()).unwrap();
    alloc["ClientStatus"] = json!(client);
    alloc["DesiredStatus"] = json!(desired);
    alloc["DesiredTransition"] = json!({ "Migrate": migrate });
    json!([alloc])
}

fn strategy() -> Value {
    json!({ "Deadline": 3_600_000_000_000_i64, "IgnoreSystemJobs": false, "ForceDeadline": "2017-12-15T21:32:43Z" })
}

fn draining() -> Fake {
    let fake = Fake::start();
    fake.on("PUT /v1/search", &found("nodes", &[NODE]))
        .on("GET /v1/agent/self", &json!({ "stats": { "client": { "node_id": NODE } } }))
        .on(&format!("PUT /v1/node/{NODE}/drain"), &json!({ "NodeModifyIndex": 7 }));
    fake
}

#[test]
fn a_drain_is_followed_to_its_end() {
    let fake = draining();
    let (one, all) = (format!("GET /v1/node/{NODE}"), format!("GET /v1/node/{NODE}/allocations"));
    // Before, then three looks.
    fake.on(&one, &shown(Value::Null, ""))
        .on(&one, &shown(strategy(), "draining"))
        .on(&one, &shown(strategy(), "draining"))
        .on(&one, &shown(Value::Null, "complete"))
        .on(&all, &moved("running", "run", false))
        .on(&all, &moved("running", "run", true))
        .on(&all, &moved("running", "stop", true))
        .on(&all, &moved("complete", "stop", true));
    let line =
        ["node", "drain", "-enable", "-deadline", "30m", "-m", "new disk", "-meta", "ticket=7", "-yes", "58"];
    insta::assert_snapshot!("node_drain", nomad(&fake, &line).text());
    let request = fake.the(&format!("PUT /v1/node/{NODE}/drain"));
    let sent: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        sent,
        json!({
            "NodeID": NODE, "DrainSpec": { "Deadline": 1_800_000_000_000_i64, "IgnoreSystemJobs": false },
            "MarkEligible": true, "Meta": { "message": "new disk", "ticket": "7" },
        })
    );
}

#[test]
fn a_drain_that_somebody_ends_is_followed_no_further() {
    let fake = draining();
    let one = format!("GET /v1/node/{NODE}");
    fake.on(&one, &shown(strategy(), "draining"))
        .on(&one, &shown(strategy(), "draining"))
        .on(&one, &shown(Value::Null, "canceled"))
        .on(&format!("GET /v1/node/{NODE}/allocations"), &moved("running", "run", true));
    let ran = nomad(&fake, &["node", "drain", "-monitor", "-self"]);
    assert_eq!(
        ran.out,
        format!(
            "2017-12-15T20:32:43Z: Monitoring node \"{NODE}\": Ctrl-C to detach monitoring\n\
             2017-12-15T20:32:43Z: Drain canceled for node {NODE}\n"
        )
    );
    let idle = draining();
    idle.on(&one, &shown(Value::Null, ""));
    let ran = nomad(&idle, &["node", "drain", "-monitor", "-self"]);
    assert_eq!(ran.text(), format!("--- stderr\nNo drain strategy set for node {NODE}\n--- exit 0"));
}

#[test]
fn drains_are_sent_as_the_flags_say() {
    let send = |flags: &[&str]| {
        let fake = draining();
        fake.on(&format!("GET /v1/node/{NODE}"), &shown(Value::Null, ""))
            .on(&format!("GET /v1/node/{NODE}/allocations"), &json!([]));
        let ran = nomad(&fake, &[&["node-drain"], flags, &["-self"]].concat());
        let request = fake.the(&format!("PUT /v1/node/{NODE}/drain"));
        (ran.text(), serde_json::from_str::<Value>(&request.body).unwrap())
    };
    let (text, sent) = send(&["-enable", "-force", "-ignore-system", "-detach"]);
    assert_eq!(text, format!("Node \"{NODE}\" drain strategy set\n--- exit 0"));
    assert_eq!(sent["DrainSpec"], json!({ "Deadline": -1, "IgnoreSystemJobs": true }));
    assert_eq!(send(&["-enable", "-no-deadline", "-detach"]).1["DrainSpec"]["Deadline"], 0);
    assert_eq!(send(&["-enable", "-detach"]).1["DrainSpec"]["Deadline"], 3_600_000_000_000_i64);
    let (text, sent) = send(&["-disable"]);
    assert_eq!(text, format!("Node \"{NODE}\" drain strategy unset\n--- exit 0"));
    assert_eq!((&sent["DrainSpec"], &sent["MarkEligible"]), (&Value::Null, &json!(true)));
    assert_eq!(send(&["-disable", "-keep-ineligible"]).1["MarkEligible"], false);
}

#[test]
fn a_drain_by_prefix_is_asked_for() {
    let fake = draining();
    fake.on(&format!("GET /v1/node/{NODE}"), &shown(Value::Null, ""))
        .on(&format!("GET /v1/node/{NODE}/allocations"), &json!([]));
    let env = [("NOMAD_ADDR", fake.address.as_str())];
    let ran = run_as("nomad", &env, "n\n", &["node", "drain", "-enable", "-detach", "58b5"]);
    assert_eq!(
        ran.text(),
        format!(
            "Are you sure you want to enable drain mode for node \"{NODE}\"? [y/N] Canceling drain toggle\n--- exit 0"
        )
    );
    let ran = run_as("nomad", &env, "y\n", &["node", "drain", "-enable", "-detach", "58b5"]);
    assert!(ran.out.ends_with("drain strategy set\n"), "{ran:?}");
}

#[test]
fn drains_that_make_no_sense() {
    let fake = Fake::start();
    for (flags, text) in [
        (&["x"][..], "Either the '-enable' or '-disable' flag must be set, unless using '-monitor'\n"),
        (&["-enable", "-disable", "x"], "Either the '-enable' or '-disable' flag must be set"),
        (&["-enable", "-force", "-no-deadline", "x"], "-force and -no-deadline are mutually exclusive\n"),
        (&["-enable", "-force", "-deadline=1h", "x"], "-deadline and -force are mutually exclusive\n"),
        (&["-enable", "-deadline=0s", "x"], "A positive deadline must be given\n"),
        (&["-disable", "-force", "x"], "-disable can't be combined with flags configuring drain strategy\n"),
        (&["-enable", "-meta", "=x", "x"], "-meta needs key=value"),
        (&["-enable"], "Node ID must be specified if -self isn't being used\n"),
        (&["-enable", "-self", "x"], "This command takes either one argument"),
    ] {
        let ran = nomad(&fake, &[&["node", "drain"], flags].concat());
        assert!(ran.code == 1 && ran.err.starts_with(text), "{flags:?}: {ran:?}");
    }
}

#[test]
fn eligibility() {
    let fake = draining();
    fake.on(&format!("GET /v1/node/{NODE}"), &shown(Value::Null, ""))
        .on(&format!("PUT /v1/node/{NODE}/eligibility"), &json!({ "NodeModifyIndex": 7 }));
    let set = |flags: &[&str]| nomad(&fake, &[&["node", "eligibility"], flags].concat());
    assert_eq!(
        set(&["-disable", "58b5"]).out,
        format!("Node \"{NODE}\" scheduling eligibility set: ineligible for scheduling\n")
    );
    let request = fake.the(&format!("PUT /v1/node/{NODE}/eligibility"));
    assert_eq!(request.body, format!("{{\"NodeID\":\"{NODE}\",\"Eligibility\":\"ineligible\"}}"));
    assert_eq!(
        set(&["-enable", "-self"]).out,
        format!("Node \"{NODE}\" scheduling eligibility set: eligible for scheduling\n")
    );
    let ran = set(&["x"]);
    assert!(ran.err.starts_with("Either the '-enable' or '-disable' flag must be set\n"), "{ran:?}");
}

#[test]
fn a_node_says_how_it_is_emptied() {
    for (drain, expected) in [
        (strategy(), "true; 2017-12-15T21:32:43Z deadline"),
        (json!({ "Deadline": -1 }), "true; force drain"),
        (json!({ "Deadline": 0, "IgnoreSystemJobs": true }), "true; no deadline; ignoring system jobs"),
        (Value::Null, "false"),
    ] {
        let fake = draining();
        fake.on(&format!("GET /v1/node/{NODE}"), &shown(drain, ""))
            .on(&format!("GET /v1/node/{NODE}/allocations"), &json!([]));
        let out = nomad(&fake, &["node", "status", "-short", "-self"]).out;
        let line = out.lines().find(|line| line.starts_with("Drain ")).unwrap();
        assert_eq!(line.split_once('=').unwrap().1.trim(), expected);
    }
}

#[test]
fn consul_joins_and_leaves() {
    let fake = Fake::start();
    fake.raw("PUT /v1/agent/join/10.0.0.2", 200, b"")
        .raw("PUT /v1/agent/join/nowhere", 500, b"no answer")
        .raw("PUT /v1/agent/leave", 200, b"")
        .raw("PUT /v1/agent/force-leave/n2", 200, b"")
        .raw("PUT /v1/agent/reload", 500, b"agent.hcl:1: no such setting");
    assert_eq!(
        consul(&fake, &["join", "10.0.0.2"]).text(),
        "Successfully joined cluster by contacting 1 nodes.\n--- exit 0"
    );
    let failed = "Error joining address 'nowhere': Unexpected response code: 500 (no answer)\n";
    assert_eq!(
        consul(&fake, &["join", "-wan", "10.0.0.2", "nowhere"]).text(),
        format!("Successfully joined cluster by contacting 1 nodes.\n--- stderr\n{failed}--- exit 0")
    );
    assert!(fake.seen().iter().any(|request| request.line == "PUT /v1/agent/join/nowhere?wan=1"));
    assert_eq!(
        consul(&fake, &["join", "nowhere"]).text(),
        format!("--- stderr\n{failed}Failed to join any nodes.\n--- exit 1")
    );
    assert_eq!(consul(&fake, &["leave"]).text(), "Graceful leave complete\n--- exit 0");
    assert_eq!(consul(&fake, &["force-leave", "-prune", "n2"]).text(), "--- exit 0");
    assert_eq!(fake.the("PUT /v1/agent/force-leave").line, "PUT /v1/agent/force-leave/n2?prune=1");
    let ran = consul(&fake, &["reload"]);
    assert!(
        ran.code == 1 && ran.err.contains("Error reloading") && ran.err.contains("agent.hcl:1"),
        "{ran:?}"
    );
    for line in [&["join"][..], &["force-leave"], &["leave", "x"]] {
        assert_eq!(consul(&fake, line).code, 1, "{line:?}");
    }
}

#[test]
fn consul_members_by_status_and_over_the_wide_area() {
    let fake = Fake::start();
    let member = |name: &str, status: u8| json!({ "Name": name, "Addr": "10.0.0.1", "Port": 4648, "Status": status, "Tags": { "role": "consul" } });
    fake.on("GET /v1/agent/members", &json!([member("a.dc1", 1), member("b.dc2", 3), member("c.dc1", 4)]));
    let names = |flags: &[&str]| -> Vec<String> {
        let ran = consul(&fake, &[&["members"], flags].concat());
        ran.out.lines().skip(1).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["-wan"]), ["a.dc1", "b.dc2", "c.dc1"]);
    assert_eq!(fake.the("GET").line, "GET /v1/agent/members?wan=1");
    assert_eq!(names(&["-status=left|failed"]), ["b.dc2", "c.dc1"]);
    // The whole word has to match.
    assert_eq!(consul(&fake, &["members", "-status=l"]).code, 2);
    assert_eq!(consul(&fake, &["members", "-status=("]).code, 1);
}

#[test]
fn consul_catalog_by_metadata() {
    let fake = Fake::start();
    fake.on("GET /v1/catalog/nodes", &json!([])).on("GET /v1/catalog/services", &json!({}));
    consul(&fake, &["catalog", "nodes", "-node-meta", "rack=r7", "-node-meta=a=b"]);
    consul(&fake, &["catalog", "services", "-node-meta", "rack=r7"]);
    let asked: Vec<String> = fake.seen().into_iter().map(|request| request.line).collect();
    assert_eq!(
        asked,
        [
            "GET /v1/catalog/nodes?node-meta=rack%3Ar7&node-meta=a%3Ab",
            "GET /v1/catalog/services?node-meta=rack%3Ar7"
        ]
    );
    assert_eq!(consul(&fake, &["catalog", "nodes", "-node-meta=x"]).code, 1);
}
