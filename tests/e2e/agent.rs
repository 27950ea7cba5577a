//! Starts and ends real agents, for tests, the demo and the benchmark.

use std::{
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use super::web;

/// How long an agent may take from exec to its first answer.
const START: Duration = Duration::from_secs(20);

/// A running `troupe agent` in a directory of its own, on ports that the system chose.
pub(crate) struct Agent {
    pub dir: PathBuf,
    program: PathBuf,
    flags: Vec<String>,
    child: Child,
    pub http: SocketAddr,
    pub consul: SocketAddr,
    pub dns: SocketAddr,
    /// From exec to the first good answer of the HTTP API.
    pub ready_after: Duration,
    dev: bool,
    starts: u32,
}

impl Agent {
    /// Starts an agent with these flags and waits until it answers. `dir` must exist; the agent's logs go there.
    ///
    /// # Errors
    /// In words, with the agent's output.
    pub(crate) fn start(program: &Path, dir: &Path, flags: &[&str]) -> Result<Self, String> {
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        let child = launch(program, dir, &flags, 1)?;
        let mut agent = Self {
            dir: dir.to_owned(),
            program: program.to_owned(),
            dev: flags.iter().any(|flag| flag.trim_start_matches('-') == "dev"),
            flags,
            child,
            http: none,
            consul: none,
            dns: none,
            ready_after: Duration::ZERO,
            starts: 1,
        };
        agent.wait_ready()?;
        Ok(agent)
    }

    /// Starts it again with the same flags, after [`Agent::kill`].
    pub(crate) fn start_again(&mut self) -> Result<(), String> {
        self.starts += 1;
        self.child = launch(&self.program, &self.dir, &self.flags, self.starts)?;
        self.wait_ready()
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let output = self.output();
            // The agent says where it listens once all of it is up.
            if output.contains("agent started!") {
                let address = |mark: &str| {
                    let line = output.lines().find(|line| line.contains(mark)).unwrap_or_default();
                    line.split_whitespace().find_map(|word| word.parse::<SocketAddr>().ok())
                };
                let found = (address("(Nomad API)"), address("(Consul API)"), address(" DNS: "));
                let (Some(http), Some(consul), Some(dns)) = found else {
                    return Err(format!("the agent does not say where it listens:\n{output}"));
                };
                (self.http, self.consul, self.dns) = (http, consul, dns);
                let says = |path: &str, text: &str| {
                    web::get(http, path)
                        .is_ok_and(|answer| answer.status == 200 && answer.body.contains(text))
                };
                // The node of a dev agent registers with its own server as with any other.
                if says("/v1/status/leader", "") && (!self.dev || says("/v1/nodes", "\"ready\"")) {
                    self.ready_after = begin.elapsed();
                    return Ok(());
                }
            }
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("the agent ended ({status}):\n{}", self.output()));
            }
            if begin.elapsed() > START {
                return Err(format!("the agent is not ready after {START:?}:\n{}", self.output()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.join(format!("agent-{}.log", self.starts))
    }

    /// All that this start of the agent has written.
    pub(crate) fn output(&self) -> String {
        fs::read(self.log()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A command line of this program against this agent, under any name (`nomad`, `consul`).
    pub(crate) fn command(&self, name: &str) -> Command {
        let bin = self.dir.join("bin");
        let link = bin.join(name);
        let made = fs::create_dir_all(&bin).and_then(|()| std::os::unix::fs::symlink(&self.program, &link));
        assert!(made.is_ok() || link.exists(), "{} cannot be made", link.display());
        let mut command = Command::new(link);
        command
            .current_dir(&self.dir)
            .env("NOMAD_ADDR", format!("http://{}", self.http))
            .env("CONSUL_HTTP_ADDR", self.consul.to_string())
            .env_remove("NOMAD_NAMESPACE")
            .env_remove("NOMAD_REGION")
            .stdin(Stdio::null());
        command
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end and waits for that.
    pub(crate) fn terminate(&mut self, patience: Duration) -> Option<ExitStatus> {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn alloc_ids(&self) -> Vec<String> {
        let allocs = web::get(self.http, "/v1/allocations").map(|answer| answer.json()).unwrap_or_default();
        let ids = allocs.as_array().map(Vec::as_slice).unwrap_or_default().iter();
        ids.filter_map(|alloc| alloc["ID"].as_str().map(str::to_owned)).collect()
    }

    fn stop_jobs(&self) {
        let jobs = web::get(self.http, "/v1/jobs").map(|answer| answer.json()).unwrap_or_default();
        for job in jobs.as_array().map(Vec::as_slice).unwrap_or_default() {
            let _ =
                web::ask(self.http, "DELETE", &format!("/v1/job/{}", job["ID"].as_str().unwrap_or("")), "");
        }
    }
}

fn launch(program: &Path, dir: &Path, flags: &[String], start: u32) -> Result<Child, String> {
    let words = |error: io::Error| format!("{}: {error}", program.display());
    let log = File::create(dir.join(format!("agent-{start}.log"))).map_err(words)?;
    let mut command = Command::new(program);
    command.arg("agent").args(flags);
    for port in ["http", "consul", "rpc", "gossip", "dns"] {
        command.arg(format!("-{port}-port=0"));
    }
    // Whom it believes over TLS, if not those that the machine does.
    let authorities = dir.join("authorities.pem");
    if authorities.exists() {
        command.env("SSL_CERT_FILE", authorities);
    }
    command
        .current_dir(dir)
        .env("TMPDIR", dir)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(words)?)
        .stderr(log)
        // In our process group, so that whoever ends the tests ends the agent, too.
        .spawn()
        .map_err(words)
}

impl Drop for Agent {
    /// Nothing of the agent stays: no process, no container.
    fn drop(&mut self) {
        let allocs = self.alloc_ids();
        if matches!(self.child.try_wait(), Ok(None)) {
            if !self.dev {
                // Tasks outlive such an agent.
                self.stop_jobs();
            }
            if self.terminate(Duration::from_secs(10)).is_none() {
                self.kill();
            }
        }
        for alloc in allocs {
            remove_containers(&alloc);
        }
        end_processes_of(&self.dir);
    }
}

/// Containers carry the id of their allocation in their name.
fn remove_containers(alloc: &str) {
    let list = ["ps", "-aq", "--filter", &format!("name={alloc}")];
    let Ok(found) = Command::new("docker").args(list).output() else { return };
    for container in String::from_utf8_lossy(&found.stdout).split_whitespace() {
        let _ = Command::new("docker").args(["rm", "-f", container]).output();
    }
}

/// Ends what was started in the agent's directory and is still there: a supervisor and its tasks.
fn end_processes_of(dir: &Path) {
    let mark = dir.to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let holds = |file: &str| {
            fs::read(entry.path().join(file))
                .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&mark))
        };
        if holds("cmdline") || holds("environ") {
            let _ = Command::new("kill").args(["-9", &name]).stderr(Stdio::null()).status();
        }
    }
}
