//! How groups are restarted, updated, moved.

use model::{
    DelayFunction, HealthCheck, JobType, MigratePolicy, ReschedulePolicy, RestartMode, RestartPolicy,
    TaskGroup, UpdateStrategy,
};

use super::{Writer, text::span};

pub(super) fn of_group(out: &mut Writer, group: &TaskGroup, kind: JobType) {
    restart(out, &group.restart, &RestartPolicy::for_type(kind));
    if !kind.is_per_node() {
        reschedule(out, group.reschedule.as_ref(), &ReschedulePolicy::for_type(kind));
    }
    if kind.rolls_out() {
        update(out, group.update.as_ref());
    }
    if let Some(policy) = group.migrate.as_ref().filter(|policy| **policy != MigratePolicy::default()) {
        let mut block = Writer::new("migrate");
        block.set("max_parallel", policy.max_parallel);
        block.set("health_check", health_check(policy.health_check));
        block.set("min_healthy_time", span(policy.min_healthy_time));
        block.set("healthy_deadline", span(policy.healthy_deadline));
        out.block(block);
    }
    if let Some(policy) = &group.disconnect {
        let mut block = Writer::new("disconnect");
        block.set_if(!policy.lost_after.is_zero(), "lost_after", span(policy.lost_after));
        block.set("replace", policy.replace);
        if let Some(after) = policy.stop_on_client_after {
            block.set("stop_on_client_after", span(after));
        }
        block.set("reconcile", policy.reconcile.as_str());
        out.block(block);
    }
}

/// Nothing where it is as it is without a word.
pub(super) fn restart(out: &mut Writer, policy: &RestartPolicy, without: &RestartPolicy) {
    if policy == without {
        return;
    }
    let mut block = Writer::new("restart");
    block.set("attempts", policy.attempts);
    block.set("interval", span(policy.interval));
    block.set("delay", span(policy.delay));
    let mode = match policy.mode {
        RestartMode::Fail => "fail",
        RestartMode::Delay => "delay",
    };
    block.set("mode", mode);
    let over = policy.render_templates != without.render_templates;
    block.set_if(over, "render_templates", policy.render_templates);
    out.block(block);
}

fn reschedule(out: &mut Writer, policy: Option<&ReschedulePolicy>, without: &ReschedulePolicy) {
    if policy == Some(without) {
        return;
    }
    let mut block = Writer::new("reschedule");
    match policy {
        None => {
            block.set("attempts", 0);
            block.set("unlimited", false);
        }
        Some(policy) => {
            block.set_if(policy.attempts != without.attempts, "attempts", policy.attempts);
            block.set_if(policy.interval != without.interval, "interval", span(policy.interval));
            block.set("delay", span(policy.delay));
            let function = match policy.delay_function {
                DelayFunction::Constant => "constant",
                DelayFunction::Exponential => "exponential",
                DelayFunction::Fibonacci => "fibonacci",
            };
            block.set("delay_function", function);
            block.set_if(policy.max_delay != without.max_delay, "max_delay", span(policy.max_delay));
            block.set("unlimited", policy.unlimited);
        }
    }
    out.block(block);
}

fn update(out: &mut Writer, strategy: Option<&UpdateStrategy>) {
    let mut block = Writer::new("update");
    match strategy {
        Some(strategy) if *strategy == UpdateStrategy::default() => return,
        None => block.set("max_parallel", 0),
        Some(strategy) => {
            block.set("max_parallel", strategy.max_parallel);
            block.set("stagger", span(strategy.stagger));
            block.set("health_check", health_check(strategy.health_check));
            block.set("min_healthy_time", span(strategy.min_healthy_time));
            block.set("healthy_deadline", span(strategy.healthy_deadline));
            block.set("progress_deadline", span(strategy.progress_deadline));
            block.set("auto_revert", strategy.auto_revert);
            block.set("auto_promote", strategy.auto_promote);
            block.set("canary", strategy.canary);
        }
    }
    out.block(block);
}

fn health_check(check: HealthCheck) -> &'static str {
    match check {
        HealthCheck::Checks => "checks",
        HealthCheck::TaskStates => "task_states",
        HealthCheck::Manual => "manual",
    }
}
