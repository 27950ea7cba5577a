//! One allocation on this node: its tasks, its services, its health.
//!
//! Lives:      `node` arbiter, as long as the servers know the allocation
//! Asked by:   NodeAgent (TakeHandles, TakeStates)    Tells: NodeAgent (AllocChanged), TaskRunner, CheckRunner
//! Owns:       one TaskRunner per task, one CheckRunner per check of a running task
//! On restart: NodeAgent rebuilds it from the record on disk; tasks go on meanwhile
//! Brain:      logic::alloc_runner, logic::alloc_health

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult,
    ResponseFuture, SpawnHandle, WrapFuture,
};
use logic::{
    alloc_health::{AllocHealth as HealthBrain, Verdict},
    alloc_runner::{client_status, goes_first, is_over, kills, lasts, may_begin, of_health},
    environment::Scope,
};
use model::{
    AllocHealth, AllocUpdate, Allocation, CheckState, DesiredStatus, Job, Node, Service, ServiceState,
    SmallMap, Task, TaskGroup, TaskPhase, TaskState, Timestamp, event_type,
};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::{
    check_runner::{CheckRunner, CheckTarget},
    kit::{Kind, Link, Stop, supervise_child, supervise_here},
    node_agent::{AllocChanged, Handles, NodeAgent, NodeKit, RebuildRunner},
    ports::{Part, Remembered, TaskAct, TaskHandle},
    task_runner::{self, Kill, Proceed, TaskRunner, WantRestart},
};

/// What a node remembers of an allocation: enough to go on after a restart of the agent.
#[derive(Debug, Clone)]
pub struct Record {
    pub row: Row,
    pub progress: Progress,
}

/// What the servers said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub alloc: Arc<Allocation>,
    pub job: Arc<Job>,
}

/// How far an allocation has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub handles: SmallMap<String, Arc<TaskHandle>>,
    pub tasks: Arc<SmallMap<String, TaskState>>,
    pub health: Option<AllocHealth>,
    /// Somebody wanted it stopped.
    pub killed: bool,
    /// When the first task ran; zero: none has.
    pub began: Timestamp,
}

impl Record {
    pub fn new(alloc: Arc<Allocation>, job: Arc<Job>) -> Self {
        let health = alloc.health;
        Self { row: Row { alloc, job }, progress: Progress { health, ..Progress::default() } }
    }

    pub fn encode(&self, part: Part) -> Vec<u8> {
        let bytes = match part {
            Part::Row => rmp_serde::to_vec_named(&self.row),
            Part::Progress => rmp_serde::to_vec_named(&self.progress),
        };
        bytes.expect("records hold no type that MessagePack cannot encode")
    }

    /// # Errors
    /// When the bytes are not a record.
    pub fn decode(remembered: &Remembered) -> Result<Self, rmp_serde::decode::Error> {
        // Rows once held all: each part skips what belongs to the other.
        let progress = remembered.progress.as_ref().unwrap_or(&remembered.row);
        Ok(Self { row: rmp_serde::from_slice(&remembered.row)?, progress: rmp_serde::from_slice(progress)? })
    }

    /// All tasks are over.
    pub fn is_over(&self) -> bool {
        !self.progress.tasks.is_empty() && is_over(&self.progress.tasks)
    }

    pub(super) fn group(&self) -> Option<&TaskGroup> {
        self.row.job.group(&self.row.alloc.group)
    }
}

/// A newer row of the allocation, with a newer job version perhaps.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct UpdateAlloc {
    pub alloc: Arc<Allocation>,
    pub job: Arc<Job>,
}

/// Stop all tasks for good.
#[derive(Debug, Default, Message)]
#[rtype(result = "()")]
pub struct KillAlloc {
    /// Stands in the tasks' events; empty when the servers know why.
    pub reason: String,
}

/// The handles of the tasks that run.
#[derive(Debug, Message)]
#[rtype(result = "Handles")]
pub struct TakeHandles;

/// What became of each task so far.
#[derive(Debug, Message)]
#[rtype(result = "BTreeMap<String, TaskState>")]
pub struct TakeStates;

/// Somebody does something to a task; `None`: to all that run. The answer says why it was not done.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), String>")]
pub struct ActOn {
    pub task: Option<String>,
    pub act: TaskAct,
}

/// A task changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TaskChanged {
    pub task: String,
    pub state: TaskState,
    pub handle: Option<Arc<TaskHandle>>,
    /// What `${...}` means to the task: services are interpolated with it. `None` where there are none.
    pub scope: Option<Arc<Scope>>,
}

/// A check has a new result.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CheckChanged {
    pub key: CheckKey,
    pub state: CheckState,
    pub restart: bool,
}

/// The runner of a task panicked: the whole allocation is rebuilt from its record.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct TaskPanicked;

/// Names a check within an allocation: task (empty: the group), place of the service, place of the check.
pub type CheckKey = (String, usize, usize);

pub struct AllocRunner {
    record: Record,
    node: Arc<Node>,
    kit: Arc<NodeKit>,
    parent: Link<NodeAgent>,
    me: Link<AllocRunner>,
    tasks: SmallMap<String, Link<TaskRunner>>,
    scopes: BTreeMap<String, Arc<Scope>>,
    checks: BTreeMap<CheckKey, (Link<CheckRunner>, CheckState)>,
    health: Option<HealthBrain>,
    health_timer: Option<SpawnHandle>,
    /// Ends what has run too long.
    end_timer: Option<SpawnHandle>,
    killing: BTreeSet<String>,
    /// Tasks that were told to begin.
    let_go: BTreeSet<String>,
    /// The record is on disk and the tasks have their runners; before that there is nothing to tell or to kill.
    begun: bool,
    /// Ends with this runner; children that find it gone end too, so that a rebuilt runner has no rivals.
    leash: Arc<()>,
    /// The row is on disk.
    row_saved: bool,
    /// Hash of the progress that was written last; `None`: none was, or it failed.
    saved: Option<u64>,
    saving: bool,
    last_report: Option<AllocUpdate>,
}

impl AllocRunner {
    pub fn new(
        record: Record,
        node: Arc<Node>,
        kit: Arc<NodeKit>,
        parent: Link<NodeAgent>,
        me: Link<AllocRunner>,
    ) -> Self {
        Self {
            record,
            node,
            kit,
            parent,
            me,
            tasks: SmallMap::default(),
            scopes: BTreeMap::new(),
            checks: BTreeMap::new(),
            health: None,
            health_timer: None,
            end_timer: None,
            killing: BTreeSet::new(),
            let_go: BTreeSet::new(),
            begun: false,
            leash: Arc::new(()),
            row_saved: false,
            saved: None,
            saving: false,
            last_report: None,
        }
    }

    fn start_tasks(&mut self) {
        let Some(group) = self.record.group().cloned() else {
            warn!(alloc_id = %self.record.row.alloc.id, group = %self.record.row.alloc.group, "the job has no such group");
            return;
        };
        self.tasks = group.tasks.iter().map(|task| (task.name.clone(), Link::new("task runner"))).collect();
        let progress = &mut self.record.progress;
        let before = progress.tasks.clone();
        let state = |task: &Task| before.get(&task.name).cloned().unwrap_or_default();
        progress.tasks = Arc::new(group.tasks.iter().map(|task| (task.name.clone(), state(task))).collect());
        for (place, task) in group.tasks.iter().enumerate() {
            let link = self.tasks[&task.name].clone();
            let seed = task_runner::Seed { row: self.record.row.clone(), place, node: self.node.clone() };
            let before = before.get(&task.name).cloned();
            let handle = self.record.progress.handles.get(&task.name).cloned();
            let (kit, me, leash) = (self.kit.clone(), self.me.clone(), Arc::downgrade(&self.leash));
            let parent = self.me.clone();
            let runner = TaskRunner::new(seed, before, handle, kit, me, leash);
            supervise_child(Kind::TaskRunner, link, runner, move || parent.tell(TaskPanicked));
        }
        self.start_health(&group);
    }

    fn start_health(&mut self, group: &TaskGroup) {
        let wanted = self.record.row.alloc.deployment.is_some() && self.record.progress.health.is_none();
        self.health = match (&group.update, wanted) {
            (Some(strategy), true) => Some(HealthBrain::new(strategy.clone(), self.kit.clock.now())),
            _ => None,
        };
    }

    /// Everything that follows from a change of a task, a check or the row.
    fn changed(&mut self, context: &mut Context<Self>) {
        if !self.begun {
            return;
        }
        let Some(group) = self.record.group().cloned() else { return };
        for kill in kills(&group, &self.record.progress.tasks) {
            if self.killing.insert(kill.task.clone())
                && let Some(task) = self.tasks.get(&kill.task)
            {
                task.tell(Kill { event: kill.event, reason: kill.message });
            }
        }
        self.let_begin(&group);
        self.limit_run(&group, context);
        let services = self.services(&group);
        self.judge_health(&services, &group, context);
        self.save(context);
        let (client, description) = client_status(&self.record.progress.tasks);
        let update = AllocUpdate {
            id: self.record.row.alloc.id,
            client,
            client_description: description.into(),
            tasks: self.record.progress.tasks.clone(),
            services,
            health: self.record.progress.health,
            deployment: self.record.row.alloc.deployment,
            time: self.kit.clock.now(),
        };
        let same = self
            .last_report
            .as_ref()
            .is_some_and(|last| AllocUpdate { time: last.time, ..update.clone() } == *last);
        if !same {
            self.last_report = Some(update.clone());
            self.parent.tell(AllocChanged { update, over: is_over(&self.record.progress.tasks) });
        }
    }

    /// Stops the allocation when it has run for as long as the job allows, also across restarts of the agent.
    fn limit_run(&mut self, group: &TaskGroup, context: &mut Context<Self>) {
        let progress = &mut self.record.progress;
        let is_running = progress.tasks.iter().any(|(_, state)| state.phase == TaskPhase::Running);
        let now = self.kit.clock.now();
        if progress.began.is_zero() && is_running {
            progress.began = now;
        }
        if let Some(timer) = self.end_timer.take() {
            context.cancel_future(timer);
        }
        let Some(longest) = group.max_run_duration.filter(|_| !progress.began.is_zero() && !progress.killed)
        else {
            return;
        };
        let left = longest.saturating_sub(now.since(progress.began)).max(Duration::from_millis(1));
        self.end_timer = Some(context.run_later(left, |actor, context| {
            actor.kill("allocation exceeded max_run_duration", context);
            actor.changed(context);
        }));
    }

    fn let_begin(&mut self, group: &TaskGroup) {
        let is_stopping = self.record.progress.killed;
        for task in may_begin(group, &self.record.progress.tasks) {
            let is_late = is_stopping && goes_first(task) || self.killing.contains(&task.name);
            if !is_late
                && self.let_go.insert(task.name.clone())
                && let Some(runner) = self.tasks.get(&task.name)
            {
                runner.tell(Proceed);
            }
        }
    }

    /// Registers the services of running tasks, starts and stops their checks.
    fn services(&mut self, group: &TaskGroup) -> Vec<ServiceState> {
        let stopping = self.record.progress.killed || self.record.row.alloc.desired != DesiredStatus::Run;
        let mut wanted: Vec<(String, usize, Service)> = Vec::new();
        let runs = |name: &str| {
            self.record.progress.tasks.get(name).is_some_and(|state| state.phase == TaskPhase::Running)
        };
        if !stopping {
            for task in
                group.tasks.iter().filter(|task| runs(&task.name) && !self.killing.contains(&task.name))
            {
                if let Some(scope) = self.scopes.get(&task.name) {
                    for (place, service) in task.services.iter().enumerate() {
                        let service =
                            scope.service(service, &self.record.row.job.name, &group.name, &task.name);
                        wanted.push((task.name.clone(), place, service));
                    }
                }
            }
            if group.tasks.iter().filter(|task| lasts(task)).all(|task| runs(&task.name))
                && let Some(scope) =
                    group.tasks.iter().find(|task| lasts(task)).and_then(|task| self.scopes.get(&task.name))
            {
                for (place, service) in group.services.iter().enumerate() {
                    let service = scope.service(service, &self.record.row.job.name, &group.name, "");
                    wanted.push((String::new(), place, service));
                }
            }
        }
        let keys: BTreeSet<CheckKey> = wanted
            .iter()
            .flat_map(|(task, place, service)| {
                (0..service.checks.len()).map(|check| (task.clone(), *place, check))
            })
            .collect();
        self.checks.retain(|key, (runner, _)| {
            let stays = keys.contains(key);
            if !stays {
                runner.tell(Stop);
            }
            stays
        });
        let mut states = Vec::with_capacity(wanted.len());
        for (task, place, service) in wanted {
            for (number, check) in service.checks.iter().enumerate() {
                let key = (task.clone(), place, number);
                if !self.checks.contains_key(&key) {
                    self.start_check(key, &service, check);
                }
            }
            let checks = (0..service.checks.len())
                .filter_map(|number| self.checks.get(&(task.clone(), place, number)))
                .map(|(_, state)| state.clone())
                .collect();
            states.push(ServiceState {
                port: self.port(&service.port_label, &task),
                task,
                name: service.name,
                tags: service.tags,
                meta: service.meta,
                address: self.node.address.clone(),
                port_label: service.port_label,
                checks,
            });
        }
        states
    }

    /// The host port of a label: the task's own first, then the group's and other tasks'. 0: none.
    fn port(&self, label: &str, task: &str) -> u16 {
        let ports = &self.record.row.alloc.ports;
        let own = ports.iter().find(|port| &*port.label == label && port.task.as_deref() == Some(task));
        own.or_else(|| ports.iter().find(|port| &*port.label == label)).map_or(0, |port| port.value)
    }

    fn start_check(&mut self, key: CheckKey, service: &Service, check: &model::Check) {
        let label = if check.port_label.is_empty() { &service.port_label } else { &check.port_label };
        let script_task = if key.0.is_empty() { service.task.clone() } else { key.0.clone() };
        let driver = self
            .record
            .group()
            .and_then(|group| group.task(&script_task))
            .and_then(|task| self.kit.drivers.get(&task.driver))
            .cloned();
        let target = CheckTarget {
            key: key.clone(),
            check: check.clone(),
            address: format!("{}:{}", self.node.address, self.port(label, &key.0)),
            task: driver
                .zip(self.record.progress.handles.get(&script_task).map(|handle| TaskHandle::clone(handle))),
            started_at: self.kit.clock.now(),
        };
        let link: Link<CheckRunner> = Link::new("check runner");
        let state = target.initial_state();
        self.checks.insert(key, (link.clone(), state));
        let (kit, me, leash) = (self.kit.clone(), self.me.clone(), Arc::downgrade(&self.leash));
        supervise_here(
            Kind::CheckRunner,
            link,
            self.kit.fatal.clone(),
            move || CheckRunner::new(target.clone(), kit.clone(), me.clone(), leash.clone()),
            || {},
        );
    }

    fn judge_health(&mut self, services: &[ServiceState], group: &TaskGroup, context: &mut Context<Self>) {
        if let Some(timer) = self.health_timer.take() {
            context.cancel_future(timer);
        }
        if self.record.progress.killed {
            // What is stopped on purpose is not unhealthy.
            self.health = None;
        }
        let Some(brain) = &mut self.health else { return };
        let wanted = group.services.len() + group.tasks.iter().map(|task| task.services.len()).sum::<usize>();
        let now = self.kit.clock.now();
        let healthy = match brain.look(&of_health(group, &self.record.progress.tasks), services, wanted, now)
        {
            Verdict::Healthy => true,
            Verdict::Unhealthy(reason) => {
                for task in self.tasks.values() {
                    task.tell(task_runner::Note {
                        kind: event_type::ALLOC_UNHEALTHY,
                        message: reason.clone(),
                    });
                }
                false
            }
            Verdict::Undecided { wake_at } => {
                let wait = wake_at.since(now).max(Duration::from_millis(1));
                self.health_timer = Some(context.run_later(wait, |actor, context| actor.changed(context)));
                return;
            }
        };
        self.health = None;
        self.record.progress.health = Some(AllocHealth { healthy, since: now, modify_index: 0 });
    }

    /// Writes what changed of the record; one write at a time, the newest wins.
    fn save(&mut self, context: &mut Context<Self>) {
        if self.saving {
            return;
        }
        let (part, bytes) = if self.row_saved {
            let bytes = self.record.encode(Part::Progress);
            let hash = Some(hash(&bytes));
            if hash == self.saved {
                return;
            }
            self.saved = hash;
            (Part::Progress, bytes)
        } else {
            self.row_saved = true;
            (Part::Row, self.record.encode(Part::Row))
        };
        self.saving = true;
        let (store, id) = (self.kit.store.clone(), self.record.row.alloc.id);
        let write = async move { store.put(id, part, bytes).await };
        context.spawn(write.into_actor(self).map(move |result, actor, context| {
            actor.saving = false;
            match result {
                Ok(()) => actor.save(context),
                Err(error) => {
                    warn!(%error, "record could not be written, trying again");
                    match part {
                        Part::Row => actor.row_saved = false,
                        Part::Progress => actor.saved = None,
                    }
                    context.run_later(Duration::from_secs(1), |actor, context| actor.save(context));
                }
            }
        }));
    }

    fn kill(&mut self, reason: &str, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.record.progress.killed, true) || !self.begun {
            return;
        }
        // The report that follows takes the services out of the catalog before any signal is sent.
        self.changed(context);
        let delay = self.record.group().map_or(Duration::ZERO, |group| group.shutdown_delay);
        for (name, task) in &self.tasks {
            let cleans_up = |group: &TaskGroup| group.task(name).is_some_and(|task| !goes_first(task));
            if self.record.group().is_some_and(cleans_up) || !self.killing.insert(name.clone()) {
                continue;
            }
            let own = self
                .record
                .group()
                .and_then(|group| group.task(name))
                .map_or(Duration::ZERO, |task| task.shutdown_delay);
            let wait = delay.max(own);
            let task = task.clone();
            if wait.is_zero() {
                task.tell(Kill { event: event_type::KILLING, reason: reason.to_owned() });
                continue;
            }
            task.tell(task_runner::Note {
                kind: event_type::SHUTDOWN_DELAY,
                message: format!(
                    "Waiting for shutdown_delay of {} before killing the task.",
                    model::time::format_duration(wait)
                ),
            });
            let reason = reason.to_owned();
            context.run_later(wait, move |_, _| task.tell(Kill { event: event_type::KILLING, reason }));
        }
    }
}

/// Of a million records nobody keeps a second copy to compare with.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

impl Actor for AllocRunner {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if self.record.is_over() {
            // Nothing left to do but to answer for it until the servers forget it.
            self.begun = true;
            self.changed(context);
            return;
        }
        // On disk before the first task starts: a task without a record would have no owner after a crash.
        let bytes = self.record.encode(Part::Row);
        let (store, id) = (self.kit.store.clone(), self.record.row.alloc.id);
        let write = async move { store.put(id, Part::Row, bytes).await };
        context.spawn(write.into_actor(self).map(|result, actor, context| {
            match result {
                Ok(()) => actor.row_saved = true,
                Err(error) => warn!(%error, "record could not be written"),
            }
            actor.begun = true;
            actor.start_tasks();
            // By an earlier agent, or while the record was written.
            if std::mem::take(&mut actor.record.progress.killed) {
                actor.kill("", context);
            }
            actor.changed(context);
        }));
    }
}

impl Handler<TaskChanged> for AllocRunner {
    type Result = ();

    fn handle(&mut self, message: TaskChanged, context: &mut Self::Context) {
        let TaskChanged { task, state, handle, scope } = message;
        if let Some(scope) = scope {
            self.scopes.insert(task.clone(), scope);
        }
        let progress = &mut self.record.progress;
        match handle {
            Some(handle) => progress.handles.insert(task.clone(), handle),
            None => progress.handles.remove(&task),
        }
        Arc::make_mut(&mut progress.tasks).insert(task, state);
        self.changed(context);
    }
}

impl Handler<CheckChanged> for AllocRunner {
    type Result = ();

    fn handle(&mut self, message: CheckChanged, context: &mut Self::Context) {
        let CheckChanged { key, state, restart } = message;
        let Some(check) = self.checks.get_mut(&key) else { return };
        // Output alone is news only when the status changes: else every probe would be a log entry.
        if check.1.status != state.status || check.1.updated_at.is_zero() {
            check.1 = state.clone();
            self.changed(context);
        }
        if restart && let Some(task) = self.tasks.get(&key.0) {
            debug!(task = key.0, check = state.name, "a failing check asks for a restart");
            task.tell(WantRestart { reason: format!("check {:?} unhealthy", state.name) });
        }
    }
}

impl Handler<UpdateAlloc> for AllocRunner {
    type Result = ();

    fn handle(&mut self, UpdateAlloc { alloc, job }: UpdateAlloc, context: &mut Self::Context) {
        let moved = alloc.deployment != self.record.row.alloc.deployment;
        self.record.row = Row { alloc, job };
        self.row_saved = false;
        let Some(group) = self.record.group().cloned() else { return };
        for (place, task) in group.tasks.iter().enumerate() {
            if let Some(runner) = self.tasks.get(&task.name) {
                runner.tell(task_runner::Update { row: self.record.row.clone(), place });
            }
        }
        if moved {
            self.record.progress.health = None;
            self.start_health(&group);
        }
        self.changed(context);
    }
}

impl Handler<KillAlloc> for AllocRunner {
    type Result = ();

    fn handle(&mut self, KillAlloc { reason }: KillAlloc, context: &mut Self::Context) {
        self.kill(&reason, context);
    }
}

impl Handler<ActOn> for AllocRunner {
    type Result = ResponseFuture<Result<(), String>>;

    fn handle(&mut self, ActOn { task, act }: ActOn, _: &mut Self::Context) -> Self::Result {
        let running =
            self.record.progress.tasks.iter().filter(|(_, state)| state.phase == TaskPhase::Running);
        let names: Vec<String> = running.map(|(name, _)| name.clone()).collect();
        let names = match task {
            Some(task) if !self.tasks.contains_key(&task) => {
                return Box::pin(async move { Err(format!("Could not find task named \"{task}\"")) });
            }
            Some(task) if !names.contains(&task) => {
                return Box::pin(async move { Err(format!("Task \"{task}\" not running")) });
            }
            Some(task) => vec![task],
            None if names.is_empty() => return Box::pin(async { Err(String::from("Tasks not running")) }),
            None => names,
        };
        let runners: Vec<_> = names.iter().filter_map(|name| self.tasks.get(name).cloned()).collect();
        Box::pin(async move {
            for runner in runners {
                match &act {
                    TaskAct::Restart => {
                        runner.tell(WantRestart {
                            reason: String::from("User requested running tasks to restart"),
                        });
                    }
                    TaskAct::Signal(signal) => {
                        let sent = runner.ask(task_runner::SendSignal(signal.clone())).await;
                        sent.map_err(|error| error.to_string())??;
                    }
                }
            }
            Ok(())
        })
    }
}

impl Handler<TakeHandles> for AllocRunner {
    type Result = MessageResult<TakeHandles>;

    fn handle(&mut self, _: TakeHandles, _: &mut Self::Context) -> Self::Result {
        let handles = self.record.progress.handles.iter();
        MessageResult(handles.map(|(task, handle)| (task.clone(), TaskHandle::clone(handle))).collect())
    }
}

impl Handler<TakeStates> for AllocRunner {
    type Result = MessageResult<TakeStates>;

    fn handle(&mut self, _: TakeStates, _: &mut Self::Context) -> Self::Result {
        MessageResult((&*self.record.progress.tasks).into())
    }
}

impl Handler<TaskPanicked> for AllocRunner {
    type Result = ();

    fn handle(&mut self, _: TaskPanicked, context: &mut Self::Context) {
        self.parent.tell(RebuildRunner(self.record.row.alloc.id));
        context.stop();
    }
}

impl Handler<Stop> for AllocRunner {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        for task in self.tasks.values() {
            task.tell(Stop);
        }
        for (check, _) in self.checks.values() {
            check.tell(Stop);
        }
        context.stop();
    }
}
