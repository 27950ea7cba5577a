//! What only a node knows: use of the machine and of tasks.

use std::{collections::BTreeMap, time::Duration};

use api::{
    AllocResourceUsage, CpuStats, HostStats, MemoryStats, ResourceUsage, TaskResourceUsage,
    stats::{HostCpuStats, HostDiskStats, HostMemoryStats},
};
use model::{AllocId, Node, NodeId};

use super::{
    Context,
    call::Call,
    failure::Failure,
    passed_on,
    read::{Answer, json},
};
use crate::actors::ports::{AccessError, ClusterError, DiskUsage, HostUsage, Target, TaskUsage};

/// How long a node may take to look at itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// The allocation of a path.
pub(super) fn alloc_id(id: &str) -> Result<AllocId, Failure> {
    id.parse().map_err(|_| unknown_alloc(id))
}

fn unknown_alloc(id: impl std::fmt::Display) -> Failure {
    Failure::not_found(format!("Unknown allocation \"{id}\""))
}

/// Who else may know about an allocation that this agent's node does not have (`error`).
///
/// An agent without the state asks a server, once; with the state, the node that it names.
pub(super) fn other_agent(
    ctx: &Context,
    call: &Call,
    alloc: AllocId,
    error: AccessError,
) -> Result<Target, Failure> {
    if let AccessError::Failed(reason) = error {
        return Err(Failure::server(reason));
    }
    let node = ctx.state.root().allocs.get(&alloc).map(|alloc| alloc.node);
    match node {
        Some(node) if Some(node) != ctx.agent.node => reachable(ctx, node),
        None if ctx.agent.is_server => Err(unknown_alloc(alloc)),
        None if call.hops == 0 => Ok(Target::Server),
        _ => Err(Failure::not_found(format!("state for allocation {alloc} not found on client"))),
    }
}

/// The node, unless nobody hears of it: whoever asks is told at once, and does not wait until a connection gives up.
fn reachable(ctx: &Context, id: NodeId) -> Result<Target, Failure> {
    match ctx.state.root().nodes.get(&id) {
        Some(node) if node.status.is_gone() => {
            let status = node.status.as_str();
            Err(Failure::not_found(format!("No path to node: {} is {status}", in_words(node))))
        }
        _ => Ok(Target::Node(id)),
    }
}

fn in_words(node: &Node) -> String {
    format!("node \"{}\" ({}, {})", node.name, node.id, node.http_addr)
}

/// Why the agent that has to answer did not.
pub(super) fn no_answer(ctx: &Context, target: &Target, error: ClusterError) -> Failure {
    let who = match target {
        Target::Node(id) => match ctx.state.root().nodes.get(id) {
            Some(node) => in_words(node),
            None => format!("node {id}"),
        },
        _ => String::from("a server"),
    };
    match error {
        ClusterError::Unreachable(reason) => {
            Failure::not_found(format!("No path to node: {who} cannot be reached: {reason}"))
        }
        // Nothing is changed by looking.
        ClusterError::Unknown(reason) => Failure::server(format!("{who} did not answer: {reason}")),
        error => error.into(),
    }
}

/// The same question, answered by another agent.
pub(super) async fn ask(ctx: &Context, call: &Call, target: Target) -> Answer {
    match ctx.elsewhere.ask(target.clone(), call.to_pass_on()?, PATIENCE).await {
        Ok(answer) => Ok(passed_on::response(answer)),
        Err(error) => Err(no_answer(ctx, &target, error)),
    }
}

pub(super) async fn host_stats(ctx: &Context, call: &Call) -> Answer {
    call.only_get()?;
    if let Some(target) = host_of(ctx, call)? {
        return ask(ctx, call, target).await;
    }
    match ctx.nodes.host_usage(ctx.agent.node).await {
        Ok(usage) => Ok(json(call, &host(&usage))),
        Err(AccessError::Failed(reason)) => Err(Failure::server(reason)),
        Err(_) => Err(Failure::bad("node is not running a Nomad Client")),
    }
}

/// Who has to answer for the node that is asked about; `None`: this agent.
pub(super) fn host_of(ctx: &Context, call: &Call) -> Result<Option<Target>, Failure> {
    host_named(ctx, call, call.text("node_id"))
}

/// As [`host_of`], for the node that the request names.
pub(super) fn host_named(ctx: &Context, call: &Call, node: Option<&str>) -> Result<Option<Target>, Failure> {
    let node = match node {
        None => ctx.agent.node.ok_or_else(|| Failure::bad("No local Node and node_id not provided"))?,
        Some(id) => id.parse().map_err(|_| unknown_node(id))?,
    };
    if Some(node) == ctx.agent.node {
        return Ok(None);
    }
    match ctx.state.root().nodes.contains_key(&node) {
        true => reachable(ctx, node).map(Some),
        false if !ctx.agent.is_server && call.hops == 0 => Ok(Some(Target::Server)),
        false => Err(unknown_node(node)),
    }
}

fn unknown_node(id: impl std::fmt::Display) -> Failure {
    Failure::not_found(format!("Unknown node \"{id}\""))
}

pub(super) async fn alloc_stats(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_get()?;
    let alloc = alloc_id(id)?;
    let mut tasks = match ctx.nodes.alloc_usage(alloc).await {
        Ok(tasks) => tasks,
        Err(error) => return ask(ctx, call, other_agent(ctx, call, alloc, error)?).await,
    };
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
