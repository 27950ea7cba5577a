//! Reads of deployments.

use api::Deployment;
use model::DeploymentId;
use state::Root;

use super::{
    Context, allocs,
    call::Call,
    failure::Failure,
    list::{Wanted, page, uuid_range},
    read::{Answer, read, read_page},
};

pub(super) async fn list(ctx: &Context, call: &Call) -> Answer {
    let wanted = Wanted::of(call)?;
    read_page(
        ctx,
        call,
        |root| root.indexes.deployments,
        |root| {
            let Some((from, to)) = uuid_range(call.prefix()) else { return Ok((Vec::new(), None)) };
            let deployments = root
                .deployments
                .range(DeploymentId(from)..=DeploymentId(to))
                .map(|(_, deployment)| deployment)
                .filter(|deployment| call.sees(&deployment.job.namespace))
                .map(|deployment| {
                    let created = if call.prefix().is_empty() { deployment.create_index } else { 0 };
                    ((created, deployment.id.to_string()), deployment)
                })
                .collect();
            let (deployments, next) =
                page(call, deployments, |row| wanted.covers(|| Deployment::from(&***row)))?;
            Ok((deployments.into_iter().map(|row| Deployment::from(&**row)).collect::<Vec<_>>(), next))
        },
    )
    .await
}

pub(super) async fn one(ctx: &Context, call: &Call, id: &str) -> Answer {
    let id: Option<DeploymentId> = id.parse().ok();
    let find = |root: &Root| id.and_then(|id| root.deployments.get(&id).cloned());
    read(
        ctx,
        call,
        |root| find(root).map_or(root.indexes.deployments, |deployment| deployment.modify_index),
        |root| {
            find(root)
                .map(|deployment| Deployment::from(&*deployment))
                .ok_or_else(|| Failure::not_found("deployment not found"))
        },
    )
    .await
}

pub(super) async fn allocations(ctx: &Context, call: &Call, id: &str) -> Answer {
    let id: Option<DeploymentId> = id.parse().ok();
    read(
        ctx,
        call,
        |root| root.indexes.allocs,
        |root| {
            let Some(deployment) = id.and_then(|id| root.deployments.get(&id)) else { return Ok(Vec::new()) };
            let allocs = root.allocs_of_job(&deployment.job);
            Ok(allocs
                .filter(|alloc| alloc.deployment == Some(deployment.id))
                .map(|alloc| allocs::stub(root, alloc))
                .collect::<Vec<_>>())
        },
    )
    .await
}
