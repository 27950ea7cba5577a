//! `job tag apply` and `job tag unset`: names of versions.

use api::{JobTagRequest, JobTagResponse};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, text},
    job_status,
    output::{Failure, Outcome},
};

pub(super) const APPLY_FLAGS: &[Flag] = &[
    text("name", "name", "The name. Required."),
    text("description", "text", "What the name stands for."),
    text("version", "number", "The version that gets the name. Default: the newest."),
];

pub(super) const UNSET_FLAGS: &[Flag] = &[text("name", "name", "The name that goes away. Required.")];

pub(super) fn apply(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (client, id, name) = named(ctx, flags)?;
    let version = flags
        .text("version")
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().map_err(|_| Failure::usage(format!("-version is a number, not {text:?}"))))
        .transpose()?;
    let request = JobTagRequest {
        name: name.clone(),
        description: flags.text("description").unwrap_or_default().to_owned(),
        version,
        latest: version.is_none(),
    };
    let _: JobTagResponse =
        client.put(&path(&id, &name), &request).map_err(|error| error.while_doing("tagging job version"))?;
    let which = version
        .map_or_else(|| String::from("the latest version"), |version: u64| format!("version {version}"));
    ctx.output.line(format_args!("{which} of job \"{id}\" tagged with name \"{name}\""))?;
    Ok(0)
}

pub(super) fn unset(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (client, id, name) = named(ctx, flags)?;
    let _: JobTagResponse = client
        .delete(&path(&id, &name), &[])
        .map_err(|error| error.while_doing("removing the tag of a job version"))?;
    ctx.output.line(format_args!("tag \"{name}\" removed from job \"{id}\""))?;
    Ok(0)
}

fn path(id: &str, name: &str) -> String {
    format!("/v1/job/{}/versions/{}/tag", element(id), element(name))
}

fn named(ctx: &mut Context<'_>, flags: &Flags) -> Result<(Client, String, String), Failure> {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <job>"));
    };
    let name = flags.text("name").filter(|name| !name.is_empty());
    let name =
        name.ok_or_else(|| Failure::usage("A version tag name must be specified with -name"))?.to_owned();
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    Ok((client, id, name))
}
