//! The first tutorial: redis in Docker, found by DNS; and the same path with a raw process.

use std::process::Command;

use crate::harness::{World, docker, eventually, images, need, ran};

const SERVICE: &str = "global-redis-check.service.consul";

#[test]
fn redis_from_run_to_stop() {
    need(&[images::REDIS_3_2]);
    let world = World::dev();
    // The tutorial waits 25 s for the restart; the rest of its file is as it is.
    let text = world.example("redis.nomad");
    assert!(text.contains("delay    = \"25s\""));
    world.file("redis.nomad", &text.replace("delay    = \"25s\"", "delay = \"1s\""));

    let run = world.run("nomad run redis.nomad").ok();
    run.has(&[
        "==> Monitoring evaluation \"",
        "    Evaluation triggered by job \"redis\"\n",
        "    Evaluation within deployment: \"",
        "    Evaluation status changed: \"pending\" -> \"complete\"\n",
        "\" finished with status \"complete\"\n",
    ]);
    assert!(run.stdout.contains("\" created: node \""), "{}", run.stdout);

    let allocs = world.running("redis", 1);
    let alloc = allocs[0]["ID"].as_str().unwrap().to_owned();
    let short = &alloc[..8];
    let status = world.run("nomad status redis").ok();
    for (name, value) in [
        ("ID", "redis"),
        ("Name", "redis"),
        ("Type", "service"),
        ("Priority", "50"),
        ("Datacenters", "dc1"),
        ("Periodic", "false"),
        ("Parameterized", "false"),
    ] {
        assert_eq!(status.value(name), value);
    }
    let summary = status.table("Summary");
    assert_eq!(summary[0], ["Task Group", "Queued", "Starting", "Running", "Failed", "Complete", "Lost"]);
    assert_eq!(summary[1], ["cache", "0", "0", "1", "0", "0", "0"]);
    let listed = status.table("Allocations");
    assert_eq!(listed[0][..6], ["ID", "Node ID", "Task Group", "Version", "Desired", "Status"]);
    assert_eq!(
        (listed[1][0].as_str(), &listed[1][2..6]),
        (short, &["cache", "0", "run", "running"].map(String::from)[..])
    );
    assert_eq!(status.table("Deployed")[1][..3], ["cache", "1", "1"]);

    let shown = world.run(&format!("nomad alloc status -stats {short}")).ok();
    shown.has(&[
        "Task \"redis\" is \"running\"",
        "/500 MHz",
        "/256 MiB",
        "300 MiB",
        "db: 127.0.0.1:",
        "Memory Stats",
    ]);
    shown.has(&["Started", "Task started by client", "Task Setup", "Building Task Directory", "Received"]);
    let short_status = world.run(&format!("nomad status {short}")).ok();
    short_status.has(&["Task \"redis\" is \"running\"", "db: 127.0.0.1:"]);

    let address = world.address(&allocs[0], "db");
    let port = address.port().to_string();
    world.eventually("redis answers", || {
        let pong = ran("redis-cli ping", Command::new("redis-cli").args(["-p", &port, "ping"]));
        (pong.stdout == "PONG\n").then_some(())
    });
    world.eventually("the log of redis is there", || {
        let logs = world.run(&format!("nomad logs {short}")).ok();
        logs.stdout.contains("Ready to accept connections").then_some(())
    });

    found_by_dns(&world, &port);
    listed_by_consul(&world, &alloc, address.port());

    let container = container_of(&alloc);
    docker(&["rm", "-f", &container]);
    world.eventually("redis is restarted", || {
        let status = world.run(&format!("nomad alloc status {short}")).ok();
        (status.stdout.contains("Restarting") && status.stdout.contains("Total Restarts = 1")).then_some(())
    });
    let status = world.run(&format!("nomad alloc status {short}")).ok();
    status.has(&["Terminated", "Exit Code: ", "Task restarting in "]);
    world.eventually("another container runs", || {
        (!containers(&alloc).is_empty() && containers(&alloc) != container).then_some(())
    });
    world.eventually("redis is in DNS again", || {
        world.dig(&format!("+short SRV {SERVICE}")).contains(&port).then_some(())
    });

    world
        .run("nomad stop redis")
        .ok()
        .has(&["==> Monitoring evaluation \"", "finished with status \"complete\""]);
    assert_eq!(world.dig(&format!("+short SRV {SERVICE}")), "", "gone from DNS at once");
    world.eventually("the container is gone", || containers(&alloc).is_empty().then_some(()));
    let after = world.run("nomad status redis").ok();
    assert_eq!(after.value("Status"), "dead (stopped)");
    assert_eq!(after.table("Allocations")[1][4..6], ["stop", "complete"]);
}

fn found_by_dns(world: &World, port: &str) {
    let answer = world.eventually("redis is in DNS", || {
        let answer = world.dig(&format!("SRV {SERVICE}"));
        answer.contains("status: NOERROR").then_some(answer)
    });
    let section = |name: &str| {
        let rest = answer.split(&format!(";; {name} SECTION:\n")).nth(1).unwrap_or_default();
        rest.split("\n\n").next().unwrap_or_default().to_owned()
    };
    let records = section("ANSWER");
    let srv: Vec<&str> = records.split_whitespace().collect();
    assert_eq!(srv.len(), 8, "{answer}");
    assert_eq!(srv[..1], [format!("{SERVICE}.")]);
    assert_eq!(srv[2..7], ["IN", "SRV", "1", "1", port]);
    let target = srv[7];
    let additional = section("ADDITIONAL");
    let address =
        additional.lines().find(|line| line.starts_with(target)).unwrap_or_else(|| panic!("{answer}"));
    assert!(address.contains("\tA\t127.0.0.1") || address.contains(" A "), "{answer}");
    let resolved = world.dig(&format!("+short A {target}"));
    assert_eq!(resolved, "127.0.0.1\n", "the target of the SRV record has an address of its own");

    assert_eq!(world.dig(&format!("+short cache.{SERVICE}")), "127.0.0.1\n");
    assert_eq!(world.dig(&format!("+short nosuchtag.{SERVICE}")), "");
    assert!(world.dig("nosuch.service.consul").contains("status: NXDOMAIN"));
}

fn listed_by_consul(world: &World, alloc: &str, port: u16) {
    let entries = world.consul("/v1/catalog/service/global-redis-check");
    assert_eq!(entries.as_array().map(Vec::len), Some(1), "{entries}");
    let entry = &entries[0];
    for (name, value) in [
        ("Address", "127.0.0.1"),
        ("Datacenter", "dc1"),
        ("ServiceName", "global-redis-check"),
        ("ServiceAddress", "127.0.0.1"),
    ] {
        assert_eq!(entry[name], value, "{name} in {entry}");
    }
    assert_eq!(entry["ServicePort"], port);
    assert_eq!(entry["ServiceTags"], serde_json::json!(["global", "cache"]));
    assert_eq!(entry["ServiceEnableTagOverride"], false);
    assert!(entry["ServiceID"].as_str().is_some_and(|id| id.contains(alloc)), "{entry}");
    assert!(entry["CreateIndex"].as_u64().is_some_and(|index| index > 0), "{entry}");
    for name in ["ID", "Node", "TaggedAddresses", "NodeMeta", "ModifyIndex"] {
        assert!(!entry[name].is_null(), "{name} in {entry}");
    }
    let services = world.run("consul catalog services").ok();
    services.has(&["global-redis-check"]);
}

fn containers(alloc: &str) -> String {
    docker(&["ps", "-q", "--no-trunc", "--filter", &format!("name={alloc}")])
}

fn container_of(alloc: &str) -> String {
    let container = containers(alloc);
    assert_eq!(container.lines().count(), 1, "one container of {alloc}: {container:?}");
    container
}

#[test]
fn a_job_file_of_init_is_valid() {
    let world = World::dev();
    world.run("nomad init").ok().has(&["Example job file written to example.nomad"]);
    world.run("troupe validate example.nomad").ok().has(&["Job validation successful"]);
    let again = world.run("nomad init");
    assert_eq!(again.code, 1, "a file that is there is not overwritten: {again:?}");
}

const CLOCK: &str = r#"
job "clock" {
  datacenters = ["dc1"]
  group "clock" {
    task "tick" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args = ["-c", "echo \"$NOMAD_JOB_NAME on ${NOMAD_PORT_http}\"; echo oops >&2; n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.1; done"]
      }
      kill_timeout = "1s"
      resources {
        cpu = 20
        memory = 16
        network {
          port "http" {}
        }
      }
      service {
        name = "clock"
        port = "http"
      }
    }
  }
}
"#;

#[test]
fn a_raw_process_is_run_followed_and_stopped() {
    let world = World::dev();
    world.file("clock.nomad", CLOCK);
    world.run("troupe job run clock.nomad").ok().has(&["finished with status \"complete\""]);
    let allocs = world.running("clock", 1);
    let alloc = allocs[0]["ID"].as_str().unwrap().to_owned();
    let port = world.address(&allocs[0], "http").port();
    world.eventually("the log is there", || {
        let logs = world.run(&format!("troupe logs {alloc} tick")).ok().stdout;
        (logs.starts_with(&format!("clock on {port}\ntick 1\n")) && logs.contains("tick 3\n")).then_some(())
    });
    assert_eq!(world.run(&format!("troupe logs -stderr {alloc}")).ok().stdout, "oops\n");
    assert_eq!(world.run(&format!("troupe logs -tail -n 2 {alloc}")).ok().stdout.lines().count(), 2);
    assert!(
        world.dig("+short SRV clock.service.consul").contains(&format!(" {port} ")),
        "no check, so at once"
    );

    let mut follow = world.agent.command("troupe");
    follow.args(["logs", "-f", "-stdout", "-tail", "-n", "1", &alloc]).stdout(std::process::Stdio::piped());
    let mut follow = follow.spawn().unwrap();
    let stdout = follow.stdout.take().unwrap();
    let lines: Vec<String> =
        std::io::BufRead::lines(std::io::BufReader::new(stdout)).take(4).map(Result::unwrap).collect();
    follow.kill().unwrap();
    follow.wait().unwrap();
    let numbers: Vec<u64> =
        lines.iter().map(|line| line.trim_start_matches("tick ").parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "followed without a gap: {lines:?}");

    world.run("troupe stop -detach clock").ok();
    eventually("the process is gone", || {
        let shell = ran("pgrep", Command::new("pgrep").args(["-f", &format!("clock on .*{port}")]));
        (shell.code == 1).then_some(())
    });
    let status = world.eventually("the allocation is complete", || {
        let status = world.run("troupe status clock").ok();
        status.stdout.contains("complete").then_some(status)
    });
    assert_eq!(status.value("Status"), "dead (stopped)");
}

#[test]
fn batch_work_ends() {
    let world = World::dev();
    let text = world.example("batch.nomad");
    world.file("batch.nomad", &text.replace("sleep 1", ":"));
    world.run("nomad run batch.nomad").ok();
    let status = world.eventually("all three are complete", || {
        let status = world.run("nomad job status batch").ok();
        (status.table("Summary")[1] == ["count", "0", "0", "0", "0", "3", "0"]).then_some(status)
    });
    assert_eq!(status.value("Status"), "dead");
}
