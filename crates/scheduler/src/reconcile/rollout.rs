//! Deployments: which one counts, what it allows, and when a new one begins.
//!
//! A deployment is created here and cancelled here; that it succeeded or failed is decided by whoever watches the
//! health of its allocations.

use std::collections::BTreeMap;

use model::{
    Allocation, Deployment, DeploymentId, DeploymentStatus, Evaluation, GroupRollout, Job, TaskGroup,
    Timestamp, deployment::description,
};
use state::Root;

use super::Work;

/// The deployment of the version that is wanted.
#[derive(Debug, Default)]
pub(crate) struct Rollout<'a> {
    /// Running or failed; one that succeeded has nothing more to say.
    deployment: Option<&'a Deployment>,
    /// One of this version succeeded.
    succeeded: bool,
}

/// Finds the current deployment and cancels those that lost their purpose.
pub(super) fn current<'a>(
    root: &'a Root,
    eval: &Evaluation,
    job: Option<&Job>,
    work: &mut Work<'a>,
) -> Rollout<'a> {
    let is_current = |deployment: &Deployment| {
        job.is_some_and(|job| deployment.job_index == job.job_modify_index && job.kind.rolls_out())
    };
    let latest = root.latest_deployment(&eval.job).map(|latest| latest.id);
    let mut found = None;
    let mut succeeded = false;
    for deployment in root.deployments_of_job(&eval.job) {
        if Some(deployment.id) == latest && is_current(deployment) {
            if deployment.status == DeploymentStatus::Successful {
                succeeded = true;
            } else {
                found = Some(&**deployment);
            }
        } else if deployment.status.is_active() {
            let reason = if job.is_some() { description::NEWER_JOB } else { description::STOPPED_JOB };
            work.deployment_updates.push((deployment.id, DeploymentStatus::Cancelled, reason.into()));
        }
    }
    work.deployment_id =
        found.filter(|deployment| deployment.status.is_active()).map(|deployment| deployment.id);
    Rollout { deployment: found, succeeded }
}

impl<'a> Rollout<'a> {
    /// The one under way.
    pub(crate) fn active_deployment(&self) -> Option<&'a Deployment> {
        self.deployment.filter(|deployment| deployment.status.is_active())
    }

    fn active(&self) -> Option<DeploymentId> {
        self.active_deployment().map(|deployment| deployment.id)
    }

    /// Nothing is begun until somebody lets it go on.
    pub(crate) fn is_paused(&self) -> bool {
        self.deployment.is_some_and(|deployment| deployment.status == DeploymentStatus::Paused)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.deployment.is_some_and(|deployment| !deployment.status.is_active())
    }

    /// The same for a job that runs on every node, whose `canary` is a percentage of the nodes that would be `updated`.
    pub(crate) fn canaries_of(&self, job: &Job, group: &TaskGroup, updated: usize) -> usize {
        let canaries = self.canaries(job, group, updated > 0);
        match self.deployment {
            Some(_) => canaries,
            None => (canaries.min(100) * updated).div_ceil(100),
        }
    }

    /// How many canaries the group has to prove the new version with before anything old goes; 0: none, or they were
    /// promoted. `updating`: something of the group would be replaced.
    pub(super) fn canaries(&self, job: &Job, group: &TaskGroup, updating: bool) -> usize {
        let canaries = match self.deployment {
            Some(deployment) if deployment.status.is_active() => deployment
                .groups
                .get(&group.name)
                .filter(|group| group.awaits_promotion())
                .map_or(0, |group| group.desired_canaries),
            Some(_) => 0,
            None if self.succeeded || !updating || !job.kind.rolls_out() => 0,
            None => group.update.as_ref().map_or(0, |update| update.canary),
        };
        canaries as usize
    }

    /// Nothing of the group gets the new version for now: it has not proved itself, or has failed.
    pub(super) fn holds_back(&self, group: &TaskGroup) -> bool {
        self.has_failed()
            || self
                .deployment
                .and_then(|deployment| deployment.groups.get(&group.name))
                .is_some_and(GroupRollout::awaits_promotion)
    }

    /// The allocation belongs to the roll-out under way.
    pub(crate) fn includes(&self, alloc: &Allocation) -> bool {
        self.active().is_some_and(|id| alloc.deployment == Some(id))
    }

    /// The allocation belongs to a roll-out of this version that failed: trying again would not help.
    pub(super) fn failed_with(&self, alloc: &Allocation) -> bool {
        self.has_failed() && alloc.deployment == self.deployment.map(|deployment| deployment.id)
    }

    /// How many allocations may be replaced now, when `placing` are placed anyway.
    pub(crate) fn limit(&self, job: &Job, group: &TaskGroup, held: &[&Allocation], placing: usize) -> usize {
        let Some(update) = group.update.as_ref().filter(|_| job.kind.rolls_out()) else {
            return usize::MAX;
        };
        if self.has_failed() || self.is_paused() {
            return 0;
        }
        let mut limit = (update.max_parallel as usize).saturating_sub(placing);
        if let Some(deployment) = self.active() {
            for alloc in held.iter().filter(|alloc| alloc.deployment == Some(deployment)) {
                match alloc.health {
                    Some(health) if health.healthy => {}
                    Some(_) => return 0,
                    None => limit = limit.saturating_sub(1),
                }
            }
        }
        limit
    }
}

/// The groups of a deployment that begins.
#[derive(Debug, Default)]
pub(crate) struct Created {
    groups: BTreeMap<String, GroupRollout>,
}

impl Created {
    /// Enters a group if its changes are rolled out. `total`: all that will be placed or updated; `updating`: some of
    /// it replaces an older version; `canaries`: so many prove it first.
    #[expect(clippy::too_many_arguments, reason = "what is known of one group")]
    pub(crate) fn count(
        &mut self,
        rollout: &Rollout<'_>,
        job: &Job,
        group: &TaskGroup,
        allocs: &[&Allocation],
        total: usize,
        updating: bool,
        canaries: usize,
    ) {
        let Some(update) = group.update.as_ref().filter(|update| update.max_parallel > 0) else { return };
        if !job.kind.rolls_out() || rollout.deployment.is_some() || total == 0 {
            return;
        }
        // The allocations may have been collected since; then the deployment is the witness.
        let ran_before =
            rollout.succeeded || allocs.iter().any(|alloc| alloc.job_index == job.job_modify_index);
        if ran_before && !updating {
            return;
        }
        self.groups.insert(
            group.name.clone(),
            GroupRollout {
                desired_total: total as u32,
                desired_canaries: canaries as u32,
                auto_promote: update.auto_promote,
                auto_revert: update.auto_revert,
                progress_deadline: update.progress_deadline,
                ..GroupRollout::default()
            },
        );
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The deployment of these groups.
    pub(crate) fn begin(self, job: &Job, now: Timestamp, ids: &mut dyn FnMut() -> u128) -> Deployment {
        let mut deployment = Deployment {
            id: DeploymentId(ids()),
            job: job.key(),
            job_version: job.version,
            job_index: job.job_modify_index,
            job_create_index: job.create_index,
            groups: self.groups,
            status: DeploymentStatus::Running,
            status_description: String::new(),
            create_time: now,
            modify_time: now,
            create_index: 0,
            modify_index: 0,
        };
        deployment.status_description = deployment.running_description().into();
        deployment
    }
}

/// Adds the deployment that begins, if one does.
pub(super) fn finish(
    job: &Job,
    rollout: &Rollout<'_>,
    created: Created,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
    work: &mut Work<'_>,
) {
    if created.is_empty() || rollout.deployment.is_some() {
        if let Some(deployment) = rollout.active_deployment() {
            mark_groups(deployment, work);
        }
        return;
    }
    let deployment = created.begin(job, now, ids);
    work.deployment_id = Some(deployment.id);
    mark_groups(&deployment, work);
    work.deployment = Some(deployment);
}

fn mark_groups(deployment: &Deployment, work: &mut Work<'_>) {
    for group in &mut work.groups {
        group.in_deployment = deployment.groups.contains_key(&group.group.name);
    }
}
