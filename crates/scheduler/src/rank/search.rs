//! The best nodes for the allocations of one group, one after the other.

use std::{collections::BTreeMap, sync::Arc};

use model::{AllocMetric, Allocation, Capacity, NodeId};

use super::{
    Choice, Ranker,
    candidates::{Best, Candidates, Worth},
    ports::PortAsk,
    score::{Score, is_part},
    spread,
};
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

/// Places the allocations of one group.
pub(crate) struct Search<'r, 'a> {
    pub(super) ranker: &'r mut Ranker<'a>,
    pub(super) ask: Ask,
    pub(super) candidates: Candidates,
    success: Arc<AllocMetric>,
    /// The report was made when nothing was placed that could count for a spread.
    says_no_spread: bool,
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
        let mut spreads = spread::of_group(ranker.root, ranker.job, ranker.feasibility, at);
        let says_no_spread = !spreads.is_empty();
        for (slot, of_group) in ranker.held_by(at) {
            for spread in &mut spreads {
                if let Some(value) = spread.value(slot) {
                    spread.count(value, of_group as i32);
                }
            }
        }
        let candidates = Candidates::new(spreads, ranker.slots.len());
        let mut search = Self { ranker, ask, candidates, success: Arc::default(), says_no_spread };
        let mut metric = search.metric_of_all(true);
        metric.scores = search.best_scores();
        search.success = Arc::new(metric);
        search
    }

    /// The report shared by all allocations that were placed.
    pub(crate) fn success_metric(&mut self) -> Arc<AllocMetric> {
        let metric = self.success.clone();
        if self.says_no_spread {
            // From the second one on the spreads have a say.
            self.says_no_spread = false;
            self.success =
                Arc::new(AllocMetric { scores: self.best_scores(), ..AllocMetric::clone(&metric) });
        }
        metric
    }

    /// Why nothing more can be placed now.
    pub(crate) fn metric(&mut self) -> AllocMetric {
        self.metric_of_all(false)
    }

    /// Counts on the room that stopping `old` gives back.
    pub(crate) fn free(&mut self, old: &Allocation) {
        if let Some(slot) = self.ranker.free(old) {
            self.recount(slot, old, -1);
        }
    }

    /// No longer counts on it.
    pub(crate) fn unfree(&mut self, old: &Allocation) {
        if let Some(slot) = self.ranker.unfree(old) {
            self.recount(slot, old, 1);
        }
    }

    fn recount(&mut self, slot: usize, old: &Allocation, by: i32) {
        if self.ranker.group_of(old) == Some(self.ask.group) {
            self.candidates.count(slot, by);
        }
        self.score_changed(slot);
    }

    /// Finds the best node, other things equal not one of `penalty`, and takes the room there.
    pub(crate) fn pick(&mut self, penalty: &[NodeId]) -> Option<Choice> {
        let mut aside: Vec<(Worth, Best)> = Vec::new();
        let chosen = loop {
            let top = self.candidates.pop();
            if let Some(top) = top
                && penalty.contains(&self.ranker.slots[top.entry.slot as usize].node)
            {
                aside.push((self.candidates.with_penalty(&top), top));
                continue;
            }
            let best_aside = (0..aside.len()).max_by(|&a, &b| aside[a].0.compare(&aside[b].0));
            let best = match (top, best_aside) {
                (Some(top), Some(at)) if aside[at].0.compare(&top.worth).is_gt() => {
                    self.candidates.put_back(top);
                    aside.swap_remove(at).1
                }
                (Some(top), _) => top,
                (None, Some(at)) => aside.swap_remove(at).1,
                (None, None) => break None,
            };
            if let Some(choice) = self.take(best.entry.slot as usize) {
                break Some(choice);
            }
            self.candidates.remove(best.entry.slot as usize);
        };
        for (_, best) in aside {
            self.candidates.put_back(best);
        }
        chosen
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
        self.ranker.count(at, Some(self.ask.group), 1);
        self.candidates.count(at, 1);
        self.score_changed(at);
        Some(Choice { node: slot.node, ports })
    }

    /// The node has changed, and with it perhaps what others may take.
    fn score_changed(&mut self, at: usize) {
        self.score_again(at);
        for other in std::mem::take(&mut self.ranker.turned) {
            if other as usize != at {
                self.score_again(other as usize);
            }
        }
    }

    fn score_again(&mut self, at: usize) {
        if self.check(at).is_ok() {
            self.put(at);
        } else {
            self.candidates.remove(at);
        }
    }

    /// Enters a node that can take one more.
    pub(super) fn put(&mut self, at: usize) {
        let slots = self.ranker.slots.len() as u64;
        let tie = (at as u64 + self.ranker.seed % slots) % slots;
        let score = self.score(at);
        self.candidates.put(at, score, tie as u32);
    }

    fn score(&self, at: usize) -> Score {
        let slot = self.ranker.slots[at];
        let liking = self.ask.liking.as_ref().map_or(0.0, |liking| liking.of(at, slot.class));
        let (used, beside) = match self.ranker.touched(at) {
            None => (slot.used, 0),
            Some(touched) => (touched.change.used(slot), touched.per_group[self.ask.group]),
        };
        let algorithm = self.ranker.root.scheduler.algorithm;
        Score::new(algorithm, used.plus(self.ask.capacity), slot.total, beside, self.ask.count, liking)
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
        for shares in self.ranker.shares.iter().filter(|shares| shares.concerns(ask.group)) {
            if let Some(text) = shares.refusal(self.ranker.root, self.ranker.job, at) {
                return Err(Refused::Constraint(text));
            }
        }
        let change = touched.map_or(&none, |touched| &touched.change);
        fits(slot, change, ask.capacity, &ask.ports.fixed).map_err(Refused::Exhausted)?;
        if !ask.ports.has_dynamic_room(slot, change) {
            return Err(Refused::Exhausted(Exhausted::DynamicPorts));
        }
        Ok(())
    }

    /// The best five.
    fn best_scores(&mut self) -> Vec<model::metric::NodeScore> {
        let mut best: Vec<Best> = Vec::new();
        while best.len() < 5
            && let Some(one) = self.candidates.pop()
        {
            best.push(one);
        }
        let scores = best.iter().map(|best| {
            let at = best.entry.slot as usize;
            let mut parts: BTreeMap<String, f64> =
                self.score(at).parts().map(|(name, part)| (name.into(), part)).collect();
            if is_part(best.spread) {
                parts.insert("allocation-spread".into(), best.spread);
            }
            let node = self.ranker.slots[at].node;
            model::metric::NodeScore { node, scores: parts, normalized: best.worth.score }
        });
        let scores = scores.collect();
        for one in best {
            self.candidates.put_back(one);
        }
        scores
    }
}
