use std::{fs, io::Write as _, time::Duration};

use actix_web::{App, test};
use bytes::Bytes;
use model::{AllocId, NodeId, NodeStatus, TaskPhase};
use serde_json::Value;
use state::Command;
use tokio::time::timeout;

use super::world::{ALLOC, NODE, NOW, Reply, World};
use crate::{
    actors::ports::{ClusterError, Target, WebRequest},
    http::{nomad, passed_on},
};

const DEADLINE: Duration = Duration::from_secs(10);

/// A server without tasks, and the node that has them: a client without state.
fn two() -> (World, World) {
    let server = World::with(|agent| agent.node = None).with_alloc();
    server.node.forget();
    let client = World::with(|agent| agent.is_server = false);
    *client.node.phase.lock().unwrap() = Some(TaskPhase::Running);
    *server.others.agent.lock().unwrap() = Some(client.ctx.clone());
    (server, client)
}

fn refused(reply: &Reply) -> (u16, &str) {
    (reply.status.as_u16(), reply.text())
}

fn logs(query: &str) -> String {
    format!("/v1/client/fs/logs/{ALLOC}?task=nginx&type=stdout&{query}")
}

#[actix_web::test]
async fn stats_come_from_the_node_that_has_the_allocation() {
    let (server, _client) = two();
    let usage = server.get(&format!("/v1/client/allocation/{ALLOC}/stats")).await.json();
    assert_eq!(usage["ResourceUsage"]["MemoryStats"]["RSS"], 12);
    let host = server.get(&format!("/v1/client/stats?node_id={NODE}")).await.json();
    assert_eq!(host["Uptime"], 7);
    let seen = server.others.seen.lock().unwrap();
    assert!(
        seen.iter().all(|(target, request)| *target == Target::Node(NODE) && request.hops == 1),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 2);
}

#[actix_web::test]
async fn output_comes_from_the_node_that_has_it() {
    let (server, client) = two();
    fs::write(client.logs.path().join("nginx.stdout.0"), "hello").unwrap();
    assert_eq!(server.get(&logs("plain=true")).await.text(), "hello");
    // Refusals of the node are passed on as they are.
    let reply = server.get(&logs("origin=middle")).await;
    assert_eq!(refused(&reply), (400, "origin must be start or end"));
}

#[actix_web::test]
async fn following_passes_on_what_is_written_until_the_task_ends() {
    let (server, client) = two();
    let path = client.logs.path().join("nginx.stdout.0");
    fs::write(&path, "first").unwrap();
    let app = test::init_service(App::new().configure(nomad(server.ctx.clone()))).await;
    let request = test::TestRequest::with_uri(&logs("plain=true&follow=true")).to_request();
    let body = test::call_service(&app, request).await.into_body();
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b" second").unwrap();
    *client.node.phase.lock().unwrap() = Some(TaskPhase::Dead);
    let text = timeout(DEADLINE, actix_web::body::to_bytes(body)).await.unwrap();
    assert_eq!(text.map_err(|error| error.to_string()).unwrap(), "first second");
}

#[actix_web::test]
async fn an_agent_without_state_asks_a_server_once() {
    let (server, client) = two();
    *client.others.agent.lock().unwrap() = Some(server.ctx.clone());
    let other = AllocId(7);
    // The server does not know it either.
    let reply = client.get(&format!("/v1/client/allocation/{other}/stats")).await;
    assert_eq!(refused(&reply), (404, format!("Unknown allocation \"{other}\"").as_str()));
    let reply = client.get(&format!("/v1/client/stats?node_id={}", NodeId(9))).await;
    assert_eq!(refused(&reply), (404, format!("Unknown node \"{}\"", NodeId(9)).as_str()));
    assert!(client.others.seen.lock().unwrap().iter().all(|(target, _)| *target == Target::Server));
    // A server that believes the allocation to be here learns that it is not.
    let request = WebRequest {
        method: String::from("GET"),
        uri: format!("/v1/client/allocation/{other}/stats"),
        hops: 1,
        ..WebRequest::default()
    };
    let answer = passed_on::answer_for(&client.ctx, request).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.body, format!("state for allocation {other} not found on client"));
}

#[actix_web::test]
async fn a_node_that_does_not_answer_is_named() {
    let (server, _client) = two();
    let uri = format!("/v1/client/allocation/{ALLOC}/stats");
    let ask = async |error: ClusterError| {
        *server.others.failure.lock().unwrap() = Some(error);
        server.get(&uri).await
    };
    let reply = ask(ClusterError::Unreachable(String::from("connection refused"))).await;
    let who = format!("node \"n1\" ({NODE}, 10.0.0.1:4646)");
    let expected = format!("No path to node: {who} cannot be reached: connection refused");
    assert_eq!(refused(&reply), (404, expected.as_str()));
    let reply = ask(ClusterError::Unknown(String::from("no answer in 10 s"))).await;
    assert_eq!(refused(&reply), (500, format!("{who} did not answer: no answer in 10 s").as_str()));
    *server.others.failure.lock().unwrap() = Some(ClusterError::Unreachable(String::from("gone")));
    assert_eq!(server.get(&logs("follow=true")).await.status, 404);
}

#[actix_web::test]
async fn a_node_that_nobody_hears_of_is_not_asked() {
    let (server, _client) = two();
    for status in [NodeStatus::Down, NodeStatus::Disconnected] {
        let (evals, event) = (Vec::new(), None);
        server.log.apply(vec![Command::SetNodeStatus { node: NODE, status, event, evals, now: NOW }]);
        let expected = format!("No path to node: node \"n1\" ({NODE}, 10.0.0.1:4646) is {}", status.as_str());
        for uri in [
            format!("/v1/client/allocation/{ALLOC}/stats"),
            format!("/v1/client/stats?node_id={NODE}"),
            logs("follow=true"),
        ] {
            assert_eq!(refused(&server.get(&uri).await), (404, expected.as_str()), "{uri}");
        }
    }
    assert!(server.others.seen.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn requests_do_not_go_round_in_a_circle() {
    // Two agents, each of which takes the other for the node.
    let (server, _) = two();
    *server.others.agent.lock().unwrap() = Some(server.ctx.clone());
    let reply = server.get(&format!("/v1/client/allocation/{ALLOC}/stats")).await;
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("passed on by 3 agents"), "{}", reply.text());
    assert_eq!(server.others.seen.lock().unwrap().len(), 3);
    let request = WebRequest { hops: 4, uri: String::from("/v1/jobs"), ..WebRequest::default() };
    assert_eq!(passed_on::answer_for(&server.ctx, request).await.status, 500);
}

#[actix_web::test]
async fn answers_keep_status_headers_and_body() {
    let world = World::new().with_alloc();
    let ask = async |method: &str, uri: &str, body: &'static str| {
        let (method, uri, body) =
            (String::from(method), String::from(uri), Bytes::from_static(body.as_bytes()));
        passed_on::answer_for(&world.ctx, WebRequest { method, uri, body, hops: 1 }).await
    };
    let answer = ask("GET", "/v1/jobs?prefix=w%65b", "").await;
    assert_eq!(answer.status, 200);
    let header =
        |name: &str| answer.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(header("content-type"), Some("application/json"));
    assert!(header("x-nomad-index").is_some());
    let jobs: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(jobs[0]["ID"], "web");
    let answer = ask("PUT", "/v1/jobs", "{").await;
    assert_eq!(answer.status, 400);
    assert_eq!(ask("??", "/v1/jobs", "").await.status, 405);
    assert_eq!(ask("GET", "/v1/%zz", "").await.status, 400);
    // Output without end cannot be one answer.
    let answer = ask("GET", &logs("follow=true"), "").await;
    assert_eq!(answer.status, 400);
    fs::write(world.logs.path().join("nginx.stdout.0"), "hello").unwrap();
    assert_eq!(ask("GET", &logs("plain=true"), "").await.body, "hello");
}
