//! The replicated state: what every server derives, entry by entry, from the log.
//!
//! `apply(root, index, command)` gives the same result on every server, for ever: no clock, no randomness, no hash
//! order, no I/O. Ids and times travel inside the commands. A [`Root`] is immutable once published; a snapshot is a
//! clone of a few pointers.

pub mod command; // everything that may go through the log
pub mod root; // the tables, and how to read them
pub mod claimable; // cores and devices of one node
pub mod usage; // dense per-node usage and node classes, kept incrementally
pub mod catalog; // services derived from allocations and agents
pub mod machines; // what the catalog calls a node
pub mod changes; // what is different between two states
pub mod mirror; // the catalog for agents without a log
mod apply; // one command, one file
pub mod snapshot; // the whole state as a stream of rows
pub mod records; // how those rows lie on disk and travel
pub mod invariants; // what must hold after every step

pub use catalog::{Owner, ServiceInstance};
pub use changes::{Changes, Pair};
pub use claimable::Claimable;
pub use command::{Command, DecodeError, Epoch, Launch, Outcome, Refusal, Steering, Tagging};
pub use machines::CatalogNode;
pub use mirror::{Catalog, CatalogDelta};
pub use root::{Family, GroupCounts, JobCounters, Root, TableIndexes};
pub use usage::{Class, PortSet, Room, Slot, Usage};
