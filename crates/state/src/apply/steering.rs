//! What people decide about a roll-out that has not ended.

use std::sync::Arc;

use model::{
    AllocHealth, AllocId, Allocation, DeploymentId, DeploymentStatus, Evaluation, Timestamp,
    deployment::description,
};

use super::{deployments, evals};
use crate::{
    command::{Outcome, Refusal, Steering},
    root::Root,
};

pub(super) fn steer(
    root: &mut Root,
    index: u64,
    id: DeploymentId,
    steering: Steering,
    new_evals: Vec<Evaluation>,
    now: Timestamp,
) -> Outcome {
    let Some(deployment) = root.deployments.get(&id) else {
        return Outcome::Refused(Refusal::UnknownDeployment(id));
    };
    if !deployment.status.is_active() {
        return Outcome::Refused(Refusal::DeploymentEnded(steering));
    }
    let mut set = |status, words: &str| {
        deployments::set_status(root, index, id, status, words.into(), now);
    };
    match steering {
        Steering::Fail => set(DeploymentStatus::Failed, description::FAILED_BY_HAND),
        Steering::Pause => set(DeploymentStatus::Paused, description::PAUSED),
        Steering::Resume => {
            set(DeploymentStatus::Running, description::RUNNING);
            begin_deadlines(root, id, now);
        }
        Steering::Health { healthy, unhealthy } => {
            let verdicts =
                healthy.iter().map(|id| (*id, true)).chain(unhealthy.iter().map(|id| (*id, false)));
            let verdicts: Vec<(AllocId, bool)> = verdicts.collect();
            let is_part =
                |id_of: &AllocId| root.allocs.get(id_of).is_some_and(|alloc| alloc.deployment == Some(id));
            if let Some(&(alloc, _)) = verdicts.iter().find(|(alloc, _)| !is_part(alloc)) {
                return Outcome::Refused(Refusal::NotOfDeployment { alloc, deployment: id });
            }
            for (alloc, verdict) in verdicts {
                set_health(root, index, id, alloc, verdict, now);
            }
        }
    }
    evals::upsert_all(root, index, new_evals);
    Outcome::Done
}

/// The time in which nothing was allowed to happen does not count against it.
fn begin_deadlines(root: &mut Root, id: DeploymentId, now: Timestamp) {
    let Some(row) = root.deployments.get_mut(&id) else { return };
    for group in Arc::make_mut(row).groups.values_mut() {
        if !group.require_progress_by.is_zero() {
            group.require_progress_by = now.plus(group.progress_deadline);
        }
    }
}

fn set_health(root: &mut Root, index: u64, id: DeploymentId, alloc: AllocId, healthy: bool, now: Timestamp) {
    let Some(row) = root.allocs.get(&alloc) else { return };
    let before = row.health.map(|health| health.healthy);
    if before == Some(healthy) {
        return;
    }
    let mut row = Allocation::clone(row);
    row.health = Some(AllocHealth { healthy, since: now, modify_index: index });
    row.modify_time = now;
    let group = row.group.clone();
    root.put_alloc(index, row);
    deployments::count_health(root, index, id, &group, before, healthy, now);
}
