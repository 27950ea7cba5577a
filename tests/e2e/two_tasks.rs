//! The series on containers: whoami on a published port, and the to-do list with two tasks in one group.

use std::net::SocketAddr;

use crate::harness::{World, docker, free_port, images, need};

fn with_free_ports(text: &str, ports: &[&str]) -> (String, Vec<u16>) {
    let mut text = text.to_owned();
    let mut free = Vec::new();
    for port in ports {
        let chosen = free_port();
        let line = format!("static = {port}");
        assert!(text.contains(&line), "{line} in {text}");
        text = text.replace(&line, &format!("static = {chosen}"));
        free.push(chosen);
    }
    (text, free)
}

#[test]
fn whoami_is_published_and_replaced() {
    need(&[images::WHOAMI]);
    let world = World::dev();
    let (text, ports) = with_free_ports(&world.example("whoami.nomad"), &["8080"]);
    let quick = text.replace("group \"web\" {", "group \"web\" {\n    restart { delay = \"1s\" }");
    world.file("whoami.nomad", &quick);
    world.run("nomad job run whoami.nomad").ok();
    let allocs = world.running("whoami", 1);
    let address = SocketAddr::from(([127, 0, 0, 1], ports[0]));
    let page = world.page(address, "/");
    assert!(page.starts_with("Hostname: ") && page.contains("GET / HTTP/1.1"), "{page}");

    let name = format!("name={}", allocs[0]["ID"].as_str().unwrap());
    let container = docker(&["ps", "-q", "--filter", &name]);
    docker(&["rm", "-f", &container]);
    world.eventually("another container answers on the same port", || {
        let now = docker(&["ps", "-q", "--filter", &name]);
        (!now.is_empty() && now != container).then_some(())
    });
    world.page(address, "/");
    world.run("nomad status whoami").ok().has(&["running"]);
}

#[test]
fn the_todo_list_runs_as_one_group() {
    need(&[images::TODO_DB, images::TODO_WEB]);
    let world = World::dev();
    let (text, ports) = with_free_ports(&world.example("todo.nomad"), &["5432", "8010"]);
    world.file("todo.nomad", &text);
    world.run("nomad job run todo.nomad").ok();
    let allocs = world.running("todo", 1);
    let alloc = allocs[0]["ID"].as_str().unwrap();
    let status = world.eventually("both tasks run", || {
        let status = world.run(&format!("nomad alloc status {alloc}")).ok();
        let both = ["db", "web"]
            .iter()
            .all(|task| status.stdout.contains(&format!("Task \"{task}\" is \"running\"")));
        both.then_some(status)
    });
    status.has(&[&format!("{}", ports[0]), &format!("{}", ports[1])]);
    assert!(world.page(SocketAddr::from(([127, 0, 0, 1], ports[1])), "/").contains("kept in Postgres"));
    world.eventually("the web task has logged the request", || {
        let logs = world.run(&format!("nomad alloc logs {alloc} web")).ok();
        logs.stdout.contains("GET / HTTP/1.1").then_some(())
    });
    let unclear = world.run(&format!("nomad alloc logs {alloc}"));
    assert_eq!(unclear.code, 1, "two tasks: which one? {unclear:?}");
    assert!(unclear.stderr.contains("db") && unclear.stderr.contains("web"), "{unclear:?}");
    world.eventually("the database is in DNS", || {
        world.dig("+short SRV todo-db.service.consul").contains(&format!(" {} ", ports[0])).then_some(())
    });
    assert_eq!(world.dig("+short todo-db.service.dc1.consul"), "127.0.0.1\n");
    world.run("consul catalog services").ok().has(&["todo-db", "todo-web"]);
    world.run("nomad job stop todo").ok();
    world.eventually("both containers are gone", || {
        docker(&["ps", "-aq", "--filter", &format!("name={alloc}")]).is_empty().then_some(())
    });
}
