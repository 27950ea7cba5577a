//! Registration and stop of jobs.

use std::{collections::BTreeSet, sync::Arc};

use model::{Evaluation, Job, JobKey, JobStatus, Timestamp};

use super::evals;
use crate::{
    command::{Outcome, Refusal},
    root::{JobCounters, Root},
};

/// How many versions of a job are kept besides those that allocations still run.
const VERSIONS_KEPT: usize = 6;

pub(super) fn register(
    root: &mut Root,
    index: u64,
    mut job: Job,
    enforce_index: Option<u64>,
    eval: Option<Evaluation>,
    now: Timestamp,
) -> Outcome {
    let key = job.key();
    let before = root.jobs.get(&key).cloned();
    if !root.has_pool(&job.pool) {
        return Outcome::Refused(Refusal::JobInUnknownPool { job: job.id, pool: job.pool });
    }
    if let Some(wanted) = enforce_index {
        let refusal = match &before {
            Some(before) if wanted == 0 && !before.stop => Some(Refusal::JobExists),
            Some(before) if wanted != 0 && before.job_modify_index != wanted => {
                Some(Refusal::IndexConflict { wanted, found: before.job_modify_index })
            }
            None if wanted != 0 => Some(Refusal::JobMissing { wanted }),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Outcome::Refused(refusal);
        }
    }
    if let Some(before) = before.as_ref().filter(|before| !before.stop) {
        for (word, was, is) in [
            ("periodic", before.is_periodic(), job.is_periodic()),
            ("parameterized", before.is_parameterized(), job.is_parameterized()),
        ] {
            if was != is {
                return Outcome::Refused(Refusal::AnotherKind { becomes: is, word: word.into() });
            }
        }
    }
    let unchanged = before.as_ref().is_some_and(|before| !before.stop && before.same_spec(&job));
    let (version, job_modify_index, new_version) = match (&before, unchanged) {
        (Some(before), true) => (before.version, before.job_modify_index, false),
        (Some(before), false) => (before.version + 1, index, true),
        (None, _) => (0, index, true),
    };
    if new_version {
        let is_less_important = match &before {
            Some(before) => job.priority < before.priority,
            // What is left of a purged job of that name gave way to nobody.
            None => root.allocs_of_job(&key).any(|alloc| !alloc.is_terminal()),
        };
        if is_less_important {
            root.usage.may_be_evicted(index);
        }
        job.create_index = before.as_ref().map_or(index, |before| before.create_index);
        job.version = version;
        job.job_modify_index = index;
        job.modify_index = index;
        job.submit_time = now;
        job.stop = false;
        job.stable = false;
        job.version_tag = None;
        job.status = before.as_ref().map_or(JobStatus::Pending, |before| before.status);
        let counters = Arc::make_mut(
            root.counters
                .entry(key.clone())
                .or_insert_with(|| Arc::new(JobCounters { create_index: index, ..JobCounters::default() })),
        );
        counters.modify_index = index;
        for group in &job.groups {
            counters.groups.entry(group.name.clone()).or_default();
        }
        root.put_job_row(index, Arc::new(job));
        forget_old_versions(root, &key);
    }
    if let Some(mut eval) = eval {
        eval.job_index = job_modify_index;
        evals::upsert_all(root, index, vec![eval]);
    }
    root.refresh_job_status(index, &key);
    Outcome::JobRegistered { job_modify_index, version, new_version }
}

pub(super) fn set_stability(
    root: &mut Root,
    index: u64,
    key: &JobKey,
    version: u64,
    stable: bool,
) -> Outcome {
    let Some(job) = root.version_of_job(key, version) else {
        return Outcome::Refused(Refusal::UnknownVersion { job: key.clone(), version });
    };
    let job_index = job.job_modify_index;
    mark_stable(root, index, key, job_index, stable);
    // Readers of the versions wait for the newest row.
    if let Some(mut newest) = root.jobs.get(key).cloned() {
        Arc::make_mut(&mut newest).modify_index = index;
        root.put_job_row(index, newest);
    }
    Outcome::Done
}

/// `job_index`: of the version.
pub(super) fn mark_stable(root: &mut Root, index: u64, key: &JobKey, job_index: u64, stable: bool) {
    let Some(mut job) = root.job_versions.get(&(key.clone(), job_index)).cloned() else { return };
    Arc::make_mut(&mut job).stable = stable;
    root.job_versions.insert((key.clone(), job_index), job.clone());
    if root.jobs.get(key).is_some_and(|newest| newest.job_modify_index == job_index) {
        Arc::make_mut(&mut job).modify_index = index;
        root.put_job_row(index, job);
    }
}

fn forget_old_versions(root: &mut Root, key: &JobKey) {
    let old: Vec<u64> = root
        .versions_of_job(key)
        .iter()
        .skip(VERSIONS_KEPT)
        .filter(|job| job.version_tag.is_none())
        .map(|job| job.job_modify_index)
        .collect();
    if old.is_empty() {
        return;
    }
    let referred: BTreeSet<u64> = root.allocs_of_job(key).map(|alloc| alloc.job_index).collect();
    for version in old {
        if !referred.contains(&version) {
            root.forget_version(key, version);
        }
    }
}

pub(super) fn deregister(
    root: &mut Root,
    index: u64,
    key: &JobKey,
    purge: bool,
    eval: Option<Evaluation>,
    _now: Timestamp,
) -> Outcome {
    let Some(job) = root.jobs.get(key).cloned() else {
        return Outcome::JobDeregistered { job_modify_index: index, existed: false };
    };
    if purge {
        root.forget_job(key);
        // Versions that allocations still run stay until those are collected.
        let referred: BTreeSet<u64> = root.allocs_of_job(key).map(|alloc| alloc.job_index).collect();
        let versions: Vec<u64> = root.versions_of_job(key).iter().map(|job| job.job_modify_index).collect();
        for version in versions.into_iter().filter(|version| !referred.contains(version)) {
            root.forget_version(key, version);
        }
        root.indexes.jobs = index;
    } else {
        let mut job = job;
        let row = Arc::make_mut(&mut job);
        row.stop = true;
        row.modify_index = index;
        root.put_job_row(index, job);
        // Nothing of it waits for a place any more.
        if let Some(counters) = root.counters.get_mut(key) {
            let counters = Arc::make_mut(counters);
            counters.modify_index = index;
            for group in counters.groups.values_mut() {
                group.queued = 0;
            }
        }
    }
    if let Some(mut eval) = eval {
        eval.job_index = index;
        evals::upsert_all(root, index, vec![eval]);
    }
    root.refresh_job_status(index, key);
    Outcome::JobDeregistered { job_modify_index: index, existed: true }
}
