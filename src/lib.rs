//! troupe: runs jobs across machines and tells the network where they are.
//!
//! Read in this order; arrows point from the outside to the inside (`tests/tidy.rs` holds them).

pub mod trust; // HTTP clients, by whom they believe over TLS
pub mod actors; // one file per actor, and the ports through which they reach the outside
pub mod net; // calls and membership between agents
pub mod raft; // the replicated log: proposals in, the same state everywhere out
pub mod dns; // a question -> an answer from the catalog
pub mod http; // a request -> a message -> a response; no decisions
pub mod driver; // the node's edges: task drivers, disks, probes
pub mod supervisor; // the process that keeps raw processes alive while the agent restarts
pub mod cli; // commands, tables, diagnostics; talks only to the HTTP API
pub mod agent; // the composition root: configuration, start order, stop order
pub mod sim; // a whole cluster on one machine: real servers, simulated nodes
pub mod program; // connects the command line with all of these
