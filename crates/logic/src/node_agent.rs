//! Desired against running on one node. Restart, lost message and first start are the same case: a look at
//! everything, repeated.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{AllocId, Allocation, Claims, DesiredStatus, DriverInfo, Job, Node};

/// What the node should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a runner for it.
    Start(AllocId),
    /// Tell the runner about the new version of the row.
    Update(AllocId),
    /// Stop its tasks.
    Stop(AllocId),
    /// It was stopped before it ever started here: tell the servers that it is over.
    ReportNeverStarted(AllocId),
    /// The servers forgot it: remove runner, record and directory.
    Forget(AllocId),
}

#[derive(Debug, Clone)]
struct Runner {
    alloc_modify_index: u64,
    ports: Vec<u16>,
    claims: Option<Arc<Claims>>,
    stopping: bool,
    ended: bool,
}

/// What the node knows of its runners.
#[derive(Debug, Default)]
pub struct NodeAgent {
    runners: BTreeMap<AllocId, Runner>,
    reported: BTreeSet<AllocId>,
    /// Those that shall not run for longer without servers.
    without_servers: BTreeMap<AllocId, Duration>,
}

impl NodeAgent {
    /// A runner that was restored from disk.
    pub fn restored(&mut self, alloc: &Allocation, ended: bool) {
        self.runners.insert(
            alloc.id,
            Runner {
                alloc_modify_index: alloc.alloc_modify_index,
                ports: alloc.ports.iter().map(|port| port.value).collect(),
                claims: alloc.claims.clone(),
                stopping: alloc.desired != DesiredStatus::Run,
                ended,
            },
        );
    }

    /// All tasks of the allocation are over.
    pub fn ended(&mut self, id: AllocId) {
        if let Some(runner) = self.runners.get_mut(&id) {
            runner.ended = true;
        }
    }

    /// Compares what the servers want with what runs here. Repeating it with the same input gives no effect.
    pub fn reconcile<'a>(&mut self, wanted: impl Iterator<Item = &'a Allocation> + Clone) -> Vec<Effect> {
        let mut effects = Vec::new();
        let ids: BTreeSet<AllocId> = wanted.clone().map(|alloc| alloc.id).collect();
        let gone: Vec<AllocId> = self.runners.keys().filter(|id| !ids.contains(id)).copied().collect();
        for id in gone {
            self.runners.remove(&id);
            self.without_servers.remove(&id);
            effects.push(Effect::Forget(id));
        }
        self.reported.retain(|id| ids.contains(id));
        // First the stops: they free the ports that starts wait for.
        for alloc in wanted.clone() {
            let Some(runner) = self.runners.get_mut(&alloc.id) else {
                let over = alloc.desired != DesiredStatus::Run && !alloc.client.is_terminal();
                if over && self.reported.insert(alloc.id) {
                    effects.push(Effect::ReportNeverStarted(alloc.id));
                }
                continue;
            };
            if alloc.desired != DesiredStatus::Run {
                if !runner.stopping && !runner.ended {
                    runner.stopping = true;
                    effects.push(Effect::Stop(alloc.id));
                }
            } else if alloc.alloc_modify_index > runner.alloc_modify_index && !runner.ended {
                runner.alloc_modify_index = alloc.alloc_modify_index;
                effects.push(Effect::Update(alloc.id));
            }
        }
        for alloc in wanted {
            if alloc.is_terminal() || self.runners.contains_key(&alloc.id) || !self.may_start(alloc) {
                continue;
            }
            self.restored(alloc, false);
            effects.push(Effect::Start(alloc.id));
        }
        effects
    }

    /// Its ports, cores and devices are free, and the allocation it replaces here and those that were evicted for it are over.
    fn may_start(&self, alloc: &Allocation) -> bool {
        let live = || self.runners.iter().filter(|(_, runner)| !runner.ended);
        let mut before = alloc.previous.iter().chain(&alloc.preempted);
        let previous_lives = before.any(|previous| live().any(|(id, _)| id == previous));
        let port_taken =
            alloc.ports.iter().any(|port| live().any(|(_, runner)| runner.ports.contains(&port.value)));
        let is_claimed = alloc.claims.as_ref().is_some_and(|wanted| {
            live().any(|(_, runner)| runner.claims.as_ref().is_some_and(|held| held.overlap(wanted)))
        });
        !previous_lives && !port_taken && !is_claimed
    }

    /// How long the allocation may run while no server is heard (`stop_on_client_after`); `None`: for ever.
    pub fn runs_without_servers(&mut self, id: AllocId, at_most: Option<Duration>) {
        match at_most {
            Some(at_most) => self.without_servers.insert(id, at_most),
            None => self.without_servers.remove(&id),
        };
    }

    /// Which allocations shall stop because no server was heard for so long. Each is named once.
    pub fn silent_for(&mut self, silence: Duration) -> Vec<AllocId> {
        let over: Vec<AllocId> = self
            .without_servers
            .iter()
            .filter(|(_, at_most)| **at_most <= silence)
            .map(|(id, _)| *id)
            .collect();
        let mut stops = Vec::new();
        for id in over {
            self.without_servers.remove(&id);
            if let Some(runner) = self.runners.get_mut(&id).filter(|runner| !runner.stopping && !runner.ended)
            {
                runner.stopping = true;
                stops.push(id);
            }
        }
        stops
    }

    pub fn len(&self) -> usize {
        self.runners.len()
    }

    pub fn is_empty(&self) -> bool {
        self.runners.is_empty()
    }
}

/// What the servers want on this node, put together from their answers.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Of the newest state that was acted on; 0: the servers have not said anything yet.
    index: u64,
    rows: BTreeMap<AllocId, (Arc<Allocation>, Arc<Job>)>,
}

impl Wanted {
    /// The node registered, at this index of the log. True when the log is not the one that the node was told of
    /// before: what it knows of that one counts no more.
    pub fn begin(&mut self, registered: u64) -> bool {
        let new = registered < self.index;
        if new {
            *self = Self::default();
        }
        new
    }

    /// Takes over an answer: the allocations that changed, and the ids of all. An answer that is older than what was
    /// acted on changes nothing. Returns the index to ask for next: 0 when something is missing.
    pub fn take(
        &mut self,
        index: u64,
        allocs: Vec<Allocation>,
        known: &[AllocId],
        jobs: &BTreeMap<u64, Arc<Job>>,
    ) -> u64 {
        if index < self.index {
            return self.index;
        }
        self.index = index;
        for alloc in allocs {
            if let Some(job) = jobs.get(&alloc.job_index) {
                self.rows.insert(alloc.id, (Arc::new(alloc), job.clone()));
            }
        }
        let known: BTreeSet<AllocId> = known.iter().copied().collect();
        self.rows.retain(|id, _| known.contains(id));
        if self.rows.len() == known.len() { index } else { 0 }
    }

    /// The servers have said what they want. Before that, nothing may be concluded from what is not here.
    pub fn is_known(&self) -> bool {
        self.index > 0
    }

    pub fn get(&self, id: AllocId) -> Option<&(Arc<Allocation>, Arc<Job>)> {
        self.rows.get(&id)
    }

    pub fn allocs(&self) -> impl Iterator<Item = &Allocation> + Clone {
        self.rows.values().map(|(alloc, _)| &**alloc)
    }
}

/// Pauses between attempts to reach the servers: 0.1 s, doubled each time up to 5 s, each shortened by chance to as
/// little as half, so that the nodes of a server that went do not all come at once.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// The pause after one more failure. `jitter`: 0 to 1.
    pub fn next(&mut self, jitter: f64) -> Duration {
        let pause = Self::FIRST * 2_u32.saturating_pow(self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        pause.min(Self::LONGEST).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

/// Puts what drivers say into the node; true when something that servers should know changed.
pub fn apply_fingerprint(node: &mut Node, infos: BTreeMap<String, DriverInfo>) -> bool {
    let mut changed = false;
    for (name, info) in infos {
        let same = node.drivers.get(&name).is_some_and(|old| {
            (old.detected, old.healthy, &old.description, &old.attributes)
                == (info.detected, info.healthy, &info.description, &info.attributes)
        });
        if same {
            continue;
        }
        changed = true;
        let prefix = format!("driver.{name}");
        node.attributes.retain(|key, _| *key != prefix && !key.starts_with(&format!("{prefix}.")));
        node.attributes.extend(info.attributes.clone());
        node.drivers.insert(name, info);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alloc;

    #[test]
    fn a_static_port_waits_for_its_holder() {
        let mut agent = NodeAgent::default();
        let old = alloc(1, DesiredStatus::Run, Some(80));
        assert_eq!(agent.reconcile([&old].into_iter()), [Effect::Start(AllocId(1))]);
        let stopped = alloc(1, DesiredStatus::Stop, Some(80));
        let new = alloc(2, DesiredStatus::Run, Some(80));
        assert_eq!(agent.reconcile([&stopped, &new].into_iter()), [Effect::Stop(AllocId(1))]);
        assert_eq!(agent.reconcile([&stopped, &new].into_iter()), []);
        agent.ended(AllocId(1));
        assert_eq!(agent.reconcile([&stopped, &new].into_iter()), [Effect::Start(AllocId(2))]);
        assert_eq!(agent.reconcile([&new].into_iter()), [Effect::Forget(AllocId(1))]);
    }

    #[test]
    fn a_core_waits_for_its_holder() {
        let mut agent = NodeAgent::default();
        let on_core = |id, desired, core| {
            let task = model::TaskClaims { task: "t".into(), cores: vec![core], cpu_mhz: 1, devices: vec![] };
            let claims = Some(Arc::new(Claims { tasks: vec![task] }));
            Allocation { claims, ..alloc(id, desired, None) }
        };
        let old = on_core(1, DesiredStatus::Run, 0);
        assert_eq!(agent.reconcile([&old].into_iter()), [Effect::Start(AllocId(1))]);
        let stopped = on_core(1, DesiredStatus::Stop, 0);
        let (same, other) = (on_core(2, DesiredStatus::Run, 0), on_core(3, DesiredStatus::Run, 1));
        let effects = agent.reconcile([&stopped, &same, &other].into_iter());
        assert_eq!(effects, [Effect::Stop(AllocId(1)), Effect::Start(AllocId(3))]);
        agent.ended(AllocId(1));
        let effects = agent.reconcile([&stopped, &same, &other].into_iter());
        assert_eq!(effects, [Effect::Start(AllocId(2))]);
    }

    #[test]
    fn who_others_are_evicted_for_waits_for_them() {
        let mut agent = NodeAgent::default();
        let old = alloc(1, DesiredStatus::Run, None);
        agent.reconcile([&old].into_iter());
        let evicted = alloc(1, DesiredStatus::Evict, None);
        let new = Allocation { preempted: vec![AllocId(1)], ..alloc(2, DesiredStatus::Run, None) };
        assert_eq!(agent.reconcile([&evicted, &new].into_iter()), [Effect::Stop(AllocId(1))]);
        assert_eq!(agent.reconcile([&evicted, &new].into_iter()), []);
        agent.ended(AllocId(1));
        assert_eq!(agent.reconcile([&evicted, &new].into_iter()), [Effect::Start(AllocId(2))]);
    }

    #[test]
    fn what_was_stopped_before_it_came_here_is_reported_once() {
        let mut agent = NodeAgent::default();
        let stopped = alloc(1, DesiredStatus::Stop, None);
        assert_eq!(agent.reconcile([&stopped].into_iter()), [Effect::ReportNeverStarted(AllocId(1))]);
        assert_eq!(agent.reconcile([&stopped].into_iter()), []);
    }
}
