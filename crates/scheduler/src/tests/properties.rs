use std::collections::BTreeSet;

use model::{ClientStatus, Constraint, Job, JobType, NetworkAsk, NodeStatus, Operand, Port, UpdateStrategy};
use proptest::prelude::*;

use crate::{
    testing::{World, job, key, node},
    verify,
};

#[derive(Debug, Clone)]
enum Step {
    Submit { job: usize, spec: Spec },
    Stop(usize),
    Node { node: u128, up: bool },
    Report { pick: usize, client: ClientStatus, healthy: Option<bool> },
    Pass(u64),
}

#[derive(Debug, Clone)]
struct Spec {
    batch: bool,
    count: u32,
    memory: u32,
    fixed: bool,
    dynamic: usize,
    max_parallel: Option<u32>,
    distinct: bool,
    env: u8,
}

impl Spec {
    fn job(&self, at: usize) -> Job {
        let kind = if self.batch { JobType::Batch } else { JobType::Service };
        let mut job = job(NAMES[at], kind, self.count);
        let group = &mut job.groups[0];
        let mut ports: Vec<Port> =
            (0..self.dynamic).map(|at| Port { label: format!("p{at}"), ..Port::default() }).collect();
        if self.fixed {
            ports.push(Port { label: "fixed".into(), fixed: Some(8080), to: None });
        }
        group.network = Some(NetworkAsk { ports, ..NetworkAsk::default() });
        group.tasks[0].resources.memory_mb = self.memory;
        group.tasks[0].env.insert("E".into(), self.env.to_string());
        if !self.batch {
            group.update =
                self.max_parallel.map(|max_parallel| UpdateStrategy { max_parallel, ..Default::default() });
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
        any::<bool>(),
        0..3usize,
        prop::option::of(1..4u32),
        any::<bool>(),
        0..3u8,
    )
        .prop_map(|(batch, count, memory, fixed, dynamic, max_parallel, distinct, env)| Spec {
            batch,
            count,
            memory,
            fixed,
            dynamic,
            max_parallel,
            distinct,
            env,
        })
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
    }
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
    assert!(stay + plan.placements.len() <= job.groups[0].count as usize, "placements exceed the count");
    assert_eq!(verify(&world.root, plan.clone()).plan, *plan, "a plan is true on its own snapshot");
    assert_eq!(world.decide(&eval).plan.placements.len(), plan.placements.len());

    let decision = world.run_eval(&eval);
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
