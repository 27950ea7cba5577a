//! Reads of evaluations.

use api::{Evaluation, eval::EvaluationStub};
use model::EvalId;
use serde::Serialize;
use state::Root;

use super::{
    Context, allocs,
    call::Call,
    failure::Failure,
    list::{page, uuid_range},
    read::{Answer, read, read_page},
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

pub(super) async fn list(ctx: &Context, call: &Call) -> Answer {
    read_page(
        ctx,
        call,
        |root| root.indexes.evals,
        |root| {
            let (evals, next) = page(call, matching(root, call))?;
            Ok((evals.into_iter().map(|eval| Evaluation::from(&**eval)).collect::<Vec<_>>(), next))
        },
    )
    .await
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Count {
    count: usize,
    index: u64,
}

pub(super) async fn count(ctx: &Context, call: &Call) -> Answer {
    read(
        ctx,
        call,
        |root| root.indexes.evals,
        |root| Ok(Count { count: matching(root, call).len(), index: root.indexes.evals.max(1) }),
    )
    .await
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
