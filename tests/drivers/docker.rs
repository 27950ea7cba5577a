//! The battery against the machine's Docker Engine. Without an engine these tests fail: that is meant.

use std::{collections::BTreeMap, net::TcpListener, sync::Arc, time::Duration};

use model::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Handle,
    sync::mpsc,
};
use troupe::{
    actors::ports::{
        DriverError, ExecInput, ExecOutput, ExecSpec, TaskDriver, TaskHandle, TaskPort, TaskSpec,
    },
    driver::docker::{Docker, Options},
};

use crate::{
    battery::{self, Bench, Work, eventually, list, output, start, text},
    images::image,
};

struct Real {
    image: String,
}

impl Real {
    async fn new() -> Self {
        Self { image: image().await }
    }

    fn tool(&self, words: &[&str]) -> BTreeMap<String, Value> {
        [
            (String::from("image"), text(&self.image)),
            (String::from("command"), text("/tool")),
            (String::from("args"), list(words)),
            // The tool knows no signals, and a first process without a handler does not get them.
            (String::from("init"), Value::Bool(true)),
        ]
        .into()
    }
}

impl Bench for Real {
    fn driver(&self) -> Arc<dyn TaskDriver> {
        Arc::new(Docker::new(Options::default(), Handle::current()))
    }

    fn config(&self, work: &Work) -> BTreeMap<String, Value> {
        match work {
            Work::Exit(code) => self.tool(&["exit", &code.to_string()]),
            Work::Say(words) => self.tool(&["say", words]),
            Work::SaySleep(words) => self.tool(&["say-sleep", words]),
            Work::Sleep => self.tool(&["sleep"]),
            Work::Env(name) => self.tool(&["env", name]),
            Work::Missing => [(String::from("image"), text("localhost:1/nosuchthing:1"))].into(),
        }
    }

    fn say(&self, words: &str) -> Vec<String> {
        ["/tool", "say", words].map(String::from).to_vec()
    }

    fn exit(&self, code: i32) -> Vec<String> {
        ["/tool", "exit", &code.to_string()].map(String::from).to_vec()
    }

    fn cat(&self) -> Vec<String> {
        ["/tool", "cat"].map(String::from).to_vec()
    }

    fn task_dir(&self, _: &TaskSpec) -> Option<String> {
        Some(String::from("/local"))
    }
}

fn engine() -> bollard::Docker {
    bollard::Docker::connect_with_unix("/var/run/docker.sock", 60, bollard::API_DEFAULT_VERSION).unwrap()
}

fn container(handle: &TaskHandle) -> String {
    let state: serde_json::Value = serde_json::from_str(&handle.state).unwrap();
    state["container"].as_str().unwrap().to_owned()
}

async fn clean(driver: &Arc<dyn TaskDriver>, handle: &TaskHandle) {
    let _ = driver.stop(handle, "SIGKILL", Duration::from_secs(10)).await;
    driver.destroy(handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_promises() {
    battery::all(&Real::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_have_terminals_and_end_with_their_session() {
    let bench = Real::new().await;
    battery::has_terminals(&bench).await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let handle = start(&driver, &battery::spec(temp.path(), bench.tool(&["sleep"])).await).await.unwrap();
    let spec = ExecSpec { command: bench.cat(), tty: false };
    let mut session = driver.attach(&handle, &spec).await.unwrap();
    session.input.send(ExecInput::Stdin("hi\n".into())).await.unwrap();
    assert_eq!(session.output.recv().await, Some(ExecOutput::Stdout("hi\n".into())));
    let container = format!("web-{}", handle.alloc);
    let runs = async || {
        let all = engine().top_processes(&container, None).await.unwrap();
        all.processes.unwrap().iter().flatten().any(|word| word.contains("/tool cat"))
    };
    assert!(runs().await);
    drop(session);
    eventually("the command is gone", async || !runs().await).await;
    clean(&driver, &handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn is_healthy_with_a_version() {
    let info = Real::new().await.driver().fingerprint().await;
    assert!(info.detected && info.healthy, "{info:?}");
    assert_eq!(info.attributes["driver.docker"], "1");
    assert!(info.attributes["driver.docker.version"].starts_with(|c: char| c.is_ascii_digit()));
    info.attributes["driver.docker.bridge_ip"].parse::<std::net::IpAddr>().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_published() {
    let bench = Real::new().await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let mut config = bench.tool(&["serve", "8080"]);
    config.insert(String::from("ports"), list(&["http"]));
    let mut spec = battery::spec(temp.path(), config).await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = |host_port| TaskPort {
        label: String::from("http"),
        host_ip: String::from("127.0.0.1"),
        host_port,
        to: 8080,
    };
    spec.ports = vec![port(free)];
    let handle = start(&driver, &spec).await.unwrap();
    eventually("the container answers", async || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", free)).await else { return false };
        let mut answer = String::new();
        let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await;
        let _ = stream.read_to_string(&mut answer).await;
        answer.ends_with("ok")
    })
    .await;
    // The same port again: the engine's words, and nothing left behind.
    let mut second = battery::spec(temp.path(), spec.task.config.clone()).await;
    second.ports = vec![port(free)];
    let error = start(&driver, &second).await.unwrap_err();
    assert!(
        matches!(&error, DriverError::Recoverable(why) if why.contains("port is already allocated")),
        "{error}"
    );
    let left = engine().inspect_container(&format!("web-{}", second.alloc), None).await;
    assert!(left.is_err(), "{left:?}");
    clean(&driver, &handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_are_mounted() {
    let bench = Real::new().await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    for (path, host) in
        [("/alloc/data/x", "alloc/data/x"), ("/local/x", "web/local/x"), ("/secrets/x", "web/secrets/x")]
    {
        let spec = battery::spec(temp.path(), bench.tool(&["write", path, "written"])).await;
        let handle = start(&driver, &spec).await.unwrap();
        let exit = driver.wait(&handle).await.unwrap();
        assert!(exit.is_success(), "{exit:?} {}", output(&spec, "stderr"));
        let host = spec.dirs.alloc.parent().unwrap().join(host);
        assert_eq!(std::fs::read_to_string(host).unwrap(), "written");
        clean(&driver, &handle).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deaf_container_is_killed() {
    let bench = Real::new().await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let mut config = bench.tool(&["sleep"]);
    config.remove("init");
    let handle = start(&driver, &battery::spec(temp.path(), config).await).await.unwrap();
    let begin = std::time::Instant::now();
    driver.stop(&handle, "SIGTERM", Duration::from_millis(500)).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(500));
    assert_eq!(driver.wait(&handle).await.unwrap().exit_code, 137);
    clean(&driver, &handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_is_told_as_that() {
    let bench = Real::new().await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let mut config = bench.tool(&["eat-after", "/alloc/data/go", "200"]);
    config.remove("init");
    let spec = battery::spec(temp.path(), config).await;
    let handle = start(&driver, &spec).await.unwrap();
    std::fs::write(spec.dirs.alloc.join("data/go"), "").unwrap();
    let exit = driver.wait(&handle).await.unwrap();
    assert!(exit.oom_killed && !exit.is_success(), "{exit:?}");
    assert_eq!(exit.message, "OOM Killed");
    clean(&driver, &handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_removed_from_outside_has_ended() {
    let bench = Real::new().await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let handle = start(&driver, &battery::spec(temp.path(), bench.tool(&["sleep"])).await).await.unwrap();
    let mut wait = std::pin::pin!(driver.wait(&handle));
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut wait).await.is_err());
    let options = bollard::query_parameters::RemoveContainerOptionsBuilder::default().force(true).build();
    engine().remove_container(&container(&handle), Some(options)).await.unwrap();
    let exit = wait.await.unwrap();
    assert_eq!(exit.exit_code, 137, "{exit:?}");
    assert!(!exit.message.is_empty());
    driver.destroy(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leftover_of_the_same_name_is_removed() {
    let bench = Real::new().await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let spec = battery::spec(temp.path(), bench.tool(&["sleep"])).await;
    let first = start(&driver, &spec).await.unwrap();
    let second = start(&driver, &spec).await.unwrap();
    assert_ne!(container(&first), container(&second));
    assert!(matches!(bench.driver().recover(&first, &spec).await, Err(DriverError::NotFound(_))));
    clean(&driver, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_survives_agents_that_come_and_go() {
    let bench = Real::new().await;
    let temp = tempfile::tempdir().unwrap();
    let mut spec = battery::spec(temp.path(), bench.tool(&["count", "4000", "300"])).await;
    spec.task.logs = model::LogConfig { max_files: 10, max_file_size_mb: 1, disabled: false };
    let mut driver = bench.driver();
    let handle = start(&driver, &spec).await.unwrap();
    for lines in [300, 900, 1500, 2100] {
        eventually("more lines", async || output(&spec, "stdout").lines().count() > lines).await;
        drop(driver);
        driver = bench.driver();
        driver.recover(&handle, &spec).await.unwrap();
    }
    assert!(driver.wait(&handle).await.unwrap().is_success());
    let expected: String = (0..4000).map(|n| format!("line {n}\n")).collect();
    let found = output(&spec, "stdout");
    assert!(found == expected, "{} of {} bytes", found.len(), expected.len());
    clean(&driver, &handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moving_tag_is_used_as_it_is_when_it_cannot_be_pulled() {
    let bench = Real::new().await;
    let options = bollard::query_parameters::TagImageOptionsBuilder::default()
        .repo("localhost:1/troupe-test-moving")
        .tag("latest")
        .build();
    engine().tag_image(&bench.image, Some(options)).await.unwrap();
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let mut config = bench.tool(&["exit", "0"]);
    config.insert(String::from("image"), text("localhost:1/troupe-test-moving"));
    let spec = battery::spec(temp.path(), config).await;
    let (notes, mut said) = mpsc::unbounded_channel();
    let handle = driver.start(&spec, notes).await.unwrap();
    assert!(driver.wait(&handle).await.unwrap().is_success());
    assert_eq!(said.recv().await.unwrap(), "Downloading image localhost:1/troupe-test-moving:latest");
    assert!(said.recv().await.unwrap().starts_with("Using the local image"));
    clean(&driver, &handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_not_there_is_told_in_the_engines_words() {
    let bench = Real::new().await;
    let driver = bench.driver();
    let temp = tempfile::tempdir().unwrap();
    let mut config = bench.tool(&[]);
    config.remove("init");
    config.insert(String::from("command"), text("nosuchcommand"));
    let spec = battery::spec(temp.path(), config).await;
    let error = start(&driver, &spec).await.unwrap_err();
    assert!(error.to_string().contains("nosuchcommand"), "{error}");
    assert!(engine().inspect_container(&format!("web-{}", spec.alloc), None).await.is_err());
    let handle = start(&driver, &battery::spec(temp.path(), bench.tool(&["sleep"])).await).await.unwrap();
    let hang = ["/tool", "sleep"].map(String::from);
    let error = driver.exec(&handle, &hang, Duration::from_millis(300)).await.unwrap_err();
    assert!(error.to_string().contains("did not end within"), "{error}");
    clean(&driver, &handle).await;
}
