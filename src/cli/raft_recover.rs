//! `operator raft recover`: begins a cluster again that lost its majority for good. The one command that works on the
//! files of a stopped server instead of asking an agent.

use std::path::PathBuf;

use super::{
    Context,
    flags::{Flag, Flags, switch, text},
    output::{Failure, Outcome},
};

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoverArgs {
    /// `data_dir` of the agent.
    pub data_dir: PathBuf,
    /// RPC addresses of the servers that go on beside this one.
    pub keep: Vec<String>,
    /// A `peers.json` that says who goes on, instead of `keep`.
    pub peers: Option<PathBuf>,
    /// Only look.
    pub dry_run: bool,
}

pub(super) const FLAGS: &[Flag] = &[
    switch("dry-run", "Only show what would be done."),
    text("keep", "ip:port", "RPC address of another server that goes on. May be given again."),
    text("peers-file", "path", "A peers.json that says which servers go on."),
];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [data_dir] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <data_dir>"));
    };
    let args = RecoverArgs {
        data_dir: data_dir.into(),
        keep: flags.all("keep").to_vec(),
        peers: flags.text("peers-file").map(PathBuf::from),
        dry_run: flags.on("dry-run"),
    };
    if args.peers.is_some() && !args.keep.is_empty() {
        return Err(Failure::usage("-keep and -peers-file exclude each other"));
    }
    match (ctx.recover)(&args) {
        Ok(report) => {
            ctx.output.line(report)?;
            Ok(0)
        }
        Err(problem) => {
            ctx.output.error(format_args!("Error recovering the cluster: {problem}"))?;
            Ok(1)
        }
    }
}
