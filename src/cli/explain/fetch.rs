//! Facts from the HTTP API. What was collected as garbage in the meantime is left out; all else is a failure.

use std::collections::{BTreeMap, BTreeSet};

use api::{AllocListStub, Allocation, Deployment, Evaluation, Job, JobSummary, NodeListStub};
use serde::de::DeserializeOwned;

use super::{
    facts::{AllocFacts, Elsewhere, EvalFacts, JobFacts, NodeFacts, Nodes, failing},
    room::{self, Amount, Closest},
};
use crate::cli::{
    client::{Client, ClientError, element},
    output::Failure,
};

/// With more nodes than this, nobody asks what each of them has left: the answer would be long.
const MOST_NODES: usize = 200;

pub(super) fn job(client: &Client, id: &str) -> Result<JobFacts, Failure> {
    let path = format!("/v1/job/{}", element(id));
    let job: Job = client.get(&path, &[]).map_err(|error| error.while_doing("querying job"))?;
    let summary: Option<JobSummary> = optional(client, &format!("{path}/summary"))?;
    let mut evaluations: Vec<Evaluation> = get(client, &format!("{path}/evaluations"), &[])?;
    evaluations.sort_by(|a, b| b.create_index.cmp(&a.create_index).then_with(|| a.id.cmp(&b.id)));
    let allocations: Vec<AllocListStub> = get(client, &format!("{path}/allocations"), &[])?;
    let deployment: Option<Deployment> = optional(client, &format!("{path}/deployment"))?;
    let all = nodes(client)?;
    let waiting = evaluations.iter().find(|eval| eval.status == "blocked");
    let failing = waiting.and_then(|eval| {
        failing(eval, || evaluations.iter().find(|previous| previous.id == eval.previous_eval))
    });
    let closest = closest(client, Some(&job), failing, &all)?;
    let wanted = allocations.iter().map(|alloc| &alloc.node_id).chain(closest.values().map(|one| &one.node));
    Ok(JobFacts {
        nodes: only(&all, wanted),
        elsewhere: elsewhere(&all, Some(&job)),
        job,
        summary: summary.unwrap_or_default(),
        evaluations,
        allocations,
        deployment: deployment.filter(|deployment| !deployment.id.is_empty()),
        closest,
    })
}

pub(super) fn alloc(client: &Client, id: &str) -> Result<AllocFacts, Failure> {
    let mut allocation: Allocation = client
        .get(&format!("/v1/allocation/{}", element(id)), &[])
        .map_err(|error| error.while_doing("querying allocation"))?;
    let job = allocation.job.take();
    let group = job.iter().flat_map(|job| &job.task_groups).find(|group| group.name == allocation.task_group);
    let policy = group.and_then(|group| group.reschedule_policy.as_ref());
    let limit = policy.filter(|policy| policy.unlimited != Some(true)).and_then(|policy| policy.attempts);
    let other = |id: &str| -> Result<Option<Allocation>, Failure> {
        let found: Option<Allocation> = by_id(client, "allocation", id)?;
        Ok(found.map(|alloc| Allocation { job: None, ..alloc }))
    };
    let mut preempted = Vec::new();
    for id in &allocation.preempted_allocations {
        preempted.extend(other(id)?);
    }
    let mut facts = AllocFacts {
        job_version: job.as_ref().map_or(0, |job| job.version),
        reschedule_attempts: limit,
        evaluation: by_id(client, "evaluation", &allocation.eval_id)?,
        followup: by_id(client, "evaluation", &allocation.followup_eval_id)?,
        previous: other(&allocation.previous_allocation)?,
        next: other(&allocation.next_allocation)?,
        preempted,
        preempted_by: other(&allocation.preempted_by_allocation)?,
        allocation,
        nodes: Nodes::new(),
    };
    let others =
        [&facts.previous, &facts.next, &facts.preempted_by].into_iter().flatten().chain(&facts.preempted);
    let scored = facts.allocation.metrics.iter().flat_map(|metric| &metric.score_meta_data);
    let wanted = others.map(|alloc| &alloc.node_id).chain(scored.map(|score| &score.node_id));
    facts.nodes = only(&nodes(client)?, wanted.chain([&facts.allocation.node_id]));
    Ok(facts)
}

pub(super) fn eval(client: &Client, id: &str) -> Result<EvalFacts, Failure> {
    let path = format!("/v1/evaluation/{}", element(id));
    let evaluation: Evaluation =
        client.get(&path, &[]).map_err(|error| error.while_doing("querying evaluation"))?;
    let allocations: Vec<AllocListStub> = get(client, &format!("{path}/allocations"), &[])?;
    let previous = by_id(client, "evaluation", &evaluation.previous_eval)?;
    let all = nodes(client)?;
    let failing = failing(&evaluation, || previous.as_ref());
    let job: Option<Job> = if failing.is_some() { by_id(client, "job", &evaluation.job_id)? } else { None };
    let closest = closest(client, job.as_ref(), failing, &all)?;
    let wanted = allocations.iter().map(|alloc| &alloc.node_id).chain(closest.values().map(|one| &one.node));
    Ok(EvalFacts {
        nodes: only(&all, wanted.chain([&evaluation.node_id])),
        elsewhere: elsewhere(&all, job.as_ref()),
        next: by_id(client, "evaluation", &evaluation.next_eval)?,
        blocked: by_id(client, "evaluation", &evaluation.blocked_eval)?,
        previous,
        allocations,
        closest,
        evaluation,
    })
}

/// For each group that lacked cpu, memory or disk somewhere.
fn closest(
    client: &Client,
    job: Option<&Job>,
    failing: Option<&Evaluation>,
    nodes: &[NodeListStub],
) -> Result<BTreeMap<String, Closest>, Failure> {
    let (Some(job), Some(failing)) = (job, failing) else { return Ok(BTreeMap::new()) };
    let failed: Vec<_> = failing
        .failed_tg_allocs
        .iter()
        .filter(|(_, metric)| {
            ["cpu", "memory", "disk"].iter().any(|name| metric.dimension_exhausted.contains_key(*name))
        })
        .filter_map(|(name, metric)| {
            Some((job.task_groups.iter().find(|group| group.name == *name)?, metric))
        })
        .collect();
    if failed.is_empty() {
        return Ok(BTreeMap::new());
    }
    // Of all namespaces: each takes room.
    let query = [("namespace", "*"), ("resources", "true"), ("task_states", "false")];
    let allocs: Option<Vec<AllocListStub>> =
        if nodes.len() <= MOST_NODES { Some(get(client, "/v1/allocations", &query)?) } else { None };
    let used = allocs.as_deref().map(room::used);
    let of = |group: &api::TaskGroup, metric| {
        (group.name.clone(), room::closest(Amount::of_group(group), metric, nodes, used.as_ref()))
    };
    Ok(failed.into_iter().map(|(group, metric)| of(group, metric)).collect())
}

fn nodes(client: &Client) -> Result<Vec<NodeListStub>, Failure> {
    get(client, "/v1/nodes", &[("resources", "true")])
}

fn only<'a>(nodes: &[NodeListStub], wanted: impl Iterator<Item = &'a String>) -> Nodes {
    let wanted: BTreeSet<&String> = wanted.collect();
    let facts = |node: &NodeListStub| NodeFacts {
        name: node.name.clone(),
        datacenter: node.datacenter.clone(),
        class: node.node_class.clone(),
        status: node.status.clone(),
        eligible: node.scheduling_eligibility == "eligible",
        draining: node.drain,
    };
    nodes.iter().filter(|node| wanted.contains(&node.id)).map(|node| (node.id.clone(), facts(node))).collect()
}

fn elsewhere(nodes: &[NodeListStub], job: Option<&Job>) -> Elsewhere {
    let datacenters: BTreeSet<&String> = nodes.iter().map(|node| &node.datacenter).collect();
    let pools: BTreeSet<&String> = nodes.iter().map(|node| &node.node_pool).collect();
    let mut counts = Elsewhere {
        asked: job.map(|job| job.datacenters.clone()).unwrap_or_default(),
        datacenters: datacenters.into_iter().cloned().collect(),
        pool: job.map(|job| job.node_pool.clone()).unwrap_or_default(),
        pools: pools.into_iter().cloned().collect(),
        ..Elsewhere::default()
    };
    for node in nodes {
        counts.nodes += 1;
        if node.status != "ready" {
            counts.not_ready += 1;
        } else if node.drain {
            counts.draining += 1;
        } else if node.scheduling_eligibility != "eligible" {
            counts.ineligible += 1;
        }
    }
    counts
}

/// What has this id; None for no id.
fn by_id<T: DeserializeOwned>(client: &Client, kind: &str, id: &str) -> Result<Option<T>, Failure> {
    if id.is_empty() { Ok(None) } else { optional(client, &format!("/v1/{kind}/{}", element(id))) }
}

/// None where it is not there any more.
fn optional<T: DeserializeOwned>(client: &Client, path: &str) -> Result<Option<T>, Failure> {
    match client.get::<Option<T>>(path, &[]) {
        Ok(answer) => Ok(answer),
        Err(ClientError::Status { code: 404, .. }) => Ok(None),
        Err(error) => Err(error.while_doing("collecting facts")),
    }
}

fn get<T: DeserializeOwned>(client: &Client, path: &str, query: &[(&str, &str)]) -> Result<T, Failure> {
    client.get(path, query).map_err(|error| error.while_doing("collecting facts"))
}
