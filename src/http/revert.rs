//! Back to an earlier version of a job, and which versions are known to be good.

use api::{JobRevertRequest, JobStabilityRequest, JobStabilityResponse};
use model::Job;
use state::Command;

use super::{
    Context,
    call::Call,
    failure::Failure,
    jobs::key,
    read::{Answer, written},
    register,
    write::propose,
};

/// Registers an earlier version anew: it becomes the newest one, under a number of its own.
pub(super) async fn revert(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: JobRevertRequest = call.json()?;
    be_of(id, &request.job_id)?;
    register::be_open(ctx)?;
    let key = key(call, id);
    let root = ctx.state.root();
    let now = root.jobs.get(&key).ok_or_else(|| Failure::server(format!("job {id:?} not found")))?;
    if request.job_version == now.version {
        return Err(Failure::server("can't revert to current version"));
    }
    if let Some(wanted) = request.enforce_prior_version
        && wanted != now.version
    {
        return Err(Failure::server(format!(
            "Current job has version {}; enforcing version {wanted}",
            now.version
        )));
    }
    let version = root.version_of_job(&key, request.job_version).ok_or_else(|| {
        Failure::server(format!(
            "job {id:?} in namespace {:?} at version {} not found",
            &*key.namespace, request.job_version
        ))
    })?;
    let job = Box::new(Job::clone(version));
    // The version that was looked at must still be the newest when the older one is registered.
    let enforce_index = request.enforce_prior_version.map(|_| now.job_modify_index);
    let new = register::NewVersion {
        priority: job.priority,
        enforce_index,
        submission: root.submission(&key, request.job_version).map(|text| text.as_ref().clone()),
        note: None,
        scaling: None,
    };
    register::write(ctx, call, job, new).await
}

/// Notes by hand what the end of a deployment notes otherwise.
pub(super) async fn stable(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: JobStabilityRequest = call.json()?;
    be_of(id, &request.job_id)?;
    let command =
        Command::SetJobStability { job: key(call, id), version: request.job_version, stable: request.stable };
    let (index, _) = propose(ctx, command).await?;
    Ok(written(call, index, &JobStabilityResponse { index }))
}

/// The job of the body must be the one of the path.
fn be_of(id: &str, given: &str) -> Result<(), Failure> {
    match given {
        "" => Err(Failure::bad("JobID must be specified")),
        given if given == id => Ok(()),
        _ => Err(Failure::bad("Job ID does not match")),
    }
}
