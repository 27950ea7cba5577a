//! Writes of deployments: fail, pause and resume, promote, health by hand.

use std::sync::Arc;

use api::{
    DeploymentHealthRequest, DeploymentPauseRequest, DeploymentPromoteRequest, DeploymentUpdateResponse,
};
use model::{AllocId, Deployment, DeploymentId, Trigger};
use state::{Command, Outcome, Steering};

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, written},
    write::{evaluation, propose},
};

fn find(ctx: &Context, id: &str) -> Result<Arc<Deployment>, Failure> {
    let id: Option<DeploymentId> = id.parse().ok();
    let found = id.and_then(|id| ctx.state.root().deployments.get(&id).cloned());
    found.ok_or_else(|| Failure::not_found("deployment not found"))
}

/// The deployment of the path, which must be the one that the body names.
fn named(ctx: &Context, id: &str, given: &str) -> Result<Arc<Deployment>, Failure> {
    match given {
        "" => Err(Failure::bad("DeploymentID must be specified")),
        given if given == id => find(ctx, id),
        _ => Err(Failure::bad("Deployment ID does not match")),
    }
}

pub(super) async fn fail(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let deployment = find(ctx, id)?;
    steer(ctx, call, &deployment, Steering::Fail, true).await
}

pub(super) async fn pause(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: DeploymentPauseRequest = call.json()?;
    let deployment = named(ctx, id, &request.deployment_id)?;
    let steering = if request.pause { Steering::Pause } else { Steering::Resume };
    steer(ctx, call, &deployment, steering, !request.pause).await
}

pub(super) async fn promote(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: DeploymentPromoteRequest = call.json()?;
    let deployment = named(ctx, id, &request.deployment_id)?;
    if request.all != request.groups.is_empty() {
        return Err(Failure::bad("either All or Groups must be specified, and not both"));
    }
    if let Some(group) = request.groups.iter().find(|group| !deployment.groups.contains_key(*group)) {
        return Err(Failure::bad(format!("the deployment has no task group {group:?}")));
    }
    if !deployment.status.is_active() {
        return Err(Failure::server("can't promote terminal deployment"));
    }
    let groups = (!request.all).then_some(request.groups);
    steer(ctx, call, &deployment, Steering::Promote { groups }, true).await
}

pub(super) async fn health(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: DeploymentHealthRequest = call.json()?;
    let deployment = named(ctx, id, &request.deployment_id)?;
    let (healthy, unhealthy) = (allocs(&request.healthy)?, allocs(&request.unhealthy)?);
    if healthy.is_empty() && unhealthy.is_empty() {
        return Err(Failure::bad("must specify at least one healthy/unhealthy allocation ID"));
    }
    if let Some(both) = healthy.iter().find(|id| unhealthy.contains(id)) {
        return Err(Failure::bad(format!("allocation {both} cannot be healthy and unhealthy")));
    }
    steer(ctx, call, &deployment, Steering::Health { healthy, unhealthy }, true).await
}

fn allocs(ids: &[String]) -> Result<Vec<AllocId>, Failure> {
    let parse =
        |id: &String| id.parse().map_err(|_| Failure::bad(format!("{id:?} is no id of an allocation")));
    ids.iter().map(parse).collect()
}

/// Writes a decision; `evaluates`: with an evaluation of the job, for the scheduler to act on it.
async fn steer(
    ctx: &Context,
    call: &Call,
    deployment: &Deployment,
    steering: Steering,
    evaluates: bool,
) -> Answer {
    let job = ctx.state.root().jobs.get(&deployment.job).filter(|_| evaluates).cloned();
    let eval = job.map(|job| {
        let mut eval = evaluation(ctx, job.key(), job.kind, job.priority, Trigger::DeploymentWatcher);
        eval.job_index = job.job_modify_index;
        eval.deployment = Some(deployment.id);
        eval
    });
    let eval_id = eval.as_ref().map(|eval| eval.id.to_string());
    let command = Command::SteerDeployment {
        deployment: deployment.id,
        steering,
        evals: eval.into_iter().collect(),
        now: ctx.clock.now(),
    };
    let (index, outcome) = propose(ctx, command).await?;
    let reverted_job_version = match outcome {
        Outcome::DeploymentFailed { reverted } => reverted,
        _ => None,
    };
    let answer = DeploymentUpdateResponse {
        eval_create_index: eval_id.as_ref().map_or(0, |_| index),
        eval_id: eval_id.unwrap_or_default(),
        deployment_modify_index: index,
        reverted_job_version,
        index,
    };
    Ok(written(call, index, &answer))
}
