//! Whose room could be taken, and who is best evicted on a node.
//!
//! The problem. A node has no room for an allocation, but holds less important ones. Find few of them whose room
//! suffices, the least important first, and among equals those that are about as large as what is asked for; and do so
//! for thousands of nodes. So the allocations that could go are listed per node once, from the jobs that are less
//! important (the others are not looked at), with the sum of their room: where even that does not suffice, nothing more
//! is tried.
//!
//! A group that has lost as many allocations as its `migrate` block lets go at a time is spared where others can go
//! instead. So an eviction changes what is best on other nodes: those where allocations of its group stand beside equally
//! important ones of other groups. These are remembered per group.

use std::{collections::BTreeMap, sync::Arc};

use model::{AllocId, Allocation, Capacity, JobKey};
use state::{Room, Root, Slot};

use super::{claims::ClaimAsk, ports::PortAsk};
use crate::{
    evict::{Victim, highest_below, importance, spare},
    fit::{Change, Exhausted, fits},
};

/// What each allocation above `migrate.max_parallel` adds to the distance of its group.
const PENALTY: f64 = 50.0;

/// Who is evicted for one allocation.
#[derive(Debug, Clone, Default)]
pub(super) struct Victims<'a> {
    pub(super) all: Vec<Victim<'a>>,
}

impl Victims<'_> {
    pub(super) fn freed(&self) -> Capacity {
        self.all.iter().fold(Capacity::default(), |sum, victim| sum.plus(victim.capacity))
    }

    pub(super) fn free(&self, change: &mut Change) {
        for victim in &self.all {
            change.free(&victim.room());
        }
    }

    /// What is lost: the highest importance, and beside it that of all victims in parts of the highest.
    pub(super) fn net_priority(&self) -> f64 {
        let values = || self.all.iter().map(|victim| f64::from(victim.importance));
        let max = values().fold(0.0, f64::max);
        if max == 0.0 { 0.0 } else { max + values().sum::<f64>() / max }
    }
}

/// An allocation that may have to go.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    victim: Victim<'a>,
    /// Position in `Evictable::groups`.
    group: u32,
}

/// A task group with allocations that may have to go.
#[derive(Debug)]
struct Group {
    max_parallel: u32,
    /// How many the plan evicts so far.
    evicted: u32,
    /// Slots where an equally important allocation of another group could go instead.
    mixed: Vec<u32>,
}

impl Group {
    /// `more`: are chosen already on the node that is looked at.
    fn penalty(&self, more: u32) -> f64 {
        let evicted = self.evicted + more;
        if self.max_parallel == 0 || evicted < self.max_parallel {
            return 0.0;
        }
        f64::from(evicted + 1 - self.max_parallel) * PENALTY
    }
}

/// All allocations that have to give way to a job of some priority.
#[derive(Debug, Default)]
pub(super) struct Evictable<'a> {
    /// Per slot, the least important first.
    of_slot: Vec<Vec<Candidate<'a>>>,
    /// Per slot, the room of all of them.
    room: Vec<Capacity>,
    groups: Vec<Group>,
    any: bool,
}

impl<'a> Evictable<'a> {
    pub(super) fn new(root: &'a Root, key: &JobKey, priority: u16) -> Self {
        let slots = root.usage.slots.len();
        let mut evictable = Self {
            of_slot: vec![Vec::new(); slots],
            room: vec![Capacity::default(); slots],
            ..Self::default()
        };
        let Some(highest) = highest_below(priority) else { return evictable };
        for (other, _) in root.jobs.iter().filter(|(other, job)| job.priority <= highest && *other != key) {
            evictable.add_job(root, other, highest);
        }
        for slot in 0..slots {
            evictable.order(slot);
        }
        evictable
    }

    fn add_job(&mut self, root: &'a Root, key: &JobKey, highest: u16) {
        let mut groups: BTreeMap<(u64, Arc<str>), (u32, u16, Capacity)> = BTreeMap::new();
        let mut by_name: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for alloc in root.allocs_of_job(key).filter(|alloc| root.holds_room(alloc)) {
            let Some(slot) = root.usage.slot_index(alloc.node) else { continue };
            let known = groups.get(&(alloc.job_index, alloc.group.clone())).copied();
            let (group, importance, capacity) = match known {
                Some(known) => known,
                None => {
                    let Some(importance) = importance(root, alloc) else { continue };
                    let spec = root.group_of(alloc);
                    let group = *by_name.entry(alloc.group.clone()).or_insert_with(|| {
                        let migrate = spec.and_then(|group| group.migrate.as_ref());
                        let max_parallel = migrate.map_or(0, |migrate| migrate.max_parallel);
                        self.groups.push(Group { max_parallel, evicted: 0, mixed: Vec::new() });
                        self.groups.len() as u32 - 1
                    });
                    let capacity = spec.map(model::TaskGroup::capacity).unwrap_or_default();
                    let all = (group, importance, capacity);
                    groups.insert((alloc.job_index, alloc.group.clone()), all);
                    all
                }
            };
            if importance <= highest {
                // What its cores count is its own.
                let capacity = Room::new(capacity, &alloc.ports, alloc.claims.as_deref()).capacity;
                let victim = Victim { alloc, capacity, importance };
                self.of_slot[slot].push(Candidate { victim, group });
                self.room[slot] = self.room[slot].plus(capacity);
                self.any = true;
            }
        }
    }

    fn order(&mut self, slot: usize) {
        let Self { of_slot, groups, .. } = self;
        let list = &mut of_slot[slot];
        list.sort_unstable_by_key(|one| (one.victim.importance, one.group, one.victim.alloc.id));
        for equals in list.chunk_by(|a, b| a.victim.importance == b.victim.importance) {
            if equals.first().map(|one| one.group) == equals.last().map(|one| one.group) {
                continue;
            }
            for same in equals.chunk_by(|a, b| a.group == b.group) {
                let mixed = &mut groups[same[0].group as usize].mixed;
                if mixed.last() != Some(&(slot as u32)) {
                    mixed.push(slot as u32);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    /// Who is best evicted on the node for what is asked; `None` when that does not help.
    pub(super) fn choose(
        &self,
        at: usize,
        slot: &Slot,
        change: &Change,
        ask: Capacity,
        ports: &PortAsk,
        claims: Option<&ClaimAsk<'_>>,
    ) -> Option<Victims<'a>> {
        let list = &self.of_slot[at];
        if list.is_empty()
            || change.used(slot).minus(self.room[at]).plus(ask).exceeds(slot.total).is_some()
            || !ports.has_dynamic_room(slot, change)
        {
            return None;
        }
        let mut left: Vec<&Candidate<'a>> = list.iter().collect();
        let mut chosen: Vec<&Candidate<'a>> = Vec::new();
        let mut change = change.clone();
        let mut needed = ask;
        // Whoever holds a port that is asked for has to go in any case.
        for &port in &ports.fixed {
            // Several, where they share it.
            while change.holds(slot, port) {
                let holder = left.iter().position(|one| one.victim.ports().any(|held| held == port))?;
                let holder = left.remove(holder);
                change.free(&holder.victim.room());
                needed = needed.minus(holder.victim.capacity);
                chosen.push(holder);
            }
        }
        // Then whoever holds cores or devices, while they do not suffice.
        while let Some(lack) = claims.and_then(|claims| claims.check(slot, &change).err()) {
            let holds = |one: &&Candidate<'a>| holds_some(one.victim.alloc, lack);
            let importance = left.iter().find(|one| holds(one))?.victim.importance;
            let place = self
                .nearest(&left, &chosen, needed, |one| one.victim.importance == importance && holds(&one))?;
            let next = left.remove(place);
            change.free(&next.victim.room());
            needed = needed.minus(next.victim.capacity);
            chosen.push(next);
        }
        while change.used(slot).plus(ask).exceeds(slot.total).is_some() {
            let importance = left.first()?.victim.importance;
            let place = self.nearest(&left, &chosen, needed, |one| one.victim.importance == importance)?;
            let next = left.remove(place);
            change.free(&next.victim.room());
            needed = needed.minus(next.victim.capacity);
            chosen.push(next);
        }
        fits(slot, &change, ask, &ports.fixed, None).ok()?;
        let given = claims.map(|claims| claims.choose(slot, &change)).transpose().ok()?;
        // What the cores count is in `ask`.
        change.take(&Room { capacity: ask, ports: &[], claims: given.as_ref() });
        change.taken_ports.extend(&ports.fixed);
        change.taken_shared.extend(&ports.shared);
        let mut all: Vec<Victim<'a>> = chosen.into_iter().map(|one| one.victim).collect();
        spare(slot, &mut change, &mut all);
        Some(Victims { all })
    }

    /// The place of the one that is nearest to what is needed; one of a group that has lost enough counts as far away.
    fn nearest(
        &self,
        left: &[&Candidate<'a>],
        chosen: &[&Candidate<'a>],
        needed: Capacity,
        counts: impl Fn(&Candidate<'a>) -> bool,
    ) -> Option<usize> {
        let far = |one: &Candidate<'a>| {
            let more = chosen.iter().filter(|other| other.group == one.group).count();
            distance(needed, one.victim.capacity) + self.groups[one.group as usize].penalty(more as u32)
        };
        let candidates = left.iter().enumerate().filter(|(_, one)| counts(one));
        let best = candidates.map(|(place, one)| (far(one), place)).min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(best.1)
    }

    /// The allocation on this slot goes. Answers with the other slots where somebody else may now be the better choice.
    pub(super) fn evict(&mut self, at: usize, id: AllocId) -> &[u32] {
        let list = &mut self.of_slot[at];
        let Some(place) = list.iter().position(|one| one.victim.alloc.id == id) else { return &[] };
        let gone = list.remove(place);
        self.room[at] = self.room[at].minus(gone.victim.capacity);
        let group = &mut self.groups[gone.group as usize];
        group.evicted += 1;
        if group.max_parallel == 0 { &[] } else { &group.mixed }
    }
}

/// The allocation has some of what is lacking.
fn holds_some(alloc: &Allocation, lack: Exhausted) -> bool {
    let Some(claims) = &alloc.claims else { return false };
    if lack == Exhausted::CORES { claims.cores().next().is_some() } else { claims.devices().next().is_some() }
}

/// How far an allocation is from what is asked for: the differences in parts of that, as the length of a vector.
fn distance(ask: Capacity, capacity: Capacity) -> f64 {
    let part = |ask: u32, has: u32| {
        if ask == 0 { 0.0 } else { (f64::from(ask) - f64::from(has)) / f64::from(ask) }
    };
    let cpu = part(ask.cpu_mhz, capacity.cpu_mhz);
    let memory = part(ask.memory_mb, capacity.memory_mb);
    let disk = part(ask.disk_mb, capacity.disk_mb);
    (cpu * cpu + memory * memory + disk * disk).sqrt()
}
