//! `cargo demo`: one agent, one service, one answer from DNS, in a few seconds; then everything is gone again.
//!
//! With a Docker Engine the service is redis (or a small web server, where redis is not installed) in a container
//! made on the spot; without one it is a process. Nothing is pulled, no port of yours is taken.

#[expect(dead_code, reason = "shared with the end-to-end tests")]
#[path = "../tests/e2e/agent.rs"]
mod agent;
#[expect(dead_code, reason = "shared with the end-to-end tests")]
#[path = "../tests/e2e/images.rs"]
mod images;
#[path = "../tests/e2e/web.rs"]
mod web;

use std::{
    fs,
    io::{self, Write},
    net::UdpSocket,
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use agent::Agent;

/// How long the service may take until DNS knows it.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "\nThe demo failed: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // A closed standard output must not end the demo before it has cleaned up.
    let _ = writeln!(io::stdout(), "{text}");
}

/// The service that is run: name of its job, its name in DNS, and the job file.
struct Service {
    job: &'static str,
    dns: &'static str,
    text: String,
    why: String,
}

fn demo() -> Result<(), String> {
    let program = program()?;
    let dir = std::env::temp_dir().join(format!("troupe-demo-{}", std::process::id()));
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let result = show(&program, &dir);
    let _ = fs::remove_dir_all(&dir);
    result
}

fn show(program: &std::path::Path, dir: &std::path::Path) -> Result<(), String> {
    let service = choose(dir)?;
    say(&format!("\n# {}\n", service.why));

    say("$ troupe agent -dev &");
    let agent = Agent::start(program, dir, &["-dev"])?;
    say(&format!(
        "  ready after {} ms: HTTP on {}, DNS on {}\n",
        agent.ready_after.as_millis(),
        agent.http,
        agent.dns
    ));

    let file = format!("{}.nomad", service.job);
    fs::write(dir.join(&file), &service.text).map_err(|error| error.to_string())?;
    command(&agent, &["run", &file])?;
    let begin = Instant::now();
    let port = loop {
        if let Some(port) = ask_srv(&agent, service.dns) {
            break port;
        }
        if begin.elapsed() > PATIENCE {
            command(&agent, &["status", service.job])?;
            return Err(format!("{} is not in DNS after {PATIENCE:?}", service.dns));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    command(&agent, &["status", service.job])?;

    let name = format!("{}.service.consul", service.dns);
    say(&format!("$ dig @127.0.0.1 -p {} +short SRV {name}", agent.dns.port()));
    if images::which("dig").is_some() {
        let port = agent.dns.port().to_string();
        let answer =
            images::run(Command::new("dig").args(["@127.0.0.1", "-p", &port, "+short", "SRV", &name]))?;
        say(answer.trim_end());
    } else {
        say(&format!("1 1 {port} (asked by the demo itself: dig is not installed)"));
    }
    say("");
    speak(&service, port);
    command(&agent, &["stop", service.job])?;
    if ask_srv(&agent, service.dns).is_some() {
        return Err("the service is still in DNS after it was stopped".into());
    }
    say("  and it is gone from DNS.\n");
    drop(agent);

    say("# Now with your own hands, in two terminals:\n");
    let shown =
        program.strip_prefix(std::env::current_dir().unwrap_or_default()).unwrap_or(program).display();
    say(&format!("  {shown} agent -dev"));
    say(&format!(
        "  {shown} run examples/sleep.nomad     # then: status sleep, logs -f -job sleep, stop sleep"
    ));
    say("\n  README.md goes on from here.");
    Ok(())
}

/// Asks the service itself, where that is one line.
fn speak(service: &Service, port: u16) {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    if service.job == "redis" && images::which("redis-cli").is_some() {
        say(&format!("$ redis-cli -p {port} ping"));
        let answer = images::run(Command::new("redis-cli").args(["-p", &port.to_string(), "ping"]));
        say(answer.as_deref().map_or_else(|problem| problem.as_str(), str::trim_end));
        say("");
    } else if service.job == "hello"
        && let Ok(answer) = web::get(address, "/")
    {
        say(&format!("$ curl {address}\n{}", answer.body.trim_end()));
        say("");
    }
}

fn choose(dir: &std::path::Path) -> Result<Service, String> {
    let engine = images::which("docker").is_some() && images::run(Command::new("docker").arg("info")).is_ok();
    if engine && images::which("redis-server").is_some() {
        images::ensure(&[images::REDIS_3_2])?;
        let text = include_str!("redis.nomad").to_owned();
        let why = "A Docker Engine is here: redis in a container (examples/redis.nomad)".into();
        return Ok(Service { job: "redis", dns: "global-redis-check", text, why });
    }
    if engine {
        images::ensure(&[images::HTTP_ECHO])?;
        let config = "driver = \"docker\"\n      config {\n        image = \"hashicorp/http-echo:0.2.3\"\n        \
                      network_mode = \"host\"\n        args = [\"-listen\", \":${NOMAD_PORT_http}\", \"-text\", \"hello from a container\"]\n      }";
        let why = "A Docker Engine is here: a web server in a container".into();
        return Ok(Service { job: "hello", dns: "hello", text: hello(config), why });
    }
    let server = dir.join("http-echo");
    let made = images::work_dir().and_then(|work| images::web_program(&work))?;
    fs::copy(made, &server).map_err(|error| error.to_string())?;
    let config = format!(
        "driver = \"raw_exec\"\n      config {{\n        command = {server:?}\n        \
         args = [\"-listen\", \":${{NOMAD_PORT_http}}\", \"-text\", \"hello from a process\"]\n      }}"
    );
    let why = "No Docker Engine is here: a web server as a plain process".into();
    Ok(Service { job: "hello", dns: "hello", text: hello(&config), why })
}

fn hello(config: &str) -> String {
    format!(
        r#"job "hello" {{
  datacenters = ["dc1"]
  group "hello" {{
    task "server" {{
      {config}
      kill_timeout = "2s"
      resources {{
        cpu    = 50
        memory = 16
        network {{
          port "http" {{}}
        }}
      }}
      service {{
        name = "hello"
        port = "http"
        check {{
          type     = "http"
          path     = "/health"
          interval = "1s"
          timeout  = "1s"
        }}
      }}
    }}
  }}
}}
"#
    )
}

/// Shows a command, runs it against the agent and shows what it says.
fn command(agent: &Agent, words: &[&str]) -> Result<(), String> {
    say(&format!("$ troupe {}", words.join(" ")));
    let output = agent.command("troupe").args(words).output().map_err(|error| error.to_string())?;
    say(&String::from_utf8_lossy(&output.stdout));
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("troupe {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr)))
    }
}

/// The port of the first SRV record of a service: one packet there, one back.
fn ask_srv(agent: &Agent, service: &str) -> Option<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let mut query = vec![0x54, 0x52, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [service, "service", "consul"] {
        query.push(u8::try_from(label.len()).ok()?);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 33, 0, 1]);
    socket.send_to(&query, agent.dns).ok()?;
    let mut answer = [0u8; 1500];
    let length = socket.recv(&mut answer).ok()?;
    let answers = u16::from_be_bytes([answer[6], answer[7]]);
    // The answer repeats the question; then comes a name (a pointer of two bytes), type, class, time and length.
    let mut at = query.len();
    if answers == 0 || at >= length {
        return None;
    }
    while answer[at] & 0xc0 != 0xc0 && answer[at] != 0 {
        at += usize::from(answer[at]) + 1;
    }
    at += if answer[at] == 0 { 1 } else { 2 };
    // Behind the ten bytes of the record's head: priority, weight, port.
    let port = at + 10 + 4;
    (port + 2 <= length).then(|| u16::from_be_bytes([answer[port], answer[port + 1]]))
}

/// The release binary beside this example; built when it is not there or older than the source.
fn program() -> Result<PathBuf, String> {
    let example = std::env::current_exe().map_err(|error| error.to_string())?;
    let profile = example.parent().and_then(std::path::Path::parent).ok_or("the demo has no directory")?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--bin", "troupe", "--manifest-path"]);
    build.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if !build.status().map_err(|error| format!("cargo: {error}"))?.success() {
        return Err("the program does not build".into());
    }
    let program = profile.join("troupe");
    if program.exists() { Ok(program) } else { Err(format!("{} is not there", program.display())) }
}
