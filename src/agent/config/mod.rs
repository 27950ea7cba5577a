//! What an agent is told: defaults, then files, then flags.

//!
//! What every key means, with its default and unit: `docs/configuration.md`.

mod parts; // joining, raft, garbage, ...

mod sources; // which files
mod settings; // a file as a list of names and values
mod typed; // a value as its setting wants it
mod draft; // what was said so far, and where
mod keys_top; // settings outside of blocks, and small blocks
mod keys_server; // settings of `server`
mod keys_client; // settings of `client`
mod consul_keys; // settings of `consul`
mod consul_agent; // settings of `consul agent`
mod absent; // what is refused, with the remedy
mod flags; // flags over files

mod machine; // what the machine says of itself
mod addresses; // from written addresses to sockets
mod check; // rules that concern several settings

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use model::{Capacity, PoolName};

pub use self::parts::{
    Advertise, Autopilot, ConsulSettings, DrainOnShutdown, Face, Gc, Heartbeats, Join, Listen, NodeGc,
    RaftSettings, Reach,
};
use self::{draft::Draft, machine::Machine};
use crate::cli::{AgentArgs, StartedAs};

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
    /// The address under which tasks' ports are published (that of `network_interface`); `None`: `bind`, or that of the
    /// default route.
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
    /// Default: `default`.
    pub node_pool: PoolName,
    pub meta: BTreeMap<String, String>,
    pub reserved: Capacity,
    /// Cores that are kept back from tasks.
    pub reserved_cores: Vec<u16>,
    /// Cores that tasks may have for themselves; empty: all that are not kept back.
    pub reservable_cores: Vec<u16>,
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
    /// Whether containers may be privileged. Default: no.
    pub docker_privileged: bool,
    /// Capabilities that jobs may add; `all` for every one. Lower case, without `cap_`.
    pub docker_caps: Vec<String>,
    /// The mock driver, for tests and benchmarks. Default: only in dev mode.
    pub mock: bool,
    /// Threads that plan. Default: number of cores; 0: this server does not plan.
    pub schedulers: usize,

    /// As what the agent was started.
    pub face: Face,
    /// Where it listens: `bind_addr`, `addresses` and `ports` put together.
    pub listen: Listen,
    /// What it tells others.
    pub advertise: Advertise,
    /// Servers that found the cluster together; 0: this server only ever joins one. Default: 0, in dev mode 1.
    pub bootstrap_expect: u32,
    /// How a server finds the others.
    pub join: Join,
    /// Whether a server that left joins again when it starts. Default: no.
    pub rejoin_after_leave: bool,
    /// A server that follows and never votes. Default: no.
    pub non_voting_server: bool,
    /// Key of gossip: 16, 24 or 32 bytes.
    pub encrypt: Option<Vec<u8>>,
    /// Where the server keeps its log. Default: `<data_dir>/server`.
    pub server_dir: Option<PathBuf>,
    pub gc: Gc,
    pub heartbeats: Heartbeats,
    pub raft: RaftSettings,
    pub autopilot: Autopilot,
    /// Servers that a client talks to: `host` or `host:port`, the port being that of RPC.
    pub servers: Vec<String>,
    /// How a client finds servers that `servers` does not name; `start` is always empty.
    pub client_join: Join,
    /// Where the client keeps its state. Default: `<data_dir>/client`.
    pub state_dir: Option<PathBuf>,
    /// Override of the fingerprint; 0: as found.
    pub disk_total_mb: u32,
    /// The longest `kill_timeout` that tasks get. Default: 30 s.
    pub max_kill_timeout: Duration,
    pub node_gc: NodeGc,
    /// `None`: tasks go on without the agent.
    pub drain_on_shutdown: Option<DrainOnShutdown>,
    pub consul: ConsulSettings,
    /// Whether an interrupt (Ctrl-C) makes the agent leave the cluster. Default: no.
    pub leave_on_interrupt: bool,
    /// Whether SIGTERM makes it leave. Default: no.
    pub leave_on_terminate: bool,
    /// Files that were read, in order, for the banner.
    pub read_from: Vec<PathBuf>,
    /// What is odd without being wrong, each with file and line: said once at start.
    pub warnings: Vec<String>,
}

impl Config {
    fn defaults() -> Self {
        let (listen, advertise) = parts::unresolved();
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
            node_pool: PoolName::default(),
            meta: BTreeMap::new(),
            reserved: Capacity::default(),
            reserved_cores: Vec::new(),
            reservable_cores: Vec::new(),
            reserved_ports: Vec::new(),
            dynamic_ports: (20000, 32000),
            cpu_total_mhz: 0,
            memory_total_mb: 0,
            raw_exec: false,
            docker: true,
            docker_socket: "/var/run/docker.sock".into(),
            docker_volumes: false,
            docker_privileged: false,
            docker_caps: Vec::new(),
            mock: false,
            schedulers: std::thread::available_parallelism().map_or(1, usize::from),
            face: Face::Nomad,
            listen,
            advertise,
            bootstrap_expect: 0,
            join: Join::default(),
            rejoin_after_leave: false,
            non_voting_server: false,
            encrypt: None,
            server_dir: None,
            gc: Gc::default(),
            heartbeats: Heartbeats::default(),
            raft: RaftSettings::default(),
            autopilot: Autopilot::default(),
            servers: Vec::new(),
            client_join: Join::default(),
            state_dir: None,
            disk_total_mb: 0,
            max_kill_timeout: Duration::from_secs(30),
            node_gc: NodeGc::default(),
            drain_on_shutdown: None,
            consul: ConsulSettings::default(),
            leave_on_interrupt: false,
            leave_on_terminate: false,
            read_from: Vec::new(),
            warnings: Vec::new(),
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
            bootstrap_expect: 1,
            ..Self::defaults()
        }
    }

    fn consul() -> Self {
        Self {
            face: Face::Consul,
            rpc_port: 8300,
            gossip_port: 8301,
            raft: RaftSettings { snapshot_threshold: 16384, ..RaftSettings::default() },
            ..Self::defaults()
        }
    }

    fn base(args: &AgentArgs) -> Self {
        match (args.started_as, args.dev) {
            (StartedAs::Consul, dev) => {
                Self { dev, server: dev, bootstrap_expect: u32::from(dev), ..Self::consul() }
            }
            (_, true) => Self::dev(),
            (_, false) => Self::defaults(),
        }
    }

    /// Puts together what files and flags say, and looks up addresses on this machine.
    ///
    /// # Errors
    /// All problems at once, each with its file and line or its flag.
    pub fn load(args: &AgentArgs) -> Result<Self, Vec<String>> {
        Self::load_on(args, &Machine::this())
    }

    fn load_on(args: &AgentArgs, machine: &Machine) -> Result<Self, Vec<String>> {
        let (mut draft, mut problems) = read(args, machine);
        if problems.is_empty() {
            problems = check::problems(&draft);
            problems.extend(addresses::resolve(&mut draft, machine));
        }
        if problems.is_empty() { Ok(draft.config) } else { Err(problems) }
    }

    /// Checks files as an agent would that is started with them. Addresses are checked for their form only: the files
    /// may be meant for another machine.
    ///
    /// # Errors
    /// All problems at once.
    pub fn validate(args: &AgentArgs) -> Result<Self, Vec<String>> {
        let (draft, mut problems) = read(args, &Machine::none());
        if problems.is_empty() {
            problems = check::problems(&draft);
            problems.extend(addresses::check_form(&draft));
        }
        if problems.is_empty() { Ok(draft.config) } else { Err(problems) }
    }

    /// 30 s.
    pub fn default_max_kill_timeout() -> Duration {
        Duration::from_secs(30)
    }

    /// Where allocations live.
    pub fn alloc_dir(&self) -> PathBuf {
        self.alloc_dir.clone().unwrap_or_else(|| self.data_dir.join("alloc"))
    }

    /// Where the server keeps its log.
    pub fn server_dir(&self) -> PathBuf {
        self.server_dir.clone().unwrap_or_else(|| self.data_dir.join("server"))
    }

    /// Where the client keeps its state.
    pub fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| self.data_dir.join("client"))
    }
}

/// Defaults, then the environment, then files, then flags.
fn read(args: &AgentArgs, machine: &Machine) -> (Draft, Vec<String>) {
    let mut draft = Draft::new(Config::base(args));
    let mut problems = Vec::new();
    if let Some(address) = &machine.consul_address
        && let Err(reason) = consul_keys::address(&mut draft.config.consul, address)
    {
        problems.push(format!("variable CONSUL_HTTP_ADDR: {reason}"));
    }
    draft.config.consul.token.clone_from(&machine.consul_token);
    for path in &args.config {
        match sources::find(path) {
            Ok(found) => {
                draft.config.warnings.extend(found.warning);
                for source in found.sources {
                    problems.extend(draft.add_file(&source.path.display().to_string(), &source.text));
                    draft.config.read_from.push(source.path);
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    flags::apply(&mut draft, args, &mut problems);
    check::complete(&mut draft);
    (draft, problems)
}
