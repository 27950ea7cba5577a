//! Reads: from the newest state, at once or when it has changed (`index`, `wait`), with the index in the headers.

use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use serde::Serialize;
use state::Root;
use tokio::time::{Instant, timeout_at};

use super::{Context, answers::Answers, call::Call, failure::Failure};

pub(super) type Answer = Result<HttpResponse, Failure>;

/// Answers a read.
///
/// `index` says when the data last changed and must be cheap: it is asked again after each entry while the query
/// blocks. `value` makes the answer, once.
pub(super) async fn read<T: Serialize>(
    ctx: &Context,
    call: &Call,
    index: impl Fn(&Root) -> u64,
    value: impl Fn(&Root) -> Result<T, Failure>,
) -> Answer {
    call.only_get()?;
    refuse_filter(call)?;
    read_kept(ctx, call, None, index, |root| Ok((value(root)?, None))).await
}

/// As [`read_page`], for questions with a body.
pub(super) async fn read_posted<T: Serialize>(
    ctx: &Context,
    call: &Call,
    index: impl Fn(&Root) -> u64,
    value: impl Fn(&Root) -> Result<(T, Option<String>), Failure>,
) -> Answer {
    read_kept(ctx, call, None, index, value).await
}

/// As [`read`], for lists in pages: `value` also returns the token of the next page. It may depend on the state and the
/// request only: while the state stays the same, so does the answer. It has to obey `filter`.
pub(super) async fn read_page<T: Serialize>(
    ctx: &Context,
    call: &Call,
    index: impl Fn(&Root) -> u64,
    value: impl Fn(&Root) -> Result<(T, Option<String>), Failure>,
) -> Answer {
    call.only_get()?;
    read_kept(ctx, call, Some(&ctx.answers), index, value).await
}

async fn read_kept<T: Serialize>(
    ctx: &Context,
    call: &Call,
    answers: Option<&Answers>,
    index: impl Fn(&Root) -> u64,
    value: impl Fn(&Root) -> Result<(T, Option<String>), Failure>,
) -> Answer {
    let after = call.index()?;
    let wait = call.wait()?;
    let freshness = ctx.consensus.catch_up(call.consistency()?).await?;
    // Taken before the first look, so that no change between the look and the wait is missed.
    let mut changes = ctx.state.changes();
    changes.mark_unchanged();
    let mut root = ctx.state.root();
    if after > 0 && index(&root) <= after {
        let _permit = ctx
            .watches
            .try_acquire()
            .map_err(|_| Failure::busy("too many blocking queries are waiting at this agent"))?;
        let deadline = Instant::now() + wait;
        while index(&root) <= after {
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => root = ctx.state.root(),
                // The time is up, or the state is closed: what there is.
                Err(_) | Ok(Err(_)) => break,
            }
        }
    }
    let index = index(&root).max(1);
    let result = match answers.and_then(|answers| answers.find(&root, call)) {
        Some(kept) => Ok(kept),
        None => value(&root).and_then(|(value, next)| Ok((encoded(call.pretty(), &value)?, next))),
    };
    let mut response = match &result {
        Ok(_) => HttpResponse::Ok(),
        Err(failure) => HttpResponse::build(failure.status),
    };
    response
        .insert_header(("X-Nomad-Index", index.to_string()))
        .insert_header(("X-Nomad-KnownLeader", freshness.known_leader.to_string()))
        .insert_header(("X-Nomad-LastContact", freshness.last_contact.as_millis().to_string()));
    match result {
        Ok((body, next)) => {
            if let Some(answers) = answers {
                answers.keep(&root, call, &body, next.as_deref());
            }
            if let Some(next) = next {
                response.insert_header(("X-Nomad-NextToken", next));
            }
            Ok(response.content_type("application/json").body(body))
        }
        Err(failure) => Ok(response.content_type("text/plain; charset=utf-8").body(failure.text)),
    }
}

/// What is no list in pages takes no expressions: answering with everything would be worse than not answering.
pub(super) fn refuse_filter(call: &Call) -> Result<(), Failure> {
    match call.text("filter") {
        None => Ok(()),
        Some(_) => {
            Err(Failure::absent("the `filter` parameter is not supported here; filter the answer instead"))
        }
    }
}

/// JSON without index headers.
pub(super) fn json(call: &Call, value: &impl Serialize) -> HttpResponse {
    json_into(&mut HttpResponse::Ok(), call, value)
}

/// The answer to a write.
pub(super) fn written(call: &Call, index: u64, value: &impl Serialize) -> HttpResponse {
    json_into(HttpResponse::Ok().insert_header(("X-Nomad-Index", index.to_string())), call, value)
}

pub(super) fn json_into(
    response: &mut HttpResponseBuilder,
    call: &Call,
    value: &impl Serialize,
) -> HttpResponse {
    json_body(response, call.pretty(), value)
}

/// The value as the response's body.
pub(super) fn json_body(
    response: &mut HttpResponseBuilder,
    pretty: bool,
    value: &impl Serialize,
) -> HttpResponse {
    match encoded(pretty, value) {
        Ok(body) => response.content_type("application/json").body(body),
        Err(failure) => failure.response(),
    }
}

/// JSON: compact, or with four blanks of indent and a newline at its end.
fn encoded(pretty: bool, value: &impl Serialize) -> Result<Bytes, Failure> {
    let body = if pretty {
        let mut body = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let result = value.serialize(&mut serde_json::Serializer::with_formatter(&mut body, format));
        body.push(b'\n');
        result.map(|()| body)
    } else {
        serde_json::to_vec(value)
    };
    body.map(Bytes::from).map_err(|error| {
        tracing::error!(%error, "answer cannot be written as JSON");
        Failure::server("the answer cannot be written as JSON")
    })
}
