//! How the allocations of a group lie over the values of an attribute, and what one more here or there is worth.
//!
//! With targets, each value has a number of allocations that is desired: the more of it is missing, the better. Without,
//! the values with the fewest are the best; and because the formula lets other parts of the score win when there are
//! many already, an even spread is also kept even as such: see [`Spread::uneven`].

use std::collections::BTreeMap;

use model::Job;
use state::Root;

use crate::feasible::{Feasibility, Property};

/// One `spread` block of a group or its job.
pub(super) struct Spread {
    property: Property,
    weight: u32,
    /// Of the weights of all spreads.
    share: f64,
    /// Per value, how many are desired; not a number where none are asked for. `None`: an even spread.
    desired: Option<Vec<f64>>,
    /// Allocations per value.
    used: Vec<u32>,
    /// How many values have how many allocations, of those that have any.
    used_counts: Counts,
    /// Nodes with room, per value.
    open: Vec<u32>,
    /// How many values have how many allocations, of those with room for more.
    open_counts: Counts,
    /// The worst a value with a target has come to.
    lowest: f64,
}

/// All that the worth of a value depends on, but for the bounds of its spread: values that agree in it are worth the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    /// Bits of the number.
    desired: u64,
    used: u32,
}

impl Standing {
    /// Of nodes without the attribute, and of all nodes when nothing is spread.
    pub(super) const NONE: Self = Self { desired: 0, used: u32::MAX };
}

/// What the worth of every value depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    used: Option<(u32, u32)>,
    open: Option<u32>,
    lowest: f64,
}

/// The spreads of a group, with nothing counted yet.
pub(super) fn of_group(root: &Root, job: &Job, feasibility: &Feasibility<'_>, at: usize) -> Vec<Spread> {
    let group = &job.groups[at];
    let blocks = || group.spreads.iter().chain(&job.spreads);
    let total: u32 = blocks().map(|block| u32::from(block.weight)).sum();
    blocks()
        .map(|block| {
            let property = feasibility.property(&block.attribute);
            let text = |value| property.text(root, job, &block.attribute, value);
            let desired = (!block.targets.is_empty()).then(|| {
                (0..property.count() as u32)
                    .map(|value| desired(block, group.count, text(value).as_deref()))
                    .collect()
            });
            let values = property.count();
            Spread {
                weight: u32::from(block.weight),
                share: f64::from(block.weight) / f64::from(total.max(1)),
                desired,
                used: vec![0; values],
                used_counts: Counts::default(),
                open: vec![0; values],
                open_counts: Counts::default(),
                lowest: -1.0,
                property,
            }
        })
        .collect()
}

/// How many of `count` are desired where the attribute is `value`.
fn desired(block: &model::Spread, count: u32, value: Option<&str>) -> f64 {
    let share = |percent: u32| f64::from(percent) / 100.0 * f64::from(count);
    if let Some(target) = block.targets.iter().find(|target| Some(target.value.as_str()) == value) {
        return share(u32::from(target.percent));
    }
    let given: u32 = block.targets.iter().map(|target| u32::from(target.percent)).sum();
    if given < 100 { share(100 - given) } else { f64::NAN }
}

impl Spread {
    pub(super) fn weight(&self) -> u32 {
        self.weight
    }

    /// Values are the numbers below this.
    pub(super) fn values(&self) -> usize {
        self.property.count()
    }

    /// The value on the node in slot `at`.
    pub(super) fn value(&self, at: usize) -> Option<u32> {
        self.property.of(at)
    }

    pub(super) fn standing(&self, value: Option<u32>) -> Standing {
        let Some(value) = value else { return Standing::NONE };
        let used = self.used[value as usize];
        match self.desired.as_ref().map(|desired| desired[value as usize]) {
            None => Standing { desired: 0, used },
            // However many there are, they are too many.
            Some(desired) if desired.is_nan() || desired == 0.0 => {
                Standing { desired: desired.to_bits(), used: 0 }
            }
            Some(desired) => Standing { desired: desired.to_bits(), used },
        }
    }

    /// This spread's part of the score of nodes whose value stands like this.
    pub(super) fn boost(&self, standing: Standing) -> f64 {
        let boost = if standing == Standing::NONE {
            if self.desired.is_none() && self.used_counts.is_empty() { 0.0 } else { -1.0 }
        } else if self.desired.is_some() {
            let desired = f64::from_bits(standing.desired);
            if desired.is_nan() {
                -1.0
            } else if desired == 0.0 {
                self.lowest
            } else {
                toward(desired, standing.used)
            }
        } else {
            self.even(standing.used)
        };
        boost * self.share
    }

    fn even(&self, used: u32) -> f64 {
        let Some((min, max)) = self.used_counts.bounds() else { return 0.0 };
        let over = |a: u32, b: u32| f64::from(a) / f64::from(b);
        if used != min {
            1.0 - over(used, min)
        } else if min == max {
            -1.0
        } else {
            over(max - min, min)
        }
    }

    /// The weight of this spread if one more where the value stands like this makes an even spread less even than it
    /// need be: other values have fewer, and room.
    pub(super) fn uneven(&self, standing: Standing) -> u32 {
        let is_uneven =
            self.desired.is_none() && self.open_counts.bounds().is_some_and(|(min, _)| standing.used > min);
        if is_uneven { self.weight } else { 0 }
    }

    /// Whoever keeps what [`Spread::boost`] and [`Spread::uneven`] say must ask again when these change.
    pub(super) fn bounds(&self) -> Bounds {
        if self.desired.is_some() {
            return Bounds { used: None, open: None, lowest: self.lowest };
        }
        Bounds {
            used: self.used_counts.bounds(),
            open: self.open_counts.bounds().map(|(min, _)| min),
            lowest: 0.0,
        }
    }

    /// More allocations (or fewer) where the value is this.
    pub(super) fn count(&mut self, value: u32, by: i32) {
        let at = value as usize;
        let before = self.used[at];
        let after = before.saturating_add_signed(by);
        self.used[at] = after;
        self.used_counts.change((before > 0).then_some(before), (after > 0).then_some(after));
        if self.open[at] > 0 {
            self.open_counts.change(Some(before), Some(after));
        }
        if let Some(desired) =
            self.desired.as_ref().map(|desired| desired[at]).filter(|desired| *desired > 0.0)
        {
            self.lowest = self.lowest.min(toward(desired, after));
        }
    }

    /// One more node of this value has room, or one less. Answers whether [`Spread::bounds`] have changed.
    pub(super) fn open(&mut self, value: u32, more: bool) -> bool {
        let at = value as usize;
        let used = self.used[at];
        self.open[at] = self.open[at].saturating_add_signed(if more { 1 } else { -1 });
        if self.open[at] != u32::from(more) {
            // Neither the first nor the last.
            return false;
        }
        let before = self.bounds();
        if more {
            self.open_counts.change(None, Some(used));
        } else {
            self.open_counts.change(Some(used), None);
        }
        self.bounds() != before
    }
}

/// What is missing to the desired number after one more, as a part of it.
fn toward(desired: f64, used: u32) -> f64 {
    (desired - f64::from(used) - 1.0) / desired
}

/// How often each number occurs.
#[derive(Debug, Default)]
struct Counts(BTreeMap<u32, u32>);

impl Counts {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Least and greatest.
    fn bounds(&self) -> Option<(u32, u32)> {
        Some((*self.0.first_key_value()?.0, *self.0.last_key_value()?.0))
    }

    fn change(&mut self, from: Option<u32>, to: Option<u32>) {
        if let Some(from) = from
            && let Some(times) = self.0.get_mut(&from)
        {
            *times -= 1;
            if *times == 0 {
                self.0.remove(&from);
            }
        }
        if let Some(to) = to {
            *self.0.entry(to).or_default() += 1;
        }
    }
}
