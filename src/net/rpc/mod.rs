//! Calls between agents: many at a time over one TCP connection, answered in any order.
//!
//! The first byte of a connection tells the protocol ([`PROTOCOL`]); other protocols may share the port. After it
//! both directions carry frames: a length of four bytes (big endian) and a MessagePack map. The first frame of each side
//! says who it is ([`Identity`]); when they do not fit, both say why and part. Then a [`Client`] calls and a [`Router`]
//! answers. A call that waits long (a watch) is an ordinary call with a late deadline; it ends when its caller goes away.
//! A stream ([`StreamCall`]) is answered with a head and many pieces, which come only as fast as they are read; some take
//! pieces from their caller, too ([`Input`]).

mod client; // calls, reconnects
mod connection; // one connection of a caller: who waits for what
mod frame; // what is on the wire
mod identity; // who talks to whom
mod input; // what a caller sends along with a stream
mod load; // counters, limits, complaints
mod reader; // takes frames off a connection
mod router; // finds handlers
mod server; // listens, answers

use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::frame::{decode, encode};
pub use self::{
    client::{Client, ClientConfig},
    connection::Pieces,
    identity::{Fingerprint, Identity, Role},
    input::Input,
    load::{Counted, Counters, Limits},
    router::Router,
    server::{ServeConfig, serve, serve_as},
};

/// First byte of a connection that carries calls, version 1.
pub const PROTOCOL: u8 = b'T';
/// Longest frame. A longer one ends the connection; it is never sent.
pub const MAX_FRAME: usize = 64 << 20;

/// A question with its answer. What goes over the wire has field names, so old and new versions can talk.
pub trait Call: Serialize + DeserializeOwned + Send + 'static {
    /// `Thing.Verb`. Never reused for another meaning.
    const METHOD: &'static str;
    type Answer: Serialize + DeserializeOwned + Send + 'static;
}

/// A question that is answered with a head and then with bytes, piece by piece, perhaps without end.
pub trait StreamCall: Serialize + DeserializeOwned + Send + 'static {
    /// `Thing.Verb`. Never reused for another meaning.
    const METHOD: &'static str;
    /// Comes before the first piece.
    type Head: Serialize + DeserializeOwned + Send + 'static;
}

/// What kind of failure, closed and the same for all methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing or the method does not exist.
    NotFound,
    /// The thing is not as the caller believed.
    Conflict,
    /// The question is wrong; asking again is pointless.
    Invalid,
    /// No server leads now. Nothing was changed.
    NoLeader,
    /// Too much is going on. Nothing was changed.
    Overloaded,
    /// One of both agents does not talk to the other, or not of this: another gossip key, region or version. Nothing was
    /// changed.
    Refused,
    /// The question was never sent. Nothing was changed.
    Unreachable,
    /// A bug or a broken machine on the other side.
    Internal,
    /// The question was sent and no answer came: it may have been carried out or not.
    Unknown,
}

impl ErrorKind {
    /// As on the wire.
    fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::NoLeader => "no_leader",
            Self::Overloaded => "overloaded",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }

    /// A name of a newer version counts as internal.
    fn of_name(name: &str) -> Self {
        [
            Self::NotFound,
            Self::Conflict,
            Self::Invalid,
            Self::NoLeader,
            Self::Overloaded,
            Self::Refused,
            Self::Unreachable,
            Self::Unknown,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
        .unwrap_or(Self::Internal)
    }
}

/// A call did not lead to an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    fn of_panic(method: &str) -> Self {
        Self::new(ErrorKind::Internal, format!("{method} failed with a bug; see the log of the server"))
    }
}

#[cfg(test)]
mod tests;
