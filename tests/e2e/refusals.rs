//! What is not right is refused with words, and the agent goes on.

use std::{
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    time::Duration,
};

use crate::harness::{World, web};

#[test]
fn a_bad_job_file_registers_nothing() {
    let world = World::dev();
    let text = r#"job "broken" {
  datacenters = ["dc1"]
  group "web" {
    count = "many"
    task "server" {
      driver = "raw_exec"
      config {
        command = "/bin/true"
      }
      resources {
        network {
          port "http" {
            static = 70000
          }
        }
      }
      colour = "blue"
    }
  }
}
"#;
    world.file("broken.nomad", text);
    let run = world.run("nomad run broken.nomad");
    assert_eq!(run.code, 1, "{run:?}");
    for part in
        ["broken.nomad:4:", "many", "broken.nomad:13:", "70000", "broken.nomad:17:", "colour", "help: "]
    {
        assert!(run.stderr.contains(part), "all problems at once, {part:?} lacks in\n{}", run.stderr);
    }
    world.file("open.nomad", "job \"open\" {\n  group \"web\" {\n");
    let run = world.run("nomad run open.nomad");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("open.nomad:"), "{run:?}");
    let run = world.run("nomad run nosuch.nomad");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("nosuch.nomad"), "{run:?}");
    assert_eq!(world.get("/v1/jobs"), serde_json::json!([]), "nothing is registered");
}

#[test]
fn a_driver_that_no_node_has_is_said() {
    let world = World::dev();
    let text = "job \"odd\" {\n  datacenters = [\"dc1\"]\n  group \"g\" {\n    task \"t\" {\n      driver = \"java\"\n      \
                config {\n        jar_path = \"local/a.jar\"\n      }\n    }\n  }\n}\n";
    world.file("odd.nomad", text);
    let run = world.run("nomad run odd.nomad");
    assert_ne!(run.code, 0, "{run:?}");
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains("java"), "the driver is named: {said}");
}

#[test]
fn bad_bodies_get_a_status_and_a_reason() {
    let world = World::dev();
    let http = world.agent.http;
    let put = |path: &str, body: &str| web::ask(http, "PUT", path, body).unwrap();
    for body in ["", "{", "[]", "{\"Job\": 7}", "{\"Job\": {\"ID\": \"a\", \"Type\": 7}}", "\u{0}\u{1}"] {
        let answer = put("/v1/jobs", body);
        assert_eq!(answer.status, 400, "{body:?}: {answer:?}");
        assert!(answer.body.len() > 5, "{body:?}: a reason in words: {answer:?}");
    }
    let deep = format!("{{\"Job\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(put("/v1/jobs", &deep).status, 400, "nesting is bounded");
    let long = format!("{{\"Job\": {{\"ID\": \"{}\"}}}}", "x".repeat(40 << 20));
    let answer = put("/v1/jobs", &long);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert_eq!(web::get(http, "/v1/nosuch").unwrap().status, 404);
    assert_eq!(web::get(http, "/v1/job/nosuch").unwrap().status, 404);
    assert_eq!(web::get(http, "/v1/jobs?index=x").unwrap().status, 400);
    assert_eq!(web::ask(http, "PATCH", "/v1/jobs", "").unwrap().status, 405);
    assert_eq!(web::get(world.agent.consul, "/v1/nosuch").unwrap().status, 404);
    // Not HTTP at all.
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00garbage\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    assert_eq!(world.get("/v1/jobs"), serde_json::json!([]));
}

#[test]
fn garbage_does_not_end_dns() {
    let world = World::dev();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(world.agent.dns).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let header = |count: u8| [0x12, 0x34, 1, 0, 0, count, 0, 0, 0, 0, 0, 0];
    let pointer_to_itself = [&header(1)[..], &[0xc0, 12, 0, 1, 0, 1]].concat();
    let label_too_long = [&header(1)[..], &[63, b'a', b'b']].concat();
    let no_question = header(200).to_vec();
    let mut answer = [0u8; 4096];
    for packet in
        [vec![], vec![0], vec![0xff; 11], vec![0xff; 600], pointer_to_itself, label_too_long, no_question]
    {
        socket.send(&packet).unwrap();
        if let Ok(length) = socket.recv(&mut answer) {
            let code = answer[3] & 0x0f;
            assert!(length >= 12 && (code == 1 || code == 4), "FORMERR or NOTIMP, got {code} for {packet:?}");
        }
    }
    let mut stream = TcpStream::connect(world.agent.dns).unwrap();
    stream.write_all(&[0xff, 0xff, 1, 2, 3]).unwrap();
    drop(stream);
    assert!(world.dig("+short A nosuch.service.consul").is_empty());
    assert!(world.dig("+tcp nosuch.service.consul").contains("status: NXDOMAIN"));
}

#[test]
fn a_port_in_use_is_said_with_the_flag_that_changes_it() {
    let world = World::dev();
    let mut second = world.agent.command("troupe");
    let port = format!("-http-port={}", world.agent.http.port());
    let others = ["rpc", "gossip", "consul", "dns"].map(|name| format!("-{name}-port=0"));
    let output =
        second.args(["agent", "-dev"]).env("TMPDIR", world.dir()).arg(port).args(others).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("-http-port") && said.contains(&world.agent.http.to_string()), "{said}");
}
