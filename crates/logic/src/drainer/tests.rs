//! Three allocations on node 1, and what a drain does to them.

use std::time::Duration;

use model::{
    AllocHealth, AllocUpdate, Capacity, Drain, DrainDeadline, EvalId, Job, Node, NodeId, NodeStatus,
    Placement, Plan, Task, TaskGroup,
};

use super::*;

struct World {
    root: Root,
    now: Timestamp,
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1000).plus(Duration::from_secs(secs))
}

impl World {
    fn new(kind: JobType) -> Self {
        let mut world = Self { root: Root::default(), now: at(0) };
        for id in 1..=2 {
            let capacity = Capacity { cpu_mhz: 1000, memory_mb: 1000, disk_mb: 1000 };
            let node = Node { id: NodeId(id), capacity, status: NodeStatus::Ready, ..Node::default() };
            world.apply(Command::RegisterNode { node, evals: vec![], now: at(0) });
        }
        let tasks = vec![Task { name: "task".into(), ..Task::default() }];
        let group = TaskGroup { name: "group".into(), count: 3, tasks, ..TaskGroup::default() };
        let job = Job { id: "web".into(), kind, groups: vec![group], ..Job::default() };
        world.apply(Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now: at(0) });
        for alloc in 1..=3 {
            world.place(alloc, 1);
            world.report(alloc, ClientStatus::Running, None);
        }
        world
    }

    fn apply(&mut self, command: Command) {
        self.root.apply(self.root.index + 1, command);
        state::invariants::check(&self.root).unwrap();
    }

    fn place(&mut self, alloc: u128, node: u128) {
        let mut plan = Plan::new(EvalId(1), JobKey::new("default", "web"), 50, 1, self.now);
        plan.job_index = 3;
        plan.placements.push(Placement {
            id: AllocId(alloc),
            node: NodeId(node),
            group: "group".into(),
            index: (alloc as u32 - 1) % 3,
            ..Placement::default()
        });
        self.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![] });
    }

    /// A job of that type beside the others, with allocation `alloc` on node 1.
    fn beside(&mut self, kind: JobType, alloc: u128) {
        let resources = model::Resources { cpu_mhz: 10, memory_mb: 10, ..model::Resources::default() };
        let tasks = vec![Task { name: "task".into(), resources, ..Task::default() }];
        let ephemeral_disk = model::EphemeralDisk { size_mb: 10, ..model::EphemeralDisk::default() };
        let group =
            TaskGroup { name: "group".into(), count: 1, tasks, ephemeral_disk, ..TaskGroup::default() };
        let job = Job { id: kind.as_str().into(), kind, groups: vec![group], ..Job::default() };
        let (key, now) = (job.key(), self.now);
        self.apply(Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now });
        let mut plan = Plan::new(EvalId(2), key, 50, 1, now);
        plan.job_index = self.root.index;
        plan.placements.push(Placement {
            id: AllocId(alloc),
            node: NodeId(1),
            group: "group".into(),
            ..Placement::default()
        });
        self.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![] });
        self.report(alloc, ClientStatus::Running, None);
    }

    /// The scheduler does what it was asked to: `old` stops, `new` is placed on node 2.
    fn migrate(&mut self, old: u128, new: u128) {
        self.stop(old);
        self.place(new, 2);
        self.report(new, ClientStatus::Running, None);
    }

    fn stop(&mut self, old: u128) {
        let mut plan = Plan::new(EvalId(1), JobKey::new("default", "web"), 50, 1, self.now);
        plan.stops.push(model::AllocStop {
            id: AllocId(old),
            node: NodeId(1),
            description: String::new(),
            client: None,
        });
        self.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![] });
    }

    fn report(&mut self, alloc: u128, client: ClientStatus, healthy: Option<bool>) {
        let update = AllocUpdate {
            id: AllocId(alloc),
            client,
            client_description: String::new(),
            tasks: std::sync::Arc::default(),
            services: vec![],
            health: healthy.map(|healthy| AllocHealth { healthy, since: self.now, modify_index: 0 }),
            deployment: None,
            time: self.now,
        };
        let now = self.now;
        self.apply(Command::UpdateAllocs { updates: vec![update], evals: vec![], synced: None, now });
    }

    fn drain(&mut self, deadline: DrainDeadline) {
        self.drain_but(deadline, false);
    }

    fn drain_but(&mut self, deadline: DrainDeadline, ignore_system: bool) {
        let force_at = match deadline {
            DrainDeadline::After(time) => Some(self.now.plus(time)),
            _ => None,
        };
        let drain = Drain { deadline, force_at, ignore_system, started_at: self.now, ..Drain::default() };
        let (node, now) = (NodeId(1), self.now);
        self.apply(Command::SetNodeDrain {
            node,
            drain: Some(drain),
            mark_eligible: false,
            evals: vec![],
            now,
        });
    }

    /// What is marked now, whether the drain is over, and when to look again in seconds. Does what it says.
    fn look(&mut self, secs: u64) -> (Vec<u128>, bool, Option<u64>) {
        self.now = at(secs);
        let look = look(&self.root, self.now, &mut || 77);
        let mut marked = Vec::new();
        let mut over = false;
        for command in look.commands {
            match &command {
                Command::MarkMigrate { allocs, .. } => marked.extend(allocs.iter().map(|id| id.0)),
                Command::FinishDrain { .. } => over = true,
                other => panic!("{other:?}"),
            }
            self.apply(command);
        }
        (marked, over, look.look_again.map(|again| again.since(at(0)).as_secs()))
    }
}

#[test]
fn a_service_leaves_one_by_one() {
    let mut world = World::new(JobType::Service);
    world.drain(DrainDeadline::After(Duration::from_secs(3600)));
    // All have run for long: one may go.
    assert_eq!(world.look(60), (vec![1], false, Some(3600)));
    assert_eq!(world.look(61), (vec![], false, Some(3600)), "a second look changes nothing");
    world.migrate(1, 4);
    world.report(1, ClientStatus::Complete, None);
    // Its replacement has to run for `min_healthy_time` first.
    assert_eq!(world.look(62), (vec![], false, Some(71)));
    assert_eq!(world.look(71), (vec![2], false, Some(3600)));
    world.migrate(2, 5);
    assert_eq!(world.look(90), (vec![3], false, Some(3600)));
    world.migrate(3, 6);
    world.report(2, ClientStatus::Complete, None);
    assert!(!world.look(91).1, "the last one is still stopping");
    world.report(3, ClientStatus::Complete, None);
    assert!(world.look(92).1);
    assert!(world.root.nodes[&NodeId(1)].drain.is_none());
    assert!(!world.root.nodes[&NodeId(1)].is_schedulable());
    assert_eq!(world.look(93), (vec![], false, None));
    state::invariants::nothing_stays_on_a_drained_node(&world.root).unwrap();
}

#[test]
fn the_deadline_moves_the_rest() {
    let mut world = World::new(JobType::Service);
    world.drain(DrainDeadline::After(Duration::from_secs(100)));
    assert_eq!(world.look(60).0, [1]);
    assert_eq!(world.look(100).0, [2, 3]);
}

#[test]
fn force_moves_all() {
    let mut world = World::new(JobType::Service);
    world.drain(DrainDeadline::Force);
    assert_eq!(world.look(1), (vec![1, 2, 3], false, None));
}

#[test]
fn what_may_run_on_unseen_is_asked_for_once() {
    let mut world = World::new(JobType::Service);
    let now = world.now;
    let seen = |world: &mut World, status| {
        let (node, event, evals) = (NodeId(1), None, vec![]);
        world.apply(Command::SetNodeStatus { node, status, event, evals, now });
    };
    seen(&mut world, NodeStatus::Disconnected);
    world.drain(DrainDeadline::Force);
    assert_eq!(world.look(1).0, [1, 2, 3]);
    let asked = |world: &World| {
        let mut look = look(&world.root, world.now, &mut || 78);
        assert!(look.commands.len() <= 1, "{look:?}");
        look.commands.pop()
    };
    // The scheduler has looked, and left them as they are.
    let mut done = Evaluation::clone(&world.root.evals[&EvalId(77)]);
    done.status = EvalStatus::Complete;
    world.apply(Command::UpdateEvals { evals: vec![done] });
    assert_eq!(asked(&world), None);
    seen(&mut world, NodeStatus::Ready);
    assert!(matches!(asked(&world), Some(Command::MarkMigrate { allocs, .. }) if allocs.is_empty()));
}

#[test]
fn a_batch_job_stays_until_the_deadline() {
    let mut world = World::new(JobType::Batch);
    world.drain(DrainDeadline::After(Duration::from_secs(100)));
    assert_eq!(world.look(60), (vec![], false, Some(100)));
    world.report(1, ClientStatus::Complete, None);
    assert_eq!(world.look(100).0, [2, 3]);
}

#[test]
fn what_does_no_good_goes_first() {
    let mut world = World::new(JobType::Service);
    world.report(2, ClientStatus::Running, Some(false));
    world.drain(DrainDeadline::Never);
    assert_eq!(world.look(60), (vec![2], false, None));
    assert_eq!(world.look(61).0, [] as [u128; 0]);
}

#[test]
fn a_canceled_drain_leaves_the_rest_alone() {
    let mut world = World::new(JobType::Service);
    world.drain(DrainDeadline::Never);
    assert_eq!(world.look(60).0, [1]);
    world.apply(Command::SetNodeDrain {
        node: NodeId(1),
        drain: None,
        mark_eligible: true,
        evals: vec![],
        now: at(61),
    });
    assert!(!world.root.allocs[&AllocId(1)].migrate);
    assert!(world.root.nodes[&NodeId(1)].is_schedulable());
    assert_eq!(world.look(62), (vec![], false, None));
}

#[test]
fn a_dead_node_is_empty() {
    let mut world = World::new(JobType::Service);
    world.drain(DrainDeadline::Never);
    for alloc in 1..=3 {
        world.migrate(alloc, alloc + 3);
    }
    assert!(!world.look(60).1);
    let (node, status, now) = (NodeId(1), NodeStatus::Down, at(61));
    world.apply(Command::SetNodeStatus { node, status, event: None, evals: vec![], now });
    assert!(world.look(62).1);
}

#[test]
fn what_comes_before_the_end_of_a_drain_is_written_keeps_it_open() {
    let mut world = World::new(JobType::Service);
    for alloc in 1..=3 {
        world.stop(alloc);
        world.report(alloc, ClientStatus::Complete, None);
    }
    world.drain(DrainDeadline::Never);
    let over = look(&world.root, at(60), &mut || 77).commands;
    assert!(matches!(over[..], [Command::FinishDrain { .. }]), "{over:?}");
    // Planned before the drain began, and in the log before its end.
    world.place(7, 1);
    over.into_iter().for_each(|command| world.apply(command));
    assert!(world.root.nodes[&NodeId(1)].drain.is_some());
    assert!(!world.look(120).1);
}

#[test]
fn system_jobs_leave_when_nothing_else_is_left() {
    let mut world = World::new(JobType::Service);
    world.beside(JobType::System, 7);
    world.beside(JobType::Sysbatch, 8);
    world.drain(DrainDeadline::Never);
    for (secs, alloc) in [(60, 1), (90, 2), (120, 3)] {
        assert_eq!(world.look(secs).0, [alloc]);
        world.migrate(alloc, alloc + 30);
    }
    assert_eq!(world.look(150), (vec![], false, None), "they are still stopping");
    for alloc in 1..=3 {
        world.report(alloc, ClientStatus::Complete, None);
    }
    assert_eq!(world.look(151), (vec![], false, None), "the sysbatch job has time to end");
    world.report(8, ClientStatus::Complete, None);
    assert_eq!(world.look(152).0, [7]);
    assert_eq!(world.look(153).0, [] as [u128; 0]);
    world.stop(7);
    world.report(7, ClientStatus::Complete, None);
    assert!(world.look(154).1);
    state::invariants::nothing_stays_on_a_drained_node(&world.root).unwrap();
}

#[test]
fn the_deadline_counts_for_system_jobs_too() {
    let mut world = World::new(JobType::Batch);
    world.beside(JobType::System, 7);
    world.beside(JobType::Sysbatch, 8);
    world.drain(DrainDeadline::After(Duration::from_secs(100)));
    assert_eq!(world.look(60).0, [] as [u128; 0]);
    assert_eq!(world.look(100).0, [1, 2, 3, 7, 8]);
}

#[test]
fn a_drain_may_leave_system_jobs_alone() {
    let mut world = World::new(JobType::Service);
    world.beside(JobType::System, 7);
    world.beside(JobType::Sysbatch, 8);
    world.drain_but(DrainDeadline::Force, true);
    assert_eq!(world.look(1).0, [1, 2, 3]);
    for alloc in 1..=3 {
        world.stop(alloc);
        world.report(alloc, ClientStatus::Complete, None);
    }
    assert!(world.look(2).1, "the drain is over");
    for alloc in [7, 8] {
        assert!(!world.root.allocs[&AllocId(alloc)].is_terminal());
    }
    state::invariants::nothing_stays_on_a_drained_node(&world.root).unwrap();
    // Also when the node is away for a while.
    let (node, status, now) = (NodeId(1), NodeStatus::Down, at(3));
    world.apply(Command::SetNodeStatus { node, status, event: None, evals: vec![], now });
    let mut plan = Plan::new(EvalId(1), JobKey::new("default", "system"), 50, 1, now);
    plan.stops.push(model::AllocStop {
        id: AllocId(7),
        node,
        description: model::alloc::LOST_WITH_NODE.into(),
        client: Some(ClientStatus::Lost),
    });
    world.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![] });
    let back = Node { status: NodeStatus::Ready, ..Node::clone(&world.root.nodes[&node]) };
    world.apply(Command::RegisterNode { node: back, evals: vec![], now });
    let update = AllocUpdate {
        id: AllocId(7),
        client: ClientStatus::Running,
        client_description: String::new(),
        tasks: Default::default(),
        services: vec![],
        health: None,
        deployment: None,
        time: now,
    };
    world.apply(Command::UpdateAllocs { updates: vec![update], evals: vec![], synced: Some(node), now });
    assert!(world.root.allocs[&AllocId(7)].returned);
}
