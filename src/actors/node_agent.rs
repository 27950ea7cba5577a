//! Compares what the servers want on this node with what runs here, and nothing else.
//!
//! Lives:      on every client, `node` arbiter
//! Asked by:   the HTTP edge (TaskHandles)    Asks: the servers (ServerLink)    Tells: AllocRunner
//! Owns:       one AllocRunner per allocation; reports that are not yet with the servers
//! On restart: never in place: a panic ends the agent, tasks go on, the next agent adopts them from disk
//! Brain:      logic::node_agent

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult,
    ResponseFuture, WrapFuture,
};
use logic::node_agent::{Effect, NodeAgent as Brain};
use model::{AllocId, AllocUpdate, Allocation, ClientStatus, DriverInfo, Job, Node};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::{
    alloc_runner::{AllocRunner, KillAlloc, Record, TakeHandles, UpdateAlloc},
    kit::{Fatal, Kind, Link, Observe, Stop, supervise_here},
    ports::{
        AllocDisk, Assignments, Clock, HostProbe, NodeStore, Prober, ServerLink, TaskDriver, TaskHandle,
    },
};

/// How often the machine and the drivers are looked at.
const FINGERPRINT_INTERVAL: Duration = Duration::from_secs(5);
/// Pause after the servers could not be reached.
const RETRY: Duration = Duration::from_secs(1);

/// What everything on the node is built from.
#[derive(Clone)]
pub struct NodeKit {
    pub servers: Arc<dyn ServerLink>,
    pub drivers: BTreeMap<String, Arc<dyn TaskDriver>>,
    pub disk: Arc<dyn AllocDisk>,
    pub store: Arc<dyn NodeStore>,
    pub prober: Arc<dyn Prober>,
    pub host: Arc<dyn HostProbe>,
    pub clock: Arc<dyn Clock>,
    /// A random number in 0..1, for jitter.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    pub fatal: Fatal,
}

/// The servers' newest word.
#[derive(Debug, Message)]
#[rtype(result = "()")]
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

/// What became of fingerprinting.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Fingerprinted(BTreeMap<String, DriverInfo>);

/// Drivers and handles of the running tasks of an allocation.
#[derive(Debug, Message)]
#[rtype(result = "Option<Handles>")]
pub struct TaskHandles(pub AllocId);

/// Handles by task name; `None` inside [`TaskHandles`]' answer when the allocation is not on this node.
pub type Handles = BTreeMap<String, TaskHandle>;

/// Stops all tasks and answers when they are over (a dev agent ends).
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopAllTasks;

pub struct NodeAgent {
    node: Node,
    kit: NodeKit,
    me: Link<NodeAgent>,
    brain: Brain,
    runners: BTreeMap<AllocId, Link<AllocRunner>>,
    wanted: BTreeMap<AllocId, (Arc<Allocation>, Arc<Job>)>,
    /// Runners that panicked and are to be rebuilt from their record.
    records: BTreeMap<AllocId, Record>,
    unreported: BTreeMap<AllocId, AllocUpdate>,
    last_status: BTreeMap<AllocId, ClientStatus>,
    reporting: bool,
    over: BTreeSet<AllocId>,
    registered: bool,
    stopping: Option<oneshot::Sender<()>>,
}

impl NodeAgent {
    /// `node` is what the machine says of itself, drivers included; `records` is what an earlier agent left.
    pub fn new(node: Node, kit: NodeKit, me: Link<NodeAgent>, records: Vec<(AllocId, Vec<u8>)>) -> Self {
        let mut found = BTreeMap::new();
        for (id, bytes) in records {
            match Record::decode(&bytes) {
                Ok(record) => {
                    found.insert(id, record);
                }
                Err(error) => warn!(alloc_id = %id, %error, "a record cannot be read, it is set aside"),
            }
        }
        Self {
            node,
            kit,
            me,
            brain: Brain::default(),
            runners: BTreeMap::new(),
            wanted: BTreeMap::new(),
            records: found,
            unreported: BTreeMap::new(),
            last_status: BTreeMap::new(),
            reporting: false,
            over: BTreeSet::new(),
            registered: false,
            stopping: None,
        }
    }

    fn restore(&mut self) {
        for (id, record) in std::mem::take(&mut self.records) {
            let over = record.is_over();
            info!(alloc_id = %id, over, "allocation found on disk");
            self.brain.restored(&record.alloc, over);
            self.start_runner(id, record);
        }
    }

    fn start_runner(&mut self, id: AllocId, record: Record) {
        let link: Link<AllocRunner> = Link::new("alloc runner");
        self.runners.insert(id, link.clone());
        if record.is_over() {
            self.over.insert(id);
        }
        let (node, kit, me, own) =
            (Arc::new(self.node.clone()), self.kit.clone(), self.me.clone(), link.clone());
        let escalate_to = self.me.clone();
        supervise_here(
            Kind::AllocRunner,
            link,
            self.kit.fatal.clone(),
            move || AllocRunner::new(record.clone(), node.clone(), kit.clone(), me.clone(), own.clone()),
            move || escalate_to.tell(RebuildRunner(id)),
        );
    }

    fn reconcile(&mut self) {
        let effects = self.brain.reconcile(self.wanted.values().map(|(alloc, _)| &**alloc));
        for effect in effects {
            match effect {
                Effect::Start(id) => {
                    if let Some((alloc, job)) = self.wanted.get(&id).cloned() {
                        info!(alloc_id = %id, job = %alloc.job, "starting allocation");
                        self.start_runner(id, Record::new(alloc, job));
                    }
                }
                Effect::Update(id) => {
                    if let (Some(runner), Some((alloc, job))) = (self.runners.get(&id), self.wanted.get(&id))
                    {
                        runner.tell(UpdateAlloc { alloc: alloc.clone(), job: job.clone() });
                    }
                }
                Effect::Stop(id) => {
                    info!(alloc_id = %id, "stopping allocation");
                    if let Some(runner) = self.runners.get(&id) {
                        runner.tell(KillAlloc);
                    }
                }
                Effect::ReportNeverStarted(id) => {
                    let update = AllocUpdate {
                        id,
                        client: ClientStatus::Complete,
                        client_description: "Stopped before it was started".into(),
                        tasks: BTreeMap::new(),
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
            runner.tell(KillAlloc);
        }
        self.over.remove(&id);
        self.unreported.remove(&id);
        self.last_status.remove(&id);
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

    /// At once when nothing is on its way; what comes meanwhile goes together.
    fn report(&mut self, context: &mut Context<Self>) {
        if self.reporting || self.unreported.is_empty() || !self.registered {
            return;
        }
        self.reporting = true;
        let updates: Vec<AllocUpdate> = std::mem::take(&mut self.unreported).into_values().collect();
        let servers = self.kit.servers.clone();
        let node = self.node.id;
        let send = async move {
            let result = servers.report(node, updates.clone()).await;
            (result, updates)
        };
        context.spawn(send.into_actor(self).map(|(result, updates), actor, context| {
            if let Err(error) = result {
                warn!(%error, "report did not reach the servers, trying again");
                for update in updates {
                    // A newer report of the same allocation is worth more.
                    actor.unreported.entry(update.id).or_insert(update);
                }
                context.run_later(RETRY, |actor, context| {
                    actor.reporting = false;
                    actor.report(context);
                });
                return;
            }
            actor.reporting = false;
            actor.report(context);
        }));
    }

    /// Registers, then waits for assignments for ever.
    fn follow(&mut self, context: &mut Context<Self>) {
        let servers = self.kit.servers.clone();
        let node = self.node.clone();
        let me = context.address();
        let registration = async move {
            while let Err(error) = servers.register(node.clone()).await {
                warn!(%error, "could not register, trying again");
                tokio::time::sleep(RETRY).await;
            }
        };
        context.spawn(registration.into_actor(self).map(move |(), actor, context| {
            info!(node_id = %actor.node.id, "node registered");
            actor.registered = true;
            actor.report(context);
            let servers = actor.kit.servers.clone();
            let id = actor.node.id;
            actix::spawn(async move {
                // 0 is never current once something was assigned; before that there is nothing to know.
                let mut index = 0;
                loop {
                    match servers.watch(id, index).await {
                        Ok(assignments) => {
                            index = assignments.index;
                            if me.send(Assigned(assignments)).await.is_err() {
                                return;
                            }
                        }
                        Err(error) => {
                            debug!(%error, "watching for assignments failed, trying again");
                            tokio::time::sleep(RETRY).await;
                        }
                    }
                }
            });
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

/// Puts what drivers say into the node; true when something that servers should know changed.
pub fn apply_fingerprint(node: &mut Node, infos: BTreeMap<String, DriverInfo>) -> bool {
    let mut changed = false;
    for (name, info) in infos {
        let same = node.drivers.get(&name).is_some_and(|old| {
            (old.detected, old.healthy, &old.description, &old.attributes)
                == (info.detected, info.healthy, &info.description, &info.attributes)
        });
        if same {
            continue;
        }
        changed = true;
        let prefix = format!("driver.{name}");
        node.attributes.retain(|key, _| *key != prefix && !key.starts_with(&format!("{prefix}.")));
        node.attributes.extend(info.attributes.clone());
        node.drivers.insert(name, info);
    }
    changed
}

impl Actor for NodeAgent {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.restore();
        self.follow(context);
        context.run_later(FINGERPRINT_INTERVAL, Self::fingerprint);
    }
}

impl Handler<Assigned> for NodeAgent {
    type Result = ();

    fn handle(&mut self, Assigned(assignments): Assigned, context: &mut Self::Context) {
        self.wanted = assignments
            .allocs
            .into_iter()
            .filter_map(|alloc| {
                let job = assignments.jobs.get(&alloc.job_index)?.clone();
                Some((alloc.id, (Arc::new(alloc), job)))
            })
            .collect();
        self.reconcile();
        self.report(context);
    }
}

impl Handler<AllocChanged> for NodeAgent {
    type Result = ();

    fn handle(&mut self, AllocChanged { update, over }: AllocChanged, context: &mut Self::Context) {
        let id = update.id;
        if !self.runners.contains_key(&id) {
            return;
        }
        self.last_status.insert(id, update.client);
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
                .and_then(|(_, bytes)| Record::decode(&bytes).ok());
            if let Some(record) = record {
                actor.start_runner(id, record);
            }
        }));
    }
}

impl Handler<Fingerprinted> for NodeAgent {
    type Result = ();

    fn handle(&mut self, Fingerprinted(infos): Fingerprinted, context: &mut Self::Context) {
        if !apply_fingerprint(&mut self.node, infos) || !self.registered {
            return;
        }
        info!("what the drivers say changed, registering again");
        let (servers, node) = (self.kit.servers.clone(), self.node.clone());
        let register = async move { servers.register(node).await };
        context.spawn(register.into_actor(self).map(|result, actor, _| {
            if let Err(error) = result {
                warn!(%error, "could not register");
                // Seen as changed again at the next look.
                actor.node.drivers.clear();
            }
        }));
    }
}

impl Handler<TaskHandles> for NodeAgent {
    type Result = ResponseFuture<Option<Handles>>;

    fn handle(&mut self, TaskHandles(id): TaskHandles, _: &mut Self::Context) -> Self::Result {
        let runner = self.runners.get(&id).cloned();
        Box::pin(async move { runner?.ask(TakeHandles).await.ok() })
    }
}

impl Handler<StopAllTasks> for NodeAgent {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopAllTasks, _: &mut Self::Context) -> Self::Result {
        for runner in self.runners.values() {
            runner.tell(KillAlloc);
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
            "registered": self.registered,
        }))
    }
}

impl Handler<Stop> for NodeAgent {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
