//! One websocket, from its handshake to its close.

use std::time::Duration;

use actix_ws::{
    AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Closed, MessageStream, Session,
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

use super::{
    decode, encode,
    frames::{self, Handshake},
    open,
};
use crate::{
    actors::ports::{ClusterError, ExecOutput, WebStream},
    http::{Context, call::Call, failure::Failure},
};

/// Bytes of one message of a client.
const MAX_MESSAGE: usize = 1 << 20;
/// What is believed of the words with which a session is refused.
const MAX_REFUSAL: usize = 4096;
/// A close frame holds no more.
const MAX_REASON: usize = 120;
/// A client that wants to say who it is does it within this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is there, and how long it may be silent.
const PING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(60);

pub(super) async fn hold(
    ctx: &Context,
    call: &Call,
    handshake: bool,
    mut session: Session,
    messages: MessageStream,
) {
    let messages = messages.max_frame_size(MAX_MESSAGE);
    let mut messages = messages.aggregate_continuations().max_continuation_size(MAX_MESSAGE);
    let reason = match converse(ctx, call, handshake, &mut session, &mut messages).await {
        Ok(()) => CloseReason::from(CloseCode::Normal),
        Err(failure) => {
            let code = if failure.status.is_server_error() { CloseCode::Error } else { CloseCode::Policy };
            CloseReason { code, description: Some(short(failure.text)) }
        }
    };
    // The client may be gone.
    let _ = session.close(Some(reason)).await;
}

fn short(mut text: String) -> String {
    while text.len() > MAX_REASON {
        text.pop();
    }
    text
}

async fn converse(
    ctx: &Context,
    call: &Call,
    handshake: bool,
    session: &mut Session,
    messages: &mut AggregatedMessageStream,
) -> Result<(), Failure> {
    if handshake {
        greet(messages).await?;
    }
    let (said, mut input) = mpsc::channel::<Bytes>(4);
    let input = stream::poll_fn(move |context| input.poll_recv(context)).boxed();
    let mut stream = open(ctx, call, input).await?;
    if stream.status != 200 {
        return Err(refusal(stream).await);
    }
    let mut answers = session.clone();
    let speak = async {
        while let Some(piece) = stream.body.next().await {
            let piece = piece.map_err(|error| match error {
                ClusterError::Unknown(why) => Failure::server(format!("the session broke off: {why}")),
                error => error.into(),
            })?;
            let heard = decode(&piece).map_err(|error| {
                Failure::server(format!("the task's node said what nobody understands: {error}"))
            })?;
            for text in frames::write(&heard) {
                if answers.text(text).await.is_err() {
                    return Ok(());
                }
            }
            match heard {
                ExecOutput::Exited(_) => return Ok(()),
                ExecOutput::Failed(why) => return Err(Failure::server(why)),
                ExecOutput::Stdout(_) | ExecOutput::Stderr(_) => {}
            }
        }
        Err(Failure::server("the session broke off"))
    };
    tokio::select! {
        done = speak => done,
        done = listen(session, messages, &said) => done,
    }
}

async fn greet(messages: &mut AggregatedMessageStream) -> Result<(), Failure> {
    let first = timeout(HANDSHAKE, messages.recv()).await.ok().flatten();
    let Some(Ok(AggregatedMessage::Text(text))) = first else {
        return Err(Failure::bad("the first message has to be a handshake"));
    };
    let handshake: Handshake = serde_json::from_str(&text)
        .map_err(|error| Failure::bad(format!("the handshake cannot be read: {error}")))?;
    if handshake.version != 1 {
        return Err(Failure::bad(format!("handshake version {} is not supported", handshake.version)));
    }
    Ok(())
}

/// Hears the client until it goes away. `Ok`: it did so in order, or without a word.
async fn listen(
    session: &mut Session,
    messages: &mut AggregatedMessageStream,
    said: &mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    let mut heard = Instant::now();
    loop {
        let Ok(message) = timeout_at((heard + SILENCE).min(Instant::now() + PING), messages.recv()).await
        else {
            if heard.elapsed() >= SILENCE || session.ping(b"").await.is_err() {
                return Ok(());
            }
            continue;
        };
        heard = Instant::now();
        match message {
            None | Some(Ok(AggregatedMessage::Close(_))) => return Ok(()),
            Some(Err(error)) => return Err(Failure::bad(format!("the websocket failed: {error}"))),
            Some(Ok(AggregatedMessage::Ping(words))) => {
                if let Err(Closed) = session.pong(&words).await {
                    return Ok(());
                }
            }
            Some(Ok(AggregatedMessage::Pong(_))) => {}
            Some(Ok(AggregatedMessage::Binary(_))) => {
                return Err(Failure::bad("messages have to be text"));
            }
            Some(Ok(AggregatedMessage::Text(text))) => {
                for input in frames::read(&text).map_err(Failure::bad)? {
                    // While the command does not take it, the client is not heard: that is how it learns to wait.
                    let piece = encode(&input);
                    let mut sending = std::pin::pin!(said.send(piece));
                    while timeout(PING, &mut sending).await.is_err() {
                        if session.ping(b"").await.is_err() {
                            return Ok(());
                        }
                    }
                }
                heard = Instant::now();
            }
        }
    }
}

/// Why another agent did not begin the session.
async fn refusal(stream: WebStream) -> Failure {
    let WebStream { status, mut body, .. } = stream;
    let mut text = BytesMut::new();
    while let Some(Ok(piece)) = body.next().await {
        text.extend_from_slice(&piece[..piece.len().min(MAX_REFUSAL.saturating_sub(text.len()))]);
    }
    let status = status.try_into().unwrap_or(actix_web::http::StatusCode::BAD_GATEWAY);
    Failure::new(status, String::from_utf8_lossy(&text))
}
