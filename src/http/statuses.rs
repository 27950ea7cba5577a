//! Jobs with all that a page about them shows.

use actix_web::http::Method;
use api::{JobStatusesAlloc, JobStatusesDeployment, JobStatusesHealth, JobStatusesJob, JobStatusesRequest};
use model::{Job, JobKey, TaskGroup};
use state::Root;

use super::{
    Context,
    call::Call,
    failure::Failure,
    list::{Wanted, page},
    read::{Answer, read_page, read_posted},
};

/// GET: all jobs. POST: those of the body.
pub(super) async fn list(ctx: &Context, call: &Call) -> Answer {
    let wanted = Wanted::of(call)?;
    let request: JobStatusesRequest = if call.method == Method::GET {
        JobStatusesRequest { include_children: call.flag("include_children")?, ..Default::default() }
    } else {
        call.only_write()?;
        call.json_or_default()?
    };
    let keys: Vec<JobKey> = request
        .jobs
        .iter()
        .map(|job| {
            let namespace = if job.namespace.is_empty() { "default" } else { &job.namespace };
            JobKey::new(namespace, job.id.as_str())
        })
        .collect();
    let index = |root: &Root| root.indexes.jobs.max(root.indexes.allocs).max(root.indexes.deployments);
    let value = |root: &Root| {
        let asked = |job: &Job| {
            let key = job.key();
            keys.contains(&key)
                || request.include_children && job.parent().is_some_and(|parent| keys.contains(&parent))
        };
        let all = |job: &Job| {
            (request.include_children || job.launched.is_none())
                && call.sees(&job.namespace)
                && job.id.starts_with(call.prefix())
        };
        let rows = root
            .jobs
            .values()
            .filter(|job| if keys.is_empty() { all(job) } else { asked(job) })
            .map(|job| ((job.modify_index, job.id.clone()), job))
            .collect();
        let (jobs, next) = page(call, rows, |job| wanted.covers(|| api::Job::from(&***job)))?;
        Ok::<_, Failure>((jobs.into_iter().map(|job| status(root, job)).collect::<Vec<_>>(), next))
    };
    if call.method == Method::GET {
        read_page(ctx, call, index, value).await
    } else {
        read_posted(ctx, call, index, value).await
    }
}

fn status(root: &Root, job: &Job) -> JobStatusesJob {
    let key = job.key();
    let allocs = root.allocs_of_job(&key).filter(|alloc| alloc.job_index >= job.create_index);
    let family = root.family(&key);
    let children = family.map(|family| {
        let members =
            family.members.iter().filter_map(|id| root.jobs.get(&JobKey::new(&*key.namespace, &**id)));
        members.map(|child| child.status.as_str().to_owned()).collect()
    });
    JobStatusesJob {
        id: job.id.clone(),
        namespace: job.namespace.clone(),
        name: job.name.clone(),
        kind: job.kind.as_str().to_owned(),
        node_pool: job.pool.to_string(),
        datacenters: job.datacenters.clone(),
        priority: i64::from(job.priority),
        version: job.version,
        submit_time: job.submit_time.as_nanos(),
        modify_index: job.modify_index,
        allocs: allocs.map(|alloc| alloc_status(alloc)).collect(),
        group_count_sum: job.groups.iter().map(|group: &TaskGroup| i64::from(group.count)).sum(),
        child_statuses: if job.only_launches() { Some(children.unwrap_or_default()) } else { children },
        parent_id: job.launched.as_ref().map(|launched| launched.parent.clone()).unwrap_or_default(),
        latest_deployment: root.latest_deployment(&key).map(|latest| {
            let twin = api::Deployment::from(&**latest);
            let canaries = twin.task_groups.values().filter(|group| group.desired_canaries > 0);
            JobStatusesDeployment {
                is_active: latest.status.is_active(),
                job_version: latest.job_version,
                all_auto_promote: !twin.task_groups.is_empty()
                    && twin.task_groups.values().all(|group| group.auto_promote),
                requires_promotion: canaries.clone().any(|group| !group.promoted),
                id: twin.id.clone(),
                status: twin.status.clone(),
                status_description: twin.status_description.clone(),
            }
        }),
        stop: job.stop,
        is_pack: job.meta.contains_key("pack.name"),
        status: job.status.as_str().to_owned(),
    }
}

fn alloc_status(alloc: &model::Allocation) -> JobStatusesAlloc {
    let status = api::AllocListStub::new(alloc, None, None).deployment_status;
    JobStatusesAlloc {
        id: alloc.id.to_string(),
        group: alloc.group.to_string(),
        client_status: alloc.client.as_str().to_owned(),
        node_id: alloc.node.to_string(),
        deployment_status: JobStatusesHealth {
            canary: status.as_ref().is_some_and(|status| status.canary),
            healthy: alloc.health.map(|health| health.healthy),
        },
        job_version: alloc.job_version,
        followup_eval_id: alloc.followup_eval.map(|id| id.to_string()).unwrap_or_default(),
        has_paused_task: false,
    }
}
