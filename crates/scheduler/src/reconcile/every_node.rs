//! Jobs that run on every node: each group has one allocation per node that may run it, always named `job.group[0]`.
//!
//! None of them ever moves. A node that is gone takes its allocation along, and gets a new one when it is back; a node
//! that takes nothing new keeps what it has for as long as the job stays the same. What failed for good, and for
//! `sysbatch` what succeeded, holds its place until the job changes. Failed ones are also tried again when somebody
//! registers or evaluates the job after they failed. A roll-out that failed changes nothing more of what runs.

use std::{cell::RefCell, cmp::Reverse, collections::BTreeMap};

use model::{
    Allocation, ClientStatus, DesiredStatus, Evaluation, Job, Node, NodeId, NodeStatus, TaskGroup, Timestamp,
    Trigger,
};
use state::{Root, Slot};

use super::{
    Stop, Work,
    away::{self, Whereabouts},
    change::{self, Change},
    description,
    rollout::Rollout,
};
use crate::{feasible::Feasibility, rank::Tally};

/// An allocation that shall be placed on one node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeWant<'a> {
    /// Position of the node in the usage table.
    pub(crate) slot: usize,
    pub(crate) replaces: Option<&'a Allocation>,
    /// What is replaced stops with these words, if there is room for the new one.
    pub(crate) stop_with: Option<&'static str>,
}

/// What one group needs.
#[derive(Debug)]
pub(crate) struct NodeGroup<'a> {
    /// Position in the job.
    pub(crate) at: usize,
    pub(crate) group: &'a TaskGroup,
    /// On nodes where nothing of the group runs.
    pub(crate) fresh: Vec<NodeWant<'a>>,
    /// Replacements by the newest version; how many of them go at a time is for the roll-out to say.
    pub(crate) updates: Vec<NodeWant<'a>>,
    /// What fills its place, and what of that is updated in place.
    pub(crate) held: Vec<&'a Allocation>,
    pub(crate) in_place: usize,
    /// Of the job's allocations of the group, all.
    pub(crate) known: Vec<&'a Allocation>,
    pub(crate) tally: Tally,
}

/// A job to be reconciled, and all that is looked at for it.
pub(super) struct Task<'a, 'w> {
    root: &'a Root,
    job: &'a Job,
    feasibility: &'w Feasibility<'a>,
    rollout: &'w Rollout<'a>,
    now: Timestamp,
    /// The last time that somebody asked for the job; what had failed by then is tried again.
    asked_at: u64,
    /// What somebody stopped comes back.
    comes_back: bool,
    /// Per earlier version and group, what the step to the newest one means.
    changes: RefCell<BTreeMap<(u64, usize), Change>>,
}

impl<'a, 'w> Task<'a, 'w> {
    pub(super) fn new(
        root: &'a Root,
        eval: &Evaluation,
        job: &'a Job,
        feasibility: &'w Feasibility<'a>,
        rollout: &'w Rollout<'a>,
        now: Timestamp,
    ) -> Self {
        let asked = root.evals_of_job(&eval.job).filter(|eval| eval.trigger == Trigger::JobRegister);
        let asked_at = asked.map(|eval| eval.create_index).max().unwrap_or(0);
        let comes_back = eval.trigger == Trigger::AllocReschedule;
        Self { root, job, feasibility, rollout, now, asked_at, comes_back, changes: RefCell::default() }
    }

    pub(super) fn reconcile(&self, allocs: &[&'a Allocation], work: &mut Work<'a>) -> Vec<NodeGroup<'a>> {
        let groups = self.job.groups.iter().enumerate();
        groups.map(|(at, group)| self.group(at, group, allocs, work)).collect()
    }

    fn group(
        &self,
        at: usize,
        group: &'a TaskGroup,
        allocs: &[&'a Allocation],
        work: &mut Work<'a>,
    ) -> NodeGroup<'a> {
        let known: Vec<&'a Allocation> =
            allocs.iter().copied().filter(|alloc| *alloc.group == *group.name).collect();
        let mut result = NodeGroup {
            at,
            group,
            fresh: Vec::new(),
            updates: Vec::new(),
            held: Vec::new(),
            in_place: 0,
            known: Vec::new(),
            tally: Tally::of(self.job),
        };
        let mut held: BTreeMap<NodeId, Vec<&'a Allocation>> = BTreeMap::new();
        let mut failed: BTreeMap<NodeId, &'a Allocation> = BTreeMap::new();
        for &alloc in &known {
            if self.holds(alloc, work) {
                held.entry(alloc.node).or_default().push(alloc);
            } else if is_failed(alloc) && alloc.next.is_none() {
                failed.insert(alloc.node, alloc);
            }
        }
        result.known = known;
        for (at, slot) in self.root.usage.slots.iter().enumerate() {
            let Some(node) = self.root.nodes.get(&slot.node) else { continue };
            let here = held.remove(&slot.node).and_then(|here| self.only_one(here, work));
            match here {
                Some(alloc) => self.keep(&mut result, at, node, slot, alloc, work),
                None => self.miss(&mut result, at, node, slot, failed.get(&slot.node).copied()),
            }
        }
        let annotation = work.annotations.entry(group.name.clone()).or_default();
        annotation.place += result.fresh.len() as u32;
        annotation.in_place += result.in_place as u32;
        result
    }

    /// Whether the allocation fills its place on its node. Stops it if the node is gone.
    fn holds(&self, alloc: &'a Allocation, work: &mut Work<'a>) -> bool {
        if alloc.desired != DesiredStatus::Run {
            return false;
        }
        let is_old = alloc.job_index != self.job.job_modify_index;
        match alloc.client {
            ClientStatus::Complete => self.job.kind.completes() && !is_old,
            ClientStatus::Lost => false,
            ClientStatus::Failed => !is_old && alloc.next.is_none() && alloc.modify_index > self.asked_at,
            ClientStatus::Pending | ClientStatus::Running | ClientStatus::Unknown => {
                self.is_there(alloc, work)
            }
        }
    }

    fn is_there(&self, alloc: &'a Allocation, work: &mut Work<'a>) -> bool {
        let is_lost = away::look(self.root, alloc, self.now, work) == Whereabouts::Lost;
        if is_lost {
            stop(alloc, description::LOST, Some(ClientStatus::Lost), work);
        }
        !is_lost
    }

    /// Of several on one node one stays: what runs, then what is newer, then what is known to be well.
    fn only_one(&self, mut here: Vec<&'a Allocation>, work: &mut Work<'a>) -> Option<&'a Allocation> {
        here.sort_by_key(|alloc| {
            (alloc.is_terminal(), Reverse(alloc.job_index), !alloc.is_healthy(), alloc.create_index, alloc.id)
        });
        let (&first, others) = here.split_first()?;
        for other in others.iter().filter(|other| !other.is_terminal()) {
            let came_back = first.returned || other.returned;
            let words = if came_back { description::RECONNECTED } else { description::NOT_NEEDED };
            stop(other, words, None, work);
        }
        if first.returned && !first.is_terminal() {
            work.reconnected.push(first.id);
        }
        Some(first)
    }

    /// Decides about the one that is there.
    fn keep(
        &self,
        result: &mut NodeGroup<'a>,
        at: usize,
        node: &Node,
        slot: &Slot,
        alloc: &'a Allocation,
        work: &mut Work<'a>,
    ) {
        let group = result.at;
        if alloc.is_terminal() || node.status.is_gone() {
            result.held.push(alloc);
            work.annotations.entry(result.group.name.clone()).or_default().ignore += 1;
            return;
        }
        if alloc.migrate {
            if self.comes_back && slot.schedulable {
                let stop_with = Some(description::MIGRATING);
                return result.fresh.push(NodeWant { slot: at, replaces: Some(alloc), stop_with });
            }
            return stop(alloc, description::TAINTED, None, work);
        }
        if result.group.count == 0 || !self.feasibility.tolerates(group, slot.class, slot.node) {
            return stop(alloc, description::NOT_NEEDED, None, work);
        }
        match self.change_of(group, alloc) {
            Change::InPlace => {
                result.in_place += 1;
                work.in_place.push(alloc);
            }
            Change::Destructive if slot.schedulable => {
                let stop_with = Some(description::UPDATING);
                result.updates.push(NodeWant { slot: at, replaces: Some(alloc), stop_with });
            }
            // Until it has told what it has, nothing is known of it.
            Change::Destructive if node.status != NodeStatus::Initializing && !self.rollout.has_failed() => {
                return stop(alloc, description::NOT_NEEDED, None, work);
            }
            Change::None | Change::Destructive => {
                work.annotations.entry(result.group.name.clone()).or_default().ignore += 1;
            }
        }
        result.held.push(alloc);
    }

    /// Asks for one where there is none.
    fn miss(
        &self,
        result: &mut NodeGroup<'a>,
        at: usize,
        node: &Node,
        slot: &Slot,
        failed: Option<&'a Allocation>,
    ) {
        if result.group.count == 0 || !slot.schedulable {
            return;
        }
        match self.feasibility.welcomes(result.at, slot.class, slot.node) {
            Ok(()) => {
                let stop_with = failed.map(|alloc| {
                    let is_old = alloc.job_index != self.job.job_modify_index;
                    if is_old { description::UPDATING } else { description::RESCHEDULED }
                });
                result.fresh.push(NodeWant { slot: at, replaces: failed, stop_with });
            }
            Err(crate::feasible::Verdict::Elsewhere) => {}
            Err(why) => {
                result.tally.look_at(node);
                result.tally.filter(node, &why);
            }
        }
    }

    fn change_of(&self, group: usize, alloc: &Allocation) -> Change {
        if alloc.job_index == self.job.job_modify_index {
            return Change::None;
        }
        // It had another type, which gave it another name.
        if alloc.index != 0 {
            return Change::Destructive;
        }
        let find = || {
            self.root.job_of(alloc).map_or(Change::Destructive, |old| {
                change::between(old, self.job, &self.job.groups[group].name)
            })
        };
        *self.changes.borrow_mut().entry((alloc.job_index, group)).or_insert_with(find)
    }
}

fn is_failed(alloc: &Allocation) -> bool {
    alloc.desired == DesiredStatus::Run && alloc.client == ClientStatus::Failed
}

fn stop<'a>(
    alloc: &'a Allocation,
    description: &'static str,
    client: Option<ClientStatus>,
    work: &mut Work<'a>,
) {
    work.stops.push(Stop { alloc, description, client });
    work.annotations.entry(alloc.group.to_string()).or_default().stop += 1;
}
