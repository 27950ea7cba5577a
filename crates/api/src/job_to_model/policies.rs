//! Policies: the group's own settings over the job's over the defaults.

use std::time::Duration;

use model::JobType;

use super::Reader;
use crate::job::{DisconnectStrategy, MigrateStrategy, ReschedulePolicy, RestartPolicy, UpdateStrategy};

/// What a job says for all its groups.
#[derive(Debug)]
pub(super) struct FromJob {
    pub(super) kind: JobType,
    pub(super) update: Option<UpdateStrategy>,
    pub(super) reschedule: Option<ReschedulePolicy>,
    pub(super) migrate: Option<MigrateStrategy>,
}

impl Reader {
    pub(super) fn restart(
        &mut self,
        policy: Option<RestartPolicy>,
        upper: model::RestartPolicy,
    ) -> model::RestartPolicy {
        let policy = policy.unwrap_or_default();
        model::RestartPolicy {
            attempts: self.number_or("RestartPolicy.Attempts", policy.attempts, upper.attempts),
            interval: self.duration_or("RestartPolicy.Interval", policy.interval, upper.interval),
            delay: self.duration_or("RestartPolicy.Delay", policy.delay, upper.delay),
            mode: match policy.mode.as_deref() {
                None | Some("") => upper.mode,
                Some("fail") => model::RestartMode::Fail,
                Some("delay") => model::RestartMode::Delay,
                Some(other) => {
                    self.problem(format_args!(
                        "RestartPolicy.Mode {other:?} is unknown; use \"fail\" or \"delay\""
                    ));
                    upper.mode
                }
            },
            render_templates: policy.render_templates.unwrap_or(upper.render_templates),
        }
    }

    pub(super) fn reschedule(
        &mut self,
        own: Option<ReschedulePolicy>,
        upper: &FromJob,
    ) -> Option<model::ReschedulePolicy> {
        if upper.kind.is_per_node() {
            if own.is_some_and(|policy| !policy.says_nothing()) {
                self.not_for("ReschedulePolicy", upper.kind, "a reschedule policy");
            }
            return None;
        }
        let own = own.unwrap_or_default();
        let job = upper.reschedule.clone().unwrap_or_default();
        let default = model::ReschedulePolicy::for_type(upper.kind);
        let delay_function = match own.delay_function.or(job.delay_function).as_deref() {
            None | Some("") => default.delay_function,
            Some("constant") => model::DelayFunction::Constant,
            Some("exponential") => model::DelayFunction::Exponential,
            Some("fibonacci") => model::DelayFunction::Fibonacci,
            Some(other) => {
                self.problem(format_args!(
                    "ReschedulePolicy.DelayFunction {other:?} is unknown; use \"constant\", \"exponential\" or \
                     \"fibonacci\""
                ));
                default.delay_function
            }
        };
        let attempts = own.attempts.or(job.attempts);
        // Attempts given without a word on `Unlimited` mean that they are counted.
        let unlimited =
            own.unlimited.or(job.unlimited).unwrap_or(default.unlimited && attempts.unwrap_or(0) == 0);
        let policy = model::ReschedulePolicy {
            attempts: self.number_or("ReschedulePolicy.Attempts", attempts, default.attempts),
            interval: self.duration_or(
                "ReschedulePolicy.Interval",
                own.interval.or(job.interval),
                default.interval,
            ),
            delay: self.duration_or("ReschedulePolicy.Delay", own.delay.or(job.delay), default.delay),
            delay_function,
            max_delay: self.duration_or(
                "ReschedulePolicy.MaxDelay",
                own.max_delay.or(job.max_delay),
                default.max_delay,
            ),
            unlimited,
        };
        (policy.unlimited || policy.attempts > 0).then_some(policy)
    }

    pub(super) fn update(
        &mut self,
        own: Option<UpdateStrategy>,
        upper: &FromJob,
    ) -> Option<model::UpdateStrategy> {
        if !upper.kind.rolls_out() {
            if own.is_some_and(|update| !update.says_nothing()) {
                self.not_for("Update", upper.kind, "an update strategy");
            }
            return None;
        }
        let own = own.unwrap_or_default();
        let job = upper.update.clone().unwrap_or_default();
        let default = model::UpdateStrategy::default();
        let healthy_deadline = self.duration_or(
            "Update.HealthyDeadline",
            own.healthy_deadline.or(job.healthy_deadline),
            default.healthy_deadline,
        );
        let strategy = model::UpdateStrategy {
            max_parallel: self.number_or(
                "Update.MaxParallel",
                own.max_parallel.or(job.max_parallel),
                default.max_parallel,
            ),
            stagger: self.duration_or("Update.Stagger", own.stagger.or(job.stagger), default.stagger),
            health_check: self.health_check(
                "Update.HealthCheck",
                own.health_check.or(job.health_check),
                model::HealthCheck::Manual,
            ),
            min_healthy_time: self.duration_or(
                "Update.MinHealthyTime",
                own.min_healthy_time.or(job.min_healthy_time),
                default.min_healthy_time,
            ),
            healthy_deadline,
            progress_deadline: self.duration_or(
                "Update.ProgressDeadline",
                own.progress_deadline.or(job.progress_deadline),
                model::UpdateStrategy::default_progress_deadline(healthy_deadline),
            ),
            auto_revert: own.auto_revert.or(job.auto_revert).unwrap_or(false),
            auto_promote: own.auto_promote.or(job.auto_promote).unwrap_or(false),
            canary: self.number_or("Update.Canary", own.canary.or(job.canary), 0),
        };
        if strategy.max_parallel == 0 && strategy.canary > 0 {
            self.problem("Update.Canary needs an Update.MaxParallel of at least 1");
        }
        (strategy.max_parallel > 0).then_some(strategy)
    }

    pub(super) fn migrate(
        &mut self,
        own: Option<MigrateStrategy>,
        upper: &FromJob,
    ) -> Option<model::MigratePolicy> {
        if upper.kind != JobType::Service {
            if own.is_some() || upper.migrate.is_some() {
                self.not_for("Migrate", upper.kind, "a migrate strategy");
            }
            return None;
        }
        let own = own.unwrap_or_default();
        let job = upper.migrate.clone().unwrap_or_default();
        let default = model::MigratePolicy::default();
        Some(model::MigratePolicy {
            max_parallel: self.number_or(
                "Migrate.MaxParallel",
                own.max_parallel.or(job.max_parallel),
                default.max_parallel,
            ),
            health_check: self.health_check(
                "Migrate.HealthCheck",
                own.health_check.or(job.health_check),
                model::HealthCheck::TaskStates,
            ),
            min_healthy_time: self.duration_or(
                "Migrate.MinHealthyTime",
                own.min_healthy_time.or(job.min_healthy_time),
                default.min_healthy_time,
            ),
            healthy_deadline: self.duration_or(
                "Migrate.HealthyDeadline",
                own.healthy_deadline.or(job.healthy_deadline),
                default.healthy_deadline,
            ),
        })
    }

    /// The block, or the two older fields that stand for parts of it.
    pub(super) fn disconnect(
        &mut self,
        block: Option<DisconnectStrategy>,
        lost_after: Option<i64>,
        stop_after: Option<i64>,
        stays: bool,
    ) -> Option<model::Disconnect> {
        let lost_after = lost_after.filter(|time| *time != 0);
        let stop_after = stop_after.filter(|time| *time != 0);
        let default = model::Disconnect::default();
        let Some(block) = block else {
            if lost_after.or(stop_after).is_none() && !stays {
                return None;
            }
            return Some(model::Disconnect {
                replace: !stays,
                lost_after: self.duration_or("MaxClientDisconnect", lost_after, Duration::ZERO),
                stop_on_client_after: stop_after.map(|time| self.duration("StopAfterClientDisconnect", time)),
                ..default
            });
        };
        if lost_after.or(stop_after).is_some() || stays {
            self.problem(
                "Disconnect cannot be used with MaxClientDisconnect, StopAfterClientDisconnect or \
                 PreventRescheduleOnLost; set Disconnect.LostAfter, Disconnect.StopOnClientAfter or \
                 Disconnect.Replace instead",
            );
        }
        let reconcile = match block.reconcile.as_deref() {
            None | Some("") => default.reconcile,
            Some(text) => model::Reconcile::parse(text).unwrap_or_else(|| {
                self.problem(format_args!(
                    "Disconnect.Reconcile {text:?} is unknown; use \"best_score\", \"longest_running\", \
                     \"keep_original\" or \"keep_replacement\""
                ));
                default.reconcile
            }),
        };
        Some(model::Disconnect {
            lost_after: self.duration_or("Disconnect.LostAfter", block.lost_after, Duration::ZERO),
            replace: block.replace.unwrap_or(default.replace),
            stop_on_client_after: block
                .stop_on_client_after
                .map(|time| self.duration("Disconnect.StopOnClientAfter", time)),
            reconcile,
        })
    }

    /// `last`: of the three, up to which they are allowed here.
    fn health_check(
        &mut self,
        field: &str,
        value: Option<String>,
        last: model::HealthCheck,
    ) -> model::HealthCheck {
        match value.as_deref() {
            None | Some("" | "checks") => model::HealthCheck::Checks,
            Some("task_states") => model::HealthCheck::TaskStates,
            Some("manual") if last == model::HealthCheck::Manual => model::HealthCheck::Manual,
            Some(other) => {
                let third = if last == model::HealthCheck::Manual { " or \"manual\"" } else { "" };
                self.problem(format_args!(
                    "{field} {other:?} is not supported; use \"checks\" or \"task_states\"{third}"
                ));
                model::HealthCheck::Checks
            }
        }
    }
}
