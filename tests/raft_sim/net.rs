//! A network in memory: calls find the router of the server at an address, or not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio_util::sync::CancellationToken;
use troupe::{
    net::rpc::{Error, ErrorKind, Router},
    raft::{Transport, Wire},
};

#[derive(Clone)]
pub(crate) struct Net(Arc<Mutex<Inner>>);

struct Inner {
    rng: StdRng,
    /// Who listens where, for as long as its token is not cancelled.
    listening: BTreeMap<String, (Arc<Router>, CancellationToken)>,
    /// Addresses that cannot talk to each other, in this direction.
    cut: BTreeSet<(String, String)>,
    /// Cut addresses are refused rather than silent, as some firewalls do.
    refuses: bool,
    /// Part of the messages that are lost, each way.
    loss: f64,
    slowest: Duration,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: StdRng::seed_from_u64(seed),
            listening: BTreeMap::new(),
            cut: BTreeSet::new(),
            refuses: false,
            loss: 0.0,
            slowest: Duration::from_millis(2),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics under this lock")
    }

    pub(crate) fn listen(&self, address: &str, router: Router, life: CancellationToken) {
        self.lock().listening.insert(address.to_owned(), (Arc::new(router), life));
    }

    pub(crate) fn close(&self, address: &str) {
        self.lock().listening.remove(address);
    }

    /// The way of a server to the others.
    pub(crate) fn way(&self, from: &str, life: CancellationToken) -> Way {
        Way { net: self.clone(), from: from.to_owned(), life }
    }

    pub(crate) fn cut(&self, from: &str, to: &str) {
        self.lock().cut.insert((from.to_owned(), to.to_owned()));
    }

    pub(crate) fn set(&self, loss: f64, slowest: Duration, refuses: bool) {
        let mut inner = self.lock();
        (inner.loss, inner.slowest, inner.refuses) = (loss, slowest, refuses);
    }

    pub(crate) fn heal(&self) {
        let mut inner = self.lock();
        inner.cut.clear();
        (inner.loss, inner.slowest, inner.refuses) = (0.0, Duration::from_millis(2), false);
    }

    /// How long a message takes; `None`: it never arrives.
    fn travel(&self, from: &str, to: &str) -> Option<Duration> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let lost = inner.rng.random_bool(inner.loss);
        let part: f64 = inner.rng.random();
        let cut = inner.cut.contains(&(from.to_owned(), to.to_owned()));
        (!lost && !cut).then(|| inner.slowest.mul_f64(part))
    }

    fn find(&self, address: &str) -> Option<(Arc<Router>, CancellationToken)> {
        self.lock().listening.get(address).cloned()
    }
}

#[derive(Clone)]
pub(crate) struct Way {
    net: Net,
    from: String,
    life: CancellationToken,
}

#[async_trait]
impl Transport for Way {
    fn open(&self, address: &str, _: Duration) -> Box<dyn Wire> {
        Box::new(Line { way: self.clone(), to: address.to_owned() })
    }

    async fn is_refused(&self, address: &str) -> bool {
        let cut = {
            let inner = self.net.lock();
            let there = (self.from.clone(), address.to_owned());
            let back = (address.to_owned(), self.from.clone());
            inner.cut.contains(&there) || inner.cut.contains(&back)
        };
        let refuses = self.net.lock().refuses;
        if cut { refuses } else { self.net.find(address).is_none() }
    }
}

struct Line {
    way: Way,
    to: String,
}

#[async_trait]
impl Wire for Line {
    async fn call(&self, method: &'static str, body: Bytes, timeout: Duration) -> Result<Bytes, Error> {
        tokio::select! {
            () = self.way.life.cancelled() => Err(Error::new(ErrorKind::Unreachable, "this server is dead")),
            answer = self.exchange(method, body, timeout) => answer,
            () = tokio::time::sleep(timeout) => Err(Error::new(ErrorKind::Unknown, "no answer in time")),
        }
    }
}

impl Line {
    async fn exchange(&self, method: &'static str, body: Bytes, timeout: Duration) -> Result<Bytes, Error> {
        let Some(delay) = self.way.net.travel(&self.way.from, &self.to) else {
            return silence().await;
        };
        tokio::time::sleep(delay).await;
        let Some((router, life)) = self.way.net.find(&self.to) else {
            return Err(Error::new(ErrorKind::Unreachable, "nobody listens"));
        };
        // It goes on when the caller has given up, and ends with the server.
        let answering = tokio::spawn(async move {
            tokio::select! {
                () = life.cancelled() => std::future::pending().await,
                answer = router.answer(method, timeout, body) => answer,
            }
        });
        let answer = answering.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Unknown, "it died")));
        let Some(delay) = self.way.net.travel(&self.to, &self.way.from) else {
            return silence().await;
        };
        tokio::time::sleep(delay).await;
        answer
    }
}

/// A connection on which nothing arrives is given up after two pings, as the real one does (`src/raft/transport.rs`).
async fn silence() -> Result<Bytes, Error> {
    tokio::time::sleep(Duration::from_secs(4)).await;
    Err(Error::new(ErrorKind::Unknown, "the connection was silent and is closed"))
}
