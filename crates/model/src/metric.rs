//! Why a placement went as it did: counted per class, constraint and dimension, never per node.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{ids::NodeId, node_pool::PoolName};

/// The scheduler's report on one placement (or on one group that could not be placed).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AllocMetric {
    pub nodes_evaluated: u32,
    pub nodes_filtered: u32,
    pub nodes_exhausted: u32,
    /// Whose nodes the job may use.
    pub pool: PoolName,
    /// Ready nodes of that pool, in whatever datacenter. Not counted where one node alone was looked at.
    pub nodes_in_pool: u32,
    /// Ready nodes per datacenter the job asks for.
    pub nodes_available: BTreeMap<String, u32>,
    pub class_filtered: BTreeMap<String, u32>,
    pub constraint_filtered: BTreeMap<String, u32>,
    pub class_exhausted: BTreeMap<String, u32>,
    pub dimension_exhausted: BTreeMap<String, u32>,
    /// The best nodes (at most five), best first.
    pub scores: Vec<NodeScore>,
    pub allocation_time: Duration,
    /// Further allocations of the group that failed for the same reason.
    pub coalesced_failures: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeScore {
    pub node: NodeId,
    /// Per scorer (`binpack`, `job-anti-affinity`, ...).
    pub scores: BTreeMap<String, f64>,
    pub normalized: f64,
}
