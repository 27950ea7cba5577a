//! `deployment promote`, `fail`, `pause`, `resume`, and `job promote`.

use api::{Deployment, DeploymentPauseRequest, DeploymentPromoteRequest, DeploymentUpdateResponse};

use super::{
    Context, Tool,
    client::{Client, ClientError, element},
    deployment,
    flags::{Flag, Flags, switch, text},
    job_status,
    lookup::{self, Kind, Match},
    monitor,
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] =
    &[switch("detach", "Do not follow the evaluation."), switch("verbose", "Full ids.")];

pub(super) const PAUSE_FLAGS: &[Flag] = &[switch("verbose", "Full ids.")];

pub(super) const PROMOTE_FLAGS: &[Flag] = &[
    text("group", "name", "Promote the canaries of this group only. May be given again."),
    switch("detach", "Print the evaluation's id and do not follow it."),
    switch("verbose", "Full ids."),
];

pub(super) fn promote(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (client, id) = one(ctx, flags)?;
    promote_one(ctx, flags, &client, id, "promoting deployment")
}

/// Promotes the latest deployment of a job.
pub(super) fn promote_job(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <job>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let job = job_status::one_job(ctx, &client, prefix)?;
    let latest: Option<Deployment> = client
        .get(&format!("/v1/job/{}/deployment", element(&job)), &[])
        .map_err(|error| error.while_doing("retrieving deployments"))?;
    let Some(latest) = latest else {
        return Err(Failure::message(format!("Job {job:?} has no deployment to promote")));
    };
    promote_one(ctx, flags, &client, latest.id, "promoting deployment for job")
}

fn promote_one(ctx: &mut Context<'_>, flags: &Flags, client: &Client, id: String, doing: &str) -> Outcome {
    let groups = flags.all("group").to_vec();
    let path = path("promote", &id);
    let request = DeploymentPromoteRequest { deployment_id: id, all: groups.is_empty(), groups };
    let answer = client.put(&path, &request).map_err(|error| error.while_doing(doing))?;
    follow(ctx, flags, client, &answer, "")
}

pub(super) fn fail(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (client, id) = one(ctx, flags)?;
    let answer: DeploymentUpdateResponse = client
        .put(&path("fail", &id), &serde_json::Value::Null)
        .map_err(|error| error.while_doing("failing deployment"))?;
    let done = match answer.reverted_job_version {
        None => format!("Deployment {id:?} failed"),
        Some(version) => format!("Deployment {id:?} failed. Auto-reverted to job version {version}."),
    };
    follow(ctx, flags, &client, &answer, &done)
}

pub(super) fn pause(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (client, id) = one(ctx, flags)?;
    set_paused(&client, &id, true).map_err(|error| error.while_doing("pausing deployment"))?;
    ctx.output.line(format_args!("Deployment {id:?} paused"))?;
    Ok(0)
}

pub(super) fn resume(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (client, id) = one(ctx, flags)?;
    let answer = set_paused(&client, &id, false).map_err(|error| error.while_doing("resuming deployment"))?;
    follow(ctx, flags, &client, &answer, &format!("Deployment {id:?} resumed"))
}

fn set_paused(client: &Client, id: &str, pause: bool) -> Result<DeploymentUpdateResponse, ClientError> {
    client.put(&path("pause", id), &DeploymentPauseRequest { deployment_id: id.to_owned(), pause })
}

fn path(what: &str, id: &str) -> String {
    format!("/v1/deployment/{what}/{}", element(id))
}

/// The deployment that the one argument begins the id of.
fn one(ctx: &Context<'_>, flags: &Flags) -> Result<(Client, String), Failure> {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <deployment id>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    match lookup::find(&client, Kind::Deployment, prefix)? {
        Match::One(id) => Ok((client, id)),
        Match::Many(_) => Err(deployment::ambiguous(&client, prefix, flags.on("verbose"))),
    }
}

/// Says what was done, and follows what comes of it. Where nothing is said, `-detach` tells the evaluation.
fn follow(
    ctx: &mut Context<'_>,
    flags: &Flags,
    client: &Client,
    answer: &DeploymentUpdateResponse,
    done: &str,
) -> Outcome {
    let detach = flags.on("detach");
    if !done.is_empty() {
        ctx.output.line(done)?;
    }
    if answer.eval_id.is_empty() {
        return Ok(0);
    }
    match (detach, done.is_empty()) {
        (true, true) => ctx.output.line(format_args!("Evaluation ID: {}", answer.eval_id))?,
        (true, false) => {}
        (false, said_nothing) => {
            if !said_nothing {
                ctx.output.line("")?;
            }
            return monitor::follow(ctx, client, &answer.eval_id, flags.on("verbose"));
        }
    }
    Ok(0)
}
