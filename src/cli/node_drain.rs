//! `node drain` and `node eligibility`.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
};

use api::{
    AgentSelf, Allocation, DrainSpec, Node, NodeDrainRequest, NodeEligibilityRequest, NodeModifyResponse,
};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, span, switch, text},
    lookup::{self, Kind, Match},
    node_status,
    output::{Failure, Outcome},
};

pub(super) const DRAIN_FLAGS: &[Flag] = &[
    switch("enable", "Empty the node."),
    switch("disable", "End the drain; the node takes allocations again."),
    span("deadline", "What is left then moves at once. Default: 1h."),
    switch("force", "Everything moves at once."),
    switch("no-deadline", "Allocations take as long as they need."),
    switch("ignore-system", "Leave the allocations of system jobs where they are."),
    switch("keep-ineligible", "With -disable: the node takes no allocations yet."),
    text("m", "message", "Why, for those who look at the node."),
    text("meta", "key=value", "Noted with the drain. May be given several times."),
    switch("monitor", "Only show what a drain does that goes on."),
    switch("detach", "Do not wait for the end of the drain."),
    switch("self", "The node of the agent that is asked."),
    switch("yes", "Do not ask."),
];

pub(super) const ELIGIBILITY_FLAGS: &[Flag] = &[
    switch("enable", "The node takes allocations."),
    switch("disable", "The node takes no more allocations; those it has stay."),
    switch("self", "The node of the agent that is asked."),
];

/// Nanoseconds of the usual deadline.
const HOUR: i64 = 3_600_000_000_000;
/// Everything moves at once.
const FORCE: i64 = -1;
const NO_DEADLINE: i64 = 0;

/// The node that the command line means.
fn find(client: &Client, flags: &Flags) -> Result<Node, Failure> {
    let id = match flags.args.as_slice() {
        [] if flags.on("self") => own_id(client)?,
        [] => return Err(Failure::usage("Node ID must be specified if -self isn't being used")),
        [prefix] if !flags.on("self") => match lookup::find(client, Kind::Node, prefix)? {
            Match::One(id) => id,
            Match::Many(_) => return Err(node_status::ambiguous(client, prefix, false)?),
        },
        _ => return Err(Failure::usage("This command takes either one argument, <node>, or -self")),
    };
    read(client, &id)
}

fn own_id(client: &Client) -> Result<String, Failure> {
    let agent: AgentSelf =
        client.get("/v1/agent/self", &[]).map_err(|error| error.while_doing("querying agent info"))?;
    let id = agent.stats.get("client").and_then(|client| client.get("node_id"));
    id.cloned().ok_or_else(|| Failure::message("The agent is not a client node"))
}

fn read(client: &Client, id: &str) -> Result<Node, Failure> {
    client.get(&path(id, ""), &[]).map_err(|error| error.while_doing("querying node info"))
}

fn allocs(client: &Client, id: &str) -> Result<Vec<Allocation>, Failure> {
    client.get(&path(id, "/allocations"), &[]).map_err(|error| error.while_doing("querying node allocations"))
}

fn path(id: &str, below: &str) -> String {
    format!("/v1/node/{}{below}", element(id))
}

pub(super) fn eligibility(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let enable = flags.on("enable");
    if enable == flags.on("disable") {
        return Err(Failure::usage("Either the '-enable' or '-disable' flag must be set"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let node = find(&client, flags)?;
    let eligibility = if enable { "eligible" } else { "ineligible" };
    let request = NodeEligibilityRequest { node_id: node.id.clone(), eligibility: eligibility.to_owned() };
    let _: NodeModifyResponse = client
        .put(&path(&node.id, "/eligibility"), &request)
        .map_err(|error| error.while_doing("updating scheduling eligibility"))?;
    ctx.output.line(format_args!(
        "Node \"{}\" scheduling eligibility set: {eligibility} for scheduling",
        node.id
    ))?;
    Ok(0)
}

/// The flags that exclude each other, checked; nanoseconds of the deadline.
fn deadline(flags: &Flags) -> Result<i64, Failure> {
    let (enable, disable, monitor) = (flags.on("enable"), flags.on("disable"), flags.on("monitor"));
    let (force, none) = (flags.on("force"), flags.on("no-deadline"));
    if (enable && disable) || !(monitor || enable || disable) {
        let text = "Either the '-enable' or '-disable' flag must be set, unless using '-monitor'";
        return Err(Failure::usage(text));
    }
    let is_shaped = force || none || flags.on("ignore-system") || flags.text("deadline").is_some();
    if disable && is_shaped {
        return Err(Failure::usage("-disable can't be combined with flags configuring drain strategy"));
    }
    if monitor && (disable || flags.on("detach")) {
        return Err(Failure::usage("-monitor can't be combined with -disable or -detach"));
    }
    match (flags.span("deadline"), force, none) {
        (_, true, true) => Err(Failure::usage("-force and -no-deadline are mutually exclusive")),
        (Some(_), true, _) => Err(Failure::usage("-deadline and -force are mutually exclusive")),
        (Some(_), _, true) => Err(Failure::usage("-deadline and -no-deadline are mutually exclusive")),
        (Some(span), ..) if span.is_zero() => Err(Failure::usage("A positive deadline must be given")),
        (Some(span), ..) => Ok(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
        (None, true, _) => Ok(FORCE),
        (None, _, true) => Ok(NO_DEADLINE),
        (None, ..) => Ok(HOUR),
    }
}

fn meta(flags: &Flags) -> Result<BTreeMap<String, String>, Failure> {
    let mut meta = BTreeMap::new();
    for pair in flags.all("meta") {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key.is_empty() {
            return Err(Failure::usage(format!("-meta needs key=value, not {pair:?}")));
        }
        meta.insert(key.to_owned(), value.to_owned());
    }
    meta.extend(flags.text("m").map(|message| (String::from("message"), message.to_owned())));
    Ok(meta)
}

pub(super) fn drain(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let deadline = deadline(flags)?;
    let meta = meta(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let node = find(&client, flags)?;
    let enable = flags.on("enable");
    if !enable && !flags.on("disable") {
        if node.drain_strategy.is_none() {
            ctx.output.warn(format_args!("No drain strategy set for node {}", node.id))?;
            return Ok(0);
        }
        say(ctx, format_args!("Monitoring node \"{}\": Ctrl-C to detach monitoring", node.id))?;
        let allocs = allocs(&client, &node.id)?;
        return monitor(ctx, &client, node, allocs);
    }
    let in_full = flags.args.first().is_none_or(|given| *given == node.id);
    if !in_full && !flags.on("yes") && !confirmed(ctx, enable, &node.id)? {
        return Ok(0);
    }
    let drain_spec = enable.then(|| DrainSpec { deadline, ignore_system_jobs: flags.on("ignore-system") });
    let request = NodeDrainRequest {
        node_id: node.id.clone(),
        drain_spec,
        mark_eligible: !flags.on("keep-ineligible"),
        meta,
    };
    let before = allocs(&client, &node.id)?;
    let _: NodeModifyResponse = client
        .put(&path(&node.id, "/drain"), &request)
        .map_err(|error| error.while_doing("updating drain specification"))?;
    if !enable || flags.on("detach") {
        let done = if enable { "set" } else { "unset" };
        ctx.output.line(format_args!("Node \"{}\" drain strategy {done}", node.id))?;
        return Ok(0);
    }
    say(ctx, "Ctrl-C to stop monitoring: will not cancel the node drain")?;
    say(ctx, format_args!("Node \"{}\" drain strategy set", node.id))?;
    monitor(ctx, &client, node, before)
}

/// Asks before a node is drained whose id was not given in full. Only `y` is a yes.
fn confirmed(ctx: &mut Context<'_>, enable: bool, id: &str) -> Result<bool, Failure> {
    let verb = if enable { "enable" } else { "disable" };
    write!(ctx.output.out, "Are you sure you want to {verb} drain mode for node \"{id}\"? [y/N] ")?;
    ctx.output.out.flush()?;
    let mut answer = String::new();
    BufReader::new(&mut *ctx.input).read_line(&mut answer)?;
    let is_yes = answer.trim() == "y";
    if !is_yes {
        ctx.output.line("Canceling drain toggle")?;
    }
    Ok(is_yes)
}

/// A line with the time before it.
fn say(ctx: &mut Context<'_>, text: impl std::fmt::Display) -> Result<(), Failure> {
    let now = ctx.clock.absolute((ctx.clock.now)());
    ctx.output.line(format_args!("{now}: {text}"))
}

/// Says what the drain does until it is over and everything that had to leave has stopped.
fn monitor(ctx: &mut Context<'_>, client: &Client, node: Node, before: Vec<Allocation>) -> Outcome {
    let id = node.id;
    let mut seen = by_id(before);
    let mut ignores_system = node.drain_strategy.is_some_and(|strategy| strategy.ignore_system_jobs);
    let mut is_over = false;
    loop {
        // First the node: allocations that are read after the end of the drain have all its marks.
        let node = read(client, &id)?;
        let allocs = allocs(client, &id)?;
        if let Some(strategy) = &node.drain_strategy {
            ignores_system = strategy.ignore_system_jobs;
        }
        for alloc in &allocs {
            if let Some(text) = seen.get(&alloc.id).and_then(|before| change(before, alloc)) {
                say(ctx, format_args!("Alloc \"{}\" {text}", alloc.id))?;
            }
        }
        if node.drain_strategy.is_none() && !is_over {
            is_over = true;
            if node.last_drain.as_ref().is_some_and(|last| last.status == "canceled") {
                say(ctx, format_args!("Drain canceled for node {id}"))?;
                return Ok(0);
            }
            say(ctx, format_args!("Drain complete for node {id}"))?;
        }
        if node.status == "down" {
            say(ctx, format_args!("Node \"{id}\" down"))?;
        }
        let stays = |alloc: &Allocation| {
            let is_system = alloc.job.as_ref().is_some_and(|job| matches!(&*job.kind, "system" | "sysbatch"));
            ignores_system && is_system
        };
        let runs = |alloc: &Allocation| matches!(&*alloc.client_status, "pending" | "running" | "unknown");
        if is_over && !allocs.iter().any(|alloc| runs(alloc) && !stays(alloc)) {
            say(ctx, format_args!("All allocations on node \"{id}\" have stopped"))?;
            return Ok(0);
        }
        if node.status == "down" {
            // Nobody will hear of them any more.
            return Ok(0);
        }
        seen = by_id(allocs);
        client.pause(ctx.poll);
    }
}

fn by_id(allocs: Vec<Allocation>) -> BTreeMap<String, Allocation> {
    allocs.into_iter().map(|alloc| (alloc.id.clone(), alloc)).collect()
}

/// What became of an allocation since it was last looked at.
fn change(before: &Allocation, alloc: &Allocation) -> Option<String> {
    let migrates = |alloc: &Allocation| alloc.desired_transition.migrate == Some(true);
    if before.client_status != alloc.client_status {
        return Some(format!("status {} -> {}", before.client_status, alloc.client_status));
    }
    if migrates(alloc) && !migrates(before) {
        return Some(String::from("marked for migration"));
    }
    if before.desired_status != alloc.desired_status && alloc.desired_status == "stop" {
        return Some(String::from("draining"));
    }
    if before.next_allocation != alloc.next_allocation && !alloc.next_allocation.is_empty() {
        return Some(format!("replaced by allocation \"{}\"", alloc.next_allocation));
    }
    None
}
