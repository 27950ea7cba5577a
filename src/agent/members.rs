//! Gossip, and what HTTP shows of it.

use std::{collections::BTreeMap, net::SocketAddr};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    config::{Config, ConsulSettings, Face},
    joining, peers,
    sources::SystemClock,
    start::StartError,
};
use crate::{
    actors::ports::{Clock, Joined, Member, Members},
    net::gossip::{self, Gossip},
};

/// What HTTP shows of the members that gossip knows, and does to them.
pub(super) struct Membership {
    gossip: Gossip,
    /// The port that an address has which names none.
    port: u16,
    /// Cancelled when somebody asks this agent to leave.
    leave: CancellationToken,
}

impl Membership {
    pub(super) fn new(gossip: Gossip, port: u16, leave: CancellationToken) -> Self {
        Self { gossip, port, leave }
    }
}

#[async_trait]
impl Members for Membership {
    fn members(&self) -> Vec<Member> {
        self.gossip.members().iter().map(shown).collect()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        let mut members = self.gossip.changes();
        let (tell, changes) = watch::channel(0);
        tokio::spawn(async move {
            while !tell.is_closed() && members.changed().await.is_ok() {
                tell.send_modify(|count| *count += 1);
            }
        });
        changes
    }

    async fn join(&self, addresses: Vec<String>) -> Joined {
        let (found, mut failed) = joining::resolve_all(&addresses, self.port).await;
        match self.gossip.join(found).await {
            Ok(joined) => {
                failed.extend(joined.failed.into_iter().map(|(address, why)| format!("{address}: {why}")));
                Joined { contacted: joined.contacted, failed }
            }
            Err(error) => Joined { contacted: 0, failed: vec![error.to_string()] },
        }
    }

    async fn force_leave(&self, name: &str, prune: bool) -> Result<(), String> {
        self.gossip.force_leave(name, prune).await.map_err(|error| error.to_string())
    }

    async fn leave(&self) -> Result<(), String> {
        self.gossip.leave().await;
        self.leave.cancel();
        Ok(())
    }
}

fn shown(member: &gossip::Member) -> Member {
    let tags = &member.tags;
    let role = if tags.is_server() { "nomad" } else { "client" };
    let mut shown = BTreeMap::from([
        ("role".into(), role.into()),
        ("region".into(), tags.region.clone()),
        ("dc".into(), tags.datacenter.clone()),
        ("build".into(), tags.build.clone()),
        ("id".into(), model::NodeId(member.node).to_string()),
    ]);
    if tags.is_server() && tags.is_client() {
        shown.insert("client".into(), "true".into());
    }
    if let Ok(rpc) = tags.rpc_address.parse::<SocketAddr>() {
        shown.insert("rpc_addr".into(), rpc.ip().to_string());
        shown.insert("port".into(), rpc.port().to_string());
    }
    for (name, value) in [("http_addr", &tags.http_address), ("consul_addr", &tags.consul_address)] {
        if !value.is_empty() {
            shown.insert(name.into(), value.clone());
        }
    }
    if let Some(raft) = tags.raft {
        shown.insert("raft_id".into(), raft.to_string());
        shown.insert("raft_vsn".into(), "3".into());
    }
    if tags.expect > 0 {
        shown.insert("expect".into(), tags.expect.to_string());
    }
    if let Ok(consul) = tags.consul_address.parse::<SocketAddr>() {
        shown.insert("consul_port".into(), consul.port().to_string());
    }
    shown.extend(tags.more.clone());
    Member {
        name: format!("{}.{}", member.name, tags.region),
        address: member.address.ip().to_string(),
        port: member.address.port(),
        status: match member.status {
            gossip::Status::Alive => "alive",
            gossip::Status::Failed => "failed",
            gossip::Status::Left => "left",
        }
        .into(),
        tags: shown,
    }
}

/// How the agent is listed in the catalog, where that is not the usual way.
fn in_the_catalog(config: &Config) -> BTreeMap<String, String> {
    let (consul, usual) = (&config.consul, ConsulSettings::default());
    let mut more = BTreeMap::new();
    if config.non_voting_server {
        more.insert("nonvoter".into(), "1".into());
    }
    if !consul.auto_advertise {
        more.insert("auto_advertise".into(), "false".into());
    }
    if consul.server_service != usual.server_service {
        more.insert("server_service".into(), consul.server_service.clone());
    }
    if consul.client_service != usual.client_service {
        more.insert("client_service".into(), consul.client_service.clone());
    }
    more
}

/// Starts gossip: a pool of one until somebody joins.
pub(super) async fn start(config: &Config, id: u128, raft: Option<u64>) -> Result<Gossip, StartError> {
    let role = match (config.server, config.client) {
        (true, true) => "server,client",
        (true, false) => "server",
        _ => "client",
    };
    let consul = config.listen.consul.first();
    let tags = gossip::Tags {
        name: config.name.clone(),
        role: role.into(),
        region: config.region.clone(),
        datacenter: config.datacenter.clone(),
        rpc_address: config.advertise.rpc.address.to_string(),
        http_address: config.advertise.http.address.to_string(),
        consul_address: consul
            .map(|consul| SocketAddr::new(config.advertise.rpc.address.ip(), consul.port()).to_string())
            .unwrap_or_default(),
        build: env!("CARGO_PKG_VERSION").into(),
        raft,
        expect: config.bootstrap_expect,
        more: in_the_catalog(config),
    };
    let keys = config.encrypt.as_deref().map(gossip::Key::from_bytes).transpose();
    let started = SystemClock.now().as_nanos() / 1_000_000;
    let gossip = gossip::Config {
        node: id,
        bind: config.listen.gossip,
        advertise: Some(config.advertise.gossip.address),
        started: u64::try_from(started).unwrap_or(0),
        tags,
        lan: gossip::Pace::lan(),
        wan: (config.server && config.face == Face::Nomad).then(gossip::Pace::wan),
        keys: keys.map_err(|error| StartError::Other(format!("`encrypt`: {error}")))?.into_iter().collect(),
        seed: rand::random(),
        known: if config.dev { Vec::new() } else { peers::read(&config.data_dir) },
    };
    Gossip::start(gossip).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        StartError::Other(format!(
            "{error}{cause}. Is another agent running? Choose another port with -gossip-port"
        ))
    })
}

/// `8.8.8.8` or `10.0.0.2:5353`.
pub(super) fn recursors(config: &Config) -> Result<Vec<SocketAddr>, StartError> {
    config
        .recursors
        .iter()
        .map(|text| {
            text.parse::<SocketAddr>().or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, 53))).map_err(
                |_| {
                    StartError::Other(format!(
                        "`recursors`: {text:?} is not an address such as \"8.8.8.8\" or \"10.0.0.2:5353\""
                    ))
                },
            )
        })
        .collect()
}
