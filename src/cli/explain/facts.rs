//! What is known of a job, an allocation or an evaluation: answers of the API, and the little that follows from them.

use std::collections::BTreeMap;

use api::{AllocListStub, Allocation, Deployment, Evaluation, Job, JobSummary};
use serde::Serialize;

use super::room::Closest;

/// By node id: those that something said below is about.
pub(super) type Nodes = BTreeMap<String, NodeFacts>;

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NodeFacts {
    pub(super) name: String,
    pub(super) datacenter: String,
    pub(super) class: String,
    pub(super) status: String,
    pub(super) eligible: bool,
    pub(super) draining: bool,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct JobFacts {
    pub(super) job: Job,
    pub(super) summary: JobSummary,
    /// Newest first.
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) allocations: Vec<AllocListStub>,
    pub(super) deployment: Option<Deployment>,
    pub(super) nodes: Nodes,
    pub(super) elsewhere: Elsewhere,
    /// Per group that found no room.
    pub(super) closest: BTreeMap<String, Closest>,
}

/// Where the job wants to be, and all nodes: how many take nothing, and what keeps them from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Elsewhere {
    /// Datacenters of the job; empty where it is forgotten.
    pub(super) asked: Vec<String>,
    pub(super) datacenters: Vec<String>,
    /// Pool of nodes of the job; empty where it is forgotten.
    pub(super) pool: String,
    pub(super) pools: Vec<String>,
    pub(super) nodes: i64,
    pub(super) not_ready: i64,
    pub(super) draining: i64,
    pub(super) ineligible: i64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AllocFacts {
    /// Without its job.
    pub(super) allocation: Allocation,
    pub(super) job_version: u64,
    /// None where the group's policy has no limit.
    pub(super) reschedule_attempts: Option<i64>,
    pub(super) evaluation: Option<Evaluation>,
    pub(super) followup: Option<Evaluation>,
    pub(super) previous: Option<Allocation>,
    pub(super) next: Option<Allocation>,
    pub(super) preempted: Vec<Allocation>,
    pub(super) preempted_by: Option<Allocation>,
    pub(super) nodes: Nodes,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EvalFacts {
    pub(super) evaluation: Evaluation,
    pub(super) previous: Option<Evaluation>,
    pub(super) next: Option<Evaluation>,
    pub(super) blocked: Option<Evaluation>,
    /// Placed by it.
    pub(super) allocations: Vec<AllocListStub>,
    pub(super) nodes: Nodes,
    pub(super) elsewhere: Elsewhere,
    pub(super) closest: BTreeMap<String, Closest>,
}

/// The evaluation that says why groups found no place: the one that waits, or the one that made it.
pub(super) fn failing<'a>(
    eval: &'a Evaluation,
    previous: impl FnOnce() -> Option<&'a Evaluation>,
) -> Option<&'a Evaluation> {
    let says = |eval: &&Evaluation| !eval.failed_tg_allocs.is_empty();
    Some(eval).filter(says).or_else(|| previous().filter(|_| eval.status == "blocked").filter(says))
}

/// `laptop (58b5acd3)`, or the id alone where the node is forgotten.
pub(super) fn node_name(nodes: &Nodes, id: &str) -> String {
    let id_text = crate::cli::format::short(id, false);
    match nodes.get(id).filter(|node| !node.name.is_empty()) {
        Some(node) => format!("{} ({id_text})", node.name),
        None => id_text,
    }
}
