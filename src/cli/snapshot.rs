//! `operator snapshot`: saves the whole state in a file, and looks into such a file.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::Path,
};

use state::{Root, records::read_state};

use super::{
    Context, Tool,
    client::Client,
    flags::{Flag, Flags, switch},
    operator::STALE_FLAGS,
    output::{Failure, Outcome},
    table::Table,
};

pub(super) const SAVE_FLAGS: &[Flag] = STALE_FLAGS;

pub(super) const INSPECT_FLAGS: &[Flag] = &[switch("json", "Print one object.")];

/// Where the API has it.
pub(super) const PATH: &str = "/v1/operator/snapshot";

/// Reads all of an agent's state.
pub(super) fn fetch(client: &Client, stale: bool, out: &mut impl Write) -> Result<(), Failure> {
    let query: &[(&str, &str)] = if stale { &[("stale", "")] } else { &[] };
    let got = client.download(PATH, query, out).map_err(|error| error.while_doing("fetching snapshot"))?;
    got.map_err(|error| Failure::message(format!("Error writing snapshot: {error}")))
}

pub(super) fn save(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let path = match flags.args.as_slice() {
        [] => format!("nomad-state-{}.snap", (ctx.clock.now)().as_nanos() / 1_000_000_000),
        [path] => path.clone(),
        _ => return Err(Failure::usage("This command takes no arguments or one: <file>")),
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    // Under its name only when it is whole.
    let unfinished = format!("{path}.unfinished");
    let failed =
        |error: &dyn std::fmt::Display| Failure::message(format!("Error opening file {path:?}: {error}"));
    let saved = File::create(&unfinished).map_err(|error| failed(&error)).and_then(|file| {
        let mut file = BufWriter::new(file);
        fetch(&client, flags.on("stale"), &mut file)?;
        let file = file.into_inner().map_err(|error| failed(&error))?;
        file.sync_all().map_err(|error| failed(&error))?;
        read(&unfinished).map_err(|why| {
            Failure::message(format!("Error fetching snapshot: what the agent sent is {why}"))
        })?;
        fs::rename(&unfinished, &path).map_err(|error| failed(&error))
    });
    if saved.is_err() {
        // A part of a snapshot is none; that it may stay is no worse than why it is one.
        let _ = fs::remove_file(&unfinished);
    }
    saved?;
    ctx.output.line(format_args!("State file written to {path}"))?;
    Ok(0)
}

/// The state in a file, or what is wrong with it.
fn read(path: &str) -> Result<Root, String> {
    let file = File::open(Path::new(path)).map_err(|error| error.to_string())?;
    read_state(&mut BufReader::new(file)).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => String::from("cut off: its last row is missing"),
        _ => error.to_string(),
    })
}

pub(super) fn inspect(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [path] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <file>"));
    };
    let root =
        read(path).map_err(|why| Failure::message(format!("Error reading snapshot {path:?}: {why}")))?;
    let rows = [
        ("Index", root.index),
        ("Nodes", root.nodes.len() as u64),
        ("Agents", root.agents.len() as u64),
        ("Jobs", root.jobs.len() as u64),
        ("JobVersions", root.job_versions.len() as u64),
        ("Allocations", root.allocs.len() as u64),
        ("Evaluations", root.evals.len() as u64),
        ("Deployments", root.deployments.len() as u64),
    ];
    if flags.on("json") {
        let object: serde_json::Map<String, serde_json::Value> =
            rows.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
        ctx.output.line(serde_json::Value::from(object))?;
        return Ok(0);
    }
    let mut table = Table::new(&["Name", "Count"]);
    for (name, count) in rows {
        table.row([name.to_owned(), count.to_string()]);
    }
    ctx.output.line(table)?;
    Ok(0)
}
