//! What is kept beside a job: the texts of its versions, their names, and what became of its counts.

use std::sync::Arc;

use model::{EvalId, JobKey, ScalingEvent, Submission, Timestamp, VersionTag};

use crate::{
    command::{Outcome, Refusal, Tagging},
    root::Root,
};

/// Events that are kept per group, newest first. (Nomad's number.)
const EVENTS_KEPT: usize = 20;

/// Only where this entry has registered the version: a registration that was refused leaves no text behind.
pub(super) fn keep_submission(root: &mut Root, index: u64, key: &JobKey, submission: Submission) -> Outcome {
    let registered = root.jobs.get(key).is_some_and(|job| job.job_modify_index == index);
    if registered && submission.size() <= Submission::MAX_BYTES {
        root.submissions.insert((key.clone(), index), Arc::new(submission));
    }
    Outcome::Done
}

pub(super) fn tag(
    root: &mut Root,
    index: u64,
    key: &JobKey,
    name: String,
    tagging: Option<Tagging>,
    now: Timestamp,
) -> Outcome {
    if !root.jobs.contains_key(key) {
        return Outcome::Refused(Refusal::UnknownJob(key.id.to_string()));
    }
    let holder = root
        .versions_of_job(key)
        .into_iter()
        .find(|job| job.version_tag.as_ref().is_some_and(|tag| tag.name == name))
        .map(|job| (job.version, job.job_modify_index));
    let (job_index, tag) = match (tagging, holder) {
        (None, None) => {
            return Outcome::Refused(Refusal::Tag(format!("tag {name:?} not found on job {:?}", &*key.id)));
        }
        (None, Some((_, job_index))) => (job_index, None),
        (Some(tagging), holder) => {
            if let Some((version, _)) = holder.filter(|(version, _)| *version != tagging.version) {
                return Outcome::Refused(Refusal::Tag(format!(
                    "tag {name:?} already exists on a different version of job {:?}: {version}",
                    &*key.id
                )));
            }
            let Some(job) = root.version_of_job(key, tagging.version) else {
                return Outcome::Refused(Refusal::UnknownVersion {
                    job: key.clone(),
                    version: tagging.version,
                });
            };
            let tag = VersionTag { name, description: tagging.description, tagged_at: now };
            (job.job_modify_index, Some(tag))
        }
    };
    let Some(mut job) = root.job_versions.get(&(key.clone(), job_index)).cloned() else {
        return Outcome::Done;
    };
    Arc::make_mut(&mut job).version_tag = tag;
    root.job_versions.insert((key.clone(), job_index), job.clone());
    // Readers of the versions wait for the newest row.
    if let Some(mut newest) = root.jobs.get(key).cloned() {
        if newest.job_modify_index == job_index {
            newest = job;
        }
        Arc::make_mut(&mut newest).modify_index = index;
        root.put_job_row(index, newest);
    }
    Outcome::Done
}

/// A change of the count is only noted where this entry has made it.
pub(super) fn note_scaling(
    root: &mut Root,
    index: u64,
    key: &JobKey,
    group: String,
    mut event: ScalingEvent,
) -> Outcome {
    let Some(job) = root.jobs.get(key) else {
        return Outcome::Refused(Refusal::UnknownJob(key.id.to_string()));
    };
    if event.count.is_some() && job.job_modify_index != index || job.group(&group).is_none() {
        return Outcome::Done;
    }
    event.create_index = index;
    let events = Arc::make_mut(root.scaling_events.entry(key.clone()).or_default()).entry(group).or_default();
    events.insert(0, event);
    events.truncate(EVENTS_KEPT);
    root.indexes.scaling = index;
    Outcome::Done
}

/// Forgets evaluations, whatever their status. What still runs because of one keeps it.
pub(super) fn delete_evals(root: &mut Root, index: u64, evals: Vec<EvalId>) -> Outcome {
    let mut deleted = 0;
    let mut jobs: Vec<JobKey> = Vec::new();
    for id in evals {
        if root.allocs_of_eval(id).any(|alloc| !alloc.is_terminal()) {
            continue;
        }
        let Some(eval) = root.evals.remove(&id) else { continue };
        deleted += 1;
        root.open_evals.remove(&(eval.modify_index, id));
        if let Some(of_job) = root.evals_by_job.get_mut(&eval.job) {
            of_job.remove(&id);
        }
        if !eval.status.is_terminal()
            && let Some(counters) = root.counters.get_mut(&eval.job)
        {
            let counters = Arc::make_mut(counters);
            counters.open_evals = counters.open_evals.saturating_sub(1);
        }
        if !jobs.contains(&eval.job) {
            jobs.push(eval.job.clone());
        }
        root.indexes.evals = index;
    }
    for job in jobs {
        root.refresh_job_status(index, &job);
    }
    Outcome::Collected { evals: deleted, allocs: 0, jobs: 0 }
}

#[cfg(test)]
mod tests {
    use model::{Evaluation, Job, JobType, TaskGroup, Trigger};

    use super::*;
    use crate::Command;

    fn job(priority: u16) -> Job {
        let group = TaskGroup { name: String::from("a"), count: 1, ..TaskGroup::default() };
        Job { id: String::from("web"), priority, groups: vec![group], ..Job::default() }
    }

    fn register(priority: u16, enforce_index: Option<u64>) -> Command {
        Command::RegisterJob { job: Box::new(job(priority)), enforce_index, eval: None, now: Timestamp(1) }
    }

    fn keep(text: &str) -> Command {
        let submission = Submission { source: text.to_owned(), ..Submission::default() };
        Command::KeepSubmission { job: key(), submission: Box::new(submission) }
    }

    fn key() -> JobKey {
        JobKey::new("default", "web")
    }

    fn restored(root: &Root) -> Root {
        crate::snapshot::restore(root.rows().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_text_of_a_version_is_kept_with_it_and_no_longer() {
        let mut root = Root::default();
        root.apply(1, register(1, None));
        root.apply(1, keep("first"));
        // Refused: the text is not that of the version that is there.
        assert!(matches!(root.apply(2, register(2, Some(9))), Outcome::Refused(_)));
        root.apply(2, keep("refused"));
        root.apply(3, register(3, None));
        root.apply(3, keep("second"));
        let text = |root: &Root, version| root.submission(&key(), version).map(|found| found.source.clone());
        let root_ = restored(&root);
        assert_eq!(text(&root_, 0).as_deref(), Some("first"));
        assert_eq!(text(&root_, 1).as_deref(), Some("second"));
        for index in 4..14 {
            root.apply(index, register(index as u16, None));
        }
        assert_eq!(text(&root, 0), None, "the version is forgotten, and its text");
        assert_eq!(root.submissions.len(), 0);
    }

    #[test]
    fn names_of_versions_are_unique_and_keep_them() {
        let mut root = Root::default();
        let tag = |name: &str, version| Command::TagVersion {
            job: key(),
            name: name.to_owned(),
            tagging: Some(Tagging { version, description: String::new() }),
            now: Timestamp(5),
        };
        root.apply(1, register(1, None));
        root.apply(2, register(2, None));
        assert_eq!(root.apply(3, tag("good", 0)), Outcome::Done);
        assert!(matches!(root.apply(4, tag("good", 1)), Outcome::Refused(Refusal::Tag(_))));
        assert!(matches!(root.apply(4, tag("other", 7)), Outcome::Refused(Refusal::UnknownVersion { .. })));
        for index in 5..20 {
            root.apply(index, register(index as u16, None));
        }
        let kept = restored(&root);
        let names: Vec<_> =
            kept.versions_of_job(&key()).iter().filter_map(|job| job.version_tag.clone()).collect();
        assert_eq!(names.len(), 1);
        assert_eq!((names[0].name.as_str(), names[0].tagged_at), ("good", Timestamp(5)));
        let unset = Command::TagVersion { job: key(), name: "good".into(), tagging: None, now: Timestamp(6) };
        assert_eq!(root.apply(20, unset.clone()), Outcome::Done);
        assert!(matches!(root.apply(21, unset), Outcome::Refused(Refusal::Tag(_))));
    }

    #[test]
    fn events_of_counts_are_bounded_and_newest_first() {
        let mut root = Root::default();
        root.apply(1, register(1, None));
        let note = |text: usize| Command::NoteScaling {
            job: key(),
            group: String::from("a"),
            event: Box::new(ScalingEvent {
                time: Timestamp(1),
                count: None,
                previous: 1,
                message: text.to_string(),
                error: false,
                meta: Default::default(),
                eval: None,
                create_index: 0,
            }),
        };
        for index in 2..50 {
            root.apply(index, note(index as usize));
        }
        let events = &restored(&root).scaling_events[&key()]["a"];
        assert_eq!(events.len(), EVENTS_KEPT);
        assert_eq!((events[0].message.as_str(), events[0].create_index), ("49", 49));
    }

    #[test]
    fn deleted_evaluations_are_not_counted_any_more() {
        let mut root = Root::default();
        let eval =
            Evaluation::new(EvalId(1), key(), JobType::Service, 50, Trigger::JobRegister, Timestamp(1));
        let register = Command::RegisterJob {
            job: Box::new(job(1)),
            enforce_index: None,
            eval: Some(eval),
            now: Timestamp(1),
        };
        root.apply(1, register);
        let deleted = root.apply(2, Command::DeleteEvals { evals: vec![EvalId(1), EvalId(2)] });
        assert_eq!(deleted, Outcome::Collected { evals: 1, allocs: 0, jobs: 0 });
        assert_eq!((root.evals.len(), root.counters[&key()].open_evals), (0, 0));
        crate::invariants::check(&root).unwrap();
    }
}
