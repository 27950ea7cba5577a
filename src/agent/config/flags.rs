//! Flags over what files said. Lists are added to, everything else is replaced.

use model::PoolName;

use super::{consul_agent, consul_keys, draft::Draft, keys_server::key, parts::Face};
use crate::cli::AgentArgs;

pub(super) fn apply(draft: &mut Draft, args: &AgentArgs, problems: &mut Vec<String>) {
    texts(draft, args);
    let is_consul = draft.config.face == Face::Consul;
    let config = &mut draft.config;
    config.server |= args.server;
    config.client |= args.client;
    config.log_json |= args.log_json;
    config.rejoin_after_leave |= args.rejoin;
    set(&mut config.data_dir, &args.data_dir);
    set(&mut config.datacenter, &args.datacenter);
    set(&mut config.region, &args.region);
    set(&mut config.name, &args.node);
    set(&mut config.node_class, &args.node_class);
    set(&mut config.node_pool, &args.node_pool.as_deref().map(PoolName::new));
    set(&mut config.log_level, &args.log_level.as_deref().map(consul_agent::log_level));
    set(&mut config.http_port, &args.http_port);
    set(&mut config.rpc_port, &args.rpc_port);
    set(&mut config.gossip_port, &args.gossip_port);
    set(&mut config.consul_port, &args.consul_port);
    set(&mut config.dns_port, &args.dns_port);
    set(&mut config.domain, &args.domain.as_deref().map(|domain| domain.trim_end_matches('.').to_owned()));
    set(&mut config.bootstrap_expect, &args.bootstrap_expect);
    for (target, dir) in [(&mut config.alloc_dir, &args.alloc_dir), (&mut config.state_dir, &args.state_dir)]
    {
        if dir.is_some() {
            target.clone_from(dir);
        }
    }
    config.meta.extend(args.meta.clone());
    config.recursors.extend(args.recursors.clone());
    config.servers.extend(args.servers.clone());
    config.join.start.extend(args.join.clone());
    // A client has one way to find servers, a server another.
    let join = if config.client && !config.server { &mut config.client_join } else { &mut config.join };
    join.retry.extend(args.retry_join.clone());
    set(&mut join.interval, &args.retry_interval);
    set(&mut join.max, &args.retry_max);
    if !args.join.is_empty() && !config.server && !is_consul {
        problems.push("flag -join: start_join is not supported for Nomad clients; use -retry-join".into());
    }
    if let Some(text) = &args.encrypt {
        match key(text) {
            Ok(key) => config.encrypt = key.or_else(|| config.encrypt.take()),
            Err(problem) => problems.push(format!("flag -encrypt: {problem}")),
        }
    }
    let consul = &mut config.consul;
    if let Some(address) = &args.consul_address
        && let Err(reason) = consul_keys::address(consul, address)
    {
        problems.push(format!("flag -consul-address {reason}"));
    }
    if args.consul_token.is_some() {
        consul.token.clone_from(&args.consul_token);
    }
    set(&mut consul.server_service, &args.consul_server_service);
    set(&mut consul.client_service, &args.consul_client_service);
    set(&mut consul.auto_advertise, &args.consul_auto_advertise);
    set(&mut consul.server_auto_join, &args.consul_server_auto_join);
    set(&mut consul.client_auto_join, &args.consul_client_auto_join);
    if args.ui {
        config.warnings.push(consul_agent::NO_UI.into());
    }
}

/// Addresses are resolved later; until then they are texts with a place.
fn texts(draft: &mut Draft, args: &AgentArgs) {
    let mut place = |text: &Option<String>, paths: &[&str], flag: &str| {
        if text.is_some() {
            draft.places.extend(paths.iter().map(|path| ((*path).to_owned(), format!("flag {flag}"))));
        }
    };
    place(&args.bind, &["bind_addr"], "-bind");
    place(&args.network_interface, &["client.network_interface"], "-network-interface");
    place(&args.client_address, &["addresses.consul", "addresses.dns"], "-client");
    place(&args.advertise, &["advertise.rpc", "advertise.serf"], "-advertise");
    let written = &mut draft.written;
    set(&mut written.bind, &args.bind);
    set(&mut written.interface, &args.network_interface);
    set(&mut written.consul.bind, &args.client_address);
    set(&mut written.dns.bind, &args.client_address);
    set(&mut written.rpc.advertise, &args.advertise);
    set(&mut written.gossip.advertise, &args.advertise);
}

fn set<T: Clone>(target: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}
