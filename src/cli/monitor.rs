//! Follows an evaluation until it is done, then its roll-out, and says what it sees.
//!
//! Commands that follow end with 0 (all is well, or people have to promote canaries), 1 (refused, failed otherwise, or a
//! newer version came first), 2 (no room for all: the rest waits), 3 (the roll-out failed; rolled back if the job says so)
//! or 4 (the same because of the progress deadline).

use std::{collections::BTreeMap, time::Duration};

use api::{AllocListStub, Evaluation};

use super::{
    Context,
    client::{Client, element},
    format::{duration, short},
    output::{Failure, Outcome},
    placement,
    rollout::{self, End},
};

/// An evaluation failed, or a newer version came before this one had been rolled out.
const OVERTAKEN: u8 = 1;

/// Not everything could be placed: what could not waits for room.
const BLOCKED: u8 = 2;

/// The roll-out failed; the stable version is back where the job says so.
const FAILED: u8 = 3;

/// The roll-out failed because nothing became healthy until its progress deadline.
const TIMED_OUT: u8 = 4;

/// What was said already.
#[derive(Default)]
struct Seen {
    node: bool,
    job: bool,
    deployment: bool,
    /// Client status per allocation.
    allocs: BTreeMap<String, String>,
}

/// Prints what happens to the evaluation, and to those that follow it, until the last one is done.
/// Then, if all could be placed, what happens to their deployment.
pub(super) fn follow(ctx: &mut Context<'_>, client: &Client, eval_id: &str, verbose: bool) -> Outcome {
    let mut id = eval_id.to_owned();
    let mut code = 0;
    loop {
        headline(ctx, format_args!("Monitoring evaluation \"{}\"", short(&id, verbose)))?;
        let eval = until_done(ctx, client, &id, verbose)?;
        let (shown, status) = (short(&eval.id, verbose), &eval.status);
        if eval.failed_tg_allocs.is_empty() {
            headline(ctx, format_args!("Evaluation \"{shown}\" finished with status \"{status}\""))?;
            if status != "complete" {
                code = code.max(OVERTAKEN);
            }
        } else {
            headline(
                ctx,
                format_args!(
                    "Evaluation \"{shown}\" finished with status \"{status}\" but failed to place all allocations:"
                ),
            )?;
            print_failures(ctx, &eval, verbose)?;
            code = BLOCKED;
        }
        if eval.next_eval.is_empty() {
            if code > 0 || eval.deployment_id.is_empty() {
                return Ok(code);
            }
            return follow_deployment(ctx, client, &eval.deployment_id, verbose);
        }
        let wait = Duration::from_nanos(u64::try_from(eval.wait).unwrap_or(0));
        if !wait.is_zero() {
            let next = short(&eval.next_eval, verbose);
            headline(ctx, format_args!("Monitoring next evaluation \"{next}\" in {}", duration(wait)))?;
            client.pause(wait);
        }
        id = eval.next_eval;
    }
}

/// Prints what happens to a deployment until it has ended or waits for people.
pub(super) fn follow_deployment(ctx: &mut Context<'_>, client: &Client, id: &str, verbose: bool) -> Outcome {
    headline(ctx, format_args!("Monitoring deployment \"{}\"", short(id, verbose)))?;
    Ok(match rollout::follow(ctx, client, id, verbose)? {
        End::Successful | End::AwaitsPromotion => 0,
        End::Cancelled => OVERTAKEN,
        End::Failed => FAILED,
        End::TimedOut => TIMED_OUT,
    })
}

fn until_done(
    ctx: &mut Context<'_>,
    client: &Client,
    id: &str,
    verbose: bool,
) -> Result<Evaluation, Failure> {
    let mut seen = Seen::default();
    // Most evaluations take a few milliseconds: look soon, then ever less often.
    let mut wait = ctx.poll / 20;
    loop {
        let eval: Evaluation = client
            .get(&format!("/v1/evaluation/{}", element(id)), &[])
            .map_err(|error| error.while_doing("reading evaluation"))?;
        let allocs: Vec<AllocListStub> = client
            .get(&format!("/v1/evaluation/{}/allocations", element(id)), &[])
            .map_err(|error| error.while_doing("reading allocations"))?;
        report(ctx, &mut seen, &eval, &allocs, verbose)?;
        if matches!(eval.status.as_str(), "complete" | "failed" | "canceled") {
            detail(ctx, format_args!("Evaluation status changed: \"pending\" -> \"{}\"", eval.status))?;
            return Ok(eval);
        }
        client.pause(wait);
        wait = (wait * 2).min(ctx.poll);
    }
}

fn report(
    ctx: &mut Context<'_>,
    seen: &mut Seen,
    eval: &Evaluation,
    allocs: &[AllocListStub],
    verbose: bool,
) -> Result<(), Failure> {
    if !seen.node && !eval.node_id.is_empty() {
        seen.node = true;
        detail(ctx, format_args!("Evaluation triggered by node \"{}\"", short(&eval.node_id, verbose)))?;
    }
    if !seen.job && !eval.job_id.is_empty() {
        seen.job = true;
        detail(ctx, format_args!("Evaluation triggered by job \"{}\"", eval.job_id))?;
    }
    for alloc in allocs {
        let (id, node) = (short(&alloc.id, verbose), short(&alloc.node_id, verbose));
        let group = &alloc.task_group;
        match seen.allocs.insert(alloc.id.clone(), alloc.client_status.clone()) {
            None if alloc.create_index < eval.create_index => {
                detail(
                    ctx,
                    format_args!("Allocation \"{id}\" modified: node \"{node}\", group \"{group}\""),
                )?;
            }
            None if alloc.desired_status == "run" => {
                detail(ctx, format_args!("Allocation \"{id}\" created: node \"{node}\", group \"{group}\""))?;
            }
            Some(before) if before != alloc.client_status => {
                let mut line = format!(
                    "Allocation \"{id}\" status changed: \"{before}\" -> \"{}\"",
                    alloc.client_status
                );
                if !alloc.client_description.is_empty() {
                    line += &format!(" ({})", alloc.client_description);
                }
                detail(ctx, line)?;
            }
            _ => {}
        }
    }
    if !seen.deployment && !eval.deployment_id.is_empty() {
        seen.deployment = true;
        detail(
            ctx,
            format_args!("Evaluation within deployment: \"{}\"", short(&eval.deployment_id, verbose)),
        )?;
    }
    Ok(())
}

fn print_failures(ctx: &mut Context<'_>, eval: &Evaluation, verbose: bool) -> Result<(), Failure> {
    for (group, metric) in &eval.failed_tg_allocs {
        detail(ctx, placement::headline(group, metric))?;
        for line in placement::reasons(metric) {
            detail(ctx, format_args!("  {line}"))?;
        }
    }
    if !eval.blocked_eval.is_empty() {
        let blocked = short(&eval.blocked_eval, verbose);
        detail(
            ctx,
            format_args!("Evaluation \"{blocked}\" waiting for additional capacity to place remainder"),
        )?;
    }
    Ok(())
}

fn headline(ctx: &mut Context<'_>, text: impl std::fmt::Display) -> Result<(), Failure> {
    ctx.output.line(format_args!("==> {text}"))
}

fn detail(ctx: &mut Context<'_>, text: impl std::fmt::Display) -> Result<(), Failure> {
    ctx.output.line(format_args!("    {text}"))
}
