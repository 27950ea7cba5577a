//! Output of tasks: the rotated files of one stream as one flow of bytes, in frames or plain, to its end or on and on.

mod files; // the files of one stream, and a place in them
mod frame; // how bytes travel

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use model::{AllocId, TaskPhase, TaskState};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

pub(super) use self::files::{Files, Place};
use self::{files::Step, frame::Frame};
use super::{
    Context,
    call::Call,
    client::{alloc_id, no_answer, other_agent},
    failure::Failure,
    passed_on,
    read::Answer,
};
use crate::actors::ports::WebStream;

/// How often the files are looked at for more. The writer is another process: nothing wakes us.
const LOOK: Duration = Duration::from_millis(100);

/// Frames without bytes, so that both ends notice when the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long after the end of a task more output may come: its collector writes what is left in the pipe.
const LINGER: Duration = Duration::from_millis(500);

pub(super) async fn stream(ctx: &Context, call: &Call, id: &str) -> Answer {
    Ok(passed_on::stream_response(open(ctx, call, id).await?))
}

/// The output as it comes: from the files of this node, or from the node that has them.
pub(super) async fn open(ctx: &Context, call: &Call, id: &str) -> Result<WebStream, Failure> {
    call.only_get()?;
    let task = call.text("task").ok_or_else(|| Failure::bad("must provide task name"))?;
    let kind = call
        .text("type")
        .filter(|kind| matches!(*kind, "stdout" | "stderr"))
        .ok_or_else(|| Failure::bad("must provide log type (stdout/stderr)"))?;
    let from_end = is_from_end(call)?;
    let offset = call.number("offset")?.unwrap_or(0);
    let (follow, plain) = (call.flag("follow")?, call.flag("plain")?);
    let alloc = alloc_id(id)?;
    // A task name is part of a file name below.
    if task.contains(['/', '\\', '\0']) {
        return Err(Failure::bad(format!("unknown task name {task:?}")));
    }
    let root = ctx.state.root();
    if let Some(alloc) = root.allocs.get(&alloc)
        && root.group_of(alloc).is_some_and(|group| group.task(task).is_none())
    {
        return Err(Failure::bad(format!("unknown task name {task:?}")));
    }
    drop(root);
    let dir = match ctx.nodes.log_dir(alloc).await {
        Ok(dir) => dir,
        Err(error) => {
            let target = other_agent(ctx, call, alloc, error)?;
            // Also output that ends: it may be more than an answer in one piece can hold.
            let stream = ctx.elsewhere.stream(target.clone(), call.to_pass_on()?).await;
            return stream.map_err(|error| no_answer(ctx, &target, error));
        }
    };
    let files = Files::new(dir, task, kind);
    let place = files
        .place(offset, from_end)
        .await
        .map_err(|error| Failure::server(format!("the logs cannot be read: {error}")))?;
    let task = Task { ctx: ctx.clone(), alloc, name: task.to_owned() };
    // A task that runs and has not said anything has no file: that is an empty stream, not an error.
    if place.is_none() && !task.has_started().await {
        return Err(Failure::not_found(format!("task {:?} not started yet. No logs available", task.name)));
    }
    let until = if follow { Until::TaskIsOver(Box::new(task)) } else { Until::End };
    pour(ctx, files, place, until, plain)
}

/// Bytes that are of no file, as a frame.
pub(super) fn frame_of(bytes: &Bytes) -> Bytes {
    serde_json::json!({ "Data": frame::base64(bytes) }).to_string().into()
}

/// Whether offsets count from the end.
pub(super) fn is_from_end(call: &Call) -> Result<bool, Failure> {
    match call.text("origin") {
        None | Some("start") => Ok(false),
        Some("end") => Ok(true),
        Some(_) => Err(Failure::bad("origin must be start or end")),
    }
}

/// What is in the files as it comes, in frames or plain.
pub(super) fn pour(
    ctx: &Context,
    files: Files,
    place: Option<Place>,
    until: Until,
    plain: bool,
) -> Result<WebStream, Failure> {
    let permit = ctx
        .watches
        .clone()
        .try_acquire_owned()
        .map_err(|_| Failure::busy("too many queries are waiting at this agent"))?;

    let (sender, receiver) = mpsc::channel(4);
    let pump = Pump { files, place, sender, plain };
    tokio::spawn(async move {
        let _permit = permit;
        // An error ends the stream: the status is long sent.
        if let Err(error) = pump.run(&until).await {
            tracing::debug!(%error, "stream of a file ended");
        }
    });
    let body = stream::unfold(receiver, |mut receiver| async {
        let bytes: Bytes = receiver.recv().await?;
        Some((Ok(bytes), receiver))
    });
    let content_type = if plain { "text/plain" } else { "application/json" };
    Ok(WebStream {
        status: 200,
        headers: vec![(String::from("content-type"), String::from(content_type))],
        body: body.boxed(),
    })
}

/// How long more is waited for.
pub(super) enum Until {
    /// Not at all.
    End,
    TaskIsOver(Box<Task>),
    /// The file is deleted, or the client is gone.
    Gone,
}

/// The task whose output it is.
pub(super) struct Task {
    ctx: Context,
    alloc: AllocId,
    name: String,
}

impl Task {
    /// As the state has it; as the node knows it where there is no state. `None`: nobody knows the allocation.
    async fn state(&self) -> Option<TaskState> {
        let root = self.ctx.state.root();
        if let Some(alloc) = root.allocs.get(&self.alloc) {
            let mut state = alloc.tasks.get(&self.name).cloned().unwrap_or_default();
            if alloc.client.is_terminal() {
                state.phase = TaskPhase::Dead;
            }
            return Some(state);
        }
        drop(root);
        let tasks = self.ctx.nodes.task_states(self.alloc).await.ok()?;
        Some(tasks.get(&self.name).cloned().unwrap_or_default())
    }

    async fn has_started(&self) -> bool {
        self.state().await.is_some_and(|state| !state.started_at.is_zero())
    }

    /// Whether it will write nothing more.
    async fn is_over(&self) -> bool {
        self.state().await.is_none_or(|state| state.phase == TaskPhase::Dead)
    }
}

struct Pump {
    files: Files,
    /// `None` until there is a file.
    place: Option<Place>,
    sender: mpsc::Sender<Bytes>,
    plain: bool,
}

impl Pump {
    /// Sends until the end of the files, or, following a task, until it is over and all of its output is sent, or until
    /// the file is deleted.
    /// Returns early when the client is gone.
    async fn run(mut self, until: &Until) -> io::Result<()> {
        let mut last_sent = Instant::now();
        let mut over_since = None;
        loop {
            if self.place.is_none() {
                self.place = self.files.place(0, false).await?;
            }
            let frame = match &mut self.place {
                None => None,
                Some(place) => match self.files.next(place).await? {
                    Step::Bytes(data) => Some(Frame::data(place, data)),
                    Step::Event(event) => Some(Frame::event(place, event)),
                    Step::Gone => {
                        let last = Frame::event(place, "file deleted");
                        self.send(&last).await;
                        return Ok(());
                    }
                    Step::End => None,
                },
            };
            if let Some(frame) = frame {
                over_since = None;
                last_sent = Instant::now();
                if !self.send(&frame).await {
                    return Ok(());
                }
                continue;
            }
            match until {
                Until::End => return Ok(()),
                Until::TaskIsOver(task) if task.is_over().await => {
                    let since = *over_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= LINGER {
                        return Ok(());
                    }
                }
                Until::TaskIsOver(_) | Until::Gone => {}
            }
            if !self.plain && last_sent.elapsed() >= HEARTBEAT {
                last_sent = Instant::now();
                if self.sender.send(Bytes::from_static(b"{}")).await.is_err() {
                    return Ok(());
                }
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.sender.closed() => return Ok(()),
            }
        }
    }

    /// False when the client is gone.
    async fn send(&self, frame: &Frame) -> bool {
        let bytes = if self.plain { frame.data.clone() } else { frame.json() };
        bytes.is_empty() || self.sender.send(bytes).await.is_ok()
    }
}
