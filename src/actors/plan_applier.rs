//! The only place where plans become true.
//!
//! Lives:      on the leader only, an arbiter of its own
//! Asked by:   SchedulerWorker (Submit)    Tells: nobody
//! Owns:       the queue of plans; at most one batch is being written
//! On restart: never: what was half done is only known to the log, so a panic ends the agent
//! Brain:      logic::plan_applier

use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, ResponseFuture};
use arc_swap::ArcSwapOption;
use logic::plan_applier::{Submission, Verdict, batch};
use state::Root;
use tokio::sync::oneshot;

use super::{
    kit::{Observe, Stop},
    ports::{Committed, ProposeError, Proposer, StateReader},
};

/// The state with the room taken by the plans that are being written. Workers plan on it rather than collide.
pub type Optimistic = Arc<ArcSwapOption<Root>>;

/// Verifies a plan, writes what fits, and answers when that is in the log.
#[derive(Debug, Message)]
#[rtype(result = "Result<Verdict, ProposeError>")]
pub struct Submit(pub Submission);

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Written {
    result: Result<Committed, ProposeError>,
    answers: Vec<(oneshot::Sender<Result<Verdict, ProposeError>>, Verdict)>,
}

pub struct PlanApplier {
    state: Arc<dyn StateReader>,
    proposer: Arc<dyn Proposer>,
    optimistic: Optimistic,
    queue: Vec<(Submission, oneshot::Sender<Result<Verdict, ProposeError>>)>,
    writing: bool,
    batches: u64,
    plans: u64,
}

impl PlanApplier {
    pub fn new(state: Arc<dyn StateReader>, proposer: Arc<dyn Proposer>, optimistic: Optimistic) -> Self {
        Self { state, proposer, optimistic, queue: Vec::new(), writing: false, batches: 0, plans: 0 }
    }

    fn write(&mut self, context: &mut Context<Self>) {
        if self.writing || self.queue.is_empty() {
            return;
        }
        // More urgent plans first; the sort is stable, so equals keep their order.
        self.queue.sort_by_key(|(submission, _)| std::cmp::Reverse(submission.plan.priority));
        let (submissions, senders): (Vec<_>, Vec<_>) = std::mem::take(&mut self.queue).into_iter().unzip();
        self.plans += submissions.len() as u64;
        self.batches += 1;
        let batch = batch(&self.state.root(), submissions);
        let answers = senders.into_iter().zip(batch.verdicts).collect();
        self.optimistic.store(Some(Arc::new(batch.optimistic)));
        self.writing = true;
        let proposer = self.proposer.clone();
        let address = context.address();
        actix::spawn(async move {
            let result = if batch.commands.is_empty() {
                Ok(Committed { index: 0, outcomes: Vec::new() })
            } else {
                proposer.propose(batch.commands).await
            };
            address.do_send(Written { result, answers });
        });
    }
}

impl Actor for PlanApplier {
    type Context = Context<Self>;
}

impl Handler<Submit> for PlanApplier {
    type Result = ResponseFuture<Result<Verdict, ProposeError>>;

    fn handle(&mut self, Submit(submission): Submit, context: &mut Self::Context) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.queue.push((submission, sender));
        self.write(context);
        Box::pin(async move {
            receiver.await.unwrap_or_else(|_| Err(ProposeError::Unknown("the plan applier ended".into())))
        })
    }
}

impl Handler<Written> for PlanApplier {
    type Result = ();

    fn handle(&mut self, message: Written, context: &mut Self::Context) {
        // Also after an unknown outcome: what was derived is dropped, the state itself is read again.
        self.optimistic.store(None);
        self.writing = false;
        for (answer, verdict) in message.answers {
            // A worker that is gone has lost its lease as well: nothing to tell it.
            let _ = answer.send(message.result.as_ref().map(|_| verdict).map_err(Clone::clone));
        }
        self.write(context);
    }
}

impl Handler<Observe> for PlanApplier {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(serde_json::json!({
            "queued": self.queue.len(), "writing": self.writing, "plans": self.plans, "batches": self.batches,
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
