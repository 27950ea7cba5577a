//! Nodes and services.

use std::collections::{BTreeMap, BTreeSet};

use api::consul::{CatalogService, Node as NodeRow, NodeService};
use serde::Serialize;
use state::{CatalogNode, Root};

use super::{
    ConsulAgent, ConsulContext,
    read::{Answer, Scope, json, read, refuse_unknown_tenants},
    rows,
};
use crate::http::call::Call;

/// The own one first; the others are those of the cluster's other nodes.
pub(super) fn datacenters(ctx: &ConsulContext, call: &Call) -> Answer {
    refuse_unknown_tenants(call)?;
    Ok(json(ctx, call, &datacenters_of(&ctx.state.root(), &ctx.agent)))
}

pub(super) fn datacenters_of(root: &Root, agent: &ConsulAgent) -> Vec<String> {
    let own = &agent.datacenter;
    let others: BTreeSet<&str> =
        root.catalog_nodes().map(|node| node.datacenter()).filter(|dc| dc != own).collect();
    std::iter::once(own.as_str()).chain(others).map(str::to_owned).collect()
}

pub(super) async fn nodes(ctx: &ConsulContext, call: &Call) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let value = |root: &Root| -> Vec<NodeRow> {
        let mut nodes: Vec<CatalogNode<'_>> =
            root.catalog_nodes().filter(|node| scope.has_node(*node)).collect();
        nodes.sort_by_key(|node| (node.name(), node.id()));
        nodes.into_iter().map(rows::node).collect()
    };
    read(ctx, call, |root| root.indexes.nodes.max(root.indexes.agents), value).await
}

/// Names, each with the tags of all its instances.
pub(super) async fn services(ctx: &ConsulContext, call: &Call) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let value = |root: &Root| -> BTreeMap<String, BTreeSet<String>> {
        let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for instance in root.all_services() {
            if root.catalog_node(instance.node).is_some_and(|node| scope.has_node(node)) {
                let tags = services.entry(instance.name.to_string()).or_default();
                tags.extend(instance.tags.iter().cloned());
            }
        }
        services
    };
    read(ctx, call, Root::catalog_index, value).await
}

/// Instances, healthy or not. An unknown service is an empty list.
pub(super) async fn service(ctx: &ConsulContext, call: &Call, name: &str) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let value = |root: &Root| -> Vec<CatalogService> {
        rows::instances(root, name)
            .filter(|(node, instance)| scope.has_node(*node) && scope.has_tags(instance))
            .map(|(node, instance)| rows::catalog_service(node, instance))
            .collect()
    };
    read(ctx, call, |root| rows::service_index(root, name), value).await
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NodeWith<T> {
    node: Option<NodeRow>,
    services: Option<T>,
}

pub(super) async fn node(ctx: &ConsulContext, call: &Call, name: &str) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let value = |root: &Root| {
        let node = find(root, &scope, name)?;
        let services: BTreeMap<String, NodeService> = services_of(root, node)
            .map(|instance| (instance.id.clone(), rows::node_service(instance)))
            .collect();
        Some(NodeWith { node: Some(rows::node(node)), services: Some(services) })
    };
    read(ctx, call, Root::catalog_index, value).await
}

pub(super) async fn node_services(ctx: &ConsulContext, call: &Call, name: &str) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let value = |root: &Root| {
        let node = find(root, &scope, name);
        let services: Option<Vec<NodeService>> =
            node.map(|node| services_of(root, node).map(|instance| rows::node_service(instance)).collect());
        NodeWith { node: node.map(rows::node), services }
    };
    read(ctx, call, Root::catalog_index, value).await
}

/// A node by name, in any case; else by the beginning of its id, if only one has it.
pub(super) fn find<'a>(root: &'a Root, scope: &Scope, name: &str) -> Option<CatalogNode<'a>> {
    let nodes = || root.catalog_nodes().filter(|node| scope.has_node(*node));
    let by_name = nodes()
        .filter(|node| node.name().eq_ignore_ascii_case(name))
        .min_by_key(|node| (!node.is_alive(), node.id()));
    if by_name.is_some() {
        return by_name;
    }
    if name.len() < 2 || !name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return None;
    }
    let prefix = name.to_ascii_lowercase();
    let mut matching = nodes().filter(|node| node.id().to_string().starts_with(&prefix));
    let found = matching.next();
    if matching.next().is_some() { None } else { found }
}

/// What runs on the node.
pub(super) fn services_of<'a>(
    root: &'a Root,
    node: CatalogNode<'_>,
) -> impl Iterator<Item = &'a std::sync::Arc<state::ServiceInstance>> {
    let id = node.id();
    root.all_services().filter(move |instance| instance.node == id)
}
