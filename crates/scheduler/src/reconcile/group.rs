//! The buckets of one group.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use model::{Allocation, ClientStatus, DesiredStatus, Evaluation, Job, TaskGroup, Timestamp};
use state::Root;

use super::{
    GroupWork, Stop, Want, Work,
    away::{self, Whereabouts},
    change::{self, Change},
    description,
    reschedule::{self, When},
    rollout::{Created, Rollout},
};
use crate::feasible::Feasibility;

/// One group to be reconciled, and all that is looked at for it.
pub(super) struct Task<'a, 'w> {
    pub(super) root: &'a Root,
    pub(super) eval: &'w Evaluation,
    pub(super) job: &'a Job,
    pub(super) feasibility: &'w Feasibility<'a>,
    pub(super) at: usize,
    pub(super) group: &'a TaskGroup,
    pub(super) rollout: &'w Rollout<'a>,
    pub(super) now: Timestamp,
}

/// Where the allocations of a group went.
#[derive(Default)]
struct Buckets<'a> {
    /// Fill their place: running, successfully done, or failed without another attempt.
    held: Vec<&'a Allocation>,
    /// Stopped in any case and in need of a replacement.
    lost: Vec<&'a Allocation>,
    /// Of unknown fate; in need of a replacement unless they have one.
    away: Vec<&'a Allocation>,
    /// Back with their nodes, and perhaps replaced meanwhile.
    returned: Vec<&'a Allocation>,
    /// To be replaced now, with the delay that has passed.
    again: Vec<(&'a Allocation, std::time::Duration)>,
    /// Failed ones among `held` that wait for a later replacement.
    later: BTreeMap<model::AllocId, Timestamp>,
}

impl<'a> Task<'a, '_> {
    pub(super) fn reconcile(&self, allocs: &[&'a Allocation], work: &mut Work<'a>, created: &mut Created) {
        let (canaries, others) = self.canaries(allocs, work);
        let mut buckets = self.classify(&others, work);
        self.welcome_back(&mut buckets, work);
        self.scale_down(&mut buckets, work);

        let mut in_place: Vec<&'a Allocation> = Vec::new();
        let mut destructive: Vec<&'a Allocation> = Vec::new();
        let mut migrating: Vec<Want<'a>> = Vec::new();
        let mut ignored = 0;
        // What came back as it was stays so, too, until the version has proved itself.
        let holds_back = self.rollout.holds_back(self.group);
        for &alloc in &buckets.held {
            let change = self.change_of(alloc);
            if let Some(want) = self.migration(alloc, change, work) {
                migrating.push(want);
                continue;
            }
            match change {
                Change::InPlace if holds_back => ignored += 1,
                Change::None => {
                    ignored += 1;
                    if let Some(&due) = buckets.later.get(&alloc.id) {
                        work.later.push((alloc.id, due));
                    }
                }
                Change::InPlace => in_place.push(alloc),
                Change::Destructive => destructive.push(alloc),
            }
        }

        let proving = self.rollout.canaries(self.job, self.group, !destructive.is_empty());
        let missing = (self.group.count as usize).saturating_sub(buckets.held.len());
        let mut replacements = self.replacements(&buckets, missing, work);
        if proving > 0 || self.rollout.has_failed() {
            self.keep_versions(&mut replacements);
        }
        if proving > 0 {
            // What cannot come back as it was waits until the new version has proved itself: also what has to leave its
            // node at once.
            let is_new = |old: &Allocation| old.job_index == self.job.job_modify_index;
            let comes_back = |want: &Want<'_>| want.version.is_some() || want.replaces.is_some_and(is_new);
            replacements.retain(comes_back);
            migrating.retain(comes_back);
        }
        let missing = missing - replacements.len();
        // What is lost is replaced also while the roll-out is paused, or waits for its canaries.
        let allowed = if self.rollout.is_paused() || proving > 0 { 0 } else { missing };
        let fresh = self.fresh(&buckets.held, &replacements, allowed);
        let canary_wants = self.canary_wants(proving, &canaries, &buckets.held, &destructive, &replacements);

        let placed = replacements.len() + fresh.len();
        let is_old =
            |want: &Want<'_>| want.replaces.is_some_and(|alloc| alloc.job_index != self.job.job_modify_index);
        let updating = in_place.len() + destructive.len() > 0 || migrating.iter().any(is_old);
        let total = replacements.len() + missing + in_place.len() + destructive.len() + migrating.len();
        created.count(self.rollout, self.job, self.group, allocs, total, updating, proving);
        let limit = if proving > 0 {
            0
        } else {
            self.rollout.limit(self.job, self.group, &buckets.held, placed + migrating.len())
        };
        let updating = destructive.len().min(limit);

        let annotation = work.annotations.entry(self.group.name.clone()).or_default();
        annotation.ignore += ignored + (destructive.len() - updating + canaries.len()) as u32;
        annotation.place += placed as u32;
        annotation.canary += canary_wants.len() as u32;
        annotation.in_place += in_place.len() as u32;
        annotation.migrate += migrating.len() as u32;
        annotation.destructive += updating as u32;

        // A failed one that may not be replaced by the new version yet is tried again when its time comes.
        for alloc in &destructive[updating..] {
            work.later.extend(buckets.later.get(&alloc.id).map(|&due| (alloc.id, due)));
        }
        let updates = destructive
            .into_iter()
            .take(updating)
            .map(|old| Want { stop_with: Some(description::UPDATING), ..Want::instead_of(old) });
        work.in_place.extend(in_place);
        work.groups.push(GroupWork {
            at: self.at,
            group: self.group,
            wants: updates.chain(migrating).chain(replacements).chain(fresh).chain(canary_wants).collect(),
            in_deployment: false,
        });
    }

    fn classify(&self, allocs: &[&'a Allocation], work: &mut Work<'a>) -> Buckets<'a> {
        let mut buckets = Buckets::default();
        for &alloc in allocs {
            let is_old = alloc.job_index != self.job.job_modify_index;
            if alloc.desired != DesiredStatus::Run {
                continue;
            }
            let is_batch = self.job.kind.completes();
            match alloc.client {
                // A changed batch job runs again; what ended before has no part in that.
                ClientStatus::Complete | ClientStatus::Failed if is_batch && is_old => {}
                ClientStatus::Complete if is_batch => buckets.held.push(alloc),
                ClientStatus::Complete | ClientStatus::Lost => {}
                ClientStatus::Failed => self.classify_failed(alloc, &mut buckets),
                ClientStatus::Pending | ClientStatus::Running | ClientStatus::Unknown => {
                    self.classify_live(alloc, &mut buckets, work);
                }
            }
        }
        buckets
    }

    fn classify_live(&self, alloc: &'a Allocation, buckets: &mut Buckets<'a>, work: &mut Work<'a>) {
        let replace = match away::look(self.root, alloc, self.now, work) {
            Whereabouts::Here if alloc.returned => return buckets.returned.push(alloc),
            Whereabouts::Here => return buckets.held.push(alloc),
            Whereabouts::Lost => {
                self.stop(alloc, description::LOST, Some(ClientStatus::Lost), work);
                return buckets.lost.push(alloc);
            }
            Whereabouts::CutOff { replace, .. } | Whereabouts::Unknown { replace, .. } => replace,
        };
        if replace { buckets.away.push(alloc) } else { buckets.held.push(alloc) }
    }

    pub(super) fn stop(
        &self,
        alloc: &'a Allocation,
        description: &'static str,
        client: Option<ClientStatus>,
        work: &mut Work<'a>,
    ) {
        work.stops.push(Stop { alloc, description, client });
        work.annotations.entry(self.group.name.clone()).or_default().stop += 1;
    }

    /// Decides between allocations that came back and what replaced them: the loser stops.
    fn welcome_back(&self, buckets: &mut Buckets<'a>, work: &mut Work<'a>) {
        let mut returned = std::mem::take(&mut buckets.returned);
        // The newest first: it may itself have replaced an older one that is back as well.
        returned.sort_by_key(|alloc| Reverse((alloc.create_index, alloc.id)));
        for original in returned {
            let is_outdated = self.change_of(original) == Change::Destructive;
            let rivals: Vec<&'a Allocation> =
                buckets.held.iter().copied().filter(|held| self.replaced(original, held)).collect();
            let stays = rivals.iter().all(|rival| {
                let is_newer = rival.job_index > original.job_index;
                !(is_outdated && is_newer) && away::original_stays(self.group, original, rival, self.now)
            });
            if !stays {
                self.stop(original, description::RECONNECTED, None, work);
                continue;
            }
            for rival in &rivals {
                self.stop(rival, description::RECONNECTED, None, work);
                buckets.later.remove(&rival.id);
            }
            buckets.held.retain(|held| rivals.iter().all(|rival| rival.id != held.id));
            buckets.held.push(original);
            work.reconnected.push(original.id);
        }
    }

    /// `rival` has the name of `original`, or came after it in its chain of replacements.
    fn replaced(&self, original: &Allocation, rival: &Allocation) -> bool {
        let mut next = original.next;
        // Longer chains were broken by the collection of their middle.
        for _ in 0..64 {
            let Some(id) = next else { break };
            if id == rival.id {
                return true;
            }
            next = self.root.allocs.get(&id).and_then(|alloc| alloc.next);
        }
        original.index == rival.index
    }

    /// What a drain asks of the allocation. Where a roll-out replaces it anyway, the roll-out's pace counts, until
    /// the drain's time is up.
    fn migration(&self, alloc: &'a Allocation, change: Change, work: &mut Work<'a>) -> Option<Want<'a>> {
        if !alloc.migrate || alloc.is_terminal() {
            return None;
        }
        let node = self.root.nodes.get(&alloc.node).map(|node| &**node);
        // What does not get the new version now moves as it is.
        let version = self.rollout.holds_back(self.group).then(|| self.older_version(alloc)).flatten();
        let want = Want { version, ..Want::instead_of(alloc) };
        if away::must_leave_now(node, self.now) {
            self.stop(alloc, description::MIGRATING, None, work);
            return Some(want);
        }
        let moves = change != Change::Destructive || version.is_some();
        moves.then_some(Want { stop_with: Some(description::MIGRATING), ..want })
    }

    fn classify_failed(&self, alloc: &'a Allocation, buckets: &mut Buckets<'a>) {
        if alloc.next.is_some() {
            return;
        }
        if self.rollout.failed_with(alloc) {
            buckets.held.push(alloc);
            return;
        }
        match reschedule::when(self.root, self.eval.id, self.group, alloc, self.now) {
            When::Now { delay } => buckets.again.push((alloc, delay)),
            When::Later { due } => {
                buckets.later.insert(alloc.id, due);
                buckets.held.push(alloc);
            }
            When::Never | When::Awaited => buckets.held.push(alloc),
        }
    }

    /// Stops what holds a name twice, then what is above the count: the highest indexes first.
    fn scale_down(&self, buckets: &mut Buckets<'a>, work: &mut Work<'a>) {
        // The one that runs stays, then the newer one. There are two when a failed one of an earlier version had been
        // put aside.
        let mut by_worth = buckets.held.clone();
        by_worth.sort_by_key(|alloc| (alloc.index, alloc.is_terminal(), Reverse(alloc.job_index)));
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        let (single, mut stopped): (Vec<&'a Allocation>, Vec<&'a Allocation>) =
            by_worth.into_iter().partition(|alloc| seen.insert(alloc.index));
        let surplus = single.len().saturating_sub(self.group.count as usize);
        stopped.extend(single.iter().rev().take(surplus));
        let ids: BTreeSet<model::AllocId> = stopped.iter().map(|alloc| alloc.id).collect();
        buckets.held.retain(|alloc| !ids.contains(&alloc.id));
        for alloc in stopped {
            self.stop(alloc, description::NOT_NEEDED, None, work);
        }
    }

    fn change_of(&self, alloc: &Allocation) -> Change {
        if alloc.job_index == self.job.job_modify_index {
            return Change::None;
        }
        if alloc.is_terminal() {
            return Change::Destructive;
        }
        let Some(old) = self.root.job_of(alloc) else { return Change::Destructive };
        let change = change::between(old, self.job, &self.group.name);
        if change == Change::InPlace && !self.may_stay(alloc) {
            return Change::Destructive;
        }
        change
    }

    /// Whether the node still meets what the new version asks of it.
    fn may_stay(&self, alloc: &Allocation) -> bool {
        if !self.feasibility.may_stay(self.at, alloc.node) {
            return false;
        }
        if self.feasibility.is_crowded(self.at, alloc) {
            return false;
        }
        let distinct = self.feasibility.distinct(self.at);
        let alone = |of_group_only: bool| {
            !self.root.allocs_of_node(alloc.node).any(|other| {
                other.id != alloc.id
                    && !other.is_terminal()
                    && other.job == alloc.job
                    && (!of_group_only || other.group == alloc.group)
            })
        };
        (!distinct.job || alone(false)) && (!distinct.group || alone(true))
    }

    /// Replacements for lost and failed ones, at most as many as are missing.
    fn replacements(&self, buckets: &Buckets<'a>, missing: usize, work: &mut Work<'a>) -> Vec<Want<'a>> {
        // Whoever was replaced before is not replaced again; if that one is gone too, a fresh one takes the place.
        let lost = buckets.lost.iter().chain(&buckets.away).filter(|alloc| alloc.next.is_none());
        let lost = lost.map(|&alloc| (alloc, None));
        let again = buckets.again.iter().map(|&(alloc, delay)| (alloc, Some(delay)));
        let mut used: BTreeSet<u32> = buckets.held.iter().map(|alloc| alloc.index).collect();
        let mut wants = Vec::new();
        for (alloc, rescheduled_after) in lost.chain(again) {
            if wants.len() == missing {
                // Fewer are wanted by now. A lost one stops anyway.
                if rescheduled_after.is_some() {
                    self.stop(alloc, description::NOT_NEEDED, None, work);
                }
                continue;
            }
            let index = if alloc.index < self.group.count && !used.contains(&alloc.index) {
                alloc.index
            } else {
                lowest_free(&used)
            };
            used.insert(index);
            wants.push(Want {
                index,
                stop_with: rescheduled_after.map(|_| description::RESCHEDULED),
                rescheduled_after,
                ..Want::instead_of(alloc)
            });
        }
        wants
    }

    /// Allocations that replace nothing.
    fn fresh(&self, held: &[&Allocation], replacements: &[Want<'a>], missing: usize) -> Vec<Want<'a>> {
        let used: BTreeSet<u32> =
            held.iter().map(|alloc| alloc.index).chain(replacements.iter().map(|want| want.index)).collect();
        (0..).filter(|index| !used.contains(index)).take(missing).map(Want::fresh).collect()
    }
}

fn lowest_free(used: &BTreeSet<u32>) -> u32 {
    (0..).find(|index| !used.contains(index)).expect("there are more indexes than allocations")
}
