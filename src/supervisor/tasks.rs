//! The processes: starting, copying their output, reaping, stopping, and finding them again after a restart.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    rc::Rc,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, killpg},
        stat::Mode,
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::{Pid, mkfifo},
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
    sync::{Notify, watch},
    task::spawn_local,
    time::timeout,
};

use super::inherit::{on_cores, with_oom_score};
use crate::driver::{
    log_writer::{Limits, LogWriter},
    raw_exec::{
        Attendance,
        protocol::{Answer, Exit, Launch, Process, stat},
    },
};

/// After a process ended, its last output is waited for; a daemon of its own may hold the pipe much longer.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How often processes are looked at that are not our children (the supervisor before us started them).
const ADOPTED_POLL: Duration = Duration::from_millis(200);

/// What is on disk of one run, so that the next supervisor knows of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    key: String,
    process: Process,
    logs: PathBuf,
    task: String,
    limits: Limits,
    #[serde(default)]
    exit: Option<Exit>,
}

#[derive(Debug)]
struct Run {
    record: RefCell<Record>,
    /// Not yet reaped: its group may be signalled.
    alive: Cell<bool>,
    /// Copies of output that go on.
    copies: watch::Sender<u32>,
    exit: watch::Sender<Option<Exit>>,
}

#[derive(Debug)]
pub(super) struct Tasks {
    dir: PathBuf,
    runs: RefCell<HashMap<String, Rc<Run>>>,
    by_pid: RefCell<HashMap<i32, String>>,
    /// The newest run of each task.
    by_key: RefCell<HashMap<String, String>>,
    /// The limit of open files that processes get; ours is higher.
    soft_files: u64,
    null: File,
    /// One for all copies: nothing awaits while it is in use.
    buffer: RefCell<Vec<u8>>,
    pub(super) changed: Notify,
}

impl Tasks {
    /// Reads the records of the supervisor before and goes on with what still runs.
    pub(super) fn load(dir: &Path, soft_files: u64) -> io::Result<Rc<Self>> {
        let tasks = Rc::new(Self {
            dir: dir.join("runs"),
            runs: RefCell::default(),
            by_pid: RefCell::default(),
            by_key: RefCell::default(),
            soft_files,
            null: File::options().read(true).write(true).open("/dev/null")?,
            buffer: RefCell::new(vec![0; 64 * 1024]),
            changed: Notify::new(),
        });
        let mut adopted = false;
        for entry in fs::read_dir(&tasks.dir)?.flatten() {
            let path = entry.path();
            let (Some(run), Some("json")) = (
                path.file_stem().and_then(|stem| stem.to_str()),
                path.extension().and_then(|end| end.to_str()),
            ) else {
                continue;
            };
            match fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice::<Record>(&bytes)?)) {
                Ok(record) => adopted |= tasks.adopt(run, record),
                Err(error) => tracing::warn!(run, %error, "a record cannot be read"),
            }
        }
        if adopted {
            spawn_local(Rc::clone(&tasks).watch_adopted());
        }
        let children = signal(SignalKind::child())?;
        spawn_local(Rc::clone(&tasks).reap(children));
        Ok(tasks)
    }

    pub(super) fn any_alive(&self) -> bool {
        self.runs.borrow().values().any(|run| run.alive.get())
    }

    fn find(&self, run: &str) -> Option<Rc<Run>> {
        self.runs.borrow().get(run).cloned()
    }

    // ------------------------------------------------------------------------------------------ questions

    pub(super) fn status(&self, run: &str) -> Answer {
        self.find(run).map_or(Answer::Unknown, |run| {
            let exit = run.exit.borrow().clone();
            exit.map_or_else(|| Answer::Running(run.record.borrow().process), Answer::Ended)
        })
    }

    pub(super) async fn wait(&self, run: &str) -> Answer {
        let Some(run) = self.find(run) else { return Answer::Unknown };
        run.ended().await.map_or(Answer::Unknown, Answer::Ended)
    }

    pub(super) async fn stop(&self, run: &str, number: i32, limit: Duration) -> Answer {
        let Some(run) = self.find(run) else { return Answer::Unknown };
        let Ok(first) = Signal::try_from(number) else {
            return Answer::Failed { message: format!("{number} is not a signal") };
        };
        run.signal(first);
        if timeout(limit, run.ended()).await.is_err() {
            run.signal(Signal::SIGKILL);
        }
        run.ended().await.map_or(Answer::Unknown, Answer::Ended)
    }

    pub(super) async fn destroy(&self, name: &str) -> Answer {
        let Some(run) = self.find(name) else { return Answer::Unknown };
        run.signal(Signal::SIGKILL);
        run.ended().await;
        self.runs.borrow_mut().remove(name);
        let key = run.record.borrow().key.clone();
        if self.by_key.borrow().get(&key).is_some_and(|newest| newest == name) {
            self.by_key.borrow_mut().remove(&key);
        }
        self.remove_files(name);
        self.changed.notify_one();
        Answer::Done
    }

    pub(super) async fn start(self: &Rc<Self>, launch: Launch) -> Answer {
        let leftover = self.by_key.borrow().get(&launch.key).cloned();
        if let Some(name) = leftover.filter(|name| self.find(name).is_some_and(|run| run.alive.get())) {
            tracing::warn!(key = launch.key, "a run nobody stopped is ended before the next begins");
            self.destroy(&name).await;
        }
        match self.spawn(&launch) {
            Ok(process) => Answer::Running(process),
            Err(error) => {
                self.remove_files(&launch.run);
                Answer::Failed { message: error.to_string() }
            }
        }
    }

    // ------------------------------------------------------------------------------------------ starting

    fn spawn(self: &Rc<Self>, launch: &Launch) -> io::Result<Process> {
        let writers = ["stdout", "stderr"]
            .map(|stream| LogWriter::open(&launch.logs, &format!("{}.{stream}", launch.task), launch.limits));
        let [log_out, log_err] = writers;
        let (log_out, log_err) = (log_out?, log_err?);
        let (read_out, write_out) = self.pipe(&launch.run, "stdout")?;
        let (read_err, write_err) = self.pipe(&launch.run, "stderr")?;
        let mut command = beginning(launch);
        command
            .args(&launch.args)
            .env_clear()
            .envs(&launch.env)
            .current_dir(&launch.dir)
            .stdin(Stdio::from(self.null.try_clone()?))
            .stdout(Stdio::from(write_out))
            .stderr(Stdio::from(write_err))
            .process_group(0);
        let start = || with_oom_score(launch.oom_score_adj, || on_cores(&launch.cores, || command.spawn()));
        let child = self
            .with_soft_limit(launch.user.is_none() || !launch.cgroups.is_empty(), start)
            .map_err(|error| {
                // A missing directory and a missing program give the same words.
                if launch.dir.is_dir() {
                    error
                } else {
                    io::Error::new(error.kind(), format!("work_dir {}: {error}", launch.dir.display()))
                }
            })?;
        // Closes our ends for writing, or the pipes would never end.
        drop(command);
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        // It is there, if only as a zombie: nobody but `reap` takes it away, and that is on this thread.
        let start_ticks = stat(pid).map_or(0, |stat| stat.start_ticks);
        let process = Process { pid, start_ticks };
        let record = Record {
            key: launch.key.clone(),
            process,
            logs: launch.logs.clone(),
            task: launch.task.clone(),
            limits: launch.limits,
            exit: None,
        };
        if let Err(error) = self.write(&launch.run, &record) {
            // Without a record it could be lost: it must not run.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            return Err(error);
        }
        let run = Run::new(record, true);
        self.copy(&run, read_out, log_out);
        self.copy(&run, read_err, log_err);
        self.by_pid.borrow_mut().insert(pid, launch.run.clone());
        self.by_key.borrow_mut().insert(launch.key.clone(), launch.run.clone());
        self.runs.borrow_mut().insert(launch.run.clone(), run);
        Ok(process)
    }

    /// Gives the process the limit that we had. Only without a fork of our own, which needs new descriptors.
    fn with_soft_limit<T>(&self, possible: bool, work: impl FnOnce() -> T) -> T {
        let limits = getrlimit(Resource::RLIMIT_NOFILE).ok().filter(|_| possible);
        if let Some((_, hard)) = limits {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, self.soft_files.min(hard), hard);
        }
        let result = work();
        if let Some((soft, hard)) = limits {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
        result
    }

    fn fifo(&self, run: &str, stream: &str) -> PathBuf {
        self.dir.join(format!("{run}.{stream}"))
    }

    fn pipe(&self, run: &str, stream: &str) -> io::Result<(pipe::Receiver, File)> {
        let path = self.fifo(run, stream);
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let read = pipe::OpenOptions::new().open_receiver(&path)?;
        // For reading too: the process then holds a reader of its own, and does not die when ours is gone.
        let write = File::options().read(true).write(true).open(&path)?;
        Ok((read, write))
    }

    fn copy(self: &Rc<Self>, run: &Rc<Run>, from: pipe::Receiver, mut to: LogWriter) {
        run.copies.send_modify(|copies| *copies += 1);
        let (tasks, run) = (Rc::clone(self), Rc::clone(run));
        spawn_local(async move {
            let mut full = false;
            while from.readable().await.is_ok() {
                let mut buffer = tasks.buffer.borrow_mut();
                match from.try_read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => match to.write_all(&buffer[..count]) {
                        Ok(()) => full = false,
                        // The task goes on without its log rather than hang.
                        Err(error) if !full => {
                            full = true;
                            tracing::error!(%error, task = run.record.borrow().task, "output is lost");
                        }
                        Err(_) => {}
                    },
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
            run.copies.send_modify(|copies| *copies -= 1);
        });
    }

    // ------------------------------------------------------------------------------------------ ending

    async fn reap(self: Rc<Self>, mut children: tokio::signal::unix::Signal) {
        loop {
            self.reap_all();
            if children.recv().await.is_none() {
                return;
            }
        }
    }

    /// Looks before it takes: while the process is a zombie its number is its own, and its group can be killed.
    fn reap_all(self: &Rc<Self>) {
        loop {
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            let pid = match waitid(Id::All, look) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => pid,
                // A real-time signal, which has no name here: ask for each process by number.
                Err(Errno::EINVAL) => match self.find_nameless() {
                    Some(pid) => pid,
                    None => return,
                },
                _ => return,
            };
            let ours = self.by_pid.borrow_mut().remove(&pid.as_raw());
            if ours.is_some() {
                let _ = killpg(pid, Signal::SIGKILL);
            }
            let exit = match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
                Ok(WaitStatus::Exited(_, code)) => Exit { code, ..Exit::default() },
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    Exit { code: 128 + signal as i32, signal: signal as i32, message: String::new() }
                }
                _ => Exit { code: 128, signal: 0, message: String::from("ended by a real-time signal") },
            };
            if let Some(name) = ours {
                self.ended(&name, exit);
            }
        }
    }

    fn find_nameless(&self) -> Option<Pid> {
        let is_zombie = |pid: &&i32| stat(**pid).is_some_and(|stat| stat.state == 'Z');
        self.by_pid.borrow().keys().find(is_zombie).map(|pid| Pid::from_raw(*pid))
    }

    /// Notes the end at once, and tells it when the last output is in the files.
    fn ended(self: &Rc<Self>, name: &str, exit: Exit) {
        let Some(run) = self.find(name) else { return };
        run.alive.set(false);
        run.record.borrow_mut().exit = Some(exit.clone());
        if let Err(error) = self.write(name, &run.record.borrow()) {
            tracing::error!(%error, run = name, "an exit status cannot be kept");
        }
        self.changed.notify_one();
        let (tasks, name) = (Rc::clone(self), name.to_owned());
        spawn_local(async move {
            let mut copies = run.copies.subscribe();
            let _ = timeout(LAST_WORDS, copies.wait_for(|copies| *copies == 0)).await;
            for stream in ["stdout", "stderr"] {
                let _ = fs::remove_file(tasks.fifo(&name, stream));
            }
            run.exit.send_replace(Some(exit));
        });
    }

    // ------------------------------------------------------------------------------------------ records

    fn record_path(&self, run: &str) -> PathBuf {
        self.dir.join(format!("{run}.json"))
    }

    fn write(&self, run: &str, record: &Record) -> io::Result<()> {
        let path = self.record_path(run);
        let fresh = path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(record)?)?;
        fs::rename(fresh, path)
    }

    fn remove_files(&self, run: &str) {
        let fifos = ["stdout", "stderr"].map(|stream| self.fifo(run, stream));
        for path in fifos.into_iter().chain([self.record_path(run)]) {
            let _ = fs::remove_file(path);
        }
    }

    /// Returns whether it still runs.
    fn adopt(self: &Rc<Self>, name: &str, record: Record) -> bool {
        let known = record.exit.clone();
        let process = record.process;
        let alive = known.is_none() && process.is_alive();
        let run = Run::new(record.clone(), alive);
        if alive {
            self.by_key.borrow_mut().insert(record.key.clone(), name.to_owned());
        }
        self.runs.borrow_mut().insert(name.to_owned(), Rc::clone(&run));
        if let Some(exit) = known {
            run.exit.send_replace(Some(exit));
            return false;
        }
        for stream in ["stdout", "stderr"] {
            let from = pipe::OpenOptions::new().open_receiver(self.fifo(name, stream));
            let to = LogWriter::open(&record.logs, &format!("{}.{stream}", record.task), record.limits);
            match (from, to) {
                (Ok(from), Ok(to)) => self.copy(&run, from, to),
                (Err(error), _) | (_, Err(error)) => {
                    tracing::warn!(%error, run = name, stream, "output cannot be collected any more");
                }
            }
        }
        if !alive {
            self.ended(name, unseen());
        }
        alive
    }

    /// Processes that are not our children send no signal when they end.
    async fn watch_adopted(self: Rc<Self>) {
        loop {
            tokio::time::sleep(ADOPTED_POLL).await;
            let foreign: Vec<(String, Process)> = self
                .runs
                .borrow()
                .iter()
                .map(|(name, run)| (name, run.alive.get(), run.record.borrow().process))
                .filter(|(_, alive, process)| *alive && !self.by_pid.borrow().contains_key(&process.pid))
                .map(|(name, _, process)| (name.clone(), process))
                .collect();
            if foreign.is_empty() {
                return;
            }
            for (name, process) in foreign {
                if !process.is_alive() {
                    self.ended(&name, unseen());
                }
            }
        }
    }
}

/// The program; or where it has to do something to itself first, we as what becomes it.
fn beginning(launch: &Launch) -> Command {
    if launch.cgroups.is_empty() {
        let mut command = Command::new(&launch.program);
        if let Some((user, group)) = launch.user {
            command.uid(user).gid(group);
        }
        return command;
    }
    let attendance = Attendance { terminal: false, user: launch.user, cgroups: launch.cgroups.clone() };
    // Also when the file has been replaced by a newer one since we were started.
    let mut command = Command::new("/proc/self/exe");
    command.args(attendance.words()).arg(&launch.program);
    command
}

/// The kernel told the exit status to somebody else.
fn unseen() -> Exit {
    Exit {
        code: -1,
        signal: 0,
        message: String::from("the exit status is unknown: the supervisor was restarted while the task ran"),
    }
}

impl Run {
    fn new(record: Record, alive: bool) -> Rc<Self> {
        Rc::new(Self {
            record: RefCell::new(record),
            alive: Cell::new(alive),
            copies: watch::Sender::new(0),
            exit: watch::Sender::new(None),
        })
    }

    async fn ended(&self) -> Option<Exit> {
        let mut exit = self.exit.subscribe();
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone())
    }

    fn signal(&self, signal: Signal) {
        let process = self.record.borrow().process;
        if self.alive.get() {
            let _ = killpg(Pid::from_raw(process.pid), signal);
        }
    }
}
