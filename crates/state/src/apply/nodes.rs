//! Machines: registration, status, eligibility.

use std::sync::Arc;

use model::{
    Allocation, ClientStatus, DesiredStatus, Eligibility, Evaluation, Node, NodeEvent, NodeId, NodeStatus,
    PoolName, Timestamp,
};

use super::{evals, pools};
use crate::{
    catalog,
    command::{Outcome, Refusal},
    root::Root,
    usage::computed_class,
};

/// How many events a node keeps.
const EVENTS_KEPT: usize = 10;

pub(super) fn register(
    root: &mut Root,
    index: u64,
    mut node: Node,
    evals: Vec<Evaluation>,
    now: Timestamp,
) -> Outcome {
    if node.pool.is_all() {
        // No node of ours says so; and in `all` it is anyway.
        node.pool = PoolName::default();
    }
    pools::make_for_node(root, index, &node.pool);
    let before = root.nodes.get(&node.id).cloned();
    let message = match &before {
        None => Some("Node registered"),
        Some(before) if before.status.is_gone() => Some("Node re-registered"),
        Some(_) => None,
    };
    node.create_index = before.as_ref().map_or(index, |before| before.create_index);
    node.modify_index = index;
    // Whoever was gone, or was forgotten with allocations on it, first has to tell what it still has.
    let must_sync = match &before {
        Some(before) => before.status.is_gone() || before.status == NodeStatus::Initializing,
        None => root.allocs_of_node(node.id).next().is_some(),
    };
    if must_sync {
        node.status = NodeStatus::Initializing;
    }
    node.drain = None;
    node.last_drain = None;
    if let Some(before) = &before {
        node.eligibility = before.eligibility;
        node.drain = before.drain.clone();
        node.last_drain = before.last_drain.clone();
        node.events = driver_events(index, before, &node, now);
    }
    if before.as_ref().is_none_or(|before| before.status != node.status) {
        node.status_updated_at = now;
    } else if let Some(before) = &before {
        node.status_updated_at = before.status_updated_at;
    }
    if let Some(message) = message {
        push_event(&mut node, index, event("Cluster", message, now));
    }
    put(root, index, node);
    evals::upsert_all(root, index, evals);
    Outcome::Done
}

/// The earlier events, and one for each driver whose health changed.
fn driver_events(index: u64, before: &Node, node: &Node, now: Timestamp) -> Vec<NodeEvent> {
    let mut kept = Node { events: before.events.clone(), ..Node::default() };
    for (name, driver) in &node.drivers {
        let was = before.drivers.get(name);
        if was.is_some_and(|was| was.healthy != driver.healthy) {
            push_event(&mut kept, index, event(&format!("Driver: {name}"), &driver.description, now));
        }
    }
    kept.events
}

pub(super) fn set_status(
    root: &mut Root,
    index: u64,
    id: NodeId,
    status: NodeStatus,
    event: Option<NodeEvent>,
    evals: Vec<Evaluation>,
    now: Timestamp,
) -> Outcome {
    let Some(node) = root.nodes.get(&id) else { return Outcome::Refused(Refusal::UnknownNode(id)) };
    let mut node = Node::clone(node);
    node.status = status;
    node.status_updated_at = now;
    node.modify_index = index;
    if let Some(event) = event {
        push_event(&mut node, index, event);
    }
    put(root, index, node);
    if status == NodeStatus::Down {
        give_up_stopping(root, index, id, now);
    }
    evals::upsert_all(root, index, evals);
    Outcome::Done
}

/// What was stopping on a node that is gone will not be reported as over any more.
fn give_up_stopping(root: &mut Root, index: u64, id: NodeId, now: Timestamp) {
    let stopping: Vec<_> = root
        .allocs_of_node(id)
        .filter(|alloc| alloc.desired != DesiredStatus::Run && !alloc.client.is_terminal())
        .cloned()
        .collect();
    for alloc in stopping {
        let mut alloc = Allocation::clone(&alloc);
        alloc.client = ClientStatus::Lost;
        alloc.modify_time = now;
        root.put_alloc(index, alloc);
    }
}

pub(super) fn set_eligibility(
    root: &mut Root,
    index: u64,
    id: NodeId,
    eligibility: Eligibility,
    evals: Vec<Evaluation>,
    now: Timestamp,
) -> Outcome {
    let Some(node) = root.nodes.get(&id) else { return Outcome::Refused(Refusal::UnknownNode(id)) };
    if eligibility == Eligibility::Eligible && node.drain.is_some() {
        return Outcome::Refused(Refusal::Draining(id));
    }
    let mut node = Node::clone(node);
    node.eligibility = eligibility;
    if eligibility == Eligibility::Eligible
        && let Some(last) = &mut node.last_drain
    {
        last.opened = true;
    }
    node.modify_index = index;
    let message = match eligibility {
        Eligibility::Eligible => "Node marked as eligible for scheduling",
        Eligibility::Ineligible => "Node marked as ineligible for scheduling",
    };
    push_event(&mut node, index, event("Cluster", message, now));
    put(root, index, node);
    evals::upsert_all(root, index, evals);
    Outcome::Done
}

/// Forgets the node. What the log says of its allocations stays; evaluations find them lost.
pub(super) fn purge(
    root: &mut Root,
    index: u64,
    id: NodeId,
    evals: Vec<Evaluation>,
    now: Timestamp,
) -> Outcome {
    if root.nodes.remove(&id).is_none() {
        return Outcome::Refused(Refusal::UnknownNode(id));
    }
    root.draining.remove(&id);
    root.gone.remove(&id);
    let left: Vec<_> =
        root.allocs_of_node(id).filter(|alloc| !alloc.is_terminal()).map(|alloc| alloc.id).collect();
    root.orphans.extend(left);
    root.usage.remove_node(id);
    give_up_stopping(root, index, id, now);
    root.indexes.nodes = index;
    evals::upsert_all(root, index, evals);
    Outcome::Done
}

/// The node told of everything it has: it may take more, if that is what it waited for.
pub(super) fn synced(root: &mut Root, index: u64, id: NodeId, now: Timestamp) {
    let Some(node) = root.nodes.get(&id).filter(|node| node.status == NodeStatus::Initializing) else {
        return;
    };
    let mut node = Node::clone(node);
    node.status = NodeStatus::Ready;
    node.status_updated_at = now;
    node.modify_index = index;
    put(root, index, node);
}

pub(super) fn event(subsystem: &str, message: &str, time: Timestamp) -> NodeEvent {
    NodeEvent { message: message.to_owned(), subsystem: subsystem.to_owned(), time, ..NodeEvent::default() }
}

pub(super) fn push_event(node: &mut Node, index: u64, event: NodeEvent) {
    if node.events.len() >= EVENTS_KEPT {
        node.events.remove(0);
    }
    node.events.push(NodeEvent { index, ..event });
}

pub(super) fn put(root: &mut Root, index: u64, mut node: Node) {
    node.computed_class = computed_class(&node);
    let before = root.nodes.get(&node.id).cloned();
    let node = Arc::new(node);
    root.enter_node(index, node.clone());
    root.indexes.nodes = index;
    catalog::node_changed(root, index, before.as_deref(), &node);
}
