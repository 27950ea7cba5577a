//! What people decide about a roll-out that has not ended.

use std::sync::Arc;

use model::{
    AllocHealth, AllocId, Allocation, Deployment, DeploymentId, DeploymentStatus, Evaluation, GroupRollout,
    Timestamp, deployment::description,
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
    let Some(deployment) = root.deployments.get(&id).cloned() else {
        return Outcome::Refused(Refusal::UnknownDeployment(id));
    };
    if !deployment.status.is_active() {
        return Outcome::Refused(Refusal::DeploymentEnded(steering));
    }
    let mut set = |status, words: &str| {
        deployments::set_status(root, index, id, status, words.into(), now);
    };
    match steering {
        Steering::Fail => {
            set(DeploymentStatus::Failed, description::FAILED_BY_HAND);
            if deployment.groups.values().any(|group| group.auto_revert) {
                let reverted = deployments::revert(root, index, id, now);
                evals::upsert_all(root, index, new_evals);
                return Outcome::DeploymentFailed { reverted };
            }
        }
        Steering::Pause => set(DeploymentStatus::Paused, description::PAUSED),
        Steering::Resume => {
            set(DeploymentStatus::Running, deployment.running_description());
            begin_deadlines(root, id, now);
        }
        Steering::Promote { groups } => {
            if let Err(refusal) = promote(root, index, &deployment, groups.as_deref(), now) {
                return Outcome::Refused(refusal);
            }
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

/// Lets the roll-out of these groups go on, or of all that have canaries. All of their canaries have to be healthy.
fn promote(
    root: &mut Root,
    index: u64,
    deployment: &Deployment,
    groups: Option<&[String]>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let is_meant = |name: &String| groups.is_none_or(|groups| groups.contains(name));
    let waiting: Vec<(&String, &GroupRollout)> =
        deployment.groups.iter().filter(|(name, group)| is_meant(name) && group.awaits_promotion()).collect();
    if waiting.is_empty() {
        return Err(Refusal::NoCanaries);
    }
    for (name, group) in &waiting {
        let healthy = root.healthy_canaries(group);
        if healthy < group.desired_canaries {
            let (group_name, desired) = ((*name).clone(), group.desired_canaries);
            return Err(Refusal::CanariesNotHealthy { group: group_name, healthy, desired });
        }
    }
    let mut row = Deployment::clone(deployment);
    for (name, group) in &waiting {
        for id in &group.placed_canaries {
            let Some(alloc) = root.allocs.get(id).filter(|alloc| alloc.canary) else { continue };
            let mut alloc = Allocation::clone(alloc);
            alloc.canary = false;
            alloc.modify_time = now;
            // The node gives its services the tags that they have from now on.
            alloc.alloc_modify_index = index;
            root.put_alloc(index, alloc);
        }
        if let Some(group) = row.groups.get_mut(*name) {
            group.promoted = true;
            if !group.progress_deadline.is_zero() {
                group.require_progress_by = now.plus(group.progress_deadline);
            }
        }
    }
    if row.status == DeploymentStatus::Running {
        row.status_description = row.running_description().into();
    }
    row.modify_time = now;
    row.modify_index = index;
    root.deployments.insert(row.id, Arc::new(row));
    root.indexes.deployments = index;
    Ok(())
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
