//! Start order and stop order. Everything is connected here and nowhere else.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use actix::Arbiter;
use tokio::{net::TcpSocket, runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    access::{LocalNode, NoNode},
    config::Config,
    identity,
    members::{self, GossipMembers},
    node::{self, NodeSide},
    sources::{RandomIds, SystemClock},
};
use crate::{
    actors::{
        kit::{Fatal, Kind, Link, Stop, supervise},
        node_agent::StopAllTasks,
        node_gateway::{GatewayLink, NodeGateway},
        ports::{Clock, IdSource, Leadership, Members, NodeAccess, Proposer, StateReader},
        server_leader::{LeaderLinks, Parts, ServerLeader},
    },
    dns::{DnsConfig, DnsServer},
    http::{
        self, AgentInfo,
        consul::{ConsulAgent, ConsulContext},
    },
    net::{
        gossip::Gossip,
        node_link::{RemoteServers, register_node_methods},
        rpc,
    },
    raft,
};

/// Short and waiting calls that a server answers at the same time.
const CALLS: (usize, usize) = (1024, 16384);

/// The Consul release whose API is answered; clients compare it.
const CONSUL_VERSION: &str = "1.21.3";

/// How long a server waits for its own election before it says so.
const ELECTION: Duration = Duration::from_secs(10);

/// Why the agent did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(
        "cannot listen on {address} for {what}: {source}. Is another agent running? Choose another port with {flag}"
    )]
    Listen { what: &'static str, address: SocketAddr, flag: &'static str, source: io::Error },
    #[error("{path} cannot be used: {reason}")]
    Dir { path: String, reason: String },
    #[error(transparent)]
    Raft(#[from] raft::Error),
    #[error("{0}")]
    Other(String),
}

impl StartError {
    pub(super) fn dir(path: &Path, error: &io::Error) -> Self {
        Self::Dir { path: path.display().to_string(), reason: error.to_string() }
    }
}

/// A running agent.
pub(super) struct Running {
    config: Config,
    raft: raft::Server,
    leader: Link<ServerLeader>,
    gateway: Link<NodeGateway>,
    node: Option<NodeSide>,
    http: Vec<actix_web::dev::ServerHandle>,
    dns: DnsServer,
    gossip: Gossip,
    stop_rpc: CancellationToken,
    arbiters: Vec<Arbiter>,
    pub(super) addresses: Addresses,
}

/// Where the agent answers.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub http: SocketAddr,
    pub consul: SocketAddr,
    pub dns: SocketAddr,
    pub rpc: SocketAddr,
}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

fn listen(
    what: &'static str,
    bind: IpAddr,
    port: u16,
    flag: &'static str,
) -> Result<TcpListener, StartError> {
    let address = SocketAddr::new(bind, port);
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    open().map_err(|source| StartError::Listen { what, address, flag, source })
}

/// Whether a UDP port can be had; the socket itself is opened by its owner later.
fn udp_is_free(what: &'static str, bind: IpAddr, port: u16, flag: &'static str) -> Result<(), StartError> {
    let address = SocketAddr::new(bind, port);
    std::net::UdpSocket::bind(address).map(drop).map_err(|source| StartError::Listen {
        what,
        address,
        flag,
        source,
    })
}

/// An agent that has run in this directory must not begin a new cluster over the old one because its log is gone.
fn log_is_not_lost(config: &Config) -> Result<(), StartError> {
    let log = config.data_dir.join("server").join("raft").join("log.redb");
    let has_run = config.data_dir.join("client").join("client-id").exists();
    let has_log = std::fs::metadata(&log).is_ok_and(|meta| meta.len() > 0);
    if has_run && !has_log {
        return Err(StartError::Other(format!(
            "{} is missing or empty although this agent has run here before; restore it, or remove {} to begin anew \
             (all jobs are forgotten then)",
            log.display(),
            config.data_dir.display()
        )));
    }
    Ok(())
}

/// Starts everything, inside to outside: log, actors, RPC, node, HTTP and DNS.
pub(super) async fn start(config: Config, runtime: Handle, fatal: Fatal) -> Result<Running, StartError> {
    // All ports first: an agent that cannot be reached must not touch its data.
    let http_listener = listen("the HTTP API", config.bind, config.http_port, "-http-port")?;
    let consul_listener = listen("the Consul API", config.bind, config.consul_port, "-consul-port")?;
    let rpc_listener = listen("RPC", config.bind, config.rpc_port, "-rpc-port")?;
    drop(listen("DNS", config.bind, config.dns_port, "-dns-port")?);
    udp_is_free("DNS", config.bind, config.dns_port, "-dns-port")?;
    udp_is_free("gossip", config.bind, config.gossip_port, "-gossip-port")?;
    log_is_not_lost(&config)?;
    let at = |listener: &TcpListener| {
        listener.local_addr().map_err(|error| StartError::Other(format!("a socket has no address: {error}")))
    };
    let (http_address, consul_address, rpc_address) =
        (at(&http_listener)?, at(&consul_listener)?, at(&rpc_listener)?);
    let reachable = if config.bind.is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { config.bind };
    let own_rpc = SocketAddr::new(reachable, rpc_address.port());

    std::fs::create_dir_all(&config.data_dir).map_err(|error| StartError::dir(&config.data_dir, &error))?;
    let raft_config = raft::Config::new(config.data_dir.join("server").join("raft"), 1, own_rpc.to_string());
    let raft = raft::Server::start(raft_config, runtime.clone()).await?;
    let state: Arc<dyn StateReader> = Arc::new(raft.clone());
    let proposer: Arc<dyn Proposer> = Arc::new(raft.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn IdSource> = Arc::new(RandomIds);

    let server_arbiter = Arbiter::new();
    let node_arbiter = Arbiter::new();
    let links = LeaderLinks::new(config.schedulers);
    let leader: Link<ServerLeader> = Link::new("server leader");
    {
        let parts = Parts {
            state: state.clone(),
            proposer: proposer.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            fatal: fatal.clone(),
        };
        let (links, leadership) = (links.clone(), raft.leadership());
        supervise(&server_arbiter.handle(), Kind::ServerLeader, leader.clone(), fatal.clone(), move || {
            ServerLeader::new(parts.clone(), links.clone(), leadership.clone())
        });
    }
    let gateway: Link<NodeGateway> = Link::new("node gateway");
    {
        let (state, proposer, clock, ids) = (state.clone(), proposer.clone(), clock.clone(), ids.clone());
        supervise(&server_arbiter.handle(), Kind::NodeGateway, gateway.clone(), fatal.clone(), move || {
            NodeGateway::new(state.clone(), proposer.clone(), clock.clone(), ids.clone())
        });
    }
    wait_for_leader(raft.leadership()).await;

    let stop_rpc = CancellationToken::new();
    let mut router = rpc::Router::new(CALLS.0, CALLS.1);
    register_node_methods(&mut router, Arc::new(GatewayLink(gateway.clone())));
    serve_rpc(rpc_listener, router, stop_rpc.clone(), &runtime)?;

    let node = if config.client {
        let servers = RemoteServers::new([own_rpc.to_string()], &rpc::ClientConfig::default());
        Some(node::start(&config, Arc::new(servers), &node_arbiter.handle(), &runtime, fatal.clone()).await?)
    } else {
        None
    };

    let id = identity::node_id(&config.data_dir.join("client"), &RandomIds)
        .map_err(|error| StartError::Other(error.to_string()))?;
    let gossip = members::start(&config, id.0, reachable, own_rpc, &runtime).await?;

    let dns_config = DnsConfig {
        listen: vec![SocketAddr::new(config.bind, config.dns_port)],
        domain: config.domain.clone(),
        datacenter: config.datacenter.clone(),
        recursors: members::recursors(&config)?,
        ..DnsConfig::default()
    };
    let dns = DnsServer::start(dns_config, state.clone(), clock.clone(), runtime.clone())
        .map_err(|error| StartError::Other(error.to_string()))?;
    let dns_address =
        dns.addresses().first().copied().unwrap_or(SocketAddr::new(config.bind, config.dns_port));
    let addresses =
        Addresses { http: http_address, consul: consul_address, rpc: rpc_address, dns: dns_address };

    let access: Arc<dyn NodeAccess> = match &node {
        Some(side) => Arc::new(LocalNode {
            node: side.node.id,
            agent: side.agent.clone(),
            drivers: side.drivers.clone(),
            disk: side.disk.clone(),
            host: side.host.clone(),
        }),
        None => Arc::new(NoNode),
    };
    let members: Arc<dyn Members> = Arc::new(GossipMembers(gossip.clone()));
    let advertised = |port: u16| {
        let address = node.as_ref().map_or_else(|| reachable.to_string(), |side| side.node.address.clone());
        format!("{address}:{port}")
    };
    let info = AgentInfo {
        name: config.name.clone(),
        region: config.region.clone(),
        datacenter: config.datacenter.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        http_address: advertised(addresses.http.port()),
        rpc_address: advertised(addresses.rpc.port()),
        gossip_address: advertised(gossip.address().port()),
        is_server: config.server,
        node: node.as_ref().map(|side| side.node.id),
        config: super::shown_config(&config),
        leadership: raft.leadership(),
    };
    let context = http::Context::new(state.clone(), proposer, clock, ids, access, members.clone(), info);
    let nomad =
        http::serve(context, http_listener, 2).map_err(|error| StartError::Other(error.to_string()))?;
    let consul_agent = ConsulAgent {
        name: config.name.clone(),
        datacenter: config.datacenter.clone(),
        address: node.as_ref().map_or_else(|| reachable.to_string(), |side| side.node.address.clone()),
        version: CONSUL_VERSION.into(),
        is_server: config.server,
        node: node.as_ref().map(|side| side.node.id),
        rpc_address: advertised(addresses.rpc.port()),
        dns_port: addresses.dns.port(),
        pretty: config.dev,
        leadership: raft.leadership(),
    };
    let consul = http::consul::serve(ConsulContext::new(state, members, consul_agent), consul_listener, 1)
        .map_err(|error| StartError::Other(error.to_string()))?;
    let http = vec![nomad.handle(), consul.handle()];
    actix::spawn(nomad);
    actix::spawn(consul);
    Ok(Running {
        config,
        raft,
        leader,
        gateway,
        node,
        http,
        dns,
        gossip,
        stop_rpc,
        arbiters: vec![node_arbiter, server_arbiter],
        addresses,
    })
}

fn serve_rpc(
    listener: TcpListener,
    router: rpc::Router,
    stop: CancellationToken,
    runtime: &Handle,
) -> Result<(), StartError> {
    let words = |error: io::Error| StartError::Other(format!("the RPC listener cannot be used: {error}"));
    listener.set_nonblocking(true).map_err(words)?;
    let _inside = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener).map_err(words)?;
    runtime.spawn(rpc::serve(listener, Arc::new(router), stop));
    Ok(())
}

async fn wait_for_leader(mut leadership: watch::Receiver<Leadership>) {
    let elected = leadership.wait_for(|now| now.is_leader);
    if tokio::time::timeout(ELECTION, elected).await.is_err() {
        warn!("no leader yet, going on without");
    }
}

impl Running {
    /// Ends when the log can no longer be written.
    pub(super) async fn log_failed(&self) -> raft::Error {
        self.raft.fatal().await
    }

    pub(super) fn node(&self) -> Option<&NodeSide> {
        self.node.as_ref()
    }

    /// Outside to inside: edges, actors, log. Tasks of a dev agent are stopped, others go on.
    pub(super) async fn stop(self) {
        info!("stopping");
        if self.config.dev
            && let Some(side) = &self.node
            && side.agent.ask_within(StopAllTasks, Duration::from_secs(35)).await.is_err()
        {
            warn!("not all tasks ended in time");
        }
        for handle in &self.http {
            handle.stop(false).await;
        }
        self.dns.shutdown().await;
        self.gossip.leave().await;
        if let Some(side) = &self.node {
            side.agent.tell(Stop);
        }
        self.stop_rpc.cancel();
        self.gateway.tell(Stop);
        self.leader.tell(Stop);
        self.raft.shutdown().await;
        for arbiter in self.arbiters {
            arbiter.stop();
        }
        if self.config.dev {
            let dir = &self.config.data_dir;
            if let Err(error) = std::fs::remove_dir_all(dir) {
                warn!(%error, dir = %dir.display(), "the temporary directory could not be removed");
            }
        }
    }
}
