use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use model::{AllocUpdate, Node, NodeId};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::{
    actors::ports::{Assignments, Heartbeat, Leadership, LinkError, Ping, Pinger, Registered, ServerLink},
    net::{
        remote::{Carrier, LeaderMethods, Whereabouts},
        rpc::{ClientConfig, Router, serve},
    },
};

/// A gateway that notes what it hears.
#[derive(Default)]
struct Gateway {
    heard: Mutex<Vec<String>>,
    /// Watches wait for ever.
    quiet: AtomicBool,
    behind: AtomicBool,
    servers: Mutex<Vec<String>>,
}

impl Gateway {
    fn hear(&self, what: String) {
        self.heard.lock().unwrap().push(what);
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

#[async_trait]
impl ServerLink for Gateway {
    async fn register(&self, node: Node) -> Result<Registered, LinkError> {
        if node.name.is_empty() {
            return Err(LinkError::Refused("a node needs a name".into()));
        }
        self.hear(format!("register {}", node.name));
        Ok(Registered { index: 3 })
    }

    async fn heartbeat(&self, node: NodeId) -> Result<Heartbeat, LinkError> {
        self.hear(format!("heartbeat {}", node.0));
        let servers = self.servers.lock().unwrap().clone();
        Ok(Heartbeat { ttl: std::time::Duration::from_secs(10), servers, known: true })
    }

    async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError> {
        self.hear(format!("watch {} {index}", node.0));
        if self.behind.load(Ordering::Relaxed) {
            return Err(LinkError::Behind);
        }
        if self.quiet.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(Assignments { index: index + 1, ..Assignments::default() })
    }

    async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>, synced: bool) -> Result<(), LinkError> {
        self.hear(format!("report {} {} {synced}", node.0, updates.len()));
        if node.0 == 99 { Err(LinkError::Reregister) } else { Ok(()) }
    }

    async fn goodbye(&self, node: NodeId) -> Result<(), LinkError> {
        self.hear(format!("goodbye {}", node.0));
        Ok(())
    }

    async fn parted(&self, node: NodeId) -> Result<(), LinkError> {
        self.hear(format!("parted {}", node.0));
        Ok(())
    }
}

struct Places(Option<String>);

impl Whereabouts for Places {
    fn servers(&self) -> Vec<String> {
        Vec::new()
    }

    fn region(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn node(&self, _: NodeId) -> Option<String> {
        self.0.clone()
    }
}

struct Server {
    gateway: Arc<Gateway>,
    address: String,
    leadership: watch::Sender<Leadership>,
    stop: Option<DropGuard>,
}

async fn server() -> Server {
    let gateway = Arc::new(Gateway::default());
    let (leadership, led) = watch::channel(Leadership::default());
    let carrier = Carrier::new(Arc::new(Places(None)), led, ClientConfig::default());
    let mut router = Router::new(64, 64);
    let mut methods = LeaderMethods::new(carrier.clone());
    let backend: Arc<dyn ServerLink> = gateway.clone();
    register_node_methods(&mut router, &mut methods, &carrier, &backend);
    methods.finish(&mut router);
    register_ping(&mut router, Arc::new(|node| node == NodeId(5)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, Arc::new(router), stop.clone()));
    Server { gateway, address, leadership, stop: Some(stop.drop_guard()) }
}

/// A leader and a follower.
async fn pair() -> (Server, Server) {
    let (leader, follower) = (server().await, server().await);
    for server in [&leader, &follower] {
        server.leadership.send_replace(Leadership {
            is_leader: server.address == leader.address,
            term: 1,
            leader_address: Some(leader.address.clone()),
        });
    }
    (leader, follower)
}

fn link(addresses: &[&Server]) -> RemoteServers {
    let addresses = addresses.iter().map(|server| server.address.clone());
    RemoteServers::new(addresses, &ClientConfig::default())
}

/// Waits until the gateway has heard it.
async fn until_heard(gateway: &Gateway, what: &str) {
    let heard = async {
        while !gateway.heard().iter().any(|heard| heard == what) {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(10);
    assert!(tokio::time::timeout(limit, heard).await.is_ok(), "{what}: {:?}", gateway.heard());
}

fn named() -> Node {
    Node { name: "a".into(), ..Node::default() }
}

#[tokio::test]
async fn what_the_leader_does_is_passed_on_and_the_rest_is_not() {
    let (leader, follower) = pair().await;
    let node = link(&[&follower]);
    assert_eq!(node.register(named()).await.unwrap().index, 3);
    assert!(node.heartbeat(NodeId(5)).await.unwrap().known);
    node.report(NodeId(5), Vec::new(), true).await.unwrap();
    node.goodbye(NodeId(5)).await.unwrap();
    assert_eq!(node.watch(NodeId(5), 7).await.unwrap().index, 8);
    assert_eq!(leader.gateway.heard(), ["register a", "heartbeat 5", "report 5 0 true", "goodbye 5"]);
    assert_eq!(follower.gateway.heard(), ["watch 5 7"]);
}

#[tokio::test]
async fn refusals_arrive_as_they_were_meant() {
    let (leader, follower) = pair().await;
    let node = link(&[&leader, &follower]);
    let refused = node.register(Node::default()).await.unwrap_err();
    assert_eq!(refused, LinkError::Refused("a node needs a name".into()));
    assert_eq!(node.report(NodeId(99), Vec::new(), false).await, Err(LinkError::Reregister));
    for server in [&leader, &follower] {
        server.gateway.behind.store(true, Ordering::Relaxed);
    }
    assert_eq!(node.watch(NodeId(5), 7).await, Err(LinkError::Behind));
    // One that is not behind is found.
    follower.gateway.behind.store(false, Ordering::Relaxed);
    assert_eq!(node.watch(NodeId(5), 7).await.unwrap().index, 8);
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_nobody_writes_but_watches_go_on() {
    let alone = server().await;
    let node = link(&[&alone]);
    assert_eq!(node.report(NodeId(1), Vec::new(), false).await, Err(LinkError::NoLeader));
    assert!(node.watch(NodeId(1), 2).await.is_ok());
    let nobody = RemoteServers::new([], &ClientConfig::default());
    assert!(matches!(nobody.watch(NodeId(1), 0).await, Err(LinkError::Unreachable(_))));
}

#[tokio::test]
async fn a_node_stays_with_the_server_that_answers_and_learns_of_others() {
    let (leader, mut follower) = pair().await;
    let node = Arc::new(link(&[&follower]));
    *leader.gateway.servers.lock().unwrap() = vec![leader.address.clone(), follower.address.clone()];
    let told = tokio::spawn({
        let node = node.clone();
        async move { node.servers_changed().await }
    });
    tokio::task::yield_now().await;
    node.heartbeat(NodeId(5)).await.unwrap();
    told.await.unwrap();
    assert_eq!(node.servers(), [follower.address.clone(), leader.address.clone()]);
    // The follower goes; its watch moves without a word of the node.
    follower.gateway.quiet.store(true, Ordering::Relaxed);
    let watch = tokio::spawn({
        let node = node.clone();
        async move { node.watch(NodeId(5), 7).await }
    });
    until_heard(&follower.gateway, "watch 5 7").await;
    drop(follower.stop.take());
    assert_eq!(watch.await.unwrap().unwrap().index, 8);
    assert_eq!(node.servers()[0], leader.address);
}

#[tokio::test]
async fn a_broken_standing_connection_is_told_to_the_leader() {
    let (leader, follower) = pair().await;
    for (server, id) in [(&leader, 5), (&follower, 6)] {
        server.gateway.quiet.store(true, Ordering::Relaxed);
        let node = link(&[server]);
        let watch = tokio::spawn(async move { node.watch(NodeId(id), 7).await });
        until_heard(&server.gateway, &format!("watch {id} 7")).await;
        watch.abort();
        until_heard(&leader.gateway, &format!("parted {id}")).await;
    }
    // An answered watch is no broken connection.
    leader.gateway.quiet.store(false, Ordering::Relaxed);
    link(&[&leader]).watch(NodeId(7), 1).await.unwrap();
    assert!(!leader.gateway.heard().contains(&"parted 7".to_owned()));
}

#[tokio::test]
async fn a_ping_finds_the_node_or_its_absence() {
    let mut server = server().await;
    let limit = std::time::Duration::from_secs(2);
    let pings = |address: Option<&str>| {
        NodePings::new(Arc::new(Places(address.map(str::to_owned))), ClientConfig::default())
    };
    let here = pings(Some(&server.address));
    assert_eq!(here.ping(NodeId(5), limit).await, Ping::Answered);
    assert_eq!(here.ping(NodeId(6), limit).await, Ping::Silent);
    assert_eq!(pings(None).ping(NodeId(5), limit).await, Ping::NoAddress);
    drop(server.stop.take());
    let limit = std::time::Duration::from_millis(200);
    let silent = async {
        while here.ping(NodeId(5), limit).await != Ping::Silent {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), silent).await.unwrap();
}
