//! Watches over the nodes: hears their heartbeats, asks those that others cannot reach, and gives up the dead.
//!
//! Lives:      on the leader only, an arbiter of its own: heartbeats must not wait behind anything
//! Asked by:   NodeGateway (Beat, Heard, Goodbye, Parted)    Asks: nodes (Pinger)    Tells: nobody (proposes)
//! Owns:       when each node was last heard of
//! On restart: all nodes get the time that they get after an election
//! Brain:      logic::node_watch, logic::node_loss

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult,
    StreamHandler, WrapFuture,
};
use logic::{
    node_gateway::{evals_for_lost, overdue},
    node_loss::commands_for_gone,
    node_watch::{Checked, Effect, NodeWatch, Reason, Settings},
    per_node_jobs::evals_for_turned_nodes,
};
use model::{NodeId, NodeStatus};
use state::Command;
use tokio::{sync::Semaphore, time::Instant};
use tracing::{debug, info, warn};

use super::{
    kit::{self, Observe, StateChanged, Stop},
    ports::{Clock, Consensus, Consistency, IdSource, Ping, Pinger, Proposer, StateReader, Witness, Word},
};

/// How often time is told to the brain. Far below what it takes for standing still.
const TICK: Duration = Duration::from_millis(250);
/// A node that is accused is asked so often, and each try gets so long: a dead one is known as such two seconds
/// after the accusation, and a packet or two may be lost on the way to a live one.
const TRIES: u32 = 4;
const TRY: Duration = Duration::from_millis(500);
/// Nodes that are asked at the same time; others wait.
const ASKED_AT_ONCE: usize = 512;
/// Pause after a write that failed; also how often is looked for nodes that stayed away too long.
const RETRY: Duration = Duration::from_secs(1);

/// A heartbeat. Answers how long the next one may take; `None`: the node has to register.
#[derive(Debug, Message)]
#[rtype(result = "Option<Duration>")]
pub struct Beat(pub NodeId);

/// The node registered or reported: a sign of life.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Heard(pub NodeId);

/// The node's agent ends on purpose, its tasks go on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Goodbye(pub NodeId);

/// A server lost the node's standing connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Parted(pub NodeId);

/// What the watcher is built from, beside what all of the leader's actors have.
#[derive(Clone)]
pub struct Senses {
    pub consensus: Arc<dyn Consensus>,
    pub witness: Arc<dyn Witness>,
    pub pinger: Arc<dyn Pinger>,
    /// A random number in 0..1, for jitter.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    pub settings: Settings,
}

pub struct NodeWatcher {
    brain: NodeWatch,
    senses: Senses,
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    started: Instant,
    /// Index of the table of nodes when the brain was told of it.
    synced: u64,
    /// Indexes of the tables of nodes and allocations at the last look.
    looked: (u64, u64),
    asking: Arc<Semaphore>,
    /// To be written.
    verdicts: Vec<(NodeId, Reason)>,
    /// A proposal is on its way: looking again before it is in the state would repeat it.
    writing: bool,
    look_again: bool,
    last_error: Option<String>,
}

impl NodeWatcher {
    pub fn new(
        senses: Senses,
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            brain: NodeWatch::new(senses.settings.clone(), Duration::ZERO),
            senses,
            state,
            proposer,
            clock,
            ids,
            started: Instant::now(),
            synced: 0,
            looked: (0, 0),
            asking: Arc::new(Semaphore::new(ASKED_AT_ONCE)),
            verdicts: Vec::new(),
            writing: false,
            look_again: false,
            last_error: None,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Takes over which nodes the state counts on.
    fn sync(&mut self, context: &mut Context<Self>) {
        let root = self.state.root();
        self.synced = root.indexes.nodes;
        let live = root.nodes.values().filter(|node| !node.status.is_gone()).map(|node| node.id);
        let effects = self.brain.sync(self.now(), live);
        self.perform(effects, context);
    }

    fn perform(&mut self, effects: Vec<Effect>, context: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::Check { node, round } => self.check(node, round, context),
                Effect::Confirm => {
                    info!("many nodes are silent; a majority has to confirm that this server leads");
                    let consensus = self.senses.consensus.clone();
                    let ask = async move { consensus.catch_up(Consistency::Consistent).await };
                    context.spawn(ask.into_actor(self).map(|answer, actor, context| {
                        if let Err(error) = &answer {
                            warn!(%error, "no majority; silent nodes are not given up");
                        }
                        let effects = actor.brain.confirmed(actor.now(), answer.is_ok());
                        actor.perform(effects, context);
                    }));
                }
                Effect::Declare(verdicts) => {
                    self.verdicts.extend(verdicts);
                    self.write(context);
                }
            }
        }
    }

    fn check(&self, node: NodeId, round: u64, context: &mut Context<Self>) {
        debug!(node_id = %node, "asking a node whether it is there");
        let (pinger, asking) = (self.senses.pinger.clone(), self.asking.clone());
        let ask = async move {
            let _place = asking.acquire().await;
            ask(&*pinger, node).await
        };
        context.spawn(ask.into_actor(self).map(move |outcome, actor, context| {
            let effects = actor.brain.checked(actor.now(), node, round, outcome);
            actor.perform(effects, context);
        }));
    }

    /// Writes verdicts, and evaluations for what was lost without anybody looking and for jobs that want to be on nodes
    /// that came; one proposal at a time.
    fn write(&mut self, context: &mut Context<Self>) {
        if self.writing {
            return;
        }
        let root = self.state.root();
        let now = self.clock.now();
        let verdicts = std::mem::take(&mut self.verdicts);
        let mut gone: Vec<(NodeId, &str)> =
            verdicts.iter().map(|(node, reason)| (*node, reason.words())).collect();
        for (node, reason) in &gone {
            warn!(node_id = %node, reason, "node is given up");
        }
        gone.extend(overdue(&root, now).0.into_iter().map(|node| (node, "Node stayed away too long")));
        let mut commands = commands_for_gone(&root, &gone, now, &mut || self.ids.uuid());
        if std::mem::take(&mut self.look_again) {
            let evals = evals_for_lost(&root, now, &mut || self.ids.uuid());
            if !evals.is_empty() {
                info!(evals = evals.len(), "allocations landed on lost nodes, their jobs are looked at");
                commands.push(Command::UpdateEvals { evals });
            }
            let evals = evals_for_turned_nodes(&root, now, &mut || self.ids.uuid());
            if !evals.is_empty() {
                debug!(evals = evals.len(), "nodes came or changed, jobs on every node are looked at");
                commands.push(Command::UpdateEvals { evals });
            }
        }
        let nodes: Vec<NodeId> = verdicts.into_iter().map(|(node, _)| node).collect();
        if commands.is_empty() {
            // The state knows it already.
            let effects = self.brain.declared(self.now(), &nodes, true);
            self.perform(effects, context);
            return;
        }
        self.writing = true;
        let proposer = self.proposer.clone();
        let write = async move { proposer.propose(commands).await };
        context.spawn(write.into_actor(self).map(move |result, actor, context| {
            actor.writing = false;
            if let Err(error) = &result {
                warn!(%error, "lost nodes could not be written, trying again");
                actor.last_error = Some(error.to_string());
                actor.look_again = true;
                context.run_later(RETRY, Self::write);
            }
            let effects = actor.brain.declared(actor.now(), &nodes, result.is_ok());
            actor.perform(effects, context);
            actor.sync(context);
            if result.is_ok() {
                actor.write(context);
            }
        }));
    }
}

/// Asks one node, a few times.
async fn ask(pinger: &dyn Pinger, node: NodeId) -> Checked {
    for _ in 0..TRIES {
        let next = Instant::now() + TRY;
        match tokio::time::timeout_at(next, pinger.ping(node, TRY)).await {
            Ok(Ping::Answered) => return Checked::Answered,
            Ok(Ping::NoAddress) => return Checked::Unknown,
            // A machine that refuses at once may be starting its agent.
            Ok(Ping::Silent) | Err(_) => tokio::time::sleep_until(next).await,
        }
    }
    Checked::Silent
}

impl Actor for NodeWatcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.sync(context);
        // What an earlier leader left undone.
        self.look_again = true;
        self.write(context);
        kit::watch_state(context, self.state.changes());
        context.add_stream(self.senses.witness.words());
        context.run_interval(TICK, |actor, context| {
            let effects = actor.brain.tick(actor.now());
            actor.perform(effects, context);
        });
        context.run_interval(RETRY, |actor, context| {
            let root = actor.state.root();
            if !overdue(&root, actor.clock.now()).0.is_empty() {
                actor.write(context);
            }
        });
    }
}

impl StreamHandler<(NodeId, Word)> for NodeWatcher {
    fn handle(&mut self, (node, word): (NodeId, Word), context: &mut Self::Context) {
        let effects = self.brain.word(self.now(), node, word);
        self.perform(effects, context);
    }

    // The end of gossip is not the end of this actor: heartbeats go on.
    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<StateChanged> for NodeWatcher {
    type Result = ();

    fn handle(&mut self, _: StateChanged, context: &mut Self::Context) {
        let root = self.state.root();
        let now = (root.indexes.nodes, root.indexes.allocs);
        if now.0 != self.synced {
            self.sync(context);
        }
        if now != self.looked {
            self.looked = now;
            self.look_again = true;
            self.write(context);
        }
    }
}

impl Handler<Beat> for NodeWatcher {
    type Result = MessageResult<Beat>;

    fn handle(&mut self, Beat(node): Beat, context: &mut Self::Context) -> Self::Result {
        let jitter = (self.senses.jitter)();
        let (mut ttl, effects) = self.brain.heartbeat(self.now(), node, jitter);
        self.perform(effects, context);
        let counts = |status: NodeStatus| !status.is_gone();
        if ttl.is_none() && self.state.root().nodes.get(&node).is_some_and(|node| counts(node.status)) {
            // It registered a moment ago.
            self.sync(context);
            ttl = self.brain.heartbeat(self.now(), node, jitter).0;
        }
        MessageResult(ttl)
    }
}

impl Handler<Heard> for NodeWatcher {
    type Result = ();

    fn handle(&mut self, Heard(node): Heard, context: &mut Self::Context) {
        let effects = self.brain.heard(self.now(), node);
        self.perform(effects, context);
    }
}

impl Handler<Goodbye> for NodeWatcher {
    type Result = ();

    fn handle(&mut self, Goodbye(node): Goodbye, context: &mut Self::Context) {
        info!(node_id = %node, "the agent of a node ends, its tasks go on");
        let effects = self.brain.goodbye(self.now(), node);
        self.perform(effects, context);
    }
}

impl Handler<Parted> for NodeWatcher {
    type Result = ();

    fn handle(&mut self, Parted(node): Parted, context: &mut Self::Context) {
        let effects = self.brain.parted(self.now(), node);
        self.perform(effects, context);
    }
}

impl Handler<Observe> for NodeWatcher {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        let (there, doubtful) = self.brain.counts();
        MessageResult(serde_json::json!({
            "nodes": there, "doubtful": doubtful, "writing": self.writing, "last_error": self.last_error,
        }))
    }
}

impl Handler<Stop> for NodeWatcher {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

#[cfg(test)]
mod tests;
