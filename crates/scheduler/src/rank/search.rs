//! The best nodes for the allocations of one group, one after the other.

use std::{
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use model::{AllocMetric, Allocation, Capacity, NodeId};

use super::{Choice, Ranker, ports::PortAsk, score::Score};
use crate::{
    feasible::{Distinct, Liking, Verdict},
    fit::{Change, Exhausted, fits},
};

/// What one allocation of the group asks for.
pub(super) struct Ask {
    pub(super) group: usize,
    count: u32,
    capacity: Capacity,
    pub(super) ports: PortAsk,
    distinct: Distinct,
    liking: Option<Liking>,
}

/// Why a node is out of the question.
pub(super) enum Refused {
    NotReady,
    Elsewhere,
    /// By its class.
    Class,
    Constraint(String),
    Exhausted(Exhausted),
}

#[derive(PartialEq)]
pub(super) struct Entry {
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
    pub(super) ranker: &'r mut Ranker<'a>,
    pub(super) ask: Ask,
    pub(super) heap: BinaryHeap<Entry>,
    success: Arc<AllocMetric>,
}

impl<'r, 'a> Search<'r, 'a> {
    pub(super) fn new(ranker: &'r mut Ranker<'a>, at: usize) -> Self {
        let group = &ranker.job.groups[at];
        let ask = Ask {
            group: at,
            count: group.count,
            capacity: group.capacity(),
            ports: PortAsk::new(group),
            distinct: ranker.feasibility.distinct(at),
            liking: ranker.feasibility.liking(at),
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

    pub(super) fn entry(&self, at: usize) -> Entry {
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
        let liking = self.ask.liking.as_ref().map_or(0.0, |liking| liking.of(at, slot.class));
        let (used, beside) = match self.ranker.touched(at) {
            None => (slot.used, 0),
            Some(touched) => (touched.change.used(slot), touched.per_group[self.ask.group]),
        };
        Score::new(used.plus(self.ask.capacity), slot.total, beside, self.ask.count, liking)
    }

    /// Whether the node can take one more.
    pub(super) fn check(&self, at: usize) -> Result<(), Refused> {
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
