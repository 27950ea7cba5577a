//! `alloc exec`: a command inside a task, as if it ran here.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use api::Allocation;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{
    Context, Tool,
    alloc_logs::{choose_task, find_alloc},
    client::{Client, Heard, Hearing, Speaking, element},
    flags::{Flag, Flags, REST, switch, text},
    output::{Failure, Outcome, Output},
    terminal::{self, Escape, Raw},
};

pub(super) const FLAGS: &[Flag] = &[
    text("task", "name", "The task. Default: the only one."),
    switch("job", "The argument is a job: one of its running allocations."),
    text("group", "name", "With -job: an allocation of that group."),
    STDIN,
    TTY,
    ESCAPE,
    REST,
];

/// What [`Ends::of`] reads.
pub(super) const STDIN: Flag = switch("i", "Pass standard input on. Default: true.");
pub(super) const TTY: Flag = switch("t", "With a terminal. Default: true where input and output are one.");
pub(super) const ESCAPE: Flag = text(
    "e",
    "character",
    "At the beginning of a line, this and a full stop end the session; none: nothing does. Default: ~.",
);

/// Says that this side is still there.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Bytes of stdin in one message.
const CHUNK: usize = 16 * 1024;

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (id, command) = match flags.args.as_slice() {
        [] if flags.on("job") => return Err(Failure::usage("A job ID is required")),
        [] => return Err(Failure::usage("An allocation ID is required")),
        [_] => return Err(Failure::usage("A command is required")),
        [id, command @ ..] => (id, command),
    };
    let ends = Ends::of(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let Some(alloc_id) = find_alloc(ctx, &client, id, flags)? else { return Ok(1) };
    let alloc: Allocation = client
        .get(&format!("/v1/allocation/{}", element(&alloc_id)), &[])
        .map_err(|error| error.while_doing("querying allocation"))?;
    let task = choose_task(&alloc, flags.text("task"))?;
    let words = serde_json::json!(command).to_string();
    let path = format!("/v1/client/allocation/{}/exec", element(&alloc_id));
    hold(ctx, &client, &path, &[("task", &task), ("command", &words)], &ends)
}

/// What is connected with the command inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ends {
    stdin: bool,
    tty: bool,
    escape: Option<u8>,
}

impl Ends {
    /// As `-i`, `-t` and `-e` say.
    pub(super) fn of(flags: &Flags) -> Result<Self, Failure> {
        let stdin = flags.text("i") != Some("false");
        let tty = flags.text("t").map_or_else(|| stdin && terminal::is_there(), |text| text == "true");
        if tty && !stdin {
            return Err(Failure::message("-i must be enabled if running with tty"));
        }
        let escape = match flags.text("e").unwrap_or("~") {
            "none" => None,
            text if text.len() == 1 => text.bytes().next(),
            _ => return Err(Failure::message("-e requires 'none' or a single character")),
        };
        Ok(Self { stdin, tty, escape })
    }
}

/// Holds a session; the answer is the exit code of the command.
pub(super) fn hold(
    ctx: &mut Context<'_>,
    client: &Client,
    path: &str,
    query: &[(&str, &str)],
    ends: &Ends,
) -> Outcome {
    let tty = ends.tty.to_string();
    let mut query = query.to_vec();
    query.extend([("tty", tty.as_str()), ("ws_handshake", "true")]);
    let failed = |why: &dyn std::fmt::Display| Failure::message(format!("failed to exec into task: {why}"));
    client.converse(async {
        let (mut speaking, mut hearing) =
            client.websocket(path, &query).await.map_err(|error| failed(&error))?;
        let hello = serde_json::json!({ "version": 1, "auth_token": client.secret() }).to_string();
        speaking.text(hello).await;
        let raw = if ends.tty { Raw::begin() } else { None };
        let (ping, mut pings) = mpsc::channel(4);
        let outcome = tokio::select! {
            left = speak(&mut speaking, ends, raw.is_some(), &mut pings) => left,
            code = hear(&mut hearing, &mut ctx.output, &ping) => code,
        };
        speaking.close().await;
        drop(raw);
        match outcome {
            Err(Failure::Message(why)) => Err(failed(&why)),
            outcome => outcome,
        }
    })
}

/// Sends what is typed, until the person wants to leave.
async fn speak(
    speaking: &mut Speaking,
    ends: &Ends,
    raw: bool,
    pings: &mut mpsc::Receiver<bytes::Bytes>,
) -> Outcome {
    let mut escape = ends.escape.filter(|_| raw).map(Escape::new);
    let mut typed = if ends.stdin { Some(stdin()) } else { None };
    let mut resized = signal(SignalKind::window_change())?;
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut size = None;
    let mut closed = false;
    loop {
        let now = if ends.tty { terminal::size() } else { None };
        if now != size {
            size = now;
            if let Some((height, width)) = size {
                let said = serde_json::json!({ "tty_size": { "height": height, "width": width } });
                speaking.text(said.to_string()).await;
            }
        }
        if typed.is_none() && !closed {
            closed = true;
            speaking.text(String::from(r#"{"stdin":{"close":true}}"#)).await;
        }
        let next = async {
            match &mut typed {
                Some(typed) => typed.recv().await,
                None => std::future::pending().await,
            }
        };
        // What does not arrive any more, `hear` notices.
        tokio::select! {
            bytes = next => {
                let Some(bytes) = bytes else {
                    typed = None;
                    continue;
                };
                let through = match &mut escape {
                    None => bytes,
                    Some(escape) => match escape.typed(&bytes) {
                        Some(through) => through,
                        None => return Ok(0),
                    },
                };
                if !through.is_empty() {
                    let said = serde_json::json!({ "stdin": { "data": STANDARD.encode(through) } });
                    speaking.text(said.to_string()).await;
                }
            }
            Some(words) = pings.recv() => drop(speaking.pong(words).await),
            _ = resized.recv() => {}
            _ = beat.tick() => drop(speaking.text(String::from("{}")).await),
        }
    }
}

/// What is typed or piped in. The thread ends with the program: nothing can wake it while nobody types.
fn stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, typed) = mpsc::channel(2);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut page = vec![0; CHUNK];
        while let Ok(count @ 1..) = input.read(&mut page) {
            if sender.blocking_send(page[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    typed
}

/// A message of the agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    stdout: Piece,
    stderr: Piece,
    exited: bool,
    result: Ended,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Piece {
    data: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ended {
    exit_code: i32,
}

/// Shows what comes out, until the command is over.
async fn hear(hearing: &mut Hearing, output: &mut Output<'_>, pings: &mpsc::Sender<bytes::Bytes>) -> Outcome {
    loop {
        let text = match hearing.next().await {
            Heard::Text(text) => text,
            Heard::Ping(words) => {
                // One answer is as good as several.
                let _ = pings.try_send(words);
                continue;
            }
            Heard::Closed(why) => {
                let why = why.unwrap_or_else(|| String::from("the session ended before the command did"));
                return Err(Failure::message(why));
            }
        };
        let said: Said = serde_json::from_str(&text)
            .map_err(|error| Failure::message(format!("the agent's answer was not understood: {error}")))?;
        for (piece, out) in [(&said.stdout, &mut *output.out), (&said.stderr, &mut *output.err)] {
            if !piece.data.is_empty() {
                let bytes = STANDARD.decode(&piece.data).map_err(|error| {
                    Failure::message(format!("the agent's answer was not understood: {error}"))
                })?;
                show(out, &bytes)?;
            }
        }
        if said.exited {
            // As shells see it.
            return Ok(u8::try_from(said.result.exit_code & 0xff).unwrap_or(1));
        }
    }
}

fn show(out: &mut dyn Write, bytes: &[u8]) -> Result<(), Failure> {
    out.write_all(bytes)?;
    Ok(out.flush()?)
}
