//! When a roll-out goes on, ends or fails.

use std::collections::BTreeMap;

use model::{Deployment, DeploymentId, DeploymentStatus, Timestamp, deployment::description};
use state::Root;

/// What should happen to a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Finish {
        deployment: DeploymentId,
        status: DeploymentStatus,
        description: &'static str,
        stable: bool,
    },
    /// Newly healthy allocations allow the next step: evaluate the job.
    Continue {
        deployment: DeploymentId,
    },
}

/// What the watcher remembers between looks. Volatile: forgetting costs one needless evaluation per deployment.
#[derive(Debug, Default)]
pub struct DeploymentWatcher {
    healthy: BTreeMap<DeploymentId, u32>,
}

/// One look at all active deployments.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub effects: Vec<Effect>,
    /// The next deadline.
    pub wake_at: Option<Timestamp>,
}

impl DeploymentWatcher {
    pub fn look(&mut self, root: &Root, now: Timestamp) -> Look {
        let mut look = Look::default();
        for deployment in root.active_deployments() {
            if let Some(effect) = self.judge(deployment, now) {
                look.effects.push(effect);
            }
            let deadlines = deployment.groups.values().map(|group| group.require_progress_by);
            let next = deadlines.filter(|deadline| !deadline.is_zero() && *deadline > now).min();
            look.wake_at = look.wake_at.into_iter().chain(next).min();
        }
        self.healthy.retain(|id, _| root.deployments.get(id).is_some_and(|row| row.status.is_active()));
        look
    }

    fn judge(&mut self, deployment: &Deployment, now: Timestamp) -> Option<Effect> {
        let id = deployment.id;
        let finish =
            |status, description, stable| Effect::Finish { deployment: id, status, description, stable };
        let mut healthy = 0;
        let mut complete = true;
        for group in deployment.groups.values() {
            if group.unhealthy > 0 {
                return Some(finish(DeploymentStatus::Failed, description::UNHEALTHY, false));
            }
            healthy += group.healthy;
            if group.healthy < group.desired_total {
                complete = false;
                if !group.require_progress_by.is_zero() && group.require_progress_by <= now {
                    return Some(finish(DeploymentStatus::Failed, description::PROGRESS_DEADLINE, false));
                }
            }
        }
        if complete {
            return Some(finish(DeploymentStatus::Successful, description::SUCCESSFUL, true));
        }
        let before = self.healthy.insert(id, healthy).unwrap_or(0);
        let rolling = deployment.groups.values().any(|group| group.placed < group.desired_total);
        (healthy > before && rolling).then_some(Effect::Continue { deployment: id })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{GroupRollout, JobKey};
    use state::Command;

    use super::*;

    fn root(group: GroupRollout) -> Root {
        let mut root = Root::default();
        let deployment = Deployment {
            id: DeploymentId(1),
            job: JobKey::new("default", "a"),
            job_version: 0,
            job_index: 1,
            job_create_index: 1,
            groups: BTreeMap::from([("g".to_owned(), group)]),
            status: DeploymentStatus::Running,
            status_description: description::RUNNING.into(),
            create_time: Timestamp(0),
            modify_time: Timestamp(0),
            create_index: 0,
            modify_index: 0,
        };
        root.apply(1, Command::AddDeployment { deployment });
        root
    }

    fn check(group: GroupRollout, now: i64, expected: Option<&'static str>) {
        let look = DeploymentWatcher::default().look(&root(group), Timestamp::from_secs(now));
        let found = look.effects.first().map(|effect| match effect {
            Effect::Finish { description, .. } => *description,
            Effect::Continue { .. } => "continue",
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn judges_by_counters_and_deadline() {
        let group = |placed, healthy, unhealthy| GroupRollout {
            desired_total: 2,
            placed,
            healthy,
            unhealthy,
            progress_deadline: Duration::from_secs(600),
            require_progress_by: Timestamp::from_secs(600),
        };
        check(group(1, 0, 0), 1, None);
        check(group(1, 1, 0), 1, Some("continue"));
        check(group(2, 1, 0), 1, None);
        check(group(2, 2, 0), 1, Some(description::SUCCESSFUL));
        check(group(2, 1, 1), 1, Some(description::UNHEALTHY));
        check(group(2, 1, 0), 600, Some(description::PROGRESS_DEADLINE));
    }
}
