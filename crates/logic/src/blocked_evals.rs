//! Evaluations that wait for room, and which of them to wake when room appears.

use std::collections::BTreeMap;

use model::{EvalId, EvalStatus, Evaluation, JobKey, Trigger};
use state::Root;

/// What should happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Hand it to the broker again.
    Unblock(EvalId),
    /// A newer one of the same job took its place.
    Cancel(EvalId),
}

#[derive(Debug)]
struct Waiting {
    id: EvalId,
    create_index: u64,
    /// Room that appeared up to this index was seen by the scheduler.
    seen: u64,
    classes: BTreeMap<String, bool>,
    escaped: bool,
}

/// One per job. Volatile: rebuilt from the state.
#[derive(Debug, Default)]
pub struct BlockedEvals {
    waiting: BTreeMap<JobKey, Waiting>,
}

impl BlockedEvals {
    /// Takes in a blocked evaluation. Room may have appeared while the scheduler was thinking: then it is unblocked
    /// at once.
    pub fn block(&mut self, root: &Root, eval: &Evaluation) -> Vec<Effect> {
        if eval.status != EvalStatus::Blocked {
            return Vec::new();
        }
        let mut effects = Vec::new();
        if let Some(old) = self.waiting.get(&eval.job)
            && old.id != eval.id
        {
            if old.create_index > eval.create_index {
                return vec![Effect::Cancel(eval.id)];
            }
            effects.push(Effect::Cancel(old.id));
        }
        let waiting = Waiting {
            id: eval.id,
            create_index: eval.create_index,
            seen: eval.snapshot_index,
            classes: eval.class_eligibility.clone(),
            // Plans that collided say nothing about classes: any change may help.
            escaped: eval.escaped_class || eval.trigger == Trigger::MaxPlanAttempts,
        };
        self.waiting.insert(eval.job.clone(), waiting);
        effects.extend(self.wake(root));
        effects
    }

    /// Looks where room appeared, and wakes whoever may use it.
    pub fn wake(&mut self, root: &Root) -> Vec<Effect> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        self.waiting.retain(|_, waiting| {
            let useful = root.usage.classes.iter().any(|class| {
                class.freed_index > waiting.seen
                    && (waiting.escaped || waiting.classes.get(&*class.hash).copied().unwrap_or(true))
            });
            if useful {
                effects.push(Effect::Unblock(waiting.id));
            }
            !useful
        });
        effects
    }

    /// The job was stopped or changed: its blocked evaluation is out of date.
    pub fn forget(&mut self, job: &JobKey) -> Option<EvalId> {
        self.waiting.remove(job).map(|waiting| waiting.id)
    }

    /// Drops those that were settled by somebody else.
    pub fn drop_settled(&mut self, root: &Root) {
        self.waiting
            .retain(|_, waiting| root.evals.get(&waiting.id).is_some_and(|eval| !eval.status.is_terminal()));
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use model::{Capacity, JobType, Node, NodeId, NodeStatus, Timestamp};
    use state::Command;

    use super::*;

    fn node(id: u128, datacenter: &str) -> Node {
        Node {
            id: NodeId(id),
            datacenter: datacenter.into(),
            capacity: Capacity { cpu_mhz: 1, memory_mb: 1, disk_mb: 1 },
            status: NodeStatus::Ready,
            ..Node::default()
        }
    }

    fn join(root: &mut Root, index: u64, node: Node) {
        root.apply(index, Command::RegisterNode { node, evals: vec![], now: Timestamp(1) });
    }

    fn blocked(id: u128, snapshot: u64, classes: &[(&str, bool)]) -> Evaluation {
        let mut eval = Evaluation::new(
            EvalId(id),
            JobKey::new("default", "a"),
            JobType::Service,
            50,
            Trigger::QueuedAllocs,
            Timestamp(0),
        );
        eval.status = EvalStatus::Blocked;
        eval.snapshot_index = snapshot;
        eval.create_index = id as u64;
        eval.class_eligibility = classes.iter().map(|(class, ok)| ((*class).to_owned(), *ok)).collect();
        eval
    }

    #[test]
    fn a_class_that_can_never_run_it_wakes_nobody() {
        let mut root = Root::default();
        join(&mut root, 1, node(1, "dc1"));
        let class = root.usage.classes[0].hash.clone();
        let mut evals = BlockedEvals::default();
        assert!(evals.block(&root, &blocked(1, 1, &[(&class, false)])).is_empty());
        join(&mut root, 2, node(2, "dc1"));
        assert!(evals.wake(&root).is_empty());
        // Another class has not been looked at: it may do.
        join(&mut root, 3, node(3, "dc2"));
        assert_eq!(evals.wake(&root), [Effect::Unblock(EvalId(1))]);
        assert!(evals.is_empty());
    }

    #[test]
    fn room_that_appeared_meanwhile_is_not_missed() {
        let mut root = Root::default();
        join(&mut root, 5, node(1, "dc1"));
        let mut evals = BlockedEvals::default();
        assert_eq!(evals.block(&root, &blocked(1, 4, &[])), [Effect::Unblock(EvalId(1))]);
        assert!(evals.block(&root, &blocked(2, 5, &[])).is_empty());
    }

    #[test]
    fn the_newer_replaces_the_older() {
        let root = Root::default();
        let mut evals = BlockedEvals::default();
        evals.block(&root, &blocked(1, 1, &[]));
        assert_eq!(evals.block(&root, &blocked(2, 1, &[])), [Effect::Cancel(EvalId(1))]);
        assert_eq!(evals.block(&root, &blocked(1, 1, &[])), [Effect::Cancel(EvalId(1))]);
        assert_eq!(evals.len(), 1);
    }
}
