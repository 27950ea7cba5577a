//! The event stream: one JSON object per line, from what is kept of the past on and on.

mod feed; // what happened, for all who follow

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use logic::events::Interest;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};

use self::feed::Batch;
pub use self::feed::EventFeed;
use super::{Context, call::Call, failure::Failure, passed_on, read::Answer};
use crate::actors::ports::WebStream;

/// An empty object, so that both ends notice when the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(10);

pub(super) fn is_asked_for(path: &[String]) -> bool {
    matches!(path, [v1, event, stream] if [v1, event, stream] == ["v1", "event", "stream"])
}

pub(super) fn stream(ctx: &Context, call: &Call) -> Answer {
    Ok(passed_on::stream_response(open(ctx, call)?))
}

/// Events as they come. A follower that falls behind what is kept is let go: it would not know what it missed.
pub(super) fn open(ctx: &Context, call: &Call) -> Result<WebStream, Failure> {
    call.only_get()?;
    let interest = Interest::read(call.texts("topic"), call.namespace()).map_err(Failure::bad)?;
    let index = call.index()?;
    let feed = ctx.events.clone().ok_or_else(|| Failure::absent("this agent has no events; ask a server"))?;
    let permit = ctx
        .watches
        .clone()
        .try_acquire_owned()
        .map_err(|_| Failure::busy("too many queries are waiting at this agent"))?;
    let follower = Follower {
        news: feed.news(),
        next: feed.first_from(index),
        feed,
        interest,
        heartbeat: Instant::now(),
        _permit: permit,
    };
    let body = stream::unfold(follower, |mut follower| async {
        let line = follower.line().await?;
        Some((Ok(line), follower))
    });
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Ok(WebStream {
        status: 200,
        headers: vec![header("content-type", "application/json"), header("cache-control", "no-cache")],
        body: body.boxed(),
    })
}

struct Follower {
    feed: Arc<EventFeed>,
    news: watch::Receiver<u64>,
    /// Number of the batch that is told next.
    next: u64,
    interest: Interest,
    /// When to say that there is nothing to say: at once, to begin with.
    heartbeat: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next line; `None` when there is a gap, or when the agent ends.
    async fn line(&mut self) -> Option<Bytes> {
        loop {
            if Instant::now() >= self.heartbeat {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(Bytes::from_static(b"{}\n"));
            }
            self.news.mark_unchanged();
            match self.feed.batch(self.next) {
                Batch::Told(batch) => {
                    self.next += 1;
                    if let Some(line) = batch.line(&self.interest) {
                        return Some(line);
                    }
                }
                Batch::Gone => return None,
                Batch::Future => {
                    tokio::select! {
                        changed = self.news.changed() => changed.ok()?,
                        () = sleep_until(self.heartbeat) => {}
                    }
                }
            }
        }
    }
}
