//! The settings of docker. Which of them a node allows (`privileged`, host paths, capabilities), the node says.

use super::form::{ANY_INT, AT_LEAST_0, Form, Setting, setting};

/// Where the engine sends the output, beside the logs that troupe keeps.
const LOGGING: &[Setting] =
    &[setting("type", Form::Text), setting("driver", Form::Text), setting("config", Form::TextMap)];

const MOUNT: &[Setting] = &[
    setting("type", Form::OneOf(&["bind", "volume", "tmpfs"])),
    setting("target", Form::Text),
    setting("source", Form::Text),
    setting("readonly", Form::Bool),
    setting("bind_options", Form::Record(&[setting("propagation", Form::Text)])),
    setting("tmpfs_options", Form::Record(&[setting("size", AT_LEAST_0), setting("mode", AT_LEAST_0)])),
    setting(
        "volume_options",
        Form::Record(&[
            setting("no_copy", Form::Bool),
            setting("labels", Form::TextMap),
            setting(
                "driver_config",
                Form::Record(&[setting("name", Form::Text), setting("options", Form::TextMap)]),
            ),
        ]),
    ),
];

const DEVICE: &[Setting] = &[
    setting("host_path", Form::Text),
    setting("container_path", Form::Text),
    setting("cgroup_permissions", Form::Text),
];

const AUTH: &[Setting] = &[
    setting("username", Form::Text),
    setting("password", Form::Text),
    setting("email", Form::Text),
    setting("server_address", Form::Text),
];

pub(super) const SETTINGS: &[Setting] = &[
    setting("image", Form::Text),
    setting("command", Form::Text),
    setting("args", Form::Texts),
    setting("entrypoint", Form::Texts),
    setting("ports", Form::Texts),
    setting("port_map", Form::PortMap),
    setting("network_mode", Form::Text),
    setting("network_aliases", Form::Texts),
    setting("ipv4_address", Form::Text),
    setting("ipv6_address", Form::Text),
    setting("mac_address", Form::Text),
    setting("hostname", Form::Text),
    setting("volumes", Form::Texts),
    setting("volume_driver", Form::Text),
    setting("mount", Form::Records(MOUNT)),
    setting("mounts", Form::Records(MOUNT)),
    setting("devices", Form::Records(DEVICE)),
    setting("labels", Form::TextMap),
    setting("logging", Form::Record(LOGGING)),
    setting("work_dir", Form::Text),
    setting("extra_hosts", Form::Texts),
    setting("dns_servers", Form::Texts),
    setting("dns_search_domains", Form::Texts),
    setting("dns_options", Form::Texts),
    setting("privileged", Form::Bool),
    setting("cap_add", Form::Texts),
    setting("cap_drop", Form::Texts),
    setting("readonly_rootfs", Form::Bool),
    setting("init", Form::Bool),
    setting("tty", Form::Bool),
    setting("interactive", Form::Bool),
    setting("shm_size", AT_LEAST_0),
    setting("ulimit", Form::TextMap),
    setting("sysctl", Form::TextMap),
    setting("auth", Form::Record(AUTH)),
    setting("auth_soft_fail", Form::Bool),
    setting("force_pull", Form::Bool),
    setting("image_pull_timeout", Form::Duration),
    setting("load", Form::Text),
    setting("ipc_mode", Form::Text),
    setting("pid_mode", Form::Text),
    setting("uts_mode", Form::Text),
    setting("userns_mode", Form::Text),
    setting("cgroupns", Form::Text),
    setting("group_add", Form::Texts),
    setting("security_opt", Form::Texts),
    setting("storage_opt", Form::TextMap),
    setting("runtime", Form::Text),
    setting("oom_score_adj", ANY_INT),
    setting("memory_hard_limit", AT_LEAST_0),
    setting("cpu_hard_limit", Form::Bool),
    setting("cpu_cfs_period", Form::Int { min: 1000, max: 1_000_000 }),
    setting("cpuset_cpus", Form::Text),
    setting("pids_limit", AT_LEAST_0),
    setting("healthchecks", Form::Record(&[setting("disable", Form::Bool)])),
    setting("container_exists_attempts", AT_LEAST_0),
    setting("advertise_ipv6_address", Form::OnlyFalse("leave it out: services have the node's address")),
    // Of Windows: on Linux there is the one.
    setting("isolation", Form::OneOf(&["default", ""])),
];
