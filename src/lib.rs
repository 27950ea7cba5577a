//! troupe: runs jobs across machines and tells the network where they are.
//!
//! Read in this order; arrows point from the outside to the inside (`tests/tidy.rs` holds them).

pub mod actors; // one file per actor, and the ports through which they reach the outside
pub mod dns; // a question -> an answer from the catalog, over UDP and TCP
