//! `job revert`: registers an earlier version of a job anew.

use api::{JobRegisterResponse, JobRevertRequest, JobVersionsResponse};

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
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    let job_version = match version.parse() {
        Ok(version) => version,
        Err(_) => tagged(&client, &id, version)?,
    };
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

/// The version of that name.
fn tagged(client: &Client, id: &str, name: &str) -> Result<u64, Failure> {
    let answer: JobVersionsResponse = client
        .get(&format!("/v1/job/{}/versions", element(id)), &[])
        .map_err(|error| error.while_doing("retrieving job versions"))?;
    let named = |job: &&api::Job| job.version_tag.as_ref().is_some_and(|tag| tag.name == name);
    let found = answer.versions.iter().find(named).map(|job| job.version);
    found.ok_or_else(|| {
        Failure::message(format!(
            "job \"{id}\" has no version named {name:?}; `job history` shows all of them"
        ))
    })
}
