//! Places what comes back as it was: an allocation of the working version that was lost, failed or has to move while the
//! new version has not proved itself, or has failed.
//!
//! Each version has its own constraints and sizes, so it is placed for itself, before the newest one: what works comes
//! first. Nobody is evicted for it.

use std::collections::BTreeMap;

use model::{Job, Plan, Timestamp};
use state::Root;

use crate::{
    Change, Placing,
    feasible::Feasibility,
    outcome::Failed,
    rank::Ranker,
    reconcile::{GroupWork, Want, Work},
};

/// Enters placements of older versions into the plan. Answers with what the plan changes per slot so far.
pub(crate) fn place(
    root: &Root,
    work: &Work<'_>,
    seed: u64,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
    plan: &mut Plan,
    failed: &mut Failed,
) -> Vec<(usize, Change)> {
    let mut versions: BTreeMap<u64, &Job> = BTreeMap::new();
    for version in work.groups.iter().flat_map(|group| &group.wants).filter_map(|want| want.version) {
        versions.insert(version.job_modify_index, version);
    }
    let mut changes = Vec::new();
    for (index, job) in versions {
        let feasibility = Feasibility::new(root, job);
        let mut ranker = Ranker::new(root, job, &feasibility, &work.stops, seed).without_evictions();
        ranker.adopt(&changes);
        for group in &work.groups {
            let Some(at) = position(job, group) else { continue };
            let is_it = |want: &&Want<'_>| want.version.is_some_and(|job| job.job_modify_index == index);
            let mut placing = Placing { now, ids, plan, failed };
            placing.group(&mut ranker, at, group, group.wants.iter().filter(is_it), None);
        }
        changes = ranker.changes();
    }
    changes
}

fn position(job: &Job, group: &GroupWork<'_>) -> Option<usize> {
    job.groups.iter().position(|one| one.name == group.group.name)
}
