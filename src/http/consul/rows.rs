//! State to Consul's objects.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use api::consul::{
    CatalogService, HealthCheck, Node as NodeRow, NodeService, ServiceAddress, ServiceEntry, Weights,
};
use serde::Serialize;
use state::{CatalogNode, Root, ServiceInstance};

/// A service as the agent that runs it shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AgentService {
    #[serde(rename = "ID")]
    id: String,
    service: String,
    tags: Vec<String>,
    meta: BTreeMap<String, String>,
    port: u16,
    address: String,
    tagged_addresses: BTreeMap<String, ServiceAddress>,
    weights: Weights,
    enable_tag_override: bool,
    datacenter: String,
}

/// The node's metadata with what Consul adds.
pub(super) fn node_meta(node: CatalogNode<'_>) -> BTreeMap<String, String> {
    let mut meta = node.meta().cloned().unwrap_or_default();
    meta.entry(String::from("consul-network-segment")).or_default();
    meta
}

fn tagged_addresses(address: &str) -> BTreeMap<String, String> {
    let mut tagged = BTreeMap::new();
    let family = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => Some("ipv4"),
        Ok(IpAddr::V6(_)) => Some("ipv6"),
        Err(_) => None,
    };
    for net in ["lan", "wan"] {
        tagged.insert(net.to_owned(), address.to_owned());
        if let Some(family) = family {
            tagged.insert(format!("{net}_{family}"), address.to_owned());
        }
    }
    tagged
}

/// Those that the job gave; and the instance's own under the names that Consul adds where the job does not use them.
fn service_addresses(instance: &ServiceInstance) -> BTreeMap<String, ServiceAddress> {
    let mut tagged: BTreeMap<String, ServiceAddress> = instance
        .tagged_addresses
        .iter()
        .map(|(name, at)| (name.clone(), ServiceAddress { address: at.address.clone(), port: at.port }))
        .collect();
    let family = match instance.address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => "ipv4",
        Ok(IpAddr::V6(_)) => "ipv6",
        Err(_) => return tagged,
    };
    for net in ["lan", "wan"] {
        tagged
            .entry(format!("{net}_{family}"))
            .or_insert_with(|| ServiceAddress { address: instance.address.clone(), port: instance.port });
    }
    tagged
}

fn weights(instance: &ServiceInstance) -> Weights {
    let model::Weights { passing, warning } = instance.weights;
    Weights { passing: passing.into(), warning: warning.into() }
}

pub(super) fn node(node: CatalogNode<'_>) -> NodeRow {
    NodeRow {
        id: node.id().to_string(),
        node: node.name().to_owned(),
        address: node.address().to_owned(),
        datacenter: node.datacenter().to_owned(),
        tagged_addresses: tagged_addresses(node.address()),
        meta: node_meta(node),
        create_index: node.create_index(),
        modify_index: node.modify_index(),
    }
}

pub(super) fn catalog_service(node: CatalogNode<'_>, instance: &ServiceInstance) -> CatalogService {
    CatalogService {
        id: node.id().to_string(),
        node: node.name().to_owned(),
        address: node.address().to_owned(),
        datacenter: node.datacenter().to_owned(),
        tagged_addresses: tagged_addresses(node.address()),
        node_meta: node_meta(node),
        service_id: instance.id.clone(),
        service_name: instance.name.to_string(),
        service_tags: instance.tags.clone(),
        service_address: instance.address.clone(),
        service_tagged_addresses: service_addresses(instance),
        service_weights: weights(instance),
        service_enable_tag_override: instance.enable_tag_override,
        service_meta: instance.meta.clone(),
        service_port: instance.port,
        create_index: instance.create_index,
        modify_index: instance.modify_index,
        ..CatalogService::default()
    }
}

pub(super) fn node_service(instance: &ServiceInstance) -> NodeService {
    NodeService {
        id: instance.id.clone(),
        service: instance.name.to_string(),
        tags: instance.tags.clone(),
        address: instance.address.clone(),
        tagged_addresses: service_addresses(instance),
        meta: instance.meta.clone(),
        port: instance.port,
        weights: weights(instance),
        enable_tag_override: instance.enable_tag_override,
        create_index: instance.create_index,
        modify_index: instance.modify_index,
        ..NodeService::default()
    }
}

pub(super) fn agent_service(instance: &ServiceInstance) -> AgentService {
    AgentService {
        id: instance.id.clone(),
        service: instance.name.to_string(),
        tags: instance.tags.clone(),
        meta: instance.meta.clone(),
        port: instance.port,
        address: instance.address.clone(),
        tagged_addresses: service_addresses(instance),
        weights: weights(instance),
        enable_tag_override: instance.enable_tag_override,
        datacenter: instance.datacenter.clone(),
    }
}

/// Whether the node is there, under the name that Consul's gossip gives to this check.
pub(super) fn node_check(node: CatalogNode<'_>) -> HealthCheck {
    let alive = node.is_alive();
    let output = if alive { "Agent alive and reachable" } else { "Agent not live or unreachable" };
    HealthCheck {
        node: node.name().to_owned(),
        check_id: "serfHealth".into(),
        name: "Serf Health Status".into(),
        status: if alive { "passing" } else { "critical" }.into(),
        output: output.into(),
        create_index: node.create_index(),
        modify_index: node.modify_index(),
        ..HealthCheck::default()
    }
}

/// The instance's own checks. Ids are those that Consul gives to checks without one.
pub(super) fn service_checks(instance: &ServiceInstance) -> Vec<HealthCheck> {
    let single = instance.checks.len() == 1;
    let rows = instance.checks.iter().enumerate().map(|(at, check)| HealthCheck {
        node: instance.node_name.clone(),
        check_id: if single {
            format!("service:{}", instance.id)
        } else {
            format!("service:{}:{}", instance.id, at + 1)
        },
        name: check.name.clone(),
        status: check.status.as_str().into(),
        output: check.output.clone(),
        service_id: instance.id.clone(),
        service_name: instance.name.to_string(),
        service_tags: instance.tags.clone(),
        kind: check.kind.clone(),
        create_index: instance.create_index,
        modify_index: instance.modify_index,
        ..HealthCheck::default()
    });
    rows.collect()
}

pub(super) fn entry(at: CatalogNode<'_>, instance: &ServiceInstance) -> ServiceEntry {
    let mut checks = vec![node_check(at)];
    checks.extend(service_checks(instance));
    ServiceEntry { node: node(at), service: node_service(instance), checks }
}

/// Instances of all services whose names differ from `name` in case at most, each with its node.
pub(super) fn instances<'a>(
    root: &'a Root,
    name: &str,
) -> impl Iterator<Item = (CatalogNode<'a>, &'a Arc<ServiceInstance>)> {
    names(root, name)
        .into_iter()
        .flat_map(|name| root.service(&name))
        .filter_map(|instance| Some((root.catalog_node(instance.node)?, instance)))
}

fn names(root: &Root, name: &str) -> Vec<Arc<str>> {
    let lower = name.to_ascii_lowercase();
    let spellings = root.service_spellings(&lower).cloned();
    std::iter::once(Arc::from(lower.as_str())).chain(spellings).collect()
}

/// When any instance of the service, its node or its checks last changed. Other services do not move it.
pub(super) fn service_index(root: &Root, name: &str) -> u64 {
    let names = names(root, name);
    let own = names.iter().map(|name| root.service_index(name)).max().unwrap_or(0);
    // Of all of them: one whose machine is not listed any more must not turn the index back.
    let nodes = names.iter().flat_map(|name| root.service(name)).map(|row| root.catalog_node_index(row.node));
    own.max(nodes.max().unwrap_or(0))
}
