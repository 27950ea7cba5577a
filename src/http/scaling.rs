//! Scaling policies: the `scaling` blocks of all groups.

use api::{ScalingPolicy, ScalingPolicyListStub};
use state::Root;

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, read},
};

/// All that are asked for, in the order of their jobs.
pub(super) fn policies(root: &Root, sees: impl Fn(&str) -> bool) -> Vec<ScalingPolicy> {
    let jobs = root.jobs.values().filter(|job| !job.stop && sees(&job.namespace));
    let policy = |job: &std::sync::Arc<model::Job>| -> Vec<ScalingPolicy> {
        let groups = job.groups.iter();
        let policies = groups.filter_map(|group| {
            group.scaling.as_ref().map(|scaling| ScalingPolicy::new(job, &group.name, scaling))
        });
        policies.collect()
    };
    jobs.flat_map(policy).collect()
}

pub(super) async fn list(ctx: &Context, call: &Call) -> Answer {
    read(
        ctx,
        call,
        |root| root.indexes.jobs,
        |root| {
            let mut found = policies(root, |namespace| call.sees(namespace));
            found.retain(|policy| {
                policy.id.starts_with(call.prefix())
                    && call.text("job").is_none_or(|job| policy.target.get("Job").is_some_and(|it| it == job))
                    && call.text("type").is_none_or(|kind| policy.kind == kind)
            });
            Ok(found.into_iter().map(Into::into).collect::<Vec<ScalingPolicyListStub>>())
        },
    )
    .await
}

pub(super) async fn one(ctx: &Context, call: &Call, id: &str) -> Answer {
    read(
        ctx,
        call,
        |root| root.indexes.jobs,
        |root| {
            let mut all = policies(root, |_| true).into_iter();
            all.find(|policy| policy.id == id).ok_or_else(|| Failure::not_found("policy not found"))
        },
    )
    .await
}
