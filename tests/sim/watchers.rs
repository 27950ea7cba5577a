//! What the leader watches besides evaluations: roll-outs, and what was lost without anybody looking.

use logic::{deployment_watcher, node_gateway::evals_for_lost, per_node_jobs::evals_for_turned_nodes};
use state::Command;

use crate::world::{After, Event, World};

impl World {
    pub(crate) fn look_for_lost(&mut self) {
        if self.gateway_busy {
            return;
        }
        let (root, now) = (self.root.clone(), self.now);
        let mut evals = evals_for_lost(&root, now, &mut || self.id());
        evals.extend(evals_for_turned_nodes(&root, now, &mut || self.id()));
        if !evals.is_empty() {
            self.gateway_busy = true;
            self.propose(vec![Command::UpdateEvals { evals }], After::Gateway);
        }
    }

    pub(crate) fn look_at_deployments(&mut self) {
        if self.watcher_busy {
            return;
        }
        let root = self.root.clone();
        let look = self.watcher.look(&root, self.now);
        if let Some(at) = look.wake_at
            && (self.watcher_wakes <= self.now || at < self.watcher_wakes)
        {
            self.watcher_wakes = at;
            self.after(at.since(self.now), Event::Watcher);
        }
        let now = self.now;
        let of = |effect| deployment_watcher::command(&root, effect, now, &mut || self.id());
        let commands: Vec<Command> = look.effects.iter().filter_map(of).collect();
        if !commands.is_empty() {
            self.watcher_busy = true;
            self.propose(commands, After::Watcher);
        }
    }
}
