//! Rules of restart, reschedule, update and migrate policies.

use std::time::Duration;

use model::{
    DelayFunction, Disconnect, MigratePolicy, ReschedulePolicy, RestartMode, RestartPolicy, UpdateStrategy,
};

use super::Checker;
use crate::{codes, duration::show};

const SHORTEST: Duration = Duration::from_secs(5);

impl Checker {
    pub(super) fn restart(&mut self, policy: &RestartPolicy) {
        self.enter("restart", 0, "");
        if policy.attempts == 0 && policy.mode == RestartMode::Delay {
            let message = "restart policy \"delay\" with 0 attempts is ambiguous";
            self.report(
                codes::RESTART,
                "attempts",
                message,
                "write `mode = \"fail\"` to never restart, or raise `attempts`",
            );
        }
        if policy.interval < SHORTEST {
            let message =
                format!("restart interval can not be less than 5s, found {}", show(policy.interval));
            self.report(codes::RESTART, "interval", message, "write `interval = \"30m\"`");
        }
        let needed = policy.delay.checked_mul(policy.attempts).unwrap_or(Duration::MAX);
        if needed > policy.interval {
            let message = format!(
                "{} restarts with a delay of {} do not fit into an interval of {}",
                policy.attempts,
                show(policy.delay),
                show(policy.interval)
            );
            let help = format!("raise `interval` to \"{}\" or more, or lower `attempts`", show(needed));
            self.report(codes::RESTART, "interval", message, help);
        }
        self.leave();
    }

    pub(super) fn reschedule(&mut self, policy: &ReschedulePolicy) {
        self.enter("reschedule", 0, "");
        if policy.unlimited && policy.attempts > 0 {
            let message =
                format!("{} attempts and `unlimited = true` contradict each other", policy.attempts);
            let help = "write `unlimited = false` beside `attempts`, or leave `attempts` out";
            self.report(codes::RESCHEDULE, "attempts", message, help);
        }
        if policy.delay < SHORTEST {
            let message = format!("`delay` must be at least 5s, found {}", show(policy.delay));
            self.report(codes::RESCHEDULE, "delay", message, "write `delay = \"30s\"`");
        }
        if policy.delay_function != DelayFunction::Constant && policy.max_delay < policy.delay {
            let message = format!(
                "`max_delay` ({}) is less than `delay` ({})",
                show(policy.max_delay),
                show(policy.delay)
            );
            self.report(codes::RESCHEDULE, "max_delay", message, "write `max_delay = \"1h\"`");
        }
        if !policy.unlimited && policy.attempts > 0 {
            let (possible, needed) = attempts_within(policy);
            if policy.interval < Duration::from_secs(15) {
                let message = format!("`interval` must be at least 15s, found {}", show(policy.interval));
                self.report(codes::RESCHEDULE, "interval", message, "write `interval = \"24h\"`");
            } else if possible < policy.attempts {
                let message = format!(
                    "only {possible} of {} attempts fit into the interval of {}",
                    policy.attempts,
                    show(policy.interval)
                );
                let help = format!("raise `interval` to \"{}\" or more, or lower `attempts`", show(needed));
                self.report(codes::RESCHEDULE, "interval", message, help);
            }
        }
        self.leave();
    }

    pub(super) fn update(&mut self, update: &UpdateStrategy) {
        self.enter("update", 0, "");
        if update.min_healthy_time >= update.healthy_deadline {
            let message = format!(
                "`min_healthy_time` ({}) must be less than `healthy_deadline` ({})",
                show(update.min_healthy_time),
                show(update.healthy_deadline)
            );
            self.report(codes::UPDATE, "min_healthy_time", message, "raise `healthy_deadline`");
        }
        let deadline = update.progress_deadline;
        if !deadline.is_zero() && update.healthy_deadline >= deadline {
            let message = format!(
                "`healthy_deadline` ({}) must be less than `progress_deadline` ({})",
                show(update.healthy_deadline),
                show(deadline)
            );
            let help = format!(
                "write `progress_deadline = \"{}\"`",
                show(update.healthy_deadline.saturating_mul(2))
            );
            self.report(codes::UPDATE, "healthy_deadline", message, help);
        }
        if update.auto_promote && update.canary == 0 {
            self.report(
                codes::UPDATE,
                "auto_promote",
                "`auto_promote` needs canaries",
                "write `canary = 1`, or remove `auto_promote`",
            );
        }
        if update.stagger.is_zero() {
            self.report(
                codes::UPDATE,
                "stagger",
                "`stagger` must be more than 0",
                "write `stagger = \"30s\"`, or leave it out",
            );
        }
        self.leave();
    }

    pub(super) fn migrate(&mut self, migrate: &MigratePolicy) {
        if migrate.min_healthy_time > migrate.healthy_deadline {
            self.enter("migrate", 0, "");
            let message = format!(
                "`min_healthy_time` ({}) must not be more than `healthy_deadline` ({})",
                show(migrate.min_healthy_time),
                show(migrate.healthy_deadline)
            );
            self.report(codes::UPDATE, "min_healthy_time", message, "raise `healthy_deadline`");
            self.leave();
        }
    }

    pub(super) fn disconnect(&mut self, disconnect: &Disconnect) {
        if !disconnect.lost_after.is_zero() && disconnect.stop_on_client_after.is_some() {
            self.enter("disconnect", 0, "");
            self.report(
                codes::DISCONNECT,
                "stop_on_client_after",
                "`lost_after` and `stop_on_client_after` cannot be used together",
                "keep `lost_after` if the tasks shall run on while their node is cut off, or else the other",
            );
            self.leave();
        }
    }
}

/// How many attempts fit into the interval, and the interval that all of them need.
fn attempts_within(policy: &ReschedulePolicy) -> (u32, Duration) {
    let mut delay = policy.delay;
    let mut before = Duration::ZERO;
    let mut total = Duration::ZERO;
    let mut possible = 0;
    // Delays grow fast; whoever writes more attempts than this gets the answer for this many.
    for _ in 0..policy.attempts.min(1000) {
        total = total.saturating_add(delay);
        if total <= policy.interval {
            possible += 1;
        }
        let next = match policy.delay_function {
            DelayFunction::Constant => delay,
            DelayFunction::Exponential => delay.saturating_mul(2),
            DelayFunction::Fibonacci => delay.saturating_add(before),
        };
        before = delay;
        delay =
            if policy.delay_function == DelayFunction::Constant { next } else { next.min(policy.max_delay) };
    }
    if policy.attempts > 1000 && possible == 1000 {
        possible = policy.attempts;
    }
    (possible, total)
}
