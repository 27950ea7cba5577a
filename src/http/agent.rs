//! The agent itself, members, leader, health.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use actix_web::{HttpResponse, http::StatusCode};
use api::{AgentHealth, AgentMembers, AgentSelf, HealthNote, JoinResponse};

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, json, json_into},
};
use crate::actors::ports::Member;

fn member(member: &Member) -> api::Member {
    api::Member {
        name: member.name.clone(),
        addr: member.address.clone(),
        port: member.port,
        tags: member.tags.clone(),
        status: member.status.clone(),
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 4,
    }
}

pub(super) fn itself(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let agent = &ctx.agent;
    let name = format!("{}.{}", agent.name, agent.region);
    let members = ctx.members.members();
    let own = members.iter().find(|other| other.name == name).map(member);
    let leadership = ctx.consensus.leadership();
    let root = ctx.state.root();
    let mut stats: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut group = |name: &str, facts: &[(&str, String)]| {
        let facts = facts.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        stats.insert(name.to_owned(), facts.collect());
    };
    if agent.is_server {
        group(
            "nomad",
            &[
                ("server", agent.is_server.to_string()),
                ("leader", leadership.is_leader.to_string()),
                ("leader_addr", leadership.leader_address.unwrap_or_default()),
                ("known_regions", known_regions(ctx).len().to_string()),
            ],
        );
        let (index, peers) = ctx.consensus.peers();
        let own = peers.iter().find(|peer| peer.address == agent.rpc_address);
        let others = peers.iter().filter(|peer| peer.voter && peer.address != agent.rpc_address).count();
        group(
            "raft",
            &[
                ("state", String::from(if leadership.is_leader { "Leader" } else { "Follower" })),
                ("term", leadership.term.to_string()),
                ("applied_index", root.index.to_string()),
                ("last_log_index", own.map_or(root.index, |own| own.last_index).to_string()),
                ("latest_configuration_index", index.to_string()),
                ("num_peers", others.to_string()),
            ],
        );
        let count = |status: &str| {
            members.iter().filter(|member| member.is_server() && member.status == status).count().to_string()
        };
        let servers = members.iter().filter(|member| member.is_server()).count();
        group(
            "serf",
            &[("members", servers.to_string()), ("failed", count("failed")), ("left", count("left"))],
        );
    }
    if let Some(node) = agent.node {
        let allocs = root.allocs_of_node(node).filter(|alloc| !alloc.is_terminal()).count();
        group(
            "client",
            &[
                ("node_id", node.to_string()),
                ("num_allocations", allocs.to_string()),
                ("known_servers", server_addresses(ctx).join(",")),
            ],
        );
    }
    group(
        "runtime",
        &[
            ("version", agent.version.clone()),
            ("arch", std::env::consts::ARCH.to_owned()),
            ("kernel.name", std::env::consts::OS.to_owned()),
        ],
    );
    let answer = AgentSelf {
        config: agent.config.clone().into_iter().collect(),
        member: own.unwrap_or_default(),
        stats,
    };
    Ok(json(call, &answer))
}

/// The servers of all regions: clients are nodes, not members.
pub(super) fn members(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let answer = AgentMembers {
        server_name: ctx.agent.name.clone(),
        server_region: ctx.agent.region.clone(),
        server_dc: ctx.agent.datacenter.clone(),
        members: ctx.members.members().iter().filter(|member| member.is_server()).map(member).collect(),
    };
    Ok(json(call, &answer))
}

pub(super) fn health(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let asked: Vec<&str> = call.texts("type").collect();
    let is_asked = |kind: &str| asked.is_empty() || asked.contains(&kind);
    let note = |ok: bool, text: &str| HealthNote { ok, message: String::from(if ok { "ok" } else { text }) };
    let has_leader = ctx.consensus.leadership().leader_address.is_some();
    let knows_servers = !server_addresses(ctx).is_empty();
    let mut answer = AgentHealth::default();
    if is_asked("server") && (ctx.agent.is_server || !asked.is_empty()) {
        answer.server = Some(if ctx.agent.is_server {
            note(has_leader, "no leader")
        } else {
            note(false, "server not enabled")
        });
    }
    if is_asked("client") && (ctx.agent.node.is_some() || !asked.is_empty()) {
        answer.client = Some(if ctx.agent.node.is_some() {
            note(knows_servers, "no known servers")
        } else {
            note(false, "client not enabled")
        });
    }
    let all_ok = [&answer.server, &answer.client].into_iter().flatten().all(|note| note.ok);
    let status = if all_ok { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    Ok(json_into(&mut HttpResponse::build(status), call, &answer))
}

/// RPC addresses of the servers of this region that are alive, sorted.
fn server_addresses(ctx: &Context) -> Vec<String> {
    let members = ctx.members.members();
    let mut addresses: Vec<String> = members
        .iter()
        .filter(|member| member.is_server() && member.is_alive() && member.region() == ctx.agent.region)
        .filter_map(rpc_address)
        .collect();
    if addresses.is_empty() && ctx.agent.is_server {
        addresses.push(ctx.agent.rpc_address.clone());
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The tag holds the port as well, or there is a tag for it.
pub(super) fn rpc_address(member: &Member) -> Option<String> {
    let address = member.tags.get("rpc_addr")?;
    match (address.parse::<IpAddr>(), member.tags.get("port").and_then(|port| port.parse().ok())) {
        (Ok(ip), Some(port)) => Some(SocketAddr::new(ip, port).to_string()),
        _ => Some(address.clone()),
    }
}

/// The servers that a client knows. Writing adds some: their gossip tells of all others.
pub(super) async fn servers(ctx: &Context, call: &Call) -> Answer {
    if !call.is_write() {
        call.only_get()?;
        return Ok(json(call, &server_addresses(ctx)));
    }
    let addresses: Vec<String> = call.texts("address").filter(|text| !text.is_empty()).map(host).collect();
    if addresses.is_empty() {
        return Err(Failure::bad("missing server address"));
    }
    let joined = ctx.members.join(addresses).await;
    if joined.contacted == 0 {
        return Err(Failure::server(format!("no server answers: {}", joined.failed.join("; "))));
    }
    Ok(HttpResponse::Ok().finish())
}

/// Without its port, which is that of RPC here; gossip has another.
fn host(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string(),
        Err(_) => address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned(),
    }
}

/// Meets other servers.
pub(super) async fn join(ctx: &Context, call: &Call) -> Answer {
    call.only_write()?;
    if !ctx.agent.is_server {
        return Err(Failure::absent("Invalid method"));
    }
    let addresses: Vec<String> =
        call.texts("address").filter(|text| !text.is_empty()).map(str::to_owned).collect();
    if addresses.is_empty() {
        return Err(Failure::bad("missing address to join"));
    }
    let joined = ctx.members.join(addresses).await;
    let error = if joined.contacted == 0 { joined.failed.join("\n") } else { String::new() };
    let warning = if joined.contacted == 0 { String::new() } else { joined.failed.join("\n") };
    Ok(json(call, &JoinResponse { num_joined: joined.contacted, error, warning }))
}

/// A failed member counts as one that left.
pub(super) async fn force_leave(ctx: &Context, call: &Call) -> Answer {
    call.only_write()?;
    let node = call.text("node").ok_or_else(|| Failure::bad("missing node to force leave"))?;
    let prune = call.flag("prune")?;
    ctx.members.force_leave(node, prune).await.map_err(Failure::server)?;
    Ok(HttpResponse::Ok().finish())
}

/// The servers in the log.
pub(super) fn peers(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let mut addresses: Vec<String> =
        ctx.consensus.peers().1.into_iter().filter(|peer| peer.voter).map(|peer| peer.address).collect();
    addresses.sort_unstable();
    Ok(json(call, &addresses))
}

pub(super) fn leader(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    match ctx.consensus.leadership().leader_address {
        Some(leader) => Ok(json(call, &leader)),
        None => Err(Failure::server("No cluster leader")),
    }
}

/// Of all servers that gossip knows, and of this agent.
fn known_regions(ctx: &Context) -> BTreeSet<String> {
    let members = ctx.members.members();
    let known = members.iter().filter(|member| member.is_server() && member.status != "left");
    let mut regions: BTreeSet<String> = known.map(|member| member.region().to_owned()).collect();
    regions.remove("");
    regions.insert(ctx.agent.region.clone());
    regions
}

pub(super) fn regions(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    Ok(json(call, &known_regions(ctx)))
}

/// Only what a restart reads again can be changed.
/// The configuration is read again. Answers with all that is wrong with it.
pub(super) async fn reload(ctx: &Context) -> Answer {
    let configuration = ctx.configuration.clone();
    let read = tokio::task::spawn_blocking(move || configuration.reload()).await;
    match read.map_err(|error| Failure::server(error.to_string()))? {
        Ok(()) => Ok(HttpResponse::Ok().finish()),
        Err(problems) => Err(Failure::server(problems.join("\n"))),
    }
}
