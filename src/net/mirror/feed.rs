//! The servers' side: watches the log for all followers, and makes each difference once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use state::{Catalog, Epoch};
use tokio::{
    runtime::Handle,
    sync::{OnceCell, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{DeltaName, Encoded, News, PART, Rest, WATCH_LIMIT, Watch};
use crate::{
    actors::ports::{Consensus, Consistency, Freshness, StateReader},
    net::rpc::{Error, ErrorKind, Router},
};

/// Changes within this time are told together.
const TOGETHER: Duration = Duration::from_millis(20);
/// Pause after telling a follower of a change, times the number of followers: telling 10,000 takes a core about 0.2 s,
/// and a log that changes all the time must not keep it busy with that alone.
const PAUSE_PER_FOLLOWER: Duration = Duration::from_micros(20);
/// How often the server looks whether it still hears of a leader.
const LOOK: Duration = Duration::from_secs(1);
/// Without a leader for so long, a server sends its followers to another: it may be the one that is cut off.
const LEADERLESS: Duration = Duration::from_secs(10);
/// How long a server may take to reach what a follower has already.
const LAG: Duration = Duration::from_secs(2);
/// Earlier catalogs that are kept to compare with. They share their tables with the newest.
const POINTS: usize = 32;
/// Encoded differences that are kept, and complete catalogs among them.
const DELTAS: usize = 8;
const FULLS: usize = 2;
/// Whoever needs everything gets what was encoded for somebody else not longer ago than this.
const FULL_FRESH: Duration = Duration::from_secs(1);

/// What followers wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Newest {
    epoch: Epoch,
    index: u64,
    freshness: Freshness,
    /// No leader for longer than [`LEADERLESS`].
    orphan: bool,
}

/// The catalog's changes, for any number of followers.
pub struct CatalogFeed {
    consensus: Arc<dyn Consensus>,
    newest: watch::Sender<Newest>,
    /// Oldest first.
    points: Mutex<VecDeque<Catalog>>,
    made: Mutex<VecDeque<Made>>,
}

#[derive(Clone)]
struct Made {
    name: DeltaName,
    at: Instant,
    bytes: Arc<OnceCell<Bytes>>,
}

impl std::fmt::Debug for CatalogFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogFeed").field("newest", &*self.newest.borrow()).finish_non_exhaustive()
    }
}

impl CatalogFeed {
    /// Watches `state` until `stop`.
    pub fn start(
        state: Arc<dyn StateReader>,
        consensus: Arc<dyn Consensus>,
        runtime: &Handle,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let catalog = state.root().catalog();
        let freshness = Freshness { known_leader: false, last_contact: Duration::ZERO };
        let (newest, _) = watch::channel(Newest {
            epoch: catalog.epoch(),
            index: catalog.index(),
            freshness,
            orphan: false,
        });
        let feed = Arc::new(Self {
            consensus,
            newest,
            points: Mutex::new(VecDeque::from([catalog])),
            made: Mutex::default(),
        });
        let watching = feed.clone();
        runtime.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = watching.watch_state(state) => {}
                () = watching.watch_leader() => {}
            }
        });
        feed
    }

    /// How many wait for news now.
    #[cfg(test)]
    pub(super) fn followers(&self) -> usize {
        self.newest.receiver_count()
    }

    /// How many differences are kept.
    #[cfg(test)]
    pub(super) fn made(&self) -> usize {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    async fn watch_state(&self, state: Arc<dyn StateReader>) {
        let mut changes = state.changes();
        // What came before the subscription.
        changes.mark_changed();
        while changes.changed().await.is_ok() {
            let root = state.root();
            let known = *self.newest.borrow();
            if (known.epoch, known.index) == (root.epoch, root.catalog_index()) {
                continue;
            }
            drop(root);
            tokio::time::sleep(TOGETHER).await;
            changes.mark_unchanged();
            let catalog = state.root().catalog();
            let (epoch, index) = (catalog.epoch(), catalog.index());
            self.keep(catalog);
            self.newest.send_modify(|newest| (newest.epoch, newest.index) = (epoch, index));
            let followers = u32::try_from(self.newest.receiver_count()).unwrap_or(u32::MAX);
            tokio::time::sleep(PAUSE_PER_FOLLOWER * followers.min(100_000)).await;
        }
    }

    async fn watch_leader(&self) {
        let mut heard = Instant::now();
        loop {
            let look = self.consensus.catch_up(Consistency::Stale);
            let freshness = match tokio::time::timeout(LOOK, look).await {
                Ok(Ok(freshness)) => freshness,
                Ok(Err(_)) | Err(_) => Freshness { known_leader: false, last_contact: heard.elapsed() },
            };
            if freshness.known_leader && freshness.last_contact < LEADERLESS {
                heard = Instant::now();
            }
            let orphan = heard.elapsed() >= LEADERLESS;
            // Only news that somebody waits for wake the followers.
            self.newest.send_if_modified(|newest| {
                newest.freshness = freshness;
                std::mem::replace(&mut newest.orphan, orphan) != orphan
            });
            tokio::time::sleep(LOOK).await;
        }
    }

    fn keep(&self, catalog: Catalog) {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        // Another log: nothing can be compared with what was.
        if points.back().is_some_and(|last| last.epoch() != catalog.epoch()) {
            points.clear();
        }
        points.push_back(catalog);
        if points.len() > POINTS {
            // The newer half stays as it is; of the older one every other goes: what is left reaches far back.
            let mut at = 0;
            points.retain(|_| {
                at += 1;
                at > POINTS / 2 || at % 2 == 1
            });
        }
    }

    /// The newest state, and the last kept one that is no newer than what the follower has.
    fn between(&self, index: u64) -> Option<(Catalog, Option<Catalog>)> {
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = points.back()?.clone();
        let base = points.iter().rev().find(|point| index > 0 && point.index() <= index).cloned();
        Some((newest, base))
    }

    /// # Errors
    /// This server is not the one to follow now; another may be.
    pub(super) async fn watch(&self, ask: Watch) -> Result<News, Error> {
        let start = Instant::now();
        let deadline = start + WATCH_LIMIT.min(Duration::from_millis(ask.wait_ms));
        let mut newest = self.newest.subscribe();
        let mut caught_up = false;
        loop {
            let now = *newest.borrow_and_update();
            let until = if now.orphan {
                return Err(Error::new(ErrorKind::NoLeader, "this server hears of no leader"));
            } else if now.epoch != ask.epoch && ask.index > 0 {
                // The follower has another log, or this server has not heard of its own yet.
                if caught_up && now.epoch != Epoch::default() {
                    return self.news(0).await;
                }
                let wait = tokio::time::timeout(LAG, self.consensus.catch_up(Consistency::Default));
                match wait.await {
                    Ok(Ok(_)) if !caught_up => {
                        caught_up = true;
                        // What was reached is told within this time.
                        tokio::time::sleep(2 * TOGETHER).await;
                        continue;
                    }
                    Ok(Ok(_)) => start + LAG,
                    Ok(Err(error)) => return Err(Error::new(ErrorKind::NoLeader, error.to_string())),
                    Err(_) => return Err(Error::new(ErrorKind::NoLeader, "the leader does not answer")),
                }
            } else if now.index > ask.index {
                return self.news(ask.index).await;
            } else if now.index < ask.index {
                start + LAG
            } else {
                deadline
            };
            match timeout_at(until, newest.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Error::new(ErrorKind::NoLeader, "the server is ending")),
                Err(_) if now.index == ask.index && (now.epoch == ask.epoch || ask.index == 0) => {
                    return Ok(self.nothing_new());
                }
                Err(_) => {
                    let words = format!("this server is at {} only, not at {}", now.index, ask.index);
                    return Err(Error::new(ErrorKind::NoLeader, words));
                }
            }
        }
    }

    /// An answer without changes: what is known of the leader at this moment.
    fn nothing_new(&self) -> News {
        let Freshness { known_leader, last_contact } = self.newest.borrow().freshness;
        News { known_leader, last_contact, delta: None }
    }

    async fn news(&self, index: u64) -> Result<News, Error> {
        let Some((newest, base)) = self.between(index) else { return Ok(self.nothing_new()) };
        let made = self.place_of(&newest, base.as_ref(), index);
        let bytes = made.bytes.get_or_try_init(|| async move {
            tokio::task::spawn_blocking(move || rmp_serde::to_vec_named(&newest.since(base.as_ref())))
                .await
                .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?
                .map(Bytes::from)
                .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
        });
        let bytes = bytes.await?;
        let delta = Encoded {
            name: made.name,
            length: bytes.len() as u64,
            first: bytes.slice(..bytes.len().min(PART)),
        };
        Ok(News { delta: Some(delta), ..self.nothing_new() })
    }

    /// Where the difference is, or will be when the first who wants it has made it.
    fn place_of(&self, newest: &Catalog, base: Option<&Catalog>, index: u64) -> Made {
        let now = Instant::now();
        let name =
            DeltaName { epoch: newest.epoch(), since: base.map(Catalog::index), index: newest.index() };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = |made: &&Made| {
            let fresh = base.is_none() && made.at + FULL_FRESH > now && made.name.index > index;
            made.name == name || (fresh && made.name.since.is_none() && made.name.epoch == name.epoch)
        };
        if let Some(found) = made.iter().rev().find(usable) {
            return found.clone();
        }
        // Complete ones are large, and whoever fetches one in parts takes a while: they are counted apart.
        let kind = |made: &Made| made.name.since.is_none();
        let limit = if base.is_none() { FULLS } else { DELTAS };
        if made.iter().filter(|made| kind(made) == base.is_none()).count() >= limit
            && let Some(oldest) = made.iter().position(|made| kind(made) == base.is_none())
        {
            made.remove(oldest);
        }
        let place = Made { name, at: now, bytes: Arc::default() };
        made.push_back(place.clone());
        place
    }

    /// # Errors
    /// It is not kept any more: the follower has to begin again.
    fn rest(&self, Rest { name, offset }: &Rest) -> Result<Bytes, Error> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = made.iter().find(|made| made.name == *name).and_then(|made| made.bytes.get());
        let Some(bytes) = bytes else {
            return Err(Error::new(ErrorKind::NotFound, "these changes are not kept any more"));
        };
        let from = usize::try_from(*offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.slice(from..bytes.len().min(from.saturating_add(PART))))
    }
}

/// Answers followers from the feed.
pub fn register_catalog_methods(router: &mut Router, feed: &Arc<CatalogFeed>) {
    let watching = feed.clone();
    router.register_waiting(move |ask: Watch| {
        let feed = watching.clone();
        async move { feed.watch(ask).await }
    });
    let feed = feed.clone();
    router.register(move |ask: Rest| std::future::ready(feed.rest(&ask)));
}
