//! `job status` of jobs that launch others.

use api::{Job, JobListStub, JobSummary};
use model::Timestamp;

use super::{
    Context,
    client::Client,
    output::Failure,
    table::{Block, Table},
};

/// When a periodic job is launched next, in words; `None`: it is not periodic.
pub(super) fn next_launch(ctx: &Context<'_>, job: &Job) -> Option<String> {
    let config = job.periodic.clone().filter(|_| !waits_for_dispatch(job))?;
    if job.stop {
        return Some(String::from("none (job stopped)"));
    }
    let periodic = model::Periodic::from(config);
    if !periodic.enabled {
        return Some(String::from("none (not enabled)"));
    }
    Some(periodic.next((ctx.clock.now)()).map_or_else(
        || String::from("none"),
        |at| format!("{} ({} from now)", ctx.clock.absolute(at), from_now(ctx, at)),
    ))
}

pub(super) fn from_now(ctx: &Context<'_>, at: Timestamp) -> String {
    let wait = at.since((ctx.clock.now)());
    // As the reference rounds it.
    super::format::duration(std::time::Duration::from_secs(wait.as_secs()))
}

pub(super) fn waits_for_dispatch(job: &Job) -> bool {
    job.parameterized_job.is_some() && !job.dispatched
}

/// What stands instead of allocations.
pub(super) fn show(
    ctx: &mut Context<'_>,
    client: &Client,
    job: &Job,
    summary: Option<&JobSummary>,
) -> Result<(), Failure> {
    let is_parameterized = waits_for_dispatch(job);
    if let Some(config) = job.parameterized_job.as_ref().filter(|_| is_parameterized) {
        ctx.output.section("Parameterized Job")?;
        let mut block = Block::new();
        block
            .row("Payload", &config.payload)
            .row("Required Metadata", words(&config.meta_required))
            .row("Optional Metadata", words(&config.meta_optional));
        ctx.output.line(block)?;
    }
    if let Some(children) = summary.and_then(|summary| summary.children.as_ref()) {
        ctx.output.section(if is_parameterized {
            "Parameterized Job Summary"
        } else {
            "Children Job Summary"
        })?;
        let mut table = Table::new(&["Pending", "Running", "Dead"]);
        table.row([children.pending, children.running, children.dead].map(|count| count.to_string()));
        ctx.output.line(table)?;
    }
    let (kind, title, none) = if is_parameterized {
        ("dispatch", "Dispatched Jobs", "No dispatched instances of parameterized job found")
    } else {
        ("periodic", "Previously Launched Jobs", "No instances of periodic job found")
    };
    let prefix = format!("{}/{kind}-", job.id);
    let jobs: Vec<JobListStub> =
        client.get("/v1/jobs", &[("prefix", &prefix)]).map_err(|error| error.while_doing("querying job"))?;
    let mut table = Table::new(&["ID", "Status"]);
    for child in jobs.iter().filter(|child| child.parent_id == job.id) {
        table.row([child.id.clone(), child.status.clone()]);
    }
    if table.is_empty() {
        ctx.output.line("")?;
        return ctx.output.line(none);
    }
    ctx.output.section(title)?;
    ctx.output.line(table)
}

fn words(keys: &[String]) -> String {
    if keys.is_empty() { String::from("<none>") } else { keys.join(", ") }
}
