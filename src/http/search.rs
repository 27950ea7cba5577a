//! Ids that begin with some text, per kind of thing.

use std::collections::BTreeMap;

use api::{SearchRequest, SearchResponse};
use model::{AllocId, DeploymentId, EvalId, NodeId};
use state::Root;

use super::{
    Context, built_in,
    call::Call,
    failure::Failure,
    list::uuid_range,
    read::{Answer, json},
    scaling,
};

/// Matches listed per context; beyond it the answer says that it is cut.
const MOST: usize = 20;

pub(super) const CONTEXTS: [&str; 8] =
    ["allocs", "deployment", "evals", "jobs", "namespaces", "node_pools", "nodes", "scaling_policy"];

/// Contexts of clients in which nothing can be found here.
pub(super) const EMPTY: [&str; 6] =
    ["quotas", "recommendations", "plugins", "vars", "volumes", "host_volumes"];

pub(super) fn by_prefix(ctx: &Context, call: &Call) -> Answer {
    call.only_write()?;
    let request: SearchRequest = call.json()?;
    let contexts: Vec<&str> = match request.context.as_str() {
        "" | "all" => CONTEXTS.to_vec(),
        context if CONTEXTS.contains(&context) || EMPTY.contains(&context) => vec![context],
        other => {
            return Err(Failure::server(format!(
                "context must be one of {} or all; got {other:?}",
                CONTEXTS.join(", ")
            )));
        }
    };
    let root = ctx.state.root();
    let (mut matches, mut truncations) = (BTreeMap::new(), BTreeMap::new());
    for context in contexts {
        let mut found = find(&root, call, context, &request.prefix);
        truncations.insert(context.to_owned(), found.len() > MOST);
        found.truncate(MOST);
        matches.insert(context.to_owned(), found);
    }
    let answer = SearchResponse {
        matches,
        truncations,
        index: root.index.max(1),
        known_leader: ctx.agent.leadership.borrow().leader_address.is_some(),
        ..SearchResponse::default()
    };
    Ok(json(call, &answer))
}

/// At most one more than are listed.
pub(super) fn find(root: &Root, call: &Call, context: &str, prefix: &str) -> Vec<String> {
    let range = uuid_range(prefix);
    match (context, range) {
        ("jobs", _) => {
            let jobs =
                root.jobs.values().filter(|job| call.sees(&job.namespace) && job.id.starts_with(prefix));
            jobs.map(|job| job.id.clone()).take(MOST + 1).collect()
        }
        ("namespaces", _) => {
            let name = built_in::namespace().name;
            if name.starts_with(prefix) { vec![name] } else { Vec::new() }
        }
        ("node_pools", _) => {
            let names = root.pools().into_iter().map(|pool| pool.name.to_string());
            names.filter(|name| name.starts_with(prefix)).take(MOST + 1).collect()
        }
        ("scaling_policy", _) => {
            let policies = scaling::policies(root, |namespace| call.sees(namespace)).into_iter();
            policies.map(|policy| policy.id).filter(|id| id.starts_with(prefix)).take(MOST + 1).collect()
        }
        ("allocs", Some((from, to))) => {
            let rows = root.allocs.range(AllocId(from)..=AllocId(to));
            rows.filter(|(_, alloc)| call.sees(&alloc.job.namespace))
                .map(|(id, _)| id.to_string())
                .take(MOST + 1)
                .collect()
        }
        ("evals", Some((from, to))) => {
            let rows = root.evals.range(EvalId(from)..=EvalId(to));
            rows.filter(|(_, eval)| call.sees(&eval.job.namespace))
                .map(|(id, _)| id.to_string())
                .take(MOST + 1)
                .collect()
        }
        ("deployment", Some((from, to))) => {
            let rows = root.deployments.range(DeploymentId(from)..=DeploymentId(to));
            rows.filter(|(_, deployment)| call.sees(&deployment.job.namespace))
                .map(|(id, _)| id.to_string())
                .take(MOST + 1)
                .collect()
        }
        ("nodes", Some((from, to))) => {
            root.nodes.range(NodeId(from)..=NodeId(to)).map(|(id, _)| id.to_string()).take(MOST + 1).collect()
        }
        _ => Vec::new(),
    }
}
