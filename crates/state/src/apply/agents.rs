//! Members of the cluster, as the leader saw them.

use std::sync::Arc;

use model::{Agent, NodeId, Timestamp};

use crate::{
    catalog,
    command::{Epoch, Outcome},
    root::Root,
};

pub(super) fn update(
    root: &mut Root,
    index: u64,
    put: Vec<Agent>,
    gone: Vec<NodeId>,
    epoch: Option<Epoch>,
    now: Timestamp,
) -> Outcome {
    if let Some(epoch) = epoch {
        root.epoch = epoch;
    }
    for mut agent in put {
        let before = root.agents.get(&agent.id);
        if before.is_some_and(|before| before.says_the_same(&agent)) {
            continue;
        }
        agent.create_index = before.map_or(index, |before| before.create_index);
        agent.modify_index = index;
        agent.status_updated_at = before
            .filter(|before| before.status == agent.status)
            .map_or(now, |before| before.status_updated_at);
        let id = agent.id;
        catalog::put_agent(root, index, Arc::new(agent));
        catalog::health_changed(root, index, id);
        root.indexes.agents = index;
    }
    for id in gone {
        if root.agents.remove(&id).is_some() {
            catalog::refresh_agent(root, index, id);
            catalog::health_changed(root, index, id);
            root.indexes.agents = index;
        }
    }
    Outcome::Done
}
