use model::{EvalStatus, Job, JobType, Node, NodeId, NodePool};
use proptest::prelude::*;
use state::Command;

use crate::testing::{World, job, key, node, sizes};

const POOLS: [&str; 3] = ["default", "gpu", "edge"];

fn node_in(id: u128, pool: &str) -> Node {
    Node { pool: pool.into(), ..node(id) }
}

fn job_in(kind: JobType, count: u32, pool: &str) -> Job {
    Job { pool: pool.into(), ..job("web", kind, count) }
}

fn world(nodes: &[(u128, &str)]) -> World {
    let mut world = World::new(0);
    for name in ["gpu", "edge"] {
        world.apply(Command::PutPools { pools: vec![NodePool { name: name.into(), ..NodePool::default() }] });
    }
    for (id, pool) in nodes {
        world.register(node_in(*id, pool));
    }
    world
}

fn nodes_of(world: &World) -> Vec<u128> {
    let web = key("web");
    let live = world.root.allocs_of_job(&web).filter(|alloc| !alloc.is_terminal());
    let mut nodes: Vec<u128> = live.map(|alloc| alloc.node.0).collect();
    nodes.sort_unstable();
    nodes
}

#[test]
fn each_kind_of_job_uses_the_nodes_of_its_pool() {
    let check = |kind: JobType, count, pool: &str, expected: &[u128]| {
        let mut world = world(&[(1, "default"), (2, "gpu"), (3, "gpu"), (4, "edge")]);
        world.submit(&job_in(kind, count, pool));
        world.run("web");
        assert_eq!(nodes_of(&world), expected, "{kind:?} in {pool}");
    };
    for kind in [JobType::System, JobType::Sysbatch] {
        check(kind, 1, "default", &[1]);
        check(kind, 1, "gpu", &[2, 3]);
        check(kind, 1, "all", &[1, 2, 3, 4]);
    }
    for kind in [JobType::Service, JobType::Batch] {
        check(kind, 2, "default", &[1, 1]);
        check(kind, 2, "edge", &[4, 4]);
    }
}

#[test]
fn what_finds_no_node_names_the_pool_and_waits_for_one() {
    let mut world = world(&[(1, "default"), (2, "edge")]);
    world.submit(&job_in(JobType::Service, 1, "gpu"));
    let decision = world.run("web");
    let metric = &decision.eval.failed_groups["group"];
    assert_eq!((metric.pool.as_str(), metric.nodes_in_pool, metric.nodes_evaluated), ("gpu", 0, 0));
    let blocked = &decision.new_evals[0];
    assert_eq!(blocked.status, EvalStatus::Blocked);
    assert!(blocked.class_eligibility.values().all(|eligible| !eligible), "{blocked:?}");
    world.register(node_in(3, "gpu"));
    let class = &world.root.nodes[&NodeId(3)].computed_class;
    assert!(!blocked.class_eligibility.contains_key(class), "nobody has looked at such a node");
    world.run("web");
    assert_eq!(nodes_of(&world), [3]);
}

#[test]
fn nodes_of_the_pool_are_counted_whatever_their_datacenter() {
    let mut world = world(&[(1, "default"), (2, "gpu")]);
    world.register(Node { datacenter: "dc2".into(), ..node_in(3, "gpu") });
    world.submit(&Job { datacenters: vec!["dc1".into()], ..job_in(JobType::Service, 1, "gpu") });
    let decision = world.run("web");
    let metric = decision.plan.placements[0].metric.clone().unwrap();
    assert_eq!((metric.nodes_in_pool, metric.nodes_evaluated), (2, 1));
}

#[test]
fn a_job_that_moves_to_another_pool_is_replaced_there() {
    let mut world = world(&[(1, "default"), (2, "gpu")]);
    world.submit(&job_in(JobType::Service, 2, "default"));
    world.run("web");
    world.submit(&job_in(JobType::Service, 2, "all"));
    assert_eq!(sizes(&world.run("web").plan), (0, 0, 2), "where it is, it may stay");
    world.submit(&job_in(JobType::Service, 2, "gpu"));
    world.run("web");
    assert_eq!(nodes_of(&world), [2, 2]);
}

#[test]
fn a_system_job_follows_a_node_out_of_its_pool_and_into_it() {
    let mut world = world(&[(1, "gpu"), (2, "gpu")]);
    world.submit(&job_in(JobType::System, 1, "gpu"));
    world.run("web");
    let turned = world.root.usage.turned_index;
    world.register(node_in(1, "edge"));
    assert!(world.root.usage.turned_index > turned, "jobs on every node look again");
    world.run("web");
    assert_eq!(nodes_of(&world), [2]);
    world.register(node_in(1, "gpu"));
    world.run("web");
    assert_eq!(nodes_of(&world), [1, 2]);
}

#[test]
fn the_pool_is_a_fact_that_constraints_may_name() {
    let mut world = world(&[(1, "edge"), (2, "gpu")]);
    let mut everywhere = job_in(JobType::System, 1, "all");
    everywhere.constraints.push(model::Constraint {
        left: "${node.pool}".into(),
        operand: model::Operand::Equal,
        right: "gpu".into(),
    });
    world.submit(&everywhere);
    world.run("web");
    assert_eq!(nodes_of(&world), [2]);
}

proptest! {
    /// Nothing is placed outside the pool, and the nodes of other pools change nothing for a job.
    #[test]
    fn other_pools_do_not_exist_for_a_job(
        nodes in prop::collection::vec(0..3usize, 1..8),
        kind in 0..4usize,
        count in 0..12u32,
        pool in 0..4usize,
        moves in prop::collection::vec((0..8usize, 0..3usize), 0..4),
    ) {
        let kind = JobType::ALL[kind];
        let pool = *POOLS.get(pool).unwrap_or(&"all");
        let count = if kind.is_per_node() { count.min(1) } else { count };
        let web = job_in(kind, count, pool);
        let mut nodes: Vec<(u128, &str)> = nodes.iter().zip(1..).map(|(pool, id)| (id, POOLS[*pool])).collect();
        let takes = |of_node: &str| web.pool.takes(&of_node.into());
        let mut whole = world(&nodes);
        let of_pool: Vec<_> = nodes.iter().copied().filter(|(_, of)| takes(of)).collect();
        let mut alone = world(&of_pool);
        for world in [&mut whole, &mut alone] {
            world.submit(&web);
            world.run("web");
        }
        prop_assert_eq!(nodes_of(&whole).len(), nodes_of(&alone).len());
        for (at, pool) in moves {
            let at = at % nodes.len();
            nodes[at].1 = POOLS[pool];
            whole.register(node_in(nodes[at].0, POOLS[pool]));
            let decision = whole.run("web");
            for placement in &decision.plan.placements {
                let node = &whole.root.nodes[&placement.node];
                prop_assert!(web.pool.takes(&node.pool), "{} on a node of {}", pool, node.pool);
            }
        }
        if kind.is_per_node() && count == 1 {
            let expected: Vec<u128> = nodes.iter().filter(|(_, of)| takes(of)).map(|(id, _)| *id).collect();
            prop_assert_eq!(nodes_of(&whole), expected);
        }
    }
}
