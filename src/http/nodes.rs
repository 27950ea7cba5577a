//! Reads of nodes.

use api::NodeListStub;
use model::{Node, NodeId};
use state::Root;

use super::{
    Context, allocs,
    call::Call,
    failure::Failure,
    list::{Wanted, page, uuid_range},
    read::{Answer, read, read_page},
};

/// `covers`: which are asked for, besides what the call says.
pub(super) async fn list(ctx: &Context, call: &Call, covers: impl Fn(&Node) -> bool) -> Answer {
    let with_resources = call.flag("resources")?;
    let with_os = call.flag("os")?;
    let wanted = Wanted::of(call)?;
    read_page(
        ctx,
        call,
        |root| root.indexes.nodes,
        |root| {
            let Some((from, to)) = uuid_range(call.prefix()) else { return Ok((Vec::new(), None)) };
            let nodes = root
                .nodes
                .range(NodeId(from)..=NodeId(to))
                .filter(|(_, node)| covers(node))
                .map(|(_, node)| ((0, node.id.to_string()), node))
                .collect();
            let (nodes, next) = page(call, nodes, |node| wanted.covers(|| api::Node::from(&***node)))?;
            let stubs = nodes.into_iter().map(|node| {
                let mut stub = NodeListStub::from(&**node);
                if with_resources {
                    stub.node_resources = Some((&**node).into());
                    stub.reserved_resources = Some((&**node).into());
                }
                if with_os {
                    let os = node.attributes.get_key_value("os.name");
                    stub.attributes = os.into_iter().map(|(key, name)| (key.clone(), name.clone())).collect();
                }
                stub
            });
            Ok((stubs.collect::<Vec<_>>(), next))
        },
    )
    .await
}

fn missing() -> Failure {
    Failure::not_found("node not found")
}

pub(super) async fn one(ctx: &Context, call: &Call, id: &str) -> Answer {
    let id: Option<NodeId> = id.parse().ok();
    let find = |root: &Root| id.and_then(|id| root.nodes.get(&id).cloned());
    read(
        ctx,
        call,
        |root| find(root).map_or(root.indexes.nodes, |node| node.modify_index),
        |root| find(root).map(|node| api::Node::from(&*node)).ok_or_else(missing),
    )
    .await
}

/// In full, with their jobs.
pub(super) async fn allocations(ctx: &Context, call: &Call, id: &str) -> Answer {
    let id: Option<NodeId> = id.parse().ok();
    read(
        ctx,
        call,
        |root| root.indexes.allocs,
        |root| {
            let allocs = id.into_iter().flat_map(|id| root.allocs_of_node(id));
            Ok(allocs
                .filter(|alloc| call.text("namespace").is_none() || call.sees(&alloc.job.namespace))
                .map(|alloc| allocs::full(root, alloc))
                .collect::<Vec<_>>())
        },
    )
    .await
}
