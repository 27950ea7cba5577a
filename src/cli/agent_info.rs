//! The agent that is asked, and chores of the servers: `agent-info`, `node config`, `system gc`.

use api::AgentSelf;
use serde::de::IgnoredAny;

use super::{
    Context, Tool,
    client::Client,
    flags::{Flag, Flags, switch},
    format::json,
    operator::no_arguments,
    output::{Failure, Outcome},
    template::TEMPLATE,
};

pub(super) const INFO_FLAGS: &[Flag] = &[switch("json", "Print JSON."), TEMPLATE];

pub(super) const CONFIG_FLAGS: &[Flag] = &[
    switch("servers", "Show the servers that the client knows."),
    switch("update-servers", "Make the client know the servers given as arguments."),
];

pub(super) fn info(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let agent: AgentSelf =
        client.get("/v1/agent/self", &[]).map_err(|error| error.while_doing("querying agent info"))?;
    if flags.on("json") {
        ctx.output.line(json(&agent))?;
        return Ok(0);
    }
    for (group, facts) in &agent.stats {
        ctx.output.line(group)?;
        for (name, value) in facts {
            ctx.output.line(format_args!("  {name} = {value}"))?;
        }
    }
    Ok(0)
}

pub(super) fn config(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    match (flags.on("servers"), flags.on("update-servers")) {
        (true, false) => {
            no_arguments(flags)?;
            let servers: Vec<String> = client
                .get("/v1/agent/servers", &[])
                .map_err(|error| error.while_doing("querying server list"))?;
            for server in servers {
                ctx.output.line(server)?;
            }
        }
        (false, true) => {
            if flags.args.is_empty() {
                return Err(Failure::usage(
                    "If the '-update-servers' flag is set, at least one server is needed",
                ));
            }
            let query: Vec<(&str, &str)> = flags.args.iter().map(|server| ("address", &**server)).collect();
            let _: IgnoredAny = client
                .put_with("/v1/agent/servers", &query, &())
                .map_err(|error| error.while_doing("updating server list"))?;
            ctx.output.line("Updated server list")?;
        }
        _ => return Err(Failure::usage("The '-update-servers' or '-servers' flag(s) must be set")),
    }
    Ok(0)
}

pub(super) fn collect(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let _: IgnoredAny = client
        .put("/v1/system/gc", &())
        .map_err(|error| error.while_doing("running system garbage-collection"))?;
    Ok(0)
}

pub(super) fn reconcile_summaries(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let _: IgnoredAny = client
        .put("/v1/system/reconcile/summaries", &())
        .map_err(|error| error.while_doing("running system summary reconciliation"))?;
    Ok(0)
}
