//! Evictions against all that could have been evicted, on small clusters.

use std::collections::BTreeMap;

use model::{
    Algorithm, AllocId, Allocation, Capacity, Job, JobType, MigratePolicy, NetworkAsk, NodeId, Plan, Port,
    Preemption, SchedulerSettings,
};
use proptest::prelude::*;
use state::{Command, Root};

use crate::{
    testing::{World, job, node},
    verify,
};

#[derive(Debug, Clone)]
struct Spec {
    priority: u16,
    count: u32,
    cpu: u32,
    memory: u32,
    disk: u32,
    port: Option<u16>,
    dynamic: bool,
    max_parallel: u32,
}

impl Spec {
    fn job(&self, id: &str) -> Job {
        let mut job = job(id, JobType::Service, self.count);
        job.priority = self.priority;
        let group = &mut job.groups[0];
        group.tasks[0].resources.cpu_mhz = self.cpu;
        group.tasks[0].resources.memory_mb = self.memory;
        group.ephemeral_disk.size_mb = self.disk;
        let mut ports = Vec::new();
        ports.extend(self.port.map(|port| Port {
            label: "fixed".into(),
            fixed: Some(port),
            ..Port::default()
        }));
        ports.extend(self.dynamic.then(|| Port { label: "any".into(), ..Port::default() }));
        group.network = Some(NetworkAsk { ports, ..NetworkAsk::default() });
        group.migrate = Some(MigratePolicy { max_parallel: self.max_parallel, ..MigratePolicy::default() });
        job
    }

    fn ask(&self) -> Capacity {
        Capacity { cpu_mhz: self.cpu, memory_mb: self.memory, disk_mb: self.disk }
    }
}

fn spec(priority: impl Strategy<Value = u16>, count: u32) -> impl Strategy<Value = Spec> {
    (
        priority,
        1..=count,
        (1u32..7, 1u32..7, 1u32..7),
        prop_oneof![3 => Just(None), 1 => (80u16..82).prop_map(Some)],
        any::<bool>(),
        0u32..3,
    )
        .prop_map(|(priority, count, (cpu, memory, disk), port, dynamic, max_parallel)| Spec {
            priority,
            count,
            cpu: cpu * 100,
            memory: memory * 100,
            disk: disk * 100,
            port,
            dynamic,
            max_parallel,
        })
}

/// Up to four nodes of different sizes, filled by jobs that came one after the other.
fn filled(sizes: &[u32], specs: &[Spec], algorithm: Algorithm) -> World {
    let mut world = World::new(0);
    for (at, &size) in sizes.iter().enumerate() {
        let mut node = node(at as u128 + 1);
        let size = size * 100;
        node.capacity = Capacity { cpu_mhz: size, memory_mb: 1000, disk_mb: size };
        world.register(node);
    }
    for (at, spec) in specs.iter().enumerate() {
        let job = spec.job(&format!("low{at}"));
        world.submit(&job);
        world.run(&job.id);
    }
    let preemption = Preemption { service: true, ..Preemption::default() };
    let settings = SchedulerSettings { preemption, algorithm, ..SchedulerSettings::default() };
    world.apply(Command::SetScheduler { settings, enforce_index: None });
    world
}

fn room(root: &Root, alloc: &Allocation) -> Capacity {
    root.group_of(alloc).unwrap().capacity()
}

/// What is on a node: the sum of room, and how often each port is held.
#[derive(Debug, Clone, Default)]
struct Load {
    sum: [u64; 3],
    ports: BTreeMap<u16, u32>,
}

impl Load {
    fn add(&mut self, room: Capacity, ports: impl IntoIterator<Item = u16>) {
        for (sum, part) in self.sum.iter_mut().zip([room.cpu_mhz, room.memory_mb, room.disk_mb]) {
            *sum += u64::from(part);
        }
        for port in ports {
            *self.ports.entry(port).or_default() += 1;
        }
    }

    fn fits(&self, total: Capacity) -> bool {
        let total = [total.cpu_mhz, total.memory_mb, total.disk_mb].map(u64::from);
        self.sum.iter().zip(total).all(|(sum, total)| *sum <= total)
            && self.ports.values().all(|held| *held == 1)
    }
}

fn ports_of(alloc: &Allocation) -> impl Iterator<Item = u16> {
    alloc.ports.iter().map(|port| port.value)
}

/// Whether everything fits on the node when `gone` are evicted and `more` is placed.
fn fits_without(root: &Root, on: NodeId, gone: &[AllocId], more: &[(Capacity, Vec<u16>)]) -> bool {
    let mut load = Load::default();
    for alloc in root.allocs_of_node(on).filter(|alloc| !alloc.is_terminal() && !gone.contains(&alloc.id)) {
        load.add(room(root, alloc), ports_of(alloc));
    }
    for (room, ports) in more {
        load.add(*room, ports.iter().copied());
    }
    load.fits(root.nodes[&on].available())
}

fn priority_of(root: &Root, id: AllocId) -> u16 {
    root.jobs[&root.allocs[&id].job].priority
}

/// All that may be evicted on the node for a job of the priority.
fn eligible(root: &Root, on: NodeId, priority: u16) -> Vec<AllocId> {
    let live = root.allocs_of_node(on).filter(|alloc| !alloc.is_terminal());
    live.map(|alloc| alloc.id).filter(|id| priority_of(root, *id) + 10 <= priority).collect()
}

fn subsets(of: &[AllocId]) -> impl Iterator<Item = Vec<AllocId>> {
    (0..1u32 << of.len())
        .map(|bits| (0..of.len()).filter(|at| bits & (1 << at) != 0).map(|at| of[at]).collect())
}

/// None of the evicted need not go, and all of them may.
fn check_evictions(root: &Root, plan: &Plan, spec: &Spec) {
    for on in root.nodes.keys() {
        let evictions = plan.evictions.iter().filter(|one| one.node == *on);
        let gone: Vec<AllocId> = evictions.map(|one| one.id).collect();
        for id in &gone {
            assert!(priority_of(root, *id) + 10 <= spec.priority, "{id} is too important");
            assert_eq!(root.allocs[id].node, *on);
        }
        let here = plan.placements.iter().filter(|placement| placement.node == *on);
        let more: Vec<_> =
            here.map(|one| (spec.ask(), one.ports.iter().map(|port| port.value).collect())).collect();
        assert!(fits_without(root, *on, &gone, &more), "it does not fit on {on}");
        for subset in subsets(&gone).filter(|subset| subset.len() < gone.len()) {
            assert!(!fits_without(root, *on, &subset, &more), "{subset:?} of {gone:?} would do");
        }
    }
    for eviction in &plan.evictions {
        let winner = plan.placements.iter().find(|placement| placement.id == eviction.by).unwrap();
        assert_eq!(winner.node, eviction.node);
    }
}

/// The score of the node that was chosen for the only placement.
fn score(plan: &Plan) -> Option<(NodeId, f64)> {
    let placement = plan.placements.first()?;
    let scores = &placement.metric.as_ref().unwrap().scores;
    Some((placement.node, scores.iter().find(|score| score.node == placement.node).unwrap().normalized))
}

/// What the placement comes to when only this node may be taken.
fn alone(world: &World, on: NodeId, eval: &model::Evaluation) -> Option<(NodeId, f64)> {
    let mut only = World::new(0);
    (only.root, only.now) = (world.root.clone(), world.now);
    for other in world.root.nodes.keys().filter(|other| **other != on) {
        only.apply(Command::SetNodeEligibility {
            node: *other,
            eligibility: model::Eligibility::Ineligible,
            evals: vec![],
            now: world.now,
        });
    }
    score(&only.decide(eval).plan)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn evictions_are_few_and_of_the_least_important(
        sizes in prop::collection::vec(4u32..12, 1..5),
        low in prop::collection::vec(spec(prop_oneof![Just(20u16), Just(30), Just(55), Just(64)], 4), 1..6),
        high in spec(60u16..80, 1),
        spread in any::<bool>(),
    ) {
        let algorithm = if spread { Algorithm::Spread } else { Algorithm::Binpack };
        let mut world = filled(&sizes, &low, algorithm);
        world.submit(&high.job("high"));
        let eval = world.eval("high");
        let plan = world.decide(&eval).plan;
        let root = world.root.clone();
        check_evictions(&root, &plan, &high);
        let fixed: Vec<u16> = high.port.into_iter().collect();
        let more = [(high.ask(), fixed)];
        let has_room = |on: &NodeId| fits_without(&root, *on, &[], &more);
        let could = |on: &NodeId| fits_without(&root, *on, &eligible(&root, *on, high.priority), &more);
        if root.nodes.keys().any(has_room) {
            prop_assert!(plan.evictions.is_empty());
        }
        prop_assert_eq!(plan.placements.len(), usize::from(root.nodes.keys().any(could)));

        let Some((on, best)) = score(&plan) else { return Ok(()) };
        if plan.evictions.is_empty() {
            return Ok(());
        }
        // The most important one that goes is as unimportant as can be on that node.
        let highest = |ids: &[AllocId]| ids.iter().map(|id| priority_of(&root, *id)).max().unwrap_or(0);
        let gone: Vec<AllocId> = plan.evictions.iter().map(|one| one.id).collect();
        let least = subsets(&eligible(&root, on, high.priority))
            .filter(|subset| fits_without(&root, on, subset, &more))
            .map(|subset| highest(&subset))
            .min();
        prop_assert_eq!(Some(highest(&gone)), least);
        for other in root.nodes.keys() {
            if let Some((_, score)) = alone(&world, *other, &eval) {
                prop_assert!(best >= score - 1e-9, "{} has {}, {} has {}", on, best, other, score);
            }
        }
    }

    #[test]
    fn many_placements_evict_no_more_than_they_need(
        sizes in prop::collection::vec(4u32..12, 1..5),
        low in prop::collection::vec(spec(prop_oneof![Just(20u16), Just(30), Just(55), Just(64)], 4), 1..7),
        high in spec(60u16..80, 6),
        late in spec(70u16..90, 3),
    ) {
        let mut world = filled(&sizes, &low, Algorithm::Binpack);
        world.submit(&late.job("late"));
        let eval = world.eval("late");
        let overtaken = world.decide(&eval).plan;
        world.submit(&high.job("high"));
        let before = world.root.clone();
        let plan = world.run("high").plan;
        check_evictions(&before, &plan, &high);
        // What is left of a plan that came too late is as frugal.
        let before = world.root.clone();
        let verified = verify(&world.root, overtaken);
        check_evictions(&before, &verified.plan, &late);
        world.apply(Command::ApplyPlan { plan: Box::new(verified.plan), evals: vec![] });
        // Whoever lost something is looked at, and may find a place by evicting others in turn.
        let open: Vec<_> = world.root.open_evals_since(0).map(|eval| eval.job.id.to_string()).collect();
        for id in open {
            world.run(&id);
        }
        prop_assert!(world.live("high").len() <= high.count as usize);
    }
}
