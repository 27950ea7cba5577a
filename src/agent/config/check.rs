//! Rules that concern several settings, once all files and flags were read.

use std::time::Duration;

use model::PoolName;

use super::{
    draft::Draft,
    keys_server::{join_problem, join_problems},
    parts::Face,
};

const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "off"];

/// Finishes what depends on several settings.
pub(super) fn complete(draft: &mut Draft) {
    let (config, written) = (&mut draft.config, &draft.written);
    if config.face == Face::Consul {
        // A client goes when it ends; a server comes back, and its seat is kept.
        config.leave_on_terminate = written.leave_on_terminate.unwrap_or(!config.server);
        config.leave_on_interrupt = written.leave_on_interrupt.unwrap_or(!config.server);
        if let Ok(absolute) = std::path::absolute(&config.data_dir)
            && !config.data_dir.as_os_str().is_empty()
        {
            config.data_dir = absolute;
        }
    }
    let allowed = |name: &str| {
        let named = |list: &[String]| list.iter().any(|driver| driver == name);
        (written.drivers_allowed.is_empty() || named(&written.drivers_allowed))
            && !named(&written.drivers_denied)
    };
    config.docker &= allowed("docker");
    config.raw_exec &= allowed("raw_exec");
    config.mock &= allowed("mock_driver");
    if config.server && !config.dev {
        match config.bootstrap_expect {
            1 => config.warnings.push("Bootstrap mode enabled! Potentially unsafe operation.".into()),
            expected if expected > 0 && expected.is_multiple_of(2) => {
                config
                    .warnings
                    .push("Number of bootstrap servers should ideally be set to an odd number.".into());
            }
            _ => {}
        }
    }
}

/// What is wrong, each with its place.
pub(super) fn problems(draft: &Draft) -> Vec<String> {
    let mut problems = Vec::new();
    let config = &draft.config;
    let mut wrong = |path: &str, words: String| problems.push(format!("{}{words}", draft.place(path)));

    if config.face == Face::Nomad && !config.server && !config.client {
        wrong(
            "",
            "Must specify either server, client or dev mode for the agent: set `server { enabled = true }` or \
             `client { enabled = true }` in its configuration file, or start it with -dev"
                .into(),
        );
    }
    let pool = &config.node_pool;
    if pool.is_all() || !pool.is_valid() {
        wrong(
            "client.node_pool",
            format!(
                "client.node_pool must be 1 to {} letters, digits, `-` and `_`, and not \"all\", which every node is in \
                 anyway; found \"{pool}\"",
                PoolName::LONGEST
            ),
        );
    }
    if config.data_dir.as_os_str().is_empty() {
        if !config.dev {
            wrong(
                "",
                "Must specify \"data_dir\" config option or \"data-dir\" CLI flag: the directory where the agent keeps \
                 its state"
                    .into(),
            );
        }
    } else if !config.data_dir.is_absolute() {
        let got = config.data_dir.display();
        wrong("data_dir", format!("data-dir must be given as an absolute path: got {got}"));
    }
    if !LEVELS.contains(&config.log_level.to_lowercase().as_str()) {
        let level = &config.log_level;
        wrong(
            "log_level",
            format!("log level {level:?} is unknown; use trace, debug, info, warn, error or off"),
        );
    }
    let (name, region, datacenter) = (&config.name, &config.region, &config.datacenter);
    if name.is_empty() || name.contains(char::is_whitespace) {
        wrong("name", format!("`name` must be a name without spaces, found {name:?}"));
    }
    if region.is_empty() || region.contains(char::is_whitespace) || region.contains('/') {
        wrong("region", format!("`region` must be a name without spaces and slashes, found {region:?}"));
    }
    if datacenter.is_empty() || datacenter.contains('*') || datacenter.contains(char::is_whitespace) {
        wrong(
            "datacenter",
            format!("`datacenter` must be a name without spaces and `*`, found {datacenter:?}"),
        );
    }
    if !config.server && config.bootstrap_expect > 0 {
        let place = if config.face == Face::Consul { "bootstrap_expect" } else { "server.bootstrap_expect" };
        wrong(place, "Bootstrap requires server mode to be enabled: set `server { enabled = true }`".into());
    }
    if config.bootstrap_expect > 15 {
        let words = format!(
            "`bootstrap_expect` must be a number of servers from 1 to 15, found {}",
            config.bootstrap_expect
        );
        wrong("server.bootstrap_expect", words);
    }
    let (low, high) = config.dynamic_ports;
    if low == 0 || low > high {
        let place = if draft.places.contains_key("client.max_dynamic_port") { "max" } else { "min" };
        wrong(
            &format!("client.{place}_dynamic_port"),
            format!(
                "dynamic ports from {low} to {high} are not a range: min_dynamic_port must not be above max_dynamic_port"
            ),
        );
    }
    if config.heartbeats.min_ttl < Duration::from_millis(100) {
        wrong("server.min_heartbeat_ttl", "`server.min_heartbeat_ttl` must be at least 100ms".into());
    }
    joins(draft, &mut wrong);
    problems
}

/// Ways to join: conflicts, and the form of each address.
fn joins(draft: &Draft, wrong: &mut impl FnMut(&str, String)) {
    let config = &draft.config;
    let said = |path: &str| draft.places.contains_key(path);
    let in_block = draft.places.keys().any(|path| path.starts_with("server.server_join."));
    for old in ["start_join", "retry_join", "retry_max", "retry_interval"] {
        let path = format!("server.{old}");
        if in_block && said(&path) {
            wrong(
                &path,
                format!("server_join and {old} cannot both be defined; prefer setting the server_join block"),
            );
        }
    }
    if said("server.server_join.retry_join") && said("server.server_join.start_join") {
        wrong(
            "server.server_join.start_join",
            "retry_join and start_join cannot both be defined; use retry_join".into(),
        );
    }
    let first_said =
        |paths: [&str; 3]| paths.into_iter().find(|path| said(path)).unwrap_or_default().to_owned();
    for address in join_problems(&config.join) {
        let starts = ["server.start_join", "server.server_join.start_join", "flag -join"];
        let retries = ["server.retry_join", "server.server_join.retry_join", "retry_join"];
        let starting = config.join.start.iter().any(|start| address.starts_with(&format!("{start:?}")));
        let path = first_said(if starting { starts } else { retries });
        wrong(&path, address);
    }
    for address in &config.servers {
        if let Some(problem) = join_problem(address) {
            wrong("client.servers", problem);
        }
    }
    for address in join_problems(&config.client_join) {
        wrong("client.server_join.retry_join", address);
    }
}
