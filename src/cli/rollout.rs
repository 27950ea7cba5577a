//! Follows a roll-out until it has ended, or waits for people, and says what it sees.

use api::{AllocListStub, Allocation, Deployment, TaskState};

use super::{
    Context,
    alloc_logs::last_lines_of,
    client::{Client, element},
    deployment,
    format::short,
    job_status::allocs_table,
    output::Failure,
};

/// How a roll-out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Successful,
    /// All canaries are healthy, and only people can go on.
    AwaitsPromotion,
    /// A newer version of the job came, or the job was stopped.
    Cancelled,
    Failed,
    /// Nothing became healthy until the progress deadline.
    TimedOut,
}

/// Lines shown of a failing task.
const LINES: usize = 10;

/// Failing allocations that are shown.
const SHOWN: usize = 3;

/// Turns of the sign that it goes on, between two looks.
const TURNS_PER_LOOK: u32 = 8;

/// Looks at the job until the roll-out back has begun: an evaluation away.
const LOOKS_FOR_ROLLBACK: u32 = 20;

/// Follows the roll-out, and the one back if it fails and there is one. Answers with the end of the first.
pub(super) fn follow(
    ctx: &mut Context<'_>,
    client: &Client,
    id: &str,
    verbose: bool,
) -> Result<End, Failure> {
    let (ended, end) = until_done(ctx, client, id, verbose)?;
    if !matches!(end, End::Failed | End::TimedOut) {
        return Ok(end);
    }
    tell_failures(ctx, client, &ended, verbose)?;
    if ended.status_description.contains(" - rolling back to job version")
        && let Some(back) = rollback(ctx, client, &ended)?
    {
        let shown = short(&back, verbose);
        ctx.output.line(format_args!("\n==> Monitoring deployment \"{shown}\", which rolls back"))?;
        let (rolled_back, end) = until_done(ctx, client, &back, verbose)?;
        if end != End::Successful {
            tell_failures(ctx, client, &rolled_back, verbose)?;
        }
    }
    Ok(end)
}

fn until_done(
    ctx: &mut Context<'_>,
    client: &Client,
    id: &str,
    verbose: bool,
) -> Result<(Deployment, End), Failure> {
    let mut screen = Screen::default();
    loop {
        let deployment: Deployment = client
            .get(&format!("/v1/deployment/{}", element(id)), &[])
            .map_err(|error| error.while_doing("retrieving deployment"))?;
        let end = end_of(client, &deployment)?;
        screen.show(ctx, client, &deployment, end, verbose)?;
        if let Some(end) = end {
            return Ok((deployment, end));
        }
        if !ctx.output.terminal {
            client.pause(ctx.poll);
            continue;
        }
        for _ in 0..TURNS_PER_LOOK {
            client.pause(ctx.poll / TURNS_PER_LOOK);
            screen.turn(ctx, &deployment, verbose)?;
        }
    }
}

/// `None` while it goes on.
fn end_of(client: &Client, deployment: &Deployment) -> Result<Option<End>, Failure> {
    Ok(match deployment.status.as_str() {
        "successful" => Some(End::Successful),
        "cancelled" => Some(End::Cancelled),
        "failed" if deployment.status_description.starts_with("Failed due to progress deadline") => {
            Some(End::TimedOut)
        }
        "failed" => Some(End::Failed),
        "running" => waits_for_people(client, deployment)?.then_some(End::AwaitsPromotion),
        _ => None,
    })
}

/// Whether all canaries are healthy, and a group of them is not promoted by itself.
fn waits_for_people(client: &Client, deployment: &Deployment) -> Result<bool, Failure> {
    let groups = &deployment.task_groups;
    let waiting = || groups.values().filter(|group| group.desired_canaries > 0 && !group.promoted);
    let enough = waiting().all(|group| group.healthy_allocs >= group.desired_canaries);
    if !enough || waiting().all(|group| group.auto_promote) {
        return Ok(false);
    }
    // What was updated in place is healthy, too.
    let is_good = |alloc: &&AllocListStub| {
        let status = alloc.deployment_status.as_ref();
        status.is_some_and(|status| status.canary && status.healthy == Some(true))
    };
    let good = allocs_of(client, &deployment.id)?.iter().filter(is_good).count();
    Ok(good as i64 >= waiting().map(|group| group.desired_canaries).sum())
}

fn allocs_of(client: &Client, deployment: &str) -> Result<Vec<AllocListStub>, Failure> {
    client
        .get(&format!("/v1/deployment/allocations/{}", element(deployment)), &[])
        .map_err(|error| error.while_doing("retrieving allocations of the deployment"))
}

/// What was shown. On a terminal it is written over; elsewhere only changes are written.
#[derive(Default)]
struct Screen {
    lines: usize,
    turn: usize,
    /// What was shown last, without what changes by itself.
    shown: String,
}

impl Screen {
    fn show(
        &mut self,
        ctx: &mut Context<'_>,
        client: &Client,
        deployment: &Deployment,
        end: Option<End>,
        verbose: bool,
    ) -> Result<(), Failure> {
        let news = news(deployment);
        let is_new = news != self.shown;
        self.shown = news;
        if !ctx.output.terminal && !is_new {
            return Ok(());
        }
        let mut text = deployment::text(ctx, deployment, verbose);
        if verbose {
            let table = allocs_table(ctx, &allocs_of(client, &deployment.id)?, true);
            text += &format!("\n\nAllocations\n{table}");
        }
        let text = indent(&text);
        let id = short(&deployment.id, verbose);
        if ctx.output.terminal {
            let text = format!("  {}\n\n{text}\n", headline(deployment, end, &id, self.turn));
            if self.lines > 0 {
                ctx.output.bytes(format!("\x1b[{}A\x1b[J", self.lines).as_bytes())?;
            }
            self.lines = text.lines().count();
            ctx.output.bytes(text.as_bytes())?;
        } else {
            let now = ctx.clock.absolute((ctx.clock.now)());
            ctx.output.line(format_args!("\n    {now}\n{text}"))?;
        }
        if end == Some(End::AwaitsPromotion) {
            let program = ctx.program.name();
            ctx.output.line(format_args!(
                "\n==> All canaries are healthy. To go on: {program} deployment promote {id}; to go back: {program} \
                 deployment fail {id}"
            ))?;
        }
        Ok(())
    }
}

impl Screen {
    /// Writes the headline anew, and leaves the rest as it stands.
    fn turn(&mut self, ctx: &mut Context<'_>, deployment: &Deployment, verbose: bool) -> Result<(), Failure> {
        self.turn += 1;
        let line = headline(deployment, None, &short(&deployment.id, verbose), self.turn);
        let up = self.lines;
        ctx.output.bytes(format!("\x1b[{up}A\r\x1b[2K  {line}\x1b[{up}B\r").as_bytes())
    }
}

/// What is worth showing again when it changes.
fn news(deployment: &Deployment) -> String {
    let mut news = format!("{} {}", deployment.status, deployment.status_description);
    for (name, group) in &deployment.task_groups {
        let (placed, healthy, unhealthy) =
            (group.placed_allocs, group.healthy_allocs, group.unhealthy_allocs);
        let (total, promoted) = (group.desired_total, group.promoted);
        news += &format!(" {name} {total} {promoted} {placed} {healthy} {unhealthy}");
    }
    news
}

fn headline(deployment: &Deployment, end: Option<End>, id: &str, turn: usize) -> String {
    const TURNS: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
    match end {
        None => format!("{} Deployment \"{id}\" in progress...", TURNS[turn % TURNS.len()]),
        Some(End::Successful) => format!("✓ Deployment \"{id}\" successful"),
        Some(End::AwaitsPromotion) => format!("! Deployment \"{id}\" waits for its promotion"),
        Some(_) => format!("! Deployment \"{id}\" {}", deployment.status),
    }
}

fn indent(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("    {line}") };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The roll-out that came after a failed one.
fn rollback(ctx: &Context<'_>, client: &Client, failed: &Deployment) -> Result<Option<String>, Failure> {
    let path = format!("/v1/job/{}/deployment", element(&failed.job_id));
    let mut wait = ctx.poll / 20;
    for _ in 0..LOOKS_FOR_ROLLBACK {
        let query = [("namespace", failed.namespace.as_str())];
        let latest: Option<Deployment> =
            client.get(&path, &query).map_err(|error| error.while_doing("retrieving deployments"))?;
        if let Some(latest) = latest.filter(|latest| latest.job_version > failed.job_version) {
            return Ok(Some(latest.id));
        }
        client.pause(wait);
        wait = (wait * 2).min(ctx.poll);
    }
    Ok(None)
}

/// Prints why allocations of the roll-out are not healthy, with the last lines that their tasks wrote.
fn tell_failures(
    ctx: &mut Context<'_>,
    client: &Client,
    deployment: &Deployment,
    verbose: bool,
) -> Result<(), Failure> {
    let health = |alloc: &AllocListStub| alloc.deployment_status.as_ref().and_then(|status| status.healthy);
    let mut bad = allocs_of(client, &deployment.id)?;
    bad.retain(|alloc| health(alloc) != Some(true) || alloc.client_status == "failed");
    bad.sort_by_key(|alloc| {
        let is_sound = (health(alloc) != Some(false), alloc.client_status != "failed");
        (is_sound, alloc.name.clone(), alloc.create_index)
    });
    for stub in bad.iter().take(SHOWN) {
        let alloc: Allocation = client
            .get(&format!("/v1/allocation/{}", element(&stub.id)), &[])
            .map_err(|error| error.while_doing("querying allocation"))?;
        let (id, node) = (short(&stub.id, verbose), short(&stub.node_id, verbose));
        let (group, status) = (&stub.task_group, &stub.client_status);
        ctx.output.line(format_args!(
            "\n==> Allocation \"{id}\" of group \"{group}\" on node \"{node}\" is {status}"
        ))?;
        for (task, state) in &alloc.task_states {
            tell_task(ctx, client, &stub.id, task, state)?;
        }
    }
    if bad.len() > SHOWN {
        ctx.output.line(format_args!("\n==> {} more are not healthy", bad.len() - SHOWN))?;
    }
    Ok(())
}

/// Events shown of a failing task, the newest ones.
const EVENTS: usize = 4;

fn tell_task(
    ctx: &mut Context<'_>,
    client: &Client,
    alloc: &str,
    task: &str,
    state: &TaskState,
) -> Result<(), Failure> {
    ctx.output.line(format_args!("    Task \"{task}\" is \"{}\"", state.state))?;
    for event in &state.events[state.events.len().saturating_sub(EVENTS)..] {
        ctx.output.line(format_args!("      {}: {}", event.kind, event.display_message))?;
    }
    for kind in ["stdout", "stderr"] {
        let text = last_lines_of(client, alloc, task, kind, LINES);
        if text.trim().is_empty() {
            continue;
        }
        ctx.output.line(format_args!("    Last lines of its {kind}:"))?;
        for line in text.lines() {
            ctx.output.line(format_args!("      {line}"))?;
        }
    }
    Ok(())
}
