//! Start order and stop order. Everything is connected here and nowhere else.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use actix::Arbiter;
use model::NodeId;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    alone,
    beside::Offers,
    client::{MirrorSources, NoWrites},
    cluster::{Log, NoLog},
    config::{Config, Face},
    edges::{self, Edges},
    identity,
    joining::{self, Joining, Search},
    members::{self, Membership},
    node::{self, NodeSide},
    server::{self, ServerSide},
    sockets::Sockets,
    sources::RandomIds,
    whereabouts::Places,
};
use crate::{
    actors::{
        kit::{Fatal, Link, Stop},
        node_agent::{Goodbye, StopAllTasks},
        ports::{Consensus, Leadership, Members, Proposer, Reload, StateReader, Upstream},
    },
    net::{
        contacts,
        data_of_others::DataOfOthers,
        gossip::Gossip,
        mirror::{self, CatalogFeed, CatalogMirror, register_catalog_methods},
        node_link::{RemoteServers, register_ping},
        remote::Carrier,
        rpc, web,
    },
    raft,
};

/// Short and waiting calls that an agent answers at the same time.
const CALLS: (usize, usize) = (1024, 65536);

/// Why the agent did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("cannot listen on {address} for {what}: {source}. {}", remedy(.source, .flag))]
    Listen { what: &'static str, address: SocketAddr, flag: &'static str, source: io::Error },
    #[error("{path} cannot be used: {reason}")]
    Dir { path: String, reason: String },
    #[error(transparent)]
    Raft(#[from] raft::Error),
    #[error("{0}")]
    Other(String),
}

/// What to do about a door that cannot be opened.
fn remedy(problem: &io::Error, flag: &str) -> String {
    if problem.kind() == io::ErrorKind::AddrNotAvailable {
        return String::from("This machine has no such address: correct `bind_addr` or `addresses`");
    }
    format!("Is another agent running? Choose another port with {flag}")
}

impl StartError {
    pub(super) fn dir(path: &Path, error: &io::Error) -> Self {
        Self::Dir { path: path.display().to_string(), reason: error.to_string() }
    }
}

/// A running agent.
pub(super) struct Running {
    config: Config,
    id: NodeId,
    server: Option<ServerSide>,
    node: Option<NodeSide>,
    edges: Edges,
    gossip: Gossip,
    joining: Joining,
    leave: CancellationToken,
    stop_rpc: CancellationToken,
    arbiters: Vec<Arbiter>,
}

/// Starts everything, inside to outside: gossip, log, actors, node, HTTP and DNS. Calls of others are answered last,
/// when there is something to answer them.
pub(super) async fn start(
    mut config: Config,
    configuration: Arc<dyn Reload>,
    runtime: Handle,
    fatal: Fatal,
) -> Result<Running, StartError> {
    // All ports first: an agent that cannot be reached must not touch its data.
    let sockets = Sockets::open(&mut config)?;
    // A consul agent keeps no log: its catalog is that of the Nomad servers.
    let keeps_log = config.server && config.face == Face::Nomad;
    if keeps_log {
        server::log_is_not_lost(&config)?;
    }
    std::fs::create_dir_all(&config.data_dir).map_err(|error| StartError::dir(&config.data_dir, &error))?;
    let id = identity::node_id(&config.state_dir(), &RandomIds)
        .map_err(|error| StartError::Other(error.to_string()))?;
    let raft_id = if keeps_log { Some(server::raft_id(&config.server_dir().join("raft"))?) } else { None };

    let gossip = members::start(&config, id.0, raft_id).await?;
    if config.advertise.gossip.address.port() == 0 {
        config.advertise.gossip.address.set_port(gossip.address().port());
    }
    let own_rpc = config.advertise.rpc.address.to_string();
    let places = Places::new(gossip.clone(), config.region.clone(), own_rpc);
    let identity = Arc::new(rpc::Identity {
        region: config.region.clone(),
        key: config.encrypt.as_deref().map(rpc::Fingerprint::of),
        agent: id.to_string(),
        role: if config.server { rpc::Role::Server } else { rpc::Role::Client },
    });
    let calling = rpc::ClientConfig { identity: identity.clone(), ..rpc::ClientConfig::default() };
    let raft = match raft_id {
        Some(raft_id) => Some(server::start_raft(&config, raft_id, &places, &calling, &runtime).await?),
        None => None,
    };
    let (tell_leadership, told) = watch::channel(Leadership::default());
    let leadership = raft.as_ref().map_or(told, raft::Server::leadership);
    let carrier = Carrier::new(Arc::new(places.clone()), leadership.clone(), calling.clone());
    let (leave, stop_rpc) = (CancellationToken::new(), CancellationToken::new());
    let members: Arc<dyn Members> =
        Arc::new(Membership::new(gossip.clone(), config.gossip_port, leave.clone()));

    let (server_arbiter, node_arbiter) = (Arbiter::new(), Arbiter::new());
    let mut router = rpc::Router::new(CALLS.0, CALLS.1);
    let mut server = None;
    let mut upstream: Option<Arc<dyn Upstream>> = None;
    let (state, proposer, consensus): (Arc<dyn StateReader>, Arc<dyn Proposer>, Arc<dyn Consensus>);
    if let Some(raft) = raft {
        let autopilot = Link::new("autopilot");
        consensus =
            Arc::new(Log { raft: raft.clone(), members: members.clone(), autopilot: autopilot.clone() });
        let inside = server::Inside {
            raft: raft.clone(),
            autopilot,
            consensus: consensus.clone(),
            members: members.clone(),
            places: places.clone(),
            calling: calling.clone(),
        };
        let side = server::start(&config, inside, &server_arbiter.handle(), fatal.clone()).await;
        side.register(&mut router, &carrier);
        let (all, leadership) = (places.clone(), leadership.clone());
        contacts::register(
            &mut router,
            Arc::new(move || all.contacts(leadership.borrow().leader_address.clone())),
        );
        let feed = CatalogFeed::start(Arc::new(raft.clone()), consensus.clone(), &runtime, stop_rpc.clone());
        register_catalog_methods(&mut router, &feed);
        proposer = side.proposer(&carrier);
        state = Arc::new(raft);
        server = Some(side);
    } else {
        let alone = config.face == Face::Consul;
        let sources: Arc<dyn mirror::Servers> = if alone {
            let offers = Arc::new(Offers::new(gossip.clone(), carrier.clone()));
            upstream = Some(offers.clone());
            offers
        } else {
            Arc::new(MirrorSources { places: places.clone(), carrier: carrier.clone() })
        };
        let mirror = CatalogMirror::start(sources, &runtime, stop_rpc.clone());
        if alone {
            runtime.spawn(alone::show_members(members.clone(), mirror.clone(), stop_rpc.clone()));
        }
        consensus = Arc::new(NoLog { leadership: leadership.clone(), mirror: mirror.clone() });
        proposer = Arc::new(NoWrites);
        state = Arc::new(mirror);
    }
    let servers = Arc::new(RemoteServers::new(Vec::new(), &calling));
    let node = if config.client {
        let link = servers.clone();
        let arbiter = node_arbiter.handle();
        let others = Arc::new(web::OtherAgents(carrier.clone()));
        let elsewhere = DataOfOthers::new(others, keeps_log.then(|| state.clone()), runtime.clone());
        let outside = node::Outside { servers: link, catalog: state.clone(), elsewhere: Arc::new(elsewhere) };
        Some(node::start(&config, id, outside, &arbiter, &runtime, fatal.clone()).await?)
    } else {
        None
    };
    let inside = edges::Inside {
        state,
        proposer,
        consensus,
        members,
        carrier: carrier.clone(),
        leadership,
        node: node.as_ref(),
        id,
        upstream,
        configuration,
    };
    if let Some(side) = &node {
        let (here, agent) = (id, side.agent.clone());
        register_ping(&mut router, Arc::new(move |asked| asked == here && agent.is_running()));
    }
    let mut edges = Edges::new(&config, inside, &runtime)?;
    edges.register(&mut router);
    serve_rpc(sockets.rpc, router, identity, stop_rpc.clone(), &runtime)?;
    edges.serve(sockets.http, sockets.consul)?;
    let search = Search {
        config: Arc::new(config.clone()),
        gossip: gossip.clone(),
        places,
        carrier,
        servers,
        fatal: fatal.clone(),
    };
    let joining = joining::begin(search, tell_leadership, &runtime).await.map_err(StartError::Other)?;
    let arbiters = vec![node_arbiter, server_arbiter];
    Ok(Running { config, id, server, node, edges, gossip, joining, leave, stop_rpc, arbiters })
}

fn serve_rpc(
    listener: TcpListener,
    router: rpc::Router,
    identity: Arc<rpc::Identity>,
    stop: CancellationToken,
    runtime: &Handle,
) -> Result<(), StartError> {
    let words = |error: io::Error| StartError::Other(format!("the RPC listener cannot be used: {error}"));
    listener.set_nonblocking(true).map_err(words)?;
    let _inside = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener).map_err(words)?;
    let settings = rpc::ServeConfig { identity, ..rpc::ServeConfig::default() };
    runtime.spawn(rpc::serve_as(listener, Arc::new(router), settings, stop));
    Ok(())
}

impl Running {
    /// Ends when the log can no longer be written.
    pub(super) async fn log_failed(&self) -> raft::Error {
        match &self.server {
            Some(side) => side.raft.fatal().await,
            None => std::future::pending().await,
        }
    }

    /// Ends when somebody asked this agent to leave the cluster.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.cancelled().await;
    }

    /// Where it listens: with the ports it got, where any port was asked for.
    pub(super) fn doors(&self) -> (Option<SocketAddr>, Option<SocketAddr>, Option<SocketAddr>) {
        let listen = &self.config.listen;
        (listen.http.first().copied(), listen.consul.first().copied(), self.edges.dns())
    }

    /// UUID of the agent.
    pub(super) fn id(&self) -> NodeId {
        self.id
    }

    pub(super) fn node(&self) -> Option<&NodeSide> {
        self.node.as_ref()
    }

    /// Outside to inside: edges, actors, log. Tasks of a dev agent are stopped, others go on. `leave`: the others are
    /// told that this agent goes for good; else it counts as failed until it comes back.
    pub(super) async fn stop(self, leave: bool) {
        info!("stopping");
        drop(self.joining);
        if self.config.dev
            && let Some(side) = &self.node
            && side.agent.ask_within(StopAllTasks, Duration::from_secs(35)).await.is_err()
        {
            warn!("not all tasks ended in time");
        }
        self.edges.stop().await;
        if leave || self.config.dev {
            self.gossip.leave().await;
        }
        if let Some(side) = &self.node {
            if !leave && !self.config.dev {
                // The servers know then that silence is no bad sign.
                let _ = side.agent.ask(Goodbye).await;
            }
            side.agent.tell(Stop);
        }
        self.stop_rpc.cancel();
        if let Some(side) = &self.server {
            side.stop().await;
        }
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
