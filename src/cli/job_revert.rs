//! `job revert`: registers an earlier version of a job anew.

use api::{JobRegisterResponse, JobRevertRequest};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, switch},
    job_status, monitor,
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] =
    &[switch("detach", "Print the evaluation's id and do not follow it."), switch("verbose", "Full ids.")];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [prefix, version] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes two arguments: <job> <version>"));
    };
    let job_version = version.parse().map_err(|_| {
        Failure::usage(format!(
            "The version is a number as `job history` shows it, not {version:?}; names of versions are not available \
             in this release"
        ))
    })?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    let request = JobRevertRequest { job_id: id.clone(), job_version, enforce_prior_version: None };
    let answer: JobRegisterResponse = client
        .put(&format!("/v1/job/{}/revert", element(&id)), &request)
        .map_err(|error| error.while_doing("reverting job"))?;
    if !answer.warnings.is_empty() {
        ctx.output.warn(format_args!("Job Warnings:\n{}\n", answer.warnings))?;
    }
    if answer.eval_id.is_empty() {
        return Ok(0);
    }
    if flags.on("detach") {
        ctx.output.line(format_args!("Evaluation ID: {}", answer.eval_id))?;
        return Ok(0);
    }
    monitor::follow(ctx, &client, &answer.eval_id, flags.on("verbose"))
}
