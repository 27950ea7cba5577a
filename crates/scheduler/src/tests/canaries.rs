use model::{
    AllocId, ClientStatus, DeploymentStatus, Drain, DrainDeadline, Job, JobType, NodeStatus, UpdateStrategy,
    deployment::description,
};
use state::{Command, Outcome, Refusal, Steering};

use crate::testing::{World, job, key, sizes};

fn with_canaries(count: u32, canary: u32, version: &str) -> Job {
    let mut job = job("web", JobType::Service, count);
    job.groups[0].update = Some(UpdateStrategy { max_parallel: 1, canary, ..UpdateStrategy::default() });
    job.groups[0].tasks[0].env.insert("VERSION".into(), version.into());
    job
}

/// Version 0 runs and is stable, version 1 was submitted and looked at once.
fn proving(count: u32, canary: u32, change: impl Fn(&mut Job)) -> World {
    let mut world = World::new(3);
    let mut first = with_canaries(count, canary, "0");
    change(&mut first);
    world.submit(&first);
    world.run("web");
    world.report("web", ClientStatus::Running, Some(true));
    finish(&mut world, DeploymentStatus::Successful);
    let mut second = with_canaries(count, canary, "1");
    change(&mut second);
    world.submit(&second);
    world.run("web");
    world
}

fn deployment(world: &World) -> model::Deployment {
    model::Deployment::clone(world.root.latest_deployment(&key("web")).unwrap())
}

fn finish(world: &mut World, status: DeploymentStatus) {
    let description =
        if status == DeploymentStatus::Failed { description::UNHEALTHY } else { description::SUCCESSFUL };
    world.apply(Command::UpdateDeployment {
        deployment: deployment(world).id,
        status,
        description: description.into(),
        stable: status == DeploymentStatus::Successful,
        evals: vec![],
        now: world.now,
    });
}

fn steer(world: &mut World, steering: Steering) -> Outcome {
    let (deployment, now) = (deployment(world).id, world.now);
    world.apply(Command::SteerDeployment { deployment, steering, evals: vec![], now })
}

fn canaries(world: &World) -> Vec<AllocId> {
    let key = key("web");
    let all = world.root.allocs_of_job(&key);
    all.filter(|alloc| alloc.canary && !alloc.is_terminal()).map(|alloc| alloc.id).collect()
}

#[test]
fn canaries_run_beside_the_old_ones_until_they_are_promoted() {
    let mut world = proving(3, 1, |_| ());
    assert_eq!(world.versions("web"), [0, 1, 0, 0]);
    assert_eq!(deployment(&world).status_description, description::NEEDS_PROMOTION);
    assert!(world.run("web").plan.is_noop(), "one canary was asked for");

    let group = Some(vec!["group".to_owned()]);
    let early = steer(&mut world, Steering::Promote { groups: group.clone() });
    let not_yet = Refusal::CanariesNotHealthy { group: "group".into(), healthy: 0, desired: 1 };
    assert_eq!(early, Outcome::Refused(not_yet));
    let canary = canaries(&world)[0];
    world.report_one(canary, ClientStatus::Running, Some(true));
    assert!(world.run("web").plan.is_noop(), "a healthy canary is not yet promoted");

    assert_eq!(steer(&mut world, Steering::Promote { groups: group }), Outcome::Done);
    assert_eq!(deployment(&world).status_description, description::RUNNING);
    assert_eq!(steer(&mut world, Steering::Promote { groups: None }), Outcome::Refused(Refusal::NoCanaries));
    // The old one of its name goes, and the next one is replaced.
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (1, 2, 0));
    assert_eq!(world.versions("web"), [1, 1, 0]);
    world.report("web", ClientStatus::Running, Some(true));
    world.run("web");
    world.report("web", ClientStatus::Running, Some(true));
    assert_eq!(world.versions("web"), [1, 1, 1]);
    let group = &deployment(&world).groups["group"];
    assert_eq!((group.desired_total, group.healthy, group.promoted), (3, 3, true));
    assert_eq!(group.placed_canaries.iter().copied().collect::<Vec<_>>(), [canary]);
}

#[test]
fn as_many_canaries_as_there_are_allocations_take_over_at_once() {
    let mut world = proving(2, 2, |_| ());
    assert_eq!(world.versions("web"), [0, 1, 0, 1]);
    world.report("web", ClientStatus::Running, Some(true));
    steer(&mut world, Steering::Promote { groups: None });
    assert_eq!(sizes(&world.run("web").plan), (0, 2, 0));
    assert_eq!(world.versions("web"), [1, 1]);
    // More than that are too many once they are promoted.
    let mut world = proving(1, 3, |_| ());
    world.report("web", ClientStatus::Running, Some(true));
    steer(&mut world, Steering::Promote { groups: None });
    world.run("web");
    assert_eq!((world.versions("web"), world.indexes("web")), (vec![1], vec![0]));
}

#[test]
fn canaries_go_when_the_roll_out_fails_or_a_newer_version_comes() {
    let mut world = proving(3, 2, |_| ());
    finish(&mut world, DeploymentStatus::Failed);
    assert_eq!(deployment(&world).status_description, description::UNHEALTHY);
    assert_eq!(sizes(&world.run("web").plan), (0, 2, 0));
    assert_eq!(world.versions("web"), [0, 0, 0]);
    assert!(world.run("web").plan.is_noop());

    let mut world = proving(3, 1, |_| ());
    let old = canaries(&world);
    world.submit(&with_canaries(3, 1, "2"));
    world.run("web");
    assert_eq!(world.versions("web"), [0, 2, 0, 0]);
    assert!(canaries(&world) != old && canaries(&world).len() == 1);
}

#[test]
fn a_canary_that_failed_is_not_tried_again() {
    let mut world = proving(3, 1, |_| ());
    let canary = canaries(&world)[0];
    world.report_one(canary, ClientStatus::Failed, Some(false));
    assert!(world.run("web").plan.placements.is_empty(), "its roll-out fails");
    // Where people judge it is they who say so.
    let by_people = |job: &mut Job| {
        job.groups[0].update.as_mut().unwrap().health_check = model::HealthCheck::Manual;
    };
    let mut world = proving(3, 1, by_people);
    let canary = canaries(&world)[0];
    world.report_one(canary, ClientStatus::Failed, None);
    assert!(world.run("web").plan.placements[0].canary);
}

#[test]
fn what_is_lost_meanwhile_comes_back_as_it_was() {
    let mut world = proving(3, 1, |_| ());
    let is_old = |alloc: &&std::sync::Arc<model::Allocation>| !alloc.canary;
    let victim = world.root.allocs_of_job(&key("web")).find(is_old).unwrap().node;
    world.set_node(victim.0, NodeStatus::Down);
    world.run("web");
    let mut versions = world.versions("web");
    versions.sort_unstable();
    assert_eq!(versions, [0, 0, 0, 1], "the working version stays complete, and its canary too");
    // Also when the new version has failed.
    world.set_node(victim.0, NodeStatus::Ready);
    finish(&mut world, DeploymentStatus::Failed);
    world.run("web");
    let victim = world.root.allocs[&world.live("web")[0].2].node;
    world.set_node(victim.0, NodeStatus::Down);
    world.run("web");
    assert_eq!(world.versions("web"), [0, 0, 0]);
}

#[test]
fn a_drained_old_one_moves_as_it_is() {
    let mut world = proving(2, 1, |_| ());
    let moving = world.live("web")[0].2;
    world.apply(Command::MarkMigrate { allocs: vec![moving], evals: vec![], now: world.now });
    let decision = world.run("web");
    assert_eq!(decision.plan.placements[0].job_index, Some(world.root.allocs[&moving].job_index));
    assert_eq!(decision.plan.stops.len(), 1);
}

#[test]
fn a_canary_that_comes_back_gives_way_to_the_one_that_replaced_it() {
    let mut world = proving(2, 1, |_| ());
    let first = canaries(&world)[0];
    world.report_one(first, ClientStatus::Running, None);
    let node = world.root.allocs[&first].node;
    world.set_node(node.0, NodeStatus::Down);
    world.run("web");
    let second = canaries(&world);
    assert!(second.len() == 1 && second[0] != first, "{second:?}");
    world.comes_back(node.0, &[first]);
    assert_eq!(canaries(&world).len(), 2);
    world.run("web");
    assert_eq!(canaries(&world), second);
    steer(&mut world, Steering::Promote { groups: None });
    world.report_one(second[0], ClientStatus::Running, Some(true));
    assert_eq!(
        world.indexes("web").iter().filter(|index| **index == 0).count(),
        2,
        "the old one of its name"
    );
    // Nobody has replaced it: it goes on.
    let mut world = proving(2, 1, |_| ());
    let first = canaries(&world)[0];
    world.report_one(first, ClientStatus::Running, None);
    let node = world.root.allocs[&first].node;
    world.set_node(node.0, NodeStatus::Down);
    let lost = world.root.clone();
    world.comes_back(node.0, &[first]);
    world.run("web");
    assert_eq!((canaries(&world), lost.allocs[&first].client), (vec![first], ClientStatus::Running));
}

#[test]
fn what_cannot_move_as_it_is_waits_for_the_promotion() {
    let mut world = World::new(2);
    let everywhere = Job { kind: JobType::System, ..with_canaries(1, 0, "0") };
    world.submit(&everywhere);
    world.run("web");
    world.report("web", ClientStatus::Running, Some(true));
    world.submit(&with_canaries(1, 1, "1"));
    world.run("web");
    let canary = canaries(&world)[0];
    let old = world.live("web").iter().map(|one| one.2).find(|id| *id != canary).unwrap();
    let (node, now) = (world.root.allocs[&old].node, world.now);
    let drain = Some(Drain { deadline: DrainDeadline::Force, ..Drain::default() });
    world.apply(Command::SetNodeDrain { node, drain, mark_eligible: false, evals: vec![], now });
    world.apply(Command::MarkMigrate { allocs: vec![old], evals: vec![], now });
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (0, 1, 0), "it had to leave, and nothing has its name but the canary");
    world.report_one(canary, ClientStatus::Running, Some(true));
    steer(&mut world, Steering::Promote { groups: None });
    world.run("web");
    assert_eq!(world.versions("web"), [1]);
}

#[test]
fn a_failed_roll_out_brings_the_stable_version_back_if_it_says_so() {
    let revert = |job: &mut Job| job.groups[0].update.as_mut().unwrap().auto_revert = true;
    let mut world = proving(2, 0, revert);
    let unhealthy = world.root.allocs_of_job(&key("web")).find(|alloc| alloc.job_version == 1).unwrap().id;
    world.report_one(unhealthy, ClientStatus::Running, Some(false));
    finish(&mut world, DeploymentStatus::Failed);
    let words = format!("{} - rolling back to job version 0", description::UNHEALTHY);
    assert_eq!(deployment(&world).status_description, words);
    let job = &world.root.jobs[&key("web")];
    assert_eq!((job.version, &*job.groups[0].tasks[0].env["VERSION"], job.stable), (2, "0", false));
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (1, 1, 1), "what ran goes on, the bad one is replaced");
    assert_eq!(world.versions("web"), [2, 2]);
    // If that fails too there is nothing better.
    let bad = world.live("web")[0].2;
    world.report_one(bad, ClientStatus::Running, Some(false));
    finish(&mut world, DeploymentStatus::Failed);
    let why = "not rolling back to stable job version 0 as current job has same specification";
    assert_eq!(deployment(&world).status_description, format!("{} - {why}", description::UNHEALTHY));
    assert_eq!(world.root.jobs[&key("web")].version, 2);
}

#[test]
fn by_hand_a_roll_out_is_failed_with_the_version_that_is_back() {
    let revert = |job: &mut Job| job.groups[0].update.as_mut().unwrap().auto_revert = true;
    let mut world = proving(2, 1, revert);
    assert_eq!(steer(&mut world, Steering::Fail), Outcome::DeploymentFailed { reverted: Some(0) });
    let words = format!("{} - rolling back to job version 0", description::FAILED_BY_HAND);
    assert_eq!(deployment(&world).status_description, words);
    world.run("web");
    assert_eq!(world.versions("web"), [2, 2]);

    let mut world = World::new(1);
    let mut first = with_canaries(1, 0, "0");
    revert(&mut first);
    world.submit(&first);
    world.run("web");
    assert_eq!(steer(&mut world, Steering::Fail), Outcome::DeploymentFailed { reverted: None });
    let why = "no stable job version to auto revert to";
    assert_eq!(deployment(&world).status_description, format!("{} - {why}", description::FAILED_BY_HAND));
}

#[test]
fn on_every_node_canaries_are_a_part_of_the_nodes() {
    let system = |version: &str| {
        let mut job = job("web", JobType::System, 1);
        job.groups[0].update =
            Some(UpdateStrategy { max_parallel: 1, canary: 40, ..UpdateStrategy::default() });
        job.groups[0].tasks[0].env.insert("VERSION".into(), version.into());
        job
    };
    let mut world = World::new(4);
    world.submit(&system("0"));
    world.run("web");
    world.report("web", ClientStatus::Running, Some(true));
    finish(&mut world, DeploymentStatus::Successful);
    world.submit(&system("1"));
    world.run("web");
    assert_eq!(world.versions("web"), [0, 0, 1, 1], "40 % of four nodes, rounded up");
    assert_eq!(deployment(&world).groups["group"].desired_canaries, 2);
    world.report("web", ClientStatus::Running, Some(true));
    assert!(world.run("web").plan.is_noop());
    assert_eq!(steer(&mut world, Steering::Promote { groups: None }), Outcome::Done);
    for _ in 0..2 {
        world.run("web");
        world.report("web", ClientStatus::Running, Some(true));
    }
    assert_eq!(world.versions("web"), [1, 1, 1, 1]);
}
