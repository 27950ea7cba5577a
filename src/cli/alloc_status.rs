//! `alloc status`: one allocation, what its tasks use and what happened to them.

use std::time::Duration;

use api::{AllocListStub, AllocResourceUsage, Allocation, NetworkResource, ResourceUsage, TaskState};
use model::Timestamp;

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, absent_switch, switch},
    format::{bytes, duration, json, megabytes, short},
    job_status::allocs_table,
    lookup::{self, Kind, Match},
    output::{Failure, Outcome},
    table::{Block, Table},
    template::TEMPLATE,
};

pub(super) const FLAGS: &[Flag] = &[
    switch("short", "Show the allocation and the states of its tasks alone."),
    switch("stats", "Show what its tasks use in detail."),
    switch("verbose", "Full ids, absolute times, and how the node was chosen."),
    switch("json", "Print JSON."),
    TEMPLATE,
    absent_switch("ui"),
];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let failed = |error: super::client::ClientError| error.while_doing("querying allocations");
    match flags.args.as_slice() {
        [] if flags.on("json") => {
            let allocs: Vec<AllocListStub> = client.get("/v1/allocations", &[]).map_err(failed)?;
            ctx.output.line(json(&allocs))?;
            Ok(0)
        }
        [id] => match lookup::find(&client, Kind::Alloc, id)? {
            Match::One(id) => one(ctx, &client, &id, flags),
            Match::Many(_) => {
                let allocs: Vec<AllocListStub> =
                    client.get("/v1/allocations", &[("prefix", id)]).map_err(failed)?;
                let table = allocs_table(ctx, &allocs, flags.on("verbose"));
                ctx.output.line(format_args!("Prefix matched multiple allocations\n\n{table}"))?;
                Ok(0)
            }
        },
        _ => Err(Failure::usage("This command takes one argument: <allocation id>")),
    }
}

/// One allocation.
pub(super) fn one(ctx: &mut Context<'_>, client: &Client, id: &str, flags: &Flags) -> Outcome {
    let alloc: Allocation = client
        .get(&format!("/v1/allocation/{}", element(id)), &[])
        .map_err(|error| error.while_doing("querying allocation"))?;
    if flags.on("json") {
        ctx.output.line(json(&alloc))?;
        return Ok(0);
    }
    let verbose = flags.on("verbose");
    if flags.on("short") {
        let mut block = Block::new();
        block
            .row("ID", &alloc.id)
            .row("Name", &alloc.name)
            .row("Created", ctx.clock.when(Timestamp(alloc.create_time), verbose))
            .row("Modified", ctx.clock.when(Timestamp(alloc.modify_time), verbose));
        ctx.output.line(block)?;
        return short_tasks(ctx, &alloc);
    }
    let block = alloc_block(ctx, &alloc, verbose);
    ctx.output.line(block)?;

    let mut usage = None;
    if alloc.client_status == "running" {
        match client
            .get::<AllocResourceUsage>(&format!("/v1/client/allocation/{}/stats", element(&alloc.id)), &[])
        {
            Ok(answer) => usage = Some(answer),
            Err(error) => ctx.output.error(format_args!("Couldn't retrieve stats: {error}"))?,
        }
    }
    addresses(ctx, &alloc)?;
    for (name, state) in &alloc.task_states {
        let usage = usage.as_ref().and_then(|usage| usage.tasks.get(name)).map(|task| &task.resource_usage);
        ctx.output.section(&format!("Task \"{name}\" is \"{}\"", state.state))?;
        task_resources(ctx, &alloc, name, usage)?;
        if let Some(usage) = usage.filter(|_| flags.on("stats")) {
            detailed_stats(ctx, usage)?;
        }
        task_events(ctx, state)?;
    }
    if verbose {
        metrics(ctx, &alloc)?;
    }
    Ok(0)
}

fn alloc_block(ctx: &Context<'_>, alloc: &Allocation, verbose: bool) -> Block {
    let mut block = Block::new();
    block
        .row("ID", &alloc.id)
        .row("Eval ID", short(&alloc.eval_id, verbose))
        .row("Name", &alloc.name)
        .row("Node ID", short(&alloc.node_id, verbose))
        .row("Node Name", &alloc.node_name)
        .row("Job ID", &alloc.job_id)
        .row("Job Version", alloc.job.as_ref().map_or(0, |job| job.version))
        .row("Client Status", &alloc.client_status)
        .row("Client Description", &alloc.client_description)
        .row("Desired Status", &alloc.desired_status)
        .row("Desired Description", &alloc.desired_description)
        .row("Created", ctx.clock.when(Timestamp(alloc.create_time), verbose))
        .row("Modified", ctx.clock.when(Timestamp(alloc.modify_time), verbose));
    if !alloc.deployment_id.is_empty() {
        let health = match alloc.deployment_status.as_ref().and_then(|status| status.healthy) {
            Some(true) => "healthy",
            Some(false) => "unhealthy",
            None => "unset",
        };
        block.row("Deployment ID", short(&alloc.deployment_id, verbose)).row("Deployment Health", health);
        if alloc.deployment_status.as_ref().is_some_and(|status| status.canary) {
            block.row("Canary", true);
        }
    }
    if let Some(attempts) = reschedule_attempts(alloc) {
        block.row("Reschedule Attempts", attempts);
    }
    if !alloc.next_allocation.is_empty() {
        block.row("Replacement Alloc ID", short(&alloc.next_allocation, verbose));
    }
    if !alloc.followup_eval_id.is_empty() {
        block.row("Followup Eval ID", short(&alloc.followup_eval_id, verbose));
    }
    block
}

/// `1/2`, where the group's policy has a limit.
fn reschedule_attempts(alloc: &Allocation) -> Option<String> {
    let tracker = alloc.reschedule_tracker.as_ref()?;
    let job = alloc.job.as_ref()?;
    let group = job.task_groups.iter().find(|group| group.name == alloc.task_group)?;
    let policy = group.reschedule_policy.as_ref()?;
    let used = tracker.events.len();
    match policy.attempts.filter(|_| policy.unlimited != Some(true)) {
        Some(limit) => Some(format!("{used}/{limit}")),
        None => Some(used.to_string()),
    }
}

fn short_tasks(ctx: &mut Context<'_>, alloc: &Allocation) -> Outcome {
    let mut table = Table::new(&["Name", "State", "Last Event", "Time"]);
    for (name, state) in &alloc.task_states {
        let last = state.events.last();
        table.row([
            name.clone(),
            state.state.clone(),
            last.map(|event| event.kind.clone()).unwrap_or_default(),
            last.map(|event| ctx.clock.absolute(Timestamp(event.time))).unwrap_or_default(),
        ]);
    }
    ctx.output.section("Tasks")?;
    ctx.output.line(table)?;
    Ok(0)
}

/// The ports of the group's network.
fn addresses(ctx: &mut Context<'_>, alloc: &Allocation) -> Result<(), Failure> {
    let Some(shared) = alloc.allocated_resources.as_ref().map(|resources| &resources.shared) else {
        return Ok(());
    };
    if shared.ports.is_empty() {
        return Ok(());
    }
    let mode = shared.networks.first().map_or("", |network| network.mode.as_str());
    let mut table = Table::new(&["Label", "Dynamic", "Address"]);
    for port in &shared.ports {
        let dynamic = shared
            .networks
            .iter()
            .any(|network| network.dynamic_ports.iter().any(|candidate| candidate.label == port.label));
        let mut address = format!("{}:{}", port.host_ip, port.value);
        if port.to > 0 {
            address += &format!(" -> {}", port.to);
        }
        table.row([format!("*{}", port.label), if dynamic { "yes".into() } else { String::new() }, address]);
    }
    let title = match mode {
        "" | "host" => String::from("Allocation Addresses:"),
        mode => format!("Allocation Addresses (mode = \"{mode}\"):"),
    };
    ctx.output.section(&title)?;
    ctx.output.line(table)
}

fn task_resources(
    ctx: &mut Context<'_>,
    alloc: &Allocation,
    name: &str,
    usage: Option<&ResourceUsage>,
) -> Result<(), Failure> {
    let Some(resources) = alloc.allocated_resources.as_ref() else { return Ok(()) };
    let Some(task) = resources.tasks.get(name) else { return Ok(()) };
    let mut cpu = format!("{} MHz", task.cpu.cpu_shares);
    let mut memory = megabytes(u64::try_from(task.memory.memory_mb).unwrap_or(0));
    if let Some(usage) = usage {
        cpu = format!("{:.0}/{cpu}", usage.cpu_stats.total_ticks.floor());
        memory = format!("{}/{memory}", bytes(memory_used(usage)));
    }
    let mut places = task.networks.iter().flat_map(places_of);
    let disk = megabytes(u64::try_from(resources.shared.disk_mb).unwrap_or(0));
    let head = match task.cpu.reserved_cores.len() {
        0 => String::from("CPU"),
        1 => String::from("CPU (1 core)"),
        cores => format!("CPU ({cores} cores)"),
    };
    let mut table = Table::new(&[&head, "Memory", "Disk", "Addresses"]).with_blanks();
    table.row([cpu, memory, disk, places.next().unwrap_or_default()]);
    for place in places {
        table.row(["", "", "", &place]);
    }
    ctx.output.line("Task Resources:")?;
    ctx.output.line(table)
}

/// What counts against the limit: RSS where it was measured, else everything.
fn memory_used(usage: &ResourceUsage) -> u64 {
    let memory = &usage.memory_stats;
    if memory.rss > 0 || memory.measured.iter().any(|name| name == "RSS") { memory.rss } else { memory.usage }
}

/// `db: 127.0.0.1:27440`, per port.
fn places_of(network: &NetworkResource) -> impl Iterator<Item = String> + '_ {
    let ports = network.dynamic_ports.iter().chain(&network.reserved_ports);
    ports.map(|port| format!("{}: {}:{}", port.label, network.ip, port.value))
}

fn detailed_stats(ctx: &mut Context<'_>, usage: &ResourceUsage) -> Result<(), Failure> {
    let memory = &usage.memory_stats;
    let mut columns: Vec<(&str, String)> = memory
        .measured
        .iter()
        .filter_map(|name| {
            let value = match name.as_str() {
                "RSS" => memory.rss,
                "Cache" => memory.cache,
                "Swap" => memory.swap,
                "Mapped File" => memory.mapped_file,
                "Usage" => memory.usage,
                "Max Usage" => memory.max_usage,
                "Kernel Usage" => memory.kernel_usage,
                "Kernel Max Usage" => memory.kernel_max_usage,
                _ => return None,
            };
            Some((name.as_str(), bytes(value)))
        })
        .collect();
    columns_table(ctx, "Memory Stats", &mut columns)?;
    let cpu = &usage.cpu_stats;
    let mut columns: Vec<(&str, String)> = cpu
        .measured
        .iter()
        .filter_map(|name| {
            let value = match name.as_str() {
                "Percent" => format!("{:.2}%", cpu.percent),
                "System Mode" => format!("{:.2}%", cpu.system_mode),
                "User Mode" => format!("{:.2}%", cpu.user_mode),
                "Throttled Periods" => cpu.throttled_periods.to_string(),
                "Throttled Time" => cpu.throttled_time.to_string(),
                _ => return None,
            };
            Some((name.as_str(), value))
        })
        .collect();
    columns_table(ctx, "CPU Stats", &mut columns)
}

fn columns_table(ctx: &mut Context<'_>, title: &str, columns: &mut [(&str, String)]) -> Result<(), Failure> {
    if columns.is_empty() {
        return Ok(());
    }
    columns.sort_unstable();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut table = Table::new(&names);
    table.row(columns.iter().map(|(_, value)| value.clone()));
    ctx.output.section(title)?;
    ctx.output.line(table)
}

fn task_events(ctx: &mut Context<'_>, state: &TaskState) -> Result<(), Failure> {
    let when = |ctx: &Context<'_>, time: api::Time| {
        let text = ctx.clock.absolute(time.0);
        if text.is_empty() { String::from("N/A") } else { text }
    };
    let mut block = Block::new();
    block
        .row("Started At", when(ctx, state.started_at))
        .row("Finished At", when(ctx, state.finished_at))
        .row("Total Restarts", state.restarts)
        .row("Last Restart", when(ctx, state.last_restart));
    ctx.output.section("Task Events:")?;
    ctx.output.line(block)?;
    let mut table = Table::new(&["Time", "Type", "Description"]);
    for event in state.events.iter().rev() {
        let sentence = if event.display_message.is_empty() { &event.message } else { &event.display_message };
        // A table has one line per row, whatever a driver had to say.
        let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        table.row([ctx.clock.absolute(Timestamp(event.time)), event.kind.clone(), sentence]);
    }
    ctx.output.section("Recent Events:")?;
    ctx.output.line(table)
}

/// How the node was chosen.
fn metrics(ctx: &mut Context<'_>, alloc: &Allocation) -> Result<(), Failure> {
    let Some(metric) = &alloc.metrics else { return Ok(()) };
    let mut block = Block::new();
    block
        .row("Evaluated Nodes", metric.nodes_evaluated)
        .row("Filtered Nodes", metric.nodes_filtered)
        .row("Exhausted Nodes", metric.nodes_exhausted)
        .row(
            "Allocation Time",
            duration(Duration::from_nanos(u64::try_from(metric.allocation_time).unwrap_or(0))),
        )
        .row("Failures", metric.coalesced_failures);
    ctx.output.section("Placement Metrics")?;
    ctx.output.line(block)?;
    let mut scorers: Vec<&str> =
        metric.score_meta_data.iter().flat_map(|node| node.scores.keys()).map(String::as_str).collect();
    scorers.sort_unstable();
    scorers.dedup();
    if metric.score_meta_data.is_empty() {
        return Ok(());
    }
    let head: Vec<&str> =
        ["Node"].into_iter().chain(scorers.iter().copied()).chain(["final score"]).collect();
    let mut table = Table::new(&head);
    for node in &metric.score_meta_data {
        let mut row = vec![node.node_id.clone()];
        row.extend(
            scorers.iter().map(|&scorer| format!("{:.3}", node.scores.get(scorer).copied().unwrap_or(0.0))),
        );
        row.push(format!("{:.3}", node.norm_score));
        table.row(row);
    }
    ctx.output.line("")?;
    ctx.output.line(table)
}
