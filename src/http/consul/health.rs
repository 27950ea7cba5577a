//! Checks: of nodes (are they there) and of service instances.

use api::consul::{HealthCheck, ServiceEntry};
use state::Root;

use super::{
    ConsulContext, catalog,
    read::{Answer, Scope, read},
    rows,
};
use crate::http::{call::Call, failure::Failure};

/// Instances with their nodes and all checks that decide over them.
pub(super) async fn service(ctx: &ConsulContext, call: &Call, name: &str) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let only_passing = match call.raw("passing") {
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => false,
        Some("" | "1" | "t" | "T" | "true" | "TRUE" | "True") => true,
        Some(_) => return Err(Failure::bad("Invalid value for ?passing")),
    };
    let value = |root: &Root| -> Vec<ServiceEntry> {
        rows::instances(root, name)
            .filter(|(node, instance)| scope.has_node(*node) && scope.has_tags(instance))
            .map(|(node, instance)| rows::entry(node, instance))
            .filter(|entry| !only_passing || entry.checks.iter().all(|check| check.status == "passing"))
            .collect()
    };
    read(ctx, call, |root| rows::service_index(root, name), value).await
}

/// The checks of a service's instances, without those of their nodes.
pub(super) async fn checks(ctx: &ConsulContext, call: &Call, name: &str) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let value = |root: &Root| -> Vec<HealthCheck> {
        rows::instances(root, name)
            .filter(|(node, _)| scope.has_node(*node))
            .flat_map(|(_, instance)| rows::service_checks(instance))
            .collect()
    };
    read(ctx, call, |root| rows::service_index(root, name), value).await
}

/// All checks of a node.
pub(super) async fn node(ctx: &ConsulContext, call: &Call, name: &str) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let value = |root: &Root| -> Vec<HealthCheck> {
        let Some(node) = catalog::find(root, &scope, name) else { return Vec::new() };
        let mut checks = vec![rows::node_check(node)];
        checks.extend(catalog::services_of(root, node).flat_map(|instance| rows::service_checks(instance)));
        checks
    };
    read(ctx, call, Root::catalog_index, value).await
}

/// All checks in that state; `any`: all.
pub(super) async fn state(ctx: &ConsulContext, call: &Call, state: &str) -> Answer {
    let scope = Scope::of(ctx, call)?;
    let wanted = |check: &HealthCheck| state == "any" || check.status == state;
    let value = |root: &Root| -> Vec<HealthCheck> {
        let nodes = root.catalog_nodes().filter(|node| scope.has_node(*node)).map(rows::node_check);
        let services = root
            .all_services()
            .filter(|row| root.catalog_node(row.node).is_some_and(|node| scope.has_node(node)))
            .flat_map(|row| rows::service_checks(row));
        nodes.chain(services).filter(wanted).collect()
    };
    read(ctx, call, Root::catalog_index, value).await
}
