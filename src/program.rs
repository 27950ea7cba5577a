//! Connects the command line with what it starts.

use std::{ffi::OsString, process::ExitCode};

use crate::{
    agent,
    cli::{self, Hooks},
    sim, supervisor,
};

/// Runs a command line; the first argument is the name under which the program was started.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let hooks = Hooks {
        agent: agent::run,
        validate: agent::validate,
        recover: agent::recover,
        simulate: sim::run,
        predict: sim::predict,
        supervise: supervisor::supervise_main,
        attend: supervisor::attend_main,
    };
    cli::run(argv, hooks)
}
