//! `sim -from`: what would happen to a cluster. Reads flags, job files and an agent's state; the prediction is wired in
//! `main.rs`.

use std::path::{Path, PathBuf};

use api::Job;

use super::{
    Context, Tool,
    client::Client,
    flags::{Flag, Flags, text},
    job_file,
    output::Failure,
    snapshot,
};

/// What shall be predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct WhatIfArgs {
    /// As it was given: an address or a file.
    pub from: String,
    pub state: Source,
    /// Jobs that would be registered, each with the name of its file.
    pub jobs: Vec<(String, Job)>,
    /// Ids, beginnings of ids, or names of nodes that would be lost.
    pub fail_nodes: Vec<String>,
    pub json: bool,
}

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// Fetched from an agent, as it came.
    Fetched(Vec<u8>),
}

pub(super) const FLAGS: &[Flag] = &[
    text(
        "from",
        "address|file",
        "Simulate nothing: predict what would happen to the cluster at that address, or to the one that a file of `operator snapshot save` is of.",
    ),
    text("run", "path", "With -from: this job is registered. May be given again."),
    text(
        "fail-node",
        "node",
        "With -from: this node is lost, by id, beginning of an id, or name. May be given again.",
    ),
];

/// Flags that mean something without `-from` as well.
const SHARED: &[&str] = &["from", "run", "fail-node", "json"];

/// What is asked for, if the flags ask for a prediction. `others`: all flags of the command.
pub(super) fn args(
    ctx: &mut Context<'_>,
    flags: &Flags,
    others: &[&[Flag]],
) -> Result<Option<WhatIfArgs>, Failure> {
    let Some(from) = flags.text("from").map(str::to_owned) else {
        return match ["run", "fail-node"].into_iter().find(|name| flags.text(name).is_some()) {
            None => Ok(None),
            Some(name) => Err(Failure::usage(format!(
                "-{name} needs -from: the address of an agent, or a file of `operator snapshot save`"
            ))),
        };
    };
    if let Some(word) = flags.args.first() {
        return Err(Failure::usage(format!(
            "This command takes no arguments, and {word:?} is one; a job file comes with -run"
        )));
    }
    let given = |flag: &&Flag| !SHARED.contains(&flag.name) && !flags.all(flag.name).is_empty();
    if let Some(flag) = others.iter().copied().flatten().find(given) {
        return Err(Failure::usage(format!(
            "-from and -{} exclude each other: the state says which nodes and jobs there are",
            flag.name
        )));
    }
    if from.is_empty() || flags.all("from").len() > 1 {
        return Err(Failure::usage("-from is one address or one file"));
    }
    let (run, fail_nodes) = (flags.all("run"), flags.all("fail-node"));
    if run.is_empty() && fail_nodes.is_empty() {
        return Err(Failure::usage("-from needs -run, -fail-node, or both: what if what?"));
    }
    let mut jobs: Vec<(String, Job)> = Vec::new();
    for path in run {
        let is_json = Path::new(path).extension().is_some_and(|end| end == "json");
        let (job, warnings) = if is_json {
            (job_file::read_json(ctx, path)?, Vec::new())
        } else {
            job_file::read(ctx, path, flags)?
        };
        for warning in warnings {
            ctx.output.warn(format_args!("Job Warnings:\n{warning}\n"))?;
        }
        if let Some((other, _)) =
            jobs.iter().find(|(_, other)| other.id == job.id && other.namespace == job.namespace)
        {
            return Err(Failure::message(format!("{other} and {path} are both of the job {:?}", job.id)));
        }
        jobs.push((path.clone(), job));
    }
    let state = source(ctx, flags, &from)?;
    Ok(Some(WhatIfArgs { from, state, jobs, fail_nodes: fail_nodes.to_vec(), json: flags.on("json") }))
}

/// A file if there is one of that name, else what an agent answers.
fn source(ctx: &Context<'_>, flags: &Flags, from: &str) -> Result<Source, Failure> {
    let path = Path::new(from);
    if path.exists() {
        return Ok(Source::File(path.to_owned()));
    }
    if !is_address(from) {
        return Err(Failure::message(format!(
            "-from: there is no file {from:?}, and an address has the form http://host:port or host:port"
        )));
    }
    let client = Client::at(ctx, flags, Tool::Nomad, "-from", from)?;
    let mut bytes = Vec::new();
    snapshot::fetch(&client, false, &mut bytes)?;
    Ok(Source::Fetched(bytes))
}

fn is_address(text: &str) -> bool {
    let port = |port: &str| port.parse::<u16>().is_ok();
    text.contains("://")
        || text.parse::<std::net::IpAddr>().is_ok()
        || (!text.contains('/') && text.rsplit_once(':').is_some_and(|(_, end)| port(end)))
}

/// Leaves the prediction to be made. False when none is asked for.
pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags, others: &[&[Flag]]) -> Result<bool, Failure> {
    ctx.predict = args(ctx, flags, others)?;
    Ok(ctx.predict.is_some())
}

/// Why an allocation found no room, one reason per line.
pub fn reasons(metric: &model::AllocMetric) -> Vec<String> {
    super::placement::reasons(&api::AllocMetric::from(metric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_files() {
        for address in
            ["http://10.0.0.1:4646", "10.0.0.1:4646", "10.0.0.1", ":4646", "server-1:4646", "[::1]:4646"]
        {
            assert!(is_address(address), "{address}");
        }
        for file in ["state.snap", "./a:4646", "a:b", "snapshots/1", "a:99999"] {
            assert!(!is_address(file), "{file}");
        }
    }
}
