use model::{Eligibility, JobType, NetworkAsk, NodeId, NodeStatus, Port};

use crate::{
    testing::{World, job, sizes},
    verify,
};

#[test]
fn the_second_of_two_plans_for_the_last_room_is_refused() {
    let mut world = World::new(1);
    world.submit(&job("one", JobType::Service, 6));
    world.submit(&job("two", JobType::Service, 6));
    let (eval, _) = (world.eval("two"), ());
    let late = world.decide(&eval).plan;
    world.run("one");
    let verified = verify(&world.root, late);
    assert!(!verified.complete);
    assert_eq!(verified.plan.placements.len(), 4);
    assert_eq!(verified.refused_nodes, [NodeId(1)]);
}

#[test]
fn a_port_is_not_given_twice() {
    let mut world = World::new(1);
    for id in ["one", "two"] {
        let mut job = job(id, JobType::Service, 1);
        let port = Port { label: "http".into(), fixed: Some(80), ..Port::default() };
        job.groups[0].network = Some(NetworkAsk { ports: vec![port], ..NetworkAsk::default() });
        world.submit(&job);
    }
    let eval = world.eval("two");
    let late = world.decide(&eval).plan;
    assert_eq!(late.placements.len(), 1);
    world.run("one");
    assert!(verify(&world.root, late).plan.placements.is_empty());
}

#[test]
fn a_node_that_left_gets_nothing() {
    let check = |change: fn(&mut World)| {
        let mut world = World::new(1);
        world.submit(&job("one", JobType::Service, 2));
        let eval = world.eval("one");
        let plan = world.decide(&eval).plan;
        change(&mut world);
        let verified = verify(&world.root, plan);
        assert!(verified.plan.placements.is_empty() && !verified.complete);
    };
    check(|world| world.set_node(1, NodeStatus::Down));
    check(|world| {
        world.apply(state::Command::SetNodeEligibility {
            node: NodeId(1),
            eligibility: Eligibility::Ineligible,
            evals: vec![],
            now: world.now,
        });
    });
    check(|world| world.stop("one"));
    check(|world| world.submit(&job("one", JobType::Service, 3)));
}

#[test]
fn a_name_is_not_given_twice() {
    let mut world = World::new(2);
    world.submit(&job("one", JobType::Service, 2));
    let eval = world.eval("one");
    let late = world.decide(&eval).plan;
    world.run("one");
    let verified = verify(&world.root, late);
    assert!(verified.plan.placements.is_empty() && !verified.complete);
}

#[test]
fn a_refused_replacement_leaves_the_old_one_running() {
    let mut world = World::new(1);
    world.submit(&job("one", JobType::Service, 2));
    world.run("one");
    let mut bigger = job("one", JobType::Service, 2);
    bigger.groups[0].tasks[0].resources.memory_mb = 400;
    world.submit(&bigger);
    let eval = world.eval("one");
    let late = world.decide(&eval).plan;
    assert_eq!(sizes(&late), (2, 2, 0));
    world.submit(&job("two", JobType::Service, 4));
    world.run("two");
    // 600 of 1000 MB are taken. Both old ones gone, one new one fits; but the other old one then stays.
    let verified = verify(&world.root, late);
    assert!(!verified.complete);
    assert_eq!(sizes(&verified.plan), (1, 1, 0));
    assert_eq!(verified.plan.placements[0].previous, Some(verified.plan.stops[0].id));
}

#[test]
fn all_at_once_is_all_or_nothing() {
    let mut world = World::new(1);
    world.submit(&job("one", JobType::Service, 6));
    let mut two = job("two", JobType::Service, 6);
    two.all_at_once = true;
    world.submit(&two);
    let eval = world.eval("two");
    let late = world.decide(&eval).plan;
    world.run("one");
    assert!(verify(&world.root, late).plan.is_noop());
}

#[test]
fn a_late_plan_stops_nothing_that_is_wanted_again() {
    let check = |before: fn(&mut World), after: fn(&mut World)| {
        let mut world = World::new(2);
        world.submit(&job("one", JobType::Service, 3));
        world.run("one");
        before(&mut world);
        let eval = world.eval("one");
        let late = world.decide(&eval).plan;
        assert!(!late.stops.is_empty());
        after(&mut world);
        let verified = verify(&world.root, late);
        assert!(!verified.complete);
        assert_eq!(sizes(&verified.plan), (0, 0, 0));
    };
    // The node came back, the count went up again, the job was started again.
    check(|world| world.set_node(1, NodeStatus::Down), |world| world.set_node(1, NodeStatus::Ready));
    check(
        |world| world.submit(&job("one", JobType::Service, 1)),
        |world| world.submit(&job("one", JobType::Service, 3)),
    );
    check(|world| world.stop("one"), |world| world.submit(&job("one", JobType::Service, 3)));
}
