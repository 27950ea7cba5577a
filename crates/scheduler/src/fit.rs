//! Does it fit on this node? The one function that answers, asked by the scheduler on its snapshot and by the plan
//! applier on the newest state.

use model::{Capacity, Claims, DeviceName};
use state::{Room, Slot};

/// What a plan changes on one node, so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Given back by allocations that the plan stops.
    pub freed: Capacity,
    pub freed_ports: Vec<u16>,
    /// Taken by allocations that the plan places.
    pub taken: Capacity,
    pub taken_ports: Vec<u16>,
    /// Ports that are shared with whoever else is there, once for each allocation that does.
    pub freed_shared: Vec<u16>,
    pub taken_shared: Vec<u16>,
    /// `None` while neither cores nor devices change hands.
    claims: Option<Box<ClaimChange>>,
}

/// Cores and devices that change hands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ClaimChange {
    freed_cores: Vec<u16>,
    taken_cores: Vec<u16>,
    freed_devices: Vec<(DeviceName, String)>,
    taken_devices: Vec<(DeviceName, String)>,
}

impl Change {
    /// Whether the port is in use once the plan is true, by one who shares it or not.
    pub fn holds(&self, slot: &Slot, port: u16) -> bool {
        (slot.ports.contains(port) && !self.freed_ports.contains(&port))
            || self.taken_ports.contains(&port)
            || self.taken_shared.contains(&port)
            || slot.shared_ports.count(port)
                > self.freed_shared.iter().filter(|&&freed| freed == port).count()
    }

    /// What is used on the node once the plan is true.
    pub fn used(&self, slot: &Slot) -> Capacity {
        slot.used.minus(self.freed).plus(self.taken)
    }

    /// Whether the core is given to somebody once the plan is true.
    pub fn holds_core(&self, slot: &Slot, core: u16) -> bool {
        let held = slot.claimable.as_ref().is_some_and(|claimable| claimable.holds_core(core));
        (held && !self.frees_core(core))
            || self.claims.as_ref().is_some_and(|claims| claims.taken_cores.contains(&core))
    }

    /// Somebody gives it back: who held it may need a moment to let go.
    pub fn frees_core(&self, core: u16) -> bool {
        self.claims.as_ref().is_some_and(|claims| claims.freed_cores.contains(&core))
    }

    /// Whether the device is given to somebody once the plan is true.
    pub fn holds_device(&self, slot: &Slot, name: &DeviceName, id: &str) -> bool {
        let held = slot.claimable.as_ref().is_some_and(|claimable| claimable.holds_device(name, id));
        (held && !self.frees_device(name, id))
            || self.claims.as_ref().is_some_and(|claims| is_in(&claims.taken_devices, name, id))
    }

    pub fn frees_device(&self, name: &DeviceName, id: &str) -> bool {
        self.claims.as_ref().is_some_and(|claims| is_in(&claims.freed_devices, name, id))
    }

    pub fn free(&mut self, room: &Room<'_>) {
        self.freed = self.freed.plus(room.capacity);
        self.freed_ports.extend(room.port_numbers());
        self.freed_shared.extend(room.shared_ports());
        if let Some(claims) = room.claims {
            let change = self.claims.get_or_insert_default();
            change.freed_cores.extend(claims.cores());
            change.freed_devices.extend(owned(claims));
        }
    }

    /// Takes back an earlier [`Change::free`] of the same values.
    pub fn unfree(&mut self, room: &Room<'_>) {
        self.freed = self.freed.minus(room.capacity);
        let forget = |list: &mut Vec<u16>, port| {
            if let Some(at) = list.iter().position(|&freed| freed == port) {
                list.swap_remove(at);
            }
        };
        room.port_numbers().for_each(|port| forget(&mut self.freed_ports, port));
        room.shared_ports().for_each(|port| forget(&mut self.freed_shared, port));
        if let (Some(claims), Some(change)) = (room.claims, &mut self.claims) {
            change.freed_cores.retain(|freed| claims.cores().all(|core| core != *freed));
            change
                .freed_devices
                .retain(|freed| claims.devices().all(|(name, id)| freed.0 != *name || freed.1 != id));
        }
    }

    pub fn take(&mut self, room: &Room<'_>) {
        self.taken = self.taken.plus(room.capacity);
        self.taken_ports.extend(room.port_numbers());
        self.taken_shared.extend(room.shared_ports());
        if let Some(claims) = room.claims {
            let change = self.claims.get_or_insert_default();
            change.taken_cores.extend(claims.cores());
            change.taken_devices.extend(owned(claims));
        }
    }

    /// Whether the plan gives any of that to somebody else.
    pub fn takes_any(&self, claims: &Claims) -> bool {
        self.claims.as_ref().is_some_and(|change| {
            claims.cores().any(|core| change.taken_cores.contains(&core))
                || claims.devices().any(|(name, id)| is_in(&change.taken_devices, name, id))
        })
    }
}

fn owned(claims: &Claims) -> impl Iterator<Item = (DeviceName, String)> {
    claims.devices().map(|(name, id)| (name.clone(), id.to_owned()))
}

fn is_in(devices: &[(DeviceName, String)], name: &DeviceName, id: &str) -> bool {
    devices.iter().any(|device| device.0 == *name && device.1 == id)
}

/// What there is not enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exhausted {
    /// `cpu`, `memory`, `disk`, `cores` or `devices`.
    Dimension(&'static str),
    /// The host port is in use.
    Port(u16),
    /// The dynamic range has no room for the ports asked for.
    DynamicPorts,
}

impl Exhausted {
    pub const CORES: Self = Self::Dimension("cores");
    pub const DEVICES: Self = Self::Dimension("devices");
}

/// Whether an allocation that asks for `ask`, for the host ports `ports` for itself alone and for these cores and
/// devices fits on the node after `change`.
///
/// # Errors
/// Names the first thing that is missing, in the order cpu, memory, disk, ports, cores, devices.
pub fn fits(
    slot: &Slot,
    change: &Change,
    ask: Capacity,
    ports: &[u16],
    claims: Option<&Claims>,
) -> Result<(), Exhausted> {
    if let Some(dimension) = change.used(slot).plus(ask).exceeds(slot.total) {
        return Err(Exhausted::Dimension(dimension));
    }
    for (at, &port) in ports.iter().enumerate() {
        if change.holds(slot, port) || ports[..at].contains(&port) {
            return Err(Exhausted::Port(port));
        }
    }
    claims.map_or(Ok(()), |claims| has_free(slot, change, claims))
}

fn has_free(slot: &Slot, change: &Change, claims: &Claims) -> Result<(), Exhausted> {
    let offers = |test: &dyn Fn(&state::Claimable) -> bool| slot.claimable.as_deref().is_some_and(test);
    for (at, core) in claims.cores().enumerate() {
        let is_double = claims.cores().take(at).any(|other| other == core);
        if is_double || change.holds_core(slot, core) || !offers(&|it| it.offers_core(core)) {
            return Err(Exhausted::CORES);
        }
    }
    for (at, (name, id)) in claims.devices().enumerate() {
        let is_double = claims.devices().take(at).any(|other| other == (name, id));
        if is_double || change.holds_device(slot, name, id) || !offers(&|it| it.offers_device(name, id)) {
            return Err(Exhausted::DEVICES);
        }
    }
    Ok(())
}
