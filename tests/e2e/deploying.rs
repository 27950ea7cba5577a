//! The tutorial of the microservice: a job as its author wrote it, and an image that is not there.

use crate::harness::{World, images, need};

#[test]
fn the_microservice_is_deployed_and_logs() {
    need(&[images::MICROSERVICE]);
    let world = World::dev();
    assert_eq!(world.run("nomad status").ok().stdout, "No running jobs\n");
    world.example("microservice.nomad");
    world.run("nomad run microservice.nomad").ok().has(&["Evaluation triggered by job \"microservice-01\""]);
    let allocs = world.running("microservice-01", 1);
    let alloc = allocs[0]["ID"].as_str().unwrap();
    let jobs = world.run("nomad status").ok();
    jobs.has(&["microservice-01  service  50        running"]);
    world.run("nomad status microservice-01").ok().has(&["Microservices"]);
    let address = world.address(&allocs[0], "http");
    assert_eq!(world.page(address, "/"), "Hello from microservice-01@1.0.0");
    world.eventually("the request is logged", || {
        let logs = world.run(&format!("nomad logs {}", &alloc[..8])).ok().stdout;
        (logs.starts_with("yarn start v0.23.4\n$ node .\n") && logs.contains("Called to microservice-01"))
            .then_some(())
    });
    world.run(&format!("nomad alloc-status {alloc}")).ok().has(&[
        "Task \"microservice-01\" is \"running\"",
        "iB/256 MiB",
        &format!("http: {address}"),
        "Recent Events:",
        "Task started by client",
    ]);
    let entries = world.consul("/v1/catalog/service/microservice-01");
    assert_eq!(entries[0]["ServicePort"], address.port(), "no check, so it is there as soon as it runs");
    world.run("nomad stop microservice-01").ok();
}

#[test]
fn an_image_that_is_not_there_is_said_and_tried_again() {
    need(&[]);
    let world = World::dev();
    let text = world.example("microservice.nomad");
    let missing = text.replace("microservice-example:1.0.0", "microservice-example:non-existing");
    let quick = missing.replace(
        "count = \"1\"",
        "count = \"1\"\n    restart {\n      attempts = 1\n      delay = \"1s\"\n      interval = \"5m\"\n      mode = \"delay\"\n    }",
    );
    world.file("microservice.nomad", &quick);
    world.run("nomad run -detach microservice.nomad").ok();
    let alloc = world.eventually("the allocation is there", || {
        world.allocs("microservice-01").first().map(|alloc| alloc["ID"].as_str().unwrap().to_owned())
    });
    let status = world.eventually("the restart policy has its say", || {
        let status = world.run(&format!("nomad alloc status {alloc}")).ok();
        status.stdout.contains("Exceeded allowed attempts").then_some(status)
    });
    status.has(&[
        "Driver Failure",
        "Failed to pull `eridemnet/microservice-example:non-existing`",
        "Restarting",
        "Task restarting in ",
        "Exceeded allowed attempts",
        "applying a delay",
    ]);
    assert_eq!(world.dig("+short microservice-01.service.consul"), "", "what does not run is not found");
}

#[test]
fn commands_answer_under_their_old_names() {
    let world = World::dev();
    let version = world.run("nomad version").ok();
    assert!(!version.stdout.is_empty());
    world.run("nomad node status").ok().has(&[
        "ID",
        "DC",
        "Name",
        "Class",
        "Drain",
        "Eligibility",
        "Status",
        "ready",
    ]);
    world.run("nomad node-status -self").ok().has(&["Driver Status", "raw_exec"]);
    world.run("nomad server members").ok().has(&["Name", "Address", "Status", "alive"]);
    world.run("consul members").ok().has(&["Node", "Address", "Status", "alive"]);
    world.run("consul catalog nodes").ok().has(&["Node"]);
    assert_eq!(world.run("consul job status").code, 127, "consul has no jobs");
    // Flags with one dash or two, before or after a `=`.
    let address = format!("http://{}", world.agent.http);
    for line in [format!("troupe status -address={address}"), format!("troupe status --address {address}")] {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = world.agent.command("troupe");
        command.env_remove("NOMAD_ADDR");
        let output = command.args(&words[1..]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "No running jobs\n", "{line}");
    }
    let mut nobody = world.agent.command("nomad");
    nobody.env("NOMAD_ADDR", "http://127.0.0.1:1");
    let output = nobody.arg("status").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("127.0.0.1:1"), "{output:?}");
}
