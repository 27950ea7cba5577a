//! Reads: at once or when the data has changed (`index`, `wait`), with the headers that clients steer by.

use std::time::Duration;

use actix_web::{HttpResponse, HttpResponseBuilder};
use model::time::parse_duration;
use serde::Serialize;
use state::{CatalogNode, Root, ServiceInstance};
use tokio::time::{Instant, timeout_at};

use super::ConsulContext;
use crate::{
    actors::ports::Consistency,
    http::{call::Call, failure::Failure, read::json_body},
};

pub(super) type Answer = Result<HttpResponse, Failure>;

/// How long a blocking query waits when it does not say, and at most.
const USUAL_WAIT: Duration = Duration::from_secs(300);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Which rows a request asks for.
#[derive(Debug)]
pub(super) struct Scope {
    /// Of the nodes.
    pub(super) datacenter: String,
    node_meta: Vec<(String, String)>,
    tags: Vec<String>,
}

impl Scope {
    /// # Errors
    /// The request asks for something that is not here: another cluster, a namespace, a filter.
    pub(super) fn of(ctx: &ConsulContext, call: &Call) -> Result<Self, Failure> {
        refuse_unknown_tenants(call)?;
        let datacenter = call.text("dc").unwrap_or(&ctx.agent.datacenter).to_owned();
        let known = datacenter.eq_ignore_ascii_case(&ctx.agent.datacenter)
            || ctx
                .state
                .root()
                .catalog_nodes()
                .any(|node| node.datacenter().eq_ignore_ascii_case(&datacenter));
        if !known {
            return Err(Failure::server("No path to datacenter"));
        }
        let node_meta = call
            .texts("node-meta")
            .map(|pair| pair.split_once(':').unwrap_or((pair, "")))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let tags = call.texts("tag").filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        Ok(Self { datacenter, node_meta, tags })
    }

    pub(super) fn has_node(&self, node: CatalogNode<'_>) -> bool {
        node.datacenter().eq_ignore_ascii_case(&self.datacenter)
            && (self.node_meta.is_empty() || {
                let meta = super::rows::node_meta(node);
                self.node_meta.iter().all(|(key, value)| meta.get(key) == Some(value))
            })
    }

    pub(super) fn has_tags(&self, instance: &ServiceInstance) -> bool {
        self.tags.iter().all(|tag| instance.tags.iter().any(|has| has.eq_ignore_ascii_case(tag)))
    }
}

/// Refuses what would change the meaning of the answer and is not there. Unknown parameters are ignored.
pub(super) fn refuse_unknown_tenants(call: &Call) -> Result<(), Failure> {
    for (name, what) in [("ns", "Namespaces are"), ("partition", "Partitions are"), ("peer", "Peering is")] {
        if call.text(name).is_some_and(|value| value != "default") {
            return Err(Failure::bad(format!(
                "Invalid query parameter: \"{name}\" - {what} a Consul Enterprise feature or not supported by troupe"
            )));
        }
    }
    if call.text("filter").is_some() {
        return Err(Failure::bad("the `filter` parameter is not supported yet; filter the answer instead"));
    }
    Ok(())
}

/// The consistency modes that exclude each other.
fn refuse_conflicts(call: &Call) -> Result<(), Failure> {
    let has = |name: &str| call.raw(name).is_some();
    for (one, other) in
        [("stale", "consistent"), ("leader", "stale"), ("leader", "consistent"), ("cached", "consistent")]
    {
        if has(one) && has(other) {
            let text = format!("Cannot specify ?{one} with ?{other}, conflicting semantics.");
            return Err(Failure::bad(text));
        }
    }
    Ok(())
}

/// Answers a read.
///
/// `index` says when the data last changed and must be cheap: it is asked again after each entry while the query
/// blocks. `value` makes the answer, once.
pub(super) async fn read<T: Serialize>(
    ctx: &ConsulContext,
    call: &Call,
    index: impl Fn(&Root) -> u64,
    value: impl Fn(&Root) -> T,
) -> Answer {
    refuse_conflicts(call)?;
    let after: u64 = match call.text("index") {
        None => 0,
        Some(text) => text.parse().map_err(|_| Failure::bad("Invalid index"))?,
    };
    let wait = match call.text("wait") {
        None => USUAL_WAIT,
        Some(text) => parse_duration(text).ok_or_else(|| Failure::bad("Invalid wait time"))?,
    };
    let wait = if wait.is_zero() { USUAL_WAIT } else { wait.min(LONGEST_WAIT) };
    // An index is never 0 on the wire, so the client may hold a 1 that stands for "nothing yet".
    let index = |root: &Root| index(root).max(1);
    let wanted = call.consistency()?;
    let freshness = ctx.consensus.catch_up(wanted).await?;
    // Taken before the first look, so that no change between the look and the wait is missed.
    let mut changes = ctx.state.changes();
    changes.mark_unchanged();
    let mut root = ctx.state.root();
    if after > 0 && index(&root) <= after {
        let _permit = ctx
            .watches
            .try_acquire()
            .map_err(|_| Failure::busy("too many blocking queries are waiting at this agent"))?;
        // Spreads the clients that came together.
        let deadline = Instant::now() + wait + wait.mul_f64(rand::random_range(0.0..1.0 / 16.0));
        while index(&root) <= after {
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => root = ctx.state.root(),
                // The time is up, or the state is closed: what there is.
                Err(_) | Ok(Err(_)) => break,
            }
        }
    }
    let mut response = HttpResponse::Ok();
    response
        .insert_header(("X-Consul-Index", index(&root).to_string()))
        .insert_header(("X-Consul-Knownleader", freshness.known_leader.to_string()))
        .insert_header(("X-Consul-Lastcontact", freshness.last_contact.as_millis().to_string()))
        .insert_header((
            "X-Consul-Effective-Consistency",
            match wanted {
                Consistency::Stale => "stale",
                Consistency::Default => "leader",
                Consistency::Consistent => "consistent",
            },
        ))
        .insert_header(("X-Consul-Query-Backend", "blocking-query"));
    if call.raw("cached").is_some() {
        response.insert_header(("X-Cache", "MISS"));
    }
    Ok(json_into(ctx, call, &mut response, &value(&root)))
}

/// JSON without index headers.
pub(super) fn json(ctx: &ConsulContext, call: &Call, value: &impl Serialize) -> HttpResponse {
    json_into(ctx, call, &mut HttpResponse::Ok(), value)
}

fn json_into(
    ctx: &ConsulContext,
    call: &Call,
    response: &mut HttpResponseBuilder,
    value: &impl Serialize,
) -> HttpResponse {
    json_body(response, ctx.agent.pretty || call.raw("pretty").is_some(), value)
}
