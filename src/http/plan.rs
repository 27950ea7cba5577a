//! What registering a job would do: its differences, and what the scheduler would make of it. Nothing is written.

use std::sync::Arc;

use api::{Evaluation, JobDiff, JobPlanRequest, JobPlanResponse};
use logic::dry_run::{DryRun, dry_run};
use model::Timestamp;
use state::Root;

use super::{
    Context, allocs,
    call::Call,
    elsewhere,
    failure::Failure,
    read::{Answer, json},
    register::{Place, place, warnings},
};
use crate::actors::ports::Target;

pub(super) async fn plan(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: JobPlanRequest = call.json()?;
    let job = match place(ctx, call, Some(id), request.job, &request.region, &request.namespace)? {
        Place::Here(job) => job,
        Place::Region(region) => return elsewhere::pass_on(ctx, call, Target::Region(region)).await,
    };
    let warnings = warnings(ctx, &job);
    let permit = ctx.plans.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Failure::busy("too many plans are being made at this agent"))?;
    let root = ctx.state.root();
    let (now, ids) = (ctx.clock.now(), ctx.ids.clone());
    // A large job takes the scheduler a while.
    let planned = tokio::task::spawn_blocking(move || {
        // Held until it is done, also when the client has gone.
        let _permit = permit;
        dry_run(&root, &job, now, &mut || ids.uuid()).map(|run| response(&root, &run, request.diff, now))
    });
    let planned = planned.await.map_err(|error| Failure::server(format!("the dry run failed: {error}")))?;
    let answer = planned.map_err(|refusal| Failure::server(refusal.to_string()))?;
    Ok(json(call, &JobPlanResponse { warnings, ..answer }))
}

fn response(root: &Arc<Root>, run: &DryRun, with_diff: bool, now: Timestamp) -> JobPlanResponse {
    let desired = run.annotations.iter().map(|(group, counts)| (group.clone(), counts.into())).collect();
    let diff = with_diff.then(|| {
        let before = run.before.as_deref().map(api::Job::from);
        let mut diff = JobDiff::between(before.as_ref(), Some(&api::Job::from(&*run.after)), true);
        diff.annotate(&desired);
        diff
    });
    let evicted = run.evicted.iter().filter_map(|id| root.allocs.get(id));
    JobPlanResponse {
        annotations: Some(api::request::PlanAnnotations {
            desired_tg_updates: desired,
            preempted_allocs: evicted.map(|alloc| allocs::stub(root, alloc)).collect(),
        }),
        failed_tg_allocs: run.failed.iter().map(|(group, metric)| (group.clone(), metric.into())).collect(),
        job_modify_index: run.before.as_ref().map_or(0, |job| job.job_modify_index),
        created_evals: run.evals.iter().map(Evaluation::from).collect(),
        diff,
        next_periodic_launch: api::Time(
            logic::launcher::next_launch(root, &run.after, now).unwrap_or_default(),
        ),
        index: root.index,
        ..JobPlanResponse::default()
    }
}
