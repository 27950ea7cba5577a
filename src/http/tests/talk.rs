use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use model::{EvalId, JobKey, Plan};
use state::Command;
use tokio::time::timeout;

use super::world::{ALLOC, NODE, NOW, World};
use crate::{
    actors::ports::{ExecInput, ExecOutput, StateReader, Target, WebRequest, WebStream},
    http::talk_for,
};

const DEADLINE: Duration = Duration::from_secs(10);

fn exec(query: &str) -> WebRequest {
    let uri = format!("/v1/client/allocation/{ALLOC}/exec?{query}");
    WebRequest { method: String::from("GET"), uri, ..WebRequest::default() }
}

/// Says all of it and then nothing more.
async fn talk(world: &World, request: WebRequest, said: Vec<ExecInput>) -> WebStream {
    let pieces: Vec<Bytes> = said.iter().map(|said| rmp_serde::to_vec_named(said).unwrap().into()).collect();
    let input = stream::iter(pieces).chain(stream::pending()).boxed();
    timeout(DEADLINE, talk_for(&world.ctx, request, input)).await.unwrap()
}

async fn all(stream: WebStream) -> Vec<ExecOutput> {
    let pieces = timeout(DEADLINE, stream.body.collect::<Vec<_>>()).await.unwrap();
    pieces.into_iter().map(|piece| rmp_serde::from_slice(&piece.unwrap()).unwrap()).collect()
}

async fn refused(world: &World, request: WebRequest) -> (u16, String) {
    let mut stream = talk(world, request, Vec::new()).await;
    let piece = stream.body.next().await.unwrap().unwrap();
    (stream.status, String::from_utf8(piece.to_vec()).unwrap())
}

#[actix_web::test]
async fn a_session_is_held_here_and_through_another_agent() {
    let node = World::with(|agent| agent.is_server = false);
    let server = World::with(|agent| agent.node = None).with_alloc();
    server.node.forget();
    *server.others.agent.lock().unwrap() = Some(node.ctx.clone());
    for world in [&node, &server] {
        let request = exec("task=nginx&tty=true&command=%5B%22ls%22%2C%22-l%22%5D");
        let said = vec![
            ExecInput::Size { rows: 5, columns: 6 },
            ExecInput::Stdin(Bytes::from_static(b"hello")),
            ExecInput::CloseStdin,
        ];
        let stream = talk(world, request, said).await;
        assert_eq!(stream.status, 200);
        let expected = [
            ExecOutput::Stderr(Bytes::from_static(b"ls -l true\n")),
            ExecOutput::Stdout(Bytes::from_static(b"5x6")),
            ExecOutput::Stdout(Bytes::from_static(b"hello")),
            ExecOutput::Exited(3),
        ];
        assert_eq!(all(stream).await, expected);
    }
    let seen = server.others.seen.lock().unwrap();
    assert!(matches!(seen.as_slice(), [(Target::Node(NODE), request)] if request.hops == 1), "{seen:?}");
}

#[actix_web::test]
async fn sessions_that_cannot_be_are_refused_with_a_reason() {
    let world = World::new().with_alloc();
    let check = async |query: &str, expected: &str| {
        let (status, text) = refused(&world, exec(query)).await;
        assert_eq!((status, text.as_str()), (400, expected), "{query}");
    };
    check("command=%5B%22ls%22%5D", "must provide task name").await;
    check("task=nginx", "must provide command").await;
    let array = "`command` must be a JSON array of strings";
    check("task=nginx&command=%5B%5D", &format!("{array}: it is empty")).await;
    let long = format!("task=nginx&command=%5B%22{}%22%5D", "x".repeat(70_000));
    check(&long, &format!("{array}: it is too long")).await;
    check("task=side&command=%5B%22ls%22%5D", "task \"side\" is not running").await;
    let (status, text) = refused(&world, exec("task=nginx&command=ls")).await;
    assert!(status == 400 && text.starts_with(array), "{text}");
    let elsewhere = WebRequest { uri: String::from("/v1/jobs"), ..exec("") };
    assert_eq!(refused(&world, elsewhere).await.0, 404);
}

#[actix_web::test]
async fn actions_run_where_their_task_does() {
    let node = World::with(|agent| agent.is_server = false);
    let server = World::with(|agent| agent.node = None).with_alloc();
    server.node.forget();
    *server.others.agent.lock().unwrap() = Some(node.ctx.clone());
    let mut job = super::world::job();
    job.task_groups[0].tasks[0].actions =
        vec![api::Action { name: "reload".into(), command: "nginx".into(), args: vec!["-s".into()] }];
    let body = serde_json::json!({ "Job": job });
    server.put("/v1/jobs", &body).await.json();
    let listed = server.get("/v1/job/web/actions").await.json();
    assert_eq!(
        listed,
        serde_json::json!([{
            "Name": "reload", "Command": "nginx", "Args": ["-s"], "TaskName": "nginx", "TaskGroupName": "front"
        }])
    );
    // It runs the version that has no actions.
    let action = |query: &str| WebRequest {
        method: String::from("GET"),
        uri: format!("/v1/job/web/action?{query}"),
        ..WebRequest::default()
    };
    let refusal = "no allocation of job \"web\" runs a task with the action \"reload\"";
    assert_eq!(refused(&server, action("action=reload")).await, (404, refusal.to_owned()));
    assert_eq!(refused(&server, action("")).await, (400, String::from("must provide action name")));
    let (root, key) = (server.log.root(), JobKey::new("default", "web"));
    let mut plan = Plan::new(EvalId(2), key.clone(), 50, root.index, NOW);
    plan.job_index = root.jobs[&key].job_modify_index;
    plan.in_place.push(ALLOC);
    server.log.apply(vec![Command::ApplyPlan { plan: Box::new(plan), evals: Vec::new() }]);
    for query in
        ["action=reload&tty=true", &format!("action=reload&task=nginx&group=front&allocID={ALLOC}&tty=1")]
    {
        let stream = talk(&server, action(query), vec![ExecInput::CloseStdin]).await;
        assert_eq!(stream.status, 200, "{query}");
        let expected =
            [ExecOutput::Stderr(Bytes::from_static(b"nginx -s reload true\n")), ExecOutput::Exited(3)];
        assert_eq!(all(stream).await, expected);
    }
    assert_eq!(refused(&server, action("action=reload&task=side")).await.0, 404);
    let unknown = exec("task=nginx&action=stop");
    assert_eq!(refused(&server, unknown).await.0, 400);
}

#[actix_web::test]
async fn only_so_many_sessions_go_through_an_agent() {
    let world = World::new().with_alloc();
    let request = || exec("task=nginx&command=%5B%22ls%22%5D");
    let mut held = Vec::new();
    for _ in 0..crate::http::SESSIONS {
        let stream = talk(&world, request(), Vec::new()).await;
        assert_eq!(stream.status, 200);
        held.push(stream);
    }
    assert_eq!(refused(&world, request()).await.0, 429);
    held.pop();
    assert_eq!(talk(&world, request(), Vec::new()).await.status, 200);
}

#[actix_web::test]
async fn who_does_not_speak_websocket_is_told_so() {
    let world = World::new().with_alloc();
    let reply = world.get(&exec("task=nginx&command=%5B%22ls%22%5D").uri).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("Upgrade: websocket"), "{}", reply.text());
}
