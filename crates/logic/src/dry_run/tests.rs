use model::{Preemption, SchedulerSettings, Value};
use proptest::prelude::*;

use super::*;
use crate::what_if::tests::{NOW, after, cluster, job, register};

fn run(root: &Root, job: &Job) -> DryRun {
    let mut next = u128::from(root.index) << 32;
    let mut ids = || {
        next += 1;
        next
    };
    dry_run(root, job, NOW, &mut ids).unwrap()
}

#[test]
fn a_job_that_is_there_already_is_left_alone() {
    let web = job("web", 3, 200);
    let root = after(&cluster(2), &[register(&web)]).root;
    let dry = run(&root, &web);
    assert_eq!((dry.annotations["g"].ignore, dry.annotations["g"].place), (3, 0));
    assert_eq!(dry.before.unwrap().job_modify_index, dry.after.job_modify_index);
}

#[test]
fn a_stopped_job_would_run_again() {
    let web = job("web", 2, 200);
    let mut root = after(&cluster(1), &[register(&web)]).root;
    let stop = Command::DeregisterJob { job: web.key(), purge: false, eval: None, now: NOW };
    root.apply(root.index + 1, stop);
    let dry = run(&root, &web);
    assert!(dry.before.unwrap().stop && !dry.after.stop);
    assert_ne!(dry.annotations["g"].in_place, 0);
}

#[test]
fn who_would_give_way_is_named() {
    let mut root = after(&cluster(1), &[register(&job("small", 2, 400))]).root;
    let settings = SchedulerSettings {
        preemption: Preemption { service: true, ..Preemption::default() },
        ..SchedulerSettings::default()
    };
    root.apply(root.index + 1, Command::SetScheduler { settings, enforce_index: None });
    let important = Job { priority: 90, ..job("important", 1, 400) };
    let dry = run(&root, &important);
    assert_eq!((dry.evicted.len(), dry.annotations["g"].preemptions), (1, 1));
    assert!(dry.failed.is_empty());
}

#[test]
fn what_finds_no_room_says_why_and_would_wait() {
    let dry = run(&cluster(1), &job("web", 4, 400));
    assert_eq!(dry.failed["g"].coalesced_failures, 1);
    assert_eq!(dry.failed["g"].dimension_exhausted["memory"], 1);
    assert_eq!(dry.evals.len(), 1);
    assert_eq!(dry.before, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Each wanted allocation is in one bucket, and what the leader then does is what was said.
    #[test]
    fn what_is_said_comes_true(
        nodes in 1_u128..4,
        (count, mb) in (0_u32..7, 100_u32..600),
        (next_count, next_mb) in (0_u32..7, 100_u32..600),
        (same_size, other_config, other_priority) in any::<(bool, bool, bool)>(),
    ) {
        let old = job("web", count, mb);
        let root = after(&cluster(nodes), &[register(&old)]).root;
        let running = root.allocs.values().filter(|alloc| !alloc.is_terminal()).count() as u32;
        let mut new = job("web", next_count, if same_size { mb } else { next_mb });
        if other_config {
            new.groups[0].tasks[0].config.insert("run_for".into(), Value::Text("1h".into()));
        }
        if other_priority {
            new.priority = 51;
        }
        let dry = run(&root, &new);
        let said = dry.annotations.get("g").cloned().unwrap_or_default();
        prop_assert_eq!(said.ignore + said.place + said.in_place + said.destructive, next_count);
        prop_assert_eq!(said.stop, running.saturating_sub(next_count));

        let prediction = after(&root, &[register(&new)]);
        let jobs = &prediction.report.jobs;
        let found = jobs.iter().find_map(|job| job.groups.get("g")).cloned().unwrap_or_default();
        prop_assert_eq!(found.in_place, said.in_place);
        let missing = dry.failed.get("g").map_or(0, |metric| metric.coalesced_failures + 1);
        prop_assert_eq!(missing, found.blocked.map_or(0, |blocked| blocked.missing));
    }
}
