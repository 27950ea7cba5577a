//! The agent itself, its members and what runs on its node.

use std::{collections::BTreeMap, sync::Arc};

use api::consul::HealthCheck;
use serde::Serialize;
use serde_json::{Value, json};
use state::{CatalogNode, Root, ServiceInstance};

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

/// All agents of the region; `wan`: the servers of all regions.
pub(super) fn members(ctx: &ConsulContext, call: &Call) -> Answer {
    refuse_unknown_tenants(call)?;
    if call.text("wan").is_some() && call.text("segment").is_some() {
        return Err(Failure::bad("Cannot provide a segment with wan=true"));
    }
    let wan = call.text("wan").is_some();
    let region = &ctx.nomad.agent.region;
    let is_asked_for = |member: &&Member| {
        if wan { member.is_server() } else { member.region().is_empty() || member.region() == region }
    };
    let mut rows: Vec<MemberRow> = ctx.members.members().iter().filter(is_asked_for).map(row).collect();
    if rows.is_empty() && (!wan || ctx.agent.is_server) {
        rows.push(own(ctx));
    }
    if wan {
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
    let leadership = ctx.consensus.leadership();
    let members = ctx.members.members();
    let id = node_id(ctx);
    let (services, checks) = counts(ctx);
    let mut stats = json!({
        "agent": {"services": services.to_string(), "checks": checks.to_string()},
        "build": {"version": agent.version, "revision": "", "prerelease": "", "version_metadata": ""},
        "consul": {"acl": "disabled", "server": agent.is_server.to_string()},
        "runtime": {"arch": std::env::consts::ARCH, "os": std::env::consts::OS, "version": ""},
        "serf_lan": pool(members.iter().filter(|member| member.region() == ctx.nomad.agent.region)),
    });
    if agent.is_server {
        let (index, peers) = ctx.consensus.peers();
        let others = peers.iter().filter(|peer| peer.voter && peer.address != agent.rpc_address).count();
        stats["consul"]["leader"] = leadership.is_leader.to_string().into();
        stats["consul"]["leader_addr"] = leadership.leader_address.unwrap_or_default().into();
        stats["consul"]["known_datacenters"] = catalog::datacenters_of(&root, agent).len().to_string().into();
        stats["raft"] = json!({
            "state": if leadership.is_leader { "Leader" } else { "Follower" },
            "term": leadership.term.to_string(),
            "applied_index": root.index.to_string(),
            "latest_configuration_index": index.to_string(),
            "num_peers": others.to_string(),
        });
        stats["serf_wan"] = pool(members.iter().filter(|member| member.is_server()));
    } else {
        let servers = members.iter().filter(|member| member.is_server() && member.is_alive());
        let servers = servers.filter(|member| member.region() == ctx.nomad.agent.region).count();
        stats["consul"]["known_servers"] = servers.to_string().into();
    }
    let meta = agent.node.and_then(|id| root.catalog_node(id)).map(rows::node_meta);
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

/// Members by status.
fn pool<'a>(members: impl Iterator<Item = &'a Member>) -> Value {
    let statuses: Vec<&str> = members.map(|member| member.status.as_str()).collect();
    let count = |wanted: &str| statuses.iter().filter(|status| **status == wanted).count().to_string();
    json!({"members": statuses.len().max(1).to_string(), "failed": count("failed"), "left": count("left")})
}

pub(super) fn version(ctx: &ConsulContext, call: &Call) -> Answer {
    let body = json!({
        "SHA": "", "BuildDate": "1970-01-01T00:00:01Z", "HumanVersion": ctx.agent.version, "FIPS": "",
    });
    Ok(answer(ctx, call, &body))
}

/// What the agent itself answers for. `consul` is entered by the leader, for all servers.
fn own_services<'a>(root: &'a Root, node: CatalogNode<'_>) -> impl Iterator<Item = &'a Arc<ServiceInstance>> {
    catalog::services_of(root, node).filter(|instance| *instance.name != *model::Agent::CONSUL_SERVICE)
}

fn counts(ctx: &ConsulContext) -> (usize, usize) {
    let root = ctx.state.root();
    let Some(node) = ctx.agent.node.and_then(|id| root.catalog_node(id)) else { return (0, 0) };
    own_services(&root, node)
        .fold((0, 0), |(services, checks), instance| (services + 1, checks + instance.checks.len()))
}

/// By id, what runs on this agent's node.
pub(super) fn services(ctx: &ConsulContext, call: &Call) -> Answer {
    refuse_unknown_tenants(call)?;
    let root = ctx.state.root();
    let node = ctx.agent.node.and_then(|id| root.catalog_node(id));
    let services: BTreeMap<String, rows::AgentService> = node
        .into_iter()
        .flat_map(|node| own_services(&root, node))
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
    let node = ctx.agent.node.and_then(|id| root.catalog_node(id));
    let found = node.and_then(|node| own_services(&root, node).find(|instance| instance.id == id).cloned());
    match found {
        Some(instance) => Ok(answer(ctx, call, &rows::agent_service(&instance))),
        None => Err(Failure::not_found(format!("unknown service ID: {id}"))),
    }
}

pub(super) fn checks(ctx: &ConsulContext, call: &Call) -> Answer {
    refuse_unknown_tenants(call)?;
    let root = ctx.state.root();
    let node = ctx.agent.node.and_then(|id| root.catalog_node(id));
    let checks: BTreeMap<String, HealthCheck> = node
        .into_iter()
        .flat_map(|node| own_services(&root, node))
        .flat_map(|instance| rows::service_checks(instance))
        .map(|check| (check.check_id.clone(), check))
        .collect();
    Ok(answer(ctx, call, &checks))
}
