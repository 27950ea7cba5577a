//! Small worlds for the tests: a state, a counter for ids, and the steps that a cluster would take.

use model::{
    AllocUpdate, Capacity, ClientStatus, DriverInfo, EvalId, Evaluation, Job, JobKey, JobType, Node, NodeId,
    NodeStatus, Plan, ReschedulePolicy, Resources, Task, TaskGroup, Timestamp, Trigger,
};
use state::{Command, Outcome, Root, invariants};

use crate::{Decision, Input, schedule, verify};

/// A job with one group `group` of one task, 100 MHz and 100 MB each.
pub(crate) fn job(id: &str, kind: JobType, count: u32) -> Job {
    Job {
        id: id.into(),
        name: id.into(),
        kind,
        groups: vec![TaskGroup {
            name: "group".into(),
            count,
            reschedule: (!kind.is_per_node()).then(|| ReschedulePolicy::for_type(kind)),
            ephemeral_disk: model::EphemeralDisk { size_mb: 10, ..model::EphemeralDisk::default() },
            tasks: vec![Task {
                name: "task".into(),
                driver: "mock_driver".into(),
                resources: Resources { cpu_mhz: 100, memory_mb: 100, ..Resources::default() },
                ..Task::default()
            }],
            ..TaskGroup::default()
        }],
        ..Job::default()
    }
}

/// A ready node with room for ten allocations of [`job`].
pub(crate) fn node(id: u128) -> Node {
    let driver = DriverInfo { detected: true, healthy: true, ..DriverInfo::default() };
    Node {
        id: NodeId(id),
        name: format!("n{id}"),
        datacenter: "dc1".into(),
        address: "127.0.0.1".into(),
        attributes: [("kernel.name".into(), "linux".into())].into(),
        drivers: [("mock_driver".into(), driver)].into(),
        capacity: Capacity { cpu_mhz: 1000, memory_mb: 1000, disk_mb: 1000 },
        dynamic_ports: (20000, 32000),
        status: NodeStatus::Ready,
        ..Node::default()
    }
}

pub(crate) fn key(id: &str) -> JobKey {
    JobKey::new("default", id)
}

pub(crate) struct World {
    pub(crate) root: Root,
    pub(crate) now: Timestamp,
    next: u128,
}

impl World {
    pub(crate) fn new(nodes: u128) -> Self {
        let mut world = Self { root: Root::default(), now: Timestamp::from_secs(1000), next: 1000 };
        for id in 1..=nodes {
            world.register(node(id));
        }
        world
    }

    pub(crate) fn apply(&mut self, command: Command) -> Outcome {
        let outcome = self.root.apply(self.root.index + 1, command);
        invariants::check(&self.root).unwrap();
        outcome
    }

    pub(crate) fn register(&mut self, node: Node) {
        self.apply(Command::RegisterNode { node, evals: vec![], now: self.now });
    }

    pub(crate) fn submit(&mut self, job: &Job) {
        self.apply(Command::RegisterJob {
            job: Box::new(job.clone()),
            enforce_index: None,
            eval: None,
            now: self.now,
        });
    }

    pub(crate) fn stop(&mut self, id: &str) {
        self.apply(Command::DeregisterJob { job: key(id), purge: false, eval: None, now: self.now });
    }

    pub(crate) fn set_node(&mut self, id: u128, status: NodeStatus) {
        self.apply(Command::SetNodeStatus {
            node: NodeId(id),
            status,
            event: None,
            evals: vec![],
            now: self.now,
        });
    }

    pub(crate) fn pass(&mut self, secs: u64) {
        self.now = self.now.plus(std::time::Duration::from_secs(secs));
    }

    pub(crate) fn eval(&mut self, id: &str) -> Evaluation {
        self.next += 1;
        Evaluation::new(EvalId(self.next), key(id), JobType::Service, 50, Trigger::JobRegister, self.now)
    }

    pub(crate) fn decide(&mut self, eval: &Evaluation) -> Decision {
        let next = &mut self.next;
        let mut ids = || {
            *next += 1;
            *next
        };
        schedule(Input { root: &self.root, eval, now: self.now, ids: &mut ids, rng_seed: 7 })
    }

    /// Schedules, verifies and applies.
    pub(crate) fn run(&mut self, id: &str) -> Decision {
        let eval = self.eval(id);
        self.run_eval(&eval)
    }

    pub(crate) fn run_eval(&mut self, eval: &Evaluation) -> Decision {
        let decision = self.decide(eval);
        let verified = verify(&self.root, decision.plan.clone());
        assert!(verified.complete, "{:?}", decision.plan);
        let mut evals = vec![decision.eval.clone()];
        evals.extend(decision.new_evals.iter().cloned());
        self.apply(Command::ApplyPlan { plan: Box::new(verified.plan), evals });
        decision
    }

    /// Every live allocation of the job reports the status.
    pub(crate) fn report(&mut self, id: &str, client: ClientStatus, healthy: Option<bool>) {
        let allocs: Vec<_> = self.live(id).into_iter().map(|(_, _, alloc)| alloc).collect();
        for alloc in allocs {
            self.report_one(alloc, client, healthy);
        }
    }

    pub(crate) fn report_one(&mut self, id: model::AllocId, client: ClientStatus, healthy: Option<bool>) {
        let update = AllocUpdate {
            id,
            client,
            client_description: String::new(),
            tasks: std::sync::Arc::default(),
            services: vec![],
            health: healthy.map(|healthy| model::AllocHealth { healthy, since: self.now, modify_index: 0 }),
            deployment: self.root.allocs[&id].deployment,
            time: self.now,
        };
        self.apply(Command::UpdateAllocs {
            updates: vec![update],
            evals: vec![],
            synced: None,
            now: self.now,
        });
    }

    /// Index, job version and id of the allocations that shall run, ordered by index.
    pub(crate) fn live(&self, id: &str) -> Vec<(u32, u64, model::AllocId)> {
        let mut live: Vec<_> = self
            .root
            .allocs_of_job(&key(id))
            .filter(|alloc| !alloc.is_terminal())
            .map(|alloc| (alloc.index, alloc.job_version, alloc.id))
            .collect();
        live.sort_unstable();
        live
    }

    pub(crate) fn indexes(&self, id: &str) -> Vec<u32> {
        self.live(id).into_iter().map(|(index, _, _)| index).collect()
    }

    pub(crate) fn versions(&self, id: &str) -> Vec<u64> {
        self.live(id).into_iter().map(|(_, version, _)| version).collect()
    }
}

/// A plan as numbers: placements, stops, updates in place.
pub(crate) fn sizes(plan: &Plan) -> (usize, usize, usize) {
    (plan.placements.len(), plan.stops.len(), plan.in_place.len())
}
