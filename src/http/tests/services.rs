use std::sync::Arc;

use model::{AllocUpdate, ClientStatus, ServiceState};
use serde_json::json;
use state::Command;

use super::world::{ALLOC, NODE, NOW, World};

/// Two instances of a service, as a node reports them.
fn world() -> World {
    let world = World::new().with_alloc();
    let service = |label: &str, port, tag: &str| ServiceState {
        task: String::from("nginx"),
        name: String::from("web-http"),
        tags: vec![tag.to_owned(), String::from("both")],
        address: String::from("10.0.0.1"),
        port,
        port_label: label.to_owned(),
        ..ServiceState::default()
    };
    world.log.apply(vec![Command::UpdateAllocs {
        updates: vec![AllocUpdate {
            id: ALLOC,
            client: ClientStatus::Running,
            client_description: String::new(),
            tasks: Arc::default(),
            services: vec![service("http", 20001, "a"), service("admin", 20002, "b")],
            health: None,
            deployment: None,
            time: NOW,
        }],
        evals: Vec::new(),
        synced: None,
        now: NOW,
    }]);
    world
}

#[actix_web::test]
async fn services_by_name_job_and_allocation() {
    let world = world();
    assert_eq!(
        world.get("/v1/services").await.json(),
        json!([{"Namespace": "default", "Services": [{"ServiceName": "web-http", "Tags": ["a", "b", "both"]}]}])
    );
    assert_eq!(world.get("/v1/services?namespace=other").await.text(), "[]");
    let reply = world.get("/v1/service/web-http").await;
    let found = reply.json();
    assert_eq!(found.as_array().map(Vec::len), Some(2));
    let one = &found[0];
    assert_eq!(one["ID"], format!("_nomad-task-{ALLOC}-nginx-web-http-admin"));
    assert_eq!(
        (&one["JobID"], &one["AllocID"], &one["NodeID"]),
        (&json!("web"), &json!(ALLOC.to_string()), &json!(NODE.to_string()))
    );
    assert_eq!(
        (&one["Address"], &one["Port"], &one["Datacenter"]),
        (&json!("10.0.0.1"), &json!(20002), &json!("dc1"))
    );
    for path in ["/v1/job/web/services".to_owned(), format!("/v1/allocation/{ALLOC}/services")] {
        assert_eq!(world.get(&path).await.json(), found, "{path}");
    }
    assert_eq!(world.get("/v1/service/none").await.text(), "[]");
    assert_eq!(world.get("/v1/job/none/services").await.status, 404);
    let chosen = world.get("/v1/service/web-http?filter=Tags%20contains%20%22a%22").await.json();
    assert_eq!(chosen[0]["Port"], 20001);
}

#[actix_web::test]
async fn the_same_key_chooses_the_same_instance() {
    let world = world();
    let choose = async |key: &str| {
        let found = world.get(&format!("/v1/service/web-http?choose=1%7C{key}")).await.json();
        assert_eq!(found.as_array().map(Vec::len), Some(1));
        found[0]["Port"].as_u64().unwrap()
    };
    let mut ports = std::collections::BTreeSet::new();
    for number in 0..32 {
        let key = format!("client-{number}");
        let first = choose(&key).await;
        assert_eq!(choose(&key).await, first);
        ports.insert(first);
    }
    assert_eq!(ports.len(), 2, "all keys choose the same");
    for bad in ["x", "0%7Ckey", "1%7C"] {
        assert_eq!(world.get(&format!("/v1/service/web-http?choose={bad}")).await.status, 400, "{bad}");
    }
}
