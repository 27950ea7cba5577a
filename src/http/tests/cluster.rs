use actix_web::http::Method;
use model::{DrainDeadline, NodeId};
use serde_json::{Value, json};

use super::world::{ALLOC, NODE, NOW, World, member};
use crate::actors::ports::{Leadership, Peer, PeerRef, StateReader, Target};

/// Two regions, three servers, a client.
fn federation() -> World {
    let world = World::new();
    world.gossip.members.lock().unwrap().extend([
        member("c1", "10.0.0.9", "client", "global", "alive"),
        member("n2", "10.0.0.2", "nomad", "global", "failed"),
        member("e1", "10.9.0.1", "nomad", "europe", "alive"),
    ]);
    world
}

async fn refused(world: &World, method: Method, uri: &str, body: &str) -> (u16, String) {
    let reply = world.call(method, uri, String::from(body)).await;
    (reply.status.as_u16(), reply.text().to_owned())
}

#[actix_web::test]
async fn members_are_the_servers_of_all_regions() {
    let world = federation();
    let members = world.get("/v1/agent/members").await.json();
    let names: Vec<&str> =
        members["Members"].as_array().unwrap().iter().map(|row| row["Name"].as_str().unwrap()).collect();
    assert_eq!(names, ["n1.global", "n2.global", "e1.europe"]);
    assert_eq!(world.get("/v1/regions").await.text(), r#"["europe","global"]"#);
    assert_eq!(world.get("/v1/agent/servers").await.text(), r#"["10.0.0.1:4647"]"#);
    let own = world.get("/v1/agent/self").await.json();
    assert_eq!(own["stats"]["nomad"]["known_regions"], "2");
    assert_eq!(own["stats"]["serf"]["members"], "3");
    assert_eq!(own["stats"]["serf"]["failed"], "1");
    assert_eq!(own["stats"]["raft"]["num_peers"], "0");
    assert_eq!(own["stats"]["client"]["known_servers"], "10.0.0.1:4647");
}

#[actix_web::test]
async fn joining() {
    let world = World::new();
    let put = async |uri: &str| world.call(Method::PUT, uri, "").await;
    let joined = put("/v1/agent/join?address=10.0.0.2&address=nowhere").await.json();
    assert_eq!(joined, json!({"num_joined": 1, "error": "", "warning": "nowhere: no answer"}));
    let none = put("/v1/agent/join?address=nowhere").await.json();
    assert_eq!(none, json!({"num_joined": 0, "error": "nowhere: no answer", "warning": ""}));
    assert_eq!(put("/v1/agent/join").await.status, 400);
    assert_eq!(world.get("/v1/agent/join?address=x").await.status, 405);
    // A client learns of servers by their gossip, whatever port of theirs is named.
    let client = World::with(|agent| agent.is_server = false);
    assert_eq!(client.call(Method::PUT, "/v1/agent/join?address=x", "").await.status, 501);
    let uri = "/v1/agent/servers?address=10.0.0.2:4647&address=server";
    assert_eq!(client.call(Method::PUT, uri, "").await.status, 200);
    assert_eq!(*client.gossip.asked.lock().unwrap(), ["join 10.0.0.2 server"]);
    let reply = client.call(Method::PUT, "/v1/agent/servers?address=nowhere:4647", "").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (500, "no server answers: nowhere: no answer"));
}

#[actix_web::test]
async fn forcing_members_to_leave() {
    let world = World::new();
    let put = async |uri: &str| refused(&world, Method::PUT, uri, "").await;
    assert_eq!(put("/v1/agent/force-leave?node=n2").await, (200, String::new()));
    assert_eq!(put("/v1/agent/force-leave?node=n2.global&prune=true").await, (200, String::new()));
    assert_eq!(put("/v1/agent/force-leave?node=n1").await, (500, String::from("\"n1\" is alive")));
    assert_eq!(put("/v1/agent/force-leave").await, (400, String::from("missing node to force leave")));
    assert_eq!(
        *world.gossip.asked.lock().unwrap(),
        ["force-leave n2 false", "force-leave n2.global true", "force-leave n1 false"]
    );
    let mistakes = String::from("agent.hcl:1: no such setting\nagent.hcl:2: no number");
    assert_eq!(put("/v1/agent/reload").await, (500, mistakes));
    assert_eq!(put("/v1/agent/reload").await, (200, String::new()));
}

#[actix_web::test]
async fn a_client_is_healthy_while_it_knows_servers() {
    let client = World::with(|agent| agent.is_server = false);
    assert_eq!(client.get("/v1/agent/health?type=client").await.status, 200);
    client.gossip.members.lock().unwrap().clear();
    let reply = client.get("/v1/agent/health?type=client").await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.text(), r#"{"client":{"ok":false,"message":"no known servers"}}"#);
}

fn second() -> Peer {
    Peer {
        id: String::from("s2"),
        address: String::from("10.0.0.2:4647"),
        voter: true,
        last_index: 11,
        ..Peer::default()
    }
}

#[actix_web::test]
async fn servers_in_the_log() {
    let world = World::new();
    world.consensus.add(second());
    world.consensus.add(Peer { id: String::from("s3"), voter: false, ..Peer::default() });
    let found = world.get("/v1/operator/raft/configuration").await.json();
    assert_eq!(found["Index"], 9);
    let rows: Vec<(&str, &str, bool, bool)> = found["Servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            (text("ID"), text("Node"), row["Leader"] == true, row["Voter"] == true)
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("s2", "(unknown)", false, true),
            ("s3", "(unknown)", false, false),
            ("s1", "n1.global", true, true)
        ]
    );
    assert_eq!(world.get("/v1/status/peers").await.text(), r#"["10.0.0.1:4647","10.0.0.2:4647"]"#);
    let delete = async |uri: &str| refused(&world, Method::DELETE, uri, "").await.0;
    assert_eq!(delete("/v1/operator/raft/peer").await, 400);
    assert_eq!(delete("/v1/operator/raft/peer?id=s2&address=x").await, 400);
    assert_eq!(delete("/v1/operator/raft/peer?id=s9").await, 500);
    assert_eq!(delete("/v1/operator/raft/peer?id=s2").await, 200);
    assert_eq!(delete("/v1/operator/raft/peer?id=s2").await, 500);
}

#[actix_web::test]
async fn handing_over_the_lead() {
    let world = World::new();
    world.consensus.add(second());
    world.consensus.add(Peer { id: String::from("s3"), voter: false, ..Peer::default() });
    let put = async |query: &str| {
        let uri = format!("/v1/operator/raft/transfer-leadership{query}");
        world.call(Method::PUT, &uri, "").await
    };
    let moved = put("?address=10.0.0.2:4647").await.json();
    assert_eq!(moved["From"]["ID"], "s1");
    assert_eq!(moved["To"], json!({"ID": "s2", "Address": "10.0.0.2:4647"}));
    assert_eq!(moved["Noop"], false);
    assert_eq!(put("?id=s1").await.json()["Noop"], true);
    assert_eq!(put("").await.status, 200);
    assert_eq!(put("?id=s3").await.status, 400);
    assert_eq!(put("?id=s9").await.status, 500);
    let address = PeerRef::Address(String::from("10.0.0.2:4647"));
    assert_eq!(*world.consensus.transfers.lock().unwrap(), [Some(address), None]);
}

#[actix_web::test]
async fn only_the_leader_answers_for_the_log() {
    let world = World::new();
    world.leadership.send_replace(Leadership::default());
    assert_eq!(world.get("/v1/operator/raft/configuration").await.status, 500);
    assert_eq!(world.others.seen.lock().unwrap()[0].0, Target::Leader);
    // What this server knows is told without a leader.
    assert_eq!(world.get("/v1/operator/raft/configuration?stale").await.status, 200);
    assert_eq!(world.others.seen.lock().unwrap().len(), 1);
}

#[actix_web::test]
async fn autopilot_settings() {
    let world = World::new();
    let uri = "/v1/operator/autopilot/configuration";
    let mut config = world.get(uri).await.json();
    assert_eq!((&config["CleanupDeadServers"], &config["MaxTrailingLogs"]), (&json!(true), &json!(250)));
    assert_eq!(config["LastContactThreshold"], "200ms");
    config["MinQuorum"] = json!(3);
    config["ServerStabilizationTime"] = json!("1m30s");
    // Never set: its index is 0.
    assert_eq!(world.put(&format!("{uri}?cas=4"), &config).await.json(), false);
    assert_eq!(world.put(&format!("{uri}?cas=0"), &config).await.json(), true);
    let index = world.log.root().index;
    let found = world.get(uri).await.json();
    assert_eq!((&found["MinQuorum"], &found["ModifyIndex"]), (&json!(3), &json!(index)));
    assert_eq!(found["ServerStabilizationTime"], "1m30s");
    assert_eq!(world.put(&format!("{uri}?cas=0"), &config).await.json(), false);
    assert_eq!(world.put(uri, &config).await.json(), true);
    assert_eq!(world.put(uri, &json!({"EnableCustomUpgrades": true})).await.status, 501);
    assert_eq!(world.put(uri, &json!({"LastContactThreshold": "soon"})).await.status, 400);
}

#[actix_web::test]
async fn unhealthy_servers_are_named() {
    let world = World::new();
    let healthy = world.get("/v1/operator/autopilot/health").await.json();
    assert_eq!((&healthy["Healthy"], &healthy["Leader"]), (&json!(true), &json!("s1")));
    assert_eq!(healthy["Servers"][0]["SerfStatus"], "alive");
    assert_eq!(healthy["Servers"][0]["StableSince"], "2023-11-14T22:13:20Z");
    world.consensus.add(second());
    let reply = world.get("/v1/operator/autopilot/health").await;
    assert_eq!(reply.status, 429);
    let found: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(found["Voters"], json!(["s1", "s2"]));
    let server = &found["Servers"][1];
    assert_eq!((&server["Healthy"], &server["SerfStatus"]), (&json!(false), &json!("none")));
    assert_eq!(server["LastContact"], "0s");
}

#[actix_web::test]
async fn the_scheduler_is_set_and_obeyed_at_the_door() {
    let world = World::new();
    let uri = "/v1/operator/scheduler/configuration";
    let found = world.get(uri).await.json();
    assert_eq!(found["SchedulerConfig"]["SchedulerAlgorithm"], "binpack");
    let same = world.put(uri, &found["SchedulerConfig"]).await.json();
    assert_eq!(same["Updated"], true);
    let wanted = json!({"SchedulerAlgorithm": "spread", "RejectJobRegistration": true});
    assert_eq!(world.put(&format!("{uri}?cas=0"), &wanted).await.json()["Updated"], false);
    let index = world.get(uri).await.json()["SchedulerConfig"]["ModifyIndex"].as_u64().unwrap();
    assert_eq!(world.put(&format!("{uri}?cas={index}"), &wanted).await.json()["Updated"], true);
    let found = world.get(uri).await.json();
    assert_eq!(found["SchedulerConfig"]["SchedulerAlgorithm"], "spread");
    assert_eq!(world.log.root().scheduler.algorithm, model::Algorithm::Spread);
    let job = json!({"Job": {"ID": "web", "Datacenters": ["dc1"], "TaskGroups": [
        {"Name": "g", "Tasks": [{"Name": "t", "Driver": "mock_driver"}]},
    ]}});
    let refused = world.put("/v1/jobs", &job).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("disabled by the scheduler configuration"), "{}", refused.text());
    assert_eq!(world.put(uri, &json!({"MemoryOversubscriptionEnabled": false})).await.status, 200);
    let mut job = job;
    job["Job"]["TaskGroups"][0]["Tasks"][0]["Resources"] = json!({"MemoryMB": 100, "MemoryMaxMB": 200});
    let warned = world.put("/v1/jobs", &job).await.json();
    assert!(warned["Warnings"].as_str().unwrap().contains("task \"g.t\""), "{warned}");
    assert_eq!(world.put(uri, &json!({"MemoryOversubscriptionEnabled": true})).await.status, 200);
    assert_eq!(world.put("/v1/jobs", &job).await.json()["Warnings"], "");
    assert_eq!(world.put(uri, &json!({"SchedulerAlgorithm": "best"})).await.status, 500);
    let preempts = json!({"PreemptionConfig": {"ServiceSchedulerEnabled": true}});
    assert_eq!(world.put(uri, &preempts).await.json()["Updated"], true);
    let on = &world.get(uri).await.json()["SchedulerConfig"]["PreemptionConfig"];
    let is_on = |kind: &str| on[format!("{kind}SchedulerEnabled")].as_bool().unwrap();
    assert_eq!(["Service", "Batch", "SysBatch"].map(is_on), [true, false, false]);
    assert!(world.log.root().scheduler.preemption.is_on(model::JobType::Service));
    let summaries = world.call(Method::PUT, "/v1/system/reconcile/summaries", "").await;
    assert_eq!((summaries.status.as_u16(), summaries.text()), (200, ""));
}

fn node_uri(below: &str) -> String {
    format!("/v1/node/{NODE}/{below}")
}

#[actix_web::test]
async fn a_drain_is_set_changed_and_ended() {
    let world = World::new().with_alloc();
    let node = || world.log.root().nodes[&NODE].clone();
    let minute = 60_000_000_000_i64;
    let body = json!({
        "DrainSpec": {"Deadline": minute, "IgnoreSystemJobs": true}, "MarkEligible": true,
        "Meta": {"message": "new disk"},
    });
    let answer = world.put(&node_uri("drain"), &body).await;
    let index = world.log.root().index;
    assert_eq!(answer.header("X-Nomad-Index"), index.to_string());
    assert_eq!(
        answer.json(),
        json!({"NodeModifyIndex": index, "EvalIDs": Value::Null, "EvalCreateIndex": 0, "Index": index})
    );
    let drain = node().drain.clone().unwrap();
    assert_eq!(drain.deadline, DrainDeadline::After(std::time::Duration::from_secs(60)));
    assert_eq!(drain.force_at.unwrap().as_nanos(), NOW.as_nanos() + minute);
    assert!(drain.ignore_system && !node().is_schedulable());
    assert_eq!(drain.meta["message"], "new disk");
    let shown = world.get(&format!("/v1/node/{NODE}")).await.json();
    assert_eq!((&shown["Drain"], &shown["SchedulingEligibility"]), (&json!(true), &json!("ineligible")));
    // It cannot take allocations and be emptied.
    let eligible = world.put(&node_uri("eligibility"), &json!({"Eligibility": "eligible"})).await;
    assert_eq!(eligible.status, 500);
    assert!(eligible.text().contains("while it is draining"), "{}", eligible.text());
    for (deadline, expected) in [(0, DrainDeadline::Never), (-1, DrainDeadline::Force)] {
        world.put(&node_uri("drain"), &json!({"DrainSpec": {"Deadline": deadline}})).await.json();
        assert_eq!(node().drain.clone().unwrap().deadline, expected);
    }
    world.put(&node_uri("drain"), &json!({"DrainSpec": null})).await.json();
    assert!(node().drain.is_none() && !node().is_schedulable());
    world.put(&node_uri("drain"), &json!({"MarkEligible": true})).await.json();
    assert!(node().is_schedulable());
}

#[actix_web::test]
async fn eligibility() {
    let world = World::new().with_alloc();
    for (word, schedulable) in [("ineligible", false), ("eligible", true)] {
        let body = json!({"NodeID": NODE.to_string(), "Eligibility": word});
        world.put(&node_uri("eligibility"), &body).await.json();
        assert_eq!(world.log.root().nodes[&NODE].is_schedulable(), schedulable);
    }
}

#[actix_web::test]
async fn looking_at_a_node_again() {
    let world = World::new().with_alloc();
    let before = world.log.root().evals.len();
    let answer = world.put(&node_uri("evaluate"), &json!({})).await.json();
    assert_eq!(answer["EvalIDs"].as_array().unwrap().len(), 1);
    assert_eq!(world.log.root().evals.len(), before + 1);
}

#[actix_web::test]
async fn a_purged_node_is_forgotten_and_its_jobs_looked_at() {
    let world = World::new().with_alloc();
    let answer = world.put(&node_uri("purge"), &json!({})).await.json();
    assert_eq!(answer["EvalIDs"].as_array().unwrap().len(), 1);
    assert_eq!(answer["NodeModifyIndex"], world.log.root().index);
    assert!(world.log.root().nodes.is_empty());
    assert!(world.log.root().allocs.contains_key(&ALLOC));
    assert_eq!(refused(&world, Method::PUT, &node_uri("purge"), "").await.0, 404);
}

#[actix_web::test]
async fn writes_of_nodes_that_are_refused() {
    let world = World::new().with_alloc();
    let other = NodeId(9);
    for (uri, body, status, text) in [
        (node_uri("drain"), "", 400, "Request body is empty"),
        (format!("/v1/node/{other}/drain"), "{}", 404, "node not found"),
        (String::from("/v1/node/n1/eligibility"), r#"{"Eligibility":"eligible"}"#, 404, "node not found"),
        (node_uri("eligibility"), r#"{"Eligibility":"maybe"}"#, 400, "invalid scheduling eligibility"),
        (node_uri("drain"), r#"{"NodeID":"00000000-0000-0000-0000-000000000009"}"#, 400, "does not match"),
        (format!("/v1/node/{other}/evaluate"), "", 404, "node not found"),
    ] {
        let (got, words) = refused(&world, Method::PUT, &uri, body).await;
        assert!(got == status && words.contains(text), "{uri} {body}: {got} {words}");
        assert_eq!(refused(&world, Method::GET, &uri, "").await.0, 405, "{uri}");
    }
}
