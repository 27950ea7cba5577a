//! `operator scheduler`: how the scheduler works.

use api::{SchedulerConfiguration, SchedulerConfigurationResponse, SchedulerConfigurationUpdate};

use super::{
    Context, Tool,
    client::Client,
    flags::{Flag, Flags, number, switch, text},
    format::json,
    operator::no_arguments,
    output::{Failure, Outcome},
    table::Block,
    template::TEMPLATE,
};

pub(super) const GET_FLAGS: &[Flag] = &[switch("json", "Print JSON."), TEMPLATE];

pub(super) const SET_FLAGS: &[Flag] = &[
    number("check-index", "Change nothing unless the settings have this modify index."),
    text("scheduler-algorithm", "binpack|spread", "Fuller nodes first, or emptier ones."),
    text(
        "memory-oversubscription",
        "true|false",
        "Tasks may use more memory than they reserve, up to memory_max.",
    ),
    text("reject-job-registration", "true|false", "Turn new jobs and new versions away."),
    text("pause-eval-broker", "true|false", "Keep evaluations, and work on none of them."),
    text("preempt-batch-scheduler", "true|false", "Batch jobs may take the room of less important ones."),
    text("preempt-service-scheduler", "true|false", "The same for service jobs."),
    text("preempt-sysbatch-scheduler", "true|false", "The same for sysbatch jobs."),
    text("preempt-system-scheduler", "true|false", "The same for system jobs."),
    number("node-limit-for-feasibility-checks", "0: all nodes are looked at. Nothing else is supported."),
];

const PATH: &str = "/v1/operator/scheduler/configuration";

fn read(client: &Client) -> Result<SchedulerConfigurationResponse, Failure> {
    client.get(PATH, &[]).map_err(|error| error.while_doing("querying scheduler configuration"))
}

pub(super) fn get(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let answer = read(&client)?;
    if flags.on("json") {
        ctx.output.line(json(&answer))?;
        return Ok(0);
    }
    let config = answer.scheduler_config;
    let mut block = Block::new();
    block
        .row("Scheduler Algorithm", config.scheduler_algorithm)
        .row("Memory Oversubscription", config.memory_oversubscription_enabled)
        .row("Reject Job Registration", config.reject_job_registration)
        .row("Pause Eval Broker", config.pause_eval_broker)
        .row("Preemption System Scheduler", config.preemption_config.system_scheduler_enabled)
        .row("Preemption Service Scheduler", config.preemption_config.service_scheduler_enabled)
        .row("Preemption Batch Scheduler", config.preemption_config.batch_scheduler_enabled)
        .row("Preemption SysBatch Scheduler", config.preemption_config.sys_batch_scheduler_enabled)
        .row("Node Limit For Feasibility Checks", config.node_limit_for_feasibility_checks)
        .row("Modify Index", config.modify_index);
    ctx.output.line(block)?;
    Ok(0)
}

/// Reads the settings, changes what the flags say, and writes them unless somebody else did meanwhile.
pub(super) fn set(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    no_arguments(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let mut config = read(&client)?.scheduler_config;
    change(&mut config, flags)?;
    let index = flags.number("check-index").unwrap_or(config.modify_index).to_string();
    let done: SchedulerConfigurationUpdate = client
        .put_with(PATH, &[("cas", &index)], &config)
        .map_err(|error| error.while_doing("setting scheduler configuration"))?;
    if done.updated {
        ctx.output.line("Scheduler configuration updated!")?;
        return Ok(0);
    }
    Err(Failure::message("Scheduler configuration could not be atomically updated, please try again"))
}

fn change(config: &mut SchedulerConfiguration, flags: &Flags) -> Result<(), Failure> {
    if let Some(algorithm) = flags.text("scheduler-algorithm") {
        config.scheduler_algorithm = algorithm.to_owned();
    }
    if let Some(limit) = flags.number("node-limit-for-feasibility-checks") {
        config.node_limit_for_feasibility_checks = limit;
    }
    let preempt = &mut config.preemption_config;
    for (flag, place) in [
        ("memory-oversubscription", &mut config.memory_oversubscription_enabled),
        ("reject-job-registration", &mut config.reject_job_registration),
        ("pause-eval-broker", &mut config.pause_eval_broker),
        ("preempt-batch-scheduler", &mut preempt.batch_scheduler_enabled),
        ("preempt-service-scheduler", &mut preempt.service_scheduler_enabled),
        ("preempt-sysbatch-scheduler", &mut preempt.sys_batch_scheduler_enabled),
        ("preempt-system-scheduler", &mut preempt.system_scheduler_enabled),
    ] {
        if let Some(value) = flags.truth(flag)? {
            *place = value;
        }
    }
    Ok(())
}
