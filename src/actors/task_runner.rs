//! One task: has it started, waits for its end, restarts or kills it.
//!
//! Lives:      `node` arbiter, child of an AllocRunner
//! Asked by:   nobody    Asks: its TaskDriver    Tells: AllocRunner (TaskChanged)
//! Owns:       the handle of the running task
//! On restart: with its allocation, from the record on disk: the driver finds the task again
//! Brain:      logic::task_runner

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use logic::{
    environment::{DirNames, Scope, scope},
    task_runner::{Effect, Exit, Input, TaskLife},
};
use model::{Allocation, Job, Node, Task, TaskGroup, TaskPhase, TaskState};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{
    alloc_runner::{AllocRunner, TaskChanged},
    kit::{Link, Stop},
    node_agent::NodeKit,
    ports::{DriverError, TaskDriver, TaskHandle, TaskPort, TaskSpec},
};

/// The longest time between signal and SIGKILL that a job may ask for.
const MAX_KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a task is started (or found again) from.
#[derive(Debug, Clone)]
pub struct Seed {
    pub alloc: Arc<Allocation>,
    pub job: Arc<Job>,
    pub group: String,
    pub task: Task,
    pub node: Arc<Node>,
    /// Its life under an earlier agent.
    pub before: Option<TaskState>,
    pub handle: Option<TaskHandle>,
}

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

/// Notes an event.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Note {
    pub kind: &'static str,
    pub message: String,
}

/// Policies of a new job version, updated in place.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Update {
    pub task: Task,
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
    kit: NodeKit,
    parent: Link<AllocRunner>,
    /// Gone when the parent is: then this actor ends.
    leash: Weak<()>,
    life: TaskLife,
    scope: Arc<Scope>,
    spec: Arc<TaskSpec>,
    driver: Option<Arc<dyn TaskDriver>>,
    handle: Option<TaskHandle>,
}

impl TaskRunner {
    pub fn new(seed: Seed, kit: NodeKit, parent: Link<AllocRunner>, leash: Weak<()>) -> Self {
        let task = &seed.task;
        let kill_timeout = task.kill_timeout.min(MAX_KILL_TIMEOUT);
        let life = match &seed.before {
            Some(state) if state.phase == TaskPhase::Dead || seed.handle.is_some() => {
                TaskLife::restore(task.restart.clone(), seed.job.kind, kill_timeout, state.clone())
            }
            _ => TaskLife::new(task.restart.clone(), seed.job.kind, kill_timeout),
        };
        let (scope, spec) = prepare(&seed, &kit);
        Self {
            driver: kit.drivers.get(&task.driver).cloned(),
            handle: seed.handle.clone(),
            scope: Arc::new(scope),
            spec: Arc::new(spec),
            seed,
            kit,
            parent,
            leash,
            life,
        }
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        if self.leash.strong_count() == 0 {
            context.stop();
            return;
        }
        debug!(task = self.seed.task.name, alloc_id = %self.seed.alloc.id, ?input, "task");
        let effects = self.life.step(input, self.kit.clock.now());
        self.perform(effects, context);
        self.tell_parent();
    }

    fn tell_parent(&self) {
        self.parent.tell(TaskChanged {
            task: self.seed.task.name.clone(),
            state: self.life.state().clone(),
            handle: self.handle.clone(),
            scope: self.scope.clone(),
        });
    }

    fn perform(&mut self, effects: Vec<Effect>, context: &mut Context<Self>) {
        // What is left of the last run goes before the next one starts: both may use the same name.
        let remains =
            effects.contains(&Effect::Destroy).then(|| self.handle.take().zip(self.driver.clone())).flatten();
        let starts = effects.contains(&Effect::Start);
        if let Some((handle, driver)) = remains.clone().filter(|_| !starts) {
            actix::spawn(destroy(driver, handle));
        }
        for effect in effects {
            match effect {
                Effect::SetUp => self.set_up(context),
                Effect::Start => self.start_task(remains.clone(), context),
                Effect::Watch => self.watch(context),
                Effect::RestartAfter(delay) => {
                    context.run_later(delay, |actor, context| actor.step(Input::RestartDue, context));
                }
                Effect::Stop => self.stop_task(),
                Effect::Destroy => {}
                Effect::Over => debug!(task = self.seed.task.name, "task is over"),
            }
        }
    }

    fn set_up(&self, context: &Context<Self>) {
        let names: Vec<String> = self
            .seed
            .job
            .group(&self.seed.group)
            .map(|group| group.tasks.iter().map(|task| task.name.clone()).collect())
            .unwrap_or_default();
        let (disk, id, me) = (self.kit.disk.clone(), self.seed.alloc.id, context.address());
        actix::spawn(async move {
            let input = match disk.create(id, &names).await {
                Ok(()) => Input::SetUp,
                Err(error) => {
                    Input::SetUpFailed { message: format!("failed to build task directory: {error}") }
                }
            };
            me.do_send(Happened(input));
        });
    }

    fn start_task(&self, remains: Option<(TaskHandle, Arc<dyn TaskDriver>)>, context: &Context<Self>) {
        let me = context.address();
        let jitter = (self.kit.jitter)();
        let Some(driver) = self.driver.clone() else {
            let message = format!("driver {:?} is not on this node", self.seed.task.driver);
            me.do_send(Happened(Input::StartFailed { message, recoverable: false, jitter }));
            return;
        };
        let spec = self.spec.clone();
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
        let (Some(driver), Some(handle)) = (self.driver.clone(), self.handle.clone()) else { return };
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
        let (Some(driver), Some(handle)) = (self.driver.clone(), self.handle.clone()) else { return };
        let signal = self.seed.task.kill_signal.clone();
        let timeout = self.seed.task.kill_timeout.min(MAX_KILL_TIMEOUT);
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

    fn recover(&self, handle: TaskHandle, context: &Context<Self>) {
        let me = context.address();
        let jitter = (self.kit.jitter)();
        let Some(driver) = self.driver.clone() else {
            let message = format!("driver {:?} is not on this node", self.seed.task.driver);
            me.do_send(Happened(Input::NotRecovered { message, jitter }));
            return;
        };
        let spec = self.spec.clone();
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

async fn destroy(driver: Arc<dyn TaskDriver>, handle: TaskHandle) {
    if let Err(error) = driver.destroy(&handle).await
        && !matches!(error, DriverError::NotFound(_))
    {
        warn!(%error, task = handle.task, "what is left of the task could not be removed");
    }
}

/// Interpolates everything the driver reads.
fn prepare(seed: &Seed, kit: &NodeKit) -> (Scope, TaskSpec) {
    let dirs = kit.disk.dirs(seed.alloc.id, &seed.task.name);
    let names = if seed.task.driver == "docker" {
        DirNames { alloc: "/alloc".into(), local: "/local".into(), secrets: "/secrets".into() }
    } else {
        DirNames {
            alloc: dirs.alloc.display().to_string(),
            local: dirs.local.display().to_string(),
            secrets: dirs.secrets.display().to_string(),
        }
    };
    let empty = TaskGroup::default();
    let group = seed.job.group(&seed.group).unwrap_or(&empty);
    let scope = scope(&seed.node, &seed.job, group, &seed.alloc, &seed.task, &names);
    let ports = seed
        .alloc
        .ports
        .iter()
        .filter(|port| port.task.as_deref().is_none_or(|owner| owner == seed.task.name))
        .map(|port| TaskPort {
            label: port.label.to_string(),
            host_ip: seed.node.address.clone(),
            host_port: port.value,
            to: port.to,
        })
        .collect();
    let mut resources = seed.task.resources.clone();
    resources.memory_max = resources.memory_max.filter(|_| seed.alloc.oversubscribed);
    let spec = TaskSpec {
        alloc: seed.alloc.id,
        job: seed.job.id.clone(),
        namespace: seed.job.namespace.clone(),
        group: seed.group.clone(),
        task: scope.task(&seed.task),
        env: scope.env.clone(),
        ports,
        dirs,
        resources,
    };
    (scope, spec)
}

impl Actor for TaskRunner {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if self.life.is_over() {
            self.tell_parent();
        } else if let Some(handle) = self.handle.clone() {
            self.recover(handle, context);
        } else {
            self.step(Input::Begin, context);
        }
    }
}

impl Handler<Happened> for TaskRunner {
    type Result = ();

    fn handle(&mut self, Happened(input): Happened, context: &mut Self::Context) {
        self.step(input, context);
    }
}

impl Handler<DriverStarted> for TaskRunner {
    type Result = ();

    fn handle(&mut self, DriverStarted(handle): DriverStarted, context: &mut Self::Context) {
        self.handle = Some(handle);
        self.step(Input::Started, context);
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

impl Handler<Note> for TaskRunner {
    type Result = ();

    fn handle(&mut self, Note { kind, message }: Note, _: &mut Self::Context) {
        self.life.note(kind, message, self.kit.clock.now());
        self.tell_parent();
    }
}

impl Handler<Update> for TaskRunner {
    type Result = ();

    fn handle(&mut self, Update { task }: Update, _: &mut Self::Context) {
        self.life.update(task.restart.clone(), task.kill_timeout.min(MAX_KILL_TIMEOUT));
        self.seed.task = task;
    }
}

impl Handler<Stop> for TaskRunner {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}
