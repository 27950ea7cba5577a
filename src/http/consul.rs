//! The Consul API: catalog, health and the agent, read from the replicated state.
//!
//! What troupe does not have (key-value store, sessions, registration by hand) is refused with words, never answered
//! as if it were empty.

mod agent; // the agent, its members and its own services
mod catalog; // nodes and services
mod cluster; // join, leave, servers in the log
mod health; // checks
mod read; // blocking queries, headers, scope
mod upstream; // offers of catalogs
mod routes; // which path is answered by what
mod rows; // state -> Consul's objects

#[cfg(test)]
mod tests;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::Server, web};
use model::NodeId;
use tokio::sync::{Semaphore, watch};

use super::Ports;
use crate::actors::ports::{Leadership, Upstream};

/// Blocking queries at a time, per agent; one more is refused with 429.
const WATCHES: usize = 4096;

/// All that requests are answered from. Cheap to clone.
#[derive(Clone)]
pub struct ConsulContext {
    /// The ports, and the other API: what it can do for both is done there, and passed on from there.
    nomad: super::Context,
    agent: Arc<ConsulAgent>,
    upstream: Option<Arc<dyn Upstream>>,
    watches: Arc<Semaphore>,
}

impl std::ops::Deref for ConsulContext {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.nomad
    }
}

impl std::fmt::Debug for ConsulContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsulContext").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl ConsulContext {
    /// `upstream`: for an agent whose catalog is that of others.
    pub fn new(nomad: super::Context, agent: ConsulAgent, upstream: Option<Arc<dyn Upstream>>) -> Self {
        Self { nomad, agent: Arc::new(agent), upstream, watches: Arc::new(Semaphore::new(WATCHES)) }
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
    /// The id of this agent, which is that of its node if it runs tasks: whose services are `agent/services`.
    pub node: Option<NodeId>,
    /// `ip:port` for server to server calls.
    pub rpc_address: String,
    /// 0: no DNS.
    pub dns_port: u16,
    /// Indents every answer, as Consul does in `-dev` mode.
    pub pretty: bool,
    pub leadership: watch::Receiver<Leadership>,
}

/// Answers the Consul API on all `listeners` until the server is stopped (`Server::handle().stop(..)`).
///
/// # Errors
/// When a listener cannot be used; nothing is answered then.
pub fn serve(ctx: ConsulContext, listeners: Vec<TcpListener>, workers: usize) -> io::Result<Server> {
    let mut server = HttpServer::new(move || App::new().configure(consul(ctx.clone())));
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server
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
