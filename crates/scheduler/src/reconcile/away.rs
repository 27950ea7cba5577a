//! Allocations whose node cannot be reached, and those that came back with it.
//!
//! A node that is down takes its allocations with it: they are lost and replaced at once. A group may ask for
//! patience (`disconnect`): then they are unknown for a while, with or without a replacement. Whoever comes back
//! meets what replaced it, and one of the two stops.

use std::time::Duration;

use model::{Allocation, ClientStatus, Disconnect, Node, NodeStatus, Reconcile, TaskGroup, Timestamp};
use state::Root;

use super::Work;

/// What an allocation that has not ended can be counted on for, as far as its node is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Its node is reachable, or will report of it soon.
    Here,
    /// Given up with its node.
    Lost,
    /// Its node was just cut off; unknown from now on, lost at the time, if there is one.
    CutOff { until: Option<Timestamp>, replace: bool },
    /// It was declared unknown before; lost at the time, unless the node is back and only has to report.
    Unknown { until: Option<Timestamp>, replace: bool },
}

pub(super) fn whereabouts(root: &Root, alloc: &Allocation, now: Timestamp) -> Whereabouts {
    let policy = root.group_of(alloc).and_then(patience);
    let replace = policy.is_none_or(|policy| policy.replace);
    let is_unknown = alloc.client == ClientStatus::Unknown;
    match root.nodes.get(&alloc.node).map(|node| node.status) {
        None | Some(NodeStatus::Down) => Whereabouts::Lost,
        Some(NodeStatus::Disconnected) => match (policy, alloc.client) {
            (Some(policy), ClientStatus::Running) => Whereabouts::CutOff { until: end(policy, now), replace },
            (Some(policy), ClientStatus::Unknown) => match end(policy, alloc.unknown_since.unwrap_or(now)) {
                Some(until) if until <= now => Whereabouts::Lost,
                until => Whereabouts::Unknown { until, replace },
            },
            // What had not even started is not worth waiting for.
            _ => Whereabouts::Lost,
        },
        Some(_) if is_unknown => Whereabouts::Unknown { until: None, replace },
        Some(_) => Whereabouts::Here,
    }
}

/// Where the allocation is. Enters into the work what follows for one that may run on unseen: that it is unknown, and
/// when somebody has to look again.
pub(super) fn look(root: &Root, alloc: &Allocation, now: Timestamp, work: &mut Work<'_>) -> Whereabouts {
    let found = whereabouts(root, alloc, now);
    match found {
        Whereabouts::CutOff { until, .. } => {
            work.unknown.push(alloc.id);
            work.expire.extend(until.map(|until| (alloc.id, until)));
        }
        Whereabouts::Unknown { until: Some(until), .. } if !is_awaited(root, alloc) => {
            work.expire.push((alloc.id, until));
        }
        Whereabouts::Here | Whereabouts::Lost | Whereabouts::Unknown { .. } => {}
    }
    found
}

/// An evaluation is on its way that will look at the allocation in time.
fn is_awaited(root: &Root, alloc: &Allocation) -> bool {
    let followup = alloc.followup_eval.and_then(|id| root.evals.get(&id));
    followup.is_some_and(|followup| !followup.status.is_terminal())
}

/// The group's `disconnect`, if it asks for any patience.
fn patience(group: &TaskGroup) -> Option<&Disconnect> {
    group.disconnect.as_ref().filter(|disconnect| disconnect.patience().is_some())
}

/// When patience ends; `None`: never.
fn end(policy: &Disconnect, since: Timestamp) -> Option<Timestamp> {
    policy.patience().filter(|patience| *patience < Disconnect::FOR_EVER).map(|patience| since.plus(patience))
}

/// Whether the one that came back stays, rather than `rival`, which replaced it.
///
/// Without a `disconnect` block the replacement stays once it proved itself; until then the one that runs already is
/// the better choice.
pub(super) fn original_stays(
    group: &TaskGroup,
    original: &Allocation,
    rival: &Allocation,
    now: Timestamp,
) -> bool {
    match rival.client {
        ClientStatus::Failed | ClientStatus::Lost | ClientStatus::Unknown => return true,
        ClientStatus::Complete => return false,
        ClientStatus::Pending | ClientStatus::Running => {}
    }
    let Some(policy) = patience(group) else { return !rival.is_healthy() };
    match policy.reconcile {
        Reconcile::KeepOriginal => true,
        Reconcile::KeepReplacement => false,
        Reconcile::LongestRunning => ran_for(original, now) >= ran_for(rival, now),
        Reconcile::BestScore => {
            let running = |alloc: &Allocation| alloc.client == ClientStatus::Running;
            match (score(original), score(rival)) {
                (Some(original), Some(rival)) if original != rival => original > rival,
                _ => running(original) || !running(rival),
            }
        }
    }
}

/// How long all of its tasks have been running.
fn ran_for(alloc: &Allocation, now: Timestamp) -> Duration {
    if alloc.client != ClientStatus::Running {
        return Duration::ZERO;
    }
    let since = alloc.tasks.values().map(|task| task.started_at).max().unwrap_or(alloc.create_time);
    now.since(since)
}

/// How good its node was when it was placed.
fn score(alloc: &Allocation) -> Option<f64> {
    let metric = alloc.metric.as_ref()?;
    metric.scores.iter().find(|score| score.node == alloc.node).map(|score| score.normalized)
}

/// Nothing may stay on the node of the allocation any longer.
pub(super) fn must_leave_now(node: Option<&Node>, now: Timestamp) -> bool {
    node.and_then(|node| node.drain.as_ref()).is_some_and(|drain| drain.is_forced(now))
}
