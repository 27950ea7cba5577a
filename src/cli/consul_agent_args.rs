//! Flags of `consul agent`, as the same arguments that `agent` gives.

use std::path::PathBuf;

use super::{
    agent_args::{AgentArgs, StartedAs, narrow},
    flags::{Flag, Flags, absent_switch, absent_text, ignored, number, span, switch, text},
    output::Failure,
};

pub(super) const FLAGS: &[Flag] = &[
    switch("dev", "A server on loopback; nothing is kept."),
    text("config-file", "path", "File of configuration. May be given again; later ones win."),
    text("config-dir", "path", "Folder of configuration, read after all files. May be given again."),
    switch("server", "Be a server."),
    number("bootstrap-expect", "Number of servers to wait for before the first election."),
    switch("bootstrap", "The only server: as -bootstrap-expect=1."),
    text("bind", "address", "Address for other agents. Default: 0.0.0.0."),
    text("client", "address", "Address of the Consul API and DNS. Default: 127.0.0.1."),
    text("advertise", "address", "Address that other agents are told."),
    text("data-dir", "path", "Directory of everything that is kept."),
    text("datacenter", "name", "Datacenter. Default: dc1."),
    text("domain", "name", "Domain of the names in DNS. Default: consul."),
    text("node", "name", "Name of this node. Default: the host name."),
    text("node-meta", "key:value", "Metadata of this node. May be given again."),
    text("retry-join", "address", "Agent to join, tried until it works. May be given again."),
    span("retry-interval", "Time between attempts of -retry-join. Default: 30s."),
    number("retry-max", "Attempts of -retry-join; 0 never gives up."),
    switch("rejoin", "Join again after having left."),
    text("encrypt", "key", "Key of gossip, base64."),
    text("recursor", "address", "DNS server for other names. May be given again."),
    number("http-port", "Port of the Consul API. Default: 8500."),
    number("dns-port", "Port of DNS. Default: 8600."),
    number("serf-lan-port", "Port of gossip. Default: 8301."),
    number("server-port", "Port of RPC between agents. Default: 8300."),
    switch("ui", "Tells where the web UI is."),
    text("log-level", "level", "trace, debug, info, warn or err. Default: info."),
    switch("log-json", "Write logs as JSON."),
    // Nothing is left to choose.
    ignored("raft-protocol"),
    ignored("protocol"),
    ignored("config-format"),
    ignored("disable-host-node-id"),
    ignored("disable-keyring-file"),
    ignored("grpc-port"),
    ignored("grpc-tls-port"),
    ignored("https-port"),
    ignored("serf-wan-port"),
    absent_switch("enable-script-checks"),
    absent_switch("enable-local-script-checks"),
    absent_switch("syslog"),
    absent_switch("auto-reload-config"),
    absent_text("join"),
    absent_text("join-wan"),
    absent_text("retry-join-wan"),
    absent_text("retry-interval-wan"),
    absent_text("retry-max-wan"),
    absent_text("advertise-wan"),
    absent_text("serf-lan-bind"),
    absent_text("serf-wan-bind"),
    absent_text("alt-domain"),
    absent_text("segment"),
    absent_text("node-id"),
    absent_text("ui-dir"),
    absent_text("ui-content-path"),
    absent_text("log-file"),
    absent_text("log-rotate-bytes"),
    absent_text("log-rotate-duration"),
    absent_text("log-rotate-max-files"),
    absent_text("pid-file"),
    absent_text("hcl"),
    absent_text("default-query-time"),
    absent_text("max-query-time"),
    absent_text("check_output_max_size"),
];

pub(super) fn from_flags(flags: &Flags) -> Result<AgentArgs, Failure> {
    if !flags.args.is_empty() {
        return Err(Failure::usage("This command takes no arguments"));
    }
    let text = |name: &str| flags.text(name).map(str::to_owned);
    let paths = |name: &str| flags.all(name).iter().map(PathBuf::from);
    let port = |name: &str| narrow::<u16>(flags, name);
    let meta = flags
        .all("node-meta")
        .iter()
        .map(|pair| {
            pair.split_once(':').map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| {
                Failure::usage(format!("invalid value {pair:?} for flag -node-meta: expected key:value"))
            })
        })
        .collect::<Result<_, _>>()?;
    let expected = narrow::<u32>(flags, "bootstrap-expect")?;
    Ok(AgentArgs {
        started_as: StartedAs::Consul,
        dev: flags.on("dev"),
        config: paths("config-file").chain(paths("config-dir")).collect(),
        server: flags.on("server"),
        bootstrap_expect: if flags.on("bootstrap") { Some(1) } else { expected },
        bind: text("bind"),
        client_address: text("client"),
        advertise: text("advertise"),
        data_dir: flags.text("data-dir").map(PathBuf::from),
        datacenter: text("datacenter"),
        domain: text("domain"),
        node: text("node"),
        meta,
        retry_join: flags.all("retry-join").to_vec(),
        retry_interval: flags.span("retry-interval"),
        retry_max: narrow(flags, "retry-max")?,
        rejoin: flags.on("rejoin"),
        encrypt: text("encrypt"),
        recursors: flags.all("recursor").to_vec(),
        consul_port: port("http-port")?,
        dns_port: port("dns-port")?,
        gossip_port: port("serf-lan-port")?,
        rpc_port: port("server-port")?,
        ui: flags.on("ui"),
        log_level: text("log-level"),
        log_json: flags.on("log-json"),
        ..AgentArgs::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<AgentArgs, Failure> {
        from_flags(&Flags::parse(args.iter().copied(), &[FLAGS]).unwrap())
    }

    #[test]
    fn reads_the_command_lines_of_tutorials() {
        let line = "-server -bootstrap-expect=1 -data-dir=/tmp/consul -node=agent-one -bind=172.20.20.10 \
                    -client=0.0.0.0 -config-dir=/etc/consul.d -retry-join 172.20.20.11 -ui";
        assert_eq!(
            parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap(),
            AgentArgs {
                started_as: StartedAs::Consul,
                server: true,
                bootstrap_expect: Some(1),
                data_dir: Some("/tmp/consul".into()),
                node: Some("agent-one".into()),
                bind: Some("172.20.20.10".into()),
                client_address: Some("0.0.0.0".into()),
                config: vec!["/etc/consul.d".into()],
                retry_join: vec!["172.20.20.11".into()],
                ui: true,
                ..AgentArgs::default()
            }
        );
        assert!(parse(&["-node-meta=rack"]).is_err());
        assert!(parse(&["now"]).is_err());
    }
}
