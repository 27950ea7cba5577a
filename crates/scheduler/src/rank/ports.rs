//! Host ports for one allocation: those asked for by number, and those chosen from the node's dynamic range.

use std::sync::Arc;

use model::{AssignedPort, TaskGroup};
use rand::{RngExt, rngs::StdRng};
use state::Slot;

use crate::fit::Change;

/// Random tries before the range is searched from one end. With half the range in use, one search in a million.
const TRIES: usize = 20;

/// The port asks of a group.
pub(super) struct PortAsk {
    asks: Vec<One>,
    /// Numbers asked for, in the order of the asks, without `shared`.
    pub(super) fixed: Vec<u16>,
    fixed_labels: Vec<Arc<str>>,
    /// Numbers asked for that others may have too.
    pub(super) shared: Vec<u16>,
    dynamic: usize,
}

struct One {
    label: Arc<str>,
    task: Option<Arc<str>>,
    fixed: Option<u16>,
    to: u16,
    ignore_collision: bool,
}

impl PortAsk {
    pub(super) fn new(group: &TaskGroup) -> Self {
        let asks: Vec<One> = group
            .ports()
            .map(|(task, port)| One {
                label: port.label.as_str().into(),
                task: task.map(Into::into),
                fixed: port.fixed,
                to: port.to.unwrap_or(0),
                ignore_collision: port.ignore_collision && port.fixed.is_some(),
            })
            .collect();
        let numbered = |shared: bool| {
            let asks = asks.iter().filter(move |ask| ask.ignore_collision == shared);
            asks.filter_map(|ask| ask.fixed.map(|port| (port, ask.label.clone())))
        };
        let (fixed, fixed_labels): (Vec<u16>, Vec<Arc<str>>) = numbered(false).unzip();
        let shared: Vec<u16> = numbered(true).map(|(port, _)| port).collect();
        let dynamic = asks.len() - fixed.len() - shared.len();
        Self { asks, fixed, fixed_labels, shared, dynamic }
    }

    /// `<label>=<port>`
    pub(super) fn name_fixed(&self, port: u16) -> String {
        let at = self.fixed.iter().position(|&fixed| fixed == port);
        let label = at.map_or("", |at| &*self.fixed_labels[at]);
        format!("{label}={port}")
    }

    /// Whether the dynamic range has as many free ports as are asked for.
    pub(super) fn has_dynamic_room(&self, slot: &Slot, change: &Change) -> bool {
        if self.dynamic == 0 {
            return true;
        }
        let (first, last) = slot.dynamic_ports;
        let size = usize::from(last.saturating_sub(first)) + 1;
        // Enough even if every port in use were in the range: the common case, without counting.
        let taken = change.taken_ports.len() + change.taken_shared.len();
        let in_use =
            slot.ports.len() + slot.shared_ports.len() + taken + self.fixed.len() + self.shared.len();
        if last >= first && in_use + self.dynamic <= size {
            return true;
        }
        (first..=last).filter(|&port| self.is_free(slot, change, port, &[])).take(self.dynamic).count()
            == self.dynamic
    }

    /// One port per ask, in the order of the asks. `None` when the dynamic range is used up.
    pub(super) fn choose(&self, slot: &Slot, change: &Change, rng: &mut StdRng) -> Option<Vec<AssignedPort>> {
        let mut chosen: Vec<u16> = Vec::new();
        let mut assigned = Vec::with_capacity(self.asks.len());
        for ask in &self.asks {
            let value = match ask.fixed {
                Some(port) => port,
                None => {
                    let port = self.choose_dynamic(slot, change, &chosen, rng)?;
                    chosen.push(port);
                    port
                }
            };
            assigned.push(AssignedPort {
                label: ask.label.clone(),
                task: ask.task.clone(),
                value,
                to: ask.to,
                ignore_collision: ask.ignore_collision,
            });
        }
        Some(assigned)
    }

    fn choose_dynamic(&self, slot: &Slot, change: &Change, chosen: &[u16], rng: &mut StdRng) -> Option<u16> {
        let (first, last) = slot.dynamic_ports;
        if first > last {
            return None;
        }
        (0..TRIES)
            .map(|_| rng.random_range(first..=last))
            .find(|&port| self.is_free(slot, change, port, chosen))
            .or_else(|| (first..=last).find(|&port| self.is_free(slot, change, port, chosen)))
    }

    fn is_free(&self, slot: &Slot, change: &Change, port: u16, chosen: &[u16]) -> bool {
        port != 0
            && !change.holds(slot, port)
            // Just given back: whoever held it may need a moment to let go.
            && !change.freed_ports.contains(&port)
            && !change.freed_shared.contains(&port)
            && !self.fixed.contains(&port)
            && !self.shared.contains(&port)
            && !chosen.contains(&port)
    }
}
