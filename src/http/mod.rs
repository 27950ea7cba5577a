//! The HTTP edges: a request becomes a read of the state or a proposal, and what comes of it becomes a response.
//! Nothing is decided here.

mod agent; // the agent itself, members, leader, health
mod allocs; // allocations
mod call; // one request, read and bounded
mod client; // what a node knows: stats
pub mod consul; // the other API: catalog and health as Consul answers them
mod deployments; // deployments
mod evals; // evaluations
mod failure; // refusals as plain text
mod jobs; // reads of jobs
mod list; // prefixes, order and pages of lists
mod logs; // output of tasks, as frames or plain
mod metrics; // gauges
mod nodes; // nodes
mod read; // blocking queries and index headers
mod register; // writes of jobs
mod routes; // which path is answered by what
mod search; // ids by prefix
mod spec; // job files and the rules for jobs
mod write; // proposals, detached from the request

#[cfg(test)]
mod tests;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::Server, web};
use model::NodeId;
use tokio::sync::{Semaphore, watch};

use crate::actors::ports::{Clock, IdSource, Leadership, Members, NodeAccess, Proposer, StateReader};

/// Bodies beyond this are refused with 413.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Blocking queries and log streams at a time, per agent; one more is refused with 429.
const WATCHES: usize = 4096;

/// All that requests are answered from. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub state: Arc<dyn StateReader>,
    pub proposer: Arc<dyn Proposer>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdSource>,
    pub nodes: Arc<dyn NodeAccess>,
    pub members: Arc<dyn Members>,
    pub agent: Arc<AgentInfo>,
    watches: Arc<Semaphore>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl Context {
    pub fn new(
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        nodes: Arc<dyn NodeAccess>,
        members: Arc<dyn Members>,
        agent: AgentInfo,
    ) -> Self {
        let watches = Arc::new(Semaphore::new(WATCHES));
        Self { state, proposer, clock, ids, nodes, members, agent: Arc::new(agent), watches }
    }
}

/// What an agent says of itself.
#[derive(Debug, Clone)]
pub struct AgentInfo {
    /// Of the node, without the region.
    pub name: String,
    pub region: String,
    pub datacenter: String,
    pub version: String,
    /// `ip:port` that others reach.
    pub http_address: String,
    pub rpc_address: String,
    pub gossip_address: String,
    pub is_server: bool,
    /// The node this agent is, if it runs tasks.
    pub node: Option<NodeId>,
    /// For `agent/self`; secrets already taken out.
    pub config: serde_json::Map<String, serde_json::Value>,
    pub leadership: watch::Receiver<Leadership>,
}

/// Answers the Nomad API on `listener` until the server is stopped (`Server::handle().stop(..)`).
///
/// # Errors
/// When the listener cannot be used; nothing is answered then.
pub fn serve(ctx: Context, listener: TcpListener, workers: usize) -> io::Result<Server> {
    let server = HttpServer::new(move || App::new().configure(nomad(ctx.clone())))
        .listen(listener)?
        .workers(workers)
        // Blocking queries are held open on purpose; what is bounded is how long a request may take to arrive.
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(5)
        .disable_signals()
        .run();
    Ok(server)
}

/// The Nomad API as part of an `App`.
pub fn nomad(ctx: Context) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config.app_data(web::Data::new(ctx)).default_service(web::to(routes::answer));
    }
}
