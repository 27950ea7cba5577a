//! `job restart`: the allocations of a job, some at a time.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    time::Duration,
};

use api::{AllocListStub, AllocRestartRequest, AllocStopResponse, Allocation, Evaluation, Job, NodeAnswer};
use model::time::parse_duration;

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, switch, text},
    format::{duration, short},
    job_status,
    output::{Failure, Outcome},
    terminal,
};

pub(super) const FLAGS: &[Flag] = &[
    switch("all-tasks", "All tasks of each allocation anew, also those that have ended."),
    text("batch-size", "n or n%", "Allocations that are restarted at a time. Default: 1."),
    text("batch-wait", "duration or ask", "Pause between two batches, or ask before each. Default: 0s."),
    text("group", "name", "Allocations of this group only; may be repeated."),
    switch("no-shutdown-delay", "Do not wait for the tasks' shutdown_delay; with -reschedule."),
    text("on-error", "ask or fail", "What to do when an allocation cannot be restarted. Default: ask."),
    switch("reschedule", "Stop each allocation and wait for the one that replaces it."),
    text("task", "name", "This task only; may be repeated."),
    switch("yes", "Ask nothing; fail on the first error."),
    switch("verbose", "Full ids."),
];

/// How often a replacement is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch {
    Count(usize),
    Percent(usize),
}

impl Batch {
    fn read(text: &str) -> Result<Self, Failure> {
        let bad =
            || Failure::usage(format!("-batch-size must be a number or a percentage above 0, not {text:?}"));
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number, true),
            None => (text, false),
        };
        match (number.parse::<usize>().map_err(|_| bad())?, percent) {
            (0, _) => Err(bad()),
            (number, false) => Ok(Self::Count(number)),
            (number @ 1..=100, true) => Ok(Self::Percent(number)),
            _ => Err(bad()),
        }
    }

    /// At least one.
    fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (all * percent / 100).max(1),
        }
    }
}

/// What comes between two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    For(Duration),
    Ask,
}

/// What the flags say.
struct Plan {
    batch: Batch,
    pause: Pause,
    /// On an error people are asked whether to go on.
    asks: bool,
    yes: bool,
    all_tasks: bool,
    reschedule: bool,
    no_shutdown_delay: bool,
    groups: BTreeSet<String>,
    tasks: BTreeSet<String>,
    verbose: bool,
}

impl Plan {
    fn of(flags: &Flags) -> Result<Self, Failure> {
        let yes = flags.on("yes");
        let asks = match flags.text("on-error") {
            None => !yes,
            Some("ask") if yes => {
                return Err(Failure::usage("-on-error cannot be 'ask' when -yes is used"));
            }
            Some("ask") => true,
            Some("fail") => false,
            Some(other) => {
                return Err(Failure::usage(format!("-on-error is 'ask' or 'fail', not {other:?}")));
            }
        };
        let pause = match flags.text("batch-wait") {
            None => Pause::For(Duration::ZERO),
            Some("ask") if yes => {
                return Err(Failure::usage("-batch-wait cannot be 'ask' when -yes is used"));
            }
            Some("ask") => Pause::Ask,
            Some(text) => Pause::For(parse_duration(text).ok_or_else(|| {
                Failure::usage(format!("-batch-wait is a duration such as 10s, or 'ask', not {text:?}"))
            })?),
        };
        let plan = Self {
            batch: Batch::read(flags.text("batch-size").unwrap_or("1"))?,
            pause,
            asks,
            yes,
            all_tasks: flags.on("all-tasks"),
            reschedule: flags.on("reschedule"),
            no_shutdown_delay: flags.on("no-shutdown-delay"),
            groups: flags.all("group").iter().cloned().collect(),
            tasks: flags.all("task").iter().cloned().collect(),
            verbose: flags.on("verbose"),
        };
        if plan.reschedule && (plan.all_tasks || !plan.tasks.is_empty()) {
            return Err(Failure::usage(
                "-reschedule is for whole allocations: leave -task and -all-tasks out",
            ));
        }
        if plan.all_tasks && !plan.tasks.is_empty() {
            return Err(Failure::usage("-all-tasks and -task exclude each other"));
        }
        if plan.no_shutdown_delay && !plan.reschedule {
            return Err(Failure::usage(
                "-no-shutdown-delay is for -reschedule: a restart in place has no delay",
            ));
        }
        if plan.pause == Pause::Ask && !terminal::has_input() {
            return Err(Failure::usage(
                "-batch-wait cannot be 'ask' when nobody can be asked: stdin is no terminal",
            ));
        }
        Ok(plan)
    }
}

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <job>"));
    };
    let plan = Plan::of(flags)?;
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    if id != *prefix
        && !plan.yes
        && !confirmed(ctx, &format!("Are you sure you want to restart job \"{id}\"?"))?
    {
        ctx.output.line("\nJob restart canceled.")?;
        return Ok(0);
    }
    let job: Job = client
        .get(&format!("/v1/job/{}", element(&id)), &[])
        .map_err(|error| error.while_doing("querying job"))?;
    names_are_known(&job, &plan)?;
    let allocs = running(&client, &id, &job, &plan)?;
    if allocs.is_empty() {
        ctx.output.line("No allocations to restart")?;
        return Ok(0);
    }
    let size = plan.batch.of(allocs.len());
    let count = allocs.len();
    say(ctx, &format!("==> Restarting {count} allocation{}", plural(count)))?;
    let mut failed = false;
    let batches = count.div_ceil(size);
    for (number, batch) in allocs.chunks(size).enumerate() {
        if number > 0 && !go_on(ctx, &client, &plan, batches - number)? {
            say(ctx, "==> Job restart canceled")?;
            return Ok(u8::from(failed));
        }
        say(ctx, &format!("    Restarting batch {} of {batches}", number + 1))?;
        for alloc in batch {
            let shown = short(&alloc.id, plan.verbose);
            let Err(why) = restart(ctx, &client, &job, alloc, &plan) else { continue };
            failed = true;
            let why = match why {
                Failure::Message(why) | Failure::Usage(why) => why,
                Failure::Pipe => return Err(Failure::Pipe),
            };
            ctx.output.error(format_args!("Error restarting allocation \"{shown}\": {why}"))?;
            let goes_on = plan.asks
                && terminal::has_input()
                && confirmed(ctx, "Do you want to continue with the other allocations?")?;
            if !goes_on {
                return Ok(1);
            }
        }
    }
    if failed {
        say(ctx, "==> Job restart finished with errors")?;
        return Ok(1);
    }
    say(ctx, "==> Job restarted successfully!")?;
    Ok(0)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn say(ctx: &mut Context<'_>, text: &str) -> Result<(), Failure> {
    ctx.output.line(text)
}

/// Misspelled names would restart nothing, and look like success.
fn names_are_known(job: &Job, plan: &Plan) -> Result<(), Failure> {
    for group in &plan.groups {
        if job.task_groups.iter().all(|found| found.name != *group) {
            return Err(Failure::message(format!("Group \"{group}\" not found in job \"{}\"", job.id)));
        }
    }
    for task in &plan.tasks {
        let mut tasks = job.task_groups.iter().flat_map(|group| &group.tasks);
        if tasks.all(|found| found.name != *task) {
            return Err(Failure::message(format!("Task \"{task}\" not found in job \"{}\"", job.id)));
        }
    }
    Ok(())
}

/// What there is to restart, the oldest first.
fn running(client: &Client, id: &str, job: &Job, plan: &Plan) -> Result<Vec<AllocListStub>, Failure> {
    let mut allocs: Vec<AllocListStub> = client
        .get(&format!("/v1/job/{}/allocations", element(id)), &[])
        .map_err(|error| error.while_doing("retrieving allocations"))?;
    let has_task = |group: &str| {
        let group = job.task_groups.iter().find(|found| found.name == group);
        plan.tasks.is_empty()
            || group.is_some_and(|group| group.tasks.iter().any(|task| plan.tasks.contains(&task.name)))
    };
    allocs.retain(|alloc| {
        alloc.client_status == "running"
            && alloc.desired_status == "run"
            && (plan.groups.is_empty() || plan.groups.contains(&alloc.task_group))
            && has_task(&alloc.task_group)
    });
    allocs.sort_by(|a, b| (a.create_index, &a.id).cmp(&(b.create_index, &b.id)));
    Ok(allocs)
}

/// Waits or asks before the next batch.
fn go_on(ctx: &mut Context<'_>, client: &Client, plan: &Plan, left: usize) -> Result<bool, Failure> {
    match plan.pause {
        Pause::For(span) if span.is_zero() => Ok(true),
        Pause::For(span) => {
            say(ctx, &format!("    Waiting {} before restarting the next batch", duration(span)))?;
            client.pause(span);
            Ok(true)
        }
        Pause::Ask => {
            let noun = if left == 1 { "batch is" } else { "batches are" };
            confirmed(ctx, &format!("{left} {noun} left. Do you want to restart the next one?"))
        }
    }
}

/// Only `y` and `yes` are a yes.
fn confirmed(ctx: &mut Context<'_>, question: &str) -> Result<bool, Failure> {
    write!(ctx.output.out, "{question} [y/N] ")?;
    ctx.output.out.flush()?;
    let mut answer = String::new();
    BufReader::with_capacity(1, &mut *ctx.input).read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn restart(
    ctx: &mut Context<'_>,
    client: &Client,
    job: &Job,
    alloc: &AllocListStub,
    plan: &Plan,
) -> Result<(), Failure> {
    let shown = short(&alloc.id, plan.verbose);
    if plan.reschedule {
        return reschedule(ctx, client, alloc, plan);
    }
    let group = job.task_groups.iter().find(|group| group.name == alloc.task_group);
    let named: Vec<&str> = group
        .into_iter()
        .flat_map(|group| &group.tasks)
        .map(|task| task.name.as_str())
        .filter(|task| plan.tasks.contains(*task))
        .collect();
    let tasks: &[&str] = if named.is_empty() { &[""] } else { &named };
    for task in tasks {
        let what = match (*task, plan.all_tasks) {
            ("", true) => String::from("all tasks"),
            ("", false) => String::from("running tasks"),
            (task, _) => format!("task \"{task}\""),
        };
        say(
            ctx,
            &format!("    Restarting {what} in allocation \"{shown}\" for group \"{}\"", alloc.task_group),
        )?;
        let request = AllocRestartRequest { task_name: (*task).to_owned(), all_tasks: plan.all_tasks };
        let _: NodeAnswer = client
            .put(&format!("/v1/client/allocation/{}/restart", element(&alloc.id)), &request)
            .map_err(|error| Failure::message(error.to_string()))?;
    }
    Ok(())
}

/// Stops the allocation and waits until another one runs in its place.
fn reschedule(
    ctx: &mut Context<'_>,
    client: &Client,
    alloc: &AllocListStub,
    plan: &Plan,
) -> Result<(), Failure> {
    let shown = short(&alloc.id, plan.verbose);
    say(ctx, &format!("    Rescheduling allocation \"{shown}\" for group \"{}\"", alloc.task_group))?;
    let failed = |error: super::client::ClientError| Failure::message(error.to_string());
    let mut query = vec![("reschedule", "true")];
    query.extend(plan.no_shutdown_delay.then_some(("no_shutdown_delay", "true")));
    let path = format!("/v1/allocation/{}", element(&alloc.id));
    let answer: AllocStopResponse =
        client.put_with(&format!("{path}/stop"), &query, &serde_json::json!({})).map_err(failed)?;
    loop {
        let eval: Evaluation =
            client.get(&format!("/v1/evaluation/{}", element(&answer.eval_id)), &[]).map_err(failed)?;
        match eval.status.as_str() {
            "complete" if !eval.blocked_eval.is_empty() || !eval.failed_tg_allocs.is_empty() => {
                return Err(Failure::message("there is no room for its replacement"));
            }
            "complete" => break,
            "failed" | "canceled" => {
                return Err(Failure::message(format!("its evaluation is {}", eval.status)));
            }
            _ => client.pause(LOOK),
        }
    }
    loop {
        let old: Allocation = client.get(&path, &[]).map_err(failed)?;
        if !old.next_allocation.is_empty() {
            let next: Allocation = client
                .get(&format!("/v1/allocation/{}", element(&old.next_allocation)), &[])
                .map_err(failed)?;
            let shown_next = short(&next.id, plan.verbose);
            match next.client_status.as_str() {
                "running" => {
                    return say(
                        ctx,
                        &format!(
                            "    Allocation \"{shown}\" replaced by \"{shown_next}\" on node \"{}\"",
                            next.node_name
                        ),
                    );
                }
                "pending" => {}
                other => {
                    return Err(Failure::message(format!("its replacement \"{shown_next}\" is {other}")));
                }
            }
        } else if old.desired_status == "stop" && matches!(old.client_status.as_str(), "complete" | "failed")
        {
            return Err(Failure::message("it was stopped, and nothing replaces it"));
        }
        client.pause(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_batches() {
        let check = |text: &str, all: usize, expected: Option<usize>| {
            assert_eq!(Batch::read(text).ok().map(|batch| batch.of(all)), expected, "{text}");
        };
        check("1", 7, Some(1));
        check("10", 7, Some(10));
        check("50%", 7, Some(3));
        check("1%", 7, Some(1));
        check("100%", 7, Some(7));
        for bad in ["0", "0%", "101%", "-1", "x", "", "%"] {
            check(bad, 7, None);
        }
    }

    #[test]
    fn flags_that_do_not_fit_together() {
        let check = |args: &[&str], expected: Option<&str>| {
            let flags = Flags::parse(args.iter().copied(), &[FLAGS]).unwrap();
            match (Plan::of(&flags), expected) {
                (Ok(_), None) => {}
                (Err(Failure::Usage(text)), Some(expected)) => assert!(text.contains(expected), "{text}"),
                (Ok(_) | Err(_), _) => panic!("{args:?}"),
            }
        };
        check(&["-yes", "-batch-size=20%", "-batch-wait=5s", "-group=a", "-group=b"], None);
        check(&["-yes", "-on-error=ask"], Some("-on-error"));
        check(&["-yes", "-batch-wait=ask"], Some("-batch-wait"));
        check(&["-batch-wait=5"], Some("-batch-wait"));
        check(&["-on-error=never"], Some("-on-error"));
        check(&["-reschedule", "-task=a"], Some("-reschedule"));
        check(&["-all-tasks", "-task=a"], Some("-all-tasks"));
        check(&["-no-shutdown-delay"], Some("-no-shutdown-delay"));
    }
}
