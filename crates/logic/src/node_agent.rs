//! Desired against running on one node. Restart, lost message and first start are the same case: a look at
//! everything, repeated.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{AllocId, Allocation, Claims, DesiredStatus, DriverInfo, Job, Node, TaskGroup};

use crate::heritage::{self, TakeOver};

/// What the node should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a runner for it.
    Start(AllocId),
    /// Tell the runner about the new version of the row.
    Update(AllocId),
    /// Get what it needs from far away: what it replaces runs until that is there. Answered with `prepared`.
    Prepare(AllocId),
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
    previous: Option<AllocId>,
    /// What it has yet to take over.
    takes_over: Option<TakeOver>,
}

/// What the servers want here, by id.
type Rows<'a> = BTreeMap<AllocId, &'a Allocation>;

/// What the node knows of its runners.
#[derive(Debug, Default)]
pub struct NodeAgent {
    runners: BTreeMap<AllocId, Runner>,
    reported: BTreeSet<AllocId>,
    /// Those that will take the place of something here, and whether what they need is there.
    preparing: BTreeMap<AllocId, bool>,
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
                previous: alloc.previous,
                takes_over: None,
            },
        );
    }

    /// What the allocation needs is there, or cannot be had now: what it replaces may go.
    pub fn prepared(&mut self, id: AllocId) {
        if let Some(is_done) = self.preparing.get_mut(&id) {
            *is_done = true;
        }
    }

    /// All tasks of the allocation are over.
    pub fn ended(&mut self, id: AllocId) {
        if let Some(runner) = self.runners.get_mut(&id) {
            runner.ended = true;
        }
    }

    /// What a runner takes over before its tasks begin.
    pub fn takes_over(&mut self, id: AllocId, what: TakeOver) {
        if let Some(runner) = self.runners.get_mut(&id) {
            runner.takes_over = Some(what);
        }
    }

    /// It has taken over what it could.
    pub fn took_over(&mut self, id: AllocId) {
        if let Some(runner) = self.runners.get_mut(&id) {
            runner.takes_over = None;
        }
    }

    /// What an allocation that starts here takes over of the one before it.
    pub fn inheritance<'a>(
        &self,
        alloc: &Allocation,
        group: &TaskGroup,
        wanted: impl Iterator<Item = &'a Allocation>,
    ) -> Option<TakeOver> {
        // Most keep nothing: no table of the whole node is made for each of them.
        if !group.ephemeral_disk.is_sticky() {
            return None;
        }
        let rows = wanted.map(|alloc| (alloc.id, alloc)).collect();
        let previous = self.predecessor(&rows, alloc)?;
        heritage::what(&group.ephemeral_disk, previous, self.runners.contains_key(&previous))
    }

    /// The last one before it that had data. One that was stopped before it began here, or before it took over what it
    /// was to have, has none: then those of the one before count.
    fn predecessor(&self, rows: &Rows<'_>, alloc: &Allocation) -> Option<AllocId> {
        let mut previous = alloc.previous;
        // Longer chains were broken by the collection of their middle.
        for _ in 0..64 {
            let id = previous?;
            previous = match (self.runners.get(&id), rows.get(&id)) {
                (Some(runner), _) if runner.ended && runner.takes_over.is_some() => runner.previous,
                (None, Some(row)) if row.desired != DesiredStatus::Run => row.previous,
                _ => return Some(id),
            };
        }
        previous
    }

    /// Another one is to have the files of this one, which is over.
    pub fn is_inherited(&self, id: AllocId) -> bool {
        let is_heir = |runner: &Runner| !runner.ended && runner.takes_over == Some(TakeOver::Here(id));
        self.runners.values().any(is_heir)
    }

    fn is_awaited(&self, rows: &Rows<'_>, id: AllocId) -> bool {
        let ended = self.runners.get(&id).is_some_and(|runner| runner.ended);
        let waits = |alloc: &&Allocation| {
            !alloc.is_terminal()
                && !self.runners.contains_key(&alloc.id)
                && self.predecessor(rows, alloc) == Some(id)
        };
        ended && (self.is_inherited(id) || rows.values().copied().any(|alloc| waits(&alloc)))
    }

    /// Compares what the servers want with what runs here. Repeating it with the same input gives no effect.
    pub fn reconcile<'a>(&mut self, wanted: impl Iterator<Item = &'a Allocation> + Clone) -> Vec<Effect> {
        let mut effects = Vec::new();
        let rows: Rows<'a> = wanted.clone().map(|alloc| (alloc.id, alloc)).collect();
        let gone = self.runners.keys().filter(|id| !rows.contains_key(id) && !self.is_awaited(&rows, **id));
        let gone: Vec<AllocId> = gone.copied().collect();
        for id in gone {
            self.runners.remove(&id);
            self.without_servers.remove(&id);
            effects.push(Effect::Forget(id));
        }
        self.reported.retain(|id| rows.contains_key(id));
        self.preparing.retain(|id, _| rows.contains_key(id));
        let waiting =
            rows.values().filter(|alloc| !alloc.is_terminal() && !self.runners.contains_key(&alloc.id));
        let heirs: BTreeMap<AllocId, AllocId> =
            waiting.filter_map(|alloc| Some((self.predecessor(&rows, alloc)?, alloc.id))).collect();
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
                if runner.stopping || runner.ended {
                    continue;
                }
                let heir = heirs.get(&alloc.id).filter(|_| alloc.desired == DesiredStatus::Stop);
                if let Some(&heir) = heir.filter(|heir| self.preparing.get(heir) != Some(&true)) {
                    if self.preparing.insert(heir, false).is_none() {
                        effects.push(Effect::Prepare(heir));
                    }
                    continue;
                }
                runner.stopping = true;
                effects.push(Effect::Stop(alloc.id));
            } else if alloc.alloc_modify_index > runner.alloc_modify_index && !runner.ended {
                runner.alloc_modify_index = alloc.alloc_modify_index;
                effects.push(Effect::Update(alloc.id));
            }
        }
        for alloc in wanted {
            if alloc.is_terminal() || self.runners.contains_key(&alloc.id) || !self.may_start(&rows, alloc) {
                continue;
            }
            self.restored(alloc, false);
            effects.push(Effect::Start(alloc.id));
        }
        effects
    }

    /// Its ports (but those that it shares), cores and devices are free, and the allocation it replaces here and those that were evicted for it are over.
    fn may_start(&self, rows: &Rows<'_>, alloc: &Allocation) -> bool {
        let live = || self.runners.iter().filter(|(_, runner)| !runner.ended);
        let before = self.predecessor(rows, alloc);
        let mut before = before.iter().chain(&alloc.previous).chain(&alloc.preempted);
        let previous_lives = before.any(|previous| live().any(|(id, _)| id == previous));
        let mut own_ports = alloc.ports.iter().filter(|port| !port.ignore_collision);
        let port_taken = own_ports.any(|port| live().any(|(_, runner)| runner.ports.contains(&port.value)));
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

    fn sticky(migrate: bool) -> TaskGroup {
        let ephemeral_disk =
            model::EphemeralDisk { sticky: true, migrate, ..model::EphemeralDisk::default() };
        TaskGroup { ephemeral_disk, ..TaskGroup::default() }
    }

    fn after(previous: u128, id: u128, desired: DesiredStatus) -> Allocation {
        Allocation { previous: Some(AllocId(previous)), ..alloc(id, desired, None) }
    }

    #[test]
    fn data_are_kept_until_they_are_taken_over() {
        let mut agent = NodeAgent::default();
        let old = alloc(1, DesiredStatus::Run, None);
        agent.reconcile([&old].into_iter());
        let new = after(1, 2, DesiredStatus::Run);
        agent.ended(AllocId(1));
        // The servers know the old one no more when the new one starts.
        assert_eq!(agent.reconcile([&new].into_iter()), [Effect::Start(AllocId(2))]);
        let what = agent.inheritance(&new, &sticky(false), [&new].into_iter());
        assert_eq!(what, Some(TakeOver::Here(AllocId(1))));
        agent.takes_over(AllocId(2), what.unwrap());
        assert_eq!(agent.reconcile([&new].into_iter()), []);
        assert!(agent.is_inherited(AllocId(1)));
        agent.took_over(AllocId(2));
        assert_eq!(agent.reconcile([&new].into_iter()), [Effect::Forget(AllocId(1))]);
        // One that ends meanwhile leaves nothing to wait for.
        let third = after(2, 3, DesiredStatus::Run);
        agent.ended(AllocId(2));
        agent.reconcile([&third].into_iter());
        agent.takes_over(AllocId(3), TakeOver::Here(AllocId(2)));
        agent.ended(AllocId(3));
        assert_eq!(agent.reconcile([&third].into_iter()), [Effect::Forget(AllocId(2))]);
    }

    #[test]
    fn what_had_no_data_is_passed_over() {
        let mut agent = NodeAgent::default();
        let (old, stopped) = (alloc(1, DesiredStatus::Run, None), alloc(1, DesiredStatus::Stop, None));
        agent.reconcile([&old].into_iter());
        // Replaced again before it could begin.
        let never = after(1, 2, DesiredStatus::Stop);
        let new = after(2, 3, DesiredStatus::Run);
        let rows = || [&stopped, &never, &new].into_iter();
        let found = agent.reconcile(rows());
        let told = [Effect::Prepare(AllocId(3)), Effect::ReportNeverStarted(AllocId(2))];
        assert!(told.iter().all(|effect| found.contains(effect)) && found.len() == 2, "{found:?}");
        agent.prepared(AllocId(3));
        assert_eq!(agent.reconcile(rows()), [Effect::Stop(AllocId(1))]);
        assert_eq!(agent.reconcile(rows()), []);
        agent.ended(AllocId(1));
        assert_eq!(agent.reconcile(rows()), [Effect::Start(AllocId(3))]);
        let what = agent.inheritance(&new, &sticky(false), rows());
        assert_eq!(what, Some(TakeOver::Here(AllocId(1))));
        // Killed while the data were on their way from another node: they are fetched for the next one.
        let (third, fourth) = (after(9, 3, DesiredStatus::Run), after(3, 4, DesiredStatus::Run));
        let mut agent = NodeAgent::default();
        agent.reconcile([&third].into_iter());
        agent.takes_over(AllocId(3), TakeOver::Elsewhere(AllocId(9)));
        agent.ended(AllocId(3));
        agent.reconcile([&third, &fourth].into_iter());
        let what = agent.inheritance(&fourth, &sticky(true), [&third, &fourth].into_iter());
        assert_eq!(what, Some(TakeOver::Elsewhere(AllocId(9))));
    }

    #[test]
    fn the_old_one_runs_until_the_new_one_is_prepared() {
        let mut agent = NodeAgent::default();
        let old = alloc(1, DesiredStatus::Run, Some(80));
        agent.reconcile([&old].into_iter());
        let stopped = alloc(1, DesiredStatus::Stop, Some(80));
        let new = Allocation { previous: Some(AllocId(1)), ..alloc(2, DesiredStatus::Run, Some(80)) };
        let rows = || [&stopped, &new].into_iter();
        assert_eq!(agent.reconcile(rows()), [Effect::Prepare(AllocId(2))]);
        assert_eq!(agent.reconcile(rows()), []);
        // A newer version comes meanwhile.
        let (never, newer) = (after(1, 2, DesiredStatus::Stop), after(2, 3, DesiredStatus::Run));
        let rows = || [&stopped, &never, &newer].into_iter();
        let found = agent.reconcile(rows());
        assert!(found.contains(&Effect::Prepare(AllocId(3))) && !found.contains(&Effect::Stop(AllocId(1))));
        agent.prepared(AllocId(2));
        assert_eq!(agent.reconcile(rows()), []);
        agent.prepared(AllocId(3));
        assert_eq!(agent.reconcile(rows()), [Effect::Stop(AllocId(1))]);
        agent.ended(AllocId(1));
        assert_eq!(agent.reconcile(rows()), [Effect::Start(AllocId(3))]);
        // Who is evicted, or replaced by nothing, goes at once.
        let evicted = after(2, 3, DesiredStatus::Evict);
        let next = after(3, 4, DesiredStatus::Run);
        assert_eq!(agent.reconcile([&evicted, &next].into_iter())[..1], [Effect::Forget(AllocId(1))]);
    }

    #[test]
    fn what_was_stopped_before_it_came_here_is_reported_once() {
        let mut agent = NodeAgent::default();
        let stopped = alloc(1, DesiredStatus::Stop, None);
        assert_eq!(agent.reconcile([&stopped].into_iter()), [Effect::ReportNeverStarted(AllocId(1))]);
        assert_eq!(agent.reconcile([&stopped].into_iter()), []);
    }
}
