//! The best nodes for the allocations of one group, one after the other.

use std::{collections::BTreeMap, sync::Arc};

use model::{AllocMetric, Allocation, Capacity, NodeId};
use state::{Room, Slot};

use super::{
    Choice, Ranker,
    candidates::{Best, Candidates, Worth},
    claims::ClaimAsk,
    ports::PortAsk,
    score::{Score, is_part},
    victims::Victims,
};
use crate::{
    feasible::{Distinct, Liking, Verdict},
    fit::{Change, Exhausted, fits},
};

/// What one allocation of the group asks for.
pub(super) struct Ask<'a> {
    pub(super) group: usize,
    count: u32,
    /// What the cores count is not in it.
    capacity: Capacity,
    pub(super) ports: PortAsk,
    claims: Option<ClaimAsk<'a>>,
    distinct: Distinct,
    liking: Option<Liking>,
}

impl Ask<'_> {
    /// What it takes of the node: that of its cores depends on the node.
    fn capacity_on(&self, slot: &Slot) -> Capacity {
        match &self.claims {
            None => self.capacity,
            Some(claims) => self.capacity.plus(claims.capacity(slot)),
        }
    }
}

/// Which nodes to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pool {
    Room,
    Preempting,
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
    pub(super) ask: Ask<'a>,
    /// The nodes with room.
    pub(super) candidates: Candidates,
    /// The nodes on which others can be evicted for it; looked for when there is no room.
    preempting: Option<Candidates>,
    success: Arc<AllocMetric>,
    /// Whose scores that shows.
    scored: Pool,
    /// The report was made when nothing was placed that could count for a spread.
    says_no_spread: bool,
}

impl<'r, 'a> Search<'r, 'a> {
    pub(super) fn new(ranker: &'r mut Ranker<'a>, at: usize) -> Self {
        let mut search = Self::unranked(ranker, at);
        let mut metric = search.metric_of_all(true);
        metric.scores = search.best_scores(Pool::Room);
        search.success = Arc::new(metric);
        search
    }

    /// Without any candidates: for whoever knows the node.
    pub(super) fn unranked(ranker: &'r mut Ranker<'a>, at: usize) -> Self {
        let group = &ranker.job.groups[at];
        let ask = Ask {
            group: at,
            count: group.count,
            capacity: group.capacity(),
            ports: PortAsk::new(group),
            claims: ClaimAsk::new(group),
            distinct: ranker.feasibility.distinct(at),
            liking: ranker.feasibility.liking(at),
        };
        let candidates = ranker.no_candidates(at);
        let says_no_spread = candidates.has_spreads();
        let success = Arc::default();
        Self { ranker, ask, candidates, preempting: None, success, scored: Pool::Room, says_no_spread }
    }

    /// The report shared by all allocations that were placed.
    pub(crate) fn success_metric(&mut self) -> Arc<AllocMetric> {
        let metric = self.success.clone();
        if self.says_no_spread {
            // From the second one on the spreads have a say.
            self.says_no_spread = false;
            let scores = self.best_scores(self.scored);
            self.success = Arc::new(AllocMetric { scores, ..AllocMetric::clone(&metric) });
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
            self.count(slot, by);
        }
        self.score_changed(slot);
    }

    fn count(&mut self, slot: usize, by: i32) {
        self.candidates.count(slot, by);
        if let Some(preempting) = &mut self.preempting {
            preempting.count(slot, by);
        }
    }

    /// Finds the best node, other things equal not one of `penalty`, and takes the room there. Where none has room,
    /// less important allocations go for it, if operators allow that.
    pub(crate) fn pick(&mut self, penalty: &[NodeId]) -> Option<Choice<'a>> {
        if let Some(choice) = self.pick_from(Pool::Room, penalty) {
            return Some(choice);
        }
        self.look_for_victims();
        self.preempting.is_some().then(|| self.pick_from(Pool::Preempting, penalty)).flatten()
    }

    /// Takes room on this node, if it may have the group and has room as it is: nobody is evicted for a preference.
    pub(crate) fn take_on(&mut self, node: NodeId) -> Option<Choice<'a>> {
        let at = self.ranker.root.usage.slot_index(node)?;
        self.check(at).ok()?;
        self.take(at)
    }

    /// Looks at all nodes once more, unless that was done for an earlier allocation of the group.
    fn look_for_victims(&mut self) {
        if self.preempting.is_some() || self.ranker.evictable().is_none() {
            return;
        }
        self.preempting = Some(self.ranker.no_candidates(self.ask.group));
        for at in 0..self.ranker.slots.len() {
            let has_room = self.check(at);
            self.put_preempting(at, &has_room);
        }
        self.scored = Pool::Preempting;
        let scores = self.best_scores(self.scored);
        self.success = Arc::new(AllocMetric { scores, ..self.metric() });
    }

    fn pool(&mut self, pool: Pool) -> &mut Candidates {
        match (pool, &mut self.preempting) {
            (Pool::Preempting, Some(preempting)) => preempting,
            _ => &mut self.candidates,
        }
    }

    fn pick_from(&mut self, pool: Pool, penalty: &[NodeId]) -> Option<Choice<'a>> {
        let mut aside: Vec<(Worth, Best)> = Vec::new();
        let chosen = loop {
            let top = self.pool(pool).pop();
            if let Some(top) = top
                && penalty.contains(&self.ranker.slots[top.entry.slot as usize].node)
            {
                aside.push((self.pool(pool).with_penalty(&top), top));
                continue;
            }
            let best_aside = (0..aside.len()).max_by(|&a, &b| aside[a].0.compare(&aside[b].0));
            let best = match (top, best_aside) {
                (Some(top), Some(at)) if aside[at].0.compare(&top.worth).is_gt() => {
                    self.pool(pool).put_back(top);
                    aside.swap_remove(at).1
                }
                (Some(top), _) => top,
                (None, Some(at)) => aside.swap_remove(at).1,
                (None, None) => break None,
            };
            let at = best.entry.slot as usize;
            let choice = match pool {
                Pool::Room => self.take(at),
                Pool::Preempting => self.take_evicting(at),
            };
            if choice.is_some() {
                break choice;
            }
            self.pool(pool).remove(at);
        };
        for (_, best) in aside {
            self.pool(pool).put_back(best);
        }
        chosen
    }

    /// Takes room, ports, cores and devices on the node; `None` when its dynamic ports do not suffice.
    pub(super) fn take(&mut self, at: usize) -> Option<Choice<'a>> {
        self.take_with(at, &Victims::default())
    }

    /// The same where others have to go for it; `None` when that does not help, or is not allowed.
    fn take_evicting(&mut self, at: usize) -> Option<Choice<'a>> {
        let victims = self.victims_on(at)?;
        self.take_with(at, &victims)
    }

    pub(super) fn take_with(&mut self, at: usize, victims: &Victims<'a>) -> Option<Choice<'a>> {
        let slot = self.ranker.slots[at];
        let none = Change::default();
        let mut freed;
        let mut change = self
            .ranker
            .touched
            .get(self.ranker.touched_of[at] as usize)
            .map_or(&none, |touched| &touched.change);
        if !victims.all.is_empty() {
            freed = change.clone();
            victims.free(&mut freed);
            change = &freed;
        }
        let claims = match &self.ask.claims {
            Some(claims) => Some(Arc::new(claims.choose(slot, change).ok()?)),
            None => None,
        };
        let ports = self.ask.ports.choose(slot, change, &mut self.ranker.rng)?;
        for &victim in &victims.all {
            self.ranker.evict(at, victim);
        }
        let room = Room::new(self.ask.capacity, &ports, claims.as_deref());
        self.ranker.touch(at).change.take(&room);
        self.ranker.count(at, Some(self.ask.group), 1);
        self.count(at, 1);
        self.score_changed(at);
        let victims = victims.all.iter().map(|victim| victim.alloc).collect();
        Some(Choice { node: slot.node, ports, claims, victims })
    }

    /// Who is best evicted on the node for one more, if operators allow that at all.
    pub(super) fn victims_on(&mut self, at: usize) -> Option<Victims<'a>> {
        self.ranker.evictable()?;
        self.victims(at)
    }

    /// The same, once it is known who has to give way at all.
    fn victims(&self, at: usize) -> Option<Victims<'a>> {
        let none = Change::default();
        let change = self.ranker.touched(at).map_or(&none, |touched| &touched.change);
        let evictable = self.ranker.evictable.as_ref()?;
        let slot = self.ranker.slots[at];
        let claims = self.ask.claims.as_ref();
        evictable.choose(at, slot, change, self.ask.capacity_on(slot), &self.ask.ports, claims)
    }

    /// The node has changed, and with it perhaps what others may take.
    fn score_changed(&mut self, at: usize) {
        self.score_again(at);
        let mut turned = std::mem::take(&mut self.ranker.turned);
        turned.sort_unstable();
        turned.dedup();
        for other in turned {
            if other as usize != at {
                self.score_again(other as usize);
            }
        }
    }

    fn score_again(&mut self, at: usize) {
        let has_room = self.check(at);
        if has_room.is_ok() {
            self.put(at);
        } else {
            self.candidates.remove(at);
        }
        self.put_preempting(at, &has_room);
    }

    /// Enters a node that can take one more.
    pub(super) fn put(&mut self, at: usize) {
        let (score, tie) = (self.score(at, None), self.tie(at));
        self.candidates.put(at, score, tie);
    }

    /// Enters a node that can take one more if others go, or takes it out: `has_room` says what [`Search::check`] found.
    fn put_preempting(&mut self, at: usize, has_room: &Result<(), Refused>) {
        if self.preempting.is_none() {
            return;
        }
        let victims = match has_room {
            Err(Refused::Exhausted(_)) => self.victims(at),
            _ => None,
        };
        let entry = victims.map(|victims| (self.score(at, Some(&victims)), self.tie(at)));
        let pool = self.pool(Pool::Preempting);
        match entry {
            Some((score, tie)) => pool.put(at, score, tie),
            None => pool.remove(at),
        }
    }

    fn tie(&self, at: usize) -> u32 {
        let slots = self.ranker.slots.len() as u64;
        ((at as u64 + self.ranker.seed % slots) % slots) as u32
    }

    pub(super) fn score(&self, at: usize, victims: Option<&Victims<'a>>) -> Score {
        let slot = self.ranker.slots[at];
        let liking = self.ask.liking.as_ref().map_or(0.0, |liking| liking.of(at, slot.class));
        let (used, beside) = match self.ranker.touched(at) {
            None => (slot.used, 0),
            Some(touched) => (touched.change.used(slot), touched.per_group[self.ask.group]),
        };
        let algorithm = self.ranker.root.scheduler.algorithm;
        let capacity = self.ask.capacity_on(slot);
        let used = used.minus(victims.map(Victims::freed).unwrap_or_default()).plus(capacity);
        let mut score = Score::new(algorithm, used, slot.total, beside, self.ask.count, liking);
        if let Some(claims) = &self.ask.claims {
            score = score.with_devices(self.liking_of_devices(at, claims, victims));
        }
        victims.map_or(score, |victims| score.preempting(victims.net_priority()))
    }

    fn liking_of_devices(
        &self,
        at: usize,
        claims: &ClaimAsk<'a>,
        victims: Option<&Victims<'a>>,
    ) -> Option<f64> {
        let mut change = self.ranker.touched(at).map(|touched| touched.change.clone()).unwrap_or_default();
        if let Some(victims) = victims {
            victims.free(&mut change);
        }
        claims.liking(self.ranker.slots[at], &change)
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
        // First: who finds no core free does not want to hear that there is no cpu left.
        if let Some(claims) = &ask.claims {
            claims.check(slot, change).map_err(Refused::Exhausted)?;
        }
        fits(slot, change, ask.capacity_on(slot), &ask.ports.fixed, None).map_err(Refused::Exhausted)?;
        if !ask.ports.has_dynamic_room(slot, change) {
            return Err(Refused::Exhausted(Exhausted::DynamicPorts));
        }
        Ok(())
    }

    /// The best five.
    fn best_scores(&mut self, pool: Pool) -> Vec<model::metric::NodeScore> {
        let mut best: Vec<Best> = Vec::new();
        while best.len() < 5
            && let Some(one) = self.pool(pool).pop()
        {
            best.push(one);
        }
        let scores = best.iter().map(|best| {
            let at = best.entry.slot as usize;
            let victims = if pool == Pool::Preempting { self.victims(at) } else { None };
            let mut parts: BTreeMap<String, f64> =
                self.score(at, victims.as_ref()).parts().map(|(name, part)| (name.into(), part)).collect();
            if is_part(best.spread) {
                parts.insert("allocation-spread".into(), best.spread);
            }
            let node = self.ranker.slots[at].node;
            model::metric::NodeScore { node, scores: parts, normalized: best.worth.score }
        });
        let scores = scores.collect();
        for one in best {
            self.pool(pool).put_back(one);
        }
        scores
    }
}
