//! Clients are cut off and die: what ran there runs elsewhere, and in the end exactly once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::cluster::{Cluster, INSTANCES, SERVICE, Writers};

#[test]
fn a_client_is_cut_off_for_half_a_minute() {
    let Some(cluster) = Cluster::start() else { return };
    let writers = Writers::start(&cluster);
    let begin = Instant::now();
    cluster.net.partition(&["c1"], &["s1", "s2", "s3", "c2"]);
    let own = cluster.clients[0].processes(SERVICE);
    assert!(!own.is_empty(), "both clients run something");
    // Its tasks go on, and their replacements run on the other one.
    cluster.eventually("the other client runs all instances", || {
        (cluster.clients[1].processes(SERVICE).len() == INSTANCES).then_some(())
    });
    assert_eq!(cluster.clients[0].processes(SERVICE), own, "tasks do not need servers");
    let names: BTreeSet<String> =
        cluster.clients[1].processes(SERVICE).into_iter().map(|process| process.alloc_name).collect();
    assert_eq!(names.len(), INSTANCES, "no instance twice where the servers reach");
    while begin.elapsed() < Duration::from_secs(30) {
        assert_eq!(cluster.clients[1].processes(SERVICE).len(), INSTANCES);
        std::thread::sleep(Duration::from_millis(200));
    }
    cluster.net.heal();
    cluster.nodes_ready(2);
    cluster.service_runs_once();
    cluster.is_well(writers);
}

#[test]
fn a_client_dies_for_good() {
    let Some(mut cluster) = Cluster::start() else { return };
    let writers = Writers::start(&cluster);
    let kept = cluster.clients[1].processes(SERVICE);
    cluster.clients[0].power_off();
    cluster.eventually("the servers know", || {
        cluster.nodes(0).iter().any(|node| node["Status"] == "down").then_some(())
    });
    let running = cluster.service_runs_once();
    assert!(running.iter().all(|process| process.host == "c2"));
    assert!(kept.iter().all(|process| running.contains(process)), "what ran there was left alone");
    cluster.is_well(writers);
}

#[test]
fn the_agent_of_a_client_is_killed_and_started_again() {
    let Some(mut cluster) = Cluster::start() else { return };
    let writers = Writers::start(&cluster);
    let before = cluster.processes();
    cluster.clients[0].kill9();
    cluster.clients[0].restart();
    cluster.nodes_ready(2);
    assert_eq!(cluster.service_runs_once(), before, "adopted, not started a second time");
    cluster.is_well(writers);
}
