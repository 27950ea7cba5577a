//! Evaluations that wait for room, and which of them to wake when room appears.

use std::collections::{BTreeMap, BTreeSet};

use model::{EvalId, EvalStatus, Evaluation, JobKey, NodeId, Trigger};
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
    /// Room that appeared up to this index was seen by the scheduler.
    seen: u64,
    classes: BTreeMap<String, bool>,
    escaped: bool,
    /// Of a job that runs on every node: only room on these helps.
    nodes: BTreeSet<NodeId>,
    /// Not for want of room: its plans collided with others too often.
    collided: bool,
}

impl Waiting {
    /// Room appeared that it may use, or a node it waits for takes nothing any more.
    fn is_helped(&self, root: &Root) -> bool {
        if !self.nodes.is_empty() {
            let slots = self.nodes.iter().map(|&node| root.usage.slot(node));
            return slots
                .into_iter()
                .any(|slot| slot.is_none_or(|slot| !slot.schedulable || slot.freed_index > self.seen));
        }
        root.usage.classes.iter().any(|class| {
            class.freed_index > self.seen
                && (self.escaped || self.classes.get(&*class.hash).copied().unwrap_or(true))
        })
    }
}

/// One per job. Volatile: rebuilt from the state.
#[derive(Debug, Default)]
pub struct BlockedEvals {
    waiting: BTreeMap<JobKey, Waiting>,
}

impl BlockedEvals {
    /// Drops what is settled, wakes what may have room now, and takes in what was blocked after the index.
    pub fn look(&mut self, root: &Root, after: u64) -> Vec<Effect> {
        let mut effects = self.drop_settled(root);
        effects.extend(self.wake(root));
        for eval in root.open_evals_since(after) {
            effects.extend(self.block(root, eval));
        }
        effects
    }

    /// Takes in a blocked evaluation. Room may have appeared while the scheduler was thinking: then it is unblocked
    /// at once.
    pub fn block(&mut self, root: &Root, eval: &Evaluation) -> Vec<Effect> {
        if eval.status != EvalStatus::Blocked {
            return Vec::new();
        }
        if out_of_date(root, &eval.job) {
            return vec![Effect::Cancel(eval.id)];
        }
        // Also one that was woken a moment ago and is on its way through the scheduler: it is settled by this one.
        let mut effects = Vec::new();
        for other in root.evals_of_job(&eval.job).filter(|other| other.id != eval.id) {
            if other.status != EvalStatus::Blocked {
                continue;
            }
            // One entry may hold two: then the ids decide. What they are compared by never changes, or each would give
            // way to the other.
            if (other.create_index, other.id) > (eval.create_index, eval.id) {
                effects = vec![Effect::Cancel(eval.id)];
                let waits = self.waiting.get(&eval.job).is_some_and(|waiting| waiting.id == other.id);
                if waits && other.snapshot_index < eval.snapshot_index {
                    self.waiting.remove(&eval.job);
                    effects.push(Effect::Unblock(other.id));
                }
                return effects;
            }
            effects.push(Effect::Cancel(other.id));
        }
        // A slow worker may have blocked the job as it was long ago: what that waits for is not what the job needs now.
        if root.evals_of_job(&eval.job).any(|other| other.snapshot_index > eval.snapshot_index) {
            self.waiting.remove(&eval.job);
            effects.push(Effect::Unblock(eval.id));
            return effects;
        }
        // Not once the scheduler found no room for it: then it says what it waits for.
        let collided = eval.trigger == Trigger::MaxPlanAttempts && eval.failed_groups.is_empty();
        let waiting = Waiting {
            id: eval.id,
            seen: eval.snapshot_index,
            classes: eval.class_eligibility.clone(),
            // Plans that collided say nothing about classes: any change may help.
            escaped: eval.escaped_class || collided,
            collided,
            nodes: eval.full_nodes.clone(),
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
            let useful = waiting.is_helped(root);
            if useful {
                effects.push(Effect::Unblock(waiting.id));
            }
            !useful
        });
        effects
    }

    /// Wakes those whose plans collided, some time after: there may be room, and nothing that frees more.
    pub fn retry_collided(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.waiting.retain(|_, waiting| {
            if waiting.collided {
                effects.push(Effect::Unblock(waiting.id));
            }
            !waiting.collided
        });
        effects
    }

    /// Drops those that were settled by somebody else, and cancels those whose job was stopped or forgotten.
    pub fn drop_settled(&mut self, root: &Root) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.waiting.retain(|job, waiting| {
            if root.evals.get(&waiting.id).is_none_or(|eval| eval.status.is_terminal()) {
                return false;
            }
            let gone = out_of_date(root, job);
            if gone {
                effects.push(Effect::Cancel(waiting.id));
            }
            !gone
        });
        effects
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Nothing of the job is to be placed any more.
fn out_of_date(root: &Root, job: &JobKey) -> bool {
    root.jobs.get(job).is_none_or(|job| job.stop)
}

#[cfg(test)]
mod tests {
    use model::{Capacity, Job, JobType, Node, NodeId, NodeStatus, Timestamp};
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

    /// Registers the job of the evaluations, and stores them, as the log would.
    fn with_job(root: &mut Root, evals: Vec<Evaluation>) {
        let job = Job { id: "a".into(), ..Job::default() };
        let register =
            Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now: Timestamp(1) };
        root.apply(root.index + 1, register);
        for eval in evals {
            root.apply(root.index + 1, Command::UpdateEvals { evals: vec![eval] });
        }
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
        with_job(&mut root, vec![]);
        let class = root.usage.classes[0].hash.clone();
        let mut evals = BlockedEvals::default();
        assert!(evals.block(&root, &blocked(1, 2, &[(&class, false)])).is_empty());
        join(&mut root, 3, node(2, "dc1"));
        assert!(evals.wake(&root).is_empty());
        // Another class has not been looked at: it may do.
        join(&mut root, 4, node(3, "dc2"));
        assert_eq!(evals.wake(&root), [Effect::Unblock(EvalId(1))]);
        assert!(evals.is_empty());
    }

    #[test]
    fn room_that_appeared_meanwhile_is_not_missed() {
        let mut root = Root::default();
        join(&mut root, 5, node(1, "dc1"));
        with_job(&mut root, vec![]);
        let mut evals = BlockedEvals::default();
        assert_eq!(evals.block(&root, &blocked(1, 4, &[])), [Effect::Unblock(EvalId(1))]);
        assert!(evals.block(&root, &blocked(2, 5, &[])).is_empty());
    }

    #[test]
    fn a_job_on_every_node_waits_for_its_full_nodes_only() {
        let mut root = Root::default();
        join(&mut root, 1, node(1, "dc1"));
        join(&mut root, 2, node(2, "dc1"));
        with_job(&mut root, vec![]);
        let mut eval = blocked(1, root.index, &[]);
        eval.full_nodes.insert(NodeId(1));
        let mut evals = BlockedEvals::default();
        assert!(evals.block(&root, &eval).is_empty());
        join(&mut root, 10, node(3, "dc1"));
        assert!(evals.wake(&root).is_empty(), "room for others");
        let bigger = Node { capacity: Capacity { cpu_mhz: 2, memory_mb: 1, disk_mb: 1 }, ..node(1, "dc1") };
        let mut grown = root.clone();
        join(&mut grown, 11, bigger);
        assert_eq!(evals.wake(&grown), [Effect::Unblock(EvalId(1))]);
        // Also when there is nothing to wait for any more.
        eval.snapshot_index = 11;
        assert!(evals.block(&root, &eval).is_empty());
        let (status, now) = (NodeStatus::Down, Timestamp(2));
        root.apply(12, Command::SetNodeStatus { node: NodeId(1), status, event: None, evals: vec![], now });
        assert_eq!(evals.wake(&root), [Effect::Unblock(EvalId(1))]);
    }

    #[test]
    fn the_newer_replaces_the_older() {
        let mut root = Root::default();
        with_job(&mut root, vec![blocked(1, 1, &[]), blocked(2, 1, &[])]);
        let stored = |root: &Root, id| root.evals[&EvalId(id)].clone();
        let mut evals = BlockedEvals::default();
        assert_eq!(evals.block(&root, &stored(&root, 2)), [Effect::Cancel(EvalId(1))]);
        assert_eq!(evals.block(&root, &stored(&root, 1)), [Effect::Cancel(EvalId(1))]);
        assert_eq!(evals.len(), 1);
    }

    #[test]
    fn what_a_slow_worker_saw_long_ago_is_looked_at_again() {
        let mut root = Root::default();
        with_job(&mut root, vec![blocked(1, 9, &[]), blocked(2, 4, &[])]);
        let stored = |id| root.evals[&EvalId(id)].clone();
        let again = [Effect::Cancel(EvalId(1)), Effect::Unblock(EvalId(2))];
        let mut evals = BlockedEvals::default();
        assert_eq!(evals.block(&root, &stored(2)), again);
        assert!(evals.is_empty());
        // It waits already when the other comes.
        let mut before = root.clone();
        before.apply(root.index + 1, Command::UpdateEvals { evals: vec![blocked(1, 1, &[])] });
        assert_eq!(evals.block(&before, &stored(2)), [Effect::Cancel(EvalId(1))]);
        assert_eq!(evals.block(&root, &stored(1)), again);
        assert!(evals.is_empty());
        // On its way through the scheduler: it is taken in later.
        assert_eq!(evals.block(&root, &stored(1)), [Effect::Cancel(EvalId(1))]);
    }

    #[test]
    fn of_two_in_one_entry_one_stays() {
        let mut root = Root::default();
        with_job(&mut root, vec![]);
        let both = vec![blocked(1, 1, &[]), blocked(2, 1, &[])];
        root.apply(root.index + 1, Command::UpdateEvals { evals: both });
        let stored = |id| root.evals[&EvalId(id)].clone();
        let mut evals = BlockedEvals::default();
        assert_eq!(evals.block(&root, &stored(1)), [Effect::Cancel(EvalId(1))]);
        assert_eq!(evals.block(&root, &stored(2)), [Effect::Cancel(EvalId(1))]);
        assert_eq!(evals.len(), 1);
    }

    #[test]
    fn what_collided_is_tried_again_and_what_wants_room_is_not() {
        let mut root = Root::default();
        with_job(&mut root, vec![]);
        let mut evals = BlockedEvals::default();
        assert!(evals.block(&root, &blocked(1, 1, &[])).is_empty());
        assert!(evals.retry_collided().is_empty());
        let collided = Evaluation { trigger: Trigger::MaxPlanAttempts, ..blocked(2, 1, &[]) };
        assert!(evals.block(&root, &collided).is_empty());
        assert_eq!(evals.retry_collided(), [Effect::Unblock(EvalId(2))]);
        assert!(evals.is_empty());
    }

    #[test]
    fn a_stopped_job_waits_for_nothing() {
        let mut root = Root::default();
        with_job(&mut root, vec![blocked(1, 1, &[])]);
        let mut evals = BlockedEvals::default();
        assert!(evals.block(&root, &root.evals[&EvalId(1)].clone()).is_empty());
        let job = JobKey::new("default", "a");
        root.apply(9, Command::DeregisterJob { job, purge: false, eval: None, now: Timestamp(2) });
        assert_eq!(evals.drop_settled(&root), [Effect::Cancel(EvalId(1))]);
        assert!(evals.is_empty());
        assert_eq!(evals.block(&root, &root.evals[&EvalId(1)].clone()), [Effect::Cancel(EvalId(1))]);
    }
}
