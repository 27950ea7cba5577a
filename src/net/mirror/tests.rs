//! Servers and followers in one process, over real connections.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use model::{Agent, AgentStatus, CheckStatus, Endpoint, NodeId, Timestamp};
use state::{Command, Root};
use tokio::{net::TcpListener, runtime::Handle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::{
    actors::ports::{
        ClusterError, Consensus, Consistency, Freshness, Leadership, Peer, PeerRef, StateReader,
    },
    dns::tests::world::{Instance, Shown, World},
    net::rpc::{Client, ClientConfig, ErrorKind, Router, serve},
};

/// Far longer than anything here takes: only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// A log with or without a leader.
struct Log {
    led: Mutex<bool>,
}

#[async_trait]
impl Consensus for Log {
    async fn catch_up(&self, wanted: Consistency) -> Result<Freshness, ClusterError> {
        let known_leader = *self.led.lock().unwrap();
        if !known_leader && wanted != Consistency::Stale {
            return Err(ClusterError::NoLeader);
        }
        Ok(Freshness { known_leader, last_contact: Duration::ZERO })
    }

    fn leadership(&self) -> Leadership {
        Leadership::default()
    }

    fn peers(&self) -> (u64, Vec<Peer>) {
        (0, Vec::new())
    }

    async fn remove_peer(&self, _: PeerRef) -> Result<(), ClusterError> {
        Err(ClusterError::NoLeader)
    }

    async fn transfer_leadership(&self, _: Option<PeerRef>) -> Result<(), ClusterError> {
        Err(ClusterError::NoLeader)
    }
}

fn log(led: bool) -> Arc<Log> {
    Arc::new(Log { led: Mutex::new(led) })
}

fn agent(id: u128, status: AgentStatus) -> Agent {
    let endpoint = |port| Endpoint { address: String::new(), port };
    Agent {
        id: NodeId(id),
        name: format!("s{id}"),
        address: "10.0.0.1".into(),
        datacenter: "dc1".into(),
        server: true,
        status,
        http: endpoint(4646),
        rpc: endpoint(4647),
        serf: endpoint(4648),
        server_service: "nomad".into(),
        ..Agent::default()
    }
}

fn agents(world: &mut World, put: Vec<Agent>, epoch: Option<Epoch>) {
    world.apply(Command::UpdateAgents { put, gone: vec![], epoch, now: Timestamp(1) });
}

/// One node with `web`, in a log that has a name.
fn world() -> World {
    let mut world = World::new();
    agents(&mut world, vec![agent(9, AgentStatus::Alive)], Some([1; 16]));
    world.node(1, "n1", "10.0.0.1");
    world.run(Instance::new(1, "web", "10.0.0.1", 8080));
    world
}

struct Server {
    shown: Arc<Shown>,
    feed: Arc<CatalogFeed>,
    address: String,
    _stop: DropGuard,
}

impl Server {
    async fn new(world: &World) -> Self {
        Self::at("127.0.0.1:0", world).await
    }

    async fn at(address: &str, world: &World) -> Self {
        let shown = Shown::new(world);
        let stop = CancellationToken::new();
        let feed = CatalogFeed::start(shown.clone(), log(true), &Handle::current(), stop.clone());
        let mut router = Router::new(64, 1024);
        register_catalog_methods(&mut router, &feed);
        let address: SocketAddr = address.parse().unwrap();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        // It comes back at the address it had.
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener: TcpListener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve(listener, Arc::new(router), stop.clone()));
        Self { shown, feed, address, _stop: stop.drop_guard() }
    }
}

/// The servers that a follower knows.
#[derive(Default)]
struct Known {
    addresses: Mutex<Vec<String>>,
    clients: Mutex<HashMap<String, Client>>,
}

impl Known {
    fn set(&self, addresses: &[&str]) {
        *self.addresses.lock().unwrap() = addresses.iter().map(|&address| address.to_owned()).collect();
    }
}

impl Servers for Known {
    fn addresses(&self) -> Vec<String> {
        self.addresses.lock().unwrap().clone()
    }

    fn client(&self, address: &str) -> Client {
        let config = ClientConfig { max_backoff: Duration::from_millis(100), ..ClientConfig::default() };
        let mut clients = self.clients.lock().unwrap();
        clients.entry(address.to_owned()).or_insert_with(|| Client::new(address, config)).clone()
    }
}

struct Follower {
    mirror: CatalogMirror,
    known: Arc<Known>,
    _stop: DropGuard,
}

impl Follower {
    fn of(addresses: &[&str]) -> Self {
        let known = Arc::new(Known::default());
        known.set(addresses);
        let stop = CancellationToken::new();
        let mirror = CatalogMirror::start(known.clone(), &Handle::current(), stop.clone());
        Self { mirror, known, _stop: stop.drop_guard() }
    }

    async fn until(&self, what: &str, reached: impl Fn(&Root) -> bool) {
        let mut changes = self.mirror.changes();
        let waiting = async {
            while !reached(&self.mirror.root()) {
                changes.changed().await.unwrap();
            }
        };
        timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("not reached: {what}"));
    }

    async fn contact(&self, followed: bool) {
        let waiting = async {
            while self.mirror.server().is_some() != followed {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, waiting).await.expect("the contact changes in time");
    }
}

fn ports(root: &Root, name: &str) -> Vec<u16> {
    root.service(name).map(|instance| instance.port).collect()
}

#[tokio::test]
async fn what_changes_at_a_server_changes_at_its_followers() {
    let mut world = world();
    let server = Server::new(&world).await;
    let follower = Follower::of(&[&server.address]);
    follower.until("the first instance", |root| ports(root, "web") == [8080]).await;
    let id = world.run(Instance::new(1, "web", "10.0.0.1", 8081).status(CheckStatus::Critical));
    server.shown.show(&world);
    follower.until("the second instance", |root| ports(root, "web") == [8080, 8081]).await;
    world.report(id, None);
    agents(&mut world, vec![agent(9, AgentStatus::Failed)], None);
    server.shown.show(&world);
    follower.until("its end", |root| ports(root, "web") == [8080]).await;
    let root = follower.mirror.root();
    assert!(!root.catalog_node(NodeId(9)).unwrap().is_alive());
    assert_eq!(root.index, world.root.catalog_index());
    assert_eq!(follower.mirror.last_contact(), Some(Duration::ZERO));
    assert_eq!(follower.mirror.server().as_deref(), Some(&*server.address));
}

#[tokio::test]
async fn a_follower_answers_while_its_server_is_away_and_goes_on_when_it_is_back() {
    let mut world = world();
    let server = Server::new(&world).await;
    let follower = Follower::of(&[&server.address]);
    follower.until("the catalog", |root| ports(root, "web") == [8080]).await;

    let address = server.address.clone();
    drop(server);
    follower.contact(false).await;
    assert_eq!(ports(&follower.mirror.root(), "web"), [8080]);
    assert!(!follower.mirror.freshness().known_leader);
    let lost_for = follower.mirror.last_contact().unwrap();
    let grown = async {
        while follower.mirror.last_contact().unwrap() <= lost_for {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, grown).await.expect("the age of the catalog grows");

    world.run(Instance::new(1, "web", "10.0.0.1", 8081));
    let _back = Server::at(&address, &world).await;
    follower.until("what happened meanwhile", |root| ports(root, "web") == [8080, 8081]).await;
    follower.contact(true).await;
    assert_eq!(follower.mirror.last_contact(), Some(Duration::ZERO));
}

#[tokio::test]
async fn a_server_that_lags_behind_is_not_followed() {
    let mut world = world();
    let old = Server::new(&world).await;
    world.run(Instance::new(1, "web", "10.0.0.1", 8081));
    let good = Server::new(&world).await;
    let follower = Follower::of(&[&good.address]);
    follower.until("the newer catalog", |root| ports(root, "web") == [8080, 8081]).await;

    let good_address = good.address.clone();
    drop(good);
    follower.known.set(&[&old.address]);
    follower.contact(false).await;
    // Refused by the old one, not answered with less.
    let ask = Watch { epoch: [1; 16], index: world.root.catalog_index(), wait_ms: 0 };
    let refused = follower.known.client(&old.address).call(&ask, DEADLINE).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NoLeader, "{refused}");
    assert_eq!(ports(&follower.mirror.root(), "web"), [8080, 8081]);
    assert_eq!(follower.mirror.server(), None);

    world.run(Instance::new(1, "web", "10.0.0.1", 8082));
    let _good = Server::at(&good_address, &world).await;
    follower.known.set(&[&old.address, &good_address]);
    follower.until("the newest", |root| ports(root, "web") == [8080, 8081, 8082]).await;
}

#[tokio::test]
async fn another_log_is_followed_from_its_beginning_but_not_one_without_a_name() {
    let server = Server::new(&world()).await;
    let follower = Follower::of(&[&server.address]);
    follower.until("the catalog", |root| ports(root, "web") == [8080]).await;
    drop(server);
    follower.contact(false).await;

    // A server that has just lost its disk knows nothing yet.
    let empty = Server::new(&World::new()).await;
    let ask = Watch { epoch: [1; 16], index: 7, wait_ms: 0 };
    let refused = follower.known.client(&empty.address).call(&ask, DEADLINE).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NoLeader, "{refused}");

    let mut anew = World::new();
    agents(&mut anew, vec![], Some([2; 16]));
    anew.node(1, "n1", "10.0.0.1");
    anew.run(Instance::new(1, "other", "10.0.0.1", 1));
    let new = Server::new(&anew).await;
    assert!(anew.root.catalog_index() < follower.mirror.root().index + 10);
    follower.known.set(&[&new.address]);
    follower.until("the new log", |root| root.epoch == [2; 16]).await;
    assert_eq!(ports(&follower.mirror.root(), "web"), [0_u16; 0]);
    assert_eq!(ports(&follower.mirror.root(), "other"), [1]);
}

#[tokio::test]
async fn a_large_catalog_comes_in_parts() {
    let mut world = world();
    let many = (100..3100).map(|id| agent(id, AgentStatus::Alive)).collect();
    agents(&mut world, many, None);
    let bytes = rmp_serde::to_vec_named(&world.root.catalog().since(None)).unwrap();
    assert!(bytes.len() > PART, "{}", bytes.len());
    let server = Server::new(&world).await;
    let follower = Follower::of(&[&server.address]);
    follower.until("all of it", |root| root.agents.len() == 3001).await;
    assert_eq!(ports(&follower.mirror.root(), "nomad").len(), 3 * 3001);
}

#[tokio::test]
async fn what_many_wait_for_is_made_once() {
    let mut world = world();
    let server = Server::new(&world).await;
    let ask = Watch { epoch: [1; 16], index: world.root.catalog_index(), wait_ms: 60_000 };
    let client = Known::default().client(&server.address);
    let waiting: Vec<_> = (0..500)
        .map(|_| {
            let (client, ask) = (client.clone(), ask.clone());
            tokio::spawn(async move { client.call(&ask, DEADLINE).await.unwrap() })
        })
        .collect();
    let all_wait = async {
        while server.feed.followers() < 500 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, all_wait).await.expect("they all wait");
    // Two changes shortly after each other are one answer.
    world.run(Instance::new(1, "web", "10.0.0.1", 8081));
    server.shown.show(&world);
    world.run(Instance::new(1, "web", "10.0.0.1", 8082));
    server.shown.show(&world);
    for answer in waiting {
        let delta = answer.await.unwrap().delta.expect("there is news");
        assert_eq!(delta.name.index, world.root.catalog_index());
    }
    assert_eq!(server.feed.made(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_leader_sends_its_followers_away() {
    let world = world();
    let led = log(true);
    let stop = CancellationToken::new();
    let feed = CatalogFeed::start(Shown::new(&world), led.clone(), &Handle::current(), stop.clone());
    let ask = Watch { epoch: [1; 16], index: world.root.catalog_index(), wait_ms: u64::MAX };
    let start = tokio::time::Instant::now();
    let news = feed.watch(ask.clone()).await.unwrap();
    assert!(news.known_leader && news.delta.is_none());
    assert_eq!(start.elapsed(), WATCH_LIMIT);
    *led.led.lock().unwrap() = false;
    let start = tokio::time::Instant::now();
    let refused = feed.watch(ask).await.unwrap_err();
    assert_eq!(refused.to_string(), "this server hears of no leader");
    assert!(start.elapsed() >= Duration::from_secs(9) && start.elapsed() < Duration::from_secs(13));
}
