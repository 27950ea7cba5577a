//! Finds the cluster: at the addresses of the configuration, through a Consul API, among the members of before; again
//! and again as far as the configuration says so.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::lookup_host, runtime::Handle, sync::watch, task::JoinHandle};
use tracing::{debug, info, warn};

use super::{
    beside,
    config::{Config, Face, Join},
    consul_join, peers,
    whereabouts::Places,
};
use crate::{
    actors::{kit::Fatal, ports::Leadership},
    net::{
        contacts::{self, Contacts},
        gossip::Gossip,
        node_link::RemoteServers,
        remote::Carrier,
    },
};

/// How long a name server may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How often a client without a log asks who leads, and who else is a server.
const REFRESH: Duration = Duration::from_secs(10);
/// The first pause of a client that found no server; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often servers ask a Consul API for others as long as they are alone.
const CONSUL_PAUSE: Duration = Duration::from_secs(5);

/// What a search needs.
#[derive(Clone)]
pub(super) struct Search {
    pub config: Arc<Config>,
    pub gossip: Gossip,
    pub places: Places,
    pub carrier: Carrier,
    /// The node's way to the servers.
    pub servers: Arc<RemoteServers>,
    pub fatal: Fatal,
}

/// The searches that go on. They end with this.
pub(super) struct Joining(Vec<JoinHandle<()>>);

impl Drop for Joining {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// Joins what has to be joined at once and goes on looking for the rest.
///
/// # Errors
/// `start_join` found nobody.
pub(super) async fn begin(
    search: Search,
    tell_leadership: watch::Sender<Leadership>,
    runtime: &Handle,
) -> Result<Joining, String> {
    let config = search.config.clone();
    let (offering, gossip) = (search.places.clone(), search.gossip.clone());
    let mut tasks = Vec::new();
    if config.server || config.face == Face::Consul {
        search.servers.set_servers(&[config.advertise.rpc.address.to_string()]);
        if !config.join.start.is_empty() {
            let members = start_join(&search.gossip, &config.join.start, config.gossip_port).await?;
            info!(members, "joined the cluster");
        }
        if !config.join.retry.is_empty() {
            let search = search.clone();
            tasks.push(runtime.spawn(async move {
                let config = &search.config;
                if let Err(problem) = retry_join(&search.gossip, &config.join, config.gossip_port).await {
                    search.fatal.report(problem);
                }
            }));
        }
        // A dev agent is alone on purpose.
        let asks = config.face == Face::Nomad && !config.dev && config.consul.server_auto_join;
        if asks && consul_is_of_use(&config).await {
            tasks.push(runtime.spawn(join_through_consul(search)));
        }
    } else {
        tasks.push(runtime.spawn(follow_servers(search, tell_leadership)));
    }
    if config.face == Face::Nomad && config.listen.consul.is_empty() {
        tasks.push(runtime.spawn(beside::offer(config.clone(), offering)));
    }
    if !config.dev {
        tasks.push(runtime.spawn(peers::keep(config.data_dir.clone(), gossip)));
    }
    Ok(Joining(tasks))
}

/// Whether there is a Consul API other than our own.
async fn consul_is_of_use(config: &Config) -> bool {
    let Ok(asked) = resolve(&config.consul.address, 8500).await else {
        // Its name may mean something later.
        return true;
    };
    let own = [config.advertise.rpc.address.ip(), config.advertise.http.address.ip()];
    consul_join::whose(&asked, &config.listen.consul, &own) == consul_join::Whose::Theirs
}

/// As long as no other server is known, the Consul API is asked for one.
async fn join_through_consul(search: Search) {
    let consul = &search.config.consul;
    loop {
        let alone = !search.gossip.members().iter().skip(1).any(|member| member.tags.is_server());
        if alone {
            match consul_join::servers(consul, &consul.server_service, "serf").await {
                Ok(found) => {
                    let (addresses, _) = resolve_all(&found, search.config.gossip_port).await;
                    let own = search.gossip.address();
                    let others: Vec<_> = addresses.into_iter().filter(|found| *found != own).collect();
                    if !others.is_empty()
                        && let Err(error) = search.gossip.join(others).await
                    {
                        debug!(%error, "servers found through consul did not answer");
                    }
                }
                Err(error) => debug!(%error, "consul cannot be asked for servers"),
            }
        }
        tokio::time::sleep(CONSUL_PAUSE).await;
    }
}

/// An agent without a log: finds a server, takes part in gossip, and hears now and then who leads.
async fn follow_servers(search: Search, tell_leadership: watch::Sender<Leadership>) {
    let mut pause = FIRST_PAUSE;
    let mut attempts = 0;
    loop {
        match ask_somebody(&search).await {
            Ok(contacts) => {
                if pause != FIRST_PAUSE || attempts == 0 {
                    info!(servers = contacts.servers.len(), "found the servers");
                }
                (pause, attempts) = (FIRST_PAUSE, 1);
                take_in(&search, &tell_leadership, contacts).await;
                tokio::time::sleep(REFRESH).await;
            }
            Err(problem) => {
                attempts += 1;
                let most = search.config.client_join.max;
                if most > 0 && attempts > most {
                    search.fatal.report(format!("max join retry exhausted, exiting: {problem}"));
                    return;
                }
                tell_leadership.send_if_modified(|known| known.leader_address.take().is_some());
                warn!(problem, retry_in = ?pause, "no server can be found yet");
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }
}

/// The servers that are known, then those of the configuration, then those that a Consul API knows.
async fn ask_somebody(search: &Search) -> Result<Contacts, String> {
    use crate::net::remote::Whereabouts;

    let config = &search.config;
    let mut problems = Vec::new();
    let mut addresses = search.places.servers();
    let named: Vec<String> = config.servers.iter().chain(&config.client_join.retry).cloned().collect();
    let (found, unknown) = resolve_all(&named, config.rpc_port).await;
    problems.extend(unknown);
    addresses.extend(found.iter().map(ToString::to_string));
    if let Some(contacts) = ask_each(search, addresses, &mut problems).await {
        return Ok(contacts);
    }
    if consul_is_of_use(config).await && config.consul.client_auto_join {
        match consul_join::servers(&config.consul, &config.consul.server_service, "rpc").await {
            Ok(found) => {
                if let Some(contacts) = ask_each(search, found, &mut problems).await {
                    return Ok(contacts);
                }
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() {
        problems.push("no server is named: set `client { servers = [\"host:4647\"] }`".into());
    }
    Err(problems.join("; "))
}

async fn ask_each(
    search: &Search,
    mut addresses: Vec<String>,
    problems: &mut Vec<String>,
) -> Option<Contacts> {
    let mut seen = std::collections::BTreeSet::new();
    addresses.retain(|address| seen.insert(address.clone()));
    for address in addresses {
        match contacts::ask(&search.carrier, &address, &search.config.region).await {
            Ok(contacts) => return Some(contacts),
            Err(error) => problems.push(format!("{address}: {error}")),
        }
    }
    None
}

async fn take_in(search: &Search, tell_leadership: &watch::Sender<Leadership>, contacts: Contacts) {
    let servers: Vec<String> = contacts.servers.iter().map(|contact| contact.rpc.clone()).collect();
    search.servers.set_servers(&servers);
    search.places.tell(servers);
    let leader = contacts.leader;
    tell_leadership.send_if_modified(|known| {
        let changed = known.leader_address != leader;
        known.leader_address = leader;
        changed
    });
    let known = search.gossip.members();
    let strangers: Vec<SocketAddr> = contacts
        .servers
        .iter()
        .filter_map(|contact| contact.gossip.parse().ok())
        .filter(|address| !known.iter().any(|member| member.is_alive() && member.address == *address))
        .collect();
    if !strangers.is_empty()
        && let Err(error) = search.gossip.join(strangers).await
    {
        debug!(%error, "the servers cannot be joined");
    }
}

/// The addresses of `host`, `host:port`, `ip`, `ip:port` or `[v6]:port`.
///
/// # Errors
/// In words that name the address.
pub(super) async fn resolve(address: &str, default_port: u16) -> Result<Vec<SocketAddr>, String> {
    if let Ok(found) = address.parse::<SocketAddr>() {
        return Ok(vec![found]);
    }
    if let Ok(ip) = address.trim_matches(['[', ']']).parse() {
        return Ok(vec![SocketAddr::new(ip, default_port)]);
    }
    let with_port = match address.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:{default_port}"),
    };
    let found = tokio::time::timeout(LOOKUP, lookup_host(with_port.as_str()))
        .await
        .map_err(|_| format!("{address}: the name server does not answer"))?
        .map_err(|error| format!("{address}: {error}"))?;
    // IPv4 first: what binds to 0.0.0.0 does not listen on the others.
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    if found.is_empty() { Err(format!("{address}: the name has no address")) } else { Ok(found) }
}

/// All addresses, and what is wrong with the others.
pub(super) async fn resolve_all(addresses: &[String], default_port: u16) -> (Vec<SocketAddr>, Vec<String>) {
    let looked_up = addresses.iter().map(|address| resolve(address, default_port));
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for result in futures::future::join_all(looked_up).await {
        match result {
            Ok(addresses) => found.extend(addresses),
            Err(problem) => problems.push(problem),
        }
    }
    (found, problems)
}

/// Joins once.
///
/// # Errors
/// Nobody answered.
async fn start_join(gossip: &Gossip, addresses: &[String], port: u16) -> Result<usize, String> {
    let (found, mut problems) = resolve_all(addresses, port).await;
    let own = gossip.address();
    let others: Vec<_> = found.into_iter().filter(|address| *address != own).collect();
    if others.is_empty() && problems.is_empty() {
        // It is the one that the others join.
        return Ok(0);
    }
    let joined = gossip.join(others).await.map_err(|error| error.to_string())?;
    problems.extend(joined.failed.into_iter().map(|(address, why)| format!("{address}: {why}")));
    if joined.contacted == 0 {
        return Err(format!("no member could be joined: {}", problems.join("; ")));
    }
    Ok(joined.contacted)
}

/// Joins until somebody answered.
///
/// # Errors
/// After `join.max` attempts, if it is not 0.
async fn retry_join(gossip: &Gossip, join: &Join, port: u16) -> Result<(), String> {
    let mut attempts = 0;
    loop {
        match start_join(gossip, &join.retry, port).await {
            Ok(members) => {
                info!(members, "joined the cluster");
                return Ok(());
            }
            Err(problem) => {
                attempts += 1;
                if join.max > 0 && attempts >= join.max {
                    return Err(format!("max join retry exhausted, exiting: {problem}"));
                }
                // All servers of a new cluster start at about the same time: the first attempts come soon.
                let pause = join.interval.min(Duration::from_millis(250 << attempts.min(7)));
                warn!(problem, retry_in = ?pause, "cannot join the cluster yet");
                tokio::time::sleep(pause).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_in_all_forms() {
        for (text, expected) in [
            ("10.0.0.1", "10.0.0.1:4648"),
            ("10.0.0.1:5000", "10.0.0.1:5000"),
            ("::1", "[::1]:4648"),
            ("[::1]:5000", "[::1]:5000"),
            ("[::1]", "[::1]:4648"),
        ] {
            assert_eq!(resolve(text, 4648).await.unwrap(), [expected.parse().unwrap()], "{text}");
        }
        let found = resolve("localhost:77", 4648).await.unwrap();
        assert!(found.iter().all(|address| address.port() == 77 && address.ip().is_loopback()), "{found:?}");
        assert!(resolve("no.such.host.invalid", 1).await.unwrap_err().contains("no.such.host.invalid"));
    }
}
