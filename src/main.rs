use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next()) {
        (Some(first), Some(dir)) if first == "supervise" => {
            troupe::supervisor::supervise_main(Path::new(&dir))
        }
        _ => ExitCode::SUCCESS,
    }
}
