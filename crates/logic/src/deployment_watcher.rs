//! When a roll-out goes on, ends or fails.

use std::collections::BTreeMap;

use model::{
    Allocation, ClientStatus, Deployment, DeploymentId, DeploymentStatus, DesiredStatus, GroupRollout,
    Timestamp, Trigger, deployment::description,
};
use state::{Command, Root, Steering};

use crate::node_gateway::eval_of;

/// What should happen to a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Finish {
        deployment: DeploymentId,
        status: DeploymentStatus,
        description: &'static str,
        stable: bool,
        /// Look at the job once more: what was planned for later must not happen after a failure, and what older
        /// versions left behind a success is rolled next.
        evaluate: bool,
    },
    /// All canaries are healthy, and all of their groups ask for it.
    Promote { deployment: DeploymentId },
    /// Newly healthy allocations allow the next step: evaluate the job.
    Continue { deployment: DeploymentId },
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
            if let Some(effect) = self.judge(root, deployment, now) {
                look.effects.push(effect);
            }
            let deadlines = deployment.groups.values().map(|group| group.require_progress_by);
            let counts = deployment.status != DeploymentStatus::Paused;
            let next = deadlines.filter(|deadline| counts && !deadline.is_zero() && *deadline > now).min();
            look.wake_at = look.wake_at.into_iter().chain(next).min();
        }
        self.healthy.retain(|id, _| root.deployments.get(id).is_some_and(|row| row.status.is_active()));
        look
    }

    fn judge(&mut self, root: &Root, deployment: &Deployment, now: Timestamp) -> Option<Effect> {
        let id = deployment.id;
        let failed = |description| Effect::Finish {
            deployment: id,
            status: DeploymentStatus::Failed,
            description,
            stable: false,
            evaluate: true,
        };
        let is_paused = deployment.status == DeploymentStatus::Paused;
        let mut healthy = 0;
        let mut complete = true;
        let (mut waiting, mut promoting) = (0, 0);
        for group in deployment.groups.values() {
            if group.unhealthy > 0 {
                return Some(failed(description::UNHEALTHY));
            }
            healthy += group.healthy;
            let is_behind = if group.awaits_promotion() {
                complete = false;
                waiting += 1;
                let good = root.healthy_canaries(group) >= group.desired_canaries;
                promoting += usize::from(good && group.auto_promote);
                // From then on it is people who are waited for.
                !good
            } else {
                group.healthy < group.desired_total
            };
            if is_behind {
                complete = false;
                let deadline = group.require_progress_by;
                if !is_paused && !deadline.is_zero() && deadline <= now {
                    return Some(failed(description::PROGRESS_DEADLINE));
                }
            }
        }
        if complete {
            return Some(Effect::Finish {
                deployment: id,
                status: DeploymentStatus::Successful,
                description: description::SUCCESSFUL,
                stable: true,
                evaluate: root.allocs_of_job(&deployment.job).any(|alloc| is_left_behind(alloc, deployment)),
            });
        }
        if waiting > 0 && promoting == waiting && !is_paused {
            return Some(Effect::Promote { deployment: id });
        }
        let before = self.healthy.insert(id, healthy).unwrap_or(0);
        let rolls = |group: &GroupRollout| !group.awaits_promotion() && group.placed < group.desired_total;
        let rolling = deployment.groups.values().any(rolls);
        (healthy > before && rolling && !is_paused).then_some(Effect::Continue { deployment: id })
    }
}

/// What is written for an effect; nothing for a deployment or a job that is gone.
pub fn command(
    root: &Root,
    effect: &Effect,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Option<Command> {
    let (Effect::Finish { deployment: id, .. }
    | Effect::Promote { deployment: id }
    | Effect::Continue { deployment: id }) = effect;
    let deployment = root.deployments.get(id)?;
    root.jobs.get(&deployment.job)?;
    let mut eval = eval_of(root, &deployment.job, Trigger::DeploymentWatcher, now, ids);
    eval.deployment = Some(*id);
    Some(match effect {
        Effect::Continue { .. } => Command::UpdateEvals { evals: vec![eval] },
        Effect::Promote { .. } => Command::SteerDeployment {
            deployment: *id,
            steering: Steering::Promote { groups: None },
            evals: vec![eval],
            now,
        },
        Effect::Finish { status, description, stable, evaluate, .. } => Command::UpdateDeployment {
            deployment: *id,
            status: *status,
            description: (*description).into(),
            stable: *stable,
            evals: if *evaluate { vec![eval] } else { Vec::new() },
            now,
        },
    })
}

/// An older version that still holds its place: it was away while the others were replaced, and lost ones were placed in
/// the roll-out instead.
fn is_left_behind(alloc: &Allocation, deployment: &Deployment) -> bool {
    let holds = match alloc.client {
        ClientStatus::Pending | ClientStatus::Running | ClientStatus::Unknown => true,
        ClientStatus::Failed => alloc.next.is_none(),
        ClientStatus::Complete | ClientStatus::Lost => false,
    };
    holds
        && alloc.desired == DesiredStatus::Run
        && alloc.job_index != deployment.job_index
        && deployment.groups.contains_key(&*alloc.group)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{AllocId, EvalId, Job, JobKey, Node, NodeId, Placement, Plan, TaskGroup};
    use state::Outcome;

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
            Effect::Promote { .. } => "promote",
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
            ..GroupRollout::default()
        };
        check(group(1, 0, 0), 1, None);
        check(group(1, 1, 0), 1, Some("continue"));
        check(group(2, 1, 0), 1, None);
        check(group(2, 2, 0), 1, Some(description::SUCCESSFUL));
        check(group(2, 1, 1), 1, Some(description::UNHEALTHY));
        check(group(2, 1, 0), 600, Some(description::PROGRESS_DEADLINE));
    }

    #[test]
    fn canaries_are_promoted_when_all_are_healthy_and_all_groups_ask_for_it() {
        let canary = AllocId(7);
        let group = |auto_promote| GroupRollout {
            desired_total: 1,
            desired_canaries: 1,
            placed: 1,
            placed_canaries: [canary].into(),
            auto_promote,
            progress_deadline: Duration::from_secs(600),
            require_progress_by: Timestamp::from_secs(600),
            ..GroupRollout::default()
        };
        let healthy = |root: &mut Root| {
            let health = model::AllocHealth { healthy: true, since: Timestamp(1), modify_index: 1 };
            let mut alloc = crate::testing::alloc(7, DesiredStatus::Run, None);
            (alloc.canary, alloc.health) = (true, Some(health));
            root.allocs.insert(canary, std::sync::Arc::new(alloc));
        };
        // Not yet healthy: that has a deadline.
        check(group(true), 1, None);
        check(group(true), 600, Some(description::PROGRESS_DEADLINE));
        for auto_promote in [true, false] {
            let mut root = root(group(auto_promote));
            healthy(&mut root);
            let look = DeploymentWatcher::default().look(&root, Timestamp::from_secs(900));
            // People may take their time.
            let expected: &[Effect] =
                if auto_promote { &[Effect::Promote { deployment: DeploymentId(1) }] } else { &[] };
            assert_eq!(look.effects, expected);
        }
    }

    #[test]
    fn a_paused_roll_out_has_no_deadline_and_does_not_go_on() {
        let group = |healthy, unhealthy| GroupRollout {
            desired_total: 2,
            placed: 1,
            healthy,
            unhealthy,
            progress_deadline: Duration::from_secs(600),
            require_progress_by: Timestamp::from_secs(600),
            ..GroupRollout::default()
        };
        let steer = |root: &mut Root, steering, now| {
            let deployment = DeploymentId(1);
            let outcome =
                root.apply(2, Command::SteerDeployment { deployment, steering, evals: vec![], now });
            assert_eq!(outcome, Outcome::Done);
        };
        let look = |root: &Root, now| DeploymentWatcher::default().look(root, Timestamp::from_secs(now));
        let mut root = root(group(1, 0));
        steer(&mut root, Steering::Pause, Timestamp::from_secs(1));
        assert_eq!(look(&root, 900), Look::default());
        steer(&mut root, Steering::Resume, Timestamp::from_secs(900));
        let resumed = look(&root, 900);
        assert_eq!(resumed.effects, [Effect::Continue { deployment: DeploymentId(1) }]);
        assert_eq!(resumed.wake_at, Some(Timestamp::from_secs(1500)));
        // What went wrong is not forgiven.
        let mut root = self::root(group(0, 1));
        steer(&mut root, Steering::Pause, Timestamp::from_secs(1));
        assert!(matches!(
            look(&root, 2).effects[..],
            [Effect::Finish { status: DeploymentStatus::Failed, .. }]
        ));
    }

    #[test]
    fn what_an_older_version_left_is_looked_at_after_a_success() {
        let group = GroupRollout { desired_total: 1, placed: 1, healthy: 1, ..GroupRollout::default() };
        let evaluates = |root: &Root| match DeploymentWatcher::default().look(root, Timestamp(1)).effects[..]
        {
            [Effect::Finish { status: DeploymentStatus::Successful, evaluate, .. }] => evaluate,
            ref other => panic!("{other:?}"),
        };
        let mut root = root(group);
        assert!(!evaluates(&root));
        root.apply(
            2,
            Command::RegisterNode {
                node: Node { id: NodeId(1), ..Node::default() },
                evals: vec![],
                now: Timestamp(1),
            },
        );
        let job = Job {
            id: "a".into(),
            groups: vec![TaskGroup { name: "g".into(), count: 1, ..TaskGroup::default() }],
            ..Job::default()
        };
        let job =
            Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now: Timestamp(1) };
        root.apply(3, job);
        let mut plan = Plan::new(EvalId(1), JobKey::new("default", "a"), 50, 3, Timestamp(1));
        plan.job_index = 3;
        plan.placements.push(Placement {
            id: AllocId(1),
            node: NodeId(1),
            group: "g".into(),
            ..Placement::default()
        });
        root.apply(4, Command::ApplyPlan { plan: Box::new(plan), evals: vec![] });
        assert!(evaluates(&root));
    }
}
