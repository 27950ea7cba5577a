//! The data of an allocation as a tar archive: `alloc/data`, and the `local` directory of each task.

use futures::StreamExt;

use super::{
    Context,
    call::Call,
    client::{alloc_id, no_answer, other_agent},
    failure::Failure,
    passed_on,
    read::Answer,
};
use crate::actors::ports::WebStream;

/// The allocation whose data are asked for: the answer comes bit by bit.
pub(super) fn of(call: &Call) -> Option<&str> {
    match call.path.as_slice() {
        [v1, client, allocation, id, snapshot] => {
            let fixed = [v1, client, allocation, snapshot] == ["v1", "client", "allocation", "snapshot"];
            fixed.then_some(id)
        }
        _ => None,
    }
}

pub(super) async fn answer(ctx: &Context, call: &Call, id: &str) -> Answer {
    Ok(passed_on::stream_response(open(ctx, call, id).await?))
}

/// The archive as it is made: on this node, or on the one that has the allocation.
pub(super) async fn open(ctx: &Context, call: &Call, id: &str) -> Result<WebStream, Failure> {
    call.only_get()?;
    let alloc = alloc_id(id)?;
    let busy = |_| Failure::busy("too many queries are waiting at this agent");
    let permit = ctx.watches.clone().try_acquire_owned().map_err(busy)?;
    let data = match ctx.nodes.data(alloc).await {
        Ok(data) => data,
        Err(error) => {
            let target = other_agent(ctx, call, alloc, error)?;
            let stream = ctx.elsewhere.stream(target.clone(), call.to_pass_on()?).await;
            return stream.map_err(|error| no_answer(ctx, &target, error));
        }
    };
    let body = data.map(move |piece| {
        let _held = &permit;
        piece
    });
    Ok(WebStream {
        status: 200,
        headers: vec![(String::from("content-type"), String::from("application/x-tar"))],
        body: body.boxed(),
    })
}
