//! The commands known from Consul that change the cluster: join, leave, force-leave, operator.

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, absent_switch, absent_text, number, span, switch, text},
    operator::{no_arguments, set_autopilot_of, show_health},
    output::{Failure, Outcome},
    table::Table,
};

pub(super) const JOIN_FLAGS: &[Flag] = &[switch("wan", "Meet servers of another region.")];

pub(super) const FORCE_LEAVE_FLAGS: &[Flag] =
    &[switch("prune", "Forget the member at once."), switch("wan", "A server of another region.")];

pub(super) const LIST_PEERS_FLAGS: &[Flag] = &[absent_switch("detailed")];

pub(super) const REMOVE_PEER_FLAGS: &[Flag] = &[
    text("id", "id", "The server with that id."),
    text("address", "ip:port", "The server with that RPC address."),
];

pub(super) const TRANSFER_FLAGS: &[Flag] =
    &[text("id", "id", "Who leads next. Default: who is furthest along.")];

pub(super) const SET_AUTOPILOT_FLAGS: &[Flag] = &[
    text("cleanup-dead-servers", "true|false", "Remove servers that are gone when others take their place."),
    span("last-contact-threshold", "A server that was not heard for longer is unhealthy."),
    number("max-trailing-logs", "A server that is further behind is unhealthy."),
    number("min-quorum", "Clean-up leaves this many servers."),
    span("server-stabilization-time", "How long a new server must be healthy before it votes."),
    absent_text("redundancy-zone-tag"),
    absent_text("disable-upgrade-migration"),
    absent_text("upgrade-version-tag"),
];

pub(super) const STATE_FLAGS: &[Flag] = &[switch("json", "Print JSON."), absent_text("format")];

pub(super) fn join(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if flags.args.is_empty() {
        return Err(Failure::usage("At least one address to join must be specified."));
    }
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let query: &[(&str, &str)] = if flags.on("wan") { &[("wan", "1")] } else { &[] };
    let mut joined = 0;
    for address in &flags.args {
        let path = format!("/v1/agent/join/{}", element(address));
        match client.put_with::<IgnoredAny>(&path, query, &()) {
            Ok(_) => joined += 1,
            Err(error) => ctx.output.error(format_args!("Error joining address '{address}': {error}"))?,
        }
    }
    if joined == 0 {
        return Err(Failure::message("Failed to join any nodes."));
    }
    ctx.output.line(format_args!("Successfully joined cluster by contacting {joined} nodes."))?;
    Ok(0)
}

pub(super) fn leave(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let _: IgnoredAny = client
        .put("/v1/agent/leave", &())
        .map_err(|error| Failure::message(format!("Error leaving: {error}")))?;
    ctx.output.line("Graceful leave complete")?;
    Ok(0)
}

pub(super) fn force_leave(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [node] = flags.args.as_slice() else {
        return Err(Failure::usage("A single node name must be specified to force leave."));
    };
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let query: Vec<(&str, &str)> =
        ["prune", "wan"].into_iter().filter(|flag| flags.on(flag)).map(|flag| (flag, "1")).collect();
    let _: IgnoredAny = client
        .put_with(&format!("/v1/agent/force-leave/{}", element(node)), &query, &())
        .map_err(|error| Failure::message(format!("Error force leaving: {error}")))?;
    Ok(0)
}

pub(super) fn reload(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let _: IgnoredAny = client
        .put("/v1/agent/reload", &())
        .map_err(|error| Failure::message(format!("Error reloading: {error}")))?;
    ctx.output.line("Configuration reload triggered")?;
    Ok(0)
}

/// The servers in the log, as Consul shows them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Configuration {
    servers: Vec<Server>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Server {
    #[serde(rename = "ID")]
    id: String,
    node: String,
    address: String,
    leader: bool,
    protocol_version: String,
    voter: bool,
    last_index: u64,
}

pub(super) fn list_peers(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let answer: Configuration = client.get("/v1/operator/raft/configuration", &[]).map_err(|error| {
        Failure::message(format!("Error getting peers: Failed to retrieve raft configuration: {error}"))
    })?;
    let newest = answer.servers.iter().find(|server| server.leader).map(|server| server.last_index);
    let mut table = Table::new(&[
        "Node",
        "ID",
        "Address",
        "State",
        "Voter",
        "RaftProtocol",
        "Commit Index",
        "Trails Leader By",
    ])
    .with_blanks();
    for server in answer.servers {
        let behind = match newest {
            _ if server.leader => String::from("-"),
            None => String::from("unknown"),
            Some(newest) => match newest.saturating_sub(server.last_index) {
                1 => String::from("1 commit"),
                count => format!("{count} commits"),
            },
        };
        let protocol =
            if server.protocol_version.is_empty() { "<=1".into() } else { server.protocol_version };
        table.row([
            server.node,
            server.id,
            server.address,
            String::from(if server.leader { "leader" } else { "follower" }),
            server.voter.to_string(),
            protocol,
            server.last_index.to_string(),
            behind,
        ]);
    }
    ctx.output.line(table)?;
    Ok(0)
}

pub(super) fn remove_peer(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let (key, value) = match (flags.text("id"), flags.text("address")) {
        (Some(id), None) => ("id", id),
        (None, Some(address)) => ("address", address),
        (Some(_), Some(_)) => return Err(Failure::message("Cannot give both an address and id")),
        (None, None) => return Err(Failure::message("An address or id is required for the peer to remove")),
    };
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let _: IgnoredAny = client
        .delete("/v1/operator/raft/peer", &[(key, value)])
        .map_err(|error| Failure::message(format!("Error removing peer: {error}")))?;
    ctx.output.line(format_args!("Removed peer with {key} \"{value}\""))?;
    Ok(0)
}

pub(super) fn transfer_leader(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let query: Vec<(&str, &str)> = flags.text("id").map(|id| ("id", id)).into_iter().collect();
    let _: IgnoredAny = client
        .post("/v1/operator/raft/transfer-leader", &query)
        .map_err(|error| Failure::message(format!("Error transfering leadership: {error}")))?;
    ctx.output.line("Success")?;
    Ok(0)
}

pub(super) fn get_autopilot(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    const NAMES: [&str; 8] = [
        "CleanupDeadServers",
        "LastContactThreshold",
        "MaxTrailingLogs",
        "MinQuorum",
        "ServerStabilizationTime",
        "RedundancyZoneTag",
        "DisableUpgradeMigration",
        "UpgradeVersionTag",
    ];
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    let config: serde_json::Map<String, serde_json::Value> = client
        .get("/v1/operator/autopilot/configuration", &[])
        .map_err(|error| error.while_doing("querying Autopilot configuration"))?;
    for name in NAMES {
        match config.get(name) {
            Some(serde_json::Value::String(text)) if name.ends_with("Tag") => {
                ctx.output.line(format_args!("{name} = {text:?}"))?;
            }
            Some(serde_json::Value::String(text)) => ctx.output.line(format_args!("{name} = {text}"))?,
            Some(value) => ctx.output.line(format_args!("{name} = {value}"))?,
            None => {}
        }
    }
    Ok(0)
}

pub(super) fn set_autopilot(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    set_autopilot_of(ctx, flags, Tool::Consul)
}

pub(super) fn autopilot_state(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Consul)?;
    show_health(ctx, &client, flags)
}
