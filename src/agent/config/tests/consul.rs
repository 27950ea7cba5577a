//! An agent that is started as `consul agent`.

use super::*;
use crate::{agent::config::Face, cli::StartedAs};

fn consul(text: &str, args: AgentArgs) -> Result<Config, Vec<String>> {
    let files: &[(&str, &str)] = if text.is_empty() { &[] } else { &[("c.hcl", text)] };
    load_with(files, AgentArgs { started_as: StartedAs::Consul, ..args }, &vm())
}

#[test]
fn the_command_lines_of_tutorials() {
    let args = AgentArgs {
        server: true,
        bootstrap_expect: Some(1),
        data_dir: Some("/tmp/consul".into()),
        node: Some("agent-one".into()),
        bind: Some("192.168.33.10".into()),
        client_address: Some("0.0.0.0".into()),
        ui: true,
        ..AgentArgs::default()
    };
    let config = consul("", args).unwrap();
    assert!(config.server && !config.client && config.face == Face::Consul);
    // Consul's ports: those of a Nomad agent on this machine stay free.
    assert!(config.listen.http.is_empty());
    assert_eq!(config.listen.rpc.to_string(), "192.168.33.10:8300");
    assert_eq!(config.listen.gossip.to_string(), "192.168.33.10:8301");
    assert_eq!(config.listen.consul[0].to_string(), "0.0.0.0:8500");
    assert_eq!(config.listen.dns[0].to_string(), "0.0.0.0:8600");
    assert!(config.warnings.iter().any(|warning| warning.contains("web UI")), "{:?}", config.warnings);
    // A server keeps its seat when it ends.
    assert!(!config.leave_on_terminate && !config.leave_on_interrupt);
}

#[test]
fn a_client_agent_leaves_when_it_ends() {
    let args = AgentArgs {
        data_dir: Some("data".into()),
        retry_join: vec!["10.0.0.1".into()],
        ..AgentArgs::default()
    };
    let config = consul("", args).unwrap();
    assert!(!config.server && config.leave_on_terminate && config.leave_on_interrupt);
    assert_eq!(config.join.retry, ["10.0.0.1"]);
    assert_eq!(config.listen.consul[0].to_string(), "127.0.0.1:8500");
    assert!(config.data_dir.is_absolute());
}

#[test]
fn files_with_consuls_names() {
    let config = consul(
        "datacenter = \"DC2\"\nnode_name = \"n1\"\ndata_dir = \"/opt/consul\"\nserver = true\nbootstrap_expect = 3\n\
         bind_addr = \"{{ GetInterfaceIP \\\"eth1\\\" }}\"\nclient_addr = \"0.0.0.0\"\naddresses { dns = \"127.0.0.1\" }\n\
         advertise_addr = \"10.0.0.5\"\nports { dns = 53 server = 9300 grpc = 8502 https = -1 }\n\
         retry_join = [\"10.0.0.1\", \"10.0.0.2\"]\nretry_interval = \"5s\"\nnode_meta { rack = \"r1\" }\n\
         recursors = [\"8.8.8.8\"]\nui_config { enabled = false }\nconnect { enabled = true }\nleave_on_terminate = true\n\
         log_level = \"ERR\"\nperformance { raft_multiplier = 1 }\nautopilot { cleanup_dead_servers = false }\n\
         acl { enabled = false default_policy = \"deny\" }\nenable_script_checks = false\n",
        AgentArgs::default(),
    )
    .unwrap();
    assert_eq!(
        (config.name.as_str(), config.datacenter.as_str(), config.log_level.as_str()),
        ("n1", "dc2", "error")
    );
    assert_eq!(config.listen.rpc.to_string(), "192.168.33.10:9300");
    assert_eq!(config.advertise.rpc.dial(), "10.0.0.5:9300");
    assert_eq!(config.listen.dns[0].to_string(), "127.0.0.1:53");
    assert_eq!(config.listen.consul[0].to_string(), "0.0.0.0:8500");
    assert_eq!(config.meta["rack"], "r1");
    assert!(config.leave_on_terminate && !config.autopilot.cleanup_dead_servers);
}

#[test]
fn dev_is_a_server_on_loopback() {
    let config = consul("", AgentArgs { dev: true, ..AgentArgs::default() }).unwrap();
    assert!(config.server && config.dev && config.bootstrap_expect == 1);
    assert_eq!(config.advertise.gossip.dial(), "127.0.0.1:8301");
}

#[test]
fn what_has_no_counterpart_is_refused() {
    let problems = consul(
        "data_dir = \"/d\"\nservice { name = \"web\" port = 80 }\nenable_script_checks = true\nclient { enabled = true }\n\
         start_join = [\"a\"]\nports { grpc = 9000 }\nverify_incoming = true\ndns_config { only_passing = true }\n",
        AgentArgs::default(),
    )
    .unwrap_err();
    insta::assert_snapshot!(problems.join("\n"));
}
