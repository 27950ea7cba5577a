//! What is written when nodes are given up: their new status, and one evaluation for each job they ran.

use std::collections::BTreeSet;

use model::{JobKey, Node, NodeEvent, NodeId, NodeStatus, Timestamp};
use state::{Command, Root};

use crate::node_gateway::{evals_for_node, gone_status, overdue};

/// One command per node of `gone` that the state does not know as gone for good; with words why. A job with
/// allocations on several of them is looked at once.
pub fn commands_for_gone(
    root: &Root,
    gone: &[(NodeId, &str)],
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut told: BTreeSet<JobKey> = BTreeSet::new();
    let mut seen: BTreeSet<NodeId> = BTreeSet::new();
    for (id, words) in gone {
        let Some(node) = root.nodes.get(id) else { continue };
        let status = gone_status(root, node, now).status;
        if node.status == NodeStatus::Down || node.status == status || !seen.insert(*id) {
            continue;
        }
        let after = Node { status, ..Node::clone(node) };
        let mut evals = evals_for_node(root, &after, now, ids);
        evals.retain(|eval| told.insert(eval.job.clone()));
        let event = NodeEvent {
            message: (*words).to_owned(),
            subsystem: "Cluster".to_owned(),
            time: now,
            ..NodeEvent::default()
        };
        commands.push(Command::SetNodeStatus { node: *id, status, event: Some(event), evals, now });
    }
    commands
}

/// Disconnected nodes on which nothing waits for their return any more.
pub fn disconnects_over(root: &Root, now: Timestamp) -> Vec<NodeId> {
    overdue(root, now).0
}
