//! Hands each evaluation to one scheduler worker at a time.
//!
//! Lives:      on the leader only, `server` arbiter
//! Asked by:   SchedulerWorker (Dequeue, Ack, Nack), BlockedEvals tells Unblocked    Tells: nobody
//! Owns:       ready, delayed and leased queues
//! On restart: forgets everything and reads all open evaluations from the state
//! Brain:      logic::eval_broker

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, ResponseFuture, SpawnHandle};
use logic::eval_broker::{Broker, Effect, LeaseToken};
use model::{EvalId, EvalStatus, Evaluation, Trigger};
use state::Command;
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::{
    kit::{self, Observe, StateChanged, Stop},
    ports::{Clock, IdSource, Proposer, StateReader},
};

/// How long a worker's question waits for an evaluation before it is answered with none.
pub const POLL: Duration = Duration::from_millis(500);

/// An evaluation in the hands of one worker.
#[derive(Debug)]
pub struct Leased {
    pub eval: EvalId,
    pub token: LeaseToken,
}

/// Waits for an evaluation, at most [`POLL`].
#[derive(Debug, Message)]
#[rtype(result = "Option<Leased>")]
pub struct Dequeue;

/// Confirms that a leased evaluation was processed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Ack {
    pub eval: EvalId,
    pub token: LeaseToken,
}

/// Gives a leased evaluation back: it could not be processed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Nack {
    pub eval: EvalId,
    pub token: LeaseToken,
}

/// A blocked evaluation may be tried again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Unblocked {
    pub eval: Arc<Evaluation>,
}

pub struct EvalBroker {
    brain: Broker,
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// Evaluations up to this index were taken in.
    seen: u64,
    waiting: VecDeque<oneshot::Sender<Leased>>,
    timer: Option<SpawnHandle>,
}

impl EvalBroker {
    pub fn new(
        state: Arc<dyn StateReader>,
        proposer: Arc<dyn Proposer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            brain: Broker::default(),
            state,
            proposer,
            clock,
            ids,
            seen: 0,
            waiting: VecDeque::new(),
            timer: None,
        }
    }

    /// Gives what is ready to those who wait, and sets the timer for what is not.
    fn hand_out(&mut self, context: &mut Context<Self>) {
        let now = self.clock.now();
        let effects = self.brain.tick(now);
        self.perform(effects);
        // Those who asked in vain ask again; while the broker is paused nobody takes them out below.
        self.waiting.retain(|waiter| !waiter.is_closed());
        let is_paused = self.state.root().scheduler.pause_eval_broker;
        while !is_paused && let Some(waiter) = self.waiting.pop_front() {
            let Some((eval, token)) = self.brain.dequeue(now) else {
                self.waiting.push_front(waiter);
                break;
            };
            if waiter.send(Leased { eval, token }).is_err() {
                self.brain.give_back(eval, token);
            }
        }
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        if let Some(at) = self.brain.next_wake() {
            let wait = at.since(now).max(Duration::from_millis(1));
            self.timer = Some(context.run_later(wait, Self::hand_out));
        }
    }

    fn perform(&self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        let root = self.state.root();
        let now = self.clock.now();
        let mut evals = Vec::new();
        for effect in effects {
            let (id, status, description) = match effect {
                Effect::Cancel(id) => {
                    (id, EvalStatus::Canceled, "canceled after more recent eval was processed")
                }
                Effect::Fail(id) => (id, EvalStatus::Failed, "evaluation reached delivery limit (3)"),
            };
            let Some(eval) = root.evals.get(&id) else { continue };
            let mut eval = Evaluation::clone(eval);
            if status == EvalStatus::Failed {
                // Tried again after a pause, so that a passing fault does not leave a job unplaced for ever.
                let mut next = Evaluation::new(
                    EvalId(self.ids.uuid()),
                    eval.job.clone(),
                    eval.kind,
                    eval.priority,
                    Trigger::FailedFollowUp,
                    now,
                );
                next.wait_until = now.plus(Duration::from_secs(60));
                next.previous = Some(id);
                eval.next = Some(next.id);
                evals.push(next);
                warn!(eval_id = %id, job = %eval.job, "evaluation failed, a follow-up was made");
            }
            eval.status = status;
            eval.status_description = description.into();
            eval.modify_time = now;
            evals.push(eval);
        }
        let proposer = self.proposer.clone();
        actix::spawn(async move {
            if let Err(error) = proposer.propose(vec![Command::UpdateEvals { evals }]).await {
                debug!(%error, "settled evaluations could not be written");
            }
        });
    }
}

impl Actor for EvalBroker {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        kit::watch_state(context, self.state.changes());
    }
}

impl Handler<StateChanged> for EvalBroker {
    type Result = ();

    fn handle(&mut self, _: StateChanged, context: &mut Self::Context) {
        let root = self.state.root();
        let now = self.clock.now();
        self.brain.look(&root, self.seen, now);
        self.seen = root.index;
        self.hand_out(context);
    }
}

impl Handler<Dequeue> for EvalBroker {
    type Result = ResponseFuture<Option<Leased>>;

    fn handle(&mut self, _: Dequeue, context: &mut Self::Context) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back(sender);
        self.hand_out(context);
        Box::pin(async move { tokio::time::timeout(POLL, receiver).await.ok()?.ok() })
    }
}

impl Handler<Ack> for EvalBroker {
    type Result = ();

    fn handle(&mut self, message: Ack, context: &mut Self::Context) {
        match self.brain.ack(message.eval, message.token) {
            Ok(effects) => self.perform(effects),
            Err(error) => debug!(%error, "late acknowledgement"),
        }
        self.hand_out(context);
    }
}

impl Handler<Nack> for EvalBroker {
    type Result = ();

    fn handle(&mut self, message: Nack, context: &mut Self::Context) {
        match self.brain.nack(message.eval, message.token, self.clock.now()) {
            Ok(effects) => self.perform(effects),
            Err(error) => debug!(%error, "late refusal"),
        }
        self.hand_out(context);
    }
}

impl Handler<Unblocked> for EvalBroker {
    type Result = ();

    fn handle(&mut self, message: Unblocked, context: &mut Self::Context) {
        self.brain.enqueue(&message.eval, self.clock.now());
        self.hand_out(context);
    }
}

impl Handler<Observe> for EvalBroker {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        let depths = self.brain.depths();
        actix::MessageResult(serde_json::json!({
            "ready": depths.ready, "leased": depths.leased, "behind": depths.behind, "delayed": depths.delayed,
            "workers_waiting": self.waiting.len(),
        }))
    }
}

impl Handler<Stop> for EvalBroker {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

#[cfg(test)]
mod tests;
