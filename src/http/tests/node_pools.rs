use std::time::Duration;

use actix_web::http::Method;
use model::{Node, NodeId, NodeStatus, Timestamp};
use serde_json::{Value, json};
use state::Command;

use super::world::{Reply, World, request};

fn names(reply: &Reply) -> Vec<String> {
    reply.json().as_array().unwrap().iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect()
}

fn register(world: &World, id: u128, pool: &str) {
    let (name, status) = (format!("n{id}"), NodeStatus::Ready);
    let node = Node { id: NodeId(id), name, status, pool: pool.into(), ..Node::default() };
    world.log.apply(vec![Command::RegisterNode { node, evals: Vec::new(), now: Timestamp(1) }]);
}

fn in_pool(pool: &str) -> Value {
    let mut request = request();
    request["Job"]["NodePool"] = json!(pool);
    request
}

#[actix_web::test]
async fn nodes_and_jobs_that_say_nothing_are_in_the_default_pool() {
    let world = World::new().with_alloc();
    world.put("/v1/jobs", &request()).await.json();
    assert_eq!(names(&world.get("/v1/node/pools").await), ["all", "default"]);
    for pool in ["all", "default"] {
        assert_eq!(world.get(&format!("/v1/node/pool/{pool}")).await.json()["Name"], pool);
        let nodes = world.get(&format!("/v1/node/pool/{pool}/nodes")).await.json();
        assert_eq!(nodes, world.get("/v1/nodes").await.json());
    }
    assert_eq!(world.get("/v1/node/pool/default/jobs").await.json()[0]["ID"], "web");
    assert_eq!(world.get("/v1/node/pool/all/jobs").await.text(), "[]", "nobody asked for all nodes");
    for path in ["gpu", "gpu/nodes", "gpu/jobs"] {
        let reply = world.get(&format!("/v1/node/pool/{path}")).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (404, "node pool not found"), "{path}");
    }
}

#[actix_web::test]
async fn pools_are_made_changed_and_deleted() {
    let world = World::new();
    let gpu = json!({"Name": "gpu", "Description": "cards", "Meta": {"team": "ml"}});
    let reply = world.put("/v1/node/pools", &gpu).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, ""));
    let index = reply.header("X-Nomad-Index").to_owned();
    let found = world.get("/v1/node/pool/gpu").await;
    assert_eq!(found.header("X-Nomad-Index"), index);
    assert_eq!(
        (&found.json()["Description"], &found.json()["Meta"]["team"]),
        (&json!("cards"), &json!("ml"))
    );
    assert_eq!(world.put("/v1/node/pool/gpu", &json!({"Name": "gpu"})).await.status, 200);
    assert_eq!(world.get("/v1/node/pool/gpu").await.json()["Description"], "");
    assert_eq!(names(&world.get("/v1/node/pools?prefix=g").await), ["gpu"]);
    assert_eq!(names(&world.get("/v1/node/pools?filter=Name+matches+%22^g%22").await), ["gpu"]);
    let found = world.put("/v1/search", &json!({"Prefix": "g", "Context": "node_pools"})).await.json();
    assert_eq!(found["Matches"]["node_pools"], json!(["gpu"]));
    let found = world.put("/v1/search/fuzzy", &json!({"Text": "pu", "Context": "node_pools"})).await.json();
    assert_eq!(found["Matches"]["node_pools"][0]["ID"], "gpu");
    assert_eq!(world.call(Method::DELETE, "/v1/node/pool/gpu", "").await.status, 200);
    assert_eq!(names(&world.get("/v1/node/pools").await), ["all", "default"]);
    let reply = world.call(Method::DELETE, "/v1/node/pool/gpu", "").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (404, "node pool not found"));
}

#[actix_web::test]
async fn what_cannot_be_is_refused() {
    let world = World::new();
    let check = async |method: Method, path: &str, body: Value, status: u16, words: &str| {
        let reply = world.call(method, path, body.to_string()).await;
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text());
        assert!(reply.text().contains(words), "{path} {body}: {}", reply.text());
    };
    let (put, delete) = (Method::PUT, Method::DELETE);
    check(put.clone(), "/v1/node/pools", json!({"Name": "all"}), 400, "built in").await;
    check(put.clone(), "/v1/node/pool/gpu", json!({"Name": "cpu"}), 400, "does not match").await;
    check(put.clone(), "/v1/node/pools", json!({"Name": "a b"}), 400, "invalid name").await;
    check(put.clone(), "/v1/node/pools", json!([]), 400, "").await;
    let spread = json!({"Name": "gpu", "SchedulerConfiguration": {"SchedulerAlgorithm": "spread"}});
    check(put.clone(), "/v1/node/pools", spread, 400, "set-config").await;
    check(delete.clone(), "/v1/node/pool/default", Value::Null, 400, "built in").await;
    check(delete.clone(), "/v1/node/pools", Value::Null, 405, "").await;
    check(put.clone(), "/v1/node/pool/default/nodes", json!({}), 405, "").await;
    check(put.clone(), "/v1/jobs", in_pool("gpu"), 500, "nonexistent node pool \"gpu\"").await;
    register(&world, 7, "gpu");
    assert_eq!(names(&world.get("/v1/node/pool/gpu/nodes").await), ["n7"]);
    assert_eq!(names(&world.get("/v1/node/pool/default/nodes").await), [""; 0]);
    assert_eq!(names(&world.get("/v1/node/pool/all/nodes").await), ["n7"]);
    check(delete.clone(), "/v1/node/pool/gpu", Value::Null, 409, "has nodes").await;
    check(put.clone(), "/v1/jobs", in_pool("gpu"), 200, "").await;
    assert_eq!(world.get("/v1/node/pool/gpu/jobs").await.json()[0]["NodePool"], "gpu");
    assert_eq!(world.get("/v1/job/web").await.json()["NodePool"], "gpu");
    let now = Timestamp(2);
    world.log.apply(vec![Command::PurgeNode { node: NodeId(7), evals: Vec::new(), now }]);
    check(delete, "/v1/node/pool/gpu", Value::Null, 409, "non-terminal jobs").await;
    let mut valid = in_pool("nowhere");
    valid["Job"]["ID"] = json!("other");
    let reply = world.put("/v1/validate/job", &valid).await.json();
    assert!(reply["ValidationErrors"][0].as_str().unwrap().contains("nowhere"), "{reply}");
}

#[actix_web::test]
async fn questions_wait_for_a_change_of_pools() {
    let world = World::new();
    let first = world.put("/v1/node/pools", &json!({"Name": "gpu"})).await;
    let path = format!("/v1/node/pools?index={}&wait=60s", first.header("X-Nomad-Index"));
    let waiting = world.get(&path);
    let change = async {
        world.put("/v1/node/pools", &json!({"Name": "edge"})).await;
    };
    let both = async { tokio::join!(waiting, change) };
    let (reply, ()) = tokio::time::timeout(Duration::from_secs(50), both).await.unwrap();
    assert_eq!(names(&reply), ["all", "default", "edge", "gpu"]);
}
