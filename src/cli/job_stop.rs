//! `job stop` and `job eval`: both end in an evaluation to follow.

use std::io::{BufRead, BufReader};

use api::{JobDeregisterResponse, JobEvaluateRequest, JobRegisterResponse};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, number, switch},
    job_status, monitor,
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] = &[
    switch("detach", "Print the evaluation's id and do not follow it."),
    switch("purge", "Forget the job and its history, too."),
    switch("yes", "Do not ask, also when only a part of the name was given."),
    switch("verbose", "Full ids."),
    number("eval-priority", "Priority of the evaluation, 1 to 100. Default: that of the job."),
    switch("global", "In all regions: there is one."),
    switch("no-shutdown-delay", "Do not wait for the tasks' shutdown_delay."),
];

pub(super) const EVAL_FLAGS: &[Flag] = &[
    switch("force-reschedule", "Replace failed allocations now, whatever their policy says."),
    switch("detach", "Do not follow the evaluation."),
    switch("verbose", "Full ids."),
];

pub(super) fn stop(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if flags.args.is_empty() {
        return Err(Failure::usage("This command takes at least one argument: <job>"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let mut code = 0;
    for prefix in &flags.args {
        let id = job_status::one_job(ctx, &client, prefix)?;
        if id != *prefix && !flags.on("yes") && !confirmed(ctx, &id)? {
            return Ok(0);
        }
        code = code.max(stop_one(ctx, &client, &id, flags)?);
    }
    Ok(code)
}

fn stop_one(ctx: &mut Context<'_>, client: &Client, id: &str, flags: &Flags) -> Outcome {
    let priority = flags.number("eval-priority").map(|priority| priority.to_string());
    let mut query: Vec<(&str, &str)> = Vec::new();
    if flags.on("purge") {
        query.push(("purge", "true"));
    }
    if flags.on("global") {
        query.push(("global", "true"));
    }
    if flags.on("no-shutdown-delay") {
        query.push(("no_shutdown_delay", "true"));
    }
    query.extend(priority.as_deref().map(|priority| ("eval_priority", priority)));
    let answer: JobDeregisterResponse = client
        .delete(&format!("/v1/job/{}", element(id)), &query)
        .map_err(|error| error.while_doing("deregistering job"))?;
    if answer.eval_id.is_empty() {
        return Ok(0);
    }
    if flags.on("detach") {
        ctx.output.line(answer.eval_id)?;
        return Ok(0);
    }
    monitor::follow(ctx, client, &answer.eval_id, flags.on("verbose"))
}

/// Asks before a job is stopped whose name was not given in full. Only `y` is a yes.
fn confirmed(ctx: &mut Context<'_>, id: &str) -> Result<bool, Failure> {
    write!(ctx.output.out, "Are you sure you want to stop job \"{id}\"? [y/N] ")?;
    ctx.output.out.flush()?;
    let mut answer = String::new();
    BufReader::new(&mut *ctx.input).read_line(&mut answer)?;
    let answer = answer.trim();
    if answer != "y" {
        ctx.output.line("Cancelling job stop")?;
    }
    Ok(answer == "y")
}

/// Makes the servers look at a job again.
pub(super) fn eval(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <job>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    let mut request = JobEvaluateRequest { job_id: id.clone(), ..JobEvaluateRequest::default() };
    request.eval_options.force_reschedule = flags.on("force-reschedule");
    let answer: JobRegisterResponse = client
        .put(&format!("/v1/job/{}/evaluate", element(&id)), &request)
        .map_err(|error| error.while_doing("evaluating job"))?;
    let verbose = flags.on("verbose");
    let shown = super::format::short(&answer.eval_id, verbose);
    ctx.output.line(format_args!("Created eval ID: \"{shown}\" "))?;
    if flags.on("detach") {
        return Ok(0);
    }
    monitor::follow(ctx, &client, &answer.eval_id, verbose)
}
