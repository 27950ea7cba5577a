//! `job status`: the list of jobs, or one job with its groups, deployment and allocations.

use api::{AllocListStub, Deployment, Evaluation, Job, JobListStub, JobSummary};
use model::Timestamp;

use super::{
    Context, Tool,
    client::{Client, element},
    deployment,
    flags::{Flag, Flags, absent_switch, switch},
    format::{json, list, short},
    job_children,
    lookup::{self, Kind, Match},
    output::{Failure, Outcome},
    placement,
    table::{Block, Table},
    template::TEMPLATE,
};

pub(super) const FLAGS: &[Flag] = &[
    switch("short", "Show the job alone, without groups and allocations."),
    switch("evals", "Show the evaluations, too."),
    switch("all-allocs", "Show allocations of earlier jobs of that name, too."),
    switch("verbose", "Full ids and absolute times."),
    switch("json", "Print JSON."),
    TEMPLATE,
    absent_switch("ui"),
];

/// Groups whose placement failures are listed before the rest is left out.
const MAX_FAILED_GROUPS: usize = 5;

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    match flags.args.as_slice() {
        [] => all(ctx, &client, flags),
        [id] => match lookup::find(&client, Kind::Job, id)? {
            Match::One(id) => one(ctx, &client, &id, flags),
            Match::Many(_) => Err(ambiguous(ctx, &client, id)),
        },
        _ => Err(Failure::usage("This command takes either no arguments or one: <job>")),
    }
}

/// The list of jobs.
pub(super) fn all(ctx: &mut Context<'_>, client: &Client, flags: &Flags) -> Outcome {
    let jobs: Vec<JobListStub> =
        client.get("/v1/jobs", &[]).map_err(|error| error.while_doing("querying jobs"))?;
    if flags.on("json") {
        ctx.output.line(json(&jobs))?;
    } else if jobs.is_empty() {
        ctx.output.line("No running jobs")?;
    } else {
        let table = jobs_table(ctx, &jobs);
        ctx.output.line(table)?;
    }
    Ok(0)
}

/// The one job that a name, or the beginning of one, belongs to.
pub(super) fn one_job(ctx: &Context<'_>, client: &Client, prefix: &str) -> Result<String, Failure> {
    match lookup::find(client, Kind::Job, prefix)? {
        Match::One(id) => Ok(id),
        Match::Many(_) => Err(ambiguous(ctx, client, prefix)),
    }
}

/// Says which jobs a prefix belongs to.
pub(super) fn ambiguous(ctx: &Context<'_>, client: &Client, prefix: &str) -> Failure {
    match client.get::<Vec<JobListStub>>("/v1/jobs", &[("prefix", prefix)]) {
        Ok(jobs) => Failure::message(format!(
            "Prefix \"{prefix}\" matched multiple jobs\n\n{}",
            jobs_table(ctx, &jobs)
        )),
        Err(error) => error.while_doing("querying jobs"),
    }
}

pub(super) fn jobs_table(ctx: &Context<'_>, jobs: &[JobListStub]) -> Table {
    let mut table = Table::new(&["ID", "Type", "Priority", "Status", "Submit Date"]);
    for job in jobs {
        let kind = match (job.periodic, job.parameterized_job) {
            (true, _) => format!("{}/periodic", job.kind),
            (_, true) => format!("{}/parameterized", job.kind),
            _ => job.kind.clone(),
        };
        table.row([
            job.id.clone(),
            kind,
            job.priority.to_string(),
            status_text(&job.status, job.stop),
            ctx.clock.absolute(Timestamp(job.submit_time)),
        ]);
    }
    table
}

fn status_text(status: &str, stopped: bool) -> String {
    if stopped { format!("{status} (stopped)") } else { status.to_owned() }
}

/// One job.
pub(super) fn one(ctx: &mut Context<'_>, client: &Client, id: &str, flags: &Flags) -> Outcome {
    let path = format!("/v1/job/{}", element(id));
    let job: Job = client.get(&path, &[]).map_err(|error| error.while_doing("querying job"))?;
    if flags.on("json") {
        ctx.output.line(json(&job))?;
        return Ok(0);
    }
    let block = job_block(ctx, &job);
    ctx.output.line(block)?;
    if flags.on("short") {
        return Ok(0);
    }
    let verbose = flags.on("verbose");
    let launches = job.periodic.is_some() || job_children::waits_for_dispatch(&job);
    if launches {
        let summary: Option<JobSummary> = client
            .get(&format!("{path}/summary"), &[])
            .map_err(|error| error.while_doing("querying job summary"))?;
        job_children::show(ctx, client, &job, summary.as_ref())?;
        return Ok(0);
    }
    let doing = |what: &'static str| move |error: super::client::ClientError| error.while_doing(what);
    let summary: Option<JobSummary> =
        client.get(&format!("{path}/summary"), &[]).map_err(doing("querying job summary"))?;
    let query: &[(&str, &str)] = if flags.on("all-allocs") { &[("all", "true")] } else { &[] };
    let mut allocs: Vec<AllocListStub> =
        client.get(&format!("{path}/allocations"), query).map_err(doing("querying job allocations"))?;
    let evals: Vec<Evaluation> =
        client.get(&format!("{path}/evaluations"), &[]).map_err(doing("querying job evaluations"))?;
    let deployment: Option<Deployment> =
        client.get(&format!("{path}/deployment"), &[]).map_err(doing("querying job deployment"))?;

    if let Some(summary) = summary {
        ctx.output.section("Summary")?;
        ctx.output.line(summary_table(&summary))?;
    }
    if verbose || flags.on("evals") {
        ctx.output.section("Evaluations")?;
        ctx.output.line(evals_table(&evals, verbose))?;
    }
    failures(ctx, &evals)?;
    let waiting: Vec<&AllocListStub> = allocs
        .iter()
        .filter(|alloc| alloc.desired_status == "run" && !deployment::fails_with(deployment.as_ref(), alloc))
        .collect();
    reschedules(ctx, &waiting, &evals, verbose)?;
    if let Some(deployment) = deployment.filter(|deployment| !deployment.id.is_empty()) {
        ctx.output.section("Latest Deployment")?;
        let mut block = Block::new();
        block
            .row("ID", short(&deployment.id, verbose))
            .row("Status", &deployment.status)
            .row("Description", &deployment.status_description);
        ctx.output.line(block)?;
        ctx.output.section("Deployed")?;
        let table = deployment::groups_table(ctx, &deployment);
        ctx.output.line(table)?;
    }
    actions(ctx, &job)?;
    ctx.output.section("Allocations")?;
    if allocs.is_empty() {
        ctx.output.line("No allocations placed")?;
    } else {
        allocs.sort_by(|a, b| b.create_index.cmp(&a.create_index).then_with(|| a.id.cmp(&b.id)));
        let table = allocs_table(ctx, &allocs, verbose);
        ctx.output.line(table)?;
    }
    Ok(0)
}

fn actions(ctx: &mut Context<'_>, job: &Job) -> Result<(), Failure> {
    let mut table = Table::new(&["Action Name", "Task Group", "Task"]);
    for group in &job.task_groups {
        for task in &group.tasks {
            for action in &task.actions {
                table.row([&action.name, &group.name, &task.name]);
            }
        }
    }
    if table.is_empty() {
        return Ok(());
    }
    ctx.output.section("Actions")?;
    ctx.output.line(table)
}

fn job_block(ctx: &Context<'_>, job: &Job) -> Block {
    let mut block = Block::new();
    block
        .row("ID", &job.id)
        .row("Name", &job.name)
        .row("Submit Date", ctx.clock.absolute(Timestamp(job.submit_time)))
        .row("Type", &job.kind)
        .row("Priority", job.priority.unwrap_or(50))
        .row("Datacenters", list(&job.datacenters))
        .row("Node Pool", &job.node_pool)
        .row("Status", status_text(&job.status, job.stop))
        .row("Periodic", job.periodic.is_some())
        .row("Parameterized", job_children::waits_for_dispatch(job));
    if !job.dispatch_idempotency_token.is_empty() {
        block.row("Idempotency Token", &job.dispatch_idempotency_token);
    }
    if let Some(next) = job_children::next_launch(ctx, job) {
        block.row("Next Periodic Launch", next);
    }
    block
}

fn summary_table(summary: &JobSummary) -> Table {
    let mut head = vec!["Task Group", "Queued", "Starting", "Running", "Failed", "Complete", "Lost"];
    let unknown = summary.summary.values().any(|group| group.unknown > 0);
    if unknown {
        head.push("Unknown");
    }
    let mut table = Table::new(&head);
    for (name, group) in &summary.summary {
        let mut row = vec![name.clone()];
        row.extend(
            [group.queued, group.starting, group.running, group.failed, group.complete, group.lost]
                .map(|count| count.to_string()),
        );
        if unknown {
            row.push(group.unknown.to_string());
        }
        table.row(row);
    }
    table
}

fn evals_table(evals: &[Evaluation], verbose: bool) -> Table {
    let mut table = Table::new(&["ID", "Priority", "Triggered By", "Status", "Placement Failures"]);
    for eval in evals {
        table.row([
            short(&eval.id, verbose),
            eval.priority.to_string(),
            eval.triggered_by.clone(),
            eval.status.clone(),
            placement::failed_text(eval).to_owned(),
        ]);
    }
    table
}

/// Why allocations wait, while they wait.
fn failures(ctx: &mut Context<'_>, evals: &[Evaluation]) -> Result<(), Failure> {
    let waiting = evals.iter().any(|eval| eval.status == "blocked");
    let latest =
        evals.iter().filter(|eval| !eval.failed_tg_allocs.is_empty()).max_by_key(|eval| eval.create_index);
    let Some(eval) = latest.filter(|_| waiting) else { return Ok(()) };
    ctx.output.section("Placement Failure")?;
    for (number, (group, metric)) in eval.failed_tg_allocs.iter().enumerate() {
        if number == MAX_FAILED_GROUPS {
            ctx.output.line("\nPlacement failures truncated. To see remainder run:")?;
            return ctx.output.line(format_args!("nomad eval-status {}", short(&eval.id, false)));
        }
        ctx.output.line(format_args!("Task Group \"{group}\":"))?;
        for line in placement::reasons(metric) {
            ctx.output.line(format_args!("  {line}"))?;
        }
    }
    Ok(())
}

/// Allocations whose replacement waits for its time.
fn reschedules(
    ctx: &mut Context<'_>,
    allocs: &[&AllocListStub],
    evals: &[Evaluation],
    verbose: bool,
) -> Result<(), Failure> {
    let mut table = Table::new(&["Task Group", "Eval ID", "Eval Time"]);
    let now = (ctx.clock.now)();
    for alloc in allocs.iter().filter(|alloc| !alloc.followup_eval_id.is_empty()) {
        let eval = evals.iter().find(|eval| eval.id == alloc.followup_eval_id);
        if let Some(eval) = eval.filter(|eval| eval.wait_until.0 > now) {
            table.row([
                alloc.task_group.clone(),
                short(&eval.id, verbose),
                ctx.clock.when(eval.wait_until.0, verbose),
            ]);
        }
    }
    if table.is_empty() {
        return Ok(());
    }
    ctx.output.section("Future Rescheduling Attempts")?;
    ctx.output.line(table)
}

/// Allocations, as `job status`, `node status` and others list them.
pub(super) fn allocs_table(ctx: &Context<'_>, allocs: &[AllocListStub], verbose: bool) -> Table {
    let mut table = Table::new(if verbose {
        &[
            "ID",
            "Eval ID",
            "Node ID",
            "Node Name",
            "Task Group",
            "Version",
            "Desired",
            "Status",
            "Created",
            "Modified",
        ]
    } else {
        &["ID", "Node ID", "Task Group", "Version", "Desired", "Status", "Created", "Modified"]
    });
    for alloc in allocs {
        let mut row = vec![short(&alloc.id, verbose)];
        if verbose {
            row.push(alloc.eval_id.clone());
        }
        row.push(short(&alloc.node_id, verbose));
        if verbose {
            row.push(alloc.node_name.clone());
        }
        row.extend([
            alloc.task_group.clone(),
            alloc.job_version.to_string(),
            alloc.desired_status.clone(),
            alloc.client_status.clone(),
            ctx.clock.when(Timestamp(alloc.create_time), verbose),
            ctx.clock.when(Timestamp(alloc.modify_time), verbose),
        ]);
        table.row(row);
    }
    table
}
