//! A whole cluster on one machine: real servers with log and fsync, and real node agents on simulated machines. And
//! what would happen to a cluster that is there, without touching it.
//!
//! `troupe sim` starts so many servers as processes of their own, connects thousands of nodes from this process, registers
//! jobs over HTTP and tells what it took. Figures of the servers are read from `/proc`.

mod machine; // what a node has instead of a machine
mod nodes; // the simulated nodes
mod servers; // the server processes
mod jobs; // what is registered
mod load; // who registers it
mod run; // one cluster from its start to its end
mod bar; // what is seen meanwhile
mod check; // whether the placements are right
mod report; // figures
mod plot; // the picture
mod what_if; // what would happen to a cluster

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};

use self::{
    report::{Figures, Sample},
    run::Outcome,
};
use crate::cli::{SimArgs, WhatIfArgs};

/// Why there are no figures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Problem(String);

/// Runs what is asked for and prints figures. The exit code is 1 when something was not placed, or placed wrongly.
pub fn run(args: SimArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("edge").build() {
        Ok(runtime) => runtime,
        Err(problem) => return complain(&format!("no threads can be started: {problem}")),
    };
    let handle = runtime.handle().clone();
    let code = actix::System::new().block_on(async move {
        let ended = async {
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                ended = tokio::signal::ctrl_c() => ended,
                _ = terminate.recv() => Ok(()),
            }
        };
        tokio::select! {
            code = all_runs(args, handle) => code,
            // The servers end with the future above.
            ended = ended => complain(&ended.map_or_else(|problem| problem.to_string(), |()| "interrupted".into())),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Predicts what would happen to a cluster and prints it. The exit code is 2 when something would find no room.
pub fn predict(args: WhatIfArgs) -> ExitCode {
    what_if::run(&args)
}

fn complain(words: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "==> Error: {words}");
    ExitCode::FAILURE
}

async fn all_runs(args: SimArgs, runtime: Handle) -> ExitCode {
    let mut runs: Vec<(Figures, Vec<Sample>)> = Vec::new();
    let mut wrong = false;
    for nodes in args.nodes.clone() {
        match run::run(&args, nodes, &runtime).await {
            Ok(Outcome { figures, samples, problems }) => {
                let mut out = io::stdout();
                let _ = writeln!(out, "{}\n{}", figures.words(), report::growth(&samples, figures.wanted));
                for problem in &problems {
                    let _ = writeln!(io::stderr(), "==> Wrong: {problem}");
                }
                wrong |= !problems.is_empty();
                runs.push((figures, samples));
            }
            Err(problem) => return complain(&problem.to_string()),
        }
    }
    if let Some(path) = &args.plot
        && let Err(problem) = std::fs::write(path, plot::svg(&runs))
    {
        return complain(&format!("{} cannot be written: {problem}", path.display()));
    }
    if args.json
        && let Some((figures, _)) = runs.last()
    {
        let line = serde_json::to_string(figures).unwrap_or_default();
        let _ = writeln!(io::stdout(), "{line}");
    }
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Stored times are nanoseconds of the wall clock.
fn wall_clock() -> i64 {
    use crate::actors::ports::Clock as _;
    crate::agent::SystemClock.now().0
}
