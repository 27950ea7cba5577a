//! What people do to one allocation: stop it, restart its tasks, send them signals.

use api::{AllocRestartRequest, AllocSignalRequest, AllocStopResponse, NodeAnswer};
use model::{AllocId, Trigger};
use state::Command;

use super::{
    Context,
    call::Call,
    client::{alloc_id, ask, other_agent},
    failure::Failure,
    read::{Answer, json, written},
    write::{evaluation, propose_after},
};
use crate::actors::ports::{AccessError, TaskAct};

/// Moves the allocation: another one takes its place, as its job wants it. Of jobs that run on every node it only stops;
/// with `reschedule` another one comes there as well.
pub(super) async fn stop(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let trigger = if call.flag("reschedule")? { Trigger::AllocReschedule } else { Trigger::AllocStop };
    let at_once = call.flag("no_shutdown_delay")?;
    let missing = || Failure::not_found("allocation not found");
    let id: AllocId = id.parse().map_err(|_| missing())?;
    let root = ctx.state.root();
    let alloc = root.allocs.get(&id).ok_or_else(missing)?;
    let kind = root.kind_of(alloc);
    let priority = root.jobs.get(&alloc.job).map_or(50, |job| job.priority);
    let eval = evaluation(ctx, alloc.job.clone(), kind, priority, trigger);
    let eval_id = eval.id;
    let command = Command::MarkMigrate { allocs: vec![id], evals: vec![eval], now: ctx.clock.now() };
    let hurry = at_once.then(|| Command::SkipShutdownDelay { allocs: vec![id], job: None });
    let (index, _) = propose_after(ctx, hurry, command).await?;
    Ok(written(call, index, &AllocStopResponse { eval_id: eval_id.to_string(), index }))
}

/// Restarts one task, all that run, or all there are.
pub(super) async fn restart(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: AllocRestartRequest = call.json_or_default()?;
    if request.all_tasks {
        if !request.task_name.is_empty() {
            return Err(Failure::bad("AllTasks is for the whole allocation: leave TaskName out"));
        }
        return act(ctx, call, id, String::new(), TaskAct::StartOver).await;
    }
    act(ctx, call, id, request.task_name, TaskAct::Restart).await
}

/// Sends a signal to one task, or to all that run.
pub(super) async fn signal(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: AllocSignalRequest = call.json_or_default()?;
    let signal = if request.signal.is_empty() { String::from("SIGKILL") } else { request.signal };
    act(ctx, call, id, request.task, TaskAct::Signal(signal)).await
}

async fn act(ctx: &Context, call: &Call, id: &str, task: String, what: TaskAct) -> Answer {
    let alloc = alloc_id(id)?;
    match ctx.nodes.act(alloc, (!task.is_empty()).then_some(task), what).await {
        Ok(()) => Ok(json(call, &NodeAnswer::default())),
        Err(AccessError::Failed(reason)) => Err(Failure::server(reason)),
        Err(error) => ask(ctx, call, other_agent(ctx, call, alloc, error)?).await,
    }
}
