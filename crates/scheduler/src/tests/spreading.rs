use std::collections::BTreeMap;

use model::{ClientStatus, Job, JobType, NodeId, Spread, SpreadTarget};

use crate::testing::{World, job, key, node};

/// Nodes 1 to `nodes`, on `racks` racks in turn, in two datacenters.
fn world(nodes: u128, racks: u128) -> World {
    let mut world = World::new(0);
    for id in 1..=nodes {
        let mut node = node(id);
        node.meta.insert("rack".into(), format!("r{}", id % racks));
        node.datacenter = format!("dc{}", id % 2);
        world.register(node);
    }
    world
}

fn spread(attribute: &str, weight: u8, targets: &[(&str, u8)]) -> Spread {
    let targets = targets
        .iter()
        .map(|(value, percent)| SpreadTarget { value: (*value).into(), percent: *percent })
        .collect();
    Spread { attribute: attribute.into(), weight, targets }
}

fn web(count: u32, spreads: Vec<Spread>) -> Job {
    let mut web = job("web", JobType::Service, count);
    web.groups[0].spreads = spreads;
    web
}

/// How many live allocations there are per value of the node's property.
fn per(world: &World, property: impl Fn(&model::Node) -> String) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for alloc in world.root.allocs_of_job(&key("web")).filter(|alloc| !alloc.is_terminal()) {
        *counts.entry(property(&world.root.nodes[&alloc.node])).or_default() += 1;
    }
    counts
}

fn rack(node: &model::Node) -> String {
    node.meta["rack"].clone()
}

fn counts(world: &World, property: impl Fn(&model::Node) -> String) -> Vec<u32> {
    per(world, property).into_values().collect()
}

#[test]
fn an_even_spread_is_even_also_with_many() {
    let mut world = world(30, 3);
    // One rack is much fuller: bin packing would prefer it.
    let mut filler = job("filler", JobType::Service, 50);
    let (left, right) = ("${meta.rack}".into(), "r1".into());
    filler.constraints.push(model::Constraint { left, operand: model::Operand::Equal, right });
    world.submit(&filler);
    world.run("filler");
    world.submit(&web(100, vec![spread("${meta.rack}", 50, &[])]));
    world.run("web");
    let skew = |counts: Vec<u32>| counts.iter().max().unwrap() - counts.iter().min().unwrap();
    assert!(skew(counts(&world, rack)) <= 1, "{:?}", per(&world, rack));
    // Growing keeps it even.
    world.submit(&web(140, vec![spread("${meta.rack}", 50, &[])]));
    world.run("web");
    assert!(skew(counts(&world, rack)) <= 1, "{:?}", per(&world, rack));
    assert_eq!(counts(&world, rack).iter().sum::<u32>(), 140);
}

#[test]
fn every_node_its_share() {
    let mut world = world(20, 3);
    world.submit(&web(50, vec![spread("${node.unique.id}", 50, &[])]));
    world.run("web");
    let per_node = counts(&world, |node| node.id.to_string());
    assert_eq!((per_node.len(), *per_node.iter().max().unwrap()), (20, 3));
    assert_eq!(*per_node.iter().min().unwrap(), 2);
}

#[test]
fn targets_get_their_percentage_and_the_rest_what_is_left() {
    let mut world = world(30, 3);
    world.submit(&web(20, vec![spread("${meta.rack}", 50, &[("r0", 50), ("r1", 30)])]));
    world.run("web");
    assert_eq!(counts(&world, rack), [10, 6, 4]);

    let mut world = self::world(40, 4);
    world.submit(&web(10, vec![spread("${meta.rack}", 50, &[("r0", 70), ("r1", 30)])]));
    world.run("web");
    assert_eq!(per(&world, rack), [("r0".into(), 7), ("r1".into(), 3)].into());
}

#[test]
fn zero_percent_is_the_last_resort() {
    let mut world = world(4, 2);
    world.submit(&web(30, vec![spread("${meta.rack}", 50, &[("r0", 0), ("r1", 100)])]));
    world.run("web");
    // Two nodes with ten places each are wanted, the others take what does not fit.
    assert_eq!(per(&world, rack), [("r0".into(), 10), ("r1".into(), 20)].into());
}

#[test]
fn two_spreads_at_once() {
    let mut world = world(24, 3);
    let mut web = web(24, vec![spread("${meta.rack}", 50, &[])]);
    web.spreads.push(spread("${node.datacenter}", 50, &[]));
    world.submit(&web);
    world.run("web");
    assert_eq!(counts(&world, rack), [8, 8, 8]);
    assert_eq!(counts(&world, |node| node.datacenter.clone()), [12, 12]);
}

#[test]
fn a_full_rack_does_not_hold_up_the_others() {
    let mut world = world(6, 3);
    world.submit(&web(60, vec![spread("${meta.rack}", 50, &[])]));
    world.set_node(3, model::NodeStatus::Down);
    world.run("web");
    // Rack 0 has one node left.
    assert_eq!(per(&world, rack), [("r0".into(), 10), ("r1".into(), 20), ("r2".into(), 20)].into());
}

#[test]
fn nodes_without_the_attribute_come_last() {
    let mut world = world(2, 2);
    world.register(node(3));
    world.submit(&web(25, vec![spread("${meta.rack}", 50, &[])]));
    world.run("web");
    let at = |id| world.root.usage.slot(NodeId(id)).unwrap().allocs;
    assert_eq!((at(1), at(2), at(3)), (10, 10, 5));
}

#[test]
fn a_failed_one_goes_elsewhere_although_that_is_less_even() {
    let mut world = world(3, 3);
    world.submit(&web(15, vec![spread("${node.unique.id}", 50, &[])]));
    world.run("web");
    world.report("web", ClientStatus::Running, None);
    let (_, _, alloc) = world.live("web")[0];
    let failed_on = world.root.allocs[&alloc].node;
    world.report_one(alloc, ClientStatus::Failed, None);
    world.pass(31);
    let decision = world.run("web");
    let [placed] = &decision.plan.placements[..] else { panic!("{:?}", decision.plan) };
    assert_ne!(placed.node, failed_on);
}

#[test]
fn the_report_names_the_spread_from_the_second_one_on() {
    let mut world = world(4, 2);
    world.submit(&web(3, vec![spread("${meta.rack}", 50, &[])]));
    let decision = world.run("web");
    let said: Vec<bool> = decision
        .plan
        .placements
        .iter()
        .map(|one| one.metric.as_ref().unwrap().scores[0].scores.contains_key("allocation-spread"))
        .collect();
    assert_eq!(said, [false, true, true]);
}
