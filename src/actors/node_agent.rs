//! Compares what the servers want on this node with what runs here, and nothing else.
//!
//! Lives:      on every client, `node` arbiter
//! Asked by:   the HTTP edge (TaskHandles, TaskStates), agent (Goodbye)    Asks: the servers (ServerLink)    Tells: AllocRunner
//! Owns:       one AllocRunner per allocation; reports that are not yet with the servers; the follower of the servers
//! On restart: never in place: a panic ends the agent, tasks go on, the next agent adopts them from disk
//! Brain:      logic::node_agent

mod asked; // what people ask of allocations
mod preparing; // what the next one needs, before the old one goes
mod meta; // metadata that people change
mod following; // registration, assignments, heartbeats
mod reporting; // what the servers are told

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult,
    ResponseFuture, WrapFuture,
};
pub use logic::node_agent::apply_fingerprint;
use logic::node_agent::{Backoff, Effect, NodeAgent as Brain, Wanted};
use logic::node_meta::NodeMeta;
use model::{AllocId, AllocUpdate, ClientStatus, DriverInfo, Node, TaskGroup};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::Instant,
};
use tracing::{debug, info, warn};

pub use self::asked::{Act, ActionOf, ChecksOf, CollectAllocs, Handles, TaskHandles, TaskStates};
use self::following::Follower;
pub use self::meta::{ChangeMeta, MetaOf};
use super::{
    alloc_runner::{AllocRunner, KillAlloc, Record, UpdateAlloc},
    kit::{Fatal, Kind, Link, Observe, Stop, supervise_child},
    ports::{
        AllocData, AllocDisk, Assignments, Clock, DataElsewhere, Fetcher, HostProbe, NodeStore, Prober,
        Remembered, ServerLink, StateReader, TaskDriver,
    },
};

/// How often the machine and the drivers are looked at.
const FINGERPRINT_INTERVAL: Duration = Duration::from_secs(5);
/// How often the node looks how long it has been without servers.
const SILENCE_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the agent waits for the servers to hear of it.
const GOODBYE: Duration = Duration::from_secs(2);

/// What everything on the node is built from.
#[derive(Clone)]
pub struct NodeKit {
    pub servers: Arc<dyn ServerLink>,
    pub drivers: Arc<BTreeMap<String, Arc<dyn TaskDriver>>>,
    pub disk: Arc<dyn AllocDisk>,
    pub data: Arc<dyn AllocData>,
    pub elsewhere: Arc<dyn DataElsewhere>,
    pub fetcher: Arc<dyn Fetcher>,
    pub store: Arc<dyn NodeStore>,
    /// What the configuration says of the node's metadata, and what was changed before.
    pub meta: NodeMeta,
    pub prober: Arc<dyn Prober>,
    pub host: Arc<dyn HostProbe>,
    /// Services and nodes, for templates of tasks.
    pub catalog: Arc<dyn StateReader>,
    pub clock: Arc<dyn Clock>,
    /// A random number in 0..1, for jitter.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    pub fatal: Fatal,
}

/// The servers' newest word. Answers with the index to ask for next.
#[derive(Debug, Message)]
#[rtype(result = "u64")]
struct Assigned(Assignments);

/// An allocation changed; goes to the servers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AllocChanged {
    pub update: AllocUpdate,
    /// All its tasks are over.
    pub over: bool,
}

/// The runner of an allocation (or of one of its tasks) panicked: build it again from its record.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RebuildRunner(pub AllocId);

/// The allocation has what it could take over of the one before it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TookOver(pub AllocId);

/// What became of fingerprinting.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Fingerprinted(BTreeMap<String, DriverInfo>);

/// The agent ends and its tasks go on: the servers are told, and nothing is asked of them any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Goodbye;

/// Stops all tasks and answers when they are over (a dev agent ends).
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopAllTasks;

pub struct NodeAgent {
    node: Arc<Node>,
    meta: NodeMeta,
    kit: Arc<NodeKit>,
    me: Link<NodeAgent>,
    brain: Brain,
    runners: BTreeMap<AllocId, Link<AllocRunner>>,
    wanted: Wanted,
    /// Runners that panicked and are to be rebuilt from their record.
    records: BTreeMap<AllocId, Record>,
    /// The last word of each runner.
    last: BTreeMap<AllocId, AllocUpdate>,
    unreported: BTreeMap<AllocId, AllocUpdate>,
    reporting: bool,
    backoff: Backoff,
    over: BTreeSet<AllocId>,
    /// The servers know everything up to `unreported`.
    synced: bool,
    /// What the node says of itself has not changed since it was last told to the servers.
    described: bool,
    /// When the leader was last heard of, or this agent started.
    contact: Instant,
    follower: Option<JoinHandle<()>>,
    /// Tells the follower that the servers want the node to register.
    again: Arc<Notify>,
    stopping: Option<oneshot::Sender<()>>,
    /// All tasks are stopped for good: what the servers want now is for other nodes.
    is_closing: bool,
}

impl NodeAgent {
    /// `node` is what the machine says of itself, drivers included; `records` is what an earlier agent left.
    pub fn new(node: Node, kit: NodeKit, me: Link<NodeAgent>, records: Vec<(AllocId, Remembered)>) -> Self {
        let mut found = BTreeMap::new();
        for (id, remembered) in records {
            match Record::decode(&remembered) {
                Ok(record) => {
                    found.insert(id, record);
                }
                Err(error) => warn!(alloc_id = %id, %error, "a record cannot be read, it is set aside"),
            }
        }
        let meta = kit.meta.clone();
        let node = Node { meta: meta.all(), ..node };
        Self {
            node: Arc::new(node),
            meta,
            kit: Arc::new(kit),
            me,
            brain: Brain::default(),
            runners: BTreeMap::new(),
            wanted: Wanted::default(),
            records: found,
            last: BTreeMap::new(),
            unreported: BTreeMap::new(),
            reporting: false,
            backoff: Backoff::default(),
            over: BTreeSet::new(),
            synced: false,
            described: true,
            contact: Instant::now(),
            follower: None,
            again: Arc::default(),
            stopping: None,
            is_closing: false,
        }
    }

    fn restore(&mut self) {
        for (id, record) in std::mem::take(&mut self.records) {
            let over = record.is_over();
            info!(alloc_id = %id, over, "allocation found on disk");
            self.brain.restored(&record.row.alloc, over);
            self.start_runner(id, record);
        }
    }

    fn start_runner(&mut self, id: AllocId, record: Record) {
        let link: Link<AllocRunner> = Link::new("alloc runner");
        self.runners.insert(id, link.clone());
        if record.is_over() {
            self.over.insert(id);
        }
        self.brain.runs_without_servers(id, stop_after(record.group()));
        if let Some(what) = record.progress.takes_over {
            self.brain.takes_over(id, what);
        }
        let (me, escalate_to) = (self.me.clone(), self.me.clone());
        let runner = AllocRunner::new(record, self.node.clone(), self.kit.clone(), me, link.clone());
        supervise_child(Kind::AllocRunner, link, runner, move || escalate_to.tell(RebuildRunner(id)));
    }

    fn reconcile(&mut self) {
        if !self.wanted.is_known() || self.is_closing {
            return;
        }
        let effects = self.brain.reconcile(self.wanted.allocs());
        for effect in effects {
            match effect {
                Effect::Start(id) => {
                    if let Some((alloc, job)) = self.wanted.get(id).cloned() {
                        info!(alloc_id = %id, job = %alloc.job, "starting allocation");
                        let mut record = Record::new(alloc, job);
                        record.progress.takes_over = record.group().and_then(|group| {
                            self.brain.inheritance(&record.row.alloc, group, self.wanted.allocs())
                        });
                        self.start_runner(id, record);
                    }
                }
                Effect::Update(id) => {
                    if let (Some(runner), Some((alloc, job))) = (self.runners.get(&id), self.wanted.get(id)) {
                        self.brain.runs_without_servers(id, stop_after(job.group(&alloc.group)));
                        runner.tell(UpdateAlloc { alloc: alloc.clone(), job: job.clone() });
                    }
                }
                Effect::Prepare(id) => self.prepare(id),
                Effect::Stop(id) => {
                    info!(alloc_id = %id, "stopping allocation");
                    let at_once = self.wanted.get(id).is_some_and(|(alloc, _)| alloc.no_shutdown_delay);
                    if let Some(runner) = self.runners.get(&id) {
                        runner.tell(KillAlloc { at_once, ..KillAlloc::default() });
                    }
                }
                Effect::ReportNeverStarted(id) => {
                    let update = AllocUpdate {
                        id,
                        client: ClientStatus::Complete,
                        client_description: "Stopped before it was started".into(),
                        tasks: Arc::default(),
                        services: Vec::new(),
                        health: None,
                        deployment: None,
                        time: self.kit.clock.now(),
                    };
                    self.unreported.insert(id, update);
                }
                Effect::Forget(id) => self.forget(id),
            }
        }
    }

    fn forget(&mut self, id: AllocId) {
        debug!(alloc_id = %id, "the servers forgot the allocation");
        if let Some(runner) = self.runners.remove(&id) {
            // Tasks that still run have no owner any more.
            runner.tell(KillAlloc::default());
        }
        self.over.remove(&id);
        self.unreported.remove(&id);
        self.last.remove(&id);
        let (store, disk) = (self.kit.store.clone(), self.kit.disk.clone());
        actix::spawn(async move {
            if let Err(error) = store.remove(id).await {
                warn!(alloc_id = %id, %error, "record could not be removed");
            }
            if let Err(error) = disk.destroy(id).await {
                warn!(alloc_id = %id, %error, "directory could not be removed");
            }
        });
    }

    /// Stops what shall not run on a node that is cut off.
    fn look_at_silence(&mut self) {
        let silence = self.contact.elapsed();
        for id in self.brain.silent_for(silence) {
            let Some(runner) = self.runners.get(&id) else { continue };
            warn!(alloc_id = %id, ?silence, "no server was heard for so long that the allocation shall stop");
            runner.tell(KillAlloc {
                reason: "Stopped because no server was heard for longer than stop_on_client_after".into(),
                at_once: false,
            });
        }
    }

    fn stop_following(&mut self) {
        if let Some(follower) = self.follower.take() {
            follower.abort();
        }
    }

    /// What the node says of itself changed. Before it is registered there is nothing to do: the registration says it.
    fn register_again(&mut self, context: &mut Context<Self>) {
        self.described = false;
        if !self.synced {
            return;
        }
        self.described = true;
        let (servers, node) = (self.kit.servers.clone(), Node::clone(&self.node));
        let register = async move { servers.register(node).await };
        context.spawn(register.into_actor(self).map(|result, actor, _| {
            if let Err(error) = result {
                warn!(%error, "could not register");
                // Tried again at the next look at the drivers.
                actor.described = false;
            }
        }));
    }

    fn fingerprint(&mut self, context: &mut Context<Self>) {
        let drivers: Vec<_> = self.kit.drivers.values().cloned().collect();
        let look = async move {
            let infos =
                drivers.iter().map(|driver| async { (driver.name().to_owned(), driver.fingerprint().await) });
            futures::future::join_all(infos).await.into_iter().collect()
        };
        context.spawn(look.into_actor(self).map(|infos, _, context| {
            context.notify(Fingerprinted(infos));
            context.run_later(FINGERPRINT_INTERVAL, Self::fingerprint);
        }));
    }
}

fn stop_after(group: Option<&TaskGroup>) -> Option<Duration> {
    group?.disconnect.as_ref()?.stop_on_client_after
}

impl Actor for NodeAgent {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.restore();
        let follower = Follower {
            id: self.node.id,
            servers: self.kit.servers.clone(),
            agent: self.me.clone(),
            jitter: self.kit.jitter.clone(),
            again: self.again.clone(),
        };
        self.follower = Some(actix::spawn(follower.follow()));
        context.run_later(FINGERPRINT_INTERVAL, Self::fingerprint);
        context.run_interval(SILENCE_INTERVAL, |actor, _| actor.look_at_silence());
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.stop_following();
    }
}

impl Handler<Assigned> for NodeAgent {
    type Result = MessageResult<Assigned>;

    fn handle(&mut self, Assigned(new): Assigned, context: &mut Self::Context) -> Self::Result {
        let next = self.wanted.take(new.index, new.allocs, &new.known, &new.jobs);
        self.reconcile();
        self.report(context);
        MessageResult(next)
    }
}

impl Handler<AllocChanged> for NodeAgent {
    type Result = ();

    fn handle(&mut self, AllocChanged { update, over }: AllocChanged, context: &mut Self::Context) {
        let id = update.id;
        if !self.runners.contains_key(&id) {
            return;
        }
        self.last.insert(id, update.clone());
        self.unreported.insert(id, update);
        if over && self.over.insert(id) {
            self.brain.ended(id);
            // Its ports are free now: something may have waited for them.
            self.reconcile();
        }
        self.report(context);
        if self.over.len() >= self.runners.len()
            && let Some(waiting) = self.stopping.take()
        {
            let _ = waiting.send(());
        }
    }
}

impl Handler<TookOver> for NodeAgent {
    type Result = ();

    fn handle(&mut self, TookOver(id): TookOver, _: &mut Self::Context) {
        self.brain.took_over(id);
        // What the servers forgot meanwhile may go now.
        self.reconcile();
    }
}

impl Handler<RebuildRunner> for NodeAgent {
    type Result = ();

    fn handle(&mut self, RebuildRunner(id): RebuildRunner, context: &mut Self::Context) {
        warn!(alloc_id = %id, "alloc runner panicked, it is rebuilt from its record");
        self.runners.remove(&id);
        let store = self.kit.store.clone();
        let load = async move { store.load().await };
        context.spawn(load.into_actor(self).map(move |records, actor, _| {
            let record = records
                .ok()
                .and_then(|records| records.into_iter().find(|(found, _)| *found == id))
                .and_then(|(_, remembered)| Record::decode(&remembered).ok());
            if let Some(record) = record {
                actor.start_runner(id, record);
            }
        }));
    }
}

impl Handler<Fingerprinted> for NodeAgent {
    type Result = ();

    fn handle(&mut self, Fingerprinted(infos): Fingerprinted, context: &mut Self::Context) {
        if apply_fingerprint(Arc::make_mut(&mut self.node), infos) {
            info!("what the drivers say changed, registering again");
            self.register_again(context);
        } else if !self.described {
            // The servers did not hear of an earlier change.
            self.register_again(context);
        }
    }
}

impl Handler<Goodbye> for NodeAgent {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Goodbye, _: &mut Self::Context) -> Self::Result {
        // A heartbeat after it would take it back.
        self.stop_following();
        let (servers, node) = (self.kit.servers.clone(), self.node.id);
        Box::pin(async move {
            match tokio::time::timeout(GOODBYE, servers.goodbye(node)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%error, "the servers do not know that this agent ends on purpose"),
                Err(_) => warn!("the servers do not know that this agent ends on purpose"),
            }
        })
    }
}

impl Handler<StopAllTasks> for NodeAgent {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopAllTasks, _: &mut Self::Context) -> Self::Result {
        self.is_closing = true;
        for runner in self.runners.values() {
            runner.tell(KillAlloc::default());
        }
        if self.over.len() >= self.runners.len() {
            return Box::pin(async {});
        }
        let (sender, receiver) = oneshot::channel();
        self.stopping = Some(sender);
        Box::pin(async move {
            let _ = receiver.await;
        })
    }
}

impl Handler<Observe> for NodeAgent {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        MessageResult(serde_json::json!({
            "runners": self.runners.len(), "over": self.over.len(), "unreported": self.unreported.len(),
            "synced": self.synced,
        }))
    }
}

impl Handler<Stop> for NodeAgent {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

#[cfg(test)]
mod tests;
