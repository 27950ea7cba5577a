//! Moves roll-outs on as their allocations become healthy, and ends them.
//!
//! Lives:      on the leader only, `server` arbiter
//! Asked by:   nobody    Tells: nobody (proposes)
//! Owns:       how many allocations were healthy at the last look
//! On restart: looks at all active deployments
//! Brain:      logic::deployment_watcher

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, WrapFuture};
use logic::deployment_watcher::{DeploymentWatcher as Brain, Effect, command};
use state::{Command, Root};
use tracing::{info, warn};

use super::{
    kit::{self, StateChanged, Stop},
    ports::{Clock, IdSource, Proposer, StateReader},
};

pub struct DeploymentWatcher {
    brain: Brain,
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    seen: u64,
    /// A proposal is on its way: looking again before it is in the state would repeat it.
    busy: bool,
    timer: Option<SpawnHandle>,
}

impl DeploymentWatcher {
    pub fn new(
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self { brain: Brain::default(), state, proposer, clock, ids, seen: 0, busy: false, timer: None }
    }

    fn look(&mut self, context: &mut Context<Self>) {
        if self.busy {
            return;
        }
        let root = self.state.root();
        let now = self.clock.now();
        let look = self.brain.look(&root, now);
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        if let Some(at) = look.wake_at {
            let wait = at.since(now).max(Duration::from_millis(10));
            self.timer = Some(context.run_later(wait, Self::look));
        }
        let commands: Vec<Command> =
            look.effects.iter().filter_map(|effect| self.command(&root, effect)).collect();
        if commands.is_empty() {
            return;
        }
        self.busy = true;
        let proposer = self.proposer.clone();
        let write = async move { proposer.propose(commands).await };
        context.spawn(write.into_actor(self).map(|result, actor, context| {
            actor.busy = false;
            match result {
                Ok(_) => actor.look(context),
                Err(error) => {
                    warn!(%error, "a deployment could not be moved on, trying again");
                    // Forget what was derived: the next look sees all of it as new.
                    actor.brain = Brain::default();
                    context.run_later(Duration::from_secs(1), Self::look);
                }
            }
        }));
    }

    fn command(&self, root: &Root, effect: &Effect) -> Option<Command> {
        if let Effect::Finish { deployment: id, status, description, .. } = effect
            && let Some(deployment) = root.deployments.get(id)
        {
            info!(deployment_id = %id, job = %deployment.job, status = status.as_str(), description, "deployment ended");
        }
        command(root, effect, self.clock.now(), &mut || self.ids.uuid())
    }
}

impl Actor for DeploymentWatcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        kit::watch_state(context, self.state.changes());
    }
}

impl Handler<StateChanged> for DeploymentWatcher {
    type Result = ();

    fn handle(&mut self, _: StateChanged, context: &mut Self::Context) {
        let changed = self.state.root().indexes.deployments;
        if changed > self.seen {
            self.seen = changed;
            self.look(context);
        }
    }
}

impl Handler<Stop> for DeploymentWatcher {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
