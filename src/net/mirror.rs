//! The catalog for agents without a log of their own: servers tell what changed, every other agent follows one of them.
//!
//! A follower says what it has and waits; it is answered when the catalog changed ([`CatalogFeed`]). What it has it
//! keeps, so DNS and the Consul API are answered while all servers are away ([`CatalogMirror`]).

mod feed; // on servers: what changed, made once for all who ask
mod follow; // on the others: one server after another

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use state::Epoch;

pub use self::{
    feed::{CatalogFeed, register_catalog_methods},
    follow::{CatalogMirror, Servers},
};
use super::rpc::Call;

/// How long a server lets a follower wait when nothing happens.
pub const WATCH_LIMIT: Duration = Duration::from_secs(300);
/// Longest part of an answer. What is longer comes in parts, so that a large catalog neither exceeds a frame nor
/// holds up the other calls of the connection.
const PART: usize = 4 << 20;

/// Waits for changes after what the follower has.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watch {
    epoch: Epoch,
    /// 0: nothing.
    index: u64,
    /// At most so long; a server has its own limit.
    wait_ms: u64,
}

impl Call for Watch {
    const METHOD: &'static str = "Catalog.Watch";
    type Answer = News;
}

/// Asks for a further part of an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rest {
    name: DeltaName,
    offset: u64,
}

impl Call for Rest {
    const METHOD: &'static str = "Catalog.Rest";
    type Answer = Bytes;
}

/// Which changes: between two states of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct DeltaName {
    epoch: Epoch,
    /// `None`: all there is.
    since: Option<u64>,
    index: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct News {
    /// The server hears of a leader.
    known_leader: bool,
    /// Since it did.
    last_contact: Duration,
    /// `None`: nothing changed.
    delta: Option<Encoded>,
}

/// A `CatalogDelta` as bytes: made once, sent to many.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Encoded {
    name: DeltaName,
    /// Of all parts together.
    length: u64,
    first: Bytes,
}

#[cfg(test)]
mod tests;
