//! What only a node knows: use of the machine and of tasks.

use std::collections::BTreeMap;

use api::{
    AllocResourceUsage, CpuStats, HostStats, MemoryStats, ResourceUsage, TaskResourceUsage,
    stats::{HostCpuStats, HostDiskStats, HostMemoryStats},
};
use model::{AllocId, Allocation, NodeId};

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, json},
};
use crate::actors::ports::{AccessError, DiskUsage, HostUsage, TaskUsage};

/// The allocation of a path, if the state knows it.
pub(super) fn find(ctx: &Context, id: &str) -> Result<std::sync::Arc<Allocation>, Failure> {
    let unknown = || Failure::not_found(format!("Unknown allocation \"{id}\""));
    let parsed: AllocId = id.parse().map_err(|_| unknown())?;
    ctx.state.root().allocs.get(&parsed).cloned().ok_or_else(unknown)
}

/// Why the node of an allocation did not answer; names the agent to ask where that is known.
pub(super) fn refusal(ctx: &Context, alloc: &Allocation, error: AccessError) -> Failure {
    match error {
        AccessError::NoClient | AccessError::Elsewhere => no_path(ctx, alloc.node),
        AccessError::NotFound => {
            Failure::not_found(format!("state for allocation {} not found on client", alloc.id))
        }
        AccessError::Failed(reason) => Failure::server(reason),
    }
}

fn no_path(ctx: &Context, node: NodeId) -> Failure {
    match ctx.state.root().nodes.get(&node) {
        Some(node) if !node.http_addr.is_empty() => Failure::not_found(format!(
            "No path to node; ask the agent of node {:?} at {}",
            node.name, node.http_addr
        )),
        _ => Failure::not_found("No path to node"),
    }
}

pub(super) async fn host_stats(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    let node = match call.text("node_id") {
        None if ctx.agent.node.is_none() => {
            return Err(Failure::bad("No local Node and node_id not provided"));
        }
        None => None,
        Some(id) => {
            let unknown = || Failure::not_found(format!("Unknown node \"{id}\""));
            let node: NodeId = id.parse().map_err(|_| unknown())?;
            if Some(node) != ctx.agent.node && !ctx.state.root().nodes.contains_key(&node) {
                return Err(unknown());
            }
            Some(node)
        }
    };
    match ctx.nodes.host_usage(node).await {
        Ok(usage) => Ok(json(call, &host(&usage))),
        Err(AccessError::Failed(reason)) => Err(Failure::server(reason)),
        Err(_) => Err(node
            .or(ctx.agent.node)
            .map_or_else(|| Failure::bad("node is not running a Nomad Client"), |node| no_path(ctx, node))),
    }
}

pub(super) async fn alloc_stats(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_get()?;
    let alloc = find(ctx, id)?;
    let mut tasks = ctx.nodes.alloc_usage(alloc.id).await.map_err(|error| refusal(ctx, &alloc, error))?;
    if let Some(task) = call.text("task") {
        if !tasks.contains_key(task) {
            return Err(Failure::server(format!("no task named {task:?} is running in the allocation")));
        }
        tasks.retain(|name, _| name == task);
    }
    Ok(json(call, &usage(&tasks)))
}

fn usage(tasks: &BTreeMap<String, TaskUsage>) -> AllocResourceUsage {
    let mut sum = ResourceUsage::default();
    let mut newest = 0;
    let mut each = BTreeMap::new();
    for (name, task) in tasks {
        let usage = task_usage(task);
        add(&mut sum, &usage);
        newest = newest.max(task.time.as_nanos());
        let usage = TaskResourceUsage { resource_usage: usage, timestamp: task.time.as_nanos(), pids: None };
        each.insert(name.clone(), usage);
    }
    AllocResourceUsage { resource_usage: sum, tasks: each, timestamp: newest }
}

fn task_usage(task: &TaskUsage) -> ResourceUsage {
    ResourceUsage {
        memory_stats: MemoryStats {
            rss: task.memory_rss,
            cache: task.memory_cache,
            swap: task.memory_swap,
            usage: task.memory_usage,
            max_usage: task.memory_max_usage,
            measured: task.measured_memory.clone(),
            ..MemoryStats::default()
        },
        cpu_stats: CpuStats {
            system_mode: task.cpu_system_percent,
            user_mode: task.cpu_user_percent,
            total_ticks: task.cpu_ticks,
            throttled_periods: task.throttled_periods,
            throttled_time: task.throttled_time_ns,
            percent: task.cpu_percent,
            measured: task.measured_cpu.clone(),
        },
        device_stats: None,
    }
}

fn add(sum: &mut ResourceUsage, usage: &ResourceUsage) {
    let (memory, more) = (&mut sum.memory_stats, &usage.memory_stats);
    memory.rss += more.rss;
    memory.cache += more.cache;
    memory.swap += more.swap;
    memory.usage += more.usage;
    memory.max_usage += more.max_usage;
    union(&mut memory.measured, &more.measured);
    let (cpu, more) = (&mut sum.cpu_stats, &usage.cpu_stats);
    cpu.system_mode += more.system_mode;
    cpu.user_mode += more.user_mode;
    cpu.total_ticks += more.total_ticks;
    cpu.throttled_periods += more.throttled_periods;
    cpu.throttled_time += more.throttled_time;
    cpu.percent += more.percent;
    union(&mut cpu.measured, &more.measured);
}

fn union(names: &mut Vec<String>, more: &[String]) {
    for name in more {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
}

fn host(usage: &HostUsage) -> HostStats {
    HostStats {
        memory: HostMemoryStats {
            total: usage.memory_total,
            available: usage.memory_available,
            used: usage.memory_used,
            free: usage.memory_free,
        },
        cpu: usage
            .cores
            .iter()
            .map(|core| HostCpuStats {
                cpu: core.name.clone(),
                user: core.user,
                system: core.system,
                idle: core.idle,
                total_percent: 100.0 - core.idle,
                // Known for the machine, not per core.
                total_ticks: 0.0,
            })
            .collect(),
        disk_stats: usage.disks.iter().map(disk).collect(),
        alloc_dir_stats: disk(&usage.alloc_disk),
        device_stats: None,
        uptime: usage.uptime_secs,
        timestamp: usage.time.as_nanos(),
        cpu_ticks_consumed: usage.cpu_ticks,
    }
}

fn disk(disk: &DiskUsage) -> HostDiskStats {
    let used_percent = if disk.size == 0 { 0.0 } else { disk.used as f64 / disk.size as f64 * 100.0 };
    HostDiskStats {
        device: disk.device.clone(),
        mountpoint: disk.mount_point.clone(),
        size: disk.size,
        used: disk.used,
        available: disk.available,
        used_percent,
        inodes_used_percent: disk.inodes_used_percent,
    }
}
