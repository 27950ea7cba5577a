//! A cluster in one thread: one event queue, virtual time, a seed.
//!
//! The brains are the real ones (broker, blocked evaluations, plan applier, deployment watcher, node gateway,
//! scheduler) and so is the state; what stands in are the actors' shells, the log (a proposal becomes true after a
//! random delay) and the nodes. Users, failures, slow workers and stale snapshots come from the seed. All invariants
//! are checked after each command; once everything is quiet, so is that nothing is left to do.
//!
//! A failure prints the line that repeats it; with `TROUPE_SIM_TRACE` set, also every command that became true.

mod faults; // nodes that are gone, drains, leaders that change
mod nodes; // machines and their tasks
mod settled; // what must be true when nothing moves any more
mod trace; // commands in one line each
mod users; // what people and faults do
mod watchers; // roll-outs, and what was lost
mod what_if; // what is predicted is what happens
mod world; // the event queue, the log, and the leader

use std::panic::{AssertUnwindSafe, catch_unwind};

use logic::plan_applier::{Batch, Submission, Verdict, batch};
use model::Evaluation;
use state::{Command, Root};
use world::{Bug, World};

/// Runs one test per seed; `TROUPE_SIM_SEED` picks a single one.
fn for_seeds(test: &str, seeds: std::ops::Range<u64>, run: impl Fn(u64)) {
    let only = std::env::var("TROUPE_SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(seeds, |seed: u64| seed..seed + 1);
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            let line = format!("TROUPE_SIM_SEED={seed} cargo test --test sim -- --nocapture {test}");
            let words = panic.downcast_ref::<String>().map_or("it panicked", String::as_str);
            panic!("{words}\nto repeat: {line}");
        }
    }
}

/// `rounds` times: `steps` of what users and faults do, then quiet.
fn live(seed: u64, bug: Option<Bug>, rounds: usize, steps: usize) -> Result<World, String> {
    let mut world = World::new(seed, bug);
    for _ in 0..rounds {
        if let Err(broken) = world.disturb(steps).and_then(|()| world.settle()) {
            let trace =
                std::env::var_os("TROUPE_SIM_TRACE").map(|_| world.trace.join("\n")).unwrap_or_default();
            return Err(format!("{broken}\n{trace}"));
        }
    }
    Ok(world)
}

fn must(seed: u64, rounds: usize, steps: usize) {
    if let Err(broken) = live(seed, None, rounds, steps) {
        panic!("seed {seed}: {broken}");
    }
}

#[test]
fn short_lives() {
    for_seeds("short_lives", 0..120, |seed| must(seed, 2, 12));
}

#[test]
fn long_lives() {
    for_seeds("long_lives", 1000..1012, |seed| must(seed, 6, 80));
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let index = |seed| live(seed, None, 2, 40).map(|world| (world.root.index, world.steps)).unwrap();
    assert_eq!(index(7), index(7));
}

/// What these lives are worth for evictions: there are some in many of them.
#[test]
fn some_are_evicted() {
    let evicts = |world: &World| world.root.allocs.values().any(|alloc| alloc.preempted_by.is_some());
    let lives = (0..60).filter(|&seed| evicts(&live(seed, None, 2, 40).unwrap())).count();
    assert!(lives >= 10, "in {lives} of 60 lives");
}

/// The applier with a hole: whatever a worker planned becomes true.
fn unverified(root: &Root, submissions: Vec<Submission>) -> Batch {
    let mut commands = Vec::new();
    let mut verdicts = Vec::new();
    for Submission { plan, settles } in submissions {
        commands.push(Command::ApplyPlan { plan: Box::new(plan), evals: settles });
        verdicts.push(Verdict { complete: true, progress: true });
    }
    Batch { commands, verdicts, optimistic: root.clone() }
}

/// The applier with a small hole: ports are not looked at.
fn without_ports(root: &Root, submissions: Vec<Submission>) -> Batch {
    let hidden: Vec<(Submission, Vec<Vec<model::AssignedPort>>)> = submissions
        .into_iter()
        .map(|mut submission| {
            let ports =
                submission.plan.placements.iter_mut().map(|one| std::mem::take(&mut one.ports)).collect();
            (submission, ports)
        })
        .collect();
    let mut all = std::collections::BTreeMap::new();
    for (submission, ports) in &hidden {
        all.extend(submission.plan.placements.iter().map(|one| one.id).zip(ports.clone()));
    }
    let mut batch = batch(root, hidden.into_iter().map(|(submission, _)| submission).collect());
    for command in &mut batch.commands {
        if let Command::ApplyPlan { plan, .. } = command {
            for placement in &mut plan.placements {
                placement.ports = all.remove(&placement.id).unwrap_or_default();
            }
        }
    }
    batch
}

/// The applier with another small hole: cores and devices are not looked at.
fn without_claims(root: &Root, mut submissions: Vec<Submission>) -> Batch {
    let mut all = std::collections::BTreeMap::new();
    for placement in submissions.iter_mut().flat_map(|submission| &mut submission.plan.placements) {
        all.insert(placement.id, placement.claims.take());
    }
    let mut batch = batch(root, submissions);
    for command in &mut batch.commands {
        if let Command::ApplyPlan { plan, .. } = command {
            for placement in &mut plan.placements {
                placement.claims = all.remove(&placement.id).flatten();
            }
        }
    }
    batch
}

/// An evaluation that is settled although its plan was not committed as a whole.
fn forgetful(root: &Root, submissions: Vec<Submission>) -> Batch {
    let settles: Vec<Vec<Evaluation>> = submissions.iter().map(|one| one.settles.clone()).collect();
    let mut batch = batch(root, submissions);
    for (verdict, evals) in batch.verdicts.iter_mut().zip(settles) {
        if !verdict.complete {
            verdict.complete = true;
            batch.commands.push(Command::UpdateEvals { evals });
        }
    }
    batch
}

/// What the simulation is worth: each injected bug is found, and by the right check.
#[test]
fn injected_bugs_are_found() {
    let check = |what: &str, bug: Bug, words: &[&str]| {
        let found: Vec<String> =
            (0..200u64).filter_map(|seed| live(seed, Some(bug), 2, 30).err()).take(3).collect();
        assert!(!found.is_empty(), "{what}: nobody noticed");
        for broken in &found {
            assert!(words.iter().any(|words| broken.contains(words)), "{what}: {broken}");
        }
    };
    check(
        "no verification",
        unverified,
        &[
            "port ",
            "core ",
            "device ",
            "is over its",
            "live allocations",
            "is named",
            "are named",
            "not told",
        ],
    );
    check("ports are not verified", without_ports, &["port "]);
    check("claims are not verified", without_claims, &["core ", "device ", "is over its cpu"]);
    check("settled too early", forgetful, &["left to do", "lost node", "live allocations", "has none of"]);
}

/// As many lives as `TROUPE_SIM_SEEDS` says, for a long look.
#[test]
fn many_lives() {
    let seeds = std::env::var("TROUPE_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20);
    for_seeds("many_lives", 100_000..100_000 + seeds, |seed| must(seed, 3, 40));
}
