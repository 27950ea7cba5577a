//! `server members`, `server join`, `server force-leave`, and `version`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use api::{AgentMembers, JoinResponse, Member};
use serde::de::IgnoredAny;

use super::{
    Context, Program, Tool,
    client::Client,
    flags::{Flag, Flags, absent_switch, switch},
    format::json,
    output::{Failure, Outcome},
    table::Table,
    template::TEMPLATE,
};

pub(super) const MEMBERS_FLAGS: &[Flag] = &[
    switch("detailed", "Show all tags."),
    switch("verbose", "Show all tags."),
    switch("json", "Print JSON."),
    TEMPLATE,
    absent_switch("ui"),
];

pub(super) const FORCE_LEAVE_FLAGS: &[Flag] = &[switch("prune", "Forget the server at once.")];

pub(super) fn members(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if !flags.args.is_empty() {
        return Err(Failure::usage("This command takes no arguments"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let answer: AgentMembers =
        client.get("/v1/agent/members", &[]).map_err(|error| error.while_doing("querying servers"))?;
    let mut members = answer.members;
    members.sort_by(|a, b| a.name.cmp(&b.name));
    if flags.on("json") {
        ctx.output.line(json(&members))?;
        return Ok(0);
    }
    if flags.on("detailed") || flags.on("verbose") {
        ctx.output.line(detailed(&members))?;
        return Ok(0);
    }
    let (leaders, problems) = leaders(&client, &members);
    ctx.output.line(table(&members, &leaders))?;
    if problems.is_empty() {
        return Ok(0);
    }
    ctx.output.error(format_args!("\nError determining leaders: {}", problems.join("; ")))?;
    Ok(1)
}

/// The address of each region's leader, as that region says, and why some do not say it.
fn leaders(client: &Client, members: &[Member]) -> (BTreeMap<String, String>, Vec<String>) {
    let regions: BTreeSet<&str> = members.iter().map(|member| tag(member, "region")).collect();
    let (mut leaders, mut problems) = (BTreeMap::new(), Vec::new());
    for region in &regions {
        match client.get::<String>("/v1/status/leader", &[("region", region)]) {
            Ok(leader) => {
                leaders.insert((*region).to_owned(), leader);
            }
            Err(error) if regions.len() == 1 => problems.push(error.to_string()),
            Err(error) => problems.push(format!("Region \"{region}\": {error}")),
        }
    }
    (leaders, problems)
}

pub(super) fn join(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if flags.args.is_empty() {
        return Err(Failure::usage("This command takes at least one argument: <address>"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let query: Vec<(&str, &str)> = flags.args.iter().map(|address| ("address", &**address)).collect();
    let answer: JoinResponse =
        client.put_with("/v1/agent/join", &query, &()).map_err(|error| error.while_doing("joining"))?;
    if !answer.error.is_empty() {
        return Err(Failure::message(format!("Error joining: failed joining: {}", answer.error)));
    }
    if !answer.warning.is_empty() {
        ctx.output.warn(answer.warning)?;
    }
    ctx.output.line(format_args!("Joined {} servers successfully", answer.num_joined))?;
    Ok(0)
}

pub(super) fn force_leave(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [node] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <node>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let mut query = vec![("node", node.as_str())];
    if flags.on("prune") {
        query.push(("prune", "true"));
    }
    let _: IgnoredAny = client
        .put_with("/v1/agent/force-leave", &query, &())
        .map_err(|error| Failure::message(format!("Error force-leaving server {node}: {error}")))?;
    Ok(0)
}

fn tag<'a>(member: &'a Member, name: &str) -> &'a str {
    member.tags.get(name).map_or("", String::as_str)
}

fn table(members: &[Member], leaders: &BTreeMap<String, String>) -> Table {
    let mut table = Table::new(&[
        "Name",
        "Address",
        "Port",
        "Status",
        "Leader",
        "Protocol",
        "Build",
        "Datacenter",
        "Region",
    ])
    .with_blanks();
    for member in members {
        let host = Some(tag(member, "rpc_addr")).filter(|host| !host.is_empty()).unwrap_or(&member.addr);
        let address = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{}", tag(member, "port")),
            _ => format!("{host}:{}", tag(member, "port")),
        };
        let is_leader = leaders.get(tag(member, "region")) == Some(&address);
        table.row([
            member.name.clone(),
            member.addr.clone(),
            member.port.to_string(),
            member.status.clone(),
            is_leader.to_string(),
            member.protocol_cur.to_string(),
            tag(member, "build").to_owned(),
            tag(member, "dc").to_owned(),
            tag(member, "region").to_owned(),
        ]);
    }
    table
}

fn detailed(members: &[Member]) -> Table {
    let mut table = Table::new(&["Name", "Address", "Port", "Tags"]).with_blanks();
    for member in members {
        let tags: Vec<String> = member.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        table.row([member.name.clone(), member.addr.clone(), member.port.to_string(), tags.join(",")]);
    }
    table
}

/// The first line begins as that of the tool under whose name we run: scripts look at it.
pub(super) fn version(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if !flags.args.is_empty() {
        return Err(Failure::usage("This command takes no arguments"));
    }
    let name = match ctx.program {
        Program::Troupe => "Troupe",
        Program::Nomad => "Nomad",
        Program::Consul => "Consul",
    };
    ctx.output.line(format_args!("{name} v{}", env!("CARGO_PKG_VERSION")))?;
    if ctx.program != Program::Troupe {
        ctx.output.line("Troupe, run under that name")?;
    }
    Ok(0)
}
