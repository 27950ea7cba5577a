//! `deployment list` and `deployment status`.

use std::time::Duration;

use api::{AllocListStub, Deployment};

use super::{
    Context, Tool,
    client::{Client, element},
    flags::{Flag, Flags, absent_switch, span, switch},
    format::{json, short},
    lookup::{self, Kind, Match},
    monitor,
    output::{Failure, Outcome},
    pages::{self, FILTER},
    table::{Block, Table},
    template::TEMPLATE,
};

pub(super) const FLAGS: &[Flag] = &[
    switch("verbose", "Full ids and absolute times."),
    switch("json", "Print JSON."),
    TEMPLATE,
    FILTER,
    absent_switch("ui"),
];

/// Of `deployment status`.
pub(super) const STATUS_FLAGS: &[Flag] = &[
    switch("verbose", "Full ids and absolute times."),
    switch("json", "Print JSON."),
    switch("monitor", "Follow the deployment until it has ended. Exit codes as of `job run`."),
    span("wait", "With -monitor: time between two looks. Default: 2s."),
    TEMPLATE,
    FILTER,
    absent_switch("ui"),
];

/// Time between two looks at a deployment that is followed.
const MONITOR_WAIT: Duration = Duration::from_secs(2);

pub(super) fn list(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    if !flags.args.is_empty() {
        return Err(Failure::usage("This command takes no arguments"));
    }
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    all(ctx, &client, flags)
}

fn all(ctx: &mut Context<'_>, client: &Client, flags: &Flags) -> Outcome {
    let deployments: Vec<Deployment> = client
        .get("/v1/deployments", &pages::query(flags))
        .map_err(|error| error.while_doing("retrieving deployments"))?;
    if flags.on("json") {
        ctx.output.line(json(&deployments))?;
    } else if deployments.is_empty() {
        ctx.output.line("No deployments found")?;
    } else {
        ctx.output.line(table(&deployments, flags.on("verbose")))?;
    }
    Ok(0)
}

fn read_all(client: &Client, prefix: &str) -> Result<Vec<Deployment>, Failure> {
    let query: &[(&str, &str)] = if prefix.is_empty() { &[] } else { &[("prefix", prefix)] };
    client.get("/v1/deployments", query).map_err(|error| error.while_doing("retrieving deployments"))
}

pub(super) fn table(deployments: &[Deployment], verbose: bool) -> Table {
    let mut table = Table::new(&["ID", "Job ID", "Job Version", "Status", "Description"]);
    for deployment in deployments {
        table.row([
            short(&deployment.id, verbose),
            deployment.job_id.clone(),
            deployment.job_version.to_string(),
            deployment.status.clone(),
            deployment.status_description.clone(),
        ]);
    }
    table
}

pub(super) fn status(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    match flags.args.as_slice() {
        [] => all(ctx, &client, flags),
        [id] => match lookup::find(&client, Kind::Deployment, id)? {
            Match::One(id) if flags.on("monitor") => {
                ctx.poll = flags.span("wait").unwrap_or(MONITOR_WAIT);
                monitor::follow_deployment(ctx, &client, &id, flags.on("verbose"))
            }
            Match::One(id) => one(ctx, &client, &id, flags),
            Match::Many(_) => Err(ambiguous(&client, id, flags.on("verbose"))),
        },
        _ => Err(Failure::usage("This command takes one argument: <deployment id>")),
    }
}

/// Which deployments a prefix could mean.
pub(super) fn ambiguous(client: &Client, prefix: &str, verbose: bool) -> Failure {
    match read_all(client, prefix) {
        Ok(deployments) => Failure::message(format!(
            "Prefix matched multiple deployments\n\n{}",
            table(&deployments, verbose)
        )),
        Err(failure) => failure,
    }
}

/// One deployment.
pub(super) fn one(ctx: &mut Context<'_>, client: &Client, id: &str, flags: &Flags) -> Outcome {
    let deployment: Deployment = client
        .get(&format!("/v1/deployment/{}", element(id)), &[])
        .map_err(|error| error.while_doing("retrieving deployment"))?;
    if flags.on("json") {
        ctx.output.line(json(&deployment))?;
        return Ok(0);
    }
    print(ctx, &deployment, flags.on("verbose"))
}

/// A deployment and its groups, as text.
pub(super) fn text(ctx: &Context<'_>, deployment: &Deployment, verbose: bool) -> String {
    format!("{}\n\nDeployed\n{}", block(deployment, verbose), groups_table(ctx, deployment))
}

/// A deployment and its groups.
pub(super) fn print(ctx: &mut Context<'_>, deployment: &Deployment, verbose: bool) -> Outcome {
    ctx.output.line(block(deployment, verbose))?;
    ctx.output.section("Deployed")?;
    let table = groups_table(ctx, deployment);
    ctx.output.line(table)?;
    Ok(0)
}

fn block(deployment: &Deployment, verbose: bool) -> Block {
    let mut block = Block::new();
    block
        .row("ID", short(&deployment.id, verbose))
        .row("Job ID", &deployment.job_id)
        .row("Job Version", deployment.job_version)
        .row("Status", &deployment.status)
        .row("Description", &deployment.status_description);
    block
}

/// The groups of a deployment. Columns that say nothing for any group are left out.
pub(super) fn groups_table(ctx: &Context<'_>, deployment: &Deployment) -> Table {
    let groups = &deployment.task_groups;
    let reverts = groups.values().any(|group| group.auto_revert);
    let canaries = groups.values().any(|group| group.desired_canaries > 0);
    let deadlines = groups.values().any(|group| group.progress_deadline != 0);
    let mut head = vec!["Task Group"];
    if reverts {
        head.push("Auto Revert");
    }
    if canaries {
        head.push("Promoted");
    }
    head.push("Desired");
    if canaries {
        head.push("Canaries");
    }
    head.extend(["Placed", "Healthy", "Unhealthy"]);
    if deadlines {
        head.push("Progress Deadline");
    }
    let mut table = Table::new(&head);
    for (name, group) in groups {
        let mut row = vec![name.clone()];
        if reverts {
            row.push(group.auto_revert.to_string());
        }
        if canaries {
            row.push(if group.desired_canaries > 0 {
                group.promoted.to_string()
            } else {
                String::from("N/A")
            });
        }
        row.push(group.desired_total.to_string());
        if canaries {
            row.push(group.desired_canaries.to_string());
        }
        row.extend(
            [group.placed_allocs, group.healthy_allocs, group.unhealthy_allocs]
                .map(|count| count.to_string()),
        );
        if deadlines {
            let by = ctx.clock.absolute(group.require_progress_by.0);
            row.push(if by.is_empty() { String::from("N/A") } else { by });
        }
        table.row(row);
    }
    table
}

/// The allocation is a reason why the roll-out of its version failed: trying it again would not help.
pub(super) fn fails_with(deployment: Option<&Deployment>, alloc: &AllocListStub) -> bool {
    let unhealthy = alloc.deployment_status.as_ref().is_some_and(|status| status.healthy == Some(false));
    unhealthy
        && alloc.client_status == "failed"
        && deployment.is_some_and(|one| one.status == "failed" && one.job_version == alloc.job_version)
}

#[cfg(test)]
mod tests {
    use api::AllocDeploymentStatus;

    use super::*;

    #[test]
    fn what_made_its_roll_out_fail_is_told_from_what_is_tried_again() {
        let deployment =
            |status: &str| Deployment { status: status.into(), job_version: 3, ..Deployment::default() };
        let alloc = |version: u64, healthy: Option<bool>| AllocListStub {
            client_status: "failed".into(),
            job_version: version,
            deployment_status: Some(AllocDeploymentStatus { healthy, ..AllocDeploymentStatus::default() }),
            ..AllocListStub::default()
        };
        assert!(fails_with(Some(&deployment("failed")), &alloc(3, Some(false))));
        for (status, version, healthy) in [
            ("running", 3, Some(false)),
            ("failed", 2, Some(false)),
            ("failed", 3, None),
            ("failed", 3, Some(true)),
        ] {
            assert!(!fails_with(Some(&deployment(status)), &alloc(version, healthy)), "{status} {version}");
        }
        assert!(!fails_with(None, &alloc(3, Some(false))));
    }
}
