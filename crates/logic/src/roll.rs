//! The table of agents in the log against what gossip says: what the leader has to write.
//!
//! Gossip forgets: a leader that has just started knows fewer members than the table has. So an agent that gossip has
//! never named is given time before it counts as failed, and stays as long as a failed one would.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{Agent, AgentStatus, NodeId, Timestamp};
use state::Root;

/// How long gossip may take to find an agent again after the leader began to look.
const FIND: Duration = Duration::from_secs(60);
/// How long a failed agent is kept in the table when nobody says that it left.
const KEEP_FAILED: Duration = Duration::from_secs(72 * 3600);
/// Agents written at once; the next look goes on.
const AT_ONCE: usize = 1000;

/// What gossip says of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    Alive,
    Failed,
    Left,
}

/// A member of this region. Of `agent`, what the table adds (status, times, indexes) is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub agent: Agent,
    pub presence: Presence,
}

/// What has to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub put: Vec<Agent>,
    pub gone: Vec<NodeId>,
    /// There may be more than this.
    pub more: bool,
    /// Members that are left out because another one that is alive has their name: new id, holder.
    pub refused: Vec<(NodeId, NodeId)>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty()
    }
}

/// Remembers, for as long as this server leads, whom gossip has named.
#[derive(Debug, Default)]
pub struct Roll {
    since: Option<Timestamp>,
    named: BTreeSet<NodeId>,
}

impl Roll {
    /// Compares. Same members, same table: nothing to write.
    pub fn look(&mut self, root: &Root, members: Vec<Member>, now: Timestamp) -> Changes {
        let since = *self.since.get_or_insert(now);
        let mut changes = Changes::default();
        let members = one_each(members);
        self.named.extend(members.keys());
        let names = holders(root, &members);
        for (id, member) in &members {
            let known = root.agents.get(id);
            if member.presence == Presence::Left {
                changes.gone.extend(known.map(|_| *id));
                continue;
            }
            match names.get(key(&member.agent).as_str()) {
                Some(holder) if holder != id => {
                    // Another machine under the name of a live one; or the one before it, which is replaced.
                    if member.presence == Presence::Alive {
                        changes.refused.push((*id, *holder));
                    }
                    changes.gone.extend(known.map(|_| *id));
                    continue;
                }
                _ => {}
            }
            let status =
                if member.presence == Presence::Alive { AgentStatus::Alive } else { AgentStatus::Failed };
            if let Some(known) = known
                && status == AgentStatus::Failed
                && known.status == AgentStatus::Failed
                && now.since(known.status_updated_at) >= KEEP_FAILED
            {
                changes.gone.push(*id);
                continue;
            }
            let mut agent = Agent { status, ..member.agent.clone() };
            // The node is registered, whatever the tags say.
            agent.client |= root.nodes.get(id).is_some();
            if known.is_none_or(|known| !known.says_the_same(&agent))
                // Nobody is told of one that was lost before it was ever known.
                && (known.is_some() || status == AgentStatus::Alive)
            {
                changes.put.push(agent);
            }
        }
        for (id, known) in root.agents.iter().filter(|(id, _)| !members.contains_key(id)) {
            let replaced = names.get(key(known).as_str()).is_some_and(|holder| holder != id);
            if replaced || self.named.contains(id) {
                // Gossip knew it and knows it no more: it was forgotten there, by time or by hand.
                changes.gone.push(*id);
            } else if known.status == AgentStatus::Failed {
                if now.since(known.status_updated_at) >= KEEP_FAILED {
                    changes.gone.push(*id);
                }
            } else if now.since(since) >= FIND {
                changes.put.push(Agent { status: AgentStatus::Failed, ..Agent::clone(known) });
            }
        }
        changes.more = changes.put.len() > AT_ONCE || changes.gone.len() > AT_ONCE;
        changes.put.truncate(AT_ONCE);
        changes.gone.truncate(AT_ONCE);
        changes
    }
}

/// Names are compared as DNS does.
fn key(agent: &Agent) -> String {
    agent.name.to_ascii_lowercase()
}

/// By id. Of several under one id, one that is there.
fn one_each(members: Vec<Member>) -> BTreeMap<NodeId, Member> {
    let mut each: BTreeMap<NodeId, Member> = BTreeMap::new();
    for member in members {
        match each.get(&member.agent.id) {
            Some(other) if other.presence <= member.presence => {}
            _ => {
                each.insert(member.agent.id, member);
            }
        }
    }
    each
}

/// Who has each name: the one that is alive; of several, the one in the table, else the one with the lowest id.
fn holders(root: &Root, members: &BTreeMap<NodeId, Member>) -> BTreeMap<String, NodeId> {
    let mut holders: BTreeMap<String, (bool, NodeId)> = BTreeMap::new();
    for (id, member) in members.iter().filter(|(_, member)| member.presence == Presence::Alive) {
        let is_new = root.agents.get(id).is_none();
        let candidate = (is_new, *id);
        holders
            .entry(key(&member.agent))
            .and_modify(|holder| *holder = candidate.min(*holder))
            .or_insert(candidate);
    }
    holders.into_iter().map(|(name, (_, id))| (name, id)).collect()
}

#[cfg(test)]
mod tests {
    use model::{Endpoint, Node};
    use state::Command;

    use super::*;

    fn member(id: u128, name: &str, presence: Presence) -> Member {
        let agent = Agent {
            id: NodeId(id),
            name: name.into(),
            address: format!("10.0.0.{id}"),
            http: Endpoint { address: String::new(), port: 4646 },
            ..Agent::default()
        };
        Member { agent, presence }
    }

    fn alive(id: u128) -> Member {
        member(id, &format!("a{id}"), Presence::Alive)
    }

    fn with(id: u128, presence: Presence) -> Member {
        Member { presence, ..alive(id) }
    }

    struct World {
        root: Root,
        roll: Roll,
        now: Timestamp,
    }

    impl World {
        fn new() -> Self {
            Self { root: Root::default(), roll: Roll::default(), now: Timestamp::from_secs(1000) }
        }

        /// Another leader: it remembers nothing.
        fn elect(&mut self) {
            self.roll = Roll::default();
        }

        fn wait(&mut self, secs: u64) {
            self.now = self.now.plus(Duration::from_secs(secs));
        }

        fn look(&mut self, members: Vec<Member>) -> Changes {
            let changes = self.roll.look(&self.root, members, self.now);
            let command = Command::UpdateAgents {
                put: changes.put.clone(),
                gone: changes.gone.clone(),
                epoch: None,
                now: self.now,
            };
            self.root.apply(self.root.index + 1, command);
            changes
        }

        fn table(&self) -> Vec<(u128, AgentStatus)> {
            self.root.agents.values().map(|agent| (agent.id.0, agent.status)).collect()
        }
    }

    #[test]
    fn the_table_follows_gossip_and_is_written_once() {
        let mut world = World::new();
        assert_eq!(world.look(vec![alive(1), alive(2)]).put.len(), 2);
        assert!(world.look(vec![alive(2), alive(1)]).is_empty());
        world.look(vec![alive(1), with(2, Presence::Failed)]);
        assert_eq!(world.table(), [(1, AgentStatus::Alive), (2, AgentStatus::Failed)]);
        world.look(vec![alive(1), alive(2)]);
        world.look(vec![alive(1), with(2, Presence::Left)]);
        assert_eq!(world.table(), [(1, AgentStatus::Alive)]);
        assert!(world.look(vec![alive(1), with(2, Presence::Left), with(3, Presence::Failed)]).is_empty());
    }

    #[test]
    fn whom_gossip_forgets_is_gone_but_a_new_leader_looks_for_it_first() {
        let mut world = World::new();
        world.look(vec![alive(1), alive(2), with(3, Presence::Alive)]);
        world.look(vec![alive(1), alive(2), with(3, Presence::Failed)]);
        world.look(vec![alive(1), alive(2)]);
        assert_eq!(world.table().len(), 2, "3 was forgotten by hand");

        world.elect();
        assert!(world.look(vec![alive(1)]).is_empty());
        world.wait(59);
        assert!(world.look(vec![alive(1)]).is_empty());
        world.wait(1);
        world.look(vec![alive(1)]);
        assert_eq!(world.table(), [(1, AgentStatus::Alive), (2, AgentStatus::Failed)]);
        world.wait(72 * 3600 - 1);
        assert!(world.look(vec![alive(1)]).is_empty());
        world.wait(1);
        assert_eq!(world.look(vec![alive(1)]).gone, [NodeId(2)]);
    }

    #[test]
    fn a_failed_agent_is_kept_for_three_days() {
        let mut world = World::new();
        world.look(vec![alive(1)]);
        world.look(vec![with(1, Presence::Failed)]);
        world.wait(72 * 3600);
        assert_eq!(world.look(vec![with(1, Presence::Failed)]).gone, [NodeId(1)]);
        assert!(world.look(vec![with(1, Presence::Failed)]).is_empty(), "and does not come back");
        assert_eq!(world.look(vec![alive(1)]).put.len(), 1);
    }

    #[test]
    fn a_name_belongs_to_whoever_is_alive_and_was_first() {
        let mut world = World::new();
        world.look(vec![member(5, "web", Presence::Alive)]);
        let both = || vec![member(5, "web", Presence::Alive), member(1, "WEB", Presence::Alive)];
        assert_eq!(world.look(both()).refused, [(NodeId(1), NodeId(5))]);
        assert_eq!(world.table(), [(5, AgentStatus::Alive)]);
        // Set up anew after a loss: the new one takes the name, the old row goes.
        world.look(vec![member(5, "web", Presence::Failed), member(1, "web", Presence::Alive)]);
        assert_eq!(world.table(), [(1, AgentStatus::Alive)]);
        // Under a new leader, too, which has never heard of the old one.
        world.elect();
        world.look(vec![member(7, "web", Presence::Alive)]);
        assert_eq!(world.table(), [(7, AgentStatus::Alive)]);
    }

    #[test]
    fn who_registered_a_node_runs_tasks() {
        let mut world = World::new();
        world.look(vec![alive(1)]);
        assert!(!world.root.agents[&NodeId(1)].client);
        let node = Node { id: NodeId(1), name: "a1".into(), ..Node::default() };
        world.root.apply(9, Command::RegisterNode { node, evals: vec![], now: world.now });
        assert!(world.look(vec![alive(1)]).put[0].client);
        assert!(world.look(vec![alive(1)]).is_empty());
    }

    #[test]
    fn many_are_written_bit_by_bit() {
        let mut world = World::new();
        let all: Vec<Member> = (1..=2500).map(alive).collect();
        let sizes: Vec<(usize, bool)> = (0..4)
            .map(|_| {
                let changes = world.look(all.clone());
                (changes.put.len(), changes.more)
            })
            .collect();
        assert_eq!(sizes, [(1000, true), (1000, true), (500, false), (0, false)]);
    }
}
