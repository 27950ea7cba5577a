//! The HTTP edges: a request becomes a read of the state or a proposal, and what comes of it becomes a response.
//! Nothing is decided here.

mod agent; // the agent itself, members, leader, health
mod alloc_write; // stop, restart, signal
mod alloc_data; // what it leaves to those after it
mod alloc_looks; // checks; files that may go
mod allocs; // allocations
mod answers; // long lists that have not changed
mod autopilot; // how servers are looked after
mod built_in; // namespaces
mod call; // one request, read and bounded
mod client; // what a node knows: stats
pub mod consul; // the other API: catalog and health as Consul answers them
mod deployments; // deployments
mod deployment_write; // fail, pause, promote, health by hand
mod elsewhere; // requests that another agent has to answer
mod evals; // evaluations
pub mod events; // the event stream
mod failure; // refusals as plain text
mod fs; // files of allocations
mod jobs; // reads of jobs
mod launch; // dispatch, launch by hand
mod list; // prefixes, order and pages of lists
mod logs; // output of tasks, as frames or plain
mod metrics; // gauges
mod monitor; // the agent's own log
mod node_meta; // metadata of a node, kept by its agent
mod node_pools; // pools of nodes
mod node_write; // drain, eligibility, purge
mod nodes; // nodes
mod operator; // servers in the log
pub mod passed_on; // requests that other agents passed on
mod plan; // what registering a job would do
mod read; // blocking queries and index headers
mod register; // writes of jobs
mod revert; // back to an earlier version of a job, and which versions are good
mod routes; // which path is answered by what
mod scale; // counts of groups
mod scaling; // policies of groups
mod scheduler; // how the scheduler works
mod search; // ids by prefix
mod search_fuzzy; // names by any part of them
mod services; // services of allocations
mod snapshot; // the whole state
mod spec; // job files and the rules for jobs
mod talk; // sessions inside tasks
mod statuses; // all about several jobs
mod submission; // what versions were made from, and their names
mod write; // proposals, detached from the request

#[cfg(test)]
mod one_server; // stands in for the log
#[cfg(test)]
mod tests;

/// The page that says what works.
#[cfg(test)]
pub(crate) const COMPATIBILITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");

/// Compares a table with the one of the page; writes it there if `TROUPE_UPDATE_DOCS` is set.
#[cfg(test)]
pub(crate) fn documented(name: &str, table: &str) {
    let page = std::fs::read_to_string(COMPATIBILITY).unwrap();
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let from = page.find(&begin).expect("the page has the table") + begin.len();
    let to = page.find(&end).expect("the table ends");
    if std::env::var_os("TROUPE_UPDATE_DOCS").is_some() {
        std::fs::write(COMPATIBILITY, format!("{}{table}{}", &page[..from], &page[to..])).unwrap();
    } else {
        assert_eq!(&page[from..to], table, "write it anew with TROUPE_UPDATE_DOCS=1");
    }
}

pub use passed_on::{answer_for, stream_for};
#[cfg(test)]
use talk::SESSIONS;
pub use talk::talk_for;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::Server, web};
use model::NodeId;
use tokio::sync::{Semaphore, watch};

use crate::actors::ports::{
    Clock, Consensus, Elsewhere, IdSource, Leadership, LogTap, Members, NodeAccess, Proposer, Reload,
    StateReader,
};

/// Bodies beyond this are refused with 413.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Blocking queries, log streams and snapshots at a time, per agent; one more is refused with 429.
const WATCHES: usize = 4096;

/// Dry runs at a time, per agent: each may keep a processor busy for a while. One more is refused with 429.
const PLANS: usize = 8;

/// The ports that requests are answered through.
#[derive(Clone)]
pub struct Ports {
    pub state: Arc<dyn StateReader>,
    pub proposer: Arc<dyn Proposer>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdSource>,
    pub nodes: Arc<dyn NodeAccess>,
    pub members: Arc<dyn Members>,
    pub consensus: Arc<dyn Consensus>,
    pub elsewhere: Arc<dyn Elsewhere>,
    pub log: Arc<dyn LogTap>,
    pub configuration: Arc<dyn Reload>,
}

/// All that requests are answered from. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    ports: Ports,
    pub agent: Arc<AgentInfo>,
    watches: Arc<Semaphore>,
    plans: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    answers: Arc<answers::Answers>,
    events: Option<Arc<events::EventFeed>>,
}

impl std::ops::Deref for Context {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl Context {
    pub fn new(ports: Ports, agent: AgentInfo) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            ports,
            agent: Arc::new(agent),
            watches: places(WATCHES),
            plans: places(PLANS),
            sessions: places(talk::SESSIONS),
            answers: Arc::default(),
            events: None,
        }
    }

    /// With what happened, for followers of the event stream.
    #[must_use]
    pub fn with_events(self, events: Arc<events::EventFeed>) -> Self {
        Self { events: Some(events), ..self }
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

/// Answers the Nomad API on all `listeners` until the server is stopped (`Server::handle().stop(..)`).
///
/// # Errors
/// When a listener cannot be used; nothing is answered then.
pub fn serve(ctx: Context, listeners: Vec<TcpListener>, workers: usize) -> io::Result<Server> {
    let mut server = HttpServer::new(move || App::new().configure(nomad(ctx.clone())));
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

/// The Nomad API as part of an `App`.
pub fn nomad(ctx: Context) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config.app_data(web::Data::new(ctx)).default_service(web::to(routes::answer));
    }
}
