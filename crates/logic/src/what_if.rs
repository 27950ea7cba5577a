//! What would happen if: plays the leader and the nodes on a copy of a state until nothing is left to do.
//!
//! The same brains as the leader's take turns, one evaluation at a time and on the newest state: evaluations are planned,
//! verified and applied; nodes run what they are told, and all of it is healthy; roll-outs and drains go on. Time
//! stands still, so what waits for a time is named and not waited for, and batch jobs do not end. What two workers or
//! two nodes would do at the same moment happens one after the other here.

mod report; // what is different afterwards

use std::collections::BTreeSet;

use model::{
    AllocHealth, AllocUpdate, Allocation, ClientStatus, DesiredStatus, EvalId, EvalStatus, Evaluation, Job,
    NodeId, NodeStatus, Timestamp, Trigger,
};
use scheduler::{Input, schedule};
use state::{Command, Outcome, Refusal, Root};

pub use self::report::{Blocked, Fill, GroupReport, JobReport, Move, Report, Use, Wait, Waiting};
use crate::{
    blocked_evals::{self, BlockedEvals},
    deployment_watcher::{self, DeploymentWatcher},
    drainer,
    eval_broker::{self, Broker},
    node_gateway::{evals_for_lost, evals_for_report, overdue},
    node_loss::commands_for_gone,
    per_node_jobs::evals_for_turned_nodes,
    plan_applier::{Submission, batch},
    scheduler_worker::{Next, after_plan, given_up, rng_seed},
};

/// Far more than any roll-out needs; a prediction that needs more says that it is not complete.
const MOST_ROUNDS: usize = 20_000;

/// Something that has not happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Register(Box<Job>),
    /// The node is not heard of any more.
    Fail(NodeId),
}

/// Why nothing was predicted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there is no node {0}")]
    NoNode(NodeId),
    #[error("node {0} is {status} already: losing it changes nothing", status = .1.as_str())]
    GoneAlready(NodeId, NodeStatus),
    #[error("job registration is disabled by the scheduler configuration of the cluster")]
    NoRegistration,
    #[error(
        "evaluations are paused by the scheduler configuration of the cluster: nothing would happen until they go on"
    )]
    Paused,
    #[error("the state refuses the change")]
    Refused(#[from] Refusal),
}

/// A state that may come true, and what is different in it.
#[derive(Debug, Clone)]
pub struct Prediction {
    pub root: Root,
    pub report: Report,
}

/// Makes the changes on a copy of the state and lets it come to rest.
///
/// What the state itself has left to do (pending evaluations, running roll-outs) is done with it.
///
/// # Errors
/// A change is not possible; the first one is named.
pub fn predict(
    root: &Root,
    changes: &[Change],
    now: Timestamp,
    ids: &mut dyn FnMut() -> u128,
) -> Result<Prediction, Error> {
    let mut cluster = Cluster::new(root.clone(), now, ids);
    let mut registered = BTreeSet::new();
    let mut gone = Vec::new();
    for change in changes {
        match change {
            Change::Fail(id) => {
                let node = root.nodes.get(id).ok_or(Error::NoNode(*id))?;
                if node.status.is_gone() {
                    return Err(Error::GoneAlready(*id, node.status));
                }
                gone.push((*id, "Node heartbeat missed"));
            }
            Change::Register(job) => {
                registered.insert(job.key());
            }
        }
    }
    if !registered.is_empty() && root.scheduler.reject_job_registration {
        return Err(Error::NoRegistration);
    }
    if root.scheduler.pause_eval_broker {
        return Err(Error::Paused);
    }
    let lost = commands_for_gone(&cluster.root, &gone, now, cluster.ids);
    cluster.write(lost)?;
    for change in changes {
        if let Change::Register(job) = change {
            let command = cluster.registration(job);
            cluster.write(vec![command])?;
        }
    }
    let complete = cluster.settle()?;
    let root_after = cluster.root;
    let report = report::compare(root, &root_after, &registered, now, complete);
    Ok(Prediction { root: root_after, report })
}

/// When anything in the state last happened: the time for a prediction on a state that was saved long ago.
pub fn latest_time(root: &Root) -> Timestamp {
    let evals = root.evals.values().map(|eval| eval.modify_time);
    let allocs = root.allocs.values().map(|alloc| alloc.modify_time);
    let nodes = root.nodes.values().map(|node| node.status_updated_at);
    let jobs = root.jobs.values().map(|job| job.submit_time);
    let deployments = root.deployments.values().map(|deployment| deployment.modify_time);
    evals.chain(allocs).chain(nodes).chain(jobs).chain(deployments).max().unwrap_or_default()
}

/// The leader and all nodes, in one thread.
struct Cluster<'a> {
    root: Root,
    now: Timestamp,
    ids: &'a mut dyn FnMut() -> u128,
    broker: Broker,
    blocked: BlockedEvals,
    watcher: DeploymentWatcher,
    /// Evaluations up to this index were looked at.
    seen: u64,
    /// What nodes were told up to this index, they did.
    told: u64,
}

impl<'a> Cluster<'a> {
    fn new(root: Root, now: Timestamp, ids: &'a mut dyn FnMut() -> u128) -> Self {
        Self {
            root,
            now,
            ids,
            broker: Broker::default(),
            blocked: BlockedEvals::default(),
            watcher: DeploymentWatcher::default(),
            seen: 0,
            told: 0,
        }
    }

    /// One entry of the log. Whether there was anything to write.
    fn write(&mut self, commands: Vec<Command>) -> Result<bool, Refusal> {
        let index = self.root.index + 1;
        let any = !commands.is_empty();
        for command in commands {
            if let Outcome::Refused(refusal) = self.root.apply(index, command) {
                return Err(refusal);
            }
        }
        Ok(any)
    }

    fn registration(&mut self, job: &Job) -> Command {
        let mut job = job.clone();
        // As the server does with a region that nobody chose: the same file again is no new version.
        if let Some(known) = self.root.jobs.get(&job.key())
            && matches!(job.region.as_str(), "" | "global")
        {
            job.region.clone_from(&known.region);
        }
        let id = EvalId((self.ids)());
        let eval = Evaluation::new(id, job.key(), job.kind, job.priority, Trigger::JobRegister, self.now);
        Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: Some(eval), now: self.now }
    }

    /// Runs until nothing is left to do. False when that takes too long.
    fn settle(&mut self) -> Result<bool, Refusal> {
        for _ in 0..MOST_ROUNDS {
            let mut any = self.notice()?;
            any |= self.plan_all()?;
            any |= self.look()?;
            any |= self.report()?;
            if any {
                continue;
            }
            // As the leader does every minute.
            let effects = self.blocked.retry_collided();
            if !self.unblock(effects)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Evaluations that are new, or may have room now.
    fn notice(&mut self) -> Result<bool, Refusal> {
        let root = self.root.clone();
        self.broker.look(&root, self.seen, self.now);
        let effects = self.blocked.look(&root, self.seen);
        self.seen = root.index;
        self.unblock(effects)
    }

    fn unblock(&mut self, effects: Vec<blocked_evals::Effect>) -> Result<bool, Refusal> {
        let any = !effects.is_empty();
        let mut canceled = Vec::new();
        for effect in effects {
            match effect {
                blocked_evals::Effect::Unblock(id) => {
                    if let Some(eval) = self.root.evals.get(&id) {
                        self.broker.enqueue(eval, self.now);
                    }
                }
                blocked_evals::Effect::Cancel(id) => canceled.push(id),
            }
        }
        self.cancel(canceled)?;
        Ok(any)
    }

    fn cancel(&mut self, ids: Vec<EvalId>) -> Result<bool, Refusal> {
        let open =
            ids.iter().filter_map(|id| self.root.evals.get(id)).filter(|eval| !eval.status.is_terminal());
        let evals: Vec<Evaluation> =
            open.map(|eval| Evaluation { status: EvalStatus::Canceled, ..Evaluation::clone(eval) }).collect();
        if evals.is_empty() { Ok(false) } else { self.write(vec![Command::UpdateEvals { evals }]) }
    }

    /// All evaluations that are due, the most urgent first.
    fn plan_all(&mut self) -> Result<bool, Refusal> {
        let mut any = false;
        while let Some((id, token)) = self.broker.dequeue(self.now) {
            any = true;
            self.plan(id)?;
            // Time stands still: no lease runs out.
            let effects = self.broker.ack(id, token).unwrap_or_default();
            let behind = effects.into_iter().map(|effect| match effect {
                eval_broker::Effect::Cancel(id) | eval_broker::Effect::Fail(id) => id,
            });
            self.cancel(behind.collect())?;
            self.notice()?;
        }
        Ok(any)
    }

    fn plan(&mut self, id: EvalId) -> Result<(), Refusal> {
        let mut attempt = 1;
        loop {
            let Some(eval) = self.root.evals.get(&id).filter(|eval| !eval.status.is_terminal()).cloned()
            else {
                return Ok(());
            };
            let (root, rng_seed) = (&self.root, rng_seed(&self.root, &eval.job));
            let decision = schedule(Input { root, eval: &eval, now: self.now, ids: self.ids, rng_seed });
            let mut settles = vec![decision.eval];
            settles.extend(decision.new_evals);
            let batch = batch(&self.root, vec![Submission { plan: decision.plan, settles }]);
            self.write(batch.commands)?;
            let Some(verdict) = batch.verdicts.first() else { return Ok(()) };
            match after_plan(verdict.complete, verdict.progress, attempt, eval.kind) {
                Next::Done => return Ok(()),
                Next::Retry => attempt = if verdict.progress { 1 } else { attempt + 1 },
                Next::GiveUp => {
                    let evals = given_up(&eval, attempt, self.root.index, self.now, EvalId((self.ids)()));
                    return self.write(vec![Command::UpdateEvals { evals: evals.into() }]).map(drop);
                }
            }
        }
    }

    /// Roll-outs, drains, jobs of every node, and what was lost without anybody looking.
    fn look(&mut self) -> Result<bool, Refusal> {
        let (root, now) = (self.root.clone(), self.now);
        let look = self.watcher.look(&root, now);
        let of = |effect| deployment_watcher::command(&root, effect, now, self.ids);
        let commands: Vec<Command> = look.effects.iter().filter_map(of).collect();
        let mut any = self.write(commands)?;
        let mut evals = evals_for_lost(&self.root, now, self.ids);
        evals.extend(evals_for_turned_nodes(&self.root, now, self.ids));
        if !evals.is_empty() {
            any |= self.write(vec![Command::UpdateEvals { evals }])?;
        }
        let over: Vec<(NodeId, &str)> =
            overdue(&self.root, now).0.into_iter().map(|id| (id, "Node stayed away too long")).collect();
        let lost = commands_for_gone(&self.root, &over, now, self.ids);
        any |= self.write(lost)?;
        let drains = drainer::look(&self.root, now, self.ids).commands;
        Ok(any | self.write(drains)?)
    }

    /// Nodes do what they were told, and say so.
    fn report(&mut self) -> Result<bool, Refusal> {
        let told = std::mem::replace(&mut self.told, self.root.index);
        let is_new = |slot: &&state::Slot| told == 0 || slot.assigned_index > told;
        let nodes: Vec<NodeId> = self.root.usage.slots.iter().filter(is_new).map(|slot| slot.node).collect();
        let is_ready =
            |id: &NodeId| self.root.nodes.get(id).is_some_and(|node| node.status == NodeStatus::Ready);
        let updates: Vec<AllocUpdate> = nodes
            .into_iter()
            .filter(is_ready)
            .flat_map(|id| self.root.allocs_of_node(id))
            .filter_map(|alloc| self.update(alloc))
            .collect();
        if updates.is_empty() {
            return Ok(false);
        }
        let evals = evals_for_report(&self.root, &updates, self.now, self.ids);
        self.write(vec![Command::UpdateAllocs { updates, evals, synced: None, now: self.now }])
    }

    fn update(&self, alloc: &Allocation) -> Option<AllocUpdate> {
        let stops = alloc.desired != DesiredStatus::Run;
        if alloc.client.is_terminal() {
            return None;
        }
        let completes = self.root.job_of(alloc).is_some_and(|job| job.kind.completes());
        let becomes_healthy = !stops && !completes && alloc.deployment.is_some() && alloc.health.is_none();
        if !stops && alloc.client == ClientStatus::Running && !becomes_healthy {
            return None;
        }
        let health = AllocHealth { healthy: true, since: self.now, modify_index: 0 };
        Some(AllocUpdate {
            id: alloc.id,
            client: if stops { ClientStatus::Complete } else { ClientStatus::Running },
            client_description: String::new(),
            tasks: alloc.tasks.clone(),
            services: alloc.services.to_vec(),
            health: if becomes_healthy { Some(health) } else { alloc.health },
            deployment: alloc.deployment,
            time: self.now,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
