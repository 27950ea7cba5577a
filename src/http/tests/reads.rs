use std::time::Duration;

use actix_web::http::Method;
use model::TaskPhase;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::world::{ALLOC, NODE, World, request};
use crate::actors::ports::{Leadership, StateReader};

const DEADLINE: Duration = Duration::from_secs(10);

/// Calls `change` once a query blocks.
async fn while_blocked(world: &World, uri: &str, change: impl AsyncFnOnce()) -> super::world::Reply {
    let free = world.ctx.watches.available_permits();
    let blocked = async {
        while world.ctx.watches.available_permits() == free {
            tokio::task::yield_now().await;
        }
        change().await;
    };
    let (reply, ()) = timeout(DEADLINE, async { tokio::join!(world.get(uri), blocked) }).await.unwrap();
    reply
}

#[actix_web::test]
async fn reads_carry_index_headers() {
    let world = World::new();
    let reply = world.get("/v1/jobs").await;
    assert_eq!(reply.text(), "[]");
    assert_eq!(reply.header("Content-Type"), "application/json");
    assert_eq!(reply.header("X-Nomad-Index"), "1", "an empty table is at 1");
    assert_eq!(reply.header("X-Nomad-KnownLeader"), "true");
    assert_eq!(reply.header("X-Nomad-LastContact"), "0");
    world.leadership.send_replace(Leadership::default());
    assert_eq!(world.get("/v1/jobs").await.header("X-Nomad-KnownLeader"), "false");
}

#[actix_web::test]
async fn a_blocking_query_wakes_up_with_the_change() {
    let world = World::new();
    world.put("/v1/jobs", &request()).await.json();
    let reply = while_blocked(&world, "/v1/jobs?index=1", async || {
        let mut other = request();
        other["Job"]["ID"] = json!("other");
        world.put("/v1/jobs", &other).await.json();
    })
    .await;
    assert_eq!(reply.json().as_array().map(Vec::len), Some(2));
    assert_eq!(reply.header("X-Nomad-Index"), "2");
}

#[actix_web::test]
async fn a_blocking_query_sleeps_through_other_changes() {
    let world = World::new().with_alloc();
    let index = world.log.root().index;
    let reply = while_blocked(&world, &format!("/v1/job/web?index={index}"), async || {
        world.report(TaskPhase::Running);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let mut changed = request();
        changed["Job"]["Priority"] = json!(60);
        world.put("/v1/jobs", &changed).await.json();
    })
    .await;
    assert_eq!(reply.json()["Priority"], 60, "woken by a change of something else");
}

#[actix_web::test]
async fn a_missing_object_can_be_waited_for() {
    let world = World::new();
    let mut other = request();
    other["Job"]["ID"] = json!("other");
    world.put("/v1/jobs", &other).await.json();
    let reply = while_blocked(&world, "/v1/job/web?index=1", async || {
        world.put("/v1/jobs", &request()).await.json();
    })
    .await;
    assert_eq!(reply.json()["ID"], "web");
}

#[actix_web::test]
async fn without_a_change_the_wait_ends_with_what_there_is() {
    let world = World::new();
    let reply = timeout(DEADLINE, world.get("/v1/nodes?index=1&wait=10ms")).await.unwrap();
    assert_eq!((reply.text(), reply.header("X-Nomad-Index")), ("[]", "1"));
}

#[actix_web::test]
async fn lists_of_jobs() {
    let world = World::new();
    for id in ["a", "ab", "b"] {
        let mut job = request();
        job["Job"]["ID"] = json!(id);
        job["Job"]["Meta"] = json!({"owner": "me"});
        world.put("/v1/jobs", &job).await.json();
    }
    let ids = |list: Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|job| job["ID"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(world.get("/v1/jobs?prefix=a").await.json()), ["a", "ab"]);
    assert_eq!(ids(world.get("/v1/jobs?namespace=*").await.json()), ["a", "ab", "b"]);
    assert_eq!(ids(world.get("/v1/jobs?namespace=other").await.json()), [""; 0]);
    assert_eq!(ids(world.get("/v1/jobs?reverse=true").await.json()), ["b", "ab", "a"]);
    assert!(world.get("/v1/jobs").await.json()[0].get("Meta").is_none());
    assert_eq!(world.get("/v1/jobs?meta=true").await.json()[0]["Meta"]["owner"], "me");

    let page = world.get("/v1/jobs?per_page=2").await;
    let token = page.header("X-Nomad-NextToken").to_owned();
    assert_eq!(ids(page.json()), ["a", "ab"]);
    let page = world.get(&format!("/v1/jobs?per_page=2&next_token={token}")).await;
    assert_eq!(page.header("X-Nomad-NextToken"), "");
    assert_eq!(ids(page.json()), ["b"]);
}

#[actix_web::test]
async fn an_allocation_from_every_side() {
    let world = World::new().with_alloc();
    let id = ALLOC.to_string();
    let alloc = world.get(&format!("/v1/allocation/{id}")).await.json();
    assert_eq!((alloc["Name"].as_str(), alloc["NodeName"].as_str()), (Some("web.front[0]"), Some("n1")));
    assert_eq!(alloc["Job"]["ID"], "web");
    assert_eq!(alloc["TaskStates"]["nginx"]["State"], "running");
    assert_eq!(alloc["TaskStates"]["nginx"]["FinishedAt"], Value::Null);
    assert_eq!(alloc["AllocatedResources"]["Tasks"]["nginx"]["Cpu"]["CpuShares"], 100);
    assert_eq!(alloc["TaskResources"]["nginx"]["MemoryMB"], 300);

    let eval = format!("{}", model::EvalId(1));
    for uri in [
        "/v1/allocations".to_owned(),
        "/v1/allocations?prefix=aaaa".to_owned(),
        "/v1/job/web/allocations".to_owned(),
        format!("/v1/node/{NODE}/allocations"),
        format!("/v1/evaluation/{eval}/allocations"),
    ] {
        let list = world.get(&uri).await.json();
        assert_eq!(list.as_array().map(Vec::len), Some(1), "{uri}");
        assert_eq!(list[0]["ID"], id.as_str(), "{uri}");
    }
    let none = world.get("/v1/allocations?prefix=bb").await.json();
    assert_eq!(none, json!([]));
    let with = world.get("/v1/allocations?resources=true&task_states=false").await.json();
    assert_eq!(with[0]["AllocatedResources"]["Shared"]["DiskMB"], 300);
    assert_eq!(with[0]["TaskStates"], Value::Null);
}

#[actix_web::test]
async fn counts_per_group() {
    let world = World::new().with_alloc();
    let summary = world.get("/v1/job/web/summary").await.json();
    assert_eq!(summary["Summary"]["front"]["Running"], 1);
    assert_eq!(world.get("/v1/jobs").await.json()[0]["JobSummary"], summary);
    let metrics = world.get("/v1/metrics?format=prometheus").await;
    let line = "nomad_nomad_job_summary_running{job=\"web\",namespace=\"default\",task_group=\"front\"} 1\n";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    let metrics = world.get("/v1/metrics").await.json();
    assert_eq!(metrics["Timestamp"], "2023-11-14 22:13:20 +0000 UTC");
}

#[actix_web::test]
async fn nodes() {
    let world = World::new().with_alloc();
    let list = world.get("/v1/nodes").await.json();
    assert_eq!((list[0]["Address"].as_str(), list[0]["Status"].as_str()), (Some("10.0.0.1"), Some("ready")));
    assert!(list[0].get("NodeResources").is_none());
    let node = world.get(&format!("/v1/node/{NODE}")).await.json();
    assert_eq!(node["NodeResources"]["Cpu"]["CpuShares"], 4000);
    assert_eq!(node["HTTPAddr"], "10.0.0.1:4646");
    let stats = world.get("/v1/client/stats").await;
    assert_eq!(stats.header("Access-Control-Allow-Origin"), "*");
    assert_eq!(stats.json()["Uptime"], 7);
    let stats = world.get(&format!("/v1/client/allocation/{ALLOC}/stats")).await.json();
    assert_eq!(stats["ResourceUsage"]["MemoryStats"]["RSS"], 12);
    assert_eq!(stats["Tasks"]["nginx"]["ResourceUsage"]["MemoryStats"]["Measured"], json!(["RSS"]));
}

#[actix_web::test]
async fn the_agent_and_its_servers() {
    let world = World::new();
    assert_eq!(world.get("/v1/status/leader").await.text(), "\"10.0.0.1:4647\"");
    assert_eq!(world.get("/v1/status/peers").await.text(), "[\"10.0.0.1:4647\"]");
    assert_eq!(world.get("/v1/regions").await.text(), "[\"global\"]");
    assert_eq!(world.get("/v1/agent/members").await.json()["Members"][0]["Name"], "n1.global");
    let own = world.get("/v1/agent/self").await.json();
    assert_eq!(
        (own["member"]["Port"].as_u64(), own["config"]["Region"].as_str()),
        (Some(4648), Some("global"))
    );
    assert_eq!(own["stats"]["nomad"]["leader"], "true");
    assert_eq!(world.get("/v1/agent/health").await.json()["server"]["message"], "ok");
    world.leadership.send_replace(Leadership::default());
    let health = world.get("/v1/agent/health?type=server").await;
    assert_eq!(health.status, 500);
    assert_eq!(health.text(), r#"{"server":{"ok":false,"message":"no leader"}}"#);
    assert_eq!(world.get("/v1/status/leader").await.text(), "No cluster leader");
}

#[actix_web::test]
async fn search_by_prefix() {
    let world = World::new().with_alloc();
    let found = world.put("/v1/search", &json!({"Prefix": "aaaa", "Context": "all"})).await.json();
    assert_eq!(found["Matches"]["allocs"], json!([ALLOC.to_string()]));
    assert_eq!(found["Matches"]["jobs"], json!([]));
    let found = world.put("/v1/search", &json!({"Prefix": "we", "Context": "jobs"})).await.json();
    assert_eq!(found["Matches"], json!({"jobs": ["web"]}));
    assert_eq!(found["Truncations"], json!({"jobs": false}));
}

#[actix_web::test]
async fn pretty_is_indented_by_four() {
    let world = World::new();
    assert_eq!(world.get("/v1/regions?pretty").await.text(), "[\n    \"global\"\n]\n");
    assert_eq!(world.get("/v1/regions?pretty=0").await.text(), "[\"global\"]");
}

#[actix_web::test]
async fn what_is_over_is_forgotten_on_demand() {
    let world = World::new();
    let reply = world.call(Method::PUT, "/v1/system/gc", "").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, ""));
    assert_eq!(world.call(Method::POST, "/v1/system/gc", "").await.status, 405);
}

#[actix_web::test]
async fn a_long_list_is_kept_until_the_state_changes() {
    let world = World::new();
    let register = async |name: String| {
        let mut job = request();
        job["Job"]["ID"] = json!(name);
        job["Job"]["Name"] = json!("n".repeat(200));
        world.put("/v1/jobs", &job).await.json();
    };
    for number in 0..60 {
        register(format!("job-{number}")).await;
    }
    let root = world.log.root();
    let first = world.get("/v1/jobs?per_page=50").await;
    assert_eq!(first.json().as_array().map(Vec::len), Some(50));
    assert_eq!(world.ctx.answers.len(&root), 1);
    let again = world.get("/v1/jobs?per_page=50&stale").await;
    assert_eq!(again.text(), first.text());
    assert_eq!(again.header("X-Nomad-NextToken"), first.header("X-Nomad-NextToken"));
    assert_eq!(world.ctx.answers.len(&root), 1, "how to answer is another matter");
    assert!(world.get("/v1/jobs?per_page=50&pretty").await.text().contains("\n    "));
    assert_eq!(world.get("/v1/jobs?per_page=40").await.json().as_array().map(Vec::len), Some(40));
    assert_eq!(world.ctx.answers.len(&root), 3);
    world.get("/v1/jobs?per_page=1").await.json();
    assert_eq!(world.ctx.answers.len(&root), 3, "short answers are not kept");

    register("another".into()).await;
    assert_eq!(world.get("/v1/jobs").await.json().as_array().map(Vec::len), Some(61));
    assert_eq!((world.ctx.answers.len(&root), world.ctx.answers.len(&world.log.root())), (0, 1));
}
