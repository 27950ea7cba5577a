//! Forgets what is over: terminal evaluations with their allocations, dead jobs.
//!
//! Lives:      on the leader only, `server` arbiter
//! Asked by:   nobody    Tells: nobody (proposes)
//! Owns:       nothing
//! On restart: waits for the next interval
//! Brain:      state::Command::Collect (what may go is decided where it is applied)

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use model::Timestamp;
use state::Command;
use tracing::{debug, warn};

use super::{
    kit::Stop,
    ports::{Clock, Proposer},
};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(300);
/// How long things are kept after their last change.
const KEEP: Duration = Duration::from_secs(4 * 3600);

pub struct Collector {
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
}

impl Collector {
    pub fn new(proposer: Arc<dyn Proposer>, clock: Arc<dyn Clock>) -> Self {
        Self { proposer, clock }
    }

    fn collect(&mut self, _: &mut Context<Self>) {
        let keep = i64::try_from(KEEP.as_nanos()).expect("hours fit into 64 bits of nanoseconds");
        let before = Timestamp(self.clock.now().as_nanos() - keep);
        let proposer = self.proposer.clone();
        actix::spawn(async move {
            match proposer.propose(vec![Command::Collect { before }]).await {
                Ok(committed) => debug!(outcome = ?committed.outcomes, "collected"),
                Err(error) => warn!(%error, "could not collect"),
            }
        });
    }
}

impl Actor for Collector {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(INTERVAL, Self::collect);
    }
}

impl Handler<Stop> for Collector {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
