//! Roll-outs: rows, status, and the counters kept from allocations.

use std::sync::Arc;

use model::{AllocId, Deployment, DeploymentId, DeploymentStatus, Evaluation, Job, Timestamp};

use super::{evals, jobs};
use crate::{
    command::{Outcome, Refusal},
    root::Root,
};

/// Adds a deployment; for one that exists, takes over the totals wanted and keeps what was counted.
pub(super) fn put(root: &mut Root, index: u64, mut deployment: Deployment) {
    deployment.modify_index = index;
    if let Some(before) = root.deployments.get(&deployment.id) {
        if !before.status.is_active() {
            // It ended while the plan was on its way.
            return;
        }
        deployment.create_index = before.create_index;
        // It may have been paused while the plan was on its way.
        deployment.status = before.status;
        deployment.status_description.clone_from(&before.status_description);
        for (name, group) in &mut deployment.groups {
            if let Some(old) = before.groups.get(name) {
                group.placed = old.placed;
                group.healthy = old.healthy;
                group.unhealthy = old.unhealthy;
                group.promoted = old.promoted;
                group.placed_canaries.clone_from(&old.placed_canaries);
                group.require_progress_by = old.require_progress_by;
            }
        }
    } else {
        deployment.create_index = index;
    }
    if deployment.status.is_active() {
        root.active_deployments.insert(deployment.id);
    }
    root.deployments_by_job.entry(deployment.job.clone()).or_default().insert(deployment.id);
    root.deployments.insert(deployment.id, Arc::new(deployment));
    root.indexes.deployments = index;
}

pub(super) fn set_status(
    root: &mut Root,
    index: u64,
    id: DeploymentId,
    status: DeploymentStatus,
    description: String,
    now: Timestamp,
) -> bool {
    let Some(row) = root.deployments.get_mut(&id) else { return false };
    let deployment = Arc::make_mut(row);
    deployment.status = status;
    deployment.status_description = description;
    deployment.modify_time = now;
    deployment.modify_index = index;
    if !status.is_active() {
        root.active_deployments.remove(&id);
    }
    root.indexes.deployments = index;
    true
}

#[expect(clippy::too_many_arguments, reason = "the fields of one command")]
pub(super) fn update(
    root: &mut Root,
    index: u64,
    id: DeploymentId,
    status: DeploymentStatus,
    description: String,
    stable: bool,
    new_evals: Vec<Evaluation>,
    now: Timestamp,
) -> Outcome {
    let reverts = status == DeploymentStatus::Failed && culprits_revert(root, id);
    if !set_status(root, index, id, status, description, now) {
        return Outcome::Refused(Refusal::UnknownDeployment(id));
    }
    if reverts {
        revert(root, index, id, now);
    }
    if stable {
        let (key, version) = {
            let deployment = &root.deployments[&id];
            (deployment.job.clone(), deployment.job_index)
        };
        jobs::mark_stable(root, index, &key, version, true);
    }
    evals::upsert_all(root, index, new_evals);
    Outcome::Done
}

/// Whether a group that makes the deployment fail asks for the stable version.
fn culprits_revert(root: &Root, id: DeploymentId) -> bool {
    let Some(deployment) = root.deployments.get(&id) else { return false };
    let groups = || deployment.groups.values();
    if groups().any(|group| group.unhealthy > 0) {
        groups().any(|group| group.unhealthy > 0 && group.auto_revert)
    } else {
        groups().any(|group| group.healthy < group.desired_total && group.auto_revert)
    }
}

/// Registers the newest stable version before that of the deployment, which has failed, as a new one; says in the
/// deployment's description what came of it. Answers with the number of the version that is back.
pub(super) fn revert(root: &mut Root, index: u64, id: DeploymentId, now: Timestamp) -> Option<u64> {
    let deployment = root.deployments.get(&id)?.clone();
    let failed = root.jobs.get(&deployment.job)?.clone();
    if failed.stop || failed.job_modify_index != deployment.job_index {
        // Somebody has decided otherwise meanwhile.
        return None;
    }
    let stable = root
        .versions_of_job(&deployment.job)
        .into_iter()
        .find(|job| job.stable && job.version < failed.version && job.create_index == failed.create_index)
        .cloned();
    let (words, version) = match stable {
        None => (String::from("no stable job version to auto revert to"), None),
        Some(stable) if stable.same_spec(&failed) => {
            let version = stable.version;
            let why = "as current job has same specification";
            (format!("not rolling back to stable job version {version} {why}"), None)
        }
        Some(stable) if !root.has_pool(&stable.pool) => {
            let (version, pool) = (stable.version, &stable.pool);
            (format!("not rolling back to stable job version {version} as node pool {pool} is gone"), None)
        }
        Some(stable) => {
            let version = stable.version;
            jobs::register(root, index, Job::clone(&stable), None, None, now);
            (format!("rolling back to job version {version}"), Some(version))
        }
    };
    let row = root.deployments.get_mut(&id)?;
    Arc::make_mut(row).status_description += &format!(" - {words}");
    version
}

/// Counts a placement of the deployment; the first one starts the progress deadline.
pub(super) fn count_placed(root: &mut Root, index: u64, id: DeploymentId, alloc: AllocId, now: Timestamp) {
    let Some((group_name, is_canary)) = root.allocs.get(&alloc).map(|row| (row.group.clone(), row.canary))
    else {
        return;
    };
    let Some(row) = root.deployments.get_mut(&id) else { return };
    let deployment = Arc::make_mut(row);
    deployment.modify_index = index;
    if let Some(group) = deployment.groups.get_mut(&*group_name) {
        group.placed += 1;
        if is_canary {
            group.placed_canaries.insert(alloc);
        }
        if group.require_progress_by.is_zero() && !group.progress_deadline.is_zero() {
            group.require_progress_by = now.plus(group.progress_deadline);
        }
    }
    root.indexes.deployments = index;
}

/// Takes back what was counted for an allocation that no longer shall run: its replacement counts in its place. An
/// unhealthy one stays counted, so that its deployment fails.
pub(super) fn uncount(root: &mut Root, index: u64, alloc: &model::Allocation) {
    change_counts(root, index, alloc, |count| *count = count.saturating_sub(1));
}

/// Counts an allocation again that came back with its node.
pub(super) fn recount(root: &mut Root, index: u64, alloc: &model::Allocation) {
    change_counts(root, index, alloc, |count| *count += 1);
}

fn change_counts(root: &mut Root, index: u64, alloc: &model::Allocation, change: fn(&mut u32)) {
    let Some(row) = alloc.deployment.and_then(|id| root.deployments.get_mut(&id)) else { return };
    if !row.status.is_active() {
        return;
    }
    let deployment = Arc::make_mut(row);
    deployment.modify_index = index;
    if let Some(group) = deployment.groups.get_mut(&*alloc.group) {
        change(&mut group.placed);
        if alloc.health.is_some_and(|health| health.healthy) {
            change(&mut group.healthy);
        }
    }
    root.indexes.deployments = index;
}

/// Counts an allocation that became healthy or unhealthy.
pub(super) fn count_health(
    root: &mut Root,
    index: u64,
    id: DeploymentId,
    group_name: &str,
    before: Option<bool>,
    healthy: bool,
    now: Timestamp,
) {
    let Some(row) = root.deployments.get_mut(&id) else { return };
    let deployment = Arc::make_mut(row);
    deployment.modify_index = index;
    if let Some(group) = deployment.groups.get_mut(group_name) {
        match before {
            Some(true) => group.healthy = group.healthy.saturating_sub(1),
            Some(false) => group.unhealthy = group.unhealthy.saturating_sub(1),
            None => {}
        }
        if healthy {
            group.healthy += 1;
            if !group.progress_deadline.is_zero() {
                group.require_progress_by = now.plus(group.progress_deadline);
            }
        } else {
            group.unhealthy += 1;
        }
    }
    root.indexes.deployments = index;
}
