//! Servers that come and go, clients that write and read, and somebody who breaks things.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use logic::autopilot::{Action, Autopilot, Presence, Server as Known, View};
use model::{AutopilotSettings, Job, JobKey, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use state::Command;
use tempfile::TempDir;
use tokio::{
    runtime::Handle,
    task::{JoinHandle, LocalSet},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use troupe::{
    actors::ports::{ProposeError, Proposer, StateReader},
    net::rpc::Router,
    raft::{Config, MemoryDisk, Server, Storage, state_hash},
};

use crate::net::Net;

/// What was played.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) writes: u64,
    pub(crate) unknown: u64,
    pub(crate) reads: u64,
    pub(crate) refused_reads: u64,
    pub(crate) terms: u64,
    pub(crate) quick_elections: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.writes += other.writes;
        self.unknown += other.unknown;
        self.reads += other.reads;
        self.refused_reads += other.refused_reads;
        self.terms += other.terms;
        self.quick_elections += other.quick_elections;
        for (fault, count) in &other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
    }
}

/// How long things are broken, in virtual time.
const CHAOS: Duration = Duration::from_secs(8);
/// Half of them write, half read.
const CLIENTS: usize = 6;
/// And how long the cluster has to come back.
const RECOVERY: Duration = Duration::from_secs(40);

pub(crate) struct Machine {
    pub(crate) id: u64,
    pub(crate) address: String,
    disk: MemoryDisk,
    dir: TempDir,
    pub(crate) running: Option<(Server, CancellationToken)>,
}

pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) rng: StdRng,
    pub(crate) machines: BTreeMap<u64, Machine>,
    acknowledged: BTreeMap<String, u64>,
    /// Leader of each term.
    leaders: BTreeMap<u64, u64>,
    /// State at each index.
    states: BTreeMap<u64, u64>,
    next_job: u64,
    pub(crate) next_id: u64,
    pub(crate) summary: Summary,
}

pub(crate) type Shared = Rc<RefCell<World>>;

fn address(id: u64) -> String {
    format!("server-{id}")
}

fn quick_place() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a directory")
}

impl World {
    pub(crate) fn machine(&mut self, id: u64, at: String) {
        let disk = MemoryDisk::new(self.rng.random(), Duration::from_millis(3));
        let dir = quick_place();
        self.machines.insert(id, Machine { id, address: at, disk, dir, running: None });
    }

    pub(crate) fn running(&self) -> Vec<(u64, Server)> {
        self.machines
            .values()
            .filter_map(|machine| Some((machine.id, machine.running.as_ref()?.0.clone())))
            .collect()
    }

    pub(crate) fn crash(&mut self, id: u64) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        if let Some((server, life)) = machine.running.take() {
            self.summary.quick_elections += server.stats().quick_elections;
            life.cancel();
            self.net.close(&machine.address);
        }
    }

    /// Checks what can be seen of a server at any time.
    fn look(&mut self, id: u64, server: &Server) {
        let leadership = server.leadership().borrow().clone();
        if leadership.is_leader {
            let first = *self.leaders.entry(leadership.term).or_insert(id);
            assert_eq!(first, id, "two leaders in term {}", leadership.term);
        }
        let root = server.root();
        if root.index > 0 {
            let hash = state_hash(&root);
            let first = *self.states.entry(root.index).or_insert(hash);
            assert_eq!(first, hash, "server {id} has another state at index {}", root.index);
        }
    }
}

pub(crate) async fn start(world: &Shared, id: u64) {
    let (config, net, at, life) = {
        let world = world.borrow();
        let Some(machine) = world.machines.get(&id).filter(|machine| machine.running.is_none()) else {
            return;
        };
        let life = CancellationToken::new();
        let config = Config {
            storage: Storage::Memory(machine.disk.clone()),
            transport: std::sync::Arc::new(world.net.way(&machine.address, life.clone())),
            snapshot_after: 40,
            propose_timeout: Duration::from_secs(3),
            hold: Duration::from_secs(1),
            ..Config::new(machine.dir.path(), id, machine.address.clone())
        };
        (config, world.net.clone(), machine.address.clone(), life)
    };
    let server = Server::start(config, Handle::current()).await.expect("a server starts");
    let mut router = Router::new(64, 64);
    server.register_methods(&mut router);
    net.listen(&at, router, life.clone());
    let mut leadership = server.leadership();
    let watching = world.clone();
    let (watched, end) = (server.clone(), life.clone());
    tokio::task::spawn_local(async move {
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                changed = leadership.changed() => if changed.is_err() { return },
            }
            watching.borrow_mut().look(id, &watched);
        }
    });
    world.borrow_mut().machines.get_mut(&id).expect("it was there").running = Some((server, life));
}

async fn write(world: Shared) {
    loop {
        let (name, server, pause) = {
            let mut world = world.borrow_mut();
            let running = world.running();
            world.next_job += 1;
            let name = format!("job-{}", world.next_job);
            let pause = Duration::from_millis(world.rng.random_range(10..150));
            // Mostly whoever thinks that it leads.
            let leader = running.iter().find(|(_, server)| server.leadership().borrow().is_leader);
            let any = (!running.is_empty()).then(|| world.rng.random_range(0..running.len()));
            let server = leader.cloned().or_else(|| any.map(|any| running[any].clone()));
            (name, server, pause)
        };
        sleep(pause).await;
        let Some((_, server)) = server else { continue };
        let job = Box::new(Job { id: name.clone(), ..Job::default() });
        let command = Command::RegisterJob { job, enforce_index: Some(0), eval: None, now: Timestamp(1) };
        let result = server.propose(vec![command]).await;
        let mut world = world.borrow_mut();
        match result {
            Ok(committed) => {
                world.summary.writes += 1;
                world.acknowledged.insert(name, committed.index);
            }
            Err(ProposeError::Unknown(_)) => world.summary.unknown += 1,
            Err(_) => {}
        }
    }
}

async fn read(world: Shared) {
    loop {
        let (server, strong, pause) = {
            let mut world = world.borrow_mut();
            let running = world.running();
            let pause = Duration::from_millis(world.rng.random_range(10..150));
            let any = (!running.is_empty()).then(|| world.rng.random_range(0..running.len()));
            (any.map(|any| running[any].clone()), world.rng.random_bool(0.3), pause)
        };
        sleep(pause).await;
        let Some((id, server)) = server else { continue };
        let known: Vec<String> = world.borrow().acknowledged.keys().cloned().collect();
        let fresh = server.read_barrier(strong).await;
        let mut world = world.borrow_mut();
        if fresh.is_err() {
            world.summary.refused_reads += 1;
            continue;
        }
        world.summary.reads += 1;
        let root = server.root();
        for name in known {
            let key = JobKey::new("default", name.clone());
            assert!(
                root.jobs.contains_key(&key),
                "server {id} does not show {name}, acknowledged before the read (strong: {strong}) at {:?}",
                world.acknowledged.get(&name)
            );
        }
    }
}

/// The real brain, fed with the truth, some time late.
async fn keep_members(world: Shared) {
    let mut brains: BTreeMap<u64, Autopilot> = BTreeMap::new();
    let began = Instant::now();
    loop {
        sleep(Duration::from_millis(400)).await;
        let (leaders, servers) = {
            let world = world.borrow();
            let leads = |(_, server): &(u64, Server)| server.leadership().borrow().is_leader;
            let leaders: Vec<_> = world.running().into_iter().filter(leads).collect();
            let servers: Vec<_> = world
                .machines
                .values()
                .map(|machine| Known {
                    id: machine.id,
                    address: machine.address.clone(),
                    presence: if machine.running.is_some() { Presence::Alive } else { Presence::Failed },
                    never_votes: false,
                })
                .collect();
            (leaders, servers)
        };
        for (id, server) in leaders {
            let settings = AutopilotSettings {
                server_stabilization_time: Duration::from_secs(2),
                ..AutopilotSettings::default()
            };
            let (members, progress) = (server.members(), server.progress());
            let view = View {
                own: id,
                members: &members,
                progress: &progress,
                servers: &servers,
                settings: &settings,
                expect: 3,
                heartbeat: Duration::from_millis(100),
            };
            let now = Timestamp::ZERO.plus(began.elapsed());
            let Some(action) = brains.entry(id).or_default().look(&view, now) else { continue };
            // Whatever comes of it: the next look sees.
            tokio::task::spawn_local(async move {
                let _ = match action {
                    Action::FinishChange => server.finish_change().await,
                    Action::SetAddress { id, address } => server.set_address(id, &address).await,
                    Action::Remove { id, .. } => server.remove(id).await,
                    Action::AddLearner { id, address } => server.add_learner(id, &address).await,
                    Action::Promote { id } => server.promote(id).await,
                };
            });
        }
    }
}

async fn watch_states(world: Shared) {
    loop {
        sleep(Duration::from_millis(300)).await;
        let mut world = world.borrow_mut();
        for (id, server) in world.running() {
            world.look(id, &server);
        }
    }
}

/// All is mended: everybody comes back, a write succeeds, all agree, and nothing that was acknowledged is missing.
async fn recover(world: &Shared) {
    world.borrow().net.heal();
    let ids: Vec<u64> = world.borrow().machines.keys().copied().collect();
    for id in ids {
        start(world, id).await;
    }
    let deadline = Instant::now() + RECOVERY;
    let mut wrote = false;
    loop {
        sleep(Duration::from_millis(100)).await;
        let running = world.borrow().running();
        let state = || {
            let lines = running.iter().map(|(id, server)| {
                format!(
                    "\n{id}: {:?} {:?} {:?}",
                    *server.leadership().borrow(),
                    server.stats(),
                    server.members()
                )
            });
            lines.collect::<String>()
        };
        assert!(Instant::now() < deadline, "the cluster does not come back:{}", state());
        let Some((_, leader)) =
            running.iter().find(|(_, server)| server.leadership().borrow().is_leader).cloned()
        else {
            continue;
        };
        let members = leader.members();
        let everybody = running.iter().all(|(id, _)| members.voters.contains_key(id));
        if !everybody || members.voters.len() != running.len() {
            continue;
        }
        // Once: what follows a commit reaches the others with the next heartbeat.
        if !wrote {
            wrote = leader.propose(Vec::new()).await.is_ok();
            continue;
        }
        let index = leader.root().index;
        let caught_up = running.iter().all(|(_, server)| server.root().index == index);
        if !caught_up {
            continue;
        }
        let mut world = world.borrow_mut();
        for (id, server) in &running {
            world.look(*id, server);
            let root = server.root();
            for (name, index) in &world.acknowledged {
                let key = JobKey::new("default", name.clone());
                assert!(
                    root.jobs.contains_key(&key),
                    "server {id} lost {name}, acknowledged at {index}{}",
                    state()
                );
            }
        }
        return;
    }
}

async fn play_here(seed: u64) -> Summary {
    let mut rng = StdRng::seed_from_u64(seed);
    let count = if rng.random_bool(0.6) { 3 } else { 5 };
    let world = Rc::new(RefCell::new(World {
        net: Net::new(rng.random()),
        rng,
        machines: BTreeMap::new(),
        acknowledged: BTreeMap::new(),
        leaders: BTreeMap::new(),
        states: BTreeMap::new(),
        next_job: 0,
        next_id: count,
        summary: Summary::default(),
    }));
    for id in 1..=count {
        world.borrow_mut().machine(id, address(id));
        start(&world, id).await;
    }
    let founder = world.borrow().running()[0].1.clone();
    founder.found((1..=count).map(|id| (id, address(id))).collect()).await.expect("a founding");
    drop(founder);

    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    for _ in 0..CLIENTS / 2 {
        tasks.push(tokio::task::spawn_local(write(world.clone())));
        tasks.push(tokio::task::spawn_local(read(world.clone())));
    }
    tasks.push(tokio::task::spawn_local(keep_members(world.clone())));
    tasks.push(tokio::task::spawn_local(watch_states(world.clone())));
    let end = Instant::now() + CHAOS;
    while Instant::now() < end {
        let pause = world.borrow_mut().rng.random_range(50..700);
        sleep(Duration::from_millis(pause)).await;
        crate::faults::fault(&world).await;
        check(&mut tasks).await;
    }
    // Writes that go on would keep the servers apart.
    for client in tasks.drain(..CLIENTS) {
        client.abort();
    }
    recover(&world).await;
    check(&mut tasks).await;
    for task in tasks {
        task.abort();
    }
    let mut world = world.borrow_mut();
    for id in world.machines.keys().copied().collect::<Vec<_>>() {
        world.crash(id);
    }
    world.summary.terms = world.leaders.len() as u64;
    world.summary.clone()
}

/// What a client found wrong is wrong.
async fn check(tasks: &mut Vec<JoinHandle<()>>) {
    for task in std::mem::take(tasks) {
        if task.is_finished() {
            task.await.expect("a client ends only by a broken promise");
        } else {
            tasks.push(task);
        }
    }
}

pub(crate) async fn play(seed: u64) -> Summary {
    LocalSet::new().run_until(play_here(seed)).await
}
