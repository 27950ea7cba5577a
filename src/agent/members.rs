//! Gossip, and what HTTP shows of it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use tokio::runtime::Handle;

use super::{config::Config, sources::SystemClock, start::StartError};
use crate::{
    actors::ports::{Clock, Member, Members},
    net::gossip::{self, Gossip},
};

/// What HTTP shows of the members that gossip knows.
pub(super) struct GossipMembers(pub Gossip);

impl Members for GossipMembers {
    fn members(&self) -> Vec<Member> {
        self.0.members().iter().map(shown).collect()
    }
}

fn shown(member: &gossip::Member) -> Member {
    let tags = &member.tags;
    let rpc: Option<SocketAddr> = tags.rpc_address.parse().ok();
    let role = if tags.role.contains("server") { "nomad" } else { "client" };
    let mut shown = BTreeMap::from([
        ("role".into(), role.into()),
        ("region".into(), tags.region.clone()),
        ("dc".into(), tags.datacenter.clone()),
        ("build".into(), tags.build.clone()),
        ("id".into(), tags.more.get("id").cloned().unwrap_or_default()),
    ]);
    if let Some(rpc) = rpc {
        shown.insert("rpc_addr".into(), rpc.ip().to_string());
        shown.insert("port".into(), rpc.port().to_string());
    }
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

/// Starts gossip: a pool of one until somebody joins.
pub(super) async fn start(
    config: &Config,
    id: u128,
    address: IpAddr,
    rpc: SocketAddr,
    runtime: &Handle,
) -> Result<Gossip, StartError> {
    let role = match (config.server, config.client) {
        (true, true) => "server,client",
        (true, false) => "server",
        _ => "client",
    };
    let tags = gossip::Tags {
        name: config.name.clone(),
        role: role.into(),
        region: config.region.clone(),
        datacenter: config.datacenter.clone(),
        rpc_address: rpc.to_string(),
        http_address: format!("{address}:{}", config.http_port),
        build: env!("CARGO_PKG_VERSION").into(),
        more: BTreeMap::from([("id".into(), model::NodeId(id).to_string())]),
    };
    let started = SystemClock.now().as_nanos() / 1_000_000;
    let gossip = gossip::Config {
        node: id,
        bind: SocketAddr::new(config.bind, config.gossip_port),
        advertise: Some(address),
        started: u64::try_from(started).unwrap_or(0),
        tags,
        pace: gossip::Pace::lan(),
        seed: rand::random(),
    };
    Gossip::start(gossip, runtime.clone()).await.map_err(|error| {
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
            text.parse::<SocketAddr>()
                .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)))
                .map_err(|_| {
                    StartError::Other(format!(
                        "`recursors`: {text:?} is not an address such as \"8.8.8.8\" or \"10.0.0.2:5353\""
                    ))
                })
        })
        .collect()
}
