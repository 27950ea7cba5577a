//! The only place where plans become true.
//!
//! Lives:      on the leader only, an arbiter of its own
//! Asked by:   SchedulerWorker (Submit)    Tells: nobody
//! Owns:       plans on their way into the log; at most one batch is being written
//! On restart: never: what was half done is only known to the log, so a panic ends the agent
//! Brain:      logic::plan_applier

use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, ResponseFuture};
use arc_swap::ArcSwapOption;
use logic::plan_applier::{Pipeline, Submission, Verdict};
use state::Root;
use tokio::sync::oneshot;

use super::{
    kit::{Observe, Stop},
    ports::{Committed, ProposeError, Proposer, StateReader},
};

/// A state with the room taken by the plans that are on their way. Workers plan on its room rather than collide.
pub type Optimistic = Arc<ArcSwapOption<Root>>;

/// Verifies a plan, writes what fits, and answers when that is in the log.
#[derive(Debug, Message)]
#[rtype(result = "Result<Verdict, ProposeError>")]
pub struct Submit {
    pub submission: Submission,
    /// Told as soon as [`Optimistic`] knows of the plan: whoever plans before then collides with it.
    pub seen: oneshot::Sender<()>,
}

type Answer = oneshot::Sender<Result<Verdict, ProposeError>>;

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Written {
    result: Result<Committed, ProposeError>,
    answers: Vec<(Answer, Verdict)>,
}

pub struct PlanApplier {
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    optimistic: Optimistic,
    pipeline: Pipeline<Answer>,
    writing: bool,
    batches: u64,
    plans: u64,
    collided: u64,
}

impl PlanApplier {
    pub fn new(state: Arc<dyn StateReader>, proposer: Arc<dyn Proposer>, optimistic: Optimistic) -> Self {
        let pipeline = Pipeline::default();
        Self { state, proposer, optimistic, pipeline, writing: false, batches: 0, plans: 0, collided: 0 }
    }

    fn write(&mut self, context: &mut Context<Self>) {
        if self.writing || self.pipeline.is_empty() {
            return;
        }
        let (commands, answers) = self.pipeline.take(&self.state.root());
        self.batches += 1;
        self.writing = true;
        let proposer = self.proposer.clone();
        let address = context.address();
        actix::spawn(async move {
            let result = if commands.is_empty() {
                Ok(Committed { index: 0, outcomes: Vec::new() })
            } else {
                proposer.propose(commands).await
            };
            address.do_send(Written { result, answers });
        });
    }

    /// Shows workers where they can plan.
    fn publish(&self) {
        self.optimistic.store(self.pipeline.ahead().cloned());
    }
}

impl Actor for PlanApplier {
    type Context = Context<Self>;
}

impl Handler<Submit> for PlanApplier {
    type Result = ResponseFuture<Result<Verdict, ProposeError>>;

    fn handle(&mut self, Submit { submission, seen }: Submit, context: &mut Self::Context) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.plans += 1;
        if let Some((sender, verdict)) = self.pipeline.submit(&self.state.root(), submission, sender) {
            self.collided += 1;
            let _ = sender.send(Ok(verdict));
        } else {
            self.write(context);
            self.publish();
        }
        // A worker that does not wait for it is gone.
        let _ = seen.send(());
        Box::pin(async move {
            receiver.await.unwrap_or_else(|_| Err(ProposeError::Unknown("the plan applier ended".into())))
        })
    }
}

impl Handler<Written> for PlanApplier {
    type Result = ();

    fn handle(&mut self, message: Written, context: &mut Self::Context) {
        self.pipeline.written();
        self.writing = false;
        self.write(context);
        self.publish();
        for (answer, verdict) in message.answers {
            // A worker that is gone has lost its lease as well: nothing to tell it.
            let _ = answer.send(message.result.as_ref().map(|_| verdict).map_err(Clone::clone));
        }
    }
}

impl Handler<Observe> for PlanApplier {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(serde_json::json!({
            "queued": self.pipeline.len(), "writing": self.writing, "plans": self.plans, "batches": self.batches,
            "collided": self.collided,
        }))
    }
}

impl Handler<Stop> for PlanApplier {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        self.optimistic.store(None);
        context.stop();
    }
}
