//! Takes frames off a connection, believing no length before the bytes are there.

use std::{io, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::MAX_FRAME;

/// Longest first frame: before the other side has said who it is, it gets little.
pub(super) const MAX_HELLO: usize = 64 << 10;
/// Frames up to this length are always taken; longer ones share the room of [`long_frames`].
const SHORT: usize = 64 << 10;
/// Bytes that all long frames of a listener may have together, from their first byte until they are answered.
const LONG_FRAMES: usize = 1 << 30;
/// Bytes that are asked of the system at once.
const STEP: usize = 64 << 10;

/// Room for the long frames of one listener, in KiB.
pub(super) fn long_frames() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LONG_FRAMES >> 10))
}

/// Why a connection brings no further frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("a frame of {length} bytes, at most {limit} are allowed")]
    Oversized { length: usize, limit: usize },
    /// It ended in the middle of a frame.
    #[error("the connection ended in the middle of a frame")]
    Truncated,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

/// A frame without its length.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// Of a long one: give it back when the frame is done with.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// One direction of a connection. Whoever waits for a frame may stop waiting at any time; nothing is lost.
pub(super) struct Reader<R> {
    from: R,
    buffer: BytesMut,
    limit: usize,
    /// For long frames; `None`: the other side is trusted (a caller reads the answers it asked for).
    long: Option<Arc<Semaphore>>,
    room: Option<OwnedSemaphorePermit>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Takes one short frame first.
    pub(super) fn new(from: R, long: Option<Arc<Semaphore>>) -> Self {
        Self { from, buffer: BytesMut::new(), limit: MAX_HELLO, long, room: None }
    }

    /// After the hello.
    pub(super) fn trust(&mut self) {
        self.limit = MAX_FRAME;
    }

    /// Whether a part of a frame is there, and not the rest.
    pub(super) fn is_amid(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next frame; `None`: the other side closed.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, Broken> {
        loop {
            match take(&mut self.buffer, self.limit)? {
                Taken::Frame(bytes) => return Ok(Some(Frame { bytes, room: self.room.take() })),
                Taken::Missing(missing) => {
                    let length = self.buffer.len() + missing;
                    if let Some(long) = self.long.as_ref().filter(|_| length > SHORT && self.room.is_none()) {
                        let places = u32::try_from(length.div_ceil(1 << 10)).expect("64 MiB fit");
                        let room = long.clone().acquire_many_owned(places).await;
                        self.room = Some(room.expect("never closed"));
                    }
                    self.buffer.reserve(missing.min(STEP));
                }
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Broken::Truncated) };
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Frame(Bytes),
    /// At least so many bytes more are needed.
    Missing(usize),
}

fn take(buffer: &mut BytesMut, limit: usize) -> Result<Taken, Broken> {
    let Some((head, rest)) = buffer.split_first_chunk::<4>() else {
        return Ok(Taken::Missing(4 - buffer.len()));
    };
    let length = u32::from_be_bytes(*head) as usize;
    if length > limit {
        return Err(Broken::Oversized { length, limit });
    }
    if rest.len() < length {
        return Ok(Taken::Missing(length - rest.len()));
    }
    buffer.advance(4);
    Ok(Taken::Frame(buffer.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::rpc::frame::{Request, Response, decode};

    fn framed(bodies: &[Vec<u8>]) -> Vec<u8> {
        bodies
            .iter()
            .flat_map(|body| u32::try_from(body.len()).unwrap().to_be_bytes().into_iter().chain(body.clone()))
            .collect()
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            cut in 1_usize..64,
        ) {
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for piece in framed(&bodies).chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Taken::Frame(frame) = take(&mut buffer, 300).unwrap() {
                    found.push(frame.to_vec());
                }
            }
            prop_assert_eq!(found, bodies);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn garbage_is_refused_or_waited_for_and_never_more(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            loop {
                match take(&mut buffer, 1000) {
                    Ok(Taken::Frame(frame)) => {
                        let _ = (decode::<Request>(&frame), decode::<Response>(&frame));
                    }
                    Ok(Taken::Missing(missing)) => {
                        prop_assert!(missing <= 1000);
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
    }

    #[tokio::test]
    async fn a_promised_length_takes_no_memory() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut reader = Reader::new(far, Some(long_frames()));
        reader.trust();
        let head = u32::try_from(MAX_FRAME).unwrap().to_be_bytes();
        tokio::io::AsyncWriteExt::write_all(&mut near, &head).await.unwrap();
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(20), reader.next());
        assert!(waiting.await.is_err());
        assert!(reader.is_amid());
        assert!(reader.buffer.capacity() <= 2 * STEP, "{}", reader.buffer.capacity());
        drop(near);
        assert!(matches!(reader.next().await, Err(Broken::Truncated)));
    }

    #[tokio::test]
    async fn long_frames_share_a_room() {
        let room = Arc::new(Semaphore::new(100));
        let body = vec![0; 80 << 10];
        let bytes = framed(&[body.clone(), body]);
        let mut one = Reader::new(&bytes[..], Some(room.clone()));
        let mut two = Reader::new(&bytes[..], Some(room.clone()));
        one.trust();
        two.trust();
        let first = one.next().await.unwrap().unwrap();
        let mut second = std::pin::pin!(two.next());
        assert!(futures::poll!(&mut second).is_pending(), "there is no room for two");
        drop(first);
        second.await.unwrap().unwrap();
    }
}
