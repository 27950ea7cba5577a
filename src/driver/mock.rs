//! Tasks that only pretend: for tests, demonstrations and simulated nodes.
//!
//! A task is one entry in a map and one timer, so that ten thousand of them are nothing. Because they live in this
//! process, they end with it: after a restart of the agent a task is found again only by the driver that knows it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use model::{AllocId, DriverInfo, Value};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

use super::{config::Config, log_writer::LogWriter, now};
use crate::actors::ports::{
    DriverError, DriverNotes, ExecEnds, ExecInput, ExecOutput, ExecResult, ExecSession, ExecSpec, TaskDirs,
    TaskDriver, TaskExit, TaskHandle, TaskSpec, TaskUsage,
};

const KEYS: &[&str] = &[
    "run_for",
    "exit_code",
    "exit_signal",
    "exit_err_msg",
    "kill_after",
    "start_error",
    "start_error_recoverable",
    "start_block_for",
    "stdout_string",
    "stderr_string",
];

/// Runs nothing, and says how it went.
#[derive(Debug, Clone)]
pub struct MockDriver {
    tasks: Arc<Mutex<HashMap<Key, Arc<MockTask>>>>,
    runtime: Handle,
}

type Key = (AllocId, String, String);

#[derive(Debug)]
struct MockTask {
    exit: watch::Sender<Option<TaskExit>>,
    /// How long it takes to end after a kill signal.
    kill_after: Duration,
    /// `NAME=value`, one after the other with a NUL behind each: of a million tasks nobody keeps maps.
    env: Box<str>,
}

/// What the `config` block says.
#[derive(Debug)]
struct Behaviour {
    run_for: Option<Duration>,
    exit: TaskExit,
    kill_after: Duration,
    start_error: Option<String>,
    start_error_recoverable: bool,
    start_block_for: Duration,
    stdout: String,
    stderr: String,
}

impl MockDriver {
    pub fn new(runtime: Handle) -> Self {
        Self { tasks: Arc::default(), runtime }
    }

    fn find(&self, handle: &TaskHandle) -> Result<Arc<MockTask>, DriverError> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.get(&key(handle)).cloned().ok_or_else(|| DriverError::NotFound(handle.task.clone()))
    }
}

impl MockTask {
    /// Only the first end counts.
    fn end(&self, how: TaskExit) {
        self.exit.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(how);
            }
            first
        });
    }
}

fn key(handle: &TaskHandle) -> Key {
    (handle.alloc, handle.task.clone(), handle.state.clone())
}

impl Behaviour {
    fn read(config: &BTreeMap<String, Value>) -> Result<Self, DriverError> {
        let config = Config(config);
        config.only(KEYS)?;
        let code = |key| Ok(i32::try_from(config.int(key)?.unwrap_or(0)).unwrap_or(i32::MAX));
        Ok(Self {
            // Left out, it runs until it is stopped.
            run_for: config.duration("run_for")?,
            exit: TaskExit {
                exit_code: code("exit_code")?,
                signal: code("exit_signal")?,
                oom_killed: false,
                message: config.text("exit_err_msg")?.unwrap_or_default(),
            },
            kill_after: config.duration("kill_after")?.unwrap_or_default(),
            start_error: config.text("start_error")?,
            start_error_recoverable: config.flag("start_error_recoverable")?.unwrap_or(false),
            start_block_for: config.duration("start_block_for")?.unwrap_or_default(),
            stdout: config.text("stdout_string")?.unwrap_or_default(),
            stderr: config.text("stderr_string")?.unwrap_or_default(),
        })
    }
}

#[async_trait]
impl TaskDriver for MockDriver {
    fn name(&self) -> &'static str {
        "mock_driver"
    }

    async fn fingerprint(&self) -> DriverInfo {
        DriverInfo {
            detected: true,
            healthy: true,
            description: String::from("Healthy"),
            attributes: [(String::from("driver.mock_driver"), String::from("1"))].into(),
            updated_at: now(),
        }
    }

    async fn start(&self, spec: &TaskSpec, _notes: DriverNotes) -> Result<TaskHandle, DriverError> {
        let behaviour = Behaviour::read(&spec.task.config)?;
        if !behaviour.start_block_for.is_zero() {
            sleep(behaviour.start_block_for).await;
        }
        if let Some(message) = behaviour.start_error {
            return Err(if behaviour.start_error_recoverable {
                DriverError::Recoverable(message)
            } else {
                DriverError::Fatal(message)
            });
        }
        for (stream, text) in [("stdout", behaviour.stdout), ("stderr", behaviour.stderr)] {
            if !text.is_empty() {
                self.say(&spec.dirs, spec, stream, text).await?;
            }
        }
        let handle = TaskHandle {
            driver: String::from(self.name()),
            alloc: spec.alloc,
            task: spec.task.name.clone(),
            started_at: now(),
            state: super::fresh_id(),
            address: None,
        };
        let task = Arc::new(MockTask {
            exit: watch::Sender::new(None),
            kill_after: behaviour.kill_after,
            env: spec
                .env
                .iter()
                .flat_map(|(name, value)| [name, "=", value, "\0"])
                .collect::<String>()
                .into(),
        });
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(key(&handle), Arc::clone(&task));
        if let Some(run_for) = behaviour.run_for {
            self.runtime.spawn(run(task, run_for, behaviour.exit));
        }
        Ok(handle)
    }

    async fn recover(&self, handle: &TaskHandle, _spec: &TaskSpec) -> Result<(), DriverError> {
        self.find(handle).map(drop)
    }

    async fn wait(&self, handle: &TaskHandle) -> Result<TaskExit, DriverError> {
        let task = self.find(handle)?;
        let mut exit = task.exit.subscribe();
        let ended = exit.wait_for(Option::is_some).await;
        ended.ok().and_then(|exit| exit.clone()).ok_or_else(|| DriverError::NotFound(handle.task.clone()))
    }

    async fn stop(&self, handle: &TaskHandle, signal: &str, limit: Duration) -> Result<(), DriverError> {
        let task = self.find(handle)?;
        let signal = super::signals::parse(if signal.is_empty() { "SIGINT" } else { signal })?;
        let mut exit = task.exit.subscribe();
        if timeout(task.kill_after.min(limit), exit.wait_for(Option::is_some)).await.is_err() {
            let signal = if task.kill_after > limit { super::signals::KILL } else { signal };
            task.end(TaskExit { exit_code: 128 + signal, signal, ..TaskExit::default() });
        }
        Ok(())
    }

    async fn signal(&self, handle: &TaskHandle, signal: &str) -> Result<(), DriverError> {
        let signal = super::signals::parse(signal)?;
        let task = self.find(handle)?;
        // It takes no notice of any other.
        if signal == super::signals::KILL {
            task.end(TaskExit { exit_code: 128 + signal, signal, ..TaskExit::default() });
        }
        Ok(())
    }

    async fn destroy(&self, handle: &TaskHandle) -> Result<(), DriverError> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(handle));
        Ok(())
    }

    async fn usage(&self, handle: &TaskHandle) -> Result<TaskUsage, DriverError> {
        let task = self.find(handle)?;
        if task.exit.borrow().is_some() {
            return Err(DriverError::NotFound(handle.task.clone()));
        }
        Ok(TaskUsage {
            time: now(),
            cpu_percent: 1.0,
            cpu_ticks: 10.0,
            memory_rss: 1024 * 1024,
            memory_usage: 1024 * 1024,
            measured_memory: vec![String::from("RSS"), String::from("Usage")],
            measured_cpu: vec![String::from("Percent")],
            ..TaskUsage::default()
        })
    }

    /// Knows `echo`, `env NAME`, `true` and `false`; the last argument of `exit N` is its exit code.
    async fn exec(
        &self,
        handle: &TaskHandle,
        command: &[String],
        _: Duration,
    ) -> Result<ExecResult, DriverError> {
        let task = self.find(handle)?;
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        Ok(match words.as_slice() {
            ["echo", rest @ ..] => ExecResult { exit_code: 0, output: rest.join(" ") + "\n" },
            ["env", name] => {
                let value = |pair: &str| Some(pair.strip_prefix(*name)?.strip_prefix('=')?.to_owned());
                let value = task.env.split('\0').find_map(value).unwrap_or_default();
                ExecResult { exit_code: 0, output: value + "\n" }
            }
            ["true"] => ExecResult::default(),
            ["false"] => ExecResult { exit_code: 1, output: String::new() },
            ["exit", code] => ExecResult { exit_code: code.parse().unwrap_or(1), output: String::new() },
            _ => {
                return Err(DriverError::Fatal(format!(
                    "the mock driver has no command `{}`",
                    words.join(" ")
                )));
            }
        })
    }

    /// Knows what `exec` knows, and `cat`.
    async fn attach(&self, handle: &TaskHandle, spec: &ExecSpec) -> Result<ExecSession, DriverError> {
        let (session, ends) = ExecSession::new();
        if spec.command == ["cat"] {
            self.find(handle)?;
            self.runtime.spawn(cat(ends));
            return Ok(session);
        }
        let result = self.exec(handle, &spec.command, Duration::ZERO).await?;
        self.runtime.spawn(async move {
            let output = ExecOutput::Stdout(result.output.into());
            // Who does not listen to the one needs not hear the other.
            if ends.output.send(output).await.is_ok() {
                let _ = ends.output.send(ExecOutput::Exited(result.exit_code)).await;
            }
        });
        Ok(session)
    }
}

/// Says what it is told.
async fn cat(mut ends: ExecEnds) {
    while let Some(said) = ends.input.recv().await {
        let answer = match said {
            ExecInput::Stdin(bytes) => ExecOutput::Stdout(bytes),
            ExecInput::CloseStdin => break,
            ExecInput::Size { .. } => continue,
        };
        if ends.output.send(answer).await.is_err() {
            return;
        }
    }
    let _ = ends.output.send(ExecOutput::Exited(0)).await;
}

impl MockDriver {
    async fn say(
        &self,
        dirs: &TaskDirs,
        spec: &TaskSpec,
        stream: &str,
        text: String,
    ) -> Result<(), DriverError> {
        let (dir, name) = (dirs.logs.clone(), format!("{}.{stream}", spec.task.name));
        let limits = (&spec.task.logs).into();
        super::blocking(&self.runtime, move || {
            LogWriter::open(&dir, &name, limits)?.write_all(text.as_bytes())
        })
        .await
        .flatten()
        .map_err(|error| DriverError::Recoverable(format!("cannot write the task's log: {error}")))
    }
}

/// The task ends by itself, unless somebody ends it before.
async fn run(task: Arc<MockTask>, run_for: Duration, exit: TaskExit) {
    let mut ended = task.exit.subscribe();
    tokio::select! {
        () = sleep(run_for) => task.end(exit),
        _ = ended.wait_for(Option::is_some) => {}
    }
}
