//! Metadata of a node, which only its agent keeps.

use api::{NodeMetaApplyRequest, NodeMetaResponse};
use logic::node_meta::NodeMeta;

use super::{
    Context,
    call::Call,
    client::{ask, host_named, host_of},
    failure::Failure,
    read::{Answer, json},
};
use crate::actors::ports::AccessError;

pub(super) async fn metadata(ctx: &Context, call: &Call) -> Answer {
    if call.is_write() {
        return apply(ctx, call).await;
    }
    call.only_get()?;
    if let Some(target) = host_of(ctx, call)? {
        return ask(ctx, call, target).await;
    }
    answer(call, ctx.nodes.metadata().await)
}

async fn apply(ctx: &Context, call: &Call) -> Answer {
    let request: NodeMetaApplyRequest = call.json()?;
    if request.meta.is_empty() {
        return Err(Failure::bad("missing required Meta object"));
    }
    let named = Some(request.node_id.as_str()).filter(|id| !id.is_empty()).or_else(|| call.text("node_id"));
    if let Some(target) = host_named(ctx, call, named)? {
        return ask(ctx, call, target).await;
    }
    answer(call, ctx.nodes.change_metadata(request.meta).await)
}

fn answer(call: &Call, meta: Result<NodeMeta, AccessError>) -> Answer {
    match meta {
        Ok(meta) => {
            let answer = NodeMetaResponse { meta: meta.all(), dynamic: meta.dynamic, fixed: meta.fixed };
            Ok(json(call, &answer))
        }
        Err(AccessError::Failed(reason)) => Err(Failure::bad(reason)),
        Err(_) => Err(Failure::bad("node is not running a Nomad Client")),
    }
}
