//! Requests that another agent has to answer: the leader, any server, another region.
//!
//! A server answers reads from its own state, as fresh as they ask for, and passes on only what the leader alone
//! knows; its writes travel as proposals. An agent without state passes on nearly everything.

use std::time::Duration;

use actix_web::http::Method;

use super::{
    Context, alloc_data, call::Call, events, failure::Failure, fs, monitor, passed_on, read::Answer, snapshot,
};
use crate::actors::ports::{Consistency, Target};

/// For an answer that does not wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who has to answer, if not this agent. `path` begins after `/v1`.
pub(super) fn target(ctx: &Context, call: &Call, path: &[&str]) -> Option<Target> {
    if let Some(region) = call.text("region").filter(|region| *region != ctx.agent.region) {
        return Some(Target::Region(region.to_owned()));
    }
    if ctx.agent.is_server {
        let leads = ctx.consensus.leadership().is_leader;
        return (!leads && of_the_leader(call, path)).then_some(Target::Leader);
    }
    (!of_any_agent(path)).then_some(Target::Server)
}

/// What the leader alone knows or does; who is in the log, every server tells that is asked for what it has.
fn of_the_leader(call: &Call, path: &[&str]) -> bool {
    match path {
        ["operator", "raft", "configuration"] => call.consistency() != Ok(Consistency::Stale),
        ["operator", "raft", ..] | ["operator", "autopilot", "health"] => true,
        _ => false,
    }
}

/// What an agent knows of itself, and what needs no state.
fn of_any_agent(path: &[&str]) -> bool {
    matches!(path, ["agent" | "client" | "metrics", ..] | ["jobs", "parse"])
}

pub(super) async fn pass_on(ctx: &Context, call: &Call, target: Target) -> Answer {
    let request = call.to_pass_on()?;
    // Output of tasks may have no end, and a state may be large.
    if passed_on::log_of(call).is_some()
        || fs::content_of(call).is_some()
        || alloc_data::of(call).is_some()
        || monitor::is_asked_for(call)
        || snapshot::is_asked_for(&call.path)
        || events::is_asked_for(&call.path)
    {
        return Ok(passed_on::stream_response(ctx.elsewhere.stream(target, request).await?));
    }
    let waits = call.index()? > 0;
    let patience = if waits { call.wait()? + PATIENCE } else { PATIENCE };
    Ok(passed_on::response(ctx.elsewhere.ask(target, request, patience).await?))
}

/// A write is decided on a state that holds what was written before, by whomever.
pub(super) async fn be_ready_to_write(ctx: &Context, call: &Call) -> Result<(), Failure> {
    let writes = !matches!(call.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if writes && ctx.agent.is_server && !ctx.consensus.leadership().is_leader {
        ctx.consensus.catch_up(Consistency::Default).await?;
    }
    Ok(())
}
