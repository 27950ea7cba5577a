//! Does it fit on this node? The one function that answers, asked by the scheduler on its snapshot and by the plan
//! applier on the newest state.

use model::Capacity;
use state::Slot;

/// What a plan changes on one node, so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Given back by allocations that the plan stops.
    pub freed: Capacity,
    pub freed_ports: Vec<u16>,
    /// Taken by allocations that the plan places.
    pub taken: Capacity,
    pub taken_ports: Vec<u16>,
}

impl Change {
    /// Whether the port is in use once the plan is true.
    pub fn holds(&self, slot: &Slot, port: u16) -> bool {
        (slot.ports.contains(port) && !self.freed_ports.contains(&port)) || self.taken_ports.contains(&port)
    }

    /// What is used on the node once the plan is true.
    pub fn used(&self, slot: &Slot) -> Capacity {
        slot.used.minus(self.freed).plus(self.taken)
    }

    pub fn free(&mut self, capacity: Capacity, ports: impl Iterator<Item = u16>) {
        self.freed = self.freed.plus(capacity);
        self.freed_ports.extend(ports);
    }

    /// Takes back an earlier [`Change::free`] of the same values.
    pub fn unfree(&mut self, capacity: Capacity, ports: impl Iterator<Item = u16>) {
        self.freed = self.freed.minus(capacity);
        for port in ports {
            if let Some(at) = self.freed_ports.iter().position(|&freed| freed == port) {
                self.freed_ports.swap_remove(at);
            }
        }
    }

    pub fn take(&mut self, capacity: Capacity, ports: impl Iterator<Item = u16>) {
        self.taken = self.taken.plus(capacity);
        self.taken_ports.extend(ports);
    }
}

/// What there is not enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exhausted {
    /// `cpu`, `memory` or `disk`.
    Dimension(&'static str),
    /// The host port is in use.
    Port(u16),
    /// The dynamic range has no room for the ports asked for.
    DynamicPorts,
}

/// Whether an allocation that asks for `ask` and for the host ports `ports` fits on the node after `change`.
///
/// # Errors
/// Names the first thing that is missing, in the order cpu, memory, disk, ports.
pub fn fits(slot: &Slot, change: &Change, ask: Capacity, ports: &[u16]) -> Result<(), Exhausted> {
    if let Some(dimension) = change.used(slot).plus(ask).exceeds(slot.total) {
        return Err(Exhausted::Dimension(dimension));
    }
    for (at, &port) in ports.iter().enumerate() {
        if change.holds(slot, port) || ports[..at].contains(&port) {
            return Err(Exhausted::Port(port));
        }
    }
    Ok(())
}
