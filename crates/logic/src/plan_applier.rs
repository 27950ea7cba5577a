//! The only place where plans become true: each is verified against the newest state and the plans before it, and
//! what fits goes into one log entry.
//!
//! While one entry is being written the next plans arrive. Each is looked at when it comes, on the state as it will be
//! after those before it: what collides is told so at once, and workers plan on room that is really free.

use std::{cmp::Reverse, sync::Arc};

use model::{Evaluation, Plan};
use state::{Command, Root};

/// A plan and the evaluations that are settled or created if the whole of it is committed.
#[derive(Debug, Clone)]
pub struct Submission {
    pub plan: Plan,
    pub settles: Vec<Evaluation>,
}

/// What was decided about one submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Everything fits; the evaluations are settled with it.
    pub complete: bool,
    /// At least a part of it fits.
    pub progress: bool,
}

/// A group of plans that is written as one entry.
#[derive(Debug)]
pub struct Batch {
    pub commands: Vec<Command>,
    /// One per submission, in order.
    pub verdicts: Vec<Verdict>,
    /// The state with the room of the batch taken, for workers that plan while it is being written.
    pub optimistic: Root,
}

/// Verifies the submissions one after the other.
pub fn batch(root: &Root, submissions: Vec<Submission>) -> Batch {
    let mut optimistic = root.clone();
    let mut commands = Vec::with_capacity(submissions.len());
    let mut verdicts = Vec::with_capacity(submissions.len());
    for Submission { plan, settles } in submissions {
        if root.evals.get(&plan.eval).is_some_and(|eval| eval.status.is_terminal()) {
            // Its worker had lost the lease, and another one has settled the evaluation: it decided on a state that
            // is long gone.
            verdicts.push(Verdict { complete: true, progress: false });
            continue;
        }
        if plan.is_noop() {
            if !settles.is_empty() {
                commands.push(Command::UpdateEvals { evals: settles });
            }
            verdicts.push(Verdict { complete: true, progress: true });
            continue;
        }
        let verified = scheduler::verify(&optimistic, plan);
        let progress = !verified.plan.is_noop();
        verdicts.push(Verdict { complete: verified.complete, progress });
        if progress {
            optimistic.reserve(&verified.plan);
            let evals = if verified.complete { settles } else { Vec::new() };
            commands.push(Command::ApplyPlan { plan: Box::new(verified.plan), evals });
        }
    }
    Batch { commands, verdicts, optimistic }
}

/// Plans on their way into the log; `T` is whom to answer.
#[derive(Debug)]
pub struct Pipeline<T> {
    /// A state with the room taken by all that is on its way. None if nothing is.
    ahead: Option<Arc<Root>>,
    queue: Vec<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    submission: Submission,
    /// Something was taken out already.
    cut: bool,
    asked_by: T,
}

impl<T> Default for Pipeline<T> {
    fn default() -> Self {
        Self { ahead: None, queue: Vec::new() }
    }
}

impl<T> Pipeline<T> {
    /// Takes in a plan. Returns whom to answer at once if nothing of it fits: its worker can plan again without waiting
    /// for the log.
    pub fn submit(&mut self, root: &Root, mut submission: Submission, asked_by: T) -> Option<(T, Verdict)> {
        let mut cut = false;
        let view = match &self.ahead {
            Some(ahead) => root.with_room_of(ahead),
            None => Some(root.clone()),
        };
        if !submission.plan.is_noop()
            && let Some(mut view) = view
        {
            let verified = scheduler::verify(&view, submission.plan);
            cut = !verified.complete;
            if cut && verified.plan.is_noop() {
                return Some((asked_by, Verdict { complete: false, progress: false }));
            }
            view.reserve(&verified.plan);
            self.ahead = Some(Arc::new(view));
            submission.plan = verified.plan;
        }
        self.queue.push(Waiting { submission, cut, asked_by });
        None
    }

    /// What is to be written next, and whom to answer then with what: more urgent plans first. They are verified once
    /// more, on the newest state: much may have happened while they waited.
    pub fn take(&mut self, root: &Root) -> (Vec<Command>, Vec<(T, Verdict)>) {
        // The sort is stable, so equals keep their order.
        self.queue.sort_by_key(|waiting| Reverse(waiting.submission.plan.priority));
        let waiting = std::mem::take(&mut self.queue);
        let mut asked = Vec::with_capacity(waiting.len());
        let mut submissions = Vec::with_capacity(waiting.len());
        for Waiting { mut submission, cut, asked_by } in waiting {
            if cut {
                // The rest of it is still to be placed.
                submission.settles.clear();
            }
            submissions.push(submission);
            asked.push((asked_by, cut));
        }
        let batch = batch(root, submissions);
        self.ahead = Some(Arc::new(batch.optimistic));
        let answers = asked.into_iter().zip(batch.verdicts).map(|((asked_by, cut), mut verdict)| {
            verdict.complete &= !cut;
            (asked_by, verdict)
        });
        (batch.commands, answers.collect())
    }

    /// What was taken is in the log, or nobody knows: what was derived of it is dropped, and the state itself is read
    /// again. Plans that wait are taken next.
    pub fn written(&mut self) {
        self.ahead = None;
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// A state with the room taken by all plans that are on their way; see [`Root::with_room_of`].
    pub fn ahead(&self) -> Option<&Arc<Root>> {
        self.ahead.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use model::{
        AllocId, Capacity, EvalId, Job, JobKey, Node, NodeId, NodeStatus, Placement, Resources, Task,
        TaskGroup, Timestamp,
    };

    use super::*;

    const NOW: Timestamp = Timestamp(1);
    const DONE: Verdict = Verdict { complete: true, progress: true };
    const PARTLY: Verdict = Verdict { complete: false, progress: true };
    const COLLIDED: Verdict = Verdict { complete: false, progress: false };

    /// Jobs "a", "b" and "c" with tasks of 400 MB, and a node of 1,000.
    struct World {
        root: Root,
        pipeline: Pipeline<&'static str>,
    }

    impl World {
        fn new() -> Self {
            let mut world = Self { root: Root::default(), pipeline: Pipeline::default() };
            world.node(NodeStatus::Ready);
            for (name, priority) in [("a", 50), ("b", 50), ("c", 80)] {
                let resources = Resources { memory_mb: 400, ..Resources::default() };
                let tasks = vec![Task { name: "task".into(), resources, ..Task::default() }];
                let group = TaskGroup { name: "group".into(), count: 2, tasks, ..TaskGroup::default() };
                let job = Job { id: name.into(), priority, groups: vec![group], ..Job::default() };
                world.apply(Command::RegisterJob {
                    job: Box::new(job),
                    enforce_index: None,
                    eval: None,
                    now: NOW,
                });
            }
            world
        }

        fn apply(&mut self, command: Command) {
            self.root.apply(self.root.index + 1, command);
            state::invariants::check(&self.root).unwrap();
        }

        fn node(&mut self, status: NodeStatus) {
            let capacity = Capacity { cpu_mhz: 1000, memory_mb: 1000, disk_mb: 1000 };
            let node = Node { id: NodeId(1), capacity, status, ..Node::default() };
            self.apply(Command::RegisterNode { node, evals: vec![], now: NOW });
        }

        /// A plan of the job that places that many, and what is told at once.
        fn submit(&mut self, name: &'static str, count: u32) -> Option<Verdict> {
            let job = &self.root.jobs[&JobKey::new("default", name)];
            let eval = EvalId(name.bytes().map(u128::from).sum());
            let mut plan = Plan::new(eval, job.key(), job.priority, self.root.index, NOW);
            plan.job_index = job.job_modify_index;
            plan.placements.extend((0..count).map(|index| Placement {
                id: AllocId(10 * eval.0 + u128::from(index)),
                node: NodeId(1),
                group: "group".into(),
                index,
                ..Placement::default()
            }));
            let submission = Submission { plan, settles: vec![] };
            let told = self.pipeline.submit(&self.root, submission, name);
            told.map(|(whom, verdict)| {
                assert_eq!(whom, name);
                verdict
            })
        }

        /// Writes what waits; answers who is told what.
        fn write(&mut self) -> Vec<(&'static str, Verdict)> {
            let (commands, answers) = self.pipeline.take(&self.root);
            commands.into_iter().for_each(|command| self.apply(command));
            self.pipeline.written();
            answers
        }

        fn used_ahead(&self) -> Option<u32> {
            Some(self.pipeline.ahead()?.usage.slots[0].used.memory_mb)
        }
    }

    #[test]
    fn what_collides_is_told_at_once() {
        let mut world = World::new();
        assert_eq!(world.submit("a", 2), None);
        assert_eq!(world.used_ahead(), Some(800));
        assert_eq!(world.submit("b", 1), Some(COLLIDED));
        assert_eq!(world.write(), [("a", DONE)]);
        assert_eq!((world.used_ahead(), world.pipeline.is_empty()), (None, true));
    }

    #[test]
    fn a_part_that_fits_is_written_and_the_rest_asked_for_again() {
        let mut world = World::new();
        assert_eq!(world.submit("a", 1), None);
        assert_eq!(world.submit("b", 2), None, "one of two fits");
        assert_eq!(world.write(), [("a", DONE), ("b", PARTLY)]);
        assert_eq!(world.root.allocs.len(), 2);
    }

    #[test]
    fn plans_that_arrive_during_a_write_know_of_it() {
        let mut world = World::new();
        assert_eq!(world.submit("a", 1), None);
        let (commands, _) = world.pipeline.take(&world.root);
        assert_eq!(world.submit("b", 1), None);
        assert_eq!(world.used_ahead(), Some(800));
        assert_eq!(world.submit("c", 1), Some(COLLIDED));
        commands.into_iter().for_each(|command| world.apply(command));
        world.pipeline.written();
        assert_eq!(world.write(), [("b", DONE)]);
        assert_eq!(world.root.usage.slots[0].used.memory_mb, 800);
    }

    #[test]
    fn what_happened_while_a_plan_waited_counts() {
        let mut world = World::new();
        assert_eq!(world.submit("a", 1), None);
        world.node(NodeStatus::Down);
        assert_eq!(world.write(), [("a", COLLIDED)]);
        assert!(world.root.allocs.is_empty());
    }

    #[test]
    fn room_of_an_older_state_says_nothing_of_nodes_that_changed_since() {
        let mut world = World::new();
        assert_eq!(world.submit("a", 1), None);
        world.node(NodeStatus::Down);
        assert_eq!(world.submit("b", 1), None, "it is looked at when it is written");
        assert_eq!(world.write(), [("a", COLLIDED), ("b", COLLIDED)]);
    }

    #[test]
    fn more_urgent_plans_are_written_first() {
        let mut world = World::new();
        assert_eq!((world.submit("a", 1), world.submit("c", 1)), (None, None));
        assert_eq!(world.write(), [("c", DONE), ("a", DONE)]);
    }
}
