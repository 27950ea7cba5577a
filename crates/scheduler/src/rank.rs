//! Third phase: which node does it best?
//!
//! The problem. Out of thousands of nodes find the best one for each of hundreds of allocations that are alike, where
//! each choice changes the score of one node only. So all nodes are scored once, in one pass over the dense usage
//! table, and kept in a heap. A placement takes the top, and only the node it went to is scored again. A heap entry
//! that was overtaken by a change of its node carries an old stamp and is thrown away when it surfaces.
//!
//! The score is the mean of up to three parts: `binpack` (fuller nodes first, so that big allocations find room
//! later), `job-anti-affinity` (instances of one group apart) and `node-reschedule-penalty` (not where it failed).

mod metrics; // why nodes were passed over
mod ports; // host ports for one allocation
mod score; // the formulas

use std::{
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use model::{AllocMetric, Allocation, AssignedPort, Capacity, Job, NodeId};
use rand::{SeedableRng, rngs::StdRng};
use state::{Root, Slot};

use crate::{
    feasible::{Distinct, Feasibility, Verdict},
    fit::{Change, Exhausted, fits},
    reconcile::Stop,
};
use ports::PortAsk;
use score::Score;

/// Places the allocations of one plan.
pub(crate) struct Ranker<'a> {
    root: &'a Root,
    job: &'a Job,
    feasibility: &'a Feasibility<'a>,
    slots: Vec<&'a Slot>,
    /// Per slot: position in `touched`, or [`UNTOUCHED`].
    touched_of: Vec<u32>,
    touched: Vec<Touched>,
    /// Per slot: counts the changes that the plan makes to it.
    stamps: Vec<u32>,
    seed: u64,
    rng: StdRng,
}

const UNTOUCHED: u32 = u32::MAX;

/// A node that holds allocations of the job, or that the plan changes.
struct Touched {
    change: Change,
    /// Live allocations of the job, per group, once the plan is true.
    per_group: Vec<u32>,
    /// Those, and those of groups that the job no longer has.
    of_job: u32,
}

/// Where an allocation goes.
pub(crate) struct Choice {
    pub(crate) node: NodeId,
    pub(crate) ports: Vec<AssignedPort>,
}

impl<'a> Ranker<'a> {
    pub(crate) fn new(
        root: &'a Root,
        job: &'a Job,
        feasibility: &'a Feasibility<'a>,
        stops: &[Stop<'_>],
        seed: u64,
    ) -> Self {
        let slots: Vec<&Slot> = root.usage.slots.iter().collect();
        let mut ranker = Self {
            root,
            job,
            feasibility,
            touched_of: vec![UNTOUCHED; slots.len()],
            stamps: vec![0; slots.len()],
            slots,
            touched: Vec::new(),
            seed,
            rng: StdRng::seed_from_u64(seed),
        };
        for alloc in root.allocs_of_job(&job.key()).filter(|alloc| !alloc.is_terminal()) {
            let Some(slot) = root.usage.slot_index(alloc.node) else { continue };
            let group = ranker.group_of(alloc);
            ranker.touch(slot).count(group, 1);
        }
        for stop in stops {
            ranker.free(stop.alloc);
        }
        ranker
    }

    /// Starts to place allocations of one group.
    pub(crate) fn search(&mut self, group: usize) -> Search<'_, 'a> {
        Search::new(self, group)
    }

    fn group_of(&self, alloc: &Allocation) -> Option<usize> {
        self.job.groups.iter().position(|group| *group.name == *alloc.group)
    }

    fn touch(&mut self, slot: usize) -> &mut Touched {
        if self.touched_of[slot] == UNTOUCHED {
            self.touched_of[slot] = self.touched.len() as u32;
            let per_group = vec![0; self.job.groups.len()];
            self.touched.push(Touched { change: Change::default(), per_group, of_job: 0 });
        }
        self.stamps[slot] += 1;
        &mut self.touched[self.touched_of[slot] as usize]
    }

    fn touched(&self, slot: usize) -> Option<&Touched> {
        self.touched.get(self.touched_of[slot] as usize)
    }

    /// Counts on a stop. Answers with the slot it changed; `None` when the allocation held nothing any more.
    fn free(&mut self, alloc: &Allocation) -> Option<usize> {
        self.give_back(alloc, |touched, group, capacity| {
            touched.change.free(capacity, alloc.ports.iter().map(|port| port.value));
            touched.count(group, -1);
        })
    }

    fn unfree(&mut self, alloc: &Allocation) -> Option<usize> {
        self.give_back(alloc, |touched, group, capacity| {
            touched.change.unfree(capacity, alloc.ports.iter().map(|port| port.value));
            touched.count(group, 1);
        })
    }

    fn give_back(
        &mut self,
        alloc: &Allocation,
        change: impl FnOnce(&mut Touched, Option<usize>, Capacity),
    ) -> Option<usize> {
        if alloc.is_terminal() {
            return None;
        }
        let slot = self.root.usage.slot_index(alloc.node)?;
        let capacity = self.root.group_of(alloc).map(model::TaskGroup::capacity).unwrap_or_default();
        let group = self.group_of(alloc);
        change(self.touch(slot), group, capacity);
        Some(slot)
    }
}

impl Touched {
    fn count(&mut self, group: Option<usize>, by: i32) {
        self.of_job = self.of_job.saturating_add_signed(by);
        if let Some(group) = group {
            self.per_group[group] = self.per_group[group].saturating_add_signed(by);
        }
    }
}

/// What one allocation of the group asks for.
struct Ask {
    group: usize,
    count: u32,
    capacity: Capacity,
    ports: PortAsk,
    distinct: Distinct,
}

/// Why a node is out of the question.
enum Refused {
    NotReady,
    Elsewhere,
    /// By its class.
    Class,
    Constraint(String),
    Exhausted(Exhausted),
}

#[derive(PartialEq)]
struct Entry {
    score: f64,
    /// Among equals the highest wins; rotated by the seed so that not every worker starts on the same node.
    tie: u32,
    slot: u32,
    stamp: u32,
}

impl Eq for Entry {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(self.tie.cmp(&other.tie))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Places the allocations of one group.
pub(crate) struct Search<'r, 'a> {
    ranker: &'r mut Ranker<'a>,
    ask: Ask,
    heap: BinaryHeap<Entry>,
    success: Arc<AllocMetric>,
}

impl<'r, 'a> Search<'r, 'a> {
    fn new(ranker: &'r mut Ranker<'a>, at: usize) -> Self {
        let group = &ranker.job.groups[at];
        let ask = Ask {
            group: at,
            count: group.count,
            capacity: group.capacity(),
            ports: PortAsk::new(group),
            distinct: ranker.feasibility.distinct(at),
        };
        let mut search = Self { ranker, ask, heap: BinaryHeap::new(), success: Arc::default() };
        let mut metric = search.metric_of_all(true);
        metric.scores = search.best_scores();
        search.success = Arc::new(metric);
        search
    }

    /// The report shared by all allocations that were placed.
    pub(crate) fn success_metric(&self) -> Arc<AllocMetric> {
        self.success.clone()
    }

    /// Why nothing more can be placed now.
    pub(crate) fn metric(&mut self) -> AllocMetric {
        self.metric_of_all(false)
    }

    /// Counts on the room that stopping `old` gives back.
    pub(crate) fn free(&mut self, old: &Allocation) {
        if let Some(slot) = self.ranker.free(old) {
            self.score_again(slot);
        }
    }

    /// No longer counts on it.
    pub(crate) fn unfree(&mut self, old: &Allocation) {
        if let Some(slot) = self.ranker.unfree(old) {
            self.score_again(slot);
        }
    }

    /// Finds the best node, other things equal not one of `penalty`, and takes the room there.
    pub(crate) fn pick(&mut self, penalty: &[NodeId]) -> Option<Choice> {
        let mut aside: Vec<(f64, Entry)> = Vec::new();
        let chosen = loop {
            let top = self.pop_current();
            let best_aside = (0..aside.len()).max_by(|&a, &b| aside[a].0.total_cmp(&aside[b].0));
            match (top, best_aside) {
                (Some(top), _) if penalty.contains(&self.ranker.slots[top.slot as usize].node) => {
                    let score = self.score(top.slot as usize).with_penalty();
                    aside.push((score, top));
                    continue;
                }
                (Some(top), Some(at)) if aside[at].0 > top.score => {
                    self.heap.push(top);
                    let (_, entry) = aside.swap_remove(at);
                    if let Some(choice) = self.take(entry.slot as usize) {
                        break Some(choice);
                    }
                }
                (Some(top), _) => {
                    if let Some(choice) = self.take(top.slot as usize) {
                        break Some(choice);
                    }
                }
                (None, Some(at)) => {
                    let (_, entry) = aside.swap_remove(at);
                    if let Some(choice) = self.take(entry.slot as usize) {
                        break Some(choice);
                    }
                }
                (None, None) => break None,
            }
        };
        self.heap.extend(aside.into_iter().map(|(_, entry)| entry));
        chosen
    }

    fn pop_current(&mut self) -> Option<Entry> {
        loop {
            let top = self.heap.pop()?;
            if top.stamp == self.ranker.stamps[top.slot as usize] {
                return Some(top);
            }
        }
    }

    /// Takes room and ports on the node; `None` when its dynamic ports do not suffice.
    fn take(&mut self, at: usize) -> Option<Choice> {
        let slot = self.ranker.slots[at];
        let none = Change::default();
        let change = self
            .ranker
            .touched
            .get(self.ranker.touched_of[at] as usize)
            .map_or(&none, |touched| &touched.change);
        let ports = self.ask.ports.choose(slot, change, &mut self.ranker.rng)?;
        let touched = self.ranker.touch(at);
        touched.change.take(self.ask.capacity, ports.iter().map(|port| port.value));
        touched.count(Some(self.ask.group), 1);
        self.score_again(at);
        Some(Choice { node: slot.node, ports })
    }

    fn score_again(&mut self, at: usize) {
        if self.check(at).is_ok() {
            let entry = self.entry(at);
            self.heap.push(entry);
        }
    }

    fn entry(&self, at: usize) -> Entry {
        let slots = self.ranker.slots.len() as u64;
        let tie = (at as u64 + self.ranker.seed % slots) % slots;
        Entry {
            score: self.score(at).normalized(),
            tie: tie as u32,
            slot: at as u32,
            stamp: self.ranker.stamps[at],
        }
    }

    fn score(&self, at: usize) -> Score {
        let slot = self.ranker.slots[at];
        match self.ranker.touched(at) {
            None => Score::new(slot.used.plus(self.ask.capacity), slot.total, 0, self.ask.count),
            Some(touched) => Score::new(
                touched.change.used(slot).plus(self.ask.capacity),
                slot.total,
                touched.per_group[self.ask.group],
                self.ask.count,
            ),
        }
    }

    /// Whether the node can take one more.
    fn check(&self, at: usize) -> Result<(), Refused> {
        let slot = self.ranker.slots[at];
        let ask = &self.ask;
        let verdict = &self.ranker.feasibility.verdicts(ask.group)[slot.class as usize];
        if *verdict == Verdict::Elsewhere {
            return Err(Refused::Elsewhere);
        }
        if !slot.schedulable {
            return Err(Refused::NotReady);
        }
        if *verdict != Verdict::Eligible {
            return Err(Refused::Class);
        }
        if let Some(text) = self.ranker.feasibility.unmet_unique(ask.group, slot.node) {
            return Err(Refused::Constraint(text));
        }
        let none = Change::default();
        let touched = self.ranker.touched(at);
        if let Some(touched) = touched {
            let of_group = touched.per_group[ask.group];
            if (ask.distinct.job && touched.of_job > 0) || (ask.distinct.group && of_group > 0) {
                return Err(Refused::Constraint(String::from("distinct_hosts")));
            }
        }
        let change = touched.map_or(&none, |touched| &touched.change);
        fits(slot, change, ask.capacity, &ask.ports.fixed).map_err(Refused::Exhausted)?;
        if !ask.ports.has_dynamic_room(slot, change) {
            return Err(Refused::Exhausted(Exhausted::DynamicPorts));
        }
        Ok(())
    }

    /// The best five of the heap.
    fn best_scores(&mut self) -> Vec<model::metric::NodeScore> {
        let mut best = Vec::new();
        while best.len() < 5
            && let Some(entry) = self.pop_current()
        {
            best.push(entry);
        }
        let scores = best
            .iter()
            .map(|entry| {
                let score = self.score(entry.slot as usize);
                let parts: BTreeMap<String, f64> =
                    score.parts().map(|(name, part)| (name.into(), part)).collect();
                let node = self.ranker.slots[entry.slot as usize].node;
                model::metric::NodeScore { node, scores: parts, normalized: score.normalized() }
            })
            .collect();
        self.heap.extend(best);
        scores
    }
}
