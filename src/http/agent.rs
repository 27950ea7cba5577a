//! The agent itself, members, leader, health.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::StatusCode};
use api::{AgentHealth, AgentMembers, AgentSelf, HealthNote};

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
    let own = ctx.members.members().iter().find(|other| other.name == name).map(member);
    let leadership = agent.leadership.borrow().clone();
    let root = ctx.state.root();
    let mut stats: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut group = |name: &str, facts: &[(&str, String)]| {
        let facts = facts.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        stats.insert(name.to_owned(), facts.collect());
    };
    group(
        "nomad",
        &[
            ("server", agent.is_server.to_string()),
            ("leader", leadership.is_leader.to_string()),
            ("leader_addr", leadership.leader_address.unwrap_or_default()),
            ("known_regions", String::from("1")),
        ],
    );
    if agent.is_server {
        group(
            "raft",
            &[
                ("state", String::from(if leadership.is_leader { "Leader" } else { "Follower" })),
                ("term", leadership.term.to_string()),
                ("applied_index", root.index.to_string()),
            ],
        );
    }
    if let Some(node) = agent.node {
        let allocs = root.allocs_of_node(node).filter(|alloc| !alloc.is_terminal()).count();
        group("client", &[("node_id", node.to_string()), ("num_allocations", allocs.to_string())]);
    }
    group("runtime", &[("version", agent.version.clone()), ("arch", std::env::consts::ARCH.to_owned())]);
    let answer = AgentSelf {
        config: agent.config.clone().into_iter().collect(),
        member: own.unwrap_or_default(),
        stats,
    };
    Ok(json(call, &answer))
}

pub(super) fn members(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let answer = AgentMembers {
        server_name: ctx.agent.name.clone(),
        server_region: ctx.agent.region.clone(),
        server_dc: ctx.agent.datacenter.clone(),
        members: ctx.members.members().iter().map(member).collect(),
    };
    Ok(json(call, &answer))
}

pub(super) fn health(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let asked: Vec<&str> = call.texts("type").collect();
    let is_asked = |kind: &str| asked.is_empty() || asked.contains(&kind);
    let note = |ok: bool, text: &str| HealthNote { ok, message: String::from(if ok { "ok" } else { text }) };
    let has_leader = ctx.agent.leadership.borrow().leader_address.is_some();
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
            note(has_leader, "no known servers")
        } else {
            note(false, "client not enabled")
        });
    }
    let all_ok = [&answer.server, &answer.client].into_iter().flatten().all(|note| note.ok);
    let status = if all_ok { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    Ok(json_into(&mut HttpResponse::build(status), call, &answer))
}

/// RPC addresses of the servers that are alive, sorted.
fn server_addresses(ctx: &Context) -> Vec<String> {
    let members = ctx.members.members();
    let mut addresses: Vec<String> = members
        .iter()
        .filter(|member| {
            member.status == "alive" && member.tags.get("role").is_some_and(|role| role == "nomad")
        })
        .filter_map(|member| member.tags.get("rpc_addr").cloned())
        .collect();
    if addresses.is_empty() && ctx.agent.is_server {
        addresses.push(ctx.agent.rpc_address.clone());
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

pub(super) fn servers(ctx: &Context, call: &Call) -> Answer {
    if call.is_write() {
        return Err(Failure::absent("servers are learnt from gossip; use `server join`"));
    }
    call.only_get()?;
    Ok(json(call, &server_addresses(ctx)))
}

pub(super) fn peers(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    Ok(json(call, &server_addresses(ctx)))
}

pub(super) fn leader(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let leader = ctx.agent.leadership.borrow().leader_address.clone();
    match leader {
        Some(leader) => Ok(json(call, &leader)),
        None => Err(Failure::server("No cluster leader")),
    }
}

pub(super) fn regions(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    Ok(json(call, &[&ctx.agent.region]))
}
