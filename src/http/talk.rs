//! Sessions inside tasks: a websocket outside, pieces between agents, the driver's ends on the node.

mod frames; // what websockets say
mod socket; // one websocket

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use bytes::Bytes;
use futures::{
    StreamExt,
    future::{Either, select},
    stream::{self, BoxStream},
};
use model::{AllocId, Allocation, ClientStatus, DesiredStatus, JobKey};
use state::Root;
use tokio::sync::{Semaphore, mpsc};

use super::{
    Context,
    call::Call,
    client::{alloc_id, no_answer, other_agent},
    elsewhere,
    failure::Failure,
};
use crate::actors::ports::{
    AccessError, ExecInput, ExecOutput, ExecSession, ExecSpec, Target, WebRequest, WebStream,
};

/// Sessions at a time, per agent, those that it passes on included; one more is refused with 429.
pub(super) const SESSIONS: usize = 256;

/// Words of a command, and bytes of all of them; the kernel takes more, nobody types more.
const MAX_WORDS: usize = 1024;
const MAX_COMMAND: usize = 64 * 1024;

/// Whether the request asks for a session.
pub(super) fn is_asked_for(call: &Call) -> bool {
    match call.path.as_slice() {
        [v1, client, allocation, _, exec] => {
            [v1, client, allocation, exec] == ["v1", "client", "allocation", "exec"]
        }
        // Ids of jobs may hold slashes.
        [v1, job, _, .., action] => [v1, job, action] == ["v1", "job", "action"],
        _ => false,
    }
}

/// Answers with a session, or says why there is none: in plain HTTP to those who do not speak websocket.
pub(super) async fn answer(
    ctx: &Context,
    call: Call,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Failure> {
    if call.method != Method::GET {
        return Err(Failure::method());
    }
    let handshake = call.flag("ws_handshake")?;
    let permit = permit(&ctx.sessions)?;
    let (response, session, messages) = actix_ws::handle(request, payload).map_err(|error| {
        Failure::bad(format!(
            "this is a websocket: {error}; send `Upgrade: websocket` and the headers with it"
        ))
    })?;
    let ctx = ctx.clone();
    actix_web::rt::spawn(async move {
        let _permit = permit;
        socket::hold(&ctx, &call, handshake, session, messages).await;
    });
    Ok(response)
}

fn permit(sessions: &Arc<Semaphore>) -> Result<tokio::sync::OwnedSemaphorePermit, Failure> {
    let busy = |_| Failure::busy("too many sessions inside tasks go through this agent");
    sessions.clone().try_acquire_owned().map_err(busy)
}

/// Answers a session that another agent passed on: status 200 and what is heard, or a refusal as the only piece.
pub async fn talk_for(ctx: &Context, request: WebRequest, input: BoxStream<'static, Bytes>) -> WebStream {
    let opened = async {
        let call = Call::passed_on(request)?;
        let permit = permit(&ctx.sessions)?;
        let WebStream { status, headers, body } = open(ctx, &call, input).await?;
        let body = body.map(move |piece| {
            let _ = &permit;
            piece
        });
        Ok::<_, Failure>(WebStream { status, headers, body: body.boxed() })
    };
    opened.await.unwrap_or_else(|failure| WebStream {
        status: failure.status.as_u16(),
        headers: Vec::new(),
        body: stream::iter([Ok(Bytes::from(failure.text))]).boxed(),
    })
}

/// Begins a session, here or on the agent that has the task. `input` and the body are messages as [`encode`] makes them.
pub(super) async fn open(
    ctx: &Context,
    call: &Call,
    input: BoxStream<'static, Bytes>,
) -> Result<WebStream, Failure> {
    let path: Vec<&str> = call.path.iter().skip(1).map(String::as_str).collect();
    if let Some(target) = elsewhere::target(ctx, call, &path) {
        return pass_on(ctx, call, target, input).await;
    }
    match path.as_slice() {
        ["client", "allocation", id, "exec"] => exec(ctx, call, alloc_id(id)?, input).await,
        ["job", id @ .., "action"] if !id.is_empty() => {
            let (alloc, call) = of_action(ctx, call, &id.join("/"))?;
            exec(ctx, &call, alloc, input).await
        }
        _ => Err(Failure::not_found("there are no sessions here")),
    }
}

async fn exec(
    ctx: &Context,
    call: &Call,
    alloc: AllocId,
    input: BoxStream<'static, Bytes>,
) -> Result<WebStream, Failure> {
    let task = call.text("task").ok_or_else(|| Failure::bad("must provide task name"))?;
    let tty = call.flag("tty")?;
    let action = call.text("action");
    let typed = if action.is_some() { Vec::new() } else { command(call)? };
    let begun = async {
        let command = match action {
            None => typed,
            Some(action) => ctx.nodes.action(alloc, task, action).await?,
        };
        ctx.nodes.exec(alloc, task, ExecSpec { command, tty }).await
    };
    match begun.await {
        Ok(session) => Ok(stream_of(session, input)),
        Err(AccessError::Failed(reason)) => Err(Failure::bad(reason)),
        Err(error) => pass_on(ctx, call, other_agent(ctx, call, alloc, error)?, input).await,
    }
}

/// Where an action is run, and the request that runs it there.
fn of_action(ctx: &Context, call: &Call, job: &str) -> Result<(AllocId, Call), Failure> {
    let action = call.text("action").ok_or_else(|| Failure::bad("must provide action name"))?;
    let root = ctx.state.root();
    let key = JobKey::new(call.namespace(), job);
    let wanted = call.text("allocID").map(alloc_id).transpose()?;
    // Of those that run the youngest, unless one is named.
    let alloc = root
        .allocs_of_job(&key)
        .filter(|alloc| match wanted {
            Some(wanted) => alloc.id == wanted,
            None => alloc.client == ClientStatus::Running && alloc.desired == DesiredStatus::Run,
        })
        .filter(|alloc| call.text("group").is_none_or(|group| *alloc.group == *group))
        .filter(|alloc| task_with(&root, alloc, call.text("task"), action).is_some())
        .max_by_key(|alloc| alloc.create_index);
    let Some(alloc) = alloc else {
        let text = format!("no allocation of job {job:?} runs a task with the action {action:?}");
        return Err(Failure::not_found(text));
    };
    let task = task_with(&root, alloc, call.text("task"), action).unwrap_or_default();
    Ok((alloc.id, call.of_action(alloc.id, &task, action)))
}

/// The task of the allocation that has the action: the one that is named, else the first.
fn task_with(root: &Root, alloc: &Allocation, named: Option<&str>, action: &str) -> Option<String> {
    let mut tasks = root.group_of(alloc)?.tasks.iter();
    let task =
        tasks.find(|task| named.is_none_or(|named| task.name == named) && task.action(action).is_some())?;
    Some(task.name.clone())
}

async fn pass_on(
    ctx: &Context,
    call: &Call,
    target: Target,
    input: BoxStream<'static, Bytes>,
) -> Result<WebStream, Failure> {
    let stream = ctx.elsewhere.talk(target.clone(), call.to_pass_on()?, input).await;
    stream.map_err(|error| no_answer(ctx, &target, error))
}

/// The command of an `exec`: a JSON array of words.
fn command(call: &Call) -> Result<Vec<String>, Failure> {
    let text = call.text("command").ok_or_else(|| Failure::bad("must provide command"))?;
    let bad = |why: &str| Failure::bad(format!("`command` must be a JSON array of strings: {why}"));
    let words: Vec<String> = serde_json::from_str(text).map_err(|error| bad(&error.to_string()))?;
    if words.first().is_none_or(String::is_empty) {
        return Err(bad("it is empty"));
    }
    if words.len() > MAX_WORDS || text.len() > MAX_COMMAND {
        return Err(bad("it is too long"));
    }
    Ok(words)
}

/// The session as pieces. Dropped, it ends.
fn stream_of(session: ExecSession, input: BoxStream<'static, Bytes>) -> WebStream {
    let ExecSession { input: said, output } = session;
    // Ends with the stream: a task beside it would hold the session open.
    let feeding = Box::pin(feed(input, said));
    let body = stream::unfold((output, Some(feeding)), |(mut output, mut feeding)| async move {
        let heard = match feeding.take() {
            None => output.recv().await,
            Some(going_on) => match select(Box::pin(output.recv()), going_on).await {
                Either::Left((heard, going_on)) => {
                    feeding = Some(going_on);
                    heard
                }
                Either::Right(((), heard)) => heard.await,
            },
        }?;
        Some((Ok(encode(&heard)), (output, feeding)))
    });
    WebStream { status: 200, headers: Vec::new(), body: body.boxed() }
}

/// Hands on what the people outside say, until they or the command have enough.
async fn feed(mut input: BoxStream<'static, Bytes>, said: mpsc::Sender<ExecInput>) {
    while let Some(piece) = input.next().await {
        let Ok(message) = rmp_serde::from_slice::<ExecInput>(&piece) else {
            tracing::warn!(
                "another agent sent what nobody understands; the rest of what it says is not heard"
            );
            return;
        };
        if said.send(message).await.is_err() {
            return;
        }
    }
}

/// A message as a piece.
fn encode(message: &impl serde::Serialize) -> Bytes {
    rmp_serde::to_vec_named(message).expect("bytes, numbers and text can be encoded").into()
}

fn decode(piece: &[u8]) -> Result<ExecOutput, rmp_serde::decode::Error> {
    rmp_serde::from_slice(piece)
}
