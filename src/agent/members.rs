//! Gossip, and what HTTP shows of it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use super::{config::Config, start::StartError};
use crate::actors::ports::{Member, Members};

/// This agent alone.
pub(super) struct SelfMembers(pub Member);

impl Members for SelfMembers {
    fn members(&self) -> Vec<Member> {
        vec![self.0.clone()]
    }
}

/// What this agent says of itself.
pub(super) fn own(config: &Config, address: IpAddr, rpc: SocketAddr) -> Member {
    Member {
        name: format!("{}.{}", config.name, config.region),
        address: address.to_string(),
        port: config.gossip_port,
        status: "alive".into(),
        tags: BTreeMap::from([
            ("role".into(), "nomad".into()),
            ("region".into(), config.region.clone()),
            ("dc".into(), config.datacenter.clone()),
            ("build".into(), env!("CARGO_PKG_VERSION").into()),
            ("rpc_addr".into(), rpc.ip().to_string()),
            ("port".into(), rpc.port().to_string()),
        ]),
    }
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
