//! The port [`ServerLink`] over calls: the node's half and the servers' half.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use model::{AllocUpdate, Node, NodeId};
use serde::{Deserialize, Serialize};

use super::rpc::{Call, Client, ClientConfig, Error, ErrorKind, Router};
use crate::actors::ports::{Assignments, LinkError, ServerLink};

/// For everything but watches.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than any server lets a watch wait.
const WATCH_TIMEOUT: Duration = Duration::from_secs(11 * 60);

#[derive(Debug, Serialize, Deserialize)]
struct Register {
    node: Node,
}

impl Call for Register {
    const METHOD: &'static str = "Node.Register";
    type Answer = ();
}

#[derive(Debug, Serialize, Deserialize)]
struct Watch {
    node: NodeId,
    index: u64,
}

impl Call for Watch {
    const METHOD: &'static str = "Node.Watch";
    type Answer = Assignments;
}

#[derive(Debug, Serialize, Deserialize)]
struct Report {
    node: NodeId,
    updates: Vec<AllocUpdate>,
}

impl Call for Report {
    const METHOD: &'static str = "Node.Report";
    type Answer = ();
}

/// Reaches the servers over TCP. Stays with the server that answered last.
#[derive(Debug)]
pub struct RemoteServers {
    servers: Vec<Client>,
    current: AtomicUsize,
}

impl RemoteServers {
    /// The RPC addresses of all servers, in the order in which they are tried.
    pub fn new(addresses: impl IntoIterator<Item = String>, config: &ClientConfig) -> Self {
        let servers = addresses.into_iter().map(|address| Client::new(address, config.clone())).collect();
        Self { servers, current: AtomicUsize::new(0) }
    }

    async fn ask<C: Call>(&self, call: &C, timeout: Duration) -> Result<C::Answer, LinkError> {
        let start = self.current.load(Ordering::Relaxed);
        let mut why = "no server is known".to_owned();
        for turn in 0..self.servers.len() {
            let position = (start + turn) % self.servers.len();
            let server = &self.servers[position];
            match server.call(call, timeout).await {
                Ok(answer) => {
                    self.current.store(position, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => match error.kind {
                    // Every call of a node may be repeated, so one with an unknown outcome goes to the next server.
                    ErrorKind::Unreachable
                    | ErrorKind::NoLeader
                    | ErrorKind::Overloaded
                    | ErrorKind::Unknown => {
                        tracing::debug!(server = server.address(), %error, "a server did not answer");
                        why = error.message;
                    }
                    ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::Internal => {
                        return Err(LinkError::Refused(error.message));
                    }
                },
            }
        }
        Err(LinkError::Unreachable(why))
    }
}

#[async_trait]
impl ServerLink for RemoteServers {
    async fn register(&self, node: Node) -> Result<(), LinkError> {
        self.ask(&Register { node }, TIMEOUT).await
    }

    async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError> {
        self.ask(&Watch { node, index }, WATCH_TIMEOUT).await
    }

    async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>) -> Result<(), LinkError> {
        self.ask(&Report { node, updates }, TIMEOUT).await
    }
}

/// Answers the calls of nodes through `backend`.
pub fn register_node_methods(router: &mut Router, backend: Arc<dyn ServerLink>) {
    let register = backend.clone();
    router.register(move |call: Register| {
        let backend = register.clone();
        async move { backend.register(call.node).await.map_err(refusal) }
    });
    let watch = backend.clone();
    router.register_waiting(move |call: Watch| {
        let backend = watch.clone();
        async move { backend.watch(call.node, call.index).await.map_err(refusal) }
    });
    router.register(move |call: Report| {
        let backend = backend.clone();
        async move { backend.report(call.node, call.updates).await.map_err(refusal) }
    });
}

fn refusal(error: LinkError) -> Error {
    match error {
        LinkError::Unreachable(why) => Error::new(ErrorKind::NoLeader, why),
        LinkError::Refused(why) => Error::new(ErrorKind::Invalid, why),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::net::rpc::serve;

    #[derive(Default)]
    struct Backend {
        leaderless: bool,
        heard: Mutex<Vec<String>>,
    }

    impl Backend {
        fn hear(&self, what: String) -> Result<(), LinkError> {
            if self.leaderless {
                return Err(LinkError::Unreachable("no leader".into()));
            }
            self.heard.lock().unwrap().push(what);
            Ok(())
        }
    }

    #[async_trait]
    impl ServerLink for Backend {
        async fn register(&self, node: Node) -> Result<(), LinkError> {
            if node.name.is_empty() {
                return Err(LinkError::Refused("a node needs a name".into()));
            }
            self.hear(format!("register {}", node.name))
        }

        async fn watch(&self, node: NodeId, index: u64) -> Result<Assignments, LinkError> {
            self.hear(format!("watch {} {index}", node.0))?;
            Ok(Assignments { index: index + 1, ..Assignments::default() })
        }

        async fn report(&self, node: NodeId, updates: Vec<AllocUpdate>) -> Result<(), LinkError> {
            self.hear(format!("report {} {}", node.0, updates.len()))
        }
    }

    async fn server(backend: Arc<Backend>) -> (String, tokio_util::sync::DropGuard) {
        let mut router = Router::new(8, 8);
        register_node_methods(&mut router, backend);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, Arc::new(router), stop.clone()));
        (address, stop.drop_guard())
    }

    #[tokio::test]
    async fn a_node_reaches_the_server_that_answers() {
        let leader = Arc::new(Backend::default());
        let (leader_address, _leader) = server(leader.clone()).await;
        let (other_address, _other) =
            server(Arc::new(Backend { leaderless: true, ..Backend::default() })).await;
        let link = RemoteServers::new([other_address, leader_address], &ClientConfig::default());

        link.register(Node { name: "a".into(), ..Node::default() }).await.unwrap();
        let assignments = link.watch(NodeId(5), 7).await.unwrap();
        assert_eq!(assignments.index, 8);
        link.report(NodeId(5), Vec::new()).await.unwrap();
        assert_eq!(*leader.heard.lock().unwrap(), ["register a", "watch 5 7", "report 5 0"]);

        let refused = link.register(Node::default()).await.unwrap_err();
        assert!(matches!(refused, LinkError::Refused(why) if why == "a node needs a name"));
    }

    #[tokio::test]
    async fn without_a_leader_nothing_is_reached() {
        let (address, _server) = server(Arc::new(Backend { leaderless: true, ..Backend::default() })).await;
        let link = RemoteServers::new([address], &ClientConfig::default());
        let error = link.report(NodeId(1), Vec::new()).await.unwrap_err();
        assert!(matches!(error, LinkError::Unreachable(why) if why == "no leader"));
        let nobody = RemoteServers::new([], &ClientConfig::default());
        assert!(matches!(nobody.watch(NodeId(1), 0).await, Err(LinkError::Unreachable(_))));
    }
}
