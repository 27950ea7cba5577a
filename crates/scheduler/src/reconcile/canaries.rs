//! New versions that run beside the old ones until somebody promotes them.
//!
//! A canary fills no place of its group: while it proves itself the old version stays complete, and what of that is lost
//! comes back as it was. Once promoted it is an allocation like others, and the old one of its name goes. Canaries of a
//! roll-out that failed, or that a newer version ended, go.

use std::{cmp::Reverse, collections::BTreeSet};

use model::{Allocation, ClientStatus, DesiredStatus, HealthCheck, Job, UpdateStrategy};

use super::{
    Want, Work,
    away::{self, Whereabouts},
    description,
    group::Task,
};

impl<'a> Task<'a, '_> {
    /// Splits the group's allocations into canaries that prove the version now, and all that are none. Others stop.
    pub(super) fn canaries(
        &self,
        allocs: &[&'a Allocation],
        work: &mut Work<'a>,
    ) -> (Vec<&'a Allocation>, Vec<&'a Allocation>) {
        let (canaries, others): (Vec<&'a Allocation>, Vec<&'a Allocation>) =
            allocs.iter().partition(|alloc| alloc.canary);
        let live = canaries.into_iter().filter(|alloc| self.goes_on(alloc, work)).collect();
        (self.one_of_each(live, work), others)
    }

    /// Stops canaries that came back with their nodes and were replaced meanwhile: the newer one proves the version.
    fn one_of_each(&self, mut live: Vec<&'a Allocation>, work: &mut Work<'a>) -> Vec<&'a Allocation> {
        live.sort_by_key(|alloc| (alloc.index, alloc.returned, Reverse((alloc.create_index, alloc.id))));
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        let (single, twice): (Vec<&'a Allocation>, Vec<&'a Allocation>) =
            live.into_iter().partition(|alloc| seen.insert(alloc.index));
        for alloc in twice.into_iter().filter(|alloc| !alloc.client.is_terminal()) {
            self.stop(alloc, description::RECONNECTED, None, work);
        }
        work.reconnected.extend(single.iter().filter(|alloc| alloc.returned).map(|alloc| alloc.id));
        single
    }

    fn goes_on(&self, alloc: &'a Allocation, work: &mut Work<'a>) -> bool {
        // One that ended stands for nothing.
        if alloc.desired != DesiredStatus::Run || alloc.client.is_terminal() {
            // One that failed makes its roll-out fail: another one would prove nothing. Unless people judge.
            let by_people = |update: &UpdateStrategy| update.health_check == HealthCheck::Manual;
            return alloc.desired == DesiredStatus::Run
                && alloc.client == ClientStatus::Failed
                && self.rollout.includes(alloc)
                && !self.group.update.as_ref().is_some_and(by_people);
        }
        if away::look(self.root, alloc, self.now, work) == Whereabouts::Lost {
            self.stop(alloc, description::LOST, Some(ClientStatus::Lost), work);
            return false;
        }
        if !self.rollout.includes(alloc) {
            self.stop(alloc, description::NOT_NEEDED, None, work);
            return false;
        }
        if alloc.migrate {
            self.stop(alloc, description::MIGRATING, None, work);
            return false;
        }
        true
    }

    /// The canaries that are missing. They take the names of those that they may replace, then free ones.
    pub(super) fn canary_wants(
        &self,
        wanted: usize,
        live: &[&'a Allocation],
        held: &[&'a Allocation],
        outdated: &[&'a Allocation],
        replacements: &[Want<'a>],
    ) -> Vec<Want<'a>> {
        if wanted <= live.len() || self.rollout.is_paused() {
            return Vec::new();
        }
        // Of the same version: what cannot come back as it was, and the canaries that are there.
        let others = replacements.iter().filter(|want| want.version.is_none()).map(|want| want.index);
        let taken: BTreeSet<u32> = live.iter().map(|alloc| alloc.index).chain(others).collect();
        let outdated: BTreeSet<u32> = outdated.iter().map(|alloc| alloc.index).collect();
        let held: BTreeSet<u32> = held.iter().map(|alloc| alloc.index).collect();
        let names = outdated.iter().copied().chain((0..).filter(|index| !held.contains(index)));
        names
            .filter(|index| !taken.contains(index))
            .take(wanted - live.len())
            .map(|index| Want { canary: true, ..Want::fresh(index) })
            .collect()
    }

    /// Lets replacements run the version of what they replace.
    pub(super) fn keep_versions(&self, replacements: &mut [Want<'a>]) {
        for want in replacements {
            want.version = want.replaces.and_then(|old| self.older_version(old));
        }
    }

    /// The version that the allocation runs, if it is an older one that has the group.
    pub(super) fn older_version(&self, alloc: &Allocation) -> Option<&'a Job> {
        if alloc.job_index == self.job.job_modify_index {
            return None;
        }
        let job = self.root.job_of(alloc)?;
        let is_alike = job.kind == self.job.kind && job.create_index == self.job.create_index;
        (is_alike && job.group(&alloc.group).is_some()).then_some(&**job)
    }
}
