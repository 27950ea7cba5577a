//! How many of a group there are, and changing that number alone.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use api::{JobScaleRequest, JobScaleStatus, TaskGroupScaleStatus};
use model::{ClientStatus, Job, TaskGroup};
use state::Root;

use super::{
    Context,
    call::Call,
    failure::Failure,
    jobs::{key, missing},
    read::{Answer, read},
    register,
};

/// Registers the job anew with another count of one group.
pub(super) async fn scale(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: JobScaleRequest = call.json()?;
    register::be_open(ctx)?;
    let key = key(call, id);
    let root = ctx.state.root();
    let job = root.jobs.get(&key).ok_or_else(missing)?;
    let asked = wanted(job, &request)?;
    if request.job_modify_index != 0 && request.job_modify_index != job.job_modify_index {
        let (wanted, found) = (request.job_modify_index, job.job_modify_index);
        return Err(Failure::server(format!(
            "Enforcing job modify index {wanted}: job exists with conflicting job modify index: {found}"
        )));
    }
    if root.latest_deployment(&key).is_some_and(|deployment| deployment.status.is_active()) {
        return Err(Failure::bad("job scaling blocked due to active deployment"));
    }
    let mut scaled = Job::clone(job);
    for group in scaled.groups.iter_mut().filter(|group| group.name == asked.group) {
        group.count = asked.count;
    }
    // What was looked at must still be the newest version.
    let enforce_index = Some(job.job_modify_index);
    let priority = scaled.priority;
    register::write(ctx, call, Box::new(scaled), priority, enforce_index).await
}

struct Wanted {
    group: String,
    count: u32,
}

fn wanted(job: &Job, request: &JobScaleRequest) -> Result<Wanted, Failure> {
    if job.kind.is_per_node() {
        return Err(Failure::bad(format!("400 cannot scale jobs of type {:?}", job.kind.as_str())));
    }
    if job.stop {
        return Err(Failure::bad("cannot scale a stopped job: run it again first"));
    }
    let Some(count) = request.count else {
        return Err(Failure::absent("scaling events are not kept; give a Count"));
    };
    let group = match (request.target.get("Group"), job.groups.as_slice()) {
        (Some(group), _) if job.group(group).is_some() => group.clone(),
        (Some(group), _) => {
            return Err(Failure::bad(format!(
                "task group {group:?} specified for scaling does not exist in job"
            )));
        }
        (None, _) => return Err(Failure::bad("missing task group name for scaling action")),
    };
    let count = u32::try_from(count).ok().filter(|count| *count <= TaskGroup::MAX_COUNT);
    let count = count.ok_or_else(|| {
        Failure::new(
            StatusCode::BAD_REQUEST,
            format!("scaling count must be between 0 and {}", TaskGroup::MAX_COUNT),
        )
    })?;
    Ok(Wanted { group, count })
}

/// How many there are of each group.
pub(super) async fn status(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| root.indexes.jobs.max(root.indexes.allocs),
        |root| root.jobs.get(&key).map(|job| status_of(root, job)).ok_or_else(missing),
    )
    .await
}

fn status_of(root: &Root, job: &Job) -> JobScaleStatus {
    let mut groups: BTreeMap<String, TaskGroupScaleStatus> = BTreeMap::new();
    for group in &job.groups {
        groups.entry(group.name.clone()).or_default().desired = i64::from(group.count);
    }
    for alloc in root.allocs_of_job(&job.key()).filter(|alloc| !alloc.is_terminal()) {
        let Some(group) = groups.get_mut(&*alloc.group) else { continue };
        group.placed += 1;
        group.running += i64::from(alloc.client == ClientStatus::Running);
        match alloc.health.map(|health| health.healthy) {
            Some(true) => group.healthy += 1,
            Some(false) => group.unhealthy += 1,
            None => {}
        }
    }
    JobScaleStatus {
        job_id: job.id.clone(),
        namespace: job.namespace.clone(),
        job_create_index: job.create_index,
        job_modify_index: job.job_modify_index,
        job_stopped: job.stop,
        task_groups: groups,
    }
}
