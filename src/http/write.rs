//! Writes: one proposal, detached from the request, so that a client that hangs up leaves nothing half done.

use model::{EvalId, Evaluation, JobKey, JobType, Trigger};
use state::{Command, Outcome};

use super::{Context, failure::Failure};
use crate::actors::ports::ProposeError;

/// What became of the one command, and the index of the entry.
///
/// # Errors
/// Also when the state refused the command.
pub(super) async fn propose(ctx: &Context, command: Command) -> Result<(u64, Outcome), Failure> {
    match propose_any(ctx, command).await? {
        (_, Outcome::Refused(refusal)) => Err(Failure::server(refusal.to_string())),
        done => Ok(done),
    }
}

/// As [`propose`], with something that is done before it, in the same entry.
pub(super) async fn propose_after(
    ctx: &Context,
    before: Option<Command>,
    command: Command,
) -> Result<(u64, Outcome), Failure> {
    let commands: Vec<Command> = before.into_iter().chain([command]).collect();
    let last = commands.len() - 1;
    match propose_list(ctx, commands, last).await? {
        (_, Outcome::Refused(refusal)) => Err(Failure::server(refusal.to_string())),
        done => Ok(done),
    }
}

/// As [`propose`]; a refusal of the state is an outcome like others.
pub(super) async fn propose_any(ctx: &Context, command: Command) -> Result<(u64, Outcome), Failure> {
    propose_list(ctx, vec![command], 0).await
}

/// What became of one of several commands that are written together.
async fn propose_list(
    ctx: &Context,
    commands: Vec<Command>,
    deciding: usize,
) -> Result<(u64, Outcome), Failure> {
    let proposer = ctx.proposer.clone();
    let committed = tokio::spawn(async move { proposer.propose(commands).await })
        .await
        .map_err(|error| ProposeError::Unknown(error.to_string()))??;
    match committed.outcomes.into_iter().nth(deciding) {
        Some(outcome) => Ok((committed.index, outcome)),
        None => Err(ProposeError::Unknown(String::from("the entry has no outcome")).into()),
    }
}

/// Several commands in one entry, of which the first decides: the others do nothing where it was refused.
pub(super) async fn propose_all(ctx: &Context, commands: Vec<Command>) -> Result<(u64, Outcome), Failure> {
    match propose_list(ctx, commands, 0).await? {
        (_, Outcome::Refused(refusal)) => Err(Failure::server(refusal.to_string())),
        done => Ok(done),
    }
}

/// A new evaluation, for the scheduler to look at the job.
pub(super) fn evaluation(
    ctx: &Context,
    job: JobKey,
    kind: JobType,
    priority: u16,
    trigger: Trigger,
) -> Evaluation {
    Evaluation::new(EvalId(ctx.ids.uuid()), job, kind, priority, trigger, ctx.clock.now())
}
