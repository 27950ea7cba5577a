//! The servers of a simulation: this very program as `agent`, one process each, with log and fsync on this disk.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::Problem;

/// One server process.
#[derive(Debug)]
struct Server {
    child: Child,
    dir: PathBuf,
    http: SocketAddr,
    rpc: SocketAddr,
}

/// Ends the servers and removes their files when it is dropped.
#[derive(Debug)]
pub(super) struct Servers {
    servers: Vec<Server>,
    dir: PathBuf,
}

/// What the servers have used so far, all together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    pub(super) cpu: Duration,
    /// Of the largest.
    pub(super) rss_bytes: u64,
    /// Of the first: what its log takes on disk.
    pub(super) log_bytes: u64,
}

impl Servers {
    /// Starts them in `dir`, which must not exist.
    pub(super) fn start(count: usize, dir: PathBuf) -> Result<Self, Problem> {
        let words = |error: io::Error| Problem(format!("{} cannot be made: {error}", dir.display()));
        fs::create_dir_all(dir.parent().unwrap_or(Path::new("."))).map_err(words)?;
        fs::create_dir(&dir).map_err(words)?;
        let mut servers = Self { servers: Vec::new(), dir };
        let ports = free_ports(3 * count)?;
        let gossip: Vec<SocketAddr> = ports.chunks(3).map(|ports| ports[2]).collect();
        for (number, ports) in ports.chunks(3).enumerate() {
            let server = servers.start_one(number, count, ports, &gossip)?;
            servers.servers.push(server);
        }
        Ok(servers)
    }

    fn start_one(
        &self,
        number: usize,
        count: usize,
        ports: &[SocketAddr],
        gossip: &[SocketAddr],
    ) -> Result<Server, Problem> {
        let dir = self.dir.join(format!("server-{number}"));
        let words = |error: io::Error| Problem(format!("a server cannot be started: {error}"));
        fs::create_dir_all(&dir).map_err(words)?;
        let config = serde_json::json!({
            "name": format!("sim-server-{number}"),
            "data_dir": dir.join("data"),
            "bind_addr": "127.0.0.1",
            "log_level": "WARN",
            "ports": {
                "http": ports[0].port(), "rpc": ports[1].port(), "serf": ports[2].port(), "consul": -1, "dns": -1,
            },
            "server": {
                "enabled": true,
                "bootstrap_expect": count,
                "retry_join": gossip.iter().map(ToString::to_string).collect::<Vec<_>>(),
            },
        });
        let file = dir.join("agent.json");
        fs::write(&file, config.to_string()).map_err(words)?;
        let log = File::create(dir.join("log")).map_err(words)?;
        let program = std::env::current_exe().map_err(words)?;
        let child = Command::new(program)
            .arg("agent")
            .arg(format!("-config={}", file.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(words)?)
            .stderr(log)
            .spawn()
            .map_err(words)?;
        Ok(Server { child, dir, http: ports[0], rpc: ports[1] })
    }

    /// RPC addresses.
    pub(super) fn rpc(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.rpc.to_string()).collect()
    }

    /// Base URLs of the HTTP API.
    pub(super) fn http(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("http://{}", server.http)).collect()
    }

    /// What a server that ended said last.
    pub(super) fn ended(&mut self) -> Option<String> {
        let ended =
            self.servers.iter_mut().find_map(|server| server.child.try_wait().ok()?.map(|_| &*server))?;
        let log = fs::read_to_string(ended.dir.join("log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(3).collect();
        Some(last.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    pub(super) fn used(&self) -> Used {
        let mut used = Used::default();
        for server in &self.servers {
            let (cpu, rss) = process(server.child.id());
            used.cpu += cpu;
            used.rss_bytes = used.rss_bytes.max(rss);
        }
        used.log_bytes =
            self.servers.first().map_or(0, |server| size_of(&server.dir.join("data/server/raft")));
        used
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // They have nothing to say goodbye to.
            let _ = server.child.kill();
            let _ = server.child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// CPU time so far and resident memory of a process; nothing where `/proc` does not tell.
pub(super) fn process(pid: u32) -> (Duration, u64) {
    let read = |name: &str| {
        let mut text = String::new();
        File::open(format!("/proc/{pid}/{name}")).and_then(|mut file| file.read_to_string(&mut text)).ok()?;
        Some(text)
    };
    // After the name, which may hold anything, the 12th and 13th word are ticks of a hundredth of a second.
    let ticks = read("stat").and_then(|stat| {
        let (_, rest) = stat.rsplit_once(") ")?;
        let words: Vec<&str> = rest.split(' ').collect();
        Some(words.get(11)?.parse::<u64>().ok()? + words.get(12)?.parse::<u64>().ok()?)
    });
    let rss = read("status").and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    });
    (Duration::from_millis(10 * ticks.unwrap_or(0)), 1024 * rss.unwrap_or(0))
}

fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size_of(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Result<Vec<SocketAddr>, Problem> {
    let open =
        || TcpListener::bind("127.0.0.1:0").and_then(|listener| Ok((listener.local_addr()?, listener)));
    let listeners: io::Result<Vec<_>> = (0..count).map(|_| open()).collect();
    let listeners = listeners.map_err(|error| Problem(format!("no free ports: {error}")))?;
    Ok(listeners.into_iter().map(|(address, _)| address).collect())
}
