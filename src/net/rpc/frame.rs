//! What is on the wire, and the writer that puts many frames into one system call.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use super::{Error, ErrorKind, MAX_FRAME, identity::Hello, load::Held};

/// From the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Call {
        id: u64,
        method: String,
        /// How long the caller will wait from now on.
        deadline_ms: u64,
        body: Bytes,
    },
    /// Asks for a head and pieces.
    Open {
        id: u64,
        method: String,
        /// For the head.
        deadline_ms: u64,
        /// What may be sent before the caller asks for more; see [`cost`].
        credit: u32,
        body: Bytes,
    },
    /// The caller took pieces of this cost: as many may follow.
    Credit { id: u64, credit: u32 },
    /// A piece of the caller's own, for a method that takes some; costs of what this side told with
    /// [`Response::credit`]. The last one has no body.
    Piece {
        id: u64,
        body: Bytes,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        last: bool,
    },
    /// The caller went away.
    Cancel { id: u64 },
    /// Is somebody there? Answered with an empty body.
    Ping { id: u64 },
}

/// To the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Response {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) body: Bytes,
    #[serde(default)]
    pub(super) failure: Option<Failure>,
    /// Others with this id follow: this one is the head or a piece. The last one has no body.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) more: bool,
    /// Pieces of the caller of this cost were taken: as many may follow. Then there is nothing else in it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) credit: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    kind: String,
    message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { kind: error.kind.name().into(), message: error.message }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self { kind: ErrorKind::of_name(&failure.kind), message: failure.message }
    }
}

/// What the called side answers to a hello.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Welcome {
    pub(super) hello: Hello,
    /// With it, the connection is closed.
    #[serde(default)]
    pub(super) refusal: Option<Failure>,
}

/// What either side of a stream may send before it is read. More would only be kept in memory.
pub(super) const WINDOW: u32 = 256 << 10;
/// When so much of it was read, the other side is told.
pub(super) const TELL: u32 = WINDOW / 4;
/// Longest piece of a stream; a longer one is cut.
pub(super) const MAX_PIECE: usize = 64 << 10;

/// What a piece takes of its stream's credit. An empty one takes something, too: it must be kept until it is read.
pub(super) fn cost(piece: usize) -> u32 {
    u32::try_from(piece).unwrap_or(u32::MAX).saturating_add(64)
}

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Bytes, Error> {
    rmp_serde::to_vec_named(message)
        .map(Bytes::from)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("the message cannot be encoded: {error}")))
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    rmp_serde::from_slice(bytes)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("the message cannot be decoded: {error}")))
}

/// Encodes a frame with its length.
///
/// # Errors
/// It is longer than frames may be.
pub(super) fn frame<T: Serialize>(message: &T) -> Result<Bytes, Error> {
    let mut writer = BytesMut::with_capacity(256);
    writer.put_u32(0);
    let mut writer = writer.writer();
    rmp_serde::encode::write_named(&mut writer, message)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("the message cannot be encoded: {error}")))?;
    let mut bytes = writer.into_inner();
    let length = bytes.len() - 4;
    if length > MAX_FRAME {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("the message has {length} bytes, at most {MAX_FRAME} can be sent"),
        ));
    }
    let length = u32::try_from(length).expect("64 MiB fit");
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes.freeze())
}

/// Whether a frame was sent: decides what its caller may believe when no answer comes.
#[derive(Debug, Clone, Default)]
pub(super) struct Sending(Arc<AtomicU8>);

const QUEUED: u8 = 0;
const STARTED: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Sending {
    /// The writer takes the frame. False: it was withdrawn.
    fn start(&self) -> bool {
        self.0.compare_exchange(QUEUED, STARTED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Keeps the frame from being sent. False: too late.
    pub(super) fn withdraw(&self) -> bool {
        self.0.compare_exchange(QUEUED, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) != Err(STARTED)
    }
}

/// A frame that waits for the writer.
pub(super) struct Outgoing {
    pub(super) bytes: Bytes,
    /// `None`: nobody wants to know, and it cannot be withdrawn.
    pub(super) sending: Option<Sending>,
    /// Counted against its connection until it is written.
    pub(super) held: Option<Held>,
}

impl From<Bytes> for Outgoing {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, sending: None, held: None }
    }
}

/// Bytes that are gathered before a write.
const GATHER: usize = 256 << 10;
/// What a quiet connection keeps of its buffer.
const KEEP: usize = 16 << 10;
/// A peer that takes no byte for so long is gone.
const STALLED: Duration = Duration::from_secs(60);

/// Writes until all senders are gone, or the connection fails or stalls.
pub(super) async fn write_all(
    mut connection: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Outgoing>,
) -> io::Result<()> {
    let mut waiting = Vec::new();
    let mut gathered = BytesMut::new();
    let mut held = Vec::new();
    while queue.recv_many(&mut waiting, 256).await > 0 {
        let sent = |frame: &Outgoing| frame.sending.as_ref().is_none_or(Sending::start);
        for mut frame in waiting.drain(..).filter(sent) {
            if frame.bytes.len() >= GATHER {
                flush(&mut connection, &mut gathered).await?;
                flush(&mut connection, &mut frame.bytes).await?;
            } else {
                gathered.extend_from_slice(&frame.bytes);
                held.extend(frame.held);
                if gathered.len() >= GATHER {
                    flush(&mut connection, &mut gathered).await?;
                    held.clear();
                }
            }
        }
        let large = gathered.len() > KEEP;
        flush(&mut connection, &mut gathered).await?;
        held.clear();
        if large && queue.is_empty() {
            gathered = BytesMut::new();
        }
    }
    connection.shutdown().await
}

/// Each write that takes something gives the peer its time anew.
async fn flush(connection: &mut (impl AsyncWrite + Unpin), bytes: &mut impl bytes::Buf) -> io::Result<()> {
    while bytes.has_remaining() {
        let written = tokio::time::timeout(STALLED, connection.write_buf(bytes)).await;
        if written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}
