//! What the engine is asked to create: a task's specification in the engine's terms.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig,
    HostConfigCgroupnsModeEnum, HostConfigLogConfig, NetworkingConfig, PortBinding, PortMap,
    ResourcesUlimits,
};
use model::{MemoryMax, claims::format_cpuset};

use super::{Options, mounts};
use crate::{
    actors::ports::{DriverError, TaskSpec},
    driver::{config::Config, host, signals},
};

pub(super) const KEYS: &[&str] = &[
    "image",
    "command",
    "args",
    "entrypoint",
    "ports",
    "port_map",
    "network_mode",
    "hostname",
    "volumes",
    "labels",
    "work_dir",
    "extra_hosts",
    "dns_servers",
    "dns_search_domains",
    "dns_options",
    "cap_add",
    "cap_drop",
    "readonly_rootfs",
    "init",
    "tty",
    "interactive",
    "shm_size",
    "ulimit",
    "sysctl",
    "auth",
    "force_pull",
    "image_pull_timeout",
    "ipc_mode",
    "pid_mode",
    "uts_mode",
    "userns_mode",
    "group_add",
    "security_opt",
    "storage_opt",
    "memory_hard_limit",
    "cpu_hard_limit",
    "cpu_cfs_period",
    "cpuset_cpus",
    "pids_limit",
    "oom_score_adj",
    "privileged",
    "runtime",
    "network_aliases",
    "ipv4_address",
    "ipv6_address",
    "mac_address",
    "volume_driver",
    "mount",
    "mounts",
    "devices",
    "logging",
    "auth_soft_fail",
    "load",
    "cgroupns",
    // Of Windows; the rules let the default alone pass.
    "isolation",
    "healthchecks",
    "container_exists_attempts",
    "advertise_ipv6_address",
];

/// What the engine gives by default, but for NET_RAW, with which a container can forge packets.
const ALLOWED_CAPABILITIES: &[&str] = &[
    "audit_write",
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "mknod",
    "net_bind_service",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_chroot",
];

const MEBIBYTE: i64 = 1024 * 1024;

/// The kernel's own, in microseconds.
const DEFAULT_CFS_PERIOD: i64 = 100_000;

type Result<T> = std::result::Result<T, DriverError>;

pub(super) fn fatal<T>(text: String) -> Result<T> {
    Err(DriverError::Fatal(text))
}

/// Also the name by which a leftover of an interrupted start is found.
pub(super) fn container_name(spec: &TaskSpec) -> String {
    format!("{}-{}", spec.task.name, spec.alloc)
}

pub(super) fn container(spec: &TaskSpec, image: &str, options: &Options) -> Result<ContainerCreateBody> {
    let config = Config(&spec.task.config);
    let network_mode = config.text("network_mode")?;
    // Without a network of its own the container has no ports and no name of its own.
    let own_network = !network_mode
        .as_deref()
        .is_some_and(|mode| mode == "host" || mode == "none" || mode.starts_with("container:"));
    let (exposed_ports, port_bindings) = if own_network { ports(spec, config)? } else { Default::default() };

    let command = config.text("command")?;
    let cmd: Vec<String> = command.into_iter().chain(config.list("args")?).collect();
    let mut env = BTreeMap::clone(&spec.env);
    for (name, path) in
        [("NOMAD_ALLOC_DIR", "/alloc"), ("NOMAD_TASK_DIR", "/local"), ("NOMAD_SECRETS_DIR", "/secrets")]
    {
        env.insert(name.to_owned(), path.to_owned());
    }
    let kill_signal = &spec.task.kill_signal;
    let stop_signal =
        if kill_signal.is_empty() { None } else { Some(signals::name(signals::parse(kill_signal)?)) };
    let interactive = config.flag("interactive")?;
    Ok(ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: config.text("hostname")?,
        user: Some(spec.task.user.clone()).filter(|user| !user.is_empty()),
        env: Some(env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
        cmd: filled(cmd),
        entrypoint: filled(config.list("entrypoint")?),
        working_dir: config.text("work_dir")?,
        labels: Some(labels(spec, config)?),
        tty: config.flag("tty")?,
        open_stdin: interactive,
        stop_signal,
        exposed_ports: filled(exposed_ports),
        networking_config: networking(config, network_mode.as_deref())?,
        healthcheck: no_healthcheck(config)?,
        host_config: Some(HostConfig {
            port_bindings: Some(port_bindings).filter(|map| !map.is_empty()),
            network_mode,
            ..host_config(spec, config, options)?
        }),
        ..ContainerCreateBody::default()
    })
}

fn host_config(spec: &TaskSpec, config: Config<'_>, options: &Options) -> Result<HostConfig> {
    let asked = i64::from(spec.resources.memory_mb) * MEBIBYTE;
    let hard = match (config.int("memory_hard_limit")?, spec.resources.memory_max) {
        (Some(megabytes), _) => Some(megabytes * MEBIBYTE),
        (None, Some(MemoryMax::Mb(megabytes))) => Some(i64::from(megabytes) * MEBIBYTE),
        (None, Some(MemoryMax::Unlimited)) => Some(i64::MAX),
        (None, None) => None,
    };
    // The engine takes none for no limit.
    let memory = Some(hard.unwrap_or(asked).max(asked)).filter(|bytes| *bytes < i64::MAX);
    let privileged = config.flag("privileged")?.unwrap_or(false);
    if privileged && !options.allow_privileged {
        return fatal(String::from(
            "privileged containers are not allowed on this node (`allow_privileged`)",
        ));
    }
    let cap_add = config.list("cap_add")?;
    for capability in &cap_add {
        let plain = capability.to_lowercase();
        let plain = plain.strip_prefix("cap_").unwrap_or(&plain);
        if !ALLOWED_CAPABILITIES.contains(&plain)
            && !options.allow_caps.iter().any(|own| own == plain || own == "all")
        {
            return fatal(format!(
                "the capability `{capability}` is not allowed on this node (`allow_caps`)"
            ));
        }
    }
    let adds = |name: &str| cap_add.iter().any(|own| own.to_lowercase().trim_start_matches("cap_") == name);
    let mut cap_drop = config.list("cap_drop")?;
    if !adds("net_raw") && !adds("all") && !privileged {
        cap_drop.push(String::from("NET_RAW"));
    }
    let period = config.int("cpu_cfs_period")?;
    let quota = config.flag("cpu_hard_limit")?.unwrap_or(false).then(|| {
        let share = f64::from(spec.resources.cpu_mhz) / f64::from(host::core_mhz());
        ((share * period.unwrap_or(DEFAULT_CFS_PERIOD) as f64) as i64).max(1000)
    });
    Ok(HostConfig {
        binds: Some(binds(spec, config, options)?),
        volume_driver: config.text("volume_driver")?,
        mounts: filled(mounts::mounts(spec, config, options)?),
        devices: filled(mounts::devices(config)?),
        cgroupns_mode: cgroupns(config)?,
        memory,
        // Equal to the memory: no swap.
        memory_swap: memory,
        memory_reservation: hard.map(|_| asked),
        // The kernel takes no less than 2.
        cpu_shares: Some(i64::from(spec.resources.cpu_mhz).max(2)),
        cpu_period: quota.and(period),
        cpu_quota: quota,
        cpuset_cpus: cpuset(spec, config)?,
        pids_limit: config.int("pids_limit")?,
        oom_score_adj: config.int("oom_score_adj")?,
        extra_hosts: filled(config.list("extra_hosts")?),
        dns: filled(config.list("dns_servers")?),
        dns_search: filled(config.list("dns_search_domains")?),
        dns_options: filled(config.list("dns_options")?),
        cap_add: filled(cap_add),
        cap_drop: filled(cap_drop),
        readonly_rootfs: config.flag("readonly_rootfs")?,
        init: config.flag("init")?,
        privileged: Some(privileged),
        shm_size: config.int("shm_size")?,
        ulimits: filled(ulimits(config)?),
        sysctls: mounts::texts(config, "sysctl")?,
        storage_opt: mounts::texts(config, "storage_opt")?,
        ipc_mode: config.text("ipc_mode")?,
        pid_mode: config.text("pid_mode")?,
        uts_mode: config.text("uts_mode")?,
        userns_mode: config.text("userns_mode")?,
        runtime: config.text("runtime")?.or_else(|| runtime_of_devices(spec)),
        group_add: filled(config.list("group_add")?),
        security_opt: filled(config.list("security_opt")?),
        log_config: Some(log_config(spec, config)?),
        ..HostConfig::default()
    })
}

/// The cores that are the task's own, else what its configuration says.
fn cpuset(spec: &TaskSpec, config: Config<'_>) -> Result<Option<String>> {
    let written = config.text("cpuset_cpus")?;
    if spec.cores.is_empty() {
        return Ok(written);
    }
    if written.is_some() {
        return fatal(String::from("`cpuset_cpus` cannot be used with `cores`: remove one of them"));
    }
    Ok(Some(format_cpuset(&spec.cores)))
}

/// NVIDIA's runtime brings the devices into the container that `NVIDIA_VISIBLE_DEVICES` names.
fn runtime_of_devices(spec: &TaskSpec) -> Option<String> {
    spec.devices.iter().any(|given| given.name.vendor == "nvidia").then(|| String::from("nvidia"))
}

/// Where the engine sends the output beside us. By default nowhere: it keeps twice what we keep, for its files hold each
/// line in JSON, so that nothing goes while the agent is away that would not have gone anyway.
fn log_config(spec: &TaskSpec, config: Config<'_>) -> Result<HostConfigLogConfig> {
    if let Some(block) = config.block("logging")? {
        let block = Config(block);
        let kind = block.text("type")?.or(block.text("driver")?);
        return Ok(HostConfigLogConfig {
            typ: Some(kind.unwrap_or_else(|| String::from("json-file"))),
            config: mounts::texts(block, "config")?,
        });
    }
    let logs = &spec.task.logs;
    let config = [
        ("max-file", logs.max_files.max(2).to_string()),
        ("max-size", format!("{}m", logs.max_file_size_mb.max(1) * 2)),
    ];
    Ok(HostConfigLogConfig {
        typ: Some(String::from("json-file")),
        config: Some(config.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
    })
}

/// How the container is known in the network that it joins, if that is one of its own.
fn networking(config: Config<'_>, mode: Option<&str>) -> Result<Option<NetworkingConfig>> {
    let aliases = filled(config.list("network_aliases")?);
    let (ipv4_address, ipv6_address) = (config.text("ipv4_address")?, config.text("ipv6_address")?);
    let mac_address = config.text("mac_address")?;
    if aliases.is_none() && ipv4_address.is_none() && ipv6_address.is_none() && mac_address.is_none() {
        return Ok(None);
    }
    let shared = |mode: &str| matches!(mode, "host" | "none") || mode.starts_with("container:");
    if mode.is_some_and(shared) {
        return fatal(String::from(
            "network_aliases, ipv4_address, ipv6_address and mac_address need a network of the engine in `network_mode`",
        ));
    }
    let has_address = ipv4_address.is_some() || ipv6_address.is_some();
    let ipam = EndpointIpamConfig { ipv4_address, ipv6_address, ..EndpointIpamConfig::default() };
    let endpoint = EndpointSettings {
        aliases,
        mac_address,
        ipam_config: has_address.then_some(ipam),
        ..EndpointSettings::default()
    };
    let name = mode.unwrap_or("bridge").to_owned();
    Ok(Some(NetworkingConfig { endpoints_config: Some([(name, endpoint)].into()) }))
}

/// An image may bring a check of its own; nothing looks at it here.
fn no_healthcheck(config: Config<'_>) -> Result<Option<HealthConfig>> {
    let disabled = match config.block("healthchecks")? {
        Some(block) => Config(block).flag("disable")?.unwrap_or(false),
        None => false,
    };
    let none = || HealthConfig { test: Some(vec![String::from("NONE")]), ..HealthConfig::default() };
    Ok(disabled.then(none))
}

fn cgroupns(config: Config<'_>) -> Result<Option<HostConfigCgroupnsModeEnum>> {
    Ok(match config.text("cgroupns")?.as_deref() {
        None => None,
        Some("host") => Some(HostConfigCgroupnsModeEnum::HOST),
        Some("private") => Some(HostConfigCgroupnsModeEnum::PRIVATE),
        Some(other) => return fatal(format!("cgroupns is \"host\" or \"private\", found \"{other}\"")),
    })
}

fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

fn labels(spec: &TaskSpec, config: Config<'_>) -> Result<HashMap<String, String>> {
    let alloc = spec.alloc.to_string();
    let own = [
        ("com.hashicorp.nomad.alloc_id", alloc.as_str()),
        ("troupe.alloc", alloc.as_str()),
        ("troupe.job", spec.job.as_str()),
        ("troupe.namespace", spec.namespace.as_str()),
        ("troupe.group", spec.group.as_str()),
        ("troupe.task", spec.task.name.as_str()),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(config.map("labels")?.into_iter().chain(own).collect())
}

/// Each label of `ports`, `port_map` or the task's own network, published for TCP and UDP.
fn ports(spec: &TaskSpec, config: Config<'_>) -> Result<(Vec<String>, PortMap)> {
    let mut inside: BTreeMap<String, u16> = BTreeMap::new();
    for (label, port) in config.map("port_map")? {
        match port.parse::<u16>() {
            Ok(port) if port > 0 => inside.insert(label, port),
            _ => return fatal(format!("port_map: `{label}` must be a port from 1 to 65535, found {port}")),
        };
    }
    let named = config.list("ports")?;
    let own = spec.resources.network.iter().flat_map(|network| network.ports.iter().map(|port| &port.label));
    let wanted: BTreeSet<&String> = named.iter().chain(inside.keys()).chain(own).collect();
    let (mut exposed, mut bindings) = (Vec::new(), PortMap::new());
    for label in wanted {
        let Some(port) = spec.ports.iter().find(|port| port.label == *label) else {
            return fatal(format!("port `{label}` is not among the ports of the task's network"));
        };
        let to = inside.get(label).copied().or(Some(port.to).filter(|to| *to > 0)).unwrap_or(port.host_port);
        for protocol in ["tcp", "udp"] {
            let key = format!("{to}/{protocol}");
            let binding = PortBinding {
                host_ip: Some(port.host_ip.clone()).filter(|ip| !ip.is_empty()),
                host_port: Some(port.host_port.to_string()),
            };
            if let Some(list) = bindings.entry(key.clone()).or_insert_with(|| Some(Vec::new())) {
                list.push(binding);
            }
            exposed.push(key);
        }
    }
    exposed.dedup();
    Ok((exposed, bindings))
}

/// The task's directories, then `volumes`: `source:target[:mode]`.
fn binds(spec: &TaskSpec, config: Config<'_>, options: &Options) -> Result<Vec<String>> {
    let dirs = &spec.dirs;
    let own = [(&dirs.alloc, "/alloc"), (&dirs.local, "/local"), (&dirs.secrets, "/secrets")];
    let mut binds: Vec<String> =
        own.iter().map(|(host, inside)| format!("{}:{inside}", host.display())).collect();
    for volume in config.list("volumes")? {
        let Some((source, rest)) = volume.split_once(':') else {
            return fatal(format!("volume `{volume}` must be `source:target` or `source:target:mode`"));
        };
        let named =
            !source.contains('/') && !source.starts_with('.') && config.text("volume_driver")?.is_some();
        if named && options.volumes_enabled {
            // A volume of that driver, by its name.
            binds.push(volume);
        } else {
            binds.push(format!("{}:{rest}", mounts::host_path(&dirs.task, source, options)?));
        }
    }
    Ok(binds)
}

/// `nofile = "2048:4096"`, soft and hard, or one number for both.
fn ulimits(config: Config<'_>) -> Result<Vec<ResourcesUlimits>> {
    let limit = |(name, text): (String, String)| {
        let (soft, hard) = text.split_once(':').unwrap_or((&text, &text));
        match (soft.parse(), hard.parse()) {
            (Ok(soft), Ok(hard)) => {
                Ok(ResourcesUlimits { name: Some(name), soft: Some(soft), hard: Some(hard) })
            }
            _ => fatal(format!("ulimit `{name}` must be `soft:hard`, found `{text}`")),
        }
    };
    config.map("ulimit")?.into_iter().map(limit).collect()
}

#[cfg(test)]
#[path = "create_tests.rs"]
mod tests;
