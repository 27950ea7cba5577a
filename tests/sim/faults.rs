//! Nodes that are gone, drains, and leaders that change.

use std::{collections::BTreeMap, time::Duration};

use logic::{
    blocked_evals::BlockedEvals,
    deployment_watcher::DeploymentWatcher,
    drainer,
    eval_broker::Broker,
    node_gateway::{evals_for_allocs_on, overdue},
    node_loss::commands_for_gone,
};
use model::{Drain, DrainDeadline, NodeId, Timestamp};
use rand::RngExt;
use state::Command;

use crate::world::{After, Event, WORKERS, World};

impl World {
    /// The machine no longer reaches the servers; what it runs goes on. They notice after a while.
    pub(crate) fn lose(&mut self, id: NodeId) {
        let Some(machine) = self.machines.get_mut(&id).filter(|machine| machine.online) else { return };
        machine.online = false;
        machine.absence += 1;
        let absence = machine.absence;
        let wait = self.millis(200, 6_000);
        self.after(wait, Event::Missed { node: id, absence });
    }

    /// The machine loses its power: nothing it ran is left.
    pub(crate) fn kill(&mut self, id: NodeId) {
        self.lose(id);
        if let Some(machine) = self.machines.get_mut(&id) {
            machine.power_off();
        }
    }

    /// Nobody heard of the machine for too long, unless it is back by now.
    pub(crate) fn missed(&mut self, id: NodeId, absence: u32) {
        let still =
            self.machines.get(&id).is_some_and(|machine| !machine.online && machine.absence == absence);
        if still {
            self.declare_gone(id);
        }
    }

    fn declare_gone(&mut self, id: NodeId) {
        let (root, now) = (self.root.clone(), self.now);
        let commands = commands_for_gone(&root, &[(id, "Node heartbeat missed")], now, &mut || self.id());
        if !commands.is_empty() {
            self.propose(commands, After::Nothing);
        }
    }

    /// What the leader's node watcher does besides: machines that were to be declared gone by a leader that is no
    /// more, and disconnected ones for which patience has run out.
    pub(crate) fn look_at_nodes(&mut self) {
        let (down, next) = overdue(&self.root, self.now);
        if let Some(at) = next {
            self.wake(at, Event::Overdue);
        }
        if self.patience_busy || down.is_empty() {
            return;
        }
        let (root, now) = (self.root.clone(), self.now);
        let gone: Vec<(NodeId, &str)> =
            down.into_iter().map(|id| (id, "Node stayed away too long")).collect();
        let commands = commands_for_gone(&root, &gone, now, &mut || self.id());
        if !commands.is_empty() {
            self.patience_busy = true;
            self.propose(commands, After::Patience);
        }
    }

    pub(crate) fn look_at_drains(&mut self) {
        if self.drainer_busy {
            return;
        }
        let (root, now) = (self.root.clone(), self.now);
        let look = drainer::look(&root, now, &mut || self.id());
        if let Some(at) = look.look_again {
            self.wake(at, Event::Drainer);
        }
        if !look.commands.is_empty() {
            self.drainer_busy = true;
            self.propose(look.commands, After::Drainer);
        }
    }

    /// One event per kind and time, so that many looks do not make many wakes.
    fn wake(&mut self, at: Timestamp, event: Event) {
        let key = (at, matches!(event, Event::Drainer));
        if self.wakes.insert(key) {
            self.after(at.since(self.now), event);
        }
        let now = self.now;
        self.wakes.retain(|(at, _)| *at >= now);
    }

    pub(crate) fn drain(&mut self, id: NodeId) {
        if !self.root.nodes.contains_key(&id) {
            return;
        }
        let now = self.now;
        let deadline = match self.rng.random_range(0..3) {
            0 => DrainDeadline::Never,
            1 => DrainDeadline::Force,
            _ => DrainDeadline::After(Duration::from_secs(self.rng.random_range(1..200))),
        };
        let force_at = match deadline {
            DrainDeadline::After(time) => Some(now.plus(time)),
            _ => None,
        };
        let ignore_system = self.one_in(4);
        let drain = Some(Drain { deadline, force_at, ignore_system, started_at: now, meta: BTreeMap::new() });
        let command = Command::SetNodeDrain { node: id, drain, mark_eligible: false, evals: vec![], now };
        self.propose(vec![command], After::Nothing);
    }

    pub(crate) fn end_drain(&mut self, id: NodeId) {
        if self.root.nodes.contains_key(&id) {
            let (mark_eligible, now) = (!self.one_in(3), self.now);
            let command = Command::SetNodeDrain { node: id, drain: None, mark_eligible, evals: vec![], now };
            self.propose(vec![command], After::Nothing);
        }
    }

    pub(crate) fn purge(&mut self, id: NodeId) {
        if self.root.nodes.contains_key(&id) {
            let (root, now) = (self.root.clone(), self.now);
            let evals = evals_for_allocs_on(&root, id, now, &mut || self.id());
            self.propose(vec![Command::PurgeNode { node: id, evals, now }], After::Nothing);
        }
    }

    /// Another server leads from now on. What the old one had in memory is gone; what it had proposed is in the log
    /// or never will be.
    pub(crate) fn change_leader(&mut self) -> Result<(), String> {
        let mut proposed = Vec::new();
        let mut kept = BTreeMap::new();
        for (key, event) in std::mem::take(&mut self.events) {
            match event {
                Event::Commit(commands, after) => proposed.push((commands, after)),
                Event::Ask { .. } | Event::Submit { .. } => {}
                other => {
                    kept.insert(key, other);
                }
            }
        }
        self.events = kept;
        for (commands, after) in proposed {
            let after = match after {
                After::Node(node) => After::Node(node),
                _ => After::Nothing,
            };
            if self.one_in(2) {
                self.apply_all(commands)?;
            }
            if let After::Node(node) = after {
                self.node_reported(node);
            }
        }
        self.trace.push(String::from("another server leads"));
        self.broker = Broker::default();
        self.blocked = BlockedEvals::default();
        self.watcher = DeploymentWatcher::default();
        self.forget_leader();
        for worker in 0..WORKERS {
            let wait = self.millis(0, 3);
            self.after(wait, Event::Ask { worker });
        }
        let away: Vec<NodeId> =
            self.machines.iter().filter(|(_, machine)| !machine.online).map(|(id, _)| *id).collect();
        for node in away {
            let absence = self.machines[&node].absence;
            let wait = self.millis(1_000, 10_000);
            self.after(wait, Event::Missed { node, absence });
        }
        self.notice();
        Ok(())
    }
}
