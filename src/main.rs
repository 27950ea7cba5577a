//! The binary: everything is behind `cli::run`.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use troupe::cli::{self, AgentArgs, Hooks};

fn main() -> ExitCode {
    cli::run(std::env::args_os(), Hooks { agent, supervise })
}

/// Connects `agent` to the composition root.
fn agent(_args: AgentArgs) -> ExitCode {
    refuse("agent")
}

/// Connects `supervise <dir>` to the driver.
fn supervise(_dir: &Path) -> ExitCode {
    refuse("supervise")
}

fn refuse(command: &str) -> ExitCode {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "troupe: \"{command}\" is not available in this release");
    ExitCode::FAILURE
}
