//! `scaling policy list`, `scaling policy info`, `job scaling-events`.

use api::{JobScaleStatus, ScalingPolicy, ScalingPolicyListStub};
use model::Timestamp;

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, switch, text},
    format::{json, short},
    job_status,
    output::{Failure, Outcome},
    table::{Block, Table},
    template::TEMPLATE,
};

pub(super) const LIST_FLAGS: &[Flag] = &[
    text("job", "job", "Of that job alone."),
    text("type", "type", "Of that type alone."),
    switch("verbose", "Full ids."),
    switch("json", "Print JSON."),
    TEMPLATE,
];

pub(super) const INFO_FLAGS: &[Flag] =
    &[switch("verbose", "Full ids."), switch("json", "Print JSON."), TEMPLATE];

pub(super) const EVENTS_FLAGS: &[Flag] = &[switch("verbose", "Show also errors, messages and evaluations.")];

fn read_all(client: &Client, query: &[(&str, &str)]) -> Result<Vec<ScalingPolicyListStub>, Failure> {
    client.get("/v1/scaling/policies", query).map_err(|error| error.while_doing("listing scaling policies"))
}

pub(super) fn list(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if !flags.args.is_empty() {
        return Err(Failure::usage("This command takes no arguments"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let query: Vec<(&str, &str)> =
        ["job", "type"].into_iter().filter_map(|name| Some((name, flags.text(name)?))).collect();
    let policies = read_all(&client, &query)?;
    if flags.on("json") {
        ctx.output.line(json(&policies))?;
    } else if policies.is_empty() {
        ctx.output.line("No policies found")?;
    } else {
        ctx.output.line(table(&policies, flags.on("verbose")))?;
    }
    Ok(0)
}

fn table(policies: &[ScalingPolicyListStub], verbose: bool) -> Table {
    let mut table = Table::new(&["ID", "Enabled", "Type", "Target"]);
    for policy in policies {
        let target = target(policy.target.iter());
        table.row([short(&policy.id, verbose), policy.enabled.to_string(), policy.kind.clone(), target]);
    }
    table
}

/// `Namespace:default, Job:web, Group:front`
fn target<'a>(target: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let mut parts: Vec<(&String, &String)> = target.collect();
    let order = |name: &str| ["Namespace", "Job", "Group", "Task"].iter().position(|one| *one == name);
    parts.sort_by_key(|(name, _)| order(name).unwrap_or(usize::MAX));
    parts.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(",")
}

pub(super) fn info(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <policy_id>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let found = read_all(&client, &[("prefix", prefix)])?;
    let id = match found.as_slice() {
        [] => {
            return Err(Failure::message(format!(
                "No scaling policies with prefix or id \"{prefix}\" found"
            )));
        }
        [one] => one.id.clone(),
        several => {
            let table = table(several, flags.on("verbose"));
            return Err(Failure::message(format!("Prefix matched multiple scaling policies\n\n{table}")));
        }
    };
    let policy: ScalingPolicy = client
        .get(&format!("/v1/scaling/policy/{}", element(&id)), &[])
        .map_err(|error| error.while_doing("querying scaling policy"))?;
    if flags.on("json") {
        ctx.output.line(json(&policy))?;
        return Ok(0);
    }
    let bound = |bound: Option<i64>| bound.map_or_else(String::new, |bound| bound.to_string());
    let mut block = Block::new();
    block
        .row("ID", short(&policy.id, flags.on("verbose")))
        .row("Enabled", policy.enabled.unwrap_or(true))
        .row("Type", &policy.kind)
        .row("Target", target(policy.target.iter()))
        .row("Min", bound(policy.min))
        .row("Max", bound(policy.max));
    ctx.output.line(block)?;
    ctx.output.section("Policy")?;
    ctx.output.line(json(&policy.policy))?;
    Ok(0)
}

pub(super) fn events(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [prefix] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <job_id>"));
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let id = job_status::one_job(ctx, &client, prefix)?;
    let status: JobScaleStatus = client
        .get(&format!("/v1/job/{}/scale", element(&id)), &[])
        .map_err(|error| error.while_doing("listing scaling events"))?;
    let mut events: Vec<_> = status
        .task_groups
        .iter()
        .flat_map(|(group, status)| status.events.iter().map(move |event| (group, event)))
        .collect();
    if events.is_empty() {
        ctx.output.line("No events found")?;
        return Ok(0);
    }
    events.sort_by_key(|(_, event)| std::cmp::Reverse(event.time));
    let verbose = flags.on("verbose");
    let mut head = vec!["Task Group", "Count", "PrevCount"];
    if verbose {
        head.extend(["Error", "Message", "Eval ID"]);
    }
    head.push("Date");
    let mut table = Table::new(&head);
    for (group, event) in events {
        let mut row = vec![
            group.clone(),
            event.count.map_or_else(String::new, |count| count.to_string()),
            event.previous_count.to_string(),
        ];
        if verbose {
            let eval = event.eval_id.clone().unwrap_or_default();
            row.extend([event.error.to_string(), event.message.clone(), eval]);
        }
        row.push(ctx.clock.absolute(Timestamp(event.time)));
        table.row(row);
    }
    ctx.output.line(table)?;
    Ok(0)
}
