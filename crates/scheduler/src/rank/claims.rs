//! Cores and devices for one allocation. Chosen is what is free and lowest; what others give back in the same plan comes
//! last, for whoever held it may need a moment to let go.

use std::sync::Arc;

use model::{Capacity, Claims, TaskClaims, TaskGroup};
use state::Slot;

use crate::{
    feasible::{DeviceAsks, Devices},
    fit::{Change, Exhausted},
};

/// What the tasks of a group ask for beside amounts and ports.
pub(super) struct ClaimAsk<'a> {
    /// Tasks that ask for cores, and for how many.
    cores: Vec<(Arc<str>, u32)>,
    total_cores: u32,
    devices: Option<DeviceAsks<'a>>,
}

impl<'a> ClaimAsk<'a> {
    /// `None`: they ask for nothing.
    pub(super) fn new(group: &'a TaskGroup) -> Option<Self> {
        let asking = group.tasks.iter().filter(|task| task.resources.cores > 0);
        let cores: Vec<(Arc<str>, u32)> =
            asking.map(|task| (task.name.as_str().into(), task.resources.cores)).collect();
        let devices = DeviceAsks::new(group);
        if cores.is_empty() && devices.is_none() {
            return None;
        }
        Some(Self { cores, total_cores: group.cores(), devices })
    }

    /// What the cores count on the node.
    pub(super) fn capacity(&self, slot: &Slot) -> Capacity {
        let core_mhz = slot.claimable.as_ref().map_or(0, |claimable| claimable.core_mhz);
        Capacity { cpu_mhz: self.total_cores.saturating_mul(core_mhz), ..Capacity::default() }
    }

    /// Which ones it is given on the node after `change`.
    pub(super) fn choose(&self, slot: &Slot, change: &Change) -> Result<Claims, Exhausted> {
        let cores = self.choose_cores(slot, change).ok_or(Exhausted::CORES)?;
        let devices = match &self.devices {
            Some(_) => self.choose_devices(slot, change).ok_or(Exhausted::DEVICES)?.given,
            None => Vec::new(),
        };
        let core_mhz = slot.claimable.as_ref().map_or(0, |claimable| claimable.core_mhz);
        let mut claims = Claims::default();
        let mut cores = cores.into_iter();
        for (task, count) in &self.cores {
            let mut own: Vec<u16> = cores.by_ref().take(*count as usize).collect();
            own.sort_unstable();
            let cpu_mhz = count.saturating_mul(core_mhz);
            claims.tasks.push(TaskClaims { task: task.clone(), cores: own, cpu_mhz, devices: Vec::new() });
        }
        for (task, given) in devices {
            match claims.tasks.iter_mut().find(|claims| claims.task == task) {
                Some(claims) => claims.devices.push(given),
                None => {
                    let devices = vec![given];
                    claims.tasks.push(TaskClaims { task, cores: Vec::new(), cpu_mhz: 0, devices });
                }
            }
        }
        Ok(claims)
    }

    /// The same, without saying which: asked of every node.
    pub(super) fn check(&self, slot: &Slot, change: &Change) -> Result<(), Exhausted> {
        if self.total_cores > 0 {
            let offered = slot.claimable.iter().flat_map(|claimable| &claimable.cores);
            let free = offered.filter(|core| !change.holds_core(slot, **core));
            if free.take(self.total_cores as usize).count() < self.total_cores as usize {
                return Err(Exhausted::CORES);
            }
        }
        if self.devices.is_some() && self.choose_devices(slot, change).is_none() {
            return Err(Exhausted::DEVICES);
        }
        Ok(())
    }

    /// What affinities say of the devices that it would be given; `None` where nothing is said.
    pub(super) fn liking(&self, slot: &Slot, change: &Change) -> Option<f64> {
        self.devices.as_ref().filter(|devices| devices.has_liking())?;
        self.choose_devices(slot, change)?.liking
    }

    fn choose_cores(&self, slot: &Slot, change: &Change) -> Option<Vec<u16>> {
        let offered = slot.claimable.iter().flat_map(|claimable| &claimable.cores).copied();
        let mut free: Vec<u16> = offered.filter(|core| !change.holds_core(slot, *core)).collect();
        free.sort_by_key(|core| (change.frees_core(*core), *core));
        free.truncate(self.total_cores as usize);
        (free.len() == self.total_cores as usize).then_some(free)
    }

    fn choose_devices(&self, slot: &Slot, change: &Change) -> Option<Devices> {
        let groups = slot.claimable.as_ref().map_or(&[][..], |claimable| &claimable.devices);
        self.devices.as_ref()?.choose(groups, &|name, device| {
            (!change.holds_device(slot, name, &device.id)).then(|| change.frees_device(name, &device.id))
        })
    }
}
