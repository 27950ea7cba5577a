use std::time::Duration;

use model::{
    Capacity, Constraint, Disconnect, DriverInfo, JobType, NetworkAsk, Node, Operand, Port, Resources, Task,
    TaskGroup, UpdateStrategy,
};
use proptest::prelude::*;
use state::{
    invariants,
    records::{read_state, write_state},
};

use super::*;

pub(crate) const NOW: Timestamp = Timestamp(1_000_000_000_000_000);

pub(crate) fn cluster(nodes: u128) -> Root {
    let mut root = Root::default();
    // Not in the order of their ids: slots are in the order of registration.
    for id in (1..=nodes).rev() {
        let driver = DriverInfo { detected: true, healthy: true, ..DriverInfo::default() };
        let node = Node {
            id: NodeId(id),
            name: format!("n{id}"),
            datacenter: "dc1".into(),
            address: format!("10.0.0.{id}"),
            drivers: [("mock_driver".into(), driver)].into(),
            capacity: Capacity { cpu_mhz: 1000, memory_mb: 1000, disk_mb: 1000 },
            dynamic_ports: (20000, 20009),
            status: NodeStatus::Ready,
            ..Node::default()
        };
        let index = root.index + 1;
        root.apply(index, Command::RegisterNode { node, evals: vec![], now: NOW });
    }
    root
}

pub(crate) fn job(id: &str, count: u32, mb: u32) -> Job {
    let resources = Resources { cpu_mhz: 100, memory_mb: mb, ..Resources::default() };
    let task = Task { name: "task".into(), driver: "mock_driver".into(), resources, ..Task::default() };
    let ports = vec![Port { label: "http".into(), ..Port::default() }];
    let group = TaskGroup {
        name: "g".into(),
        count,
        tasks: vec![task],
        network: Some(NetworkAsk { ports, ..NetworkAsk::default() }),
        ..TaskGroup::default()
    };
    Job { id: id.into(), name: id.into(), groups: vec![group], ..Job::default() }
}

pub(crate) fn register(job: &Job) -> Change {
    Change::Register(Box::new(job.clone()))
}

/// Ids of one life never repeat.
fn run(root: &Root, changes: &[Change]) -> Result<Prediction, Error> {
    let mut next = u128::from(root.index) << 32;
    let mut ids = || {
        next += 1;
        next
    };
    predict(root, changes, NOW, &mut ids)
}

pub(crate) fn after(root: &Root, changes: &[Change]) -> Prediction {
    let prediction = run(root, changes).unwrap();
    assert!(prediction.report.complete);
    invariants::check(&prediction.root).unwrap();
    prediction
}

fn group(report: &Report, job: &str) -> GroupReport {
    let found = report.jobs.iter().find(|row| &*row.job.id == job);
    found.unwrap_or_else(|| panic!("nothing on {job}: {report:?}")).groups["g"].clone()
}

fn bytes(root: &Root) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_state(root, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_new_job_is_placed_and_a_larger_one_in_part() {
    let root = cluster(2);
    let report = after(&root, &[register(&job("web", 3, 400))]).report;
    let web = group(&report, "web");
    assert_eq!(web.placed.values().map(Vec::len).sum::<usize>(), 3);
    assert!(!report.is_blocked());
    // Four fit.
    let report = after(&root, &[register(&job("web", 6, 400))]).report;
    let blocked = group(&report, "web").blocked.unwrap();
    assert_eq!((blocked.missing, blocked.before), (2, 0));
    assert_eq!(blocked.metric.unwrap().dimension_exhausted["memory"], 2);
    assert!(report.is_blocked());
    assert_eq!(report.fullest[0].after.percent(), [20, 80, 60]);
    assert_eq!((report.fullest[0].before.percent(), report.fullest[0].after.allocs), ([0, 0, 0], 2));
}

#[test]
fn what_ran_on_a_lost_node_moves() {
    let root = after(&cluster(3), &[register(&job("web", 4, 300))]).root;
    let holder = root.allocs.values().next().unwrap().node;
    let lost = root.allocs_of_node(holder).count();
    let prediction = after(&root, &[Change::Fail(holder)]);
    let web = group(&prediction.report, "web");
    assert_eq!(web.moved.len(), lost);
    assert!(web.moved.iter().all(|moved| moved.from == holder && moved.to != holder), "{web:?}");
    assert_eq!(web.unchanged as usize, 4 - lost);
    assert_eq!(prediction.root.nodes[&holder].status, NodeStatus::Down);
    // The state it was asked of is as it was.
    assert_eq!(root.nodes[&holder].status, NodeStatus::Ready);
}

#[test]
fn one_who_waited_gets_the_room_that_a_smaller_version_leaves() {
    let root = after(&cluster(1), &[register(&job("big", 2, 450))]).root;
    let root = after(&root, &[register(&job("late", 1, 400))]).root;
    let report = after(&root, &[register(&job("big", 1, 450))]).report;
    assert_eq!(group(&report, "big").stopped.values().map(Vec::len).sum::<usize>(), 1);
    assert_eq!(group(&report, "late").placed.len(), 1);
    assert!(!report.is_blocked());
    // One that waits all the same is told, and is nobody's fault.
    let report = after(&root, &[register(&job("tiny", 1, 1))]).report;
    let late = group(&report, "late").blocked.unwrap();
    assert_eq!((late.missing, late.before, report.is_blocked()), (1, 1, false));
}

#[test]
fn a_roll_out_goes_on_to_its_end() {
    let rolling = |mb| {
        let mut job = job("web", 5, mb);
        job.groups[0].update = Some(UpdateStrategy { max_parallel: 2, ..UpdateStrategy::default() });
        job
    };
    let root = after(&cluster(3), &[register(&rolling(200))]).root;
    let prediction = after(&root, &[register(&rolling(250))]);
    assert_eq!(group(&prediction.report, "web").moved.len(), 5);
    let web = prediction.report.jobs[0].clone();
    assert!(!web.rolling, "{web:?}");
    let key = web.job;
    assert!(prediction.root.latest_deployment(&key).is_some_and(|last| !last.status.is_active()));
    // The same specification again changes nothing.
    let again = after(&prediction.root, &[register(&rolling(250))]).report;
    assert_eq!(group(&again, "web"), GroupReport { unchanged: 5, ..GroupReport::default() });
}

#[test]
fn what_waits_for_a_time_is_named_and_not_waited_for() {
    let mut patient = job("web", 2, 300);
    patient.groups[0].disconnect = Some(Disconnect {
        lost_after: Duration::from_secs(60),
        replace: false,
        stop_on_client_after: None,
        reconcile: model::Reconcile::BestScore,
    });
    let root = after(&cluster(2), &[register(&patient)]).root;
    let holder = root.allocs.values().next().unwrap().node;
    let report = after(&root, &[Change::Fail(holder)]).report;
    let until = NOW.plus(Duration::from_secs(60));
    let key = patient.key();
    let words: Vec<_> = report.waits.iter().map(|wait| (wait.at, wait.what.clone())).collect();
    assert_eq!(words, [(until, Waiting::Node), (until, Waiting::Job(key, "max-disconnect-timeout"))]);
    assert!(
        report.jobs.iter().all(|job| job.groups.values().all(|group| group.moved.is_empty())),
        "{report:?}"
    );
}

#[test]
fn less_important_jobs_give_way_where_operators_allow_it() {
    let mut root = cluster(1);
    let preemption = model::Preemption { service: true, ..Default::default() };
    let settings = model::SchedulerSettings { preemption, ..Default::default() };
    root.apply(9, Command::SetScheduler { settings, enforce_index: None });
    let root = after(&root, &[register(&Job { priority: 20, ..job("low", 2, 450) })]).root;
    let report = after(&root, &[register(&Job { priority: 80, ..job("high", 1, 450) })]).report;
    let low = group(&report, "low");
    assert_eq!((low.evicted, low.unchanged, low.blocked.map(|blocked| blocked.missing)), (1, 1, Some(1)));
    assert_eq!(group(&report, "high").placed.len(), 1);
    assert!(report.is_blocked());
}

#[test]
fn a_job_of_every_node_is_replaced_where_it_is_and_lost_with_its_node() {
    let everywhere = |mb| Job { kind: JobType::System, ..job("agent", 1, mb) };
    let root = after(&cluster(3), &[register(&everywhere(100))]).root;
    let agent = group(&after(&root, &[register(&everywhere(200))]).report, "agent");
    assert_eq!(agent.moved.len(), 3, "{agent:?}");
    assert!(agent.moved.iter().all(|moved| moved.from == moved.to), "{agent:?}");
    let agent = group(&after(&root, &[Change::Fail(NodeId(2))]).report, "agent");
    assert_eq!((agent.stopped.keys().copied().collect::<Vec<_>>(), agent.unchanged), (vec![NodeId(2)], 2));
    assert!(agent.placed.is_empty() && agent.moved.is_empty(), "{agent:?}");
}

#[test]
fn changes_that_are_not_possible_are_refused() {
    let mut root = cluster(1);
    assert_eq!(run(&root, &[Change::Fail(NodeId(9))]).unwrap_err(), Error::NoNode(NodeId(9)));
    let down = after(&root, &[Change::Fail(NodeId(1))]).root;
    let refused = run(&down, &[Change::Fail(NodeId(1))]).unwrap_err();
    assert!(refused.to_string().contains("is down already"), "{refused}");
    let settings = model::SchedulerSettings { reject_job_registration: true, ..Default::default() };
    root.apply(9, Command::SetScheduler { settings, enforce_index: None });
    assert_eq!(run(&root, &[register(&job("web", 1, 1))]).unwrap_err(), Error::NoRegistration);
    let settings = model::SchedulerSettings { pause_eval_broker: true, ..Default::default() };
    root.apply(10, Command::SetScheduler { settings, enforce_index: None });
    assert_eq!(run(&root, &[register(&job("web", 1, 1))]).unwrap_err(), Error::Paused);
}

#[test]
fn a_region_that_nobody_chose_is_no_new_version() {
    let root = after(&cluster(1), &[register(&Job { region: "eu".into(), ..job("web", 1, 100) })]).root;
    let report = after(&root, &[register(&Job { region: "global".into(), ..job("web", 1, 100) })]).report;
    assert_eq!(group(&report, "web").unchanged, 1);
}

fn any_job() -> impl Strategy<Value = Job> {
    let shape = (0..4u8, 0..6u32, 50..500u32, 0..4u8, 40..60u16, any::<bool>(), any::<bool>());
    shape.prop_map(|(name, count, mb, parallel, priority, alone, batch)| {
        let mut job = job(&format!("job{name}"), count, mb);
        job.priority = priority;
        if parallel > 0 {
            let strategy = UpdateStrategy { max_parallel: u32::from(parallel), ..UpdateStrategy::default() };
            job.groups[0].update = Some(strategy);
        }
        if alone {
            let (left, right) = (String::new(), String::new());
            job.groups[0].constraints.push(Constraint { left, operand: Operand::DistinctHosts, right });
        }
        if batch {
            job.kind = JobType::Batch;
            job.groups[0].update = None;
        }
        job
    })
}

fn settled(root: &Root) -> Result<(), String> {
    invariants::check(root)?;
    invariants::nothing_runs_for_a_stopped_job(root)?;
    invariants::nothing_waits_on_a_lost_node(root)?;
    invariants::one_blocked_evaluation_per_job(root)?;
    invariants::nothing_is_left_undecided(root)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Predictions one after the other, each on what the one before it made of the state.
    #[test]
    fn predictions_hold_to_the_rules(
        nodes in 1..6u128,
        acts in prop::collection::vec((any_job(), 0..12u128), 1..8),
    ) {
        let mut root = cluster(nodes);
        for (job, failing) in acts {
            let mut changes = vec![register(&job)];
            let fails = root.nodes.get(&NodeId(failing)).is_some_and(|node| !node.status.is_gone());
            if fails {
                changes.push(Change::Fail(NodeId(failing)));
            }
            let untouched = bytes(&root);
            let prediction = run(&root, &changes).unwrap();
            prop_assert_eq!(&bytes(&root), &untouched);
            prop_assert!(prediction.report.complete);
            if let Err(broken) = settled(&prediction.root) {
                return Err(TestCaseError::fail(broken));
            }
            // Again, and on a state that was written and read.
            let stored = read_state(&mut &untouched[..]).unwrap();
            for same in [run(&root, &changes).unwrap(), run(&stored, &changes).unwrap()] {
                prop_assert_eq!(&same.report, &prediction.report);
            }
            // What the report counts is what is there.
            for row in &prediction.report.jobs {
                let told: usize = row.groups.values().map(|group| {
                    let placed: usize = group.placed.values().map(Vec::len).sum();
                    placed + group.moved.len() + (group.in_place + group.unchanged) as usize
                }).sum();
                let there = prediction.root.allocs_of_job(&row.job).filter(|alloc| !alloc.is_terminal()).count();
                prop_assert_eq!(told, there);
            }
            // Nothing is left to do: without a change there is no other prediction.
            let idle = run(&prediction.root, &[]).unwrap().report;
            let quiet = |group: &GroupReport| group.placed.is_empty() && group.moved.is_empty() && group.stopped.is_empty();
            prop_assert!(idle.jobs.iter().all(|job| job.groups.values().all(quiet)), "{:?}", idle);
            root = prediction.root;
        }
    }
}
