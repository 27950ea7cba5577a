//! A state that commits at once, and a node with files.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App,
    http::{Method, StatusCode, header::HeaderMap},
    test,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use logic::node_meta::{Changes, NodeMeta};
use model::{
    AllocId, AllocUpdate, Capacity, CheckState, CheckStatus, ClientStatus, DeploymentId, EvalId, Job, JobKey,
    JobType, Node, NodeId, NodeStatus, Placement, Plan, TaskPhase, TaskState, Timestamp,
};
use serde_json::Value;
use state::{Command, Root};
use tokio::sync::{Semaphore, watch};

use crate::{
    actors::ports::{
        AccessError, CheckSeen, Clock, ClusterError, Committed, DataStream, Elsewhere, ExecInput, ExecOutput,
        ExecSession, ExecSpec, HostUsage, IdSource, Joined, Leadership, LogLevel, LogTap, Member, Members,
        NodeAccess, ProposeError, Proposer, Reload, StateReader, Target, TaskAct, TaskUsage, WebAnswer,
        WebRequest, WebStream,
    },
    http::{AgentInfo, Context, Ports, events::EventFeed, nomad, one_server::OneServer, passed_on, talk},
};

pub(super) const NODE: NodeId = NodeId(0x1111_1111_0000_0000_0000_0000_0000_0001);
pub(super) const ALLOC: AllocId = AllocId(0xaaaa_aaaa_0000_0000_0000_0000_0000_0001);
pub(super) const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// A log of one server without disk.
pub(super) struct Log {
    root: Mutex<Arc<Root>>,
    changes: watch::Sender<u64>,
    /// Proposals begun so far.
    pub(super) begun: watch::Sender<u64>,
    /// A proposal needs a permit to go on.
    pub(super) gate: Semaphore,
    /// What the next proposal fails with.
    pub(super) failure: Mutex<Option<ProposeError>>,
}

impl Log {
    pub(super) fn apply(&self, commands: Vec<Command>) -> Committed {
        let mut current = self.root.lock().unwrap();
        let mut root = Root::clone(&current);
        let index = root.index + 1;
        let outcomes = commands.into_iter().map(|command| root.apply(index, command)).collect();
        state::invariants::check(&root).unwrap();
        *current = Arc::new(root);
        drop(current);
        self.changes.send_replace(index);
        Committed { index, outcomes }
    }
}

#[async_trait]
impl Proposer for Log {
    async fn propose(&self, commands: Vec<Command>) -> Result<Committed, ProposeError> {
        self.begun.send_modify(|count| *count += 1);
        let _permit = self.gate.acquire().await.unwrap();
        match self.failure.lock().unwrap().take() {
            Some(error) => Err(error),
            None => Ok(self.apply(commands)),
        }
    }
}

impl StateReader for Log {
    fn root(&self) -> Arc<Root> {
        self.root.lock().unwrap().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl IdSource for Counter {
    fn uuid(&self) -> u128 {
        0xeeee_eeee_0000_0000_0000_0000_0000_0000 | u128::from(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Knows [`ALLOC`] alone, once its task has a phase.
pub(super) struct OneNode {
    logs: PathBuf,
    has_none: AtomicBool,
    pub(super) phase: Mutex<Option<TaskPhase>>,
    /// What was done to its tasks.
    pub(super) acts: Mutex<Vec<TaskAct>>,
    meta: Mutex<NodeMeta>,
}

impl OneNode {
    /// Knows nothing any more.
    pub(super) fn forget(&self) {
        self.has_none.store(true, Ordering::Relaxed);
    }

    fn has(&self, alloc: AllocId) -> bool {
        alloc == ALLOC && !self.has_none.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl NodeAccess for OneNode {
    async fn data(&self, alloc: AllocId) -> Result<DataStream, AccessError> {
        if !self.has(alloc) {
            return Err(AccessError::NotFound);
        }
        let pieces = ["an ", "archive"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        Ok(Box::pin(futures::stream::iter(pieces)))
    }

    async fn host_usage(&self, node: Option<NodeId>) -> Result<HostUsage, AccessError> {
        match node {
            None | Some(NODE) => Ok(HostUsage { uptime_secs: 7, memory_total: 64, ..HostUsage::default() }),
            Some(_) => Err(AccessError::Elsewhere),
        }
    }

    async fn metadata(&self) -> Result<NodeMeta, AccessError> {
        Ok(self.meta.lock().unwrap().clone())
    }

    async fn change_metadata(&self, changes: Changes) -> Result<NodeMeta, AccessError> {
        let mut meta = self.meta.lock().unwrap();
        *meta = meta.changed(changes).map_err(AccessError::Failed)?;
        Ok(meta.clone())
    }

    async fn alloc_usage(&self, alloc: AllocId) -> Result<BTreeMap<String, TaskUsage>, AccessError> {
        if !self.has(alloc) {
            return Err(AccessError::Elsewhere);
        }
        let usage = |rss| TaskUsage {
            memory_rss: rss,
            measured_memory: vec![String::from("RSS")],
            ..TaskUsage::default()
        };
        Ok([(String::from("nginx"), usage(5)), (String::from("side"), usage(7))].into())
    }

    async fn log_dir(&self, alloc: AllocId) -> Result<PathBuf, AccessError> {
        if self.has(alloc) { Ok(self.logs.clone()) } else { Err(AccessError::NotFound) }
    }

    async fn alloc_dir(&self, alloc: AllocId) -> Result<PathBuf, AccessError> {
        if self.has(alloc) { Ok(self.logs.clone()) } else { Err(AccessError::NotFound) }
    }

    async fn act(&self, alloc: AllocId, task: Option<String>, act: TaskAct) -> Result<(), AccessError> {
        if !self.has(alloc) {
            return Err(AccessError::NotFound);
        }
        match task.as_deref() {
            None | Some("nginx") => {
                self.acts.lock().unwrap().push(act);
                Ok(())
            }
            Some(other) => Err(AccessError::Failed(format!("Task \"{other}\" not running"))),
        }
    }

    async fn task_states(&self, _: AllocId) -> Result<BTreeMap<String, TaskState>, AccessError> {
        let phase = self.phase.lock().unwrap().ok_or(AccessError::NotFound)?;
        let state = TaskState { phase, started_at: NOW, ..TaskState::default() };
        Ok([(String::from("nginx"), state)].into())
    }

    async fn checks(&self, alloc: AllocId) -> Result<Vec<CheckSeen>, AccessError> {
        if !self.has(alloc) {
            return Err(AccessError::NotFound);
        }
        let state = CheckState {
            name: String::from("up"),
            kind: String::from("http"),
            status: CheckStatus::Critical,
            output: String::from("HTTP GET http://x/: 503 Service Unavailable Output: late"),
            updated_at: NOW,
            on_update: model::OnUpdate::default(),
        };
        Ok(vec![CheckSeen { task: String::from("nginx"), service: String::from("web"), state }])
    }

    async fn collect(&self, alloc: Option<AllocId>) -> Result<(), AccessError> {
        match alloc {
            Some(alloc) if !self.has(alloc) => Err(AccessError::NotFound),
            Some(_) => {
                Err(AccessError::Failed(String::from("the allocation is not over: its files are in use")))
            }
            None => Ok(()),
        }
    }

    async fn action(&self, alloc: AllocId, task: &str, action: &str) -> Result<Vec<String>, AccessError> {
        match (self.has(alloc), task, action) {
            (false, ..) => Err(AccessError::NotFound),
            (_, "nginx", "reload") => Ok(vec![String::from("nginx"), String::from("-s reload")]),
            _ => Err(AccessError::Failed(format!("action {action:?} not found in task {task:?}"))),
        }
    }

    /// Says what it is told, until its stdin is closed; then it ends with 3.
    async fn exec(&self, alloc: AllocId, task: &str, spec: ExecSpec) -> Result<ExecSession, AccessError> {
        if !self.has(alloc) {
            return Err(AccessError::NotFound);
        }
        if task != "nginx" {
            return Err(AccessError::Failed(format!("task {task:?} is not running")));
        }
        let (session, mut ends) = ExecSession::new();
        tokio::spawn(async move {
            let words = format!("{} {}\n", spec.command.join(" "), spec.tty);
            let _ = ends.output.send(ExecOutput::Stderr(words.into())).await;
            while let Some(said) = ends.input.recv().await {
                let answer = match said {
                    ExecInput::Stdin(bytes) => ExecOutput::Stdout(bytes),
                    ExecInput::Size { rows, columns } => {
                        ExecOutput::Stdout(format!("{rows}x{columns}").into())
                    }
                    ExecInput::CloseStdin => ExecOutput::Exited(3),
                };
                let over = answer == ExecOutput::Exited(3);
                if ends.output.send(answer).await.is_err() || over {
                    break;
                }
            }
        });
        Ok(session)
    }
}

/// A configuration with a mistake, at first.
struct Broken(AtomicBool);

impl Reload for Broken {
    fn reload(&self) -> Result<(), Vec<String>> {
        if self.0.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        Err(vec![String::from("agent.hcl:1: no such setting"), String::from("agent.hcl:2: no number")])
    }
}

/// Says how much is wanted, and that it is a test.
struct Talkative;

impl LogTap for Talkative {
    fn listen(&self, level: LogLevel, json: bool) -> Option<tokio::sync::mpsc::Receiver<Bytes>> {
        let (lines, receiver) = tokio::sync::mpsc::channel(2);
        lines.try_send(format!("{level:?} {json}\n").into()).ok()?;
        lines.try_send("a test\n".into()).ok()?;
        Some(receiver)
    }
}

/// What gossip knows, and what was asked of it.
#[derive(Default)]
pub(super) struct Gossip {
    pub(super) members: Mutex<Vec<Member>>,
    pub(super) asked: Mutex<Vec<String>>,
}

/// A server, or (role `client`) another agent.
pub(super) fn member(name: &str, address: &str, role: &str, region: &str, status: &str) -> Member {
    let tags = [("role", role), ("region", region), ("dc", "dc1"), ("rpc_addr", address), ("port", "4647")];
    Member {
        name: format!("{name}.{region}"),
        address: address.to_owned(),
        port: 4648,
        status: status.to_owned(),
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    }
}

impl Gossip {
    fn note(&self, words: String) {
        self.asked.lock().unwrap().push(words);
    }
}

#[async_trait]
impl Members for Gossip {
    fn members(&self) -> Vec<Member> {
        self.members.lock().unwrap().clone()
    }

    /// Nobody answers at names that begin with `no`.
    async fn join(&self, addresses: Vec<String>) -> Joined {
        self.note(format!("join {}", addresses.join(" ")));
        let (failed, met): (Vec<String>, Vec<String>) =
            addresses.into_iter().partition(|address| address.starts_with("no"));
        let failed = failed.iter().map(|address| format!("{address}: no answer")).collect();
        Joined { contacted: met.len(), failed }
    }

    async fn force_leave(&self, name: &str, prune: bool) -> Result<(), String> {
        self.note(format!("force-leave {name} {prune}"));
        if name == "n1" { Err(format!("{name:?} is alive")) } else { Ok(()) }
    }

    async fn leave(&self) -> Result<(), String> {
        self.note(String::from("leave"));
        Ok(())
    }
}

/// The other agents: one, once there is one.
#[derive(Default)]
pub(super) struct Others {
    /// Who answers, whoever is asked for.
    pub(super) agent: Mutex<Option<Context>>,
    /// What the next question fails with.
    pub(super) failure: Mutex<Option<ClusterError>>,
    /// What was asked.
    pub(super) seen: Mutex<Vec<(Target, WebRequest)>>,
}

impl Others {
    fn find(&self, target: Target, request: &WebRequest) -> Result<Context, ClusterError> {
        self.seen.lock().unwrap().push((target.clone(), request.clone()));
        if let Some(error) = self.failure.lock().unwrap().take() {
            return Err(error);
        }
        self.agent.lock().unwrap().clone().ok_or(match target {
            Target::Region(region) => ClusterError::NoRegion(region),
            _ => ClusterError::Unreachable(String::from("there is no other agent")),
        })
    }
}

#[async_trait]
impl Elsewhere for Others {
    async fn ask(&self, target: Target, request: WebRequest, _: Duration) -> Result<WebAnswer, ClusterError> {
        let agent = self.find(target, &request)?;
        Ok(passed_on::answer_for(&agent, request).await)
    }

    async fn stream(&self, target: Target, request: WebRequest) -> Result<WebStream, ClusterError> {
        let agent = self.find(target, &request)?;
        Ok(passed_on::stream_for(&agent, request).await)
    }

    async fn talk(
        &self,
        target: Target,
        request: WebRequest,
        input: BoxStream<'static, Bytes>,
    ) -> Result<WebStream, ClusterError> {
        let agent = self.find(target, &request)?;
        Ok(talk::talk_for(&agent, request, input).await)
    }
}

pub(super) struct World {
    pub(super) log: Arc<Log>,
    pub(super) ctx: Context,
    pub(super) leadership: watch::Sender<Leadership>,
    /// Of [`ALLOC`].
    pub(super) logs: tempfile::TempDir,
    pub(super) node: Arc<OneNode>,
    pub(super) others: Arc<Others>,
    pub(super) gossip: Arc<Gossip>,
    pub(super) consensus: Arc<OneServer>,
}

pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With something else that the agent says of itself.
    pub(super) fn with(edit: impl FnOnce(&mut AgentInfo)) -> Self {
        let (changes, begun) = (watch::Sender::new(0), watch::Sender::new(0));
        let gate = Semaphore::new(1);
        let log = Arc::new(Log { root: Mutex::default(), changes, begun, gate, failure: Mutex::default() });
        let led =
            Leadership { is_leader: true, term: 1, leader_address: Some(String::from("10.0.0.1:4647")) };
        let (leadership, follower) = watch::channel(led);
        let logs = tempfile::tempdir().unwrap();
        let node = Arc::new(OneNode {
            acts: Mutex::default(),
            logs: logs.path().to_owned(),
            has_none: AtomicBool::new(false),
            phase: Mutex::default(),
            meta: Mutex::default(),
        });
        let others = Arc::<Others>::default();
        let gossip = Arc::<Gossip>::default();
        gossip.members.lock().unwrap().push(member("n1", "10.0.0.1", "nomad", "global", "alive"));
        let consensus = Arc::new(OneServer::new(follower.clone()));
        let mut agent = AgentInfo {
            name: String::from("n1"),
            region: String::from("global"),
            datacenter: String::from("dc1"),
            version: String::from("0.1.0"),
            http_address: String::from("10.0.0.1:4646"),
            rpc_address: String::from("10.0.0.1:4647"),
            gossip_address: String::from("10.0.0.1:4648"),
            is_server: true,
            node: Some(NODE),
            config: [(String::from("Region"), Value::from("global"))].into_iter().collect(),
            leadership: follower.clone(),
        };
        edit(&mut agent);
        let ports = Ports {
            state: log.clone(),
            proposer: log.clone(),
            clock: Arc::new(Still),
            ids: Arc::new(Counter::default()),
            nodes: node.clone(),
            members: gossip.clone(),
            consensus: consensus.clone(),
            elsewhere: others.clone(),
            log: Arc::new(Talkative),
            configuration: Arc::new(Broken(AtomicBool::new(false))),
        };
        let events = EventFeed::start(log.clone(), &tokio::runtime::Handle::current());
        let ctx = Context::new(ports, agent).with_events(events);
        Self { log, ctx, leadership, logs, node, others, gossip, consensus }
    }

    pub(super) async fn call(&self, method: Method, uri: &str, body: impl Into<Bytes>) -> Reply {
        let app = test::init_service(App::new().configure(nomad(self.ctx.clone()))).await;
        let request = test::TestRequest::with_uri(uri).method(method).set_payload(body).to_request();
        let response = test::call_service(&app, request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        Reply { status, headers, body: test::read_body(response).await }
    }

    pub(super) async fn get(&self, uri: &str) -> Reply {
        self.call(Method::GET, uri, "").await
    }

    pub(super) async fn put(&self, uri: &str, body: &Value) -> Reply {
        self.call(Method::PUT, uri, body.to_string()).await
    }

    /// A job with a node and a running allocation of it.
    pub(super) fn with_alloc(self) -> Self {
        let node = Node {
            id: NODE,
            name: String::from("n1"),
            datacenter: String::from("dc1"),
            address: String::from("10.0.0.1"),
            http_addr: String::from("10.0.0.1:4646"),
            capacity: Capacity { cpu_mhz: 4000, memory_mb: 4000, disk_mb: 4000 },
            status: NodeStatus::Ready,
            ..Node::default()
        };
        self.log.apply(vec![Command::RegisterNode { node, evals: Vec::new(), now: NOW }]);
        let job = job().into_model().unwrap();
        let eval = model::Evaluation::new(
            EvalId(1),
            job.key(),
            JobType::Service,
            50,
            model::Trigger::JobRegister,
            NOW,
        );
        self.log.apply(vec![Command::RegisterJob {
            job: Box::new(job),
            enforce_index: None,
            eval: Some(eval),
            now: NOW,
        }]);
        let key = JobKey::new("default", "web");
        let stored: Arc<Job> = self.log.root().jobs[&key].clone();
        let mut plan = Plan::new(EvalId(1), key, 50, 2, NOW);
        plan.job_index = stored.job_modify_index;
        plan.placements.push(Placement {
            id: ALLOC,
            node: NODE,
            group: Arc::from("front"),
            deployment: None::<DeploymentId>,
            ..Placement::default()
        });
        self.log.apply(vec![Command::ApplyPlan { plan: Box::new(plan), evals: Vec::new() }]);
        self.report(TaskPhase::Running);
        self
    }

    /// What the node says of [`ALLOC`].
    pub(super) fn report(&self, phase: TaskPhase) {
        let client = if phase == TaskPhase::Dead { ClientStatus::Complete } else { ClientStatus::Running };
        let started_at = if phase == TaskPhase::Pending { Timestamp::ZERO } else { NOW };
        let state = TaskState { phase, started_at, ..TaskState::default() };
        self.log.apply(vec![Command::UpdateAllocs {
            updates: vec![AllocUpdate {
                id: ALLOC,
                client,
                client_description: String::new(),
                tasks: Arc::new([(String::from("nginx"), state)].into()),
                services: Vec::new(),
                health: None,
                deployment: None,
                time: NOW,
            }],
            evals: Vec::new(),
            synced: None,
            now: NOW,
        }]);
    }
}

/// As clients send it.
pub(super) fn job() -> api::Job {
    serde_json::from_value(serde_json::json!({
        "ID": "web",
        "Datacenters": ["dc1"],
        "TaskGroups": [{
            "Name": "front",
            "Tasks": [{"Name": "nginx", "Driver": "mock_driver", "Config": {"run_for": "1h"}}]
        }]
    }))
    .unwrap()
}

/// The body of a register.
pub(super) fn request() -> Value {
    serde_json::json!({ "Job": job() })
}
