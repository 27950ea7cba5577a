use model::{
    Affinity, Algorithm, Constraint, DriverInfo, EvalStatus, Job, JobType, NetworkAsk, NodeId, Operand, Port,
    Trigger,
};

use crate::testing::{World, job, node, sizes};

fn port(label: &str, fixed: Option<u16>) -> Port {
    Port { label: label.into(), fixed, to: Some(80), ..Port::default() }
}

fn with_ports(mut job: Job, ports: Vec<Port>) -> Job {
    job.groups[0].network = Some(NetworkAsk { ports, ..NetworkAsk::default() });
    job
}

#[test]
fn a_new_job_is_placed_as_a_whole_and_again_nothing_changes() {
    let mut world = World::new(3);
    world.submit(&job("web", JobType::Service, 5));
    let decision = world.run("web");
    assert_eq!(sizes(&decision.plan), (5, 0, 0));
    assert_eq!(decision.eval.status, EvalStatus::Complete);
    assert_eq!(decision.eval.queued["group"], 0);
    assert_eq!(decision.annotations["group"].place, 5);
    assert_eq!(world.indexes("web"), [0, 1, 2, 3, 4]);
    assert!(world.run("web").plan.is_noop());
}

#[test]
fn instances_of_a_group_keep_apart() {
    let mut world = World::new(5);
    world.submit(&job("web", JobType::Service, 5));
    let decision = world.run("web");
    let nodes: std::collections::BTreeSet<NodeId> =
        decision.plan.placements.iter().map(|one| one.node).collect();
    assert_eq!(nodes.len(), 5);
}

#[test]
fn what_finds_no_room_is_blocked_and_says_why() {
    let mut world = World::new(1);
    world.submit(&job("web", JobType::Service, 12));
    let decision = world.run("web");
    assert_eq!(decision.plan.placements.len(), 10);
    assert_eq!(decision.eval.queued["group"], 2);
    let metric = &decision.eval.failed_groups["group"];
    assert_eq!(metric.coalesced_failures, 1);
    assert_eq!(metric.nodes_evaluated, 1);
    assert_eq!(metric.nodes_exhausted, 1);
    assert_eq!(metric.dimension_exhausted["cpu"], 1);
    let [blocked] = &decision.new_evals[..] else { panic!("{:?}", decision.new_evals) };
    assert_eq!(decision.eval.blocked, Some(blocked.id));
    assert_eq!((blocked.status, blocked.trigger), (EvalStatus::Blocked, Trigger::QueuedAllocs));
    assert_eq!(blocked.status_description, "created to place remaining allocations");
    assert_eq!(blocked.previous, Some(decision.eval.id));
    assert_eq!(blocked.class_eligibility.values().collect::<Vec<_>>(), [&true]);
    assert!(blocked.missing.contains("cpu"));

    // Tried again without new room, it stays blocked under its own id; with room it completes.
    let again = world.run_eval(blocked);
    assert_eq!((again.eval.id, again.eval.status), (blocked.id, EvalStatus::Blocked));
    assert!(again.new_evals.is_empty());
    world.register(node(2));
    let last = world.run_eval(blocked);
    assert_eq!(last.eval.status, EvalStatus::Complete);
    assert_eq!(world.indexes("web").len(), 12);
}

/// Registers one job on two nodes and expects it to be refused everywhere for the reason.
fn check_filtered(reason: &str, edit: impl FnOnce(&mut Job)) {
    let mut world = World::new(2);
    let mut job = job("web", JobType::Service, 1);
    edit(&mut job);
    world.submit(&job);
    let decision = world.run("web");
    assert!(decision.plan.placements.is_empty(), "{reason}");
    let metric = &decision.eval.failed_groups["group"];
    assert_eq!((metric.nodes_evaluated, metric.nodes_filtered), (2, 2), "{reason}");
    assert_eq!(metric.constraint_filtered.get(reason), Some(&2), "{:?}", metric.constraint_filtered);
}

fn constraint(left: &str, operand: Operand, right: &str) -> Constraint {
    Constraint { left: left.into(), operand, right: right.into() }
}

#[test]
fn nodes_are_filtered_by_what_the_job_asks() {
    let windows = || constraint("${attr.kernel.name}", Operand::Equal, "windows");
    check_filtered("${attr.kernel.name} = windows", |job| job.constraints.push(windows()));
    check_filtered("${attr.kernel.name} = windows", |job| job.groups[0].constraints.push(windows()));
    check_filtered("${attr.kernel.name} = windows", |job| job.groups[0].tasks[0].constraints.push(windows()));
    check_filtered("missing drivers", |job| job.groups[0].tasks[0].driver = "docker".into());
    check_filtered("${node.unique.name} = n9", |job| {
        job.constraints.push(constraint("${node.unique.name}", Operand::Equal, "n9"));
    });
}

#[test]
fn a_unique_constraint_finds_its_node_and_escapes_classes() {
    let mut world = World::new(3);
    let mut web = job("web", JobType::Service, 11);
    web.constraints.push(constraint("${node.unique.name}", Operand::Equal, "n2"));
    world.submit(&web);
    let decision = world.run("web");
    assert_eq!(decision.plan.placements.len(), 10);
    assert!(decision.plan.placements.iter().all(|one| one.node == NodeId(2)));
    assert!(decision.new_evals[0].escaped_class);
}

#[test]
fn other_datacenters_are_not_even_looked_at() {
    let mut world = World::new(2);
    let mut web = job("web", JobType::Service, 1);
    web.datacenters = vec!["eu-*".into()];
    world.submit(&web);
    let decision = world.run("web");
    assert_eq!(decision.eval.failed_groups["group"].nodes_evaluated, 0);
    let mut far = node(9);
    far.datacenter = "eu-1".into();
    world.register(far);
    let decision = world.run("web");
    assert_eq!(decision.plan.placements[0].node, NodeId(9));
    assert_eq!(decision.plan.placements[0].metric.as_ref().unwrap().nodes_available["eu-1"], 1);
}

#[test]
fn an_unhealthy_driver_is_a_missing_one() {
    let mut world = World::new(0);
    let mut sick = node(1);
    sick.drivers.insert("mock_driver".into(), DriverInfo { detected: true, ..DriverInfo::default() });
    world.register(sick);
    world.submit(&job("web", JobType::Service, 1));
    assert!(world.run("web").plan.placements.is_empty());
}

#[test]
fn distinct_hosts_takes_one_node_each() {
    let check = |of_job: bool, expected: usize| {
        let mut world = World::new(3);
        let mut web = job("web", JobType::Service, 5);
        let distinct = constraint("", Operand::DistinctHosts, "");
        if of_job {
            web.constraints.push(distinct);
        } else {
            web.groups[0].constraints.push(distinct);
        }
        let mut second = web.groups[0].clone();
        second.name = "second".into();
        second.count = 2;
        web.groups.push(second);
        world.submit(&web);
        let decision = world.run("web");
        assert_eq!(decision.plan.placements.len(), expected);
        assert_eq!(decision.eval.failed_groups["group"].constraint_filtered["distinct_hosts"], 3);
    };
    check(true, 3);
    check(false, 5);
}

#[test]
fn dynamic_ports_differ_and_follow_the_order_of_the_asks() {
    let mut world = World::new(1);
    world.submit(&with_ports(job("web", JobType::Service, 3), vec![port("http", None), port("admin", None)]));
    let decision = world.run("web");
    let mut seen = std::collections::BTreeSet::new();
    for placement in &decision.plan.placements {
        let labels: Vec<&str> = placement.ports.iter().map(|port| &*port.label).collect();
        assert_eq!(labels, ["http", "admin"]);
        for port in &placement.ports {
            assert!((20000..=32000).contains(&port.value) && port.to == 80);
            assert!(seen.insert(port.value));
        }
    }
    assert_eq!(seen.len(), 6);
}

#[test]
fn a_fixed_port_is_given_once_per_node() {
    let mut world = World::new(2);
    world.submit(&with_ports(job("web", JobType::Service, 3), vec![port("http", Some(8080))]));
    let decision = world.run("web");
    assert_eq!(decision.plan.placements.len(), 2);
    let metric = &decision.eval.failed_groups["group"];
    assert_eq!(metric.dimension_exhausted["network: reserved port collision http=8080"], 2);
}

#[test]
fn who_ignores_collisions_shares_a_port_and_others_keep_off_it() {
    let mut world = World::new(0);
    let mut only = node(1);
    only.reserved_ports = vec![8080];
    world.register(only);
    let shared = |port| Port { ignore_collision: true, ..self::port("http", Some(port)) };
    let own = |port| vec![self::port("http", Some(port))];
    // Also beside what the node keeps for itself, without taking it away.
    for port in [8080, 8081] {
        let name = format!("shared-{port}");
        world.submit(&with_ports(job(&name, JobType::Service, 2), vec![shared(port)]));
        let placements = world.run(&name).plan.placements;
        assert_eq!(placements.len(), 2);
        assert!(placements.iter().all(|one| one.ports[0].value == port && one.ports[0].ignore_collision));
        world.submit(&with_ports(job("own", JobType::Service, 1), own(port)));
        let metric = &world.run("own").eval.failed_groups["group"];
        let reason = format!("network: reserved port collision http={port}");
        assert_eq!(metric.dimension_exhausted[&reason], 1, "{port}");
    }
    // One of the two gives it back, then the other.
    for left in [1, 0] {
        world.submit(&with_ports(job("shared-8081", JobType::Service, left), vec![shared(8081)]));
        world.run("shared-8081");
        let placed = world.run("own").plan.placements.len();
        assert_eq!(placed, usize::from(left == 0), "{left} have it");
    }
    world.stop("shared-8080");
    world.run("shared-8080");
    world.submit(&with_ports(job("late", JobType::Service, 1), own(8080)));
    assert_eq!(world.run("late").plan.placements.len(), 0, "the node keeps it for itself");
}

#[test]
fn a_used_up_dynamic_range_is_a_reason() {
    let mut world = World::new(0);
    let mut small = node(1);
    small.dynamic_ports = (20000, 20002);
    small.reserved_ports = vec![20001];
    world.register(small);
    world.submit(&with_ports(job("web", JobType::Service, 3), vec![port("http", None)]));
    let decision = world.run("web");
    assert_eq!(decision.plan.placements.len(), 2);
    let metric = &decision.eval.failed_groups["group"];
    assert_eq!(metric.dimension_exhausted["network: dynamic port selection failed"], 1);
}

#[test]
fn the_fuller_node_wins_between_jobs() {
    let mut world = World::new(4);
    world.submit(&job("first", JobType::Service, 1));
    world.submit(&job("second", JobType::Service, 1));
    let first = world.run("first").plan.placements[0].node;
    let decision = world.run("second");
    assert_eq!(decision.plan.placements[0].node, first);
    let metric = decision.plan.placements[0].metric.clone().unwrap();
    assert_eq!(metric.scores.len(), 4);
    assert_eq!(metric.scores[0].node, first);
    assert!(metric.scores[0].normalized > metric.scores[1].normalized);
    assert_eq!(metric.scores[0].scores.keys().collect::<Vec<_>>(), ["binpack"]);
}

fn like(left: &str, right: &str, weight: i8) -> Affinity {
    Affinity { rule: constraint(left, Operand::Equal, right), weight }
}

#[test]
fn nodes_that_are_liked_come_first_and_disliked_ones_last() {
    let mut world = World::new(3);
    let mut web = job("web", JobType::Service, 1);
    web.affinities.push(like("${node.unique.name}", "n2", 60));
    web.groups[0].affinities.push(like("${attr.kernel.name}", "linux", 20));
    web.groups[0].tasks[0].affinities.push(like("${node.unique.name}", "n3", -20));
    world.submit(&web);
    let decision = world.run("web");
    let [placed] = &decision.plan.placements[..] else { panic!("{:?}", decision.plan.placements) };
    assert_eq!(placed.node, NodeId(2));
    let scores = &placed.metric.as_ref().unwrap().scores;
    let likings: Vec<(NodeId, Option<f64>)> =
        scores.iter().map(|score| (score.node, score.scores.get("node-affinity").copied())).collect();
    // The third meets what is liked and what is disliked, with the same weight: no part of its score.
    assert_eq!(likings, [(NodeId(2), Some(0.8)), (NodeId(3), None), (NodeId(1), Some(0.2))]);
}

#[test]
fn only_so_many_share_a_property() {
    let mut world = World::new(0);
    for id in 1..=6 {
        let mut node = node(id);
        node.meta.extend((id < 6).then(|| ("rack".into(), format!("r{}", id % 2))));
        world.register(node);
    }
    let mut web = job("web", JobType::Service, 5);
    web.groups[0].constraints.push(constraint("${meta.rack}", Operand::DistinctProperty, "2"));
    world.submit(&web);
    let decision = world.run("web");
    assert_eq!((decision.plan.placements.len(), decision.eval.queued["group"]), (4, 1));
    let filtered = &decision.eval.failed_groups["group"].constraint_filtered;
    assert_eq!(filtered["distinct_property: ${meta.rack}=r0 used by 2 allocs"], 2);
    assert_eq!(filtered["distinct_property: ${meta.rack}=r1 used by 2 allocs"], 3);
    assert_eq!(filtered["missing property \"${meta.rack}\""], 1);
    assert!(world.run("web").plan.placements.is_empty());
    // A replacement counts on the place of what it replaces.
    web.groups[0].tasks[0].env.insert("A".into(), "b".into());
    world.submit(&web);
    assert_eq!(world.run("web").plan.placements.len(), 4);
    // What holds for the job counts all its groups.
    web.constraints.push(constraint("${node.datacenter}", Operand::DistinctProperty, "3"));
    let mut more = web.groups[0].clone();
    more.name = "more".into();
    web.groups.push(more);
    world.submit(&web);
    world.run("web");
    world.run("web");
    assert!(world.live("web").len() <= 4, "no more are placed while there are too many");
}

#[test]
fn a_property_that_becomes_distinct_moves_those_that_share_it() {
    let mut world = World::new(4);
    let mut web = job("web", JobType::Service, 8);
    world.submit(&web);
    world.run("web");
    web.groups[0].constraints.push(constraint("${node.unique.id}", Operand::DistinctProperty, "1"));
    web.groups[0].count = 4;
    world.submit(&web);
    world.run("web");
    let nodes: Vec<NodeId> = world.live("web").iter().map(|(_, _, id)| world.root.allocs[id].node).collect();
    assert_eq!(nodes.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{nodes:?}");
}

#[test]
fn nodes_are_filled_one_by_one_or_all_alike() {
    for (algorithm, expected) in [(Algorithm::Binpack, [0, 0, 5]), (Algorithm::Spread, [1, 2, 2])] {
        let mut world = World::new(3);
        let settings = model::SchedulerSettings { algorithm, ..model::SchedulerSettings::default() };
        world.apply(state::Command::SetScheduler { settings, enforce_index: None });
        // One node is in use already, by a job that asks for it.
        let mut first = job("first", JobType::Service, 1);
        first.constraints.push(constraint("${node.unique.name}", Operand::Equal, "n3"));
        world.submit(&first);
        world.run("first");
        for name in ["a", "b", "c", "d"] {
            world.submit(&job(name, JobType::Service, 1));
            world.run(name);
        }
        let mut used: Vec<u32> = world.root.usage.slots.iter().map(|slot| slot.allocs).collect();
        used.sort_unstable();
        assert_eq!(used, expected, "{algorithm:?}");
    }
}

#[test]
fn more_memory_than_is_reserved_only_where_operators_allow_it() {
    for allowed in [false, true] {
        let mut world = World::new(1);
        let settings = model::SchedulerSettings {
            memory_oversubscription: allowed,
            ..model::SchedulerSettings::default()
        };
        world.apply(state::Command::SetScheduler { settings, enforce_index: None });
        let mut web = job("web", JobType::Service, 10);
        web.groups[0].tasks[0].resources.memory_max = Some(model::MemoryMax::Mb(5000));
        world.submit(&web);
        // What is reserved counts, not what may be used.
        assert_eq!(world.run("web").plan.placements.len(), 10);
        let (_, _, id) = world.live("web")[0];
        let limit = web.groups[0].tasks[0].resources.memory_limit(world.root.allocs[&id].oversubscribed);
        assert_eq!(limit, model::MemoryMax::Mb(if allowed { 5000 } else { 100 }));
    }
}
