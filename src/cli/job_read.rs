//! `job inspect` and `job history`.

use api::{Job, JobDiff, JobVersionsResponse};
use model::Timestamp;

use super::{
    Context, Tool,
    client::{Client, element},
    diff_text::Painter,
    flags::{Flag, Flags, absent_switch, absent_text, number, switch},
    format::json,
    job_status,
    output::{Failure, Outcome},
    table::Block,
    template::TEMPLATE,
};

pub(super) const INSPECT_FLAGS: &[Flag] = &[
    number("version", "Show that version."),
    switch("json", "Print JSON (as always)."),
    TEMPLATE,
    switch("hcl", "Print the job as a job file."),
    absent_switch("with-vars"),
];

pub(super) const HISTORY_FLAGS: &[Flag] = &[
    switch("full", "Show each version as JSON, too."),
    number("version", "Show that version alone."),
    switch("json", "Print JSON."),
    switch("p", "Show what each version changed."),
    TEMPLATE,
    absent_text("diff-tag"),
    absent_text("diff-version"),
];

pub(super) fn inspect(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = one_job(ctx, &client, flags)?;
    let job: Job = match flags.number("version") {
        Some(version) => {
            let found = versions(&client, &id)?.into_iter().find(|job| job.version == version);
            found.ok_or_else(|| Failure::message(format!("job \"{id}\" has no version {version}")))?
        }
        None => client
            .get(&format!("/v1/job/{}", element(&id)), &[])
            .map_err(|error| error.while_doing("inspecting job"))?,
    };
    if flags.on("hcl") {
        let job =
            job.into_model().map_err(|refused| Failure::message(format!("Error reading job: {refused}")))?;
        ctx.output.line(jobspec::write(&job).trim_end())?;
        return Ok(0);
    }
    ctx.output.line(json(&serde_json::json!({ "Job": job })))?;
    Ok(0)
}

pub(super) fn history(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = one_job(ctx, &client, flags)?;
    let with_diffs = flags.on("p");
    let answer = read_versions(&client, &id, with_diffs)?;
    // The oldest version that is kept has nothing to be compared with.
    let diffs = answer.diffs.unwrap_or_default().into_iter().map(Some).chain(std::iter::repeat(None));
    let mut versions: Vec<(Job, Option<JobDiff>)> = answer.versions.into_iter().zip(diffs).collect();
    if let Some(version) = flags.number("version") {
        versions.retain(|(job, _)| job.version == version);
        if versions.is_empty() {
            return Err(Failure::message(format!("job \"{id}\" has no version {version}")));
        }
    }
    if flags.on("json") {
        ctx.output.line(json(
            &versions.iter().map(|(job, diff)| in_json(job, diff.as_ref())).collect::<Vec<_>>(),
        ))?;
        return Ok(0);
    }
    for (number, (job, diff)) in versions.iter().enumerate() {
        if number > 0 {
            ctx.output.line("")?;
        }
        print_version(ctx, flags, job, diff.as_ref())?;
    }
    Ok(0)
}

/// A version, with what it changed where that is known.
fn in_json(job: &Job, diff: Option<&JobDiff>) -> serde_json::Value {
    let mut value = serde_json::json!(job);
    if let (Some(members), Some(diff)) = (value.as_object_mut(), diff) {
        members.insert(String::from("Diff"), serde_json::json!(diff));
    }
    value
}

fn print_version(
    ctx: &mut Context<'_>,
    flags: &Flags,
    job: &Job,
    diff: Option<&JobDiff>,
) -> Result<(), Failure> {
    let mut block = Block::new();
    block
        .row("Version", job.version)
        .row("Stable", job.stable)
        .row("Submit Date", ctx.clock.absolute(Timestamp(job.submit_time)));
    ctx.output.line(block)?;
    if let Some(diff) = diff {
        let painter = Painter { color: ctx.output.color, verbose: false };
        ctx.output.line(format_args!("Diff        =\n{}", painter.job(diff)))?;
    }
    if flags.on("full") {
        ctx.output.line(format_args!("Full        =\n{}", json(job)))?;
    }
    Ok(())
}

/// Newest first.
fn versions(client: &Client, id: &str) -> Result<Vec<Job>, Failure> {
    Ok(read_versions(client, id, false)?.versions)
}

fn read_versions(client: &Client, id: &str, with_diffs: bool) -> Result<JobVersionsResponse, Failure> {
    let query: &[(&str, &str)] = if with_diffs { &[("diffs", "true")] } else { &[] };
    client
        .get(&format!("/v1/job/{}/versions", element(id)), query)
        .map_err(|error| error.while_doing("retrieving job versions"))
}

fn one_job(ctx: &Context<'_>, client: &Client, flags: &Flags) -> Result<String, Failure> {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <job>"));
    };
    job_status::one_job(ctx, client, prefix)
}
