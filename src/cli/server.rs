//! `server members` and `version`.

use api::{AgentMembers, Member};

use super::{
    Context, Program, Tool,
    client::Client,
    flags::{Flag, Flags, absent_switch, absent_text, switch},
    format::json,
    output::{Failure, Outcome},
    table::Table,
};

pub(super) const MEMBERS_FLAGS: &[Flag] = &[
    switch("detailed", "Show all tags."),
    switch("verbose", "Show all tags."),
    switch("json", "Print JSON."),
    absent_text("t"),
    absent_switch("ui"),
];

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
    let leader = client.get::<String>("/v1/status/leader", &[]);
    let found = leader.as_deref().unwrap_or_default();
    ctx.output.line(table(&members, found))?;
    if let Err(error) = leader {
        ctx.output.error(format_args!("\nError determining leaders: {error}"))?;
        return Ok(1);
    }
    Ok(0)
}

fn tag<'a>(member: &'a Member, name: &str) -> &'a str {
    member.tags.get(name).map_or("", String::as_str)
}

fn table(members: &[Member], leader: &str) -> Table {
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
        let is_leader = !leader.is_empty() && format!("{host}:{}", tag(member, "port")) == leader;
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
