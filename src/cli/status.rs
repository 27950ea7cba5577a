//! `status`: the list of jobs, or whatever an id belongs to.

use super::{
    Context, Tool, alloc_status,
    client::Client,
    deployment, eval,
    flags::{Flag, Flags, absent_switch, switch},
    format::short,
    job_status,
    lookup::{self, Kind},
    node_status,
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] = &[
    switch("short", "Less of it."),
    switch("evals", "Of a job: show the evaluations, too."),
    switch("all-allocs", "Of a job: show allocations of earlier jobs of that name, too."),
    switch("stats", "Of an allocation or a node: show what it uses in detail."),
    switch("verbose", "Full ids and absolute times."),
    switch("json", "Print JSON."),
    absent_switch("ui"),
];

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = match flags.args.as_slice() {
        [] => return job_status::all(ctx, &client, flags),
        [id] => id,
        _ => return Err(Failure::usage("This command takes either no arguments or one: <identifier>")),
    };
    let found = lookup::find_any(&client, id)?;
    let [(kind, ids)] = found.as_slice() else { return Err(ambiguous(id, &found)) };
    match (kind, ids.as_slice()) {
        (Kind::Job, [id]) => job_status::one(ctx, &client, id, flags),
        (Kind::Job, _) => Err(job_status::ambiguous(ctx, &client, id)),
        (Kind::Alloc, [id]) => alloc_status::one(ctx, &client, id, flags),
        (Kind::Node, [id]) => node_status::one(ctx, &client, id, flags),
        (Kind::Eval, [id]) => eval::one(ctx, &client, id, flags),
        (Kind::Deployment, [id]) => deployment::one(ctx, &client, id, flags),
        _ => Err(ambiguous(id, &found)),
    }
}

fn ambiguous(id: &str, found: &[(Kind, Vec<String>)]) -> Failure {
    let mut text = format!("Multiple matches found for id \"{id}\"");
    for (kind, ids) in found {
        let ids: Vec<String> =
            ids.iter().map(|id| if *kind == Kind::Job { id.clone() } else { short(id, false) }).collect();
        text += &format!("\n\n{}:\n{}", kind.title(), ids.join(", "));
    }
    Failure::message(text)
}
