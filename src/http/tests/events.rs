use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::world::{World, request};
use crate::{
    actors::ports::{WebRequest, WebStream},
    http::passed_on::stream_for,
};

const DEADLINE: Duration = Duration::from_secs(10);

async fn open(world: &World, query: &str) -> WebStream {
    let uri = format!("/v1/event/stream{query}");
    let request = WebRequest { method: String::from("GET"), uri, body: Default::default(), hops: 0 };
    stream_for(&world.ctx, request).await
}

/// The next line that is no heartbeat.
async fn line(stream: &mut WebStream) -> Value {
    loop {
        let bytes = timeout(DEADLINE, stream.body.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(bytes.last(), Some(&b'\n'));
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        if value != json!({}) {
            return value;
        }
    }
}

async fn register(world: &World, id: &str) {
    let mut body = request();
    body["Job"]["ID"] = json!(id);
    world.put("/v1/jobs", &body).await.json();
}

#[actix_web::test]
async fn what_happens_is_told_in_order_with_its_rows() {
    let world = World::new();
    let mut stream = open(&world, "").await;
    assert_eq!(stream.status, 200);
    let first = timeout(DEADLINE, stream.body.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(&first[..], b"{}\n", "something is said at once");
    register(&world, "web").await;
    let told = line(&mut stream).await;
    assert_eq!(told["Index"], 1);
    let topics: Vec<&Value> =
        told["Events"].as_array().unwrap().iter().map(|event| &event["Topic"]).collect();
    assert_eq!(topics, ["Job", "Evaluation"]);
    let event = &told["Events"][0];
    assert_eq!(
        (&event["Type"], &event["Key"], &event["Namespace"]),
        (&json!("JobRegistered"), &json!("web"), &json!("default"))
    );
    assert_eq!((&event["FilterKeys"], &event["Index"]), (&json!(null), &json!(1)));
    assert_eq!(event["Payload"]["Job"]["TaskGroups"][0]["Name"], "front");
    let eval = &told["Events"][1];
    assert_eq!(
        (&eval["FilterKeys"], &eval["Payload"]["Evaluation"]["JobID"]),
        (&json!(["web"]), &json!("web"))
    );
}

#[actix_web::test]
async fn topics_keys_and_the_past() {
    let world = World::new();
    for id in ["a", "b", "c"] {
        register(&world, id).await;
        // Told one by one: otherwise two entries may be one step.
        let mut stream = open(&world, &format!("?topic=Job:{id}")).await;
        assert_eq!(line(&mut stream).await["Events"][0]["Key"], id);
    }
    let mut all = open(&world, "?topic=Job").await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(line(&mut all).await["Events"][0]["Key"].clone());
    }
    assert_eq!(keys, ["a", "b", "c"]);
    let mut late = open(&world, "?index=3&topic=Job:*&topic=Node").await;
    assert_eq!(line(&mut late).await["Events"][0]["Key"], "c");
    assert_eq!(open(&world, "?topic=Jobs").await.status, 400);
}

#[actix_web::test]
async fn allocations_come_without_their_job() {
    let world = World::new().with_alloc();
    let mut stream = open(&world, "?topic=Allocation:web").await;
    let told = line(&mut stream).await;
    let alloc = &told["Events"][0]["Payload"]["Allocation"];
    assert_eq!(
        (&alloc["JobID"], &alloc["NodeName"], &alloc["Job"]),
        (&json!("web"), &json!("n1"), &json!(null))
    );
}

#[actix_web::test]
async fn who_falls_behind_is_let_go() {
    let world = World::new();
    register(&world, "web").await;
    let mut stream = open(&world, "").await;
    line(&mut stream).await;
    for number in 0..150 {
        register(&world, &format!("job-{number}")).await;
        tokio::task::yield_now().await;
    }
    // Whoever begins now gets what is kept; the other one gets no more than that, and no gap.
    let mut last = 0;
    let end = timeout(DEADLINE, async {
        while let Some(line) = stream.body.next().await {
            let value: Value = serde_json::from_slice(&line.unwrap()).unwrap();
            let index = value["Index"].as_u64().unwrap_or(last + 1);
            assert_eq!(index, last.max(index - 1) + 1);
            last = index;
            if last >= 151 {
                return;
            }
        }
    });
    end.await.unwrap();
    assert!(last == 0 || last >= 151, "a part is missing behind {last}");
}

#[actix_web::test]
async fn an_agent_without_state_asks_a_server() {
    let server = World::new();
    register(&server, "web").await;
    let client = World::with(|agent| agent.is_server = false);
    *client.others.agent.lock().unwrap() = Some(server.ctx.clone());
    let reply = client.others.seen.lock().unwrap().len();
    assert_eq!(reply, 0);
    let mut stream = open(&server, "?topic=Job").await;
    assert_eq!(line(&mut stream).await["Events"][0]["Key"], "web");
}
