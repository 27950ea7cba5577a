//! The Consul API: catalog, health and the agent, read from the replicated state.
//!
//! What troupe does not have (key-value store, sessions, registration by hand) is refused with words, never answered
//! as if it were empty.

mod agent; // the agent, its members and its own services
mod catalog; // nodes and services
mod health; // checks
mod read; // blocking queries, headers, scope
mod routes; // which path is answered by what
mod rows; // state -> Consul's objects

#[cfg(test)]
mod tests;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::Server, web};
use model::NodeId;
use tokio::sync::{Semaphore, watch};

use crate::actors::ports::{Leadership, Members, StateReader};

/// Blocking queries at a time, per agent; one more is refused with 429.
const WATCHES: usize = 4096;

/// All that requests are answered from. Cheap to clone.
#[derive(Clone)]
pub struct ConsulContext {
    state: Arc<dyn StateReader>,
    members: Arc<dyn Members>,
    agent: Arc<ConsulAgent>,
    watches: Arc<Semaphore>,
}

impl std::fmt::Debug for ConsulContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsulContext").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl ConsulContext {
    pub fn new(state: Arc<dyn StateReader>, members: Arc<dyn Members>, agent: ConsulAgent) -> Self {
        Self { state, members, agent: Arc::new(agent), watches: Arc::new(Semaphore::new(WATCHES)) }
    }
}

/// What the agent says of itself to Consul's clients.
#[derive(Debug, Clone)]
pub struct ConsulAgent {
    pub name: String,
    pub datacenter: String,
    /// The IP that others reach.
    pub address: String,
    /// As clients compare it: `major.minor.patch`.
    pub version: String,
    pub is_server: bool,
    /// The node this agent is, if it runs tasks: whose services are `agent/services`.
    pub node: Option<NodeId>,
    /// `ip:port` for server to server calls.
    pub rpc_address: String,
    /// 0: no DNS.
    pub dns_port: u16,
    /// Indents every answer, as Consul does in `-dev` mode.
    pub pretty: bool,
    pub leadership: watch::Receiver<Leadership>,
}

/// Answers the Consul API on `listener` until the server is stopped (`Server::handle().stop(..)`).
///
/// # Errors
/// When the listener cannot be used; nothing is answered then.
pub fn serve(ctx: ConsulContext, listener: TcpListener, workers: usize) -> io::Result<Server> {
    let server = HttpServer::new(move || App::new().configure(consul(ctx.clone())))
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

/// The Consul API as part of an `App`.
pub fn consul(ctx: ConsulContext) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config.app_data(web::Data::new(ctx)).default_service(web::to(routes::answer));
    }
}
