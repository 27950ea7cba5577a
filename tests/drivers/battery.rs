//! One list of promises, kept by every driver.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use model::{AllocId, Resources, Task, Value};
use tokio::{runtime::Handle, sync::mpsc};
use troupe::{
    actors::ports::{
        AllocDisk, DriverError, ExecInput, ExecOutput, ExecSession, ExecSpec, TaskDriver, TaskHandle,
        TaskPort, TaskSpec,
    },
    driver::alloc_disk::Disk,
};

/// What a task shall do; each driver says it in its own configuration.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Exit(i32),
    Say(&'static str),
    SaySleep(&'static str),
    Sleep,
    /// Prints the variable.
    Env(&'static str),
    /// Cannot be started, but perhaps later.
    Missing,
}

pub(crate) trait Bench {
    /// A driver as a new agent would make it.
    fn driver(&self) -> Arc<dyn TaskDriver>;
    fn config(&self, work: &Work) -> BTreeMap<String, Value>;
    /// A command that prints the text, for `exec`.
    fn say(&self, text: &str) -> Vec<String>;
    fn exit(&self, code: i32) -> Vec<String>;
    /// A command that gives back what it is told.
    fn cat(&self) -> Vec<String>;
    /// What the task sees as NOMAD_TASK_DIR, if it runs anything real.
    fn task_dir(&self, spec: &TaskSpec) -> Option<String>;
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn list(words: &[&str]) -> Value {
    Value::List(words.iter().map(|word| text(word)).collect())
}

#[expect(clippy::disallowed_methods, reason = "tests run side by side on one engine")]
fn fresh_alloc() -> AllocId {
    AllocId(uuid::Uuid::new_v4().as_u128())
}

/// Directories on disk and all that a task needs.
pub(crate) async fn spec(root: &Path, config: BTreeMap<String, Value>) -> TaskSpec {
    let disk = Disk::new(root, Handle::current());
    let alloc = fresh_alloc();
    disk.create(alloc, &[String::from("web")]).await.unwrap();
    let resources = Resources { cpu_mhz: 100, memory_mb: 64, ..Resources::default() };
    TaskSpec {
        alloc,
        job: String::from("job"),
        namespace: String::from("default"),
        group: String::from("group"),
        task: Task { name: String::from("web"), config, resources: resources.clone(), ..Task::default() },
        env: std::sync::Arc::new(
            [
                (String::from("COLOUR"), String::from("blue with spaces")),
                (String::from("NOMAD_PORT_http"), String::from("23456")),
            ]
            .into(),
        ),
        ports: Vec::<TaskPort>::new(),
        dirs: disk.dirs(alloc, "web"),
        resources,
        cores: vec![],
        devices: vec![],
    }
}

pub(crate) async fn start(driver: &Arc<dyn TaskDriver>, spec: &TaskSpec) -> Result<TaskHandle, DriverError> {
    driver.start(spec, mpsc::unbounded_channel().0).await
}

/// All that is kept of a stream.
pub(crate) fn output(spec: &TaskSpec, stream: &str) -> String {
    let mut all = String::new();
    for n in 0.. {
        match std::fs::read_to_string(spec.dirs.logs.join(format!("web.{stream}.{n}"))) {
            Ok(text) => all += &text,
            Err(_) => return all,
        }
    }
    all
}

/// Looks until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn all(bench: &impl Bench) {
    tokio::join!(
        exit_codes(bench),
        output_lands_in_the_log(bench),
        holds_sessions(bench),
        stops(bench),
        signals(bench),
        recovers(bench),
        runs_commands(bench),
        measures(bench),
        environment_arrives(bench),
        start_errors_are_recoverable(bench),
        destroy_forgets(bench),
    );
}

async fn exit_codes(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    for code in [0, 3] {
        let driver = bench.driver();
        let spec = spec(temp.path(), bench.config(&Work::Exit(code))).await;
        let handle = start(&driver, &spec).await.unwrap();
        let exit = driver.wait(&handle).await.unwrap();
        assert_eq!((exit.exit_code, exit.signal, exit.oom_killed), (code, 0, false), "{exit:?}");
        assert_eq!(exit.is_success(), code == 0);
        assert_eq!(driver.wait(&handle).await.unwrap(), exit, "a second question has the same answer");
        driver.destroy(&handle).await.unwrap();
    }
}

async fn output_lands_in_the_log(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::Say("hello log"))).await;
    let handle = start(&driver, &spec).await.unwrap();
    driver.wait(&handle).await.unwrap();
    assert_eq!(output(&spec, "stdout"), "hello log\n", "all of it is there when the end is told");
    driver.destroy(&handle).await.unwrap();
    assert_eq!(output(&spec, "stdout"), "hello log\n", "logs stay");
}

async fn stops(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::SaySleep("up"))).await;
    let handle = start(&driver, &spec).await.unwrap();
    eventually("the task runs", async || output(&spec, "stdout") == "up\n").await;
    let begin = Instant::now();
    driver.stop(&handle, "SIGTERM", Duration::from_secs(30)).await.unwrap();
    let exit = driver.wait(&handle).await.unwrap();
    assert!(!exit.is_success(), "{exit:?}");
    assert!(begin.elapsed() < Duration::from_secs(15));
    driver.stop(&handle, "", Duration::from_secs(1)).await.unwrap();
    driver.destroy(&handle).await.unwrap();
    let error = driver.stop(&handle, "SIGNOPE", Duration::ZERO).await.unwrap_err();
    assert!(!matches!(error, DriverError::Recoverable(_)), "{error}");
}

async fn signals(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::SaySleep("up"))).await;
    let handle = start(&driver, &spec).await.unwrap();
    eventually("the task runs", async || output(&spec, "stdout") == "up\n").await;
    assert!(driver.signal(&handle, "SIGNOPE").await.is_err());
    driver.signal(&handle, "SIGKILL").await.unwrap();
    let exit = driver.wait(&handle).await.unwrap();
    assert!(exit.exit_code == 137 || exit.signal == 9, "{exit:?}");
    driver.destroy(&handle).await.unwrap();
}

async fn recovers(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let first = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::SaySleep("once"))).await;
    let handle = start(&first, &spec).await.unwrap();
    eventually("the task runs", async || output(&spec, "stdout") == "once\n").await;
    drop(first);
    let second = bench.driver();
    let handle: TaskHandle = serde_json::from_str(&serde_json::to_string(&handle).unwrap()).unwrap();
    second.recover(&handle, &spec).await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(100), second.wait(&handle)).await.is_err(),
        "it still runs"
    );
    assert_eq!(second.exec(&handle, &bench.say("hi"), Duration::from_secs(10)).await.unwrap().output, "hi\n");
    second.stop(&handle, "", Duration::from_millis(100)).await.unwrap();
    second.wait(&handle).await.unwrap();
    assert_eq!(output(&spec, "stdout"), "once\n", "nothing lost, nothing twice");
    drop(second);
    // Ended while nobody looked: still known.
    let third = bench.driver();
    third.recover(&handle, &spec).await.unwrap();
    third.wait(&handle).await.unwrap();
    third.destroy(&handle).await.unwrap();
    let error = bench.driver().recover(&handle, &spec).await.unwrap_err();
    assert!(matches!(error, DriverError::NotFound(_)), "{error}");
}

async fn runs_commands(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::Sleep)).await;
    let handle = start(&driver, &spec).await.unwrap();
    let limit = Duration::from_secs(10);
    let said = driver.exec(&handle, &bench.say("from inside"), limit).await.unwrap();
    assert_eq!((said.exit_code, said.output.as_str()), (0, "from inside\n"));
    assert_eq!(driver.exec(&handle, &bench.exit(7), limit).await.unwrap().exit_code, 7);
    driver.stop(&handle, "SIGKILL", limit).await.unwrap();
    driver.destroy(&handle).await.unwrap();
}

/// All that a session says until its end, stdout and stderr apart, and how it ended.
pub(crate) async fn heard(session: &mut ExecSession) -> (String, String, Option<ExecOutput>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let listening = async {
        loop {
            match session.output.recv().await {
                Some(ExecOutput::Stdout(bytes)) => out.extend_from_slice(&bytes),
                Some(ExecOutput::Stderr(bytes)) => err.extend_from_slice(&bytes),
                end => return end,
            }
        }
    };
    let end = tokio::time::timeout(Duration::from_secs(20), listening).await.expect("an end");
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), end)
}

async fn holds_sessions(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::Sleep)).await;
    let handle = start(&driver, &spec).await.unwrap();
    let attach = async |command| driver.attach(&handle, &ExecSpec { command, tty: false }).await.unwrap();
    let (out, _, end) = heard(&mut attach(bench.say("from inside")).await).await;
    assert_eq!((out.as_str(), end), ("from inside\n", Some(ExecOutput::Exited(0))));
    assert_eq!(heard(&mut attach(bench.exit(7)).await).await.2, Some(ExecOutput::Exited(7)));
    // More than all that is on the way at any time: who does not listen holds up who speaks, and nothing is lost.
    let mut session = attach(bench.cat()).await;
    let line = "0123456789abcde\n".repeat(1024);
    let (said, count) = (session.input.clone(), 64);
    let text = bytes::Bytes::from(line.clone());
    let speaking = tokio::spawn(async move {
        for _ in 0..count {
            said.send(ExecInput::Stdin(text.clone())).await.unwrap();
        }
        said.send(ExecInput::CloseStdin).await.unwrap();
    });
    let (out, _, end) = heard(&mut session).await;
    speaking.await.unwrap();
    assert_eq!((out.len(), end), (count * line.len(), Some(ExecOutput::Exited(0))));
    assert_eq!(out, line.repeat(count));
    driver.stop(&handle, "SIGKILL", Duration::from_secs(10)).await.unwrap();
    driver.wait(&handle).await.unwrap();
    driver.destroy(&handle).await.unwrap();
    let late = driver.attach(&handle, &ExecSpec { command: bench.say("late"), tty: false }).await;
    assert!(matches!(late, Err(DriverError::NotFound(_))), "{late:?}");
}

/// For drivers that have terminals.
pub(crate) async fn has_terminals(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::Sleep)).await;
    let handle = start(&driver, &spec).await.unwrap();
    let mut session = driver.attach(&handle, &ExecSpec { command: bench.cat(), tty: true }).await.unwrap();
    for said in [
        ExecInput::Size { rows: 30, columns: 100 },
        ExecInput::Stdin("hi\n".into()),
        // End of transmission, as a person types it.
        ExecInput::Stdin("\x04".into()),
    ] {
        session.input.send(said).await.unwrap();
    }
    // The terminal's echo, and the command's.
    let (out, _, end) = heard(&mut session).await;
    assert_eq!((out.as_str(), end), ("hi\r\nhi\r\n", Some(ExecOutput::Exited(0))));
    driver.stop(&handle, "SIGKILL", Duration::from_secs(10)).await.unwrap();
    driver.destroy(&handle).await.unwrap();
}

async fn measures(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::Sleep)).await;
    let handle = start(&driver, &spec).await.unwrap();
    let usage = driver.usage(&handle).await.unwrap();
    assert!(usage.memory_rss > 0 && usage.memory_usage > 0, "{usage:?}");
    assert!(!usage.time.is_zero() && !usage.measured_memory.is_empty());
    driver.stop(&handle, "SIGKILL", Duration::from_secs(5)).await.unwrap();
    driver.usage(&handle).await.unwrap_err();
    driver.destroy(&handle).await.unwrap();
}

async fn environment_arrives(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    for (name, value) in [
        ("COLOUR", Some(String::from("blue with spaces"))),
        ("NOMAD_PORT_http", Some(String::from("23456"))),
        ("NOMAD_TASK_DIR", None),
    ] {
        let spec = spec(temp.path(), bench.config(&Work::Env(name))).await;
        let Some(task_dir) = bench.task_dir(&spec) else { return };
        let handle = start(&driver, &spec).await.unwrap();
        driver.wait(&handle).await.unwrap();
        assert_eq!(output(&spec, "stdout").trim_end(), value.unwrap_or(task_dir), "{name}");
        driver.destroy(&handle).await.unwrap();
    }
}

async fn start_errors_are_recoverable(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let spec = spec(temp.path(), bench.config(&Work::Missing)).await;
    let error = start(&bench.driver(), &spec).await.unwrap_err();
    assert!(matches!(error, DriverError::Recoverable(_)), "{error}");
    assert!(error.to_string().contains("nosuchthing"), "{error}");
}

async fn destroy_forgets(bench: &impl Bench) {
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = spec(temp.path(), bench.config(&Work::Exit(0))).await;
    let handle = start(&driver, &spec).await.unwrap();
    driver.wait(&handle).await.unwrap();
    driver.destroy(&handle).await.unwrap();
    let error = driver.wait(&handle).await.unwrap_err();
    assert!(matches!(error, DriverError::NotFound(_)), "{error}");
    driver.destroy(&handle).await.unwrap();
}
