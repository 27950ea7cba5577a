//! Jobs that nobody should write, and events at the wrong moment: survived, with a reason, in bounded time.
//!
//! What registration refuses already is in `crates/jobspec/src/tests/bad_input.rs` and
//! `crates/api/tests/wire/bad_input.rs`; a state may be older than these rules.

use std::time::{Duration, Instant};

use model::{Affinity, Constraint, EvalStatus, JobType, Operand, Spread, SpreadTarget};
use state::Command;

use crate::{
    testing::{World, job, key, sizes},
    verify,
};

/// Wall time on a machine that has much else to do: seconds are needed, and without limits hours, or all memory.
const PATIENCE: Duration = Duration::from_secs(300);

fn regexp(left: &str, right: &str) -> Constraint {
    Constraint { left: left.into(), operand: Operand::Regexp, right: right.into() }
}

#[test]
fn patterns_that_would_explode_match_nothing_and_cost_nothing() {
    let began = Instant::now();
    for text in [
        String::from("(a{1000}){1000}"),
        String::from("((((x{100}){100}){100}){100}){100}"),
        String::from(r"\pL{1000}"),
        "(".repeat(100_000),
        "a".repeat(1 << 20),
        "(a|b)*".repeat(100_000),
    ] {
        let mut world = World::new(3);
        let mut bad = job("bad", JobType::Service, 2);
        bad.constraints.push(regexp("${attr.kernel.name}", &text));
        world.submit(&bad);
        let decision = world.run("bad");
        assert_eq!(sizes(&decision.plan), (0, 0, 0));
        assert_eq!(decision.eval.failed_groups["group"].nodes_filtered, 3);
        assert_eq!(decision.new_evals[0].status, EvalStatus::Blocked);
        // As a wish it is not met, and that is all.
        let mut odd = job("odd", JobType::Service, 2);
        odd.affinities.push(Affinity { rule: regexp("${attr.kernel.name}", &text), weight: 50 });
        world.submit(&odd);
        assert_eq!(world.run("odd").plan.placements.len(), 2);
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn nested_quantifiers_are_matched_in_linear_time() {
    let began = Instant::now();
    let mut world = World::new(0);
    let mut node = crate::testing::node(1);
    node.meta.insert("text".into(), "a".repeat(10_000) + "!");
    world.register(node);
    let mut bad = job("bad", JobType::Service, 1);
    bad.constraints = vec![regexp("${meta.text}", "^(a+)+$"), regexp("${meta.text}", "^(a|a)*$")];
    world.submit(&bad);
    assert!(world.run("bad").plan.placements.is_empty());
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn a_pattern_on_a_node_is_bounded_too() {
    let mut world = World::new(0);
    let mut node = crate::testing::node(1);
    node.meta.insert("pattern".into(), "(a{1000}){1000}".into());
    node.meta.insert("good".into(), "^lin".into());
    world.register(node);
    let mut bad = job("bad", JobType::Service, 1);
    bad.constraints = vec![regexp("${attr.kernel.name}", "${meta.pattern}")];
    world.submit(&bad);
    assert!(world.run("bad").plan.placements.is_empty());
    let mut good = job("good", JobType::Service, 1);
    good.constraints = vec![regexp("${attr.kernel.name}", "${meta.good}")];
    world.submit(&good);
    assert_eq!(world.run("good").plan.placements.len(), 1);
}

#[test]
fn of_too_many_patterns_only_the_first_are_compiled() {
    let began = Instant::now();
    let mut world = World::new(1);
    let mut bad = job("bad", JobType::Service, 1);
    // Each is as large as is allowed; together they would take gigabytes.
    bad.affinities = (0..20_000)
        .map(|at| Affinity { rule: regexp("${attr.kernel.name}", &format!("x{at}[a-z]{{1000}}")), weight: 1 })
        .collect();
    world.submit(&bad);
    assert_eq!(world.run("bad").plan.placements.len(), 1);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

/// One allocation each, and a pattern of the job that is compiled once, not once per group.
fn many_groups(count: u32) -> model::Job {
    let mut big = job("big", JobType::Service, 1);
    big.constraints.push(regexp("${attr.kernel.name}", r"^l\w{20}|^linux$"));
    let group = big.groups[0].clone();
    big.groups = (0..count).map(|at| model::TaskGroup { name: format!("g{at}"), ..group.clone() }).collect();
    big
}

#[test]
fn ten_thousand_groups_are_placed_or_wait() {
    let began = Instant::now();
    let mut world = World::new(100);
    world.submit(&many_groups(10_000));
    let decision = world.run("big");
    // Each of the hundred nodes has room for ten.
    assert_eq!(decision.plan.placements.len(), 1000);
    assert_eq!(decision.eval.failed_groups.len(), 9000);
    assert!(decision.eval.failed_groups.values().all(|metric| metric.dimension_exhausted["cpu"] == 100));
    let again = world.run("big");
    assert_eq!(sizes(&again.plan), (0, 0, 0));
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

/// Not a test: prints how the time for one evaluation grows with groups and nodes.
#[test]
#[ignore = "a measurement, for people"]
#[expect(clippy::print_stderr, reason = "its output is its purpose")]
fn measure_many_groups() {
    for (groups, nodes) in [(1000, 100), (10_000, 100), (10_000, 1000)] {
        let mut world = World::new(nodes);
        world.submit(&many_groups(groups));
        let eval = world.eval("big");
        let began = Instant::now();
        let decision = world.decide(&eval);
        let decided = began.elapsed();
        let began = Instant::now();
        let verified = verify(&world.root, decision.plan);
        eprintln!(
            "{groups} groups, {nodes} nodes: {} placed, scheduled in {decided:?}, verified in {:?}",
            verified.plan.placements.len(),
            began.elapsed()
        );
    }
}

/// Every score that was reported is a number.
fn scores_are_numbers(decision: &crate::Decision) {
    for metric in decision.plan.placements.iter().filter_map(|placement| placement.metric.as_ref()) {
        for score in &metric.scores {
            assert!(
                score.normalized.is_finite() && score.scores.values().all(|part| part.is_finite()),
                "{score:?}"
            );
        }
    }
}

fn spread(attribute: &str, weight: u8, targets: &[(&str, u8)]) -> Spread {
    let target = |&(value, percent): &(&str, u8)| SpreadTarget { value: value.into(), percent };
    Spread { attribute: attribute.into(), weight, targets: targets.iter().map(target).collect() }
}

#[test]
fn a_spread_over_what_no_node_has_places_all_the_same() {
    for targets in [&[][..], &[("r1", 60), ("r2", 40)], &[("r1", 0)], &[("r1", 100), ("r2", 100)]] {
        let mut world = World::new(3);
        let mut web = job("web", JobType::Service, 5);
        web.groups[0].spreads = vec![spread("${meta.rack}", 100, targets), spread("", 1, &[])];
        world.submit(&web);
        let decision = world.run("web");
        assert_eq!(decision.plan.placements.len(), 5, "{targets:?}");
        scores_are_numbers(&decision);
    }
}

#[test]
fn a_spread_in_a_cluster_without_nodes_waits() {
    let mut world = World::new(0);
    let mut web = job("web", JobType::Service, 5);
    web.spreads = vec![spread("${node.datacenter}", 50, &[("dc1", 100)]), spread("${meta.rack}", 50, &[])];
    world.submit(&web);
    let decision = world.run("web");
    assert!(decision.plan.placements.is_empty());
    let metric = &decision.eval.failed_groups["group"];
    assert_eq!((metric.nodes_evaluated, metric.coalesced_failures), (0, 4));
    assert_eq!(decision.new_evals[0].status, EvalStatus::Blocked);
    // The first node to join is used.
    world.register(crate::testing::node(1));
    assert_eq!(world.run_eval(&decision.new_evals[0]).plan.placements.len(), 5);
}

#[test]
fn weights_without_sense_give_no_scores_without_sense() {
    let rule =
        || Constraint { left: "${attr.kernel.name}".into(), operand: Operand::Equal, right: "linux".into() };
    for weight in [0, 127, -128] {
        let mut world = World::new(3);
        let mut web = job("web", JobType::Service, 4);
        web.affinities = vec![Affinity { rule: rule(), weight }];
        web.groups[0].spreads = vec![
            spread("${node.unique.id}", 0, &[]),
            spread("${node.datacenter}", 255, &[("dc1", 255), ("dc2", 255)]),
        ];
        world.submit(&web);
        let decision = world.run("web");
        assert_eq!(decision.plan.placements.len(), 4, "{weight}");
        scores_are_numbers(&decision);
    }
    let mut world = World::new(3);
    let mut web = job("web", JobType::Service, 4);
    web.groups[0].spreads = vec![spread("${node.unique.id}", 0, &[])];
    world.submit(&web);
    let decision = world.run("web");
    assert_eq!(decision.plan.placements.len(), 4);
    scores_are_numbers(&decision);
}

fn purge(world: &mut World, id: &str) {
    let now = world.now;
    world.apply(Command::DeregisterJob { job: key(id), purge: true, eval: None, now });
}

#[test]
fn a_job_purged_between_plan_and_verify_gets_nothing() {
    let mut world = World::new(3);
    world.submit(&job("web", JobType::Service, 5));
    let eval = world.eval("web");
    let decision = world.decide(&eval);
    purge(&mut world, "web");
    let verified = verify(&world.root, decision.plan);
    assert!(!verified.complete);
    assert!(verified.plan.is_noop(), "{:?}", verified.plan);
    let mut evals = vec![decision.eval];
    evals.extend(decision.new_evals);
    world.apply(Command::ApplyPlan { plan: Box::new(verified.plan), evals });
    assert!(world.live("web").is_empty());
    // The worker looks again and finds nothing to do.
    let again = world.decide(&eval);
    assert_eq!((sizes(&again.plan), again.eval.status), ((0, 0, 0), EvalStatus::Complete));
}

#[test]
fn a_job_purged_before_it_is_looked_at_is_stopped() {
    let mut world = World::new(3);
    world.submit(&job("web", JobType::Service, 5));
    world.run("web");
    let eval = world.eval("web");
    purge(&mut world, "web");
    let decision = world.run_eval(&eval);
    assert_eq!(sizes(&decision.plan), (0, 5, 0));
    assert_eq!(decision.eval.status, EvalStatus::Complete);
    assert!(decision.new_evals.is_empty() && world.live("web").is_empty());
}

#[test]
fn a_job_purged_and_registered_again_meanwhile_is_another_one() {
    let mut world = World::new(3);
    world.submit(&job("web", JobType::Service, 5));
    let eval = world.eval("web");
    let decision = world.decide(&eval);
    purge(&mut world, "web");
    world.submit(&job("web", JobType::Service, 2));
    let verified = verify(&world.root, decision.plan);
    assert!(!verified.complete && verified.plan.is_noop(), "{:?}", verified.plan);
    assert_eq!(world.run_eval(&eval).plan.placements.len(), 2);
    assert_eq!(world.indexes("web"), [0, 1]);
}
