//! `cargo bench-troupe`: what one agent costs and how fast it is, as figures; nothing is judged.
//!
//! Arguments choose parts: `cargo bench-troupe start latency`. What the figures mean, and those of a machine they were
//! measured on, stand in docs/benchmarks.md. The scheduler is measured by examples/bench_scheduler.rs.

#[expect(dead_code, reason = "shared with the end-to-end tests")]
#[path = "../tests/e2e/agent.rs"]
mod agent;
#[path = "../tests/e2e/web.rs"]
mod web;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use agent::Agent;
use serde_json::{Value, json};
use web::Connection;

/// Starts of an agent; the median is shown.
const STARTS: usize = 7;
/// Jobs whose latency is measured, one after the other.
const JOBS: usize = 50;
/// Processes on one agent.
const TASKS: usize = 1000;
/// How long an agent is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(5);
/// After this a figure is an error.
const PATIENCE: Duration = Duration::from_secs(120);

type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    match all(|part| chosen.is_empty() || chosen.iter().any(|name| name == part)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "the benchmark failed: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn say(name: &str, figure: &str) {
    let _ = writeln!(io::stdout(), "{name:<58} {figure}");
}

fn all(wanted: impl Fn(&str) -> bool) -> Outcome {
    let program = program()?;
    if wanted("size") {
        let bytes = fs::metadata(&program).map_err(words)?.len();
        say("size of the binary", &format!("{:.1} MB", megabytes(bytes)));
    }
    if wanted("parse") {
        parse()?;
    }
    if wanted("start") {
        start_and_idle(&program)?;
    }
    if wanted("latency") {
        latency(&program, "raw_exec", &json!({ "command": "/bin/sleep", "args": ["3600"] }))?;
        latency(&program, "mock_driver", &json!({ "run_for": "3600s" }))?;
    }
    if wanted("many") {
        many(&program)?;
    }
    Ok(())
}

/// From exec to the first good answer over HTTP and to a node that takes tasks, and the memory of an agent that has nothing to do.
/// Reading and checking a large job file: with all groups written out, and made by a `dynamic` block.
fn parse() -> Outcome {
    let group = |label: &str| {
        format!(
            "group \"{label}\" {{\n  count = 2\n  network {{\n    port \"http\" {{}}\n  }}\n  task \"t\" {{\n    driver = \"docker\"\n    \
             config {{\n      image = \"web:${{var.tag}}\"\n      ports = [\"http\"]\n    }}\n    env {{\n      NAME = \"{label}-${{NOMAD_ALLOC_INDEX}}\"\n    \
             }}\n    resources {{\n      cpu    = 100\n      memory = 64\n    }}\n    service {{\n      port = \"http\"\n      check {{\n        type     = \
             \"http\"\n        path     = \"/\"\n        interval = \"10s\"\n        timeout  = \"2s\"\n      }}\n    }}\n  }}\n}}\n"
        )
    };
    let file =
        |body: String| format!("variable \"tag\" {{\n  default = \"1\"\n}}\njob \"large\" {{\n{body}}}\n");
    let written: String = (0..1000).map(|number| group(&format!("g{number}"))).collect();
    let content = group("x").lines().skip(1).collect::<Vec<_>>().join("\n");
    let made = format!(
        "dynamic \"group\" {{\n  for_each = range(1000)\n  labels = [\"g${{group.value}}\"]\n  content {{\n{content}\n}}\n"
    );
    for (name, text) in [("written out", file(written)), ("by a dynamic block", file(made))] {
        let mut spans = Vec::new();
        for _ in 0..STARTS {
            let begun = Instant::now();
            let parsed = jobspec::parse("large.nomad", &text).map_err(|problems| format!("{problems}"))?;
            spans.push(begun.elapsed());
            if parsed.job.groups.len() != 1000 {
                return Err(format!("{} groups were read", parsed.job.groups.len()));
            }
        }
        spans.sort();
        let median = spans[STARTS / 2];
        say(&format!("1,000 groups {name} ({} KB): read and checked", text.len() / 1000), &ms(median));
    }
    Ok(())
}

fn start_and_idle(program: &Path) -> Outcome {
    let (mut answers, mut ready) = (Vec::new(), Vec::new());
    for start in 1..=STARTS {
        let dir = Dir::new()?;
        let begin = Instant::now();
        let agent = Agent::start(program, &dir.0, &["-dev", "-log-level=warn"])?;
        answers.push(agent.ready_after);
        wait_for_node(&mut Connection::open(agent.http).map_err(words)?)?;
        ready.push(begin.elapsed());
        if start == STARTS {
            std::thread::sleep(IDLE);
            say("agent -dev: RSS, idle for 5 s", &format!("{:.1} MB", megabytes(rss(agent.pid()))));
        }
    }
    for (name, mut spans) in [("HTTP answers", answers), ("node ready", ready)] {
        spans.sort_unstable();
        let (low, median, high) = (ms(spans[0]), ms(spans[STARTS / 2]), ms(spans[STARTS - 1]));
        say(
            &format!("agent -dev: exec to {name}, {STARTS} starts"),
            &format!("{median} (from {low} to {high})"),
        );
    }
    Ok(())
}

/// Registers jobs one after the other and waits for each with a blocking query, as a client would.
fn latency(program: &Path, driver: &str, config: &Value) -> Outcome {
    let dir = Dir::new()?;
    let agent = Agent::start(program, &dir.0, &["-dev", "-log-level=warn"])?;
    let mut connection = Connection::open(agent.http).map_err(words)?;
    wait_for_node(&mut connection)?;
    let (mut started, mut seen) = (Vec::new(), Vec::new());
    for number in 0..JOBS {
        let id = format!("{driver}-{number}");
        let body = job(&id, driver, config, 1).to_string();
        let wall = now();
        let begin = Instant::now();
        let answer = connection.ask("PUT", "/v1/jobs", body.as_bytes()).map_err(words)?;
        if answer.status != 200 {
            return Err(format!("{id} is refused: {} {}", answer.status, answer.body));
        }
        let mut index = 0;
        let alloc = loop {
            let path = format!("/v1/job/{id}/allocations?index={index}&wait=10s");
            let answer = connection.ask("GET", &path, b"").map_err(words)?;
            let running = answer
                .json()
                .as_array()
                .and_then(|allocs| allocs.iter().find(|alloc| alloc["ClientStatus"] == "running").cloned());
            if let Some(alloc) = running {
                break alloc;
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("{id} does not run: {}", answer.body));
            }
            index = answer.header("x-nomad-index").and_then(|index| index.parse().ok()).unwrap_or(0);
        };
        seen.push(begin.elapsed());
        let at = alloc["TaskStates"]["task"]["StartedAt"].as_str().and_then(time_of_day);
        if let Some(at) = at {
            started.push(Duration::from_secs_f64((at - wall % 86400.0).max(0.0)));
        }
    }
    show(&format!("{driver}: register to task started, {JOBS} jobs"), started);
    show(&format!("{driver}: register to running seen over HTTP, {JOBS} jobs"), seen);
    Ok(())
}

fn show(name: &str, mut spans: Vec<Duration>) {
    spans.sort_unstable();
    if spans.is_empty() {
        return say(name, "no figure: the API shows no start time");
    }
    let at = |share: usize| ms(spans[(spans.len() * share / 100).min(spans.len() - 1)]);
    say(name, &format!("p50 {}  p99 {}", at(50), at(99)));
}

/// A thousand processes at once on one agent.
fn many(program: &Path) -> Outcome {
    let dir = Dir::new()?;
    let room = "client {\n  cpu_total_compute = 1000000\n  memory_total_mb = 1000000\n}\n";
    let file = dir.0.join("agent.hcl");
    fs::write(&file, room).map_err(words)?;
    let config = format!("-config={}", file.display());
    let agent = Agent::start(program, &dir.0, &["-dev", "-log-level=warn", &config])?;
    let mut connection = Connection::open(agent.http).map_err(words)?;
    wait_for_node(&mut connection)?;
    let config = json!({ "command": "/bin/sleep", "args": ["3600"] });
    let mut job = job("many", "raw_exec", &config, TASKS);
    // So that a thousand fit on a small disk.
    job["Job"]["TaskGroups"][0]["EphemeralDisk"] = json!({ "SizeMB": 10 });
    job["Job"]["TaskGroups"][0]["Tasks"][0]["LogConfig"] = json!({ "MaxFiles": 1, "MaxFileSizeMB": 1 });
    let body = job.to_string();
    let begin = Instant::now();
    let answer = connection.ask("PUT", "/v1/jobs", body.as_bytes()).map_err(words)?;
    if answer.status != 200 {
        return Err(format!("refused: {} {}", answer.status, answer.body));
    }
    let mut index = 0;
    loop {
        let path = format!("/v1/job/many/summary?index={index}&wait=1s");
        let answer = connection.ask("GET", &path, b"").map_err(words)?;
        if answer.json()["Summary"]["group"]["Running"] == TASKS {
            break;
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("after {PATIENCE:?}: {}", answer.body));
        }
        index = answer.header("x-nomad-index").and_then(|index| index.parse().ok()).unwrap_or(0);
    }
    say(&format!("{TASKS} raw_exec tasks: register to all running"), &ms(begin.elapsed()));
    let (own, supervisors) = (rss(agent.pid()), supervisors_of(&dir.0));
    let figure = format!("{:.0} MB + {:.0} MB", megabytes(own), megabytes(supervisors));
    say(&format!("{TASKS} raw_exec tasks: RSS of agent + supervisor"), &figure);
    let begin = Instant::now();
    connection.ask("DELETE", "/v1/job/many", b"").map_err(words)?;
    loop {
        let answer = connection.ask("GET", "/v1/job/many/summary", b"").map_err(words)?;
        if answer.json()["Summary"]["group"]["Complete"] == TASKS {
            break;
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("not stopped after {PATIENCE:?}: {}", answer.body));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    say(&format!("{TASKS} raw_exec tasks: stop to all complete"), &ms(begin.elapsed()));
    Ok(())
}

fn job(id: &str, driver: &str, config: &Value, count: usize) -> Value {
    json!({ "Job": {
        "ID": id, "Name": id, "Type": "service", "Datacenters": ["dc1"],
        "TaskGroups": [{
            "Name": "group", "Count": count,
            "Tasks": [{
                "Name": "task", "Driver": driver, "Config": config, "KillTimeout": 1_000_000_000,
                "Resources": { "CPU": 20, "MemoryMB": 10 },
            }],
        }],
    }})
}

fn wait_for_node(connection: &mut Connection) -> Outcome {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let nodes = connection.ask("GET", "/v1/nodes", b"").map_err(words)?.json();
        if nodes[0]["Status"] == "ready" {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err("the node does not get ready".into())
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a measurement from outside reads the machine's clock")]
fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Seconds since midnight of a time such as `2026-01-31T17:04:05.123Z`.
fn time_of_day(text: &str) -> Option<f64> {
    let time = text.split('T').nth(1)?.trim_end_matches('Z');
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    Some(parts.next()?? * 3600.0 + parts.next()?? * 60.0 + parts.next()??)
}

fn ms(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Resident memory of a process, in bytes.
fn rss(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Resident memory of the supervisors of an agent, which outlive it and so are not found as its children.
fn supervisors_of(dir: &Path) -> u64 {
    let mark = dir.to_string_lossy().into_owned();
    let mut sum = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(" supervise") && line.contains(&mark) {
            sum += entry.file_name().to_string_lossy().parse().map_or(0, rss);
        }
    }
    sum
}

/// A directory that goes away.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Outcome<Self> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("troupe-bench-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).map_err(words)?;
        Ok(Self(dir))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The release binary beside this example, built first.
fn program() -> Outcome<PathBuf> {
    let example = std::env::current_exe().map_err(words)?;
    let profile = example.parent().and_then(Path::parent).ok_or("the benchmark has no directory")?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--bin", "troupe", "--manifest-path"]);
    build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if !build.status().map_err(words)?.success() {
        return Err("the program does not build".into());
    }
    Ok(profile.join("troupe"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: io::Error) -> String {
    error.to_string()
}
