//! Services, derived from allocations and agents in the same step that changes them: there is no second registration
//! that could go stale.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    Agent, AllocId, Allocation, CheckState, CheckStatus, ClientStatus, DesiredStatus, Endpoint, Node, NodeId,
    TaggedAddress, Weights,
};
use serde::{Deserialize, Serialize};

use crate::root::Root;

/// What a service instance belongs to, and goes away with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Owner {
    /// The agent itself: a server, or a machine that runs tasks.
    Agent(NodeId),
    Alloc(AllocId),
}

/// One instance of a service, as DNS and the catalog API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceInstance {
    /// `_nomad-task-<alloc>-<task or group-...>-<service>-<port label>`: unique. Of agents:
    /// `_nomad-server-<agent>-<tag>`, `_nomad-client-<agent>-<tag>`, `consul`: unique on the node.
    pub id: String,
    pub name: Arc<str>,
    /// `None`: a service of the agent itself.
    pub alloc: Option<AllocId>,
    pub job: Option<model::JobKey>,
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
    #[serde(default, skip_serializing_if = "Weights::is_default")]
    pub weights: Weights,
    /// Beside `address` and `port`, under names of the job's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, TaggedAddress>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enable_tag_override: bool,
}

impl ServiceInstance {
    /// How much of the traffic it takes now beside the others; 0: none.
    pub fn weight(&self) -> u16 {
        self.weights.of(self.status)
    }

    pub fn owner(&self) -> Owner {
        self.alloc.map_or(Owner::Agent(self.node), Owner::Alloc)
    }

    pub(crate) fn key(&self) -> ServiceKey {
        (self.name.clone(), self.owner(), self.id.clone())
    }
}

/// Order of the catalog: by name, then owner, then id within it.
pub(crate) type ServiceKey = (Arc<str>, Owner, String);

/// Brings the catalog up to date after `alloc` changed.
pub(crate) fn refresh(root: &mut Root, index: u64, alloc: &Allocation) {
    let wanted = if alloc.desired == DesiredStatus::Run && alloc.client == ClientStatus::Running {
        instances(root, index, alloc)
    } else {
        Vec::new()
    };
    replace(root, index, Owner::Alloc(alloc.id), wanted);
}

/// Enters an agent and its services.
pub(crate) fn put_agent(root: &mut Root, index: u64, agent: Arc<Agent>) {
    let id = agent.id;
    root.agents.insert(id, agent);
    refresh_agent(root, index, id);
}

/// Brings the services of the agent itself up to date.
pub(crate) fn refresh_agent(root: &mut Root, index: u64, id: NodeId) {
    let wanted = match root.agents.get(&id) {
        Some(agent) => agent_services(agent, root.nodes.get(&id).map(|node| &**node), index),
        None => Vec::new(),
    };
    replace(root, index, Owner::Agent(id), wanted);
}

/// A node registered. Instances carry its name and address, so they follow when these change.
pub(crate) fn node_changed(root: &mut Root, index: u64, before: Option<&Node>, node: &Node) {
    let place = |node: &Node| (node.name.clone(), node.address.clone(), node.datacenter.clone());
    if before.map(place) == Some(place(node)) {
        return;
    }
    refresh_agent(root, index, node.id);
    let allocs: Vec<_> = root.allocs_of_node(node.id).cloned().collect();
    for alloc in allocs {
        refresh(root, index, &alloc);
    }
}

/// The health of a machine is part of that of each instance on it: whoever waits for one of them looks again.
pub(crate) fn health_changed(root: &mut Root, index: u64, id: NodeId) {
    let names: Vec<Arc<str>> = root
        .allocs_of_node(id)
        .filter_map(|alloc| root.services_by_owner.get(&Owner::Alloc(alloc.id)))
        .flat_map(|keys| keys.iter().map(|(name, _)| name.clone()))
        .collect();
    for name in names {
        root.service_indexes.insert(name, index);
    }
}

fn replace(root: &mut Root, index: u64, owner: Owner, wanted: Vec<ServiceInstance>) {
    let old: Vec<ServiceKey> = root.service_keys_of(owner);
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
        let key = instance.key();
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
        root.services_by_owner.remove(&owner);
    } else {
        root.services_by_owner.insert(owner, Arc::new(keys));
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
                alloc: Some(alloc.id),
                job: Some(alloc.job.clone()),
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
                weights: service.weights,
                tagged_addresses: service.tagged_addresses.clone(),
                enable_tag_override: service.enable_tag_override,
            }
        })
        .collect()
}

/// What a machine offers by itself: `consul` and `nomad` of a server, `nomad-client` of one that runs tasks.
fn agent_services(agent: &Agent, node: Option<&Node>, index: u64) -> Vec<ServiceInstance> {
    let make = |id: String, name: &str, tag: &str, endpoint: &Endpoint, check: Option<(&str, &str)>| {
        let own = if endpoint.address.is_empty() { &agent.address } else { &endpoint.address };
        let checks: Vec<CheckState> =
            check.into_iter().map(|(name, kind)| agent_check(agent, name, kind)).collect();
        (endpoint.port != 0 && !name.is_empty()).then(|| ServiceInstance {
            id,
            name: name.into(),
            alloc: None,
            job: None,
            node: agent.id,
            node_name: node.map_or(&agent.name, |node| &node.name).clone(),
            node_address: node.map_or(&agent.address, |node| &node.address).clone(),
            datacenter: node.map_or(&agent.datacenter, |node| &node.datacenter).clone(),
            task: String::new(),
            tags: if tag.is_empty() { Vec::new() } else { vec![tag.to_owned()] },
            meta: BTreeMap::new(),
            address: own.clone(),
            port: endpoint.port,
            status: checks.first().map_or(CheckStatus::Passing, |check| check.status),
            checks,
            create_index: index,
            modify_index: index,
            weights: Weights::default(),
            tagged_addresses: BTreeMap::new(),
            enable_tag_override: false,
        })
    };
    let id = agent.id;
    let mut services = Vec::new();
    if agent.server {
        let consul = make(Agent::CONSUL_SERVICE.into(), Agent::CONSUL_SERVICE, "", &agent.rpc, None);
        services.extend(consul.map(|service| ServiceInstance {
            meta: BTreeMap::from([("version".into(), agent.build.clone())]),
            ..service
        }));
        for (tag, endpoint, check) in [
            ("http", &agent.http, ("Nomad Server HTTP Check", "http")),
            ("rpc", &agent.rpc, ("Nomad Server RPC Check", "tcp")),
            ("serf", &agent.serf, ("Nomad Server Serf Check", "tcp")),
        ] {
            let id = format!("_nomad-server-{id}-{tag}");
            services.extend(make(id, &agent.server_service, tag, endpoint, Some(check)));
        }
    }
    if agent.client {
        let check = ("Nomad Client HTTP Check", "http");
        let id = format!("_nomad-client-{id}-http");
        services.extend(make(id, &agent.client_service, "http", &agent.http, Some(check)));
    }
    services
}

/// Nobody probes an agent's ports: the word of gossip stands for all of them.
fn agent_check(agent: &Agent, name: &str, kind: &str) -> CheckState {
    let (status, output) = if agent.is_alive() {
        (CheckStatus::Passing, "Agent alive and reachable")
    } else {
        (CheckStatus::Critical, "Agent not live or unreachable")
    };
    CheckState {
        name: name.into(),
        kind: kind.into(),
        status,
        output: output.into(),
        updated_at: agent.status_updated_at,
        on_update: model::OnUpdate::default(),
    }
}

impl Root {
    /// Instances of a service, healthy or not: those of agents, then of allocations, in the order of their ids. Names
    /// are matched as written.
    pub fn service<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Arc<ServiceInstance>> + use<'a> {
        let name: Arc<str> = name.into();
        let from = (name.clone(), Owner::Agent(NodeId(0)), String::new());
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

    fn service_keys_of(&self, owner: Owner) -> Vec<ServiceKey> {
        self.services_by_owner
            .get(&owner)
            .map(|keys| keys.iter().map(|(name, id)| (name.clone(), owner, id.clone())).collect())
            .unwrap_or_default()
    }
}
