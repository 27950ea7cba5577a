//! Simulated nodes: real node agents with the mock driver, each with a connection of its own to the servers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use actix::{Arbiter, ArbiterHandle};
use async_trait::async_trait;
use logic::node_meta::NodeMeta;
use model::{AllocUpdate, Allocation, ClientStatus, DesiredStatus, Node, NodeId};
use tokio::runtime::Handle;

use super::machine::{NoMachine, describe};
use crate::{
    actors::{
        kit::{Fatal, Kind, Link, supervise},
        node_agent::{NodeAgent, NodeKit, apply_fingerprint},
        ports::{Assignments, Clock, Heartbeat, IdSource, LinkError, Registered, ServerLink, TaskDriver},
    },
    agent::{RandomIds, SystemClock},
    driver::mock::MockDriver,
    net::{node_link::RemoteServers, rpc},
};

/// What all nodes together were told and have told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    registered: AtomicU64,
    /// Allocations that the servers know to be running.
    running: AtomicU64,
    /// By node: what it shall run.
    assigned: Mutex<HashMap<NodeId, HashMap<model::AllocId, Assigned>>>,
}

/// An allocation on a node.
#[derive(Debug, Clone)]
pub(super) struct Assigned {
    pub(super) job: Arc<str>,
    pub(super) group: Arc<str>,
    pub(super) ports: Vec<u16>,
    running: bool,
}

impl Tally {
    pub(super) fn registered(&self) -> u64 {
        self.registered.load(Ordering::Relaxed)
    }

    pub(super) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// How many allocations the nodes shall run.
    pub(super) fn placed(&self) -> u64 {
        self.lock().values().map(|allocs| allocs.len() as u64).sum()
    }

    /// What each node shall run.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, HashMap<model::AllocId, Assigned>>> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, node: NodeId, allocs: &[Allocation]) {
        let mut assigned = self.lock();
        let of_node = assigned.entry(node).or_default();
        for alloc in allocs {
            if alloc.desired == DesiredStatus::Run && !alloc.client.is_terminal() {
                of_node.entry(alloc.id).or_insert_with(|| Assigned {
                    job: alloc.job.id.clone(),
                    group: alloc.group.clone(),
                    ports: alloc.ports.iter().map(|port| port.value).collect(),
                    running: false,
                });
            } else if of_node.remove(&alloc.id).is_some_and(|gone| gone.running) {
                self.running.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn reported(&self, node: NodeId, updates: &[(model::AllocId, ClientStatus)]) {
        let mut assigned = self.lock();
        let Some(of_node) = assigned.get_mut(&node) else { return };
        for (id, client) in updates {
            let Some(alloc) = of_node.get_mut(id) else { continue };
            let runs = *client == ClientStatus::Running;
            if runs && !alloc.running {
                self.running.fetch_add(1, Ordering::Relaxed);
            } else if !runs && alloc.running {
                self.running.fetch_sub(1, Ordering::Relaxed);
            }
            alloc.running = runs;
        }
    }
}

/// The servers as a simulated node reaches them; counts what passes.
struct Counted {
    servers: RemoteServers,
    tally: Arc<Tally>,
}

#[async_trait]
impl ServerLink for Counted {
    async fn register(&self, node: Node) -> Result<Registered, LinkError> {
        self.servers.register(node).await
    }

    async fn heartbeat(&self, node: NodeId) -> Result<Heartbeat, LinkError> {
        self.servers.heartbeat(node).await
    }

    async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError> {
        let answer = self.servers.watch(node, index).await?;
        self.tally.told(node, &answer.allocs);
        Ok(answer)
    }

    async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>, synced: bool) -> Result<(), LinkError> {
        let told: Vec<_> = updates.iter().map(|update| (update.id, update.client)).collect();
        self.servers.report(node, updates, synced).await?;
        if synced {
            self.tally.registered.fetch_add(1, Ordering::Relaxed);
        }
        self.tally.reported(node, &told);
        Ok(())
    }

    async fn goodbye(&self, node: NodeId) -> Result<(), LinkError> {
        self.servers.goodbye(node).await
    }

    async fn parted(&self, node: NodeId) -> Result<(), LinkError> {
        self.servers.parted(node).await
    }

    async fn servers_changed(&self) {
        self.servers.servers_changed().await;
    }
}

/// The simulated nodes. They end with their arbiters.
pub(super) struct Nodes {
    pub(super) tally: Arc<Tally>,
    arbiters: Vec<Arbiter>,
    /// By node: its number.
    pub(super) numbers: HashMap<NodeId, usize>,
}

impl Nodes {
    /// Starts so many nodes on so many threads.
    pub(super) async fn start(
        count: usize,
        threads: usize,
        servers: &[String],
        runtime: &Handle,
        fatal: &Fatal,
    ) -> Self {
        let tally = Arc::new(Tally::default());
        let arbiters: Vec<Arbiter> = (0..threads.max(1)).map(|_| Arbiter::new()).collect();
        let driver: Arc<dyn TaskDriver> = Arc::new(MockDriver::new(runtime.clone()));
        let infos = [(driver.name().to_owned(), driver.fingerprint().await)];
        let drivers = Arc::new(BTreeMap::from([(driver.name().to_owned(), driver)]));
        let mut numbers = HashMap::new();
        for number in 0..count {
            let id = NodeId(RandomIds.uuid());
            numbers.insert(id, number);
            let mut node = describe(id, number);
            apply_fingerprint(&mut node, infos.clone().into());
            let arbiter = arbiters[number % arbiters.len()].handle();
            start_one(node, servers, &drivers, &tally, &arbiter, fatal);
        }
        Self { tally, arbiters, numbers }
    }

    pub(super) fn stop(self) {
        for arbiter in self.arbiters {
            arbiter.stop();
        }
    }
}

fn start_one(
    node: Node,
    servers: &[String],
    drivers: &Arc<BTreeMap<String, Arc<dyn TaskDriver>>>,
    tally: &Arc<Tally>,
    arbiter: &ArbiterHandle,
    fatal: &Fatal,
) {
    let identity =
        rpc::Identity { agent: node.id.to_string(), role: rpc::Role::Client, ..rpc::Identity::default() };
    let calling = rpc::ClientConfig { identity: Arc::new(identity), ..rpc::ClientConfig::default() };
    let link = Counted { servers: RemoteServers::new(servers.to_vec(), &calling), tally: tally.clone() };
    let machine = Arc::new(NoMachine);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let kit = NodeKit {
        servers: Arc::new(link),
        drivers: drivers.clone(),
        disk: machine.clone(),
        data: machine.clone(),
        elsewhere: machine.clone(),
        fetcher: machine.clone(),
        store: machine.clone(),
        meta: NodeMeta::new(node.meta.clone(), Default::default()),
        prober: machine.clone(),
        host: machine.clone(),
        catalog: machine,
        clock,
        jitter: Arc::new(rand::random::<f64>),
        fatal: fatal.clone(),
    };
    let agent: Link<NodeAgent> = Link::new("node agent");
    let me = agent.clone();
    supervise(arbiter, Kind::NodeAgent, agent, fatal.clone(), move || {
        NodeAgent::new(node.clone(), kit.clone(), me.clone(), Vec::new())
    });
}
