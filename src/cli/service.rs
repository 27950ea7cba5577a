//! `service list` and `service info`: services of allocations.

use api::{ServiceList, ServiceRegistration};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, switch, text},
    format::{json, short},
    output::{Failure, Outcome},
    pages::{self, FILTER, PAGE_TOKEN, PER_PAGE},
    table::Table,
    template::TEMPLATE,
};

pub(super) const LIST_FLAGS: &[Flag] = &[switch("json", "Print JSON."), TEMPLATE];

pub(super) const INFO_FLAGS: &[Flag] = &[
    switch("verbose", "Full ids."),
    switch("json", "Print JSON."),
    text("choose", "number|key", "So many instances, the same ones for the same key."),
    FILTER,
    PER_PAGE,
    PAGE_TOKEN,
    TEMPLATE,
];

pub(super) fn list(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if !flags.args.is_empty() {
        return Err(Failure::usage("This command takes no arguments"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let lists: Vec<ServiceList> = client
        .get("/v1/services", &[])
        .map_err(|error| error.while_doing("listing service registrations"))?;
    if flags.on("json") {
        ctx.output.line(json(&lists))?;
        return Ok(0);
    }
    if lists.is_empty() {
        ctx.output.line("No service registrations found")?;
        return Ok(0);
    }
    let everywhere = flags.text("namespace") == Some("*");
    let mut table = Table::new(if everywhere {
        &["Service Name", "Namespace", "Tags"]
    } else {
        &["Service Name", "Tags"]
    });
    for list in &lists {
        for service in &list.services {
            let tags = tags(&service.tags);
            if everywhere {
                table.row([service.service_name.clone(), list.namespace.clone(), tags]);
            } else {
                table.row([service.service_name.clone(), tags]);
            }
        }
    }
    ctx.output.line(table)?;
    Ok(0)
}

fn tags(tags: &[String]) -> String {
    format!("[{}]", tags.join(","))
}

pub(super) fn info(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [name] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <service_name>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let mut query = pages::query(flags);
    query.extend(flags.text("choose").map(|choice| ("choose", choice)));
    let (found, next): (Vec<ServiceRegistration>, _) = client
        .get_page(&format!("/v1/service/{}", element(name)), &query)
        .map_err(|error| error.while_doing("listing service registrations"))?;
    if flags.on("json") {
        ctx.output.line(json(&found))?;
        return Ok(0);
    }
    if found.is_empty() {
        ctx.output.line("No service registrations found")?;
        return Ok(0);
    }
    let verbose = flags.on("verbose");
    let mut table = Table::new(&["Job ID", "Address", "Tags", "Node ID", "Alloc ID"]);
    for service in &found {
        let address = if service.address.contains(':') {
            format!("[{}]", service.address)
        } else {
            service.address.clone()
        };
        table.row([
            service.job_id.clone(),
            format!("{address}:{}", service.port),
            tags(&service.tags),
            short(&service.node_id, verbose),
            short(&service.alloc_id, verbose),
        ]);
    }
    ctx.output.line(table)?;
    pages::hint(ctx, flags, &format!("service info {name}"), next.as_deref())?;
    Ok(0)
}
