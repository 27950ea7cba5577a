//! What people and faults do to a cluster.

use std::time::Duration;

use model::{
    Capacity, Constraint, Device, DeviceAsk, DeviceGroup, DeviceName, Disconnect, DriverInfo, Eligibility,
    EphemeralDisk, EvalId, Evaluation, Job, JobKey, JobType, NetworkAsk, Node, NodeId, Operand, Port,
    Preemption, Reconcile, ReschedulePolicy, Resources, SchedulerSettings, Task, TaskGroup, Trigger,
    UpdateStrategy,
};
use rand::RngExt;
use state::{Command, Refusal, Steering};

use crate::{
    nodes::Machine,
    world::{After, Event, World},
};

const NODES: u128 = 5;
const JOBS: usize = 6;

/// The highest count that a group may have.
fn most_of(kind: JobType) -> u32 {
    if kind.is_per_node() { 1 } else { u32::MAX }
}

impl World {
    /// So many acts, with some time between them: often none, sometimes minutes.
    pub(crate) fn disturb(&mut self, acts: usize) -> Result<(), String> {
        self.calm = false;
        // Half of the lives begin with it.
        if self.root.index == 0 && self.one_in(2) {
            self.set_preemption();
        }
        for _ in 0..acts {
            self.act()?;
            let wait = match self.rng.random_range(0..10) {
                0 => self.millis(10_000, 120_000),
                1..4 => self.millis(100, 5_000),
                _ => self.millis(0, 60),
            };
            self.run_until(self.now.plus(wait))?;
        }
        Ok(())
    }

    fn act(&mut self) -> Result<(), String> {
        let node = NodeId(self.rng.random_range(1..=NODES));
        match self.rng.random_range(0..129) {
            0..30 => {
                let job = self.any_job();
                self.register(job);
            }
            30..42 => self.scale(),
            42..50 => self.stop(),
            50..65 => self.join(node),
            65..76 => self.lose(node),
            76..78 => self.kill(node),
            78..82 => self.set_eligible(node, false),
            82..88 => self.set_eligible(node, true),
            88..101 => self.fail_a_task(),
            101..106 => self.drain(node),
            106..110 => self.end_drain(node),
            110..112 => self.purge(node),
            112..115 => self.change_leader()?,
            115..117 => self.set_preemption(),
            117..123 => self.steer(Steering::Promote { groups: None }),
            123..126 => self.steer(Steering::Fail),
            _ => {
                let before = model::Timestamp(self.now.as_nanos() - 60_000_000_000);
                self.propose(vec![Command::Collect { before }], After::Nothing);
            }
        }
        Ok(())
    }

    pub(crate) fn any_job(&mut self) -> Job {
        let kind = match self.rng.random_range(0..12) {
            0..3 => JobType::Batch,
            3..6 => JobType::System,
            6 => JobType::Sysbatch,
            _ => JobType::Service,
        };
        let most = most_of(kind);
        let mut ports: Vec<Port> = (0..self.rng.random_range(0..3))
            .map(|at| Port { label: format!("p{at}"), ..Port::default() })
            .collect();
        if self.one_in(3) {
            ports.push(Port {
                label: "fixed".into(),
                fixed: Some(8000 + self.rng.random_range(0..2)),
                ..Port::default()
            });
        }
        let mut env =
            std::collections::BTreeMap::from([("V".to_owned(), self.rng.random_range(0..3).to_string())]);
        if self.one_in(6) {
            env.insert("FAILS".into(), "1".into());
        }
        let mut group = TaskGroup {
            name: "group".into(),
            count: if kind.is_per_node() { most } else { self.rng.random_range(0..7) },
            network: Some(NetworkAsk { ports, ..NetworkAsk::default() }),
            reschedule: (!kind.is_per_node()).then(|| ReschedulePolicy::for_type(kind)),
            ephemeral_disk: EphemeralDisk { size_mb: 10, ..EphemeralDisk::default() },
            tasks: vec![Task {
                name: "task".into(),
                driver: "mock_driver".into(),
                env,
                resources: Resources {
                    cpu_mhz: self.rng.random_range(50..400),
                    memory_mb: self.rng.random_range(50..400),
                    ..Resources::default()
                },
                ..Task::default()
            }],
            ..TaskGroup::default()
        };
        ask_for_more(&mut group.tasks[0].resources);
        if kind.rolls_out() && !self.one_in(3) {
            let max_parallel = self.rng.random_range(1..4);
            // A percentage for those on every node.
            let most = if kind.is_per_node() { 100 } else { 4 };
            let canary = if self.one_in(2) { self.rng.random_range(1..=most) } else { 0 };
            let (auto_promote, auto_revert) = (canary > 0 && self.one_in(2), self.one_in(2));
            let strategy = UpdateStrategy::default();
            group.update =
                Some(UpdateStrategy { max_parallel, canary, auto_promote, auto_revert, ..strategy });
        }
        if self.one_in(3) {
            group.disconnect = Some(Disconnect {
                lost_after: Duration::from_secs(self.rng.random_range(0..120)),
                replace: !self.one_in(3),
                stop_on_client_after: None,
                reconcile: [
                    Reconcile::BestScore,
                    Reconcile::LongestRunning,
                    Reconcile::KeepOriginal,
                    Reconcile::KeepReplacement,
                ][self.rng.random_range(0..4)],
            });
        }
        if self.one_in(4) {
            let (left, right) = (String::new(), String::new());
            group.constraints.push(Constraint { left, operand: Operand::DistinctHosts, right });
        }
        if self.one_in(5) {
            let right = self.rng.random_range(0..2).to_string();
            group.constraints.push(Constraint {
                left: "${attr.rack}".into(),
                operand: Operand::Equal,
                right,
            });
        }
        let mut groups = vec![group];
        if self.one_in(4) {
            let mut second = groups[0].clone();
            second.name = "second".into();
            second.count = self.rng.random_range(0..3).min(most);
            groups.push(second);
        }
        let id = format!("job{}", self.rng.random_range(0..JOBS));
        let priority = self.rng.random_range(30..70);
        Job { name: id.clone(), id, kind, priority, groups, all_at_once: self.one_in(10), ..Job::default() }
    }

    pub(crate) fn register(&mut self, job: Job) {
        let mut eval = self.eval(job.key(), job.kind, Trigger::JobRegister);
        eval.priority = job.priority;
        let now = self.now;
        let command = Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: Some(eval), now };
        self.propose(vec![command], After::Nothing);
    }

    /// Somebody decides about a roll-out; whether that is possible, the state says.
    fn steer(&mut self, steering: Steering) {
        let active: Vec<_> = self.root.active_deployments().cloned().collect();
        if active.is_empty() {
            return;
        }
        let deployment = active[self.rng.random_range(0..active.len())].clone();
        let Some(job) = self.root.jobs.get(&deployment.job).cloned() else { return };
        let eval = self.eval(job.key(), job.kind, Trigger::DeploymentWatcher);
        let (deployment, now) = (deployment.id, self.now);
        let command = Command::SteerDeployment { deployment, steering, evals: vec![eval], now };
        self.propose(vec![command], After::Nothing);
    }

    fn set_preemption(&mut self) {
        let (service, batch) = (!self.one_in(4), self.one_in(2));
        let preemption = Preemption { service, batch, ..Preemption::default() };
        let settings = SchedulerSettings { preemption, ..SchedulerSettings::default() };
        self.propose(vec![Command::SetScheduler { settings, enforce_index: None }], After::Nothing);
    }

    fn eval(&mut self, job: JobKey, kind: JobType, trigger: Trigger) -> Evaluation {
        Evaluation::new(EvalId(self.id()), job, kind, 50, trigger, self.now)
    }

    pub(crate) fn known_job(&mut self) -> Option<Job> {
        let jobs: Vec<_> = self.root.jobs.values().cloned().collect();
        (!jobs.is_empty()).then(|| Job::clone(&jobs[self.rng.random_range(0..jobs.len())]))
    }

    fn scale(&mut self) {
        let Some(mut job) = self.known_job() else { return };
        job.groups[0].count = self.rng.random_range(0..9).min(most_of(job.kind));
        self.register(job);
    }

    fn stop(&mut self) {
        let Some(job) = self.known_job() else { return };
        let eval = Some(self.eval(job.key(), JobType::Service, Trigger::JobDeregister));
        let (purge, now) = (self.one_in(3), self.now);
        self.propose(vec![Command::DeregisterJob { job: job.key(), purge, eval, now }], After::Nothing);
    }

    /// A new machine, or one that comes back.
    fn join(&mut self, id: NodeId) {
        let known = self.machines.get(&id).map(|machine| machine.online);
        if known.is_none() {
            let driver = DriverInfo { detected: true, healthy: true, ..DriverInfo::default() };
            let node = Node {
                id,
                name: format!("n{}", id.0),
                datacenter: "dc1".into(),
                address: format!("10.0.0.{}", id.0),
                attributes: [("rack".into(), (id.0 % 2).to_string())].into(),
                drivers: [("mock_driver".into(), driver)].into(),
                capacity: Capacity { cpu_mhz: 1500, memory_mb: 1500, disk_mb: 1000 },
                dynamic_ports: (20000, 20009),
                core_count: 3,
                reservable_cores: vec![0, 1, 2],
                devices: if id.0.is_multiple_of(2) { vec![gpus()] } else { vec![] },
                ..Node::default()
            };
            self.machines.insert(id, Machine::new(node));
            self.connect(id);
        } else if known == Some(false) {
            self.connect(id);
        }
    }

    fn set_eligible(&mut self, node: NodeId, eligible: bool) {
        if !self.root.nodes.contains_key(&node) {
            return;
        }
        let eligibility = if eligible { Eligibility::Eligible } else { Eligibility::Ineligible };
        let now = self.now;
        self.propose(
            vec![Command::SetNodeEligibility { node, eligibility, evals: vec![], now }],
            After::Nothing,
        );
    }

    fn fail_a_task(&mut self) {
        let live: Vec<_> = self.root.allocs.values().filter(|alloc| !alloc.is_terminal()).cloned().collect();
        if live.is_empty() {
            return;
        }
        let alloc = &live[self.rng.random_range(0..live.len())];
        if let Some(machine) = self.machines.get_mut(&alloc.node) {
            machine.failing.insert(alloc.id);
            self.after(Duration::from_millis(1), Event::Node(alloc.node));
        }
    }
}

/// Some tasks want whole cores or a device; which ones follows from what they want anyway.
fn ask_for_more(resources: &mut Resources) {
    if resources.memory_mb.is_multiple_of(7) {
        resources.devices = vec![DeviceAsk { name: "gpu".into(), count: 1, ..DeviceAsk::default() }];
    }
    if resources.cpu_mhz.is_multiple_of(5) {
        resources.cores = 1 + resources.memory_mb % 2;
        resources.cpu_mhz = 0;
    }
}

fn gpus() -> DeviceGroup {
    let device = |id: &str| Device { id: id.into(), healthy: true, ..Device::default() };
    DeviceGroup {
        name: DeviceName { vendor: "v".into(), kind: "gpu".into(), model: "m".into() },
        devices: vec![device("a"), device("b")],
        ..DeviceGroup::default()
    }
}

/// Somebody decided about a roll-out too early or too late.
pub(crate) fn is_untimely(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::UnknownDeployment(_)
            | Refusal::DeploymentEnded(_)
            | Refusal::NoCanaries
            | Refusal::CanariesNotHealthy { .. }
    )
}
