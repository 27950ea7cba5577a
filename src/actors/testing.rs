//! What the tests of actors stand on: a log that commits at once, a follower that lags, and a cluster that answers as
//! it is told. Time is tokio's, paused.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use model::{
    AllocId, Capacity, EvalId, Job, JobType, Node, NodeId, NodeStatus, Placement, Plan, Task, TaskGroup,
    Timestamp,
};
use state::{Command, Root};
use tokio::sync::{mpsc, watch};

use super::ports::{
    Clock, ClusterError, Committed, Consensus, Consistency, Freshness, IdSource, Leadership, Peer, PeerRef,
    Ping, Pinger, ProposeError, Proposer, StateReader, Witness, Word,
};

/// Runs a test in an actix system whose clock stands still while anybody has something to do.
pub(super) fn paused<F: Future<Output = ()>>(test: F) {
    let system = actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    });
    system.block_on(test);
}

/// Waits, at most a virtual hour, until the condition holds.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(3600);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One server's view of the log.
pub(super) struct State {
    root: Mutex<Arc<Root>>,
    changes: watch::Sender<u64>,
}

impl State {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { root: Mutex::default(), changes: watch::Sender::new(0) })
    }

    pub(super) fn put(&self, root: Arc<Root>) {
        let index = root.index;
        *self.root.lock().unwrap() = root;
        self.changes.send_replace(index);
    }
}

impl StateReader for State {
    fn root(&self) -> Arc<Root> {
        self.root.lock().unwrap().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The leader's log: commits at once, or fails as it is told.
pub(super) struct Log {
    pub(super) state: Arc<State>,
    pub(super) proposals: Mutex<Vec<Vec<Command>>>,
    pub(super) failure: Mutex<Option<ProposeError>>,
}

impl Log {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: State::new(), proposals: Mutex::default(), failure: Mutex::default() })
    }

    pub(super) fn apply(&self, commands: Vec<Command>) -> Committed {
        let mut root = Root::clone(&self.state.root());
        let index = root.index + 1;
        let outcomes = commands.into_iter().map(|command| root.apply(index, command)).collect();
        state::invariants::check(&root).unwrap();
        self.state.put(Arc::new(root));
        Committed { index, outcomes }
    }

    pub(super) fn fail(&self, error: Option<ProposeError>) {
        *self.failure.lock().unwrap() = error;
    }

    pub(super) fn status(&self, node: NodeId) -> Option<NodeStatus> {
        self.state.root().nodes.get(&node).map(|node| node.status)
    }

    /// How often a node's status was proposed.
    pub(super) fn verdicts(&self, node: NodeId) -> usize {
        let proposals = self.proposals.lock().unwrap();
        let about =
            |command: &&Command| matches!(command, Command::SetNodeStatus { node: id, .. } if *id == node);
        proposals.iter().flatten().filter(about).count()
    }
}

#[async_trait]
impl Proposer for Log {
    async fn propose(&self, commands: Vec<Command>) -> Result<Committed, ProposeError> {
        self.proposals.lock().unwrap().push(commands.clone());
        // Longer than nothing: others run meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
        match self.failure.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(self.apply(commands)),
        }
    }
}

/// Gossip, nodes and the other servers, as the test says.
#[derive(Default)]
pub(super) struct Cluster {
    /// Nodes that answer pings.
    pub(super) answering: Mutex<Vec<NodeId>>,
    pub(super) pings: AtomicU64,
    pub(super) no_leader: AtomicBool,
    pub(super) catch_ups: Mutex<Vec<Consistency>>,
    /// What catching up does, once.
    pub(super) on_catch_up: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    words: Mutex<Vec<mpsc::UnboundedSender<(NodeId, Word)>>>,
    first_words: Mutex<Vec<(NodeId, Word)>>,
}

impl Cluster {
    pub(super) fn say(&self, node: NodeId, word: Word) {
        self.first_words.lock().unwrap().push((node, word));
        for listener in self.words.lock().unwrap().iter() {
            let _ = listener.send((node, word));
        }
    }
}

#[async_trait]
impl Consensus for Cluster {
    async fn catch_up(&self, wanted: Consistency) -> Result<Freshness, ClusterError> {
        self.catch_ups.lock().unwrap().push(wanted);
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.no_leader.load(Ordering::Relaxed) {
            return Err(ClusterError::NoLeader);
        }
        if let Some(act) = self.on_catch_up.lock().unwrap().take() {
            act();
        }
        Ok(Freshness { known_leader: true, last_contact: Duration::ZERO })
    }

    fn leadership(&self) -> Leadership {
        Leadership::default()
    }

    fn peers(&self) -> (u64, Vec<Peer>) {
        (1, vec![Peer { address: "10.0.0.1:4647".into(), ..Peer::default() }])
    }

    async fn remove_peer(&self, _: PeerRef) -> Result<(), ClusterError> {
        Err(ClusterError::NoLeader)
    }

    async fn transfer_leadership(&self, _: Option<PeerRef>) -> Result<(), ClusterError> {
        Err(ClusterError::NoLeader)
    }
}

#[async_trait]
impl Pinger for Cluster {
    async fn ping(&self, node: NodeId, limit: Duration) -> Ping {
        self.pings.fetch_add(1, Ordering::Relaxed);
        if self.answering.lock().unwrap().contains(&node) {
            return Ping::Answered;
        }
        tokio::time::sleep(limit).await;
        Ping::Silent
    }
}

impl Witness for Cluster {
    fn words(&self) -> BoxStream<'static, (NodeId, Word)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        for said in self.first_words.lock().unwrap().iter() {
            let _ = sender.send(*said);
        }
        self.words.lock().unwrap().push(sender);
        futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) })
            .boxed()
    }
}

/// The virtual time since the test began, after an arbitrary day.
pub(super) struct TestClock(pub(super) tokio::time::Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_700_000_000).plus(self.0.elapsed())
    }
}

#[derive(Default)]
pub(super) struct Ids(AtomicU64);

impl IdSource for Ids {
    fn uuid(&self) -> u128 {
        1_000_000 + u128::from(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub(super) fn node(id: u128) -> Node {
    Node {
        id: NodeId(id),
        name: format!("n{id}"),
        datacenter: "dc1".into(),
        capacity: Capacity { cpu_mhz: 10_000, memory_mb: 10_000, disk_mb: 10_000 },
        dynamic_ports: (20000, 32000),
        status: NodeStatus::Ready,
        ..Node::default()
    }
}

/// A service of one task, under the name `web`, with room for as many allocations as a test places.
pub(super) fn web() -> Job {
    let task = Task { name: "task".into(), driver: "mock_driver".into(), ..Task::default() };
    let group = TaskGroup { name: "group".into(), count: 100, tasks: vec![task], ..TaskGroup::default() };
    Job {
        id: "web".into(),
        name: "web".into(),
        kind: JobType::Service,
        groups: vec![group],
        ..Job::default()
    }
}

/// Registers a job and places one allocation of it on a node.
pub(super) fn place(log: &Log, job: Job, alloc: u128, node: NodeId) {
    let key = job.key();
    let now = Timestamp(5);
    if log.state.root().jobs.get(&key).is_none() {
        log.apply(vec![Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: None, now }]);
    }
    let mut plan = Plan::new(EvalId(alloc), key.clone(), 50, log.state.root().index, now);
    plan.job_index = log.state.root().jobs[&key].job_modify_index;
    plan.placements.push(Placement {
        id: AllocId(alloc),
        node,
        group: "group".into(),
        index: alloc as u32,
        ..Placement::default()
    });
    log.apply(vec![Command::ApplyPlan { plan: Box::new(plan), evals: vec![] }]);
}

/// An update as a node sends it.
pub(super) fn update(alloc: u128, client: model::ClientStatus) -> model::AllocUpdate {
    model::AllocUpdate {
        id: AllocId(alloc),
        client,
        client_description: String::new(),
        tasks: Arc::default(),
        services: Vec::new(),
        health: None,
        deployment: None,
        time: Timestamp(9),
    }
}
