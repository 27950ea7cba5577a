//! `job deployments` and `job allocs`: what belongs to a job.

use api::{AllocListStub, Deployment};

use super::{
    Context, Tool,
    client::{Client, element},
    deployment,
    flags::{Flag, Flags, switch},
    format::json,
    job_status,
    output::{Failure, Outcome},
    template::TEMPLATE,
};

pub(super) const DEPLOYMENTS_FLAGS: &[Flag] = &[
    switch("latest", "Show the latest deployment in full."),
    switch("all", "Show also those of an earlier job of that name."),
    switch("json", "Print JSON."),
    switch("verbose", "Full ids."),
    TEMPLATE,
];

pub(super) const ALLOCS_FLAGS: &[Flag] = &[
    switch("all", "Show also those of an earlier job of that name."),
    switch("json", "Print JSON."),
    switch("verbose", "Full ids and absolute times."),
    TEMPLATE,
];

pub(super) fn deployments(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (client, id) = one_job(ctx, flags)?;
    if flags.on("latest") {
        return latest(ctx, &client, &id, flags);
    }
    let deployments: Vec<Deployment> = client
        .get(&format!("/v1/job/{}/deployments", element(&id)), all(flags))
        .map_err(|error| error.while_doing("retrieving deployments"))?;
    if flags.on("json") {
        ctx.output.line(json(&deployments))?;
    } else if deployments.is_empty() {
        ctx.output.line("No deployments found")?;
    } else {
        ctx.output.line(deployment::table(&deployments, flags.on("verbose")))?;
    }
    Ok(0)
}

fn latest(ctx: &mut Context<'_>, client: &Client, id: &str, flags: &Flags) -> Outcome {
    let latest: Option<Deployment> = client
        .get(&format!("/v1/job/{}/deployment", element(id)), &[])
        .map_err(|error| error.while_doing("retrieving deployments"))?;
    if flags.on("json") {
        ctx.output.line(json(&latest))?;
        return Ok(0);
    }
    match latest {
        Some(latest) => deployment::print(ctx, &latest, flags.on("verbose")),
        None => {
            ctx.output.line("No deployments found")?;
            Ok(0)
        }
    }
}

pub(super) fn allocs(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let (client, id) = one_job(ctx, flags)?;
    let allocs: Vec<AllocListStub> = client
        .get(&format!("/v1/job/{}/allocations", element(&id)), all(flags))
        .map_err(|error| error.while_doing("retrieving allocations"))?;
    if flags.on("json") {
        ctx.output.line(json(&allocs))?;
    } else if allocs.is_empty() {
        ctx.output.line("No allocations placed")?;
    } else {
        let table = job_status::allocs_table(ctx, &allocs, flags.on("verbose"));
        ctx.output.line(table)?;
    }
    Ok(0)
}

fn all(flags: &Flags) -> &'static [(&'static str, &'static str)] {
    if flags.on("all") { &[("all", "true")] } else { &[] }
}

fn one_job(ctx: &Context<'_>, flags: &Flags) -> Result<(Client, String), Failure> {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <job>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    Ok((client, id))
}
