//! Flags of `agent`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    Program,
    flags::{Flag, Flags, absent_switch, absent_text, ignored, number, span, switch, text},
    output::Failure,
};

/// The name under which an agent is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StartedAs {
    #[default]
    Troupe,
    Nomad,
    /// `consul agent`: Consul's flags, ports and settings.
    Consul,
}

impl From<Program> for StartedAs {
    fn from(program: Program) -> Self {
        match program {
            Program::Troupe => Self::Troupe,
            Program::Nomad => Self::Nomad,
            Program::Consul => Self::Consul,
        }
    }
}

/// What stood after `agent`. A flag beats the same setting in a configuration file; what was not given is `None`,
/// `false` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentArgs {
    pub started_as: StartedAs,
    /// Server and client in one, on loopback, in a directory that is thrown away.
    pub dev: bool,
    /// Files or directories of configuration, in the order given.
    pub config: Vec<PathBuf>,
    pub server: bool,
    pub client: bool,
    /// Number of servers to wait for before the first election.
    pub bootstrap_expect: Option<u32>,
    /// Address to listen on, for everything that has no address of its own.
    pub bind: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub alloc_dir: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub datacenter: Option<String>,
    pub region: Option<String>,
    /// Name of the node. Default: the host name.
    pub node: Option<String>,
    pub node_class: Option<String>,
    pub node_pool: Option<String>,
    /// `key=value`, for constraints.
    pub meta: BTreeMap<String, String>,
    /// Agents to join at start, once.
    pub join: Vec<String>,
    /// Agents to join at start, again and again.
    pub retry_join: Vec<String>,
    pub retry_interval: Option<Duration>,
    /// Attempts before giving up; 0: never.
    pub retry_max: Option<u32>,
    /// Servers that a client talks to (`host` or `host:port`).
    pub servers: Vec<String>,
    /// Network interface whose address tasks' ports are published on.
    pub network_interface: Option<String>,
    /// A Consul API to join through.
    pub consul_address: Option<String>,
    pub consul_token: Option<String>,
    pub consul_server_service: Option<String>,
    pub consul_client_service: Option<String>,
    pub consul_auto_advertise: Option<bool>,
    pub consul_server_auto_join: Option<bool>,
    pub consul_client_auto_join: Option<bool>,
    /// A server that left joins again when it starts.
    pub rejoin: bool,
    /// `consul agent -client`: where the Consul API and DNS listen.
    pub client_address: Option<String>,
    /// `consul agent -advertise`: what others are told.
    pub advertise: Option<String>,
    /// DNS servers for names that are not ours.
    pub recursors: Vec<String>,
    pub domain: Option<String>,
    /// `consul agent -ui`.
    pub ui: bool,
    /// Gossip key, base64.
    pub encrypt: Option<String>,
    pub log_level: Option<String>,
    pub log_json: bool,
    /// Port of the Nomad API and the web UI. Default: 4646.
    pub http_port: Option<u16>,
    /// Port of RPC between agents. Default: 4647.
    pub rpc_port: Option<u16>,
    /// Port of gossip. Default: 4648.
    pub gossip_port: Option<u16>,
    /// Port of the Consul API. Default: 8500.
    pub consul_port: Option<u16>,
    /// Port of DNS. Default: 8600.
    pub dns_port: Option<u16>,
}

pub(super) const FLAGS: &[Flag] = &[
    switch("dev", "Server and client in one process on loopback; nothing is kept."),
    text("config", "path", "File or directory of configuration. May be given again; later ones win."),
    switch("server", "Be a server."),
    switch("client", "Be a client: run tasks."),
    number("bootstrap-expect", "Number of servers to wait for before the first election."),
    text("bind", "address", "Address to listen on."),
    text("data-dir", "path", "Directory of everything that is kept."),
    text("alloc-dir", "path", "Directory of the allocations. Default: below the data directory."),
    text("state-dir", "path", "Directory of the client's state. Default: below the data directory."),
    text("dc", "name", "Datacenter. Default: dc1."),
    text("region", "name", "Region. Default: global."),
    text("node", "name", "Name of this node. Default: the host name."),
    text("node-class", "class", "Class of this node, for constraints."),
    text("node-pool", "pool", "Pool of this node, for jobs that ask for it. Default: default."),
    text("meta", "key=value", "Metadata of this node, for constraints. May be given again."),
    text("join", "address", "Agent to join at start. May be given again."),
    text("retry-join", "address", "As -join, tried until it works. May be given again."),
    span("retry-interval", "Time between attempts of -retry-join. Default: 30s."),
    number("retry-max", "Attempts of -retry-join; 0 never gives up."),
    text("servers", "addresses", "Servers that the client talks to, separated by commas."),
    text("network-interface", "name", "Interface whose address tasks' ports are published on."),
    switch("rejoin", "Join again after having left."),
    text(
        "consul-address",
        "address",
        "A Consul API through which to find the servers. Default: 127.0.0.1:8500.",
    ),
    text("consul-token", "token", "Sent to that Consul API."),
    text("consul-server-service-name", "name", "Service of the servers there. Default: nomad."),
    text("consul-client-service-name", "name", "Service of the clients there. Default: nomad-client."),
    switch("consul-auto-advertise", "Appear there as a service. Default: true."),
    switch("consul-server-auto-join", "Servers find others there. Default: true."),
    switch("consul-client-auto-join", "Clients find servers there. Default: true."),
    text("encrypt", "key", "Key of gossip, base64."),
    text("log-level", "level", "trace, debug, info, warn or error. Default: info."),
    switch("log-json", "Write logs as JSON."),
    number("http-port", "Port of the Nomad API. Default: 4646."),
    number("rpc-port", "Port of RPC between agents. Default: 4647."),
    number("gossip-port", "Port of gossip. Default: 4648."),
    number("consul-port", "Port of the Consul API. Default: 8500."),
    number("dns-port", "Port of DNS. Default: 8600."),
    // Nothing is left to choose: one raft protocol, and the driver plugins are built in.
    ignored("raft-protocol"),
    ignored("plugin-dir"),
    absent_switch("dev-connect"),
    absent_switch("dev-consul"),
    absent_switch("dev-vault"),
    absent_switch("acl-enabled"),
    absent_switch("log-include-location"),
    absent_switch("eventlog"),
    absent_switch("consul-ssl"),
    absent_switch("consul-checks-use-advertise"),
    absent_switch("vault-enabled"),
    absent_switch("vault-tls-skip-verify"),
    // Only of use with TLS.
    ignored("consul-verify-ssl"),
    absent_text("acl-replication-token"),
    absent_text("network-speed"),
    absent_text("preferred-address-family"),
    absent_text("alloc-mounts-dir"),
    absent_text("host-volumes-dir"),
    absent_text("host-volume-plugin-dir"),
    absent_text("client-intro-token"),
    absent_text("eventlog-level"),
    absent_text("consul-auth"),
    absent_text("consul-ca-file"),
    absent_text("consul-cert-file"),
    absent_text("consul-key-file"),
    absent_text("consul-client-http-check-name"),
    absent_text("consul-client-failures-before-critical"),
    absent_text("consul-client-failures-before-warning"),
    absent_text("consul-server-http-check-name"),
    absent_text("consul-server-serf-check-name"),
    absent_text("consul-server-rpc-check-name"),
    absent_text("consul-server-failures-before-critical"),
    absent_text("consul-server-failures-before-warning"),
    absent_text("vault-address"),
    absent_text("vault-token"),
    absent_text("vault-namespace"),
    absent_text("vault-create-from-role"),
    absent_text("vault-ca-file"),
    absent_text("vault-ca-path"),
    absent_text("vault-cert-file"),
    absent_text("vault-key-file"),
    absent_text("vault-tls-server-name"),
];

impl AgentArgs {
    pub(super) fn from_flags(flags: &Flags, program: Program) -> Result<Self, Failure> {
        if !flags.args.is_empty() {
            return Err(Failure::usage("This command takes no arguments"));
        }
        let text = |name: &str| flags.text(name).map(str::to_owned);
        let path = |name: &str| flags.text(name).map(PathBuf::from);
        let count = |name: &str| narrow::<u32>(flags, name);
        let port = |name: &str| narrow::<u16>(flags, name);
        let mut meta = BTreeMap::new();
        for pair in flags.all("meta") {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(Failure::usage(format!(
                    "invalid value {pair:?} for flag -meta: expected key=value"
                )));
            };
            meta.insert(key.to_owned(), value.to_owned());
        }
        let choice = |name: &str| flags.text(name).map(|value| value == "true");
        Ok(Self {
            started_as: program.into(),
            dev: flags.on("dev"),
            config: flags.all("config").iter().map(PathBuf::from).collect(),
            server: flags.on("server"),
            client: flags.on("client"),
            bootstrap_expect: count("bootstrap-expect")?,
            bind: text("bind"),
            data_dir: path("data-dir"),
            alloc_dir: path("alloc-dir"),
            state_dir: path("state-dir"),
            datacenter: text("dc"),
            region: text("region"),
            node: text("node"),
            node_class: text("node-class"),
            node_pool: text("node-pool"),
            meta,
            join: flags.all("join").to_vec(),
            retry_join: flags.all("retry-join").to_vec(),
            retry_interval: flags.span("retry-interval"),
            retry_max: count("retry-max")?,
            servers: flags
                .all("servers")
                .iter()
                .flat_map(|list| list.split(','))
                .map(str::trim)
                .filter(|server| !server.is_empty())
                .map(str::to_owned)
                .collect(),
            network_interface: text("network-interface"),
            consul_address: text("consul-address"),
            consul_token: text("consul-token"),
            consul_server_service: text("consul-server-service-name"),
            consul_client_service: text("consul-client-service-name"),
            consul_auto_advertise: choice("consul-auto-advertise"),
            consul_server_auto_join: choice("consul-server-auto-join"),
            consul_client_auto_join: choice("consul-client-auto-join"),
            rejoin: flags.on("rejoin"),
            encrypt: text("encrypt"),
            log_level: text("log-level"),
            log_json: flags.on("log-json"),
            http_port: port("http-port")?,
            rpc_port: port("rpc-port")?,
            gossip_port: port("gossip-port")?,
            consul_port: port("consul-port")?,
            dns_port: port("dns-port")?,
            ..Self::default()
        })
    }
}

pub(super) fn narrow<T: TryFrom<u64>>(flags: &Flags, name: &str) -> Result<Option<T>, Failure> {
    let Some(value) = flags.number(name) else { return Ok(None) };
    let narrow = T::try_from(value).map_err(|_| {
        Failure::usage(format!("invalid value \"{value}\" for flag -{name}: value out of range"))
    })?;
    Ok(Some(narrow))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<AgentArgs, Failure> {
        AgentArgs::from_flags(&Flags::parse(args.iter().copied(), &[FLAGS]).unwrap(), Program::Troupe)
    }

    #[test]
    fn reads_the_command_lines_of_tutorials() {
        assert_eq!(parse(&["-dev"]).unwrap(), AgentArgs { dev: true, ..AgentArgs::default() });
        assert_eq!(
            parse(&[
                "-config=/etc/a.hcl",
                "-config",
                "b.d",
                "-servers",
                "a:4647, b",
                "-meta",
                "rack=r1",
                "-dns-port=53"
            ])
            .unwrap(),
            AgentArgs {
                config: vec!["/etc/a.hcl".into(), "b.d".into()],
                servers: vec!["a:4647".into(), "b".into()],
                meta: BTreeMap::from([("rack".into(), "r1".into())]),
                dns_port: Some(53),
                ..AgentArgs::default()
            }
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert!(parse(&["-http-port=70000"]).is_err());
        assert!(parse(&["-meta=rack"]).is_err());
        assert!(parse(&["-dev", "now"]).is_err());
    }
}
