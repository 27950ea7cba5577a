//! The parts of a configuration, each with its defaults. What they mean, in a table: `docs/configuration.md`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Under which name the agent was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Face {
    /// `nomad agent`, `troupe agent`: everything.
    #[default]
    Nomad,
    /// `consul agent`: gossip, RPC, Consul API and DNS on Consul's ports; no Nomad API, no tasks.
    Consul,
}

/// Where the agent listens, after templates and names were resolved. An empty list: that door stays shut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Nomad API.
    pub http: Vec<SocketAddr>,
    pub rpc: SocketAddr,
    pub gossip: SocketAddr,
    /// Consul API.
    pub consul: Vec<SocketAddr>,
    pub dns: Vec<SocketAddr>,
}

/// A door as others are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// As it was written: a name stays a name, for those who show or dial it.
    pub host: String,
    /// What the host meant when the agent started. Port 0: whichever the door got.
    pub address: SocketAddr,
}

impl Reach {
    pub fn new(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), address }
    }

    /// `node-01.local:4646`, `10.0.0.1:4646`, `[::1]:4646`
    pub fn dial(&self) -> String {
        let port = self.address.port();
        if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        }
    }
}

/// What others are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertise {
    pub http: Reach,
    pub rpc: Reach,
    pub gossip: Reach,
}

/// How an agent finds the others. Addresses are `host`, `host:port` or `[v6]:port`; the port that is left out is that
/// of gossip for servers and that of RPC for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Tried once at start: when none of them answers, the agent ends.
    pub start: Vec<String>,
    /// Tried until one answers.
    pub retry: Vec<String>,
    /// Attempts before the agent ends with `max join retry exhausted, exiting`. Default: 0, never.
    pub max: u32,
    /// Between two attempts. Default: 30 s.
    pub interval: Duration,
}

impl Default for Join {
    fn default() -> Self {
        Self { start: Vec::new(), retry: Vec::new(), max: 0, interval: Duration::from_secs(30) }
    }
}

/// What a server forgets, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gc {
    /// Between two looks. Default: 5 min.
    pub interval: Duration,
    /// Since the job was dead. Default: 4 h.
    pub job: Duration,
    /// Since the evaluation was over. Default: 1 h.
    pub eval: Duration,
    /// The same for batch jobs, whose allocations tell that they have run. Default: 24 h.
    pub batch_eval: Duration,
    /// Since the deployment was over. Default: 1 h.
    pub deployment: Duration,
    /// Since the node was down. Default: 24 h.
    pub node: Duration,
}

impl Default for Gc {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            interval: Duration::from_secs(300),
            job: hours(4),
            eval: hours(1),
            batch_eval: hours(24),
            deployment: hours(1),
            node: hours(24),
        }
    }
}

/// How long a node may be silent.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeats {
    /// Added to the time that a node was given. Default: 10 s.
    pub grace: Duration,
    /// The shortest time that a node is given. Default: 10 s.
    pub min_ttl: Duration,
    /// With more nodes than fit into this rate the time grows. Default: 50 per second.
    pub max_per_second: f64,
    /// What every node is given after a change of leader. Default: 5 min.
    pub failover_ttl: Duration,
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            min_ttl: Duration::from_secs(10),
            max_per_second: 50.0,
            failover_ttl: Duration::from_secs(300),
        }
    }
}

/// How the log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftSettings {
    /// Factor on heartbeat and election timeouts, 1 to 10. Default: 1.
    pub multiplier: u32,
    /// Entries between two snapshots. Default: 8192.
    pub snapshot_threshold: u64,
    /// Entries kept behind a snapshot for slow servers. Default: 10240.
    pub trailing_logs: u64,
}

impl Default for RaftSettings {
    fn default() -> Self {
        Self { multiplier: 1, snapshot_threshold: 8192, trailing_logs: 10240 }
    }
}

/// What the leader does about servers that are gone or new. The first leader writes it into the state; `operator
/// autopilot set-config` changes it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autopilot {
    /// Default: true.
    pub cleanup_dead_servers: bool,
    /// A server that did not hear of the leader for so long is unhealthy. Default: 200 ms.
    pub last_contact_threshold: Duration,
    /// A server that lacks more entries is unhealthy. Default: 250.
    pub max_trailing_logs: u64,
    /// How long a new server has to be healthy before it may vote. Default: 10 s.
    pub server_stabilization_time: Duration,
    /// Dead servers are not removed below this number. Default: 0.
    pub min_quorum: u32,
}

impl Default for Autopilot {
    fn default() -> Self {
        Self {
            cleanup_dead_servers: true,
            last_contact_threshold: Duration::from_millis(200),
            max_trailing_logs: 250,
            server_stabilization_time: Duration::from_secs(10),
            min_quorum: 0,
        }
    }
}

/// The Consul API through which agents find each other. When its address is that of this agent's own Consul API,
/// there is nothing to find: see `consul_join::whose`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsulSettings {
    /// `host:port`. Default: `127.0.0.1:8500`.
    pub address: String,
    /// Whether a file, a flag or `CONSUL_HTTP_ADDR` named it.
    pub address_given: bool,
    /// Whether servers and clients appear in the catalog. Default: true.
    pub auto_advertise: bool,
    /// Default: `nomad`, with the tags `http`, `rpc` and `serf`.
    pub server_service: String,
    /// Default: `nomad-client`, with the tag `http`.
    pub client_service: String,
    /// Whether servers look for others under `server_service`. Default: true.
    pub server_auto_join: bool,
    /// Whether clients look for servers under `server_service`. Default: true.
    pub client_auto_join: bool,
    /// Sent as `X-Consul-Token`.
    pub token: Option<String>,
}

impl Default for ConsulSettings {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8500".into(),
            address_given: false,
            auto_advertise: true,
            server_service: "nomad".into(),
            client_service: "nomad-client".into(),
            server_auto_join: true,
            client_auto_join: true,
            token: None,
        }
    }
}

/// What a client does with its allocations when it leaves on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainOnShutdown {
    /// Default: 1 h.
    pub deadline: Duration,
    /// Do not wait at all. Default: false.
    pub force: bool,
    /// Leave allocations of system jobs running. Default: false.
    pub ignore_system_jobs: bool,
}

impl Default for DrainOnShutdown {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(3600), force: false, ignore_system_jobs: false }
    }
}

/// What the node removes of allocations that are over.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeGc {
    /// Between two looks. Default: 1 min.
    pub interval: Duration,
    /// Per cent of the disk in use from which on directories are removed. Default: 80.
    pub disk_usage: f64,
    /// Per cent of the inodes. Default: 70.
    pub inode_usage: f64,
    /// Allocations kept, over ones included. Default: 50.
    pub max_allocs: u32,
    /// Directories that are removed at the same time. Default: 2.
    pub parallel_destroys: u32,
}

impl Default for NodeGc {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            disk_usage: 80.0,
            inode_usage: 70.0,
            max_allocs: 50,
            parallel_destroys: 2,
        }
    }
}

/// Unspecified addresses with the usual ports, until they are resolved.
pub(super) fn unresolved() -> (Listen, Advertise) {
    let at = |port| SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port);
    let listen = Listen {
        http: vec![at(4646)],
        rpc: at(4647),
        gossip: at(4648),
        consul: vec![at(8500)],
        dns: vec![at(8600)],
    };
    let advertise =
        Advertise { http: Reach::new(at(4646)), rpc: Reach::new(at(4647)), gossip: Reach::new(at(4648)) };
    (listen, advertise)
}
