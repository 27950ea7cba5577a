//! Keeps the table of agents: what gossip says of the cluster's members, written to the log when it changed.
//!
//! Lives:      on the leader only, `server` arbiter
//! Asked by:   nobody    Tells: nobody (proposes)
//! Owns:       whom gossip has named since this server leads
//! On restart: looks again; an agent that gossip does not name yet is given a minute
//! Brain:      logic::roll

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle};
use logic::roll::{self, Presence};
use model::{Agent, Endpoint};
use serde_json::json;
use state::{Command, Epoch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    kit::{Observe, StateChanged, Stop, watch_state},
    ports::{Clock, IdSource, Member, Members, Proposer, StateReader},
};

/// A look without any signal: repairs what a signal missed, and finds what only time changes.
const INTERVAL: Duration = Duration::from_secs(60);
/// Members that change within this time are written together.
const TOGETHER: Duration = Duration::from_millis(50);
/// Nodes that register within this time are looked at together.
const NODES_TOGETHER: Duration = Duration::from_secs(1);
/// Wait after a proposal that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Sent to itself when gossip says something new.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct MembersChanged;

/// A proposal came to its end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Written {
    again: Duration,
}

pub struct Roll {
    members: Arc<dyn Members>,
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    brain: roll::Roll,
    /// The next look after a signal.
    due: Option<(Instant, SpawnHandle)>,
    /// A proposal is on its way: the look after it sees what it did.
    writing: bool,
    /// Index of the node table at the last look.
    nodes_at: u64,
    writes: u64,
}

impl Roll {
    pub fn new(
        members: Arc<dyn Members>,
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            members,
            state,
            proposer,
            clock,
            ids,
            brain: roll::Roll::default(),
            due: None,
            writing: false,
            nodes_at: 0,
            writes: 0,
        }
    }

    fn look_in(&mut self, after: Duration, context: &mut Context<Self>) {
        let at = Instant::now() + after;
        if let Some((earlier, timer)) = self.due {
            if earlier <= at {
                return;
            }
            context.cancel_future(timer);
        }
        let timer = context.run_later(after, |roll, context| {
            roll.due = None;
            roll.look(context);
        });
        self.due = Some((at, timer));
    }

    fn look(&mut self, context: &mut Context<Self>) {
        if self.writing {
            // Its end looks again.
            return;
        }
        let root = self.state.root();
        self.nodes_at = root.indexes.nodes;
        let now = self.clock.now();
        let changes = self.brain.look(&root, translate(&self.members.members()), now);
        for (id, holder) in &changes.refused {
            warn!(agent = %id, %holder, "an agent has the name of another one that is alive: it is not listed");
        }
        let epoch: Option<Epoch> = (root.epoch == Epoch::default()).then(|| self.ids.uuid().to_be_bytes());
        if changes.is_empty() && epoch.is_none() {
            debug!("the table of agents is as gossip says");
            return;
        }
        info!(put = changes.put.len(), gone = changes.gone.len(), "agents changed");
        self.writing = true;
        let command = Command::UpdateAgents { put: changes.put, gone: changes.gone, epoch, now };
        let (proposer, address) = (self.proposer.clone(), context.address());
        actix::spawn(async move {
            // Again in any case: gossip may have changed meanwhile.
            let again = match proposer.propose(vec![command]).await {
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    warn!(%error, "the table of agents could not be written");
                    RETRY
                }
            };
            address.do_send(Written { again });
        });
    }
}

/// Members of the first one's region, as the brain takes them. What has no tags yet is not there yet.
pub fn translate(members: &[Member]) -> Vec<roll::Member> {
    let Some(own) = members.first() else { return Vec::new() };
    let region = own.region();
    members.iter().filter(|member| member.region() == region).filter_map(listed).collect()
}

fn listed(member: &Member) -> Option<roll::Member> {
    let tag = |name: &str| member.tags.get(name).map(String::as_str).unwrap_or_default();
    let presence = match member.status.as_str() {
        "alive" | "leaving" => Presence::Alive,
        "left" => Presence::Left,
        _ => Presence::Failed,
    };
    let region = member.region();
    let name = member.name.strip_suffix(region).and_then(|name| name.strip_suffix('.'));
    let advertised = tag("auto_advertise") != "false";
    let service = |name: &str, usual: &str| match (advertised, tag(name)) {
        (false, _) => String::new(),
        (true, "") => usual.to_owned(),
        (true, name) => name.to_owned(),
    };
    let agent = Agent {
        id: tag("id").parse().ok()?,
        name: name.unwrap_or(&member.name).to_owned(),
        address: member.address.clone(),
        datacenter: tag("dc").to_owned(),
        region: region.to_owned(),
        server: member.is_server(),
        client: tag("role") == "client" || !tag("client").is_empty(),
        http: endpoint(tag("http_addr"), "", &member.address),
        rpc: endpoint(tag("rpc_addr"), tag("port"), &member.address),
        serf: Endpoint { address: String::new(), port: member.port },
        consul_port: endpoint(tag("consul_addr"), "", &member.address).port,
        build: tag("build").to_owned(),
        server_service: service("server_service", Agent::SERVER_SERVICE),
        client_service: service("client_service", Agent::CLIENT_SERVICE),
        ..Agent::default()
    };
    Some(roll::Member { agent, presence })
}

/// `10.0.0.1:4646`, or an address and a port that come apart.
fn endpoint(text: &str, port: &str, usual: &str) -> Endpoint {
    let (address, port) = match (text.parse::<SocketAddr>(), text.parse::<IpAddr>()) {
        (Ok(both), _) => (both.ip().to_string(), both.port()),
        (_, Ok(ip)) => (ip.to_string(), port.parse().unwrap_or(0)),
        _ => match text.rsplit_once(':') {
            Some((host, port)) => (host.to_owned(), port.parse().unwrap_or(0)),
            None => (text.to_owned(), port.parse().unwrap_or(0)),
        },
    };
    Endpoint { address: if address == usual { String::new() } else { address }, port }
}

impl Actor for Roll {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.due = None;
        self.writing = false;
        self.look(context);
        context.run_interval(INTERVAL, Self::look);
        // Nodes register after their agents joined.
        watch_state(context, self.state.changes());
        let (mut changes, address) = (self.members.changes(), context.address().downgrade());
        actix::spawn(async move {
            while changes.changed().await.is_ok() {
                let Some(address) = address.upgrade() else { return };
                if address.send(MembersChanged).await.is_err() {
                    return;
                }
            }
        });
    }
}

impl Handler<MembersChanged> for Roll {
    type Result = ();

    fn handle(&mut self, _: MembersChanged, context: &mut Self::Context) {
        self.look_in(TOGETHER, context);
    }
}

impl Handler<StateChanged> for Roll {
    type Result = ();

    fn handle(&mut self, _: StateChanged, context: &mut Self::Context) {
        if self.state.root().indexes.nodes != self.nodes_at {
            self.look_in(NODES_TOGETHER, context);
        }
    }
}

impl Handler<Written> for Roll {
    type Result = ();

    fn handle(&mut self, Written { again }: Written, context: &mut Self::Context) {
        self.writing = false;
        self.writes += 1;
        self.look_in(again, context);
    }
}

impl Handler<Observe> for Roll {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(json!({
            "agents": self.state.root().agents.len(), "writes": self.writes, "writing": self.writing,
        }))
    }
}

impl Handler<Stop> for Roll {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

#[cfg(test)]
mod tests;
