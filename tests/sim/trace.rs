//! Commands in one line each, for reading what led to a failure.

use std::fmt::Write;

use model::{Evaluation, Plan};
use state::Command;

pub(crate) fn line(command: &Command) -> String {
    match command {
        Command::RegisterNode { node, evals, .. } => format!("register {:x}{}", node.id.0, all(evals)),
        Command::SetNodeStatus { node, status, evals, .. } => {
            format!("node {:x} is {}{}", node.0, status.as_str(), all(evals))
        }
        Command::SetNodeEligibility { node, eligibility, .. } => {
            format!("node {:x} is {eligibility:?}", node.0)
        }
        Command::RegisterJob { job, eval, .. } => {
            let groups: Vec<String> = job
                .groups
                .iter()
                .map(|group| {
                    format!(
                        "{} x{} update {:?}",
                        group.name,
                        group.count,
                        group.update.as_ref().map(|update| update.max_parallel)
                    )
                })
                .collect();
            format!("job {} {} {groups:?}{}", job.id, job.kind.as_str(), all(eval.as_slice()))
        }
        Command::DeregisterJob { job, purge, eval, .. } => {
            format!("stop {job} purge={purge}{}", all(eval.as_slice()))
        }
        Command::UpdateEvals { evals } => format!("evaluations{}", all(evals)),
        Command::ApplyPlan { plan, evals } => format!("plan {}{}", plan_line(plan), all(evals)),
        Command::UpdateAllocs { updates, evals, .. } => {
            let reports: Vec<String> = updates
                .iter()
                .map(|one| {
                    format!(
                        "{:x} {} {:?}",
                        one.id.0,
                        one.client.as_str(),
                        one.health.map(|health| health.healthy)
                    )
                })
                .collect();
            format!("reports {reports:?}{}", all(evals))
        }
        other => format!("{other:?}"),
    }
}

fn plan_line(plan: &Plan) -> String {
    let mut text =
        format!("of {:x} for {} v@{} on {}:", plan.eval.0, plan.job, plan.job_index, plan.snapshot_index);
    for stop in &plan.stops {
        let _ = write!(text, " -{:x} ({})", stop.id.0, stop.description);
    }
    for one in &plan.evictions {
        let _ = write!(text, " !{:x} (for {:x})", one.id.0, one.by.0);
    }
    for one in &plan.placements {
        let previous = one.previous.map(|id| format!("{:x}", id.0));
        let _ = write!(
            text,
            " +{:x} {}[{}] on {:x} for {previous:?}",
            one.id.0, one.group, one.index, one.node.0
        );
    }
    let in_place: Vec<String> = plan.in_place.iter().map(|id| format!("{:x}", id.0)).collect();
    let deployment = plan.deployment.as_ref().map(|deployment| format!("{:x}", deployment.id.0));
    let _ = write!(
        text,
        " in place {in_place:?} deployment {deployment:?} {:?} {:?} later {:?}",
        plan.deployment_id.map(|id| format!("{:x}", id.0)),
        plan.deployment_updates,
        plan.followups
    );
    text
}

fn all(evals: &[Evaluation]) -> String {
    let mut text = String::new();
    for eval in evals {
        let _ = write!(
            text,
            " [{:x} {} {} {} wait {}]",
            eval.id.0,
            eval.job.id,
            eval.trigger.as_str(),
            eval.status.as_str(),
            eval.wait_until.as_nanos() / 1_000_000
        );
    }
    text
}
