//! `consul agent` beside `nomad agent`: whose catalog is shown, and how a Nomad agent offers its own. The protocol is
//! in docs/consul-beside-nomad.md.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{config::Config, whereabouts::Places};
use crate::{
    actors::ports::Upstream,
    net::{
        gossip::{Gossip, Member},
        mirror,
        remote::{Carrier, Whereabouts},
        rpc::Client,
    },
};

/// How long an offer counts.
const COUNTS: Duration = Duration::from_secs(30);
/// How often it is made.
const EVERY: Duration = Duration::from_secs(10);
/// The first ones, until one was taken.
const SOON: Duration = Duration::from_secs(1);
/// For one request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Tag under which a consul agent tells the others which servers it was offered.
const TAG: &str = "upstream";
/// Servers in that tag: tags are short.
const TOLD: usize = 3;

// ---------------------------------------------------------------------------------------------- the consul agent

/// The catalogs that were offered to this agent, or to another one of its members.
#[derive(Clone)]
pub(super) struct Offers {
    gossip: Gossip,
    carrier: Carrier,
    own: Arc<Mutex<Option<Offer>>>,
}

#[derive(Debug, Clone)]
struct Offer {
    servers: Vec<String>,
    at: Instant,
}

impl Offers {
    pub(super) fn new(gossip: Gossip, carrier: Carrier) -> Self {
        Self { gossip, carrier, own: Arc::default() }
    }
}

impl Upstream for Offers {
    fn offer(&self, servers: Vec<String>) -> Duration {
        let told: Vec<String> = servers.iter().take(TOLD).cloned().collect();
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Offer { servers, at: Instant::now() });
        let value = told.join(",");
        let members = self.gossip.members();
        if let Some(me) = members.first().filter(|me| me.tags.more.get(TAG) != Some(&value)) {
            let mut tags = (*me.tags).clone();
            tags.more.insert(TAG.into(), value);
            let gossip = self.gossip.clone();
            tokio::spawn(async move {
                if let Err(error) = gossip.set_tags(tags).await {
                    warn!(%error, "the other agents are not told whose catalog is offered");
                }
            });
        }
        COUNTS
    }
}

impl mirror::Servers for Offers {
    /// What was offered here, else what others were offered.
    fn addresses(&self) -> Vec<String> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fresh = own.filter(|offer| offer.at.elapsed() < COUNTS);
        let mut addresses = fresh.map(|offer| offer.servers).unwrap_or_default();
        let members = self.gossip.members();
        let told = members.iter().filter(|member| member.is_alive()).filter_map(told_by);
        addresses.extend(told.flatten());
        let mut seen = std::collections::BTreeSet::new();
        addresses.retain(|address| seen.insert(address.clone()));
        addresses
    }

    fn client(&self, address: &str) -> Client {
        self.carrier.client(address)
    }
}

fn told_by(member: &Member) -> Option<impl Iterator<Item = String>> {
    let told = member.tags.more.get(TAG)?;
    Some(told.split(',').filter(|address| !address.is_empty()).map(str::to_owned))
}

// ---------------------------------------------------------------------------------------------- the nomad agent

/// Offers the catalog to the Consul that has this machine's port, for as long as the agent lives.
pub(super) async fn offer(config: Arc<Config>, places: Places) {
    let url = format!("http://{}", config.consul.address);
    let client = match crate::trust::plain().timeout(TIMEOUT).no_proxy().build() {
        Ok(client) => client,
        Err(error) => {
            warn!(%error, "the catalog cannot be offered to consul");
            return;
        }
    };
    let (mut taken, mut refused) = (false, false);
    loop {
        let mut servers = places.servers();
        if config.server {
            servers.insert(0, config.advertise.rpc.address.to_string());
        }
        let mut request =
            client.put(format!("{url}/v1/agent/troupe/upstream")).json(&json!({ "Servers": servers }));
        if let Some(token) = &config.consul.token {
            request = request.header("X-Consul-Token", token);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                if !taken {
                    info!(consul = config.consul.address, "consul shows the catalog of this cluster");
                }
                taken = true;
            }
            // The original: it is told of this agent, and not of the services of tasks.
            Ok(answer) if answer.status() == reqwest::StatusCode::NOT_FOUND => {
                if let Err(error) = register(&client, &url, &config).await {
                    debug!(%error, "this agent could not be registered with consul");
                } else if !taken {
                    taken = true;
                    warn!(
                        consul = config.consul.address,
                        "this agent is registered with consul; services of tasks are found through the agent itself"
                    );
                }
            }
            Ok(answer) => {
                if !refused {
                    warn!(status = %answer.status(), consul = config.consul.address, "consul did not take the catalog");
                }
                refused = true;
            }
            Err(error) => debug!(%error, "consul cannot be reached"),
        }
        tokio::time::sleep(if taken { EVERY } else { SOON }).await;
    }
}

/// Registers the agent's own doors, as `nomad` and `nomad-client`, each with a check that the original carries out.
async fn register(client: &reqwest::Client, url: &str, config: &Config) -> Result<(), reqwest::Error> {
    let (consul, advertise) = (&config.consul, &config.advertise);
    if !consul.auto_advertise {
        return Ok(());
    }
    let mut doors: BTreeMap<&str, (&String, &super::config::Reach)> = BTreeMap::new();
    if config.server {
        doors.insert("http", (&consul.server_service, &advertise.http));
        doors.insert("rpc", (&consul.server_service, &advertise.rpc));
        doors.insert("serf", (&consul.server_service, &advertise.gossip));
    }
    if config.client {
        doors.insert("client", (&consul.client_service, &advertise.http));
    }
    for (door, (service, reach)) in doors {
        let tag = if door == "client" { "http" } else { door };
        let body = json!({
            "ID": format!("_nomad-{door}-{}-{}", config.name, reach.address.port()),
            "Name": service,
            "Tags": [tag],
            "Address": reach.host,
            "Port": reach.address.port(),
            "Check": { "TCP": reach.dial(), "Interval": "10s", "Timeout": "2s" },
        });
        let mut request = client.put(format!("{url}/v1/agent/service/register")).json(&body);
        if let Some(token) = &consul.token {
            request = request.header("X-Consul-Token", token);
        }
        request.send().await?.error_for_status()?;
    }
    Ok(())
}
