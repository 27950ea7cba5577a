//! `node status`: the list of nodes, or one node with what it runs.

use std::time::Duration;

use api::{AgentSelf, AllocListStub, Allocation, HostStats, Node, NodeListStub};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, absent_switch, switch},
    format::{bytes, duration, json, megabytes, short},
    job_status::allocs_table,
    lookup::{self, Kind, Match},
    output::{Failure, Outcome},
    pages::{self, FILTER, PAGE_TOKEN, PER_PAGE},
    table::{Block, Table},
    template::TEMPLATE,
};

pub(super) const FLAGS: &[Flag] = &[
    switch("self", "Show the node of the agent that is asked."),
    switch("stats", "Show what the machine uses in detail."),
    switch("allocs", "In the list: count what runs on each node."),
    switch("short", "Show the node and its allocations alone."),
    switch("verbose", "Full ids, absolute times, attributes."),
    switch("quiet", "Print ids alone."),
    switch("json", "Print JSON."),
    TEMPLATE,
    switch("os", "In the list: show the operating systems."),
    FILTER,
    PER_PAGE,
    PAGE_TOKEN,
    absent_switch("ui"),
];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    match flags.args.as_slice() {
        [] if flags.on("self") => {
            let agent: AgentSelf = client
                .get("/v1/agent/self", &[])
                .map_err(|error| error.while_doing("querying agent info"))?;
            let id = agent
                .stats
                .get("client")
                .and_then(|client| client.get("node_id"))
                .cloned()
                .unwrap_or_default();
            if id.is_empty() {
                return Err(Failure::message("The agent is not a client node"));
            }
            one(ctx, &client, &id, flags)
        }
        [] => all(ctx, &client, flags),
        [id] => match lookup::find(&client, Kind::Node, id)? {
            Match::One(id) => one(ctx, &client, &id, flags),
            Match::Many(_) => Err(ambiguous(&client, id, flags.on("verbose"))?),
        },
        _ => Err(Failure::usage("This command takes either no arguments or one: <node id>")),
    }
}

/// The nodes that a prefix may mean.
pub(super) fn ambiguous(client: &Client, prefix: &str, verbose: bool) -> Result<Failure, Failure> {
    let table = nodes_table(&read_all(client, prefix)?, verbose, None, false);
    Ok(Failure::message(format!("Prefix matched multiple nodes\n\n{table}")))
}

fn read_all(client: &Client, prefix: &str) -> Result<Vec<NodeListStub>, Failure> {
    let query: &[(&str, &str)] = if prefix.is_empty() { &[] } else { &[("prefix", prefix)] };
    client.get("/v1/nodes", query).map_err(|error| error.while_doing("querying node status"))
}

fn all(ctx: &mut Context<'_>, client: &Client, flags: &Flags) -> Outcome {
    let with_os = flags.on("os");
    let mut query = pages::query(flags);
    query.extend(with_os.then_some(("os", "true")));
    let (nodes, next): (Vec<NodeListStub>, _) =
        client.get_page("/v1/nodes", &query).map_err(|error| error.while_doing("querying node status"))?;
    if flags.on("json") {
        ctx.output.line(json(&nodes))?;
    } else if nodes.is_empty() {
        ctx.output.line("No nodes registered")?;
    } else if flags.on("quiet") {
        for node in &nodes {
            ctx.output.line(&node.id)?;
        }
    } else {
        let running = if flags.on("allocs") {
            let mut counts = Vec::new();
            for node in &nodes {
                counts.push(
                    allocs_of(client, &node.id)?
                        .iter()
                        .filter(|alloc| alloc.client_status == "running")
                        .count(),
                );
            }
            Some(counts)
        } else {
            None
        };
        ctx.output.line(nodes_table(&nodes, flags.on("verbose"), running.as_deref(), with_os))?;
        pages::hint(ctx, flags, "node status", next.as_deref())?;
    }
    Ok(0)
}

/// `running`: how many allocations run on each. `with_os`: the answer holds the operating systems.
pub(super) fn nodes_table(
    nodes: &[NodeListStub],
    verbose: bool,
    running: Option<&[usize]>,
    with_os: bool,
) -> Table {
    let mut head = vec!["ID", "Node Pool", "DC", "Name", "Class"];
    if with_os {
        head.push("OS");
    }
    if verbose {
        head.extend(["Address", "Version"]);
    }
    head.extend(["Drain", "Eligibility", "Status"]);
    if running.is_some() {
        head.push("Running Allocs");
    }
    let mut table = Table::new(&head);
    for (number, node) in nodes.iter().enumerate() {
        let mut row = vec![
            short(&node.id, verbose),
            node.node_pool.clone(),
            node.datacenter.clone(),
            node.name.clone(),
            node.node_class.clone(),
        ];
        if with_os {
            row.push(node.attributes.get("os.name").cloned().unwrap_or_default());
        }
        if verbose {
            row.extend([node.address.clone(), node.version.clone()]);
        }
        row.extend([node.drain.to_string(), node.scheduling_eligibility.clone(), node.status.clone()]);
        if let Some(running) = running {
            row.push(running[number].to_string());
        }
        table.row(row);
    }
    table
}

fn allocs_of(client: &Client, node: &str) -> Result<Vec<Allocation>, Failure> {
    client
        .get(&format!("/v1/node/{}/allocations", element(node)), &[])
        .map_err(|error| error.while_doing("querying node allocations"))
}

/// One node.
pub(super) fn one(ctx: &mut Context<'_>, client: &Client, id: &str, flags: &Flags) -> Outcome {
    let node: Node = client
        .get(&format!("/v1/node/{}", element(id)), &[])
        .map_err(|error| error.while_doing("querying node info"))?;
    if flags.on("json") {
        ctx.output.line(json(&node))?;
        return Ok(0);
    }
    let (verbose, short_form) = (flags.on("verbose"), flags.on("short"));
    let mut stats: Option<HostStats> = None;
    if !short_form && node.status == "ready" {
        match client.get("/v1/client/stats", &[("node_id", &node.id)]) {
            Ok(answer) => stats = Some(answer),
            Err(error) => ctx.output.error(format_args!("error fetching node stats: {error}\n"))?,
        }
    }
    ctx.output.line(node_block(&node, stats.as_ref(), short_form))?;
    let allocs = allocs_of(client, &node.id)?;
    if !short_form {
        unhealthy_drivers(ctx, &node)?;
        events(ctx, &node)?;
        resources(ctx, &node, &allocs)?;
        if let Some(stats) = &stats {
            host_utilization(ctx, &node, stats)?;
            if flags.on("stats") {
                host_stats(ctx, stats)?;
            }
        }
    }
    ctx.output.section("Allocations")?;
    if allocs.is_empty() {
        ctx.output.line("No allocations placed")?;
    } else {
        let mut stubs: Vec<AllocListStub> = allocs.iter().map(stub).collect();
        stubs.sort_by(|a, b| b.create_index.cmp(&a.create_index).then_with(|| a.id.cmp(&b.id)));
        let table = allocs_table(ctx, &stubs, verbose);
        ctx.output.line(table)?;
    }
    if verbose {
        details(ctx, &node)?;
    }
    Ok(0)
}

/// The columns that tables of allocations show.
fn stub(alloc: &Allocation) -> AllocListStub {
    AllocListStub {
        id: alloc.id.clone(),
        eval_id: alloc.eval_id.clone(),
        node_id: alloc.node_id.clone(),
        node_name: alloc.node_name.clone(),
        task_group: alloc.task_group.clone(),
        job_version: alloc.job.as_ref().map_or(0, |job| job.version),
        desired_status: alloc.desired_status.clone(),
        client_status: alloc.client_status.clone(),
        create_index: alloc.create_index,
        create_time: alloc.create_time,
        modify_time: alloc.modify_time,
        ..AllocListStub::default()
    }
}

/// Why a driver that is there cannot be used; nothing where all can.
fn unhealthy_drivers(ctx: &mut Context<'_>, node: &Node) -> Result<(), Failure> {
    let mut table = Table::new(&["Driver", "Reason"]);
    let unhealthy = node.drivers.iter().filter(|(_, driver)| driver.detected && !driver.healthy);
    let mut any = false;
    for (name, driver) in unhealthy {
        table.row([name.clone(), driver.health_description.clone()]);
        any = true;
    }
    if any {
        ctx.output.section("Unhealthy Drivers")?;
        ctx.output.line(table)?;
    }
    Ok(())
}

fn node_block(node: &Node, stats: Option<&HostStats>, short_form: bool) -> Block {
    let mut block = Block::new();
    block
        .row("ID", &node.id)
        .row("Name", &node.name)
        .row("Node Pool", &node.node_pool)
        .row("Class", &node.node_class)
        .row("DC", &node.datacenter)
        .row("Drain", drain(node))
        .row("Eligibility", &node.scheduling_eligibility)
        .row("Status", &node.status);
    if let Some(stats) = stats {
        block.row("Uptime", duration(Duration::from_secs(stats.uptime)));
    }
    let drivers: Vec<String> = node
        .drivers
        .iter()
        .filter(|(_, driver)| driver.detected)
        .map(|(name, driver)| if driver.healthy { name.clone() } else { format!("{name} (unhealthy)") })
        .collect();
    block.row(if short_form { "Drivers" } else { "Driver Status" }, drivers.join(","));
    block
}

/// `false`, or how it is emptied.
fn drain(node: &Node) -> String {
    let Some(strategy) = &node.drain_strategy else { return node.drain.to_string() };
    let until = match strategy.deadline {
        0 => String::from("no deadline"),
        deadline if deadline < 0 => String::from("force drain"),
        _ => format!("{} deadline", strategy.force_deadline.to_rfc3339()),
    };
    let system = if strategy.ignore_system_jobs { "; ignoring system jobs" } else { "" };
    format!("true; {until}{system}")
}

fn events(ctx: &mut Context<'_>, node: &Node) -> Result<(), Failure> {
    let mut table = Table::new(&["Time", "Subsystem", "Message"]);
    for event in node.events.iter().rev() {
        table.row([ctx.clock.absolute(event.timestamp.0), event.subsystem.clone(), event.message.clone()]);
    }
    ctx.output.section("Node Events")?;
    ctx.output.line(table)
}

/// What the node's allocations were promised, of what there is to give.
fn resources(ctx: &mut Context<'_>, node: &Node, allocs: &[Allocation]) -> Result<(), Failure> {
    let (mut cpu, mut memory, mut disk, mut count) = (0, 0, 0, 0);
    for alloc in allocs.iter().filter(|alloc| matches!(alloc.client_status.as_str(), "running" | "pending")) {
        let Some(resources) = &alloc.allocated_resources else { continue };
        count += 1;
        disk += resources.shared.disk_mb;
        for task in resources.tasks.values() {
            cpu += task.cpu.cpu_shares;
            memory += task.memory.memory_mb;
        }
    }
    let total = node.node_resources.clone().unwrap_or_default();
    let kept = node.reserved_resources.clone().unwrap_or_default();
    let size = |megabyte_count: i64| megabytes(u64::try_from(megabyte_count).unwrap_or(0));
    let mut table = Table::new(&["CPU", "Memory", "Disk", "Alloc Count"]);
    table.row([
        format!("{cpu}/{} MHz", total.cpu.cpu_shares - kept.cpu.cpu_shares),
        format!("{}/{}", size(memory), size(total.memory.memory_mb - kept.memory.memory_mb)),
        format!("{}/{}", size(disk), size(total.disk.disk_mb - kept.disk.disk_mb)),
        count.to_string(),
    ]);
    ctx.output.section("Allocated Resources")?;
    ctx.output.line(table)
}

fn host_utilization(ctx: &mut Context<'_>, node: &Node, stats: &HostStats) -> Result<(), Failure> {
    let total_cpu = node.node_resources.as_ref().map_or(0, |resources| resources.cpu.cpu_shares);
    let mut table = Table::new(&["CPU", "Memory", "Disk"]);
    table.row([
        format!("{:.0}/{total_cpu} MHz", stats.cpu_ticks_consumed.floor()),
        format!("{}/{}", bytes(stats.memory.used), bytes(stats.memory.total)),
        format!("{}/{}", bytes(stats.alloc_dir_stats.used), bytes(stats.alloc_dir_stats.size)),
    ]);
    ctx.output.section("Host Resource Utilization")?;
    ctx.output.line(table)
}

fn host_stats(ctx: &mut Context<'_>, stats: &HostStats) -> Result<(), Failure> {
    ctx.output.section("CPU Stats")?;
    for (number, core) in stats.cpu.iter().enumerate() {
        if number > 0 {
            ctx.output.line("")?;
        }
        let mut block = Block::new();
        block
            .row("CPU", &core.cpu)
            .row("User", format!("{:.2}%", core.user))
            .row("System", format!("{:.2}%", core.system))
            .row("Idle", format!("{:.2}%", core.idle));
        ctx.output.line(block)?;
    }
    ctx.output.section("Memory Stats")?;
    let mut block = Block::new();
    block
        .row("Total", bytes(stats.memory.total))
        .row("Available", bytes(stats.memory.available))
        .row("Used", bytes(stats.memory.used))
        .row("Free", bytes(stats.memory.free));
    ctx.output.line(block)?;
    ctx.output.section("Disk Stats")?;
    for (number, disk) in stats.disk_stats.iter().enumerate() {
        if number > 0 {
            ctx.output.line("")?;
        }
        let mut block = Block::new();
        block
            .row("Device", &disk.device)
            .row("MountPoint", &disk.mountpoint)
            .row("Size", bytes(disk.size))
            .row("Used", bytes(disk.used))
            .row("Available", bytes(disk.available))
            .row("Used Percent", format!("{:.2}%", disk.used_percent))
            .row("Inodes Percent", format!("{:.2}%", disk.inodes_used_percent));
        ctx.output.line(block)?;
    }
    Ok(())
}

fn details(ctx: &mut Context<'_>, node: &Node) -> Result<(), Failure> {
    let mut table = Table::new(&["Driver", "Detected", "Healthy", "Message", "Time"]);
    for (name, driver) in &node.drivers {
        table.row([
            name.clone(),
            driver.detected.to_string(),
            driver.healthy.to_string(),
            driver.health_description.clone(),
            ctx.clock.absolute(driver.update_time.0),
        ]);
    }
    ctx.output.section("Drivers")?;
    ctx.output.line(table)?;
    for (title, facts) in [("Attributes", &node.attributes), ("Meta", &node.meta)] {
        let mut block = Block::new();
        for (name, value) in facts {
            block.row(name, value);
        }
        if !facts.is_empty() {
            ctx.output.section(title)?;
            ctx.output.line(block)?;
        }
    }
    Ok(())
}
