//! What the catalog calls a node: a member of the cluster, a machine that runs tasks, or both in one.

use std::{collections::BTreeMap, sync::Arc};

use imbl::OrdMap;
use model::{Agent, Node, NodeId, NodeStatus};

use crate::root::Root;

/// A machine in the catalog. At least one of the two is there.
#[derive(Debug, Clone, Copy)]
pub struct CatalogNode<'a> {
    /// By gossip; missing until a leader has looked.
    pub agent: Option<&'a Arc<Agent>>,
    /// By its own registration; missing for servers that run no tasks.
    pub node: Option<&'a Arc<Node>>,
}

impl<'a> CatalogNode<'a> {
    fn of(agent: Option<&'a Arc<Agent>>, node: Option<&'a Arc<Node>>, agents_known: bool) -> Option<Self> {
        match (agent, node) {
            (None, None) => None,
            // Its agent left: what remains is the servers' memory of it.
            (None, Some(node)) if agents_known && is_gone(node) => None,
            (agent, node) => Some(Self { agent, node }),
        }
    }

    pub fn id(&self) -> NodeId {
        self.pick(|node| node.id, |agent| agent.id)
    }

    pub fn name(&self) -> &'a str {
        self.pick(|node| node.name.as_str(), |agent| agent.name.as_str())
    }

    /// Where tasks' ports are published; of a server that runs none, where it is reached.
    pub fn address(&self) -> &'a str {
        self.pick(|node| node.address.as_str(), |agent| agent.address.as_str())
    }

    pub fn datacenter(&self) -> &'a str {
        self.pick(|node| node.datacenter.as_str(), |agent| agent.datacenter.as_str())
    }

    /// Of its registration.
    pub fn meta(&self) -> Option<&'a BTreeMap<String, String>> {
        self.node.map(|node| &node.meta)
    }

    /// Neither gossip nor the servers have given it up.
    pub fn is_alive(&self) -> bool {
        match (self.agent, self.node) {
            (Some(agent), node) => agent.is_alive() && !node.is_some_and(|node| is_gone(node)),
            (None, node) => node.is_some_and(|node| node.status == NodeStatus::Ready),
        }
    }

    pub fn create_index(&self) -> u64 {
        let of_agent = self.agent.map(|agent| agent.create_index);
        self.node.map(|node| node.create_index).into_iter().chain(of_agent).min().unwrap_or(0)
    }

    pub fn modify_index(&self) -> u64 {
        let of_agent = self.agent.map(|agent| agent.modify_index);
        self.node.map(|node| node.modify_index).into_iter().chain(of_agent).max().unwrap_or(0)
    }

    fn pick<T>(&self, of_node: impl FnOnce(&'a Node) -> T, of_agent: impl FnOnce(&'a Agent) -> T) -> T {
        match (self.node, self.agent) {
            (Some(node), _) => of_node(node),
            (None, Some(agent)) => of_agent(agent),
            (None, None) => unreachable!("`of` makes none without either"),
        }
    }
}

fn is_gone(node: &Node) -> bool {
    !matches!(node.status, NodeStatus::Ready | NodeStatus::Initializing)
}

impl Root {
    /// A machine by its id. `None`: unknown, or it left.
    pub fn catalog_node(&self, id: NodeId) -> Option<CatalogNode<'_>> {
        CatalogNode::of(self.agents.get(&id), self.nodes.get(&id), !self.agents.is_empty())
    }

    /// All machines, in the order of their ids.
    pub fn catalog_nodes(&self) -> impl Iterator<Item = CatalogNode<'_>> {
        both(&self.agents, &self.nodes)
            .filter_map(|(agent, node)| CatalogNode::of(agent, node, !self.agents.is_empty()))
    }

    /// When anything in the catalog last changed: agents, nodes or services.
    pub fn catalog_index(&self) -> u64 {
        self.indexes.nodes.max(self.indexes.services).max(self.indexes.agents)
    }

    /// When the machine last changed, whether or not it is listed; 0: never heard of.
    pub fn catalog_node_index(&self, id: NodeId) -> u64 {
        let node = self.nodes.get(&id).map_or(0, |node| node.modify_index);
        node.max(self.agents.get(&id).map_or(0, |agent| agent.modify_index))
    }
}

/// Merges two tables by id.
fn both<'a, A, B>(
    left: &'a OrdMap<NodeId, A>,
    right: &'a OrdMap<NodeId, B>,
) -> impl Iterator<Item = (Option<&'a A>, Option<&'a B>)> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    std::iter::from_fn(move || {
        let (a, b) = (left.peek().map(|(id, _)| **id), right.peek().map(|(id, _)| **id));
        let first = a.into_iter().chain(b).min()?;
        let a = left.next_if(|(id, _)| **id == first).map(|(_, row)| row);
        let b = right.next_if(|(id, _)| **id == first).map(|(_, row)| row);
        Some((a, b))
    })
}
