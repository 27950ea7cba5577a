//! `sim`: a cluster with simulated nodes. Reads flags; what happens is wired in `program.rs`.

use std::{path::PathBuf, time::Duration};

use super::{
    Context,
    flags::{Flag, Flags, number, span, switch, text},
    output::{Failure, Outcome},
    what_if,
};

/// What shall be simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct SimArgs {
    pub servers: usize,
    /// One run for each number.
    pub nodes: Vec<usize>,
    pub jobs: usize,
    /// In each job.
    pub groups: usize,
    /// Allocations of each group; of a system job each node has one.
    pub count: usize,
    /// `service`, `batch`, `system` or `sysbatch`.
    pub kind: String,
    /// `binpack` or `spread`.
    pub algorithm: String,
    pub constraint: bool,
    pub affinity: bool,
    pub spread: bool,
    /// Dynamic ones of each allocation.
    pub ports: usize,
    /// Jobs that are registered one after the other when all others run.
    pub probe: usize,
    /// How long the servers are watched when nothing happens any more.
    pub idle: Duration,
    /// After which the run counts as failed.
    pub timeout: Duration,
    pub json: bool,
    /// Where the picture of growth goes.
    pub plot: Option<PathBuf>,
    /// Where the servers keep their data.
    pub data_dir: Option<PathBuf>,
}

pub(super) const FLAGS: &[Flag] = &[
    number("servers", "Servers, each a process with a log on this disk. Default: 1."),
    text("nodes", "n[,n...]", "Simulated nodes; a run for each number. Default: 100."),
    number("jobs", "Jobs. Default: 10."),
    number("groups", "Groups of each job. Default: 1."),
    number("count", "Allocations of each group. Default: 100."),
    text("type", "service|batch|system|sysbatch", "Kind of the jobs. Default: service."),
    text("algorithm", "binpack|spread", "Fuller nodes first, or emptier ones. Default: binpack."),
    switch("constraint", "The jobs may use every second node."),
    switch("affinity", "The jobs like a tenth of the nodes."),
    switch("spread", "The jobs are spread over 20 racks."),
    number("ports", "Dynamic ports of each allocation. Default: 0."),
    number("probe", "Register so many jobs more, one after the other, when all others run. Default: 0."),
    span("idle", "Watch the servers for so long when nothing happens any more. Default: not."),
    span("timeout", "Give up after so long. Default: 10m."),
    switch("json", "Print one object as the last line."),
    text("plot", "file.svg", "Draw how the figures grow."),
    text(
        "data-dir",
        "dir",
        "Where the servers keep their data, in a directory of their own that is removed at the end. Default: the temporary directory.",
    ),
];

/// Far above what one machine can simulate.
const MOST_NODES: usize = 100_000;

fn size(
    flags: &Flags,
    name: &'static str,
    default: usize,
    least: usize,
    most: usize,
) -> Result<usize, Failure> {
    let Some(given) = flags.number(name) else { return Ok(default) };
    usize::try_from(given)
        .ok()
        .filter(|given| (least..=most).contains(given))
        .ok_or_else(|| Failure::usage(format!("-{name} must be between {least} and {most}")))
}

fn one_of(flags: &Flags, name: &'static str, words: &[&str]) -> Result<String, Failure> {
    let given = flags.text(name).unwrap_or(words[0]);
    if words.contains(&given) {
        Ok(given.to_owned())
    } else {
        Err(Failure::usage(format!("-{name} is one of {}, not {given:?}", words.join(", "))))
    }
}

fn node_counts(text: &str) -> Result<Vec<usize>, Failure> {
    let read = |word: &str| word.trim().parse().ok().filter(|count| (1..=MOST_NODES).contains(count));
    text.split(',').map(read).collect::<Option<Vec<usize>>>().ok_or_else(|| {
        Failure::usage(format!(
            "-nodes is a number between 1 and {MOST_NODES}, or several with commas, not {text:?}"
        ))
    })
}

pub(super) fn args(flags: &Flags) -> Result<SimArgs, Failure> {
    if let Some(word) = flags.args.first() {
        return Err(Failure::usage(format!("This command takes no arguments, and {word:?} is one")));
    }
    Ok(SimArgs {
        servers: size(flags, "servers", 1, 1, 9)?,
        nodes: node_counts(flags.text("nodes").unwrap_or("100"))?,
        jobs: size(flags, "jobs", 10, 1, 1_000_000)?,
        groups: size(flags, "groups", 1, 1, 1000)?,
        count: size(flags, "count", 100, 1, 1_000_000)?,
        kind: one_of(flags, "type", &["service", "batch", "system", "sysbatch"])?,
        algorithm: one_of(flags, "algorithm", &["binpack", "spread"])?,
        constraint: flags.on("constraint"),
        affinity: flags.on("affinity"),
        spread: flags.on("spread"),
        ports: size(flags, "ports", 0, 0, 100)?,
        probe: size(flags, "probe", 0, 0, 1_000_000)?,
        idle: flags.span("idle").unwrap_or_default(),
        timeout: flags.span("timeout").unwrap_or(Duration::from_secs(600)),
        json: flags.on("json"),
        plot: flags.text("plot").map(PathBuf::from),
        data_dir: flags.text("data-dir").map(PathBuf::from),
    })
}

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if !what_if::run(ctx, flags, &[FLAGS])? {
        ctx.simulate = Some(args(flags)?);
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<SimArgs, String> {
        let flags = Flags::parse(line.split_whitespace(), &[FLAGS]).map_err(|error| error.to_string())?;
        args(&flags).map_err(|failure| match failure {
            Failure::Message(text) | Failure::Usage(text) => text,
            Failure::Pipe => String::new(),
        })
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let args = read("").unwrap();
        assert_eq!(
            (args.servers, args.nodes, args.jobs, args.groups, args.count),
            (1, vec![100], 10, 1, 100)
        );
        assert_eq!((args.kind.as_str(), args.algorithm.as_str()), ("service", "binpack"));
        assert_eq!((args.timeout, args.idle), (Duration::from_secs(600), Duration::ZERO));
        let args = read("-nodes 10,100 -type batch -idle 5s -constraint -json -plot a.svg").unwrap();
        assert_eq!((args.nodes, args.kind.as_str(), args.constraint), (vec![10, 100], "batch", true));
        assert_eq!((args.idle, args.json, args.plot), (Duration::from_secs(5), true, Some("a.svg".into())));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (line, expected) in [
            ("-nodes 0", "-nodes is a number between 1 and 100000, or several with commas, not \"0\""),
            ("-nodes 5,x", "or several with commas, not \"5,x\""),
            ("-servers 10", "-servers must be between 1 and 9"),
            ("-count 2147483648", "-count must be between 1 and 1000000"),
            ("-type cron", "-type is one of service, batch, system, sysbatch, not \"cron\""),
            ("-ports -1", "parse error"),
            ("job.nomad", "takes no arguments, and \"job.nomad\" is one"),
        ] {
            let found = read(line).unwrap_err();
            assert!(found.contains(expected), "{line}: {found}");
        }
    }
}
