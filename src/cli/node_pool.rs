//! `node pool`: pools of nodes, who is in them, and the file that describes one.

use std::{fs, io, path::Path};

use api::{JobListStub, NodeListStub, NodePool};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, switch, text},
    format::json,
    job_file::read_file,
    job_status::jobs_table,
    node_status::nodes_table,
    output::{Failure, Outcome},
    pages::{self, FILTER, PAGE_TOKEN, PER_PAGE},
    pool_file,
    table::{Block, Table},
    template::TEMPLATE,
};

pub(super) const LIST_FLAGS: &[Flag] =
    &[switch("json", "Print JSON."), TEMPLATE, FILTER, PER_PAGE, PAGE_TOKEN];

pub(super) const INFO_FLAGS: &[Flag] = &[switch("json", "Print JSON."), TEMPLATE];

pub(super) const APPLY_FLAGS: &[Flag] = &[switch("json", "The file is JSON, as the HTTP API takes it.")];

pub(super) const INIT_FLAGS: &[Flag] = &[
    text("out", "hcl|json", "Form of the file. Default: hcl."),
    switch("quiet", "Print nothing where all went well."),
];

pub(super) const JOBS_FLAGS: &[Flag] =
    &[switch("json", "Print JSON."), TEMPLATE, FILTER, PER_PAGE, PAGE_TOKEN];

pub(super) const NODES_FLAGS: &[Flag] = &[
    switch("verbose", "Full ids, addresses and versions."),
    switch("quiet", "Print ids alone."),
    switch("json", "Print JSON."),
    TEMPLATE,
    FILTER,
    PER_PAGE,
    PAGE_TOKEN,
];

pub(super) fn list(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    super::operator::no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let (pools, next): (Vec<NodePool>, _) = client
        .get_page("/v1/node/pools", &pages::query(flags))
        .map_err(|error| error.while_doing("querying node pools"))?;
    if flags.on("json") {
        ctx.output.line(json(&pools))?;
    } else if pools.is_empty() {
        ctx.output.line("No node pools")?;
    } else {
        ctx.output.line(table(&pools))?;
        pages::hint(ctx, flags, "node pool list", next.as_deref())?;
    }
    Ok(0)
}

fn table(pools: &[NodePool]) -> Table {
    let mut table = Table::new(&["Name", "Description"]);
    for pool in pools {
        let description = if pool.description.is_empty() { "<none>" } else { &pool.description };
        table.row([pool.name.as_str(), description]);
    }
    table
}

/// The name that the command is given.
fn name(flags: &Flags) -> Result<&str, Failure> {
    match flags.args.as_slice() {
        [name] => Ok(name),
        _ => Err(Failure::usage("This command takes one argument: <node_pool>")),
    }
}

/// The one pool that a name, or the beginning of one, belongs to.
fn find(client: &Client, prefix: &str) -> Result<NodePool, Failure> {
    let pools: Vec<NodePool> = client
        .get("/v1/node/pools", &[("prefix", prefix)])
        .map_err(|error| error.while_doing("retrieving node pool"))?;
    if let Some(pool) = pools.iter().find(|pool| pool.name == prefix) {
        return Ok(pool.clone());
    }
    match pools.as_slice() {
        [] => Err(Failure::message(format!(
            "No node pool with the name or prefix \"{prefix}\" found; `node pool list` shows them all"
        ))),
        [pool] => Ok(pool.clone()),
        several => Err(Failure::message(format!("Prefix matched multiple node pools\n\n{}", table(several)))),
    }
}

pub(super) fn info(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let name = name(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let pool = find(&client, name)?;
    if flags.on("json") {
        ctx.output.line(json(&pool))?;
        return Ok(0);
    }
    let mut block = Block::new();
    block.row("Name", &pool.name).row("Description", &pool.description);
    ctx.output.line(block)?;
    ctx.output.section("Metadata")?;
    if pool.meta.is_empty() {
        ctx.output.line("No metadata")?;
    } else {
        let mut block = Block::new();
        for (key, value) in &pool.meta {
            block.row(key, value);
        }
        ctx.output.line(block)?;
    }
    ctx.output.section("Scheduler Configuration")?;
    ctx.output.line("No scheduler configuration")?;
    Ok(0)
}

pub(super) fn apply(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [path] = flags.args.as_slice() else {
        return Err(Failure::usage(
            "This command takes one argument: <input> (a file, or - for standard input)",
        ));
    };
    let text = read_file(ctx, path, "reading node pool")?;
    let pool = if flags.on("json") { pool_file::json(path, &text) } else { pool_file::read(path, &text) }?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let _: Option<()> =
        client.put("/v1/node/pools", &pool).map_err(|error| error.while_doing("applying node pool"))?;
    ctx.output.line(format_args!("Successfully applied node pool \"{}\"!", pool.name))?;
    Ok(0)
}

pub(super) fn delete(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let name = name(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let _: Option<()> = client
        .delete(&format!("/v1/node/pool/{}", element(name)), &[])
        .map_err(|error| error.while_doing("deleting node pool"))?;
    ctx.output.line(format_args!("Successfully deleted node pool \"{name}\"!"))?;
    Ok(0)
}

pub(super) fn init(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (text, usual) = match flags.text("out").unwrap_or("hcl") {
        "hcl" => (pool_file::EXAMPLE, "pool.nomad.hcl"),
        "json" => (pool_file::EXAMPLE_JSON, "pool.nomad.json"),
        other => return Err(Failure::usage(format!("-out must be hcl or json, found {other:?}"))),
    };
    let path = match flags.args.as_slice() {
        [] => usual,
        [path] => path.as_str(),
        _ => return Err(Failure::usage("This command takes no arguments or one: <filename>")),
    };
    let failed = |error: io::Error| Failure::message(format!("Failed to write '{path}': {error}"));
    if Path::new(path).exists() {
        return Err(Failure::message(format!("File '{path}' already exists")));
    }
    fs::write(path, text).map_err(failed)?;
    if !flags.on("quiet") {
        ctx.output.line(format_args!("Example node pool specification written to {path}"))?;
    }
    Ok(0)
}

pub(super) fn jobs(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let name = name(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let pool = find(&client, name)?.name;
    let (jobs, next): (Vec<JobListStub>, _) = client
        .get_page(&format!("/v1/node/pool/{}/jobs", element(&pool)), &pages::query(flags))
        .map_err(|error| error.while_doing("querying jobs"))?;
    if flags.on("json") {
        ctx.output.line(json(&jobs))?;
    } else if jobs.is_empty() {
        ctx.output.line("No jobs")?;
    } else {
        let table = jobs_table(ctx, &jobs);
        ctx.output.line(table)?;
        pages::hint(ctx, flags, &format!("node pool jobs {pool}"), next.as_deref())?;
    }
    Ok(0)
}

pub(super) fn nodes(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let name = name(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let pool = find(&client, name)?.name;
    let (nodes, next): (Vec<NodeListStub>, _) = client
        .get_page(&format!("/v1/node/pool/{}/nodes", element(&pool)), &pages::query(flags))
        .map_err(|error| error.while_doing("querying nodes"))?;
    if flags.on("json") {
        ctx.output.line(json(&nodes))?;
    } else if nodes.is_empty() {
        ctx.output.line("No nodes")?;
    } else if flags.on("quiet") {
        for node in &nodes {
            ctx.output.line(&node.id)?;
        }
    } else {
        ctx.output.line(nodes_table(&nodes, flags.on("verbose"), None, false))?;
        pages::hint(ctx, flags, &format!("node pool nodes {pool}"), next.as_deref())?;
    }
    Ok(0)
}
