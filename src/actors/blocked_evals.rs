//! Evaluations that wait for room: wakes those for which room appeared.
//!
//! Lives:      on the leader only, `server` arbiter
//! Asked by:   nobody    Tells: EvalBroker (Unblocked)
//! Owns:       one waiting evaluation per job
//! On restart: reads all blocked evaluations from the state
//! Brain:      logic::blocked_evals

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use logic::blocked_evals::{BlockedEvals as Brain, Effect};
use model::{EvalStatus, Evaluation};
use state::{Command, Root};
use tracing::debug;

use super::{
    eval_broker::{EvalBroker, Unblocked},
    kit::{self, Link, Observe, StateChanged, Stop},
    ports::{Clock, ProposeError, Proposer, StateReader},
};

/// How long a job whose plans collided too often waits before it is tried again. (As Nomad does)
const RETRY_COLLIDED: Duration = Duration::from_secs(60);

pub struct BlockedEvals {
    brain: Brain,
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
    broker: Link<EvalBroker>,
    seen: u64,
}

impl BlockedEvals {
    pub fn new(
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        broker: Link<EvalBroker>,
    ) -> Self {
        Self { brain: Brain::default(), state, proposer, clock, broker, seen: 0 }
    }

    fn perform(&self, root: &Root, effects: Vec<Effect>) {
        let mut canceled = Vec::new();
        for effect in effects {
            match effect {
                Effect::Unblock(id) => {
                    if let Some(eval) = root.evals.get(&id) {
                        self.broker.tell(Unblocked { eval: eval.clone() });
                    }
                }
                Effect::Cancel(id) => {
                    if let Some(eval) = root.evals.get(&id).filter(|eval| !eval.status.is_terminal()) {
                        let stopped = root.jobs.get(&eval.job).is_none_or(|job| job.stop);
                        let mut eval = Evaluation::clone(eval);
                        eval.status = EvalStatus::Canceled;
                        eval.status_description = if stopped {
                            format!("job {:?} was stopped", &*eval.job.id)
                        } else {
                            format!("existing blocked evaluation exists for job {:?}", &*eval.job.id)
                        };
                        eval.modify_time = self.clock.now();
                        canceled.push(eval);
                    }
                }
            }
        }
        if !canceled.is_empty() {
            let proposer = self.proposer.clone();
            actix::spawn(async move {
                // Asked for again with the next look at a job, should the log be closed or the leader change.
                while let Err(error) =
                    proposer.propose(vec![Command::UpdateEvals { evals: canceled.clone() }]).await
                {
                    debug!(%error, "canceled evaluations could not be written");
                    if !matches!(error, ProposeError::Overloaded) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
    }
}

impl Actor for BlockedEvals {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        kit::watch_state(context, self.state.changes());
        context.run_interval(RETRY_COLLIDED, |actor, _| {
            let effects = actor.brain.retry_collided();
            actor.perform(&actor.state.root(), effects);
        });
    }
}

impl Handler<StateChanged> for BlockedEvals {
    type Result = ();

    fn handle(&mut self, _: StateChanged, _: &mut Self::Context) {
        let root = self.state.root();
        let effects = self.brain.look(&root, self.seen);
        self.seen = root.index;
        self.perform(&root, effects);
    }
}

impl Handler<Observe> for BlockedEvals {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(serde_json::json!({ "blocked": self.brain.len() }))
    }
}

impl Handler<Stop> for BlockedEvals {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
