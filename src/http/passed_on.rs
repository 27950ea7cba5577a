//! Requests that other agents passed on: the same routes, in process, without a socket.

use std::io;

use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Context, alloc_data, call::Call, events, failure::Failure, fs, logs, monitor, routes, snapshot};
use crate::actors::ports::{ClusterError, WebAnswer, WebRequest, WebStream};

/// What an answer in one piece may hold; larger ones have to be streamed.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;

/// Answers a request of another agent in one piece. Never fails: refusals are answers, too.
pub async fn answer_for(ctx: &Context, request: WebRequest) -> WebAnswer {
    match Call::passed_on(request) {
        Ok(call) => answer(ctx, &call).await,
        Err(failure) => taken_apart(failure.response()),
    }
}

/// Answers a request of another agent bit by bit, for as long as there is more.
///
/// What is not a stream comes as a stream of one piece.
pub async fn stream_for(ctx: &Context, request: WebRequest) -> WebStream {
    let call = match Call::passed_on(request) {
        Ok(call) => call,
        Err(failure) => return in_one_piece(taken_apart(failure.response())),
    };
    match flow(ctx, &call).await {
        Some(Ok(stream)) => stream,
        Some(Err(failure)) => in_one_piece(taken_apart(failure.response())),
        None => in_one_piece(answer(ctx, &call).await),
    }
}

/// The answer to a request whose answer comes bit by bit.
async fn flow(ctx: &Context, call: &Call) -> Option<Result<WebStream, Failure>> {
    if snapshot::is_asked_for(&call.path) {
        return Some(snapshot::open_anywhere(ctx, call).await);
    }
    if monitor::is_asked_for(call) {
        return Some(monitor::open(ctx, call).await);
    }
    if let Some(alloc) = alloc_data::of(call) {
        return Some(alloc_data::open(ctx, call, alloc).await);
    }
    if let Some(alloc) = fs::content_of(call) {
        return Some(fs::open(ctx, call, alloc).await);
    }
    if events::is_asked_for(&call.path) {
        return Some(events::open(ctx, call));
    }
    let alloc = log_of(call)?;
    Some(logs::open(ctx, call, alloc).await)
}

async fn answer(ctx: &Context, call: &Call) -> WebAnswer {
    let endless = monitor::is_asked_for(call)
        || fs::is_followed(call)
        || log_of(call).is_some() && call.flag("follow").unwrap_or(false)
        || events::is_asked_for(&call.path);
    let response = if endless {
        Err(Failure::bad("output that is followed has no end; ask for a stream"))
    } else {
        match flow(ctx, call).await {
            Some(Ok(stream)) => return collected(stream).await,
            Some(Err(failure)) => Err(failure),
            None => routes::route(ctx, call).await,
        }
    };
    taken_apart(response.unwrap_or_else(|failure| failure.response()))
}

/// The allocation whose output is asked for.
pub(super) fn log_of(call: &Call) -> Option<&str> {
    match call.path.as_slice() {
        [v1, client, fs, logs, alloc]
            if [v1, client, fs, logs] == ["v1", "client", "fs", "logs"] && !alloc.is_empty() =>
        {
            Some(alloc)
        }
        _ => None,
    }
}

/// All of a stream.
async fn collected(stream: WebStream) -> WebAnswer {
    let WebStream { status, headers, mut body } = stream;
    let mut all = BytesMut::new();
    loop {
        let refusal = match body.next().await {
            None => return WebAnswer { status, headers, body: all.freeze() },
            Some(Ok(piece)) if all.len() + piece.len() <= ANSWER_LIMIT => {
                all.extend_from_slice(&piece);
                continue;
            }
            Some(Ok(_)) => Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "the answer is larger than {ANSWER_LIMIT} bytes; ask for a stream, or for output with `origin` and `offset`"
                ),
            ),
            Some(Err(error)) => error.into(),
        };
        return taken_apart(refusal.response());
    }
}

fn in_one_piece(answer: WebAnswer) -> WebStream {
    let WebAnswer { status, headers, body } = answer;
    WebStream { status, headers, body: stream::iter([Ok(body)]).boxed() }
}

/// A response without its socket.
fn taken_apart(response: HttpResponse) -> WebAnswer {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    match response.into_body().try_into_bytes() {
        Ok(body) => WebAnswer { status, headers, body },
        // What is streamed does not come here.
        Err(_) => WebAnswer {
            status: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            headers: Vec::new(),
            body: Bytes::from_static(b"the answer is a stream"),
        },
    }
}

/// Another agent's answer as our own.
pub(super) fn response(answer: WebAnswer) -> HttpResponse {
    begun(answer.status, answer.headers).set_body(answer.body).map_into_boxed_body()
}

/// As [`response`], bit by bit. An error on the way ends the connection: the status is long sent.
pub(super) fn stream_response(stream: WebStream) -> HttpResponse {
    let body = stream.body.map_err(|error: ClusterError| io::Error::other(error.to_string()));
    begun(stream.status, stream.headers)
        .set_body(actix_web::body::BodyStream::new(body))
        .map_into_boxed_body()
}

fn begun(status: u16, headers: Vec<(String, String)>) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::new(status);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
