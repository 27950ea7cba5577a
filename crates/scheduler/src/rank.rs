//! Third phase: which node does it best?
//!
//! The problem. Out of thousands of nodes find the best one for each of hundreds of allocations that are alike, where
//! each choice changes the score of few nodes. So all nodes are scored once, in one pass over the dense usage table, and
//! kept in heaps. A placement takes the best top, and only the node it went to is scored again.
//!
//! The score is the mean of those parts that apply: `binpack` (fuller nodes first, so that big allocations find room
//! later), `job-anti-affinity` (instances of one group apart), `node-affinity` (what the job likes),
//! `allocation-spread` (what its spreads ask for), `node-reschedule-penalty` (not where it failed), `devices` (which ones
//! it likes) and `preemption` (how little is lost with those that are evicted).
//!
//! Where no node has room, and operators allow it, all nodes are looked at once more: on which one do the least
//! important allocations go (`victims`)? Those nodes are kept in heaps of their own.

mod search; // one group
mod on_node; // one group, on a node that is given
mod candidates; // the nodes with room, the best at hand
mod distinct; // values that only so many may share
mod victims; // who has to go for it
mod spread; // how a group lies over the values of an attribute
mod metrics; // why nodes were passed over
mod ports; // host ports for one allocation
mod claims; // cores and devices for one allocation
mod score; // the formulas

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{AllocId, Allocation, AssignedPort, Claims, Job, NodeId};
use rand::{SeedableRng, rngs::StdRng};
use state::{Room, Root, Slot};

use crate::{
    evict::{self, Victim},
    feasible::Feasibility,
    fit::Change,
    reconcile::Stop,
};

pub(crate) use on_node::{OnNode, Tally};
pub(crate) use search::Search;

/// Places the allocations of one plan.
pub(crate) struct Ranker<'a> {
    root: &'a Root,
    job: &'a Job,
    feasibility: &'a Feasibility<'a>,
    slots: Vec<&'a Slot>,
    /// Per slot: position in `touched`, or [`UNTOUCHED`].
    touched_of: Vec<u32>,
    touched: Vec<Touched>,
    shares: Vec<distinct::Shares<'a>>,
    /// Slots whose shared values became free for more, or full, since the search looked.
    turned: Vec<u32>,
    /// Somebody may have to give way.
    evicts: bool,
    /// Who may be evicted: made when it is first asked for.
    evictable: Option<victims::Evictable<'a>>,
    /// Who is evicted, per slot.
    evicted: BTreeMap<usize, Vec<Victim<'a>>>,
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
pub(crate) struct Choice<'a> {
    pub(crate) node: NodeId,
    pub(crate) ports: Vec<AssignedPort>,
    /// Cores and devices, if it asks for any.
    pub(crate) claims: Option<Arc<Claims>>,
    /// They go for it.
    pub(crate) victims: Vec<&'a Allocation>,
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
            slots,
            touched: Vec::new(),
            shares: distinct::of_job(feasibility),
            turned: Vec::new(),
            evictable: None,
            evicts: true,
            evicted: BTreeMap::new(),
            seed,
            rng: StdRng::seed_from_u64(seed),
        };
        for alloc in root.allocs_of_job(&job.key()).filter(|alloc| !alloc.is_terminal()) {
            let Some(slot) = root.usage.slot_index(alloc.node) else { continue };
            let group = ranker.group_of(alloc);
            ranker.count(slot, group, 1);
        }
        for stop in stops {
            ranker.free(stop.alloc);
        }
        ranker.turned.clear();
        ranker
    }

    /// Counts on what the plan changes already, as [`Ranker::changes`] of another version said. Nothing may have been
    /// placed yet.
    pub(crate) fn adopt(&mut self, changes: &[(usize, Change)]) {
        for (slot, change) in changes {
            self.touch(*slot).change = change.clone();
        }
    }

    /// What was placed and stopped so far, per slot.
    pub(crate) fn changes(&self) -> Vec<(usize, Change)> {
        let touched = self.touched_of.iter().enumerate().filter(|(_, at)| **at != UNTOUCHED);
        touched.map(|(slot, &at)| (slot, self.touched[at as usize].change.clone())).collect()
    }

    /// Nobody gives way to what is placed from now on.
    pub(crate) fn without_evictions(mut self) -> Self {
        self.evicts = false;
        self
    }

    /// What the version that is placed asks of nodes.
    pub(crate) fn feasibility(&self) -> &'a Feasibility<'a> {
        self.feasibility
    }

    /// Starts to place allocations of one group.
    pub(crate) fn search(&mut self, group: usize) -> Search<'_, 'a> {
        Search::new(self, group)
    }

    /// Drops the victims that need not go after all that was placed and stopped since, and answers with the others.
    pub(crate) fn spare(&mut self) -> BTreeSet<AllocId> {
        let mut left = BTreeSet::new();
        for (&slot, victims) in &mut self.evicted {
            let change = &mut self.touched[self.touched_of[slot] as usize].change;
            evict::spare(self.slots[slot], change, victims);
            left.extend(victims.iter().map(|victim| victim.alloc.id));
        }
        left
    }

    /// Allocations that have to give way to the job. `None`: operators do not want that, or there are none.
    fn evictable(&mut self) -> Option<&victims::Evictable<'a>> {
        if !self.evicts || !self.root.scheduler.preemption.is_on(self.job.kind) {
            return None;
        }
        let evictable = self
            .evictable
            .get_or_insert_with(|| victims::Evictable::new(self.root, &self.job.key(), self.job.priority));
        (!evictable.is_empty()).then_some(evictable)
    }

    /// Counts on the room of an allocation of another job.
    fn evict(&mut self, slot: usize, victim: Victim<'a>) {
        self.touch(slot).change.free(&victim.room());
        self.evicted.entry(slot).or_default().push(victim);
        if let Some(evictable) = &mut self.evictable {
            self.turned.extend_from_slice(evictable.evict(slot, victim.alloc.id));
        }
    }

    /// Starts to place allocations of one group on nodes that are given.
    pub(crate) fn search_nodes(&mut self, group: usize) -> Search<'_, 'a> {
        Search::unranked(self, group)
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
        &mut self.touched[self.touched_of[slot] as usize]
    }

    /// More allocations of the job on the node, or fewer; of which group, if it still has that.
    fn count(&mut self, slot: usize, group: Option<usize>, by: i32) {
        self.touch(slot).count(group, by);
        for shares in &mut self.shares {
            self.turned.extend_from_slice(shares.count(slot, group, by));
        }
    }

    fn touched(&self, slot: usize) -> Option<&Touched> {
        self.touched.get(self.touched_of[slot] as usize)
    }

    /// Slots with allocations of the group, and how many.
    fn held_by(&self, group: usize) -> impl Iterator<Item = (usize, u32)> {
        let touched = self.touched_of.iter().enumerate().filter(|(_, at)| **at != UNTOUCHED);
        touched
            .map(move |(slot, &at)| (slot, self.touched[at as usize].per_group[group]))
            .filter(|(_, of_group)| *of_group > 0)
    }

    /// What the search for a place starts with: no nodes yet, and the spreads of the group as they stand.
    fn no_candidates(&self, group: usize) -> candidates::Candidates {
        let mut spreads = spread::of_group(self.root, self.job, self.feasibility, group);
        for (slot, of_group) in self.held_by(group) {
            for spread in &mut spreads {
                if let Some(value) = spread.value(slot) {
                    spread.count(value, of_group as i32);
                }
            }
        }
        candidates::Candidates::new(spreads, self.slots.len())
    }

    /// Counts on a stop. Answers with the slot it changed; `None` when the allocation held nothing any more.
    fn free(&mut self, alloc: &Allocation) -> Option<usize> {
        self.give_back(alloc, -1, |change, room| change.free(room))
    }

    fn unfree(&mut self, alloc: &Allocation) -> Option<usize> {
        self.give_back(alloc, 1, |change, room| change.unfree(room))
    }

    fn give_back(
        &mut self,
        alloc: &Allocation,
        by: i32,
        change: impl FnOnce(&mut Change, &Room<'_>),
    ) -> Option<usize> {
        if alloc.is_terminal() {
            return None;
        }
        let slot = self.root.usage.slot_index(alloc.node)?;
        if self.root.holds_room(alloc) {
            let room = self.root.room_of(alloc);
            change(&mut self.touch(slot).change, &room);
        }
        self.count(slot, self.group_of(alloc), by);
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
