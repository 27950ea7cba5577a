//! Jobs that run on every node: `system` and `sysbatch`.

use std::collections::BTreeSet;

use model::{
    AllocId, ClientStatus, Constraint, DeploymentStatus, DesiredStatus, Disconnect, Drain, Eligibility,
    EvalStatus, Evaluation, Job, JobType, NetworkAsk, NodeId, NodeStatus, Operand, Port, Trigger,
    UpdateStrategy,
};
use proptest::prelude::*;
use state::Command;

use crate::{
    Decision,
    testing::{World, job, key, node, sizes},
    verify,
};

fn system() -> Job {
    job("web", JobType::System, 1)
}

fn sysbatch() -> Job {
    job("web", JobType::Sysbatch, 1)
}

fn changed(mut job: Job, env: &str) -> Job {
    job.groups[0].tasks[0].env.insert("VERSION".into(), env.into());
    job
}

fn rolling(max_parallel: u32) -> Job {
    let mut job = system();
    job.groups[0].update = Some(UpdateStrategy { max_parallel, ..UpdateStrategy::default() });
    job
}

impl World {
    /// As when a node changed, or anything else that nobody asked for.
    fn look(&mut self) -> Decision {
        let mut eval = self.eval("web");
        eval.trigger = Trigger::NodeUpdate;
        self.run_eval(&eval)
    }

    /// Somebody registers the job again, or has it evaluated.
    fn ask(&mut self) -> Decision {
        let eval = self.eval("web");
        self.apply(Command::UpdateEvals { evals: vec![eval.clone()] });
        let eval = Evaluation::clone(&self.root.evals[&eval.id]);
        self.run_eval(&eval)
    }

    /// Nodes with a live allocation of the job, one entry for each.
    fn nodes(&self) -> Vec<u128> {
        let mut nodes: Vec<u128> =
            self.live("web").iter().map(|(_, _, id)| self.root.allocs[id].node.0).collect();
        nodes.sort_unstable();
        nodes
    }

    fn on(&self, node: u128) -> AllocId {
        let mut here = self.live("web").into_iter().map(|(_, _, id)| id);
        here.find(|id| self.root.allocs[id].node == NodeId(node)).expect("it runs there")
    }

    fn eligible(&mut self, node: u128, yes: bool) {
        let eligibility = if yes { Eligibility::Eligible } else { Eligibility::Ineligible };
        let (node, now) = (NodeId(node), self.now);
        self.apply(Command::SetNodeEligibility { node, eligibility, evals: vec![], now });
    }

    #[track_caller]
    fn is_settled(&mut self) {
        let again = self.look();
        assert!(again.plan.is_noop() && again.new_evals.is_empty(), "{:?}", again.plan);
    }
}

#[test]
fn one_on_each_node_and_always_the_same_name() {
    let mut world = World::new(3);
    world.submit(&system());
    let decision = world.ask();
    assert_eq!(sizes(&decision.plan), (3, 0, 0));
    assert!(decision.plan.placements.iter().all(|placement| placement.index == 0));
    assert_eq!(world.nodes(), [1, 2, 3]);
    assert_eq!(decision.annotations["group"].place, 3);
    let metric = decision.plan.placements[0].metric.as_ref().unwrap();
    assert_eq!((metric.nodes_evaluated, metric.scores.len()), (1, 1));
    world.is_settled();

    world.register(node(4));
    let decision = world.look();
    assert_eq!(decision.plan.placements.len(), 1);
    assert_eq!(decision.plan.placements[0].node, NodeId(4));
    assert_eq!(decision.annotations["group"].ignore, 3);
    world.stop("web");
    assert_eq!(world.look().plan.stops.len(), 4);
    assert!(world.nodes().is_empty());
}

#[test]
fn count_zero_is_nowhere() {
    let mut world = World::new(2);
    world.submit(&system());
    world.ask();
    world.submit(&job("web", JobType::System, 0));
    assert_eq!(sizes(&world.ask().plan), (0, 2, 0));
    world.is_settled();
}

#[test]
fn a_node_that_is_gone_takes_its_allocation_along() {
    let mut world = World::new(2);
    world.submit(&system());
    world.ask();
    world.report("web", ClientStatus::Running, None);
    let lost = world.on(1);
    world.set_node(1, NodeStatus::Down);
    let decision = world.look();
    assert_eq!(sizes(&decision.plan), (0, 1, 0), "it is not replaced elsewhere");
    assert_eq!(decision.plan.stops[0].client, Some(ClientStatus::Lost));
    assert_eq!(decision.plan.stops[0].description, "alloc is lost since its node is down");
    world.is_settled();

    // Back with nothing: a new one. Back with what it had: that one.
    world.comes_back(1, &[]);
    assert_eq!(world.look().plan.placements[0].node, NodeId(1));
    world.report("web", ClientStatus::Running, None);
    let runs = world.on(1);
    assert_ne!(runs, lost);
    world.set_node(1, NodeStatus::Down);
    world.look();
    world.comes_back(1, &[runs]);
    let decision = world.look();
    assert!(decision.plan.placements.is_empty(), "{:?}", decision.plan);
    assert_eq!(decision.plan.reconnected, [runs]);
    assert_eq!(world.on(1), runs);
    world.is_settled();
}

#[test]
fn one_that_came_back_beside_its_successor_stops() {
    let mut world = World::new(1);
    world.submit(&system());
    world.ask();
    world.report("web", ClientStatus::Running, None);
    let first = world.on(1);
    world.set_node(1, NodeStatus::Down);
    world.look();
    // Planned before the node told what it has.
    world.comes_back(1, &[]);
    let eval = world.eval("web");
    let early = world.decide(&eval);
    world.set_node(1, NodeStatus::Down);
    world.comes_back(1, &[first]);
    let plan = verify(&world.root, early.plan).plan;
    world.apply(Command::ApplyPlan { plan: Box::new(plan), evals: vec![] });
    world.look();
    assert_eq!(world.nodes(), [1]);
    world.is_settled();
}

#[test]
fn patience_with_a_disconnected_node() {
    let mut world = World::new(2);
    let mut patient = system();
    let lost_after = std::time::Duration::from_secs(60);
    patient.groups[0].disconnect = Some(Disconnect { lost_after, ..Disconnect::default() });
    world.submit(&patient);
    world.ask();
    world.report("web", ClientStatus::Running, None);
    let away = world.on(1);
    world.set_node(1, NodeStatus::Disconnected);
    let decision = world.look();
    assert_eq!((decision.plan.unknown.as_slice(), sizes(&decision.plan)), (&[away][..], (0, 0, 0)));
    assert_eq!(decision.new_evals[0].trigger, Trigger::MaxDisconnectTimeout);
    world.is_settled();
    world.pass(61);
    assert_eq!(sizes(&world.look().plan), (0, 1, 0));
}

#[test]
fn a_node_that_takes_nothing_new_keeps_what_it_has_until_the_job_changes() {
    let mut world = World::new(2);
    world.submit(&system());
    world.ask();
    world.eligible(1, false);
    world.is_settled();
    // In place, nothing has to be placed.
    let mut other = system();
    other.priority = 70;
    world.submit(&other);
    assert_eq!(sizes(&world.ask().plan), (0, 0, 2));
    world.submit(&changed(other, "2"));
    let decision = world.ask();
    assert_eq!(sizes(&decision.plan), (1, 2, 0));
    assert_eq!(world.nodes(), [2]);
    world.is_settled();
    world.eligible(1, true);
    assert_eq!(world.look().plan.placements.len(), 1);
    assert_eq!(world.nodes(), [1, 2]);
}

#[test]
fn where_it_may_not_run_any_more_it_stops() {
    let mut world = World::new(2);
    world.submit(&system());
    world.ask();
    let mut moved = node(1);
    moved.datacenter = "dc2".into();
    moved.drivers.get_mut("mock_driver").unwrap().healthy = false;
    world.register(moved);
    assert!(world.look().plan.is_noop(), "a driver that is unwell ends nothing");

    let mut here = system();
    here.datacenters = vec!["dc1".into()];
    world.submit(&here);
    let decision = world.ask();
    assert_eq!(sizes(&decision.plan), (0, 1, 1));
    assert_eq!(decision.plan.stops[0].description, "alloc not needed due to job update");
    assert_eq!(world.nodes(), [2]);
    let constraint = |right: &str| Constraint {
        left: "${attr.kernel.name}".into(),
        operand: Operand::Equal,
        right: right.into(),
    };
    let mut picky = system();
    picky.constraints.push(constraint("plan9"));
    world.submit(&picky);
    let decision = world.ask();
    assert_eq!(sizes(&decision.plan), (0, 1, 0));
    assert!(decision.eval.failed_groups.is_empty(), "no node is asked for, so none is missing");
    assert!(decision.new_evals.is_empty());
}

#[test]
fn nodes_without_room_are_waited_for() {
    let mut world = World::new(3);
    let mut filler = job("filler", JobType::Service, 1);
    filler.groups[0].tasks[0].resources.memory_mb = 950;
    world.submit(&filler);
    let taken = world.run("filler").plan.placements[0].node;
    world.submit(&system());
    let decision = world.ask();
    assert_eq!(decision.plan.placements.len(), 2);
    let failed = &decision.eval.failed_groups["group"];
    assert_eq!((failed.nodes_evaluated, failed.nodes_exhausted, failed.coalesced_failures), (3, 1, 0));
    assert_eq!(failed.dimension_exhausted["memory"], 1);
    assert_eq!(decision.eval.queued["group"], 1);
    let [blocked] = &decision.new_evals[..] else { panic!("{:?}", decision.new_evals) };
    assert_eq!((blocked.status, blocked.node), (EvalStatus::Blocked, Some(taken)));
    assert_eq!(blocked.full_nodes, BTreeSet::from([taken]));
    world.stop("filler");
    world.run("filler");
    let blocked = Evaluation::clone(&world.root.evals[&blocked.id]);
    let decision = world.run_eval(&blocked);
    assert_eq!((decision.plan.placements.len(), decision.eval.status), (1, EvalStatus::Complete));
}

#[test]
fn without_an_update_block_all_are_replaced_at_once() {
    let mut world = World::new(3);
    world.submit(&system());
    world.ask();
    world.submit(&changed(system(), "2"));
    let decision = world.ask();
    assert_eq!(sizes(&decision.plan), (3, 3, 0));
    assert_eq!(decision.plan.stops[0].description, "alloc is being updated due to job update");
    assert!(decision.plan.deployment.is_none());
    assert_eq!(world.versions("web"), [1, 1, 1]);
    for placement in &decision.plan.placements {
        let old = &world.root.allocs[&placement.previous.unwrap()];
        assert_eq!(old.node, placement.node);
    }
}

#[test]
fn a_new_version_rolls_from_node_to_node() {
    let mut world = World::new(5);
    world.submit(&rolling(2));
    let first = world.ask().plan.deployment.expect("a first version is a deployment too");
    assert_eq!(first.groups["group"].desired_total, 5);
    world.report("web", ClientStatus::Running, Some(true));
    let (deployment, status, now) = (first.id, DeploymentStatus::Successful, world.now);
    let description = String::new();
    let done =
        Command::UpdateDeployment { deployment, status, description, stable: true, evals: vec![], now };
    world.apply(done);
    world.is_settled();

    world.submit(&changed(rolling(2), "2"));
    let decision = world.ask();
    assert_eq!(sizes(&decision.plan), (2, 2, 0));
    assert_eq!(decision.plan.deployment.as_ref().unwrap().groups["group"].desired_total, 5);
    world.is_settled();
    let healthy = |world: &mut World| {
        let new: Vec<_> = world.live("web").into_iter().filter(|(_, version, _)| *version == 1).collect();
        for (_, _, alloc) in new {
            world.report_one(alloc, ClientStatus::Running, Some(true));
        }
    };
    healthy(&mut world);
    assert_eq!(sizes(&world.look().plan), (2, 2, 0));
    // A node leaves with its old allocation, another one comes: the deployment counts on what there is.
    let old = world.live("web").into_iter().find(|(_, version, _)| *version == 0).unwrap().2;
    let gone = world.root.allocs[&old].node.0;
    world.set_node(gone, NodeStatus::Down);
    let decision = world.look();
    assert_eq!(decision.plan.deployment.unwrap().groups["group"].desired_total, 4);
    world.register(node(6));
    let decision = world.look();
    assert_eq!(decision.plan.deployment.as_ref().unwrap().groups["group"].desired_total, 5);
    assert_eq!(decision.plan.placements[0].deployment, decision.plan.deployment_id);
    healthy(&mut world);
    world.is_settled();
    let rows = world.root.latest_deployment(&key("web")).unwrap().groups["group"].clone();
    assert_eq!((rows.desired_total, rows.placed, rows.healthy), (5, 5, 5));
}

#[test]
fn a_failed_rollout_stops_nothing_where_nothing_new_may_go() {
    let mut world = World::new(2);
    world.submit(&rolling(1));
    world.ask();
    world.report("web", ClientStatus::Running, Some(true));
    world.submit(&changed(rolling(1), "2"));
    let deployment = world.ask().plan.deployment.unwrap().id;
    let old = world.live("web").into_iter().find(|(_, version, _)| *version == 0).unwrap().2;
    let (status, description, now) = (DeploymentStatus::Failed, String::new(), world.now);
    let failed =
        |stable| Command::UpdateDeployment { deployment, status, description, stable, evals: vec![], now };
    world.apply(failed(false));
    world.is_settled();
    let node = world.root.allocs[&old].node.0;
    world.eligible(node, false);
    world.is_settled();
    assert_eq!(world.on(node), old);
}

#[test]
fn a_node_without_room_for_the_new_version_holds_up_nobody() {
    let mut world = World::new(2);
    world.submit(&rolling(1));
    world.ask();
    world.report("web", ClientStatus::Running, Some(true));
    let mut filler = job("filler", JobType::Service, 1);
    filler.groups[0].tasks[0].resources.memory_mb = 850;
    world.submit(&filler);
    let full = world.run("filler").plan.placements[0].node;
    let mut bigger = rolling(1);
    bigger.groups[0].tasks[0].resources.memory_mb = 400;
    world.submit(&bigger);
    let decision = world.ask();
    assert_eq!(sizes(&decision.plan), (1, 1, 0), "the old one stays where the new one does not fit");
    assert_eq!(decision.plan.deployment.as_ref().unwrap().groups["group"].desired_total, 1);
    assert_eq!(decision.new_evals[0].full_nodes, BTreeSet::from([full]));
    assert_eq!(world.nodes(), [1, 2]);
}

#[test]
fn what_failed_is_left_alone_until_somebody_asks() {
    for job in [system(), sysbatch()] {
        let mut world = World::new(2);
        world.submit(&job);
        world.ask();
        let bad = world.on(1);
        world.report_one(bad, ClientStatus::Failed, None);
        world.is_settled();
        let decision = world.ask();
        assert_eq!(sizes(&decision.plan), (1, 1, 0));
        assert_eq!(decision.plan.placements[0].previous, Some(bad));
        assert_eq!(decision.plan.stops[0].description, "alloc was rescheduled because it failed");
        world.is_settled();
        let again = world.on(1);
        world.report_one(again, ClientStatus::Failed, None);
        world.is_settled();
        world.submit(&changed(job, "2"));
        world.ask();
        assert_eq!((world.nodes(), world.versions("web")), (vec![1, 2], vec![1, 1]));
    }
}

#[test]
fn success_of_a_sysbatch_is_not_repeated() {
    let mut world = World::new(2);
    world.submit(&sysbatch());
    world.ask();
    world.report("web", ClientStatus::Complete, None);
    world.is_settled();
    assert!(world.ask().plan.is_noop(), "also when asked");
    world.register(node(3));
    assert_eq!(world.look().plan.placements[0].node, NodeId(3));
    world.submit(&changed(sysbatch(), "2"));
    assert_eq!(world.ask().plan.placements.len(), 3);
    // A system job goes on.
    let mut world = World::new(1);
    world.submit(&system());
    world.ask();
    world.report("web", ClientStatus::Complete, None);
    assert_eq!(world.look().plan.placements.len(), 1);
}

#[test]
fn a_drain_stops_it_and_puts_it_nowhere_else() {
    let mut world = World::new(2);
    world.submit(&system());
    world.ask();
    world.report("web", ClientStatus::Running, None);
    let (alloc, now) = (world.on(1), world.now);
    let drain = Some(Drain { started_at: now, ..Drain::default() });
    world.apply(Command::SetNodeDrain { node: NodeId(1), drain, mark_eligible: false, evals: vec![], now });
    world.is_settled();
    world.apply(Command::MarkMigrate { allocs: vec![alloc], evals: vec![], now });
    let decision = world.look();
    assert_eq!(sizes(&decision.plan), (0, 1, 0));
    assert_eq!(decision.plan.stops[0].description, "alloc not needed as node is tainted");
    assert_eq!(world.root.allocs[&alloc].desired, DesiredStatus::Stop);
    world.is_settled();
}

#[test]
fn what_somebody_reschedules_comes_back_there() {
    let mut world = World::new(2);
    world.submit(&system());
    world.ask();
    world.report("web", ClientStatus::Running, None);
    let (alloc, other, now) = (world.on(1), world.on(2), world.now);
    world.apply(Command::MarkMigrate { allocs: vec![alloc], evals: vec![], now });
    let mut eval = world.eval("web");
    eval.trigger = model::Trigger::AllocReschedule;
    let decision = world.run_eval(&eval);
    assert_eq!(sizes(&decision.plan), (1, 1, 0));
    let placement = &decision.plan.placements[0];
    assert_eq!((placement.node, placement.previous), (NodeId(1), Some(alloc)));
    assert_eq!(decision.plan.stops[0].description, "alloc is being migrated");
    assert_eq!(world.on(2), other);
    world.is_settled();
}

#[test]
fn a_service_becomes_a_system_job_and_back() {
    let mut world = World::new(3);
    world.submit(&job("web", JobType::Service, 5));
    world.ask();
    world.submit(&system());
    world.ask();
    assert_eq!((world.nodes(), world.indexes("web")), (vec![1, 2, 3], vec![0, 0, 0]));
    world.is_settled();
    world.submit(&job("web", JobType::Service, 3));
    world.ask();
    assert_eq!(world.indexes("web"), [0, 1, 2]);
    world.is_settled();
}

#[test]
fn a_late_plan_is_held_against_the_names_of_its_nodes_only() {
    let mut world = World::new(2);
    world.submit(&system());
    let eval = world.eval("web");
    let late = world.decide(&eval).plan;
    // Another plan was first on node 1.
    let mut first = world.decide(&eval).plan;
    first.placements.retain(|placement| placement.node == NodeId(1));
    world.apply(Command::ApplyPlan { plan: Box::new(first), evals: vec![] });
    let verified = verify(&world.root, late);
    assert!(!verified.complete);
    let nodes: Vec<NodeId> = verified.plan.placements.iter().map(|placement| placement.node).collect();
    assert_eq!(nodes, [NodeId(2)]);
}

#[test]
fn less_important_allocations_give_way_on_each_node() {
    let mut world = World::new(2);
    world.submit(&job("filler", JobType::Service, 20));
    world.run("filler");
    let mut important = system();
    important.priority = 70;
    important.groups[0].tasks[0].resources.memory_mb = 150;
    world.submit(&important);
    let decision = world.ask();
    assert_eq!(world.nodes(), [1, 2]);
    let (evictions, placements) = (&decision.plan.evictions, &decision.plan.placements);
    assert_eq!(evictions.len(), 4, "two on each node: {evictions:?}");
    for eviction in evictions {
        let winner = placements.iter().find(|placement| placement.id == eviction.by).unwrap();
        assert_eq!(eviction.node, winner.node);
        assert_eq!(world.root.allocs[&eviction.id].desired, DesiredStatus::Evict);
    }
    assert_eq!(decision.annotations["group"].preemptions, 4);
    world.is_settled();
    // Not for one that is hardly more important, and not where operators do not want it.
    for (priority, system) in [(55, true), (70, false)] {
        let mut world = World::new(1);
        world.submit(&job("filler", JobType::Service, 10));
        world.run("filler");
        let preemption = model::Preemption { system, ..model::Preemption::default() };
        let settings = model::SchedulerSettings { preemption, ..model::SchedulerSettings::default() };
        world.apply(Command::SetScheduler { settings, enforce_index: None });
        let mut other = important.clone();
        other.priority = priority;
        world.submit(&other);
        let decision = world.ask();
        assert!(decision.plan.is_noop(), "{:?}", decision.plan);
        assert_eq!(decision.new_evals[0].full_nodes, BTreeSet::from([NodeId(1)]));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Submit { sysbatch: bool, memory: u32, env: u8, parallel: Option<u32>, fixed: bool, odd_only: bool },
    Filler { count: u32 },
    Node { node: u128, up: bool },
    Eligible { node: u128, yes: bool },
    Report { pick: usize, client: ClientStatus, healthy: Option<bool> },
    Ask,
}

fn step() -> impl Strategy<Value = Step> {
    let client = prop::sample::select(vec![
        ClientStatus::Pending,
        ClientStatus::Running,
        ClientStatus::Complete,
        ClientStatus::Failed,
    ]);
    prop_oneof![
        3 => (any::<bool>(), 50..400u32, 0..3u8, prop::option::of(1..4u32), any::<bool>(), any::<bool>())
            .prop_map(|(sysbatch, memory, env, parallel, fixed, odd_only)| Step::Submit {
                sysbatch, memory, env, parallel: parallel.filter(|_| !sysbatch), fixed, odd_only
            }),
        1 => (0..12u32).prop_map(|count| Step::Filler { count }),
        2 => (1..5u128, any::<bool>()).prop_map(|(node, up)| Step::Node { node, up }),
        1 => (1..5u128, any::<bool>()).prop_map(|(node, yes)| Step::Eligible { node, yes }),
        4 => (0..40usize, client, prop::option::of(any::<bool>()))
            .prop_map(|(pick, client, healthy)| Step::Report { pick, client, healthy }),
        1 => Just(Step::Ask),
    ]
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Submit { sysbatch, memory, env, parallel, fixed, odd_only } => {
            let kind = if sysbatch { JobType::Sysbatch } else { JobType::System };
            let mut job = changed(job("web", kind, 1), &env.to_string());
            let group = &mut job.groups[0];
            group.tasks[0].resources.memory_mb = memory;
            group.update =
                parallel.map(|max_parallel| UpdateStrategy { max_parallel, ..UpdateStrategy::default() });
            if fixed {
                let port = Port { label: "fixed".into(), fixed: Some(8080), ..Port::default() };
                group.network = Some(NetworkAsk { ports: vec![port], ..NetworkAsk::default() });
            }
            if odd_only {
                let (left, right) = ("${attr.odd}".into(), "true".into());
                group.constraints.push(Constraint { left, operand: Operand::Equal, right });
            }
            world.submit(&job);
        }
        Step::Filler { count } => {
            world.submit(&job("filler", JobType::Service, count));
            world.run("filler");
        }
        Step::Node { node, up } => {
            world.set_node(node, if up { NodeStatus::Ready } else { NodeStatus::Down });
        }
        Step::Eligible { node, yes } => world.eligible(node, yes),
        Step::Report { pick, client, healthy } => {
            let live = world.live("web");
            if !live.is_empty() {
                world.report_one(live[pick % live.len()].2, client, healthy);
            }
        }
        Step::Ask => {
            world.ask();
        }
    }
}

/// Evaluates, and holds the result against what must be true of any.
fn check(world: &mut World) {
    let Some(job) = world.root.jobs.get(&key("web")).cloned() else { return };
    let eval = world.eval("web");
    let decision = world.decide(&eval);
    assert_eq!(verify(&world.root, decision.plan.clone()).plan, decision.plan, "true on its own snapshot");
    let decision = world.look();
    world.is_settled_or(&decision);
    let nodes = world.nodes();
    assert_eq!(nodes.iter().collect::<BTreeSet<_>>().len(), nodes.len(), "two on one node: {nodes:?}");
    let limited = job.groups[0].update.is_some();
    for node in world.root.nodes.values().filter(|node| node.is_schedulable()).cloned().collect::<Vec<_>>() {
        let wants_odd = !job.groups[0].constraints.is_empty();
        let may_run = !wants_odd || node.attributes.contains_key("odd");
        let here: Vec<_> = world
            .root
            .allocs_of_node(node.id)
            .filter(|alloc| alloc.job == key("web") && alloc.desired == DesiredStatus::Run)
            .filter(|alloc| alloc.job_index == job.job_modify_index || !alloc.client.is_terminal())
            .collect();
        let is_full =
            decision.new_evals.iter().chain([&decision.eval]).any(|eval| eval.full_nodes.contains(&node.id));
        if !may_run {
            assert!(here.iter().all(|alloc| alloc.is_terminal()), "runs where it may not: {here:?}");
        } else if here.is_empty() {
            assert!(is_full, "{} has none and nobody waits", node.id);
        } else if !limited && !is_full {
            let newest = here.iter().any(|alloc| alloc.job_index == job.job_modify_index);
            assert!(newest, "the old version is left: {here:?}");
        }
    }
}

impl World {
    #[track_caller]
    fn is_settled_or(&mut self, first: &Decision) {
        let again = self.look();
        // A replacement gives room to others of the same node that were tried before it.
        let waits = first.eval.queued.values().any(|&queued| queued > 0);
        assert!(again.plan.is_noop() || waits, "not settled: {:?}", again.plan);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_node_that_may_run_it_has_exactly_one(steps in prop::collection::vec(step(), 1..24)) {
        let mut world = World::new(0);
        for id in 1..=4u128 {
            let mut node = node(id);
            if id % 2 == 1 {
                node.attributes.insert("odd".into(), "true".into());
            }
            world.register(node);
        }
        for step in steps {
            take(&mut world, step);
            check(&mut world);
        }
    }
}
