//! When this server last heard its leader, and its promise to it.
//!
//! A server that hears a leader grants nobody else a vote for the time of the leader's lease. It may give that up
//! before: see [`Contact::give_up`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::types::Vote;
use crate::net::rpc::{Error, ErrorKind};

pub(super) struct Contact {
    inner: Mutex<Inner>,
    /// Until then this server grants no vote: it may have confirmed a leader just before it was restarted.
    votes_from: Instant,
}

#[derive(Default)]
struct Inner {
    heard: Option<Instant>,
    /// Messages of a leader that are being answered.
    hearing: usize,
    /// The leader that is listened to no more, and since when.
    given_up: Option<(Vote, Instant)>,
}

/// A leader's message that is being answered.
pub(super) struct Hearing(Arc<Contact>);

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.lock().hearing -= 1;
    }
}

impl Contact {
    /// `promise`: the longest time for which a leader relies on being heard.
    pub(super) fn new(promise: Duration) -> Self {
        Self { inner: Mutex::default(), votes_from: Instant::now() + promise }
    }

    /// Waits until votes may be granted.
    pub(super) async fn may_vote(&self) {
        tokio::time::sleep_until(self.votes_from).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a leader spoke.
    ///
    /// # Errors
    /// It was given up.
    pub(super) fn hear(self: &Arc<Self>, vote: &Vote) -> Result<Hearing, Error> {
        let mut inner = self.lock();
        let now = Instant::now();
        if inner.given_up.is_some_and(|(leader, _)| leader == *vote) {
            return Err(Error::new(ErrorKind::Conflict, "this server takes the leader for dead"));
        }
        inner.heard = Some(now);
        inner.hearing += 1;
        Ok(Hearing(self.clone()))
    }

    /// Since a leader was last heard.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.lock().heard.map(|heard| heard.elapsed())
    }

    /// Whether no leader was heard for so long, or ever.
    pub(super) fn is_lost(&self, silence: Duration) -> bool {
        let inner = self.lock();
        inner.hearing == 0 && inner.heard.is_none_or(|heard| heard.elapsed() >= silence)
    }

    /// Whether it was silent for so long that [`Contact::give_up`] would succeed.
    pub(super) fn is_silent(&self, silence: Duration) -> bool {
        let inner = self.lock();
        inner.hearing == 0 && inner.heard.is_some_and(|heard| heard.elapsed() >= silence)
    }

    /// Whether the leader was given up so long ago.
    pub(super) fn is_deaf_to(&self, leader: &Vote, time: Duration) -> bool {
        let given_up = self.lock().given_up;
        given_up.is_some_and(|(known, since)| known == *leader && since.elapsed() >= time)
    }

    /// Never listens to this leader again, in this term, if it was silent for `silence`. Whatever this server confirmed
    /// to it was sent at least so long ago, and nothing will be confirmed from now on: that is what makes it safe to
    /// let go of the lease, however wrong the belief is that the leader is dead.
    pub(super) fn give_up(&self, leader: &Vote, silence: Duration) -> bool {
        let mut inner = self.lock();
        let silent = inner.hearing == 0 && inner.heard.is_some_and(|heard| heard.elapsed() >= silence);
        if silent && inner.given_up.is_none_or(|(known, _)| known != *leader) {
            inner.given_up = Some((*leader, Instant::now()));
        }
        silent
    }
}
