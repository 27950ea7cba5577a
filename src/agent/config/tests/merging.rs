//! Several files, both forms, JSON, weak types, flags.

use std::time::Duration;

use super::*;

#[test]
fn all_spellings_mean_the_same() {
    let spellings = [
        "data_dir = \"/d\"\nserver = {\n  enabled = \"true\"\n  bootstrap_expect = \"3\"\n}\nports = { http = \"5656\" }\n",
        "data_dir = \"/d\"\nserver {\n  enabled = true\n  bootstrap_expect = 3\n}\nports {\n  http = 5656\n}\n",
        "\"data_dir\" = \"/d\"\n\"server\" { \"enabled\" = 1, \"bootstrap_expect\" = 3 }\n\"ports\" { \"http\" = 5656 }\n",
        "{\"data_dir\": \"/d\", \"server\": {\"enabled\": true, \"bootstrap_expect\": 3}, \"ports\": {\"http\": 5656}}",
        "{\"data_dir\": \"/d\", \"server\": [{\"enabled\": \"1\"}, {\"bootstrap_expect\": \"3\"}], \"ports\": [{\"http\": \"5656\"}]}",
    ];
    let first = load(spellings[0]);
    assert!(first.server && first.http_port == 5656 && first.bootstrap_expect == 3);
    for text in &spellings[1..] {
        assert_eq!(load(text), first, "{text}");
    }
}

#[test]
fn later_files_are_put_over_earlier_ones() {
    let first = "data_dir = \"/a\"\nname = \"one\"\nleave_on_terminate = true\nrecursors = [\"8.8.8.8\"]\n\
                 server { enabled = true retry_join = [\"10.0.0.1\"] heartbeat_grace = \"30s\" }\n\
                 client { enabled = true servers = [\"a\"] meta { rack = \"r1\" role = \"web\" } \
                 options = { \"docker.volumes.enabled\" = true } reserved { cpu = 100 } }\n\
                 consul { auto_advertise = true }\nports { http = 5000 rpc = 5001 }\n";
    let second = "data_dir = \"\"\nname = \"two\"\nleave_on_terminate = false\nrecursors = [\"1.1.1.1:53\"]\n\
                  server { enabled = false retry_join = [\"10.0.0.2\"] heartbeat_grace = \"0s\" }\n\
                  client { servers = [\"b:5647\"] meta = { rack = \"r2\" } reserved { memory = 64 } }\n\
                  consul { auto_advertise = false }\nports { http = 6000 }\n";
    let config = load_with(&[("1.hcl", first), ("2.hcl", second)], AgentArgs::default(), &vm()).unwrap();
    // Empty and zero are silence.
    assert_eq!((config.data_dir.to_str(), config.name.as_str()), (Some("/a"), "two"));
    assert_eq!(config.heartbeats.grace, Duration::from_secs(30));
    // Plain switches stay on; those whose default is on can be switched off.
    assert!(config.leave_on_terminate && config.server && !config.consul.auto_advertise);
    // Lists grow.
    assert_eq!(config.join.retry, ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(config.servers, ["a", "b:5647"]);
    assert_eq!(config.recursors, ["8.8.8.8", "1.1.1.1:53"]);
    // Maps and blocks: key by key.
    assert_eq!((config.meta["rack"].as_str(), config.meta["role"].as_str()), ("r2", "web"));
    assert_eq!((config.reserved.cpu_mhz, config.reserved.memory_mb), (100, 64));
    assert!(config.docker_volumes);
    assert_eq!((config.http_port, config.rpc_port), (6000, 5001));
}

#[test]
fn flags_beat_files_and_add_to_lists() {
    let args = AgentArgs {
        data_dir: Some("/flag".into()),
        node: Some("flag".into()),
        bind: Some("{{ GetInterfaceIP \"eth1\" }}".into()),
        retry_join: vec!["b".into()],
        retry_max: Some(2),
        bootstrap_expect: Some(5),
        consul_address: Some("10.0.0.9:8500".into()),
        consul_server_auto_join: Some(false),
        encrypt: Some("cg8StVXbQJ0gPvMd9o7yrg==".into()),
        rejoin: true,
        ..AgentArgs::default()
    };
    let text =
        "data_dir = \"/d\"\nbind_addr = \"10.0.2.15\"\nserver { enabled = true retry_join = [\"a\"] }\n";
    let config = load_with(&[("a.hcl", text)], args, &vm()).unwrap();
    assert_eq!((config.data_dir.to_str(), config.name.as_str()), (Some("/flag"), "flag"));
    assert_eq!(config.bind.to_string(), "192.168.33.10");
    assert_eq!((config.join.retry, config.join.max), (vec!["a".into(), "b".into()], 2));
    assert_eq!((config.bootstrap_expect, config.consul.address.as_str()), (5, "10.0.0.9:8500"));
    assert!(!config.consul.server_auto_join && config.rejoin_after_leave);
    assert_eq!(config.encrypt.unwrap().len(), 16);
}

#[test]
fn every_number_arrives() {
    let config = load(
        "data_dir = \"/d\"\nregion = \"eu\"\n\
         server {\n enabled = true bootstrap_expect = 3\n encrypt = \"cg8StVXbQJ0gPvMd9o7yrg==\"\n rejoin_after_leave = true\n\
         data_dir = \"/s\"\n num_schedulers = 0\n non_voting_server = true\n node_gc_threshold = \"1h\"\n\
         job_gc_interval = \"1m\"\n job_gc_threshold = \"2h\"\n eval_gc_threshold = \"3h\"\n\
         batch_eval_gc_threshold = \"4h\"\n deployment_gc_threshold = \"5h\"\n heartbeat_grace = \"11s\"\n\
         min_heartbeat_ttl = \"12s\"\n max_heartbeats_per_second = 12.5\n failover_heartbeat_ttl = \"13s\"\n\
         raft_multiplier = 5\n raft_snapshot_threshold = 100\n raft_trailing_logs = 200\n\
         server_join { retry_join = [\"a\"] retry_max = 3 retry_interval = \"15s\" }\n}\n\
         client {\n enabled = true\n state_dir = \"/st\"\n alloc_dir = \"/al\"\n node_class = \"big\" node_pool = \"gpu\"\n\
         network_interface = \"eth1\"\n cpu_total_compute = 1000\n memory_total_mb = 2000\n disk_total_mb = 3000\n\
         reserved { cpu = 1 memory = 2 disk = 3 reserved_ports = \"22,80-82\" cores = \"0-1\" }\n\
         reservable_cores = \"2,4\"\n min_dynamic_port = 21000\n\
         max_dynamic_port = 22000\n max_kill_timeout = \"60s\"\n gc_interval = \"2m\"\n gc_disk_usage_threshold = 81\n\
         gc_inode_usage_threshold = 71.5\n gc_max_allocs = 51\n gc_parallel_destroys = 3\n\
         server_join { retry_join = [\"b\"] retry_max = 4 }\n drain_on_shutdown { deadline = \"10m\" force = true }\n}\n\
         autopilot { cleanup_dead_servers = false last_contact_threshold = \"1s\" max_trailing_logs = 500 \
         server_stabilization_time = \"20s\" min_quorum = 3 }\n\
         consul { address = \"http://10.0.0.9:8500\" server_service_name = \"n\" client_service_name = \"nc\" \
         server_auto_join = false client_auto_join = false token = \"t\" }\n\
         addresses { http = \"127.0.0.1 10.0.2.15\" dns = \"127.0.0.1\" }\nadvertise { http = \"10.0.2.15\" }\n\
         ports { consul = 9500 dns = -1 }\n\
         leave_on_interrupt = true\ndisable_update_check = true\nplugin \"docker\" { config { allow_privileged = true \
         allow_caps = [\"NET_ADMIN\", \"CAP_SYS_TIME\"] volumes { enabled = true } } }\n",
    );
    insta::assert_snapshot!(format!("{:#?}", Config { name: "n".into(), ..config }));
}

#[test]
fn drivers_can_be_chosen() {
    let text = |options: &str| {
        format!(
            "data_dir = \"/d\"\nclient {{ enabled = true options {{ \"driver.raw_exec.enable\" = \"1\" {options} }} }}\n"
        )
    };
    let only = load(&text("\"driver.whitelist\" = \"docker, exec\""));
    assert!(only.docker && !only.raw_exec);
    let without = load(&text("\"driver.denylist\" = \"docker\""));
    assert!(!without.docker && without.raw_exec);
}

#[test]
fn the_environment_is_below_files() {
    let machine = Machine { consul_address: Some("http://10.0.0.7:8500".into()), ..vm() };
    let config = load_with(&[("a.hcl", SERVER)], AgentArgs::default(), &machine).unwrap();
    assert_eq!(config.consul.address, "10.0.0.7:8500");
    let text = format!("{SERVER}consul {{ address = \"10.0.0.8:8500\" }}\n");
    let config = load_with(&[("a.hcl", &text)], AgentArgs::default(), &machine).unwrap();
    assert_eq!(config.consul.address, "10.0.0.8:8500");
}
