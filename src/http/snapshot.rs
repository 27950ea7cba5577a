//! The whole state as one stream of bytes, for operators to keep and for predictions to begin with.

use std::io::{self, BufWriter, Write};

use actix_web::http::Method;
use bytes::Bytes;
use futures::{StreamExt, stream};
use state::{Root, records::write_state};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Context, call::Call, elsewhere, failure::Failure, passed_on, read::Answer};
use crate::actors::ports::WebStream;

/// Bytes that are sent at once.
const PIECE: usize = 256 * 1024;
/// Pieces that may wait for whoever reads them.
const AHEAD: usize = 4;

pub(super) async fn save(ctx: &Context, call: &Call) -> Answer {
    Ok(passed_on::stream_response(open(ctx, call).await?))
}

/// Whether the request is for a snapshot: its answer comes bit by bit.
pub(super) fn is_asked_for(path: &[impl AsRef<str>]) -> bool {
    matches!(path, [v1, operator, snapshot]
        if [v1.as_ref(), operator.as_ref(), snapshot.as_ref()] == ["v1", "operator", "snapshot"])
}

/// The state as this server has it, or as another one does that has to answer.
pub(super) async fn open_anywhere(ctx: &Context, call: &Call) -> Result<WebStream, Failure> {
    match elsewhere::target(ctx, call, &["operator", "snapshot"]) {
        Some(target) => Ok(ctx.elsewhere.stream(target, call.to_pass_on()?).await?),
        None => open(ctx, call).await,
    }
}

async fn open(ctx: &Context, call: &Call) -> Result<WebStream, Failure> {
    match call.method {
        Method::GET => {}
        Method::PUT | Method::POST => {
            return Err(Failure::absent(
                "restoring a snapshot is not supported by this version of troupe; the cluster was not changed",
            ));
        }
        _ => return Err(Failure::method()),
    }
    let freshness = ctx.consensus.catch_up(call.consistency()?).await?;
    let permit = ctx
        .watches
        .clone()
        .try_acquire_owned()
        .map_err(|_| Failure::busy("too many queries are waiting at this agent"))?;
    let root = ctx.state.root();
    let headers = [
        ("content-type", String::from("application/octet-stream")),
        ("x-nomad-index", root.index.to_string()),
        ("x-nomad-knownleader", freshness.known_leader.to_string()),
        ("x-nomad-lastcontact", freshness.last_contact.as_millis().to_string()),
    ];
    let headers = headers.map(|(name, value)| (String::from(name), value)).into();
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || pump(&root, sender, permit));
    let body = stream::unfold(receiver, |mut receiver| async {
        let piece: Bytes = receiver.recv().await?;
        Some((Ok(piece), receiver))
    });
    Ok(WebStream { status: 200, headers, body: body.boxed() })
}

/// Encodes a state; ends early when the reader is gone. Blocks.
fn pump(root: &Root, sender: mpsc::Sender<Bytes>, _permit: OwnedSemaphorePermit) {
    let mut out = BufWriter::with_capacity(PIECE, Pieces(sender));
    // What was sent lacks its last row then: the reader notices.
    if let Err(error) = write_state(root, &mut out).and_then(|()| out.flush()) {
        tracing::debug!(%error, "snapshot was not sent to its end");
    }
}

struct Pieces(mpsc::Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(Bytes::copy_from_slice(bytes)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
