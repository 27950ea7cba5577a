//! The configuration, read again while the agent runs: what can change does, what cannot is named.

use std::sync::{Mutex, PoisonError};

use tracing::{error, info, warn};

use super::{config::Config, load, logging, say};
use crate::{actors::ports::Reload, cli::AgentArgs};

/// Reads what the agent was started with once more.
pub(super) struct Reloader {
    args: AgentArgs,
    /// As the agent was started; of what changes without a restart, as it is now.
    in_force: Mutex<Config>,
}

impl Reloader {
    pub(super) fn new(args: AgentArgs, config: Config) -> Self {
        Self { args, in_force: Mutex::new(config) }
    }
}

impl Reload for Reloader {
    fn reload(&self) -> Result<(), Vec<String>> {
        say("==> Reloading configuration...");
        let fresh = load(&self.args).inspect_err(|problems| {
            for problem in problems {
                error!("the configuration was not reloaded: {problem}");
            }
        })?;
        for warning in &fresh.warnings {
            warn!("{warning}");
        }
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if in_force.log_level != fresh.log_level {
            let level = fresh.log_level.clone();
            if logging::set_level(&level) {
                info!(level, "the level of the log changed");
            } else {
                warn!("log_level has no effect: RUST_LOG says what is written");
            }
            in_force.log_level = level;
        }
        let waiting = waiting(&in_force, &fresh);
        if waiting.is_empty() {
            info!("configuration reloaded");
        } else {
            warn!(settings = waiting.join(", "), "configuration reloaded; these changes wait for a restart");
        }
        Ok(())
    }
}

/// Names fields of both that differ, by the names of their settings. A field that is left out does not compile.
macro_rules! differing {
    ($old:expr, $new:expr; $($field:ident => $name:literal,)+ ; $($ignored:ident)+) => {{
        let Config { $($field,)+ $($ignored: _,)+ } = $new;
        [$(($name, $old.$field != *$field),)+]
    }};
}

/// Settings whose change is obeyed by the next start.
fn waiting(old: &Config, new: &Config) -> Vec<&'static str> {
    let all = differing! {
        old, new;
        server => "server.enabled",
        client => "client.enabled",
        name => "name",
        region => "region",
        datacenter => "datacenter",
        data_dir => "data_dir",
        alloc_dir => "client.alloc_dir",
        bind => "bind_addr",
        node_address => "client.network_interface",
        log_json => "log_json",
        http_port => "ports.http",
        rpc_port => "ports.rpc",
        gossip_port => "ports.serf",
        consul_port => "ports.consul",
        dns_port => "ports.dns",
        recursors => "recursors",
        domain => "domain",
        node_class => "client.node_class",
        node_pool => "client.node_pool",
        meta => "client.meta",
        reserved => "client.reserved",
        reserved_cores => "client.reserved.cores",
        reservable_cores => "client.reservable_cores",
        reserved_ports => "client.reserved.reserved_ports",
        dynamic_ports => "client.min_dynamic_port and max_dynamic_port",
        cpu_total_mhz => "client.cpu_total_compute",
        memory_total_mb => "client.memory_total_mb",
        raw_exec => "plugin \"raw_exec\"",
        docker => "plugin \"docker\"",
        docker_socket => "plugin \"docker\": endpoint",
        docker_volumes => "plugin \"docker\": volumes",
        docker_privileged => "plugin \"docker\": allow_privileged",
        docker_caps => "plugin \"docker\": allow_caps",
        mock => "plugin \"mock_driver\"",
        schedulers => "server.num_schedulers",
        listen => "addresses",
        advertise => "advertise",
        bootstrap_expect => "server.bootstrap_expect",
        join => "server.server_join",
        rejoin_after_leave => "server.rejoin_after_leave",
        non_voting_server => "server.non_voting_server",
        encrypt => "server.encrypt",
        server_dir => "server.data_dir",
        gc => "server: garbage collection",
        heartbeats => "server: heartbeats",
        raft => "server: raft",
        autopilot => "autopilot",
        servers => "client.servers",
        client_join => "client.server_join",
        state_dir => "client.state_dir",
        disk_total_mb => "client.disk_total_mb",
        max_kill_timeout => "client.max_kill_timeout",
        node_gc => "client: garbage collection",
        drain_on_shutdown => "client.drain_on_shutdown",
        consul => "consul",
        leave_on_interrupt => "leave_on_interrupt",
        leave_on_terminate => "leave_on_terminate",
        ;
        // Of the start, of what is obeyed at once, and of the files themselves.
        dev face log_level read_from warnings
    };
    all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn args(path: &std::path::Path) -> AgentArgs {
        AgentArgs { config: vec![path.to_owned()], ..AgentArgs::default() }
    }

    fn reloader(text: &str) -> (tempfile::TempDir, Reloader) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.hcl");
        fs::write(&path, text).unwrap();
        let args = args(&path);
        let config = load(&args).unwrap();
        (dir, Reloader::new(args, config))
    }

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let text = "data_dir = \"/nowhere\"\nclient { enabled = true }\n";
        let (dir, reloader) = reloader(text);
        let now = || waiting(&reloader.in_force.lock().unwrap(), &load(&reloader.args).unwrap());
        assert_eq!(now(), Vec::<&str>::new());
        let changed = "data_dir = \"/nowhere\"\nlog_level = \"debug\"\ndatacenter = \"dc2\"\n\
                       client {\n  enabled = true\n  meta { a = \"b\" }\n}\n";
        fs::write(dir.path().join("agent.hcl"), changed).unwrap();
        assert_eq!(now(), ["datacenter", "client.meta"]);
        assert_eq!(reloader.reload(), Ok(()));
        // They still wait; the level does not.
        assert_eq!(reloader.in_force.lock().unwrap().log_level, "debug");
        assert_eq!(now(), ["datacenter", "client.meta"]);
    }

    #[test]
    fn a_mistake_changes_nothing() {
        let (dir, reloader) = reloader("data_dir = \"/nowhere\"\nclient { enabled = true }\n");
        fs::write(dir.path().join("agent.hcl"), "log_level = \"debug\"\nclient { enabled = 7 }\n").unwrap();
        let problems = reloader.reload().unwrap_err();
        assert!(problems[0].contains("agent.hcl:2"), "{problems:?}");
        assert_eq!(reloader.in_force.lock().unwrap().log_level, "info");
    }
}
