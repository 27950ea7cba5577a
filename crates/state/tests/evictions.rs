//! Evictions become true: room and ports are free at once, and the job that loses is looked at.

use model::{
    AllocId, AllocStop, AllocUpdate, AssignedPort, Capacity, ClientStatus, DesiredStatus, EvalId, EvalStatus,
    Evaluation, Eviction, Job, JobKey, JobStatus, JobType, Node, NodeId, NodeStatus, Placement, Plan,
    Preemption, Resources, SchedulerSettings, Task, TaskGroup, Timestamp, Trigger,
};
use state::{Command, Root, invariants, snapshot};

const NODE: NodeId = NodeId(1);
const LOW: AllocId = AllocId(10);
const HIGH: AllocId = AllocId(20);

fn apply(root: &mut Root, command: Command) {
    let command = Command::decode(&command.encode()).unwrap();
    root.apply(root.index + 1, command);
    invariants::check(root).unwrap();
}

fn job(id: &str, priority: u16) -> Job {
    let resources = Resources { cpu_mhz: 800, memory_mb: 800, ..Resources::default() };
    let task = Task { name: "t".into(), resources, ..Task::default() };
    let group = TaskGroup { name: "g".into(), count: 1, tasks: vec![task], ..TaskGroup::default() };
    Job { id: id.into(), priority, groups: vec![group], ..Job::default() }
}

fn key(id: &str) -> JobKey {
    JobKey::new("default", id)
}

fn plan(root: &Root, id: &str, alloc: AllocId) -> Plan {
    let mut plan = Plan::new(EvalId(alloc.0), key(id), 50, root.index, Timestamp(5));
    plan.job_index = root.jobs[&key(id)].job_modify_index;
    plan.placements.push(Placement {
        id: alloc,
        node: NODE,
        group: "g".into(),
        ports: vec![AssignedPort {
            label: "http".into(),
            task: None,
            value: 80,
            to: 0,
            ignore_collision: false,
        }],
        ..Placement::default()
    });
    plan
}

/// One node, full of `low`; `high` is registered.
fn full() -> Root {
    let mut root = Root::default();
    let node = Node {
        id: NODE,
        capacity: Capacity { cpu_mhz: 1000, memory_mb: 1000, disk_mb: 1000 },
        status: NodeStatus::Ready,
        ..Node::default()
    };
    apply(&mut root, Command::RegisterNode { node, evals: vec![], now: Timestamp(1) });
    for (id, priority) in [("low", 20), ("high", 70)] {
        let job = Box::new(job(id, priority));
        apply(&mut root, Command::RegisterJob { job, enforce_index: None, eval: None, now: Timestamp(1) });
    }
    let plan = Box::new(plan(&root, "low", LOW));
    apply(&mut root, Command::ApplyPlan { plan, evals: vec![] });
    report(&mut root, LOW, ClientStatus::Running);
    root
}

fn report(root: &mut Root, id: AllocId, client: ClientStatus) {
    let update = AllocUpdate {
        id,
        client,
        client_description: String::new(),
        tasks: Default::default(),
        services: vec![],
        health: None,
        deployment: None,
        time: Timestamp(6),
    };
    let updates = vec![update];
    apply(root, Command::UpdateAllocs { updates, evals: vec![], synced: None, now: Timestamp(6) });
}

fn evicting(root: &Root) -> Plan {
    let mut plan = plan(root, "high", HIGH);
    plan.evictions.push(Eviction { id: LOW, node: NODE, by: HIGH });
    let trigger = Trigger::Preemption;
    plan.preempted_jobs =
        vec![Evaluation::new(EvalId(99), key("low"), JobType::Service, 20, trigger, Timestamp(5))];
    plan
}

#[test]
fn the_room_is_free_at_once() {
    let mut root = full();
    let plan = Box::new(evicting(&root));
    apply(&mut root, Command::ApplyPlan { plan, evals: vec![] });
    let low = &root.allocs[&LOW];
    assert_eq!((low.desired, low.client), (DesiredStatus::Evict, ClientStatus::Running));
    assert_eq!(low.desired_description, format!("Preempted by alloc ID {HIGH}"));
    assert_eq!(low.alloc_modify_index, root.index, "its node is told");
    assert_eq!(root.allocs[&HIGH].preempted, [LOW]);
    let slot = root.usage.slot(NODE).unwrap();
    assert_eq!((slot.used.cpu_mhz, slot.allocs), (800, 1));
    assert!(slot.ports.contains(80), "the winner holds it now");
    assert_eq!(root.evals[&EvalId(99)].status, EvalStatus::Pending);
    assert_eq!(root.jobs[&key("low")].status, JobStatus::Pending);
    // The end of the loser frees nothing a second time, and it survives a snapshot.
    report(&mut root, LOW, ClientStatus::Complete);
    assert_eq!(root.usage.slot(NODE).unwrap().used.cpu_mhz, 800);
    let rows: Vec<Vec<u8>> = root.rows().map(|row| rmp_serde::to_vec_named(&row).unwrap()).collect();
    let read = snapshot::restore(rows.iter().map(|row| rmp_serde::from_slice(row).unwrap())).unwrap();
    invariants::check(&read).unwrap();
    assert_eq!(read.allocs[&LOW], root.allocs[&LOW]);
}

#[test]
fn who_has_ended_by_itself_was_not_evicted() {
    let mut root = full();
    let plan = Box::new(evicting(&root));
    report(&mut root, LOW, ClientStatus::Failed);
    apply(&mut root, Command::ApplyPlan { plan, evals: vec![] });
    assert_eq!((root.allocs[&LOW].desired, root.allocs[&LOW].preempted_by), (DesiredStatus::Run, None));
    assert!(root.allocs[&HIGH].preempted.is_empty());
}

#[test]
fn who_was_evicted_stays_known_as_that() {
    let mut root = full();
    let plan = Box::new(evicting(&root));
    apply(&mut root, Command::ApplyPlan { plan, evals: vec![] });
    // A plan of its own job that knew nothing of it.
    let mut late = Plan::new(EvalId(11), key("low"), 50, root.index, Timestamp(7));
    late.stops.push(AllocStop { id: LOW, node: NODE, description: "update".into(), client: None });
    apply(&mut root, Command::ApplyPlan { plan: Box::new(late), evals: vec![] });
    assert_eq!(root.allocs[&LOW].desired, DesiredStatus::Evict);
    // With its node it is given up as any other.
    let status = NodeStatus::Down;
    let now = Timestamp(8);
    apply(&mut root, Command::SetNodeStatus { node: NODE, status, event: None, evals: vec![], now });
    assert_eq!(root.allocs[&LOW].client, ClientStatus::Lost);
}

#[test]
fn room_that_is_reserved_is_given_up_once() {
    let root = full();
    let mut optimistic = root.clone();
    let plan = evicting(&root);
    optimistic.reserve(&plan);
    let used = |root: &Root| root.usage.slot(NODE).unwrap().used.cpu_mhz;
    assert_eq!(used(&optimistic), 800);
    assert!(root.holds_room(&root.allocs[&LOW]) && !optimistic.holds_room(&root.allocs[&LOW]));
    // A second plan that counts on the same room gives none back.
    let mut second = plan;
    second.placements.clear();
    optimistic.reserve(&second);
    assert_eq!(used(&optimistic), 800);
}

#[test]
fn whoever_waits_hears_that_others_may_be_evicted() {
    let mut root = full();
    let seen = |root: &Root| root.usage.classes[0].freed_index;
    let settings = |service| {
        let preemption = Preemption { service, ..Preemption::default() };
        let settings = SchedulerSettings { preemption, ..SchedulerSettings::default() };
        Command::SetScheduler { settings, enforce_index: None }
    };
    apply(&mut root, settings(true));
    assert_eq!(seen(&root), root.index);
    apply(&mut root, settings(true));
    assert!(seen(&root) < root.index, "nothing is new");
    let register = |job: Job| Command::RegisterJob {
        job: job.into(),
        enforce_index: None,
        eval: None,
        now: Timestamp(9),
    };
    apply(&mut root, register(job("low", 30)));
    assert!(seen(&root) < root.index, "more important than before");
    apply(&mut root, register(job("low", 10)));
    assert_eq!(seen(&root), root.index);
    let purge = Command::DeregisterJob { job: key("low"), purge: true, eval: None, now: Timestamp(9) };
    apply(&mut root, purge);
    apply(&mut root, register(job("low", 10)));
    assert_eq!(seen(&root), root.index);
}
