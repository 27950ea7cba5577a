//! How the servers in the log are looked after: settings, and health.

use actix_web::{HttpResponse, http::StatusCode};
use api::{AutopilotConfiguration, AutopilotHealth, ServerHealth};
use model::AutopilotSettings;
use state::{Command, Outcome, Refusal};

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, json, json_into},
    write::propose_any,
};
use crate::actors::ports::{Member, Peer, Presence, ServerHealth as Known};

pub(super) async fn configuration(ctx: &Context, call: &Call) -> Answer {
    if call.is_write() {
        return set(ctx, call).await;
    }
    call.only_get()?;
    ctx.consensus.catch_up(call.consistency()?).await?;
    let settings = ctx.state.root().autopilot.clone();
    let answer = AutopilotConfiguration {
        cleanup_dead_servers: settings.cleanup_dead_servers,
        last_contact_threshold: settings.last_contact_threshold,
        max_trailing_logs: settings.max_trailing_logs,
        min_quorum: u64::from(settings.min_quorum),
        server_stabilization_time: settings.server_stabilization_time,
        create_index: settings.create_index,
        modify_index: settings.modify_index,
        ..AutopilotConfiguration::default()
    };
    Ok(json(call, &answer))
}

/// Answers `false`, and changes nothing, when `cas` is not the index of what would be replaced.
async fn set(ctx: &Context, call: &Call) -> Answer {
    let wanted: AutopilotConfiguration = call.json()?;
    let absent = [
        ("EnableRedundancyZones", wanted.enable_redundancy_zones),
        ("DisableUpgradeMigration", wanted.disable_upgrade_migration),
        ("EnableCustomUpgrades", wanted.enable_custom_upgrades),
    ];
    if let Some((key, _)) = absent.into_iter().find(|(_, on)| *on) {
        return Err(Failure::absent(format!("{key} is not supported by this version of troupe")));
    }
    let min_quorum =
        u32::try_from(wanted.min_quorum).map_err(|_| Failure::bad("MinQuorum is too large to be meant"))?;
    let settings = AutopilotSettings {
        cleanup_dead_servers: wanted.cleanup_dead_servers,
        last_contact_threshold: wanted.last_contact_threshold,
        max_trailing_logs: wanted.max_trailing_logs,
        min_quorum,
        server_stabilization_time: wanted.server_stabilization_time,
        ..AutopilotSettings::default()
    };
    let command = Command::SetAutopilot { settings, enforce_index: call.number("cas")? };
    let done = match propose_any(ctx, command).await?.1 {
        Outcome::Refused(Refusal::AutopilotChanged { .. }) => false,
        Outcome::Refused(refusal) => return Err(Failure::server(refusal.to_string())),
        _ => true,
    };
    Ok(json(call, &done))
}

/// 429 when a server is not healthy; the body says which. The leader alone knows.
pub(super) async fn health(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let health = ctx.consensus.health().await?;
    let (_, peers) = ctx.consensus.peers();
    let members = ctx.members.members();
    let servers: Vec<ServerHealth> =
        health.servers.iter().map(|server| shown(server, &peers, &members)).collect();
    let answer = AutopilotHealth {
        healthy: health.healthy,
        failure_tolerance: usize::try_from(health.failure_tolerance).unwrap_or(usize::MAX),
        leader: servers
            .iter()
            .find(|server| server.leader)
            .map(|server| server.id.clone())
            .unwrap_or_default(),
        voters: servers.iter().filter(|server| server.voter).map(|server| server.id.clone()).collect(),
        servers,
    };
    let status = if health.healthy { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
    Ok(json_into(&mut HttpResponse::build(status), call, &answer))
}

/// Raft knows a server by a number and its address; people know its agent.
fn shown(server: &Known, peers: &[Peer], members: &[Member]) -> ServerHealth {
    let peer = peers.iter().find(|peer| peer.address == server.address);
    let member = peer.and_then(|peer| members.iter().find(|member| member.name == peer.name));
    let serf_status = match server.presence {
        Some(Presence::Alive) => "alive",
        Some(Presence::Failed) => "failed",
        Some(Presence::Left) => "left",
        None => "none",
    };
    ServerHealth {
        id: peer.map_or_else(|| server.id.to_string(), |peer| peer.id.clone()),
        name: peer.map(|peer| peer.name.clone()).unwrap_or_default(),
        address: server.address.clone(),
        serf_status: serf_status.to_owned(),
        version: member.and_then(|member| member.tags.get("build").cloned()).unwrap_or_default(),
        leader: server.leader,
        last_contact: server.last_contact.unwrap_or_default(),
        last_term: server.term,
        last_index: server.last_index,
        healthy: server.healthy,
        voter: server.voter,
        stable_since: server.since.into(),
    }
}
