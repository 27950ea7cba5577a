//! The event queue, the log, and what the leader does.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    time::Duration,
};

use logic::{
    blocked_evals::{self, BlockedEvals},
    deployment_watcher::DeploymentWatcher,
    eval_broker::{self, Broker, LeaseToken},
    plan_applier::{Batch, Pipeline, Submission, Verdict},
    scheduler_worker::{Next, after_plan, decide, given_up, rng_seed},
};
use model::{EvalId, EvalStatus, Evaluation, JobKey, NodeId, Plan, Timestamp, Trigger};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use scheduler::{Input, schedule};
use state::{Command, Outcome, Refusal, Root, invariants};

use crate::nodes::Machine;

/// What verifies and commits plans: the real one, or one with a hole.
/// An applier with a bug, in place of the real one.
pub(crate) type Bug = fn(&Root, Vec<Submission>) -> Batch;

pub(crate) const WORKERS: usize = 3;
/// Earlier states that a worker may still plan on.
const STALE: usize = 8;

pub(crate) enum Event {
    /// A proposal becomes true.
    Commit(Vec<Command>, After),
    /// A free worker asks for work.
    Ask {
        worker: usize,
    },
    /// A worker has thought for long enough.
    Submit {
        worker: usize,
        work: Box<Work>,
        submission: Box<Submission>,
    },
    Broker,
    Watcher,
    /// A node looks at what it shall run.
    Node(NodeId),
    /// A node was not heard of for too long.
    Missed {
        node: NodeId,
        absence: u32,
    },
    /// Patience with a disconnected node may have run out.
    Overdue,
    Drainer,
}

pub(crate) enum After {
    Nothing,
    Watcher,
    Gateway,
    Patience,
    Drainer,
    Node(NodeId),
    Plans(Vec<(usize, Work, Verdict)>),
    GaveUp { worker: usize, work: Box<Work> },
}

/// An evaluation in the hands of a worker.
pub(crate) struct Work {
    eval: EvalId,
    token: LeaseToken,
    attempt: u32,
    /// A state older than this will not do.
    at_least: u64,
}

pub(crate) struct World {
    pub(crate) root: Root,
    pub(crate) now: Timestamp,
    pub(crate) rng: StdRng,
    /// Nothing fails and nobody acts: the world comes to rest.
    pub(crate) calm: bool,
    /// One evaluation at a time, on the newest state: nothing races.
    pub(crate) orderly: bool,
    pub(crate) machines: BTreeMap<NodeId, Machine>,
    pub(crate) steps: u64,
    /// What became true, in order.
    pub(crate) trace: Vec<String>,
    next_id: u128,
    queue: BinaryHeap<Reverse<(Timestamp, u64)>>,
    pub(crate) events: BTreeMap<(Timestamp, u64), Event>,
    history: VecDeque<Root>,
    bug: Option<Bug>,
    pub(crate) broker: Broker,
    pub(crate) blocked: BlockedEvals,
    pub(crate) watcher: DeploymentWatcher,
    pub(crate) watcher_busy: bool,
    pub(crate) gateway_busy: bool,
    pub(crate) patience_busy: bool,
    pub(crate) drainer_busy: bool,
    pub(crate) wakes: BTreeSet<(Timestamp, bool)>,
    pub(crate) watcher_wakes: Timestamp,
    broker_wakes: Timestamp,
    seen: u64,
    /// Per job, the state that held the result of its last evaluation: a later one is not planned on less.
    acknowledged: BTreeMap<JobKey, u64>,
    idle: Vec<usize>,
    submitted: Vec<(usize, Work, Submission)>,
    pipeline: Pipeline<(usize, Work)>,
    writing: bool,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self {
            root: Root::default(),
            now: Timestamp::from_secs(1_000_000),
            rng: StdRng::seed_from_u64(seed),
            calm: false,
            orderly: false,
            machines: BTreeMap::new(),
            steps: 0,
            trace: Vec::new(),
            next_id: 1_000_000,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            history: VecDeque::new(),
            bug,
            broker: Broker::default(),
            blocked: BlockedEvals::default(),
            watcher: DeploymentWatcher::default(),
            watcher_busy: false,
            gateway_busy: false,
            patience_busy: false,
            drainer_busy: false,
            wakes: BTreeSet::new(),
            watcher_wakes: Timestamp::ZERO,
            broker_wakes: Timestamp::ZERO,
            seen: 0,
            acknowledged: BTreeMap::new(),
            idle: (0..WORKERS).collect(),
            submitted: Vec::new(),
            pipeline: Pipeline::default(),
            writing: false,
        }
    }

    pub(crate) fn id(&mut self) -> u128 {
        self.next_id += 1;
        self.next_id
    }

    /// Among `of`, or true once in so many times.
    pub(crate) fn one_in(&mut self, of: u32) -> bool {
        self.rng.random_range(0..of) == 0
    }

    /// A place in a list of that length; none in an empty one.
    pub(crate) fn one_of(&mut self, length: usize) -> Option<usize> {
        (length > 0).then(|| self.rng.random_range(0..length))
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from..to))
    }

    pub(crate) fn after(&mut self, wait: Duration, event: Event) {
        let key = (self.now.plus(wait), self.steps);
        self.steps += 1;
        self.queue.push(Reverse(key));
        self.events.insert(key, event);
    }

    /// Writes to the log: true after a while.
    pub(crate) fn propose(&mut self, commands: Vec<Command>, after: After) {
        let wait = self.millis(1, 40);
        self.after(wait, Event::Commit(commands, after));
    }

    /// Runs the next event. False when there is none.
    pub(crate) fn step(&mut self) -> Result<bool, String> {
        let Some(Reverse(key)) = self.queue.pop() else { return Ok(false) };
        // Without an event it was one of a leader that is no more.
        let Some(event) = self.events.remove(&key) else { return Ok(true) };
        self.now = self.now.max(key.0);
        match event {
            Event::Commit(commands, after) => self.commit(commands, after)?,
            Event::Ask { worker } => self.ask(worker),
            Event::Submit { worker, work, submission } => {
                if self.bug.is_some() {
                    self.submitted.push((worker, *work, *submission));
                } else if let Some(((worker, work), verdict)) =
                    self.pipeline.submit(&self.root, *submission, (worker, *work))
                {
                    self.plan_answered(worker, work, verdict);
                }
                self.write_plans();
            }
            Event::Broker => self.tick_broker(),
            Event::Watcher => self.look_at_deployments(),
            Event::Node(node) => self.tick_node(node),
            Event::Missed { node, absence } => self.missed(node, absence),
            Event::Overdue => self.look_at_nodes(),
            Event::Drainer => self.look_at_drains(),
        }
        Ok(true)
    }

    /// Runs until the time is reached.
    pub(crate) fn run_until(&mut self, until: Timestamp) -> Result<(), String> {
        while self.queue.peek().is_some_and(|Reverse((at, _))| *at <= until) {
            self.step()?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// One entry of the log.
    pub(crate) fn apply_all(&mut self, commands: Vec<Command>) -> Result<(), String> {
        self.history.push_back(self.root.clone());
        if self.history.len() > STALE {
            self.history.pop_front();
        }
        let index = self.root.index + 1;
        for command in commands {
            let words = format!("{command:?}");
            let steers = matches!(command, Command::SteerDeployment { .. });
            self.trace.push(format!(
                "{} {index} {}",
                self.now.as_nanos() / 1_000_000,
                crate::trace::line(&command)
            ));
            let command = Command::decode(&command.encode()).map_err(|error| format!("{error}: {words}"))?;
            match self.root.apply(index, command) {
                // The node was purged, or a drain began, while it was on its way.
                Outcome::Refused(Refusal::UnknownNode(_) | Refusal::Draining(_)) => {}
                Outcome::Refused(reason) if steers && crate::users::is_untimely(&reason) => {}
                Outcome::Refused(reason) => return Err(format!("refused: {reason}: {words}")),
                _ => {}
            }
            invariants::check(&self.root)
                .map_err(|broken| format!("{broken}\nafter entry {index}: {words}"))?;
        }
        Ok(())
    }

    fn commit(&mut self, commands: Vec<Command>, after: After) -> Result<(), String> {
        self.apply_all(commands)?;
        match after {
            After::Nothing => {}
            After::Watcher => {
                self.watcher_busy = false;
                self.look_at_deployments();
            }
            After::Gateway => self.gateway_busy = false,
            After::Patience => self.patience_busy = false,
            After::Drainer => self.drainer_busy = false,
            After::Node(node) => self.node_reported(node),
            After::Plans(plans) => {
                self.pipeline.written();
                self.writing = false;
                self.write_plans();
                for (worker, work, verdict) in plans {
                    self.plan_answered(worker, work, verdict);
                }
            }
            After::GaveUp { worker, work } => self.acknowledge(worker, &work),
        }
        self.notice();
        Ok(())
    }

    /// What the leader's actors do when the state changed.
    pub(crate) fn notice(&mut self) {
        let root = self.root.clone();
        self.broker.look(&root, self.seen, self.now);
        let effects = self.blocked.look(&root, self.seen);
        self.unblock(&root, effects);
        self.look_at_deployments();
        self.look_for_lost();
        self.look_at_nodes();
        self.look_at_drains();
        self.tick_broker();
        let changed: Vec<NodeId> = root
            .usage
            .slots
            .iter()
            .filter(|slot| slot.assigned_index > self.seen)
            .map(|slot| slot.node)
            .collect();
        self.seen = root.index;
        // A heartbeat tells a node that the servers gave it up, or forgot it.
        let known = |id: &NodeId| root.nodes.get(id).is_some_and(|node| !node.status.is_gone());
        let strangers = self.machines.iter().filter(|(id, machine)| machine.online && !known(id));
        let changed: Vec<NodeId> = changed.into_iter().chain(strangers.map(|(id, _)| *id)).collect();
        for node in changed {
            let wait = self.millis(1, 200);
            self.after(wait, Event::Node(node));
        }
    }

    /// What should happen to evaluations that wait for room. Whether there was anything.
    pub(crate) fn unblock(&mut self, root: &Root, effects: Vec<blocked_evals::Effect>) -> bool {
        let any = !effects.is_empty();
        let mut canceled = Vec::new();
        for effect in effects {
            match effect {
                blocked_evals::Effect::Unblock(id) => {
                    if let Some(eval) = root.evals.get(&id) {
                        self.broker.enqueue(eval, self.now);
                    }
                }
                blocked_evals::Effect::Cancel(id) => canceled.extend(ended(root, id, EvalStatus::Canceled)),
            }
        }
        if !canceled.is_empty() {
            self.propose(vec![Command::UpdateEvals { evals: canceled }], After::Nothing);
        }
        any
    }

    pub(crate) fn tick_broker(&mut self) {
        let effects = self.broker.tick(self.now);
        self.perform(effects);
        if self.broker.depths().ready > 0 {
            while !self.orderly || self.idle.len() == WORKERS {
                let Some(worker) = self.idle.pop() else { break };
                let wait = self.millis(0, 3);
                self.after(wait, Event::Ask { worker });
            }
        }
        if let Some(at) = self.broker.next_wake()
            && (self.broker_wakes <= self.now || at < self.broker_wakes)
        {
            self.broker_wakes = at;
            self.after(at.since(self.now), Event::Broker);
        }
    }

    fn perform(&mut self, effects: Vec<eval_broker::Effect>) {
        let mut evals = Vec::new();
        for effect in effects {
            match effect {
                eval_broker::Effect::Cancel(id) => evals.extend(ended(&self.root, id, EvalStatus::Canceled)),
                eval_broker::Effect::Fail(id) => {
                    let Some(mut eval) = ended(&self.root, id, EvalStatus::Failed) else { continue };
                    let mut next = Evaluation::new(
                        EvalId(self.id()),
                        eval.job.clone(),
                        eval.kind,
                        eval.priority,
                        Trigger::FailedFollowUp,
                        self.now,
                    );
                    next.wait_until = self.now.plus(Duration::from_secs(60));
                    eval.next = Some(next.id);
                    evals.extend([eval, next]);
                }
            }
        }
        if !evals.is_empty() {
            self.propose(vec![Command::UpdateEvals { evals }], After::Nothing);
        }
    }

    fn ask(&mut self, worker: usize) {
        match self.broker.dequeue(self.now) {
            None => self.idle.push(worker),
            Some((eval, token)) => {
                let job = self.root.evals.get(&eval).map(|eval| eval.job.clone());
                let at_least = job.and_then(|job| self.acknowledged.get(&job)).copied().unwrap_or(0);
                self.plan(worker, Work { eval, token, attempt: 1, at_least });
                self.tick_broker();
            }
        }
    }

    /// Plans on some state that knows the evaluation, and thinks for a while; now and then for longer than a lease.
    fn plan(&mut self, worker: usize, work: Work) {
        let wanted = work.at_least.max(self.root.evals.get(&work.eval).map_or(0, |eval| eval.create_index));
        let known = self.history.iter().filter(|root| root.index >= wanted && !self.orderly);
        let old: Vec<&Root> = known.collect();
        let pick = self.rng.random_range(0..=old.len() * 2);
        let root = old.get(pick).map_or(&self.root, |root| root).clone();
        let ahead = self.pipeline.ahead().filter(|_| pick >= old.len());
        let ahead = ahead.and_then(|ahead| root.with_room_of(ahead));
        let Some(eval) = root.evals.get(&work.eval).filter(|eval| !eval.status.is_terminal()).cloned() else {
            self.acknowledge(worker, &work);
            return;
        };
        let rng_seed = rng_seed(&root, &eval.job);
        let (now, next_id) = (self.now, &mut self.next_id);
        let mut ids = || {
            *next_id += 1;
            *next_id
        };
        let decision = decide(ahead.as_ref(), &root, |root| {
            schedule(Input { root, eval: &eval, now, ids: &mut ids, rng_seed })
        });
        let mut settles = vec![decision.eval];
        settles.extend(decision.new_evals);
        let submission = Box::new(Submission { plan: decision.plan, settles });
        let wait =
            if !self.calm && self.one_in(40) { self.millis(55_000, 70_000) } else { self.millis(1, 60) };
        self.after(wait, Event::Submit { worker, work: Box::new(work), submission });
    }

    fn write_plans(&mut self) {
        if self.writing {
            return;
        }
        let plans = match self.bug {
            Some(_) if self.submitted.is_empty() => return,
            None if self.pipeline.is_empty() => return,
            Some(bug) => {
                let mut waiting = std::mem::take(&mut self.submitted);
                waiting.sort_by_key(|(_, _, submission)| Reverse(submission.plan.priority));
                let (works, submissions): (Vec<_>, Vec<_>) = waiting
                    .into_iter()
                    .map(|(worker, work, submission)| ((worker, work), submission))
                    .unzip();
                let batch = bug(&self.root, submissions);
                (batch.commands, works.into_iter().zip(batch.verdicts).collect())
            }
            None => self.pipeline.take(&self.root),
        };
        let (commands, answers) = plans;
        self.writing = true;
        let answers = answers.into_iter().map(|((worker, work), verdict)| (worker, work, verdict));
        self.propose(commands, After::Plans(answers.collect()));
    }

    fn plan_answered(&mut self, worker: usize, work: Work, verdict: Verdict) {
        let Some(eval) = self.root.evals.get(&work.eval).cloned() else {
            self.acknowledge(worker, &work);
            return;
        };
        match after_plan(verdict.complete, verdict.progress, work.attempt, eval.kind) {
            Next::Done => self.acknowledge(worker, &work),
            Next::Retry => {
                let attempt = if verdict.progress { 1 } else { work.attempt + 1 };
                let at_least = self.root.index;
                self.plan(worker, Work { attempt, at_least, ..work });
            }
            Next::GiveUp => {
                let id = EvalId(self.id());
                let evals = given_up(&eval, work.attempt, self.root.index, self.now, id);
                let plan = Plan::new(eval.id, eval.job.clone(), eval.priority, 0, self.now);
                debug_assert!(plan.is_noop());
                let command = Command::UpdateEvals { evals: evals.into() };
                self.propose(vec![command], After::GaveUp { worker, work: Box::new(work) });
            }
        }
    }

    fn acknowledge(&mut self, worker: usize, work: &Work) {
        // A late one holds no lease any more; then there is nothing to say.
        if let Ok(effects) = self.broker.ack(work.eval, work.token) {
            if let Some(eval) = self.root.evals.get(&work.eval) {
                self.acknowledged.insert(eval.job.clone(), self.root.index);
            }
            self.perform(effects);
        }
        let wait = self.millis(0, 3);
        self.after(wait, Event::Ask { worker });
    }

    /// Drops what only the old leader knew.
    pub(crate) fn forget_leader(&mut self) {
        self.history.clear();
        self.acknowledged.clear();
        self.submitted.clear();
        self.pipeline = Pipeline::default();
        self.idle.clear();
        self.seen = 0;
        (self.watcher_busy, self.gateway_busy, self.patience_busy, self.drainer_busy, self.writing) =
            Default::default();
        (self.watcher_wakes, self.broker_wakes) = (Timestamp::ZERO, Timestamp::ZERO);
    }

    /// What must be empty once nothing moves.
    pub(crate) fn busy_with(&self) -> Option<String> {
        let depths = self.broker.depths();
        let all_idle = self.idle.len() == WORKERS;
        (depths != eval_broker::Depths::default() || !all_idle || self.writing)
            .then(|| format!("not told to rest: {depths:?}, {} idle workers", self.idle.len()))
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }
}

fn ended(root: &Root, id: EvalId, status: EvalStatus) -> Option<Evaluation> {
    let mut eval = Evaluation::clone(root.evals.get(&id).filter(|eval| !eval.status.is_terminal())?);
    eval.status = status;
    Some(eval)
}
