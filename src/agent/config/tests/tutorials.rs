//! The files that people learn with load as they are.

use super::*;
use crate::agent::config::Face;

#[test]
fn a_server_that_advertises_a_name() {
    let config = load(
        "bind_addr = \"0.0.0.0\"\ndata_dir =  \"/home/ubuntu/nomad-config/\"\ndatacenter =  \"dc1\"\n\
         server =  {\n    enabled =  true\n    # one of them\n    bootstrap_expect =  1\n}\n\
         consul =  {\n    address =  \"node-01.local:8500\"\n}\n\
         advertise =  {\n    http =  \"node-01.local\"\n    rpc  =  \"node-01.local\"\n    serf =  \"node-01.local\"\n}\n",
    );
    assert!(config.server && !config.client);
    assert_eq!(config.bootstrap_expect, 1);
    assert_eq!(config.consul.address, "node-01.local:8500");
    assert_eq!(config.advertise.rpc.dial(), "node-01.local:4647");
    assert_eq!(config.advertise.gossip.address.to_string(), "12.34.56.78:4648");
    assert_eq!(config.listen.rpc.to_string(), "0.0.0.0:4647");
}

#[test]
fn a_client_with_its_servers() {
    let config = load(
        "bind_addr = \"10.0.0.5\"\ndata_dir =  \"/home/ubuntu/nomad-config/\"\ndatacenter =  \"dc1\"\n\
         client =  {\n    enabled =  true\n    servers = [\"node-01.local:4647\"]\n}\n\
         consul =  {\n    address =  \"node-01.local:8500\"\n}\n\
         advertise =  {\n    http =  \"node-02.local\"\n    rpc  =  \"node-02.local\"\n    serf =  \"node-02.local\"\n}\n",
    );
    assert!(config.client && !config.server);
    assert_eq!(config.servers, ["node-01.local:4647"]);
    // v4 before v6, whatever the order of the answer.
    assert_eq!(config.advertise.http.address.to_string(), "10.0.0.5:4646");
    assert_eq!(config.listen.http[0].to_string(), "10.0.0.5:4646");
}

#[test]
fn servers_that_are_started_by_hand_or_through_consul() {
    let manual = "server {\n  enabled          = true\n  bootstrap_expect = 3\n\n  retry_join = [\"10.0.0.1:4648\"]\n}\n";
    let dir = ("data.hcl", "data_dir = \"/var/lib/nomad\"\n");
    let config = load_with(&[dir, ("config.hcl", manual)], AgentArgs::default(), &vm()).unwrap();
    assert_eq!(config.join.retry, ["10.0.0.1:4648"]);

    let server = "server {\n  enabled          = true\n  bootstrap_expect = 3\n}\n";
    let client = "client {\n  enabled = true\n}\n";
    let consul = "consul {\n  address = \"127.0.0.1:8500\"\n  server_service_name = \"nomad\"\n  \
                  client_service_name = \"nomad-client\"\n  auto_advertise = true\n  server_auto_join = true\n  \
                  client_auto_join = true\n}\n";
    for text in [server, client] {
        let files = [dir, ("agent.hcl", text), ("consul.hcl", consul)];
        let config = load_with(&files, AgentArgs::default(), &vm()).unwrap();
        assert!(config.consul.address_given && config.consul.client_auto_join);
        // Nothing but `consul` says where the others are.
        assert!(config.servers.is_empty() && config.join.retry.is_empty());
    }
}

#[test]
fn two_agents_on_one_machine() {
    let server = load(
        "log_level = \"DEBUG\"\ndata_dir  = \"/tmp/server1\"\nserver { enabled = true  bootstrap_expect = 1 }\n",
    );
    assert_eq!((server.bootstrap_expect, server.log_level.as_str()), (1, "DEBUG"));
    assert_eq!(server.warnings, ["Bootstrap mode enabled! Potentially unsafe operation."]);
    let client = load(
        "log_level = \"DEBUG\"\ndata_dir  = \"/tmp/client1\"\nname      = \"client1\"\n\
         client { enabled = true  servers = [\"127.0.0.1:4647\"]  options { \"driver.raw_exec.enable\" = \"1\" } }\n\
         ports  { http = 5656 }\n",
    );
    assert!(client.raw_exec);
    assert_eq!(client.listen.http[0].port(), 5656);
    assert_eq!(client.advertise.http.dial(), "10.0.2.15:5656");
}

#[test]
fn three_servers_with_templates_and_joining() {
    let config = load(
        "bind_addr = \"0.0.0.0\"\ndata_dir = \"/d\"\n\
         advertise { http = \"{{ GetInterfaceIP \\\"eth1\\\" }}\"  rpc = \"192.168.33.10:4647\"  serf = \"192.168.33.10\" }\n\
         server    { enabled = true  bootstrap_expect = 3  retry_join = [\"192.168.33.11\", \"192.168.33.12:4648\"] }\n\
         consul    { address = \"127.0.0.1:8500\" }\n",
    );
    assert_eq!(config.advertise.http.dial(), "192.168.33.10:4646");
    assert_eq!(config.join.retry, ["192.168.33.11", "192.168.33.12:4648"]);
}

#[test]
fn dev_needs_nothing_and_takes_files_on_top() {
    let config = load_with(&[], AgentArgs { dev: true, ..AgentArgs::default() }, &vm()).unwrap();
    assert!(config.server && config.client && config.raw_exec && config.face == Face::Nomad);
    assert_eq!(config.node_address.as_deref(), Some("127.0.0.1"));
    assert_eq!(config.advertise.rpc.dial(), "127.0.0.1:4647");
    let args = AgentArgs { dev: true, bind: Some("0.0.0.0".into()), ..AgentArgs::default() };
    let config = load_with(&[("x.hcl", "server { enabled = false }\nname = \"n\"\n")], args, &vm()).unwrap();
    assert!(config.server, "a plain `false` never takes back an earlier `true`");
    assert_eq!(config.advertise.http.dial(), "10.0.2.15:4646");
}
