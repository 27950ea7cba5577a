//! Servers die, are cut off, move, and lose disk or data. What was acknowledged stays, what runs goes on.

use crate::cluster::{Cluster, SOON, Writers, wait_until};

#[test]
fn the_leader_is_killed_under_write_load() {
    let Some(mut cluster) = Cluster::start() else { return };
    let running = cluster.processes();
    let writers = Writers::start(&cluster);
    let leader = cluster.leader();
    cluster.servers[leader].kill9();
    let rest = Cluster::others(leader);
    assert_ne!(cluster.leader_among(&rest), leader);
    writers.go_on(50);
    cluster.servers[leader].restart();
    writers.go_on(50);
    cluster.is_well(writers);
    assert_eq!(cluster.service_runs_once(), running, "no task noticed anything");
}

#[test]
fn the_leader_is_cut_off() {
    let Some(cluster) = Cluster::start() else { return };
    let running = cluster.processes();
    let writers = Writers::start(&cluster);
    let leader = cluster.leader();
    let rest = Cluster::others(leader);
    let name = |at: usize| cluster.servers[at].name.as_str();
    cluster.net.partition(&[name(leader)], &[name(rest[0]), name(rest[1]), "c1", "c2"]);
    assert_ne!(cluster.leader_among(&rest), leader);
    // They try the server that is cut off, too, and wait there; what it acknowledged would have to be there at the end.
    writers.go_on(30);
    cluster.net.heal();
    writers.go_on(50);
    cluster.is_well(writers);
    cluster.leader_among(&[0, 1, 2]);
    assert_eq!(cluster.service_runs_once(), running, "no task noticed anything");
}

#[test]
fn a_majority_is_killed_and_comes_back() {
    let Some(mut cluster) = Cluster::start() else { return };
    let running = cluster.processes();
    let writers = Writers::start(&cluster);
    let leader = cluster.leader();
    let [one, other] = Cluster::others(leader);
    cluster.servers[leader].kill9();
    cluster.servers[one].kill9();
    // The last one must come to know that it can decide nothing.
    cluster.eventually("the server that is left has no leader", || {
        cluster.servers[other].get("/v1/status/leader").filter(|leader| leader == "").or_else(|| {
            let answer = cluster.servers[other].ask("GET", "/v1/status/leader", "").ok()?;
            (answer.status >= 500).then(serde_json::Value::default)
        })
    });
    let stale = cluster.servers[other].get("/v1/jobs?stale").expect("stale reads are answered");
    assert!(stale.as_array().is_some_and(|jobs| !jobs.is_empty()));
    cluster.servers[leader].restart();
    cluster.servers[one].restart();
    writers.go_on(50);
    cluster.is_well(writers);
    assert_eq!(cluster.service_runs_once(), running, "no task noticed anything");
}

#[test]
fn all_servers_are_killed_at_once() {
    let Some(mut cluster) = Cluster::start() else { return };
    let running = cluster.processes();
    let writers = Writers::start(&cluster);
    for server in &mut cluster.servers {
        server.kill9();
    }
    for server in &mut cluster.servers {
        server.restart();
    }
    writers.go_on(50);
    cluster.is_well(writers);
    assert_eq!(cluster.service_runs_once(), running, "no task noticed anything");
}

#[test]
fn all_servers_are_killed_at_once_and_come_back_with_new_addresses() {
    let Some(mut cluster) = Cluster::start() else { return };
    let writers = Writers::start(&cluster);
    let before = cluster.processes();
    for server in &mut cluster.servers {
        server.kill9();
    }
    for server in &mut cluster.servers {
        server.renumber();
    }
    cluster.start_servers();
    cluster.leader();
    // The clients have a list of addresses at which nobody is any more: as after any move, they are told the new ones.
    let addresses: Vec<String> = cluster.servers.iter().map(crate::host::Host::rpc).collect();
    for client in &mut cluster.clients {
        client.kill9();
        client.agent(&crate::cluster::client_config(&addresses));
    }
    cluster.nodes_ready(2);
    cluster.is_well(writers);
    assert_eq!(cluster.service_runs_once(), before, "no task noticed anything");
}

#[test]
fn a_fifth_of_all_packets_is_lost() {
    let Some(cluster) = Cluster::start() else { return };
    let running = cluster.processes();
    cluster.net.loss(20);
    let writers = Writers::start(&cluster);
    writers.go_on(40);
    for server in 0..3 {
        let down = cluster.nodes(server).iter().filter(|node| node["Status"] != "ready").count();
        assert_eq!(down, 0, "nobody is taken for dead");
    }
    cluster.net.loss(0);
    cluster.is_well(writers);
    assert_eq!(cluster.service_runs_once(), running, "no task noticed anything");
}

#[test]
fn the_disk_of_the_leader_is_full() {
    let Some(mut cluster) = Cluster::start_with(|server| server.small_disk(48)) else { return };
    let running = cluster.processes();
    let writers = Writers::start(&cluster);
    let leader = cluster.leader();
    let rest = Cluster::others(leader);
    cluster.servers[leader].fill_disk();
    cluster.eventually("another server leads", || {
        let said = cluster.servers[rest[0]].get("/v1/status/leader")?;
        let said = said.as_str()?;
        rest.iter().find(|server| cluster.servers[**server].rpc() == said).copied()
    });
    writers.go_on(100);
    // It ends rather than lead on without a log, and says why.
    wait_until(SOON, "it has ended", || cluster.servers[leader].has_ended());
    let log = cluster.servers[leader].log();
    assert!(log.contains("==> Error: ") && log.contains("No space left on device"), "{log}");
    cluster.servers[leader].free_disk();
    // As whatever starts agents on a machine does with one that ended.
    cluster.servers[leader].restart();
    writers.go_on(50);
    cluster.is_well(writers);
    assert_eq!(cluster.service_runs_once(), running, "no task noticed anything");
}

#[test]
fn a_server_loses_its_data() {
    let Some(mut cluster) = Cluster::start() else { return };
    let running = cluster.processes();
    let writers = Writers::start(&cluster);
    let leader = cluster.leader();
    let [one, _] = Cluster::others(leader);
    cluster.servers[one].kill9();
    cluster.servers[one].lose_data();
    writers.go_on(30);
    cluster.servers[one].restart();
    writers.go_on(30);
    cluster.is_well(writers);
    assert_eq!(cluster.service_runs_once(), running, "no task noticed anything");
}
