//! Which node comes closest to having room for a group, and whether any node is large enough at all.
//!
//! The scheduler counts why nodes were refused and names none of them. Here the same question is put once more, to what
//! the API says about nodes and allocations: a hint for people, not a decision.

use std::collections::{BTreeMap, BTreeSet};

use api::{AllocListStub, AllocMetric, NodeListStub, TaskGroup};
use serde::Serialize;

/// What an allocation asks for, or a node has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Amount {
    #[serde(rename = "CPU")]
    pub(super) cpu_mhz: i64,
    #[serde(rename = "MemoryMB")]
    pub(super) memory_mb: i64,
    #[serde(rename = "DiskMB")]
    pub(super) disk_mb: i64,
}

impl Amount {
    /// One allocation of the group.
    pub(super) fn of_group(group: &TaskGroup) -> Self {
        let tasks = group.tasks.iter().map(|task| match &task.resources {
            Some(asked) => (asked.cpu.unwrap_or(100), asked.memory_mb.unwrap_or(300)),
            None => (100, 300),
        });
        let (cpu_mhz, memory_mb) =
            tasks.fold((0, 0), |(cpu, memory): (i64, i64), (more_cpu, more_memory)| {
                (cpu.saturating_add(more_cpu), memory.saturating_add(more_memory))
            });
        let disk_mb = group.ephemeral_disk.as_ref().and_then(|disk| disk.size_mb).unwrap_or(300);
        Self { cpu_mhz, memory_mb, disk_mb }
    }

    fn of_node(node: &NodeListStub) -> Option<Self> {
        let total = node.node_resources.as_ref()?;
        let kept = node.reserved_resources.clone().unwrap_or_default();
        Some(Self {
            cpu_mhz: total.cpu.cpu_shares - kept.cpu.cpu_shares,
            memory_mb: total.memory.memory_mb - kept.memory.memory_mb,
            disk_mb: total.disk.disk_mb - kept.disk.disk_mb,
        })
    }

    fn of_alloc(alloc: &AllocListStub) -> Option<Self> {
        let held = alloc.allocated_resources.as_ref()?;
        Some(Self {
            cpu_mhz: held.tasks.values().map(|task| task.cpu.cpu_shares).sum(),
            memory_mb: held.tasks.values().map(|task| task.memory.memory_mb).sum(),
            disk_mb: held.shared.disk_mb,
        })
    }

    fn map(self, other: Self, by: impl Fn(i64, i64) -> i64) -> Self {
        Self {
            cpu_mhz: by(self.cpu_mhz, other.cpu_mhz),
            memory_mb: by(self.memory_mb, other.memory_mb),
            disk_mb: by(self.disk_mb, other.disk_mb),
        }
    }

    /// What is missing to be as much as `ask`.
    fn lacks(self, ask: Self) -> Self {
        ask.map(self, |ask, has| ask.saturating_sub(has).max(0))
    }

    /// Names, numbers and units of those that are not zero.
    pub(super) fn parts(self) -> impl Iterator<Item = (&'static str, i64, &'static str)> {
        let all =
            [("CPU", self.cpu_mhz, "MHz"), ("memory", self.memory_mb, "MB"), ("disk", self.disk_mb, "MB")];
        all.into_iter().filter(|(_, number, _)| *number != 0)
    }

    /// How much is missing, as shares of what is asked for.
    #[expect(clippy::cast_precision_loss, reason = "compared with others of its kind alone")]
    fn distance(self, ask: Self) -> f64 {
        let share = |lack: i64, ask: i64| if lack == 0 { 0.0 } else { lack as f64 / ask.max(1) as f64 };
        share(self.cpu_mhz, ask.cpu_mhz)
            + share(self.memory_mb, ask.memory_mb)
            + share(self.disk_mb, ask.disk_mb)
    }
}

/// The node that lacks least.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Closest {
    /// What one allocation asks for.
    pub(super) ask: Amount,
    /// Empty where it was not looked for: there are too many nodes, or none lacks anything.
    pub(super) node: String,
    pub(super) free: Amount,
    pub(super) lacks: Amount,
    /// The most that any one node has when it is empty.
    pub(super) largest: Amount,
    /// Nodes that would be large enough if they were empty.
    pub(super) large_enough: i64,
    /// Nodes left out for other reasons than room: the closest may be one of them.
    pub(super) constrained: bool,
}

/// What runs, per node.
pub(super) fn used(allocs: &[AllocListStub]) -> BTreeMap<&str, Amount> {
    let mut used: BTreeMap<&str, Amount> = BTreeMap::new();
    let over = |alloc: &&AllocListStub| {
        alloc.desired_status != "run" || matches!(&*alloc.client_status, "complete" | "failed" | "lost")
    };
    for alloc in allocs.iter().filter(|alloc| !over(alloc)) {
        if let Some(held) = Amount::of_alloc(alloc) {
            let sum = used.entry(&alloc.node_id).or_default();
            *sum = sum.map(held, i64::saturating_add);
        }
    }
    used
}

/// Looks at the nodes that the scheduler looked at. `used`: None where there are too many to ask about.
pub(super) fn closest(
    ask: Amount,
    metric: &AllocMetric,
    nodes: &[NodeListStub],
    used: Option<&BTreeMap<&str, Amount>>,
) -> Closest {
    let places: BTreeSet<&String> = metric.nodes_available.keys().collect();
    let mut found = Closest { ask, constrained: metric.nodes_filtered > 0, ..Closest::default() };
    let mut least = f64::INFINITY;
    for node in nodes {
        let takes = node.status == "ready" && node.scheduling_eligibility == "eligible";
        let Some(total) = Amount::of_node(node).filter(|_| takes && places.contains(&node.datacenter)) else {
            continue;
        };
        found.largest = found.largest.map(total, i64::max);
        found.large_enough += i64::from(total.lacks(ask) == Amount::default());
        let Some(used) = used else { continue };
        let free = total.map(used.get(&*node.id).copied().unwrap_or_default(), |total, used| total - used);
        let lacks = free.lacks(ask);
        let distance = lacks.distance(ask);
        if lacks != Amount::default() && distance < least {
            least = distance;
            found = Closest { node: node.id.clone(), free, lacks, ..found };
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn node(id: &str, memory: i64) -> Value {
        json!({
            "ID": id, "Datacenter": "dc1", "Status": "ready", "SchedulingEligibility": "eligible",
            "NodeResources": { "Cpu": { "CpuShares": 1100 }, "Memory": { "MemoryMB": memory }, "Disk": { "DiskMB": 9000 } },
            "ReservedResources": { "Cpu": { "CpuShares": 100 } },
        })
    }

    fn alloc(node: &str, memory: i64, client: &str) -> Value {
        json!({
            "NodeID": node, "DesiredStatus": "run", "ClientStatus": client,
            "AllocatedResources": {
                "Tasks": { "t": { "Cpu": { "CpuShares": 100 }, "Memory": { "MemoryMB": memory } } },
                "Shared": { "DiskMB": 300 },
            },
        })
    }

    #[test]
    fn the_closest_lacks_the_smallest_share() {
        let mut nodes: Vec<NodeListStub> =
            from_value(json!([node("a", 1000), node("b", 2000), node("c", 4000), node("d", 9000)])).unwrap();
        // Nothing is placed there, so its size means nothing.
        nodes[3].scheduling_eligibility = String::from("ineligible");
        let allocs: Vec<AllocListStub> = from_value(json!([
            alloc("a", 100, "running"),
            alloc("b", 1500, "complete"),
            alloc("c", 3500, "running"),
        ]))
        .unwrap();
        let ask = Amount { cpu_mhz: 500, memory_mb: 2500, disk_mb: 300 };
        let metric =
            AllocMetric { nodes_available: [(String::from("dc1"), 3)].into(), ..AllocMetric::default() };
        let used = used(&allocs);
        let found = closest(ask, &metric, &nodes, Some(&used));
        assert_eq!(found.node, "b");
        assert_eq!(found.free, Amount { cpu_mhz: 1000, memory_mb: 2000, disk_mb: 9000 });
        assert_eq!(found.lacks, Amount { cpu_mhz: 0, memory_mb: 500, disk_mb: 0 });
        assert_eq!((found.largest.memory_mb, found.large_enough), (4000, 1));

        let elsewhere =
            AllocMetric { nodes_available: [(String::from("dc2"), 0)].into(), ..AllocMetric::default() };
        assert_eq!(closest(ask, &elsewhere, &nodes, None), Closest { ask, ..Closest::default() });
    }
}
