//! How many of a group there are, and changing that number alone.

use std::collections::BTreeMap;

use api::{JobScaleRequest, JobScaleStatus, TaskGroupScaleStatus, config_from_json};
use model::{ClientStatus, Job, ScalingEvent, TaskGroup};
use state::{Command, Root};

use super::{
    Context,
    call::Call,
    failure::Failure,
    jobs::{key, missing},
    read::{Answer, read, written},
    register,
    write::propose,
};

/// Bytes of a message and of what comes with it.
const MOST_SAID: usize = 64 * 1024;

/// Registers the job anew with another count of one group.
pub(super) async fn scale(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_write()?;
    let request: JobScaleRequest = call.json()?;
    register::be_open(ctx)?;
    let key = key(call, id);
    let root = ctx.state.root();
    let job = root.jobs.get(&key).ok_or_else(missing)?;
    let group = group_of(job, &request)?;
    let event = ScalingEvent {
        time: ctx.clock.now(),
        count: None,
        previous: group.count,
        message: request.message.clone(),
        error: request.error,
        meta: request.meta.iter().map(|(name, value)| (name.clone(), config_from_json(value))).collect(),
        eval: None,
        create_index: 0,
    };
    let asked = match request.count {
        Some(count) => Wanted { group: group.name.clone(), count: wanted(job, group, count, request.error)? },
        None => return note(ctx, call, job, group, event).await,
    };
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
    let new = register::NewVersion {
        priority: scaled.priority,
        enforce_index,
        submission: root.submission(&key, job.version).map(|text| text.as_ref().clone()),
        note: None,
        scaling: Some((asked.group, ScalingEvent { count: Some(asked.count), ..event })),
    };
    register::write(ctx, call, Box::new(scaled), new).await
}

/// Only a note about the group.
async fn note(ctx: &Context, call: &Call, job: &Job, group: &TaskGroup, event: ScalingEvent) -> Answer {
    let command = Command::NoteScaling { job: job.key(), group: group.name.clone(), event: Box::new(event) };
    let (index, _) = propose(ctx, command).await?;
    let answer = api::JobRegisterResponse {
        job_modify_index: job.job_modify_index,
        index,
        ..api::JobRegisterResponse::default()
    };
    Ok(written(call, index, &answer))
}

struct Wanted {
    group: String,
    count: u32,
}

fn group_of<'a>(job: &'a Job, request: &JobScaleRequest) -> Result<&'a TaskGroup, Failure> {
    let said = serde_json::to_string(&request.meta).map_or(0, |text| text.len()) + request.message.len();
    if said > MOST_SAID {
        return Err(Failure::bad(format!("message and meta have {said} bytes; the limit is {MOST_SAID}")));
    }
    if job.kind.is_per_node() {
        return Err(Failure::bad(format!("400 cannot scale jobs of type {:?}", job.kind.as_str())));
    }
    match request.target.get("Group") {
        Some(name) => job.group(name).ok_or_else(|| {
            Failure::bad(format!("task group {name:?} specified for scaling does not exist in job"))
        }),
        None => Err(Failure::bad("missing task group name for scaling action")),
    }
}

/// The count, if the group may have it.
fn wanted(job: &Job, group: &TaskGroup, count: i64, error: bool) -> Result<u32, Failure> {
    if error {
        return Err(Failure::bad("scaling action should not contain count if error is true"));
    }
    if job.stop {
        return Err(Failure::bad("cannot scale a stopped job: run it again first"));
    }
    let most = TaskGroup::MAX_COUNT;
    let count = u32::try_from(count)
        .ok()
        .filter(|count| *count <= most)
        .ok_or_else(|| Failure::bad(format!("scaling count must be between 0 and {most}")))?;
    if let Some(scaling) = &group.scaling {
        let (min, max) = (scaling.min, scaling.max);
        if count < min {
            return Err(Failure::bad(format!(
                "group count was less than scaling policy minimum: {count} < {min}"
            )));
        }
        if count > max {
            return Err(Failure::bad(format!(
                "group count was greater than scaling policy maximum: {count} > {max}"
            )));
        }
    }
    Ok(count)
}

/// How many there are of each group.
pub(super) async fn status(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| root.indexes.jobs.max(root.indexes.allocs).max(root.indexes.scaling),
        |root| root.jobs.get(&key).map(|job| status_of(root, job)).ok_or_else(missing),
    )
    .await
}

fn status_of(root: &Root, job: &Job) -> JobScaleStatus {
    let mut groups: BTreeMap<String, TaskGroupScaleStatus> = BTreeMap::new();
    let events = root.scaling_events.get(&job.key());
    for group in &job.groups {
        let row = groups.entry(group.name.clone()).or_default();
        row.desired = i64::from(group.count);
        let events = events.and_then(|events| events.get(&group.name)).into_iter().flatten();
        row.events = events.map(Into::into).collect();
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
