use model::{
    AllocId, ClientStatus, Constraint, DesiredStatus, EvalStatus, Job, JobType, MigratePolicy, NetworkAsk,
    NodeId, Operand, Port, Preemption, SchedulerSettings, Trigger,
};
use state::Command;

use crate::{
    testing::{World, job, key, node},
    verify,
};

/// Empty nodes with room for ten allocations of [`sized`] with 100 each; service jobs may preempt.
fn world(nodes: u128) -> World {
    let mut world = World::new(nodes);
    allow(&mut world, Preemption { service: true, ..Preemption::default() });
    world
}

fn allow(world: &mut World, preemption: Preemption) {
    let settings = SchedulerSettings { preemption, ..SchedulerSettings::default() };
    world.apply(Command::SetScheduler { settings, enforce_index: None });
}

/// Each allocation takes `size` of the 1000 MHz and MB of a node.
fn sized(id: &str, priority: u16, count: u32, size: u32) -> Job {
    let mut job = job(id, JobType::Service, count);
    job.priority = priority;
    job.groups[0].tasks[0].resources.cpu_mhz = size;
    job.groups[0].tasks[0].resources.memory_mb = size;
    job
}

fn port(mut job: Job, port: u16) -> Job {
    let port = Port { label: "http".into(), fixed: Some(port), ..Port::default() };
    job.groups[0].network = Some(NetworkAsk { ports: vec![port], ..NetworkAsk::default() });
    job
}

fn on(mut job: Job, node: u128) -> Job {
    let (left, right) = ("${node.unique.name}".into(), format!("n{node}"));
    job.constraints.push(Constraint { left, operand: Operand::Equal, right });
    job
}

fn run(world: &mut World, job: &Job) {
    world.submit(job);
    world.run(&job.id);
}

/// Names of the jobs that lost allocations, each as often as it did.
fn losers(world: &World) -> Vec<String> {
    let evicted = world.root.allocs.values().filter(|alloc| alloc.desired == DesiredStatus::Evict);
    let mut names: Vec<String> = evicted.map(|alloc| alloc.job.id.to_string()).collect();
    names.sort();
    names
}

#[test]
fn the_less_important_gives_way() {
    let mut world = world(1);
    run(&mut world, &sized("low", 20, 10, 100));
    world.submit(&sized("high", 70, 2, 150));
    let decision = world.run("high");
    assert_eq!(decision.plan.placements.len(), 2);
    assert_eq!(decision.annotations["group"].preemptions, 3);
    assert_eq!(losers(&world), ["low", "low", "low"]);
    assert_eq!(decision.eval.status, EvalStatus::Complete);
    assert!(decision.eval.failed_groups.is_empty() && decision.new_evals.is_empty());
    for eviction in &decision.plan.evictions {
        let victim = &world.root.allocs[&eviction.id];
        let winner = &world.root.allocs[&eviction.by];
        assert_eq!(victim.desired_description, format!("Preempted by alloc ID {}", winner.id));
        assert_eq!(victim.preempted_by, Some(winner.id));
        assert!(winner.preempted.contains(&victim.id) && winner.node == victim.node);
        let scores = &winner.metric.as_ref().unwrap().scores;
        assert!(scores[0].scores["preemption"] > 0.99, "{scores:?}");
    }
    // The job that lost is looked at, and waits for room.
    let low = key("low");
    let of_low = world.root.evals_of_job(&low).filter(|eval| !eval.status.is_terminal());
    let follow_up: Vec<_> = of_low.cloned().collect();
    let [eval] = follow_up.as_slice() else { panic!("{follow_up:?}") };
    assert_eq!((eval.trigger, eval.status, eval.priority), (Trigger::Preemption, EvalStatus::Pending, 20));
    let decision = world.run_eval(eval);
    assert_eq!(decision.eval.queued["group"], 3);
    assert_eq!(decision.new_evals.len(), 1);
    world.register(node(2));
    world.run_eval(&decision.new_evals[0]);
    assert_eq!(world.indexes("low"), (0..10).collect::<Vec<_>>());
}

#[test]
fn nobody_goes_where_there_is_room() {
    let mut world = world(2);
    run(&mut world, &on(sized("low", 1, 10, 100), 1));
    run(&mut world, &sized("high", 100, 10, 100));
    assert!(losers(&world).is_empty());
    assert_eq!(world.live("high").len(), 10);
    // And only so many as find none.
    run(&mut world, &sized("high", 100, 12, 100));
    assert_eq!(losers(&world), ["low", "low"]);
}

#[test]
fn it_takes_a_lead_of_ten_and_leave() {
    let check = |low: u16, high: u16, expected: usize| {
        let mut world = world(1);
        run(&mut world, &sized("low", low, 1, 1000));
        run(&mut world, &sized("high", high, 1, 1000));
        assert_eq!(losers(&world).len(), expected, "{high} over {low}");
        assert_eq!(world.live("high").len(), expected, "{high} over {low}");
    };
    check(50, 60, 1);
    check(51, 60, 0);
    check(60, 60, 0);
    check(100, 1, 0);
    check(1, 5, 0);
    let mut world = world(1);
    allow(&mut world, Preemption::default());
    run(&mut world, &sized("low", 1, 1, 1000));
    run(&mut world, &sized("high", 100, 1, 1000));
    assert!(losers(&world).is_empty(), "service jobs may not, unless operators say so");
}

#[test]
fn the_kind_that_asks_must_be_allowed_to() {
    let check = |kind: JobType, preemption: Preemption, expected: usize| {
        let mut world = world(1);
        allow(&mut world, preemption);
        run(&mut world, &sized("low", 1, 1, 1000));
        let mut high = job("high", kind, 1);
        high.priority = 50;
        run(&mut world, &high);
        assert_eq!(losers(&world).len(), expected, "{kind:?} {preemption:?}");
    };
    let service = Preemption { service: true, ..Preemption::default() };
    let batch = Preemption { batch: true, ..Preemption::default() };
    check(JobType::Service, service, 1);
    check(JobType::Service, batch, 0);
    check(JobType::Batch, service, 0);
    check(JobType::Batch, batch, 1);
}

#[test]
fn the_least_important_go_first() {
    let mut world = world(1);
    run(&mut world, &sized("mid", 30, 5, 100));
    run(&mut world, &sized("low", 20, 5, 100));
    run(&mut world, &sized("high", 70, 1, 300));
    assert_eq!(losers(&world), ["low", "low", "low"]);
    run(&mut world, &sized("higher", 80, 1, 400));
    assert_eq!(losers(&world), ["low", "low", "low", "low", "low", "mid", "mid"]);
}

#[test]
fn among_equals_the_one_that_fits_best_goes() {
    let mut world = world(1);
    run(&mut world, &sized("tiny", 20, 2, 100));
    run(&mut world, &sized("fitting", 20, 1, 300));
    run(&mut world, &sized("large", 20, 1, 500));
    run(&mut world, &sized("high", 70, 1, 300));
    assert_eq!(losers(&world), ["fitting"]);
}

#[test]
fn who_need_not_go_stays() {
    // The small one is less important and therefore chosen first; the other one alone would do.
    let mut world = world(1);
    run(&mut world, &sized("small", 20, 1, 300));
    run(&mut world, &sized("large", 30, 1, 700));
    run(&mut world, &sized("high", 70, 1, 700));
    assert_eq!(losers(&world), ["large"]);
}

#[test]
fn ports_are_taken_too() {
    let mut world = world(1);
    run(&mut world, &port(sized("low", 20, 1, 100), 80));
    run(&mut world, &sized("other", 10, 1, 100));
    run(&mut world, &port(sized("high", 70, 1, 100), 80));
    assert_eq!(losers(&world), ["low"], "only the holder of the port");
    // Port and room, of different ones.
    run(&mut world, &sized("filler", 20, 7, 100));
    run(&mut world, &port(sized("higher", 90, 1, 300), 80));
    assert_eq!(losers(&world), ["high", "low", "other"]);
    let held = world.root.usage.slot(NodeId(1)).unwrap();
    assert!(held.ports.contains(80) && held.used.cpu_mhz == 1000);
    // A holder as important as that does not go.
    run(&mut world, &port(sized("late", 95, 1, 100), 80));
    assert!(world.live("late").is_empty());
}

#[test]
fn the_node_where_least_is_lost_is_taken() {
    let mut world = world(3);
    run(&mut world, &on(sized("c", 60, 1, 1000), 3));
    run(&mut world, &on(sized("a", 40, 1, 1000), 1));
    run(&mut world, &on(sized("b", 20, 1, 1000), 2));
    run(&mut world, &sized("high", 90, 1, 1000));
    assert_eq!(losers(&world), ["b"]);
}

#[test]
fn a_group_that_lost_enough_is_spared() {
    let check = |max_parallel: u32, expected: &[&str]| {
        let mut world = world(1);
        // Both are alike; "a" comes first.
        for id in ["a", "b"] {
            let mut low = sized(id, 20, 5, 100);
            low.groups[0].migrate = Some(MigratePolicy { max_parallel, ..MigratePolicy::default() });
            run(&mut world, &low);
        }
        run(&mut world, &sized("high", 70, 4, 100));
        assert_eq!(losers(&world), expected, "max_parallel {max_parallel}");
    };
    check(1, &["a", "a", "b", "b"]);
    check(2, &["a", "a", "b", "b"]);
    check(3, &["a", "a", "a", "b"]);
    check(0, &["a", "a", "a", "a"]);
}

#[test]
fn being_spared_reaches_over_nodes() {
    let mut world = world(2);
    for at in [1, 2] {
        for id in ["a", "b"] {
            let mut low = on(sized(&format!("{id}{at}"), 20, 1, 500), at);
            low.groups[0].migrate = Some(MigratePolicy::default());
            run(&mut world, &low);
        }
    }
    // One group on both nodes beside a single one on each.
    let mut wide = sized("wide", 20, 2, 500);
    wide.groups[0].migrate = Some(MigratePolicy::default());
    wide.groups[0].constraints.push(Constraint {
        left: String::new(),
        operand: Operand::DistinctHosts,
        right: String::new(),
    });
    world.stop("a1");
    world.stop("a2");
    world.run("a1");
    world.run("a2");
    run(&mut world, &wide);
    run(&mut world, &sized("high", 70, 2, 500));
    let losers = losers(&world);
    assert_eq!(losers.len(), 2);
    assert!(losers.iter().filter(|name| *name == "wide").count() <= 1, "{losers:?}");
}

#[test]
fn what_one_leaves_serves_the_next() {
    let mut world = world(1);
    run(&mut world, &sized("low", 20, 2, 500));
    run(&mut world, &sized("high", 70, 5, 100));
    assert_eq!(losers(&world), ["low"]);
    assert_eq!(world.live("high").len(), 5);
}

#[test]
fn what_a_later_stop_gives_back_spares_somebody() {
    let mut world = world(2);
    // The first group takes room by force; then the second one's update frees some on the same node.
    run(&mut world, &on(sized("fill", 90, 1, 1000), 2));
    let mut high = sized("high", 70, 0, 300);
    let mut second = high.groups[0].clone();
    (second.name, second.count) = ("second".into(), 1);
    high.groups.push(second);
    run(&mut world, &high);
    run(&mut world, &sized("low", 20, 7, 100));
    high.groups[0].count = 1;
    high.groups[1].tasks[0].env.insert("new".into(), "1".into());
    high.groups[1].tasks[0].resources.cpu_mhz = 1;
    high.groups[1].tasks[0].resources.memory_mb = 1;
    run(&mut world, &high);
    assert_eq!(world.live("high").len(), 2);
    assert_eq!(
        losers(&world),
        ["low"],
        "300 and 1 where 300 was free after the stop, of 1000 with 700 in use"
    );
}

#[test]
fn nobody_goes_in_vain() {
    let mut world = world(1);
    run(&mut world, &sized("equal", 65, 1, 600));
    run(&mut world, &sized("low", 20, 4, 100));
    let decision = {
        world.submit(&sized("high", 70, 1, 500));
        world.run("high")
    };
    assert!(losers(&world).is_empty());
    assert_eq!(decision.eval.queued["group"], 1);
    assert!(decision.plan.preempted_jobs.is_empty());
}

#[test]
fn a_new_version_does_not_evict_its_own_job() {
    let mut world = world(1);
    run(&mut world, &sized("web", 20, 10, 100));
    let decision = {
        world.submit(&sized("web", 90, 11, 100));
        world.run("web")
    };
    assert!(decision.plan.evictions.is_empty());
}

#[test]
fn who_has_become_important_stays() {
    let mut world = world(1);
    run(&mut world, &sized("low", 20, 1, 1000));
    world.submit(&sized("high", 70, 1, 1000));
    let eval = world.eval("high");
    let late = world.decide(&eval).plan;
    assert_eq!(late.evictions.len(), 1);
    // The new version was registered, and its evaluation has not come yet.
    world.submit(&sized("low", 65, 1, 1000));
    let verified = verify(&world.root, late);
    assert!(!verified.complete && verified.plan.is_noop() && verified.plan.preempted_jobs.is_empty());
    let again = world.decide(&eval).plan;
    assert!(again.evictions.is_empty() && again.placements.is_empty());
}

#[test]
fn a_victim_that_ended_has_left_its_room() {
    let mut world = world(1);
    run(&mut world, &sized("low", 20, 2, 500));
    world.submit(&sized("high", 70, 1, 500));
    let eval = world.eval("high");
    let late = world.decide(&eval).plan;
    let victim = late.evictions[0].id;
    world.report_one(victim, ClientStatus::Complete, None);
    let verified = verify(&world.root, late.clone());
    assert!(verified.complete);
    assert_eq!((verified.plan.placements.len(), verified.plan.evictions.len()), (1, 0));
    assert!(verified.plan.preempted_jobs.is_empty());

    // Another one ended: now the victim need not go.
    let rest: AllocId = world.live("low")[0].2;
    let mut other = late;
    other.evictions[0].id = rest;
    let verified = verify(&world.root, other);
    assert!(verified.complete && verified.plan.evictions.is_empty() && verified.plan.placements.len() == 1);
    world.apply(Command::ApplyPlan { plan: Box::new(verified.plan), evals: vec![] });
    assert_eq!((world.live("low").len(), world.live("high").len()), (1, 1));
}

#[test]
fn room_that_was_taken_meanwhile_is_not_given_again() {
    let mut world = world(1);
    run(&mut world, &sized("low", 20, 1, 1000));
    world.submit(&sized("one", 70, 1, 1000));
    world.submit(&sized("two", 70, 1, 1000));
    let (first, second) = (world.eval("one"), world.eval("two"));
    let (first, second) = (world.decide(&first).plan, world.decide(&second).plan);
    assert_eq!(first.evictions[0].id, second.evictions[0].id);
    // Before the first one is in the log, and after.
    let mut optimistic = world.root.clone();
    optimistic.reserve(&first);
    let refused = verify(&optimistic, second.clone());
    assert!(!refused.complete && refused.plan.is_noop());
    world.apply(Command::ApplyPlan { plan: Box::new(first), evals: vec![] });
    let refused = verify(&world.root, second);
    assert!(!refused.complete && refused.plan.is_noop());
}

#[test]
fn a_refused_placement_evicts_nobody() {
    let mut world = world(2);
    run(&mut world, &sized("low", 20, 2, 1000));
    world.submit(&sized("high", 70, 2, 1000));
    let eval = world.eval("high");
    let late = world.decide(&eval).plan;
    assert_eq!(late.evictions.len(), 2);
    world.set_node(2, model::NodeStatus::Down);
    let verified = verify(&world.root, late);
    assert_eq!(verified.refused_nodes, [NodeId(2)]);
    let [placement] = verified.plan.placements.as_slice() else { panic!("{:?}", verified.plan) };
    let [eviction] = verified.plan.evictions.as_slice() else { panic!("{:?}", verified.plan) };
    assert_eq!((eviction.by, eviction.node), (placement.id, NodeId(1)));
    assert_eq!(verified.plan.preempted_jobs.len(), 1, "also of a plan that is written in part");
}
