//! Whole cores and devices: which ones, why not, and who gives them up.

use model::{
    Affinity, Claims, Constraint, Device, DeviceAsk, DeviceGroup, DeviceName, Job, JobType, Node, Operand,
    Preemption, SchedulerSettings, Task,
};
use proptest::prelude::*;
use state::Command;

use crate::{
    testing::{World, job, node, sizes},
    verify,
};

/// Four cores of 250 MHz.
fn with_cores(id: u128) -> Node {
    Node { core_count: 4, reservable_cores: vec![0, 1, 2, 3], ..node(id) }
}

fn gpus(model: &str, memory: &str, ids: &[&str]) -> DeviceGroup {
    DeviceGroup {
        name: DeviceName { vendor: "nvidia".into(), kind: "gpu".into(), model: model.into() },
        attributes: [("memory".into(), memory.into())].into(),
        devices: ids
            .iter()
            .map(|id| Device { id: (*id).into(), healthy: true, ..Device::default() })
            .collect(),
    }
}

fn world(nodes: impl IntoIterator<Item = Node>) -> World {
    let mut world = World::new(0);
    nodes.into_iter().for_each(|node| world.register(node));
    world
}

fn asking_cores(id: &str, count: u32, cores: u32) -> Job {
    let mut job = job(id, JobType::Service, count);
    job.groups[0].tasks[0].resources.cpu_mhz = 0;
    job.groups[0].tasks[0].resources.cores = cores;
    job
}

fn ask(name: &str, count: u32) -> DeviceAsk {
    DeviceAsk { name: name.into(), count, ..DeviceAsk::default() }
}

fn asking_devices(id: &str, count: u32, asks: Vec<DeviceAsk>) -> Job {
    let mut job = job(id, JobType::Service, count);
    job.groups[0].tasks[0].resources.devices = asks;
    job
}

fn rule(left: &str, operand: Operand, right: &str) -> Constraint {
    Constraint { left: left.into(), operand, right: right.into() }
}

fn claims_of(world: &World, id: &str) -> Vec<Claims> {
    let live = world.live(id).into_iter();
    live.map(|(_, _, alloc)| Claims::clone(world.root.allocs[&alloc].claims.as_ref().unwrap())).collect()
}

fn cores_of(world: &World, id: &str) -> Vec<Vec<u16>> {
    claims_of(world, id).iter().map(|claims| claims.cores().collect()).collect()
}

/// Node and ids of devices, per allocation.
fn devices_of(world: &World, id: &str) -> Vec<(u128, Vec<String>)> {
    let live = world.live(id).into_iter().map(|(_, _, alloc)| world.root.allocs[&alloc].clone());
    live.map(|alloc| {
        let claims = alloc.claims.clone().unwrap();
        (alloc.node.0, claims.devices().map(|(_, id)| id.to_owned()).collect())
    })
    .collect()
}

/// Why an allocation of the job found no place: constraints and dimensions.
fn reasons(world: &mut World, id: &str) -> Vec<(String, u32)> {
    let decision = world.run(id);
    let metric = &decision.eval.failed_groups["group"];
    let counts = metric.constraint_filtered.iter().chain(&metric.dimension_exhausted);
    counts.map(|(key, count)| (key.clone(), *count)).collect()
}

fn preempting(world: &mut World) {
    let preemption = Preemption { service: true, ..Preemption::default() };
    let settings = SchedulerSettings { preemption, ..SchedulerSettings::default() };
    world.apply(Command::SetScheduler { settings, enforce_index: None });
}

#[test]
fn the_lowest_free_cores_which_count_as_mhz() {
    let mut world = world([with_cores(1)]);
    world.submit(&asking_cores("web", 2, 2));
    world.run("web");
    assert_eq!(cores_of(&world, "web"), [[0, 1], [2, 3]]);
    let slot = world.root.usage.slot(model::NodeId(1)).unwrap();
    assert_eq!(slot.used.cpu_mhz, 1000);
    world.submit(&asking_cores("more", 1, 1));
    assert_eq!(reasons(&mut world, "more"), [("cores".into(), 1)]);
    world.stop("web");
    world.run("web");
    world.run("more");
    assert_eq!(cores_of(&world, "more"), [[0]]);
    assert_eq!(claims_of(&world, "more")[0].cpu_mhz(), 250);
    let eval = world.eval("more");
    assert!(world.decide(&eval).plan.is_noop());
}

#[test]
fn each_task_has_its_own_cores() {
    let mut world = world([with_cores(1)]);
    let mut web = asking_cores("web", 1, 1);
    let second = web.groups[0].tasks[0].clone();
    let mut third = Task { name: "share".into(), ..second.clone() };
    third.resources.cores = 0;
    third.resources.cpu_mhz = 10;
    let mut second = Task { name: "other".into(), ..second };
    second.resources.cores = 2;
    web.groups[0].tasks.extend([second, third]);
    world.submit(&web);
    world.run("web");
    let claims = &claims_of(&world, "web")[0];
    let cores = |task: &str| claims.of(task).map(|claims| (claims.cores.clone(), claims.cpu_mhz));
    assert_eq!(cores("task"), Some((vec![0], 250)));
    assert_eq!(cores("other"), Some((vec![1, 2], 500)));
    assert_eq!(cores("share"), None);
    assert_eq!(world.root.usage.slot(model::NodeId(1)).unwrap().used.cpu_mhz, 760);
}

#[test]
fn cores_need_cpu_that_nobody_has_a_share_of() {
    let mut world = world([with_cores(1)]);
    let mut shares = job("shares", JobType::Service, 1);
    shares.groups[0].tasks[0].resources.cpu_mhz = 600;
    world.submit(&shares);
    world.run("shares");
    world.submit(&asking_cores("web", 2, 1));
    assert_eq!(reasons(&mut world, "web"), [("cpu".into(), 1)]);
    assert_eq!(cores_of(&world, "web"), [[0]]);
}

#[test]
fn nodes_without_cores_to_give_give_none() {
    let kept = Node { reserved_cores: vec![0, 1, 2], ..with_cores(2) };
    let mut world = world([node(1), kept]);
    world.submit(&asking_cores("web", 2, 1));
    assert_eq!(reasons(&mut world, "web"), [("cores".into(), 2)]);
    assert_eq!(cores_of(&world, "web"), [[3]]);
}

#[test]
fn devices_that_are_missing_and_devices_that_are_taken() {
    let mut sick = gpus("T4", "16 GiB", &["c"]);
    sick.devices[0].healthy = false;
    let mut world = world([
        node(1),
        Node { devices: vec![gpus("T4", "16 GiB", &["b", "a"])], ..node(2) },
        Node { devices: vec![sick], ..node(3) },
    ]);
    world.submit(&asking_devices("web", 3, vec![ask("nvidia/gpu", 1)]));
    let why = reasons(&mut world, "web");
    assert_eq!(why, [("missing devices".into(), 2), ("devices".into(), 1)]);
    assert_eq!(devices_of(&world, "web"), [(2, vec!["a".into()]), (2, vec!["b".into()])]);
    // It has recovered.
    world.register(Node { devices: vec![gpus("T4", "16 GiB", &["c"])], ..node(3) });
    world.run("web");
    assert_eq!(devices_of(&world, "web")[2], (3, vec!["c".into()]));
    let eval = world.eval("web");
    assert!(world.decide(&eval).plan.is_noop());
}

#[test]
fn what_a_constraint_says_of_devices() {
    let mut world = world([
        Node { devices: vec![gpus("T4", "16 GiB", &["a"])], ..node(1) },
        Node { devices: vec![gpus("A100", "81920 MiB", &["x", "y"])], ..node(2) },
    ]);
    let large = rule("${device.attr.memory}", Operand::GreaterOrEqual, "40 GiB");
    let gpu = DeviceAsk { constraints: vec![large], ..ask("gpu", 1) };
    world.submit(&asking_devices("large", 1, vec![gpu]));
    world.run("large");
    assert_eq!(devices_of(&world, "large"), [(2, vec!["x".into()])]);
    let one = rule("${device.ids}", Operand::SetContainsAny, "a,b");
    let gpu = DeviceAsk { constraints: vec![one], ..ask("gpu", 1) };
    world.submit(&asking_devices("one", 2, vec![gpu]));
    let why = reasons(&mut world, "one");
    assert_eq!(why, [("missing devices".into(), 1), ("devices".into(), 1)]);
    assert_eq!(devices_of(&world, "one"), [(1, vec!["a".into()])]);
}

#[test]
fn devices_that_are_liked() {
    let mut world = world([
        Node { devices: vec![gpus("T4", "16 GiB", &["a"])], ..node(1) },
        Node { devices: vec![gpus("A100", "80 GiB", &["x"])], ..node(2) },
    ]);
    // The fuller node is the better one but for its devices.
    let mut filler = job("filler", JobType::Service, 1);
    filler.groups[0].constraints.push(rule("${node.unique.name}", Operand::Equal, "n1"));
    world.submit(&filler);
    world.run("filler");
    let affinities =
        vec![Affinity { rule: rule("${device.attr.memory}", Operand::Greater, "40 GiB"), weight: 50 }];
    world.submit(&asking_devices("web", 2, vec![DeviceAsk { affinities, ..ask("gpu", 1) }]));
    let decision = world.run("web");
    assert_eq!(devices_of(&world, "web"), [(2, vec!["x".into()]), (1, vec!["a".into()])]);
    let scores = &decision.plan.placements[0].metric.as_ref().unwrap().scores;
    let of_devices: Vec<_> = scores.iter().map(|score| score.scores["devices"]).collect();
    assert_eq!(of_devices, [1.0, 0.0]);
}

#[test]
fn of_two_plans_for_the_same_core_the_second_is_refused() {
    let devices = vec![gpus("T4", "16 GiB", &["a"])];
    let mut world = world([Node { devices, ..with_cores(1) }]);
    for (first, second) in [
        (asking_cores("a", 1, 1), asking_cores("b", 1, 1)),
        (asking_devices("c", 1, vec![ask("gpu", 1)]), asking_devices("d", 1, vec![ask("gpu", 1)])),
    ] {
        world.submit(&first);
        world.submit(&second);
        let (one, two) = (world.eval(&first.id), world.eval(&second.id));
        let (one, two) = (world.decide(&one), world.decide(&two));
        let reserved = {
            let mut root = world.root.clone();
            root.reserve(&one.plan);
            verify(&root, two.plan.clone())
        };
        world.apply(Command::ApplyPlan { plan: Box::new(one.plan), evals: vec![] });
        let late = verify(&world.root, two.plan);
        assert_eq!((late.complete, late.plan.placements.len()), (false, 0));
        assert_eq!(reserved, late);
    }
}

#[test]
fn an_update_in_place_keeps_them_and_another_number_of_cores_does_not() {
    let mut world = world([with_cores(1), with_cores(2)]);
    let mut web = asking_cores("web", 1, 3);
    world.submit(&web);
    world.run("web");
    web.priority = 60;
    world.submit(&web);
    assert_eq!(sizes(&world.run("web").plan), (0, 0, 1));
    assert_eq!(cores_of(&world, "web"), [[0, 1, 2]]);
    web.groups[0].tasks[0].resources.cores = 2;
    world.submit(&web);
    assert_eq!(sizes(&world.run("web").plan), (1, 1, 0));
    // The free one first: who had the others may need a moment.
    let used: Vec<u32> = world.root.usage.slots.iter().map(|slot| slot.used.cpu_mhz).collect();
    assert_eq!(used.iter().sum::<u32>(), 500);
}

#[test]
fn on_every_node() {
    let mut world = world([node(1), with_cores(2), with_cores(3)]);
    let mut system = asking_cores("system", 1, 2);
    system.kind = JobType::System;
    system.groups[0].reschedule = None;
    world.submit(&system);
    let decision = world.run("system");
    assert_eq!(cores_of(&world, "system"), [[0, 1], [0, 1]]);
    assert_eq!(decision.eval.failed_groups["group"].dimension_exhausted["cores"], 1);
}

#[test]
fn whoever_holds_them_gives_way() {
    let devices = vec![gpus("T4", "16 GiB", &["a", "b"])];
    let mut world = world([Node { devices, reservable_cores: vec![0, 1, 2], ..with_cores(1) }]);
    preempting(&mut world);
    let low = |mut job: Job| Job { priority: 10, ..std::mem::take(&mut job) };
    let mut small = job("small", JobType::Service, 1);
    small.groups[0].tasks[0].resources.cpu_mhz = 1;
    for job in
        [low(small), low(asking_devices("gpu", 2, vec![ask("gpu", 1)])), low(asking_cores("cores", 2, 1))]
    {
        world.submit(&job);
        world.run(&job.id);
    }
    let high = Job { priority: 90, ..asking_devices("high-gpu", 1, vec![ask("gpu", 1)]) };
    world.submit(&high);
    let plan = world.run("high-gpu").plan;
    assert_eq!((plan.evictions.len(), world.live("gpu").len()), (1, 1));
    let high = Job { priority: 90, ..asking_cores("high-cores", 1, 2) };
    world.submit(&high);
    let plan = world.run("high-cores").plan;
    let losers: Vec<_> =
        plan.evictions.iter().map(|one| world.root.allocs[&one.id].job.id.to_string()).collect();
    assert_eq!((losers, world.live("cores").len()), (vec!["cores".to_owned()], 1));
    // The one that was free, and the one that was given up.
    assert_eq!(cores_of(&world, "high-cores")[0].len(), 2);
    assert_eq!(world.live("small").len(), 1);
}

#[test]
fn states_from_before_there_were_such_are_read() {
    let mut world = world([node(1)]);
    world.submit(&job("web", JobType::Service, 1));
    world.run("web");
    let bytes = written(&world);
    // As an older version wrote it, and can read it.
    for name in ["claims", "cores", "core_count", "reservable_cores", "devices"] {
        let key = [&[0xa0 | name.len() as u8], name.as_bytes()].concat();
        assert!(!bytes.windows(key.len()).any(|part| part == key), "{name}");
    }
    let read = state::records::read_state(&mut &bytes[..]).unwrap();
    assert_eq!(read.allocs, world.root.allocs);

    let mut world = world_of_all();
    world.submit(&asking_cores("cores", 1, 2));
    world.submit(&asking_devices("gpu", 1, vec![ask("gpu", 1)]));
    world.run("cores");
    world.run("gpu");
    let read = state::records::read_state(&mut &written(&world)[..]).unwrap();
    assert_eq!(read.usage.slots, world.root.usage.slots);
    state::invariants::check(&read).unwrap();
}

fn written(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    state::records::write_state(&world.root, &mut bytes).unwrap();
    bytes
}

fn world_of_all() -> World {
    world([Node { devices: vec![gpus("T4", "16 GiB", &["a"])], ..with_cores(1) }])
}

// ------------------------------------------------------------------------------------------ any world

#[derive(Debug, Clone)]
struct Machine {
    cores: u16,
    /// How many devices of each model.
    devices: [usize; 2],
    cpu: u32,
}

#[derive(Debug, Clone)]
struct Spec {
    count: u32,
    cores: u32,
    devices: Option<(usize, u32)>,
    cpu: u32,
    priority: u16,
}

/// What happens to the world.
#[derive(Debug, Clone)]
enum Step {
    Submit(Spec),
    Stop(usize),
    Fail(usize),
    /// One device of the node is no longer well, or well again.
    Turn(usize),
}

const MODELS: [&str; 2] = ["T4", "A100"];
/// As asks name them: any, those of one model.
const NAMES: [&str; 3] = ["gpu", "nvidia/gpu/T4", "nvidia/gpu/A100"];

impl Machine {
    fn node(&self, id: u128, sick: Option<usize>) -> Node {
        let mut node = node(id);
        node.capacity.cpu_mhz = self.cpu;
        node.core_count = u32::from(self.cores);
        node.reservable_cores = (0..self.cores).collect();
        for (model, count) in MODELS.iter().zip(self.devices).filter(|(_, count)| *count > 0) {
            let ids: Vec<String> = (0..count).map(|at| format!("{model}-{at}")).collect();
            let mut group = gpus(model, "16 GiB", &ids.iter().map(String::as_str).collect::<Vec<_>>());
            if let Some(sick) = sick {
                let at = sick % count;
                group.devices[at].healthy = false;
            }
            node.devices.push(group);
        }
        node
    }
}

impl Spec {
    fn job(&self, id: &str) -> Job {
        let mut job = job(id, JobType::Service, self.count);
        job.priority = self.priority;
        let resources = &mut job.groups[0].tasks[0].resources;
        resources.memory_mb = 10;
        resources.cores = self.cores;
        resources.cpu_mhz = if self.cores > 0 { 0 } else { self.cpu };
        resources.devices = self.devices.iter().map(|&(name, count)| ask(NAMES[name], count)).collect();
        job.groups[0].ephemeral_disk.size_mb = 10;
        job
    }
}

fn machine() -> impl Strategy<Value = Machine> {
    (0u16..5, [0usize..3, 0usize..3], 300u32..1200).prop_map(|(cores, devices, cpu)| Machine {
        cores,
        devices,
        cpu,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let spec = (1u32..4, 0u32..4, prop::option::of((0..NAMES.len(), 1u32..3)), 1u32..400, 0u16..4).prop_map(
        |(count, cores, devices, cpu, rank)| Spec { count, cores, devices, cpu, priority: 10 + 20 * rank },
    );
    prop_oneof![
        4 => spec.prop_map(Step::Submit),
        1 => (0usize..8).prop_map(Step::Stop),
        1 => (0usize..8).prop_map(Step::Fail),
        1 => (0usize..8).prop_map(Step::Turn),
    ]
}

/// Counted by hand: what is free on the node, were the allocations of `without` gone.
fn has_room(world: &World, node: &Node, spec: &Spec, without: &[model::AllocId]) -> bool {
    let live = || {
        let live = world.root.allocs_of_node(node.id).filter(|alloc| !alloc.is_terminal());
        live.filter(|alloc| !without.contains(&alloc.id))
    };
    let held: Vec<u16> =
        live().flat_map(|alloc| alloc.claims.iter().flat_map(|it| it.cores()).collect::<Vec<_>>()).collect();
    let devices: Vec<(String, String)> = live()
        .flat_map(|alloc| {
            let claims = alloc.claims.iter().flat_map(|it| it.devices());
            claims.map(|(name, id)| (name.model.clone(), id.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let per_core = node.capacity.cpu_mhz.checked_div(node.core_count).unwrap_or(0);
    let used: u32 = live()
        .map(|alloc| {
            let resources = &world.root.group_of(alloc).unwrap().tasks[0].resources;
            resources.cpu_mhz + resources.cores * per_core
        })
        .sum();
    let cpu = if spec.cores > 0 { spec.cores * per_core } else { spec.cpu };
    let free_cores = node.reservable_cores.iter().filter(|core| !held.contains(core)).count();
    let has_devices = spec.devices.is_none_or(|(name, count)| {
        node.devices.iter().any(|group| {
            let is_free = |device: &Device| !devices.contains(&(group.name.model.clone(), device.id.clone()));
            let takes = NAMES[name] == "gpu" || NAMES[name].ends_with(&group.name.model);
            takes && group.healthy().filter(|device| is_free(device)).count() >= count as usize
        })
    });
    used + cpu <= node.capacity.cpu_mhz && free_cores >= spec.cores as usize && has_devices
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing is given twice and nothing is over its capacity (checked after each step by the world); who finds no
    /// room finds none anywhere; nobody is evicted who need not go; a second look changes nothing.
    #[test]
    fn whatever_happens(
        machines in prop::collection::vec(machine(), 1..5),
        steps in prop::collection::vec(step(), 1..12),
        preempts in any::<bool>(),
    ) {
        let mut world = World::new(0);
        for (at, machine) in machines.iter().enumerate() {
            world.register(machine.node(at as u128 + 1, None));
        }
        if preempts {
            preempting(&mut world);
        }
        let mut specs: Vec<Spec> = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Submit(spec) => {
                    let id = format!("job{}", specs.len());
                    world.submit(&spec.job(&id));
                    specs.push(spec.clone());
                    let before = world.root.clone();
                    let decision = world.run(&id);
                    for placement in &decision.plan.placements {
                        let claims = placement.claims.as_ref();
                        prop_assert_eq!(claims.map_or(0, |it| it.cores().count()), spec.cores as usize);
                        let devices = spec.devices.map_or(0, |(_, count)| count as usize);
                        prop_assert_eq!(claims.map_or(0, |it| it.devices().count()), devices);
                    }
                    for eviction in &decision.plan.evictions {
                        let loser = &before.allocs[&eviction.id];
                        prop_assert!(before.jobs[&loser.job].priority + 10 <= spec.priority);
                        let held_nothing = world.root.nodes[&loser.node].clone();
                        let loser = specs[loser.job.id[3..].parse::<usize>().unwrap()].clone();
                        // Had it stayed, somebody would not fit.
                        prop_assert!(!stays(&world, &held_nothing, &before, eviction.id, &loser));
                    }
                    if decision.eval.queued["group"] > 0 && !preempts {
                        let mut nodes = world.root.nodes.values();
                        prop_assert!(!nodes.any(|node| has_room(&world, node, spec, &[])), "there is room left");
                    }
                    let eval = world.eval(&id);
                    prop_assert!(world.decide(&eval).plan.is_noop());
                }
                Step::Stop(at) if !specs.is_empty() => {
                    let id = format!("job{}", at % specs.len());
                    world.stop(&id);
                    world.run(&id);
                }
                Step::Fail(at) if !specs.is_empty() => {
                    let id = format!("job{}", at % specs.len());
                    world.report(&id, model::ClientStatus::Failed, None);
                    world.pass(60);
                    world.run(&id);
                }
                Step::Turn(at) => {
                    let at = at % machines.len();
                    let sick = (number % 2 == 0).then_some(number);
                    world.register(machines[at].node(at as u128 + 1, sick));
                }
                Step::Stop(_) | Step::Fail(_) => {}
            }
        }
    }
}

/// Whether the evicted one would still fit beside what is there now, holding what it held.
fn stays(world: &World, node: &Node, before: &state::Root, id: model::AllocId, spec: &Spec) -> bool {
    let own = before.allocs[&id].claims.clone().unwrap_or_default();
    let mut live = world.root.allocs_of_node(node.id).filter(|alloc| !alloc.is_terminal());
    let overlaps = live.any(|alloc| alloc.claims.as_ref().is_some_and(|claims| claims.overlap(&own)));
    let amounts = Spec {
        devices: None,
        cores: 0,
        cpu: if spec.cores > 0 { own.cpu_mhz() } else { spec.cpu },
        ..spec.clone()
    };
    !overlaps && has_room(world, node, &amounts, &[])
}
