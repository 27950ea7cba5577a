//! `alloc stop`, `alloc restart`, `alloc signal`.

use api::{AllocRestartRequest, AllocSignalRequest, AllocStopResponse, Allocation, NodeAnswer};

use super::{
    Context, Tool,
    alloc_logs::{choose_task, find_alloc},
    client::{Client, element},
    flags::{Flag, Flags, switch, text},
    monitor,
    output::{Failure, Outcome},
};

pub(super) const STOP_FLAGS: &[Flag] = &[
    switch("detach", "Print the evaluation's id and do not follow it."),
    switch("verbose", "Full ids."),
    switch("no-shutdown-delay", "Do not wait for the tasks' shutdown_delay."),
];

pub(super) const RESTART_FLAGS: &[Flag] = &[
    text("task", "name", "The task; may also be given after the allocation. Default: all that run."),
    switch("verbose", "Full ids."),
    switch("all-tasks", "All tasks anew, in their order; also those that have ended."),
];

pub(super) const SIGNAL_FLAGS: &[Flag] = &[
    text("s", "signal", "The signal, such as SIGHUP. Default: SIGKILL."),
    text("task", "name", "The task; may also be given after the allocation. Default: all that run."),
    switch("verbose", "Full ids."),
];

pub(super) fn stop(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [id] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <alloc-id>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let Some(alloc) = find_alloc(ctx, &client, id, flags)? else { return Ok(1) };
    let query: &[(&str, &str)] =
        if flags.on("no-shutdown-delay") { &[("no_shutdown_delay", "true")] } else { &[] };
    let answer: AllocStopResponse = client
        .put_with(&format!("/v1/allocation/{}/stop", element(&alloc)), query, &serde_json::json!({}))
        .map_err(|error| error.while_doing("stopping allocation"))?;
    if flags.on("detach") {
        ctx.output.line(answer.eval_id)?;
        return Ok(0);
    }
    monitor::follow(ctx, &client, &answer.eval_id, flags.on("verbose"))
}

pub(super) fn restart(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let Some((alloc, task)) = target(ctx, &client, flags)? else { return Ok(1) };
    let all_tasks = flags.on("all-tasks");
    if all_tasks && !task.is_empty() {
        return Err(Failure::message(
            "The -all-tasks option is not allowed when restarting a specific task.",
        ));
    }
    let request = AllocRestartRequest { task_name: task, all_tasks };
    let _: NodeAnswer =
        client
            .put(&format!("/v1/client/allocation/{}/restart", element(&alloc)), &request)
            .map_err(|error| Failure::message(format!("Failed to restart allocation:\n\n{error}")))?;
    Ok(0)
}

pub(super) fn signal(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let Some((alloc, task)) = target(ctx, &client, flags)? else { return Ok(1) };
    let signal = flags.text("s").unwrap_or("SIGKILL").to_owned();
    let _: NodeAnswer = client
        .put(
            &format!("/v1/client/allocation/{}/signal", element(&alloc)),
            &AllocSignalRequest { task, signal },
        )
        .map_err(|error| Failure::message(format!("Error signalling allocation: {error}")))?;
    Ok(0)
}

/// The allocation, and one of its tasks or nothing for all; `None` after saying which allocations there are.
fn target(
    ctx: &mut Context<'_>,
    client: &Client,
    flags: &Flags,
) -> Result<Option<(String, String)>, Failure> {
    let (id, task) = match flags.args.as_slice() {
        [id] => (id, flags.text("task")),
        [id, task] => (id, Some(task.as_str())),
        _ => return Err(Failure::usage("This command takes one or two arguments: <alloc-id> <task-name>")),
    };
    let Some(alloc) = find_alloc(ctx, client, id, flags)? else { return Ok(None) };
    let Some(task) = task else { return Ok(Some((alloc, String::new()))) };
    let found: Allocation = client
        .get(&format!("/v1/allocation/{}", element(&alloc)), &[])
        .map_err(|error| error.while_doing("querying allocation"))?;
    let task = choose_task(&found, Some(task))?;
    Ok(Some((alloc, task)))
}
