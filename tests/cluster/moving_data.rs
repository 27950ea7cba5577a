//! Data that move with their allocation: `ephemeral_disk { migrate = true }`.

use serde_json::{Value, json};

use crate::cluster::{Cluster, job};

const JOB: &str = "diary";

/// Writes where it runs behind what is there already.
fn diary(bytes: usize) -> Value {
    let fill = format!(
        "[ -e $NOMAD_ALLOC_DIR/data/big ] || head -c {bytes} /dev/urandom > $NOMAD_ALLOC_DIR/data/big;"
    );
    let line = format!(
        "{fill} sha1sum < $NOMAD_ALLOC_DIR/data/big > $NOMAD_TASK_DIR/sum.$NOMAD_ALLOC_ID; echo $NOMAD_ALLOC_ID >> $NOMAD_ALLOC_DIR/data/diary; sleep 3600"
    );
    let mut job = job(JOB, "raw_exec", &json!({ "command": "/bin/sh", "args": ["-c", line] }), 1);
    job["Job"]["TaskGroups"][0]["EphemeralDisk"] = json!({ "SizeMB": 100, "Migrate": true });
    job
}

/// Id and node of the allocation that runs, once it has written its name.
#[track_caller]
fn running(cluster: &Cluster, besides: &[&str]) -> (String, String) {
    cluster.eventually("it runs and has written", || {
        let server = &cluster.servers[0];
        let allocs = server.get(&format!("/v1/job/{JOB}/allocations"))?;
        let alloc = allocs.as_array()?.iter().find(|alloc| {
            alloc["ClientStatus"] == "running"
                && alloc["DesiredStatus"] == "run"
                && !besides.contains(&alloc["ID"].as_str().unwrap())
        })?;
        let (id, node) = (alloc["ID"].as_str()?.to_owned(), alloc["NodeID"].as_str()?.to_owned());
        read(cluster, &id, "alloc/data/diary")?.contains(&id).then_some((id, node))
    })
}

fn read(cluster: &Cluster, alloc: &str, path: &str) -> Option<String> {
    let answer = cluster.servers[0].ask("GET", &format!("/v1/client/fs/cat/{alloc}?path={path}"), "").ok()?;
    (answer.status == 200).then_some(answer.body)
}

#[track_caller]
fn has_moved(cluster: &Cluster, first: &str, second: &str) {
    let diary = read(cluster, second, "alloc/data/diary").unwrap();
    assert_eq!(diary, format!("{first}\n{second}\n"));
    // All of it, to the last byte.
    let sum = |of: &str| read(cluster, second, &format!("task/local/sum.{of}")).unwrap();
    assert_eq!(sum(first), sum(second));
}

#[test]
fn a_drain_moves_the_data() {
    let Some(cluster) = Cluster::start() else { return };
    let answer = cluster.servers[0].ask("PUT", "/v1/jobs", &diary(20_000_000).to_string()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (first, node) = running(&cluster, &[]);
    cluster.servers[0].run(&format!("nomad node drain -enable -yes -detach {node}"));
    let (second, other) = running(&cluster, &[&first]);
    assert_ne!(node, other);
    has_moved(&cluster, &first, &second);
    let alloc = cluster.servers[0].get(&format!("/v1/allocation/{second}")).unwrap();
    let events = alloc["TaskStates"]["task"]["Events"].to_string();
    assert!(events.contains(&format!("Fetched the data of allocation {first} from its node")), "{events}");
}

#[test]
fn a_client_that_is_killed_while_it_fetches_begins_again() {
    let Some(mut cluster) = Cluster::start() else { return };
    let answer = cluster.servers[0].ask("PUT", "/v1/jobs", &diary(60_000_000).to_string()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (first, node) = running(&cluster, &[]);
    cluster.servers[0].run(&format!("nomad node drain -enable -yes -detach {node}"));
    let second = cluster.eventually("the next one is there", || {
        let allocs = cluster.servers[0].get(&format!("/v1/job/{JOB}/allocations"))?;
        let next = allocs.as_array()?.iter().find(|alloc| alloc["ID"] != first.as_str())?.clone();
        Some((next["ID"].as_str()?.to_owned(), next["NodeID"].as_str()?.to_owned()))
    });
    let nodes = cluster.nodes(0);
    let name = nodes.iter().find(|node| node["ID"] == second.1.as_str()).unwrap()["Name"].clone();
    let at = cluster.clients.iter().position(|client| name == client.name.as_str()).unwrap();
    cluster.eventually("it has begun to fetch", || {
        let dir = cluster.clients[at].data().join("alloc").join(&second.0);
        dir.exists().then_some(())
    });
    cluster.clients[at].kill9();
    cluster.clients[at].restart();
    let (last, _) = running(&cluster, &[&first]);
    has_moved(&cluster, &first, &last);
    let dir = cluster.clients[at].data().join("alloc").join(&last);
    let left = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".incoming")));
}

#[test]
fn a_dead_node_takes_its_data_along() {
    let Some(mut cluster) = Cluster::start() else { return };
    let answer = cluster.servers[0].ask("PUT", "/v1/jobs", &diary(10).to_string()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (first, node) = running(&cluster, &[]);
    let nodes = cluster.nodes(0);
    let name = nodes.iter().find(|one| one["ID"] == node.as_str()).unwrap()["Name"].clone();
    let at = cluster.clients.iter().position(|client| name == client.name.as_str()).unwrap();
    cluster.clients[at].power_off();
    let (second, _) = running(&cluster, &[&first]);
    assert_eq!(read(&cluster, &second, "alloc/data/diary").unwrap(), format!("{second}\n"));
    let alloc = cluster.servers[0].get(&format!("/v1/allocation/{second}")).unwrap();
    let events = alloc["TaskStates"]["task"]["Events"].to_string();
    assert!(events.contains(&format!("Starting without the data of allocation {first}: ")), "{events}");
}
