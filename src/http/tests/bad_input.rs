//! Requests that nobody should make: refused with a reason, or answered in bounded time, and the next one is answered.
//!
//! Sizes and nesting of bodies are in `errors.rs`, with what a full log answers (429); the queue that fills is in
//! `src/raft/tests.rs`.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use serde_json::{Value, json};

use super::world::{World, request};

/// Wall time on a machine that has much else to do; what is refused here would cost hours, or all memory.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is said about the job after the change; nothing may be registered.
async fn refused(change: impl FnOnce(&mut Value)) -> String {
    let world = World::new();
    let mut wanted = request();
    change(&mut wanted["Job"]);
    let reply = world.put("/v1/jobs", &wanted).await;
    assert!(reply.status.is_client_error() || reply.status == 500, "{}", reply.status);
    assert_eq!(world.get("/v1/jobs").await.json(), json!([]));
    reply.text().to_owned()
}

#[actix_web::test]
async fn a_pattern_that_would_explode_is_refused_with_its_constraint() {
    let began = Instant::now();
    for (pattern, expected) in [
        (String::from("(a{1000}){1000}"), "becomes larger than 1 MiB when it is compiled"),
        ("a".repeat(1 << 20), "has 1048576 bytes; at most 4096 are compiled"),
    ] {
        let constraint = json!({ "LTarget": "${attr.cpu.arch}", "Operand": "regexp", "RTarget": pattern });
        let said = refused(|job| job["Constraints"] = json!([constraint])).await;
        assert!(said.contains("constraint") && said.contains(expected) && said.len() < 1000, "{said}");
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[actix_web::test]
async fn counts_out_of_range_are_refused_with_the_limit() {
    for count in ["2147483648", "4294967296", "-1", "1000000000000000000"] {
        let count: Value = serde_json::from_str(count).unwrap();
        let said = refused(|job| job["TaskGroups"][0]["Count"] = count.clone()).await;
        assert!(said.contains(&format!("Count must be between 0 and 50000, found {count}")), "{said}");
    }
    let said = refused(|job| job["TaskGroups"][0]["Count"] = json!(1e30)).await;
    assert!(said.contains("Count"), "{said}");
}

#[actix_web::test]
async fn ten_thousand_groups_are_registered_and_read() {
    let began = Instant::now();
    let world = World::new();
    let mut wanted = request();
    let group = wanted["Job"]["TaskGroups"][0].clone();
    let mut groups = Vec::new();
    for at in 0..10_000 {
        let mut group = group.clone();
        group["Name"] = json!(format!("g{at}"));
        // As small as a group can be: all of them have to go into one body.
        for task in group["Tasks"].as_array_mut().unwrap() {
            *task = json!({ "Name": "t", "Driver": "raw_exec", "Config": { "command": "x" } });
        }
        groups.push(json!({ "Name": group["Name"], "Tasks": group["Tasks"] }));
    }
    wanted["Job"]["TaskGroups"] = json!(groups);
    let reply = world.put("/v1/jobs", &wanted).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let id = wanted["Job"]["ID"].as_str().unwrap();
    let stored = world.get(&format!("/v1/job/{id}")).await.json();
    assert_eq!(stored["TaskGroups"].as_array().unwrap().len(), 10_000);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[actix_web::test]
async fn a_job_that_is_purged_twice_is_gone_and_comes_back() {
    let world = World::new();
    let wanted = request();
    let uri = format!("/v1/job/{}?purge=true", wanted["Job"]["ID"].as_str().unwrap());
    world.put("/v1/jobs", &wanted).await.json();
    assert_eq!(world.call(Method::DELETE, &uri, "").await.status, 200);
    // Also of a job that is not there any more: whoever asks again after a lost answer is not to blame.
    let again = world.call(Method::DELETE, &uri, "").await;
    assert!(again.status == 200 || again.status == 404, "{}", again.text());
    assert_eq!(world.put("/v1/jobs", &wanted).await.status, 200);
}
