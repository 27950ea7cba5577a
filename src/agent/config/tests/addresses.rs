//! What is listened on, and what others are told.

use super::*;

fn on(settings: &str) -> Config {
    load(&format!("{SERVER}{settings}"))
}

fn wrong(settings: &str) -> String {
    refused(&format!("{SERVER}{settings}"))
}

#[track_caller]
fn check(settings: &str, listen: [&str; 3], advertise: [&str; 3]) {
    let config = on(settings);
    let http: Vec<String> = config.listen.http.iter().map(ToString::to_string).collect();
    assert_eq!(
        [http.join(" "), config.listen.rpc.to_string(), config.listen.gossip.to_string()],
        listen,
        "{settings}"
    );
    let told = &config.advertise;
    assert_eq!([told.http.dial(), told.rpc.dial(), told.gossip.dial()], advertise, "{settings}");
}

#[test]
fn defaults_follow_from_what_is_written() {
    check(
        "",
        ["0.0.0.0:4646", "0.0.0.0:4647", "0.0.0.0:4648"],
        ["10.0.2.15:4646", "10.0.2.15:4647", "10.0.2.15:4648"],
    );
    check(
        "bind_addr = \"{{ GetInterfaceIP \\\"eth1\\\" }}\"\nports { rpc = 5647 }",
        ["192.168.33.10:4646", "192.168.33.10:5647", "192.168.33.10:4648"],
        ["192.168.33.10:4646", "192.168.33.10:5647", "192.168.33.10:4648"],
    );
    // A lab on one machine.
    check(
        "bind_addr = \"127.0.0.1\"",
        ["127.0.0.1:4646", "127.0.0.1:4647", "127.0.0.1:4648"],
        ["127.0.0.1:4646", "127.0.0.1:4647", "127.0.0.1:4648"],
    );
    check(
        "addresses { http = \"127.0.0.1 192.168.33.10\" rpc = \"192.168.33.10\" serf = \"node-01.local\" }\n\
         advertise { http = \"192.168.33.10\" rpc = \"[fd00::1]:1\" serf = \"{{ GetPrivateIP }}:5000\" }",
        ["127.0.0.1:4646 192.168.33.10:4646", "192.168.33.10:4647", "12.34.56.78:4648"],
        ["192.168.33.10:4646", "[fd00::1]:1", "10.0.2.15:5000"],
    );
    // The first network of a machine in Vagrant is the same on all of them; one address of the other says which is meant.
    check(
        "advertise { http = \"{{ GetInterfaceIP \\\"eth1\\\" }}\" }",
        ["0.0.0.0:4646", "0.0.0.0:4647", "0.0.0.0:4648"],
        ["192.168.33.10:4646", "192.168.33.10:4647", "192.168.33.10:4648"],
    );
    // A way in from outside is not this machine's own address.
    check(
        "advertise { http = \"node-01.local\" }",
        ["0.0.0.0:4646", "0.0.0.0:4647", "0.0.0.0:4648"],
        ["node-01.local:4646", "10.0.2.15:4647", "10.0.2.15:4648"],
    );
    check(
        "bind_addr = \"::1\"",
        ["[::1]:4646", "[::1]:4647", "[::1]:4648"],
        ["[::1]:4646", "[::1]:4647", "[::1]:4648"],
    );
}

#[test]
fn our_own_doors_can_be_moved_and_shut() {
    let config =
        on("addresses { consul = \"127.0.0.1\" dns = \"127.0.0.1 192.168.33.10\" }\nports { dns = 53 }");
    assert_eq!(config.listen.consul[0].to_string(), "127.0.0.1:8500");
    assert_eq!(
        config.listen.dns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["127.0.0.1:53", "192.168.33.10:53"]
    );
    let config = on("ports { dns = -1 consul = -1 }");
    assert!(config.listen.dns.is_empty() && config.listen.consul.is_empty());
}

#[test]
fn the_interface_of_tasks() {
    let client = "data_dir = \"/d\"\nclient { enabled = true network_interface = ";
    assert_eq!(load(&format!("{client}\"eth1\" }}")).node_address.as_deref(), Some("192.168.33.10"));
    let template = "\"{{ GetDefaultInterfaces | attr \\\"name\\\" }}\" }";
    assert_eq!(load(&format!("{client}{template}")).node_address.as_deref(), Some("10.0.2.15"));
    assert_eq!(
        refused(&format!("{client}\"eth7\" }}")),
        "a.hcl:2:25: `client.network_interface`: no interface with an address is called \"eth7\"; there are lo, eth0, eth1"
    );
}

#[test]
fn mistakes() {
    let no_network = Machine { interfaces: vec![interface("lo", "127.0.0.1", 8)], ..vm() };
    let alone = load_with(&[("a.hcl", SERVER)], AgentArgs::default(), &no_network).unwrap_err();
    insta::assert_snapshot!(
        [
            alone.join("\n"),
            wrong("addresses { http = \"127.0.0.1\" }"),
            wrong("bind_addr = \"{{ GetInterfaceIP \\\"eth7\\\" }}\""),
            wrong("bind_addr = \"{{ GetPrivateIPs }}\""),
            wrong("bind_addr = \"{{ GetPrivateIP\""),
            wrong("bind_addr = \"10.0.0.256\""),
            wrong("bind_addr = \"nowhere\""),
            wrong("advertise {\n  http = \"nowhere\"\n  rpc = \"10.0.0.1:x\"\n  serf = \"0.0.0.0\"\n}"),
            wrong("addresses { dns = \"http://a\" }"),
        ]
        .join("\n")
    );
}

#[test]
fn validating_looks_at_the_form_only() {
    let dir = tempfile::tempdir().unwrap();
    let validate = |text: &str| {
        let file = dir.path().join("a.hcl");
        fs::write(&file, text).unwrap();
        Config::validate(&AgentArgs { config: vec![file], ..AgentArgs::default() }).map(|_| ())
    };
    // For another machine: names and interfaces are not looked for.
    let good = "bind_addr = \"{{ GetInterfaceIP \\\"eth7\\\" }}\"\nadvertise { rpc = \"nowhere\" }\n";
    assert_eq!(validate(&format!("{SERVER}{good}")), Ok(()));
    let problems = validate(&format!("{SERVER}bind_addr = \"{{{{ GetMyIP }}}}\"\n")).unwrap_err();
    assert!(problems[0].contains("a.hcl:3:1: `bind_addr`: `GetMyIP` is not a function"), "{problems:?}");
}
