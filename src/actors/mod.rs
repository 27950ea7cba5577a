//! The actors: one file each, thin. Decisions live in `crates/logic` under the same file name.

pub mod ports; // what actors ask of the outside
