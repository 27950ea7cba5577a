//! Pools of nodes.

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode},
};
use api::NodePool;
use model::PoolName;
use state::{Command, Outcome, Refusal, Root};

use super::{
    Context,
    call::Call,
    failure::Failure,
    jobs,
    list::{Wanted, page},
    nodes,
    read::{Answer, read, read_page},
    write::propose_any,
};

fn missing() -> Failure {
    Failure::not_found("node pool not found")
}

pub(super) async fn list(ctx: &Context, call: &Call) -> Answer {
    if call.is_write() {
        return put(ctx, call, None).await;
    }
    let wanted = Wanted::of(call)?;
    let rows = |root: &Root| {
        let pools = root.pools().into_iter().filter(|pool| pool.name.as_str().starts_with(call.prefix()));
        let rows = pools.map(|pool| ((0, pool.name.to_string()), NodePool::from(&*pool))).collect();
        page(call, rows, |pool: &NodePool| wanted.covers(|| pool.clone()))
    };
    read_page(ctx, call, |root| root.indexes.pools, rows).await
}

/// `rest`: the name, and what follows it.
pub(super) async fn one(ctx: &Context, call: &Call, rest: &[&str]) -> Answer {
    let (name, after) = rest.split_first().expect("called with at least one segment");
    let pool = PoolName::new(*name);
    match after {
        [] if call.is_write() => put(ctx, call, Some(name)).await,
        [] if call.method == Method::DELETE => delete(ctx, pool).await,
        [] => {
            let index = |root: &Root| root.pool(&pool).map_or(root.indexes.pools, |found| found.modify_index);
            let value = |root: &Root| root.pool(&pool).map(|found| NodePool::from(&*found));
            read(ctx, call, index, |root| value(root).ok_or_else(missing)).await
        }
        ["nodes"] => {
            be_there(ctx, &pool)?;
            nodes::list(ctx, call, |node| pool.takes(&node.pool)).await
        }
        ["jobs"] => {
            be_there(ctx, &pool)?;
            jobs::list(ctx, call, |job| job.pool == pool).await
        }
        _ => Ok(HttpResponse::NotFound().finish()),
    }
}

fn be_there(ctx: &Context, pool: &PoolName) -> Result<(), Failure> {
    if ctx.state.root().has_pool(pool) { Ok(()) } else { Err(missing()) }
}

/// `name`: of the path, where it has one.
async fn put(ctx: &Context, call: &Call, name: Option<&str>) -> Answer {
    let pool: NodePool = call.json()?;
    if name.is_some_and(|name| name != pool.name) {
        return Err(Failure::bad("Node pool name does not match request path"));
    }
    let pool = pool.into_model().map_err(|refused| Failure::bad(format!("invalid node pool: {refused}")))?;
    write(ctx, Command::PutPools { pools: vec![pool] }).await
}

async fn delete(ctx: &Context, name: PoolName) -> Answer {
    write(ctx, Command::DeletePool { name }).await
}

async fn write(ctx: &Context, command: Command) -> Answer {
    let (index, outcome) = propose_any(ctx, command).await?;
    if let Outcome::Refused(refusal) = outcome {
        let status = match &refusal {
            Refusal::BuiltInPool(_) => StatusCode::BAD_REQUEST,
            Refusal::PoolHasNodes(_) | Refusal::PoolHasJobs(_) => StatusCode::CONFLICT,
            Refusal::UnknownPool(_) => return Err(missing()),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        return Err(Failure::new(status, refusal.to_string()));
    }
    Ok(HttpResponse::Ok().insert_header(("X-Nomad-Index", index.to_string())).finish())
}
