//! How many allocations share a value of which only so many may.

use model::Job;
use state::Root;

use crate::feasible::{DistinctProperty, Feasibility, Property};

/// One `distinct_property` and how far it is used up.
pub(super) struct Shares<'a> {
    rule: DistinctProperty<'a>,
    property: Property,
    /// Per value.
    used: Vec<u32>,
    /// Per value, the slots that have it.
    slots: Vec<Vec<u32>>,
}

/// All of the job, with nothing counted yet.
pub(super) fn of_job<'a>(feasibility: &Feasibility<'a>) -> Vec<Shares<'a>> {
    let shares = |rule: DistinctProperty<'a>| {
        let property = feasibility.property(rule.attribute);
        Shares { rule, used: vec![0; property.count()], slots: property.slots_per_value(), property }
    };
    feasibility.distinct_properties().map(shares).collect()
}

impl Shares<'_> {
    /// It concerns allocations of this group.
    pub(super) fn concerns(&self, group: usize) -> bool {
        self.rule.group.is_none_or(|of| of == group)
    }

    /// Counts allocations on the node in slot `at`; `group`: one that the job has. Answers with the slots that have become
    /// free for more, or full.
    pub(super) fn count(&mut self, at: usize, group: Option<usize>, by: i32) -> &[u32] {
        if self.rule.group.is_some() && self.rule.group != group {
            return &[];
        }
        let Some(value) = self.property.of(at).map(|value| value as usize) else { return &[] };
        let before = self.used[value];
        self.used[value] = before.saturating_add_signed(by);
        let has_turned = (before < self.rule.allowed) != (self.used[value] < self.rule.allowed);
        if has_turned { &self.slots[value] } else { &[] }
    }

    /// Why the node can take no more.
    pub(super) fn refusal(&self, root: &Root, job: &Job, at: usize) -> Option<String> {
        let attribute = self.rule.attribute;
        let Some(value) = self.property.of(at) else {
            return Some(format!("missing property \"{attribute}\""));
        };
        let used = self.used[value as usize];
        (used >= self.rule.allowed).then(|| {
            let text = self.property.text(root, job, attribute, value).unwrap_or_default();
            format!("distinct_property: {attribute}={text} used by {used} allocs")
        })
    }
}
