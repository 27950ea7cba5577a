//! `job scale` and `job start`: a job that is there already, with another count or again.

use api::{Job, JobRegisterRequest, JobRegisterResponse, JobScaleRequest};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, number, switch},
    job_status, monitor,
    output::{Failure, Outcome},
};

pub(super) const SCALE_FLAGS: &[Flag] = &[
    number("check-index", "Scale only if the job's modify index is this one."),
    switch("detach", "Do not follow the evaluation."),
    switch("verbose", "Full ids."),
];

pub(super) const START_FLAGS: &[Flag] =
    &[switch("detach", "Do not follow the evaluation."), switch("verbose", "Full ids.")];

pub(super) fn scale(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (prefix, group, count) = match flags.args.as_slice() {
        [job, count] => (job, None, count),
        [job, group, count] => (job, Some(group.clone()), count),
        _ => {
            return Err(Failure::usage("This command takes two or three arguments: <job> [<group>] <count>"));
        }
    };
    let count: i64 = count.parse().map_err(|_| {
        Failure::message(format!("Failed to convert count string to int: {count:?} is not a number"))
    })?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    let group = match group {
        Some(group) => group,
        None => only_group(&client, &id)?,
    };
    let request = JobScaleRequest {
        count: Some(count),
        target: [("Group".to_owned(), group), ("Job".to_owned(), id.clone())].into(),
        message: String::from("submitted using the command line"),
        job_modify_index: flags.number("check-index").unwrap_or(0),
        ..JobScaleRequest::default()
    };
    let answer: JobRegisterResponse = client
        .put(&format!("/v1/job/{}/scale", element(&id)), &request)
        .map_err(|error| Failure::message(format!("Error submitting scaling request: {error}")))?;
    finish(ctx, &client, &answer, "Job scale successful", flags)
}

/// Without its name the group is clear only where there is one.
fn only_group(client: &Client, id: &str) -> Result<String, Failure> {
    let job: Job = client
        .get(&format!("/v1/job/{}", element(id)), &[])
        .map_err(|error| error.while_doing("querying job"))?;
    match job.task_groups.as_slice() {
        [group] => Ok(group.name.clone()),
        groups => {
            let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
            Err(Failure::message(format!(
                "Group name required: job \"{id}\" has the groups {}",
                names.join(", ")
            )))
        }
    }
}

pub(super) fn start(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if flags.args.is_empty() {
        return Err(Failure::usage("This command takes at least one argument: <job>"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let mut code = 0;
    for prefix in &flags.args {
        let id = job_status::one_job(ctx, &client, prefix)?;
        let mut job: Job = client
            .get(&format!("/v1/job/{}", element(&id)), &[])
            .map_err(|error| error.while_doing("querying job"))?;
        if !job.stop {
            return Err(Failure::message(format!("Job \"{id}\" has not been stopped")));
        }
        job.stop = false;
        let request = JobRegisterRequest {
            region: job.region.clone(),
            namespace: job.namespace.clone(),
            enforce_index: true,
            job_modify_index: job.job_modify_index,
            job: Some(job),
            ..JobRegisterRequest::default()
        };
        let answer: JobRegisterResponse =
            client.put("/v1/jobs", &request).map_err(|error| error.while_doing("starting job"))?;
        code = code.max(finish(ctx, &client, &answer, "Job start successful", flags)?);
    }
    Ok(code)
}

fn finish(
    ctx: &mut Context<'_>,
    client: &Client,
    answer: &JobRegisterResponse,
    done: &str,
    flags: &Flags,
) -> Outcome {
    if !answer.warnings.is_empty() {
        ctx.output.warn(format_args!("Job Warnings:\n{}\n", answer.warnings))?;
    }
    if flags.on("detach") || answer.eval_id.is_empty() {
        ctx.output.line(done)?;
        if !answer.eval_id.is_empty() {
            ctx.output.line(format_args!("Evaluation ID: {}", answer.eval_id))?;
        }
        return Ok(0);
    }
    monitor::follow(ctx, client, &answer.eval_id, flags.on("verbose"))
}
