//! Which nodes a group would rather have.
//!
//! The answer is the sum of the weights of the affinities that a node meets, over the sum of all weights without their
//! signs: 1 for a node that meets all that is liked, -1 for one that meets all that is disliked. What looks at nothing
//! unique is answered once per class of nodes.

use model::{Affinity, Job, Node, TaskGroup};
use state::Root;

use super::constraint::{Patterns, Test};

/// The affinities of a group: its job's, its own, its tasks'.
pub(super) struct Affinities<'a> {
    shared: Vec<(Test<'a>, i8)>,
    unique: Vec<(Test<'a>, i8)>,
    /// Sum of the weights without their signs.
    total: i32,
}

impl<'a> Affinities<'a> {
    pub(super) fn new(job: &'a Job, group: &'a TaskGroup, patterns: &mut Patterns<'a>) -> Self {
        let of_tasks = group.tasks.iter().flat_map(|task| &task.affinities);
        let all = job.affinities.iter().chain(&group.affinities).chain(of_tasks);
        let mut affinities = Self { shared: Vec::new(), unique: Vec::new(), total: 0 };
        for Affinity { rule, weight } in all {
            let test = Test::new(rule, patterns);
            let list = if test.is_unique() { &mut affinities.unique } else { &mut affinities.shared };
            list.push((test, *weight));
            affinities.total += i32::from(weight.unsigned_abs());
        }
        affinities
    }

    /// `None`: all nodes are equally welcome.
    pub(super) fn liking(&self, root: &Root, job: &Job) -> Option<Liking> {
        if self.total == 0 {
            return None;
        }
        let of_class = root.usage.classes.iter().map(|class| sum(&self.shared, job, &class.sample)).collect();
        let of_node =
            |slot: &state::Slot| root.nodes.get(&slot.node).map_or(0, |node| sum(&self.unique, job, node));
        let of_slot =
            if self.unique.is_empty() { Vec::new() } else { root.usage.slots.iter().map(of_node).collect() };
        Some(Liking { of_class, of_slot, total: f64::from(self.total) })
    }
}

fn sum(tests: &[(Test<'_>, i8)], job: &Job, node: &Node) -> i32 {
    tests.iter().filter(|(test, _)| test.meets(job, node)).map(|(_, weight)| i32::from(*weight)).sum()
}

/// How welcome each node is.
pub(crate) struct Liking {
    of_class: Vec<i32>,
    /// What is unique to the nodes; empty if nothing asks for that.
    of_slot: Vec<i32>,
    total: f64,
}

impl Liking {
    /// -1 to 1 for the node in slot `at`; 0: neither liked nor disliked.
    pub(crate) fn of(&self, at: usize, class: u32) -> f64 {
        let own = self.of_slot.get(at).copied().unwrap_or(0);
        f64::from(self.of_class[class as usize] + own) / self.total
    }
}
