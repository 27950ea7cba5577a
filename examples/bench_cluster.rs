//! `cargo bench-cluster [flags of troupe sim]`: real servers, simulated nodes, a million allocations if you like.
//!
//! The same as `troupe sim`; `-help` lists the flags. The servers are processes of this very program.

use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    // Started again as a server it has the command line of one.
    if words.get(1).is_none_or(|word| word != "agent") {
        words.insert(1.min(words.len()), "sim".into());
    }
    troupe::program::run(words)
}
