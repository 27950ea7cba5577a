//! What is different between two states, in the words of those who run jobs.

use std::collections::{BTreeMap, BTreeSet};

use model::{AllocId, AllocMetric, Allocation, Capacity, EvalStatus, Evaluation, JobKey, NodeId, Timestamp};
use state::Root;

use crate::node_gateway::overdue;

/// How many of the fullest nodes are shown.
const FULLEST: usize = 5;

/// What would be different.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Jobs of which something changes or is missing, and those that were registered.
    pub jobs: Vec<JobReport>,
    /// What happens later, in the order of its time.
    pub waits: Vec<Wait>,
    /// The nodes that are fullest afterwards, and those that were before; fullest first.
    pub fullest: Vec<Fill>,
    /// Everything came to rest.
    pub complete: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    pub job: JobKey,
    /// One of the changes is its registration.
    pub registered: bool,
    /// Its roll-out has not ended.
    pub rolling: bool,
    pub groups: BTreeMap<String, GroupReport>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupReport {
    /// Per node, the indexes of allocations that are new.
    pub placed: BTreeMap<NodeId, Vec<u32>>,
    /// Allocations with a successor, also one on the same node.
    pub moved: Vec<Move>,
    /// Per node, the indexes of allocations that end without a successor.
    pub stopped: BTreeMap<NodeId, Vec<u32>>,
    /// How many of those that moved or ended gave way to more important ones.
    pub evicted: u32,
    /// Allocations that get the new version and run on.
    pub in_place: u32,
    /// Allocations that are as they were.
    pub unchanged: u32,
    pub blocked: Option<Blocked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    pub index: u32,
    pub from: NodeId,
    pub to: NodeId,
}

/// Allocations that found no room.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocked {
    pub missing: u32,
    /// How many of them were missing before.
    pub before: u32,
    /// Why; none if the evaluation that knew was forgotten.
    pub metric: Option<AllocMetric>,
}

/// Something that is done at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    pub at: Timestamp,
    pub what: Waiting,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The job is looked at again; why.
    Job(JobKey, &'static str),
    /// A disconnected node counts as down unless it comes back before.
    Node,
}

/// How full a node is.
#[derive(Debug, Clone, PartialEq)]
pub struct Fill {
    pub node: NodeId,
    pub before: Use,
    pub after: Use,
}

/// What allocations use of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    pub used: Capacity,
    pub total: Capacity,
    pub allocs: u32,
}

impl Use {
    /// In percent of what the node has: processor, memory, disk.
    pub fn percent(&self) -> [u32; 3] {
        let share =
            |used: u32, total: u32| (u64::from(used) * 100).checked_div(u64::from(total)).unwrap_or(0) as u32;
        let (used, total) = (self.used, self.total);
        [
            share(used.cpu_mhz, total.cpu_mhz),
            share(used.memory_mb, total.memory_mb),
            share(used.disk_mb, total.disk_mb),
        ]
    }

    /// Of the dimension that is scarcest.
    fn fullness(&self) -> u32 {
        self.percent().into_iter().max().unwrap_or(0)
    }
}

impl Report {
    /// Whether something finds no room that has room now, or that was to be registered.
    pub fn is_blocked(&self) -> bool {
        self.jobs.iter().any(|job| {
            let mut blocked = job.groups.values().filter_map(|group| group.blocked.as_ref());
            blocked.any(|blocked| blocked.missing > if job.registered { 0 } else { blocked.before })
        })
    }
}

impl GroupReport {
    /// Nothing is different, and nothing is missing.
    fn is_quiet(&self) -> bool {
        self.placed.is_empty()
            && self.moved.is_empty()
            && self.stopped.is_empty()
            && self.in_place == 0
            && self.blocked.is_none()
    }
}

pub(super) fn compare(
    before: &Root,
    after: &Root,
    registered: &BTreeSet<JobKey>,
    now: Timestamp,
    complete: bool,
) -> Report {
    let mut keys: BTreeSet<&JobKey> = registered.iter().collect();
    keys.extend(after.allocs.values().filter(|alloc| differs(before, alloc)).map(|alloc| &alloc.job));
    keys.extend(
        after.open_evals_since(0).filter(|eval| eval.status == EvalStatus::Blocked).map(|eval| &eval.job),
    );
    let jobs = keys.into_iter().map(|key| job_report(before, after, key, registered.contains(key)));
    let jobs = jobs
        .filter(|job| job.registered || job.rolling || job.groups.values().any(|group| !group.is_quiet()));
    Report { jobs: jobs.collect(), waits: waits(after, now), fullest: fullest(before, after), complete }
}

/// Rows that were not written share their place in memory.
fn differs(before: &Root, alloc: &std::sync::Arc<Allocation>) -> bool {
    before.allocs.get(&alloc.id).is_none_or(|old| !std::sync::Arc::ptr_eq(old, alloc))
}

type Live<'a> = BTreeMap<AllocId, &'a Allocation>;

fn live<'a>(root: &'a Root, job: &JobKey) -> Live<'a> {
    let live = root.allocs_of_job(job).filter(|alloc| !alloc.is_terminal());
    live.map(|alloc| (alloc.id, &**alloc)).collect()
}

fn job_report(before: &Root, after: &Root, key: &JobKey, registered: bool) -> JobReport {
    let mut groups: BTreeMap<String, GroupReport> = BTreeMap::new();
    if let Some(job) = after.jobs.get(key).filter(|job| !job.stop) {
        groups.extend(job.groups.iter().map(|group| (group.name.clone(), GroupReport::default())));
    }
    let (had, has) = (live(before, key), live(after, key));
    // Per group and index, who left; each is followed by one that came. Jobs of every node have one index everywhere.
    let is_per_node = after.jobs.get(key).is_some_and(|job| job.kind.is_per_node());
    let place =
        |alloc: &Allocation| (alloc.group.to_string(), alloc.index, is_per_node.then_some(alloc.node));
    let mut left: BTreeMap<(String, u32, Option<NodeId>), Vec<&Allocation>> = BTreeMap::new();
    for alloc in had.values().filter(|alloc| !has.contains_key(&alloc.id)) {
        left.entry(place(alloc)).or_default().push(alloc);
        if after.allocs.get(&alloc.id).is_some_and(|alloc| alloc.preempted_by.is_some()) {
            groups.entry(alloc.group.to_string()).or_default().evicted += 1;
        }
    }
    for alloc in has.values() {
        let group = groups.entry(alloc.group.to_string()).or_default();
        match had.get(&alloc.id) {
            Some(old) if old.job_index != alloc.job_index => group.in_place += 1,
            Some(_) => group.unchanged += 1,
            None => match left.get_mut(&place(alloc)).and_then(Vec::pop) {
                Some(old) => group.moved.push(Move { index: alloc.index, from: old.node, to: alloc.node }),
                None => group.placed.entry(alloc.node).or_default().push(alloc.index),
            },
        }
    }
    for alloc in left.into_values().flatten() {
        let group = groups.entry(alloc.group.to_string()).or_default();
        group.stopped.entry(alloc.node).or_default().push(alloc.index);
    }
    let were_missing = missing(before, key);
    for (name, (missing, metric)) in missing(after, key) {
        let before = were_missing.get(&name).map_or(0, |(missing, _)| *missing);
        groups.entry(name).or_default().blocked = Some(Blocked { missing, before, metric });
    }
    for group in groups.values_mut() {
        group.moved.sort_by_key(|moved| (moved.index, moved.to));
        group
            .placed
            .values_mut()
            .chain(group.stopped.values_mut())
            .for_each(|indexes| indexes.sort_unstable());
    }
    let rolling = after.deployments_of_job(key).any(|deployment| deployment.status.is_active());
    JobReport { job: key.clone(), registered, rolling, groups }
}

/// Per group of a job that waits for room: how many allocations, and why.
fn missing(root: &Root, job: &JobKey) -> BTreeMap<String, (u32, Option<AllocMetric>)> {
    let Some(blocked) = root.evals_of_job(job).find(|eval| eval.status == EvalStatus::Blocked) else {
        return BTreeMap::new();
    };
    // The one that waits knows why only if it was tried itself; else the one before it does.
    let knows = |eval: &&std::sync::Arc<Evaluation>| !eval.failed_groups.is_empty();
    let before = || blocked.previous.and_then(|id| root.evals.get(&id));
    let Some(eval) = Some(blocked).filter(knows).or_else(before).filter(knows) else {
        let counts = root.counters.get(job).into_iter().flat_map(|counters| &counters.groups);
        let waiting = counts.filter(|(_, counts)| counts.queued > 0);
        return waiting.map(|(name, counts)| (name.clone(), (counts.queued, None))).collect();
    };
    let of = |(name, metric): (&String, &AllocMetric)| {
        let missing = eval.queued.get(name).copied().unwrap_or(metric.coalesced_failures + 1);
        (name.clone(), (missing, Some(metric.clone())))
    };
    eval.failed_groups.iter().map(of).collect()
}

fn waits(root: &Root, now: Timestamp) -> Vec<Wait> {
    let later =
        root.open_evals_since(0).filter(|eval| eval.status == EvalStatus::Pending && eval.wait_until > now);
    let of = |eval: &std::sync::Arc<Evaluation>| Wait {
        at: eval.wait_until,
        what: Waiting::Job(eval.job.clone(), eval.trigger.as_str()),
    };
    let mut waits: Vec<Wait> = later.map(of).collect();
    waits.extend(overdue(root, now).1.map(|at| Wait { at, what: Waiting::Node }));
    waits.sort_by(|a, b| (a.at, words(&a.what)).cmp(&(b.at, words(&b.what))));
    waits
}

fn words(what: &Waiting) -> Option<(&JobKey, &str)> {
    match what {
        Waiting::Job(job, why) => Some((job, why)),
        Waiting::Node => None,
    }
}

fn uses(root: &Root) -> BTreeMap<NodeId, Use> {
    let slots = root.usage.slots.iter();
    slots.map(|slot| (slot.node, Use { used: slot.used, total: slot.total, allocs: slot.allocs })).collect()
}

fn fullest(before: &Root, after: &Root) -> Vec<Fill> {
    let (were, are) = (uses(before), uses(after));
    let top = |uses: &BTreeMap<NodeId, Use>| {
        let mut order: Vec<(u32, NodeId)> = uses.iter().map(|(id, used)| (used.fullness(), *id)).collect();
        order.sort_by_key(|(fullness, id)| (std::cmp::Reverse(*fullness), *id));
        order.truncate(FULLEST);
        order
    };
    let shown: BTreeSet<NodeId> = top(&were).into_iter().chain(top(&are)).map(|(_, id)| id).collect();
    let of = |uses: &BTreeMap<NodeId, Use>, id| uses.get(id).copied().unwrap_or_default();
    let mut rows: Vec<Fill> =
        shown.iter().map(|id| Fill { node: *id, before: of(&were, id), after: of(&are, id) }).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.after.fullness(), row.before.fullness())));
    rows
}
