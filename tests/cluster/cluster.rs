//! Three servers and two clients from configuration files as people write them, and what must hold after every fault.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    host::{Host, Process},
    net::Net,
    web::Connection,
};

/// For what should take seconds: a loaded machine has time, a hang is noticed.
pub(crate) const SOON: Duration = Duration::from_secs(90);
/// Instances of the service that every test runs.
pub(crate) const INSTANCES: usize = 4;
/// Its job.
pub(crate) const SERVICE: &str = "sleepers";

pub(crate) struct Cluster {
    pub net: Net,
    pub servers: Vec<Host>,
    pub clients: Vec<Host>,
}

impl Cluster {
    /// Servers that have a leader, and clients that are ready, with [`SERVICE`] running. `None`: left out on this machine.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| {})
    }

    /// `prepare` sees each server before it starts.
    pub(crate) fn start_with(prepare: impl Fn(&Host)) -> Option<Self> {
        Self::start_sized(2, prepare)
    }

    /// With so many clients.
    pub(crate) fn start_sized(clients: usize, prepare: impl Fn(&Host)) -> Option<Self> {
        let net = Net::new()?;
        let program = super::program();
        let host = |name: String| Host::new(&net, &name, &program);
        let servers: Vec<Host> = (1..=3).map(|number| host(format!("s{number}"))).collect();
        let clients: Vec<Host> = (1..=clients).map(|number| host(format!("c{number}"))).collect();
        servers.iter().for_each(prepare);
        let mut cluster = Self { net, servers, clients };
        cluster.start_servers();
        let addresses: Vec<String> = cluster.servers.iter().map(Host::rpc).collect();
        let config = client_config(&addresses);
        for client in &mut cluster.clients {
            client.agent(&config);
        }
        cluster.leader();
        cluster.nodes_ready(cluster.clients.len());
        cluster.register_service();
        cluster.service_runs_once();
        Some(cluster)
    }

    /// All servers, each told the addresses of all.
    pub(crate) fn start_servers(&mut self) {
        let addresses: Vec<String> = self.servers.iter().map(|server| server.address.to_string()).collect();
        let config = server_config(&addresses);
        for server in &mut self.servers {
            server.agent(&config);
        }
    }

    pub(crate) fn register_service(&self) {
        let job = job(SERVICE, "raw_exec", &json!({ "command": "/bin/sleep", "args": ["3600"] }), INSTANCES);
        let body = job.to_string();
        let mut last = String::new();
        self.eventually("the service is accepted", || match self.servers[0].ask("PUT", "/v1/jobs", &body) {
            Ok(answer) if answer.status == 200 => Some(()),
            other => {
                last = format!("{other:?}");
                None
            }
        });
    }

    /// Which server leads, once two of them agree on one.
    #[track_caller]
    pub(crate) fn leader(&self) -> usize {
        self.leader_among(&[0, 1, 2])
    }

    /// As two servers of these see it.
    #[track_caller]
    pub(crate) fn leader_among(&self, servers: &[usize]) -> usize {
        self.eventually("a leader", || {
            let said: Vec<String> = servers
                .iter()
                .filter_map(|at| self.servers[*at].get("/v1/status/leader")?.as_str().map(str::to_owned))
                .collect();
            let agreed = |server: &&usize| {
                said.iter().filter(|leader| **leader == self.servers[**server].rpc()).count() >= 2
            };
            servers.iter().find(agreed).copied()
        })
    }

    /// Any server of which `server` is not one.
    pub(crate) fn others(server: usize) -> [usize; 2] {
        [(server + 1) % 3, (server + 2) % 3]
    }

    pub(crate) fn nodes(&self, server: usize) -> Vec<Value> {
        let nodes = self.servers[server].get("/v1/nodes?stale");
        nodes.and_then(|nodes| nodes.as_array().cloned()).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn nodes_ready(&self, count: usize) {
        self.eventually(&format!("{count} nodes are ready"), || {
            let ready = self.nodes(0).iter().filter(|node| node["Status"] == "ready").count();
            (ready == count).then_some(())
        });
    }

    /// Processes of [`SERVICE`] on all clients.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let mut all: Vec<Process> =
            self.clients.iter().flat_map(|client| client.processes(SERVICE)).collect();
        all.sort();
        all
    }

    /// Waits until each instance runs exactly once, in truth and in what every server says.
    #[track_caller]
    pub(crate) fn service_runs_once(&self) -> Vec<Process> {
        self.service_runs_once_says(&[0, 1, 2])
    }

    /// As these servers say.
    #[track_caller]
    pub(crate) fn service_runs_once_says(&self, servers: &[usize]) -> Vec<Process> {
        self.eventually("every instance runs exactly once", || {
            let processes = self.processes();
            let names: BTreeSet<&str> = processes.iter().map(|process| process.alloc_name.as_str()).collect();
            let ids: BTreeSet<String> = processes.iter().map(|process| process.alloc_id.clone()).collect();
            let once = processes.len() == INSTANCES && names.len() == INSTANCES;
            let known = |server: &usize| {
                let allocs = self.servers[*server].get(&format!("/v1/job/{SERVICE}/allocations?stale"));
                let running = allocs.and_then(|allocs| allocs.as_array().cloned()).unwrap_or_default();
                let running = running
                    .into_iter()
                    .filter(|alloc| alloc["ClientStatus"] == "running" && alloc["DesiredStatus"] == "run");
                running.filter_map(|alloc| alloc["ID"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>()
                    == ids
            };
            (once && servers.iter().all(known)).then_some(processes)
        })
    }

    /// Every server takes writes again, and all of them have every write that was acknowledged.
    #[track_caller]
    pub(crate) fn is_well(&self, writers: Writers) {
        let acknowledged = writers.finish();
        assert!(!acknowledged.is_empty(), "nothing was ever written");
        for server in &self.servers {
            let id = format!("after-{}", server.name);
            let mut last = String::new();
            let begin = Instant::now();
            while begin.elapsed() < SOON {
                match server.ask("PUT", "/v1/jobs", &idle_job(&id).to_string()) {
                    Ok(answer) if answer.status == 200 => {
                        last.clear();
                        break;
                    }
                    other => last = format!("{other:?}"),
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(last.is_empty(), "{} takes no writes again: {last}", server.name);
        }
        for server in &self.servers {
            let mut missing = Vec::new();
            let begin = Instant::now();
            while begin.elapsed() < SOON {
                missing = self.missing(server, &acknowledged);
                if missing.is_empty() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(
                missing.is_empty(),
                "{} lacks {} of {} acknowledged writes: {:?}",
                server.name,
                missing.len(),
                acknowledged.len(),
                &missing[..missing.len().min(5)]
            );
        }
    }

    fn missing(&self, server: &Host, acknowledged: &[String]) -> Vec<String> {
        let jobs = server.get("/v1/jobs?stale&prefix=write-").unwrap_or_default();
        let there: BTreeSet<&str> =
            jobs.as_array().into_iter().flatten().filter_map(|job| job["ID"].as_str()).collect();
        acknowledged.iter().filter(|id| !there.contains(id.as_str())).cloned().collect()
    }

    /// Looks until there is something, up to [`SOON`].
    #[track_caller]
    pub(crate) fn eventually<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        wait_until(SOON, what, look)
    }
}

impl Drop for Cluster {
    #[expect(clippy::print_stderr, reason = "shown only with a failed test")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("processes: {:#?}", self.processes());
        for path in ["/v1/status/leader", "/v1/nodes?stale", "/v1/agent/members"] {
            for host in &self.servers {
                let answer = host.ask("GET", path, "");
                eprintln!(
                    "--- {} {path}: {:?}",
                    host.name,
                    answer.map(|answer| (answer.status, answer.body))
                );
            }
        }
        for host in self.servers.iter().chain(&self.clients) {
            let log = host.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(120);
            eprintln!("--- log of {}\n{}", host.name, lines[last..].join("\n"));
        }
    }
}

/// Looks until there is something.
#[track_caller]
pub(crate) fn wait_until<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn server_config(addresses: &[String]) -> String {
    format!("server {{\n  enabled = true\n  bootstrap_expect = 3\n  retry_join = {addresses:?}\n}}\n")
}

pub(crate) fn client_config(servers: &[String]) -> String {
    format!(
        "client {{\n  enabled = true\n  servers = {servers:?}\n  options = {{ \"driver.raw_exec.enable\" = \"1\" }}\n}}\n"
    )
}

/// A service with one small task.
pub(crate) fn job(id: &str, driver: &str, config: &Value, count: usize) -> Value {
    json!({ "Job": {
        "ID": id, "Name": id, "Type": "service", "Datacenters": ["dc1"],
        "TaskGroups": [{
            "Name": "group", "Count": count,
            "EphemeralDisk": { "SizeMB": 10 },
            "Tasks": [{
                "Name": "task", "Driver": driver, "Config": config,
                "Resources": { "CPU": 20, "MemoryMB": 16 },
                "LogConfig": { "MaxFiles": 1, "MaxFileSizeMB": 1 },
            }],
        }],
    }})
}

/// A job of which nothing runs: a write and nothing else.
pub(crate) fn idle_job(id: &str) -> Value {
    job(id, "mock_driver", &json!({ "run_for": "1h" }), 0)
}

/// Registers one job after the other at all servers in turn, and keeps the names of those that were acknowledged.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

/// Between two writes of a writer: a load, not a flood of jobs that the checks must read.
const PACE: Duration = Duration::from_millis(10);

impl Writers {
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let servers: Vec<_> = cluster.servers.iter().map(Host::http).collect();
        let (stop, acknowledged, count) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
            Arc::<AtomicUsize>::default(),
        );
        let writer = |writer: usize| {
            let (servers, stop, acknowledged, count) =
                (servers.clone(), stop.clone(), acknowledged.clone(), count.clone());
            std::thread::spawn(move || {
                let mut connections: Vec<Option<Connection>> = servers.iter().map(|_| None).collect();
                for turn in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let at = (writer + turn) % servers.len();
                    let id = format!("write-{writer}-{turn}");
                    let connection = connections[at].take().map_or_else(
                        || {
                            Connection::open_within(
                                servers[at],
                                Duration::from_millis(200),
                                Duration::from_secs(3),
                            )
                        },
                        Ok,
                    );
                    let Ok(mut connection) = connection else {
                        std::thread::sleep(PACE);
                        continue;
                    };
                    let answer = connection.ask("PUT", "/v1/jobs", idle_job(&id).to_string().as_bytes());
                    // After an error its connection may be anywhere, and the outcome is unknown: neither is used again.
                    let Ok(answer) = answer else { continue };
                    connections[at] = Some(connection);
                    if answer.status == 200 {
                        acknowledged.lock().unwrap().push(id);
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    std::thread::sleep(PACE);
                }
            })
        };
        let threads = (0..4).map(writer).collect();
        let writers = Self { stop, acknowledged, count, threads };
        writers.go_on(20);
        writers
    }

    /// Waits until so many more writes are acknowledged.
    #[track_caller]
    pub(crate) fn go_on(&self, more: usize) {
        let before = self.acknowledged();
        wait_until(SOON, &format!("{more} further writes"), || {
            (self.acknowledged() >= before + more).then_some(())
        });
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Ends them; the names of all acknowledged jobs.
    fn finish(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
