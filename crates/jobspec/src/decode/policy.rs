//! Policies: how jobs are updated, restarted, rescheduled and moved.

use std::time::Duration;

use model::{
    DelayFunction, Disconnect, HealthCheck, MigratePolicy, Reconcile, ReschedulePolicy, RestartMode,
    RestartPolicy, UpdateStrategy,
};

use super::{Decoder, fields::Fields};
use crate::{codes, syntax::Span};

/// `update`, `reschedule` and `migrate` as written in a job or group: a group's values go over the job's, field by
/// field, and both over the defaults.
#[derive(Default)]
pub(super) struct Inherited {
    update: Option<Update>,
    reschedule: Option<Reschedule>,
    migrate: Option<Migrate>,
}

#[derive(Default)]
struct Update {
    span: Span,
    max_parallel: Option<u32>,
    stagger: Option<Duration>,
    health_check: Option<HealthCheck>,
    min_healthy_time: Option<Duration>,
    healthy_deadline: Option<Duration>,
    progress_deadline: Option<Duration>,
    auto_revert: Option<bool>,
    auto_promote: Option<bool>,
    canary: Option<u32>,
}

#[derive(Default)]
struct Reschedule {
    span: Span,
    attempts: Option<u32>,
    interval: Option<Duration>,
    delay: Option<Duration>,
    delay_function: Option<DelayFunction>,
    max_delay: Option<Duration>,
    unlimited: Option<bool>,
}

#[derive(Default)]
struct Migrate {
    span: Span,
    max_parallel: Option<u32>,
    health_check: Option<HealthCheck>,
    min_healthy_time: Option<Duration>,
    healthy_deadline: Option<Duration>,
}

impl Inherited {
    pub(super) fn read(fields: &mut Fields<'_>, d: &mut Decoder) -> Self {
        Self { update: update(fields, d), reschedule: reschedule(fields, d), migrate: migrate(fields, d) }
    }

    /// The blocks that were written, and where.
    pub(super) fn spans(&self) -> Vec<(Span, &'static str)> {
        let update = self.update.as_ref().map(|block| (block.span, "update"));
        let reschedule = self.reschedule.as_ref().map(|block| (block.span, "reschedule"));
        let migrate = self.migrate.as_ref().map(|block| (block.span, "migrate"));
        [update, reschedule, migrate].into_iter().flatten().collect()
    }

    /// `None` if updates shall not be rolled out step by step (`max_parallel = 0`).
    pub(super) fn update_over(&self, job: &Self) -> Option<UpdateStrategy> {
        let mut strategy = UpdateStrategy::default();
        let mut progress_deadline = None;
        for block in [&job.update, &self.update].into_iter().flatten() {
            set(&mut strategy.max_parallel, block.max_parallel);
            set(&mut strategy.stagger, block.stagger);
            set(&mut strategy.health_check, block.health_check);
            set(&mut strategy.min_healthy_time, block.min_healthy_time);
            set(&mut strategy.healthy_deadline, block.healthy_deadline);
            progress_deadline = block.progress_deadline.or(progress_deadline);
            set(&mut strategy.auto_revert, block.auto_revert);
            set(&mut strategy.auto_promote, block.auto_promote);
            set(&mut strategy.canary, block.canary);
        }
        strategy.progress_deadline = progress_deadline
            .unwrap_or_else(|| UpdateStrategy::default_progress_deadline(strategy.healthy_deadline));
        (strategy.max_parallel > 0).then_some(strategy)
    }

    pub(super) fn reschedule_over(&self, base: Option<ReschedulePolicy>) -> Option<ReschedulePolicy> {
        let Some(block) = &self.reschedule else { return base };
        let mut policy = base.unwrap_or(ReschedulePolicy {
            // The job turned it off; a group that says more than that turns it on again.
            attempts: 0,
            unlimited: false,
            ..ReschedulePolicy::default()
        });
        set(&mut policy.attempts, block.attempts);
        set(&mut policy.interval, block.interval);
        set(&mut policy.delay, block.delay);
        set(&mut policy.delay_function, block.delay_function);
        set(&mut policy.max_delay, block.max_delay);
        set(&mut policy.unlimited, block.unlimited);
        (policy.attempts > 0 || policy.unlimited).then_some(policy)
    }

    pub(super) fn migrate_over(&self, job: &Self) -> MigratePolicy {
        let mut policy = MigratePolicy::default();
        for block in [&job.migrate, &self.migrate].into_iter().flatten() {
            set(&mut policy.max_parallel, block.max_parallel);
            set(&mut policy.health_check, block.health_check);
            set(&mut policy.min_healthy_time, block.min_healthy_time);
            set(&mut policy.healthy_deadline, block.healthy_deadline);
        }
        policy
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

const HEALTH_CHECKS: [(&str, HealthCheck); 3] = [
    ("checks", HealthCheck::Checks),
    ("task_states", HealthCheck::TaskStates),
    ("manual", HealthCheck::Manual),
];

fn update(fields: &mut Fields<'_>, d: &mut Decoder) -> Option<Update> {
    let section = fields.block(d, "update")?;
    d.enter("update", 0, "", section.span);
    let mut fields = Fields::new(&section.body, "update");
    let update = Update {
        span: section.span,
        max_parallel: fields.u32(d, "max_parallel", 0),
        stagger: fields.duration(d, "stagger"),
        health_check: fields.choice(d, "health_check", &HEALTH_CHECKS),
        min_healthy_time: fields.duration(d, "min_healthy_time"),
        healthy_deadline: fields.duration(d, "healthy_deadline"),
        progress_deadline: fields.duration(d, "progress_deadline"),
        auto_revert: fields.bool(d, "auto_revert"),
        auto_promote: fields.bool(d, "auto_promote"),
        canary: fields.u32(d, "canary", 0),
    };
    if update.max_parallel == Some(0) && update.canary.is_some_and(|canary| canary > 0) {
        d.report(
            codes::UPDATE,
            section.span,
            "canaries need a roll-out, and `max_parallel = 0` means that there is none",
            "write `max_parallel = 1`, or remove `canary`",
        );
    }
    fields.finish(d);
    d.leave();
    Some(update)
}

fn reschedule(fields: &mut Fields<'_>, d: &mut Decoder) -> Option<Reschedule> {
    let section = fields.block(d, "reschedule")?;
    d.enter("reschedule", 0, "", section.span);
    let mut fields = Fields::new(&section.body, "reschedule");
    let functions = [
        ("constant", DelayFunction::Constant),
        ("exponential", DelayFunction::Exponential),
        ("fibonacci", DelayFunction::Fibonacci),
    ];
    let reschedule = Reschedule {
        span: section.span,
        attempts: fields.u32(d, "attempts", 0),
        interval: fields.duration(d, "interval"),
        delay: fields.duration(d, "delay"),
        delay_function: fields.choice(d, "delay_function", &functions),
        max_delay: fields.duration(d, "max_delay"),
        unlimited: fields.bool(d, "unlimited"),
    };
    fields.finish(d);
    d.leave();
    Some(reschedule)
}

fn migrate(fields: &mut Fields<'_>, d: &mut Decoder) -> Option<Migrate> {
    let section = fields.block(d, "migrate")?;
    d.enter("migrate", 0, "", section.span);
    let mut fields = Fields::new(&section.body, "migrate");
    let migrate = Migrate {
        span: section.span,
        max_parallel: fields.u32(d, "max_parallel", 0),
        health_check: fields.choice(d, "health_check", &HEALTH_CHECKS[..2]),
        min_healthy_time: fields.duration(d, "min_healthy_time"),
        healthy_deadline: fields.duration(d, "healthy_deadline"),
    };
    fields.finish(d);
    d.leave();
    Some(migrate)
}

/// The `disconnect` block, or the three older arguments of the group that stand for parts of it.
pub(super) fn disconnect(fields: &mut Fields<'_>, d: &mut Decoder) -> Option<Disconnect> {
    let lost_after = fields.duration(d, "max_client_disconnect");
    let stop_after = fields.duration(d, "stop_after_client_disconnect");
    let stays = fields.bool(d, "prevent_reschedule_on_lost").filter(|stays| *stays);
    let old = [
        ("max_client_disconnect", lost_after.is_some()),
        ("stop_after_client_disconnect", stop_after.is_some()),
        ("prevent_reschedule_on_lost", stays.is_some()),
    ];
    let mut policy = Disconnect::default();
    let Some(section) = fields.block(d, "disconnect") else {
        old.iter().find(|(_, is_there)| *is_there)?;
        set(&mut policy.lost_after, lost_after);
        policy.replace = stays.is_none();
        policy.stop_on_client_after = stop_after;
        return Some(policy);
    };
    for (name, _) in old.iter().filter(|(_, is_there)| *is_there) {
        d.report(
            codes::DISCONNECT,
            fields.span(name),
            format!("`{name}` and the block `disconnect` are both there"),
            "write it into the block: `lost_after`, `stop_on_client_after` or `replace = false`",
        );
    }
    d.enter("disconnect", 0, "", section.span);
    let mut fields = Fields::new(&section.body, "disconnect");
    set(&mut policy.lost_after, fields.duration(d, "lost_after"));
    set(&mut policy.replace, fields.bool(d, "replace"));
    policy.stop_on_client_after = fields.duration(d, "stop_on_client_after");
    let strategies = Reconcile::ALL.map(|one| (one.as_str(), one));
    set(&mut policy.reconcile, fields.choice(d, "reconcile", &strategies));
    fields.finish(d);
    d.leave();
    Some(policy)
}

/// The block's values over `base`.
pub(super) fn restart(fields: &mut Fields<'_>, d: &mut Decoder, base: RestartPolicy) -> RestartPolicy {
    let mut policy = base;
    let Some(section) = fields.block(d, "restart") else { return policy };
    d.enter("restart", 0, "", section.span);
    let mut fields = Fields::new(&section.body, "restart");
    set(&mut policy.attempts, fields.u32(d, "attempts", 0));
    set(&mut policy.interval, fields.duration(d, "interval"));
    set(&mut policy.delay, fields.duration(d, "delay"));
    set(
        &mut policy.mode,
        fields.choice(d, "mode", &[("fail", RestartMode::Fail), ("delay", RestartMode::Delay)]),
    );
    set(&mut policy.render_templates, fields.bool(d, "render_templates"));
    fields.finish(d);
    d.leave();
    policy
}
