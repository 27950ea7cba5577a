//! One allocation on this node: its tasks, its services, its health.
//!
//! Lives:      `node` arbiter, as long as the servers know the allocation
//! Asked by:   NodeAgent (TakeHandles, TakeStates)    Tells: NodeAgent (AllocChanged), TaskRunner, CheckRunner
//! Owns:       one TaskRunner per task, one CheckRunner per check of a running task
//! On restart: NodeAgent rebuilds it from the record on disk; tasks go on meanwhile
//! Brain:      logic::alloc_runner, logic::alloc_health

mod heritage; // what it takes over of the one before
mod asked; // what others want to know, and what people do
mod record; // what the node remembers of it
mod services; // services, checks, health

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use logic::{
    alloc_health::AllocHealth as HealthBrain,
    alloc_runner::{client_status, goes_first, is_over, kills, may_begin},
    environment::Scope,
};
use model::{
    AllocUpdate, Allocation, CheckState, Job, Node, SmallMap, Task, TaskGroup, TaskPhase, TaskState,
    event_type,
};
use tracing::{debug, warn};

use super::{
    kit::{Kind, Link, Stop, supervise_child},
    node_agent::{AllocChanged, NodeAgent, NodeKit, RebuildRunner},
    ports::{Part, TaskHandle},
    task_runner::{self, Kill, Proceed, TaskRunner, WantRestart},
};

pub use asked::{ActOn, TakeAction, TakeChecks, TakeHandles, TakeStates};
pub use record::{Progress, Record, Row};

use services::RunningCheck;

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
    /// Their `shutdown_delay` is not waited for.
    pub at_once: bool,
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
    checks: BTreeMap<CheckKey, RunningCheck>,
    /// What checks said last; only changes of their status are reported.
    said: BTreeMap<CheckKey, CheckState>,
    health: Option<HealthBrain>,
    health_timer: Option<SpawnHandle>,
    /// Ends what has run too long.
    end_timer: Option<SpawnHandle>,
    killing: BTreeSet<String>,
    /// Tasks that were told to begin.
    let_go: BTreeSet<String>,
    /// Tasks that have yet to end before all begin anew.
    starting_over: BTreeSet<String>,
    /// The record is on disk and the tasks have their runners; before that there is nothing to tell or to kill.
    begun: bool,
    /// Data come from another node; tasks wait for them.
    fetching: Option<SpawnHandle>,
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
            said: BTreeMap::new(),
            health: None,
            health_timer: None,
            end_timer: None,
            killing: BTreeSet::new(),
            let_go: BTreeSet::new(),
            starting_over: BTreeSet::new(),
            begun: false,
            fetching: None,
            leash: Arc::new(()),
            row_saved: false,
            saved: None,
            saving: false,
            last_report: None,
        }
    }

    fn begin(&mut self, context: &mut Context<Self>) {
        self.begun = true;
        self.start_tasks();
        // By an earlier agent, or before this one was ready.
        if std::mem::take(&mut self.record.progress.killed) {
            self.kill("", false, context);
        }
        self.changed(context);
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
        let by_people =
            |strategy: &&model::UpdateStrategy| strategy.health_check == model::HealthCheck::Manual;
        self.health = match (group.update.as_ref().filter(|strategy| !by_people(strategy)), wanted) {
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
            actor.kill("allocation exceeded max_run_duration", false, context);
            actor.changed(context);
        }));
    }

    fn let_begin(&mut self, group: &TaskGroup) {
        if !self.starting_over.is_empty() || self.record.progress.takes_over.is_some() {
            return;
        }
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

    /// Everything anew: what runs is stopped first, what is over forgets that it ran.
    fn start_over(&mut self) -> Result<(), String> {
        if self.record.is_over() || self.record.progress.killed || !self.starting_over.is_empty() {
            return Err(String::from("Tasks not running"));
        }
        self.let_go.clear();
        for (name, runner) in &self.tasks {
            let state = self.record.progress.tasks.get(name);
            if state.is_some_and(|state| !is_fresh(state)) {
                self.starting_over.insert(name.clone());
            }
            runner
                .tell(task_runner::StartOver { reason: String::from("User requested all tasks to restart") });
        }
        Ok(())
    }

    fn kill(&mut self, reason: &str, at_once: bool, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.record.progress.killed, true) || !self.begun {
            return;
        }
        if let Some(fetching) = self.fetching.take() {
            context.cancel_future(fetching);
        }
        // The report that follows takes the services out of the catalog before any signal is sent.
        self.changed(context);
        self.starting_over.clear();
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
            let wait = if at_once { Duration::ZERO } else { delay.max(own) };
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

/// It has not run, or forgot that it did.
fn is_fresh(state: &TaskState) -> bool {
    state.phase == TaskPhase::Pending && state.started_at.is_zero()
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
            actor.take_over(context);
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
        if is_fresh(&state) || state.phase == TaskPhase::Dead {
            self.starting_over.remove(&task);
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
        self.said.insert(key.clone(), state.clone());
        // Output alone is news only when the status changes: else every probe would be a log entry.
        if check.state.status != state.status || check.state.updated_at.is_zero() {
            check.state = state.clone();
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

    fn handle(&mut self, KillAlloc { reason, at_once }: KillAlloc, context: &mut Self::Context) {
        self.kill(&reason, at_once, context);
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
        for check in self.checks.values() {
            check.runner.tell(Stop);
        }
        context.stop();
    }
}
