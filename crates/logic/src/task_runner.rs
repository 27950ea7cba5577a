//! The life of one task: start, exit, restart, kill. Says what to do; drivers and timers are the shell's.

use std::{borrow::Cow, time::Duration};

use model::{
    JobType, RestartMode, RestartPolicy, TaskEvent, TaskPhase, TaskState, Timestamp, event_type,
    time::format_duration,
};

/// How a task ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exit {
    pub exit_code: i32,
    /// 0: none.
    pub signal: i32,
    pub oom_killed: bool,
    pub message: String,
}

impl Exit {
    fn is_success(&self) -> bool {
        self.exit_code == 0 && self.signal == 0 && !self.oom_killed
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The allocation came to this node.
    Begin,
    /// Directories are there; the driver may be asked.
    SetUp,
    SetUpFailed {
        message: String,
    },
    /// What the task needs besides its driver is there: files are fetched and rendered.
    Prepared,
    /// It could not be made. `jitter` is a random number in 0..1.
    PrepareFailed {
        event: &'static str,
        message: String,
        recoverable: bool,
        jitter: f64,
    },
    /// The driver tells what it is about to do.
    Note {
        message: String,
    },
    Started,
    /// `jitter` is a random number in 0..1.
    StartFailed {
        message: String,
        recoverable: bool,
        jitter: f64,
    },
    Exited {
        exit: Exit,
        jitter: f64,
    },
    RestartDue,
    /// A check (or a person) wants a restart.
    WantRestart {
        reason: String,
    },
    /// Everything of the allocation begins anew, what is over included. Then it waits to be let go again.
    StartOver {
        reason: String,
    },
    /// Stop for good, with the event that says why.
    Kill {
        event: &'static str,
        reason: String,
    },
    /// Found again after the agent was restarted.
    Recovered,
    /// Not found again.
    NotRecovered {
        message: String,
        jitter: f64,
    },
}

/// What should be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    SetUp,
    /// Fetch and render files; ends with the life of the task.
    Prepare,
    Start,
    /// Wait for the exit of the running task.
    Watch,
    RestartAfter(Duration),
    /// Signal, wait, kill; the exit comes as `Exited`.
    Stop,
    /// Remove what the driver keeps of the ended run.
    Destroy,
    /// The task is over; nothing follows.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    /// Left running by an earlier agent; the driver is looking for it.
    Recovering,
    SettingUp,
    Preparing,
    Starting,
    Running,
    /// Stopping in order to start again.
    Bouncing,
    /// Stopping in order to begin anew.
    StartingOver,
    Waiting,
    Killing,
    Over,
}

/// One task on one node.
#[derive(Debug, Clone)]
pub struct TaskLife {
    policy: RestartPolicy,
    kind: JobType,
    kill_timeout: Duration,
    stage: Stage,
    /// Restarts since the interval began, and when that was.
    window: (u32, Timestamp),
    /// A kill that came while the driver was starting the task.
    kill_pending: bool,
    /// There are files to fetch or render before the driver is asked, and they are there.
    prepares: bool,
    prepared: bool,
    /// The driver had it since files were prepared last.
    has_run: bool,
    state: TaskState,
}

impl TaskLife {
    pub fn new(policy: RestartPolicy, kind: JobType, kill_timeout: Duration) -> Self {
        Self {
            policy,
            kind,
            kill_timeout,
            stage: Stage::New,
            window: (0, Timestamp::ZERO),
            kill_pending: false,
            prepares: false,
            prepared: false,
            has_run: false,
            state: TaskState::default(),
        }
    }

    /// Takes up a life that an earlier agent led.
    pub fn restore(policy: RestartPolicy, kind: JobType, kill_timeout: Duration, state: TaskState) -> Self {
        let stage = if state.phase == TaskPhase::Dead { Stage::Over } else { Stage::Recovering };
        Self { stage, state, ..Self::new(policy, kind, kill_timeout) }
    }

    /// Files are fetched or rendered before the first start.
    pub fn with_preparation(mut self, prepares: bool) -> Self {
        self.prepares = prepares;
        self
    }

    pub fn state(&self) -> &TaskState {
        &self.state
    }

    /// Policies may change in place with a new job version.
    pub fn update(&mut self, policy: RestartPolicy, kill_timeout: Duration) {
        self.policy = policy;
        self.kill_timeout = kill_timeout;
    }

    /// It was not let go yet.
    pub fn is_new(&self) -> bool {
        self.stage == Stage::New
    }

    /// The driver was asked for it, and has not answered.
    pub fn is_starting(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Recovering)
    }

    /// The driver has started it, and nobody stops it.
    pub fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Notes an event that changes nothing.
    pub fn note(&mut self, kind: &'static str, message: impl Into<Cow<'static, str>>, now: Timestamp) {
        self.event(kind, message, now, &[]);
    }

    pub fn step(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        if self.stage == Stage::Over && !matches!(input, Input::StartOver { .. }) {
            return Vec::new();
        }
        match input {
            Input::Begin => {
                if self.state.restarts == 0 {
                    self.event(event_type::RECEIVED, "Task received by client", now, &[]);
                }
                self.event(event_type::TASK_SETUP, "Building Task Directory", now, &[]);
                self.stage = Stage::SettingUp;
                vec![Effect::SetUp]
            }
            Input::SetUp => {
                // What is left of the run before.
                let left = (self.state.restarts > 0).then_some(Effect::Destroy);
                left.into_iter().chain([self.begin_run()]).collect()
            }
            Input::Prepared => {
                self.prepared = true;
                if self.stage != Stage::Preparing {
                    return Vec::new();
                }
                vec![self.begin_run()]
            }
            Input::PrepareFailed { event, message, recoverable, jitter } => {
                if self.stage != Stage::Preparing {
                    return Vec::new();
                }
                self.event(event, message, now, &[]);
                if recoverable {
                    self.restart_or_die(false, now, jitter)
                } else {
                    self.not_restarting("Error was unrecoverable", now)
                }
            }
            Input::SetUpFailed { message } => {
                self.event(event_type::SETUP_FAILURE, message, now, &[]);
                self.die(true, now)
            }
            Input::Note { message } => {
                self.event(event_type::DRIVER, message.clone(), now, &[("driver_message", message)]);
                Vec::new()
            }
            Input::Started => self.started(now),
            Input::StartFailed { message, recoverable, jitter } => {
                self.event(event_type::DRIVER_FAILURE, message.clone(), now, &[("driver_error", message)]);
                if self.kill_pending {
                    self.event(event_type::KILLED, "Task successfully killed", now, &[]);
                    return self.die(false, now);
                }
                if recoverable {
                    self.restart_or_die(false, now, jitter)
                } else {
                    self.not_restarting("Error was unrecoverable", now)
                }
            }
            Input::Exited { exit, jitter } => self.exited(&exit, now, jitter),
            Input::RestartDue => {
                if self.stage != Stage::Waiting {
                    return Vec::new();
                }
                vec![self.begin_run()]
            }
            Input::WantRestart { reason } => {
                if self.stage != Stage::Running {
                    return Vec::new();
                }
                self.event(event_type::RESTART_SIGNALED, reason, now, &[]);
                self.stage = Stage::Bouncing;
                vec![Effect::Stop]
            }
            Input::StartOver { reason } => match self.stage {
                Stage::Running => {
                    self.event(event_type::RESTART_SIGNALED, reason, now, &[]);
                    self.stage = Stage::StartingOver;
                    vec![Effect::Stop]
                }
                Stage::Bouncing => {
                    self.stage = Stage::StartingOver;
                    Vec::new()
                }
                Stage::Waiting | Stage::Over => {
                    self.event(event_type::RESTART_SIGNALED, reason, now, &[]);
                    self.start_over(now);
                    Vec::new()
                }
                // It begins, or goes for good.
                _ => Vec::new(),
            },
            Input::Kill { event, reason } => self.kill(event, reason, now),
            Input::Recovered => {
                self.state.phase = TaskPhase::Running;
                if self.kill_pending {
                    self.stage = Stage::Killing;
                    return vec![Effect::Watch, Effect::Stop];
                }
                self.stage = Stage::Running;
                vec![Effect::Watch]
            }
            Input::NotRecovered { message, jitter } => {
                self.event(event_type::FAILED_RESTORING, message, now, &[]);
                if self.kill_pending {
                    return self.die(false, now);
                }
                self.restart_or_die(false, now, jitter)
            }
        }
    }

    /// Asks the driver, or for what has to be there before.
    fn begin_run(&mut self) -> Effect {
        let anew = self.policy.render_templates && self.has_run;
        self.has_run = false;
        if self.prepares && (!self.prepared || anew) {
            self.stage = Stage::Preparing;
            return Effect::Prepare;
        }
        self.stage = Stage::Starting;
        Effect::Start
    }

    fn started(&mut self, now: Timestamp) -> Vec<Effect> {
        self.has_run = true;
        self.state.phase = TaskPhase::Running;
        if self.state.started_at.is_zero() || self.stage != Stage::Running {
            self.state.started_at = now;
        }
        self.event(event_type::STARTED, "Task started by client", now, &[]);
        if self.kill_pending {
            self.stage = Stage::Killing;
            return vec![Effect::Watch, Effect::Stop];
        }
        self.stage = Stage::Running;
        vec![Effect::Watch]
    }

    fn exited(&mut self, exit: &Exit, now: Timestamp, jitter: f64) -> Vec<Effect> {
        let mut message = format!("Exit Code: {}", exit.exit_code);
        if exit.signal != 0 {
            message.push_str(&format!(", Signal: {}", exit.signal));
        }
        if !exit.message.is_empty() {
            message.push_str(&format!(", Exit Message: {:?}", exit.message));
        }
        let details = [
            ("exit_code", exit.exit_code.to_string()),
            ("signal", exit.signal.to_string()),
            ("oom_killed", exit.oom_killed.to_string()),
            ("exit_message", exit.message.clone()),
        ];
        self.event(event_type::TERMINATED, message, now, &details);
        match self.stage {
            Stage::Killing => {
                self.event(event_type::KILLED, "Task successfully killed", now, &[]);
                let failed = self.kind.completes() && self.state.failed;
                self.die(failed, now)
            }
            Stage::StartingOver => {
                self.start_over(now);
                Vec::new()
            }
            Stage::Bouncing => {
                self.state.restarts += 1;
                self.state.last_restart = now;
                self.state.phase = TaskPhase::Pending;
                vec![Effect::Destroy, self.begin_run()]
            }
            _ => {
                let mut effects = vec![Effect::Destroy];
                effects.extend(self.restart_or_die(exit.is_success(), now, jitter));
                effects
            }
        }
    }

    fn kill(&mut self, event: &'static str, reason: String, now: Timestamp) -> Vec<Effect> {
        match self.stage {
            Stage::Killing | Stage::Over => return Vec::new(),
            _ if self.kill_pending => return Vec::new(),
            _ => {}
        }
        let timeout = format_duration(self.kill_timeout);
        if event == event_type::KILLING {
            let message = if reason.is_empty() {
                format!("Sent interrupt. Waiting {timeout} before force killing")
            } else {
                reason.clone()
            };
            self.event(event, message, now, &[("kill_timeout", timeout), ("kill_reason", reason)]);
        } else {
            self.event(event, reason, now, &[]);
        }
        match self.stage {
            Stage::Running | Stage::Bouncing | Stage::StartingOver => {
                let stopping = self.stage != Stage::Running;
                self.stage = Stage::Killing;
                if stopping { Vec::new() } else { vec![Effect::Stop] }
            }
            Stage::Starting | Stage::Recovering => {
                self.kill_pending = true;
                Vec::new()
            }
            _ => {
                self.event(event_type::KILLED, "Task successfully killed", now, &[]);
                self.die(false, now)
            }
        }
    }

    /// As if it had not run yet.
    fn start_over(&mut self, now: Timestamp) {
        self.state.restarts += 1;
        self.state.last_restart = now;
        self.state.phase = TaskPhase::Pending;
        self.state.failed = false;
        self.state.started_at = Timestamp::ZERO;
        self.state.finished_at = Timestamp::ZERO;
        self.window = (0, Timestamp::ZERO);
        self.kill_pending = false;
        self.stage = Stage::New;
    }

    fn restart_or_die(&mut self, success: bool, now: Timestamp, jitter: f64) -> Vec<Effect> {
        if success && self.kind.completes() {
            return self.die(false, now);
        }
        let policy = self.policy.clone();
        if policy.attempts == 0 && policy.mode == RestartMode::Fail {
            return self.not_restarting("Policy allows no restarts", now);
        }
        if self.window.1.is_zero() || now.since(self.window.1) > policy.interval {
            self.window = (0, now);
        }
        self.window.0 += 1;
        let (delay, reason) = if self.window.0 <= policy.attempts {
            (policy.delay + policy.delay.mul_f64(jitter.clamp(0.0, 1.0) * 0.25), "Restart within policy")
        } else {
            match policy.mode {
                RestartMode::Fail => {
                    let reason = format!(
                        "Exceeded allowed attempts {} in interval {} and mode is \"fail\"",
                        policy.attempts,
                        format_duration(policy.interval)
                    );
                    return self.not_restarting(&reason, now);
                }
                RestartMode::Delay => {
                    let until_end = policy.interval.saturating_sub(now.since(self.window.1));
                    // The next interval begins with this restart.
                    self.window = (0, Timestamp::ZERO);
                    (until_end.max(policy.delay), "Exceeded allowed attempts, applying a delay")
                }
            }
        };
        let wait = format_duration(delay);
        let message = if reason == "Restart within policy" {
            format!("Task restarting in {wait}")
        } else {
            format!("{reason} - Task restarting in {wait}")
        };
        let details = [("restart_reason", reason.to_owned()), ("start_delay", delay.as_nanos().to_string())];
        self.event(event_type::RESTARTING, message, now, &details);
        self.state.restarts += 1;
        self.state.last_restart = now;
        self.state.phase = TaskPhase::Pending;
        self.stage = Stage::Waiting;
        vec![Effect::RestartAfter(delay)]
    }

    fn not_restarting(&mut self, reason: &str, now: Timestamp) -> Vec<Effect> {
        let details = [("restart_reason", reason.to_owned()), ("fails_task", "true".to_owned())];
        self.event(event_type::NOT_RESTARTING, reason.to_owned(), now, &details);
        self.die(true, now)
    }

    fn die(&mut self, failed: bool, now: Timestamp) -> Vec<Effect> {
        self.state.phase = TaskPhase::Dead;
        self.state.failed = failed;
        self.state.finished_at = now;
        self.stage = Stage::Over;
        vec![Effect::Destroy, Effect::Over]
    }

    fn event(
        &mut self,
        kind: &'static str,
        message: impl Into<Cow<'static, str>>,
        now: Timestamp,
        details: &[(&str, String)],
    ) {
        let details = details.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        self.state.push(TaskEvent { kind: kind.into(), time: now, message: message.into(), details });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(attempts: u32, mode: RestartMode) -> RestartPolicy {
        let (interval, delay) = (Duration::from_secs(300), Duration::from_secs(25));
        RestartPolicy { attempts, interval, delay, mode, render_templates: false }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn exit(code: i32) -> Input {
        Input::Exited { exit: Exit { exit_code: code, ..Exit::default() }, jitter: 0.0 }
    }

    fn running(policy: RestartPolicy, kind: JobType) -> TaskLife {
        let mut life = TaskLife::new(policy, kind, Duration::from_secs(5));
        assert_eq!(life.step(Input::Begin, at(1)), [Effect::SetUp]);
        assert_eq!(life.step(Input::SetUp, at(1)), [Effect::Start]);
        assert_eq!(life.step(Input::Started, at(2)), [Effect::Watch]);
        life
    }

    fn messages(life: &TaskLife) -> Vec<String> {
        life.state().events.iter().map(|event| format!("{}: {}", event.kind, event.message)).collect()
    }

    #[test]
    fn files_come_before_the_first_start_and_a_kill_does_not_wait_for_them() {
        let new = || {
            let policy = policy(1, RestartMode::Fail);
            let mut life =
                TaskLife::new(policy, JobType::Service, Duration::from_secs(5)).with_preparation(true);
            life.step(Input::Begin, at(1));
            assert_eq!(life.step(Input::SetUp, at(1)), [Effect::Prepare]);
            life
        };
        let failed = || Input::PrepareFailed {
            event: event_type::ARTIFACT_FAILED,
            message: "404".into(),
            recoverable: true,
            jitter: 0.0,
        };
        let mut life = new();
        assert_eq!(life.step(failed(), at(2)), [Effect::RestartAfter(Duration::from_secs(25))]);
        assert_eq!(life.step(Input::RestartDue, at(27)), [Effect::Prepare]);
        assert_eq!(life.step(Input::Prepared, at(28)), [Effect::Start]);
        life.step(Input::Started, at(29));
        // They are there: the next run needs no others.
        assert_eq!(life.step(Input::WantRestart { reason: "r".into() }, at(30)), [Effect::Stop]);
        assert_eq!(life.step(exit(1), at(31)), [Effect::Destroy, Effect::Start]);

        // .. unless the job says so.
        let policy = RestartPolicy { render_templates: true, ..policy(1, RestartMode::Fail) };
        life.update(policy, Duration::from_secs(5));
        life.step(Input::Started, at(32));
        life.step(Input::WantRestart { reason: "r".into() }, at(33));
        assert_eq!(life.step(exit(1), at(34)), [Effect::Destroy, Effect::Prepare]);
        assert_eq!(life.step(Input::Prepared, at(35)), [Effect::Start]);

        let mut life = new();
        life.step(Input::Kill { event: event_type::KILLING, reason: String::new() }, at(2));
        assert!(life.is_over());
        assert_eq!(life.step(failed(), at(3)), []);

        let mut life = new();
        life.step(failed(), at(2));
        life.step(Input::RestartDue, at(27));
        life.step(failed(), at(28));
        assert!(life.is_over() && life.state().failed, "{:?}", messages(&life));
    }

    #[test]
    fn what_starts_over_waits_to_be_let_go_whether_it_ran_or_was_over() {
        let over = || Input::StartOver { reason: "all of it".into() };
        let mut ran = running(policy(0, RestartMode::Fail), JobType::Service);
        assert_eq!(ran.step(over(), at(5)), [Effect::Stop]);
        assert_eq!(ran.step(exit(137), at(6)), []);
        let mut ended = running(policy(0, RestartMode::Fail), JobType::Batch);
        ended.step(exit(1), at(6));
        assert!(ended.is_over() && ended.state().failed);
        assert_eq!(ended.step(over(), at(7)), []);
        for life in [&mut ran, &mut ended] {
            assert!(life.is_new());
            let state = life.state();
            assert_eq!((state.phase, state.failed, state.restarts), (TaskPhase::Pending, false, 1));
            assert!(state.started_at.is_zero() && state.finished_at.is_zero());
            assert_eq!(life.step(Input::Begin, at(8)), [Effect::SetUp]);
            assert_eq!(life.step(Input::SetUp, at(8)), [Effect::Destroy, Effect::Start]);
            assert_eq!(life.step(Input::Started, at(9)), [Effect::Watch]);
            assert_eq!(messages(life).iter().filter(|line| line.starts_with("Received")).count(), 1);
        }
        // A kill that comes while it is stopped is the last word.
        ran.step(over(), at(10));
        ran.step(Input::Kill { event: event_type::KILLING, reason: String::new() }, at(11));
        ran.step(exit(137), at(12));
        assert!(ran.is_over());
    }

    #[test]
    fn a_killed_service_restarts_within_its_policy_then_fails() {
        let mut life = running(policy(1, RestartMode::Fail), JobType::Service);
        let killed = Exit { exit_code: 137, signal: 9, ..Exit::default() };
        let effects = life.step(Input::Exited { exit: killed, jitter: 0.0 }, at(3));
        assert_eq!(effects, [Effect::Destroy, Effect::RestartAfter(Duration::from_secs(25))]);
        assert_eq!(life.state().restarts, 1);
        assert_eq!(life.step(Input::RestartDue, at(28)), [Effect::Start]);
        life.step(Input::Started, at(29));
        assert_eq!(life.step(exit(1), at(30)), [Effect::Destroy, Effect::Destroy, Effect::Over]);
        assert!(life.state().failed);
        assert_eq!(
            messages(&life)[3..],
            [
                "Terminated: Exit Code: 137, Signal: 9",
                "Restarting: Task restarting in 25s",
                "Started: Task started by client",
                "Terminated: Exit Code: 1",
                "Not Restarting: Exceeded allowed attempts 1 in interval 5m0s and mode is \"fail\"",
            ]
        );
    }

    #[test]
    fn mode_delay_waits_for_the_end_of_the_interval() {
        let mut life = running(policy(1, RestartMode::Delay), JobType::Service);
        life.step(exit(1), at(100));
        life.step(Input::RestartDue, at(125));
        life.step(Input::Started, at(125));
        let effects = life.step(exit(1), at(130));
        assert_eq!(effects[1], Effect::RestartAfter(Duration::from_secs(270)));
        let last = messages(&life).pop().unwrap();
        assert_eq!(
            last,
            "Restarting: Exceeded allowed attempts, applying a delay - Task restarting in 4m30s"
        );
    }

    #[test]
    fn a_batch_task_that_succeeds_is_over() {
        let mut life = running(policy(3, RestartMode::Fail), JobType::Batch);
        assert!(life.step(exit(0), at(5)).contains(&Effect::Over));
        assert!(!life.state().failed);
    }

    #[test]
    fn a_kill_during_start_is_not_forgotten() {
        let mut life = TaskLife::new(policy(1, RestartMode::Fail), JobType::Service, Duration::from_secs(5));
        life.step(Input::Begin, at(1));
        life.step(Input::SetUp, at(1));
        assert!(
            life.step(Input::Kill { event: event_type::KILLING, reason: String::new() }, at(2)).is_empty()
        );
        assert_eq!(life.step(Input::Started, at(3)), [Effect::Watch, Effect::Stop]);
        assert!(life.step(exit(143), at(4)).contains(&Effect::Over));
        assert!(!life.state().failed);
    }

    #[test]
    fn a_kill_while_the_task_is_looked_for_waits_until_it_is_found() {
        let state = TaskState { phase: TaskPhase::Running, ..TaskState::default() };
        let policy = policy(1, RestartMode::Fail);
        let mut life = TaskLife::restore(policy, JobType::Service, Duration::from_secs(5), state);
        assert!(
            life.step(Input::Kill { event: event_type::KILLING, reason: String::new() }, at(2)).is_empty()
        );
        assert_eq!(life.step(Input::Recovered, at(3)), [Effect::Watch, Effect::Stop]);
        assert!(life.step(exit(143), at(4)).contains(&Effect::Over));
    }

    #[test]
    fn a_kill_while_waiting_ends_it_at_once() {
        let mut life = running(policy(1, RestartMode::Fail), JobType::Service);
        life.step(exit(1), at(3));
        let effects = life.step(Input::Kill { event: event_type::KILLING, reason: String::new() }, at(4));
        assert!(effects.contains(&Effect::Over));
        assert!(life.step(Input::RestartDue, at(28)).is_empty());
    }

    proptest! {
        /// Whatever comes, a dead task stays dead and never starts again, and at most ten events are kept.
        #[test]
        fn dead_stays_dead(inputs in prop::collection::vec(0u8..9, 1..60)) {
            let mut life = TaskLife::new(policy(2, RestartMode::Fail), JobType::Service, Duration::from_secs(5));
            let mut now = at(1);
            for input in inputs {
                now = now.plus(Duration::from_secs(3));
                let was_over = life.is_over();
                let effects = life.step(match input {
                    0 => Input::Begin,
                    1 => Input::SetUp,
                    2 => Input::Started,
                    3 => Input::StartFailed { message: "no".into(), recoverable: true, jitter: 0.5 },
                    4 => exit(1),
                    5 => Input::RestartDue,
                    6 => Input::WantRestart { reason: "check".into() },
                    7 => Input::Kill { event: event_type::KILLING, reason: String::new() },
                    _ => Input::Recovered,
                }, now);
                prop_assert!(!was_over || effects.is_empty());
                prop_assert_eq!(life.is_over(), life.state().phase == TaskPhase::Dead);
                prop_assert!(life.state().events.len() <= 10);
            }
        }
    }
}
