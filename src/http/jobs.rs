//! Reads of jobs.

use api::{
    AllocListStub, Deployment, Evaluation, JobAction, JobChildren, JobDiff, JobListStub, JobSummary,
    JobVersionsResponse, TaskGroupSummary,
};
use model::{Job, JobKey};
use state::{GroupCounts, Root};

use super::{
    Context, allocs,
    call::Call,
    failure::Failure,
    list::{Wanted, page},
    read::{Answer, read, read_page},
};

/// The job of the path, in the namespace asked for. (`*` names no one namespace; it stands for the default one.)
pub(super) fn key(call: &Call, id: &str) -> JobKey {
    let namespace = if call.namespace() == "*" { "default" } else { call.namespace() };
    JobKey::new(namespace, id)
}

/// `covers`: which are asked for, besides what the call says.
pub(super) async fn list(ctx: &Context, call: &Call, covers: impl Fn(&Job) -> bool) -> Answer {
    let with_meta = call.flag("meta")?;
    let wanted = Wanted::of(call)?;
    read_page(
        ctx,
        call,
        // Stubs hold the summary: what changes it changes the list.
        |root| root.indexes.jobs.max(root.indexes.allocs).max(root.indexes.evals),
        |root| {
            let jobs = root
                .jobs
                .values()
                .filter(|job| call.sees(&job.namespace) && job.id.starts_with(call.prefix()) && covers(job))
                .map(|job| ((0, format!("{}.{}", job.namespace, job.id)), job))
                .collect();
            let (jobs, next) = page(call, jobs, |job| wanted.covers(|| api::Job::from(&***job)))?;
            Ok((jobs.into_iter().map(|job| stub(root, job, with_meta)).collect::<Vec<_>>(), next))
        },
    )
    .await
}

fn stub(root: &Root, job: &Job, with_meta: bool) -> JobListStub {
    JobListStub {
        id: job.id.clone(),
        name: job.name.clone(),
        namespace: job.namespace.clone(),
        datacenters: job.datacenters.clone(),
        node_pool: job.pool.to_string(),
        kind: job.kind.as_str().to_owned(),
        priority: i64::from(job.priority),
        stop: job.stop,
        status: job.status.as_str().to_owned(),
        parent_id: job.launched.as_ref().map(|launched| launched.parent.clone()).unwrap_or_default(),
        periodic: job.periodic.is_some(),
        parameterized_job: job.is_parameterized(),
        job_summary: Some(summary_of(root, &job.key())),
        create_index: job.create_index,
        modify_index: job.modify_index,
        job_modify_index: job.job_modify_index,
        submit_time: job.submit_time.as_nanos(),
        meta: if with_meta { job.meta.clone() } else { Default::default() },
        ..JobListStub::default()
    }
}

fn summary_of(root: &Root, key: &JobKey) -> JobSummary {
    let counters = root.counters.get(key);
    let groups = counters.iter().flat_map(|counters| &counters.groups);
    JobSummary {
        job_id: key.id.to_string(),
        namespace: key.namespace.to_string(),
        summary: groups.map(|(name, counts)| (name.clone(), group_summary(counts))).collect(),
        children: Some(children_of(root, key)),
        create_index: counters.map_or(0, |counters| counters.create_index),
        modify_index: counters.map_or(0, |counters| counters.modify_index),
    }
}

fn children_of(root: &Root, key: &JobKey) -> JobChildren {
    let Some(family) = root.family(key) else { return JobChildren::default() };
    JobChildren {
        pending: i64::from(family.pending),
        running: i64::from(family.running),
        dead: i64::from(family.dead),
    }
}

fn group_summary(counts: &GroupCounts) -> TaskGroupSummary {
    TaskGroupSummary {
        queued: i64::from(counts.queued),
        complete: i64::from(counts.complete),
        failed: i64::from(counts.failed),
        running: i64::from(counts.running),
        starting: i64::from(counts.starting),
        lost: i64::from(counts.lost),
        unknown: i64::from(counts.unknown),
    }
}

pub(super) fn missing() -> Failure {
    Failure::not_found("job not found")
}

/// Index of the job's row, or of the table while there is none.
fn job_index(root: &Root, key: &JobKey) -> u64 {
    root.jobs.get(key).map_or(root.indexes.jobs, |job| job.modify_index)
}

pub(super) async fn one(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| job_index(root, &key),
        |root| root.jobs.get(&key).map(|job| api::Job::from(&**job)).ok_or_else(missing),
    )
    .await
}

pub(super) async fn versions(ctx: &Context, call: &Call, id: &str) -> Answer {
    let with_diffs = call.flag("diffs")?;
    let (tag, version) = (call.text("diff_tag"), call.number("diff_version")?);
    if tag.is_some() && version.is_some() {
        return Err(Failure::bad("diff_tag and diff_version exclude each other"));
    }
    let key = key(call, id);
    let known_leader = ctx.agent.leadership.borrow().leader_address.is_some();
    read(
        ctx,
        call,
        |root| job_index(root, &key),
        |root| {
            let versions: Vec<api::Job> =
                root.versions_of_job(&key).into_iter().map(|job| (&**job).into()).collect();
            if versions.is_empty() {
                return Err(Failure::not_found("job versions not found"));
            }
            let between = |old: &api::Job, new: &api::Job| JobDiff::between(Some(old), Some(new), true);
            let diffs = match base(&versions, tag, version)? {
                _ if !with_diffs => None,
                // Of each version, also the base itself.
                Some(base) => Some(versions.iter().map(|version| between(base, version)).collect()),
                None => Some(versions.windows(2).map(|step| between(&step[1], &step[0])).collect()),
            };
            Ok(JobVersionsResponse {
                versions,
                diffs,
                index: job_index(root, &key).max(1),
                known_leader,
                ..JobVersionsResponse::default()
            })
        },
    )
    .await
}

/// The version that all are compared with; `None`: each with the one before it.
fn base<'a>(
    versions: &'a [api::Job],
    tag: Option<&str>,
    version: Option<u64>,
) -> Result<Option<&'a api::Job>, Failure> {
    if tag.is_none() && version.is_none() {
        return Ok(None);
    }
    let is_it = |job: &&api::Job| match tag {
        Some(tag) => job.version_tag.as_ref().is_some_and(|found| found.name == tag),
        None => Some(job.version) == version,
    };
    let found = versions.iter().find(is_it);
    found.map(Some).ok_or_else(|| match (tag, version) {
        (Some(tag), _) => Failure::not_found(format!("tag {tag:?} not found")),
        (None, version) => Failure::not_found(format!("version {} not found", version.unwrap_or(0))),
    })
}

pub(super) async fn summary(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| match root.counters.get(&key) {
            Some(counters) => counters.modify_index,
            None => root.indexes.jobs,
        },
        |root| if root.jobs.contains_key(&key) { Ok(summary_of(root, &key)) } else { Err(missing()) },
    )
    .await
}

pub(super) async fn allocations(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    // Allocations of an earlier job of the same name (purged, registered anew) are left out unless asked for.
    let all = call.flag("all")?;
    read(
        ctx,
        call,
        |root| root.indexes.allocs,
        |root| {
            let since = root.jobs.get(&key).map_or(0, |job| job.create_index);
            let allocs = root.allocs_of_job(&key).filter(|alloc| all || alloc.job_index >= since);
            let mut stubs: Vec<AllocListStub> = allocs.map(|alloc| allocs::stub(root, alloc)).collect();
            stubs.sort_by_key(|stub| std::cmp::Reverse(stub.create_index));
            Ok(stubs)
        },
    )
    .await
}

pub(super) async fn evaluations(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| root.indexes.evals,
        |root| {
            let mut evals: Vec<Evaluation> =
                root.evals_of_job(&key).map(|eval| Evaluation::from(&**eval)).collect();
            evals.sort_by_key(|eval| std::cmp::Reverse(eval.create_index));
            Ok(evals)
        },
    )
    .await
}

/// The commands that people may run in its tasks, by name.
pub(super) async fn actions(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| root.jobs.get(&key).map_or(0, |job| job.modify_index),
        |root| {
            let job = root.jobs.get(&key).ok_or_else(missing)?;
            let tasks = job.groups.iter().flat_map(|group| group.tasks.iter().map(move |task| (group, task)));
            let actions: Vec<JobAction> = tasks
                .flat_map(|(group, task)| task.actions.iter().map(move |action| (group, task, action)))
                .map(|(group, task, action)| JobAction {
                    name: action.name.clone(),
                    command: action.command.clone(),
                    args: action.args.clone(),
                    task_name: task.name.clone(),
                    task_group_name: group.name.clone(),
                })
                .collect();
            Ok(actions)
        },
    )
    .await
}

pub(super) async fn deployments(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    let all = call.flag("all")?;
    read(
        ctx,
        call,
        |root| root.indexes.deployments,
        |root| {
            let since = root.jobs.get(&key).map_or(0, |job| job.create_index);
            let mut deployments: Vec<Deployment> = root
                .deployments_of_job(&key)
                .filter(|deployment| all || deployment.job_create_index >= since)
                .map(|deployment| Deployment::from(&**deployment))
                .collect();
            deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.create_index));
            Ok(deployments)
        },
    )
    .await
}

/// The latest one, or `null`.
pub(super) async fn deployment(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| root.latest_deployment(&key).map_or(root.indexes.deployments, |latest| latest.modify_index),
        |root| Ok(root.latest_deployment(&key).map(|latest| Deployment::from(&**latest))),
    )
    .await
}
