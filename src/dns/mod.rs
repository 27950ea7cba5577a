//! The DNS interface: names under one domain (`consul.`), answered from the replicated state.
//!
//! [`Resolver::answer`] says what a name means and is free of sockets, clocks and randomness; `wire` turns packets
//! into questions and replies into packets of the size the client can take; [`DnsServer`] moves packets; `forward`
//! passes on what is not ours.

mod answer; // what a question gets: records, rcode
mod config; // DnsConfig, checked
mod forward; // recursors: questions about other people's names
mod name; // the grammar of names
mod records; // how nodes and instances look as records
mod server; // sockets
mod view; // the state, and lookups the state has no index for
mod wire; // bytes <-> questions and replies

pub use answer::{Question, Reply, Resolver};
pub use config::{ConfigError, DnsConfig, RecursorStrategy, SoaTimes};
pub use server::DnsServer;
pub use view::{CatalogView, ViewCache};
pub use wire::{Refused, Request, Transport};

#[cfg(test)]
pub(crate) mod tests;
