use std::collections::BTreeSet;

use model::{ClientStatus, Constraint, Job, JobType, NetworkAsk, NodeStatus, Operand, Port, UpdateStrategy};
use proptest::prelude::*;
use state::{Command, Steering};

use crate::{
    testing::{World, job, key, node},
    verify,
};

#[derive(Debug, Clone)]
enum Step {
    Submit {
        job: usize,
        spec: Spec,
    },
    Stop(usize),
    Node {
        node: u128,
        up: bool,
    },
    Report {
        pick: usize,
        client: ClientStatus,
        healthy: Option<bool>,
    },
    Pass(u64),
    /// Lets the latest roll-out of a job go on after its canaries, or fails it.
    Steer {
        job: usize,
        promote: bool,
    },
}

#[derive(Debug, Clone)]
struct Spec {
    batch: bool,
    count: u32,
    memory: u32,
    fixed: bool,
    shared: bool,
    dynamic: usize,
    max_parallel: Option<u32>,
    distinct: bool,
    env: u8,
    canary: u32,
}

impl Spec {
    fn job(&self, at: usize) -> Job {
        let kind = if self.batch { JobType::Batch } else { JobType::Service };
        let mut job = job(NAMES[at], kind, self.count);
        let group = &mut job.groups[0];
        let mut ports: Vec<Port> =
            (0..self.dynamic).map(|at| Port { label: format!("p{at}"), ..Port::default() }).collect();
        if self.fixed {
            ports.push(Port { label: "fixed".into(), fixed: Some(8080), ..Port::default() });
        }
        if self.shared {
            // The same number: it goes beside anybody, and nobody else beside it.
            let (fixed, ignore_collision) = (Some(8080), true);
            ports.push(Port { label: "shared".into(), fixed, ignore_collision, ..Port::default() });
        }
        group.network = Some(NetworkAsk { ports, ..NetworkAsk::default() });
        group.tasks[0].resources.memory_mb = self.memory;
        group.tasks[0].env.insert("E".into(), self.env.to_string());
        if !self.batch {
            group.update = self.max_parallel.map(|max_parallel| UpdateStrategy {
                max_parallel,
                canary: self.canary,
                auto_revert: self.env == 1,
                ..Default::default()
            });
        }
        if self.distinct {
            let (left, right) = (String::new(), String::new());
            group.constraints.push(Constraint { left, operand: Operand::DistinctHosts, right });
        }
        job
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn spec() -> impl Strategy<Value = Spec> {
    (
        any::<bool>(),
        0..8u32,
        50..400u32,
        any::<(bool, bool)>(),
        0..3usize,
        prop::option::of(1..4u32),
        any::<bool>(),
        (0..3u8, prop_oneof![2 => Just(0_u32), 1 => 1..4_u32]),
    )
        .prop_map(
            |(batch, count, memory, (fixed, shared), dynamic, max_parallel, distinct, (env, canary))| Spec {
                batch,
                count,
                memory,
                fixed,
                shared,
                dynamic,
                max_parallel,
                distinct,
                env,
                canary,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    let client = prop::sample::select(vec![
        ClientStatus::Pending,
        ClientStatus::Running,
        ClientStatus::Complete,
        ClientStatus::Failed,
    ]);
    prop_oneof![
        4 => (0..3usize, spec()).prop_map(|(job, spec)| Step::Submit { job, spec }),
        1 => (0..3usize).prop_map(Step::Stop),
        2 => (1..4u128, any::<bool>()).prop_map(|(node, up)| Step::Node { node, up }),
        4 => (0..40usize, client, prop::option::of(any::<bool>()))
            .prop_map(|(pick, client, healthy)| Step::Report { pick, client, healthy }),
        1 => (1..100u64).prop_map(Step::Pass),
        2 => (0..3usize, any::<bool>()).prop_map(|(job, promote)| Step::Steer { job, promote }),
    ]
}

fn take(world: &mut World, step: &Step) {
    match step {
        Step::Submit { job, spec } => world.submit(&spec.job(*job)),
        Step::Stop(job) => world.stop(NAMES[*job]),
        Step::Node { node, up } => {
            world.set_node(*node, if *up { NodeStatus::Ready } else { NodeStatus::Down });
        }
        Step::Report { pick, client, healthy } => {
            let live: Vec<_> = NAMES.iter().flat_map(|name| world.live(name)).collect();
            if !live.is_empty() {
                world.report_one(live[pick % live.len()].2, *client, *healthy);
            }
        }
        Step::Pass(secs) => world.pass(*secs),
        Step::Steer { job, promote } => {
            let Some(deployment) = world.root.latest_deployment(&key(NAMES[*job])) else { return };
            let (deployment, now) = (deployment.id, world.now);
            let steering = if *promote { Steering::Promote { groups: None } } else { Steering::Fail };
            world.apply(Command::SteerDeployment { deployment, steering, evals: vec![], now });
        }
    }
}

/// Allocations that run, are no canaries, and whose index is below the count: a smaller count takes the others, whatever
/// they do.
fn steady(world: &World, name: &str, count: u32) -> usize {
    let is_steady = |alloc: &&std::sync::Arc<model::Allocation>| {
        let node = world.root.nodes.get(&alloc.node);
        !alloc.canary
            && alloc.index < count
            && alloc.client == ClientStatus::Running
            && !alloc.is_terminal()
            && node.is_some_and(|node| node.status == NodeStatus::Ready)
    };
    world.root.allocs_of_job(&key(name)).filter(is_steady).count()
}

/// Runs the evaluation of one job and holds the decision against what must be true of any.
fn check_run(world: &mut World, name: &str) {
    let eval = world.eval(name);
    let decision = world.decide(&eval);
    let plan = &decision.plan;
    let job = world.root.jobs.get(&key(name)).filter(|job| !job.stop).cloned();
    let Some(job) = job else {
        assert!(
            plan.placements.is_empty() && plan.in_place.is_empty(),
            "nothing is placed for a stopped job"
        );
        world.run_eval(&eval);
        assert!(world.live(name).is_empty());
        return;
    };
    let stopped: BTreeSet<_> = plan.stops.iter().map(|stop| stop.id).collect();
    let stay = world.live(name).iter().filter(|(_, _, id)| !stopped.contains(id)).count();
    let canaries = |root: &state::Root| {
        let key = key(name);
        let live = root.allocs_of_job(&key).filter(|alloc| alloc.canary && !alloc.is_terminal());
        live.map(|alloc| alloc.id).collect::<BTreeSet<_>>()
    };
    let proving = canaries(&world.root).difference(&stopped).count();
    let filling = plan.placements.iter().filter(|placement| !placement.canary).count();
    assert!(stay - proving + filling <= job.groups[0].count as usize, "placements exceed the count");
    let wanted = job.groups[0].update.as_ref().map_or(0, |update| update.canary) as usize;
    assert!(proving + plan.placements.len() - filling <= wanted, "more canaries than asked for");
    let before = steady(world, name, job.groups[0].count);
    assert_eq!(verify(&world.root, plan.clone()).plan, *plan, "a plan is true on its own snapshot");
    assert_eq!(world.decide(&eval).plan.placements.len(), plan.placements.len());

    let decision = world.run_eval(&eval);
    let waits = world.root.latest_deployment(&key(name)).is_some_and(|latest| {
        latest.status.is_active()
            && latest.job_index == job.job_modify_index
            && latest.groups.values().any(model::GroupRollout::awaits_promotion)
    });
    if waits {
        let count = job.groups[0].count;
        let left = steady(world, name, count);
        assert!(left >= before.min(count as usize), "canaries cost allocations that worked");
    }
    let again = world.run(name);
    // Freed room may be used by what found none; apart from that the second run has nothing to do.
    let waited = decision.eval.queued.values().any(|&queued| queued > 0);
    assert!(again.plan.is_noop() || waited, "not settled: {:?}", again.plan);
    for constraint in &job.groups[0].constraints {
        assert_eq!(constraint.operand, Operand::DistinctHosts);
        let here: Vec<_> = world
            .live(name)
            .iter()
            .filter(|(_, version, _)| *version == job.version)
            .map(|(_, _, id)| world.root.allocs[id].node)
            .collect();
        assert_eq!(here.iter().collect::<BTreeSet<_>>().len(), here.len(), "two on one host");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_decision_is_sound_and_settles(steps in prop::collection::vec((step(), 0..3usize), 1..24)) {
        let mut world = World::new(0);
        for id in 1..=3 {
            world.register(node(id));
        }
        for (step, job) in steps {
            take(&mut world, &step);
            check_run(&mut world, NAMES[job]);
        }
        for name in NAMES {
            check_run(&mut world, name);
        }
    }
}
