//! The binary: everything is behind `cli::run`.

use std::process::ExitCode;

use troupe::{
    agent,
    cli::{self, Hooks},
    sim, supervisor,
};

fn main() -> ExitCode {
    cli::run(
        std::env::args_os(),
        Hooks {
            agent: agent::run,
            validate: agent::validate,
            recover: agent::recover,
            simulate: sim::run,
            predict: sim::predict,
            supervise: supervisor::supervise_main,
        },
    )
}
