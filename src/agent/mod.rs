//! The composition root: configuration, start order, stop order. The only place that knows all the others.

mod config; // defaults, files, flags
mod banner; // what it says at start
pub mod consul_join; // the other agents, asked of a Consul API
mod identity; // ids that are kept on disk
mod sources; // time and ids, from the machine
mod logging; // where the log goes
mod peers; // who was there before
mod members; // who is in the cluster, as HTTP shows it
mod cluster; // the log and other agents, as HTTP asks them
mod node; // the node side
mod access; // what HTTP asks of the node
mod sockets; // the ports it listens on
mod whereabouts; // where other agents are
mod joining; // finds the cluster
mod server; // the server side
mod client; // an agent without a log
mod beside; // consul and nomad as two processes of one machine
mod alone; // what a consul agent shows while no nomad is there
mod recover; // a cluster that lost its majority
mod edges; // HTTP, DNS, requests of other agents
mod start; // connects everything
mod unwired; // settings that it does not obey
mod reloading; // the configuration, read again

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

use self::start::Running;
pub use self::{
    config::{
        Advertise, Autopilot, Config, ConsulSettings, DrainOnShutdown, Face, Gc, Heartbeats, Join, Listen,
        NodeGc, RaftSettings, Reach,
    },
    recover::recover,
    sources::{RandomIds, SystemClock},
};
use crate::{
    actors::{kit::Fatal, ports::Reload},
    cli::{AgentArgs, StartedAs},
};

/// Runs an agent until a signal ends it. The exit code is 1 when it could not start or had to give up.
pub fn run(args: AgentArgs) -> ExitCode {
    let mut config = match load(&args) {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems {
                say_error(problem);
            }
            return ExitCode::FAILURE;
        }
    };
    let loaded = config.clone();
    if config.dev && config.data_dir.as_os_str().is_empty() {
        match temporary_dir() {
            Ok(dir) => config.data_dir = dir,
            Err(problem) => {
                say_error(&format!("no temporary directory can be made: {problem}"));
                return ExitCode::FAILURE;
            }
        }
    }
    let started_as = args.started_as;
    say(banner::loaded(&config, started_as).trim_end());
    logging::set_up(&config);
    // The edges (log, RPC, DNS, drivers) get all cores; actors live on arbiters of their own.
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("edge").build() {
        Ok(runtime) => runtime,
        Err(problem) => {
            say_error(&format!("no threads can be started: {problem}"));
            return ExitCode::FAILURE;
        }
    };
    let handle = runtime.handle().clone();
    let reloader = Arc::new(reloading::Reloader::new(args, loaded));
    let supervision = async move { supervise(config, started_as, reloader, handle).await };
    let code = actix::System::new().block_on(supervision);
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    code
}

fn load(args: &AgentArgs) -> Result<Config, Vec<String>> {
    let config = Config::load(args)?;
    let problems = unwired::problems(&config);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// Checks configuration files without starting anything. What is odd comes back.
///
/// # Errors
/// All that is wrong, each with file and line.
pub fn validate(args: &AgentArgs) -> Result<Vec<String>, Vec<String>> {
    Config::validate(args).map(|config| config.warnings)
}

async fn supervise(
    config: Config,
    started_as: StartedAs,
    reloader: Arc<reloading::Reloader>,
    runtime: tokio::runtime::Handle,
) -> ExitCode {
    let (fatal, mut reports) = Fatal::channel();
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = signals else {
        say_error("signals cannot be handled: the system gives no more handlers");
        return ExitCode::FAILURE;
    };
    let shown = config.clone();
    let running = match start::start(config, reloader.clone(), runtime, fatal).await {
        Ok(running) => running,
        Err(problem) => {
            if shown.dev {
                // Nobody will ask for what a start that failed has left.
                let _ = std::fs::remove_dir_all(&shown.data_dir);
            }
            say_error(&format!("the agent cannot start: {problem}"));
            return ExitCode::FAILURE;
        }
    };
    announce(&shown, started_as, &running);
    let mut leave = false;
    let reloads = async {
        while hangup.recv().await.is_some() {
            let reloader = reloader.clone();
            // What is wrong with it is in the log.
            let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
        }
        std::future::pending::<()>().await;
    };
    let code = tokio::select! {
        () = reloads => ExitCode::FAILURE,
        _ = interrupt.recv() => { leave = shown.leave_on_interrupt; ExitCode::SUCCESS }
        _ = terminate.recv() => { leave = shown.leave_on_terminate; ExitCode::SUCCESS }
        () = running.asked_to_leave() => { leave = true; ExitCode::SUCCESS }
        problem = running.log_failed() => {
            error!(error = %problem, "the log failed, the agent ends");
            say_error(&problem.to_string());
            ExitCode::FAILURE
        }
        Some(words) = reports.recv() => {
            error!(reason = words, "an actor failed for good, the agent ends");
            say_error(&words);
            ExitCode::FAILURE
        }
    };
    tokio::select! {
        () = running.stop(leave) => code,
        _ = interrupt.recv() => {
            say_error("a second signal: the agent ends at once, without cleaning up");
            ExitCode::FAILURE
        }
    }
}

/// Says what runs, and where.
fn announce(config: &Config, started_as: StartedAs, running: &Running) {
    let drivers = |side: &node::NodeSide| {
        let remark = |healthy: bool| if healthy { "" } else { " (unhealthy)" };
        let drivers = &side.node.drivers;
        drivers.iter().map(|(name, driver)| format!("{name}{}", remark(driver.healthy))).collect()
    };
    let (http, consul, dns) = running.doors();
    let facts = banner::Facts {
        id: running.id().to_string(),
        drivers: running.node().map(drivers).unwrap_or_default(),
        http,
        consul,
        dns,
    };
    say(&banner::started(config, started_as, &facts));
    info!("ready");
}

/// A closed standard output must not end the agent.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn say_error(words: &str) {
    let _ = writeln!(io::stderr(), "==> Error: {words}");
}

/// A directory for a dev agent; removed when it ends.
fn temporary_dir() -> io::Result<PathBuf> {
    let name = format!("troupe-dev-{}-{:08x}", std::process::id(), rand::random::<u32>());
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// The configuration as `agent/self` shows it.
fn shown_config(config: &Config) -> serde_json::Map<String, serde_json::Value> {
    let value = serde_json::json!({
        "Region": config.region,
        "Datacenter": config.datacenter,
        "NodeName": config.name,
        "DataDir": config.data_dir,
        "LogLevel": config.log_level.to_uppercase(),
        "BindAddr": config.bind.to_string(),
        "DevMode": config.dev,
        "Ports": { "HTTP": config.http_port, "RPC": config.rpc_port, "Serf": config.gossip_port },
        "AdvertiseAddrs": {
            "HTTP": config.advertise.http.dial(),
            "RPC": config.advertise.rpc.dial(),
            "Serf": config.advertise.gossip.dial(),
        },
        "Server": {
            "Enabled": config.server,
            "BootstrapExpect": config.bootstrap_expect,
            "NumSchedulers": config.schedulers,
            "ServerJoin": { "StartJoin": config.join.start, "RetryJoin": config.join.retry },
        },
        "Client": {
            "Enabled": config.client,
            "NodeClass": config.node_class,
            "NodePool": config.node_pool,
            "Meta": config.meta,
            "Servers": config.servers,
            "ServerJoin": { "RetryJoin": config.client_join.retry },
        },
        "Consul": { "Addr": config.consul.address, "AutoAdvertise": config.consul.auto_advertise },
        "LeaveOnInt": config.leave_on_interrupt,
        "LeaveOnTerm": config.leave_on_terminate,
        "Version": { "Version": env!("CARGO_PKG_VERSION") },
    });
    match value {
        serde_json::Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}
