//! Reads of allocations.

use api::{AllocListStub, AllocatedResources};
use model::{AllocId, Allocation};
use state::Root;

use super::{
    Context,
    call::Call,
    failure::Failure,
    list::{Wanted, page, uuid_range},
    read::{Answer, read, read_page},
};

pub(super) fn stub(root: &Root, alloc: &Allocation) -> AllocListStub {
    let job = root.job_of(alloc).map(|job| &**job);
    let node = root.nodes.get(&alloc.node).map(|node| &**node);
    AllocListStub::new(alloc, job, node)
}

pub(super) fn full(root: &Root, alloc: &Allocation) -> api::Allocation {
    let job = root.job_of(alloc).map(|job| &**job);
    let node = root.nodes.get(&alloc.node).map(|node| &**node);
    api::Allocation::new(alloc, job, node)
}

/// Fields that are made from the job of an allocation.
const OF_THE_JOB: &[&str] = &["Job", "Resources", "SharedResources", "TaskResources", "AllocatedResources"];

pub(super) async fn list(ctx: &Context, call: &Call) -> Answer {
    let with_resources = call.flag("resources")?;
    let with_states = call.flag_or("task_states", true)?;
    let wanted = Wanted::of(call)?;
    // A job in each allocation costs more than all the rest.
    let with_job = wanted.mentions(OF_THE_JOB);
    read_page(
        ctx,
        call,
        |root| root.indexes.allocs,
        |root| {
            let Some((from, to)) = uuid_range(call.prefix()) else { return Ok((Vec::new(), None)) };
            let allocs = root
                .allocs
                .range(AllocId(from)..=AllocId(to))
                .map(|(_, alloc)| alloc)
                .filter(|alloc| call.sees(&alloc.job.namespace))
                .map(|alloc| {
                    let created = if call.prefix().is_empty() { alloc.create_index } else { 0 };
                    ((created, alloc.id.to_string()), alloc)
                })
                .collect();
            let (allocs, next) = page(call, allocs, |alloc| {
                wanted.covers(|| {
                    if with_job {
                        return full(root, alloc);
                    }
                    let node = root.nodes.get(&alloc.node).map(|node| &**node);
                    api::Allocation::new(alloc, None, node)
                })
            })?;
            let stubs = allocs.into_iter().map(|alloc| {
                let mut stub = stub(root, alloc);
                if with_resources {
                    let address = root.nodes.get(&alloc.node).map(|node| node.address.as_str());
                    stub.allocated_resources = root
                        .group_of(alloc)
                        .map(|group| AllocatedResources::new(alloc, group, address.unwrap_or_default()));
                }
                if !with_states {
                    stub.task_states.clear();
                }
                stub
            });
            Ok((stubs.collect::<Vec<_>>(), next))
        },
    )
    .await
}

pub(super) async fn one(ctx: &Context, call: &Call, id: &str) -> Answer {
    let id: Option<AllocId> = id.parse().ok();
    let find = |root: &Root| id.and_then(|id| root.allocs.get(&id).cloned());
    read(
        ctx,
        call,
        |root| find(root).map_or(root.indexes.allocs, |alloc| alloc.modify_index),
        |root| {
            find(root).map(|alloc| full(root, &alloc)).ok_or_else(|| Failure::not_found("alloc not found"))
        },
    )
    .await
}
