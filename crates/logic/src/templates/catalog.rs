//! Services and nodes, under the names that templates know.

use std::collections::{BTreeMap, BTreeSet};

use gotemplate::Value;
use model::CheckStatus;
use state::{CatalogNode, Root, ServiceInstance};

/// `service "tag.name@dc|filter"`, or with the filter as a second argument.
#[derive(Debug, PartialEq)]
pub(super) struct ServiceQuery {
    pub(super) name: String,
    tag: Option<String>,
    datacenter: Option<String>,
    statuses: BTreeSet<&'static str>,
}

impl ServiceQuery {
    pub(super) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let (query, filter) = match arguments {
            [query] => query.split_once('|').map_or((*query, "passing"), |(query, filter)| (query, filter)),
            [query, filter] => (*query, *filter),
            _ => return Err(String::from("wants the name of a service, and a filter perhaps")),
        };
        let query = query.split_once('~').map_or(query, |(query, _)| query);
        let (query, datacenter) = match query.split_once('@') {
            Some((query, datacenter)) => (query, Some(datacenter.to_owned())),
            None => (query, None),
        };
        let (tag, name) = match query.rsplit_once('.') {
            Some((tag, name)) => (Some(tag.to_owned()), name),
            None => (None, query),
        };
        if name.is_empty() {
            return Err(String::from("the name of the service is empty"));
        }
        let mut statuses = BTreeSet::new();
        for word in filter.split(',').map(str::trim) {
            match word {
                "passing" | "healthy" => statuses.extend(["passing"]),
                "warning" => statuses.extend(["warning"]),
                "critical" => statuses.extend(["critical"]),
                "any" => statuses.extend(["passing", "warning", "critical"]),
                other => {
                    return Err(format!("the filter {other:?} is none of passing, warning, critical, any"));
                }
            }
        }
        Ok(Self { name: name.to_owned(), tag, datacenter, statuses })
    }

    /// In the order of nodes and ids.
    pub(super) fn instances(&self, root: &Root) -> Value {
        let mut found: Vec<_> = root
            .service(&self.name)
            .filter(|instance| self.tag.as_ref().is_none_or(|tag| instance.tags.contains(tag)))
            .filter(|instance| {
                self.datacenter.as_ref().is_none_or(|dc| instance.datacenter.eq_ignore_ascii_case(dc))
            })
            .filter(|instance| self.statuses.contains(status(root, instance)))
            .collect();
        found.sort_by(|a, b| (&a.node_name, &a.id).cmp(&(&b.node_name, &b.id)));
        Value::list(found.into_iter().map(|instance| of_service(root, instance)))
    }
}

/// Of the machine and the checks together.
fn status(root: &Root, instance: &ServiceInstance) -> &'static str {
    if !root.catalog_node(instance.node).is_some_and(|node| node.is_alive()) {
        return "critical";
    }
    match instance.status {
        CheckStatus::Passing => "passing",
        CheckStatus::Warning => "warning",
        CheckStatus::Critical => "critical",
    }
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Value {
    Value::list(texts.into_iter().map(Value::text))
}

fn of_map(map: &BTreeMap<String, String>) -> Value {
    Value::map(map.iter().map(|(key, value)| (key.clone(), Value::text(value))))
}

fn of_service(root: &Root, instance: &ServiceInstance) -> Value {
    let node = root.catalog_node(instance.node);
    let meta = node.as_ref().and_then(|node| node.node).map(|node| of_map(&node.meta));
    let checks = instance.checks.iter().map(|check| {
        Value::map([
            ("Name", Value::text(&*check.name)),
            ("Status", Value::text(word(check.status))),
            ("Output", Value::text(&*check.output)),
            ("ServiceName", Value::text(&*instance.name)),
        ])
    });
    Value::map([
        ("ID", Value::text(&instance.id)),
        ("Name", Value::text(&*instance.name)),
        ("Node", Value::text(&instance.node_name)),
        ("NodeID", Value::text(instance.node.to_string())),
        ("NodeAddress", Value::text(&instance.node_address)),
        ("NodeDatacenter", Value::text(&instance.datacenter)),
        ("NodeMeta", meta.unwrap_or_else(|| Value::map::<String>([]))),
        ("NodeTaggedAddresses", Value::map::<String>([])),
        ("Address", Value::text(&instance.address)),
        ("Port", Value::Int(i64::from(instance.port))),
        ("Status", Value::text(status(root, instance))),
        ("Tags", texts(&instance.tags)),
        ("ServiceMeta", of_map(&instance.meta)),
        ("Checks", Value::list(checks)),
        ("Weights", Value::map([("Passing", Value::Int(1)), ("Warning", Value::Int(1))])),
    ])
}

fn word(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Passing => "passing",
        CheckStatus::Warning => "warning",
        CheckStatus::Critical => "critical",
    }
}

/// `nomadService "name"`, or `nomadService 2 "key" "name"`: two of them, the same ones for the same key.
pub(super) fn chosen(arguments: &[Value]) -> Result<(String, Option<(usize, String)>), String> {
    match arguments {
        [Value::Text(name)] => Ok((name.to_string(), None)),
        [Value::Int(count), Value::Text(key), Value::Text(name)] => {
            let count = usize::try_from(*count).map_err(|_| String::from("the number is negative"))?;
            Ok((name.to_string(), Some((count, key.to_string()))))
        }
        _ => Err(String::from("wants the name of a service, or a number, a key and a name")),
    }
}

pub(super) fn of_jobs(root: &Root, name: &str, chosen: Option<(usize, String)>) -> Value {
    let mut found: Vec<_> = root
        .service(name)
        .filter(|instance| instance.alloc.is_some() && status(root, instance) != "critical")
        .collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    if let Some((count, key)) = chosen {
        // Each key ranks the instances in an order of its own: one that goes moves only those that had it.
        found.sort_by_cached_key(|instance| rank(&key, &instance.id));
        found.truncate(count);
    }
    Value::list(found.into_iter().map(|instance| {
        let job = instance.job.as_ref().map(|job| job.id.to_string()).unwrap_or_default();
        let alloc = instance.alloc.map(|alloc| alloc.to_string()).unwrap_or_default();
        Value::map([
            ("ID", Value::text(&instance.id)),
            ("Name", Value::text(&*instance.name)),
            ("Node", Value::text(instance.node.to_string())),
            ("Address", Value::text(&instance.address)),
            ("Port", Value::Int(i64::from(instance.port))),
            ("Datacenter", Value::text(&instance.datacenter)),
            ("Tags", texts(&instance.tags)),
            ("JobID", Value::text(job)),
            ("AllocID", Value::text(alloc)),
        ])
    }))
}

/// FNV-1a with a last stir: the same on every machine.
fn rank(key: &str, id: &str) -> u64 {
    let bytes = key.bytes().chain([0]).chain(id.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Names and tags of all services; only those of jobs if asked for.
pub(super) fn names(root: &Root, of_jobs: bool) -> Value {
    let mut tags: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for instance in root.all_services().filter(|instance| !of_jobs || instance.alloc.is_some()) {
        tags.entry(&instance.name).or_default().extend(&instance.tags);
    }
    Value::list(
        tags.into_iter().map(|(name, tags)| Value::map([("Name", Value::text(name)), ("Tags", texts(tags))])),
    )
}

fn of_node(node: &CatalogNode<'_>) -> Value {
    let meta = node.node.map_or_else(|| Value::map::<String>([]), |node| of_map(&node.meta));
    Value::map([
        ("ID", Value::text(node.id().to_string())),
        ("Node", Value::text(node.name())),
        ("Address", Value::text(node.address())),
        ("Datacenter", Value::text(node.datacenter())),
        ("TaggedAddresses", Value::map::<String>([])),
        ("Meta", meta),
    ])
}

pub(super) fn nodes(root: &Root) -> Value {
    let mut nodes: Vec<_> = root.catalog_nodes().collect();
    nodes.sort_by_key(|node| (node.name().to_owned(), node.id()));
    Value::list(nodes.iter().map(of_node))
}

pub(super) fn datacenters(root: &Root) -> Value {
    let names: BTreeSet<String> = root.catalog_nodes().map(|node| node.datacenter().to_owned()).collect();
    Value::list(names.iter().map(Value::text))
}

/// A node and its services; nothing if there is no such node.
pub(super) fn node(root: &Root, name: &str) -> Value {
    let found = root.catalog_nodes().find(|node| node.name().eq_ignore_ascii_case(name));
    let Some(found) = found else { return Value::Null };
    let services = root.all_services().filter(|instance| instance.node == found.id()).map(|instance| {
        Value::map([
            ("ID", Value::text(&instance.id)),
            ("Service", Value::text(&*instance.name)),
            ("Tags", texts(&instance.tags)),
            ("Meta", of_map(&instance.meta)),
            ("Address", Value::text(&instance.address)),
            ("Port", Value::Int(i64::from(instance.port))),
        ])
    });
    Value::map([("Node", of_node(&found)), ("Services", Value::list(services))])
}
