//! Reads of evaluations.

use api::{Evaluation, Filter, eval::EvaluationStub};
use model::EvalId;
use serde::{Deserialize, Serialize};
use state::{Command, Outcome, Root};

use super::{
    Context, allocs,
    call::Call,
    failure::Failure,
    list::{Wanted, page, uuid_range},
    read::{Answer, read, read_page, written},
    write::propose,
};

type Found<'a> = Vec<((u64, String), &'a std::sync::Arc<model::Evaluation>)>;

/// The evaluations that the parameters ask for.
fn matching<'a>(root: &'a Root, call: &Call) -> Found<'a> {
    let Some((from, to)) = uuid_range(call.prefix()) else { return Vec::new() };
    root.evals
        .range(EvalId(from)..=EvalId(to))
        .map(|(_, eval)| eval)
        .filter(|eval| {
            call.sees(&eval.job.namespace)
                && call.text("job").is_none_or(|job| *eval.job.id == *job)
                && call.text("status").is_none_or(|status| eval.status.as_str() == status)
        })
        .map(|eval| {
            let created = if call.prefix().is_empty() { eval.create_index } else { 0 };
            ((created, eval.id.to_string()), eval)
        })
        .collect()
}

/// An expression says all that is to be said.
fn wanted(call: &Call) -> Result<Wanted, Failure> {
    let wanted = Wanted::of(call)?;
    let others = call.text("job").or(call.text("status"));
    if call.text("filter").is_some() && others.is_some() {
        return Err(Failure::bad("Filter expression cannot be used with other filter parameters"));
    }
    Ok(wanted)
}

pub(super) async fn list(ctx: &Context, call: &Call) -> Answer {
    let wanted = wanted(call)?;
    read_page(
        ctx,
        call,
        |root| root.indexes.evals,
        |root| {
            let (evals, next) =
                page(call, matching(root, call), |eval| wanted.covers(|| Evaluation::from(&***eval)))?;
            Ok((evals.into_iter().map(|eval| Evaluation::from(&**eval)).collect::<Vec<_>>(), next))
        },
    )
    .await
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Count {
    count: usize,
    index: u64,
    /// Nanoseconds.
    last_contact: i64,
    known_leader: bool,
    next_token: String,
}

pub(super) async fn count(ctx: &Context, call: &Call) -> Answer {
    let wanted = wanted(call)?;
    let known_leader = ctx.agent.leadership.borrow().leader_address.is_some();
    read_page(
        ctx,
        call,
        |root| root.indexes.evals,
        |root| {
            let mut count = 0;
            for (_, eval) in matching(root, call) {
                count += usize::from(wanted.covers(|| Evaluation::from(&**eval))?);
            }
            let index = root.indexes.evals.max(1);
            Ok((Count { count, index, known_leader, ..Count::default() }, None))
        },
    )
    .await
}

/// As many ids fit into one entry of the log. (Nomad's number.)
const MOST_DELETED: usize = 7281;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DeleteRequest {
    #[serde(rename = "EvalIDs")]
    eval_ids: Vec<String>,
    filter: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    count: u32,
    index: u64,
}

/// Forgets evaluations, while none are worked on.
pub(super) async fn delete(ctx: &Context, call: &Call) -> Answer {
    let request: DeleteRequest = call.json()?;
    let root = ctx.state.root();
    if !root.scheduler.pause_eval_broker {
        return Err(Failure::server("eval broker is enabled; eval broker must be paused to delete evals"));
    }
    let evals = match (request.eval_ids.as_slice(), request.filter.as_str()) {
        ([], "") => return Err(Failure::bad("evals must be deleted by either ID or filter")),
        ([], filter) => chosen(&root, Filter::parse(filter)?)?,
        (ids, "") if ids.len() > MOST_DELETED => {
            return Err(Failure::bad(format!("{} ids are given; the limit is {MOST_DELETED}", ids.len())));
        }
        (ids, "") => ids.iter().map(|id| to_delete(&root, id)).collect::<Result<Vec<_>, _>>()?,
        _ => return Err(Failure::bad("evals must be deleted by either ID or filter, not both")),
    };
    let (mut count, mut index) = (0, root.index);
    for some in evals.chunks(MOST_DELETED) {
        let (entry, outcome) = propose(ctx, Command::DeleteEvals { evals: some.to_vec() }).await?;
        index = entry;
        if let Outcome::Collected { evals, .. } = outcome {
            count += evals;
        }
    }
    Ok(written(call, index, &Deleted { count, index }))
}

fn to_delete(root: &Root, id: &str) -> Result<EvalId, Failure> {
    let found = id.parse().ok().filter(|id| root.evals.contains_key(id));
    let id = found.ok_or_else(|| Failure::not_found(format!("eval not found: {id:?}")))?;
    if root.allocs_of_eval(id).any(|alloc| !alloc.is_terminal()) {
        return Err(Failure::server(format!("evaluation {id} is not safe to delete: allocations of it run")));
    }
    Ok(id)
}

/// Those that the expression covers and that nothing runs because of.
fn chosen(root: &Root, filter: Filter) -> Result<Vec<EvalId>, Failure> {
    let wanted = Wanted::by(filter);
    let mut ids = Vec::new();
    for eval in root.evals.values() {
        if wanted.covers(|| Evaluation::from(&**eval))?
            && root.allocs_of_eval(eval.id).all(|alloc| alloc.is_terminal())
        {
            ids.push(eval.id);
        }
    }
    Ok(ids)
}

pub(super) async fn one(ctx: &Context, call: &Call, id: &str) -> Answer {
    let id: Option<EvalId> = id.parse().ok();
    let related = call.flag("related")?;
    let find = |root: &Root| id.and_then(|id| root.evals.get(&id).cloned());
    read(
        ctx,
        call,
        |root| find(root).map_or(root.indexes.evals, |eval| eval.modify_index),
        |root| {
            let eval = find(root).ok_or_else(|| Failure::not_found("eval not found"))?;
            let mut answer = Evaluation::from(&*eval);
            if related {
                let others = [eval.previous, eval.next, eval.blocked];
                answer.related_evals = others
                    .into_iter()
                    .flatten()
                    .filter_map(|id| root.evals.get(&id))
                    .map(|other| EvaluationStub::from(&**other))
                    .collect();
            }
            Ok(answer)
        },
    )
    .await
}

pub(super) async fn allocations(ctx: &Context, call: &Call, id: &str) -> Answer {
    let id: Option<EvalId> = id.parse().ok();
    read(
        ctx,
        call,
        |root| root.indexes.allocs,
        |root| {
            let allocs = id.into_iter().flat_map(|id| root.allocs_of_eval(id));
            Ok(allocs.map(|alloc| allocs::stub(root, alloc)).collect::<Vec<_>>())
        },
    )
    .await
}
