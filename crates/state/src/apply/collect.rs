//! Forgetting: terminal evaluations with their allocations, dead jobs, ended deployments.

use std::collections::BTreeSet;

use model::{AllocId, ClientStatus, DesiredStatus, EvalId, JobKey, JobStatus, Timestamp};

use crate::{command::Outcome, root::Root};

pub(super) fn collect(root: &mut Root, index: u64, before: Timestamp) -> Outcome {
    let alloc_goes = |root: &Root, id: &AllocId| {
        root.allocs.get(id).is_none_or(|alloc| {
            // Still running somewhere, or the pattern of a later replacement: stays.
            let job_gone = root.jobs.get(&alloc.job).is_none_or(|job| job.stop);
            // One that was replaced while its node was away may have come back and done the work after all: then it is
            // the witness that nobody has to do it again.
            let replaced = alloc.next.is_some() && alloc.client != ClientStatus::Complete;
            alloc.client.is_terminal()
                && alloc.modify_time < before
                && (job_gone || replaced || alloc.desired != DesiredStatus::Run)
        })
    };
    let mut evals: Vec<EvalId> = Vec::new();
    let mut allocs: Vec<AllocId> = Vec::new();
    for eval in root.evals.values() {
        if !eval.status.is_terminal() || eval.modify_time >= before {
            continue;
        }
        let of_eval: Vec<AllocId> = root.allocs_of_eval(eval.id).map(|alloc| alloc.id).collect();
        if of_eval.iter().all(|id| alloc_goes(root, id)) {
            evals.push(eval.id);
            allocs.extend(of_eval);
        }
    }
    for id in &allocs {
        remove_alloc(root, *id);
    }
    for id in &evals {
        if let Some(eval) = root.evals.remove(id)
            && let Some(of_job) = root.evals_by_job.get_mut(&eval.job)
        {
            of_job.remove(id);
        }
    }
    let jobs = collect_jobs(root, before);
    if !allocs.is_empty() {
        root.indexes.allocs = index;
    }
    if !evals.is_empty() {
        root.indexes.evals = index;
    }
    if jobs > 0 {
        root.indexes.jobs = index;
    }
    Outcome::Collected { evals: evals.len() as u32, allocs: allocs.len() as u32, jobs }
}

fn remove_alloc(root: &mut Root, id: AllocId) {
    let Some(alloc) = root.allocs.remove(&id) else { return };
    root.allocs_by_node.remove(&(alloc.node, id));
    root.allocs_by_eval.remove(&(alloc.eval, id));
    if let Some(of_job) = root.allocs_by_job.get_mut(&alloc.job) {
        of_job.remove(&id);
    }
    // Tell the node, which then removes the allocation's directory.
    let index = root.index;
    if let Some(slot) = root.usage.slot_mut(alloc.node) {
        slot.assigned_index = index;
    }
}

fn collect_jobs(root: &mut Root, before: Timestamp) -> u32 {
    let dead: Vec<JobKey> = root
        .jobs
        .values()
        .filter(|job| job.status == JobStatus::Dead && job.submit_time < before)
        .map(|job| job.key())
        .filter(|key| root.allocs_of_job(key).next().is_none() && root.evals_of_job(key).next().is_none())
        .collect();
    for key in &dead {
        root.forget_job(key);
    }
    // Versions nobody refers to any more: of jobs that are gone, by now or by an earlier purge.
    let orphans: Vec<(JobKey, u64)> =
        root.job_versions.keys().filter(|(key, _)| !root.jobs.contains_key(key)).cloned().collect();
    let mut keys: BTreeSet<JobKey> = BTreeSet::new();
    for (key, version) in orphans {
        if !root.allocs_of_job(&key).any(|alloc| alloc.job_index == version) {
            root.forget_version(&key, version);
            keys.insert(key);
        }
    }
    for key in keys {
        if root.jobs.contains_key(&key) || root.allocs_of_job(&key).next().is_some() {
            continue;
        }
        root.allocs_by_job.remove(&key);
        root.evals_by_job.remove(&key);
        for id in root.deployments_by_job.remove(&key).into_iter().flatten() {
            root.deployments.remove(&id);
            root.active_deployments.remove(&id);
        }
    }
    dead.len() as u32
}
