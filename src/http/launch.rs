//! Jobs that launch others: a dispatch, a launch by hand.

use actix_web::http::StatusCode;
use api::{JobDispatchRequest, JobDispatchResponse, PeriodicForceResponse};
use model::{Evaluation, Job, JobKey, Trigger};
use state::{Command, Launch, Outcome};

use super::{
    Context,
    call::Call,
    failure::Failure,
    jobs::{key, missing},
    read::{Answer, written},
    register::be_open,
    write::propose,
};

/// Launches a periodic job now.
pub(super) async fn force(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let key = key(call, id);
    let parent = ctx.state.root().jobs.get(&key).cloned().ok_or_else(missing)?;
    let now = ctx.clock.now();
    let child = logic::launcher::child_id(id, now);
    let eval = eval_of(ctx, &parent, &child, parent.priority, Trigger::PeriodicJob);
    let launched = launch(ctx, key, child, Launch::ByHand, eval).await?;
    let answer = PeriodicForceResponse {
        eval_id: launched.eval_id,
        eval_create_index: launched.index,
        index: launched.index,
    };
    Ok(written(call, launched.index, &answer))
}

/// Launches a parameterized job with what the request brings along.
pub(super) async fn dispatch(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: JobDispatchRequest = call.json_or_default()?;
    if !request.job_id.is_empty() && request.job_id != id {
        return Err(Failure::bad("Job ID does not match"));
    }
    dispatch_this(ctx, call, id, request).await
}

/// The same, with the body as the payload.
pub(super) async fn dispatch_body(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request = JobDispatchRequest { payload: call.body().to_vec(), ..JobDispatchRequest::default() };
    dispatch_this(ctx, call, id, request).await
}

async fn dispatch_this(ctx: &Context, call: &Call, id: &str, request: JobDispatchRequest) -> Answer {
    be_open(ctx)?;
    let key = key(call, id);
    let parent = ctx.state.root().jobs.get(&key).cloned().ok_or_else(missing)?;
    let priority = match request.priority {
        0 => None,
        priority => {
            let priority = u16::try_from(priority).ok().filter(|priority| (1..=100).contains(priority));
            Some(priority.ok_or_else(|| Failure::bad("priority must be between 1 and 100"))?)
        }
    };
    let child = dispatched_id(ctx, id, &request.id_prefix_template)?;
    let eval = eval_of(ctx, &parent, &child, priority.unwrap_or(parent.priority), Trigger::JobRegister);
    let dispatch = Launch::Dispatch {
        payload: request.payload,
        meta: request.meta,
        idempotency_token: call.text("idempotency_token").unwrap_or_default().to_owned(),
        priority,
    };
    let launched = launch(ctx, key, child, dispatch, eval).await?;
    let answer = JobDispatchResponse {
        dispatched_job_id: launched.child,
        eval_id: launched.eval_id,
        eval_create_index: launched.index,
        job_create_index: launched.job_index,
        index: launched.index,
    };
    Ok(written(call, launched.index, &answer))
}

/// `parent/dispatch-[prefix-]seconds-random`.
fn dispatched_id(ctx: &Context, parent: &str, prefix: &str) -> Result<String, Failure> {
    if prefix.len() > 64 || prefix.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(Failure::bad("IDPrefixTemplate must be at most 64 letters without blanks"));
    }
    let seconds = ctx.clock.now().as_nanos() / 1_000_000_000;
    let random = ctx.ids.uuid() as u32;
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}-") };
    Ok(format!("{parent}/dispatch-{prefix}{seconds}-{random:08x}"))
}

fn eval_of(ctx: &Context, parent: &Job, child: &str, priority: u16, trigger: Trigger) -> Evaluation {
    logic::launcher::eval_of_child(parent, child, priority, ctx.clock.now(), trigger, ctx.ids.uuid())
}

struct Launched {
    child: String,
    /// Empty: nothing is to be evaluated.
    eval_id: String,
    job_index: u64,
    index: u64,
}

async fn launch(
    ctx: &Context,
    parent: JobKey,
    child: String,
    launch: Launch,
    eval: Evaluation,
) -> Result<Launched, Failure> {
    let eval_id = eval.id;
    let command = Command::LaunchJob { parent, child, launch, eval, now: ctx.clock.now() };
    let (index, outcome) = propose(ctx, command).await?;
    let Outcome::JobLaunched { child, job_modify_index, existed: _ } = outcome else {
        return Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the state answered a launch with something else",
        ));
    };
    let is_evaluated = ctx.state.root().evals.contains_key(&eval_id);
    let eval_id = if is_evaluated { eval_id.to_string() } else { String::new() };
    Ok(Launched { child, eval_id, job_index: job_modify_index, index })
}
