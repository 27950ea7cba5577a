//! One state, with the lookups that DNS needs and the state has no index for.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use model::{CheckStatus, NodeId};
use state::{CatalogNode, Epoch, Root, ServiceInstance};

/// Nodes by name and address, as of one change of nodes or agents.
#[derive(Debug, Default)]
struct Nodes {
    at: (Epoch, u64),
    /// By lower-case name. Several: one machine that registered again under a new id, or careless naming.
    by_name: HashMap<String, Vec<NodeId>>,
    by_address: HashMap<IpAddr, Vec<NodeId>>,
}

/// Names of services by address, as of one change of the catalog.
#[derive(Debug, Default)]
struct Addresses {
    at: (Epoch, u64),
    by_address: HashMap<IpAddr, BTreeSet<(Arc<str>, String)>>,
}

/// Lookup tables that outlive a view: made when first asked for, and again when their table of the state changed.
///
/// Belongs to one state: indexes of another could be equal by chance. A mirror that begins to follow another log is
/// told apart by its epoch.
#[derive(Debug, Default)]
pub struct ViewCache {
    nodes: ArcSwapOption<Nodes>,
    addresses: ArcSwapOption<Addresses>,
}

/// What answers are made from.
#[derive(Debug, Clone)]
pub struct CatalogView {
    root: Arc<Root>,
    cache: Arc<ViewCache>,
}

impl CatalogView {
    pub fn new(root: Arc<Root>, cache: Arc<ViewCache>) -> Self {
        Self { root, cache }
    }

    /// Instances in the datacenter (lower case), healthy or not, of all services that read as `lower` in lower case.
    pub(super) fn service(&self, lower: &str, dc: &str) -> Vec<&Arc<ServiceInstance>> {
        std::iter::once(lower)
            .chain(self.root.service_spellings(lower).map(|name| &**name))
            .flat_map(|name| self.root.service(name))
            .filter(|instance| instance.datacenter.eq_ignore_ascii_case(dc))
            .collect()
    }

    /// Whether clients may be sent there.
    pub(super) fn is_healthy(&self, instance: &ServiceInstance, only_passing: bool) -> bool {
        let status_ok = match instance.status {
            CheckStatus::Passing => true,
            CheckStatus::Warning => !only_passing,
            CheckStatus::Critical => false,
        };
        status_ok && self.root.catalog_node(instance.node).is_some_and(|node| node.is_alive())
    }

    pub(super) fn node(&self, id: NodeId) -> Option<CatalogNode<'_>> {
        self.root.catalog_node(id)
    }

    /// The node of that name (lower case); among several, one that is there.
    pub(super) fn node_by_name(&self, lower: &str, dc: &str) -> Option<CatalogNode<'_>> {
        let nodes = self.nodes();
        let ids = nodes.by_name.get(lower)?;
        ids.iter()
            .filter_map(|id| self.root.catalog_node(*id))
            .filter(|node| node.datacenter().eq_ignore_ascii_case(dc))
            .min_by_key(|node| (!node.is_alive(), node.id()))
    }

    pub(super) fn nodes_at(&self, ip: IpAddr, dc: &str) -> Vec<CatalogNode<'_>> {
        let nodes = self.nodes();
        let ids = nodes.by_address.get(&ip).map(Vec::as_slice).unwrap_or_default();
        ids.iter()
            .filter_map(|id| self.root.catalog_node(*id))
            .filter(|node| node.datacenter().eq_ignore_ascii_case(dc))
            .collect()
    }

    /// Names of the services of the datacenter that have this address.
    pub(super) fn services_at(&self, ip: IpAddr, dc: &str) -> BTreeSet<Arc<str>> {
        let addresses = self.addresses();
        let Some(found) = addresses.by_address.get(&ip) else { return BTreeSet::new() };
        found
            .iter()
            .filter(|(_, datacenter)| datacenter.eq_ignore_ascii_case(dc))
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(super) fn live_nodes(&self, dc: &str) -> Vec<CatalogNode<'_>> {
        self.root
            .catalog_nodes()
            .filter(|node| node.is_alive() && node.datacenter().eq_ignore_ascii_case(dc))
            .collect()
    }

    fn nodes(&self) -> Arc<Nodes> {
        let at = (self.root.epoch, self.root.indexes.nodes.max(self.root.indexes.agents));
        if let Some(nodes) = self.cache.nodes.load_full().filter(|nodes| nodes.at == at) {
            return nodes;
        }
        let mut nodes = Nodes { at, ..Nodes::default() };
        for node in self.root.catalog_nodes() {
            nodes.by_name.entry(node.name().to_ascii_lowercase()).or_default().push(node.id());
            if let Ok(ip) = node.address().parse() {
                nodes.by_address.entry(ip).or_default().push(node.id());
            }
        }
        let nodes = Arc::new(nodes);
        self.cache.nodes.store(Some(nodes.clone()));
        nodes
    }

    fn addresses(&self) -> Arc<Addresses> {
        let at = (self.root.epoch, self.root.indexes.services);
        if let Some(addresses) = self.cache.addresses.load_full().filter(|found| found.at == at) {
            return addresses;
        }
        let mut addresses = Addresses { at, ..Addresses::default() };
        for instance in self.root.all_services() {
            if let Ok(ip) = instance.address.parse() {
                let names = addresses.by_address.entry(ip).or_default();
                names.insert((instance.name.clone(), instance.datacenter.clone()));
            }
        }
        let addresses = Arc::new(addresses);
        self.cache.addresses.store(Some(addresses.clone()));
        addresses
    }
}
