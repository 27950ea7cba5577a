//! Wires the server side: the log, its actors, and what other agents may ask of it.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use actix::ArbiterHandle;
use futures::StreamExt;
use logic::node_watch::Settings;
use model::AutopilotSettings;
use state::Command;
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};
use tracing::warn;

use super::{
    config::Config,
    sources::{RandomIds, SystemClock},
    start::StartError,
    whereabouts::Places,
};
use crate::{
    actors::{
        autopilot::{Autopilot, AutopilotParts},
        founder::Founder,
        kit::{Fatal, Kind, Link, Stop, supervise},
        node_gateway::{self, GatewayLink, NodeGateway},
        node_watcher::Senses,
        ports::{Consensus, Leadership, Members, Proposer, ServerLink, StateReader, Witness, Word},
        server_leader::{LeaderLinks, Parts, ServerLeader},
    },
    net::{
        node_link::{NodePings, register_node_methods},
        proposals::{self, AnyServer},
        remote::{Carrier, LeaderMethods, Whereabouts},
        rpc,
    },
    raft,
};

/// How long a server that works alone waits for its own election before it says so.
const ELECTION: Duration = Duration::from_secs(10);

/// The server side as others need it.
pub(super) struct ServerSide {
    pub raft: raft::Server,
    pub gateway: Link<NodeGateway>,
    leader: Link<ServerLeader>,
    founder: Link<Founder>,
    tasks: Vec<JoinHandle<()>>,
}

/// The id under which this server takes part in the log: that of the log it has, or a new one. A server that lost its
/// log must not go on under its old id: it has forgotten its votes.
pub(super) fn raft_id(dir: &Path) -> Result<u64, StartError> {
    let stored = raft::stored_id(dir)?;
    Ok(stored.unwrap_or_else(|| rand::random::<u64>() >> 1 | 1))
}

/// An agent that has run in this directory must not begin a new cluster over the old one because its log is gone.
pub(super) fn log_is_not_lost(config: &Config) -> Result<(), StartError> {
    let log = config.server_dir().join("raft").join("log.redb");
    let has_run = config.state_dir().join("client-id").exists();
    let has_log = std::fs::metadata(&log).is_ok_and(|meta| meta.len() > 0);
    if has_run && !has_log && config.bootstrap_expect == 1 {
        return Err(StartError::Other(format!(
            "{} is missing or empty although this agent has run here before; restore it, or remove {} to begin anew \
             (all jobs are forgotten then)",
            log.display(),
            config.data_dir.display()
        )));
    }
    Ok(())
}

/// Reads the log and begins to take part in it.
pub(super) async fn start_raft(
    config: &Config,
    id: u64,
    places: &Places,
    calling: &rpc::ClientConfig,
    runtime: &Handle,
) -> Result<raft::Server, StartError> {
    let address = config.advertise.rpc.address.to_string();
    let mut settings = raft::Config::new(config.server_dir().join("raft"), id, address.clone());
    settings.addresses = Arc::new(places.clone());
    settings.transport = Arc::new(raft::Tcp(calling.clone()));
    settings.pace = raft::Pace::new(config.raft.multiplier);
    settings.snapshot_after = config.raft.snapshot_threshold;
    let raft = raft::Server::start(settings, runtime.clone()).await?;
    if config.bootstrap_expect == 1 && raft.is_empty().await.unwrap_or(false) {
        raft.found(BTreeMap::from([(id, address)]))
            .await
            .map_err(|error| StartError::Other(format!("this server cannot begin a cluster: {error}")))?;
    }
    Ok(raft)
}

/// What the actors are built from.
pub(super) struct Inside {
    pub raft: raft::Server,
    /// Where the leader's autopilot will be found.
    pub autopilot: Link<Autopilot>,
    pub consensus: Arc<dyn Consensus>,
    pub members: Arc<dyn Members>,
    pub places: Places,
    pub calling: rpc::ClientConfig,
}

/// Starts the actors.
pub(super) async fn start(
    config: &Config,
    inside: Inside,
    arbiter: &ArbiterHandle,
    fatal: Fatal,
) -> ServerSide {
    let Inside { raft, autopilot, consensus, members, places, calling } = inside;
    let state: Arc<dyn StateReader> = Arc::new(raft.clone());
    // The leader's actors must not write when they no longer lead: their proposals are not passed on.
    let own_log: Arc<dyn Proposer> = Arc::new(raft.clone());
    let links = LeaderLinks { autopilot, ..LeaderLinks::new(config.schedulers) };
    let leader: Link<ServerLeader> = Link::new("server leader");
    {
        let parts = Parts {
            state: state.clone(),
            proposer: own_log.clone(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            members: members.clone(),
            autopilot: Some(AutopilotParts {
                log: Arc::new(raft.clone()),
                members: members.clone(),
                changes: members.changes(),
                region: config.region.clone(),
                expect: config.bootstrap_expect,
            }),
            senses: Some(senses(config, &consensus, places.clone(), calling)),
            fatal: fatal.clone(),
        };
        let links = links.clone();
        let leadership = raft.leadership();
        supervise(arbiter, Kind::ServerLeader, leader.clone(), fatal.clone(), move || {
            ServerLeader::new(parts.clone(), links.clone(), leadership.clone())
        });
    }
    let gateway: Link<NodeGateway> = Link::new("node gateway");
    let tools = node_gateway::Tools {
        state,
        proposer: own_log,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        consensus,
        watcher: links.nodes.clone(),
    };
    supervise(arbiter, Kind::NodeGateway, gateway.clone(), fatal.clone(), move || {
        NodeGateway::new(tools.clone())
    });
    let founder: Link<Founder> = Link::new("founder");
    if config.bootstrap_expect == 1 {
        wait_for_leader(raft.leadership()).await;
    } else {
        let (log, region, expect) = (raft.clone(), config.region.clone(), config.bootstrap_expect);
        supervise(arbiter, Kind::Founder, founder.clone(), fatal, move || {
            let (log, clock) = (Arc::new(log.clone()), Arc::new(SystemClock));
            Founder::new(log, members.clone(), clock, members.changes(), region.clone(), expect)
        });
    }
    let mut tasks = vec![tokio::spawn(tell_of_the_leader(raft.clone(), places))];
    let autopilot = autopilot_of(config);
    if autopilot != AutopilotSettings::default() {
        tasks.push(tokio::spawn(set_autopilot(raft.clone(), autopilot)));
    }
    ServerSide { raft, gateway, leader, founder, tasks }
}

/// What the configuration says of autopilot counts as long as no operator has said anything: the first leader writes it.
async fn set_autopilot(raft: raft::Server, wanted: AutopilotSettings) {
    let mut leadership = raft.leadership();
    while leadership.wait_for(|now| now.is_leader).await.is_ok() {
        if raft.root().autopilot.modify_index > 0 {
            return;
        }
        let command = Command::SetAutopilot { settings: wanted.clone(), enforce_index: Some(0) };
        match raft.propose(vec![command]).await {
            Ok(_) => return,
            Err(error) => warn!(%error, "the settings of autopilot are not written yet"),
        }
        tokio::time::sleep(ELECTION).await;
    }
}

fn autopilot_of(config: &Config) -> AutopilotSettings {
    let said = &config.autopilot;
    AutopilotSettings {
        cleanup_dead_servers: said.cleanup_dead_servers,
        last_contact_threshold: said.last_contact_threshold,
        max_trailing_logs: said.max_trailing_logs,
        min_quorum: said.min_quorum,
        server_stabilization_time: said.server_stabilization_time,
        ..AutopilotSettings::default()
    }
}

/// Gossip may notice before raft does that the leader is gone.
async fn tell_of_the_leader(raft: raft::Server, places: Places) {
    let mut words = places.words();
    while let Some((agent, word)) = words.next().await {
        let leader = raft.leadership().borrow().leader_address.clone();
        if matches!(word, Word::Suspect | Word::Failed) && leader.is_some() && places.node(agent) == leader {
            raft.leader_suspected();
        }
    }
}

/// How the leader learns whether nodes are there.
fn senses(
    config: &Config,
    consensus: &Arc<dyn Consensus>,
    places: Places,
    calling: rpc::ClientConfig,
) -> Senses {
    Senses {
        consensus: consensus.clone(),
        witness: Arc::new(places.clone()),
        pinger: Arc::new(NodePings::new(Arc::new(places), calling)),
        jitter: Arc::new(rand::random::<f64>),
        settings: Settings {
            min_heartbeat_ttl: config.heartbeats.min_ttl,
            max_heartbeats_per_second: config.heartbeats.max_per_second,
            heartbeat_grace: config.heartbeats.grace,
            failover_heartbeat_ttl: config.heartbeats.failover_ttl,
            ..Settings::default()
        },
    }
}

impl ServerSide {
    /// Writes to the log, whoever leads.
    pub(super) fn proposer(&self, carrier: &Carrier) -> Arc<dyn Proposer> {
        Arc::new(AnyServer::new(Arc::new(self.raft.clone()), Arc::new(self.raft.clone()), carrier.clone()))
    }

    /// Answers other servers, and nodes.
    pub(super) fn register(&self, router: &mut rpc::Router, carrier: &Carrier) {
        self.raft.register_methods(router);
        proposals::register(router, Arc::new(self.raft.clone()));
        let mut leader = LeaderMethods::new(carrier.clone());
        let nodes: Arc<dyn ServerLink> = Arc::new(GatewayLink(self.gateway.clone()));
        register_node_methods(router, &mut leader, carrier, &nodes);
        leader.finish(router);
    }

    pub(super) async fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
        if self.founder.is_running() {
            self.founder.tell(Stop);
        }
        self.gateway.tell(Stop);
        self.leader.tell(Stop);
        self.raft.shutdown().await;
    }
}

async fn wait_for_leader(mut leadership: watch::Receiver<Leadership>) {
    let elected = leadership.wait_for(|now| now.leader_address.is_some());
    if tokio::time::timeout(ELECTION, elected).await.is_err() {
        warn!("no leader yet, going on without");
    }
}
