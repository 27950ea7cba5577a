//! Settings of `client`: one line each.

use model::PoolName;

use super::{
    draft::{Draft, Outcome, Taken},
    keys_server::directory,
    keys_top::{caps, docker_socket},
    parts::DrainOnShutdown,
    typed::{Typed, keep},
};

pub(super) fn set(draft: &mut Draft, setting: &Typed<'_>) -> Outcome {
    let Some(path) = setting.path.strip_prefix("client.") else { return Ok(Taken::Unknown) };
    if let Some(key) = path.strip_prefix("meta.") {
        draft.config.meta.insert(key.to_owned(), setting.text()?);
        return Ok(Taken::Yes);
    }
    if let Some(option) = path.strip_prefix("options.") {
        return options(draft, option, setting);
    }
    if path == "drain_on_shutdown" || path.starts_with("drain_on_shutdown.") {
        let drain = draft.config.drain_on_shutdown.get_or_insert_with(DrainOnShutdown::default);
        match path {
            "drain_on_shutdown" if setting.is_nothing() => {}
            "drain_on_shutdown.deadline" => keep(&mut drain.deadline, setting.span()?),
            "drain_on_shutdown.force" => drain.force |= setting.bool()?,
            "drain_on_shutdown.ignore_system_jobs" => drain.ignore_system_jobs |= setting.bool()?,
            _ => return Ok(Taken::Unknown),
        }
        return Ok(Taken::Yes);
    }
    let config = &mut draft.config;
    match path {
        "enabled" => config.client |= setting.bool()?,
        "servers" => config.servers.extend(setting.list()?),
        "server_join.retry_join" => config.client_join.retry.extend(setting.list()?),
        "server_join.retry_max" => keep(&mut config.client_join.max, setting.amount()?),
        "server_join.retry_interval" => keep(&mut config.client_join.interval, setting.span()?),
        "server_join.start_join" if setting.list()?.is_empty() => {}
        "server_join.start_join" => {
            return Err("start_join is not supported for Nomad clients; use retry_join".into());
        }
        "state_dir" => directory(&mut config.state_dir, setting)?,
        "alloc_dir" => directory(&mut config.alloc_dir, setting)?,
        "node_class" => keep(&mut config.node_class, setting.name()?),
        "node_pool" => keep(&mut config.node_pool, PoolName::new(setting.name()?)),
        "network_interface" => draft.written.interface = setting.text()?,
        "cpu_total_compute" => keep(&mut config.cpu_total_mhz, setting.amount()?),
        "memory_total_mb" => keep(&mut config.memory_total_mb, setting.amount()?),
        "disk_total_mb" => keep(&mut config.disk_total_mb, setting.amount()?),
        "min_dynamic_port" => keep(&mut config.dynamic_ports.0, setting.between(0, 65535)?),
        "max_dynamic_port" => keep(&mut config.dynamic_ports.1, setting.between(0, 65535)?),
        "reserved.cpu" => keep(&mut config.reserved.cpu_mhz, setting.amount()?),
        "reserved.cores" => keep(&mut config.reserved_cores, setting.cores()?),
        "reservable_cores" => keep(&mut config.reservable_cores, setting.cores()?),
        "reserved.memory" => keep(&mut config.reserved.memory_mb, setting.amount()?),
        "reserved.disk" => keep(&mut config.reserved.disk_mb, setting.amount()?),
        "reserved.reserved_ports" => keep(&mut config.reserved_ports, setting.ports()?),
        "max_kill_timeout" => keep(&mut config.max_kill_timeout, setting.span()?),
        "gc_interval" => keep(&mut config.node_gc.interval, setting.span()?),
        "gc_disk_usage_threshold" => keep(&mut config.node_gc.disk_usage, setting.percent()?),
        "gc_inode_usage_threshold" => keep(&mut config.node_gc.inode_usage, setting.percent()?),
        "gc_max_allocs" => keep(&mut config.node_gc.max_allocs, setting.amount()?),
        "gc_parallel_destroys" => keep(&mut config.node_gc.parallel_destroys, setting.amount()?),
        "network_speed" => {
            setting.amount()?;
            return Ok(Taken::Warn("`client.network_speed` has no effect: bandwidth is not counted".into()));
        }
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Yes)
}

/// `client.options`: settings of drivers from before `plugin` blocks.
fn options(draft: &mut Draft, option: &str, setting: &Typed<'_>) -> Outcome {
    let config = &mut draft.config;
    match option {
        "driver.raw_exec.enable" => config.raw_exec = setting.bool()?,
        "docker.endpoint" => docker_socket(draft, setting)?,
        "docker.volumes.enabled" | "driver.docker.volumes" => config.docker_volumes = setting.bool()?,
        "docker.privileged.enabled" => config.docker_privileged = setting.bool()?,
        "docker.caps.allowlist" | "docker.caps.whitelist" => config.docker_caps = caps(&setting.list()?),
        "driver.allowlist" | "driver.whitelist" => draft.written.drivers_allowed = names(&setting.list()?),
        "driver.denylist" | "driver.blacklist" => draft.written.drivers_denied = names(&setting.list()?),
        // Nothing here depends on them.
        "fingerprint.network.disallow_link_local" | "test.tighten_network_timeouts" => {
            setting.bool()?;
        }
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Yes)
}

fn names(list: &[String]) -> Vec<String> {
    let names = list.iter().flat_map(|item| item.split(',')).map(|name| name.trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}
