//! What the original knows and this release does not do: refused by name with a remedy, unless the value asks for
//! what happens anyway.

use jobspec::Kind;

use super::{
    draft::{Draft, Outcome, Taken},
    parts::Face,
    settings::Setting,
    typed::{Typed, plain},
};

/// When a setting asks for nothing that is missing.
enum Harmless {
    /// It changes nothing here, whatever it says.
    Always,
    /// With one of these values.
    When(&'static [&'static str]),
    Never,
}

use Harmless::{Always, Never, When};

const NO_ACL: &str =
    "access control is not in this release; leave it out and keep the agent's ports inside a trusted network";
const NO_TLS: &str =
    "TLS is not in this release; leave it out and keep the agent's ports inside a trusted network";
const NO_SINK: &str =
    "metrics are not sent anywhere; leave it out and read them at /v1/metrics (?format=prometheus)";
const NO_TUNING: &str = "it cannot be changed in this release; leave it out";
const NO_VAULT: &str = "Vault is not in this release; leave it out";
const NO_TEMPLATE: &str = "templates and artifacts have fixed limits in this release; leave it out";
const NO_NETWORK: &str = "bridge networks, CNI and host networks are not in this release; leave it out";
const NO_ENTERPRISE: &str = "it belongs to the original's paid edition; leave it out";
const NO_IDENTITY: &str = "workload identities are not in this release; leave it out";
const NO_LOG_FILE: &str =
    "the log goes to standard output; leave it out and redirect that, or let systemd collect it";
const NO_DRIVER: &str = "this option of a driver is not in this release; leave it out";

/// Setting (or block, for all below it), what it may say, and why not more.
const TABLE: &[(&str, Harmless, &str)] = &[
    // Nothing is ever sent home, and nothing is looked up.
    ("disable_update_check", Always, ""),
    ("disable_anonymous_signature", Always, ""),
    ("reporting", Always, ""),
    ("acl.enabled", When(&["false"]), NO_ACL),
    ("acl.token_ttl", When(&["30s"]), NO_ACL),
    ("acl.policy_ttl", When(&["30s"]), NO_ACL),
    ("acl.role_ttl", When(&["30s"]), NO_ACL),
    ("acl", When(&[]), NO_ACL),
    ("tls.http", When(&["false"]), NO_TLS),
    ("tls.rpc", When(&["false"]), NO_TLS),
    ("tls.verify_server_hostname", When(&["false"]), NO_TLS),
    ("tls.verify_https_client", When(&["false"]), NO_TLS),
    ("tls.rpc_upgrade_mode", When(&["false"]), NO_TLS),
    ("tls.tls_min_version", When(&["tls12"]), NO_TLS),
    ("tls", When(&[]), NO_TLS),
    ("vault.enabled", When(&["false"]), NO_VAULT),
    ("vault", When(&[]), NO_VAULT),
    // The exposition format is always there, and everything that is measured is in it.
    ("telemetry.prometheus_metrics", Always, ""),
    ("telemetry.publish_allocation_metrics", When(&["false"]), NO_SINK),
    ("telemetry.publish_node_metrics", When(&["false"]), NO_SINK),
    ("telemetry.collection_interval", When(&["1s"]), NO_SINK),
    ("telemetry.in_memory_collection_interval", When(&["10s"]), NO_SINK),
    ("telemetry.in_memory_retention_period", When(&["1m"]), NO_SINK),
    ("telemetry.use_node_name", When(&["false"]), NO_SINK),
    ("telemetry.disable_hostname", Always, ""),
    ("telemetry.filter_default", When(&["true"]), NO_SINK),
    ("telemetry", When(&[]), NO_SINK),
    ("limits.https_handshake_timeout", When(&["5s"]), NO_TUNING),
    ("limits.http_max_conns_per_client", When(&["100"]), NO_TUNING),
    ("limits.rpc_handshake_timeout", When(&["5s"]), NO_TUNING),
    ("limits.rpc_max_conns_per_client", When(&["100"]), NO_TUNING),
    ("limits", When(&[]), NO_TUNING),
    ("rpc.accept_backlog", When(&["256"]), NO_TUNING),
    ("rpc.keep_alive_interval", When(&["30s"]), NO_TUNING),
    ("rpc.connection_write_timeout", When(&["10s"]), NO_TUNING),
    ("rpc.stream_open_timeout", When(&["75s"]), NO_TUNING),
    ("rpc.stream_close_timeout", When(&["5m"]), NO_TUNING),
    ("rpc.dial_timeout", When(&["10s"]), NO_TUNING),
    ("rpc", When(&[]), NO_TUNING),
    ("ui.enabled", When(&["true"]), "this release has no web UI; leave it out"),
    ("ui.show_cli_hints", Always, ""),
    ("ui", When(&[]), "this release has no web UI; leave it out"),
    ("autopilot", When(&["false"]), NO_ENTERPRISE),
    ("audit.enabled", When(&["false"]), NO_ENTERPRISE),
    ("audit", When(&[]), NO_ENTERPRISE),
    ("sentinel", When(&[]), NO_ENTERPRISE),
    ("eventlog.enabled", When(&["false"]), "the event log of Windows is not used; leave it out"),
    ("eventlog", When(&[]), "the event log of Windows is not used; leave it out"),
    ("keyring", When(&[]), "variables and their keys are not in this release; leave it out"),
    ("enable_syslog", When(&["false"]), NO_LOG_FILE),
    ("syslog_facility", When(&["LOCAL0"]), NO_LOG_FILE),
    ("log_file", When(&[]), NO_LOG_FILE),
    ("log_rotate_duration", When(&["24h"]), NO_LOG_FILE),
    ("log_rotate_bytes", When(&["0"]), NO_LOG_FILE),
    ("log_rotate_max_files", When(&["0"]), NO_LOG_FILE),
    ("log_include_location", When(&["false"]), NO_LOG_FILE),
    ("enable_debug", When(&["false"]), "there is no profiler in this release; leave it out"),
    ("http_api_response_headers", When(&[]), "further headers are not in this release; leave it out"),
    ("plugin.docker.config", When(&[]), NO_DRIVER),
    ("plugin.raw_exec.config.no_cgroups", Always, ""),
    ("plugin.raw_exec.config", When(&[]), NO_DRIVER),
    ("plugin.mock_driver.config", When(&[]), NO_DRIVER),
    ("plugin", When(&[]), "this release has the drivers docker, raw_exec and mock_driver; leave it out"),
    (
        "server.authoritative_region",
        When(&[]),
        "regions copy nothing from each other in this release; leave it out",
    ),
    (
        "server.enabled_schedulers",
        When(&["service,batch,system,sysbatch"]),
        "a server plans for all types of jobs; set num_schedulers = 0 for one that does not plan",
    ),
    (
        "server.csi_volume_claim_gc_interval",
        When(&["5m"]),
        "CSI volumes are not in this release; leave it out",
    ),
    (
        "server.csi_volume_claim_gc_threshold",
        When(&["5m"]),
        "CSI volumes are not in this release; leave it out",
    ),
    ("server.csi_plugin_gc_threshold", When(&["1h"]), "CSI volumes are not in this release; leave it out"),
    ("server.acl_token_gc_threshold", When(&["1h"]), NO_ACL),
    ("server.root_key_gc_interval", When(&["10m"]), NO_IDENTITY),
    ("server.root_key_gc_threshold", When(&["1h"]), NO_IDENTITY),
    ("server.root_key_rotation_threshold", When(&["720h"]), NO_IDENTITY),
    ("server.raft_protocol", When(&["3"]), "there is one protocol; leave it out"),
    (
        "server.raft_snapshot_interval",
        When(&["120s", "2m"]),
        "snapshots follow the number of entries; set raft_snapshot_threshold",
    ),
    ("server.raft_logstore", When(&[]), "there is one log store; leave it out"),
    ("server.raft_boltdb", When(&[]), "there is one log store; leave it out"),
    ("server.redundancy_zone", When(&[]), NO_ENTERPRISE),
    ("server.upgrade_version", When(&[]), NO_ENTERPRISE),
    ("server.license_path", When(&[]), NO_ENTERPRISE),
    ("server.non_production", When(&["false"]), NO_ENTERPRISE),
    ("server.log_file", When(&[]), NO_LOG_FILE),
    (
        "server.default_scheduler_config.scheduler_algorithm",
        When(&["binpack"]),
        "this release packs (binpack); leave it out",
    ),
    ("server.default_scheduler_config.memory_oversubscription_enabled", When(&["false"]), NO_TUNING),
    ("server.default_scheduler_config.reject_job_registration", When(&["false"]), NO_TUNING),
    ("server.default_scheduler_config.pause_eval_broker", When(&["false"]), NO_TUNING),
    (
        "server.default_scheduler_config.preemption_config.system_scheduler_enabled",
        When(&["true"]),
        "leave it out and switch it off with `troupe operator scheduler set-config`",
    ),
    (
        "server.default_scheduler_config.preemption_config",
        When(&["false"]),
        "leave it out and switch it on with `troupe operator scheduler set-config`",
    ),
    ("server.default_scheduler_config", When(&[]), NO_TUNING),
    ("server.plan_rejection_tracker.enabled", When(&["false"]), NO_TUNING),
    ("server.plan_rejection_tracker.node_threshold", When(&["100"]), NO_TUNING),
    ("server.plan_rejection_tracker.node_window", When(&["5m"]), NO_TUNING),
    ("server.plan_rejection_tracker", When(&[]), NO_TUNING),
    ("server.plan_apply_pipeline", When(&["1"]), NO_TUNING),
    ("server.enable_event_broker", When(&["true"]), NO_TUNING),
    ("server.event_buffer_size", When(&["100"]), NO_TUNING),
    ("server.search.fuzzy_enabled", When(&["true"]), NO_TUNING),
    ("server.search.limit_query", When(&["20"]), NO_TUNING),
    ("server.search.limit_results", When(&["100"]), NO_TUNING),
    ("server.search.min_term_length", When(&["2"]), NO_TUNING),
    ("server.search", When(&[]), NO_TUNING),
    ("server.deploy_query_rate_limit", When(&["100"]), NO_TUNING),
    ("server.job_default_priority", When(&["50"]), NO_TUNING),
    ("server.job_max_priority", When(&["100"]), NO_TUNING),
    ("server.job_max_count", When(&["50000"]), NO_TUNING),
    ("server.job_max_source_size", When(&["1M"]), NO_TUNING),
    ("server.job_tracked_versions", When(&["6"]), NO_TUNING),
    ("server.oidc_issuer", When(&[]), NO_IDENTITY),
    ("server.start_timeout", When(&["30s"]), NO_TUNING),
    ("server.client_introduction.enforcement", When(&["none", "warn"]), NO_IDENTITY),
    ("server.client_introduction.default_identity_ttl", When(&["5m"]), NO_IDENTITY),
    ("server.client_introduction.max_identity_ttl", When(&["30m"]), NO_IDENTITY),
    ("server.client_introduction", When(&[]), NO_IDENTITY),
    ("client.alloc_mounts_dir", When(&[]), NO_TUNING),
    ("client.host_volumes_dir", When(&[]), "host volumes are not in this release; leave it out"),
    ("client.host_volume_plugin_dir", When(&[]), "host volumes are not in this release; leave it out"),
    ("client.host_volume", Never, "host volumes are not in this release; leave it out"),
    ("client.common_plugin_dir", When(&[]), "there are no external plugins in this release; leave it out"),
    ("client.preferred_address_family", When(&["ipv4"]), "set bind_addr or advertise instead"),
    ("client.cpu_disable_dmidecode", Always, ""),
    ("client.disk_free_mb", When(&[]), "set disk_total_mb and reserved.disk instead"),
    (
        "client.client_min_port",
        When(&["14000"]),
        "there are no external plugins in this release; leave it out",
    ),
    (
        "client.client_max_port",
        When(&["14512"]),
        "there are no external plugins in this release; leave it out",
    ),
    ("client.chroot_env", When(&[]), "the exec and java drivers are not in this release; leave it out"),
    ("client.gc_volumes_on_node_gc", When(&["false"]), "host volumes are not in this release; leave it out"),
    (
        "client.no_host_uuid",
        When(&["true"]),
        "the node's id is random and kept in its state directory; leave it out",
    ),
    // No command can be run in a task from outside yet.
    ("client.disable_remote_exec", Always, ""),
    ("client.node_max_allocs", When(&["0"]), NO_TUNING),
    ("client.cni_path", When(&["/opt/cni/bin"]), NO_NETWORK),
    ("client.cni_config_dir", When(&["/opt/cni/config"]), NO_NETWORK),
    ("client.bridge_network_name", When(&["nomad"]), NO_NETWORK),
    ("client.bridge_network_subnet", When(&["172.26.64.0/20"]), NO_NETWORK),
    ("client.bridge_network_subnet_ipv6", When(&[]), NO_NETWORK),
    ("client.bridge_network_hairpin_mode", When(&["false"]), NO_NETWORK),
    ("client.bind_wildcard_default_host_network", When(&["true"]), NO_NETWORK),
    ("client.host_network", Never, NO_NETWORK),
    ("client.cgroup_parent", When(&["nomad.slice", "/nomad"]), NO_TUNING),
    ("client.nomad_service_discovery", When(&["true"]), NO_TUNING),
    ("client.template", When(&[]), NO_TEMPLATE),
    ("client.artifact", When(&[]), NO_TEMPLATE),
    ("client.users.dynamic_user_min", When(&["80000"]), NO_TUNING),
    ("client.users.dynamic_user_max", When(&["89999"]), NO_TUNING),
    ("client.users", When(&[]), NO_TUNING),
    ("client.fingerprint", When(&[]), NO_TUNING),
    (
        "client.default_ineligible",
        When(&["false"]),
        "make the node ineligible with `troupe node eligibility -disable`",
    ),
    ("client.log_file", When(&[]), NO_LOG_FILE),
    ("client.options", When(&[]), NO_DRIVER),
    ("consul.name", When(&["default"]), "an agent asks one Consul API; leave it out"),
    ("consul.checks_use_advertise", Always, ""),
    ("consul.ssl", When(&["false"]), NO_TLS),
    // Only of use with `ssl`, which is refused.
    ("consul.share_ssl", Always, ""),
    ("consul.verify_ssl", Always, ""),
    ("consul.timeout", When(&["5s"]), NO_TUNING),
    ("consul.server_http_check_name", When(&["Nomad Server HTTP Check"]), NO_TUNING),
    ("consul.server_serf_check_name", When(&["Nomad Server Serf Check"]), NO_TUNING),
    ("consul.server_rpc_check_name", When(&["Nomad Server RPC Check"]), NO_TUNING),
    ("consul.client_http_check_name", When(&["Nomad Client HTTP Check"]), NO_TUNING),
    ("consul.server_failures_before_critical", When(&["0"]), NO_TUNING),
    ("consul.server_failures_before_warning", When(&["0"]), NO_TUNING),
    ("consul.client_failures_before_critical", When(&["0"]), NO_TUNING),
    ("consul.client_failures_before_warning", When(&["0"]), NO_TUNING),
    ("consul.ca_file", When(&[]), NO_TLS),
    ("consul.cert_file", When(&[]), NO_TLS),
    ("consul.key_file", When(&[]), NO_TLS),
    ("consul.auth", When(&[]), "put a proxy without a password in front of it, or leave it out"),
    ("consul.namespace", When(&["default"]), NO_ENTERPRISE),
    ("consul.tags", When(&[]), NO_TUNING),
    ("consul.grpc_address", When(&[]), "a service mesh is not in this release; leave it out"),
    ("consul.grpc_ca_file", When(&[]), "a service mesh is not in this release; leave it out"),
    ("consul.service_auth_method", When(&["nomad-workloads"]), NO_IDENTITY),
    ("consul.task_auth_method", When(&["nomad-workloads"]), NO_IDENTITY),
    ("consul.service_identity", When(&[]), NO_IDENTITY),
    ("consul.task_identity", When(&[]), NO_IDENTITY),
];

/// Settings of old releases, and the old ways of saying what is said otherwise now: a warning, no effect.
const REMOVED: &[(&str, &str)] = &[
    ("atlas", "Atlas is gone"),
    ("interfaces", "use addresses"),
    ("telemetry.disable_tagged_metrics", "metrics are always tagged"),
    ("telemetry.backwards_compatible_metrics", "metrics are always tagged"),
    ("tls.tls_prefer_server_cipher_suites", "nobody reads it any more"),
    ("client.reserved.iops", "operations per second are not counted"),
    ("vault.task_token_ttl", "nobody reads it any more"),
    ("vault.allow_unauthenticated", "nobody reads it any more"),
    ("vault.token", "nobody reads it any more"),
    ("server.protocol_version", "there is one protocol"),
    ("plugin_dir", "the drivers are built in"),
];

/// Blocks whose other settings mean nothing once the block says `enabled = false`.
const SWITCHES: &[&str] = &["acl", "vault", "audit", "eventlog", "server.plan_rejection_tracker"];

pub(super) fn is_under(path: &str, block: &str) -> bool {
    path.strip_prefix(block).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The blocks that a file switches off.
pub(super) fn switched_off(settings: &[Setting]) -> Vec<&'static str> {
    let off = |block: &&&str| {
        let switch = format!("{block}.enabled");
        settings.iter().any(|setting| {
            setting.path == switch && Typed { path: &switch, value: &setting.value }.bool() == Ok(false)
        })
    };
    SWITCHES.iter().filter(off).copied().collect()
}

pub(super) fn set(_: &mut Draft, setting: &Typed<'_>) -> Outcome {
    refuse(setting, TABLE.iter().map(|(path, harmless, why)| (*path, harmless, *why)), REMOVED)
}

fn refuse<'t>(
    setting: &Typed<'_>,
    mut table: impl Iterator<Item = (&'static str, &'t Harmless, &'static str)>,
    removed: &[(&str, &str)],
) -> Outcome {
    let path = setting.path;
    if let Some((_, why)) = removed.iter().find(|(old, _)| is_under(path, old)) {
        return Ok(Taken::Warn(format!("`{path}` is ignored: {why}")));
    }
    // An empty block of ours says nothing.
    let blocks = [
        "server",
        "client",
        "ports",
        "addresses",
        "advertise",
        "consul",
        "autopilot",
        "client.options",
        "client.meta",
        "client.reserved",
        "server.server_join",
        "client.server_join",
    ];
    if setting.is_nothing() && blocks.contains(&path) {
        return Ok(Taken::Yes);
    }
    let Some((_, harmless, why)) = table.find(|(known, ..)| is_under(path, known)) else {
        return Ok(Taken::Unknown);
    };
    let said = match setting.value {
        Kind::List(items) => items.iter().filter_map(|item| plain(&item.kind)).collect::<Vec<_>>().join(","),
        value => plain(value).unwrap_or_default(),
    };
    let fine = match harmless {
        Always => true,
        Never => false,
        // What says nothing asks for nothing.
        When(values) => said.is_empty() || values.iter().any(|value| same(value, &said)),
    };
    if fine { Ok(Taken::Yes) } else { Err(format!("`{path}` is refused: {why}")) }
}

/// `"1"` and `true` are the same switch.
fn same(allowed: &str, said: &str) -> bool {
    let switch = |text: &str| match text.to_lowercase().as_str() {
        "true" | "t" => Some(true),
        "false" | "f" => Some(false),
        _ => None,
    };
    allowed.eq_ignore_ascii_case(said)
        || switch(allowed).is_some_and(|allowed| match said {
            "1" => allowed,
            "0" => !allowed,
            said => switch(said) == Some(allowed),
        })
}

/// Words for a name that nobody knows.
pub(super) fn unknown(path: &str, face: Face) -> String {
    let (block, key) = path.rsplit_once('.').unwrap_or(("", path));
    let place = if block.is_empty() { String::new() } else { format!(" in `{block}`") };
    let page = match face {
        Face::Nomad => "docs/configuration.md",
        Face::Consul => "docs/consul-beside-nomad.md",
    };
    format!("unexpected key `{key}`{place}: it is not a setting of the agent; {page} lists them")
}

// ---------------------------------------------------------------------------------------- consul agent

const NO_DEFINITION: &str =
    "services and checks in files are not in this release; run them as jobs with a `service` block";
const NO_MESH: &str = "a service mesh is not in this release; leave it out";
const NO_WAN: &str = "regions are joined through their Nomad agents; leave it out";

/// The same for an agent that is started as `consul agent`.
const CONSUL_TABLE: &[(&str, Harmless, &str)] = &[
    ("disable_update_check", Always, ""),
    ("disable_anonymous_signature", Always, ""),
    ("disable_coordinates", Always, ""),
    (
        "disable_host_node_id",
        When(&["true"]),
        "the id is random and kept in the data directory; leave it out",
    ),
    ("disable_keyring_file", Always, ""),
    ("disable_remote_exec", When(&["true"]), "commands are not run on other agents; leave it out"),
    ("protocol", When(&["2", "3"]), "there is one protocol; leave it out"),
    ("raft_protocol", When(&["3"]), "there is one protocol; leave it out"),
    ("enable_script_checks", When(&["false"]), NO_DEFINITION),
    ("enable_local_script_checks", When(&["false"]), NO_DEFINITION),
    ("service", Never, NO_DEFINITION),
    ("services", Never, NO_DEFINITION),
    ("check", Never, NO_DEFINITION),
    ("checks", Never, NO_DEFINITION),
    ("watches", Never, "watches that run commands are not in this release; leave it out"),
    ("acl.enabled", When(&["false"]), NO_ACL),
    ("acl.default_policy", When(&["allow"]), NO_ACL),
    ("acl.down_policy", When(&["extend-cache"]), NO_ACL),
    ("acl", When(&[]), NO_ACL),
    ("acl_datacenter", When(&[]), NO_ACL),
    ("tls", When(&["false"]), NO_TLS),
    ("verify_incoming", When(&["false"]), NO_TLS),
    ("verify_outgoing", When(&["false"]), NO_TLS),
    ("verify_server_hostname", When(&["false"]), NO_TLS),
    ("ca_file", When(&[]), NO_TLS),
    ("cert_file", When(&[]), NO_TLS),
    ("key_file", When(&[]), NO_TLS),
    ("auto_encrypt", When(&["false"]), NO_TLS),
    ("auto_config", When(&["false"]), NO_TLS),
    ("encrypt_verify_incoming", When(&["true"]), "packets are always checked; leave it out"),
    ("encrypt_verify_outgoing", When(&["true"]), "packets are always sealed; leave it out"),
    // On by default in the original, and of no effect without proxies.
    ("connect.enabled", Always, ""),
    ("connect", When(&[]), NO_MESH),
    ("config_entries", When(&[]), NO_MESH),
    ("ports.grpc", When(&["-1", "0", "8502"]), NO_MESH),
    ("ports.grpc_tls", When(&["-1", "0", "8503"]), NO_MESH),
    ("ports.https", When(&["-1", "0"]), NO_TLS),
    ("ports.serf_wan", When(&["-1", "8302"]), NO_WAN),
    ("ports.sidecar_min_port", Always, ""),
    ("ports.sidecar_max_port", Always, ""),
    ("ports.expose_min_port", Always, ""),
    ("ports.expose_max_port", Always, ""),
    ("addresses.grpc", Always, ""),
    ("addresses.grpc_tls", Always, ""),
    ("addresses.https", Always, ""),
    ("retry_join_wan", When(&[]), NO_WAN),
    ("start_join", When(&[]), "use retry_join"),
    ("start_join_wan", When(&[]), NO_WAN),
    ("serf_wan", When(&[]), NO_WAN),
    ("primary_datacenter", When(&[]), NO_WAN),
    ("advertise_addr_wan", When(&[]), NO_WAN),
    ("translate_wan_addrs", When(&["false"]), NO_WAN),
    ("alt_domain", When(&[]), "set domain"),
    ("node_id", When(&[]), "the id is random and kept in the data directory; leave it out"),
    ("ui_dir", When(&[]), "this release has no web UI; leave it out"),
    ("telemetry.disable_hostname", Always, ""),
    ("telemetry.prometheus_retention_time", Always, ""),
    ("telemetry", When(&[]), NO_SINK),
    ("enable_syslog", When(&["false"]), NO_LOG_FILE),
    ("syslog_facility", When(&["LOCAL0"]), NO_LOG_FILE),
    ("log_file", When(&[]), NO_LOG_FILE),
    ("pid_file", When(&[]), "let the shell or systemd keep the process id"),
    ("enable_debug", When(&["false"]), "there is no profiler in this release; leave it out"),
    ("enable_central_service_config", Always, ""),
    ("use_streaming_backend", Always, ""),
    ("dns_config", When(&[]), "answers have fixed times to live in this release; leave it out"),
    ("http_config", When(&[]), NO_TUNING),
    ("limits", When(&[]), NO_TUNING),
    ("gossip_lan", When(&[]), NO_TUNING),
    ("gossip_wan", When(&[]), NO_WAN),
    ("cache", When(&[]), NO_TUNING),
    (
        "raft_snapshot_interval",
        When(&["30s"]),
        "snapshots follow the number of entries; set raft_snapshot_threshold",
    ),
    ("raft_logstore", When(&[]), "there is one log store; leave it out"),
    ("performance", When(&[]), NO_TUNING),
    ("autopilot", When(&["false"]), NO_ENTERPRISE),
    ("default_query_time", When(&["300s", "5m"]), NO_TUNING),
    ("max_query_time", When(&["600s", "10m"]), NO_TUNING),
    ("check_update_interval", When(&["5m"]), NO_TUNING),
    ("session_ttl_min", When(&["10s"]), NO_TUNING),
    ("reconnect_timeout", When(&["72h"]), NO_TUNING),
];

const CONSUL_REMOVED: &[(&str, &str)] = &[
    ("atlas", "Atlas is gone"),
    ("atlas_token", "Atlas is gone"),
    ("statsd_addr", "metrics are not sent anywhere"),
];

pub(super) fn set_consul(_: &mut Draft, setting: &Typed<'_>) -> Outcome {
    refuse(setting, CONSUL_TABLE.iter().map(|(path, harmless, why)| (*path, harmless, *why)), CONSUL_REMOVED)
}
