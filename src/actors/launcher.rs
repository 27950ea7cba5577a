//! Launches periodic jobs when their slots come.
//!
//! Lives:      on the leader only, `server` arbiter
//! Asked by:   nobody    Tells: nobody (proposes)
//! Owns:       when each periodic job is due
//! On restart: works it out from the state
//! Brain:      logic::launcher

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, WrapFuture};
use state::{Command, Outcome};
use tracing::{info, warn};

use super::{
    kit::{self, StateChanged, Stop},
    ports::{Clock, IdSource, Proposer, StateReader},
};

/// Timers go by another clock than calendars do: a leader that is set to another time looks again within this.
const AT_LEAST_EVERY: Duration = Duration::from_secs(10);
/// Pause after a write that failed.
const RETRY: Duration = Duration::from_secs(1);

pub struct Launcher {
    brain: logic::launcher::Launcher,
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// Newest change of jobs that was looked at.
    seen: u64,
    /// A proposal is on its way.
    busy: bool,
    timer: Option<SpawnHandle>,
}

impl Launcher {
    pub fn new(
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let brain = logic::launcher::Launcher::default();
        Self { brain, state, proposer, clock, ids, seen: 0, busy: false, timer: None }
    }

    fn look(&mut self, context: &mut Context<Self>) {
        if self.busy {
            return;
        }
        let now = self.clock.now();
        let look = self.brain.look(&self.state.root(), now, &mut || self.ids.uuid());
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        if let Some(at) = look.look_again {
            let wait = at.since(now).clamp(Duration::from_millis(1), AT_LEAST_EVERY);
            self.timer = Some(context.run_later(wait, Self::look));
        }
        if !look.commands.is_empty() {
            self.write(look.commands, context);
        }
    }

    fn write(&mut self, commands: Vec<Command>, context: &mut Context<Self>) {
        self.busy = true;
        let proposer = self.proposer.clone();
        let write = async move { proposer.propose(commands).await };
        context.spawn(write.into_actor(self).map(|result, actor, context| {
            actor.busy = false;
            match result {
                Ok(committed) => {
                    for outcome in committed.outcomes {
                        match outcome {
                            Outcome::JobLaunched { child, .. } => info!(job = child, "launched"),
                            Outcome::Refused(refusal) => warn!(%refusal, "not launched"),
                            _ => {}
                        }
                    }
                    actor.look(context);
                }
                Err(error) => {
                    warn!(%error, "periodic jobs could not be launched, trying again");
                    context.run_later(RETRY, Self::look);
                }
            }
        }));
    }
}

impl Actor for Launcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        kit::watch_state(context, self.state.changes());
    }
}

impl Handler<StateChanged> for Launcher {
    type Result = ();

    fn handle(&mut self, _: StateChanged, context: &mut Self::Context) {
        let changed = self.state.root().indexes.jobs;
        if changed > self.seen {
            self.seen = changed;
            self.look(context);
        }
    }
}

impl Handler<Stop> for Launcher {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
