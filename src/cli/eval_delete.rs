//! `eval delete`: evaluations that nobody needs.

use std::io::{BufRead as _, BufReader};

use api::Evaluation;
use serde::{Deserialize, Serialize};

use super::{
    Context, Tool,
    client::Client,
    flags::{Flag, Flags, switch},
    lookup::{self, Kind, Match},
    output::{Failure, Outcome},
    pages::FILTER,
};

pub(super) const FLAGS: &[Flag] = &[FILTER, switch("yes", "Do not ask.")];

/// The body of the request; one of the two is empty.
#[derive(Serialize)]
struct Request {
    #[serde(rename = "EvalIDs")]
    ids: Vec<String>,
    #[serde(rename = "Filter")]
    filter: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    count: u64,
}

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let filter = flags.text("filter").unwrap_or_default().to_owned();
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let request = match (flags.args.as_slice(), filter.as_str()) {
        ([], "") => return Err(Failure::usage("Either an evaluation ID or the -filter flag is needed")),
        ([id], "") => match lookup::find(&client, Kind::Eval, id)? {
            Match::One(id) => Request { ids: vec![id], filter },
            Match::Many(_) => {
                return Err(Failure::message(format!("Prefix \"{id}\" matches several evaluations")));
            }
        },
        ([], _) => {
            let found: Vec<Evaluation> = client
                .get("/v1/evaluations", &[("filter", &filter)])
                .map_err(|error| error.while_doing("listing evaluations"))?;
            if found.is_empty() {
                ctx.output.line("No evaluations matched the filter")?;
                return Ok(0);
            }
            let question = format!("Are you sure you want to delete {} evals? [y/N] ", found.len());
            if !flags.on("yes") && !confirmed(ctx, &question)? {
                ctx.output.line("Cancelling eval deletion")?;
                return Ok(0);
            }
            Request { ids: Vec::new(), filter }
        }
        _ => return Err(Failure::usage("An evaluation ID and -filter exclude each other")),
    };
    let deleted: Deleted = client
        .delete_with("/v1/evaluations", &request)
        .map_err(|error| error.while_doing("deleting evaluations"))?;
    let noun = if deleted.count == 1 { "evaluation" } else { "evaluations" };
    ctx.output.line(format_args!("Successfully deleted {} {noun}", deleted.count))?;
    Ok(0)
}

/// Whether the answer on standard input is yes.
fn confirmed(ctx: &mut Context<'_>, question: &str) -> Result<bool, Failure> {
    ctx.output.bytes(question.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(&mut *ctx.input).read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
