use std::{net::TcpListener, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::world::{World, request};
use crate::{actors::ports::StateReader, http::serve};

const DEADLINE: Duration = Duration::from_secs(10);

#[actix_web::test]
async fn a_write_goes_on_when_its_client_is_gone() {
    let world = World::new();
    world.log.gate.forget_permits(1);
    let (mut begun, mut changes) = (world.log.begun.subscribe(), world.log.changes());
    {
        let body = request();
        let mut call = std::pin::pin!(world.put("/v1/jobs", &body));
        tokio::select! {
            _ = &mut call => panic!("answered before it was written"),
            begun = begun.wait_for(|count| *count == 1) => drop(begun.unwrap()),
        }
        assert!(world.log.root().jobs.is_empty());
    }
    world.log.gate.add_permits(1);
    timeout(DEADLINE, changes.wait_for(|index| *index == 1)).await.unwrap().unwrap();
    assert_eq!(world.log.root().jobs.len(), 1);
}

/// Sends `request` and reads until the server closes or `enough` was seen.
async fn exchange(request: &str, enough: &str) -> String {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = serve(world.ctx.clone(), vec![listener], 1).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&answer).contains(enough) {
            if stream.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
    };
    timeout(DEADLINE, read).await.unwrap();
    handle.stop(false).await;
    String::from_utf8(answer).unwrap()
}

#[actix_web::test]
async fn it_answers_on_a_socket() {
    let answer =
        exchange("GET /v1/status/leader HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "4647").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n\"10.0.0.1:4647\""), "{answer}");
}

#[actix_web::test]
async fn headers_are_spelled_as_scripts_know_them() {
    let answer = exchange("GET /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "[]").await;
    assert!(answer.contains("\r\nX-Nomad-Index: 1\r\n"), "{answer}");
}

#[actix_web::test]
async fn a_body_that_is_announced_as_too_large_is_not_waited_for() {
    let head = "PUT /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n";
    let answer = exchange(head, "2097152 bytes").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
