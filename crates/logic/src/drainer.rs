//! Empties draining nodes, no faster than the groups on them can bear.
//!
//! A service group gives away as many allocations at a time as its `migrate` block says, and the next ones when the
//! replacements are healthy. Batch jobs run on until they are done or the drain's time is up; then everything left
//! moves at once. System jobs go last, when nothing else is left that may need them, or stay if the drain ignores them.
//! The drain is over when nothing runs on the node any more. Same state and time, same answer: a look
//! can be repeated.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    AllocId, Allocation, ClientStatus, DesiredStatus, EvalStatus, Evaluation, HealthCheck, JobKey, JobType,
    MigratePolicy, Timestamp, Trigger,
};
use state::{Command, Root};

use crate::node_gateway::eval_of;

/// What to do now, and when to look again if nothing changes before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    pub commands: Vec<Command>,
    pub look_again: Option<Timestamp>,
}

/// Looks at all draining nodes.
pub fn look(root: &Root, now: Timestamp, ids: &mut dyn FnMut() -> u128) -> Look {
    let mut look = Look::default();
    let mut groups: BTreeMap<(JobKey, &str), Vec<&Allocation>> = BTreeMap::new();
    let mut marks: Vec<AllocId> = Vec::new();
    let mut jobs: BTreeSet<&JobKey> = BTreeSet::new();
    for node in root.draining_nodes() {
        let Some(drain) = &node.drain else { continue };
        let is_forced = drain.is_forced(now);
        if !is_forced && let Some(at) = drain.force_at {
            look.wake(at);
        }
        let mut is_empty = true;
        let mut has_others = false;
        let mut last: Vec<&Allocation> = Vec::new();
        for alloc in root.holding_up(node) {
            is_empty = false;
            let is_last = root.kind_of(alloc) == JobType::System;
            has_others |= !is_last;
            if alloc.desired != DesiredStatus::Run || alloc.client.is_terminal() {
                continue;
            }
            if is_forced {
                if !alloc.migrate {
                    marks.push(alloc.id);
                    jobs.insert(&alloc.job);
                } else if !node.status.is_gone() && !is_looked_at(root, &alloc.job, now) {
                    // Marked before, and no place was found: now it stops all the same. What may run on unseen cannot be
                    // stopped until its node is back or given up: asking again and again would change nothing.
                    jobs.insert(&alloc.job);
                }
            } else if alloc.migrate {
                continue;
            } else if is_last {
                last.push(alloc);
            } else {
                groups.entry((alloc.job.clone(), &*alloc.group)).or_default().push(alloc);
            }
        }
        if !has_others {
            marks.extend(last.iter().map(|alloc| alloc.id));
            jobs.extend(last.iter().map(|alloc| &alloc.job));
        }
        if is_empty {
            look.commands.push(Command::FinishDrain { node: node.id, forced: is_forced, now });
        }
    }
    for ((key, group), candidates) in groups {
        for alloc in may_leave(root, &key, group, candidates, now, &mut look) {
            marks.push(alloc.id);
            jobs.insert(&alloc.job);
        }
    }
    if !jobs.is_empty() {
        let evals: Vec<Evaluation> =
            jobs.into_iter().map(|job| eval_of(root, job, Trigger::NodeDrain, now, ids)).collect();
        look.commands.push(Command::MarkMigrate { allocs: marks, evals, now });
    }
    look
}

impl Look {
    fn wake(&mut self, at: Timestamp) {
        self.look_again = Some(self.look_again.map_or(at, |known| known.min(at)));
    }
}

fn is_looked_at(root: &Root, job: &JobKey, now: Timestamp) -> bool {
    root.evals_of_job(job).any(|eval| eval.status == EvalStatus::Pending && eval.wait_until <= now)
}

/// Which of the group's candidates may leave now. Those that do no good anyway go first.
fn may_leave<'a>(
    root: &Root,
    key: &JobKey,
    group: &str,
    mut candidates: Vec<&'a Allocation>,
    now: Timestamp,
    look: &mut Look,
) -> Vec<&'a Allocation> {
    // What is not wanted any more is on its way out without us.
    let Some(job) = root.jobs.get(key).filter(|job| !job.stop) else { return Vec::new() };
    let Some(wanted) = job.group(group) else { return Vec::new() };
    if job.kind.completes() {
        return Vec::new();
    }
    let policy = wanted.migrate.clone().unwrap_or_default();
    let mut healthy: BTreeSet<AllocId> = BTreeSet::new();
    for alloc in root.allocs_of_job(key).filter(|alloc| *alloc.group == *group) {
        match health(root, &policy, alloc, now) {
            Health::Good => {
                healthy.insert(alloc.id);
            }
            Health::GoodAt(at) => look.wake(at),
            Health::Bad => {}
        }
    }
    let useless = candidates.iter().filter(|alloc| !healthy.contains(&alloc.id)).count();
    let keep = (wanted.count as usize).saturating_sub(policy.max_parallel as usize);
    let allowed = (healthy.len() + useless).saturating_sub(keep).min(policy.max_parallel as usize);
    candidates.sort_by_key(|alloc| (healthy.contains(&alloc.id), alloc.index, alloc.id));
    candidates.truncate(allowed);
    candidates
}

enum Health {
    Good,
    /// If it goes on as it is.
    GoodAt(Timestamp),
    Bad,
}

/// Whether the group may count on the allocation, by the rules of its `migrate` block.
fn health(root: &Root, policy: &MigratePolicy, alloc: &Allocation, now: Timestamp) -> Health {
    let is_gone = root.nodes.get(&alloc.node).is_none_or(|node| node.status.is_gone());
    if alloc.is_terminal() || alloc.migrate || is_gone || alloc.client != ClientStatus::Running {
        return Health::Bad;
    }
    if let Some(health) = alloc.health {
        return if health.healthy { Health::Good } else { Health::Bad };
    }
    let is_watched = alloc
        .deployment
        .and_then(|id| root.deployments.get(&id))
        .is_some_and(|deployment| deployment.status.is_active());
    let passes = policy.health_check == HealthCheck::TaskStates
        || alloc.services.iter().all(|service| service.status() == model::CheckStatus::Passing);
    if is_watched || !passes {
        return Health::Bad;
    }
    let since = alloc.tasks.values().map(|task| task.started_at).max().unwrap_or(alloc.create_time);
    let at = since.plus(policy.min_healthy_time);
    if at <= now { Health::Good } else { Health::GoodAt(at) }
}

#[cfg(test)]
mod tests;
