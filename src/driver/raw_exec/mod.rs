//! Plain processes, without any isolation, kept by the supervisor process.
//!
//! The agent looks commands up, puts the environment together, measures and runs script checks; the supervisor
//! (`crate::supervisor`) starts, watches and stops, so that it stays small and need not change.

mod attach; // processes with somebody at their ends
mod attendance; // what a process does to itself first
mod cgroups; // those that the job names
mod client;
pub mod protocol; // what is said to the supervisor
mod usage;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use model::{DriverInfo, glob};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncReadExt, process::Command, runtime::Handle, time::timeout};

use self::{
    client::Client,
    protocol::{Answer, Exit, Launch, Process, Request},
    usage::Meter,
};
use super::{config::Config, now, on_runtime, signals};
use crate::actors::ports::{
    DriverError, DriverNotes, ExecResult, ExecSession, ExecSpec, TaskDriver, TaskExit, TaskHandle, TaskSpec,
    TaskUsage,
};

pub use self::attendance::Attendance;

const KEYS: &[&str] = &[
    "command",
    "args",
    "work_dir",
    "oom_score_adj",
    "denied_envvars",
    "cgroup_v1_override",
    "cgroup_v2_override",
];

/// Of the agent's own variables, these are secrets that tasks have no business with.
const DENIED: &[&str] = &[
    "CONSUL_TOKEN",
    "CONSUL_HTTP_TOKEN",
    "VAULT_TOKEN",
    "NOMAD_TOKEN",
    "TROUPE_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

/// Of the output of a script check.
const OUTPUT_LIMIT: usize = 4096;

/// Questions that are safe to repeat are repeated this often when the supervisor goes away.
const ATTEMPTS: u32 = 20;

/// Runs processes under a supervisor of its own directory.
#[derive(Debug, Clone)]
pub struct RawExec {
    client: Arc<Client>,
    meter: Arc<Meter>,
    /// What script checks need of each running task.
    surroundings: Arc<Mutex<HashMap<String, Surroundings>>>,
    /// This one.
    program: PathBuf,
    runtime: Handle,
}

#[derive(Debug, Clone)]
struct Surroundings {
    env: BTreeMap<String, String>,
    dir: PathBuf,
    local: PathBuf,
    task: PathBuf,
    user: Option<(u32, u32)>,
    /// Directories.
    cgroups: Vec<PathBuf>,
}

/// `TaskHandle::state`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    run: String,
    process: Process,
}

impl RawExec {
    /// `dir` belongs to the supervisor alone (`<data_dir>/supervisor`). It is started as `program supervise <dir>`;
    /// what does something to itself first as `program attend ...`.
    pub fn new(dir: impl Into<PathBuf>, program: impl Into<PathBuf>, runtime: Handle) -> Self {
        let program = program.into();
        let client =
            Client::new(dir.into(), program.clone(), vec![String::from("supervise")], runtime.clone());
        let meter = Arc::new(Meter::default());
        Self { client: Arc::new(client), meter, surroundings: Arc::default(), program, runtime }
    }

    /// For questions that may be asked twice.
    async fn ask(&self, request: Request) -> Result<Answer, DriverError> {
        for attempt in 1.. {
            match self.client.ask(request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if attempt >= ATTEMPTS => return Err(unreachable(&error)),
                Err(error) => tracing::warn!(%error, attempt, "asking the supervisor again"),
            }
            tokio::time::sleep(Duration::from_millis(20) * attempt).await;
        }
        unreachable!("the loop ends by returning")
    }

    fn surroundings(&self, run: &str) -> Option<Surroundings> {
        self.surroundings.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned()
    }

    fn remember(&self, run: &str, surroundings: Surroundings) {
        self.surroundings.lock().unwrap_or_else(PoisonError::into_inner).insert(run.to_owned(), surroundings);
    }
}

fn unreachable(error: &io::Error) -> DriverError {
    DriverError::Recoverable(format!("the supervisor of the tasks cannot be reached: {error}"))
}

fn state(handle: &TaskHandle) -> Result<State, DriverError> {
    serde_json::from_str(&handle.state).map_err(|error| {
        DriverError::NotFound(format!("{} (its handle cannot be read: {error})", handle.task))
    })
}

#[async_trait]
impl TaskDriver for RawExec {
    fn name(&self) -> &'static str {
        "raw_exec"
    }

    async fn fingerprint(&self) -> DriverInfo {
        DriverInfo {
            detected: true,
            healthy: true,
            description: String::from("Healthy"),
            attributes: [(String::from("driver.raw_exec"), String::from("1"))].into(),
            updated_at: now(),
        }
    }

    async fn start(&self, spec: &TaskSpec, _notes: DriverNotes) -> Result<TaskHandle, DriverError> {
        let config = Config(&spec.task.config);
        config.only(KEYS)?;
        let command = config
            .text("command")?
            .ok_or_else(|| DriverError::Fatal(String::from("config field `command` is required")))?;
        let around = Surroundings::of(spec)?;
        let program = around.find(&command)?;
        let run = super::fresh_id();
        let launch = Launch {
            run: run.clone(),
            key: format!("{}/{}", spec.alloc, spec.task.name),
            program,
            args: config.list("args")?,
            env: around.env.clone(),
            dir: around.dir.clone(),
            user: around.user,
            logs: spec.dirs.logs.clone(),
            task: spec.task.name.clone(),
            limits: (&spec.task.logs).into(),
            cores: spec.cores.clone(),
            oom_score_adj: oom_score_adj(config)?,
            cgroups: around.cgroups.clone(),
        };
        let answer = match self.client.ask(Request::Start(Box::new(launch))).await {
            Ok(answer) => answer,
            // Perhaps it was heard: look what became of it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                self.ask(Request::Status { run: run.clone() }).await?
            }
            Err(error) => return Err(unreachable(&error)),
        };
        let process = match answer {
            Answer::Running(process) => process,
            Answer::Failed { message } => {
                return Err(DriverError::Recoverable(format!("failed to start `{command}`: {message}")));
            }
            other => {
                return Err(DriverError::Recoverable(format!("failed to start `{command}`: got {other:?}")));
            }
        };
        self.remember(&run, around);
        let state =
            serde_json::to_string(&State { run, process }).expect("strings and numbers are always JSON");
        Ok(TaskHandle {
            driver: String::from(self.name()),
            alloc: spec.alloc,
            task: spec.task.name.clone(),
            started_at: now(),
            state,
            address: None,
        })
    }

    async fn recover(&self, handle: &TaskHandle, spec: &TaskSpec) -> Result<(), DriverError> {
        let state = state(handle)?;
        match self.ask(Request::Status { run: state.run.clone() }).await? {
            Answer::Running(_) | Answer::Ended(_) => {
                self.remember(&state.run, Surroundings::of(spec)?);
                Ok(())
            }
            _ => Err(DriverError::NotFound(handle.task.clone())),
        }
    }

    async fn wait(&self, handle: &TaskHandle) -> Result<TaskExit, DriverError> {
        match self.ask(Request::Wait { run: state(handle)?.run }).await? {
            Answer::Ended(Exit { code, signal, message }) => {
                Ok(TaskExit { exit_code: code, signal, oom_killed: false, message })
            }
            _ => Err(DriverError::NotFound(handle.task.clone())),
        }
    }

    async fn stop(&self, handle: &TaskHandle, signal: &str, limit: Duration) -> Result<(), DriverError> {
        let signal = signals::parse(if signal.is_empty() { "SIGINT" } else { signal })?;
        let timeout_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        match self.ask(Request::Stop { run: state(handle)?.run, signal, timeout_ms }).await? {
            Answer::Ended(_) => Ok(()),
            Answer::Failed { message } => Err(DriverError::Recoverable(message)),
            _ => Err(DriverError::NotFound(handle.task.clone())),
        }
    }

    async fn signal(&self, handle: &TaskHandle, signal: &str) -> Result<(), DriverError> {
        let number = signals::parse(signal)?;
        let process = state(handle)?.process;
        if !process.is_alive() {
            return Err(DriverError::NotFound(handle.task.clone()));
        }
        let signal = nix::sys::signal::Signal::try_from(number)
            .map_err(|error| DriverError::Fatal(error.to_string()))?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.pid), signal)
            .map_err(|error| DriverError::Recoverable(format!("cannot send {signal}: {error}")))
    }

    async fn destroy(&self, handle: &TaskHandle) -> Result<(), DriverError> {
        let run = state(handle)?.run;
        self.ask(Request::Destroy { run: run.clone() }).await?;
        self.surroundings.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
        self.meter.forget(&run);
        Ok(())
    }

    async fn usage(&self, handle: &TaskHandle) -> Result<TaskUsage, DriverError> {
        let State { run, process } = state(handle)?;
        let meter = Arc::clone(&self.meter);
        super::blocking(&self.runtime, move || meter.measure(&run, process))
            .await
            .map_err(|error| DriverError::Recoverable(error.to_string()))?
            .ok_or_else(|| DriverError::NotFound(handle.task.clone()))
    }

    async fn exec(
        &self,
        handle: &TaskHandle,
        command: &[String],
        limit: Duration,
    ) -> Result<ExecResult, DriverError> {
        let (around, program, rest) = self.inside(handle, command)?;
        let helper = self.program.clone();
        on_runtime(&self.runtime, async move { run_inside(&around, &program, &rest, limit, &helper).await })
            .await
            .flatten()
            .map_err(|error| {
                DriverError::Recoverable(format!("failed to run `{}`: {error}", command.join(" ")))
            })
    }

    async fn attach(&self, handle: &TaskHandle, spec: &ExecSpec) -> Result<ExecSession, DriverError> {
        let (around, program, rest) = self.inside(handle, &spec.command)?;
        let (tty, helper) = (spec.tty, self.program.clone());
        on_runtime(&self.runtime, async move { attach::start(&around, &program, &rest, tty, &helper) })
            .await
            .flatten()
            .map_err(|error| {
                DriverError::Recoverable(format!("failed to run `{}`: {error}", spec.command.join(" ")))
            })
    }
}

impl RawExec {
    /// What a command beside a running task needs: surroundings, program, arguments.
    fn inside(
        &self,
        handle: &TaskHandle,
        command: &[String],
    ) -> Result<(Surroundings, PathBuf, Vec<String>), DriverError> {
        let State { run, process } = state(handle)?;
        let around = self.surroundings(&run).filter(|_| process.is_alive());
        let around = around.ok_or_else(|| DriverError::NotFound(handle.task.clone()))?;
        let (first, rest) = command
            .split_first()
            .ok_or_else(|| DriverError::Fatal(String::from("there is no command to run")))?;
        let program = around.find(first)?;
        Ok((around, program, rest.to_vec()))
    }
}

impl Surroundings {
    fn of(spec: &TaskSpec) -> Result<Self, DriverError> {
        let config = Config(&spec.task.config);
        let work_dir = config.text("work_dir")?;
        let denied = |name: &str| DENIED.contains(&name);
        let mut env: BTreeMap<String, String> = std::env::vars().filter(|(name, _)| !denied(name)).collect();
        env.extend(BTreeMap::clone(&spec.env));
        for (name, path) in [
            ("NOMAD_ALLOC_DIR", &spec.dirs.alloc),
            ("NOMAD_TASK_DIR", &spec.dirs.local),
            ("NOMAD_SECRETS_DIR", &spec.dirs.secrets),
        ] {
            env.insert(name.to_owned(), path.display().to_string());
        }
        let denied = config.list("denied_envvars")?;
        env.retain(|name, _| !denied.iter().any(|pattern| glob(pattern, name)));
        // A relative directory is meant within the task's.
        let dir = work_dir.map_or_else(|| spec.dirs.task.clone(), |dir| spec.dirs.task.join(dir));
        let user = if spec.task.user.is_empty() { None } else { Some(find_user(&spec.task.user)?) };
        let cgroups = cgroups::named(config)?;
        Ok(Self { env, dir, local: spec.dirs.local.clone(), task: spec.dirs.task.clone(), user, cgroups })
    }

    /// In the task's `local`, in its directory, then on the path.
    fn find(&self, command: &str) -> Result<PathBuf, DriverError> {
        let own = [self.local.join(command), self.task.join(command)];
        if let Some(found) = own.into_iter().find(|path| is_executable(path)) {
            return Ok(found);
        }
        if command.contains('/') {
            // What is wrong with it, the system says best when it is started.
            return Ok(self.dir.join(command));
        }
        let path = self.env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
        std::env::split_paths(path).map(|dir| dir.join(command)).find(|path| is_executable(path)).ok_or_else(
            || {
                let missing = io::Error::from_raw_os_error(nix::errno::Errno::ENOENT as i32);
                DriverError::Recoverable(format!(
                    "failed to start `{command}`: not found on the PATH: {missing}"
                ))
            },
        )
    }
}

/// What a command beside the task needs: the program; or, where it has to do something to itself first, `helper` (this
/// program) as what becomes it.
fn beside(around: &Surroundings, program: &Path, terminal: bool, helper: &Path) -> Command {
    let Surroundings { user, cgroups, .. } = around;
    let mut command;
    if terminal || !cgroups.is_empty() {
        command = Command::new(helper);
        let attendance = Attendance { terminal, user: *user, cgroups: cgroups.clone() };
        command.args(attendance.words()).arg(program);
    } else {
        command = Command::new(program);
        if let Some((user, group)) = *user {
            command.uid(user).gid(group);
        }
    }
    command
}

fn oom_score_adj(config: Config<'_>) -> Result<i32, DriverError> {
    let number = config.int("oom_score_adj")?.unwrap_or(0);
    i32::try_from(number).ok().filter(|number| (0..=1000).contains(number)).ok_or_else(|| {
        DriverError::Fatal(format!("config field `oom_score_adj` must be between 0 and 1000, found {number}"))
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn find_user(name: &str) -> Result<(u32, u32), DriverError> {
    match nix::unistd::User::from_name(name) {
        Ok(Some(user)) => Ok((user.uid.as_raw(), user.gid.as_raw())),
        Ok(None) => Err(DriverError::Fatal(format!("user `{name}` does not exist on this node"))),
        Err(error) => Err(DriverError::Recoverable(format!("cannot look up user `{name}`: {error}"))),
    }
}

async fn run_inside(
    around: &Surroundings,
    program: &Path,
    args: &[String],
    limit: Duration,
    helper: &Path,
) -> io::Result<ExecResult> {
    let (read, write) = std::io::pipe()?;
    let mut command = beside(around, program, false, helper);
    command
        .args(args)
        .env_clear()
        .envs(&around.env)
        .current_dir(&around.dir)
        .stdin(Stdio::null())
        .stdout(write.try_clone()?)
        .stderr(write)
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    // The writing ends in `command` would keep the pipe open.
    drop(command);
    let pid = child.id();
    let mut read = tokio::net::unix::pipe::Receiver::from_owned_fd(read.into())?;
    // All is read, so that it can end; only the beginning is kept.
    let mut output = Vec::new();
    let finish = async {
        let status = loop {
            let mut page = [0; OUTPUT_LIMIT];
            tokio::select! {
                count = read.read(&mut page) => match count? {
                    0 => break child.wait().await?,
                    count => keep(&mut output, &page[..count]),
                },
                status = child.wait() => break status?,
            }
        };
        // What it left in the pipe; a child of its own in the background may hold that open for ever. Asked of the system
        // itself: the runtime may not have heard yet that there is something.
        let mut page = [0; OUTPUT_LIMIT];
        while let Ok(count @ 1..) = nix::unistd::read(&read, &mut page) {
            keep(&mut output, &page[..count]);
        }
        Ok::<_, io::Error>(status)
    };
    let result = timeout(limit, finish).await;
    let status = match result {
        Ok(result) => result?,
        Err(_) => {
            if let Some(pid) = pid {
                let group = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX));
                let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            }
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {limit:?}")));
        }
    };
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    let exit_code = status.code().unwrap_or_else(|| 128 + signal.unwrap_or(0));
    Ok(ExecResult { exit_code, output: String::from_utf8_lossy(&output).into_owned() })
}

fn keep(output: &mut Vec<u8>, more: &[u8]) {
    let room = OUTPUT_LIMIT.saturating_sub(output.len());
    output.extend_from_slice(&more[..more.len().min(room)]);
}
