//! Starts what only the leader does when this server becomes leader, and stops it when it no longer is.
//!
//! Lives:      on every server, `server` arbiter
//! Asked by:   nobody    Tells: Stop to the leader's actors
//! Owns:       their arbiters
//! On restart: never: a panic ends the agent, the log replays
//! Brain:      none: leader or not is raft's word

use std::sync::Arc;

use actix::{Actor, ActorContext, Arbiter, AsyncContext, Context, Handler, Message};
use tokio::sync::watch;
use tracing::info;

use super::{
    autopilot::{Autopilot, AutopilotParts},
    blocked_evals::BlockedEvals,
    collector::Collector,
    deployment_watcher::DeploymentWatcher,
    drainer::Drainer,
    eval_broker::EvalBroker,
    kit::{Fatal, Kind, Link, Observe, Stop, supervise},
    launcher::Launcher,
    node_watcher::{NodeWatcher, Senses},
    plan_applier::{Optimistic, PlanApplier},
    ports::{Clock, IdSource, Leadership, Members, Proposer, StateReader},
    roll::Roll,
    scheduler_worker::{SchedulerWorker, Tools},
};

/// Ways to the leader's actors; they lead nowhere while this server does not lead.
#[derive(Debug, Clone)]
pub struct LeaderLinks {
    pub broker: Link<EvalBroker>,
    pub blocked: Link<BlockedEvals>,
    pub applier: Link<PlanApplier>,
    pub watcher: Link<DeploymentWatcher>,
    pub drainer: Link<Drainer>,
    pub launcher: Link<Launcher>,
    pub collector: Link<Collector>,
    pub nodes: Link<NodeWatcher>,
    pub roll: Link<Roll>,
    pub autopilot: Link<Autopilot>,
    pub workers: Vec<Link<SchedulerWorker>>,
}

impl LeaderLinks {
    /// `workers`: how many evaluations are planned at the same time.
    pub fn new(workers: usize) -> Self {
        Self {
            broker: Link::new("eval broker"),
            blocked: Link::new("blocked evaluations"),
            applier: Link::new("plan applier"),
            watcher: Link::new("deployment watcher"),
            drainer: Link::new("drainer"),
            launcher: Link::new("launcher"),
            collector: Link::new("collector"),
            nodes: Link::new("node watcher"),
            roll: Link::new("roll of agents"),
            autopilot: Link::new("autopilot"),
            workers: (0..workers.max(1)).map(|_| Link::new("scheduler worker")).collect(),
        }
    }
}

/// What the leader's actors are built from.
#[derive(Clone)]
pub struct Parts {
    pub state: Arc<dyn StateReader>,
    pub proposer: Arc<dyn Proposer>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdSource>,
    /// How the leader learns whether nodes are there. `None`: nobody looks after them (benchmarks with made-up nodes).
    pub senses: Option<Senses>,
    pub members: Arc<dyn Members>,
    /// `None`: the server works alone and nobody can join it.
    pub autopilot: Option<AutopilotParts>,
    pub fatal: Fatal,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct LeadershipChanged(Leadership);

pub struct ServerLeader {
    parts: Parts,
    links: LeaderLinks,
    leadership: watch::Receiver<Leadership>,
    optimistic: Optimistic,
    server: Option<Arbiter>,
    applier: Option<Arbiter>,
    nodes: Option<Arbiter>,
    workers: Vec<Arbiter>,
    leading: bool,
}

impl ServerLeader {
    pub fn new(parts: Parts, links: LeaderLinks, leadership: watch::Receiver<Leadership>) -> Self {
        Self {
            parts,
            links,
            leadership,
            optimistic: Optimistic::default(),
            server: None,
            applier: None,
            nodes: None,
            workers: Vec::new(),
            leading: false,
        }
    }

    fn lead(&mut self) {
        info!("this server leads");
        let Parts { state, proposer, clock, ids, members, senses, autopilot, fatal } = self.parts.clone();
        let server = self.server.get_or_insert_with(Arbiter::new).handle();
        let applier = self.applier.get_or_insert_with(Arbiter::new).handle();
        while self.workers.len() < self.links.workers.len() {
            self.workers.push(Arbiter::new());
        }
        {
            let (state, proposer, optimistic) = (state.clone(), proposer.clone(), self.optimistic.clone());
            supervise(&applier, Kind::PlanApplier, self.links.applier.clone(), fatal.clone(), move || {
                PlanApplier::new(state.clone(), proposer.clone(), optimistic.clone())
            });
        }
        {
            let (state, proposer, clock, ids) = (state.clone(), proposer.clone(), clock.clone(), ids.clone());
            supervise(&server, Kind::EvalBroker, self.links.broker.clone(), fatal.clone(), move || {
                EvalBroker::new(state.clone(), proposer.clone(), clock.clone(), ids.clone())
            });
        }
        {
            let (state, proposer, clock) = (state.clone(), proposer.clone(), clock.clone());
            let broker = self.links.broker.clone();
            supervise(&server, Kind::BlockedEvals, self.links.blocked.clone(), fatal.clone(), move || {
                BlockedEvals::new(state.clone(), proposer.clone(), clock.clone(), broker.clone())
            });
        }
        {
            let (state, proposer, clock, ids) = (state.clone(), proposer.clone(), clock.clone(), ids.clone());
            supervise(
                &server,
                Kind::DeploymentWatcher,
                self.links.watcher.clone(),
                fatal.clone(),
                move || DeploymentWatcher::new(state.clone(), proposer.clone(), clock.clone(), ids.clone()),
            );
        }
        {
            let (state, proposer, clock, ids) = (state.clone(), proposer.clone(), clock.clone(), ids.clone());
            supervise(&server, Kind::Drainer, self.links.drainer.clone(), fatal.clone(), move || {
                Drainer::new(state.clone(), proposer.clone(), clock.clone(), ids.clone())
            });
        }
        {
            let (state, proposer, clock, ids) = (state.clone(), proposer.clone(), clock.clone(), ids.clone());
            supervise(&server, Kind::Launcher, self.links.launcher.clone(), fatal.clone(), move || {
                Launcher::new(state.clone(), proposer.clone(), clock.clone(), ids.clone())
            });
        }
        {
            let (proposer, clock) = (proposer.clone(), clock.clone());
            supervise(&server, Kind::Collector, self.links.collector.clone(), fatal.clone(), move || {
                Collector::new(proposer.clone(), clock.clone())
            });
        }
        if let Some(senses) = senses {
            let (state, proposer, clock, ids) = (state.clone(), proposer.clone(), clock.clone(), ids.clone());
            let nodes = self.nodes.get_or_insert_with(Arbiter::new).handle();
            supervise(&nodes, Kind::NodeWatcher, self.links.nodes.clone(), fatal.clone(), move || {
                NodeWatcher::new(senses.clone(), state.clone(), proposer.clone(), clock.clone(), ids.clone())
            });
        }
        {
            let (state, proposer, clock, ids) = (state.clone(), proposer.clone(), clock.clone(), ids.clone());
            supervise(&server, Kind::Roll, self.links.roll.clone(), fatal.clone(), move || {
                Roll::new(members.clone(), state.clone(), proposer.clone(), clock.clone(), ids.clone())
            });
        }
        if let Some(parts) = autopilot {
            let (state, clock) = (state.clone(), clock.clone());
            supervise(&server, Kind::Autopilot, self.links.autopilot.clone(), fatal.clone(), move || {
                Autopilot::new(parts.clone(), state.clone(), clock.clone())
            });
        }
        for (link, arbiter) in self.links.workers.iter().zip(&self.workers) {
            let tools = Tools {
                state: state.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                broker: self.links.broker.clone(),
                applier: self.links.applier.clone(),
                optimistic: self.optimistic.clone(),
            };
            supervise(&arbiter.handle(), Kind::SchedulerWorker, link.clone(), fatal.clone(), move || {
                SchedulerWorker::new(tools.clone())
            });
        }
    }

    fn retire(&mut self) {
        info!("this server does not lead");
        for worker in &self.links.workers {
            worker.tell(Stop);
        }
        self.links.nodes.tell(Stop);
        self.links.roll.tell(Stop);
        if self.parts.autopilot.is_some() {
            self.links.autopilot.tell(Stop);
        }
        self.links.collector.tell(Stop);
        self.links.drainer.tell(Stop);
        self.links.launcher.tell(Stop);
        self.links.watcher.tell(Stop);
        self.links.blocked.tell(Stop);
        self.links.broker.tell(Stop);
        self.links.applier.tell(Stop);
    }
}

impl Actor for ServerLeader {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let mut leadership = self.leadership.clone();
        let address = context.address();
        leadership.mark_changed();
        actix::spawn(async move {
            while leadership.changed().await.is_ok() {
                let now = leadership.borrow_and_update().clone();
                address.do_send(LeadershipChanged(now));
            }
        });
    }
}

impl Handler<LeadershipChanged> for ServerLeader {
    type Result = ();

    fn handle(&mut self, LeadershipChanged(now): LeadershipChanged, _: &mut Self::Context) {
        if now.is_leader && !self.leading {
            self.lead();
        } else if !now.is_leader && self.leading {
            self.retire();
        }
        self.leading = now.is_leader;
    }
}

impl Handler<Observe> for ServerLeader {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(serde_json::json!({ "leading": self.leading }))
    }
}

impl Handler<Stop> for ServerLeader {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        if self.leading {
            self.retire();
            self.leading = false;
        }
        for arbiter in self
            .workers
            .drain(..)
            .chain(self.applier.take())
            .chain(self.nodes.take())
            .chain(self.server.take())
        {
            arbiter.stop();
        }
        context.stop();
    }
}
