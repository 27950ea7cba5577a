//! What is wrong is said with file, line, column and remedy, all of it at once.

use super::*;
use crate::agent::config::draft::Draft;

#[test]
fn all_problems_at_once_with_their_places() {
    insta::assert_snapshot!(refused(
        "datacentre = \"dc1\"\nserver {\n  enabled = 7\n  bootstrap_expect = \"three\"\n  heartbeat_grace = 30\n  \
         raft_multiplier = 11\n  encrypt = \"abc\"\n}\nports { http = 70000 }\nacl {\n  enabled = true\n}\n\
         client { reserved { reserved_ports = \"80-\" } gc_disk_usage_threshold = 101 state_dir = \"rel\" }\n\
         consul { address = \"https://a:8501\" retries = 3 }\n"
    ));
}

#[test]
fn what_is_not_there_is_refused_by_name_with_a_remedy() {
    insta::assert_snapshot!(refused(
        "tls {\n  http = true\n  ca_file = \"/ca.pem\"\n}\nvault { enabled = true address = \"https://v\" }\n\
         telemetry {\n  statsd_address = \"a:8125\"\n  publish_allocation_metrics = true\n}\n\
         limits { http_max_conns_per_client = 5 }\nenable_debug = true\nenable_syslog = true\nlog_file = \"/var/log/n\"\n\
         http_api_response_headers { \"X-A\" = \"b\" }\nplugin \"java\" { config { enabled = true } }\n\
         client {\n  host_volume \"data\" { path = \"/data\" }\n  chroot_env { \"/bin\" = \"/bin\" }\n  \
         options { \"docker.auth.config\" = \"/x\" }\n  server_join { start_join = [\"a\"] }\n}\n\
         server {\n  enabled_schedulers = [\"batch\"]\n  default_scheduler_config { scheduler_algorithm = \"spread\" }\n}\n\
         plugin \"docker\" { config { endpoint = \"tcp://1.2.3.4:2375\" gc { image = false } } }\n\
         keyring \"awskms\" { active = true }\nsentinel {}\nui { enabled = false }\n"
    ));
}

#[test]
fn what_asks_for_nothing_is_accepted() {
    let config = load(&format!(
        "{SERVER}acl {{ enabled = false token_ttl = \"1s\" replication_token = \"x\" }}\n\
         tls {{ http = false rpc = \"false\" }}\nvault {{ enabled = false address = \"http://v:8200\" }}\n\
         telemetry {{ prometheus_metrics = true disable_hostname = true collection_interval = \"1s\" }}\n\
         ui {{ enabled = true }}\nlimits {{ https_handshake_timeout = \"5s\" }}\nenable_syslog = false\n\
         disable_anonymous_signature = true\nleave_on_terminate = false\naudit {{ enabled = false }}\n\
         client {{ no_host_uuid = true meta {{}} options = {{}} }}\nautopilot {{}}\nconsul {{ ssl = 0 }}\n\
         plugin \"raw_exec\" {{ config {{ enabled = true }} }}\nlog_file = \"\"\n"
    ));
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn old_settings_are_mentioned_and_ignored() {
    let config = load(&format!(
        "{SERVER}atlas {{ infrastructure = \"a/b\" }}\ninterfaces {{ http = \"eth0\" }}\nplugin_dir = \"/opt/nomad\"\n\
         client {{ network_speed = 100 reserved {{ iops = 5 }} }}\nvault {{ task_token_ttl = \"1h\" }}\n"
    ));
    insta::assert_snapshot!(config.warnings.join("\n"));
}

#[test]
fn a_form_that_is_wrong_has_a_place() {
    insta::assert_snapshot!(
        [
            refused("server {\n  enabled = \n}\n"),
            refused("server {\n  enabled = true\n"),
            refused("{\n  \"server\": {\"enabled\": true,}\n  \"name\" \"x\"\n}\n"),
            refused("[]"),
            refused("data_dir = \"/a\"\ndata_dir = \"/b\"\n"),
        ]
        .join("\n")
    );
}

#[test]
fn rules_across_settings() {
    let with = |more: &str| refused(&format!("data_dir = \"/d\"\n{more}"));
    insta::assert_snapshot!(
        [
            with(""),
            refused("server { enabled = true }"),
            refused("data_dir = \"rel\"\nserver { enabled = true }"),
            with("client { enabled = true }\nserver { bootstrap_expect = 3 }"),
            with("server {\n enabled = true\n start_join = [\"a\"]\n server_join { retry_join = [\"b\"] }\n}"),
            with("server { enabled = true server_join {\n retry_join = [\"b\"]\n start_join = [\"a\"]\n} }"),
            with("server { enabled = true\n retry_join = [\"provider=aws tag_key=a tag_value=b\", \"exec=ls\", \"<known-address>:4648\"]\n}"),
            with("client { enabled = true\n servers = [\"http://a:4646\"]\n}"),
            with("client { enabled = true\n min_dynamic_port = 30000\n max_dynamic_port = 20000\n}"),
            with("server { enabled = true }\nlog_level = \"LOUD\"\nregion = \"a b\"\ndatacenter = \"*\"\nname = \"a b\""),
        ]
        .join("\n")
    );
}

#[test]
fn no_pieces_make_it_panic() {
    let pieces = [
        "server",
        " {",
        " = ",
        "}",
        "\n",
        "\"",
        "enabled",
        "true",
        "[",
        "]",
        "{{",
        "}}",
        "client",
        "meta",
        ".",
        ",",
        "1",
        "-1",
        "advertise",
        "http",
        "\"{{ GetInterfaceIP \\\"eth0\\\" }}\"",
        "options",
        "plugin \"docker\"",
        "config",
        "é",
        ":",
        "{",
        "\"30s\"",
        "retry_join",
        "reserved_ports",
        "\"80-\"",
        "server_join",
        "consul",
        "address",
        "\"[::\"",
    ];
    let mut seed = 1_usize;
    for _ in 0..3000 {
        let text: String = (0..14)
            .map(|_| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                pieces[(seed >> 33) % pieces.len()]
            })
            .collect();
        let mut draft = Draft::new(Config::defaults());
        if draft.add_file("a.hcl", &text).is_empty() {
            super::super::check::complete(&mut draft);
            let _ = super::super::check::problems(&draft);
            let _ = super::super::addresses::resolve(&mut draft, &vm());
        }
    }
}
