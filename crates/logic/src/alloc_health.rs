//! When a deployment may count on an allocation: tasks run and checks pass for long enough, before a deadline.

use model::{
    HealthCheck, ServiceState, SmallMap, TaskPhase, TaskState, Timestamp, UpdateStrategy,
    time::format_duration,
};

/// What the tracker has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Healthy,
    /// With the words for the event `Alloc Unhealthy`.
    Unhealthy(String),
    /// Look again at this time, or when something changes.
    Undecided {
        wake_at: Timestamp,
    },
}

/// Watches one allocation of a deployment.
#[derive(Debug, Clone)]
pub struct AllocHealth {
    strategy: UpdateStrategy,
    deadline: Timestamp,
    good_since: Option<Timestamp>,
}

impl AllocHealth {
    pub fn new(strategy: UpdateStrategy, now: Timestamp) -> Self {
        let deadline = now.plus(strategy.healthy_deadline);
        Self { strategy, deadline, good_since: None }
    }

    pub fn look(
        &mut self,
        tasks: &SmallMap<String, TaskState>,
        services: &[ServiceState],
        services_wanted: usize,
        now: Timestamp,
    ) -> Verdict {
        if let Some((name, _)) = tasks.iter().find(|(_, state)| state.phase == TaskPhase::Dead) {
            return Verdict::Unhealthy(format!("Unhealthy because of failed task: {name}"));
        }
        let running = !tasks.is_empty() && tasks.values().all(|state| state.phase == TaskPhase::Running);
        let passing = self.strategy.health_check == HealthCheck::TaskStates
            || (services.len() >= services_wanted
                && services
                    .iter()
                    .flat_map(|service| &service.checks)
                    .all(|check| check.on_update.accepts(check.status)));
        if running && passing {
            // A restart starts the time anew even when no look fell between exit and start.
            let started = tasks.values().map(|state| state.started_at).max().unwrap_or(now);
            let since = self.good_since.map_or(now, |since| since.max(started));
            self.good_since = Some(since);
            let good_at = since.plus(self.strategy.min_healthy_time);
            if good_at <= now {
                return Verdict::Healthy;
            }
            if self.deadline <= now {
                return self.too_late(running);
            }
            return Verdict::Undecided { wake_at: good_at.min(self.deadline) };
        }
        self.good_since = None;
        if self.deadline <= now {
            return self.too_late(running);
        }
        Verdict::Undecided { wake_at: self.deadline }
    }

    fn too_late(&self, running: bool) -> Verdict {
        let deadline = format_duration(self.strategy.healthy_deadline);
        Verdict::Unhealthy(if self.good_since.is_some() {
            let min = format_duration(self.strategy.min_healthy_time);
            format!("Task not running for min_healthy_time of {min} by healthy_deadline of {deadline}")
        } else if running {
            format!("Services not healthy by healthy_deadline of {deadline}")
        } else {
            format!("Task not running by healthy_deadline of {deadline}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn tasks(phase: TaskPhase, started: i64) -> SmallMap<String, TaskState> {
        SmallMap::from([(
            "t".to_owned(),
            TaskState { phase, started_at: at(started), ..TaskState::default() },
        )])
    }

    #[test]
    fn healthy_after_the_minimum_and_not_before() {
        let mut health = AllocHealth::new(UpdateStrategy::default(), at(0));
        assert_eq!(
            health.look(&tasks(TaskPhase::Pending, 0), &[], 0, at(1)),
            Verdict::Undecided { wake_at: at(300) }
        );
        assert_eq!(
            health.look(&tasks(TaskPhase::Running, 2), &[], 0, at(2)),
            Verdict::Undecided { wake_at: at(12) }
        );
        // Restarted meanwhile.
        assert_eq!(
            health.look(&tasks(TaskPhase::Running, 5), &[], 0, at(12)),
            Verdict::Undecided { wake_at: at(15) }
        );
        assert_eq!(health.look(&tasks(TaskPhase::Running, 5), &[], 0, at(15)), Verdict::Healthy);
    }

    #[test]
    fn a_service_that_is_not_registered_yet_is_waited_for() {
        let mut health = AllocHealth::new(UpdateStrategy::default(), at(0));
        let running = tasks(TaskPhase::Running, 0);
        assert_eq!(health.look(&running, &[], 1, at(20)), Verdict::Undecided { wake_at: at(300) });
        assert!(matches!(health.look(&running, &[], 1, at(300)), Verdict::Unhealthy(_)));
    }

    #[test]
    fn an_ended_task_is_unhealthy() {
        let mut health = AllocHealth::new(UpdateStrategy::default(), at(0));
        assert!(matches!(health.look(&tasks(TaskPhase::Dead, 0), &[], 0, at(1)), Verdict::Unhealthy(_)));
    }
}
