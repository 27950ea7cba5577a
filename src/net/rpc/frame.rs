//! Frames, and the writer that puts many of them into one system call.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::codec::LengthDelimitedCodec;

use super::{Error, ErrorKind, MAX_FRAME};

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

pub(super) fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec()
}

pub(super) fn encode<T: Serialize>(message: &T) -> Result<Bytes, Error> {
    rmp_serde::to_vec_named(message)
        .map(Bytes::from)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("the message cannot be encoded: {error}")))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
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
    pub(super) sending: Sending,
}

impl From<Bytes> for Outgoing {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, sending: Sending::default() }
    }
}

/// Bytes that are gathered before a write.
const GATHER: usize = 256 << 10;

/// Writes until all senders are gone or the connection fails.
pub(super) async fn write_all(
    mut connection: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Outgoing>,
) -> io::Result<()> {
    let mut waiting = Vec::new();
    let mut gathered = BytesMut::new();
    while queue.recv_many(&mut waiting, 256).await > 0 {
        for frame in waiting.drain(..).filter(|frame| frame.sending.start()) {
            if frame.bytes.len() >= GATHER {
                connection.write_all_buf(&mut gathered).await?;
                connection.write_all(&frame.bytes).await?;
            } else {
                gathered.extend_from_slice(&frame.bytes);
                if gathered.len() >= GATHER {
                    connection.write_all_buf(&mut gathered).await?;
                }
            }
        }
        connection.write_all_buf(&mut gathered).await?;
    }
    connection.shutdown().await
}
