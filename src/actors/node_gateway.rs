//! The servers, as nodes see them: registration, heartbeats, assignments, reports.
//!
//! Lives:      on every server, `server` arbiter
//! Asked by:   the RPC listener (through [`GatewayLink`])    Asks: NodeWatcher    Tells: NodeWatcher (and proposes)
//! Owns:       who waits for assignments
//! On restart: nothing to rebuild; nodes ask again
//! Brain:      logic::node_gateway

mod turns; // how often they are told
mod waiting; // nodes that wait for assignments

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, Context, Handler, Message, MessageResult, ResponseFuture};
use async_trait::async_trait;
use logic::node_gateway::{evals_for_node, evals_for_report};
use model::{AllocUpdate, Allocation, Node, NodeId, NodeStatus};
use state::{Command, Outcome, Root};
use tokio::time::Instant;

use self::{turns::Turns, waiting::Waiting};
use super::{
    kit::{self, AskError, Link, Observe, StateChanged, Stop},
    node_watcher::{self, NodeWatcher},
    ports::{
        Assignments, Clock, ClusterError, Consensus, Consistency, Heartbeat, IdSource, LinkError,
        ProposeError, Proposer, Registered, ServerLink, StateReader,
    },
};

/// How long a node's question for changes waits before it is answered with what there is.
pub const WATCH_LIMIT: Duration = Duration::from_secs(300);
/// How long a server that is behind what the node knows tries to catch up before it sends the node elsewhere.
const BEHIND_LIMIT: Duration = Duration::from_secs(2);

/// Registers a node or updates what is known of it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Registered, LinkError>")]
pub struct Register(pub Node);

/// A node says that it is there.
#[derive(Debug, Message)]
#[rtype(result = "Result<Heartbeat, LinkError>")]
pub struct Beat(pub NodeId);

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
    /// It has told of all that it has.
    pub synced: bool,
}

/// The node's agent ends on purpose; its tasks go on.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), LinkError>")]
pub struct Goodbye(pub NodeId);

/// The node's standing connection broke.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), LinkError>")]
pub struct Parted(pub NodeId);

/// What the gateway is built from.
#[derive(Clone)]
pub struct Tools {
    pub state: Arc<dyn StateReader>,
    pub proposer: Arc<dyn Proposer>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdSource>,
    pub consensus: Arc<dyn Consensus>,
    /// Leads nowhere while this server does not lead.
    pub watcher: Link<NodeWatcher>,
}

pub struct NodeGateway {
    tools: Tools,
    waiting: Waiting,
    turns: Turns,
}

impl NodeGateway {
    pub fn new(tools: Tools) -> Self {
        Self { tools, waiting: Waiting::default(), turns: Turns::default() }
    }

    /// Writes, and tells the watcher that the node was heard of.
    fn propose(&self, node: NodeId, command: Command) -> ResponseFuture<Result<Registered, LinkError>> {
        let (proposer, watcher) = (self.tools.proposer.clone(), self.tools.watcher.clone());
        Box::pin(async move {
            let committed = proposer.propose(vec![command]).await.map_err(propose_error)?;
            if watcher.is_running() {
                watcher.tell(node_watcher::Heard(node));
            }
            match committed.outcomes.into_iter().next() {
                Some(Outcome::Refused(refusal)) => Err(LinkError::Refused(refusal.to_string())),
                _ => Ok(Registered { index: committed.index }),
            }
        })
    }

    /// For what only the leader's watcher can answer.
    fn ask_watcher<M>(&self, message: M) -> ResponseFuture<Result<M::Result, LinkError>>
    where
        NodeWatcher: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let watcher = self.tools.watcher.clone();
        Box::pin(async move { watcher.ask(message).await.map_err(watcher_error) })
    }
}

fn propose_error(error: ProposeError) -> LinkError {
    match error {
        ProposeError::NotLeader { .. } => LinkError::NoLeader,
        error => LinkError::Unreachable(error.to_string()),
    }
}

fn watcher_error(error: AskError) -> LinkError {
    match error {
        AskError::Gone(_) => LinkError::NoLeader,
        AskError::Late(_) => LinkError::Unreachable(error.to_string()),
    }
}

fn cluster_error(error: ClusterError) -> LinkError {
    match error {
        ClusterError::NoLeader => LinkError::NoLeader,
        error => LinkError::Unreachable(error.to_string()),
    }
}

fn gateway_error(error: AskError) -> LinkError {
    LinkError::Unreachable(error.to_string())
}

/// What the node needs to know beyond `after`, from one snapshot.
fn assignments(root: &Root, node: NodeId, after: u64) -> Assignments {
    let mut answer = Assignments { index: root.index, ..Assignments::default() };
    for alloc in root.allocs_of_node(node) {
        answer.known.push(alloc.id);
        if alloc.alloc_modify_index <= after {
            continue;
        }
        if let Some(job) = root.job_of(alloc) {
            answer.jobs.entry(alloc.job_index).or_insert_with(|| job.clone());
        }
        // Why it was placed there is no business of the node.
        answer.allocs.push(Allocation { metric: None, ..Allocation::clone(alloc) });
    }
    answer
}

/// The servers count on it, and know what it has.
fn is_followed(root: &Root, node: NodeId) -> bool {
    root.nodes.get(&node).is_some_and(|node| node.status == NodeStatus::Ready)
}

async fn watch(
    tools: Tools,
    waiting: Waiting,
    turns: Turns,
    node: NodeId,
    index: u64,
) -> Result<Assignments, LinkError> {
    let ended = || LinkError::Unreachable("the server is ending".into());
    let catch_up = || async { tools.consensus.catch_up(Consistency::Default).await.map_err(cluster_error) };
    let mut changed = waiting.wait_for(node);
    let start = Instant::now();
    let mut fresh = index == 0;
    if fresh {
        catch_up().await?;
    }
    let mut changes = tools.state.changes();
    let caught_up = changes.wait_for(|_| tools.state.root().index >= index);
    let caught_up = tokio::time::timeout(BEHIND_LIMIT, caught_up).await.map(|ended| ended.map(drop));
    caught_up.map_err(|_| LinkError::Behind)?.map_err(|_| ended())?;
    loop {
        changed.borrow_and_update();
        let root = tools.state.root();
        if !is_followed(&root, node) {
            if fresh {
                return Err(LinkError::Reregister);
            }
            // Perhaps it is only this server that does not know yet.
            catch_up().await?;
            fresh = true;
            continue;
        }
        let newest = root.usage.slot(node).map_or(0, |slot| slot.assigned_index);
        if index == 0 || newest > index || start.elapsed() >= WATCH_LIMIT {
            drop(root);
            // What changes until then is told with it.
            turns.take().await;
            return Ok(assignments(&tools.state.root(), node, index));
        }
        drop(root);
        fresh = false;
        if let Ok(Err(_)) = tokio::time::timeout_at(start + WATCH_LIMIT, changed.changed()).await {
            return Err(ended());
        }
    }
}

impl Actor for NodeGateway {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        kit::watch_state(context, self.tools.state.changes());
    }
}

impl Handler<StateChanged> for NodeGateway {
    type Result = ();

    fn handle(&mut self, _: StateChanged, _: &mut Self::Context) {
        self.waiting.wake(&self.tools.state.root());
    }
}

impl Handler<Register> for NodeGateway {
    type Result = ResponseFuture<Result<Registered, LinkError>>;

    fn handle(&mut self, Register(node): Register, _: &mut Self::Context) -> Self::Result {
        let now = self.tools.clock.now();
        let root = self.tools.state.root();
        // A node that was given up counts again only when it has told what it still has.
        let counts = root.nodes.get(&node.id).is_none_or(|before| before.status == NodeStatus::Ready);
        let evals = if counts {
            evals_for_node(&root, &node, now, &mut || self.tools.ids.uuid())
        } else {
            Vec::new()
        };
        self.propose(node.id, Command::RegisterNode { node, evals, now })
    }
}

impl Handler<Beat> for NodeGateway {
    type Result = ResponseFuture<Result<Heartbeat, LinkError>>;

    fn handle(&mut self, Beat(node): Beat, _: &mut Self::Context) -> Self::Result {
        let asked = self.ask_watcher(node_watcher::Beat(node));
        let consensus = self.tools.consensus.clone();
        Box::pin(async move {
            let ttl = asked.await?;
            let servers = consensus.peers().1.into_iter().map(|peer| peer.address).collect();
            Ok(Heartbeat { ttl: ttl.unwrap_or_default(), servers, known: ttl.is_some() })
        })
    }
}

impl Handler<Watch> for NodeGateway {
    type Result = ResponseFuture<Result<Assignments, LinkError>>;

    fn handle(&mut self, Watch { node, index }: Watch, _: &mut Self::Context) -> Self::Result {
        Box::pin(watch(self.tools.clone(), self.waiting.clone(), self.turns.clone(), node, index))
    }
}

impl Handler<Report> for NodeGateway {
    type Result = ResponseFuture<Result<(), LinkError>>;

    fn handle(&mut self, Report { node, updates, synced }: Report, _: &mut Self::Context) -> Self::Result {
        let now = self.tools.clock.now();
        let root = self.tools.state.root();
        let mut ids = || self.tools.ids.uuid();
        let Some(row) = root.nodes.get(&node).filter(|node| !node.status.is_gone()) else {
            return Box::pin(std::future::ready(Err(LinkError::Reregister)));
        };
        let mut evals = evals_for_report(&root, &updates, now, &mut ids);
        if synced {
            let ready = Node { status: NodeStatus::Ready, ..Node::clone(row) };
            let more = evals_for_node(&root, &ready, now, &mut ids);
            evals.extend(
                more.into_iter()
                    .filter(|new| evals.iter().all(|eval| eval.job != new.job))
                    .collect::<Vec<_>>(),
            );
        }
        let synced = synced.then_some(node);
        let written = self.propose(node, Command::UpdateAllocs { updates, evals, synced, now });
        Box::pin(async move { written.await.map(drop) })
    }
}

impl Handler<Goodbye> for NodeGateway {
    type Result = ResponseFuture<Result<(), LinkError>>;

    fn handle(&mut self, Goodbye(node): Goodbye, _: &mut Self::Context) -> Self::Result {
        self.ask_watcher(node_watcher::Goodbye(node))
    }
}

impl Handler<Parted> for NodeGateway {
    type Result = ResponseFuture<Result<(), LinkError>>;

    fn handle(&mut self, Parted(node): Parted, _: &mut Self::Context) -> Self::Result {
        self.ask_watcher(node_watcher::Parted(node))
    }
}

impl Handler<Observe> for NodeGateway {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        MessageResult(serde_json::json!({ "waiting": self.waiting.len() }))
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
    async fn register(&self, node: Node) -> Result<Registered, LinkError> {
        self.0.ask(Register(node)).await.map_err(gateway_error)?
    }

    async fn heartbeat(&self, node: NodeId) -> Result<Heartbeat, LinkError> {
        self.0.ask(Beat(node)).await.map_err(gateway_error)?
    }

    async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError> {
        let limit = WATCH_LIMIT + Duration::from_secs(10);
        self.0.ask_within(Watch { node, index }, limit).await.map_err(gateway_error)?
    }

    async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>, synced: bool) -> Result<(), LinkError> {
        self.0.ask(Report { node, updates, synced }).await.map_err(gateway_error)?
    }

    async fn goodbye(&self, node: NodeId) -> Result<(), LinkError> {
        self.0.ask(Goodbye(node)).await.map_err(gateway_error)?
    }

    async fn parted(&self, node: NodeId) -> Result<(), LinkError> {
        self.0.ask(Parted(node)).await.map_err(gateway_error)?
    }
}

#[cfg(test)]
mod tests;
