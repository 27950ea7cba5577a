//! Nodes that wait for assignments. Each is woken when something changed for it, and only then: with ten thousand
//! nodes, a wake-up of all for each entry of the log would leave time for nothing else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::NodeId;
use state::Root;
use tokio::sync::watch;

/// Clones share the list.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    nodes: HashMap<NodeId, watch::Sender<()>>,
    /// Indexes of the tables of nodes and allocations at the last look.
    seen: (u64, u64),
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fires when something changed for the node. Whoever waits looks at the state after this and before it waits.
    pub(super) fn wait_for(&self, node: NodeId) -> watch::Receiver<()> {
        self.lock().nodes.entry(node).or_default().subscribe()
    }

    /// Wakes those for which something changed since the last look.
    pub(super) fn wake(&self, root: &Root) {
        let mut inner = self.lock();
        let before = std::mem::replace(&mut inner.seen, (root.indexes.nodes, root.indexes.allocs));
        inner.nodes.retain(|_, node| node.receiver_count() > 0);
        if before == inner.seen || inner.nodes.is_empty() {
            return;
        }
        let seen = before.0.max(before.1);
        for slot in root.usage.slots.iter().filter(|slot| slot.assigned_index > seen) {
            if let Some(waiting) = inner.nodes.get(&slot.node) {
                waiting.send_replace(());
            }
        }
        if before.0 == inner.seen.0 {
            return;
        }
        for (node, waiting) in &inner.nodes {
            // Gone, forgotten, or back: the waiting one finds out which.
            if root.nodes.get(node).is_none_or(|row| row.modify_index > before.0) {
                waiting.send_replace(());
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().nodes.len()
    }
}
