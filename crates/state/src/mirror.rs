//! The catalog for agents that have no log of their own: what changed between two states, and how to take it over.
//!
//! The tables share what did not change, so comparing two states costs what changed and not what there is. Nothing
//! has to be remembered about changes when they are made, and none can be forgotten.

use std::{collections::BTreeMap, sync::Arc};

use imbl::{OrdMap, ordmap::DiffItem};
use model::{Agent, Node, NodeId, NodeStatus};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Owner, ServiceInstance, ServiceKey},
    command::Epoch,
    root::{Root, TableIndexes},
};

/// The catalog's part of a state. Cheap to make and to keep: some pointers into the shared tables.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    epoch: Epoch,
    indexes: TableIndexes,
    index: u64,
    nodes: OrdMap<NodeId, Arc<Node>>,
    agents: OrdMap<NodeId, Arc<Agent>>,
    services: OrdMap<ServiceKey, Arc<ServiceInstance>>,
    service_indexes: OrdMap<Arc<str>, u64>,
}

/// What the catalog shows of a node: without attributes, resources, drivers and events, which are most of the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlimNode {
    pub id: NodeId,
    pub name: String,
    pub datacenter: String,
    pub address: String,
    pub meta: BTreeMap<String, String>,
    pub status: NodeStatus,
    pub create_index: u64,
    pub modify_index: u64,
}

/// What changed in the catalog from one state to another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CatalogDelta {
    /// Of the log.
    pub epoch: Epoch,
    /// Everything that is not in the delta is gone.
    pub full: bool,
    /// It may be applied to any state of this epoch from here to `index`. Meaningless when `full`.
    pub since: u64,
    /// [`Root::catalog_index`] after the delta.
    pub index: u64,
    /// `nodes`, `services` and `agents` are used.
    pub indexes: TableIndexes,
    pub nodes: Vec<SlimNode>,
    pub gone_nodes: Vec<NodeId>,
    pub agents: Vec<Arc<Agent>>,
    pub gone_agents: Vec<NodeId>,
    /// New and changed instances.
    pub services: Vec<Arc<ServiceInstance>>,
    /// Name, owner and id.
    pub gone_services: Vec<(Arc<str>, Owner, String)>,
    /// When each service changed last, of those that did.
    pub service_indexes: Vec<(Arc<str>, u64)>,
}

impl CatalogDelta {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        !self.full && self.since == self.index
    }
}

/// The delta does not fit the state. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    #[error("the catalog is at {have}, the changes are those since {since}")]
    Gap { have: u64, since: u64 },
    #[error("the catalog is at {have}, the changes end at {index} already")]
    Behind { have: u64, index: u64 },
    #[error("the changes are those of another log")]
    OtherLog,
}

impl Catalog {
    pub fn index(&self) -> u64 {
        self.index
    }

    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What happened since an earlier catalog of the same log; everything, when there is none.
    pub fn since(&self, before: Option<&Self>) -> CatalogDelta {
        let before = before.filter(|before| before.epoch == self.epoch && before.index <= self.index);
        let nothing = Self::default();
        let old = before.unwrap_or(&nothing);
        let mut delta = CatalogDelta {
            epoch: self.epoch,
            full: before.is_none(),
            since: old.index,
            index: self.index,
            indexes: self.indexes,
            ..CatalogDelta::default()
        };
        for change in old.nodes.diff(&self.nodes) {
            match of(change) {
                (_, Some(node)) => delta.nodes.push(SlimNode::from(&**node)),
                (id, None) => delta.gone_nodes.push(*id),
            }
        }
        for change in old.agents.diff(&self.agents) {
            match of(change) {
                (_, Some(agent)) => delta.agents.push(agent.clone()),
                (id, None) => delta.gone_agents.push(*id),
            }
        }
        for change in old.services.diff(&self.services) {
            match of(change) {
                (_, Some(instance)) => delta.services.push(instance.clone()),
                (key, None) => delta.gone_services.push(key.clone()),
            }
        }
        for change in old.service_indexes.diff(&self.service_indexes) {
            // Names stay for ever.
            if let (name, Some(index)) = of(change) {
                delta.service_indexes.push((name.clone(), *index));
            }
        }
        delta
    }
}

/// The key, and the value it has now.
fn of<'a, K, V>(change: DiffItem<'a, 'a, K, V>) -> (&'a K, Option<&'a V>) {
    match change {
        DiffItem::Add(key, value) | DiffItem::Update { new: (key, value), .. } => (key, Some(value)),
        DiffItem::Remove(key, _) => (key, None),
    }
}

impl From<&Node> for SlimNode {
    fn from(node: &Node) -> Self {
        Self {
            id: node.id,
            name: node.name.clone(),
            datacenter: node.datacenter.clone(),
            address: node.address.clone(),
            meta: node.meta.clone(),
            status: node.status,
            create_index: node.create_index,
            modify_index: node.modify_index,
        }
    }
}

impl From<SlimNode> for Node {
    fn from(slim: SlimNode) -> Self {
        Self {
            id: slim.id,
            name: slim.name,
            datacenter: slim.datacenter,
            address: slim.address,
            meta: slim.meta,
            status: slim.status,
            create_index: slim.create_index,
            modify_index: slim.modify_index,
            ..Self::default()
        }
    }
}

impl Root {
    /// The catalog as it is now.
    pub fn catalog(&self) -> Catalog {
        Catalog {
            epoch: self.epoch,
            indexes: self.indexes,
            index: self.catalog_index(),
            nodes: self.nodes.clone(),
            agents: self.agents.clone(),
            services: self.services.clone(),
            service_indexes: self.service_indexes.clone(),
        }
    }

    /// Takes over what changed elsewhere. For a root that is fed by this alone: only the catalog is in it, its nodes
    /// are slim ([`SlimNode`]), and its index is that of the catalog.
    ///
    /// A delta that was taken over already does no harm, nor does one that begins before what is there.
    ///
    /// # Errors
    /// It does not continue what is there; ask for all of it. Or it is older than what is there: whoever sent it lags
    /// behind.
    pub fn absorb(&mut self, delta: CatalogDelta) -> Result<(), Misfit> {
        let have = self.index;
        if delta.epoch != self.epoch && !delta.full {
            return Err(Misfit::OtherLog);
        }
        if delta.epoch == self.epoch && delta.index < have {
            return Err(Misfit::Behind { have, index: delta.index });
        }
        if delta.full {
            *self = Self::default();
        } else if delta.since > have {
            return Err(Misfit::Gap { have, since: delta.since });
        } else if delta.since < have {
            self.forget_since(delta.since);
        }
        self.epoch = delta.epoch;
        self.index = delta.index;
        self.indexes.nodes = delta.indexes.nodes;
        self.indexes.services = delta.indexes.services;
        self.indexes.agents = delta.indexes.agents;
        for id in delta.gone_nodes {
            self.nodes.remove(&id);
        }
        for node in delta.nodes {
            self.nodes.insert(node.id, Arc::new(node.into()));
        }
        for id in delta.gone_agents {
            self.agents.remove(&id);
        }
        for agent in delta.agents {
            self.agents.insert(agent.id, agent);
        }
        for key in delta.gone_services {
            self.services.remove(&key);
        }
        for instance in delta.services {
            self.services.insert(instance.key(), instance);
        }
        for (name, index) in delta.service_indexes {
            self.note_spelling(&name);
            self.service_indexes.insert(name, index);
        }
        Ok(())
    }

    /// Drops the rows that came or changed after `since`: those that are still there are in the delta that begins at
    /// `since`, and those that are not may be unknown to it, because they came and went in between.
    fn forget_since(&mut self, since: u64) {
        forget(&mut self.nodes, |node| node.modify_index > since);
        forget(&mut self.agents, |agent| agent.modify_index > since);
        forget(&mut self.services, |instance| instance.modify_index > since);
    }
}

fn forget<K: Ord + Clone, V: Clone>(table: &mut OrdMap<K, V>, which: impl Fn(&V) -> bool) {
    let keys: Vec<K> = table.iter().filter(|(_, row)| which(row)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        table.remove(&key);
    }
}
