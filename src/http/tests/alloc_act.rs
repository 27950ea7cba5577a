use std::{fs, time::Duration};

use actix_web::{App, body::to_bytes, http::Method, test};
use model::TaskPhase;
use serde_json::json;

use super::world::{ALLOC, World};
use crate::{
    actors::ports::{StateReader, TaskAct},
    http::nomad,
};

#[actix_web::test]
async fn a_stop_is_an_evaluation_that_moves_it() {
    let world = World::new().with_alloc();
    let reply = world.put(&format!("/v1/allocation/{ALLOC}/stop"), &json!({})).await.json();
    let root = world.log.root();
    assert!(root.allocs[&ALLOC].migrate);
    let id: model::EvalId = reply["EvalID"].as_str().unwrap().parse().unwrap();
    assert_eq!(root.evals[&id].trigger, model::Trigger::AllocStop);
    let reply = world.put("/v1/allocation/11111111-2222-3333-4444-555555555555/stop", &json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (404, "allocation not found"));
}

#[actix_web::test]
async fn tasks_need_not_wait_before_they_are_stopped() {
    let stop = format!("/v1/allocation/{ALLOC}/stop?no_shutdown_delay=true");
    let world = World::new().with_alloc();
    world.put(&stop, &json!({})).await.json();
    let alloc = world.get(&format!("/v1/allocation/{ALLOC}")).await.json();
    assert_eq!(alloc["DesiredTransition"]["NoShutdownDelay"], true);
    assert_eq!(alloc["DesiredTransition"]["Migrate"], true);
    let (world, key) = (World::new().with_alloc(), model::JobKey::new("default", "web"));
    let reply = world.call(Method::DELETE, "/v1/job/web?no_shutdown_delay=true&global=true", "").await;
    assert_eq!(reply.json()["JobModifyIndex"].as_u64(), Some(world.log.root().jobs[&key].modify_index));
    assert!(world.log.root().allocs[&ALLOC].no_shutdown_delay);
}

#[actix_web::test]
async fn a_stop_may_ask_for_another_one_everywhere() {
    let world = World::new().with_alloc();
    let reply = world.put(&format!("/v1/allocation/{ALLOC}/stop?reschedule=true"), &json!({})).await.json();
    let id: model::EvalId = reply["EvalID"].as_str().unwrap().parse().unwrap();
    let root = world.log.root();
    assert_eq!(root.evals[&id].trigger, model::Trigger::AllocReschedule);
    assert!(root.allocs[&ALLOC].migrate);
    let reply = world.put(&format!("/v1/allocation/{ALLOC}/stop?reschedule=maybe"), &json!({})).await;
    assert_eq!(reply.status.as_u16(), 400);
}

#[actix_web::test]
async fn data_are_an_archive_in_pieces() {
    let world = World::new().with_alloc();
    let path = format!("/v1/client/allocation/{ALLOC}/snapshot");
    let reply = world.get(&path).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "an archive"));
    assert_eq!(reply.header("content-type"), "application/x-tar");
    assert_eq!(world.put(&path, &json!({})).await.status.as_u16(), 405);
    let unknown = path.replace(&ALLOC.to_string(), "11111111-2222-3333-4444-555555555555");
    assert_eq!(world.get(&unknown).await.status.as_u16(), 404);
    world.node.forget();
    let reply = world.get(&path).await;
    assert_eq!(reply.status.as_u16(), 404);
    assert!(reply.text().contains("not found on client"), "{}", reply.text());
}

#[actix_web::test]
async fn checks_and_files_that_may_go() {
    let world = World::new().with_alloc();
    for uri in [format!("/v1/allocation/{ALLOC}/checks"), format!("/v1/client/allocation/{ALLOC}/checks")] {
        let checks = world.get(&uri).await.json();
        let (id, check) = checks.as_object().unwrap().iter().next().unwrap();
        assert_eq!(id.len(), 32);
        assert_eq!(
            *check,
            json!({
                "ID": id, "Mode": "healthiness", "Status": "failure", "StatusCode": 503, "Group": "web.front[0]",
                "Task": "nginx", "Service": "web", "Check": "up", "Timestamp": 1_700_000_000,
                "Output": "HTTP GET http://x/: 503 Service Unavailable Output: late"
            })
        );
    }
    let reply = world.get(&format!("/v1/client/allocation/{ALLOC}/gc")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (500, "the allocation is not over: its files are in use")
    );
    let reply = world.put("/v1/client/gc", &json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, ""));
    let other = "11111111-2222-3333-4444-555555555555";
    assert_eq!(world.get(&format!("/v1/client/allocation/{other}/gc")).await.status, 404);
    assert_eq!(world.get(&format!("/v1/client/gc?node_id={other}")).await.status, 404);
}

#[actix_web::test]
async fn tasks_are_restarted_and_signalled_on_their_node() {
    let world = World::new().with_alloc();
    let path = |what: &str| format!("/v1/client/allocation/{ALLOC}/{what}");
    assert_eq!(world.put(&path("restart"), &json!({})).await.json(), json!({"Index": 0}));
    let body = json!({"Task": "nginx", "Signal": "SIGHUP"});
    assert_eq!(world.put(&path("signal"), &body).await.json(), json!({"Index": 0}));
    assert_eq!(world.put(&path("signal"), &json!({})).await.json(), json!({"Index": 0}));
    let acts = std::mem::take(&mut *world.node.acts.lock().unwrap());
    assert_eq!(acts, [TaskAct::Restart, TaskAct::Signal("SIGHUP".into()), TaskAct::Signal("SIGKILL".into())]);
    let reply = world.put(&path("restart"), &json!({"TaskName": "other"})).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (500, "Task \"other\" not running"));
    let reply = world.put(&path("restart"), &json!({"AllTasks": true, "TaskName": "nginx"})).await;
    assert_eq!(reply.status, 400);
    assert_eq!(*world.node.acts.lock().unwrap(), []);
    assert_eq!(world.put(&path("restart"), &json!({"AllTasks": true})).await.status, 200);
    assert_eq!(*world.node.acts.lock().unwrap(), [TaskAct::StartOver]);
}

fn with_files() -> World {
    let world = World::new().with_alloc();
    let root = world.logs.path();
    fs::create_dir_all(root.join("alloc/data")).unwrap();
    fs::create_dir_all(root.join("nginx/secrets")).unwrap();
    fs::write(root.join("alloc/data/a.txt"), "0123456789").unwrap();
    fs::write(root.join("nginx/secrets/token"), "hush").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("alloc/out")).unwrap();
    std::os::unix::fs::symlink("../nginx/secrets/token", root.join("alloc/peek")).unwrap();
    nix::unistd::mkfifo(&root.join("alloc/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    world.report(TaskPhase::Running);
    world
}

#[actix_web::test]
async fn files_are_listed_and_read() {
    let world = with_files();
    let uri = |what: &str, rest: &str| format!("/v1/client/fs/{what}/{ALLOC}?{rest}");
    let names = |list: serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|file| file["Name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(world.get(&uri("ls", "")).await.json()), ["alloc", "nginx"]);
    let file = &world.get(&uri("ls", "path=/alloc/data")).await.json()[0];
    assert_eq!((&file["Name"], &file["Size"], &file["IsDir"]), (&json!("a.txt"), &json!(10), &json!(false)));
    assert_eq!(file["FileMode"], "-rw-r--r--");
    let file = world.get(&uri("stat", "path=alloc/data/a.txt")).await.json();
    assert_eq!(file["ContentType"], "text/plain; charset=utf-8");
    assert_eq!(world.get(&uri("cat", "path=alloc/data/a.txt")).await.text(), "0123456789");
    assert_eq!(world.get(&uri("readat", "path=alloc/data/a.txt&offset=3&limit=4")).await.text(), "3456");
    assert_eq!(world.get(&uri("readat", "path=alloc/data/a.txt&offset=8")).await.text(), "89");
}

#[actix_web::test]
async fn files_are_followed() {
    let world = with_files();
    let path = world.logs.path().join("alloc/data/a.txt");
    let uri = |rest: &str| format!("/v1/client/fs/stream/{ALLOC}?path=/alloc/data/a.txt&{rest}");
    let check = async |rest: &str, expected: &str| assert_eq!(world.get(&uri(rest)).await.text(), expected);
    check("follow=false&plain=true&offset=3", "3456789").await;
    check("follow=false&plain=true&origin=end&offset=2", "89").await;
    check("follow=false&offset=8", r#"{"Data":"ODk=","File":"alloc/data/a.txt","Offset":10}"#).await;
    let reply = world.get(&uri("origin=middle")).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (400, "origin must be start or end"));
    // As long as the file is there.
    let app = test::init_service(App::new().configure(nomad(world.ctx.clone()))).await;
    let follow = |rest: &str| test::TestRequest::with_uri(&uri(rest)).to_request();
    let all =
        async |body| tokio::time::timeout(Duration::from_secs(10), to_bytes(body)).await.unwrap().unwrap();
    let plain = test::call_service(&app, follow("plain=true")).await.into_body();
    let frames = test::call_service(&app, follow("offset=9")).await.into_body();
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b" and more").unwrap();
    let plain = async { all(plain).await };
    // What is open is read to its end, and then is missed.
    fs::remove_file(&path).unwrap();
    let plain = plain.await;
    assert_eq!(plain, "0123456789 and more");
    let frames = all(frames).await;
    let last: serde_json::Value = serde_json::Deserializer::from_slice(&frames)
        .into_iter::<serde_json::Value>()
        .last()
        .unwrap()
        .unwrap();
    assert_eq!(last, json!({"File": "alloc/data/a.txt", "FileEvent": "file deleted", "Offset": 19}));
}

#[actix_web::test]
async fn nothing_leads_out_of_the_allocation() {
    let world = with_files();
    for (rest, status, words) in [
        ("path=../../etc/passwd", 400, "Path escapes the alloc directory"),
        ("path=alloc/out", 400, "Path escapes the alloc directory"),
        ("path=nginx/secrets/token", 400, "Reading secret file prohibited"),
        ("path=alloc/peek", 400, "Reading secret file prohibited"),
        ("path=alloc/none", 404, "no such file or directory"),
        ("path=alloc/data", 400, "\"alloc/data\" is not a file"),
        ("path=alloc/pipe", 400, "\"alloc/pipe\" is not a file"),
        ("", 400, "must provide a file name"),
    ] {
        let reply = world.get(&format!("/v1/client/fs/cat/{ALLOC}?{rest}")).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (status, words), "{rest}");
    }
    let reply = world.get(&format!("/v1/client/fs/ls/{ALLOC}?path=nginx/secrets")).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (400, "Reading secret file prohibited"));
}
