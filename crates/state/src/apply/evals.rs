//! Evaluations: adding and replacing.

use std::sync::Arc;

use model::Evaluation;

use crate::root::{JobCounters, Root};

/// Adds or replaces evaluations and keeps the counters of their jobs.
pub(super) fn upsert_all(root: &mut Root, index: u64, evals: Vec<Evaluation>) {
    let mut jobs = Vec::new();
    for mut eval in evals {
        let before = root.evals.get(&eval.id).cloned();
        eval.modify_index = index;
        eval.create_index = before.as_deref().map_or(index, |before| before.create_index);
        let was_open = before.as_deref().is_some_and(|before| !before.status.is_terminal());
        let is_open = !eval.status.is_terminal();
        // Settled is settled: this is the word of a worker that had lost its lease.
        if before.is_some() && !was_open && is_open {
            continue;
        }
        if let Some(before) = &before {
            root.open_evals.remove(&(before.modify_index, eval.id));
        }
        if is_open {
            root.open_evals.insert((index, eval.id));
        }
        let counters = Arc::make_mut(
            root.counters
                .entry(eval.job.clone())
                .or_insert_with(|| Arc::new(JobCounters { create_index: index, ..JobCounters::default() })),
        );
        counters.evaluated = true;
        counters.looked_index = counters.looked_index.max(eval.snapshot_index);
        match (was_open, is_open) {
            (false, true) => counters.open_evals += 1,
            (true, false) => counters.open_evals = counters.open_evals.saturating_sub(1),
            _ => {}
        }
        for (group, &queued) in &eval.queued {
            let counts = counters.groups.entry(group.clone()).or_default();
            if counts.queued != queued {
                counts.queued = queued;
                counters.modify_index = index;
            }
        }
        root.evals_by_job.entry(eval.job.clone()).or_default().insert(eval.id);
        if !jobs.contains(&eval.job) {
            jobs.push(eval.job.clone());
        }
        root.evals.insert(eval.id, Arc::new(eval));
        root.indexes.evals = index;
    }
    for job in jobs {
        root.refresh_job_status(index, &job);
    }
}
