//! One task: has it started, waits for its end, restarts or kills it.
//!
//! Lives:      `node` arbiter, child of an AllocRunner
//! Asked by:   nobody    Asks: its TaskDriver    Tells: AllocRunner (TaskChanged)
//! Owns:       the handle of the running task
//! On restart: with its allocation, from the record on disk: the driver finds the task again
//! Brain:      logic::task_runner

mod fetching; // artifacts of a task
mod files; // what the files of a task mean to its life
mod rendering; // files made from templates
mod spec; // what a driver is told

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, ResponseFuture, SpawnHandle};
use logic::{
    environment::Scope,
    task_runner::{Effect, Exit, Input, TaskLife},
};
use model::{Node, Task, TaskGroup, TaskPhase, TaskState, event_type};
use tokio::sync::mpsc;
use tracing::{debug, warn};

pub(super) use self::spec::{before_start, words_of};
use self::{
    rendering::Changes,
    spec::{prepare, scope_of},
};
use super::{
    alloc_runner::{AllocRunner, Row, TaskChanged},
    kit::{Link, Stop},
    node_agent::NodeKit,
    ports::{DriverError, TaskDriver, TaskHandle},
};

/// The longest time between signal and SIGKILL that a job may ask for.
const MAX_KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a task is started (or found again) from.
#[derive(Debug, Clone)]
pub struct Seed {
    pub row: Row,
    /// Of the task in its group.
    pub place: usize,
    pub node: Arc<Node>,
}

impl Seed {
    fn group(&self) -> &TaskGroup {
        self.row.job.group(&self.row.alloc.group).expect("runners are for tasks that the job has")
    }

    fn task(&self) -> &Task {
        &self.group().tasks[self.place]
    }

    /// What a dispatch brought along, and the file it shall be in.
    fn payload(&self) -> Option<(String, Vec<u8>)> {
        let launched = self.row.job.launched.as_ref().filter(|launched| !launched.payload.is_empty())?;
        let file = &self.task().payload_file;
        (!file.is_empty()).then(|| (file.clone(), launched.payload.clone()))
    }

    /// Whether anything is registered while the task runs.
    fn has_services(&self) -> bool {
        !(self.group().services.is_empty() && self.task().services.is_empty())
    }
}

/// The task may begin: what has to be over or to run before is. Told once or more often.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Proceed;

/// Stop for good; the event says why.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Kill {
    pub event: &'static str,
    pub reason: String,
}

/// Restart, asked for by a check.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct WantRestart {
    pub reason: String,
}

/// Begin anew when told to proceed, as if it had not run yet; told to all tasks of the allocation.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StartOver {
    pub reason: String,
}

/// Sends a signal to the task. The answer says why it was not sent.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), String>")]
pub struct SendSignal(pub String);

/// Notes an event.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Note {
    pub kind: &'static str,
    pub message: String,
}

/// A new job version, updated in place: its policies count from now on, the rest when the task starts again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Update {
    pub row: Row,
    pub place: usize,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Happened(Input);

/// The driver started the task.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct DriverStarted(TaskHandle);

pub struct TaskRunner {
    seed: Seed,
    kit: Arc<NodeKit>,
    parent: Link<AllocRunner>,
    /// Gone when the parent is: then this actor ends.
    leash: Weak<()>,
    life: TaskLife,
    /// Only where there are services.
    scope: Option<Arc<Scope>>,
    handle: Option<Arc<TaskHandle>>,
    /// Waits for what the task's files read.
    files: Option<SpawnHandle>,
    /// What templates add to the environment.
    rendered_env: BTreeMap<String, String>,
    /// Files changed while the task did not run.
    late_changes: Option<Changes>,
    /// Its artifacts are there.
    fetched: bool,
    /// It ran under this agent, or under the one before.
    has_run: bool,
}

impl TaskRunner {
    /// `before` and `handle` are what is left of its life under an earlier agent.
    pub fn new(
        seed: Seed,
        before: Option<TaskState>,
        handle: Option<Arc<TaskHandle>>,
        kit: Arc<NodeKit>,
        parent: Link<AllocRunner>,
        leash: Weak<()>,
    ) -> Self {
        let task = seed.task();
        let kill_timeout = task.kill_timeout.min(MAX_KILL_TIMEOUT);
        let kind = task.kind(seed.row.job.kind);
        let life = match before {
            Some(state) if state.phase == TaskPhase::Dead || handle.is_some() => {
                TaskLife::restore(task.restart.clone(), kind, kill_timeout, state)
            }
            _ => TaskLife::new(task.restart.clone(), kind, kill_timeout),
        };
        let scope = seed.has_services().then(|| Arc::new(scope_of(&seed, &kit)));
        let has_run = handle.is_some();
        let task = seed.task();
        let life = life.with_preparation(!(task.templates.is_empty() && task.artifacts.is_empty()));
        Self {
            seed,
            kit,
            parent,
            leash,
            life,
            scope,
            handle,
            files: None,
            rendered_env: BTreeMap::new(),
            late_changes: None,
            fetched: has_run,
            has_run,
        }
    }

    fn driver(&self) -> Option<Arc<dyn TaskDriver>> {
        self.kit.drivers.get(&self.seed.task().driver).cloned()
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        if self.leash.strong_count() == 0 {
            context.stop();
            return;
        }
        debug!(task = self.seed.task().name, alloc_id = %self.seed.row.alloc.id, ?input, "task");
        let effects = self.life.step(input, self.kit.clock.now());
        self.perform(effects, context);
        self.tell_parent();
    }

    fn tell_parent(&self) {
        self.parent.tell(TaskChanged {
            task: self.seed.task().name.clone(),
            state: self.life.state().clone(),
            handle: self.handle.clone(),
            scope: self.scope.clone(),
        });
    }

    fn perform(&mut self, effects: Vec<Effect>, context: &mut Context<Self>) {
        // What is left of the last run goes before the next one starts: both may use the same name.
        let remains =
            effects.contains(&Effect::Destroy).then(|| self.handle.take().zip(self.driver())).flatten();
        let starts = effects.contains(&Effect::Start);
        if let Some((handle, driver)) = remains.clone().filter(|_| !starts) {
            actix::spawn(destroy(driver, handle));
        }
        for effect in effects {
            match effect {
                Effect::SetUp => self.set_up(context),
                Effect::Prepare => self.prepare_files(context),
                Effect::Start => self.start_task(remains.clone(), context),
                Effect::Watch => self.watch(context),
                Effect::RestartAfter(delay) => {
                    context.run_later(delay, |actor, context| actor.step(Input::RestartDue, context));
                }
                Effect::Stop => self.stop_task(),
                Effect::Destroy => {}
                Effect::Over => {
                    self.drop_files(context);
                    debug!(task = self.seed.task().name, "task is over");
                }
            }
        }
    }

    fn set_up(&self, context: &Context<Self>) {
        let names: Vec<String> = self.seed.group().tasks.iter().map(|task| task.name.clone()).collect();
        let (disk, id, me) = (self.kit.disk.clone(), self.seed.row.alloc.id, context.address());
        let task = self.seed.task().name.clone();
        let payload = self.seed.payload();
        actix::spawn(async move {
            let build = async {
                disk.create(id, &names)
                    .await
                    .map_err(|error| format!("failed to build task directory: {error}"))?;
                let Some((file, payload)) = payload else { return Ok(()) };
                let written = disk.write(id, &task, &file, payload).await;
                written.map_err(|error| format!("failed to write dispatch payload: {error}"))
            };
            let input = match build.await {
                Ok(()) => Input::SetUp,
                Err(message) => Input::SetUpFailed { message },
            };
            me.do_send(Happened(input));
        });
    }

    fn start_task(&self, remains: Option<(Arc<TaskHandle>, Arc<dyn TaskDriver>)>, context: &Context<Self>) {
        let me = context.address();
        let jitter = (self.kit.jitter)();
        let Some(driver) = self.driver() else {
            let message = format!("driver {:?} is not on this node", self.seed.task().driver);
            me.do_send(Happened(Input::StartFailed { message, recoverable: false, jitter }));
            return;
        };
        let spec = prepare(&self.seed, &self.kit, &self.rendered_env);
        let (notes, mut noted) = mpsc::unbounded_channel();
        let listener = me.clone();
        actix::spawn(async move {
            if let Some((handle, driver)) = remains {
                destroy(driver, handle).await;
            }
            let listening = actix::spawn(async move {
                while let Some(message) = noted.recv().await {
                    listener.do_send(Happened(Input::Note { message }));
                }
            });
            let started = driver.start(&spec, notes).await;
            // All notes come before the outcome; the driver dropped its end.
            let _ = listening.await;
            match started {
                Ok(handle) => me.do_send(DriverStarted(handle)),
                Err(error) => {
                    let recoverable = !matches!(error, DriverError::Fatal(_));
                    me.do_send(Happened(Input::StartFailed {
                        message: error.to_string(),
                        recoverable,
                        jitter,
                    }));
                }
            }
        });
    }

    fn watch(&self, context: &Context<Self>) {
        let (Some(driver), Some(handle)) = (self.driver(), self.handle.clone()) else { return };
        let me = context.address();
        let jitter = (self.kit.jitter)();
        actix::spawn(async move {
            let exit = loop {
                match driver.wait(&handle).await {
                    Ok(exit) => {
                        break Exit {
                            exit_code: exit.exit_code,
                            signal: exit.signal,
                            oom_killed: exit.oom_killed,
                            message: exit.message,
                        };
                    }
                    Err(DriverError::Recoverable(message)) => {
                        warn!(message, "waiting for the task failed, trying again");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    Err(error) => {
                        break Exit { exit_code: -1, message: error.to_string(), ..Exit::default() };
                    }
                }
            };
            me.do_send(Happened(Input::Exited { exit, jitter }));
        });
    }

    fn stop_task(&self) {
        let (Some(driver), Some(handle)) = (self.driver(), self.handle.clone()) else { return };
        let signal = self.seed.task().kill_signal.clone();
        let timeout = self.seed.task().kill_timeout.min(MAX_KILL_TIMEOUT);
        actix::spawn(async move {
            let mut pause = Duration::from_secs(1);
            // The exit is seen by `watch`; a kill that fails is tried again until the task is gone.
            while let Err(error) = driver.stop(&handle, &signal, timeout).await {
                if matches!(error, DriverError::NotFound(_)) {
                    return;
                }
                warn!(%error, task = handle.task, "task could not be stopped, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(60));
            }
        });
    }

    fn recover(&self, handle: Arc<TaskHandle>, context: &Context<Self>) {
        let me = context.address();
        let jitter = (self.kit.jitter)();
        let Some(driver) = self.driver() else {
            let message = format!("driver {:?} is not on this node", self.seed.task().driver);
            me.do_send(Happened(Input::NotRecovered { message, jitter }));
            return;
        };
        let spec = prepare(&self.seed, &self.kit, &self.rendered_env);
        actix::spawn(async move {
            let input = loop {
                match driver.recover(&handle, &spec).await {
                    Ok(()) => break Input::Recovered,
                    Err(DriverError::Recoverable(message)) => {
                        // The engine is away: the task may well be alive, so nothing is started in its place.
                        warn!(message, "the driver cannot look for the task yet, trying again");
                        tokio::time::sleep(Duration::from_secs(2)).await;
                    }
                    Err(error) => {
                        let message = format!(
                            "failed to restore task; will not run until server is contacted: {error}"
                        );
                        break Input::NotRecovered { message, jitter };
                    }
                }
            };
            me.do_send(Happened(input));
        });
    }
}

async fn destroy(driver: Arc<dyn TaskDriver>, handle: Arc<TaskHandle>) {
    if let Err(error) = driver.destroy(&handle).await
        && !matches!(error, DriverError::NotFound(_))
    {
        warn!(%error, task = handle.task, "what is left of the task could not be removed");
    }
}

impl Actor for TaskRunner {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if self.life.is_over() {
            self.tell_parent();
        } else if let Some(handle) = self.handle.clone() {
            self.recover(handle, context);
            self.resume_files(context);
        }
    }
}

impl Handler<Proceed> for TaskRunner {
    type Result = ();

    fn handle(&mut self, _: Proceed, context: &mut Self::Context) {
        if self.life.is_new() {
            self.step(Input::Begin, context);
        }
    }
}

impl Handler<Happened> for TaskRunner {
    type Result = ();

    fn handle(&mut self, Happened(input): Happened, context: &mut Self::Context) {
        let is_recovered = input == Input::Recovered;
        self.step(input, context);
        if is_recovered {
            self.files_of_a_new_run(false, context);
        }
    }
}

impl Handler<DriverStarted> for TaskRunner {
    type Result = ();

    fn handle(&mut self, DriverStarted(handle): DriverStarted, context: &mut Self::Context) {
        self.handle = Some(Arc::new(handle));
        self.step(Input::Started, context);
        let is_first = !std::mem::replace(&mut self.has_run, true);
        self.files_of_a_new_run(is_first, context);
    }
}

impl Handler<Kill> for TaskRunner {
    type Result = ();

    fn handle(&mut self, Kill { event, reason }: Kill, context: &mut Self::Context) {
        self.step(Input::Kill { event, reason }, context);
    }
}

impl Handler<WantRestart> for TaskRunner {
    type Result = ();

    fn handle(&mut self, WantRestart { reason }: WantRestart, context: &mut Self::Context) {
        self.step(Input::WantRestart { reason }, context);
    }
}

impl Handler<StartOver> for TaskRunner {
    type Result = ();

    fn handle(&mut self, StartOver { reason }: StartOver, context: &mut Self::Context) {
        self.step(Input::StartOver { reason }, context);
    }
}

impl Handler<SendSignal> for TaskRunner {
    type Result = ResponseFuture<Result<(), String>>;

    fn handle(&mut self, SendSignal(signal): SendSignal, _: &mut Self::Context) -> Self::Result {
        let (Some(driver), Some(handle)) = (self.driver(), self.handle.clone()) else {
            return Box::pin(async { Err(String::from("Task not running")) });
        };
        let message = String::from("Task being sent a signal");
        self.life.note(event_type::SIGNALING, message, self.kit.clock.now());
        self.tell_parent();
        Box::pin(async move { driver.signal(&handle, &signal).await.map_err(|error| error.to_string()) })
    }
}

impl Handler<Note> for TaskRunner {
    type Result = ();

    fn handle(&mut self, Note { kind, message }: Note, _: &mut Self::Context) {
        self.life.note(kind, message, self.kit.clock.now());
        self.tell_parent();
    }
}

impl Handler<Update> for TaskRunner {
    type Result = ();

    fn handle(&mut self, Update { row, place }: Update, _: &mut Self::Context) {
        (self.seed.row, self.seed.place) = (row, place);
        let task = self.seed.task();
        self.life.update(task.restart.clone(), task.kill_timeout.min(MAX_KILL_TIMEOUT));
    }
}

impl Handler<Stop> for TaskRunner {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
