//! Empties draining nodes, no faster than the groups on them can bear.
//!
//! Lives:      on the leader only, `server` arbiter
//! Asked by:   nobody    Tells: nobody (proposes)
//! Owns:       the state index of its last look
//! On restart: looks at all draining nodes
//! Brain:      logic::drainer

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, WrapFuture};
use state::Command;
use tracing::{info, warn};

use super::{
    kit::{self, StateChanged, Stop},
    ports::{Clock, IdSource, Proposer, StateReader},
};

pub struct Drainer {
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// Newest change of nodes or allocations that was looked at.
    seen: u64,
    /// A proposal is on its way: looking again before it is in the state would repeat it.
    busy: bool,
    timer: Option<SpawnHandle>,
}

impl Drainer {
    pub fn new(
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self { state, proposer, clock, ids, seen: 0, busy: false, timer: None }
    }

    fn look(&mut self, context: &mut Context<Self>) {
        if self.busy {
            return;
        }
        let root = self.state.root();
        let now = self.clock.now();
        let look = logic::drainer::look(&root, now, &mut || self.ids.uuid());
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        if let Some(at) = look.look_again {
            let wait = at.since(now).max(Duration::from_millis(10));
            self.timer = Some(context.run_later(wait, Self::look));
        }
        if look.commands.is_empty() {
            return;
        }
        for command in &look.commands {
            match command {
                Command::MarkMigrate { allocs, .. } => info!(count = allocs.len(), "allocations migrate"),
                Command::FinishDrain { node, forced, .. } => info!(node_id = %node, forced, "node drained"),
                _ => {}
            }
        }
        self.busy = true;
        let proposer = self.proposer.clone();
        let write = async move { proposer.propose(look.commands).await };
        context.spawn(write.into_actor(self).map(|result, actor, context| {
            actor.busy = false;
            match result {
                Ok(_) => actor.look(context),
                Err(error) => {
                    warn!(%error, "a drain could not be moved on, trying again");
                    context.run_later(Duration::from_secs(1), Self::look);
                }
            }
        }));
    }
}

impl Actor for Drainer {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        kit::watch_state(context, self.state.changes());
    }
}

impl Handler<StateChanged> for Drainer {
    type Result = ();

    fn handle(&mut self, _: StateChanged, context: &mut Self::Context) {
        let indexes = self.state.root().indexes;
        let changed = indexes.nodes.max(indexes.allocs).max(indexes.jobs);
        if changed > self.seen {
            self.seen = changed;
            self.look(context);
        }
    }
}

impl Handler<Stop> for Drainer {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
