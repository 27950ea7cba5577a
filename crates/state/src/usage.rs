//! What is used on each node, in dense slots that the scheduler walks without touching a node's row, and the
//! classes of nodes that pass or fail the same constraints.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use model::{AssignedPort, Capacity, Claims, Node, NodeId};

use crate::claimable::Claimable;

/// Host ports in use on one node: a sorted list behind a pointer, so that a snapshot copies nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSet(Arc<Vec<u16>>);

impl PortSet {
    pub fn contains(&self, port: u16) -> bool {
        self.0.binary_search(&port).is_ok()
    }

    pub fn insert(&mut self, port: u16) {
        if let Err(at) = self.0.binary_search(&port) {
            Arc::make_mut(&mut self.0).insert(at, port);
        }
    }

    pub fn remove(&mut self, port: u16) {
        if let Ok(at) = self.0.binary_search(&port) {
            Arc::make_mut(&mut self.0).remove(at);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        Self(Arc::new(ports))
    }
}

/// Host ports that allocations share with whoever else is there, once for each that does: sorted, behind a pointer as
/// [`PortSet`] is, and nearly always empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedPorts(Arc<Vec<u16>>);

impl SharedPorts {
    /// By how many allocations.
    pub fn count(&self, port: u16) -> usize {
        let first = self.0.partition_point(|&held| held < port);
        self.0[first..].iter().take_while(|&&held| held == port).count()
    }

    pub fn insert(&mut self, port: u16) {
        let at = self.0.partition_point(|&held| held < port);
        Arc::make_mut(&mut self.0).insert(at, port);
    }

    /// Of one of them.
    pub fn remove(&mut self, port: u16) {
        if let Ok(at) = self.0.binary_search(&port) {
            Arc::make_mut(&mut self.0).remove(at);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What an allocation takes of its node, all of it.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    /// With what its cores count.
    pub capacity: Capacity,
    pub ports: &'a [AssignedPort],
    pub claims: Option<&'a Claims>,
}

impl<'a> Room<'a> {
    /// `group`: what its task group asks for, cores not counted.
    pub fn new(group: Capacity, ports: &'a [AssignedPort], claims: Option<&'a Claims>) -> Self {
        let cpu_mhz = claims.map_or(0, Claims::cpu_mhz);
        Self { capacity: group.plus(Capacity { cpu_mhz, ..Capacity::default() }), ports, claims }
    }

    /// Those that nobody else may have.
    pub fn port_numbers(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.ports.iter().filter(|port| !port.ignore_collision).map(|port| port.value)
    }

    /// Those that others may have too.
    pub fn shared_ports(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.ports.iter().filter(|port| port.ignore_collision).map(|port| port.value)
    }
}

/// One node as the scheduler sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    pub node: NodeId,
    /// Index into [`Usage::classes`].
    pub class: u32,
    /// Ready and eligible.
    pub schedulable: bool,
    /// Capacity less what is reserved.
    pub total: Capacity,
    /// Sum over the node's allocations that shall run and have not ended.
    pub used: Capacity,
    /// Number of those.
    pub allocs: u32,
    /// Their ports and the reserved ones, without those that they share.
    pub ports: PortSet,
    /// Those that they share.
    pub shared_ports: SharedPorts,
    /// Its cores and devices; `None` where there are none. Behind a pointer: few jobs ask for them.
    pub claimable: Option<Arc<Claimable>>,
    /// First and last dynamic port.
    pub dynamic_ports: (u16, u16),
    /// Index at which room last appeared on the node, or what runs there may be evicted.
    pub freed_index: u64,
    /// Index of the last change by the servers to one of the node's allocations: what the node waits for.
    pub assigned_index: u64,
}

/// Nodes that are alike in all that constraints look at.
#[derive(Debug, Clone)]
pub struct Class {
    /// `v1:<hash>`, as the API shows it.
    pub hash: Arc<str>,
    /// One of them, to test constraints on; kept also when that node is gone.
    pub sample: Arc<Node>,
    /// How many nodes are in the class now.
    pub nodes: u32,
    /// Index at which room last appeared in the class: something ended or may be evicted now, a node came, became
    /// ready or grew. What blocked evaluations wait for.
    pub freed_index: u64,
}

/// Slots and classes.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    pub slots: Vector<Slot>,
    pub classes: Vector<Class>,
    /// Index at which a node last began or ceased to take allocations, was heard or lost, or changed what constraints
    /// look at: what jobs wait for that run on every node.
    pub turned_index: u64,
    slot_of: OrdMap<NodeId, u32>,
    class_of: OrdMap<Arc<str>, u32>,
}

impl Usage {
    pub fn slot(&self, node: NodeId) -> Option<&Slot> {
        self.slots.get(*self.slot_of.get(&node)? as usize)
    }

    /// Position of the node's slot in [`Usage::slots`].
    pub fn slot_index(&self, node: NodeId) -> Option<usize> {
        self.slot_of.get(&node).map(|&index| index as usize)
    }

    pub(crate) fn slot_mut(&mut self, node: NodeId) -> Option<&mut Slot> {
        self.slots.get_mut(*self.slot_of.get(&node)? as usize)
    }

    /// Enters or refreshes a node; what is used on it stays.
    pub(crate) fn put_node(&mut self, index: u64, node: &Arc<Node>) {
        let class = self.class_id(node);
        let old_class = self.slot(node.id).map(|slot| slot.class);
        if old_class != Some(class) {
            if let Some(old) = old_class {
                self.classes[old as usize].nodes -= 1;
            }
            self.classes[class as usize].nodes += 1;
        }
        let total = node.available();
        let schedulable = node.is_schedulable();
        let claimable = self.claimable_of(node);
        let grew = self.slot(node.id).is_none_or(|slot| {
            (schedulable && !slot.schedulable)
                || total.exceeds(slot.total).is_some()
                || exceeds(claimable.as_deref(), slot.claimable.as_deref())
                || old_class != Some(class)
        });
        if schedulable && grew {
            self.classes[class as usize].freed_index = index;
        }
        if let Some(slot) = self.slot_mut(node.id) {
            if schedulable && grew {
                slot.freed_index = index;
            }
            slot.class = class;
            slot.total = total;
            slot.claimable = claimable;
            slot.schedulable = schedulable;
            slot.dynamic_ports = node.dynamic_ports;
            for &port in &node.reserved_ports {
                slot.ports.insert(port);
            }
            return;
        }
        let slot = Slot {
            node: node.id,
            class,
            schedulable,
            total,
            used: Capacity::default(),
            allocs: 0,
            ports: node.reserved_ports.iter().copied().collect(),
            shared_ports: SharedPorts::default(),
            claimable,
            dynamic_ports: node.dynamic_ports,
            freed_index: index,
            assigned_index: 0,
        };
        let index = self.slots.len() as u32;
        self.slots.push_back(slot);
        self.slot_of.insert(node.id, index);
    }

    /// What the node offers now, and what is held on it; the same pointer if nothing changed.
    fn claimable_of(&self, node: &Node) -> Option<Arc<Claimable>> {
        let before = self.slot(node.id).and_then(|slot| slot.claimable.as_ref());
        let now = before.map_or_else(Claimable::default, |before| Claimable::clone(before)).of_node(node);
        match before {
            Some(before) if **before == now => Some(before.clone()),
            _ => (!now.is_empty()).then(|| Arc::new(now)),
        }
    }

    /// Forgets a node; the last slot takes its place.
    pub(crate) fn remove_node(&mut self, node: NodeId) {
        let Some(at) = self.slot_of.remove(&node) else { return };
        let Some(last) = self.slots.pop_back() else { return };
        let gone = if last.node == node {
            last
        } else {
            self.slot_of.insert(last.node, at);
            std::mem::replace(&mut self.slots[at as usize], last)
        };
        self.classes[gone.class as usize].nodes -= 1;
    }

    pub(crate) fn add(&mut self, node: NodeId, room: &Room<'_>) {
        if let Some(slot) = self.slot_mut(node) {
            slot.used = slot.used.plus(room.capacity);
            slot.allocs += 1;
            for port in room.port_numbers() {
                slot.ports.insert(port);
            }
            room.shared_ports().for_each(|port| slot.shared_ports.insert(port));
            if let Some(claims) = room.claims {
                Arc::make_mut(slot.claimable.get_or_insert_default()).hold(claims);
            }
        }
    }

    pub(crate) fn release(&mut self, index: u64, node: NodeId, room: &Room<'_>) {
        if let Some(slot) = self.slot_mut(node) {
            slot.used = slot.used.minus(room.capacity);
            slot.allocs = slot.allocs.saturating_sub(1);
            for port in room.port_numbers() {
                slot.ports.remove(port);
            }
            room.shared_ports().for_each(|port| slot.shared_ports.remove(port));
            if let (Some(claims), Some(claimable)) = (room.claims, &mut slot.claimable) {
                Arc::make_mut(claimable).release(claims);
            }
            slot.freed_index = index;
            let class = slot.class as usize;
            self.classes[class].freed_index = index;
        }
    }

    /// What runs may have to give way from now on.
    pub(crate) fn may_be_evicted(&mut self, index: u64) {
        for class in self.classes.iter_mut() {
            class.freed_index = index;
        }
        for slot in self.slots.iter_mut() {
            slot.freed_index = index;
        }
    }

    fn class_id(&mut self, node: &Arc<Node>) -> u32 {
        if let Some(&id) = self.class_of.get(node.computed_class.as_str()) {
            return id;
        }
        let hash: Arc<str> = node.computed_class.as_str().into();
        let id = self.classes.len() as u32;
        self.classes.push_back(Class { hash: hash.clone(), sample: node.clone(), nodes: 0, freed_index: 0 });
        self.class_of.insert(hash, id);
        id
    }
}

/// The first offers something that the second does not.
fn exceeds(now: Option<&Claimable>, before: Option<&Claimable>) -> bool {
    now.is_some_and(|now| match before {
        Some(before) => now.exceeds(before),
        None => now.exceeds(&Claimable::default()),
    })
}

/// Hash over all that feasibility may look at and that nodes can share: datacenter, class, pool, attributes and meta whose
/// keys do not start with `unique.`, which drivers are healthy, and of which devices there are how many healthy ones.
pub fn computed_class(node: &Node) -> String {
    let mut hash = Fnv::default();
    hash.text(&node.datacenter);
    hash.text(&node.class);
    // The default one is left out: classes of states from before there were pools stay what they are.
    if !node.pool.is_default() {
        hash.text("pool");
        hash.text(node.pool.as_str());
    }
    for (kind, map) in [("attr", &node.attributes), ("meta", &node.meta)] {
        for (key, value) in map.iter().filter(|(key, _)| !key.starts_with("unique.")) {
            hash.text(kind);
            hash.text(key);
            hash.text(value);
        }
    }
    for (name, driver) in &node.drivers {
        hash.text(name);
        hash.text(if driver.detected && driver.healthy { "healthy" } else { "unhealthy" });
    }
    for group in &node.devices {
        hash.text("device");
        hash.text(&group.name.vendor);
        hash.text(&group.name.kind);
        hash.text(&group.name.model);
        hash.text(&group.healthy().count().to_string());
        for (key, value) in &group.attributes {
            hash.text(key);
            hash.text(value);
        }
    }
    format!("v1:{:016x}", hash.0)
}

/// FNV-1a, 64 bits: stable over versions and machines, which the standard library's hashers are not.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn text(&mut self, text: &str) {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        for byte in (text.len() as u64).to_be_bytes().into_iter().chain(text.bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
