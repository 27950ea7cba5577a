//! The agent's own log as it is written, in frames or plain.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::{
    Context, call::Call, client::no_answer, failure::Failure, logs::frame_of, passed_on, read::Answer,
};
use crate::actors::ports::{LogLevel, Target, WebStream};

/// Frames without lines, so that both ends notice when the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Whether the log is asked for.
pub(super) fn is_asked_for(call: &Call) -> bool {
    matches!(call.path.as_slice(), [v1, agent, monitor] if [v1, agent, monitor] == ["v1", "agent", "monitor"])
}

pub(super) async fn stream(ctx: &Context, call: &Call) -> Answer {
    Ok(passed_on::stream_response(open(ctx, call).await?))
}

pub(super) async fn open(ctx: &Context, call: &Call) -> Result<WebStream, Failure> {
    call.only_get()?;
    let level = match call.text("log_level").map(str::to_lowercase).as_deref() {
        None | Some("info") => LogLevel::Info,
        Some("error" | "err") => LogLevel::Error,
        Some("warn") => LogLevel::Warn,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        Some(other) => return Err(Failure::bad(format!("Unknown log level: {other}"))),
    };
    let (json, plain) = (call.flag("log_json")?, call.flag("plain")?);
    if let Some(target) = whose(ctx, call)? {
        let stream = ctx.elsewhere.stream(target.clone(), call.to_pass_on()?).await;
        return stream.map_err(|error| no_answer(ctx, &target, error));
    }
    let permit = ctx
        .watches
        .clone()
        .try_acquire_owned()
        .map_err(|_| Failure::busy("too many queries are waiting at this agent"))?;
    let lines = ctx.log.listen(level, json);
    let lines = lines.ok_or_else(|| Failure::busy("too many people read the log of this agent"))?;
    let body = stream::unfold((lines, permit), move |(mut lines, permit)| async move {
        let piece = match timeout(HEARTBEAT, lines.recv()).await {
            Ok(line) => {
                if plain {
                    line?
                } else {
                    frame_of(&line?)
                }
            }
            Err(_) if plain => Bytes::new(),
            Err(_) => Bytes::from_static(b"{}"),
        };
        Some((Ok(piece), (lines, permit)))
    });
    // An empty chunk would end the body.
    let body = body.filter(|piece| std::future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty())));
    let content_type = if plain { "text/plain" } else { "application/json" };
    Ok(WebStream {
        status: 200,
        headers: vec![(String::from("content-type"), String::from(content_type))],
        body: body.boxed(),
    })
}

/// Whose log; `None`: this agent's.
fn whose(ctx: &Context, call: &Call) -> Result<Option<Target>, Failure> {
    match (call.text("node_id"), call.text("server_id")) {
        (Some(_), Some(_)) => Err(Failure::bad("Cannot target node and server simultaneously")),
        (Some(id), None) => {
            let node = id.parse().map_err(|_| Failure::not_found(format!("Unknown node \"{id}\"")))?;
            Ok((ctx.agent.node != Some(node)).then_some(Target::Node(node)))
        }
        (None, Some("leader")) => {
            let leads = ctx.agent.is_server && ctx.consensus.leadership().is_leader;
            Ok((!leads).then_some(Target::Leader))
        }
        (None, Some(name)) => {
            let own = [ctx.agent.name.clone(), format!("{}.{}", ctx.agent.name, ctx.agent.region)];
            if own.iter().any(|own| own == name) {
                return Ok(None);
            }
            Err(Failure::absent(format!(
                "the log of server {name:?} is shown by that server alone: ask it with -address, or \"leader\""
            )))
        }
        (None, None) => Ok(None),
    }
}
