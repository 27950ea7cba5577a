//! `operator`: servers in the log, autopilot.

use std::fmt::Write as _;

use api::{AutopilotConfiguration, AutopilotHealth, LeadershipTransfer, RaftConfiguration, ServerHealth};
use serde::de::IgnoredAny;

use super::{
    Context, Tool,
    client::{Client, ClientError},
    flags::{Flag, Flags, absent_text, number, span, switch, text},
    format::{duration, json},
    output::{Failure, Outcome},
    table::Table,
    template::TEMPLATE,
};

pub(super) const STALE_FLAGS: &[Flag] = &[switch("stale", "Let any server answer, also without a leader.")];

pub(super) const PEER_FLAGS: &[Flag] = &[
    text("peer-id", "id", "The server with that id."),
    text("peer-address", "ip:port", "The server with that RPC address."),
];

pub(super) const SET_AUTOPILOT_FLAGS: &[Flag] = &[
    text("cleanup-dead-servers", "true|false", "Remove servers that are gone when others take their place."),
    span("last-contact-threshold", "A server that was not heard for longer is unhealthy."),
    number("max-trailing-logs", "A server that is further behind is unhealthy."),
    number("min-quorum", "Clean-up leaves this many servers."),
    span("server-stabilization-time", "How long a new server must be healthy before it votes."),
    absent_text("enable-redundancy-zones"),
    absent_text("disable-upgrade-migration"),
    absent_text("enable-custom-upgrades"),
];

pub(super) const HEALTH_FLAGS: &[Flag] = &[switch("json", "Print JSON."), TEMPLATE];

const RAFT: &str = "/v1/operator/raft/configuration";
const AUTOPILOT: &str = "/v1/operator/autopilot/configuration";

pub(super) fn list_peers(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let query: &[(&str, &str)] = if flags.on("stale") { &[("stale", "")] } else { &[] };
    let answer: RaftConfiguration = client
        .get(RAFT, query)
        .map_err(|error| Failure::message(format!("Failed to retrieve raft configuration: {error}")))?;
    let mut table = Table::new(&["Node", "ID", "Address", "State", "Voter", "RaftProtocol"]).with_blanks();
    for server in answer.servers {
        let state = if server.leader { "leader" } else { "follower" };
        let protocol = if server.raft_protocol.is_empty() { "unknown".into() } else { server.raft_protocol };
        table.row([
            server.node,
            server.id,
            server.address,
            state.to_owned(),
            server.voter.to_string(),
            protocol,
        ]);
    }
    ctx.output.line(table)?;
    Ok(0)
}

/// The server that the flags name: the parameter for the API, and the value.
fn peer(flags: &Flags) -> Result<(&'static str, &str), Failure> {
    match (flags.text("peer-id"), flags.text("peer-address")) {
        (Some(_), Some(_)) => Err(Failure::message("Cannot give both an address and id")),
        (Some(id), None) => Ok(("id", id)),
        (None, Some(address)) => Ok(("address", address)),
        (None, None) => Err(Failure::message("An address or id is required: -peer-id or -peer-address")),
    }
}

pub(super) fn remove_peer(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let (key, value) = peer(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let _: IgnoredAny = client
        .delete("/v1/operator/raft/peer", &[(key, value)])
        .map_err(|error| Failure::message(format!("Failed to remove raft peer: {error}")))?;
    ctx.output.line(format_args!("Removed peer with {key} \"{value}\""))?;
    Ok(0)
}

pub(super) fn transfer_leadership(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let (key, value) = peer(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let answer: LeadershipTransfer = client
        .put_with("/v1/operator/raft/transfer-leadership", &[(key, value)], &())
        .map_err(|error| Failure::message(format!("Failed to transfer leadership: {error}")))?;
    if answer.noop {
        ctx.output.line(format_args!("The peer with {key} \"{value}\" is the leader already"))?;
    } else {
        ctx.output.line(format_args!("Transferred leadership to peer with {key} \"{value}\""))?;
    }
    Ok(0)
}

pub(super) fn get_autopilot(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let config: AutopilotConfiguration =
        client.get(AUTOPILOT, &[]).map_err(|error| error.while_doing("querying Autopilot configuration"))?;
    for (name, value) in [
        ("CleanupDeadServers", config.cleanup_dead_servers.to_string()),
        ("LastContactThreshold", duration(config.last_contact_threshold)),
        ("MaxTrailingLogs", config.max_trailing_logs.to_string()),
        ("MinQuorum", config.min_quorum.to_string()),
        ("ServerStabilizationTime", duration(config.server_stabilization_time)),
        ("EnableRedundancyZones", config.enable_redundancy_zones.to_string()),
        ("DisableUpgradeMigration", config.disable_upgrade_migration.to_string()),
        ("EnableCustomUpgrades", config.enable_custom_upgrades.to_string()),
    ] {
        ctx.output.line(format_args!("{name} = {value}"))?;
    }
    Ok(0)
}

pub(super) fn set_autopilot(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    set_autopilot_of(ctx, flags, Tool::Nomad)
}

/// As either tool does it.
pub(super) fn set_autopilot_of(ctx: &mut Context<'_>, flags: &Flags, tool: Tool) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, tool)?;
    if change_autopilot(&client, flags)? {
        ctx.output.line("Configuration updated!")?;
        return Ok(0);
    }
    Err(Failure::message("Configuration could not be atomically updated, please try again"))
}

/// Reads the settings, changes what the flags say, and writes them unless somebody else did meanwhile (false).
///
/// Both tools' APIs: they differ in keys that are not changed here.
fn change_autopilot(client: &Client, flags: &Flags) -> Result<bool, Failure> {
    let mut config: serde_json::Map<String, serde_json::Value> =
        client.get(AUTOPILOT, &[]).map_err(|error| error.while_doing("querying Autopilot configuration"))?;
    let mut set = |key: &str, value: serde_json::Value| config.insert(key.to_owned(), value);
    if let Some(value) = flags.truth("cleanup-dead-servers")? {
        set("CleanupDeadServers", value.into());
    }
    for (flag, key) in [
        ("last-contact-threshold", "LastContactThreshold"),
        ("server-stabilization-time", "ServerStabilizationTime"),
    ] {
        if let Some(text) = flags.text(flag) {
            set(key, text.into());
        }
    }
    for (flag, key) in [("max-trailing-logs", "MaxTrailingLogs"), ("min-quorum", "MinQuorum")] {
        if let Some(value) = flags.number(flag) {
            set(key, value.into());
        }
    }
    let index = config.get("ModifyIndex").and_then(serde_json::Value::as_u64).unwrap_or(0).to_string();
    client
        .put_with(AUTOPILOT, &[("cas", &index)], &config)
        .map_err(|error| error.while_doing("setting Autopilot configuration"))
}

pub(super) fn health(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    show_health(ctx, &client, flags)
}

/// The health of the servers, as both tools ask for it. An unhealthy cluster is an answer, not an error.
pub(super) fn show_health(ctx: &mut Context<'_>, client: &Client, flags: &Flags) -> Outcome {
    let health: AutopilotHealth = match client.get("/v1/operator/autopilot/health", &[]) {
        Err(ClientError::Status { code: 429, body }) => serde_json::from_str(&body)
            .map_err(|_| Failure::message(format!("Error querying Autopilot health: {body}")))?,
        answer => answer.map_err(|error| error.while_doing("querying Autopilot health"))?,
    };
    if flags.on("json") {
        ctx.output.line(json(&health))?;
        return Ok(0);
    }
    let mut text = format!("Healthy:           {}\n", health.healthy);
    // Writing into a String cannot fail.
    let _ = writeln!(text, "Failure Tolerance: {}", health.failure_tolerance);
    let _ = writeln!(text, "Leader:            {}", health.leader);
    let _ = writeln!(text, "Voters:");
    for voter in &health.voters {
        let _ = writeln!(text, "   {voter}");
    }
    let _ = writeln!(text, "Servers:");
    for server in &health.servers {
        text += &server_health(server);
    }
    ctx.output.line(text.trim_end())?;
    Ok(0)
}

fn server_health(server: &ServerHealth) -> String {
    let status = match (server.leader, server.voter) {
        (true, _) => "leader",
        (_, true) => "voter",
        _ => "non-voter",
    };
    let mut text = format!("   {}\n", server.id);
    for (name, value) in [
        ("Name:", server.name.clone()),
        ("Address:", server.address.clone()),
        ("Version:", server.version.clone()),
        ("Status:", status.to_owned()),
        ("Node Status:", server.serf_status.clone()),
        ("Healthy:", server.healthy.to_string()),
        ("Last Contact:", duration(server.last_contact)),
        ("Last Term:", server.last_term.to_string()),
        ("Last Index:", server.last_index.to_string()),
    ] {
        let _ = writeln!(text, "      {name:<16} {value}");
    }
    text
}

pub(super) fn no_arguments(flags: &Flags) -> Result<(), Failure> {
    if flags.args.is_empty() { Ok(()) } else { Err(Failure::usage("This command takes no arguments")) }
}
