//! The composition root: configuration, start order, stop order. The only place that knows all the others.

mod config; // defaults, files, flags
mod config_file; // one file of settings
mod identity; // ids that are kept on disk
mod sources; // time and ids, from the machine
mod logging; // where the log goes
mod members; // who is in the cluster, as HTTP shows it
mod node; // the node side
mod access; // what HTTP asks of the node
mod start; // connects everything

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

use self::start::Running;
pub use self::{
    config::Config,
    sources::{RandomIds, SystemClock},
};
use crate::{actors::kit::Fatal, cli::AgentArgs};

/// Runs an agent until a signal ends it. The exit code is 1 when it could not start or had to give up.
pub fn run(args: AgentArgs) -> ExitCode {
    let mut config = match Config::load(&args) {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems {
                say_error(problem);
            }
            return ExitCode::FAILURE;
        }
    };
    if config.dev && config.data_dir.as_os_str().is_empty() {
        match temporary_dir() {
            Ok(dir) => config.data_dir = dir,
            Err(problem) => {
                say_error(&format!("no temporary directory can be made: {problem}"));
                return ExitCode::FAILURE;
            }
        }
    }
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
    let code = actix::System::new().block_on(async move { supervise(config, handle).await });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    code
}

async fn supervise(config: Config, runtime: tokio::runtime::Handle) -> ExitCode {
    let (fatal, mut reports) = Fatal::channel();
    let (mut interrupt, mut terminate) =
        match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
            (Err(problem), _) | (_, Err(problem)) => {
                say_error(&format!("signals cannot be handled: {problem}"));
                return ExitCode::FAILURE;
            }
        };
    let shown = config.clone();
    let running = match start::start(config, runtime, fatal).await {
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
    announce(&shown, &running);
    let code = tokio::select! {
        _ = interrupt.recv() => ExitCode::SUCCESS,
        _ = terminate.recv() => ExitCode::SUCCESS,
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
        () = running.stop() => code,
        _ = interrupt.recv() => {
            say_error("a second signal: the agent ends at once, without cleaning up");
            ExitCode::FAILURE
        }
    }
}

/// What a person who started the agent by hand wants to know first.
fn announce(config: &Config, running: &Running) {
    let addresses = &running.addresses;
    let mut lines = vec![
        String::from("==> troupe agent configuration:"),
        String::new(),
        format!("       Version: {}", env!("CARGO_PKG_VERSION")),
        format!("        Region: {} (DC: {})", config.region, config.datacenter),
        format!("        Server: {}", config.server),
        format!("        Client: {}", config.client),
        format!("     Log Level: {}", config.log_level.to_uppercase()),
        format!("          HTTP: {} (Nomad API)", addresses.http),
        format!("                {} (Consul API)", addresses.consul),
        format!("           DNS: {} (*.service.{})", addresses.dns, config.domain),
        format!("           RPC: {}", addresses.rpc),
        format!("      Data Dir: {}", config.data_dir.display()),
    ];
    if let Some(side) = running.node() {
        let drivers: Vec<String> = side
            .node
            .drivers
            .iter()
            .map(|(name, driver)| if driver.healthy { name.clone() } else { format!("{name} (unhealthy)") })
            .collect();
        lines.push(format!("       Drivers: {}", drivers.join(", ")));
    }
    lines.push(String::new());
    lines.push("==> troupe agent started! Log data will stream in below:".into());
    lines.push(String::new());
    // A closed standard output must not end the agent.
    let _ = writeln!(io::stdout(), "\n{}", lines.join("\n"));
    info!("ready");
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
        "Server": { "Enabled": config.server, "NumSchedulers": config.schedulers },
        "Client": { "Enabled": config.client, "NodeClass": config.node_class, "Meta": config.meta },
        "Version": { "Version": env!("CARGO_PKG_VERSION") },
    });
    match value {
        serde_json::Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}
