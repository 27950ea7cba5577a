//! Writes of nodes: drain, eligibility, purge, evaluation.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::{NodeDrainRequest, NodeEligibilityRequest, NodeModifyResponse, NodeUpdateResponse};
use model::{Drain, DrainDeadline, Eligibility, Evaluation, Job, JobKey, Node, NodeId, Trigger};
use state::{Command, Root};

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, written},
    write::{evaluation, propose},
};

fn find(ctx: &Context, id: &str) -> Result<Arc<Node>, Failure> {
    let id: Option<NodeId> = id.parse().ok();
    let found = id.and_then(|id| ctx.state.root().nodes.get(&id).cloned());
    found.ok_or_else(|| Failure::not_found("node not found"))
}

/// The id in a body must not contradict the path.
fn same_node(in_body: &str, node: &Node) -> Result<(), Failure> {
    let same = in_body.is_empty() || in_body.parse() == Ok(node.id);
    if same { Ok(()) } else { Err(Failure::bad("Node ID does not match")) }
}

/// One evaluation for each job that has something on the node, or that `wants` to.
fn evals_of<'a>(
    ctx: &Context,
    root: &'a Root,
    node: NodeId,
    wants: impl Iterator<Item = &'a Arc<Job>>,
) -> Vec<Evaluation> {
    let allocs = root.allocs_of_node(node).filter(|alloc| !alloc.is_terminal());
    let jobs = allocs.filter_map(|alloc| root.jobs.get(&alloc.job)).chain(wants);
    let mut evals: BTreeMap<JobKey, Evaluation> = BTreeMap::new();
    for job in jobs {
        evals.entry(job.key()).or_insert_with(|| {
            let mut eval = evaluation(ctx, job.key(), job.kind, job.priority, Trigger::NodeUpdate);
            eval.node = Some(node);
            eval.job_index = job.job_modify_index;
            eval
        });
    }
    evals.into_values().collect()
}

fn ids(evals: &[Evaluation]) -> Vec<String> {
    evals.iter().map(|eval| eval.id.to_string()).collect()
}

/// Starts a drain, changes it, or ends it. The leader's drainer moves the allocations.
pub(super) async fn drain(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: NodeDrainRequest = call.json()?;
    let node = find(ctx, id)?;
    same_node(&request.node_id, &node)?;
    let now = ctx.clock.now();
    let drain = request.drain_spec.map(|spec| {
        let deadline = match spec.deadline {
            0 => DrainDeadline::Never,
            after => u64::try_from(after)
                .map_or(DrainDeadline::Force, |nanos| DrainDeadline::After(Duration::from_nanos(nanos))),
        };
        let force_at = match deadline {
            DrainDeadline::Never => None,
            DrainDeadline::After(deadline) => Some(now.plus(deadline)),
            DrainDeadline::Force => Some(now),
        };
        let (ignore_system, meta) = (spec.ignore_system_jobs, request.meta.clone());
        Drain { deadline, force_at, ignore_system, started_at: now, meta }
    });
    let mark_eligible = request.mark_eligible && drain.is_none();
    let command = Command::SetNodeDrain { node: node.id, drain, mark_eligible, evals: Vec::new(), now };
    modified(ctx, call, command).await
}

pub(super) async fn eligibility(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: NodeEligibilityRequest = call.json()?;
    let eligibility = match request.eligibility.as_str() {
        "eligible" => Eligibility::Eligible,
        "ineligible" => Eligibility::Ineligible,
        other => {
            return Err(Failure::bad(format!(
                "invalid scheduling eligibility {other:?}: it is \"eligible\" or \"ineligible\""
            )));
        }
    };
    let node = find(ctx, id)?;
    same_node(&request.node_id, &node)?;
    if node.drain.is_some() && eligibility == Eligibility::Eligible {
        return Err(Failure::server(
            "can not set node's scheduling eligibility to eligible while it is draining",
        ));
    }
    let now = ctx.clock.now();
    let command = Command::SetNodeEligibility { node: node.id, eligibility, evals: Vec::new(), now };
    modified(ctx, call, command).await
}

async fn modified(ctx: &Context, call: &Call, command: Command) -> Answer {
    let (index, _) = propose(ctx, command).await?;
    let answer = NodeModifyResponse { node_modify_index: index, index, ..NodeModifyResponse::default() };
    Ok(written(call, index, &answer))
}

/// Forgets the node; what it ran is replaced.
pub(super) async fn purge(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let node = find(ctx, id)?;
    let evals = evals_of(ctx, &ctx.state.root(), node.id, std::iter::empty());
    let eval_ids = ids(&evals);
    let command = Command::PurgeNode { node: node.id, evals, now: ctx.clock.now() };
    let (index, _) = propose(ctx, command).await?;
    Ok(written(call, index, &updated(eval_ids, index, index)))
}

/// Lets the scheduler look again at all jobs that have something on the node, or run on every node.
pub(super) async fn evaluate(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let node = find(ctx, id)?;
    let root = ctx.state.root();
    let evals = evals_of(ctx, &root, node.id, root.per_node_jobs());
    let eval_ids = ids(&evals);
    if evals.is_empty() {
        return Ok(written(call, node.modify_index, &updated(eval_ids, 0, node.modify_index)));
    }
    let (index, _) = propose(ctx, Command::UpdateEvals { evals }).await?;
    Ok(written(call, index, &updated(eval_ids, index, node.modify_index)))
}

fn updated(eval_ids: Vec<String>, index: u64, node_modify_index: u64) -> NodeUpdateResponse {
    let eval_create_index = if eval_ids.is_empty() { 0 } else { index };
    NodeUpdateResponse {
        eval_ids,
        eval_create_index,
        node_modify_index,
        index,
        ..NodeUpdateResponse::default()
    }
}
