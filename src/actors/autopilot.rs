//! Keeps the servers in the log in step with those that are there.
//!
//! Lives:      on the leader only, `server` arbiter
//! Asked by:   HTTP (GetHealth)    Tells: nobody
//! Owns:       since when each server is healthy or missing
//! On restart: forgets that; everything has to prove itself again
//! Brain:      logic::autopilot

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use logic::autopilot::{Action, Autopilot as Brain, Server, View};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{
    kit::{Observe, StateChanged, Stop, watch_state},
    ports::{ChangeError, Clock, Health, LogMembers, Members, Membership, Progress, StateReader},
    servers::servers_of,
};

/// It looks at least so often.
const INTERVAL: Duration = Duration::from_secs(2);
/// A newcomer is watched more closely, so that it gets its vote as soon as it has the log.
const SOON: Duration = Duration::from_millis(100);

/// Asks for the health of the servers.
#[derive(Debug, Message)]
#[rtype(result = "Health")]
pub struct GetHealth;

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Acted {
    action: Action,
    result: Result<(), String>,
}

/// What the autopilot of a region is built from.
#[derive(Clone)]
pub struct AutopilotParts {
    pub log: Arc<dyn LogMembers>,
    pub members: Arc<dyn Members>,
    /// Fires when gossip learned something.
    pub changes: watch::Receiver<u64>,
    pub region: String,
    /// `bootstrap_expect`; 0: not set.
    pub expect: u32,
}

pub struct Autopilot {
    parts: AutopilotParts,
    state: Arc<dyn StateReader>,
    clock: Arc<dyn Clock>,
    brain: Brain,
    acting: bool,
    /// Whether it looks again soon.
    soon: bool,
    last_error: Option<String>,
}

impl Autopilot {
    pub fn new(parts: AutopilotParts, state: Arc<dyn StateReader>, clock: Arc<dyn Clock>) -> Self {
        Self { parts, state, clock, brain: Brain::default(), acting: false, soon: false, last_error: None }
    }

    /// Calls `decide` with all that there is to know.
    fn with_view<T>(&mut self, decide: impl FnOnce(&mut Brain, &View<'_>) -> T) -> T {
        let members: Membership = self.parts.log.membership();
        let progress: Progress = self.parts.log.progress();
        let settings = self.state.root().autopilot.clone();
        let servers: Vec<_> = servers_of(&*self.parts.members, &self.parts.region)
            .into_iter()
            .map(|server| Server {
                id: server.id,
                address: server.address,
                presence: server.presence,
                never_votes: server.never_votes,
            })
            .collect();
        let view = View {
            own: self.parts.log.own().0,
            members: &members,
            progress: &progress,
            servers: &servers,
            settings: &settings,
            expect: self.parts.expect,
            heartbeat: self.parts.log.heartbeat(),
        };
        decide(&mut self.brain, &view)
    }

    fn look(&mut self, context: &mut Context<Self>) {
        if self.acting {
            return;
        }
        let now = self.clock.now();
        let (action, learners) =
            self.with_view(|brain, view| (brain.look(view, now), !view.members.learners.is_empty()));
        let Some(action) = action else {
            if learners && !std::mem::replace(&mut self.soon, true) {
                context.run_later(SOON, |actor, context| {
                    actor.soon = false;
                    actor.look(context);
                });
            }
            return;
        };
        self.acting = true;
        let (log, address) = (self.parts.log.clone(), context.address());
        actix::spawn(async move {
            let result = act(&*log, &action).await;
            address.do_send(Acted { action, result });
        });
    }
}

/// A server of another cluster must not be added: both clusters would suffer.
async fn act(log: &dyn LogMembers, action: &Action) -> Result<(), String> {
    let done = match action {
        Action::FinishChange => log.finish_change().await,
        Action::SetAddress { id, address } => log.set_address(*id, address).await,
        Action::Remove { id, .. } => log.remove(*id).await,
        Action::Promote { id } => log.promote(*id).await,
        Action::AddLearner { id, address } => {
            let found = log.identify(address).await?;
            let cluster = log.membership().cluster;
            if found.id != *id {
                return Err(format!("server {} is at {address}, not {id}", found.id));
            }
            if !found.empty && found.cluster != cluster {
                return Err(format!(
                    "the server at {address} is part of another cluster; stop it and remove its data directory to add it \
                     to this one"
                ));
            }
            log.add_learner(*id, address).await
        }
    };
    done.map_err(|error: ChangeError| error.to_string())
}

impl Actor for Autopilot {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.acting = false;
        self.soon = false;
        watch_state(context, self.parts.changes.clone());
        context.run_interval(INTERVAL, Self::look);
    }
}

/// Gossip learned something.
impl Handler<StateChanged> for Autopilot {
    type Result = ();

    fn handle(&mut self, _: StateChanged, context: &mut Self::Context) {
        self.look(context);
    }
}

impl Handler<Acted> for Autopilot {
    type Result = ();

    fn handle(&mut self, Acted { action, result }: Acted, context: &mut Self::Context) {
        self.acting = false;
        match result {
            Ok(()) => {
                info!(?action, "the servers in the log were changed");
                self.last_error = None;
                // There may be more to do.
                self.look(context);
            }
            Err(error) => {
                if self.last_error.as_ref() != Some(&error) {
                    warn!(?action, error, "the servers in the log were not changed");
                }
                if let Action::AddLearner { id, .. } = action {
                    self.brain.refused(id, self.clock.now());
                }
                self.last_error = Some(error);
            }
        }
    }
}

impl Handler<GetHealth> for Autopilot {
    type Result = actix::MessageResult<GetHealth>;

    fn handle(&mut self, _: GetHealth, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        actix::MessageResult(self.with_view(|brain, view| brain.health(view, now)))
    }
}

impl Handler<Observe> for Autopilot {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(serde_json::json!({ "acting": self.acting, "last_error": self.last_error }))
    }
}

impl Handler<Stop> for Autopilot {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
