//! What the tests share: an agent per test, the commands of the tutorials, and waiting for a condition.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;

pub(crate) use super::{
    agent::Agent,
    images,
    ran::{Ran, ran},
    web,
};

/// For what should take a moment: a loaded machine has time, a hang is noticed.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// An agent with its directory; on failure its log is shown.
pub(crate) struct World {
    pub agent: Agent,
    // Dropped after the agent.
    dir: tempfile::TempDir,
}

impl World {
    /// `troupe agent -dev`.
    pub(crate) fn dev() -> Self {
        Self::with(&["-dev"], |_| String::new())
    }

    /// An agent with these flags and a configuration file. Ports of tasks come from a range that no other test uses.
    pub(crate) fn with(flags: &[&str], config: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::Builder::new().prefix("troupe-e2e-").tempdir().unwrap();
        let low = 20000 + std::process::id() % 100 * 120;
        let ports =
            format!("client {{\n  min_dynamic_port = {low}\n  max_dynamic_port = {}\n}}\n", low + 119);
        let text = format!("{ports}{}", config(dir.path()));
        let file = dir.path().join("agent.hcl");
        fs::write(&file, text).unwrap();
        let mut all = flags.to_vec();
        let file = format!("-config={}", file.display());
        all.push(&file);
        let agent = Agent::start(Path::new(env!("CARGO_BIN_EXE_troupe")), dir.path(), &all);
        Self { agent: agent.unwrap_or_else(|problem| panic!("{problem}")), dir }
    }

    /// Server and client with a directory that stays, as on a machine.
    pub(crate) fn kept() -> Self {
        Self::with(&[], |dir| {
            format!(
                "data_dir = {:?}\nbind_addr = \"127.0.0.1\"\nserver {{\n  enabled = true\n  bootstrap_expect = 1\n}}\n\
                 client {{\n  enabled = true\n  options = {{ \"driver.raw_exec.enable\" = \"1\" }}\n}}\n",
                dir.join("data")
            )
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A job file of the repository, as it is, in the directory where commands run.
    pub(crate) fn example(&self, name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let text = fs::read_to_string(path).unwrap();
        self.file(name, &text);
        text
    }

    /// A command line, its first word being `troupe`, `nomad` or `consul`.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let mut words = line.split_whitespace();
        let mut command = self.agent.command(words.next().unwrap());
        ran(line, command.args(words))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = web::get(self.agent.http, path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn consul(&self, path: &str) -> Value {
        let answer = web::get(self.agent.consul, path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// `dig @agent` with these words.
    pub(crate) fn dig(&self, words: &str) -> String {
        let server = format!("@{}", self.agent.dns.ip());
        let port = self.agent.dns.port().to_string();
        let line = ["+tries=1", "+time=5", "+nocookie"];
        ran(words, Command::new("dig").args([&server, "-p", &port]).args(line).args(words.split_whitespace()))
            .ok()
            .stdout
    }

    /// Allocations of a job, newest first, as the API lists them.
    pub(crate) fn allocs(&self, job: &str) -> Vec<Value> {
        let mut allocs =
            self.get(&format!("/v1/job/{job}/allocations")).as_array().cloned().unwrap_or_default();
        allocs.sort_by_key(|alloc| std::cmp::Reverse(alloc["CreateIndex"].as_u64()));
        allocs
    }

    /// Waits until so many allocations of the job run, and nothing else of it does.
    #[track_caller]
    pub(crate) fn running(&self, job: &str, count: usize) -> Vec<Value> {
        self.eventually(&format!("{count} allocations of {job} run"), || {
            let mut allocs = self.allocs(job);
            allocs.retain(|alloc| alloc["ClientStatus"] == "running" && alloc["DesiredStatus"] == "run");
            (allocs.len() == count).then_some(allocs)
        })
    }

    /// Address of a port of an allocation, as `status` shows it.
    #[track_caller]
    pub(crate) fn address(&self, alloc: &Value, label: &str) -> SocketAddr {
        let alloc = self.get(&format!("/v1/allocation/{}", alloc["ID"].as_str().unwrap()));
        let text = alloc.to_string();
        let ports = text.split(&format!("\"Label\":\"{label}\"")).collect::<Vec<_>>();
        assert!(ports.len() > 1, "no port {label} in {text}");
        let id = alloc["ID"].as_str().unwrap();
        let shown = self.run(&format!("troupe alloc status {id}")).ok().stdout;
        let found = shown.split(&format!("{label}: ")).nth(1).and_then(|rest| rest.split_whitespace().next());
        found
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("no address of {label} in\n{shown}"))
    }

    /// The answer of a service at an address, once it gives one.
    #[track_caller]
    pub(crate) fn page(&self, address: SocketAddr, path: &str) -> String {
        self.eventually(&format!("{address}{path} answers"), || {
            web::get(address, path).ok().filter(|answer| answer.status == 200).map(|answer| answer.body)
        })
    }

    #[track_caller]
    pub(crate) fn eventually<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        eventually(what, look)
    }
}

impl Drop for World {
    #[expect(clippy::print_stderr, reason = "shown only with a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut all = String::new();
            for path in ["/v1/jobs", "/v1/evaluations", "/v1/allocations"] {
                let body = web::get(self.agent.http, path)
                    .map_or_else(|error| error.to_string(), |found| found.body);
                writeln!(all, "--- {path}\n{body}").unwrap();
            }
            eprintln!("{all}--- log of the agent\n{}", self.agent.output());
        }
    }
}

/// Looks until there is something, up to [`SOON`].
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn docker(words: &[&str]) -> String {
    ran(&format!("docker {}", words.join(" ")), Command::new("docker").args(words))
        .ok()
        .stdout
        .trim()
        .to_owned()
}

/// Images that a test needs.
pub(crate) fn need(images: &[images::Image]) {
    images::ensure(images).unwrap_or_else(|problem| {
        panic!("the images of the tests cannot be made; a Docker Engine is needed: {problem}")
    });
}

/// A port that is free now and that nobody takes by chance: below those that agents give to tasks and the kernel to
/// connections, from a place that each test process has for itself.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let at =
            std::process::id().wrapping_mul(16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST + at as u16;
        if std::net::TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}
