//! What only the node of an allocation knows beside its files: checks; and when its files may go.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use api::CheckResult;
use model::{CheckStatus, Timestamp};
use sha2::{Digest, Sha256};

use super::{
    Context,
    call::Call,
    client::{alloc_id, ask, host_of, other_agent},
    failure::Failure,
    read::{Answer, json},
};
use crate::actors::ports::{AccessError, CheckSeen};

/// The checks of an allocation's services, by ids that stay the same.
pub(super) async fn checks(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_get()?;
    let alloc = alloc_id(id)?;
    let seen = match ctx.nodes.checks(alloc).await {
        Ok(seen) => seen,
        Err(error) => return ask(ctx, call, other_agent(ctx, call, alloc, error)?).await,
    };
    let root = ctx.state.root();
    let group =
        root.allocs.get(&alloc).map(|alloc| format!("{}.{}[{}]", alloc.job.id, alloc.group, alloc.index));
    let group = group.unwrap_or_default();
    let results: BTreeMap<String, CheckResult> = seen
        .into_iter()
        .map(|seen| result(&alloc.to_string(), &group, seen))
        .map(|it| (it.id.clone(), it))
        .collect();
    Ok(json(call, &results))
}

fn result(alloc: &str, group: &str, seen: CheckSeen) -> CheckResult {
    let CheckSeen { task, service, state } = seen;
    let mut hash = Sha256::new();
    for part in [alloc, &task, &service, &state.name] {
        hash.update(part);
        hash.update([0]);
    }
    let id: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let status = match state.status {
        _ if state.updated_at == Timestamp::ZERO => "pending",
        CheckStatus::Passing => "success",
        CheckStatus::Warning | CheckStatus::Critical => "failure",
    };
    CheckResult {
        id,
        mode: String::from("healthiness"),
        status: status.to_owned(),
        status_code: status_code(&state.kind, &state.output),
        timestamp: state.updated_at.as_nanos() / 1_000_000_000,
        output: state.output,
        group: group.to_owned(),
        task,
        service,
        check: state.name,
    }
}

/// What the server answered; 0: nothing, or the check asks none. The output reads `HTTP GET <url>: 503 ...`.
fn status_code(kind: &str, output: &str) -> u16 {
    let rest = (kind == "http").then(|| output.strip_prefix("HTTP ")?.split(": ").nth(1)).flatten();
    let code = rest.and_then(|rest| rest.split(' ').next()?.parse().ok());
    code.filter(|code| (100..600).contains(code)).unwrap_or(0)
}

/// Removes the files of an allocation that is over.
pub(super) async fn collect_one(ctx: &Context, call: &Call, id: &str) -> Answer {
    let alloc = alloc_id(id)?;
    match ctx.nodes.collect(Some(alloc)).await {
        Ok(()) => Ok(HttpResponse::Ok().finish()),
        Err(AccessError::Failed(reason)) => Err(Failure::server(reason)),
        Err(error) => ask(ctx, call, other_agent(ctx, call, alloc, error)?).await,
    }
}

/// Removes the files of all allocations of a node that are over.
pub(super) async fn collect_all(ctx: &Context, call: &Call) -> Answer {
    if let Some(elsewhere) = host_of(ctx, call)? {
        return ask(ctx, call, elsewhere).await;
    }
    match ctx.nodes.collect(None).await {
        Ok(()) => Ok(HttpResponse::Ok().finish()),
        Err(AccessError::Failed(reason)) => Err(Failure::server(reason)),
        Err(_) => Err(Failure::bad("node is not running a Nomad Client")),
    }
}

#[cfg(test)]
mod tests {
    use super::status_code;

    #[test]
    fn status_codes() {
        let check = |kind: &str, output: &str, expected: u16| assert_eq!(status_code(kind, output), expected);
        check("http", "HTTP GET http://10.0.0.1:80/health: 200 OK Output: fine", 200);
        check("http", "HTTP GET http://10.0.0.1:80/: 503 Service Unavailable Output: 1", 503);
        check("http", "HTTP GET http://10.0.0.1:80/: no answer within 1s", 0);
        check("script", "HTTP GET http://10.0.0.1:80/: 200", 0);
    }
}
