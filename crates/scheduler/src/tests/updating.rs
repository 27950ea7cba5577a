use std::time::Duration;

use model::{
    ClientStatus, DeploymentStatus, EvalStatus, Job, JobType, NodeId, NodeStatus, ReschedulePolicy, Trigger,
    UpdateStrategy,
};

use crate::testing::{World, job, key, node, sizes};

fn rolling(count: u32, max_parallel: u32) -> Job {
    let mut job = job("web", JobType::Service, count);
    job.groups[0].update = Some(UpdateStrategy { max_parallel, ..UpdateStrategy::default() });
    job
}

/// Another version that cannot be taken over in place.
fn changed(mut job: Job, env: &str) -> Job {
    job.groups[0].tasks[0].env.insert("VERSION".into(), env.into());
    job
}

fn deployment(world: &World) -> model::Deployment {
    model::Deployment::clone(world.root.latest_deployment(&key("web")).unwrap())
}

#[test]
fn a_paused_roll_out_begins_nothing_and_replaces_what_is_lost() {
    let mut world = World::new(3);
    world.submit(&rolling(3, 1));
    world.run("web");
    world.report("web", ClientStatus::Running, Some(true));
    world.submit(&changed(rolling(4, 1), "2"));
    // Only one fits into the pace: the new one.
    assert_eq!(world.run("web").plan.placements.len(), 1);
    let id = deployment(&world).id;
    let steer = |world: &mut World, steering| {
        let now = world.now;
        let command = state::Command::SteerDeployment { deployment: id, steering, evals: vec![], now };
        world.apply(command);
    };
    steer(&mut world, state::Steering::Pause);
    world.report("web", ClientStatus::Running, Some(true));
    assert!(world.run("web").plan.is_noop(), "a paused roll-out went on");
    let victim = world.root.allocs[&world.live("web")[0].2].node;
    world.set_node(victim.0, NodeStatus::Down);
    let lost = world.run("web").plan;
    assert!(!lost.stops.is_empty() && lost.placements.len() == lost.stops.len(), "{lost:?}");
    steer(&mut world, state::Steering::Resume);
    world.report("web", ClientStatus::Running, Some(true));
    assert_eq!(world.run("web").annotations["group"].destructive, 1);
}

#[test]
fn scaling_stops_the_highest_and_fills_the_lowest() {
    let mut world = World::new(2);
    world.submit(&job("web", JobType::Service, 5));
    world.run("web");
    world.submit(&job("web", JobType::Service, 3));
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (0, 2, 3));
    assert!(decision.plan.stops.iter().all(|stop| stop.description == "alloc not needed due to job update"));
    assert_eq!(world.indexes("web"), [0, 1, 2]);
    assert_eq!(world.versions("web"), [1, 1, 1]);
    world.submit(&job("web", JobType::Service, 4));
    world.run("web");
    assert_eq!(world.indexes("web"), [0, 1, 2, 3]);
}

#[test]
fn a_stopped_job_and_a_removed_group_stop() {
    let mut world = World::new(2);
    let mut two = job("web", JobType::Service, 2);
    two.groups.push(model::TaskGroup { name: "second".into(), ..two.groups[0].clone() });
    world.submit(&two);
    world.run("web");
    assert_eq!(world.live("web").len(), 4);
    world.submit(&job("web", JobType::Service, 2));
    assert_eq!(sizes(&world.run("web").plan), (0, 2, 2));
    world.stop("web");
    assert_eq!(sizes(&world.run("web").plan), (0, 2, 0));
    assert!(world.run("web").plan.is_noop());
}

#[test]
fn what_was_on_a_dead_node_is_lost_and_replaced_at_once() {
    let mut world = World::new(2);
    let mut one = job("web", JobType::Service, 1);
    one.groups[0].reschedule = None;
    world.submit(&one);
    let first = world.run("web").plan.placements[0].clone();
    world.report("web", ClientStatus::Running, None);
    world.set_node(first.node.0, NodeStatus::Down);
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (1, 1, 0));
    assert_eq!(decision.plan.stops[0].client, Some(ClientStatus::Lost));
    assert_eq!(decision.plan.stops[0].description, "alloc is lost since its node is down");
    let placement = &decision.plan.placements[0];
    assert_eq!((placement.index, placement.previous), (0, Some(first.id)));
    assert_ne!(placement.node, first.node);
    assert!(world.run("web").plan.is_noop());
}

#[test]
fn lost_without_room_is_stopped_and_blocked() {
    let mut world = World::new(1);
    world.submit(&job("web", JobType::Service, 1));
    world.run("web");
    world.set_node(1, NodeStatus::Down);
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (0, 1, 0));
    assert_eq!(decision.new_evals.len(), 1);
    world.register(node(2));
    assert_eq!(world.run("web").plan.placements.len(), 1);
}

#[test]
fn a_failed_allocation_waits_for_its_delay_then_moves() {
    let mut world = World::new(2);
    world.submit(&job("web", JobType::Service, 1));
    let first = world.run("web").plan.placements[0].clone();
    world.report("web", ClientStatus::Failed, None);
    let decision = world.run("web");
    let [followup] = &decision.new_evals[..] else { panic!("{:?}", decision.new_evals) };
    assert_eq!(followup.trigger, Trigger::AllocFailure);
    assert_eq!(followup.wait_until, world.now.plus(Duration::from_secs(30)));
    assert_eq!(decision.plan.followups, [(first.id, followup.id)]);
    assert!(decision.plan.placements.is_empty());
    let again = world.run("web");
    assert!(again.plan.is_noop() && again.new_evals.is_empty(), "the follow-up is on its way already");

    world.pass(30);
    let decision = world.run_eval(followup);
    assert_eq!(sizes(&decision.plan), (1, 1, 0));
    let placement = &decision.plan.placements[0];
    assert_ne!(placement.node, first.node, "it failed there");
    assert_eq!(placement.previous, Some(first.id));
    assert_eq!(placement.reschedules.len(), 1);
    assert_eq!(decision.plan.stops[0].description, "alloc was rescheduled because it failed");
    // The second time it waits twice as long.
    world.report("web", ClientStatus::Failed, None);
    let decision = world.run("web");
    assert_eq!(decision.new_evals[0].wait_until, world.now.plus(Duration::from_secs(60)));
}

#[test]
fn attempts_are_counted() {
    let mut world = World::new(2);
    let mut batch = job("web", JobType::Batch, 1);
    batch.groups[0].reschedule = Some(ReschedulePolicy {
        attempts: 1,
        delay: Duration::ZERO,
        ..ReschedulePolicy::for_type(JobType::Batch)
    });
    world.submit(&batch);
    world.run("web");
    world.report("web", ClientStatus::Failed, None);
    assert_eq!(world.run("web").plan.placements.len(), 1);
    world.report("web", ClientStatus::Failed, None);
    assert!(world.run("web").plan.is_noop());
}

#[test]
fn a_failure_that_cannot_move_stays_as_it_is() {
    let mut world = World::new(1);
    let mut one = job("web", JobType::Service, 1);
    one.groups[0].reschedule.as_mut().unwrap().delay = Duration::ZERO;
    world.submit(&one);
    world.run("web");
    world.report("web", ClientStatus::Failed, None);
    world.submit(&job("big", JobType::Service, 10));
    world.run("big");
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (0, 0, 0));
    assert_eq!(decision.eval.queued["group"], 1);
}

#[test]
fn a_batch_success_is_not_repeated_but_a_new_version_runs_again() {
    let mut world = World::new(1);
    world.submit(&job("web", JobType::Batch, 2));
    world.run("web");
    world.report("web", ClientStatus::Complete, None);
    assert!(world.run("web").plan.is_noop());
    world.set_node(1, NodeStatus::Down);
    assert!(world.run("web").plan.is_noop());
    world.set_node(1, NodeStatus::Ready);
    world.submit(&changed(job("web", JobType::Batch, 2), "2"));
    assert_eq!(sizes(&world.run("web").plan), (2, 0, 0));
}

#[test]
fn a_service_that_completed_is_placed_again() {
    let mut world = World::new(1);
    world.submit(&job("web", JobType::Service, 1));
    world.run("web");
    world.report("web", ClientStatus::Complete, None);
    assert_eq!(sizes(&world.run("web").plan), (1, 0, 0));
}

#[test]
fn without_update_strategy_all_are_replaced_at_once() {
    let mut world = World::new(1);
    world.submit(&job("web", JobType::Service, 10));
    world.run("web");
    world.submit(&changed(job("web", JobType::Service, 10), "2"));
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (10, 10, 0));
    assert_eq!(decision.annotations["group"].destructive, 10);
    assert!(decision.plan.deployment.is_none());
    assert!(
        decision.plan.stops.iter().all(|stop| stop.description == "alloc is being updated due to job update")
    );
}

#[test]
fn a_roll_out_goes_by_max_parallel_and_waits_for_health() {
    let mut world = World::new(2);
    world.submit(&rolling(5, 2));
    let decision = world.run("web");
    assert_eq!(decision.plan.placements.len(), 5);
    let first = decision.plan.deployment.unwrap();
    assert_eq!(first.groups["group"].desired_total, 5);
    assert!(decision.plan.placements.iter().all(|one| one.deployment == Some(first.id)));
    world.report("web", ClientStatus::Running, Some(true));
    assert_eq!(deployment(&world).groups["group"].healthy, 5);

    // The first roll-out still counts as running: a newer version cancels it.
    world.submit(&changed(rolling(5, 2), "2"));
    let decision = world.run("web");
    assert_eq!(
        decision.plan.deployment_updates,
        [(first.id, DeploymentStatus::Cancelled, "Cancelled due to newer version of job".into())]
    );
    let second = decision.plan.deployment.clone().unwrap();
    assert_eq!(second.groups["group"].desired_total, 5);
    assert_eq!(sizes(&decision.plan), (2, 2, 0));
    assert_eq!(decision.annotations["group"].ignore, 3);
    assert_eq!(world.versions("web"), [1, 1, 0, 0, 0]);
    assert!(world.run("web").plan.is_noop(), "waits for health");

    let new: Vec<_> = world.live("web").into_iter().filter(|(_, version, _)| *version == 1).collect();
    world.report_one(new[0].2, ClientStatus::Running, Some(true));
    assert_eq!(sizes(&world.run("web").plan), (1, 1, 0));
    world.report("web", ClientStatus::Running, Some(true));
    world.run("web");
    assert_eq!(world.versions("web"), [1, 1, 1, 1, 1]);

    world.stop("web");
    let decision = world.run("web");
    assert_eq!(
        decision.plan.deployment_updates,
        [(second.id, DeploymentStatus::Cancelled, "Cancelled because job is stopped".into())]
    );
}

#[test]
fn an_unhealthy_allocation_pauses_and_a_failed_deployment_ends_the_roll_out() {
    let mut world = World::new(2);
    world.submit(&rolling(4, 1));
    world.run("web");
    world.report("web", ClientStatus::Running, Some(true));
    world.submit(&changed(rolling(4, 1), "2"));
    world.run("web");
    let new = world.live("web").into_iter().find(|(_, version, _)| *version == 1).unwrap().2;
    world.report_one(new, ClientStatus::Running, Some(false));
    assert!(world.run("web").plan.is_noop());
    world.apply(state::Command::UpdateDeployment {
        deployment: deployment(&world).id,
        status: DeploymentStatus::Failed,
        description: "Failed due to unhealthy allocations".into(),
        stable: false,
        evals: vec![],
        now: world.now,
    });
    assert!(world.run("web").plan.is_noop());
    assert_eq!(world.versions("web"), [1, 0, 0, 0]);
}

#[test]
fn a_replacement_without_room_keeps_the_old_one() {
    let mut world = World::new(1);
    world.submit(&job("web", JobType::Service, 2));
    world.run("web");
    let mut big = job("web", JobType::Service, 2);
    big.groups[0].tasks[0].resources.memory_mb = 5000;
    world.submit(&big);
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (0, 0, 0));
    assert_eq!(decision.eval.queued["group"], 2);
    assert_eq!(world.versions("web"), [0, 0]);
}

#[test]
fn in_place_updates_join_the_deployment() {
    let mut world = World::new(1);
    world.submit(&rolling(2, 1));
    world.run("web");
    let mut next = rolling(2, 1);
    next.groups[0].tasks[0].kill_timeout = Duration::from_secs(9);
    world.submit(&next);
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (0, 0, 2));
    let id = decision.plan.deployment.unwrap().id;
    assert!(world.live("web").iter().all(|(_, _, alloc)| world.root.allocs[alloc].deployment == Some(id)));
    assert!(world.run("web").plan.is_noop());
}

#[test]
fn a_new_constraint_moves_what_no_longer_may_stay() {
    let mut world = World::new(1);
    let mut other = node(2);
    other.attributes.insert("disk".into(), "ssd".into());
    other.capacity.cpu_mhz = 2000;
    world.submit(&job("web", JobType::Service, 1));
    world.run("web");
    world.register(other);
    let mut next = job("web", JobType::Service, 1);
    next.constraints.push(model::Constraint {
        left: "${attr.disk}".into(),
        operand: model::Operand::Equal,
        right: "ssd".into(),
    });
    world.submit(&next);
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (1, 1, 0));
    assert_eq!(decision.plan.placements[0].node, NodeId(2));
}

#[test]
fn the_evaluation_of_a_job_that_is_gone_completes() {
    let mut world = World::new(1);
    let decision = world.run("nothing");
    assert!(decision.plan.is_noop());
    assert_eq!(decision.eval.status, EvalStatus::Complete);
}
