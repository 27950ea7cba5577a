//! "Deploying Microservices Transparently in Clusters with Docker and Nomad", parts 1 to 3.

use super::{address, consul, nodes_ready, ours, placed, rows, running};
use crate::{
    images,
    machine::{Machine, eventually},
    net::Net,
    ran::Ran,
};

/// `~/nomad-server.nomad`, without its comments.
const SERVER: &str = r#"
bind_addr = "0.0.0.0"

data_dir =  "/home/ubuntu/nomad-config/"
datacenter =  "dc1"

server =  {
    enabled =  true
    bootstrap_expect =  1
}

consul =  {
    address =  "node-01.local:8500"
}

advertise =  {
    http =  "node-01.local"
    rpc  =  "node-01.local"
    serf =  "node-01.local"
}
"#;

/// `~/nomad-client.nomad`, without its comments.
const CLIENT: &str = r#"
bind_addr = "10.0.0.5"

data_dir =  "/home/ubuntu/nomad-config/"
datacenter =  "dc1"

client =  {
    enabled =  true
    servers = ["node-01.local:4647"]
}

consul =  {
    address =  "node-01.local:8500"
}

advertise =  {
    http =  "node-02.local"
    rpc  =  "node-02.local"
    serf =  "node-02.local"
}
"#;

const JOB: &str = "microservice-job-01.nomad";

struct Lab {
    node_01: Machine,
    clients: [Machine; 2],
    laptop: Machine,
    // Dropped after the machines.
    _net: Net,
}

impl Lab {
    fn start() -> Option<Self> {
        let net = Net::new()?;
        let node = |number: u8| {
            let name = format!("node-0{number}");
            Machine::start(&net, &[&name, &format!("{name}.local")])
        };
        let (node_01, clients) = (node(1), [node(2), node(3)]);
        let laptop = Machine::start(&net, &["laptop"]);
        Some(Self { node_01, clients, laptop, _net: net })
    }

    /// A command typed on one's own computer.
    fn run(&self, line: &str) -> Ran {
        self.laptop.run(line)
    }

    fn client_at(&self, address: &str) -> &Machine {
        let at = |machine: &&Machine| machine.address.to_string() == address;
        self.clients.iter().find(at).unwrap_or_else(|| panic!("{address} is no client"))
    }
}

#[test]
fn microservices_are_deployed_transparently() {
    let Some(mut lab) = Lab::start() else { return };
    part_1(&mut lab);
    strangers_offer_no_catalog(&lab);
    part_2(&lab);
    part_3(&lab);
    part_3_modifying(&lab);
}

/// Configuring the nodes.
fn part_1(lab: &mut Lab) {
    // `docker run --net=host consul`: this is what that image starts.
    lab.node_01.background("consul agent -dev -client 0.0.0.0");
    eventually("http://node-01.local:8500 can be reached", || {
        (lab.laptop.run("curl -sf http://node-01.local:8500").code == 0).then_some(())
    });
    eventually("consul shows itself", || {
        consul(&lab.laptop, "node-01.local", "/v1/catalog/services").get("consul").map(drop)
    });

    lab.node_01.file("nomad-server.nomad", SERVER);
    lab.node_01.background("nomad agent -config=$HOME/nomad-server.nomad");
    let doors = eventually("the server is registered with HTTP, RPC and SERF", || {
        let entries = consul(&lab.laptop, "node-01.local", "/v1/catalog/service/nomad");
        let door = |entry: &serde_json::Value| {
            format!("{} {}:{}", entry["ServiceTags"][0], entry["ServiceAddress"], entry["ServicePort"])
        };
        let mut doors: Vec<String> = entries.as_array()?.iter().map(door).collect();
        doors.sort();
        (doors.len() == 3).then_some(doors)
    });
    let at = lab.node_01.address;
    let expected = [("http", 4646), ("rpc", 4647), ("serf", 4648)];
    assert_eq!(doors, expected.map(|(tag, port)| format!("\"{tag}\" \"{at}\":{port}")));

    let members = eventually("the server leads", || {
        let line = "NOMAD_ADDR=http://node-01.local:4646 nomad server-members";
        let members = lab.laptop.run(line).ok();
        members.stdout.contains("true").then_some(members)
    });
    let printed = "Name            Address      Port  Status  Leader  Protocol  Build  Datacenter  Region\n\
                   node-01.global  12.34.56.78  4648  alive   true    2         0.5.6  dc1         global\n";
    let here = printed.replace("12.34.56.78", &at.to_string()).replace("0.5.6", env!("CARGO_PKG_VERSION"));
    assert_eq!(rows(&members.stdout), rows(&here));

    for client in &mut lab.clients {
        let config = CLIENT.replace("10.0.0.5", &client.address.to_string());
        client
            .file("nomad-client.nomad", &config.replace("node-02.local", &format!("{}.local", client.name)));
        client.docker(&[images::MICROSERVICE]);
        client.background("nomad agent -config=$HOME/nomad-client.nomad");
    }
    lab.laptop.export("NOMAD_ADDR", "http://node-01.local:4646");
    let nodes = nodes_ready(&lab.laptop, 2);
    assert_eq!(nodes[0], ["ID", "Node Pool", "DC", "Name", "Class", "Drain", "Eligibility", "Status"]);
    let mut names: Vec<&str> = nodes[1..].iter().map(|row| row[3].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["node-02", "node-03"]);
    eventually("consul shows both clients", || {
        let clients = consul(&lab.laptop, "node-01.local", "/v1/catalog/service/nomad-client");
        (clients.as_array()?.len() == 2).then_some(())
    });
}

/// What a machine's DNS answers is said by agents of that machine (docs/consul-beside-nomad.md), not by others.
fn strangers_offer_no_catalog(lab: &Lab) {
    let offer = "curl -s -o /dev/null -w '%{http_code}' -X PUT -d '{\"Servers\":[\"10.0.0.1:4647\"]}' \
                 http://node-01.local:8500/v1/agent/troupe/upstream";
    assert_eq!(lab.run(offer).ok().stdout, "403");
}

/// Dockerizing microservices. (The image was built and "pushed" before.)
fn part_2(lab: &Lab) {
    let docker = &lab.clients[0];
    let id = docker.run("docker run -d -p 3000:3000 eridemnet/microservice-example:1.0.0").ok().stdout;
    eventually("the microservice answers", || {
        (docker.run("curl -s http://localhost:3000/").stdout == "Hello from microservice-01@1.0.0")
            .then_some(())
    });
    assert_eq!(docker.run("curl -s http://localhost:3000/health").ok().stdout, "ok");
    docker.run(&format!("docker rm -f {id}")).ok();
}

/// Jobs and tasks.
fn part_3(lab: &Lab) {
    lab.laptop.file(JOB, &ours("examples/microservice.nomad"));
    assert_eq!(lab.run("nomad status").ok().stdout, "No running jobs\n");
    placed(&lab.run(&format!("nomad run {JOB}")).ok(), "microservice-01", "Microservices", 1);

    let jobs = rows(&lab.run("nomad status").ok().stdout);
    assert_eq!(jobs[0][..4], ["ID", "Type", "Priority", "Status"]);
    assert_eq!(jobs[1][..4], ["microservice-01", "service", "50", "running"]);

    let (status, allocs) = running(&lab.laptop, "microservice-01", 1);
    for (name, value) in [
        ("ID", "microservice-01"),
        ("Name", "microservice-01"),
        ("Type", "service"),
        ("Priority", "50"),
        ("Datacenters", "dc1"),
        ("Status", "running"),
        ("Periodic", "false"),
        ("Parameterized", "false"),
    ] {
        assert_eq!(status.value(name), value);
    }
    let summary = "Task Group     Queued  Starting  Running  Failed  Complete  Lost\n\
                   Microservices  0       0         1        0       0         0\n";
    assert_eq!(status.table("Summary"), rows(summary));
    let table = status.table("Allocations");
    assert_eq!(table[0][..6], ["ID", "Node ID", "Task Group", "Version", "Desired", "Status"]);
    assert_eq!(table[1][2..6], ["Microservices", "0", "run", "running"]);

    let alloc = &allocs[0];
    eventually("the service has written its first lines", || {
        (lab.run(&format!("nomad logs {alloc}")).ok().stdout == "yarn start v0.23.4\n$ node .\n")
            .then_some(())
    });
    let shown = lab.run(&format!("nomad alloc-status {alloc}")).ok();
    assert!(shown.value("ID").starts_with(alloc.as_str()));
    for (name, value) in [
        ("Name", "microservice-01.Microservices[0]"),
        ("Node ID", table[1][1].as_str()),
        ("Job ID", "microservice-01"),
        ("Client Status", "running"),
        ("Desired Status", "run"),
        ("Desired Description", "<none>"),
    ] {
        assert_eq!(shown.value(name), value);
    }
    shown.has(&["\nTask \"microservice-01\" is \"running\"\n", "/100 MHz", "/256 MiB", "300 MiB"]);
    assert_eq!(shown.table("Recent Events:")[0], ["Time", "Type", "Description"]);
    shown.has(&[
        "Started     Task started by client",
        "Task Setup  Building Task Directory",
        "Received    Task received by client",
    ]);

    // "We can receive this information automatically from Consul."
    let at = address(&lab.laptop, alloc, "http");
    let (ip, port) = at.rsplit_once(':').unwrap();
    let name = &lab.client_at(ip).name;
    let entries = consul(&lab.laptop, "node-01.local", "/v1/catalog/service/microservice-01");
    let entry = &entries[0];
    assert_eq!(
        (entry["Node"].as_str(), entry["ServiceAddress"].as_str()),
        (Some(name.as_str()), Some(ip)),
        "{entries}"
    );
    assert_eq!(entry["ServicePort"].to_string(), port);
    assert_eq!(entry["ServiceTags"], serde_json::json!(["microservice-01", "microservice-example@1.0.0"]));
    let srv = lab.run("dig +short -p 8600 @node-01.local SRV microservice-01.service.consul").ok().stdout;
    assert_eq!(srv, format!("1 1 {port} {name}.node.dc1.consul.\n"));

    eventually("the microservice answers", || {
        (lab.run(&format!("curl -s http://{name}.local:{port}")).stdout == "Hello from microservice-01@1.0.0")
            .then_some(())
    });
    eventually("the request is logged", || {
        let logs = lab.run(&format!("nomad logs {alloc}")).ok().stdout;
        logs.starts_with("yarn start v0.23.4\n$ node .\nCalled to microservice-01@1.0.0 at ").then_some(())
    });

    placed_nothing(&lab.run("nomad stop microservice-01").ok());
    let jobs = rows(&lab.run("nomad status").ok().stdout);
    assert_eq!(jobs[1][..4], ["microservice-01", "service", "50", "dead (stopped)"]);
    eventually("consul shows it no more", || {
        let services = consul(&lab.laptop, "node-01.local", "/v1/catalog/services");
        (services.get("consul").is_some() && services.get("microservice-01").is_none()).then_some(())
    });
}

fn placed_nothing(stop: &Ran) {
    placed(stop, "microservice-01", "Microservices", 0);
}

/// Modifying and planning jobs, with the index that keeps others' changes.
fn part_3_modifying(lab: &Lab) {
    for client in &lab.clients {
        client
            .run("docker tag eridemnet/microservice-example:1.0.0 eridemnet/microservice-example:1.0.1")
            .ok();
    }
    placed(&lab.run(&format!("nomad run {JOB}")).ok(), "microservice-01", "Microservices", 1);
    let (_, before) = running(&lab.laptop, "microservice-01", 1);
    lab.laptop.file(JOB, &ours("examples/microservice.nomad").replace("example:1.0.0", "example:1.0.1"));

    let stale = lab.run(&format!("nomad run -check-index 1 {JOB}"));
    assert_eq!(stale.code, 1, "somebody changed the job meanwhile: {stale:?}");
    let plan = lab.run(&format!("nomad plan {JOB}"));
    assert_eq!(plan.code, 1, "allocations are replaced: {plan:?}");
    for line in [
        "+/- Task Group: \"Microservices\" (1 create/destroy update)",
        "+/- Task: \"microservice-01\" (forces create/destroy update)",
        "\"eridemnet/microservice-example:1.0.0\" => \"eridemnet/microservice-example:1.0.1\"",
        "- All tasks successfully allocated.",
    ] {
        assert!(plan.stdout.contains(line), "{line}: {plan:?}");
    }
    let index = plan.stdout.lines().find_map(|line| line.strip_prefix("Job Modify Index: ")).unwrap();
    let run = lab.run(&format!("nomad run -check-index {index} {JOB}")).ok();
    placed(&run, "microservice-01", "Microservices", 1);
    let (status, after) = eventually("the new version runs", || {
        let (status, allocs) = running(&lab.laptop, "microservice-01", 1);
        (allocs != before).then_some((status, allocs))
    });
    let row = status.table("Allocations").into_iter().find(|row| row[0] == after[0]).unwrap();
    assert_eq!(row[2..6], ["Microservices", "2", "run", "running"]);
    let at = address(&lab.laptop, &after[0], "http");
    eventually("it answers", || {
        (lab.run(&format!("curl -sf http://{at}/health")).stdout == "ok").then_some(())
    });
    let name = &lab.client_at(at.split(':').next().unwrap()).name;
    let client = lab.clients.iter().find(|client| client.name == *name).unwrap();
    let image = client.run("docker ps --format {{.Image}}").ok().stdout;
    assert_eq!(image, "eridemnet/microservice-example:1.0.1\n");
}
