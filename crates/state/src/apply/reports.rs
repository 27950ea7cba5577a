//! What nodes report of their allocations.

use std::{collections::BTreeSet, sync::Arc};

use model::{AllocUpdate, Allocation, Evaluation, JobKey};

use super::{deployments, evals};
use crate::{command::Outcome, root::Root};

pub(super) fn apply(
    root: &mut Root,
    index: u64,
    updates: Vec<AllocUpdate>,
    new_evals: Vec<Evaluation>,
) -> Outcome {
    let mut jobs: BTreeSet<JobKey> = BTreeSet::new();
    for update in updates {
        // Forgotten meanwhile: the node will be told to forget it as well.
        let Some(alloc) = root.allocs.get(&update.id) else { continue };
        let mut alloc = Allocation::clone(alloc);
        alloc.client = update.client;
        alloc.client_description = update.client_description;
        alloc.tasks = Arc::new(update.tasks);
        alloc.services = Arc::new(update.services);
        alloc.modify_time = update.time;
        let before = alloc.health.map(|health| health.healthy);
        let mut counted = None;
        if let Some(mut health) = update.health
            && update.deployment == alloc.deployment
            && before != Some(health.healthy)
        {
            health.modify_index = index;
            alloc.health = Some(health);
            counted = alloc.deployment.map(|id| (id, alloc.group.clone(), health.healthy));
        }
        jobs.insert(alloc.job.clone());
        root.put_alloc(index, alloc);
        if let Some((id, group, healthy)) = counted {
            deployments::count_health(root, index, id, &group, before, healthy, update.time);
        }
    }
    evals::upsert_all(root, index, new_evals);
    for job in &jobs {
        root.refresh_job_status(index, job);
    }
    Outcome::Done
}
