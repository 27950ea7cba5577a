//! "Containers in Production with Nomad", from "Run a cluster with Nomad with Consul" to the end.
//!
//! The configuration files are those of the lab (docs/lab.md), which stand for the tutorial's: `examples/lab/provision` for
//! Consul as a service of each machine, `examples/lab/tutorial` and `examples` for what is in `/ecs-o4` there and in `~` here.

use super::{address, nodes_ready, ours, placed, rows, running};
use crate::{
    images,
    machine::{Machine, eventually},
    net::Net,
    ran::Ran,
};

struct Lab {
    server: Machine,
    client: Machine,
    client2: Machine,
    // Dropped after the machines.
    _net: Net,
}

impl Lab {
    /// `vagrant up`: on each machine Consul runs as a service, on clients Docker.
    fn start() -> Option<Self> {
        let net = Net::new()?;
        let machine = |name, role, docker| {
            let mut machine = Machine::start(&net, &[name]);
            let (common, role) = (ours("examples/lab/provision/consul-common.hcl"), ours(role));
            let text = format!("{common}{role}").replace("@NAME@", name).replace("@RECURSORS@", "");
            machine.file("consul.d/agent.hcl", &text.replace("@ADDRESS@", &machine.address.to_string()));
            machine.background("consul agent -config-dir=consul.d");
            if docker {
                machine.docker(&[images::WHOAMI, images::TODO_DB, images::TODO_WEB]);
            }
            machine
        };
        let server = machine("server", "examples/lab/provision/consul-server.hcl", false);
        let client = |name| machine(name, "examples/lab/provision/consul-client.hcl", true);
        let (client, client2) = (client("client"), client("client2"));
        let network = {
            let [a, b, c, _] = server.address.octets();
            format!("{a}.{b}.{c}.0/24")
        };
        for (machine, file) in [(&server, "server.hcl"), (&client, "client.hcl"), (&client2, "client.hcl")] {
            let text = ours(&format!("examples/lab/tutorial/{file}"));
            assert!(text.contains("192.168.56.0/24"));
            machine.file(file, &text.replace("192.168.56.0/24", &network));
        }
        Some(Self { server, client, client2, _net: net })
    }

    /// A row of `consul members`.
    fn member(machine: &Machine, status: &str, kind: &str, segment: &str) -> Vec<String> {
        let address = format!("{}:8301", machine.address);
        let build = env!("CARGO_PKG_VERSION");
        [&machine.name, &address, status, kind, build, "2", "dc1", segment].map(String::from).to_vec()
    }
}

/// Waits until `consul members` shows exactly these.
#[track_caller]
fn members(machine: &Machine, expected: &[Vec<String>]) {
    let mut last = Vec::new();
    eventually(&format!("consul members on {} shows {expected:?}", machine.name), || {
        let shown = machine.run("consul members");
        if shown.code == 0 {
            last = rows(&shown.stdout);
            let header = ["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"];
            assert_eq!(last[0], header);
        }
        (last.len() == expected.len() + 1 && expected.iter().all(|row| last.contains(row))).then_some(())
    });
}

/// Waits until `consul catalog services` lists exactly these.
#[track_caller]
fn services(machine: &Machine, expected: &[&str]) {
    eventually(&format!("consul catalog services on {} lists {expected:?}", machine.name), || {
        let listed = machine.run("consul catalog services").stdout;
        (listed.lines().collect::<Vec<_>>() == expected).then_some(())
    });
}

#[test]
fn nomad_runs_beside_a_consul_cluster() {
    let Some(mut lab) = Lab::start() else { return };
    consul_cluster(&lab);
    nomad_cluster(&mut lab);
    whoami(&lab);
    todo_as_one_group(&lab);
    todo_as_two_jobs(&lab);
    a_machine_is_switched_off(&mut lab);
}

/// Run a cluster with Nomad with Consul.
fn consul_cluster(lab: &Lab) {
    let (server, client, client2) = (&lab.server, &lab.client, &lab.client2);
    members(server, &[Lab::member(server, "alive", "server", "<all>")]);
    members(client, &[Lab::member(client, "alive", "client", "<default>")]);
    for joining in [client, client2] {
        let joined = joining.run(&format!("consul join {}", server.address)).ok();
        assert_eq!(joined.stdout, "Successfully joined cluster by contacting 1 nodes.\n");
    }
    for machine in [server, client, client2] {
        let all = [
            Lab::member(server, "alive", "server", "<all>"),
            Lab::member(client, "alive", "client", "<default>"),
            Lab::member(client2, "alive", "client", "<default>"),
        ];
        members(machine, &all);
        services(machine, &["consul"]);
        eventually("each machine has a name", || {
            let found = machine.run("dig @localhost +short client2.node.consul").stdout;
            (found == format!("{}\n", client2.address)).then_some(())
        });
    }
}

/// Start Nomad.
fn nomad_cluster(lab: &mut Lab) {
    lab.server.background("nomad agent -config server.hcl");
    eventually("the server answers", || {
        let nodes = lab.server.run("nomad node status");
        // "The server node is the control plane."
        (nodes.code == 0).then(|| assert_eq!(nodes.stdout, "No nodes registered\n"))
    });
    services(&lab.client, &["consul", "nomad"]);
    lab.client.background("nomad agent -config client.hcl");
    lab.client2.background("nomad agent -config client.hcl");
    let nodes = nodes_ready(&lab.server, 2);
    assert_eq!(nodes[0], ["ID", "Node Pool", "DC", "Name", "Class", "Drain", "Eligibility", "Status"]);
    let mut others: Vec<&[String]> = nodes[1..].iter().map(|row| &row[1..]).collect();
    others.sort_unstable();
    for (row, name) in others.iter().zip(["client", "client2"]) {
        assert_eq!(*row, ["default", "dc1", name, "<none>", "false", "eligible", "ready"]);
    }
    // A node is ready before a busy engine has answered it.
    for node in &nodes[1..] {
        eventually("the node has docker", || {
            let status = lab.server.run(&format!("nomad node status -verbose {}", node[0])).stdout;
            status.contains("driver.docker").then_some(())
        });
    }
    services(&lab.server, &["consul", "nomad", "nomad-client"]);
}

/// Run the who-am-i app, on one node and then on two, and back.
fn whoami(lab: &Lab) {
    let text = ours("examples/whoami.nomad");
    for (count, created) in [(1, 1), (2, 1), (1, 0), (2, 1)] {
        lab.server.file("whoami.nomad", &text.replace("count = 1", &format!("count = {count}")));
        placed(&lab.server.run("nomad job run whoami.nomad").ok(), "whoami", "web", created);
        let (status, allocs) = running(&lab.server, "whoami", count);
        assert_eq!(status.value("Status"), "running");
        for alloc in &allocs {
            let at = address(&lab.server, alloc, "http");
            assert!(at.ends_with(":8080"), "the port of the job file: {at}");
            page(&lab.server, &at, "", "GET / HTTP/1.1");
        }
        eventually("as many are found by name", || {
            let found = lab.server.run("dig @localhost +short whoami.service.consul").stdout;
            (found.lines().count() == count).then_some(())
        });
    }
    page(&lab.server, "whoami.service.consul:8080", "", "GET / HTTP/1.1");
}

/// "Browse to the allocation address."
#[track_caller]
fn page(machine: &Machine, at: &str, path: &str, part: &str) {
    let mut last = String::new();
    eventually(&format!("http://{at}{path} on {} has {part:?}", machine.name), || {
        last = machine.run(&format!("curl -sf -m 5 http://{at}{path}")).stdout;
        last.contains(part).then_some(())
    });
}

/// `nomad job stop`, and nothing of it is found any more.
#[track_caller]
fn stop(lab: &Lab, job: &str) {
    placed(&lab.server.run(&format!("nomad job stop {job}")).ok(), job, "", 0);
    let status = lab.server.run(&format!("nomad job status {job}")).ok();
    assert_eq!(status.value("Status"), "dead (stopped)");
}

/// Distributed apps in Nomad.
fn todo_as_one_group(lab: &Lab) {
    // "Edit todo-list.nomad to add the server IP for DNS lookup."
    let text = ours("examples/todo.nomad").replace("172.17.0.1\"", &format!("{}\"", lab.server.address));
    lab.server.file("todo-list.nomad", &text);
    placed(&lab.server.run("nomad job run todo-list.nomad").ok(), "todo", "todo", 1);
    let (status, allocs) = running(&lab.server, "todo", 1);
    assert_eq!(status.table("Summary")[1], ["todo", "0", "0", "1", "0", "0", "0"]);
    eventually("both tasks run on the same node", || {
        let shown = lab.server.run(&format!("nomad alloc status {}", allocs[0])).ok().stdout;
        let runs = |task: &str| shown.contains(&format!("Task \"{task}\" is \"running\""));
        (runs("db") && runs("web")).then_some(())
    });
    let (db, web) = (address(&lab.server, &allocs[0], "db"), address(&lab.server, &allocs[0], "http"));
    let on = if db.starts_with(&format!("{}:", lab.client.address)) { &lab.client } else { &lab.client2 };
    assert_eq!((db, web.clone()), (format!("{}:5432", on.address), format!("{}:8010", on.address)));

    services(&lab.server, &["consul", "nomad", "nomad-client", "todo-db", "todo-web", "whoami"]);
    let srv = found_at(&lab.server, "dig @localhost +short SRV todo-db.service.consul");
    assert_eq!(srv, format!("1 1 5432 {}.node.dc1.consul.\n", on.name));
    let full = lab.server.run("dig @localhost SRV todo-db.service.consul").ok();
    full.has(&["status: NOERROR", ";todo-db.service.consul.\t\tIN\tSRV", ";; ADDITIONAL SECTION:"]);
    let short = found_at(&lab.server, "dig @localhost +short todo-db.service.dc1.consul");
    assert_eq!(short, format!("{}\n", on.address));

    page(&lab.server, &web, "", "kept in Postgres");
    page(
        &lab.server,
        "todo-web.service.consul:8010",
        "/db",
        &format!("todo-db.service.consul is {}:5432", on.address),
    );
    stop(lab, "todo");
    services(&lab.server, &["consul", "nomad", "nomad-client", "whoami"]);
}

/// What `dig` says, once it says anything: a service is found when its check has passed.
#[track_caller]
fn found_at(machine: &Machine, line: &str) -> String {
    eventually(line, || Some(machine.run(line).stdout).filter(|found| !found.is_empty()))
}

/// V2: database and web application in jobs of their own. The tutorial's second job fetches its settings as an artifact;
/// here they are in the job (docs/lab.md, "Differences").
fn todo_as_two_jobs(lab: &Lab) {
    lab.server.file("todo-list-v2/todo-db.nomad", TODO_DB);
    let run = lab.server.run("cd todo-list-v2; nomad job run todo-db.nomad").ok();
    placed(&run, "todo-db", "db", 1);
    let (status, _) = running(&lab.server, "todo-db", 1);
    assert_eq!(status.table("Summary")[1], ["db", "0", "0", "1", "0", "0", "0"]);

    lab.server
        .file("todo-list-v2/todo-web.nomad", &TODO_WEB.replace("SERVER-IP", &lab.server.address.to_string()));
    let run = lab.server.run("cd todo-list-v2; nomad job run todo-web.nomad").ok();
    placed(&run, "todo-web", "web", 2);
    let (status, allocs) = running(&lab.server, "todo-web", 2);
    assert_eq!(status.table("Summary")[1], ["web", "0", "0", "2", "0", "0", "0"]);
    for alloc in &allocs {
        let at = address(&lab.server, alloc, "http");
        page(&lab.server, &at, "", "kept in Postgres");
        page(&lab.server, &at, "/db", "todo-db.service.consul is ");
    }
}

const TODO_DB: &str = r#"
job "todo-db" {
  datacenters = ["dc1"]
  group "db" {
    network {
      port "db" { static = 5432 }
    }
    task "db" {
      driver = "docker"
      config {
        image = "postgres:11.6-alpine"
        ports = ["db"]
      }
      resources {
        cpu    = 200
        memory = 256
      }
      service {
        name = "todo-db"
        port = "db"
        check {
          type     = "tcp"
          interval = "10s"
          timeout  = "2s"
        }
      }
    }
  }
}
"#;

const TODO_WEB: &str = r#"
job "todo-web" {
  datacenters = ["dc1"]
  group "web" {
    count = 2
    network {
      port "http" { to = 80 }
    }
    task "web" {
      driver = "docker"
      config {
        image       = "diamol/ch06-todo-list"
        ports       = ["http"]
        dns_servers = ["SERVER-IP"]
      }
      env {
        Database__Provider        = "Postgres"
        ConnectionStrings__ToDoDb = "Server=todo-db.service.consul;Database=todo"
      }
      resources {
        cpu    = 100
        memory = 128
      }
      service {
        name = "todo-web"
        port = "http"
      }
    }
  }
}
"#;

/// Not in the tutorial, but in what it promises: the node with the database goes, and the application finds it elsewhere.
fn a_machine_is_switched_off(lab: &mut Lab) {
    let on = found_at(&lab.server, "dig @localhost +short todo-db.service.consul");
    let lost_first = on.trim() == lab.client.address.to_string();
    let (lost, kept) =
        if lost_first { (&mut lab.client, &lab.client2) } else { (&mut lab.client2, &lab.client) };
    lost.power_off();
    eventually("nomad sees that the machine is down", || {
        let table: Ran = lab.server.run("nomad node status").ok();
        let mut rows = rows(&table.stdout).into_iter();
        rows.find(|row| row[3] == lost.name && row[7] == "down").map(drop)
    });
    eventually("consul sees it, too", || {
        let shown = rows(&lab.server.run("consul members").ok().stdout);
        shown.contains(&Lab::member(lost, "failed", "client", "<default>")).then_some(())
    });
    running(&lab.server, "todo-db", 1);
    running(&lab.server, "todo-web", 2);
    eventually("the database is found where it is now", || {
        let found = lab.server.run("dig @localhost +short todo-db.service.consul").stdout;
        (found == format!("{}\n", kept.address)).then_some(())
    });
    let web = found_at(&lab.server, "dig @localhost +short SRV todo-web.service.consul");
    for port in web.lines().filter_map(|line| line.split(' ').nth(2)) {
        let database = format!("todo-db.service.consul is {}:5432", kept.address);
        page(&lab.server, &format!("{}:{port}", kept.address), "/db", &database);
    }
}
