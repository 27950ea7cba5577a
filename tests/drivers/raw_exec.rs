//! The battery against real processes under a real supervisor, and the supervisor's own promises.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use model::Value;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::runtime::Handle;
use troupe::{
    actors::ports::{DriverError, ExecInput, ExecOutput, ExecSpec, TaskDriver, TaskSpec},
    driver::raw_exec::{RawExec, protocol::stat},
};

use crate::{
    battery::{self, Bench, Work, eventually, list, output, start, text},
    images::tool,
};

/// One supervisor per bench; it ends by itself after the test.
struct Real {
    home: TempDir,
}

impl Real {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("supervisor")
    }

    /// Process id of the supervisor: the one whose arguments name the directory.
    fn supervisor(&self) -> Option<i32> {
        let dir = self.dir();
        let named = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == dir.as_os_str().as_encoded_bytes())
        };
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(named)
    }

    fn tool(&self, words: &[&str]) -> BTreeMap<String, Value> {
        [(String::from("command"), text(tool().to_str().unwrap())), (String::from("args"), list(words))]
            .into()
    }

    fn shell(&self, script: &str) -> BTreeMap<String, Value> {
        [(String::from("command"), text("sh")), (String::from("args"), list(&["-c", script]))].into()
    }
}

impl Bench for Real {
    fn driver(&self) -> Arc<dyn TaskDriver> {
        Arc::new(RawExec::new(self.dir(), env!("CARGO_BIN_EXE_troupe"), Handle::current()))
    }

    fn config(&self, work: &Work) -> BTreeMap<String, Value> {
        match work {
            Work::Exit(code) => self.tool(&["exit", &code.to_string()]),
            Work::Say(words) => self.tool(&["say", words]),
            Work::SaySleep(words) => self.tool(&["say-sleep", words]),
            Work::Sleep => self.tool(&["sleep"]),
            Work::Env(name) => self.tool(&["env", name]),
            Work::Missing => [(String::from("command"), text("nosuchthing"))].into(),
        }
    }

    fn say(&self, words: &str) -> Vec<String> {
        vec![String::from("echo"), words.to_owned()]
    }

    fn exit(&self, code: i32) -> Vec<String> {
        ["sh", "-c", &format!("exit {code}")].map(String::from).to_vec()
    }

    fn cat(&self) -> Vec<String> {
        vec![String::from("cat")]
    }

    fn task_dir(&self, spec: &TaskSpec) -> Option<String> {
        Some(spec.dirs.local.display().to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_promises() {
    battery::all(&Real::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_have_a_terminal_of_their_own_and_end_with_their_session() {
    let bench = Real::new();
    battery::has_terminals(&bench).await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let spec = battery::spec(temp.path(), bench.config(&Work::Sleep)).await;
    let handle = start(&driver, &spec).await.unwrap();
    let shell =
        |script: &str, tty| ExecSpec { command: ["sh", "-c", script].map(String::from).to_vec(), tty };
    // The first size is there before anything is typed; /dev/tty is there for those who lead a session.
    let script = "read x; stty size; echo $x $COLOUR > /dev/tty; exit 3";
    let mut session = driver.attach(&handle, &shell(script, true)).await.unwrap();
    session.input.send(ExecInput::Size { rows: 30, columns: 100 }).await.unwrap();
    session.input.send(ExecInput::Stdin("so\n".into())).await.unwrap();
    let (out, _, end) = battery::heard(&mut session).await;
    assert_eq!((out.as_str(), end), ("so\r\n30 100\r\nso blue with spaces\r\n", Some(ExecOutput::Exited(3))));
    // Output of what stays behind is not waited for.
    let mut session = driver.attach(&handle, &shell("echo done; sleep 1000 &", false)).await.unwrap();
    let (out, _, end) = battery::heard(&mut session).await;
    assert_eq!((out.as_str(), end), ("done\n", Some(ExecOutput::Exited(0))));
    for tty in [false, true] {
        let mut session = driver.attach(&handle, &shell("echo $$; sleep 1000; true", tty)).await.unwrap();
        let Some(ExecOutput::Stdout(pid)) = session.output.recv().await else { panic!() };
        let pid: i32 = std::str::from_utf8(&pid).unwrap().trim().parse().unwrap();
        assert!(stat(pid).is_some());
        drop(session);
        eventually("the command is gone", async || stat(pid).is_none_or(|stat| stat.state == 'Z')).await;
    }
    for command in ["nosuchthing", "/etc/passwd"] {
        let spec = ExecSpec { command: vec![command.into()], tty: false };
        let error = driver.attach(&handle, &spec).await.unwrap_err();
        assert!(error.to_string().contains(command), "{error}");
    }
    driver.stop(&handle, "SIGKILL", Duration::from_secs(5)).await.unwrap();
    driver.destroy(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn says_why_it_cannot_start() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    for (config, wanted) in [
        (bench.config(&Work::Missing), "No such file or directory"),
        ([(String::from("command"), text("/etc/passwd"))].into(), "Permission denied"),
        ([(String::from("command"), text("/no/such/nosuchthing"))].into(), "No such file or directory"),
    ] {
        let error = start(&driver, &battery::spec(temp.path(), config).await).await.unwrap_err();
        assert!(matches!(&error, DriverError::Recoverable(why) if why.contains(wanted)), "{error}");
    }
    let mut spec = battery::spec(temp.path(), bench.config(&Work::Sleep)).await;
    spec.task.user = String::from("nobody-of-that-name");
    let error = start(&driver, &spec).await.unwrap_err();
    assert!(error.to_string().contains("nobody-of-that-name"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deaf_task_is_killed_with_its_children() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let script = "trap '' TERM INT; sleep 1000 & echo $!; wait; wait; sleep 1000";
    let spec = battery::spec(temp.path(), bench.shell(script)).await;
    let handle = start(&driver, &spec).await.unwrap();
    eventually("the child's number is printed", async || output(&spec, "stdout").ends_with('\n')).await;
    let child: i32 = output(&spec, "stdout").trim().parse().unwrap();
    assert!(stat(child).is_some());
    let begin = Instant::now();
    driver.stop(&handle, "SIGTERM", Duration::from_millis(300)).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300));
    let exit = driver.wait(&handle).await.unwrap();
    assert_eq!((exit.exit_code, exit.signal), (137, 9));
    eventually("the child is gone", async || stat(child).is_none_or(|stat| stat.state == 'Z')).await;
    driver.destroy(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_with_cores_of_its_own_runs_on_no_others() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let allowed = |status: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        model::claims::parse_cpuset(line.unwrap()).unwrap()
    };
    let mine = allowed(&fs::read_to_string("/proc/self/status").unwrap());
    let script = bench.shell("grep Cpus_allowed_list /proc/self/status");
    for cores in [vec![*mine.last().unwrap()], vec![]] {
        let spec = TaskSpec { cores: cores.clone(), ..battery::spec(temp.path(), script.clone()).await };
        let handle = start(&driver, &spec).await.unwrap();
        assert!(driver.wait(&handle).await.unwrap().is_success());
        eventually("the line is there", async || output(&spec, "stdout").ends_with('\n')).await;
        let expected = if cores.is_empty() { &mine } else { &cores };
        let printed = output(&spec, "stdout");
        assert_eq!(allowed(printed.lines().last().unwrap()), *expected);
        driver.destroy(&handle).await.unwrap();
    }
    let spec = TaskSpec { cores: vec![1023], ..battery::spec(temp.path(), script).await };
    let refused = start(&driver, &spec).await.unwrap_err().to_string();
    assert!(refused.contains("cores 1023"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_given_no_variable_that_is_denied() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let mut config = bench.shell("env; sleep 1000");
    config.insert(String::from("denied_envvars"), list(&["COL*", "*_http", "NOMAD_SECRETS_DIR"]));
    let spec = battery::spec(temp.path(), config).await;
    let handle = start(&driver, &spec).await.unwrap();
    eventually("the task has told", async || output(&spec, "stdout").contains("NOMAD_TASK_DIR=")).await;
    let command = ["env"].map(String::from);
    let beside = driver.exec(&handle, &command, Duration::from_secs(10)).await.unwrap().output;
    for told in [output(&spec, "stdout"), beside] {
        for denied in ["COLOUR", "NOMAD_PORT_http", "NOMAD_SECRETS_DIR"] {
            assert!(!told.contains(denied), "{told}");
        }
        assert!(told.contains("NOMAD_ALLOC_DIR=") && told.contains("PATH="), "{told}");
    }
    driver.stop(&handle, "SIGKILL", Duration::from_secs(5)).await.unwrap();
    driver.destroy(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_has_its_own_oom_score_and_nobody_else_has_it() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let ours: i32 = fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().parse().unwrap();
    for (asked, expected) in [(Some(1000), 1000), (None, ours), (Some(0), ours)] {
        let mut config = bench.shell("cat /proc/self/oom_score_adj");
        config.extend(asked.map(|number| (String::from("oom_score_adj"), Value::Int(number))));
        let spec = battery::spec(temp.path(), config).await;
        let handle = start(&driver, &spec).await.unwrap();
        assert!(driver.wait(&handle).await.unwrap().is_success());
        assert_eq!(output(&spec, "stdout").trim(), expected.to_string());
        driver.destroy(&handle).await.unwrap();
    }
    let mut config = bench.config(&Work::Sleep);
    config.insert(String::from("oom_score_adj"), Value::Int(-1));
    let error = start(&driver, &battery::spec(temp.path(), config).await).await.unwrap_err();
    assert!(error.to_string().contains("between 0 and 1000, found -1"), "{error}");
}

/// Where this test may make groups; `None` where it may not, or where there are none.
fn cgroup(kind: &str, name: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(kind))?;
    let dir = PathBuf::from(line.split(' ').nth(4)?).join(format!("troupe-{name}-{}", std::process::id()));
    fs::create_dir(&dir).ok().map(|()| dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_and_the_commands_beside_it_are_in_the_cgroups_of_the_job() {
    let (one, two) = (cgroup(" - cgroup2 ", "two"), cgroup(" - cgroup cgroup rw,pids", "one"));
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let mut config = bench.shell("cat /proc/self/cgroup; id -u; sleep 1000");
    let (v1, v2) = (String::from("cgroup_v1_override"), String::from("cgroup_v2_override"));
    for (setting, path) in
        [(&v1, Value::Map([(String::from("nosuch"), text("a"))].into())), (&v2, text("no-such"))]
    {
        let config = [config.clone(), [(setting.clone(), path)].into()].into_iter().flatten().collect();
        let error = start(&driver, &battery::spec(temp.path(), config).await).await.unwrap_err();
        assert!(error.to_string().contains("this node"), "{error}");
    }
    config.extend(one.iter().map(|dir| (v2.clone(), text(dir.to_str().unwrap()))));
    let pids = |dir: &PathBuf| Value::Map([(String::from("pids"), text(dir.to_str().unwrap()))].into());
    config.extend(two.iter().map(|dir| (v1.clone(), pids(dir))));
    for user in ["", "nobody"] {
        // Only root becomes somebody else.
        if !user.is_empty() && !nix::unistd::getuid().is_root() {
            continue;
        }
        let mut spec = battery::spec(temp.path(), config.clone()).await;
        spec.task.user = user.into();
        // It has to be able to begin in its directory.
        fs::set_permissions(temp.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let handle = start(&driver, &spec).await.unwrap();
        eventually("the task has told", async || output(&spec, "stdout").lines().count() > 1).await;
        let command = ["cat", "/proc/self/cgroup"].map(String::from);
        let beside = driver.exec(&handle, &command, Duration::from_secs(10)).await.unwrap().output;
        let told = output(&spec, "stdout");
        for dir in one.iter().chain(&two) {
            let name = dir.file_name().unwrap().to_str().unwrap();
            assert!(told.contains(name) && beside.contains(name), "{told}{beside}");
        }
        let id = nix::unistd::User::from_name(user).unwrap().map_or(nix::unistd::getuid(), |user| user.uid);
        assert!(told.lines().any(|line| line == id.to_string()), "{told}");
        driver.stop(&handle, "SIGKILL", Duration::from_secs(5)).await.unwrap();
        driver.destroy(&handle).await.unwrap();
    }
    for dir in one.iter().chain(&two) {
        eventually("nobody is left in the group", async || fs::remove_dir(dir).is_ok()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tasks_start_quickly_in_a_small_supervisor() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let spec = battery::spec(temp.path(), bench.config(&Work::Sleep)).await;
    let specs: Vec<TaskSpec> =
        (0..1000).map(|n| TaskSpec { alloc: model::AllocId(n + 1), ..spec.clone() }).collect();
    let begin = Instant::now();
    let started = futures::future::join_all(specs.iter().map(|spec| start(&driver, spec))).await;
    let took = begin.elapsed();
    let handles: Vec<_> = started.into_iter().map(Result::unwrap).collect();
    let supervisor = bench.supervisor().unwrap();
    let status = fs::read_to_string(format!("/proc/{supervisor}/status")).unwrap();
    let rss: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
        .unwrap();
    let before = stat(supervisor).unwrap();
    futures::future::join_all(handles.iter().map(|handle| async {
        driver.stop(handle, "SIGKILL", Duration::from_secs(5)).await.unwrap();
        driver.destroy(handle).await.unwrap();
    }))
    .await;
    // Generous, for machines that do other things: 2 s is the aim.
    assert!(took < Duration::from_secs(10), "{took:?}");
    // 18 MiB in a release build; the pages of a debug binary come on top.
    assert!(rss < 64 * 1024, "{rss} KiB");
    assert!(before.user_ticks + before.system_ticks < 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_supervisor_loses_no_task_and_no_byte() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let spec = battery::spec(temp.path(), bench.tool(&["count", "3000", "300"])).await;
    let handle = start(&driver, &spec).await.unwrap();
    let quick = battery::spec(temp.path(), bench.config(&Work::Exit(4))).await;
    let ended = start(&driver, &quick).await.unwrap();
    driver.wait(&ended).await.unwrap();
    eventually("some lines are written", async || output(&spec, "stdout").lines().count() > 100).await;
    let old = bench.supervisor().unwrap();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    // The old driver connects again by itself; a new one finds the same.
    let again = bench.driver();
    again.recover(&handle, &spec).await.unwrap();
    assert_eq!(again.wait(&ended).await.unwrap().exit_code, 4, "the status was on disk");
    let exit = driver.wait(&handle).await.unwrap();
    assert!(exit.message.contains("unknown"), "{exit:?}");
    assert_ne!(bench.supervisor(), Some(old));
    let expected: String = (0..3000).map(|n| format!("line {n}\n")).collect();
    assert!(output(&spec, "stdout") == expected, "some lines are missing, doubled or torn");
    for handle in [&handle, &ended] {
        again.destroy(handle).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_leaves_when_nobody_needs_it() {
    let bench = Real::new();
    let temp = tempfile::tempdir().unwrap();
    let driver = bench.driver();
    let spec = battery::spec(temp.path(), bench.config(&Work::Exit(5))).await;
    let handle = start(&driver, &spec).await.unwrap();
    driver.wait(&handle).await.unwrap();
    assert!(bench.supervisor().is_some());
    drop(driver);
    eventually("the supervisor is gone", async || bench.supervisor().is_none()).await;
    // What it knew is not gone.
    let driver = bench.driver();
    assert_eq!(driver.wait(&handle).await.unwrap().exit_code, 5);
    driver.destroy(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_rotated_without_loss() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let mut spec = battery::spec(temp.path(), bench.tool(&["count", "250000", "0"])).await;
    spec.task.logs = model::LogConfig { max_files: 5, max_file_size_mb: 1, disabled: false };
    let handle = start(&driver, &spec).await.unwrap();
    driver.wait(&handle).await.unwrap();
    let expected: String = (0..250_000).map(|n| format!("line {n}\n")).collect();
    assert!(output(&spec, "stdout") == expected);
    assert!(spec.dirs.logs.join("web.stdout.2").exists());
    driver.destroy(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_hangs_is_killed() {
    let bench = Real::new();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let spec = battery::spec(temp.path(), bench.config(&Work::Sleep)).await;
    let handle = start(&driver, &spec).await.unwrap();
    let hang = ["sh", "-c", "sleep 1000"].map(String::from);
    let error = driver.exec(&handle, &hang, Duration::from_millis(200)).await.unwrap_err();
    assert!(error.to_string().contains("did not end within 200ms"), "{error}");
    let flood = ["sh", "-c", "yes | head -c 100000"].map(String::from);
    let result = driver.exec(&handle, &flood, Duration::from_secs(10)).await.unwrap();
    assert_eq!((result.exit_code, result.output.len()), (0, 4096));
    driver.stop(&handle, "SIGKILL", Duration::from_secs(5)).await.unwrap();
    driver.destroy(&handle).await.unwrap();
}
