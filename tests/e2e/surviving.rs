//! Agents die and engines go away; jobs and tasks do not.

use std::{
    fs,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::harness::{World, docker, images, need, ran};

#[test]
fn kill_nine_keeps_the_job_and_its_container() {
    need(&[images::REDIS_3_2]);
    let mut world = World::kept();
    world.example("redis.nomad");
    world.run("nomad run -detach redis.nomad").ok();
    let allocs = world.running("redis", 1);
    let alloc = allocs[0]["ID"].as_str().unwrap().to_owned();
    let name = format!("name={alloc}");
    let container = docker(&["ps", "-q", "--no-trunc", "--filter", &name]);
    assert_eq!(container.lines().count(), 1, "{container:?}");

    world.agent.kill();
    assert_eq!(docker(&["ps", "-q", "--no-trunc", "--filter", &name]), container, "the task goes on alone");
    world.agent.start_again().unwrap();

    let allocs = world.running("redis", 1);
    assert_eq!(allocs[0]["ID"], alloc.as_str(), "the same allocation");
    world.eventually("redis is found again", || {
        (world.dig("+short global-redis-check.service.consul") == "127.0.0.1\n").then_some(())
    });
    let all = docker(&["ps", "-aq", "--no-trunc", "--filter", &name]);
    assert_eq!(all, container, "adopted, not started a second time");
    world.run("nomad stop redis").ok();
    world.eventually("the adopted container is stopped and removed", || {
        docker(&["ps", "-aq", "--filter", &name]).is_empty().then_some(())
    });
}

#[test]
fn kill_nine_keeps_a_raw_process_and_its_output() {
    let mut world = World::kept();
    let text = r#"
job "count" {
  datacenters = ["dc1"]
  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args = ["-c", "n=0; while true; do n=$((n+1)); echo $$ $n; sleep 0.02; done"]
      }
      kill_timeout = "1s"
      resources {
        cpu = 20
        memory = 16
      }
    }
  }
}
"#;
    world.file("count.nomad", text);
    world.run("nomad run -detach count.nomad").ok();
    let alloc = world.running("count", 1)[0]["ID"].as_str().unwrap().to_owned();
    let lines = |world: &World| world.run(&format!("nomad logs {alloc}")).ok().stdout;
    world.eventually("it counts", || (lines(&world).lines().count() > 5).then_some(()));
    world.agent.kill();
    let path = alloc_log(world.dir(), &alloc);
    let before = fs::read_to_string(&path).unwrap().lines().count();
    world.eventually("it goes on without the agent, into its log", || {
        (fs::read_to_string(&path).unwrap().lines().count() > before + 5).then_some(())
    });
    world.agent.start_again().unwrap();
    assert_eq!(world.running("count", 1)[0]["ID"], alloc.as_str());
    let seen = lines(&world).lines().count();
    let text = world.eventually("it still counts", || {
        let text = lines(&world);
        (text.lines().count() > seen + 5).then_some(text)
    });
    let pairs: Vec<(&str, usize)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(pid, n)| (pid, n.parse().unwrap()))
        .collect();
    assert!(pairs.iter().all(|(pid, _)| *pid == pairs[0].0), "one process from beginning to end");
    assert!(pairs.iter().zip(1..).all(|((_, n), expected)| *n == expected), "no line lost, none twice");
    let pid = pairs[0].0.to_owned();
    world.run("nomad stop count").ok();
    world.eventually("the adopted process is stopped", || {
        (ran("kill -0", Command::new("kill").args(["-0", &pid])).code != 0).then_some(())
    });
}

fn alloc_log(dir: &Path, alloc: &str) -> PathBuf {
    let found =
        ran("find", Command::new("find").arg(dir).args(["-path", &format!("*{alloc}*/t.stdout.0")])).stdout;
    PathBuf::from(found.lines().next().unwrap_or_else(|| panic!("no log of {alloc}")))
}

/// A socket that leads to the engine's as long as it is open.
struct Proxy {
    path: PathBuf,
    open: Arc<AtomicBool>,
}

impl Proxy {
    fn new(path: PathBuf) -> Self {
        let proxy = Self { path, open: Arc::default() };
        proxy.open();
        proxy
    }

    fn open(&self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        let open = self.open.clone();
        open.store(true, Ordering::SeqCst);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), Ok(engine)) = (client, UnixStream::connect("/var/run/docker.sock")) else {
                    return;
                };
                for (from, to) in [(&client, &engine), (&engine, &client)] {
                    let (from, to, open) = (from.try_clone().unwrap(), to.try_clone().unwrap(), open.clone());
                    std::thread::spawn(move || carry(from, to, &open));
                }
            }
        });
    }

    /// As when the engine is stopped: open connections end, new ones are refused.
    fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        fs::remove_file(&self.path).unwrap();
    }
}

fn carry(mut from: UnixStream, mut to: UnixStream, open: &AtomicBool) {
    from.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    let mut buffer = [0; 16 * 1024];
    while open.load(Ordering::SeqCst) {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) if to.write_all(&buffer[..length]).is_ok() => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn an_engine_that_goes_away_is_said_and_found_again() {
    need(&[images::WHOAMI]);
    let socket = tempfile::tempdir().unwrap();
    let proxy = Proxy::new(socket.path().join("docker.sock"));
    let endpoint = format!("unix://{}", proxy.path.display());
    let world = World::with(&["-dev"], |_| {
        format!("plugin \"docker\" {{\n  config {{\n    endpoint = {endpoint:?}\n  }}\n}}\n")
    });
    let text = world.example("whoami.nomad").replace("static = 8080", "");
    world.file("whoami.nomad", &text.replace("port \"http\" {\n        \n", "port \"http\" {\n"));
    world.run("nomad run -detach whoami.nomad").ok();
    let alloc = world.running("whoami", 1)[0]["ID"].as_str().unwrap().to_owned();
    let container = docker(&["ps", "-q", "--filter", &format!("name={alloc}")]);
    let healthy = |world: &World| {
        let node = world.get("/v1/nodes")[0]["ID"].as_str().unwrap().to_owned();
        let node = world.get(&format!("/v1/node/{node}"));
        (
            node["Drivers"]["docker"]["Healthy"] == true,
            node["Drivers"]["docker"]["HealthDescription"].to_string(),
        )
    };
    assert!(healthy(&world).0);

    proxy.close();
    let reason = world.eventually("docker is unhealthy", || {
        let (healthy, reason) = healthy(&world);
        (!healthy).then_some(reason)
    });
    assert!(reason.len() > 10, "with a reason: {reason}");
    assert!(reason.contains("docker.sock"), "a reason that names the socket: {reason}");
    let shown = world.run("nomad node status -self").ok();
    shown.has(&["docker (unhealthy)", "Unhealthy Drivers", reason.trim_matches('"')]);
    assert_eq!(
        docker(&["ps", "-q", "--filter", &format!("name={alloc}")]),
        container,
        "the container goes on"
    );

    proxy.open();
    world.eventually("docker is healthy again", || healthy(&world).0.then_some(()));
    assert_eq!(world.running("whoami", 1)[0]["ID"], alloc.as_str(), "the same allocation runs");
    assert_eq!(
        docker(&["ps", "-q", "--filter", &format!("name={alloc}")]),
        container,
        "in the same container"
    );
    world.run("nomad stop whoami").ok();
    world.eventually("it can be stopped", || {
        docker(&["ps", "-aq", "--filter", &format!("name={alloc}")]).is_empty().then_some(())
    });
}
