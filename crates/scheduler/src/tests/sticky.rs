use std::collections::BTreeMap;

use model::{
    AllocId, AllocMetric, ClientStatus, Constraint, Job, JobType, NetworkAsk, NodeId, NodeStatus, Operand,
    Port, ReschedulePolicy,
};
use proptest::prelude::*;
use state::Command;

use crate::testing::{World, job, node};

/// One that keeps its data; it would rather be on a node with others (bin packing).
fn sticky(count: u32) -> Job {
    let mut job = job("db", JobType::Service, count);
    job.groups[0].ephemeral_disk.sticky = true;
    job
}

fn changed(job: &Job, value: &str) -> Job {
    let mut job = job.clone();
    job.groups[0].tasks[0].env.insert("E".into(), value.into());
    job
}

fn node_of(world: &World, alloc: AllocId) -> NodeId {
    world.root.allocs[&alloc].node
}

/// The one allocation of the job, and its node.
fn only(world: &World) -> (AllocId, NodeId) {
    let live = world.live("db");
    assert_eq!(live.len(), 1);
    (live[0].2, node_of(world, live[0].2))
}

/// A world of nodes, on one of which the job runs; then others become more attractive.
fn placed(job: &Job) -> (World, AllocId, NodeId) {
    let mut world = World::new(4);
    world.submit(job);
    world.run("db");
    world.report("db", ClientStatus::Running, None);
    let (alloc, home) = only(&world);
    let mut others = crate::testing::job("others", JobType::Service, 3);
    others.groups[0].constraints.push(Constraint {
        left: "${node.unique.name}".into(),
        operand: Operand::NotEqual,
        right: world.root.nodes[&home].name.clone(),
    });
    others.groups[0].tasks[0].resources.cpu_mhz = 600;
    world.submit(&others);
    world.run("others");
    (world, alloc, home)
}

#[test]
fn an_update_goes_where_the_data_are() {
    for is_sticky in [true, false] {
        let mut job = sticky(1);
        job.groups[0].ephemeral_disk.sticky = is_sticky;
        let (mut world, old, home) = placed(&job);
        for value in ["1", "2"] {
            world.submit(&changed(&job, value));
            world.run("db");
            world.report("db", ClientStatus::Running, None);
        }
        let (new, node) = only(&world);
        assert_ne!(new, old);
        assert_eq!(node == home, is_sticky);
    }
}

#[test]
fn migrate_means_sticky() {
    let mut job = sticky(1);
    job.groups[0].ephemeral_disk.sticky = false;
    job.groups[0].ephemeral_disk.migrate = true;
    let (mut world, _, home) = placed(&job);
    world.submit(&changed(&job, "1"));
    world.run("db");
    assert_eq!(only(&world).1, home);
}

#[test]
fn what_failed_comes_back_to_its_data() {
    let mut job = sticky(1);
    let policy =
        ReschedulePolicy { delay: std::time::Duration::ZERO, ..ReschedulePolicy::for_type(job.kind) };
    job.groups[0].reschedule = Some(policy);
    let (mut world, old, home) = placed(&job);
    world.report("db", ClientStatus::Failed, None);
    world.run("db");
    let (new, node) = only(&world);
    assert_eq!((world.root.allocs[&new].previous, node), (Some(old), home));
}

#[test]
fn another_node_is_taken_where_the_own_one_cannot() {
    // Full.
    let (mut world, _, home) = placed(&sticky(1));
    let mut bigger = changed(&sticky(1), "1");
    bigger.groups[0].tasks[0].resources.memory_mb = 900;
    let mut blocker = job("blocker", JobType::Service, 1);
    blocker.groups[0].tasks[0].resources.memory_mb = 200;
    let name = world.root.nodes[&home].name.clone();
    let (left, operand) = ("${node.unique.name}".to_owned(), Operand::Equal);
    blocker.groups[0].constraints.push(Constraint { left, operand, right: name.clone() });
    world.submit(&blocker);
    world.run("blocker");
    world.submit(&bigger);
    world.run("db");
    assert_ne!(only(&world).1, home);
    // Not feasible any more.
    let (mut world, _, home) = placed(&sticky(1));
    let mut banned = changed(&sticky(1), "1");
    let (left, operand) = ("${node.unique.name}".to_owned(), Operand::NotEqual);
    banned.groups[0].constraints.push(Constraint {
        left,
        operand,
        right: world.root.nodes[&home].name.clone(),
    });
    world.submit(&banned);
    world.run("db");
    assert_ne!(only(&world).1, home);
    // Gone, and being emptied.
    let (mut world, old, home) = placed(&sticky(1));
    world.set_node(home.0, NodeStatus::Down);
    world.run("db");
    let (new, node) = only(&world);
    assert_ne!(node, home);
    assert_eq!(world.root.allocs[&new].previous, Some(old));
    let (mut world, old, home) = placed(&sticky(1));
    world.apply(Command::SetNodeEligibility {
        node: home,
        eligibility: model::Eligibility::Ineligible,
        evals: vec![],
        now: world.now,
    });
    world.apply(Command::MarkMigrate { allocs: vec![old], evals: vec![], now: world.now });
    world.run("db");
    let (new, node) = only(&world);
    assert_ne!(node, home);
    assert_eq!(world.root.allocs[&new].previous, Some(old));
}

#[test]
fn the_report_of_a_placement_is_there() {
    let (mut world, _, _) = placed(&sticky(1));
    world.submit(&changed(&sticky(1), "1"));
    let decision = world.run("db");
    let metric: &AllocMetric = decision.plan.placements[0].metric.as_ref().unwrap();
    assert_eq!(metric.nodes_evaluated, 4);
}

#[derive(Debug, Clone)]
struct Spec {
    count: u32,
    memory: u32,
    port: bool,
    distinct: bool,
    env: u8,
}

fn spec() -> impl Strategy<Value = Spec> {
    (1..7u32, 50..450u32, any::<bool>(), any::<bool>(), 0..4u8)
        .prop_map(|(count, memory, port, distinct, env)| Spec { count, memory, port, distinct, env })
}

impl Spec {
    fn job(&self) -> Job {
        let mut job = changed(&sticky(self.count), &self.env.to_string());
        let group = &mut job.groups[0];
        group.tasks[0].resources.memory_mb = self.memory;
        if self.port {
            let port = Port { label: "p".into(), fixed: Some(8080), ..Port::default() };
            group.network = Some(NetworkAsk { ports: vec![port], ..NetworkAsk::default() });
        }
        if self.distinct {
            let (left, right) = (String::new(), String::new());
            group.constraints.push(Constraint { left, operand: Operand::DistinctHosts, right });
        }
        job
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// `World::apply` holds each state against its invariants (no room or port given twice), `run` that the whole plan
    /// is accepted.
    #[test]
    fn a_preference_breaks_no_rule(
        steps in prop::collection::vec((spec(), prop::option::of((1..4u128, any::<bool>())), 0..3u8), 1..12)
    ) {
        let mut world = World::new(0);
        (1..=3).for_each(|id| world.register(node(id)));
        for (spec, turn, client) in steps {
            if let Some((id, up)) = turn {
                world.set_node(id, if up { NodeStatus::Ready } else { NodeStatus::Down });
            }
            let before: BTreeMap<AllocId, NodeId> =
                world.live("db").iter().map(|(_, _, id)| (*id, node_of(&world, *id))).collect();
            world.submit(&spec.job());
            let decision = world.run("db");
            let mut per_node: BTreeMap<NodeId, u32> = BTreeMap::new();
            for placement in &decision.plan.placements {
                let node = &world.root.nodes[&placement.node];
                prop_assert_eq!(node.status, NodeStatus::Ready);
                *per_node.entry(placement.node).or_default() += 1;
            }
            if spec.distinct {
                prop_assert!(per_node.values().all(|count| *count == 1), "{:?}", per_node);
            }
            // Alone on its node and replaced, nothing keeps it from going back there.
            if let ([placement], 1) = (decision.plan.placements.as_slice(), before.len())
                && let Some(home) = placement.previous.and_then(|id| before.get(&id))
                && world.root.nodes[home].status == NodeStatus::Ready
            {
                prop_assert_eq!(placement.node, *home);
            }
            let client = [ClientStatus::Running, ClientStatus::Failed, ClientStatus::Complete][client as usize];
            world.report("db", client, None);
            world.pass(10);
        }
    }
}
