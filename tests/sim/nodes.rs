//! Machines and their tasks: a node compares what it shall run with what runs, and reports.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use logic::node_gateway::{evals_for_node, evals_for_report};
use model::{
    AllocHealth, AllocId, AllocUpdate, Allocation, ClientStatus, DesiredStatus, Node, NodeId, NodeStatus,
    Timestamp,
};
use state::Command;

use crate::world::{After, Event, World};

/// A task is healthy after this long.
const MIN_HEALTHY: Duration = Duration::from_secs(10);

pub(crate) struct Machine {
    pub(crate) node: Node,
    /// Reaches the servers.
    pub(crate) online: bool,
    /// Counts how often it was cut off.
    pub(crate) absence: u32,
    reporting: bool,
    running: BTreeMap<AllocId, Timestamp>,
    /// Told to fail by a fault.
    pub(crate) failing: BTreeSet<AllocId>,
}

impl Machine {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            online: true,
            absence: 0,
            reporting: false,
            running: BTreeMap::new(),
            failing: BTreeSet::new(),
        }
    }

    pub(crate) fn power_off(&mut self) {
        self.running.clear();
        self.failing.clear();
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = AllocId> + '_ {
        self.running.keys().copied()
    }
}

impl World {
    /// Registers the machine, again if it was there before.
    pub(crate) fn connect(&mut self, id: NodeId) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        machine.online = true;
        machine.reporting = true;
        machine.node.status = NodeStatus::Ready;
        let node = machine.node.clone();
        let (root, now) = (self.root.clone(), self.now);
        let evals = evals_for_node(&root, &node, now, &mut || self.id());
        self.propose(vec![Command::RegisterNode { node, evals, now }], After::Node(id));
    }

    pub(crate) fn node_reported(&mut self, id: NodeId) {
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.reporting = false;
            self.after(Duration::from_millis(1), Event::Node(id));
        }
    }

    pub(crate) fn tick_node(&mut self, id: NodeId) {
        let Some(mut machine) = self.machines.remove(&id) else { return };
        let status = self.root.nodes.get(&id).map(|node| node.status);
        if !machine.online || machine.reporting {
            self.machines.insert(id, machine);
            return;
        }
        match status {
            Some(NodeStatus::Initializing) => self.tell_all(id, &mut machine),
            Some(NodeStatus::Ready) => self.look_at_tasks(id, &mut machine),
            // Purged, or declared gone by mistake: it registers again.
            _ => {
                self.machines.insert(id, machine);
                self.connect(id);
                return;
            }
        }
        self.machines.insert(id, machine);
    }

    /// The first report after an absence: everything that runs here, before the servers' orders are looked at.
    fn tell_all(&mut self, id: NodeId, machine: &mut Machine) {
        let root = self.root.clone();
        let updates: Vec<AllocUpdate> = machine
            .runs()
            .filter_map(|alloc| root.allocs.get(&alloc))
            .filter(|alloc| alloc.node == id)
            .map(|alloc| self.update(alloc, ClientStatus::Running, None))
            .collect();
        machine.reporting = true;
        let now = self.now;
        let evals = evals_for_report(&root, &updates, now, &mut || self.id());
        self.propose(vec![Command::UpdateAllocs { updates, evals, synced: Some(id), now }], After::Node(id));
    }

    fn look_at_tasks(&mut self, id: NodeId, machine: &mut Machine) {
        let root = self.root.clone();
        let known: BTreeSet<AllocId> = root.allocs_of_node(id).map(|alloc| alloc.id).collect();
        machine.running.retain(|alloc, _| known.contains(alloc));
        let mut updates = Vec::new();
        for alloc in root.allocs_of_node(id) {
            let bad = machine.failing.remove(&alloc.id) || (!self.calm && self.is_bad(alloc));
            let mut wait = None;
            let report = if alloc.desired != DesiredStatus::Run {
                // A lost one that still ran here ends now.
                let ran = machine.running.remove(&alloc.id).is_some();
                (ran || !alloc.client.is_terminal()).then_some((ClientStatus::Complete, None))
            } else {
                self.next_of(alloc, bad, machine, &mut wait)
            };
            if let Some((client, health)) = report {
                updates.push(self.update(alloc, client, health));
            }
            if let Some(wait) = wait {
                self.after(wait, Event::Node(id));
            }
        }
        if updates.is_empty() {
            return;
        }
        machine.reporting = true;
        let now = self.now;
        let evals = evals_for_report(&root, &updates, now, &mut || self.id());
        self.propose(vec![Command::UpdateAllocs { updates, evals, synced: None, now }], After::Node(id));
    }

    fn next_of(
        &mut self,
        alloc: &Allocation,
        bad: bool,
        machine: &mut Machine,
        wait: &mut Option<Duration>,
    ) -> Option<(ClientStatus, Option<bool>)> {
        match alloc.client {
            ClientStatus::Pending | ClientStatus::Unknown => {
                machine.running.entry(alloc.id).or_insert(self.now);
                Some((ClientStatus::Running, None))
            }
            ClientStatus::Running if bad => {
                machine.running.remove(&alloc.id);
                Some((ClientStatus::Failed, alloc.deployment.map(|_| false)))
            }
            ClientStatus::Running => {
                let since = *machine.running.entry(alloc.id).or_insert(self.now);
                let ran = self.now.since(since);
                if self.root.kind_of(alloc).completes() {
                    let needs = Duration::from_secs(20 + (alloc.id.0 % 100) as u64);
                    if ran >= needs {
                        machine.running.remove(&alloc.id);
                        return Some((ClientStatus::Complete, None));
                    }
                    *wait = Some(needs - ran);
                } else if alloc.deployment.is_some() && alloc.health.is_none() {
                    if ran >= MIN_HEALTHY {
                        return Some((ClientStatus::Running, Some(true)));
                    }
                    *wait = Some(MIN_HEALTHY - ran);
                }
                None
            }
            _ => {
                machine.running.remove(&alloc.id);
                None
            }
        }
    }

    /// Its version was written to fail.
    fn is_bad(&self, alloc: &Allocation) -> bool {
        self.root
            .group_of(alloc)
            .is_some_and(|group| group.tasks.iter().any(|task| task.env.contains_key("FAILS")))
    }

    fn update(&self, alloc: &Allocation, client: ClientStatus, healthy: Option<bool>) -> AllocUpdate {
        AllocUpdate {
            id: alloc.id,
            client,
            client_description: String::new(),
            tasks: std::sync::Arc::default(),
            services: Vec::new(),
            health: healthy
                .map(|healthy| AllocHealth { healthy, since: self.now, modify_index: 0 })
                .or(alloc.health),
            deployment: alloc.deployment,
            time: self.now,
        }
    }
}
