use std::path::PathBuf;

use model::{AllocId, Resources, Task, Value};

use super::*;
use crate::actors::ports::{TaskDirs, TaskPort};

fn spec(config: &str) -> TaskSpec {
    let config: BTreeMap<String, Value> = serde_json::from_str(config).unwrap();
    let task = PathBuf::from("/data/a/web");
    let resources = Resources { cpu_mhz: 500, memory_mb: 256, ..Resources::default() };
    TaskSpec {
        alloc: AllocId(1),
        job: String::from("job"),
        namespace: String::from("default"),
        group: String::from("group"),
        task: Task { name: String::from("web"), config, ..Task::default() },
        env: std::sync::Arc::new([(String::from("A"), String::from("1"))].into()),
        ports: vec![
            TaskPort {
                label: String::from("http"),
                host_ip: String::from("10.0.0.1"),
                host_port: 20_001,
                to: 80,
            },
            TaskPort { label: String::from("db"), host_ip: String::new(), host_port: 20_002, to: 0 },
        ],
        dirs: TaskDirs {
            alloc: "/data/a/alloc".into(),
            local: task.join("local"),
            secrets: task.join("secrets"),
            logs: "/data/a/alloc/logs".into(),
            task,
        },
        resources,
        cores: vec![],
        devices: vec![],
    }
}

fn body(config: &str) -> ContainerCreateBody {
    container(&spec(config), "redis:3.2", &Options::default()).unwrap()
}

fn refusal(config: &str) -> String {
    container(&spec(config), "redis:3.2", &Options::default()).unwrap_err().to_string()
}

#[test]
fn limits_mounts_and_names() {
    let spec = spec("{}");
    assert_eq!(container_name(&spec), "web-00000000-0000-0000-0000-000000000001");
    let body = container(&spec, "redis:3.2", &Options::default()).unwrap();
    let host = body.host_config.unwrap();
    assert_eq!((host.memory, host.memory_swap), (Some(256 << 20), Some(256 << 20)));
    assert_eq!(host.cpu_shares, Some(500));
    assert_eq!(
        host.binds.unwrap(),
        ["/data/a/alloc:/alloc", "/data/a/web/local:/local", "/data/a/web/secrets:/secrets"]
    );
    let env = body.env.unwrap();
    for wanted in ["A=1", "NOMAD_ALLOC_DIR=/alloc", "NOMAD_TASK_DIR=/local", "NOMAD_SECRETS_DIR=/secrets"] {
        assert!(env.iter().any(|own| own == wanted), "{wanted} in {env:?}");
    }
    let labels = body.labels.unwrap();
    assert_eq!(labels["com.hashicorp.nomad.alloc_id"], "00000000-0000-0000-0000-000000000001");
    assert_eq!((body.cmd, body.entrypoint, body.exposed_ports), (None, None, None));
    assert_eq!(host.cap_drop.unwrap(), ["NET_RAW"]);
}

#[test]
fn ports_go_where_they_belong() {
    let inside = |config: &str| {
        let bindings = body(config).host_config.unwrap().port_bindings.unwrap_or_default();
        let mut flat: Vec<String> = bindings
            .into_iter()
            .flat_map(|(key, list)| {
                list.unwrap().into_iter().map(move |one| {
                    format!("{}:{}->{key}", one.host_ip.unwrap_or_default(), one.host_port.unwrap())
                })
            })
            .collect();
        flat.sort();
        flat
    };
    assert_eq!(inside(r#"{"ports":["http"]}"#), ["10.0.0.1:20001->80/tcp", "10.0.0.1:20001->80/udp"]);
    assert_eq!(inside(r#"{"port_map":[{"db":6379}]}"#), [":20002->6379/tcp", ":20002->6379/udp"]);
    assert_eq!(inside(r#"{"ports":["db"]}"#), [":20002->20002/tcp", ":20002->20002/udp"]);
    assert!(inside(r#"{"ports":["http"],"network_mode":"host"}"#).is_empty());
    assert!(inside("{}").is_empty());
    assert!(refusal(r#"{"ports":["nope"]}"#).contains("`nope`"));
    assert!(refusal(r#"{"port_map":{"db":0}}"#).contains("port_map"));
}

#[test]
fn every_key_arrives() {
    let body = body(
        r#"{"command":"run","args":["-p","80"],"entrypoint":["/init"],"work_dir":"/w","hostname":"h","tty":true,
            "interactive":true,"labels":{"a":"b"},"extra_hosts":["x:1.2.3.4"],"dns_servers":["8.8.8.8"],
            "dns_search_domains":["lab"],"cap_add":["CHOWN"],"cap_drop":["kill"],"readonly_rootfs":true,"init":true,
            "shm_size":1000,"ulimit":{"nofile":"10:20","core":"0"},"sysctl":{"net.core.somaxconn":"128"},
            "ipc_mode":"host","pid_mode":"host","uts_mode":"host","group_add":["audio"],"security_opt":["x=y"],
            "memory_hard_limit":512,"cpu_hard_limit":true,"pids_limit":9,"volumes":["data:/data:ro"]}"#,
    );
    assert_eq!(body.cmd.unwrap(), ["run", "-p", "80"]);
    assert_eq!(body.entrypoint.unwrap(), ["/init"]);
    assert_eq!((body.working_dir.unwrap(), body.hostname.unwrap()), (String::from("/w"), String::from("h")));
    assert_eq!((body.tty, body.open_stdin), (Some(true), Some(true)));
    assert_eq!(body.labels.unwrap()["a"], "b");
    let host = body.host_config.unwrap();
    assert_eq!((host.memory, host.memory_reservation), (Some(512 << 20), Some(256 << 20)));
    assert!(host.cpu_quota.unwrap() >= 1000);
    assert_eq!(host.pids_limit, Some(9));
    assert_eq!(host.binds.unwrap()[3], "/data/a/web/data:/data:ro");
    let limits = host.ulimits.unwrap();
    assert_eq!((limits[1].soft, limits[1].hard), (Some(10), Some(20)));
    assert_eq!(host.sysctls.unwrap()["net.core.somaxconn"], "128");
    assert_eq!((host.init, host.readonly_rootfs, host.shm_size), (Some(true), Some(true), Some(1000)));
    assert_eq!((host.dns.unwrap(), host.dns_search.unwrap()), (vec!["8.8.8.8".into()], vec!["lab".into()]));
    assert_eq!((host.ipc_mode.unwrap(), host.pid_mode.unwrap()), ("host".into(), "host".into()));
}

#[test]
fn mounts_devices_and_names_in_a_network() {
    let free = Options { volumes_enabled: true, ..Options::default() };
    let spec = spec(
        r#"{"mount":[{"type":"bind","source":"local/conf","target":"/conf","readonly":true,
                      "bind_options":[{"propagation":"rslave"}]},
                     {"target":"/data","source":"data","volume_options":{"no_copy":true,"labels":{"a":"b"},
                      "driver_config":{"name":"nfs","options":{"o":"addr=1"}}}}],
            "mounts":[{"type":"tmpfs","target":"/tmp","tmpfs_options":{"size":1000,"mode":511}}],
            "devices":[{"host_path":"/dev/fuse"},{"host_path":"/dev/a","container_path":"/dev/b","cgroup_permissions":"r"}],
            "network_mode":"lab","network_aliases":["web"],"ipv4_address":"10.1.0.9","mac_address":"02:00:00:00:00:01",
            "logging":[{"type":"syslog","config":[{"tag":"x"}]}],"healthchecks":{"disable":true},"cgroupns":"host",
            "volume_driver":"nfs","volumes":["shared:/shared"],"dns_options":["ndots:1"],"auth_soft_fail":true}"#,
    );
    let body = container(&spec, "x", &free).unwrap();
    let host = body.host_config.unwrap();
    let mounts = serde_json::to_value(host.mounts).unwrap();
    assert_eq!(
        mounts,
        serde_json::json!([
            { "Type": "bind", "Source": "/data/a/web/local/conf", "Target": "/conf", "ReadOnly": true,
              "BindOptions": { "Propagation": "rslave" } },
            { "Type": "volume", "Source": "data", "Target": "/data", "VolumeOptions": { "NoCopy": true,
              "Labels": { "a": "b" }, "DriverConfig": { "Name": "nfs", "Options": { "o": "addr=1" } } } },
            { "Type": "tmpfs", "Target": "/tmp", "TmpfsOptions": { "SizeBytes": 1000, "Mode": 511 } },
        ])
    );
    let devices = serde_json::to_value(host.devices).unwrap();
    assert_eq!(devices[0]["PathInContainer"], "/dev/fuse");
    assert_eq!(
        (&devices[1]["PathInContainer"], &devices[1]["CgroupPermissions"]),
        (&"/dev/b".into(), &"r".into())
    );
    let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
    assert_eq!(endpoints["lab"].aliases.as_deref(), Some(&[String::from("web")][..]));
    assert_eq!(endpoints["lab"].ipam_config.as_ref().unwrap().ipv4_address.as_deref(), Some("10.1.0.9"));
    assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("syslog"));
    assert_eq!(body.healthcheck.unwrap().test.unwrap(), ["NONE"]);
    assert_eq!(host.binds.unwrap()[3], "shared:/shared");

    for (config, words) in [
        (r#"{"mount":{"type":"bind","source":"/etc","target":"/x"}}"#, "volumes are not enabled"),
        (r#"{"mount":{"target":"/x"}}"#, "cannot use a mount of type volume"),
        (r#"{"mount":{"type":"bind","source":"../x","target":"/x"}}"#, "leads out"),
        (r#"{"mount":{"type":"bind","target":"/x"}}"#, "needs a `source`"),
        (r#"{"devices":{"container_path":"/x"}}"#, "needs a `host_path`"),
        (r#"{"network_mode":"host","network_aliases":["x"]}"#, "need a network of the engine"),
        (r#"{"cgroupns":"mine"}"#, "\"mine\""),
    ] {
        let refused = refusal(config);
        assert!(refused.contains(words), "{config}: {refused}");
    }
}

#[test]
fn what_the_node_forbids_is_refused_with_a_reason() {
    assert!(refusal(r#"{"volumes":["/etc:/etc"]}"#).contains("volumes are not enabled"));
    assert!(refusal(r#"{"volumes":["../../x:/x"]}"#).contains("leads out"));
    assert!(refusal(r#"{"privileged":true}"#).contains("allow_privileged"));
    assert!(refusal(r#"{"cap_add":["SYS_ADMIN"]}"#).contains("SYS_ADMIN"));
    let free = Options { volumes_enabled: true, allow_privileged: true, ..Options::default() };
    container(&spec(r#"{"volumes":["/etc:/etc"],"privileged":true}"#), "x", &free).unwrap();
}

#[test]
fn cores_and_devices_of_its_own() {
    let spec = |config| TaskSpec { cores: vec![1, 2, 5], ..spec(config) };
    let host =
        |spec: &TaskSpec| container(spec, "x", &Options::default()).map(|body| body.host_config.unwrap());
    let mut own = spec("{}");
    assert_eq!(host(&own).unwrap().cpuset_cpus.as_deref(), Some("1-2,5"));
    assert_eq!(host(&own).unwrap().runtime, None);
    let name = model::DeviceName { vendor: "nvidia".into(), kind: "gpu".into(), model: "T4".into() };
    own.devices = vec![model::ClaimedDevices { name, ids: vec!["GPU-1".into()] }];
    assert_eq!(host(&own).unwrap().runtime.as_deref(), Some("nvidia"));
    let refused = host(&spec(r#"{"cpuset_cpus": "0"}"#)).unwrap_err().to_string();
    assert_eq!(refused, "`cpuset_cpus` cannot be used with `cores`: remove one of them");
    assert_eq!(body(r#"{"cpuset_cpus": "0"}"#).host_config.unwrap().cpuset_cpus.as_deref(), Some("0"));
}
