//! Cores and devices of one node: what there is, and what is held.

use model::{Claims, DeviceGroup, DeviceName, Node};

/// What allocations of a node can have for themselves alone, beside ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimable {
    /// Cores that may be given to a task alone: ids, ascending.
    pub cores: Vec<u16>,
    /// What one of them counts.
    pub core_mhz: u32,
    pub devices: Vec<DeviceGroup>,
    /// Ascending. Also of cores that the node no longer offers.
    held_cores: Vec<u16>,
    held_devices: Vec<(DeviceName, String)>,
}

impl Claimable {
    pub fn holds_core(&self, core: u16) -> bool {
        self.held_cores.binary_search(&core).is_ok()
    }

    pub fn holds_device(&self, name: &DeviceName, id: &str) -> bool {
        self.held_devices.iter().any(|held| held.0 == *name && held.1 == id)
    }

    /// Whether the node offers all of it, and none of it is held.
    pub fn has_free(&self, claims: &Claims) -> bool {
        claims.cores().all(|core| self.offers_core(core) && !self.holds_core(core))
            && claims.devices().all(|(name, id)| self.offers_device(name, id) && !self.holds_device(name, id))
    }

    pub fn offers_core(&self, core: u16) -> bool {
        self.cores.binary_search(&core).is_ok()
    }

    /// The node has the device, and it is healthy.
    pub fn offers_device(&self, name: &DeviceName, id: &str) -> bool {
        let group = self.devices.iter().find(|group| group.name == *name);
        group.is_some_and(|group| group.healthy().any(|device| device.id == id))
    }

    /// Nothing is offered, nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.cores.is_empty()
            && self.devices.is_empty()
            && self.held_cores.is_empty()
            && self.held_devices.is_empty()
    }

    /// What the node offers as it is, with what is held on it now.
    pub(crate) fn of_node(&self, node: &Node) -> Self {
        let mut cores = node.reservable_cores.clone();
        cores.retain(|core| !node.reserved_cores.contains(core));
        cores.sort_unstable();
        cores.dedup();
        // Cores that count nothing would be given away for nothing.
        if node.core_mhz() == 0 {
            cores.clear();
        }
        Self { cores, core_mhz: node.core_mhz(), devices: node.devices.clone(), ..self.clone() }
    }

    /// Offers something that `other` does not.
    pub(crate) fn exceeds(&self, other: &Self) -> bool {
        let all_offered =
            |group: &DeviceGroup| group.healthy().all(|device| other.offers_device(&group.name, &device.id));
        self.cores.iter().any(|core| !other.offers_core(*core)) || !self.devices.iter().all(all_offered)
    }

    pub(crate) fn hold(&mut self, claims: &Claims) {
        self.held_cores.extend(claims.cores());
        self.held_cores.sort_unstable();
        self.held_cores.dedup();
        let devices = claims.devices().map(|(name, id)| (name.clone(), id.to_owned()));
        self.held_devices.extend(devices);
        self.held_devices.sort_unstable();
        self.held_devices.dedup();
    }

    pub(crate) fn release(&mut self, claims: &Claims) {
        self.held_cores.retain(|held| claims.cores().all(|core| core != *held));
        self.held_devices.retain(|held| claims.devices().all(|(name, id)| held.0 != *name || held.1 != id));
    }

    /// How many cores and devices are held.
    pub fn held(&self) -> (usize, usize) {
        (self.held_cores.len(), self.held_devices.len())
    }
}
