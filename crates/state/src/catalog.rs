//! Services, derived from allocations in the same step that changes them: there is no second registration that
//! could go stale.

use std::{collections::BTreeMap, sync::Arc};

use model::{AllocId, Allocation, CheckState, CheckStatus, ClientStatus, DesiredStatus, NodeId};
use serde::{Deserialize, Serialize};

use crate::root::Root;

/// One instance of a service, as DNS and the catalog API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceInstance {
    /// `_nomad-task-<alloc>-<task or group-...>-<service>-<port label>`: unique.
    pub id: String,
    pub name: Arc<str>,
    pub alloc: AllocId,
    pub job: model::JobKey,
    pub node: NodeId,
    pub node_name: String,
    pub node_address: String,
    pub datacenter: String,
    /// Empty for a group's service.
    pub task: String,
    pub tags: Vec<String>,
    pub meta: BTreeMap<String, String>,
    /// Where clients connect to.
    pub address: String,
    pub port: u16,
    pub status: CheckStatus,
    pub checks: Vec<CheckState>,
    pub create_index: u64,
    pub modify_index: u64,
}

/// Order of the catalog: by name, then allocation, then id within it.
pub(crate) type ServiceKey = (Arc<str>, AllocId, String);

/// Brings the catalog up to date after `alloc` changed.
pub(crate) fn refresh(root: &mut Root, index: u64, alloc: &Allocation) {
    let wanted = if alloc.desired == DesiredStatus::Run && alloc.client == ClientStatus::Running {
        instances(root, index, alloc)
    } else {
        Vec::new()
    };
    let old: Vec<ServiceKey> = root.service_keys_of(alloc.id);
    if old.is_empty() && wanted.is_empty() {
        return;
    }
    let mut touched: Vec<Arc<str>> = Vec::new();
    for key in &old {
        if !wanted.iter().any(|instance| instance.name == key.0 && instance.id == key.2) {
            root.services.remove(key);
            touched.push(key.0.clone());
        }
    }
    let mut keys = Vec::with_capacity(wanted.len());
    for mut instance in wanted {
        let key = (instance.name.clone(), alloc.id, instance.id.clone());
        keys.push((key.0.clone(), key.2.clone()));
        if let Some(before) = root.services.get(&key) {
            instance.create_index = before.create_index;
            let same = ServiceInstance { modify_index: before.modify_index, ..instance.clone() };
            if same == **before {
                continue;
            }
        }
        touched.push(instance.name.clone());
        root.services.insert(key, Arc::new(instance));
    }
    if keys.is_empty() {
        root.services_by_alloc.remove(&alloc.id);
    } else {
        root.services_by_alloc.insert(alloc.id, Arc::new(keys));
    }
    for name in touched {
        root.note_spelling(&name);
        root.service_indexes.insert(name, index);
        root.indexes.services = index;
    }
}

fn instances(root: &Root, index: u64, alloc: &Allocation) -> Vec<ServiceInstance> {
    let Some(node) = root.nodes.get(&alloc.node) else { return Vec::new() };
    alloc
        .services
        .iter()
        .map(|service| {
            let place =
                if service.task.is_empty() { format!("group-{}", alloc.group) } else { service.task.clone() };
            ServiceInstance {
                id: format!("_nomad-task-{}-{place}-{}-{}", alloc.id, service.name, service.port_label),
                name: service.name.as_str().into(),
                alloc: alloc.id,
                job: alloc.job.clone(),
                node: node.id,
                node_name: node.name.clone(),
                node_address: node.address.clone(),
                datacenter: node.datacenter.clone(),
                task: service.task.clone(),
                tags: service.tags.clone(),
                meta: service.meta.clone(),
                address: service.address.clone(),
                port: service.port,
                status: service.status(),
                checks: service.checks.clone(),
                create_index: index,
                modify_index: index,
            }
        })
        .collect()
}

impl Root {
    /// Instances of a service, healthy or not, in the order of allocation ids. Names are matched as written.
    pub fn service<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Arc<ServiceInstance>> + use<'a> {
        let name: Arc<str> = name.into();
        let from = (name.clone(), AllocId(0), String::new());
        self.services.range(from..).take_while(move |(key, _)| key.0 == name).map(|(_, instance)| instance)
    }

    /// All instances, ordered by service name.
    pub fn all_services(&self) -> impl Iterator<Item = &Arc<ServiceInstance>> {
        self.services.values()
    }

    /// Index of the last change to the service's instances; 0 when it never had one.
    pub fn service_index(&self, name: &str) -> u64 {
        self.service_indexes.get(name).copied().unwrap_or(0)
    }

    /// Names with capital letters that read as `lower` without them, whether or not they have instances now.
    pub fn service_spellings(&self, lower: &str) -> impl Iterator<Item = &Arc<str>> {
        self.service_spellings.get(lower).into_iter().flatten()
    }

    /// Remembers a name that has capitals, for readers that know it only in lower case (DNS).
    pub(crate) fn note_spelling(&mut self, name: &Arc<str>) {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let lower: Arc<str> = name.to_ascii_lowercase().into();
            self.service_spellings.entry(lower).or_default().insert(name.clone());
        }
    }

    fn service_keys_of(&self, alloc: AllocId) -> Vec<ServiceKey> {
        self.services_by_alloc
            .get(&alloc)
            .map(|keys| keys.iter().map(|(name, id)| (name.clone(), alloc, id.clone())).collect())
            .unwrap_or_default()
    }
}
