//! From probe results to a check's status, and to the wish for a restart.

use std::time::Duration;

use model::{Check, CheckStatus, Timestamp};

/// The life of one check.
#[derive(Debug, Clone)]
pub struct CheckLife {
    success_before_passing: u32,
    failures_before_critical: u32,
    failures_before_warning: u32,
    restart_limit: u32,
    restart_grace: Duration,
    ignore_warnings: bool,
    status: CheckStatus,
    successes: u32,
    failures: u32,
    /// Consecutive failures that count towards a restart.
    strikes: u32,
    task_started: Timestamp,
}

/// What a result led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    pub status: CheckStatus,
    /// The task shall be restarted.
    pub restart: bool,
}

impl CheckLife {
    pub fn new(check: &Check, task_started: Timestamp) -> Self {
        let status = match check.initial_status.as_str() {
            "passing" => CheckStatus::Passing,
            "warning" => CheckStatus::Warning,
            _ => CheckStatus::Critical,
        };
        let restart = check.restart.clone().unwrap_or_default();
        Self {
            success_before_passing: check.success_before_passing.max(1),
            failures_before_critical: check.failures_before_critical,
            failures_before_warning: match check.failures_before_warning {
                0 => check.failures_before_critical,
                failures => failures,
            },
            restart_limit: restart.limit,
            restart_grace: restart.grace,
            ignore_warnings: restart.ignore_warnings,
            status,
            successes: 0,
            failures: 0,
            strikes: 0,
            task_started,
        }
    }

    pub fn status(&self) -> CheckStatus {
        self.status
    }

    pub fn record(&mut self, result: CheckStatus, now: Timestamp) -> Recorded {
        match result {
            CheckStatus::Critical => {
                self.successes = 0;
                self.failures += 1;
                if self.status == CheckStatus::Critical || self.failures > self.failures_before_critical {
                    self.status = CheckStatus::Critical;
                } else if self.failures > self.failures_before_warning {
                    self.status = CheckStatus::Warning;
                }
            }
            good => {
                self.failures = 0;
                self.successes += 1;
                if self.status != CheckStatus::Critical || self.successes >= self.success_before_passing {
                    self.status = good;
                }
            }
        }
        let bad =
            result == CheckStatus::Critical || (result == CheckStatus::Warning && !self.ignore_warnings);
        let in_grace = now.since(self.task_started) < self.restart_grace;
        if !bad {
            self.strikes = 0;
        } else if !in_grace {
            self.strikes += 1;
        }
        let restart = self.restart_limit > 0 && self.strikes >= self.restart_limit;
        if restart {
            self.strikes = 0;
        }
        Recorded { status: self.status, restart }
    }
}

#[cfg(test)]
mod tests {
    use model::CheckRestart;

    use super::*;

    fn check(check: &Check, results: &str, expected: &str, restarts: usize) {
        let mut life = CheckLife::new(check, Timestamp(0));
        let mut seen = String::new();
        let mut wished = 0;
        for (step, result) in results.chars().enumerate() {
            let result = match result {
                'p' => CheckStatus::Passing,
                'w' => CheckStatus::Warning,
                _ => CheckStatus::Critical,
            };
            let recorded = life.record(result, Timestamp::from_secs(step as i64 + 10));
            seen.push(recorded.status.as_str().chars().next().unwrap());
            wished += usize::from(recorded.restart);
        }
        assert_eq!((seen.as_str(), wished), (expected, restarts));
    }

    #[test]
    fn thresholds() {
        check(&Check::default(), "pcwp", "pcwp", 0);
        check(&Check { success_before_passing: 2, ..Check::default() }, "pppcpp", "cppccp", 0);
        check(&Check { failures_before_critical: 2, ..Check::default() }, "pcccp", "pppcp", 0);
        let warned = Check { failures_before_critical: 2, failures_before_warning: 1, ..Check::default() };
        check(&warned, "pcccp", "ppwcp", 0);
        let restart = Some(CheckRestart { limit: 2, grace: Duration::from_secs(11), ignore_warnings: true });
        // The first result falls into the grace time; warnings are ignored.
        check(&Check { restart, ..Check::default() }, "cccwcc", "cccwcc", 2);
    }
}
