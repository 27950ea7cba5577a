//! Who may be evicted for whom, and who need not be after all. The scheduler asks on its snapshot, the plan applier on
//! the newest state.

use model::{Allocation, Capacity, Job};
use state::{Room, Root, Slot};

use crate::fit::Change;

/// A job must be more important by so much to take the room of another one.
const LEAD: u16 = 10;

/// The most important job whose allocations have to give way to jobs of this priority.
pub(crate) fn highest_below(priority: u16) -> Option<u16> {
    priority.checked_sub(LEAD)
}

/// How important the allocation is: as its job says in the version that runs and in the newest one, whichever says
/// more. `None` when that is not known, or its job was purged: then it stops anyway.
pub(crate) fn importance(root: &Root, alloc: &Allocation) -> Option<u16> {
    let newest = root.jobs.get(&alloc.job)?.priority;
    Some(root.job_of(alloc)?.priority.max(newest))
}

/// Whether the allocation has to give way to `job`.
pub(crate) fn gives_way(root: &Root, alloc: &Allocation, job: &Job) -> bool {
    let Some(importance) = importance(root, alloc) else { return false };
    root.holds_room(alloc)
        && alloc.job != job.key()
        && highest_below(job.priority).is_some_and(|highest| importance <= highest)
}

/// An allocation that is evicted, and what it gives back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Victim<'a> {
    pub(crate) alloc: &'a Allocation,
    /// With what its cores count.
    pub(crate) capacity: Capacity,
    pub(crate) importance: u16,
}

impl Victim<'_> {
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.alloc.ports.iter().map(|port| port.value)
    }

    pub(crate) fn room(&self) -> Room<'_> {
        let claims = self.alloc.claims.as_deref();
        Room { capacity: self.capacity, ports: &self.alloc.ports, claims }
    }

    /// It could stay, as far as room, ports, cores and devices on its node go.
    fn fits(&self, slot: &Slot, change: &Change) -> bool {
        change.used(slot).plus(self.capacity).exceeds(slot.total).is_none()
            && self.ports().all(|port| !change.taken_ports.contains(&port))
            && self.alloc.claims.as_ref().is_none_or(|claims| !change.takes_any(claims))
    }
}

/// Drops the victims that need not go: of those that `change` counts as freed, the most important one first, then the
/// largest. Of what is left none can stay.
pub(crate) fn spare(slot: &Slot, change: &mut Change, victims: &mut Vec<Victim<'_>>) {
    let size = |victim: &Victim<'_>| share(victim.capacity, slot.total);
    victims.sort_by(|a, b| {
        let by_size = size(b).total_cmp(&size(a));
        b.importance.cmp(&a.importance).then(by_size).then(a.alloc.id.cmp(&b.alloc.id))
    });
    victims.retain(|victim| {
        let stays = victim.fits(slot, change);
        if stays {
            change.unfree(&victim.room());
        }
        !stays
    });
}

/// How large a part of the node that is, all dimensions added up.
fn share(capacity: Capacity, total: Capacity) -> f64 {
    let part = |of: u32, total: u32| f64::from(of) / f64::from(total.max(1));
    part(capacity.cpu_mhz, total.cpu_mhz)
        + part(capacity.memory_mb, total.memory_mb)
        + part(capacity.disk_mb, total.disk_mb)
}
