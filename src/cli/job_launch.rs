//! `job dispatch` and `job periodic force`: jobs that launch others.

use std::{collections::BTreeMap, fs, io::Read};

use api::{Job, JobDispatchRequest, JobDispatchResponse, JobSummary, PeriodicForceResponse};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, absent_switch, number, switch, text},
    format::short,
    job_status, monitor,
    output::{Failure, Outcome},
    table::Block,
};

pub(super) const DISPATCH_FLAGS: &[Flag] = &[
    text("meta", "key=value", "A value of the job's meta. May be given again."),
    switch("detach", "Do not follow the evaluation."),
    switch("wait", "Wait until the dispatched job has ended; ends with 2 if something of it failed."),
    text("id-prefix-template", "text", "Stands in the id of the dispatched job."),
    text("idempotency-token", "text", "A second dispatch with the same token launches nothing."),
    number("priority", "Priority of the dispatched job. Default: that of the job."),
    switch("verbose", "Full ids."),
    absent_switch("ui"),
];

pub(super) const FORCE_FLAGS: &[Flag] =
    &[switch("detach", "Do not follow the evaluation."), switch("verbose", "Full ids.")];

/// No payload is larger; the servers say so better than a full memory does.
const MAX_INPUT: u64 = 1024 * 1024;

pub(super) fn dispatch(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (prefix, input) = match flags.args.as_slice() {
        [job] => (job, None),
        [job, input] => (job, Some(input)),
        _ => {
            return Err(Failure::usage(
                "This command takes one or two arguments: <parameterized job> [input source]",
            ));
        }
    };
    let payload = input.map_or(Ok(Vec::new()), |input| read_input(ctx, input))?;
    let meta = read_meta(flags.all("meta"))?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    let request = JobDispatchRequest {
        job_id: id.clone(),
        payload,
        meta,
        id_prefix_template: flags.text("id-prefix-template").unwrap_or_default().to_owned(),
        priority: flags.number("priority").map_or(0, |priority| i64::try_from(priority).unwrap_or(i64::MAX)),
    };
    let token = flags.text("idempotency-token").unwrap_or_default();
    let mut path = format!("/v1/job/{}/dispatch", element(&id));
    if !token.is_empty() {
        path += &format!("?idempotency_token={}", element(token));
    }
    let answer: JobDispatchResponse = client
        .put(&path, &request)
        .map_err(|error| Failure::message(format!("Failed to dispatch job: {error}")))?;
    let verbose = flags.on("verbose");
    let mut block = Block::new();
    block.row("Dispatched Job ID", &answer.dispatched_job_id);
    if !answer.eval_id.is_empty() {
        block.row("Evaluation ID", short(&answer.eval_id, verbose));
    }
    ctx.output.line(block)?;
    // A dispatched job that goes by the calendar has no evaluation yet.
    if flags.on("detach") || answer.eval_id.is_empty() {
        return Ok(0);
    }
    ctx.output.line("")?;
    let code = monitor::follow(ctx, &client, &answer.eval_id, verbose)?;
    if flags.on("wait") { wait_for_end(ctx, &client, &answer.dispatched_job_id, code) } else { Ok(code) }
}

pub(super) fn force(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <job id>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    let answer: PeriodicForceResponse = client
        .put(&format!("/v1/job/{}/periodic/force", element(&id)), &serde_json::json!({}))
        .map_err(|error| Failure::message(format!("Error forcing periodic job \"{id}\": {error}")))?;
    if flags.on("detach") {
        ctx.output.line("Force periodic successful")?;
        ctx.output.line(format_args!("Evaluation ID: {}", answer.eval_id))?;
        return Ok(0);
    }
    monitor::follow(ctx, &client, &answer.eval_id, flags.on("verbose"))
}

fn read_meta(pairs: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let read = |pair: &String| {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::message(format!("Error parsing meta value: {pair:?} is not of the form key=value"))
        })?;
        Ok((key.to_owned(), value.to_owned()))
    };
    pairs.iter().map(read).collect()
}

fn read_input(ctx: &mut Context<'_>, source: &str) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::message(format!("Error reading input data: {error}"));
    let mut bytes = Vec::new();
    if source == "-" {
        (&mut *ctx.input).take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    } else {
        let file = fs::File::open(source).map_err(|error| failed(&format!("open {source}: {error}")))?;
        file.take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    }
    if bytes.len() as u64 > MAX_INPUT {
        return Err(failed(&"larger than 1 MiB; payloads have at most 16 KiB"));
    }
    Ok(bytes)
}

/// Until nothing of the job runs or shall run any more.
fn wait_for_end(ctx: &mut Context<'_>, client: &Client, id: &str, code: u8) -> Outcome {
    let path = format!("/v1/job/{}", element(id));
    loop {
        let job: Job = client.get(&path, &[]).map_err(|error| error.while_doing("querying job"))?;
        if job.status == "dead" {
            break;
        }
        client.pause(ctx.poll);
    }
    let summary: JobSummary = client
        .get(&format!("{path}/summary"), &[])
        .map_err(|error| error.while_doing("querying job summary"))?;
    let has_failed = summary.summary.values().any(|group| group.failed + group.lost > 0);
    ctx.output.line(format_args!(
        "Job \"{id}\" finished {}",
        if has_failed { "with failures" } else { "successfully" }
    ))?;
    Ok(if has_failed { 2 } else { code })
}
