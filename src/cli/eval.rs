//! `eval list` and `eval status`.

use api::{AllocListStub, Evaluation};
use model::Timestamp;

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, absent_switch, switch, text},
    format::{json, short},
    job_status::allocs_table,
    lookup::{self, Kind, Match},
    monitor,
    output::{Failure, Outcome},
    pages::{self, FILTER, PAGE_TOKEN, PER_PAGE},
    placement,
    table::{Block, Table},
    template::TEMPLATE,
};

pub(super) const LIST_FLAGS: &[Flag] = &[
    text("job", "job", "Of that job alone."),
    text("status", "status", "With that status alone."),
    switch("verbose", "Full ids."),
    switch("json", "Print JSON."),
    TEMPLATE,
    PER_PAGE,
    PAGE_TOKEN,
    FILTER,
    absent_switch("ui"),
];

pub(super) const STATUS_FLAGS: &[Flag] = &[
    switch("monitor", "Follow the evaluation until it is done."),
    switch("verbose", "Full ids and absolute times."),
    switch("json", "Print JSON."),
    TEMPLATE,
    absent_switch("ui"),
];

pub(super) fn list(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if !flags.args.is_empty() {
        return Err(Failure::usage("This command takes no arguments"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let mut query = pages::query(flags);
    query.extend(["job", "status"].into_iter().filter_map(|name| Some((name, flags.text(name)?))));
    let (evals, next): (Vec<Evaluation>, _) = client
        .get_page("/v1/evaluations", &query)
        .map_err(|error| error.while_doing("querying evaluations"))?;
    if flags.on("json") {
        ctx.output.line(json(&evals))?;
    } else if evals.is_empty() {
        ctx.output.line("No evals found")?;
    } else {
        ctx.output.line(table(&evals, flags.on("verbose")))?;
        pages::hint(ctx, flags, "eval list", next.as_deref())?;
    }
    Ok(0)
}

fn read_all(client: &Client, query: &[(&str, &str)]) -> Result<Vec<Evaluation>, Failure> {
    client.get("/v1/evaluations", query).map_err(|error| error.while_doing("querying evaluations"))
}

fn table(evals: &[Evaluation], verbose: bool) -> Table {
    let mut table = Table::new(&[
        "ID",
        "Priority",
        "Triggered By",
        "Job ID",
        "Namespace",
        "Node ID",
        "Status",
        "Placement Failures",
    ]);
    for eval in evals {
        table.row([
            short(&eval.id, verbose),
            eval.priority.to_string(),
            eval.triggered_by.clone(),
            eval.job_id.clone(),
            eval.namespace.clone(),
            short(&eval.node_id, verbose),
            eval.status.clone(),
            placement::failed_text(eval).to_owned(),
        ]);
    }
    table
}

pub(super) fn status(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [id] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <evaluation id>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    match lookup::find(&client, Kind::Eval, id)? {
        Match::One(id) if flags.on("monitor") => monitor::follow(ctx, &client, &id, flags.on("verbose")),
        Match::One(id) => one(ctx, &client, &id, flags),
        Match::Many(_) => {
            let table = table(&read_all(&client, &[("prefix", id)])?, flags.on("verbose"));
            Err(Failure::message(format!("Prefix matched multiple evaluations\n\n{table}")))
        }
    }
}

/// One evaluation.
pub(super) fn one(ctx: &mut Context<'_>, client: &Client, id: &str, flags: &Flags) -> Outcome {
    let path = format!("/v1/evaluation/{}", element(id));
    let eval: Evaluation = client
        .get(&path, &[("related", "true")])
        .map_err(|error| error.while_doing("querying evaluation"))?;
    if flags.on("json") {
        ctx.output.line(json(&eval))?;
        return Ok(0);
    }
    let verbose = flags.on("verbose");
    let block = eval_block(ctx, &eval, verbose);
    ctx.output.line(block)?;
    if !eval.related_evals.is_empty() {
        let mut table = Table::new(&["ID", "Priority", "Triggered By", "Node ID", "Status", "Description"]);
        for related in &eval.related_evals {
            table.row([
                short(&related.id, verbose),
                related.priority.to_string(),
                related.triggered_by.clone(),
                short(&related.node_id, verbose),
                related.status.clone(),
                related.status_description.clone(),
            ]);
        }
        ctx.output.section("Related Evaluations")?;
        ctx.output.line(table)?;
    }
    let allocs: Vec<AllocListStub> = client
        .get(&format!("{path}/allocations"), &[])
        .map_err(|error| error.while_doing("querying related allocations"))?;
    let preempted = preempted(client, &allocs)?;
    if !preempted.is_empty() {
        let table = allocs_table(ctx, &preempted, verbose);
        ctx.output.section("Preempted Allocations")?;
        ctx.output.line(table)?;
    }
    if !allocs.is_empty() {
        let table = allocs_table(ctx, &allocs, verbose);
        ctx.output.section("Placed Allocations")?;
        ctx.output.line(table)?;
    }
    if !eval.failed_tg_allocs.is_empty() {
        ctx.output.section("Failed Placements")?;
        for (group, metric) in &eval.failed_tg_allocs {
            ctx.output.line(placement::headline(group, metric))?;
            for line in placement::reasons(metric) {
                ctx.output.line(format_args!("  {line}"))?;
            }
        }
        if !eval.blocked_eval.is_empty() {
            let blocked = short(&eval.blocked_eval, verbose);
            ctx.output.line(format_args!(
                "\nEvaluation \"{blocked}\" waiting for additional capacity to place remainder"
            ))?;
        }
    }
    Ok(0)
}

/// What gave up its room for these, as far as it is not forgotten.
fn preempted(client: &Client, allocs: &[AllocListStub]) -> Result<Vec<AllocListStub>, Failure> {
    let mut all = Vec::new();
    for id in allocs.iter().flat_map(|alloc| &alloc.preempted_allocations) {
        let found: Vec<AllocListStub> = client
            .get("/v1/allocations", &[("prefix", id)])
            .map_err(|error| error.while_doing("querying preempted allocations"))?;
        all.extend(found);
    }
    Ok(all)
}

fn eval_block(ctx: &Context<'_>, eval: &Evaluation, verbose: bool) -> Block {
    let description =
        if eval.status_description.is_empty() { &eval.status } else { &eval.status_description };
    let mut block = Block::new();
    block
        .row("ID", short(&eval.id, verbose))
        .row("Create Time", ctx.clock.when(Timestamp(eval.create_time), verbose))
        .row("Modify Time", ctx.clock.when(Timestamp(eval.modify_time), verbose))
        .row("Status", &eval.status)
        .row("Status Description", description)
        .row("Type", &eval.kind)
        .row("TriggeredBy", &eval.triggered_by)
        .row("Job ID", &eval.job_id)
        .row("Namespace", &eval.namespace);
    if !eval.node_id.is_empty() {
        block.row("Node ID", short(&eval.node_id, verbose));
    }
    block.row("Priority", eval.priority).row("Placement Failures", placement::failed_text(eval));
    if !eval.wait_until.0.is_zero() {
        block.row("Wait Until", ctx.clock.when(eval.wait_until.0, verbose));
    }
    for (title, id) in [
        ("Previous Eval", &eval.previous_eval),
        ("Next Eval", &eval.next_eval),
        ("Blocked Eval", &eval.blocked_eval),
    ] {
        if !id.is_empty() {
            block.row(title, short(id, verbose));
        }
    }
    block
}
