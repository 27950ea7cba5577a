//! One job from registration to collection, with the invariants after each step and the snapshot at the end.

use std::sync::Arc;

use model::{
    AllocId, AllocStop, AllocUpdate, AssignedPort, Capacity, ClientStatus, EvalId, EvalStatus, Evaluation,
    Job, JobKey, JobStatus, JobType, Node, NodeId, NodeStatus, Placement, Plan, Resources, ServiceState,
    Task, TaskGroup, Timestamp, Trigger,
};
use state::{Command, Outcome, Root, invariants, snapshot};

struct World {
    root: Root,
    index: u64,
}

impl World {
    fn new() -> Self {
        Self { root: Root::default(), index: 0 }
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let command = Command::decode(&command.encode()).unwrap();
        let outcome = self.root.apply(self.index, command);
        invariants::check(&self.root).unwrap();
        outcome
    }
}

const NODE: NodeId = NodeId(1);
const ALLOC: AllocId = AllocId(10);

fn node() -> Node {
    Node {
        id: NODE,
        name: "n1".into(),
        datacenter: "dc1".into(),
        address: "127.0.0.1".into(),
        capacity: Capacity { cpu_mhz: 1000, memory_mb: 1000, disk_mb: 1000 },
        dynamic_ports: (20000, 32000),
        status: NodeStatus::Ready,
        ..Node::default()
    }
}

fn job() -> Job {
    Job {
        id: "redis".into(),
        name: "redis".into(),
        groups: vec![TaskGroup {
            name: "cache".into(),
            count: 1,
            tasks: vec![Task {
                name: "redis".into(),
                driver: "docker".into(),
                resources: Resources { cpu_mhz: 500, memory_mb: 256, ..Resources::default() },
                ..Task::default()
            }],
            ..TaskGroup::default()
        }],
        ..Job::default()
    }
}

fn eval(id: u128, status: EvalStatus) -> Evaluation {
    let mut eval =
        Evaluation::new(EvalId(id), key(), JobType::Service, 50, Trigger::JobRegister, Timestamp(1));
    eval.status = status;
    eval
}

fn key() -> JobKey {
    JobKey::new("default", "redis")
}

fn reported(client: ClientStatus) -> Command {
    Command::UpdateAllocs { updates: vec![report(client)], evals: vec![], synced: None, now: Timestamp(1) }
}

fn report(client: ClientStatus) -> AllocUpdate {
    let services = if client == ClientStatus::Running {
        vec![ServiceState {
            task: "redis".into(),
            name: "global-redis-check".into(),
            tags: vec!["cache".into()],
            address: "127.0.0.1".into(),
            port: 20001,
            port_label: "db".into(),
            ..ServiceState::default()
        }]
    } else {
        Vec::new()
    };
    AllocUpdate {
        id: ALLOC,
        client,
        client_description: String::new(),
        tasks: Arc::default(),
        services,
        health: None,
        deployment: None,
        time: Timestamp(5),
    }
}

fn running() -> World {
    let mut world = World::new();
    world.apply(Command::RegisterNode { node: node(), evals: vec![], now: Timestamp(1) });
    let outcome = world.apply(Command::RegisterJob {
        job: Box::new(job()),
        enforce_index: None,
        eval: Some(eval(1, EvalStatus::Pending)),
        now: Timestamp(2),
    });
    assert_eq!(outcome, Outcome::JobRegistered { job_modify_index: 2, version: 0, new_version: true });
    assert_eq!(world.root.jobs[&key()].status, JobStatus::Pending);
    let mut plan = Plan::new(EvalId(1), key(), 50, 2, Timestamp(3));
    plan.job_index = 2;
    plan.placements.push(Placement {
        id: ALLOC,
        node: NODE,
        group: "cache".into(),
        ports: vec![AssignedPort {
            label: "db".into(),
            task: Some("redis".into()),
            value: 20001,
            to: 0,
            ignore_collision: false,
        }],
        ..Placement::default()
    });
    world.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![eval(1, EvalStatus::Complete)] });
    world.apply(reported(ClientStatus::Running));
    world
}

#[test]
fn a_placed_job_runs_and_its_service_is_listed() {
    let world = running();
    assert_eq!(world.root.jobs[&key()].status, JobStatus::Running);
    let slot = world.root.usage.slot(NODE).unwrap();
    assert_eq!((slot.used.cpu_mhz, slot.used.memory_mb, slot.used.disk_mb), (500, 256, 300));
    assert!(slot.ports.contains(20001));
    let services: Vec<_> = world.root.service("global-redis-check").collect();
    assert_eq!(services.len(), 1);
    assert_eq!((services[0].port, services[0].create_index), (20001, 4));
    assert_eq!(world.root.service("global").count(), 0);
}

#[test]
fn a_stop_takes_the_service_away_at_once_and_frees_the_room() {
    let mut world = running();
    let modified = world.root.allocs[&ALLOC].alloc_modify_index;
    world.apply(Command::SkipShutdownDelay { allocs: Vec::new(), job: Some(key()) });
    let alloc = &world.root.allocs[&ALLOC];
    // News for the node only with the stop itself.
    assert_eq!((alloc.no_shutdown_delay, alloc.alloc_modify_index), (true, modified));
    world.apply(Command::DeregisterJob {
        job: key(),
        purge: false,
        eval: Some(eval(2, EvalStatus::Pending)),
        now: Timestamp(6),
    });
    let mut plan = Plan::new(EvalId(2), key(), 50, 5, Timestamp(7));
    plan.stops.push(AllocStop { id: ALLOC, node: NODE, description: "stopped".into(), client: None });
    world.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![eval(2, EvalStatus::Complete)] });
    assert_eq!(world.root.service("global-redis-check").count(), 0);
    assert_eq!(world.root.usage.slot(NODE).unwrap().used, Capacity::default());
    assert_eq!(world.root.jobs[&key()].status, JobStatus::Dead);
    invariants::nothing_runs_for_a_stopped_job(&world.root).unwrap();
    world.apply(reported(ClientStatus::Complete));
    let outcome = world.apply(Command::Collect { before: Timestamp(100) });
    assert_eq!(outcome, Outcome::Collected { evals: 2, allocs: 1, jobs: 1 });
    assert!(world.root.allocs.is_empty() && world.root.jobs.is_empty() && world.root.job_versions.is_empty());
}

#[test]
fn what_was_replaced_and_did_its_work_all_the_same_is_not_forgotten() {
    let forgotten = |client| {
        let mut world = running();
        world.apply(reported(client));
        let mut plan = Plan::new(EvalId(2), key(), 50, 5, Timestamp(6));
        plan.job_index = 2;
        plan.placements.push(Placement {
            id: AllocId(11),
            node: NODE,
            group: "cache".into(),
            previous: Some(ALLOC),
            ..Placement::default()
        });
        world.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![eval(2, EvalStatus::Complete)] });
        world.apply(Command::Collect { before: Timestamp(100) });
        !world.root.allocs.contains_key(&ALLOC)
    };
    assert!(!forgotten(ClientStatus::Complete));
    assert!(forgotten(ClientStatus::Failed));
}

#[test]
fn the_same_specification_makes_no_new_version() {
    let mut world = running();
    let again = |world: &mut World, job: Job, enforce_index| {
        world.apply(Command::RegisterJob { job: Box::new(job), enforce_index, eval: None, now: Timestamp(9) })
    };
    assert_eq!(
        again(&mut world, job(), None),
        Outcome::JobRegistered { job_modify_index: 2, version: 0, new_version: false }
    );
    let changed = Job { priority: 60, ..job() };
    assert!(matches!(again(&mut world, changed.clone(), Some(7)), Outcome::Refused(_)));
    assert_eq!(
        again(&mut world, changed, Some(2)),
        Outcome::JobRegistered { job_modify_index: 7, version: 1, new_version: true }
    );
}

#[test]
fn a_snapshot_restores_everything_that_is_derived() {
    let world = running();
    let bytes: Vec<Vec<u8>> = world.root.rows().map(|row| rmp_serde::to_vec_named(&row).unwrap()).collect();
    let rows = bytes.iter().map(|bytes| rmp_serde::from_slice(bytes).unwrap());
    let restored = snapshot::restore(rows).unwrap();
    invariants::check(&restored).unwrap();
    assert_eq!(restored.indexes, world.root.indexes);
    assert_eq!(restored.usage.slot(NODE), world.root.usage.slot(NODE));
    assert_eq!(restored.counters, world.root.counters);
    assert_eq!(restored.allocs, world.root.allocs);
    let services = |root: &Root| root.all_services().cloned().collect::<Vec<Arc<_>>>();
    assert_eq!(services(&restored), services(&world.root));
    let torn: Vec<_> = world.root.rows().take(4).collect();
    assert!(matches!(snapshot::restore(torn), Err(snapshot::Error::Torn)));
}
