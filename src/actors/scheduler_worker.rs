//! Takes an evaluation, makes a plan, has it applied, and settles the evaluation.
//!
//! Lives:      on the leader, an arbiter (thread) of its own: scheduling is computation
//! Asked by:   nobody    Asks: EvalBroker (Dequeue), PlanApplier (Submit)    Tells: EvalBroker (Ack, Nack)
//! Owns:       up to [`IN_HAND`] evaluations whose plans are being written
//! On restart: its leases run out and the broker hands the evaluations out again
//! Brain:      scheduler::schedule, logic::scheduler_worker

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, WrapFuture};
use logic::{
    plan_applier::{Submission, Verdict},
    scheduler_worker::{Next, after_plan, decide, given_up, rng_seed},
};
use model::{EvalId, Evaluation, Plan};
use scheduler::{Decision, Input, schedule};
use state::Root;
use tokio::sync::{
    Semaphore,
    oneshot::{self, error::TryRecvError},
};
use tracing::{Instrument, debug, info_span, warn};

use super::{
    eval_broker::{Ack, Dequeue, EvalBroker, Leased, Nack},
    kit::{Link, Stop},
    plan_applier::{Optimistic, PlanApplier, Submit},
    ports::{Clock, IdSource, ProposeError, StateReader},
};

/// Evaluations a worker holds at a time: while their plans are written it goes on planning.
pub const IN_HAND: usize = 8;

/// What a worker needs; shared by its tasks.
#[derive(Clone)]
pub struct Tools {
    pub state: Arc<dyn StateReader>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdSource>,
    pub broker: Link<EvalBroker>,
    pub applier: Link<PlanApplier>,
    pub optimistic: Optimistic,
}

pub struct SchedulerWorker {
    desk: Rc<Desk>,
}

/// What the tasks of a worker share.
struct Desk {
    tools: Tools,
    /// Plans that [`Optimistic`] may not know of yet: the worker's next plan takes their room into account.
    unseen: RefCell<Vec<(Plan, oneshot::Receiver<()>)>>,
}

impl SchedulerWorker {
    pub fn new(tools: Tools) -> Self {
        Self { desk: Rc::new(Desk { tools, unseen: RefCell::default() }) }
    }
}

impl Actor for SchedulerWorker {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let desk = self.desk.clone();
        let in_hand = Arc::new(Semaphore::new(IN_HAND));
        let pull = async move {
            loop {
                let permit = in_hand.clone().acquire_owned().await.expect("the semaphore is never closed");
                match desk.tools.broker.ask(Dequeue).await {
                    Ok(Some(leased)) => {
                        let desk = desk.clone();
                        let span = info_span!("scheduler_worker", eval_id = %leased.eval);
                        actix::spawn(
                            async move {
                                desk.process(leased).await;
                                drop(permit);
                            }
                            .instrument(span),
                        );
                    }
                    Ok(None) => {}
                    Err(error) => {
                        debug!(%error, "no broker to ask");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        };
        context.spawn(pull.into_actor(self));
    }
}

impl Desk {
    async fn process(&self, leased: Leased) {
        let Leased { eval, token } = leased;
        match self.settle(eval).await {
            Ok(()) => self.tools.broker.tell(Ack { eval, token }),
            Err(error) => {
                warn!(%error, "the plan could not be written");
                self.tools.broker.tell(Nack { eval, token });
            }
        }
    }

    /// Plans until the evaluation is settled or given up.
    async fn settle(&self, id: EvalId) -> Result<(), ProposeError> {
        let mut attempt = 1;
        loop {
            let committed = self.tools.state.root();
            let Some(eval) = committed.evals.get(&id).filter(|eval| !eval.status.is_terminal()).cloned()
            else {
                return Ok(());
            };
            let Decision { plan, eval: settled, new_evals, .. } = self.decide(&eval);
            let settles = [settled].into_iter().chain(new_evals).collect();
            let verdict = self.submit(Submission { plan, settles }).await?;
            match after_plan(verdict.complete, verdict.progress, attempt, eval.kind) {
                Next::Done => return Ok(()),
                Next::Retry => {
                    attempt = if verdict.progress { 1 } else { attempt + 1 };
                    debug!(attempt, "plan was only partly committed, planning again");
                }
                Next::GiveUp => return self.give_up(&eval, attempt).await,
            }
        }
    }

    /// Plans on the committed state with the room that plans on their way leave.
    fn decide(&self, eval: &Evaluation) -> Decision {
        // In this order: what is unseen no more is on its way, what is on its way no more is committed.
        let mut unseen = self.unseen.borrow_mut();
        unseen.retain_mut(|(_, seen)| matches!(seen.try_recv(), Err(TryRecvError::Empty)));
        let ahead = self.tools.optimistic.load_full();
        let committed = self.tools.state.root();
        let room = match ahead {
            Some(ahead) => committed.with_room_of(&ahead),
            None => (!unseen.is_empty()).then(|| Root::clone(&committed)),
        };
        let room = room.map(|mut root| {
            unseen.iter().for_each(|(plan, _)| root.reserve(plan));
            root
        });
        decide(room.as_ref(), &committed, |root| self.plan(root, eval))
    }

    fn plan(&self, root: &Root, eval: &Evaluation) -> Decision {
        let mut ids = || self.tools.ids.uuid();
        let rng_seed = rng_seed(root, &eval.job);
        schedule(Input { root, eval, now: self.tools.clock.now(), ids: &mut ids, rng_seed })
    }

    async fn submit(&self, submission: Submission) -> Result<Verdict, ProposeError> {
        let (seen, is_seen) = oneshot::channel();
        self.unseen.borrow_mut().push((submission.plan.clone(), is_seen));
        match self.tools.applier.ask_within(Submit { submission, seen }, Duration::from_secs(30)).await {
            Ok(answer) => answer,
            Err(error) => Err(ProposeError::Unknown(error.to_string())),
        }
    }

    async fn give_up(&self, eval: &Evaluation, attempts: u32) -> Result<(), ProposeError> {
        let (now, seen) = (self.tools.clock.now(), self.tools.state.root().index);
        let settles = given_up(eval, attempts, seen, now, EvalId(self.tools.ids.uuid()));
        let plan = Plan::new(eval.id, eval.job.clone(), eval.priority, 0, now);
        self.submit(Submission { plan, settles: settles.into() }).await.map(|_| ())
    }
}

impl Handler<Stop> for SchedulerWorker {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
