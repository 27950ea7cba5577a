//! `cargo run --release --example bench_faults`: what a cluster of three servers does, as figures; nothing is judged.
//!
//! The agents are real processes on hosts of their own (network namespaces: needs root), their data is on this machine's
//! disk. Arguments choose parts: `failover`, `restart`, `node`, `writes`, `many` (a node of 50 agents). What the figures mean stands in
//! docs/benchmarks.md.

#[expect(dead_code, reason = "shared with the fault tests")]
#[path = "../tests/cluster/cluster.rs"]
mod cluster;
#[expect(dead_code, reason = "shared with the fault tests")]
#[path = "../tests/cluster/host.rs"]
mod host;
#[expect(dead_code, reason = "shared with the fault tests")]
#[path = "../tests/cluster/net.rs"]
mod net;
#[expect(dead_code, reason = "shared with the end-to-end tests")]
#[path = "../tests/e2e/web.rs"]
mod web;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use cluster::{Cluster, INSTANCES, SERVICE, idle_job, wait_until};
use web::Connection;

/// Times that a leader is killed; the median is shown.
const FAILOVERS: usize = 10;
/// Clients where there are many.
const MANY: usize = 47;
/// Times that everything is killed, or a node.
const ROUNDS: usize = 5;
/// Between two fresh attempts to write.
const ATTEMPTS: Duration = Duration::from_millis(5);
/// For each figure of writes.
const WRITING: Duration = Duration::from_secs(5);
/// After this a figure is an error.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|name| name == part);
    let Some(mut cluster) = Cluster::start() else { return };
    if wanted("failover") {
        failover(&mut cluster);
    }
    if wanted("restart") {
        restart(&mut cluster);
    }
    if wanted("node") {
        node(&mut cluster);
    }
    if wanted("writes") {
        writes(&cluster);
    }
    if wanted("many") {
        drop(cluster);
        let Some(mut cluster) = Cluster::start_sized(MANY, |_| {}) else { return };
        node(&mut cluster);
    }
}

/// The program beside this example, built first.
pub(crate) fn program() -> PathBuf {
    let example = std::env::current_exe().expect("this program has a path");
    let profile =
        example.parent().and_then(Path::parent).expect("examples are in a directory of their profile");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--bin", "troupe", "--manifest-path"]);
    build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(build.status().is_ok_and(|status| status.success()), "the program does not build");
    profile.join("troupe")
}

fn say(name: &str, figure: &str) {
    let _ = writeln!(io::stdout(), "{name:<58} {figure}");
}

fn show(name: &str, mut spans: Vec<Duration>) {
    spans.sort_unstable();
    let text = |span: &Duration| format!("{:.2} s", span.as_secs_f64());
    let figure = format!(
        "{} (from {} to {})",
        text(&spans[spans.len() / 2]),
        text(&spans[0]),
        text(spans.last().unwrap())
    );
    say(&format!("{name}, median of {}", spans.len()), &figure);
}

/// How long it takes from now until a write is accepted, with a fresh attempt at one of the servers every few
/// milliseconds: none waits for one before it.
fn until_written(servers: &[SocketAddr]) -> Duration {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let begin = Instant::now();
    let (accepted, written) = mpsc::channel();
    for server in servers.iter().cycle() {
        let (accepted, server) = (accepted.clone(), *server);
        let id = format!("probe-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        std::thread::spawn(move || {
            let connection = Connection::open_within(server, Duration::from_millis(500), PATIENCE);
            let body = idle_job(&id).to_string();
            let answer = connection.and_then(|mut open| open.ask("PUT", "/v1/jobs", body.as_bytes()));
            if answer.is_ok_and(|answer| answer.status == 200) {
                let _ = accepted.send(begin.elapsed());
            }
        });
        if let Ok(after) = written.recv_timeout(ATTEMPTS) {
            return after;
        }
        assert!(begin.elapsed() < PATIENCE, "no write is accepted");
    }
    unreachable!("the servers are asked for ever")
}

/// All servers say the same leader, and have the same state.
fn settled(cluster: &Cluster) {
    wait_until(PATIENCE, "the servers agree", || {
        let says = |path: &str| {
            let said: Vec<_> = cluster.servers.iter().map(|server| server.get(path)).collect();
            (said[0].is_some() && said.windows(2).all(|two| two[0] == two[1])).then_some(())
        };
        says("/v1/status/leader")?;
        says("/v1/jobs?stale&prefix=probe-")
    });
}

fn failover(cluster: &mut Cluster) {
    let mut spans = Vec::new();
    for _ in 0..FAILOVERS {
        settled(cluster);
        let leader = cluster.leader();
        let rest = Cluster::others(leader).map(|server| cluster.servers[server].http());
        cluster.servers[leader].kill9();
        spans.push(until_written(&rest));
        cluster.servers[leader].restart();
    }
    settled(cluster);
    show("leader killed -> first write accepted", spans);
}

fn restart(cluster: &mut Cluster) {
    let mut spans = Vec::new();
    let servers: Vec<SocketAddr> = cluster.servers.iter().map(host::Host::http).collect();
    for _ in 0..ROUNDS {
        settled(cluster);
        cluster.servers.iter_mut().for_each(host::Host::kill9);
        cluster.servers.iter_mut().for_each(host::Host::restart);
        spans.push(until_written(&servers));
    }
    settled(cluster);
    show("all three killed and started -> first write accepted", spans);
}

/// A machine loses power, without a last packet; what ran there runs elsewhere.
fn node(cluster: &mut Cluster) {
    let (mut known, mut replaced) = (Vec::new(), Vec::new());
    let agents = cluster.servers.len() + cluster.clients.len();
    for _ in 0..ROUNDS {
        cluster.nodes_ready(cluster.clients.len());
        // Spread over all again.
        let path = format!("/v1/job/{SERVICE}");
        let answer = cluster.servers[0].ask("DELETE", &path, "").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        wait_until(PATIENCE, "nothing runs", || cluster.processes().is_empty().then_some(()));
        cluster.register_service();
        let processes = cluster.service_runs_once();
        let victim = cluster.clients.iter().position(|client| client.name == processes[0].host);
        let victim = victim.expect("it runs on a client");
        let begin = Instant::now();
        cluster.clients[victim].power_off();
        let mut down = None;
        wait_until(PATIENCE, "the replacement runs", || {
            if down.is_none() && cluster.nodes(0).iter().any(|node| node["Status"] == "down") {
                down = Some(begin.elapsed());
            }
            (cluster.processes().len() == INSTANCES).then_some(())
        });
        replaced.push(begin.elapsed());
        known.push(down.unwrap_or_else(|| begin.elapsed()));
        cluster.clients[victim].restart();
    }
    show(&format!("{agents} agents: node killed -> known to be down"), known);
    show(&format!("{agents} agents: node killed -> replacements running"), replaced);
}

fn writes(cluster: &Cluster) {
    let leader = cluster.leader();
    for (name, server) in [("leader", leader), ("follower", Cluster::others(leader)[0])] {
        for writers in [1, 16, 256] {
            let figure = writes_with(cluster.servers[server].http(), &format!("{name}-{writers}"), writers);
            say(&format!("new jobs through the {name}, {writers} writers"), &figure);
        }
    }
}

fn writes_with(server: SocketAddr, name: &str, writers: usize) -> String {
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..writers)
        .map(|writer| {
            let (stop, name) = (stop.clone(), name.to_owned());
            std::thread::spawn(move || {
                let mut connection = Connection::open(server).expect("a connection");
                let (mut spans, mut refused) = (Vec::new(), 0_u64);
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let body = idle_job(&format!("load-{name}-{writer}-{turn}")).to_string();
                    let begin = Instant::now();
                    match connection.ask("PUT", "/v1/jobs", body.as_bytes()) {
                        Ok(answer) if answer.status == 200 => spans.push(begin.elapsed()),
                        _ => refused += 1,
                    }
                }
                (spans, refused)
            })
        })
        .collect();
    let begin = Instant::now();
    std::thread::sleep(WRITING);
    stop.store(true, Ordering::Relaxed);
    let (mut spans, mut refused) = (Vec::new(), 0);
    for thread in threads {
        let (own, no) = thread.join().expect("a writer");
        spans.extend(own);
        refused += no;
    }
    let took = begin.elapsed();
    spans.sort_unstable();
    if spans.is_empty() {
        return format!("none, {refused} refused");
    }
    let at = |share: usize| spans[(spans.len() * share / 100).min(spans.len() - 1)].as_secs_f64() * 1000.0;
    let rate = f64::from(u32::try_from(spans.len()).unwrap_or(u32::MAX)) / took.as_secs_f64();
    format!("{rate:.0}/s  p50 {:.1} ms  p99 {:.1} ms  refused {refused}", at(50), at(99))
}
