//! What an agent is told: defaults, then files, then flags.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use model::Capacity;

use super::config_file;
use crate::cli::AgentArgs;

/// The whole configuration of an agent, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Server and client on loopback in a directory that is thrown away.
    pub dev: bool,
    pub server: bool,
    pub client: bool,
    /// Default: the host name.
    pub name: String,
    pub region: String,
    pub datacenter: String,
    /// Everything that is kept. A dev agent gets a temporary one.
    pub data_dir: PathBuf,
    pub alloc_dir: Option<PathBuf>,
    pub bind: IpAddr,
    /// The address under which tasks' ports are published; `None`: that of the machine.
    pub node_address: Option<String>,
    pub log_level: String,
    pub log_json: bool,
    pub http_port: u16,
    pub rpc_port: u16,
    pub gossip_port: u16,
    pub consul_port: u16,
    pub dns_port: u16,
    /// DNS servers that are asked for names that are not ours.
    pub recursors: Vec<String>,
    /// Domain of our own names. Default: `consul`.
    pub domain: String,
    pub node_class: String,
    pub meta: BTreeMap<String, String>,
    pub reserved: Capacity,
    pub reserved_ports: Vec<u16>,
    pub dynamic_ports: (u16, u16),
    /// Overrides of the fingerprint; 0: as found.
    pub cpu_total_mhz: u32,
    pub memory_total_mb: u32,
    /// Whether `raw_exec` tasks may run here. Default: only in dev mode.
    pub raw_exec: bool,
    pub docker: bool,
    /// Path of the Docker Engine's socket.
    pub docker_socket: PathBuf,
    /// Whether containers may mount paths of the host. Default: no.
    pub docker_volumes: bool,
    /// The mock driver, for tests and benchmarks. Default: only in dev mode.
    pub mock: bool,
    /// Threads that plan. Default: number of cores.
    pub schedulers: usize,
}

impl Config {
    fn defaults() -> Self {
        Self {
            dev: false,
            server: false,
            client: false,
            name: nix::unistd::gethostname()
                .ok()
                .and_then(|name| name.into_string().ok())
                .unwrap_or_else(|| String::from("localhost")),
            region: "global".into(),
            datacenter: "dc1".into(),
            data_dir: PathBuf::new(),
            alloc_dir: None,
            bind: IpAddr::from([0, 0, 0, 0]),
            node_address: None,
            log_level: "info".into(),
            log_json: false,
            http_port: 4646,
            rpc_port: 4647,
            gossip_port: 4648,
            consul_port: 8500,
            dns_port: 8600,
            recursors: Vec::new(),
            domain: "consul".into(),
            node_class: String::new(),
            meta: BTreeMap::new(),
            reserved: Capacity::default(),
            reserved_ports: Vec::new(),
            dynamic_ports: (20000, 32000),
            cpu_total_mhz: 0,
            memory_total_mb: 0,
            raw_exec: false,
            docker: true,
            docker_socket: "/var/run/docker.sock".into(),
            docker_volumes: false,
            mock: false,
            schedulers: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    fn dev() -> Self {
        Self {
            dev: true,
            server: true,
            client: true,
            bind: IpAddr::from([127, 0, 0, 1]),
            node_address: Some("127.0.0.1".into()),
            raw_exec: true,
            mock: true,
            ..Self::defaults()
        }
    }

    /// Puts together what files and flags say.
    ///
    /// # Errors
    /// All problems at once, each with its file and line or its flag.
    pub fn load(args: &AgentArgs) -> Result<Self, Vec<String>> {
        let mut config = if args.dev { Self::dev() } else { Self::defaults() };
        let mut problems = Vec::new();
        for path in &args.config {
            match sources(path) {
                Ok(files) => {
                    for (name, text) in files {
                        problems.extend(config_file::apply(&mut config, &name, &text));
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        config.apply_args(args, &mut problems);
        config.check(&mut problems);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn apply_args(&mut self, args: &AgentArgs, problems: &mut Vec<String>) {
        self.server |= args.server;
        self.client |= args.client;
        self.log_json |= args.log_json;
        set(&mut self.data_dir, &args.data_dir);
        set(&mut self.datacenter, &args.datacenter);
        set(&mut self.region, &args.region);
        set(&mut self.name, &args.node);
        set(&mut self.node_class, &args.node_class);
        set(&mut self.log_level, &args.log_level);
        set(&mut self.http_port, &args.http_port);
        set(&mut self.rpc_port, &args.rpc_port);
        set(&mut self.gossip_port, &args.gossip_port);
        set(&mut self.consul_port, &args.consul_port);
        set(&mut self.dns_port, &args.dns_port);
        if args.alloc_dir.is_some() {
            self.alloc_dir.clone_from(&args.alloc_dir);
        }
        self.meta.extend(args.meta.clone());
        if let Some(bind) = &args.bind {
            match bind.parse() {
                Ok(address) => self.bind = address,
                Err(_) => problems.push(format!("flag -bind: {bind:?} is not an IP address")),
            }
        }
        if args.bootstrap_expect.is_some_and(|servers| servers != 1) {
            problems.push(cluster("flag -bootstrap-expect", "only a single server (1)"));
        }
        let joins = !args.join.is_empty() || !args.retry_join.is_empty() || args.consul_address.is_some();
        if joins || !args.servers.is_empty() {
            problems.push(cluster("flags -join, -retry-join, -servers and -consul-address", "no joining"));
        }
        for (given, flag) in [
            (args.state_dir.is_some(), "-state-dir"),
            (args.network_interface.is_some(), "-network-interface"),
            (args.encrypt.is_some(), "-encrypt"),
        ] {
            if given {
                problems.push(format!("flag {flag} is not supported in this release; leave it out"));
            }
        }
    }

    fn check(&mut self, problems: &mut Vec<String>) {
        if !self.server && !self.client && problems.is_empty() {
            problems.push(
                "the agent is neither server nor client: set `server { enabled = true }` (and `client { enabled = true }`) \
                 in its configuration file, or start it with -dev"
                    .into(),
            );
        }
        if self.client && !self.server {
            problems.push(cluster("a client without a server of its own", "both in one agent"));
        }
        if self.data_dir.as_os_str().is_empty() {
            if !self.dev {
                problems.push(
                    "`data_dir` is missing: set it to the directory where the agent keeps its state".into(),
                );
            }
        } else if !self.data_dir.is_absolute() {
            problems.push(format!("`data_dir` must be an absolute path, found {:?}", self.data_dir));
        }
        if !["trace", "debug", "info", "warn", "error", "off"]
            .contains(&self.log_level.to_lowercase().as_str())
        {
            problems.push(format!(
                "log level {:?} is unknown; use trace, debug, info, warn, error or off",
                self.log_level
            ));
        }
        if self.name.is_empty() || self.name.contains(char::is_whitespace) {
            problems.push(format!("`name` must be a name without spaces, found {:?}", self.name));
        }
        if self.datacenter.is_empty() || self.datacenter.contains('*') {
            problems.push(format!("`datacenter` must be a name without `*`, found {:?}", self.datacenter));
        }
        let (low, high) = self.dynamic_ports;
        if low == 0 || low > high {
            problems.push(format!("dynamic ports from {low} to {high} are not a range"));
        }
    }

    pub fn alloc_dir(&self) -> PathBuf {
        self.alloc_dir.clone().unwrap_or_else(|| self.data_dir.join("alloc"))
    }
}

fn set<T: Clone>(target: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}

/// Words for what comes with clusters of several agents.
pub(super) fn cluster(what: &str, instead: &str) -> String {
    format!("{what}: this release runs single agents, {instead}; clusters of several agents come later")
}

/// The files of a `-config` argument with their texts.
fn sources(path: &Path) -> Result<Vec<(String, String)>, String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map(|text| (path.display().to_string(), text))
            .map_err(|error| format!("configuration {} cannot be read: {error}", path.display()))
    };
    if !path.is_dir() {
        return Ok(vec![read(path)?]);
    }
    let entries = std::fs::read_dir(path)
        .map_err(|error| format!("configuration directory {} cannot be read: {error}", path.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| file.extension().is_some_and(|end| end == "hcl"))
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_needs_nothing() {
        let config = Config::load(&AgentArgs { dev: true, ..AgentArgs::default() }).unwrap();
        assert!(config.server && config.client && config.raw_exec);
        assert_eq!(config.node_address.as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn says_all_that_is_missing() {
        let problems = Config::load(&AgentArgs { client: true, ..AgentArgs::default() }).unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.contains("clusters of several agents")),
            "{problems:?}"
        );
        assert!(problems.iter().any(|problem| problem.contains("`data_dir` is missing")), "{problems:?}");
    }
}
