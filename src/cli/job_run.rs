//! `job run`: reads a job file, registers the job, follows the evaluation.

use api::{Job, JobRegisterRequest, JobRegisterResponse};

use super::{
    Context, Tool,
    client::{Client, ClientError},
    flags::{Flag, Flags, absent_switch, absent_text, ignored, number, switch},
    format::json,
    job_children, job_file, monitor,
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] = &[
    number(
        "check-index",
        "Register only if the job's modify index is this one; 0: only if there is no such job.",
    ),
    switch("detach", "Do not follow the evaluation."),
    switch("json", "The file is JSON, as the HTTP API takes it."),
    switch("output", "Print the job as JSON and do not register it."),
    switch("verbose", "Full ids."),
    ignored("vault-token"),
    ignored("consul-token"),
    number("eval-priority", "Priority of the evaluation, 1 to 100. Default: that of the job."),
    absent_switch("hcl1"),
    absent_switch("ui"),
    absent_switch("policy-override"),
    switch("preserve-counts", "Groups that are there keep their counts."),
    absent_switch("preserve-resources"),
    absent_text("consul-namespace"),
    absent_text("vault-namespace"),
    job_file::VAR,
    job_file::VAR_FILE,
    job_file::STRICT,
];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [path] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <path>"));
    };
    let job_file::Whole { job, warnings, submission } = job_file::read_whole(ctx, path, flags)?;
    if flags.on("output") {
        ctx.output.line(json(&Body { job: &job }))?;
        return Ok(0);
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let check_index = flags.number("check-index");
    let request = JobRegisterRequest {
        region: job.region.clone(),
        namespace: job.namespace.clone(),
        job: Some(job.clone()),
        enforce_index: check_index.is_some(),
        job_modify_index: check_index.unwrap_or(0),
        submission,
        preserve_counts: flags.on("preserve-counts"),
        eval_priority: flags
            .number("eval-priority")
            .map_or(0, |priority| i64::try_from(priority).unwrap_or(i64::MAX)),
        ..JobRegisterRequest::default()
    };
    let answer: JobRegisterResponse =
        client.put("/v1/jobs", &request).map_err(|error| submit_failure(&error, check_index.is_some()))?;
    let warnings = warnings.into_iter().chain([answer.warnings]).filter(|text| !text.is_empty());
    for warning in warnings {
        ctx.output.warn(format_args!("Job Warnings:\n{warning}\n"))?;
    }
    if flags.on("detach") || answer.eval_id.is_empty() {
        ctx.output.line("Job registration successful")?;
        if let Some(next) = job_children::next_launch(ctx, &job) {
            ctx.output.line(format_args!("Approximate next launch time: {next}"))?;
        }
        if !answer.eval_id.is_empty() {
            ctx.output.line(format_args!("Evaluation ID: {}", answer.eval_id))?;
        }
        return Ok(0);
    }
    monitor::follow(ctx, &client, &answer.eval_id, flags.on("verbose"))
}

/// What `-output` prints: the body of a registration.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    job: &'a Job,
}

/// A conflict of indexes is told in its own words: scripts look for them.
fn submit_failure(error: &ClientError, checked: bool) -> Failure {
    const CONFLICT: &str = "Enforcing job modify index";
    if let ClientError::Status { body, .. } = error
        && let Some(at) = body.find(CONFLICT).filter(|_| checked)
    {
        return Failure::message(format!("{}\nJob not updated", &body[at..]));
    }
    Failure::message(format!("Error submitting job: {error}"))
}
