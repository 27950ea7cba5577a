//! `job inspect` and `job history`.

use api::{Job, JobDiff, JobSubmission, JobVersionsResponse};
use model::Timestamp;

use super::{
    Context, Tool,
    client::{Client, ClientError, element},
    diff_text::Painter,
    flags::{Flag, Flags, number, switch, text},
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
    switch("hcl", "Print the text that the job was made from, or a job file that says the same."),
    switch("with-vars", "With -hcl: print also the values of variables that it was given."),
];

pub(super) const HISTORY_FLAGS: &[Flag] = &[
    switch("full", "Show each version as JSON, too."),
    number("version", "Show that version alone."),
    switch("json", "Print JSON."),
    switch("p", "Show what each version changed."),
    TEMPLATE,
    text("diff-tag", "name", "Compare each version with the one of that name."),
    number("diff-version", "Compare each version with that one."),
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
    if flags.on("with-vars") && !flags.on("hcl") {
        return Err(Failure::usage("-with-vars goes with -hcl"));
    }
    if flags.on("hcl") {
        if let Some(submission) = submission(&client, &job)? {
            return print_source(ctx, &submission, flags.on("with-vars"));
        }
        let job =
            job.into_model().map_err(|refused| Failure::message(format!("Error reading job: {refused}")))?;
        ctx.output.line(jobspec::write(&job).trim_end())?;
        return Ok(0);
    }
    ctx.output.line(json(&serde_json::json!({ "Job": job })))?;
    Ok(0)
}

/// What the version was made from; `None`: nobody kept it.
fn submission(client: &Client, job: &Job) -> Result<Option<JobSubmission>, Failure> {
    let version = job.version.to_string();
    let path = format!("/v1/job/{}/submission", element(&job.id));
    match client.get(&path, &[("version", &version)]) {
        Ok(found) => Ok(Some(found)),
        Err(ClientError::Status { code: 404, .. }) => Ok(None),
        Err(error) => Err(error.while_doing("retrieving the job's source")),
    }
}

fn print_source(ctx: &mut Context<'_>, submission: &JobSubmission, with_vars: bool) -> Outcome {
    if with_vars {
        for (name, value) in &submission.variable_flags {
            ctx.output.line(format_args!("# -var {name}={value}"))?;
        }
        for line in submission.variables.lines() {
            ctx.output.line(format_args!("# {line}"))?;
        }
        if !(submission.variable_flags.is_empty() && submission.variables.is_empty()) {
            ctx.output.line("")?;
        }
    }
    ctx.output.line(submission.source.trim_end_matches('\n'))?;
    Ok(0)
}

pub(super) fn history(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = one_job(ctx, &client, flags)?;
    let (tag, version) = (flags.text("diff-tag"), flags.text("diff-version"));
    if tag.is_some() && version.is_some() {
        return Err(Failure::usage("-diff-tag and -diff-version exclude each other"));
    }
    let mut query: Vec<(&str, &str)> = Vec::new();
    if flags.on("p") || tag.is_some() || version.is_some() {
        query.push(("diffs", "true"));
    }
    query.extend(tag.map(|tag| ("diff_tag", tag)));
    query.extend(version.map(|version| ("diff_version", version)));
    let answer = read_versions(&client, &id, &query)?;
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
    if let Some(tag) = &job.version_tag {
        block.row("Tag Name", &tag.name);
        if !tag.description.is_empty() {
            block.row("Tag Description", &tag.description);
        }
    }
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
    Ok(read_versions(client, id, &[])?.versions)
}

fn read_versions(client: &Client, id: &str, query: &[(&str, &str)]) -> Result<JobVersionsResponse, Failure> {
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
