//! The only place where plans become true: each is verified against the newest state and the plans before it, and
//! what fits goes into one log entry.

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
