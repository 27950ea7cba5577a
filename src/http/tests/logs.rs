use std::{fs, io::Write as _, time::Duration};

use actix_web::{App, test};
use model::TaskPhase;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::world::{ALLOC, World};
use crate::http::nomad;

fn uri(query: &str) -> String {
    format!("/v1/client/fs/logs/{ALLOC}?task=nginx&type=stdout&{query}")
}

/// Three files, of which the oldest was rotated away.
fn rotated() -> World {
    let world = World::new().with_alloc();
    for (number, text) in [(1, "first "), (2, "second "), (10, "third")] {
        fs::write(world.logs.path().join(format!("nginx.stdout.{number}")), text).unwrap();
    }
    fs::write(world.logs.path().join("nginx.stderr.0"), "oops").unwrap();
    fs::write(world.logs.path().join("nginx2.stdout.0"), "of another task").unwrap();
    world
}

fn frames(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().unwrap()
}

#[actix_web::test]
async fn files_are_one_flow() {
    let world = rotated();
    let check = async |query: &str, expected: &str| {
        let reply = world.get(&uri(query)).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, expected), "{query}");
    };
    check("plain=true", "first second third").await;
    check("plain=true&offset=8", "cond third").await;
    check("plain=true&offset=1000", "").await;
    check("plain=true&origin=end&offset=7", "d third").await;
    check("plain=true&origin=end&offset=1000", "first second third").await;
    check("plain=true&origin=end", "").await;
    let uri = format!("/v1/client/fs/logs/{ALLOC}?task=nginx&type=stderr&plain=true");
    assert_eq!(world.get(&uri).await.text(), "oops");
}

#[actix_web::test]
async fn the_agents_own_log() {
    let world = World::new().with_alloc();
    let get = async |query: &str| world.get(&format!("/v1/agent/monitor?{query}")).await;
    assert_eq!(get("plain=true").await.text(), "Info false\na test\n");
    let text = get("log_level=DEBUG&log_json=true").await;
    assert_eq!(frames(text.text()), [json!({"Data": "RGVidWcgdHJ1ZQo="}), json!({"Data": "YSB0ZXN0Cg=="})]);
    for (query, status) in [
        ("log_level=loud", 400),
        ("node_id=11111111-2222-3333-4444-555555555555&server_id=leader", 400),
        ("node_id=11111111-2222-3333-4444-555555555555", 404),
        ("server_id=other", 501),
    ] {
        assert_eq!(get(query).await.status, status, "{query}");
    }
    assert_eq!(get("server_id=leader&plain=true").await.text(), "Info false\na test\n");
}

#[actix_web::test]
async fn frames_name_file_and_end() {
    let reply = rotated().get(&uri("offset=3")).await;
    assert_eq!(
        frames(reply.text()),
        [
            json!({"Data": "c3Qg", "File": "alloc/logs/nginx.stdout.1", "Offset": 6}),
            json!({"Data": "c2Vjb25kIA==", "File": "alloc/logs/nginx.stdout.2", "Offset": 7}),
            json!({"Data": "dGhpcmQ=", "File": "alloc/logs/nginx.stdout.10", "Offset": 5}),
        ]
    );
}

#[actix_web::test]
async fn large_files_come_in_frames_of_64_kib() {
    let world = World::new().with_alloc();
    let text: String = (0..30_000).map(|line| format!("{line}\n")).collect();
    fs::write(world.logs.path().join("nginx.stdout.0"), &text).unwrap();
    assert_eq!(world.get(&uri("plain=true")).await.text(), text);
    let reply = world.get(&uri("")).await;
    let sizes: Vec<u64> =
        frames(reply.text()).iter().map(|frame| frame["Offset"].as_u64().unwrap()).collect();
    assert!(sizes.windows(2).all(|pair| pair[1] - pair[0] <= 64 * 1024), "{sizes:?}");
    assert_eq!(sizes.last(), Some(&(text.len() as u64)));
}

#[actix_web::test]
async fn following_ends_with_the_task() {
    let world = rotated();
    let app = test::init_service(App::new().configure(nomad(world.ctx.clone()))).await;
    let request = test::TestRequest::with_uri(&uri("plain=true&follow=true")).to_request();
    let body = test::call_service(&app, request).await.into_body();
    let text = async {
        // More in the newest file, then one file on, then the end.
        let path = world.logs.path().join("nginx.stdout.10");
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b" more").unwrap();
        fs::write(world.logs.path().join("nginx.stdout.11"), " fourth").unwrap();
        world.report(TaskPhase::Dead);
        actix_web::body::to_bytes(body).await.map_err(|error| error.to_string()).unwrap()
    };
    let text = timeout(Duration::from_secs(10), text).await.unwrap();
    assert_eq!(std::str::from_utf8(&text).unwrap(), "first second third more fourth");
}

#[actix_web::test]
async fn a_silent_task_has_an_empty_log() {
    let world = World::new().with_alloc();
    let reply = world.get(&uri("plain=true")).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, ""));
}

#[actix_web::test]
async fn what_cannot_be_read() {
    let world = World::new().with_alloc();
    world.report(TaskPhase::Pending);
    let reply = world.get(&uri("")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (404, "task \"nginx\" not started yet. No logs available")
    );
    let reply = world.get(&format!("/v1/client/fs/logs/{ALLOC}?task=none&type=stdout")).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (400, "unknown task name \"none\""));
    assert_eq!(world.ctx.watches.available_permits(), crate::http::WATCHES);
}
