//! One machine of the small network, and the agent on it.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    net::Net,
    web::{Answer, Connection},
};

/// For a connection within this machine.
const CONNECTING: Duration = Duration::from_secs(1);
/// For an answer. A server without a leader takes its time before it says so.
const ANSWERING: Duration = Duration::from_secs(12);

/// A machine with at most one agent.
pub(crate) struct Host {
    net: Net,
    pub name: String,
    pub address: Ipv4Addr,
    program: PathBuf,
    child: Option<Child>,
    starts: u32,
}

/// A process that an allocation runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub alloc_name: String,
    pub alloc_id: String,
    pub host: String,
    pub pid: u32,
}

impl Host {
    pub(crate) fn new(net: &Net, name: &str, program: &Path) -> Self {
        let address = net.add(name);
        let host = Self {
            net: net.clone(),
            name: name.to_owned(),
            address,
            program: program.to_owned(),
            child: None,
            starts: 0,
        };
        fs::create_dir_all(host.data()).unwrap();
        host
    }

    fn dir(&self) -> PathBuf {
        self.net.dir().join(&self.name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    pub(crate) fn http(&self) -> SocketAddr {
        SocketAddr::from((self.address, 4646))
    }

    pub(crate) fn rpc(&self) -> String {
        format!("{}:4647", self.address)
    }

    /// Starts an agent with this configuration and the machine's own address and directory.
    pub(crate) fn agent(&mut self, config: &str) {
        let text = format!(
            "name = {:?}\ndata_dir = {:?}\nbind_addr = \"{}\"\n{config}",
            self.name,
            self.data(),
            self.address
        );
        fs::write(self.config(), text).unwrap();
        self.restart();
    }

    fn config(&self) -> PathBuf {
        self.dir().join("agent.hcl")
    }

    /// Starts the agent with the configuration it had.
    pub(crate) fn restart(&mut self) {
        assert!(self.has_ended().is_some(), "{}: an agent runs already", self.name);
        self.net.plug(&self.name, true);
        self.starts += 1;
        let log = File::create(self.log_of(self.starts)).unwrap();
        let child = self
            .net
            .inside(&self.name, &self.program)
            .args(["agent", &format!("-config={}", self.config().display())])
            .current_dir(self.dir())
            .env("TMPDIR", self.dir())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("nsenter (package util-linux): {error}")));
    }

    /// kill -9 of the agent. Its tasks go on.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The machine loses power: nobody hears a last word of it.
    pub(crate) fn power_off(&mut self) {
        self.net.plug(&self.name, false);
        self.kill9();
        for pid in self.net.pids(&self.name) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }

    /// How the agent ended; of one that never ran, that it is well.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().map_or(Some(ExitStatus::default()), |child| child.try_wait().unwrap())
    }

    /// The machine is moved: another address, of which the others know nothing.
    pub(crate) fn renumber(&mut self) {
        self.address = self.net.renumber(&self.name);
    }

    /// Puts the agent's directory on a disk of its own. Before the first start.
    pub(crate) fn small_disk(&self, megabytes: u32) {
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(self.data()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "a tmpfs cannot be mounted");
    }

    /// Takes all that is left of it.
    pub(crate) fn fill_disk(&self) {
        let mut ballast = File::create(self.data().join("ballast")).unwrap();
        let block = vec![0; 64 << 10];
        while io::Write::write_all(&mut ballast, &block).is_ok() {}
    }

    pub(crate) fn free_disk(&self) {
        fs::remove_file(self.data().join("ballast")).unwrap();
    }

    /// Of an agent that does not run.
    pub(crate) fn lose_data(&self) {
        fs::remove_dir_all(self.data()).unwrap();
        fs::create_dir_all(self.data()).unwrap();
    }

    fn log_of(&self, start: u32) -> PathBuf {
        self.dir().join(format!("agent-{start}.log"))
    }

    /// What all its agents have written.
    pub(crate) fn log(&self) -> String {
        let logs = (1..=self.starts).map(|start| {
            let text = fs::read(self.log_of(start)).unwrap_or_default();
            format!("--- start {start}\n{}", String::from_utf8_lossy(&text))
        });
        logs.collect()
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        Connection::open_within(self.http(), CONNECTING, ANSWERING)?.ask(method, path, body.as_bytes())
    }

    /// A good answer's body.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.ask("GET", path, "").ok().filter(|answer| answer.status == 200).map(|answer| answer.json())
    }

    /// A command line of the program, named `nomad`, `consul` or `troupe` by its first word, from this machine.
    pub(crate) fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let link = self.net.dir().join(words.next().unwrap());
        let _ = std::os::unix::fs::symlink(&self.program, &link);
        let output = self
            .net
            .inside(&self.name, &link)
            .args(words)
            .env("NOMAD_ADDR", format!("http://{}", self.http()))
            .env("CONSUL_HTTP_ADDR", format!("{}:8500", self.address))
            .output()
            .unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{line}\n{stdout}{stderr}");
        stdout.into_owned()
    }

    /// What allocations of the job run here, by the processes themselves and not by what anybody says.
    pub(crate) fn processes(&self, job: &str) -> Vec<Process> {
        let mut found = Vec::new();
        for pid in self.net.pids(&self.name) {
            let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let value = |name: &str| {
                text.split('\0')
                    .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                    .map(str::to_owned)
            };
            let (Some(alloc_name), Some(alloc_id)) = (value("NOMAD_ALLOC_NAME"), value("NOMAD_ALLOC_ID"))
            else {
                continue;
            };
            // One that has ended and was not waited for runs nothing.
            let zombie =
                fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
            if !zombie && alloc_name.starts_with(&format!("{job}.")) {
                found.push(Process { alloc_name, alloc_id, host: self.name.clone(), pid });
            }
        }
        found
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill9();
    }
}
