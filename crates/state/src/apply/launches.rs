//! Jobs that are launched by other jobs.

use std::{collections::BTreeMap, sync::Arc};

use model::{Evaluation, Job, JobKey, JobStatus, Launched, Timestamp};

use super::jobs;
use crate::{
    command::{Launch, Outcome, Refusal},
    root::Root,
};

pub(super) fn launch(
    root: &mut Root,
    index: u64,
    parent: &JobKey,
    child: &str,
    launch: Launch,
    eval: Evaluation,
    now: Timestamp,
) -> Outcome {
    let prepared = match prepare(root, parent, child, launch, now) {
        Ok(prepared) => prepared,
        Err(Stopped::Refused(refusal)) => return Outcome::Refused(refusal),
        Err(Stopped::Known(child, until)) => {
            note_slot(root, parent, until);
            let job_modify_index = root.jobs.get(&child).map_or(index, |job| job.job_modify_index);
            return Outcome::JobLaunched { child: child.id.to_string(), job_modify_index, existed: true };
        }
    };
    note_slot(root, parent, prepared.launched_until);
    // One that goes by the calendar itself has nothing to run yet.
    let eval = (!prepared.job.only_launches()).then_some(eval);
    match jobs::register(root, index, prepared.job, None, eval, now) {
        Outcome::JobRegistered { job_modify_index, .. } => {
            Outcome::JobLaunched { child: child.to_owned(), job_modify_index, existed: false }
        }
        other => other,
    }
}

fn note_slot(root: &mut Root, parent: &JobKey, until: Option<Timestamp>) {
    if let Some(until) = until
        && let Some(counters) = root.counters.get_mut(parent)
    {
        let counters = Arc::make_mut(counters);
        counters.launched_until = counters.launched_until.max(until);
    }
}

struct Prepared {
    job: Job,
    launched_until: Option<Timestamp>,
}

enum Stopped {
    Refused(Refusal),
    /// The same was asked for before, or what the slot is for is there already.
    Known(JobKey, Option<Timestamp>),
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn prepare(
    root: &Root,
    parent: &JobKey,
    child: &str,
    launch: Launch,
    now: Timestamp,
) -> Result<Prepared, Stopped> {
    let job = root.jobs.get(parent).ok_or_else(|| Refusal::UnknownJob(parent.id.to_string()))?;
    let key = JobKey::new(parent.namespace.clone(), child);
    if job.stop {
        return Err(Refusal::Stopped(parent.id.to_string()).into());
    }
    let mut launched_until = None;
    let mut launched = Launched { parent: parent.id.to_string(), ..Launched::default() };
    let mut extra_meta = BTreeMap::new();
    let mut priority = job.priority;
    match launch {
        Launch::Slot(slot) => {
            if !job.is_periodic() {
                return Err(Refusal::NotPeriodic(parent.id.to_string()).into());
            }
            let until = root.counters.get(parent).map_or(Timestamp::ZERO, |counters| counters.launched_until);
            let is_busy = root.family(parent).is_some_and(|family| family.pending + family.running > 0);
            let waits = job.periodic.as_ref().is_some_and(|periodic| periodic.prohibit_overlap);
            if slot <= until || waits && is_busy {
                return Err(Refusal::SlotTaken(child.to_owned()).into());
            }
            // Several slots that passed while nobody led are made up for by one launch.
            launched_until = Some(slot.max(now));
        }
        Launch::ByHand => {
            if !job.is_periodic() {
                return Err(Refusal::NotPeriodic(parent.id.to_string()).into());
            }
        }
        Launch::Dispatch { payload, meta, idempotency_token, priority: wanted } => {
            let Some(rule) = job.parameterized.as_ref().filter(|_| job.is_parameterized()) else {
                return Err(Refusal::NotParameterized(parent.id.to_string()).into());
            };
            if let Some(known) = with_token(root, parent, &idempotency_token) {
                return Err(Stopped::Known(known, None));
            }
            rule.accept(&payload, &meta).map_err(Refusal::Dispatch)?;
            launched = Launched { dispatched: true, payload, idempotency_token, ..launched };
            // Keys that may be given and were not are there, and empty.
            let absent = rule.meta_optional.iter().filter(|key| !job.meta.contains_key(*key));
            extra_meta = absent.map(|key| (key.clone(), String::new())).collect();
            extra_meta.extend(meta);
            priority = wanted.unwrap_or(priority);
        }
    }
    if root.jobs.contains_key(&key) {
        if launched_until.is_some() {
            return Err(Stopped::Known(key, launched_until));
        }
        return Err(Refusal::SlotTaken(child.to_owned()).into());
    }
    let mut copy = Job {
        id: child.to_owned(),
        name: child.to_owned(),
        priority,
        launched: Some(launched),
        status: JobStatus::Pending,
        ..Job::clone(job)
    };
    copy.meta.extend(extra_meta);
    if copy.is_periodic() && job.is_periodic() {
        copy.periodic = None;
    }
    Ok(Prepared { job: copy, launched_until })
}

/// What an earlier dispatch with the same token has launched.
fn with_token(root: &Root, parent: &JobKey, token: &str) -> Option<JobKey> {
    let members = root.family(parent).into_iter().flat_map(|family| &family.members);
    let keys = members.map(|id| JobKey::new(parent.namespace.clone(), id.clone()));
    keys.filter(|_| !token.is_empty()).find(|key| {
        let launched = root.jobs.get(key).and_then(|job| job.launched.as_ref());
        launched.is_some_and(|launched| launched.idempotency_token == token)
    })
}
