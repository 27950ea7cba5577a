//! What a listener has seen and holds: counters, one log line per peer and minute, places for connections.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{sync::Notify, time::Instant};

/// How much a listener takes. Beyond it there is a refusal.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; more are closed at once. Default: 16,384 (nodes and servers hold a few each).
    pub connections: usize,
    /// Of one address, this machine's own loopback excepted. Default: 512.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 16 * 1024, connections_per_address: 512 }
    }
}

macro_rules! counters {
    ($($(#[$words:meta])* $name:ident,)*) => {
        /// What a listener has counted since it started.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$words])* pub(super) $name: AtomicU64,)*
        }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Counted {
            $($(#[$words])* pub $name: u64,)*
        }

        impl Counters {
            pub fn read(&self) -> Counted {
                Counted { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Connections that were accepted.
    accepted,
    /// Connections that are open now.
    open,
    /// Calls and streams that were asked for.
    calls,
    /// Connections over a limit, closed at once.
    too_many,
    /// Connections that began with another byte than the protocol's.
    wrong_protocol,
    /// Connections that said nothing or stopped in the middle of a frame.
    silent,
    /// Frames or messages that could not be read; each ended its connection.
    unreadable,
    /// Frames over the limit; each ended its connection.
    oversized,
    /// Connections that ended in the middle of a frame.
    truncated,
    /// Calls of methods that are not known here, answered as such.
    unknown_method,
    /// Connections of agents with another gossip key.
    other_key,
    /// Connections of agents with a version that is not spoken here.
    other_version,
    /// Calls from another region of methods for the own one.
    other_region,
}

impl Counters {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Complaints about one peer at most so often.
const QUIET: Duration = Duration::from_secs(60);
/// Peers that are remembered; of more, nothing is logged until some are forgotten.
const MAX_REMEMBERED: usize = 1024;

/// Lets one log line per peer and minute through.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<IpAddr, (Instant, u64)>>);

impl Complaints {
    /// `Some`: it may be said, and so many were kept back since the last time.
    pub(super) fn may_say(&self, peer: IpAddr, now: Instant) -> Option<u64> {
        let mut said = lock(&self.0);
        if let Some((last, kept_back)) = said.get_mut(&peer) {
            if now.duration_since(*last) < QUIET {
                *kept_back += 1;
                return None;
            }
            *last = now;
            return Some(std::mem::take(kept_back));
        }
        if said.len() >= MAX_REMEMBERED {
            said.retain(|_, (last, _)| now.duration_since(*last) < QUIET);
        }
        (said.len() < MAX_REMEMBERED).then(|| {
            said.insert(peer, (now, 0));
            0
        })
    }

    pub(super) fn say(&self, peer: SocketAddr, words: &str) {
        if let Some(kept_back) = self.may_say(peer.ip(), Instant::now()) {
            tracing::warn!(%peer, error = words, kept_back, "a connection of another agent was closed");
        }
    }
}

/// Places for connections, given back when dropped.
#[derive(Debug)]
pub(super) struct Places {
    limits: Limits,
    taken: Mutex<HashMap<IpAddr, usize>>,
    total: AtomicUsize,
}

/// A connection's place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default(), total: AtomicUsize::new(0) })
    }

    /// # Errors
    /// Which limit is reached.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, &'static str> {
        let mut taken = lock(&self.taken);
        if self.total.load(Ordering::Relaxed) >= self.limits.connections {
            return Err("too many connections are open");
        }
        let count = taken.entry(peer).or_default();
        if *count >= self.limits.connections_per_address && !peer.is_loopback() {
            return Err("too many connections of this address are open");
        }
        *count += 1;
        self.total.fetch_add(1, Ordering::Relaxed);
        Ok(Place { places: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.taken);
        self.places.total.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = taken.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

/// Bytes of requests and answers over which a connection reads no further request.
const READ_UNTIL: usize = 32 << 20;
/// Bytes over which an answer is thrown away rather than kept for a peer that does not read.
const KEEP_UNTIL: usize = 256 << 20;

/// Bytes that one connection holds in memory: requests that are not answered and answers that are not written.
#[derive(Debug, Default)]
pub(super) struct Load {
    bytes: AtomicUsize,
    less: Notify,
}

/// A part of a [`Load`], given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    load: Arc<Load>,
    bytes: usize,
}

impl Load {
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Held { load: self.clone(), bytes }
    }

    /// `None`: so much waits to be read by the other side that this has no place.
    pub(super) fn hold_answer(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let held = self.hold(bytes);
        (self.bytes.load(Ordering::Relaxed) <= KEEP_UNTIL).then_some(held)
    }

    /// Waits until a further request may be read.
    pub(super) async fn is_light(&self) {
        loop {
            let less = self.less.notified();
            if self.bytes.load(Ordering::Acquire) < READ_UNTIL {
                return;
            }
            less.await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let before = self.load.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        if before >= READ_UNTIL {
            self.load.less.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complaint_per_peer_and_minute() {
        let complaints = Complaints::default();
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = Instant::now();
        assert_eq!(complaints.may_say(one, now), Some(0));
        assert_eq!(complaints.may_say(one, now + QUIET / 2), None);
        assert_eq!(complaints.may_say(one, now + QUIET / 2), None);
        assert_eq!(complaints.may_say(two, now + QUIET / 2), Some(0));
        assert_eq!(complaints.may_say(one, now + QUIET), Some(2));
    }

    #[test]
    fn complaints_about_many_peers_stay_few() {
        let complaints = Complaints::default();
        let now = Instant::now();
        let mut peers = (0..5000_u32).map(|n| IpAddr::from(n.to_be_bytes()));
        let said = peers.clone().filter(|peer| complaints.may_say(*peer, now).is_some()).count();
        assert_eq!(said, MAX_REMEMBERED);
        let last = peers.next_back().unwrap();
        assert_eq!(complaints.may_say(last, now + QUIET), Some(0), "the old ones are forgotten");
        assert_eq!(lock(&complaints.0).len(), 1);
    }

    #[test]
    fn places_are_counted_per_address_and_given_back() {
        let places = Places::new(Limits { connections: 3, connections_per_address: 2 });
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let held = [places.take(one).unwrap(), places.take(one).unwrap()];
        assert!(places.take(one).unwrap_err().contains("of this address"));
        let other = places.take(two).unwrap();
        assert!(places.take(two).is_err());
        drop((held, other));
        assert!(lock(&places.taken).is_empty());
        assert_eq!(places.total.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_heavy_connection_waits() {
        let load = Arc::new(Load::default());
        let (small, large) = (load.hold(1), load.hold(READ_UNTIL));
        let mut light = std::pin::pin!(load.is_light());
        assert!(futures::poll!(&mut light).is_pending());
        drop(large);
        light.await;
        drop(small);
        assert!(load.hold_answer(KEEP_UNTIL + 1).is_none());
        assert!(load.hold_answer(KEEP_UNTIL).is_some());
    }
}
