//! Machines: registration, status, eligibility.

use std::sync::Arc;

use model::{Eligibility, Evaluation, Node, NodeEvent, NodeId, NodeStatus, Timestamp};

use super::evals;
use crate::{
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
    let before = root.nodes.get(&node.id).cloned();
    let message = match &before {
        None => Some("Node registered"),
        Some(before) if before.status == NodeStatus::Down => Some("Node re-registered"),
        Some(_) => None,
    };
    node.create_index = before.as_ref().map_or(index, |before| before.create_index);
    node.modify_index = index;
    if let Some(before) = &before {
        node.eligibility = before.eligibility;
        node.events = driver_events(index, before, &node, now);
    }
    if before.as_ref().is_none_or(|before| before.status != node.status) {
        node.status_updated_at = now;
    } else if let Some(before) = &before {
        node.status_updated_at = before.status_updated_at;
    }
    if let Some(message) = message {
        push_event(
            &mut node,
            NodeEvent { message: message.into(), subsystem: "Cluster".into(), time: now, index },
        );
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
            push_event(
                &mut kept,
                NodeEvent {
                    message: driver.description.clone(),
                    subsystem: format!("Driver: {name}"),
                    time: now,
                    index,
                },
            );
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
        push_event(&mut node, NodeEvent { index, ..event });
    }
    put(root, index, node);
    evals::upsert_all(root, index, evals);
    Outcome::Done
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
    let mut node = Node::clone(node);
    node.eligibility = eligibility;
    node.modify_index = index;
    let message = match eligibility {
        Eligibility::Eligible => "Node marked as eligible for scheduling",
        Eligibility::Ineligible => "Node marked as ineligible for scheduling",
    };
    push_event(
        &mut node,
        NodeEvent { message: message.into(), subsystem: "Cluster".into(), time: now, index },
    );
    put(root, index, node);
    evals::upsert_all(root, index, evals);
    Outcome::Done
}

fn push_event(node: &mut Node, event: NodeEvent) {
    if node.events.len() >= EVENTS_KEPT {
        node.events.remove(0);
    }
    node.events.push(event);
}

fn put(root: &mut Root, index: u64, mut node: Node) {
    node.computed_class = computed_class(&node);
    let node = Arc::new(node);
    root.usage.put_node(index, &node);
    root.nodes.insert(node.id, node);
    root.indexes.nodes = index;
}
