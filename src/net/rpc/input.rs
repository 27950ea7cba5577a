//! What a caller sends along with a stream: as much ahead as was agreed, and no more.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

use super::frame::{Outgoing, Response, TELL, WINDOW, cost, frame};

/// The caller's pieces. Not read, they wait at the caller; the end means that the caller said so.
#[derive(Debug)]
pub struct Input {
    id: u64,
    queue: mpsc::UnboundedReceiver<Bytes>,
    left: Arc<AtomicI64>,
    /// Read, and the caller does not know it yet.
    read: u32,
    answers: mpsc::Sender<Outgoing>,
}

/// Where the connection puts them. Dropped, the input ends.
#[derive(Debug)]
pub(super) struct Feed {
    queue: mpsc::UnboundedSender<Bytes>,
    /// What may still come; the caller keeps to it, and with it the length of the queue.
    left: Arc<AtomicI64>,
}

/// Both ends, for the stream of that number.
pub(super) fn input(id: u64, answers: mpsc::Sender<Outgoing>) -> (Feed, Input) {
    let (sender, queue) = mpsc::unbounded_channel();
    let left = Arc::new(AtomicI64::new(WINDOW.into()));
    (Feed { queue: sender, left: left.clone() }, Input { id, queue, left, read: 0, answers })
}

impl Feed {
    /// False: the caller sends more than it may.
    pub(super) fn take(&self, piece: Bytes) -> bool {
        let cost = i64::from(cost(piece.len()));
        // Whoever should read them may have lost interest.
        let _ = self.queue.send(piece);
        self.left.fetch_sub(cost, Ordering::Relaxed) >= cost
    }
}

impl Input {
    fn tell(&mut self) {
        let credit = std::mem::take(&mut self.read);
        self.left.fetch_add(credit.into(), Ordering::Relaxed);
        let response = Response { id: self.id, body: Bytes::new(), failure: None, more: true, credit };
        let Ok(frame) = frame(&response) else { return };
        if let Err(mpsc::error::TrySendError::Full(frame)) = self.answers.try_send(frame.into())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let answers = self.answers.clone();
            runtime.spawn(async move { answers.send(frame).await });
        }
    }
}

impl Stream for Input {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.queue.poll_recv(context));
        if let Some(piece) = &piece {
            self.read += cost(piece.len());
            if self.read >= TELL {
                self.tell();
            }
        }
        Poll::Ready(piece)
    }
}
