//! Launches periodic jobs when their slots come.
//!
//! The state knows up to which slot each job was launched, and refuses a slot a second time. So a new leader goes on where
//! the last one was, and two that both believe to lead launch nothing twice. Slots that passed while nobody led are made
//! up for by one launch.

use std::collections::BTreeMap;

use model::{EvalId, Evaluation, Job, JobKey, Timestamp, Trigger};
use state::{Command, Launch, Root};

/// When each periodic job is due. Remembered, for finding the next slot of a calendar costs more than looking it up.
#[derive(Debug, Default)]
pub struct Launcher {
    known: BTreeMap<JobKey, Known>,
    /// Slots that came while an earlier launch still ran, of jobs that prohibit overlap.
    passed_over: BTreeMap<JobKey, Timestamp>,
}

#[derive(Debug, PartialEq)]
struct Known {
    version: u64,
    after: Timestamp,
    next: Option<Timestamp>,
}

/// What to do now, and when to look again if nothing changes before.
#[derive(Debug, Default, PartialEq)]
pub struct Look {
    pub commands: Vec<Command>,
    pub look_again: Option<Timestamp>,
}

impl Launcher {
    /// Looks at all periodic jobs. May be asked at any time; the same slot is proposed again until it is in the state.
    pub fn look(&mut self, root: &Root, now: Timestamp, ids: &mut dyn FnMut() -> u128) -> Look {
        let mut look = Look::default();
        let mut known = BTreeMap::new();
        for job in root.periodic_jobs() {
            let key = job.key();
            let before = self.known.remove(&key);
            let mut entry = self.entry(root, job, &key, before);
            if let Some(slot) = entry.next.filter(|&slot| slot <= now) {
                let waits = job.periodic.as_ref().is_some_and(|periodic| periodic.prohibit_overlap);
                if waits && is_busy(root, &key) {
                    self.passed_over.insert(key.clone(), now);
                    entry = self.entry(root, job, &key, None);
                } else {
                    look.commands.push(launch(job, &key, slot, now, ids));
                }
            }
            let upcoming = entry.next.filter(|&slot| slot > now);
            look.look_again = look.look_again.into_iter().chain(upcoming).min();
            known.insert(key, entry);
        }
        self.passed_over.retain(|key, _| known.contains_key(key));
        self.known = known;
        look
    }

    fn entry(&self, root: &Root, job: &Job, key: &JobKey, before: Option<Known>) -> Known {
        let passed = self.passed_over.get(key).copied().unwrap_or_default();
        let after = slots_begin_after(root, job).max(passed);
        match before {
            Some(before) if before.version == job.job_modify_index && before.after == after => before,
            _ => Known { version: job.job_modify_index, after, next: next(job, after) },
        }
    }
}

/// Slots up to here are not launched any more: they were, or the job was not there yet.
fn slots_begin_after(root: &Root, job: &Job) -> Timestamp {
    let launched = root.counters.get(&job.key()).map_or(Timestamp::ZERO, |counters| counters.launched_until);
    launched.max(job.submit_time)
}

fn next(job: &Job, after: Timestamp) -> Option<Timestamp> {
    job.periodic.as_ref().and_then(|periodic| periodic.next(after))
}

/// When a periodic job is launched next, if it is enabled.
pub fn next_launch(root: &Root, job: &Job, now: Timestamp) -> Option<Timestamp> {
    let is_enabled = job.is_periodic() && !job.stop && job.periodic.as_ref().is_some_and(|it| it.enabled);
    is_enabled.then(|| next(job, slots_begin_after(root, job).max(now)))?
}

fn is_busy(root: &Root, parent: &JobKey) -> bool {
    root.family(parent).is_some_and(|family| family.pending + family.running > 0)
}

/// The id of what a periodic job launches at a time.
pub fn child_id(parent: &str, at: Timestamp) -> String {
    format!("{parent}/periodic-{}", at.as_nanos().div_euclid(1_000_000_000))
}

/// The evaluation of a job that is about to be launched.
pub fn eval_of_child(
    parent: &Job,
    child: &str,
    priority: u16,
    now: Timestamp,
    trigger: Trigger,
    id: u128,
) -> Evaluation {
    let key = JobKey::new(parent.namespace.as_str(), child);
    Evaluation::new(EvalId(id), key, parent.kind, priority, trigger, now)
}

fn launch(
    job: &Job,
    key: &JobKey,
    slot: Timestamp,
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Command {
    let child = child_id(&job.id, slot);
    let eval = eval_of_child(job, &child, job.priority, now, Trigger::PeriodicJob, ids());
    Command::LaunchJob { parent: key.clone(), child, launch: Launch::Slot(slot), eval, now }
}

#[cfg(test)]
mod tests;
