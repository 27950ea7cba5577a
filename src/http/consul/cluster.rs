//! Joining and leaving, and the servers in the log. What changes the log is asked of the other API, which passes it on
//! to whoever can do it.

use actix_web::{HttpResponse, http::StatusCode};
use api::{AutopilotConfiguration, AutopilotHealth, RaftConfiguration};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    ConsulContext,
    read::{Answer, json as answer},
};
use crate::{
    actors::ports::{WebAnswer, WebRequest},
    http::{call::Call, failure::Failure, passed_on},
};

/// A request of the other API.
async fn nomad(ctx: &ConsulContext, method: &str, uri: String, body: Bytes) -> WebAnswer {
    let request = WebRequest { method: method.to_owned(), uri, body, hops: 0 };
    passed_on::answer_for(&ctx.nomad, request).await
}

/// What the other API answers, if it is one of these statuses.
fn understood<T: DeserializeOwned>(got: &WebAnswer, statuses: &[u16]) -> Result<T, Failure> {
    if !statuses.contains(&got.status) {
        let status = StatusCode::from_u16(got.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Err(Failure::new(status, String::from_utf8_lossy(&got.body)));
    }
    let body: &[u8] = if got.body.is_empty() { b"null" } else { &got.body };
    serde_json::from_slice(body).map_err(|error| Failure::server(error.to_string()))
}

async fn read<T: DeserializeOwned>(ctx: &ConsulContext, uri: &str) -> Result<T, Failure> {
    understood(&nomad(ctx, "GET", uri.to_owned(), Bytes::new()).await, &[200])
}

/// The RPC address of the leader; empty text when there is none.
pub(super) async fn leader(ctx: &ConsulContext, call: &Call) -> Answer {
    let got = nomad(ctx, "GET", String::from("/v1/status/leader"), Bytes::new()).await;
    let leader: String = understood(&got, &[200]).unwrap_or_default();
    Ok(answer(ctx, call, &leader))
}

/// The RPC addresses of the servers in the log.
pub(super) async fn peers(ctx: &ConsulContext, call: &Call) -> Answer {
    let peers: Vec<String> = read(ctx, "/v1/status/peers").await?;
    Ok(answer(ctx, call, &peers))
}

pub(super) async fn join(ctx: &ConsulContext, address: &str) -> Answer {
    let joined = ctx.members.join(vec![address.to_owned()]).await;
    match joined.contacted {
        0 if joined.failed.is_empty() => Err(Failure::server(format!("{address} did not answer"))),
        0 => Err(Failure::server(joined.failed.join("; "))),
        _ => Ok(HttpResponse::Ok().finish()),
    }
}

/// The agent tells the others and ends.
pub(super) async fn leave(ctx: &ConsulContext) -> Answer {
    ctx.members.leave().await.map_err(Failure::server)?;
    Ok(HttpResponse::Ok().finish())
}

/// A failed member counts as one that left. Names of other regions' servers are `<node>.<region>`.
pub(super) async fn force_leave(ctx: &ConsulContext, call: &Call, name: &str) -> Answer {
    let is_it = |member: &crate::actors::ports::Member| {
        member.name == name || member.name.strip_suffix(&format!(".{}", member.region())) == Some(name)
    };
    if !ctx.members.members().iter().any(is_it) {
        return Err(Failure::server(format!("agent: No node found with name '{name}'")));
    }
    let prune = call.raw("prune").is_some_and(|value| !matches!(value, "0" | "false"));
    ctx.members.force_leave(name, prune).await.map_err(Failure::server)?;
    Ok(HttpResponse::Ok().finish())
}

pub(super) async fn reload(ctx: &ConsulContext) -> Answer {
    crate::http::agent::reload(&ctx.nomad).await
}

pub(super) async fn raft_configuration(ctx: &ConsulContext, call: &Call) -> Answer {
    let stale = if call.raw("stale").is_some() { "?stale" } else { "" };
    let found: RaftConfiguration = read(ctx, &format!("/v1/operator/raft/configuration{stale}")).await?;
    let servers: Vec<Value> = found
        .servers
        .into_iter()
        .map(|server| {
            json!({
                "ID": server.id,
                "Node": server.node,
                "Address": server.address,
                "Leader": server.leader,
                "ProtocolVersion": server.raft_protocol,
                "Voter": server.voter,
                "LastIndex": server.last_index,
            })
        })
        .collect();
    Ok(answer(ctx, call, &json!({"Servers": servers, "Index": found.index})))
}

/// `?id=` and `?address=` as they came.
fn query(call: &Call) -> String {
    let given: Vec<String> = ["id", "address"]
        .into_iter()
        .filter_map(|name| Some(format!("{name}={}", call.text(name)?)))
        .collect();
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}

pub(super) async fn remove_peer(ctx: &ConsulContext, call: &Call) -> Answer {
    match (call.text("id"), call.text("address")) {
        (None, None) => {
            return Err(Failure::bad(
                "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
            ));
        }
        (Some(_), Some(_)) => return Err(Failure::bad("Must specify only one of ?id or ?address")),
        _ => {}
    }
    let got = nomad(ctx, "DELETE", format!("/v1/operator/raft/peer{}", query(call)), Bytes::new()).await;
    understood::<Value>(&got, &[200])?;
    Ok(HttpResponse::Ok().finish())
}

pub(super) async fn transfer_leader(ctx: &ConsulContext, call: &Call) -> Answer {
    let uri = format!("/v1/operator/raft/transfer-leadership{}", query(call));
    understood::<Value>(&nomad(ctx, "PUT", uri, Bytes::new()).await, &[200])?;
    Ok(answer(ctx, call, &json!({"Success": true})))
}

const AUTOPILOT: &str = "/v1/operator/autopilot/configuration";

pub(super) async fn autopilot(ctx: &ConsulContext, call: &Call) -> Answer {
    let config: AutopilotConfiguration = read(ctx, AUTOPILOT).await?;
    let body = json!({
        "CleanupDeadServers": config.cleanup_dead_servers,
        "LastContactThreshold": model::time::format_duration(config.last_contact_threshold),
        "MaxTrailingLogs": config.max_trailing_logs,
        "MinQuorum": config.min_quorum,
        "ServerStabilizationTime": model::time::format_duration(config.server_stabilization_time),
        "RedundancyZoneTag": "",
        "DisableUpgradeMigration": config.disable_upgrade_migration,
        "UpgradeVersionTag": "",
        "CreateIndex": config.create_index,
        "ModifyIndex": config.modify_index,
    });
    Ok(answer(ctx, call, &body))
}

pub(super) async fn set_autopilot(ctx: &ConsulContext, call: &Call) -> Answer {
    let wanted: Value = call.json()?;
    for key in ["RedundancyZoneTag", "UpgradeVersionTag"] {
        if wanted.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty()) {
            return Err(Failure::absent(format!("{key} is not supported by this version of troupe")));
        }
    }
    let cas = call.text("cas").map(|index| format!("?cas={index}")).unwrap_or_default();
    let got = nomad(ctx, "PUT", format!("{AUTOPILOT}{cas}"), Bytes::from(wanted.to_string())).await;
    let done: bool = understood(&got, &[200])?;
    Ok(answer(ctx, call, &done))
}

/// 429 when a server is unhealthy; the body says which.
pub(super) async fn health(ctx: &ConsulContext, call: &Call) -> Answer {
    let got = nomad(ctx, "GET", String::from("/v1/operator/autopilot/health"), Bytes::new()).await;
    let health: AutopilotHealth = understood(&got, &[200, 429])?;
    let mut response = answer(ctx, call, &health);
    *response.status_mut() = StatusCode::from_u16(got.status).unwrap_or(StatusCode::OK);
    Ok(response)
}

/// As `health`, with the servers under their ids, and 200 in any case.
pub(super) async fn state(ctx: &ConsulContext, call: &Call) -> Answer {
    let got = nomad(ctx, "GET", String::from("/v1/operator/autopilot/health"), Bytes::new()).await;
    let health: AutopilotHealth = understood(&got, &[200, 429])?;
    let servers: serde_json::Map<String, Value> = health
        .servers
        .iter()
        .map(|server| {
            let status = match (server.leader, server.voter) {
                (true, _) => "leader",
                (_, true) => "voter",
                _ => "non-voter",
            };
            let row = json!({
                "ID": server.id,
                "Name": server.name,
                "Address": server.address,
                "NodeStatus": server.serf_status,
                "Version": server.version,
                "LastContact": model::time::format_duration(server.last_contact),
                "LastTerm": server.last_term,
                "LastIndex": server.last_index,
                "Healthy": server.healthy,
                "StableSince": server.stable_since,
                "Status": status,
                "NodeType": "voter",
                "Meta": {},
            });
            (server.id.clone(), row)
        })
        .collect();
    let body = json!({
        "Healthy": health.healthy,
        "FailureTolerance": health.failure_tolerance,
        "OptimisticFailureTolerance": health.failure_tolerance,
        "Servers": servers,
        "Leader": health.leader,
        "Voters": health.voters,
    });
    Ok(answer(ctx, call, &body))
}
