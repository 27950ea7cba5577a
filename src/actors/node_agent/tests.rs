use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use model::{
    Allocation, CheckStatus, ClientStatus, Disconnect, Job, JobType, NodeId, TaskPhase, TaskState, Timestamp,
    event_type,
};

use super::*;
use crate::actors::{
    kit::supervise_here,
    ports::{
        DataStream, DriverError, DriverNotes, ExecResult, ExecSession, ExecSpec, FetchError, FetchOrder,
        Fetcher, FilePut, Heartbeat, HostFacts, HostUsage, LinkError, NoData, Part, Probe, Registered,
        Remembered, StateReader, TaskDirs, TaskExit, TaskHandle, TaskSpec, TaskUsage,
    },
    testing::{Log, TestClock, node, paused, place, until, web},
};

const NODE: NodeId = NodeId(1);

/// Servers that answer as the test says.
#[derive(Default)]
struct Servers {
    away: AtomicBool,
    unknown: AtomicBool,
    /// Of the next registrations.
    log_index: Mutex<u64>,
    registered: Mutex<usize>,
    heartbeats: Mutex<usize>,
    goodbyes: Mutex<usize>,
    reports: Mutex<Vec<(Vec<AllocUpdate>, bool)>>,
    refuse_report: Mutex<Option<LinkError>>,
    /// Indexes that watches asked for.
    asked: Mutex<Vec<u64>>,
    answers: Mutex<VecDeque<Result<Assignments, LinkError>>>,
    news: Notify,
}

impl Servers {
    fn answer(&self, answer: Result<Assignments, LinkError>) {
        self.answers.lock().unwrap().push_back(answer);
        self.news.notify_one();
    }

    fn reachable(&self) -> Result<(), LinkError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(LinkError::Unreachable("cut off".into()));
        }
        Ok(())
    }

    fn registered(&self) -> usize {
        *self.registered.lock().unwrap()
    }

    /// The newest that the servers know of an allocation.
    fn known(&self, alloc: u128) -> Option<AllocUpdate> {
        let reports = self.reports.lock().unwrap();
        reports.iter().flat_map(|(updates, _)| updates).rfind(|update| update.id.0 == alloc).cloned()
    }

    fn status(&self, alloc: u128) -> Option<ClientStatus> {
        self.known(alloc).map(|update| update.client)
    }
}

#[async_trait]
impl ServerLink for Servers {
    async fn register(&self, _: Node) -> Result<Registered, LinkError> {
        self.reachable()?;
        *self.registered.lock().unwrap() += 1;
        self.unknown.store(false, Ordering::Relaxed);
        Ok(Registered { index: *self.log_index.lock().unwrap() })
    }

    async fn heartbeat(&self, _: NodeId) -> Result<Heartbeat, LinkError> {
        self.reachable()?;
        *self.heartbeats.lock().unwrap() += 1;
        let known = !self.unknown.load(Ordering::Relaxed);
        Ok(Heartbeat { ttl: Duration::from_secs(10), servers: Vec::new(), known })
    }

    async fn watch(&self, _: NodeId, index: u64) -> Result<Assignments, LinkError> {
        self.asked.lock().unwrap().push(index);
        loop {
            self.reachable()?;
            let answer = self.answers.lock().unwrap().pop_front();
            match answer {
                Some(answer) => return answer,
                None => self.news.notified().await,
            }
        }
    }

    async fn report(&self, _: NodeId, updates: Vec<AllocUpdate>, synced: bool) -> Result<(), LinkError> {
        self.reachable()?;
        if let Some(error) = self.refuse_report.lock().unwrap().take() {
            return Err(error);
        }
        self.reports.lock().unwrap().push((updates, synced));
        Ok(())
    }

    async fn goodbye(&self, _: NodeId) -> Result<(), LinkError> {
        *self.goodbyes.lock().unwrap() += 1;
        self.reachable()
    }

    async fn parted(&self, _: NodeId) -> Result<(), LinkError> {
        Ok(())
    }
}

/// A machine whose tasks run until they are stopped.
#[derive(Default)]
struct Machine {
    running: Mutex<BTreeMap<AllocId, Arc<Notify>>>,
    records: Mutex<BTreeMap<AllocId, Remembered>>,
    destroyed: Mutex<Vec<AllocId>>,
    /// What was moved, from whom to whom.
    moved: Mutex<Vec<(AllocId, AllocId)>>,
    /// What came from other nodes, for whom.
    unpacked: Mutex<Vec<AllocId>>,
    /// Of whom data were asked for; they come when the gate is open.
    fetched: Mutex<Vec<AllocId>>,
    gate: Notify,
    /// Drivers take so long to prepare.
    preparation: Mutex<Duration>,
    meta: Mutex<Option<Vec<u8>>>,
}

impl Machine {
    fn runs(&self, alloc: u128) -> bool {
        self.running.lock().unwrap().contains_key(&AllocId(alloc))
    }

    fn end(&self, alloc: AllocId) {
        if let Some(running) = self.running.lock().unwrap().remove(&alloc) {
            // All of them: runners of an agent that was killed live on in this process.
            running.notify_waiters();
        }
    }
}

#[async_trait]
impl TaskDriver for Machine {
    fn name(&self) -> &'static str {
        "mock_driver"
    }

    async fn fingerprint(&self) -> DriverInfo {
        DriverInfo::default()
    }

    async fn prepare(&self, _: &TaskSpec) -> Result<(), DriverError> {
        let pause = *self.preparation.lock().unwrap();
        tokio::time::sleep(pause).await;
        Err(DriverError::Recoverable("nobody has it".into()))
    }

    async fn start(&self, spec: &TaskSpec, _: DriverNotes) -> Result<TaskHandle, DriverError> {
        self.running.lock().unwrap().insert(spec.alloc, Arc::default());
        Ok(TaskHandle {
            driver: "mock_driver".into(),
            alloc: spec.alloc,
            task: spec.task.name.clone(),
            started_at: Timestamp(1),
            state: String::new(),
            address: None,
        })
    }

    async fn recover(&self, handle: &TaskHandle, _: &TaskSpec) -> Result<(), DriverError> {
        if self.running.lock().unwrap().contains_key(&handle.alloc) {
            return Ok(());
        }
        Err(DriverError::NotFound(handle.task.clone()))
    }

    async fn wait(&self, handle: &TaskHandle) -> Result<TaskExit, DriverError> {
        let running = self.running.lock().unwrap().get(&handle.alloc).cloned();
        if let Some(running) = running {
            running.notified().await;
        }
        Ok(TaskExit::default())
    }

    async fn stop(&self, handle: &TaskHandle, _: &str, _: Duration) -> Result<(), DriverError> {
        self.end(handle.alloc);
        Ok(())
    }

    async fn destroy(&self, _: &TaskHandle) -> Result<(), DriverError> {
        Ok(())
    }

    async fn signal(&self, _: &TaskHandle, _: &str) -> Result<(), DriverError> {
        Ok(())
    }

    async fn usage(&self, _: &TaskHandle) -> Result<TaskUsage, DriverError> {
        Ok(TaskUsage::default())
    }

    async fn exec(&self, _: &TaskHandle, _: &[String], _: Duration) -> Result<ExecResult, DriverError> {
        Ok(ExecResult::default())
    }

    async fn attach(&self, _: &TaskHandle, _: &ExecSpec) -> Result<ExecSession, DriverError> {
        Err(DriverError::Fatal("there is nothing to run it in".into()))
    }
}

#[async_trait]
impl AllocDisk for Machine {
    async fn create(&self, _: AllocId, _: &[String]) -> std::io::Result<()> {
        Ok(())
    }

    async fn write(&self, _: AllocId, _: &str, _: &str, _: Vec<u8>) -> std::io::Result<()> {
        Ok(())
    }

    async fn put(&self, _: AllocId, _: FilePut) -> std::io::Result<bool> {
        Ok(true)
    }

    async fn read(&self, _: AllocId, _: Vec<String>, _: usize) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn dirs(&self, _: AllocId, _: &str) -> TaskDirs {
        let nowhere = || PathBuf::from("/nonexistent");
        TaskDirs { alloc: nowhere(), task: nowhere(), local: nowhere(), secrets: nowhere(), logs: nowhere() }
    }

    async fn destroy(&self, alloc: AllocId) -> std::io::Result<()> {
        self.destroyed.lock().unwrap().push(alloc);
        Ok(())
    }
}

#[async_trait]
impl AllocData for Machine {
    async fn hand_over(&self, from: AllocId, to: AllocId, _: &[String]) -> std::io::Result<bool> {
        assert!(!self.destroyed.lock().unwrap().contains(&from), "the data are gone before they are taken");
        assert!(!self.running.lock().unwrap().contains_key(&to), "it runs before it has its data");
        self.moved.lock().unwrap().push((from, to));
        Ok(true)
    }

    async fn pack(&self, _: AllocId) -> std::io::Result<DataStream> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    async fn unpack(&self, alloc: AllocId, _: &[String], _: DataStream) -> std::io::Result<()> {
        assert!(!self.running.lock().unwrap().contains_key(&alloc), "it runs before it has its data");
        self.unpacked.lock().unwrap().push(alloc);
        Ok(())
    }
}

#[async_trait]
impl DataElsewhere for Machine {
    async fn fetch(&self, alloc: AllocId) -> Result<DataStream, NoData> {
        self.fetched.lock().unwrap().push(alloc);
        self.gate.notified().await;
        Ok(Box::pin(futures::stream::empty()))
    }
}

#[async_trait]
impl Fetcher for Machine {
    async fn fetch(&self, _: FetchOrder) -> Result<(), FetchError> {
        Ok(())
    }
}

#[async_trait]
impl NodeStore for Machine {
    async fn put(&self, alloc: AllocId, part: Part, bytes: Vec<u8>) -> std::io::Result<()> {
        let mut records = self.records.lock().unwrap();
        let record = records.entry(alloc).or_default();
        match part {
            Part::Row => record.row = bytes,
            Part::Progress => record.progress = Some(bytes),
        }
        Ok(())
    }

    async fn remove(&self, alloc: AllocId) -> std::io::Result<()> {
        self.records.lock().unwrap().remove(&alloc);
        Ok(())
    }

    async fn load(&self) -> std::io::Result<Vec<(AllocId, Remembered)>> {
        Ok(self.records.lock().unwrap().clone().into_iter().collect())
    }

    async fn put_meta(&self, bytes: Vec<u8>) -> std::io::Result<()> {
        *self.meta.lock().unwrap() = Some(bytes);
        Ok(())
    }

    async fn load_meta(&self) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.meta.lock().unwrap().clone())
    }
}

#[async_trait]
impl Prober for Machine {
    async fn probe(&self, _: &Probe, _: Duration) -> (CheckStatus, String) {
        (CheckStatus::Passing, String::new())
    }
}

#[async_trait]
impl HostProbe for Machine {
    async fn fingerprint(&self) -> HostFacts {
        HostFacts::default()
    }

    async fn interfaces(&self) -> Vec<logic::sockaddr::Interface> {
        Vec::new()
    }

    async fn usage(&self) -> HostUsage {
        HostUsage::default()
    }
}

struct World {
    servers: Arc<Servers>,
    machine: Arc<Machine>,
    agent: Link<NodeAgent>,
    /// Only there to make rows of allocations.
    log: Arc<Log>,
}

impl World {
    fn new() -> Self {
        let log = Log::new();
        let row = state::Command::RegisterNode { node: node(1), evals: vec![], now: Timestamp(1) };
        log.apply(vec![row]);
        let (servers, machine) = (Arc::new(Servers::default()), Arc::new(Machine::default()));
        let mut world = Self { servers, machine, agent: Link::new("node agent"), log };
        world.start();
        world
    }

    fn start(&mut self) {
        self.agent = Link::new("node agent");
        let kit = NodeKit {
            servers: self.servers.clone(),
            drivers: Arc::new(
                [("mock_driver".to_owned(), self.machine.clone() as Arc<dyn TaskDriver>)].into(),
            ),
            disk: self.machine.clone(),
            data: self.machine.clone(),
            elsewhere: self.machine.clone(),
            fetcher: self.machine.clone(),
            store: self.machine.clone(),
            meta: Default::default(),
            prober: self.machine.clone(),
            host: self.machine.clone(),
            catalog: self.log.state.clone(),
            clock: Arc::new(TestClock(Instant::now())),
            jitter: Arc::new(|| 0.5),
            fatal: Fatal::channel().0,
        };
        let records: Vec<_> = self.machine.records.lock().unwrap().clone().into_iter().collect();
        let me = self.agent.clone();
        let mut described = node(1);
        described.drivers.insert("mock_driver".into(), DriverInfo::default());
        supervise_here(
            Kind::NodeAgent,
            self.agent.clone(),
            kit.fatal.clone(),
            move || NodeAgent::new(described.clone(), kit.clone(), me.clone(), records.clone()),
            || {},
        );
    }

    /// The agent is killed; tasks go on.
    async fn restart(&mut self) {
        self.agent.tell(Stop);
        until("it ended", || !self.agent.is_running()).await;
        self.start();
    }

    /// A row of an allocation of the job, as the servers hold it.
    fn row(&self, job: Job, alloc: u128) -> Allocation {
        place(&self.log, job, alloc, NODE);
        (*self.log.state.root().allocs[&AllocId(alloc)]).clone()
    }

    fn assignments(&self, index: u64, allocs: Vec<Allocation>, known: &[u128]) -> Assignments {
        let root = self.log.state.root();
        let jobs =
            allocs.iter().map(|alloc| (alloc.job_index, root.job_of(alloc).unwrap().clone())).collect();
        Assignments { index, allocs, known: known.iter().map(|id| AllocId(*id)).collect(), jobs }
    }

    /// Starts an allocation and waits until the servers know that it runs.
    async fn run(&self, job: Job, alloc: u128) {
        let row = self.row(job, alloc);
        self.servers.answer(Ok(self.assignments(100, vec![row], &[alloc])));
        until("it runs", || self.servers.status(alloc) == Some(ClientStatus::Running)).await;
    }
}

/// The servers place what ended anew; who is about to go has no use for it.
#[test]
fn a_node_that_stops_everything_starts_nothing() {
    paused(async {
        let world = World::new();
        world.run(web(), 10).await;
        world.agent.ask(StopAllTasks).await.unwrap();
        until("it is over", || world.servers.status(10) == Some(ClientStatus::Complete)).await;
        let instead = world.row(web(), 11);
        world.servers.answer(Ok(world.assignments(101, vec![instead], &[10, 11])));
        until("it was told", || world.servers.asked.lock().unwrap().contains(&101)).await;
        let seen = world.agent.ask(Observe).await.unwrap();
        assert_eq!(seen["runners"], 1, "{seen}");
    });
}

#[test]
fn a_node_registers_tells_what_it_has_and_runs_what_it_shall() {
    paused(async {
        let world = World::new();
        world.run(web(), 10).await;
        let reports = world.servers.reports.lock().unwrap().clone();
        assert!(reports[0].0.is_empty() && reports[0].1, "{reports:?}");
        assert!(reports[1..].iter().all(|(_, synced)| !synced));
        assert_eq!(*world.servers.asked.lock().unwrap(), [0, 100]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        // One at once, then one each five seconds.
        assert_eq!(*world.servers.heartbeats.lock().unwrap(), 13);
        assert_eq!(world.servers.registered(), 1);
    });
}

#[test]
fn a_node_that_was_given_up_registers_and_tells_everything_again() {
    paused(async {
        let world = World::new();
        world.run(web(), 10).await;
        world.servers.reports.lock().unwrap().clear();
        let told = |times| {
            let servers = world.servers.clone();
            move || {
                let reports = servers.reports.lock().unwrap();
                let full: Vec<_> = reports.iter().filter(|(_, synced)| *synced).collect();
                full.iter()
                    .all(|(updates, _)| updates.len() == 1 && updates[0].client == ClientStatus::Running)
                    && full.len() == times
            }
        };
        world.servers.answer(Err(LinkError::Reregister));
        until("the watch said so", told(1)).await;
        world.servers.unknown.store(true, Ordering::Relaxed);
        until("the heartbeat said so", told(2)).await;
        assert_eq!(world.servers.registered(), 3);
        assert!(world.machine.runs(10));
    });
}

#[test]
fn a_refused_report_is_told_after_the_registration() {
    paused(async {
        let world = World::new();
        world.run(web(), 10).await;
        *world.servers.refuse_report.lock().unwrap() = Some(LinkError::Reregister);
        world.machine.end(AllocId(10));
        // A service whose task ends is restarted; whatever the report said arrives.
        until("it registered", || world.servers.registered() == 2).await;
        until("its end is known", || {
            world.servers.known(10).is_some_and(|update| {
                let task = &update.tasks["task"];
                task.restarts > 0 && task.phase == TaskPhase::Running
            })
        })
        .await;
        let full = world.servers.reports.lock().unwrap().iter().filter(|(_, synced)| *synced).count();
        assert_eq!(full, 2);
    });
}

#[test]
fn tasks_go_on_without_servers_except_those_that_shall_not() {
    paused(async {
        let world = World::new();
        let patient = world.row(web(), 10);
        let mut job = web();
        job.id = "strict".into();
        job.groups[0].disconnect =
            Some(Disconnect { stop_on_client_after: Some(Duration::from_secs(60)), ..Disconnect::default() });
        let strict = world.row(job, 11);
        world.servers.answer(Ok(world.assignments(100, vec![patient, strict], &[10, 11])));
        until("both run", || {
            [10, 11].iter().all(|id| world.servers.status(*id) == Some(ClientStatus::Running))
        })
        .await;
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert!(world.machine.runs(11));
        world.servers.away.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(54)).await;
        assert!(world.machine.runs(11));
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert!(!world.machine.runs(11));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(world.machine.runs(10));
        world.servers.away.store(false, Ordering::Relaxed);
        until("it is told", || world.servers.status(11) == Some(ClientStatus::Complete)).await;
        let TaskState { events, .. } = world.servers.known(11).unwrap().tasks["task"].clone();
        let killing = events.iter().find(|event| event.kind == event_type::KILLING).unwrap();
        assert!(format!("{killing:?}").contains("stop_on_client_after"), "{killing:?}");
    });
}

#[test]
fn what_ends_before_the_servers_first_word_forgets_nothing() {
    paused(async {
        let mut world = World::new();
        let batch = Job { id: "batch".into(), kind: JobType::Batch, ..web() };
        let rows = vec![world.row(web(), 10), world.row(batch, 11)];
        world.servers.answer(Ok(world.assignments(100, rows, &[10, 11])));
        until("both run", || {
            [10, 11].iter().all(|id| world.servers.status(*id) == Some(ClientStatus::Running))
        })
        .await;
        world.servers.away.store(true, Ordering::Relaxed);
        world.restart().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        // Ends for good while nobody has said yet what shall run here.
        world.machine.end(AllocId(11));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!world.machine.runs(11) && world.machine.runs(10));
        assert!(world.machine.destroyed.lock().unwrap().is_empty());
        world.servers.reports.lock().unwrap().clear();
        world.servers.away.store(false, Ordering::Relaxed);
        until("all is told", || {
            let reports = world.servers.reports.lock().unwrap();
            reports.iter().any(|(updates, synced)| *synced && updates.len() == 2)
        })
        .await;
        assert_eq!(world.servers.status(11), Some(ClientStatus::Complete));
    });
}

#[test]
fn old_words_are_not_acted_on_and_missing_ones_are_asked_for() {
    paused(async {
        let world = World::new();
        world.run(web(), 10).await;
        // A server that lags says that nothing shall run here.
        world.servers.answer(Ok(world.assignments(90, vec![], &[])));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(world.machine.runs(10));
        // A delta that does not fit what is here.
        world.servers.answer(Ok(world.assignments(110, vec![], &[10, 11])));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(*world.servers.asked.lock().unwrap(), [0, 100, 100, 0]);
        let eleven = world.row(web(), 11);
        world.servers.answer(Ok(world.assignments(110, vec![eleven], &[11])));
        until("the new one runs", || world.servers.status(11) == Some(ClientStatus::Running)).await;
        until("the other is forgotten", || world.machine.destroyed.lock().unwrap().len() == 1).await;
        assert!(!world.machine.runs(10));
    });
}

#[test]
fn a_new_log_is_believed_after_the_registration_with_it() {
    paused(async {
        let world = World::new();
        *world.servers.log_index.lock().unwrap() = 50;
        world.run(web(), 10).await;
        *world.servers.log_index.lock().unwrap() = 3;
        world.servers.answer(Err(LinkError::Reregister));
        until("it registered", || world.servers.registered() == 2).await;
        world.servers.answer(Ok(world.assignments(4, vec![], &[])));
        until("it is forgotten", || !world.machine.runs(10)).await;
    });
}

#[test]
fn after_a_goodbye_the_node_is_silent() {
    paused(async {
        let world = World::new();
        world.run(web(), 10).await;
        world.agent.ask(Goodbye).await.unwrap();
        let beats = *world.servers.heartbeats.lock().unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(
            (*world.servers.goodbyes.lock().unwrap(), *world.servers.heartbeats.lock().unwrap()),
            (1, beats)
        );
        assert!(world.machine.runs(10));
    });
}

fn sticky(migrate: bool) -> Job {
    let mut job = web();
    job.groups[0].ephemeral_disk.sticky = true;
    job.groups[0].ephemeral_disk.migrate = migrate;
    job
}

impl World {
    /// The row of what comes after another allocation.
    fn heir(&self, job: Job, previous: u128, alloc: u128) -> Allocation {
        Allocation { previous: Some(AllocId(previous)), ..self.row(job, alloc) }
    }

    fn events(&self, alloc: u128) -> Vec<String> {
        let Some(known) = self.servers.known(alloc) else { return Vec::new() };
        let events = known.tasks["task"].events.iter();
        let of_disk = events.filter(|event| event.kind == event_type::EPHEMERAL_DISK);
        of_disk.map(|event| event.message.clone().into_owned()).collect()
    }
}

#[test]
fn data_move_from_one_to_the_next_before_it_runs() {
    paused(async {
        let world = World::new();
        let old = world.row(sticky(false), 10);
        world.servers.answer(Ok(world.assignments(100, vec![old.clone()], &[10])));
        until("it runs", || world.servers.status(10) == Some(ClientStatus::Running)).await;
        let heir = world.heir(sticky(false), 10, 11);
        let stopped = Allocation { desired: model::DesiredStatus::Stop, ..old };
        world.servers.answer(Ok(world.assignments(110, vec![stopped, heir], &[10, 11])));
        until("the next runs", || world.servers.status(11) == Some(ClientStatus::Running)).await;
        assert_eq!(*world.machine.moved.lock().unwrap(), [(AllocId(10), AllocId(11))]);
        assert_eq!(world.events(11).len(), 1, "{:?}", world.events(11));
        world.servers.answer(Ok(world.assignments(120, vec![], &[11])));
        until("the first is forgotten", || *world.machine.destroyed.lock().unwrap() == [AllocId(10)]).await;
    });
}

#[test]
fn data_from_another_node_are_waited_for_also_by_the_next_agent() {
    paused(async {
        let mut world = World::new();
        let heir = world.heir(sticky(true), 9, 11);
        world.servers.answer(Ok(world.assignments(100, vec![heir], &[11])));
        until("they are asked for", || world.machine.fetched.lock().unwrap().len() == 1).await;
        until("it waits", || !world.events(11).is_empty()).await;
        assert!(!world.machine.runs(11));
        world.restart().await;
        until("they are asked for again", || world.machine.fetched.lock().unwrap().len() == 2).await;
        assert!(!world.machine.runs(11));
        world.machine.gate.notify_waiters();
        until("it runs", || world.machine.runs(11)).await;
        // Runners of the agent that was killed live on in this process, and have theirs, too.
        assert!(world.machine.unpacked.lock().unwrap().iter().all(|id| *id == AllocId(11)));
        // It has them: nothing is taken from the one that runs.
        world.servers.reports.lock().unwrap().clear();
        world.restart().await;
        until("it runs on", || world.servers.status(11) == Some(ClientStatus::Running)).await;
        assert_eq!(world.machine.fetched.lock().unwrap().len(), 2);
    });
}

#[test]
fn what_is_stopped_does_not_wait_for_data() {
    paused(async {
        let world = World::new();
        let heir = world.heir(sticky(true), 9, 11);
        world.servers.answer(Ok(world.assignments(100, vec![heir.clone()], &[11])));
        until("they are asked for", || world.machine.fetched.lock().unwrap().len() == 1).await;
        let stopped = Allocation { desired: model::DesiredStatus::Stop, ..heir };
        // Those it waited for are fetched for the next one.
        let next = world.heir(sticky(true), 11, 12);
        world.servers.answer(Ok(world.assignments(110, vec![stopped, next], &[11, 12])));
        until("it is over", || world.servers.status(11) == Some(ClientStatus::Complete)).await;
        until("the next asks", || *world.machine.fetched.lock().unwrap() == [AllocId(9), AllocId(9)]).await;
        world.machine.gate.notify_waiters();
        until("the next runs", || world.servers.status(12) == Some(ClientStatus::Running)).await;
        assert_eq!(*world.machine.unpacked.lock().unwrap(), [AllocId(12)]);
        assert!(world.machine.moved.lock().unwrap().is_empty());
    });
}

#[test]
fn the_old_one_runs_while_the_new_one_is_prepared() {
    paused(async {
        let world = World::new();
        *world.machine.preparation.lock().unwrap() = Duration::from_secs(100);
        let old = world.row(web(), 10);
        world.servers.answer(Ok(world.assignments(100, vec![old.clone()], &[10])));
        until("it runs", || world.servers.status(10) == Some(ClientStatus::Running)).await;
        let (heir, desired) = (world.heir(web(), 10, 11), model::DesiredStatus::Stop);
        world.servers.answer(Ok(world.assignments(
            110,
            vec![Allocation { desired, ..old }, heir],
            &[10, 11],
        )));
        tokio::time::sleep(Duration::from_secs(95)).await;
        assert!(world.machine.runs(10) && !world.machine.runs(11));
        // Also when it cannot be had: the new one says so itself.
        until("the new one runs", || world.servers.status(11) == Some(ClientStatus::Running)).await;
        assert!(!world.machine.runs(10));
    });
}

#[test]
fn data_that_stay_behind_are_named() {
    paused(async {
        let world = World::new();
        let heir = world.heir(sticky(false), 9, 11);
        world.servers.answer(Ok(world.assignments(100, vec![heir], &[11])));
        until("it runs", || world.servers.status(11) == Some(ClientStatus::Running)).await;
        until("it says so", || world.events(11).iter().any(|text| text.contains("`migrate` is not set")))
            .await;
        assert!(world.machine.fetched.lock().unwrap().is_empty());
    });
}

#[test]
fn records_of_agents_that_wrote_them_in_one_part_are_read() {
    #[derive(serde::Serialize)]
    struct Whole {
        alloc: Allocation,
        job: Job,
        handles: BTreeMap<String, TaskHandle>,
        tasks: BTreeMap<String, TaskState>,
        killed: bool,
    }
    let log = Log::new();
    let row = state::Command::RegisterNode { node: node(1), evals: vec![], now: Timestamp(1) };
    log.apply(vec![row]);
    place(&log, web(), 7, NODE);
    let alloc = log.state.root().allocs[&AllocId(7)].clone();
    let handle = TaskHandle {
        driver: "mock".into(),
        alloc: AllocId(7),
        task: "task".into(),
        started_at: Timestamp(3),
        state: "{}".into(),
        address: Some("172.17.0.2".into()),
    };
    let state = TaskState { phase: TaskPhase::Running, ..TaskState::default() };
    let whole = Whole {
        alloc: Allocation::clone(&alloc),
        job: web(),
        handles: [("task".to_owned(), handle.clone())].into(),
        tasks: [("task".to_owned(), state.clone())].into(),
        killed: true,
    };
    let row = rmp_serde::to_vec_named(&whole).unwrap();
    let mut remembered = Remembered { row, progress: None };
    let record = Record::decode(&remembered).unwrap();
    assert_eq!((record.row.alloc.id, &record.row.job.id), (AllocId(7), &whole.job.id));
    assert_eq!((&*record.progress.handles["task"], &record.progress.tasks["task"]), (&handle, &state));
    assert!(record.progress.killed);

    // From then on progress is what the second part says.
    let mut later = record;
    later.progress.handles.remove("task");
    remembered.progress = Some(later.encode(Part::Progress));
    assert!(Record::decode(&remembered).unwrap().progress.handles.is_empty());
    remembered.row = later.encode(Part::Row);
    assert!(Record::decode(&remembered).unwrap().progress.killed);
}
