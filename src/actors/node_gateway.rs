//! The servers, as nodes see them: registration, assignments, reports.
//!
//! Lives:      on every server, `server` arbiter
//! Asked by:   the RPC listener (through [`GatewayLink`])    Tells: nobody (proposes)
//! Owns:       nothing
//! On restart: nothing to rebuild; nodes ask again
//! Brain:      logic::node_gateway

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::{Actor, ActorContext, Context, Handler, Message, ResponseFuture};
use async_trait::async_trait;
use logic::node_gateway::{evals_for_node, evals_for_report};
use model::{AllocUpdate, Node, NodeId};
use state::{Command, Outcome, Root};

use super::{
    kit::{Link, Stop},
    ports::{Assignments, Clock, IdSource, LinkError, ProposeError, Proposer, ServerLink, StateReader},
};

/// How long a node's question for changes waits before it is answered with what there is.
pub const WATCH_LIMIT: Duration = Duration::from_secs(300);

/// Registers a node or updates what is known of it.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), LinkError>")]
pub struct Register(pub Node);

/// Waits for a change after `index`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Assignments, LinkError>")]
pub struct Watch {
    pub node: NodeId,
    pub index: u64,
}

/// What became of allocations.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), LinkError>")]
pub struct Report {
    pub node: NodeId,
    pub updates: Vec<AllocUpdate>,
}

pub struct NodeGateway {
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl NodeGateway {
    pub fn new(
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self { state, proposer, clock, ids }
    }

    fn propose(&self, command: Command) -> ResponseFuture<Result<(), LinkError>> {
        let proposer = self.proposer.clone();
        Box::pin(async move {
            let committed = proposer.propose(vec![command]).await.map_err(link_error)?;
            match committed.outcomes.into_iter().next() {
                Some(Outcome::Refused(refusal)) => Err(LinkError::Refused(refusal.to_string())),
                _ => Ok(()),
            }
        })
    }
}

fn link_error(error: ProposeError) -> LinkError {
    LinkError::Unreachable(error.to_string())
}

/// All that the node needs to know, from one snapshot.
fn assignments(root: &Root, node: NodeId) -> Assignments {
    let mut jobs = BTreeMap::new();
    let mut allocs = Vec::new();
    for alloc in root.allocs_of_node(node) {
        if let Some(job) = root.job_of(alloc) {
            jobs.entry(alloc.job_index).or_insert_with(|| job.clone());
        }
        allocs.push((**alloc).clone());
    }
    let index = root.usage.slot(node).map_or(0, |slot| slot.assigned_index);
    Assignments { index, allocs, jobs }
}

impl Actor for NodeGateway {
    type Context = Context<Self>;
}

impl Handler<Register> for NodeGateway {
    type Result = ResponseFuture<Result<(), LinkError>>;

    fn handle(&mut self, Register(node): Register, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        let evals = evals_for_node(&self.state.root(), &node, now, &mut || self.ids.uuid());
        self.propose(Command::RegisterNode { node, evals, now })
    }
}

impl Handler<Watch> for NodeGateway {
    type Result = ResponseFuture<Result<Assignments, LinkError>>;

    fn handle(&mut self, Watch { node, index }: Watch, _: &mut Self::Context) -> Self::Result {
        let state = self.state.clone();
        let mut changes = state.changes();
        Box::pin(async move {
            let deadline = tokio::time::Instant::now() + WATCH_LIMIT;
            loop {
                changes.borrow_and_update();
                let root = state.root();
                let newest = root
                    .usage
                    .slot(node)
                    .ok_or_else(|| LinkError::Refused(format!("node {node} is not registered")))?
                    .assigned_index;
                // An index from the future is one of another cluster's log: answer with what there is.
                if newest != index || tokio::time::Instant::now() >= deadline {
                    return Ok(assignments(&root, node));
                }
                drop(root);
                if let Ok(Err(_)) = tokio::time::timeout_at(deadline, changes.changed()).await {
                    return Err(LinkError::Unreachable("the server is ending".into()));
                }
            }
        })
    }
}

impl Handler<Report> for NodeGateway {
    type Result = ResponseFuture<Result<(), LinkError>>;

    fn handle(&mut self, Report { node: _, updates }: Report, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        let evals = evals_for_report(&self.state.root(), &updates, now, &mut || self.ids.uuid());
        self.propose(Command::UpdateAllocs { updates, evals })
    }
}

impl Handler<Stop> for NodeGateway {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

/// The gateway behind the port that the RPC listener serves.
#[derive(Debug, Clone)]
pub struct GatewayLink(pub Link<NodeGateway>);

#[async_trait]
impl ServerLink for GatewayLink {
    async fn register(&self, node: Node) -> Result<(), LinkError> {
        self.0.ask(Register(node)).await.map_err(|error| LinkError::Unreachable(error.to_string()))?
    }

    async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError> {
        let limit = WATCH_LIMIT + Duration::from_secs(10);
        self.0
            .ask_within(Watch { node, index }, limit)
            .await
            .map_err(|error| LinkError::Unreachable(error.to_string()))?
    }

    async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>) -> Result<(), LinkError> {
        self.0
            .ask(Report { node, updates })
            .await
            .map_err(|error| LinkError::Unreachable(error.to_string()))?
    }
}
