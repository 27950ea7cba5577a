//! The binary: everything is behind `program::run`.

use std::process::ExitCode;

fn main() -> ExitCode {
    troupe::program::run(std::env::args_os())
}
