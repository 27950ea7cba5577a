//! Job files: read them, check them, write an example.

use std::{fs, io, io::Read, path::Path};

use api::{Job, JobSubmission, JobValidateRequest, JobValidateResponse};
use jobspec::{Inputs, VarFile};

use super::{
    Context, Tool,
    client::Client,
    flags::{Flag, Flags, absent_switch, absent_text, ignored, switch, text},
    job_disk::JobDisk,
    output::{Failure, Outcome},
};

pub(super) const INIT_FLAGS: &[Flag] = &[
    switch("short", "Leave the explanations out."),
    absent_switch("connect"),
    absent_text("template"),
    absent_switch("list-templates"),
];

pub(super) const VALIDATE_FLAGS: &[Flag] = &[
    switch("json", "The file is JSON, as the HTTP API takes it."),
    ignored("vault-token"),
    absent_text("vault-namespace"),
    VAR,
    VAR_FILE,
    STRICT,
];

/// Flags that [`read`] obeys, for every command that reads job files.
pub(super) const VAR: Flag =
    text("var", "name=value", "A value for a variable of the job file; may be repeated, and the last wins.");
pub(super) const VAR_FILE: Flag =
    text("var-file", "path", "A file of values for variables, `name = value` lines; may be repeated.");
pub(super) const STRICT: Flag =
    switch("hcl2-strict", "Refuse values for variables that the job file does not declare. Default: true.");

/// A job file larger than this is none.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Reads a job file (`-`: standard input) with the variables of the flags and of the environment, and returns the
/// job and the warnings.
pub(super) fn read(ctx: &mut Context<'_>, path: &str, flags: &Flags) -> Result<(Job, Vec<String>), Failure> {
    let read = read_hcl(ctx, path, flags)?;
    Ok((read.job, read.warnings))
}

/// A job file, and the text that is kept with the version of the job.
pub(super) struct Whole {
    pub(super) job: Job,
    pub(super) warnings: Vec<String>,
    /// `None`: it is too large to be kept.
    pub(super) submission: Option<JobSubmission>,
}

/// As [`read_any`], with the text.
pub(super) fn read_whole(ctx: &mut Context<'_>, path: &str, flags: &Flags) -> Result<Whole, Failure> {
    if !flags.on("json") {
        return read_hcl(ctx, path, flags);
    }
    let source = read_text(ctx, path)?;
    let job = parse_json(path, &source)?;
    let submission = JobSubmission { source, format: String::from("json"), ..JobSubmission::default() };
    Ok(Whole { job, warnings: Vec::new(), submission: small(submission) })
}

/// Larger ones would be sent for nothing, and might make the request too large.
fn small(submission: JobSubmission) -> Option<JobSubmission> {
    (submission.clone().into_model().size() <= model::Submission::MAX_BYTES).then_some(submission)
}

fn read_hcl(ctx: &mut Context<'_>, path: &str, flags: &Flags) -> Result<Whole, Failure> {
    let source = read_text(ctx, path)?;
    let disk = JobDisk::new(path, ctx.env.get("HOME"));
    let inputs = inputs(ctx, flags, &disk)?;
    let parsed = jobspec::parse_with(shown_name(path), &source, &inputs).map_err(|diagnostics| {
        Failure::message(format!(
            "Error getting job struct: Error parsing job file from {path}:\n{diagnostics}"
        ))
    })?;
    let submission = JobSubmission {
        format: String::from(if source.trim_start().starts_with('{') { "json" } else { "hcl2" }),
        variable_flags: inputs.assignments.iter().cloned().collect(),
        variables: inputs.files.iter().map(|file| file.text.as_str()).collect::<Vec<_>>().join("\n"),
        source,
        ..JobSubmission::default()
    };
    Ok(Whole { job: Job::from(&parsed.job), warnings: parsed.warnings, submission: small(submission) })
}

/// What a job file is given from outside.
fn inputs<'d>(ctx: &mut Context<'_>, flags: &Flags, disk: &'d JobDisk) -> Result<Inputs<'d>, Failure> {
    let named = |(name, value): (&String, &String)| {
        Some((name.strip_prefix("NOMAD_VAR_")?.to_owned(), value.clone()))
    };
    let environment = ctx.env.iter().filter_map(named).collect();
    let mut files = Vec::new();
    for path in flags.all("var-file") {
        files.push(VarFile { name: shown_name(path).to_owned(), text: read_text(ctx, path)? });
    }
    let mut assignments = Vec::new();
    for given in flags.all("var") {
        match given.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                assignments.push((name.trim().to_owned(), value.to_owned()));
            }
            _ => return Err(Failure::usage(format!("-var takes name=value, found {given:?}"))),
        }
    }
    let strict = flags.text("hcl2-strict") != Some("false");
    Ok(Inputs { environment, files, assignments, strict, disk: Some(disk), seed: Some(rand::random()) })
}

/// Reads a job file, or with `-json` a job in the form of the HTTP API.
pub(super) fn read_any(
    ctx: &mut Context<'_>,
    path: &str,
    flags: &Flags,
) -> Result<(Job, Vec<String>), Failure> {
    if flags.on("json") { Ok((read_json(ctx, path)?, Vec::new())) } else { read(ctx, path, flags) }
}

/// Reads a job in the form of the HTTP API, with or without `{"Job": ..}` around it.
pub(super) fn read_json(ctx: &mut Context<'_>, path: &str) -> Result<Job, Failure> {
    let source = read_text(ctx, path)?;
    parse_json(path, &source)
}

fn parse_json(path: &str, source: &str) -> Result<Job, Failure> {
    let failed = |reason: String| {
        Failure::message(format!("Error getting job struct: Error parsing job file from {path}:\n{reason}"))
    };
    let mut value: serde_json::Value =
        serde_json::from_str(source).map_err(|error| failed(error.to_string()))?;
    if let Some(job) = value.get_mut("Job").filter(|job| job.is_object()) {
        value = job.take();
    }
    api::decode_value(value).map_err(|error| failed(error.to_string()))
}

fn shown_name(path: &str) -> &str {
    if path == "-" { "stdin" } else { path }
}

fn read_text(ctx: &mut Context<'_>, path: &str) -> Result<String, Failure> {
    read_file(ctx, path, "getting job struct")
}

/// The text of a file (`-`: standard input). `doing`: what for, as `Error <doing>: ..` says it.
pub(super) fn read_file(ctx: &mut Context<'_>, path: &str, doing: &str) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::message(format!("Error {doing}: Error opening file {path:?}: {error}"))
    };
    let mut bytes = Vec::new();
    if path == "-" {
        (&mut *ctx.input).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    } else {
        let file = fs::File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed(&format!("open {path}: no such file or directory")),
            _ => failed(&error),
        })?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed(&"larger than 8 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// Writes the example job file.
pub(super) fn init(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let file = match flags.args.as_slice() {
        [] => "example.nomad",
        [file] => file,
        _ => return Err(Failure::usage("This command takes no arguments or one: <filename>")),
    };
    let text =
        if flags.on("short") { without_comments(jobspec::EXAMPLE) } else { jobspec::EXAMPLE.to_owned() };
    let created = fs::OpenOptions::new().write(true).create_new(true).open(Path::new(file));
    let written = created.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Failure::message(format!("Job '{file}' already exists")));
        }
        Err(error) => return Err(Failure::message(format!("Failed to write '{file}': {error}"))),
    }
    ctx.output.line(format_args!("Example job file written to {file}"))?;
    Ok(0)
}

/// Drops lines that are only a comment, and the blank lines that they leave behind.
fn without_comments(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let after_gap =
            lines.last().is_none_or(|last| last.trim().is_empty() || last.trim_end().ends_with('{'));
        if line.trim().is_empty() && after_gap {
            continue;
        }
        if line.trim() == "}" && lines.last().is_some_and(|last| last.trim().is_empty()) {
            lines.pop();
        }
        lines.push(line);
    }
    lines.join("\n") + "\n"
}

/// Checks a job file, with the agent's help where one answers.
pub(super) fn validate(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [path] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <path>"));
    };
    let (job, mut warnings) = read_any(ctx, path, flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let request =
        JobValidateRequest { region: job.region.clone(), namespace: job.namespace.clone(), job: Some(job) };
    match client.put::<JobValidateResponse>("/v1/validate/job", &request) {
        Ok(answer) => {
            warnings.push(answer.warnings);
            let mut errors = answer.validation_errors;
            if errors.is_empty() && !answer.error.is_empty() {
                errors.push(answer.error);
            }
            if !errors.is_empty() {
                ctx.output.error("Job validation errors:")?;
                ctx.output.error(multi_error(&errors))?;
                return Ok(1);
            }
        }
        Err(error) if error.is_refused() => {
            ctx.output
                .warn("Driver configuration not validated since connection to Nomad agent couldn't be established.\n")?;
        }
        Err(error) => return Err(error.while_doing("validating job")),
    }
    for warning in warnings.iter().filter(|text| !text.is_empty()) {
        ctx.output.warn(format_args!("Job Warnings:\n{warning}\n"))?;
    }
    ctx.output.line("Job validation successful")?;
    Ok(0)
}

/// `2 error(s) occurred:`, a blank line, and one line each.
fn multi_error(errors: &[String]) -> String {
    let lines: Vec<String> = errors.iter().map(|error| format!("* {error}")).collect();
    format!("{} error(s) occurred:\n\n{}", errors.len(), lines.join("\n"))
}
