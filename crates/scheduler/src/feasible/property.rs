//! The values that an attribute has on the nodes, as small numbers.
//!
//! Resolved once per class of nodes unless the attribute is unique to each.

use std::{borrow::Cow, collections::BTreeMap};

use model::{Job, Node};
use state::Root;

use super::constraint::{is_unique, resolve};

/// An attribute, seen over all nodes.
pub(crate) struct Property {
    /// Per slot; [`MISSING`] where the node has no such attribute.
    of_slot: Vec<u32>,
    /// Per value, a slot that has it.
    samples: Vec<u32>,
}

const MISSING: u32 = u32::MAX;

impl Property {
    pub(super) fn new(root: &Root, job: &Job, attribute: &str) -> Self {
        let slots = &root.usage.slots;
        if attribute == "${node.unique.id}" {
            let all = 0..slots.len() as u32;
            return Self { of_slot: all.clone().collect(), samples: all.collect() };
        }
        let mut values: BTreeMap<Cow<'_, str>, u32> = BTreeMap::new();
        let mut number = |node: &'_ Node| -> u32 {
            let Some(value) = resolve(attribute, job, node) else { return MISSING };
            if let Some(&known) = values.get(&*value) {
                return known;
            }
            let next = values.len() as u32;
            values.insert(Cow::Owned(value.into_owned()), next);
            next
        };
        let of_slot: Vec<u32> = if is_unique(attribute) {
            let of_node =
                |slot: &state::Slot| root.nodes.get(&slot.node).map_or(MISSING, |node| number(node));
            slots.iter().map(of_node).collect()
        } else {
            let of_class: Vec<u32> = root.usage.classes.iter().map(|class| number(&class.sample)).collect();
            slots.iter().map(|slot| of_class[slot.class as usize]).collect()
        };
        let mut samples = vec![MISSING; values.len()];
        for (at, &value) in of_slot.iter().enumerate().filter(|(_, value)| **value != MISSING) {
            samples[value as usize] = at as u32;
        }
        Self { of_slot, samples }
    }

    /// The value on the node in slot `at`.
    pub(crate) fn of(&self, at: usize) -> Option<u32> {
        Some(self.of_slot[at]).filter(|&value| value != MISSING)
    }

    /// Per value, the slots that have it.
    pub(crate) fn slots_per_value(&self) -> Vec<Vec<u32>> {
        let mut slots = vec![Vec::new(); self.count()];
        for (at, &value) in self.of_slot.iter().enumerate().filter(|(_, value)| **value != MISSING) {
            slots[value as usize].push(at as u32);
        }
        slots
    }

    /// Values are the numbers below this.
    pub(crate) fn count(&self) -> usize {
        self.samples.len()
    }

    /// The value as text; `None` if no node has it (any more).
    pub(crate) fn text<'a>(
        &self,
        root: &'a Root,
        job: &'a Job,
        attribute: &'a str,
        value: u32,
    ) -> Option<Cow<'a, str>> {
        let slot = root.usage.slots.get(self.samples[value as usize] as usize)?;
        resolve(attribute, job, root.nodes.get(&slot.node)?)
    }
}
