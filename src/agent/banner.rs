//! What a person who started the agent by hand wants to know first.

use std::{fmt::Write as _, net::SocketAddr};

use super::config::{Config, Face};
use crate::cli::StartedAs;

/// What only the running agent knows.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// UUID of the agent; empty while it has none.
    pub id: String,
    /// Drivers of a client, the unhealthy ones with a remark.
    pub drivers: Vec<String>,
    /// Where it listens: with the ports it got, where any port was asked for.
    pub http: Option<SocketAddr>,
    pub consul: Option<SocketAddr>,
    pub dns: Option<SocketAddr>,
}

/// Whose words it speaks.
fn name(started_as: StartedAs) -> &'static str {
    match started_as {
        StartedAs::Troupe => "troupe",
        StartedAs::Nomad => "Nomad",
        StartedAs::Consul => "Consul",
    }
}

/// Before anything is started: what was read, and what is odd about it.
pub(super) fn loaded(config: &Config, started_as: StartedAs) -> String {
    let mut text = String::new();
    if config.read_from.is_empty() {
        text += "==> No configuration files loaded\n";
    } else {
        let files: Vec<String> = config.read_from.iter().map(|path| path.display().to_string()).collect();
        let _ = writeln!(text, "==> Loaded configuration from {}", files.join(", "));
    }
    for warning in &config.warnings {
        let _ = writeln!(text, "==> WARNING: {warning}");
    }
    let _ = writeln!(text, "==> Starting {} agent...", name(started_as));
    text
}

/// Once everything runs.
pub(super) fn started(config: &Config, started_as: StartedAs, facts: &Facts) -> String {
    let mut rows = match config.face {
        Face::Nomad => nomad(config, facts),
        Face::Consul => consul(config, facts),
    };
    rows.sort();
    let mut text = format!("==> {} agent configuration:\n\n", name(started_as));
    for (key, value) in rows {
        // The original's columns: four blanks and eighteen for the key.
        let _ = writeln!(text, "    {key:>18}: {value}");
    }
    let _ = write!(text, "\n==> {} agent started! Log data will stream in below:\n", name(started_as));
    text
}

type Rows = Vec<(&'static str, String)>;

fn nomad(config: &Config, facts: &Facts) -> Rows {
    let (listen, advertise) = (&config.listen, &config.advertise);
    let mut rows = vec![
        (
            "Advertise Addrs",
            format!(
                "HTTP: {}; RPC: {}; Serf: {}",
                advertise.http.dial(),
                advertise.rpc.dial(),
                advertise.gossip.dial()
            ),
        ),
        (
            "Bind Addrs",
            format!("HTTP: {}; RPC: {}; Serf: {}", several(&listen.http), listen.rpc, listen.gossip),
        ),
        ("Client", config.client.to_string()),
        ("Consul", format!("{} (Consul API)", one(facts.consul))),
        ("Data Dir", config.data_dir.display().to_string()),
        ("DNS", format!("{} (*.service.{})", one(facts.dns), config.domain)),
        ("HTTP", format!("{} (Nomad API)", one(facts.http))),
        ("Log Level", config.log_level.to_uppercase()),
        ("Region", format!("{} (DC: {})", config.region, config.datacenter)),
        ("Server", config.server.to_string()),
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    if config.client {
        rows.push(("Drivers", facts.drivers.join(", ")));
    }
    if config.server && !facts.id.is_empty() {
        rows.push(("Node Id", facts.id.clone()));
    }
    rows
}

fn consul(config: &Config, facts: &Facts) -> Rows {
    let bootstrap = config.server && config.bootstrap_expect == 1;
    vec![
        ("Client Addr", format!("{} (Consul API)", one(facts.consul))),
        (
            "Cluster Addr",
            format!(
                "{} (LAN: {}, RPC: {})",
                config.advertise.gossip.host, config.gossip_port, config.rpc_port
            ),
        ),
        ("Data Dir", config.data_dir.display().to_string()),
        ("Datacenter", format!("'{}'", config.datacenter)),
        ("DNS", format!("{} (*.service.{})", one(facts.dns), config.domain)),
        ("Gossip Encryption", config.encrypt.is_some().to_string()),
        ("Node ID", format!("'{}'", facts.id)),
        ("Node name", format!("'{}'", config.name)),
        ("Server", format!("{} (Bootstrap: {bootstrap})", config.server)),
        ("Version", format!("'{}'", env!("CARGO_PKG_VERSION"))),
    ]
}

fn one(door: Option<SocketAddr>) -> String {
    door.map_or_else(|| "off".to_owned(), |address| address.to_string())
}

fn several(list: &[SocketAddr]) -> String {
    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
    format!("[{}]", list.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::AgentArgs;

    #[test]
    fn says_what_people_and_scripts_look_for() {
        let mut config = Config::load(&AgentArgs { dev: true, ..AgentArgs::default() }).unwrap();
        config.data_dir = "/tmp/dev".into();
        let facts = Facts {
            id: "6f1ab7c2".into(),
            drivers: vec!["docker".into(), "raw_exec (unhealthy)".into()],
            http: config.listen.http.first().copied(),
            consul: config.listen.consul.first().copied(),
            dns: None,
        };
        let nomad =
            format!("{}{}", loaded(&config, StartedAs::Nomad), started(&config, StartedAs::Nomad, &facts));
        insta::assert_snapshot!(nomad);
        let args = AgentArgs {
            started_as: StartedAs::Consul,
            dev: true,
            node: Some("n1".into()),
            ..AgentArgs::default()
        };
        let mut config = Config::load(&args).unwrap();
        config.data_dir = "/tmp/dev".into();
        config.read_from = vec!["/etc/consul.d/a.hcl".into()];
        config.warnings = vec!["odd".into()];
        let consul =
            format!("{}{}", loaded(&config, StartedAs::Consul), started(&config, StartedAs::Consul, &facts));
        insta::assert_snapshot!(consul);
    }
}
