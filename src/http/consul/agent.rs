//! The agent itself, its members and what runs on its node.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use api::consul::HealthCheck;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    ConsulContext, catalog,
    read::{Answer, json as answer, refuse_unknown_tenants},
    rows,
};
use crate::{
    actors::ports::Member,
    http::{call::Call, failure::Failure},
};

/// A member as Consul's gossip shows it. Tags are Consul's; statuses are numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MemberRow {
    name: String,
    addr: String,
    port: u16,
    tags: BTreeMap<&'static str, String>,
    status: u8,
    protocol_min: u8,
    protocol_max: u8,
    protocol_cur: u8,
    delegate_min: u8,
    delegate_max: u8,
    delegate_cur: u8,
}

impl MemberRow {
    fn new(name: String, addr: String, port: u16, tags: BTreeMap<&'static str, String>, status: u8) -> Self {
        Self {
            name,
            addr,
            port,
            tags,
            status,
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur: 4,
        }
    }
}

fn tags(role: &str, dc: &str, id: &str, version: &str) -> BTreeMap<&'static str, String> {
    let build = if version.contains(':') { version.to_owned() } else { format!("{version}:") };
    [("role", role), ("dc", dc), ("id", id), ("build", &build), ("segment", ""), ("vsn", "2")]
        .map(|(key, value)| (key, value.to_owned()))
        .into()
}

fn row(member: &Member) -> MemberRow {
    let tag = |name: &str| member.tags.get(name).map(String::as_str).unwrap_or_default();
    let region = format!(".{}", tag("region"));
    let name = member.name.strip_suffix(&region).unwrap_or(&member.name).to_owned();
    let role = if tag("role") == "nomad" { "consul" } else { "node" };
    let status = match member.status.as_str() {
        "alive" => 1,
        "leaving" => 2,
        "left" => 3,
        "failed" => 4,
        _ => 0,
    };
    let tags = tags(role, tag("dc"), tag("id"), tag("build"));
    MemberRow::new(name, member.address.clone(), member.port, tags, status)
}

/// This agent among the members; as it knows itself where gossip does not list it.
fn own(ctx: &ConsulContext) -> MemberRow {
    let agent = &ctx.agent;
    let listed = ctx.members.members().iter().map(row).find(|row| row.name == agent.name);
    listed.unwrap_or_else(|| {
        let role = if agent.is_server { "consul" } else { "node" };
        let tags = tags(role, &agent.datacenter, &node_id(ctx), &agent.version);
        MemberRow::new(agent.name.clone(), agent.address.clone(), 0, tags, 1)
    })
}

fn node_id(ctx: &ConsulContext) -> String {
    ctx.agent.node.map(|id| id.to_string()).unwrap_or_default()
}

pub(super) fn members(ctx: &ConsulContext, call: &Call) -> Answer {
    refuse_unknown_tenants(call)?;
    if call.text("wan").is_some() && call.text("segment").is_some() {
        return Err(Failure::bad("Cannot provide a segment with wan=true"));
    }
    let mut rows: Vec<MemberRow> = ctx.members.members().iter().map(row).collect();
    if rows.is_empty() {
        rows.push(own(ctx));
    }
    if call.text("wan").is_some() {
        rows.retain(|row| row.tags["role"] == "consul");
        for row in &mut rows {
            row.name = format!("{}.{}", row.name, row.tags["dc"]);
        }
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(answer(ctx, call, &rows))
}

pub(super) fn itself(ctx: &ConsulContext, call: &Call) -> Answer {
    let agent = &ctx.agent;
    let root = ctx.state.root();
    let leadership = agent.leadership.borrow().clone();
    let id = node_id(ctx);
    let (services, checks) = counts(ctx);
    let mut stats = json!({
        "agent": {"services": services.to_string(), "checks": checks.to_string()},
        "build": {"version": agent.version, "revision": "", "prerelease": "", "version_metadata": ""},
        "consul": {
            "acl": "disabled",
            "server": agent.is_server.to_string(),
            "leader": leadership.is_leader.to_string(),
            "leader_addr": leadership.leader_address.unwrap_or_default(),
            "known_datacenters": "1",
        },
        "runtime": {"arch": std::env::consts::ARCH, "os": std::env::consts::OS, "version": ""},
        "serf_lan": {"members": ctx.members.members().len().max(1).to_string()},
    });
    if agent.is_server {
        stats["raft"] = json!({
            "state": if leadership.is_leader { "Leader" } else { "Follower" },
            "term": leadership.term.to_string(),
            "applied_index": root.index.to_string(),
        });
    }
    let meta = agent.node.and_then(|id| root.nodes.get(&id)).map(|node| rows::node_meta(node));
    let body = json!({
        "Config": {
            "Datacenter": agent.datacenter,
            "PrimaryDatacenter": agent.datacenter,
            "NodeName": agent.name,
            "NodeID": id,
            "Revision": "",
            "Server": agent.is_server,
            "Version": agent.version,
            "BuildDate": "1970-01-01T00:00:01Z",
        },
        "DebugConfig": {
            "Datacenter": agent.datacenter,
            "NodeName": agent.name,
            "ServerMode": agent.is_server,
            "Bootstrap": false,
            "ConnectEnabled": false,
            "DNSPort": if agent.dns_port == 0 { -1 } else { i32::from(agent.dns_port) },
            "GRPCPort": -1,
            "GRPCTLSPort": -1,
            "DevMode": agent.pretty,
        },
        "Coord": null,
        "Member": own(ctx),
        "Stats": stats,
        "Meta": meta.unwrap_or_else(|| BTreeMap::from([("consul-network-segment".into(), String::new())])),
        "xDS": null,
    });
    Ok(answer(ctx, call, &body))
}

pub(super) fn version(ctx: &ConsulContext, call: &Call) -> Answer {
    let body = json!({
        "SHA": "", "BuildDate": "1970-01-01T00:00:01Z", "HumanVersion": ctx.agent.version, "FIPS": "",
    });
    Ok(answer(ctx, call, &body))
}

fn counts(ctx: &ConsulContext) -> (usize, usize) {
    let root = ctx.state.root();
    let Some(node) = ctx.agent.node.and_then(|id| root.nodes.get(&id)) else { return (0, 0) };
    catalog::services_of(&root, node)
        .fold((0, 0), |(services, checks), instance| (services + 1, checks + instance.checks.len()))
}

/// By id, what runs on this agent's node.
pub(super) fn services(ctx: &ConsulContext, call: &Call) -> Answer {
    refuse_unknown_tenants(call)?;
    let root = ctx.state.root();
    let node = ctx.agent.node.and_then(|id| root.nodes.get(&id));
    let services: BTreeMap<String, rows::AgentService> = node
        .into_iter()
        .flat_map(|node| catalog::services_of(&root, node))
        .map(|instance| (instance.id.clone(), rows::agent_service(instance)))
        .collect();
    Ok(answer(ctx, call, &services))
}

pub(super) fn service(ctx: &ConsulContext, call: &Call, id: &str) -> Answer {
    refuse_unknown_tenants(call)?;
    if call.raw("hash").is_some() {
        return Err(Failure::absent("blocking by `hash` is not supported by this version of troupe"));
    }
    let root = ctx.state.root();
    let node = ctx.agent.node.and_then(|id| root.nodes.get(&id));
    let found =
        node.and_then(|node| catalog::services_of(&root, node).find(|instance| instance.id == id).cloned());
    match found {
        Some(instance) => Ok(answer(ctx, call, &rows::agent_service(&instance))),
        None => Err(Failure::not_found(format!("unknown service ID: {id}"))),
    }
}

pub(super) fn checks(ctx: &ConsulContext, call: &Call) -> Answer {
    refuse_unknown_tenants(call)?;
    let root = ctx.state.root();
    let node = ctx.agent.node.and_then(|id| root.nodes.get(&id));
    let checks: BTreeMap<String, HealthCheck> = node
        .into_iter()
        .flat_map(|node| catalog::services_of(&root, node))
        .flat_map(|instance| rows::service_checks(instance))
        .map(|check| (check.check_id.clone(), check))
        .collect();
    Ok(answer(ctx, call, &checks))
}

/// The RPC address of the leader; empty text when there is none.
pub(super) fn leader(ctx: &ConsulContext, call: &Call) -> Answer {
    let leader = ctx.agent.leadership.borrow().leader_address.clone();
    Ok(answer(ctx, call, &Value::String(leader.unwrap_or_default())))
}

pub(super) fn peers(ctx: &ConsulContext, call: &Call) -> Answer {
    let members = ctx.members.members();
    let mut peers: Vec<String> = members
        .iter()
        .filter(|member| {
            member.status == "alive" && member.tags.get("role").is_some_and(|role| role == "nomad")
        })
        .filter_map(rpc_address)
        .collect();
    if peers.is_empty() && ctx.agent.is_server {
        peers.push(ctx.agent.rpc_address.clone());
    }
    peers.sort_unstable();
    peers.dedup();
    Ok(answer(ctx, call, &peers))
}

/// The tag holds the port as well, or there is a tag for it.
fn rpc_address(member: &Member) -> Option<String> {
    let address = member.tags.get("rpc_addr")?;
    match (address.parse::<IpAddr>(), member.tags.get("port").and_then(|port| port.parse().ok())) {
        (Ok(ip), Some(port)) => Some(SocketAddr::new(ip, port).to_string()),
        _ => Some(address.clone()),
    }
}
