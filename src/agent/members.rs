//! Gossip, and what HTTP shows of it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use tokio::runtime::Handle;

use super::{config::Config, start::StartError};
use crate::{
    actors::ports::{Member, Members},
    net::gossip::{Gossip, GossipConfig},
};

/// Starts gossip: a pool of one until somebody joins.
pub(super) fn start(config: &Config, own_rpc: SocketAddr, runtime: &Handle) -> Result<Gossip, StartError> {
    let _ = (config, own_rpc, runtime);
    todo!()
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
