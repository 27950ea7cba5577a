//! The servers' half: answers calls of nodes, and asks nodes whether they are there.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use model::NodeId;

use super::calls::{AreYou, Beat, Goodbye, Parted, Register, Report, Watch, answer};
use crate::{
    actors::ports::{Ping, Pinger, ServerLink},
    net::{
        remote::{Carrier, LeaderMethods, To, Whereabouts},
        rpc::{Client, ClientConfig, Router},
    },
};

/// How long the leader may take to write, and to answer from memory.
const WRITE: Duration = Duration::from_secs(9);
const SHORT: Duration = Duration::from_secs(3);

type Gateway = Arc<dyn ServerLink>;

/// A handler that has the gateway at hand.
fn through<C, F, A>(gateway: &Gateway, act: F) -> impl Fn(C) -> A + use<C, F, A>
where
    F: Fn(Gateway, C) -> A,
{
    let gateway = gateway.clone();
    move |call| act(gateway.clone(), call)
}

/// Answers the calls of nodes through `gateway`, this server's own. What only the leader can do is passed on.
pub fn register_node_methods(
    router: &mut Router,
    leader: &mut LeaderMethods,
    carrier: &Carrier,
    gateway: &Gateway,
) {
    // A node of another region must not be taken into this one by a wrong address.
    router.home_only("Node.");
    let register =
        |gateway: Gateway, call: Register| async move { answer(gateway.register(call.node).await) };
    let beat = |gateway: Gateway, call: Beat| async move { answer(gateway.heartbeat(call.node).await) };
    let report = |gateway: Gateway, call: Report| async move {
        answer(gateway.report(call.node, call.updates, call.synced).await)
    };
    let goodbye = |gateway: Gateway, call: Goodbye| async move { answer(gateway.goodbye(call.node).await) };
    let parted = |gateway: Gateway, call: Parted| async move { answer(gateway.parted(call.node).await) };
    leader.register(router, WRITE, through(gateway, register));
    leader.register(router, SHORT, through(gateway, beat));
    leader.register(router, WRITE, through(gateway, report));
    leader.register(router, SHORT, through(gateway, goodbye));
    leader.register(router, SHORT, through(gateway, parted));
    let (backend, carrier) = (gateway.clone(), carrier.clone());
    router.register_waiting(move |call: Watch| {
        let backend = backend.clone();
        let mut standing =
            Standing { node: call.node, gateway: backend.clone(), carrier: carrier.clone(), ended: false };
        async move {
            let assignments = backend.watch(call.node, call.index).await;
            standing.end();
            answer(assignments)
        }
    });
}

/// A node's standing connection, while a watch of it is being answered. Dropped before the answer: it broke, or the
/// node asks another server now.
struct Standing {
    node: NodeId,
    gateway: Arc<dyn ServerLink>,
    carrier: Carrier,
    ended: bool,
}

impl Standing {
    /// The answer goes out: the node will ask again.
    fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (node, gateway, carrier) = (self.node, self.gateway.clone(), self.carrier.clone());
        // Best effort: gossip and heartbeats notice as well, only later.
        runtime.spawn(async move {
            let told = if carrier.leadership().borrow().is_leader {
                gateway.parted(node).await.map_err(|error| error.to_string())
            } else {
                let leader = carrier.remote::<Parted>(To::Leader);
                leader.ask(&Parted { node }, SHORT).await.map(drop).map_err(|error| error.to_string())
            };
            if let Err(error) = told {
                tracing::debug!(node_id = %node, error, "the leader was not told of a lost connection");
            }
        });
    }
}

/// Answers the leader's question whether this agent runs a node. `is_here` must say no once the node agent ended.
pub fn register_ping(router: &mut Router, is_here: Arc<dyn Fn(NodeId) -> bool + Send + Sync>) {
    // Never refused for too many calls: silence here is taken for death.
    router.register_urgent(move |call: AreYou| {
        let here = is_here(call.node);
        async move { Ok(here) }
    });
}

/// Asks nodes whether they are there.
pub struct NodePings {
    places: Arc<dyn Whereabouts>,
    config: ClientConfig,
}

impl std::fmt::Debug for NodePings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodePings").finish_non_exhaustive()
    }
}

impl NodePings {
    pub fn new(places: Arc<dyn Whereabouts>, config: ClientConfig) -> Self {
        Self { places, config }
    }
}

#[async_trait]
impl Pinger for NodePings {
    async fn ping(&self, node: NodeId, limit: Duration) -> Ping {
        let Some(address) = self.places.node(node) else { return Ping::NoAddress };
        // A connection that stands may have died without a word: a new one each time.
        match Client::new(address, self.config.clone()).call(&AreYou { node }, limit).await {
            Ok(true) => Ping::Answered,
            Ok(false) => Ping::Silent,
            Err(error) => {
                tracing::debug!(node_id = %node, %error, "a node did not answer");
                Ping::Silent
            }
        }
    }
}
