use std::time::Duration;

use actix_web::http::Method;
use state::{
    Root,
    records::{read_state, seal},
};

use super::world::World;
use crate::{
    actors::ports::{StateReader as _, Target, WebRequest},
    http::passed_on,
};

fn rows(root: &Root) -> Vec<Vec<u8>> {
    root.rows().map(|row| seal(&row)).collect()
}

#[actix_web::test]
async fn a_snapshot_is_the_whole_state() {
    let world = World::new().with_alloc();
    let reply = world.get("/v1/operator/snapshot?stale").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    let root = read_state(&mut &reply.body[..]).unwrap();
    assert_eq!(reply.header("x-nomad-index"), root.index.to_string());
    assert!(!root.allocs.is_empty());
    assert_eq!(rows(&root), rows(&world.log.root()));
}

#[actix_web::test]
async fn an_agent_without_state_passes_it_on_bit_by_bit_and_whole() {
    let server = World::with(|agent| agent.node = None).with_alloc();
    let client = World::with(|agent| agent.is_server = false);
    *client.others.agent.lock().unwrap() = Some(server.ctx.clone());
    let reply = client.get("/v1/operator/snapshot").await;
    assert_eq!(rows(&read_state(&mut &reply.body[..]).unwrap()), rows(&server.log.root()));
    assert_eq!(client.others.seen.lock().unwrap()[0].0, Target::Server);
    // An agent that asks for it in one piece gets it in one.
    let request = WebRequest {
        method: String::from("GET"),
        uri: String::from("/v1/operator/snapshot"),
        hops: 1,
        ..WebRequest::default()
    };
    let answer =
        tokio::time::timeout(Duration::from_secs(10), passed_on::answer_for(&server.ctx, request)).await;
    assert_eq!(answer.unwrap().body, reply.body);
}

#[actix_web::test]
async fn a_snapshot_cannot_be_restored() {
    let world = World::new();
    let reply = world.call(Method::PUT, "/v1/operator/snapshot", "anything").await;
    assert_eq!(reply.status, 501);
    assert!(reply.text().contains("restoring a snapshot is not supported"), "{}", reply.text());
    assert_eq!(world.call(Method::DELETE, "/v1/operator/snapshot", "").await.status, 405);
}
