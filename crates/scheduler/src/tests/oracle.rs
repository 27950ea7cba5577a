//! The scheduler's choice against the best found by looking at every node, for any small world.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Affinity, Constraint, Job, JobType, NetworkAsk, Node, NodeId, Operand, Placement, Port, Spread,
    SpreadTarget,
};
use proptest::prelude::*;

use crate::testing::{World, job, key, node};

const RACKS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
struct Machine {
    cpu: u32,
    memory: u32,
    rack: Option<usize>,
    dc: usize,
}

/// Number of the value, percent.
type Targets = Vec<(usize, u8)>;

#[derive(Debug, Clone)]
struct Spec {
    count: u32,
    cpu: u32,
    memory: u32,
    fixed: bool,
    dynamic: bool,
    constraint: Option<usize>,
    affinities: Vec<(usize, i8)>,
    like_node: Option<i8>,
    /// Attribute, weight, targets.
    spreads: Vec<(usize, u8, Targets)>,
    distinct_hosts: bool,
    /// Attribute, how many, for the whole job.
    distinct_property: Option<(usize, u32, bool)>,
}

const ATTRIBUTES: [&str; 3] = ["${meta.rack}", "${node.datacenter}", "${node.unique.id}"];

fn equal(left: &str, right: String) -> Constraint {
    Constraint { left: left.into(), operand: Operand::Equal, right }
}

impl Spec {
    fn job(&self, id: &str) -> Job {
        let mut job = job(id, JobType::Service, self.count);
        let group = &mut job.groups[0];
        group.tasks[0].resources.cpu_mhz = self.cpu;
        group.tasks[0].resources.memory_mb = self.memory;
        let fixed = self.fixed.then(|| Port { label: "fixed".into(), fixed: Some(8080), ..Port::default() });
        let dynamic = self.dynamic.then(|| Port { label: "dynamic".into(), ..Port::default() });
        let ports = fixed.into_iter().chain(dynamic).collect();
        group.network = Some(NetworkAsk { ports, ..NetworkAsk::default() });
        group.constraints.extend(self.constraint.map(|dc| equal(ATTRIBUTES[1], format!("dc{dc}"))));
        if self.distinct_hosts {
            let (left, right) = (String::new(), String::from("true"));
            group.constraints.push(Constraint { left, operand: Operand::DistinctHosts, right });
        }
        if let Some((attribute, allowed, of_job)) = self.distinct_property {
            let left = ATTRIBUTES[attribute].into();
            let constraint =
                Constraint { left, operand: Operand::DistinctProperty, right: allowed.to_string() };
            if of_job { job.constraints.push(constraint) } else { group.constraints.push(constraint) }
        }
        for (rack, weight) in &self.affinities {
            let rule = equal(ATTRIBUTES[0], RACKS[*rack].into());
            group.affinities.push(Affinity { rule, weight: *weight });
        }
        if let Some(weight) = self.like_node {
            let rule = equal("${node.unique.name}", "n1".into());
            group.tasks[0].affinities.push(Affinity { rule, weight });
        }
        for (number, (attribute, weight, targets)) in self.spreads.iter().enumerate() {
            let target = |(value, percent): &(usize, u8)| {
                let value = if *attribute == 0 { RACKS[*value].into() } else { format!("dc{value}") };
                SpreadTarget { value, percent: *percent }
            };
            let spread = Spread {
                attribute: ATTRIBUTES[*attribute].into(),
                weight: *weight,
                targets: targets.iter().map(target).collect(),
            };
            if number == 0 { job.groups[0].spreads.push(spread) } else { job.spreads.push(spread) }
        }
        job
    }
}

fn machine() -> impl Strategy<Value = Machine> {
    (200..1500u32, 200..1500u32, prop::option::weighted(0.9, 0..RACKS.len()), 0..2usize)
        .prop_map(|(cpu, memory, rack, dc)| Machine { cpu, memory, rack, dc })
}

fn spec() -> impl Strategy<Value = Spec> {
    let weight = || prop_oneof![-100..=-1i8, 1..=100i8];
    // Percentages of different values; together at most 100.
    let targets = prop_oneof![
        2 => Just(Vec::new()),
        1 => (1..=100u8).prop_map(|first| vec![(0, first)]),
        1 => (0..=60u8, 0..=40u8).prop_map(|(first, second)| vec![(0, first), (1, second)]),
    ];
    let distinct_property = prop::option::weighted(0.3, (0..ATTRIBUTES.len(), 1..5u32, any::<bool>()));
    (
        (1..14u32, 20..200u32, 20..200u32, prop::bool::weighted(0.2), any::<bool>()),
        (prop::option::weighted(0.2, 0..2usize), prop::bool::weighted(0.15), distinct_property),
        (prop::collection::vec((0..RACKS.len(), weight()), 0..3), prop::option::weighted(0.3, weight())),
        prop::collection::vec((0..ATTRIBUTES.len(), 1..=100u8, targets), 0..4),
    )
        .prop_map(
            |(
                (count, cpu, memory, fixed, dynamic),
                (constraint, distinct_hosts, distinct_property),
                likes,
                spreads,
            )| {
                let (affinities, like_node) = likes;
                Spec {
                    count,
                    cpu,
                    memory,
                    fixed,
                    dynamic,
                    constraint,
                    affinities,
                    like_node,
                    spreads,
                    distinct_hosts,
                    distinct_property,
                }
            },
        )
}

fn world(machines: &[Machine]) -> World {
    let mut world = World::new(0);
    for (at, machine) in machines.iter().enumerate() {
        let mut node = node(at as u128 + 1);
        node.capacity.cpu_mhz = machine.cpu;
        node.capacity.memory_mb = machine.memory;
        node.datacenter = format!("dc{}", machine.dc);
        node.meta.extend(machine.rack.map(|rack| ("rack".into(), RACKS[rack].into())));
        world.register(node);
    }
    world
}

/// What is on the nodes while a plan is followed step by step.
struct Scan<'a> {
    world: &'a World,
    job: &'a Job,
    used: BTreeMap<NodeId, (u32, u32)>,
    fixed: BTreeSet<NodeId>,
    /// Allocations of the job.
    held: BTreeMap<NodeId, u32>,
}

impl<'a> Scan<'a> {
    fn new(world: &'a World, job: &'a Job) -> Self {
        let mut scan =
            Self { world, job, used: BTreeMap::new(), fixed: BTreeSet::new(), held: BTreeMap::new() };
        for slot in &world.root.usage.slots {
            scan.used.insert(slot.node, (slot.used.cpu_mhz, slot.used.memory_mb));
            if slot.ports.contains(8080) {
                scan.fixed.insert(slot.node);
            }
        }
        for alloc in world.root.allocs_of_job(&key(&job.id)).filter(|alloc| !alloc.is_terminal()) {
            *scan.held.entry(alloc.node).or_default() += 1;
        }
        scan
    }

    fn take(&mut self, placement: &Placement) {
        let ask = &self.job.groups[0].tasks[0].resources;
        let used = self.used.get_mut(&placement.node).unwrap();
        *used = (used.0 + ask.cpu_mhz, used.1 + ask.memory_mb);
        if placement.ports.iter().any(|port| port.value == 8080) {
            self.fixed.insert(placement.node);
        }
        *self.held.entry(placement.node).or_default() += 1;
    }

    fn value(node: &Node, attribute: &str) -> Option<String> {
        match attribute {
            "${meta.rack}" => node.meta.get("rack").cloned(),
            "${node.datacenter}" => Some(node.datacenter.clone()),
            "${node.unique.id}" => Some(node.id.to_string()),
            "${node.unique.name}" => Some(node.name.clone()),
            other => panic!("{other}"),
        }
    }

    fn has_room(&self, node: &Node) -> bool {
        let group = &self.job.groups[0];
        let ask = &group.tasks[0].resources;
        let used = self.used[&node.id];
        let meets = |constraint: &Constraint| match constraint.operand {
            Operand::DistinctHosts => !self.held.contains_key(&node.id),
            Operand::DistinctProperty => Self::value(node, &constraint.left).is_some_and(|value| {
                let used = self.counts(&constraint.left).get(&value).copied().unwrap_or(0);
                used < constraint.allowed().unwrap()
            }),
            _ => Self::value(node, &constraint.left).as_ref() == Some(&constraint.right),
        };
        let wants_fixed = group.ports().any(|(_, port)| port.fixed.is_some());
        used.0 + ask.cpu_mhz <= node.capacity.cpu_mhz
            && used.1 + ask.memory_mb <= node.capacity.memory_mb
            && group.constraints.iter().chain(&self.job.constraints).all(meets)
            && !(wants_fixed && self.fixed.contains(&node.id))
    }

    /// Allocations of the job per value.
    fn counts(&self, attribute: &str) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for (id, held) in &self.held {
            if let Some(value) = Self::value(&self.world.root.nodes[id], attribute) {
                *counts.entry(value).or_default() += held;
            }
        }
        counts
    }

    /// The weights of even spreads that could be kept even elsewhere, and the score.
    fn worth(&self, node: &Node) -> (u32, f64) {
        let group = &self.job.groups[0];
        let ask = &group.tasks[0].resources;
        let used = self.used[&node.id];
        let free = |used: u32, total: u32| 1.0 - f64::from(used) / f64::from(total);
        let cpu = free(used.0 + ask.cpu_mhz, node.capacity.cpu_mhz);
        let memory = free(used.1 + ask.memory_mb, node.capacity.memory_mb);
        let mut parts = vec![(20.0 - 10f64.powf(cpu) - 10f64.powf(memory)).clamp(0.0, 18.0) / 18.0];
        let beside = self.held.get(&node.id).copied().unwrap_or(0);
        if beside > 0 {
            parts.push(-f64::from(beside + 1) / f64::from(group.count));
        }
        let affinities = || group.affinities.iter().chain(&group.tasks[0].affinities);
        let weights = |filter: &dyn Fn(&Affinity) -> bool| -> i32 {
            affinities().filter(|one| filter(one)).map(|one| i32::from(one.weight)).sum()
        };
        let liked = weights(&|one| Self::value(node, &one.rule.left).as_ref() == Some(&one.rule.right));
        let total: i32 = affinities().map(|one| i32::from(one.weight).abs()).sum();
        if liked != 0 {
            parts.push(f64::from(liked) / f64::from(total));
        }
        let spreads = || group.spreads.iter().chain(&self.job.spreads);
        let weight: u32 = spreads().map(|spread| u32::from(spread.weight)).sum();
        let (mut boost, mut uneven) = (0.0, 0);
        for spread in spreads() {
            let (part, is_uneven) = self.spread(node, spread);
            boost += part * f64::from(spread.weight) / f64::from(weight);
            uneven += if is_uneven { u32::from(spread.weight) } else { 0 };
        }
        if boost.abs() > 1e-9 {
            parts.push(boost);
        }
        (uneven, parts.iter().sum::<f64>() / parts.len() as f64)
    }

    fn spread(&self, node: &Node, spread: &Spread) -> (f64, bool) {
        let counts = self.counts(&spread.attribute);
        let value = Self::value(node, &spread.attribute);
        let used = value.as_ref().and_then(|value| counts.get(value)).copied().unwrap_or(0);
        if spread.targets.is_empty() {
            let nodes = self.world.root.nodes.values().filter(|node| self.has_room(node));
            let values = nodes.filter_map(|node| Self::value(node, &spread.attribute));
            let least = values.map(|value| counts.get(&value).copied().unwrap_or(0)).min();
            let is_uneven = least.is_some_and(|least| value.is_none() || used > least);
            let (Some(&min), Some(&max)) = (counts.values().min(), counts.values().max()) else {
                return (0.0, is_uneven);
            };
            let [used, min, max] = [used, min, max].map(f64::from);
            let boost = if value.is_none() {
                -1.0
            } else if used != min {
                (min - used) / min
            } else if min == max {
                -1.0
            } else {
                (max - min) / min
            };
            return (boost, is_uneven);
        }
        let desired = |value: &str| {
            let given: u32 = spread.targets.iter().map(|target| u32::from(target.percent)).sum();
            let own = spread.targets.iter().find(|target| target.value == value);
            let percent = own
                .map(|target| u32::from(target.percent))
                .or((given < 100).then_some(100 - given.min(100)))?;
            Some(f64::from(percent) / 100.0 * f64::from(self.job.groups[0].count))
        };
        let toward = |desired: f64, used: u32| (desired - f64::from(used) - 1.0) / desired;
        match value.as_deref().and_then(desired) {
            None => (-1.0, false),
            Some(0.0) => {
                let all = counts.iter().filter_map(|(value, &used)| Some((desired(value)?, used)));
                let worst =
                    all.filter(|(desired, _)| *desired > 0.0).map(|(desired, used)| toward(desired, used));
                (worst.fold(-1.0, f64::min), false)
            }
            Some(desired) => (toward(desired, used), false),
        }
    }
}

/// Follows the plan, and at each step looks at every node.
fn check(world: &World, job: &Job, decision: &crate::Decision) {
    let mut scan = Scan::new(world, job);
    for (step, placement) in decision.plan.placements.iter().enumerate() {
        let chosen = &world.root.nodes[&placement.node];
        assert!(scan.has_room(chosen), "step {step}: no room on {}", chosen.name);
        let (uneven, score) = scan.worth(chosen);
        for node in world.root.nodes.values().filter(|node| scan.has_room(node)) {
            let better = scan.worth(node);
            assert!(
                uneven < better.0 || (uneven == better.0 && score >= better.1 - 1e-9),
                "step {step}: {} has {:?}, {} has {better:?}",
                chosen.name,
                (uneven, score),
                node.name
            );
        }
        scan.take(placement);
    }
    if decision.plan.placements.len() < job.groups[0].count as usize && decision.eval.queued["group"] > 0 {
        assert!(!world.root.nodes.values().any(|node| scan.has_room(node)), "there is room left");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_node_is_better_than_the_one_chosen(
        machines in prop::collection::vec(machine(), 1..12),
        specs in prop::collection::vec(spec(), 1..4),
        more in 0..6u32,
    ) {
        let mut world = world(&machines);
        for (at, spec) in specs.iter().enumerate() {
            let mut job = spec.job(&format!("job{at}"));
            for _ in 0..2 {
                world.submit(&job);
                let eval = world.eval(&job.id);
                let decision = world.decide(&eval);
                check(&world, &job, &decision);
                world.run_eval(&eval);
                job.groups[0].count += more;
            }
        }
    }

    #[test]
    fn even_means_even(
        machines in prop::collection::vec(machine(), 2..12),
        mut spec in spec(),
        attribute in 0..ATTRIBUTES.len(),
    ) {
        spec.spreads = vec![(attribute, 50, vec![])];
        let mut world = world(&machines);
        let job = spec.job("web");
        world.submit(&job);
        let decision = world.run("web");
        let scan = Scan::new(&world, &job);
        let counts = scan.counts(ATTRIBUTES[attribute]);
        let of = |node: &&std::sync::Arc<Node>| Scan::value(node, ATTRIBUTES[attribute]);
        // Values where there is still room have as many as any other, or one less.
        let open: BTreeSet<String> =
            world.root.nodes.values().filter(|node| scan.has_room(node)).filter_map(|node| of(&node)).collect();
        let most = counts.values().copied().max().unwrap_or(0);
        for value in open {
            let used = counts.get(&value).copied().unwrap_or(0);
            prop_assert!(used + 1 >= most, "{value} has {used}: {counts:?}");
        }
        prop_assert!(decision.plan.placements.len() <= spec.count as usize);
    }

    #[test]
    fn the_report_names_every_part(machines in prop::collection::vec(machine(), 1..6), spec in spec()) {
        let mut world = world(&machines);
        let job = spec.job("web");
        world.submit(&job);
        let decision = world.run("web");
        for (step, placement) in decision.plan.placements.iter().enumerate() {
            let metric = placement.metric.as_ref().unwrap();
            for score in &metric.scores {
                let mean = score.scores.values().sum::<f64>() / score.scores.len() as f64;
                prop_assert!((mean - score.normalized).abs() < 1e-9, "{score:?}");
                prop_assert!(score.scores.contains_key("binpack"));
            }
            let node = &world.root.nodes[&placement.node];
            let liked = spec.affinities.len() == 1 && Scan::value(node, ATTRIBUTES[0]).as_deref() == Some(RACKS[spec.affinities[0].0]);
            if step == 0 && liked && spec.like_node.is_none() {
                let own = metric.scores.iter().find(|score| score.node == placement.node).unwrap();
                prop_assert!(own.scores.contains_key("node-affinity"), "{own:?}");
            }
        }
    }
}
