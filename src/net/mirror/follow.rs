//! The side of agents without a log: follows one server, and another when that one is gone.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::BytesMut;
use state::{CatalogDelta, Epoch, Root, mirror::Misfit};
use tokio::{runtime::Handle, sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Encoded, News, Rest, WATCH_LIMIT, Watch};
use crate::{
    actors::ports::{Freshness, StateReader},
    net::rpc::{Client, Error, ErrorKind},
};

/// Beyond the server's own limit, for the answer's way.
const GRACE: Duration = Duration::from_secs(15);
/// For the first answer of a server, and for further parts of one.
const SHORT: Duration = Duration::from_secs(30);
/// Wait after all servers failed; doubles with each further round.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A catalog that is said to be longer is not fetched.
const MAX_LENGTH: u64 = 4 << 30;

/// Where servers are found. Asked again whenever one fails.
pub trait Servers: Send + Sync + 'static {
    /// RPC addresses of the servers known now.
    fn addresses(&self) -> Vec<String>;
    /// The way to one of them; shared with other callers where there are any.
    fn client(&self, address: &str) -> Client;
}

/// The catalog of the cluster, kept by following its servers.
///
/// Its roots hold the catalog only: agents, nodes (slim, see [`state::mirror::SlimNode`]) and services.
#[derive(Debug, Clone)]
pub struct CatalogMirror {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// What servers told. Index 0: nothing yet.
    root: ArcSwap<Root>,
    /// Shown until then.
    meanwhile: ArcSwap<Root>,
    changes: watch::Sender<u64>,
    contact: Mutex<Contact>,
    started: Instant,
}

/// What is known of the servers.
#[derive(Debug, Default)]
struct Contact {
    /// The one that is followed.
    server: Option<String>,
    /// When the last one was lost.
    lost: Option<Instant>,
    known_leader: bool,
    /// Between that server and the leader.
    behind: Duration,
}

impl CatalogMirror {
    /// Follows the servers until `stop`, beginning with nothing.
    pub fn start(servers: Arc<dyn Servers>, runtime: &Handle, stop: CancellationToken) -> Self {
        let root = Root::default();
        let (changes, _) = watch::channel(root.index);
        let inner = Arc::new(Inner {
            root: ArcSwap::from_pointee(root),
            meanwhile: ArcSwap::default(),
            changes,
            contact: Mutex::default(),
            started: Instant::now(),
        });
        let following = inner.clone();
        runtime.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = following.follow_all(servers) => {}
            }
        });
        Self { inner }
    }

    /// Whether a server has told anything yet.
    pub fn has_begun(&self) -> bool {
        self.inner.root.load().index > 0
    }

    /// What readers see until a server tells something: a catalog that this agent knows by itself.
    pub fn show_meanwhile(&self, root: Root) {
        let index = root.index;
        self.inner.meanwhile.store(Arc::new(root));
        if !self.has_begun() {
            self.inner.changes.send_replace(index);
        }
    }

    /// How old the catalog may be: zero while a server is followed that hears of its leader. `None`: no server has
    /// answered yet.
    ///
    /// A server that vanishes without a word is noticed after two silences of the connection
    /// (`ClientConfig::silence`); only then this begins to grow.
    pub fn last_contact(&self) -> Option<Duration> {
        let contact = self.inner.contact();
        match (&contact.server, contact.lost) {
            (Some(_), _) => Some(contact.behind),
            (None, Some(lost)) => Some(contact.behind + lost.elapsed()),
            (None, None) => None,
        }
    }

    /// The same for readers: no leader is known while no server answers, and the time before the first answer counts
    /// from the start.
    pub fn freshness(&self) -> Freshness {
        let followed = self.server().is_some();
        let known_leader = followed && self.inner.contact().known_leader;
        Freshness {
            known_leader,
            last_contact: self.last_contact().unwrap_or_else(|| self.inner.started.elapsed()),
        }
    }

    /// RPC address of the server that is followed now.
    pub fn server(&self) -> Option<String> {
        self.inner.contact().server.clone()
    }
}

impl StateReader for CatalogMirror {
    fn root(&self) -> Arc<Root> {
        if self.has_begun() { self.inner.root.load_full() } else { self.inner.meanwhile.load_full() }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }
}

impl Inner {
    fn contact(&self) -> std::sync::MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow_all(&self, servers: Arc<dyn Servers>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut addresses = servers.addresses();
            // Agents that start together shall not all follow the same server.
            if !addresses.is_empty() {
                let first = rand::random_range(0..addresses.len());
                addresses.rotate_left(first);
            }
            let mut answered = false;
            for address in addresses {
                let error = self.follow(&address, &servers.client(&address), &mut answered).await;
                tracing::debug!(server = address, %error, "the catalog is followed elsewhere");
                if answered {
                    // It was a good one: the list may be newer now.
                    break;
                }
            }
            pause = if answered { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        }
    }

    /// Follows one server until it fails. `answered` tells whether it ever did not.
    async fn follow(&self, address: &str, server: &Client, answered: &mut bool) -> Error {
        let mut everything = false;
        // Answered at once: whether the server is there must be known before anything changes.
        let mut wait = Duration::ZERO;
        loop {
            let error = match self.ask(server, everything, wait).await {
                Ok(changes) => {
                    let taken = match changes {
                        (news, None) => Ok(news),
                        (news, Some(delta)) => self.take(delta).await.map(|()| news),
                    };
                    match taken {
                        Ok(news) => {
                            self.heard(address, &news);
                            *answered = true;
                            (everything, wait) = (false, WATCH_LIMIT);
                            continue;
                        }
                        // What is there does not lead to what the server has.
                        Err(Misfit::Gap { .. } | Misfit::OtherLog) if !everything => {
                            everything = true;
                            continue;
                        }
                        Err(misfit) => Error::new(ErrorKind::Conflict, misfit.to_string()),
                    }
                }
                Err(error) => error,
            };
            let mut contact = self.contact();
            if contact.server.take().is_some() {
                contact.lost = Some(Instant::now());
            }
            return error;
        }
    }

    async fn ask(
        &self,
        server: &Client,
        everything: bool,
        wait: Duration,
    ) -> Result<(News, Option<CatalogDelta>), Error> {
        let (epoch, index) = if everything {
            (Epoch::default(), 0)
        } else {
            let root = self.root.load();
            (root.epoch, root.index)
        };
        let ask = Watch { epoch, index, wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) };
        let limit = if wait.is_zero() { SHORT } else { wait + GRACE };
        let mut news = server.call(&ask, limit).await?;
        let delta = match news.delta.take() {
            None => None,
            Some(encoded) => Some(fetch(server, encoded).await?),
        };
        Ok((news, delta))
    }

    async fn take(&self, delta: CatalogDelta) -> Result<(), Misfit> {
        let mut root = Root::clone(&self.root.load());
        let absorbed = tokio::task::spawn_blocking(move || root.absorb(delta).map(|()| root));
        let Ok(root) = absorbed.await else { return Err(Misfit::OtherLog) };
        let root = root?;
        let index = root.index;
        self.root.store(Arc::new(root));
        self.changes.send_replace(index);
        Ok(())
    }

    fn heard(&self, address: &str, news: &News) {
        let mut contact = self.contact();
        if contact.server.as_deref() != Some(address) {
            tracing::info!(server = address, "the catalog is followed at this server");
            contact.server = Some(address.to_owned());
        }
        contact.lost = None;
        contact.known_leader = news.known_leader;
        contact.behind = news.last_contact;
    }
}

/// The whole of an answer whose first part came.
async fn fetch(server: &Client, encoded: Encoded) -> Result<CatalogDelta, Error> {
    let Encoded { name, length, first } = encoded;
    let strange = |words: String| Error::new(ErrorKind::Internal, words);
    if length > MAX_LENGTH {
        return Err(strange(format!("a catalog of {length} bytes is too long")));
    }
    let mut bytes = first;
    if (bytes.len() as u64) < length {
        let mut all = BytesMut::from(bytes);
        while (all.len() as u64) < length {
            let part = server.call(&Rest { name, offset: all.len() as u64 }, SHORT).await?;
            if part.is_empty() {
                return Err(strange(format!("the changes end after {} of {length} bytes", all.len())));
            }
            all.extend_from_slice(&part);
        }
        bytes = all.freeze();
    }
    tokio::task::spawn_blocking(move || rmp_serde::from_slice(&bytes))
        .await
        .map_err(|error| strange(error.to_string()))?
        .map_err(|error| strange(format!("the changes cannot be read: {error}")))
}
