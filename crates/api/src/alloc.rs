//! Allocations and what happened to their tasks.

use std::collections::BTreeMap;

use crate::{
    job::{Job, NetworkResource, Port, Resources, TaskLifecycle},
    metric::AllocMetric,
    task_state::TaskState,
    time::Time,
    wire::{Absent, Map, id_text, is_default, nanos, nil, wire},
};

wire! {
    /// Keys without a value are left out.
    pub struct Allocation {
        #[serde(rename = "ID")]
        pub id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub namespace: String,
        #[serde(rename = "EvalID", skip_serializing_if = "is_default")]
        pub eval_id: String,
        /// `job.group[index]`
        #[serde(skip_serializing_if = "is_default")]
        pub name: String,
        #[serde(rename = "NodeID", skip_serializing_if = "is_default")]
        pub node_id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub node_name: String,
        #[serde(rename = "JobID", skip_serializing_if = "is_default")]
        pub job_id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub job: Option<Job>,
        #[serde(skip_serializing_if = "is_default")]
        pub task_group: String,
        /// The sum, in the form old clients read.
        #[serde(skip_serializing_if = "is_default")]
        pub resources: Option<Resources>,
        #[serde(skip_serializing_if = "is_default")]
        pub shared_resources: Option<Resources>,
        #[serde(skip_serializing_if = "is_default")]
        pub task_resources: Map<Resources>,
        #[serde(skip_serializing_if = "is_default")]
        pub allocated_resources: Option<AllocatedResources>,
        #[serde(skip_serializing_if = "is_default")]
        pub metrics: Option<AllocMetric>,
        #[serde(skip_serializing_if = "is_default")]
        pub desired_status: String,
        #[serde(skip_serializing_if = "is_default")]
        pub desired_description: String,
        pub desired_transition: DesiredTransition,
        #[serde(skip_serializing_if = "is_default")]
        pub client_status: String,
        #[serde(skip_serializing_if = "is_default")]
        pub client_description: String,
        #[serde(skip_serializing_if = "is_default")]
        pub task_states: Map<TaskState>,
        /// When the node was lost from sight, and when it came back.
        #[serde(skip_serializing_if = "is_default")]
        pub alloc_states: Vec<AllocState>,
        #[serde(skip_serializing_if = "is_default")]
        pub previous_allocation: String,
        #[serde(skip_serializing_if = "is_default")]
        pub next_allocation: String,
        #[serde(rename = "DeploymentID", skip_serializing_if = "is_default")]
        pub deployment_id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub deployment_status: Option<AllocDeploymentStatus>,
        #[serde(skip_serializing_if = "is_default")]
        pub reschedule_tracker: Option<RescheduleTracker>,
        /// Of networks that are not the host's.
        #[serde(skip_serializing_if = "is_default")]
        pub network_status: Option<AllocNetworkStatus>,
        #[serde(rename = "FollowupEvalID", skip_serializing_if = "is_default")]
        pub followup_eval_id: String,
        /// Those that gave up their room for it.
        #[serde(skip_serializing_if = "is_default")]
        pub preempted_allocations: Vec<String>,
        /// The one it gave up its room for.
        #[serde(skip_serializing_if = "is_default")]
        pub preempted_by_allocation: String,
        #[serde(rename = "SigningKeyID", skip_serializing_if = "is_default")]
        pub signing_key_id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub create_index: u64,
        #[serde(skip_serializing_if = "is_default")]
        pub modify_index: u64,
        #[serde(skip_serializing_if = "is_default")]
        pub alloc_modify_index: u64,
        /// Nanoseconds since 1970.
        #[serde(skip_serializing_if = "is_default")]
        pub create_time: i64,
        #[serde(skip_serializing_if = "is_default")]
        pub modify_time: i64,
    }

    /// A change of the allocation as a whole.
    pub struct AllocState {
        /// `ClientStatus`
        pub field: String,
        pub value: String,
        pub time: Time,
    }

    pub struct AllocNetworkStatus {
        pub interface_name: String,
        pub address: String,
        #[serde(rename = "AddressIPv6")]
        pub address_ipv6: String,
        #[serde(rename = "DNS")]
        pub dns: Absent,
    }

    /// An allocation in lists.
    pub struct AllocListStub {
        #[serde(rename = "ID")]
        pub id: String,
        #[serde(rename = "EvalID")]
        pub eval_id: String,
        pub name: String,
        pub namespace: String,
        #[serde(rename = "NodeID")]
        pub node_id: String,
        pub node_name: String,
        #[serde(rename = "JobID")]
        pub job_id: String,
        pub job_type: String,
        pub job_version: u64,
        pub task_group: String,
        /// Only with `?resources=true`.
        #[serde(skip_serializing_if = "is_default")]
        pub allocated_resources: Option<AllocatedResources>,
        pub desired_status: String,
        pub desired_description: String,
        pub client_status: String,
        pub client_description: String,
        pub desired_transition: DesiredTransition,
        #[serde(with = "nil")]
        pub task_states: Map<TaskState>,
        pub deployment_status: Option<AllocDeploymentStatus>,
        #[serde(rename = "FollowupEvalID")]
        pub followup_eval_id: String,
        pub next_allocation: String,
        pub reschedule_tracker: Option<RescheduleTracker>,
        #[serde(with = "nil")]
        pub preempted_allocations: Vec<String>,
        pub preempted_by_allocation: String,
        pub create_index: u64,
        pub modify_index: u64,
        /// Nanoseconds since 1970.
        pub create_time: i64,
        pub modify_time: i64,
    }

    /// What operators asked for; nothing yet.
    pub struct DesiredTransition {
        pub migrate: Option<bool>,
        pub reschedule: Option<bool>,
        pub force_reschedule: Option<bool>,
        pub no_shutdown_delay: Option<bool>,
        pub migrate_disable_placement: Option<bool>,
    }

    pub struct AllocDeploymentStatus {
        /// `null`: not known yet.
        pub healthy: Option<bool>,
        pub timestamp: Time,
        pub canary: bool,
        pub modify_index: u64,
    }

    pub struct RescheduleTracker {
        #[serde(with = "nil")]
        pub events: Vec<RescheduleEvent>,
        pub last_reschedule: String,
    }

    pub struct RescheduleEvent {
        /// Nanoseconds since 1970.
        pub reschedule_time: i64,
        #[serde(rename = "PrevAllocID")]
        pub prev_alloc_id: String,
        #[serde(rename = "PrevNodeID")]
        pub prev_node_id: String,
        /// Nanoseconds.
        pub delay: i64,
    }

    pub struct AllocatedResources {
        pub tasks: Map<AllocatedTaskResources>,
        /// Null for main tasks.
        #[serde(with = "nil")]
        pub task_lifecycles: Map<Option<TaskLifecycle>>,
        pub shared: AllocatedSharedResources,
    }

    pub struct AllocatedTaskResources {
        pub cpu: AllocatedCpu,
        pub memory: AllocatedMemory,
        #[serde(with = "nil")]
        pub networks: Vec<NetworkResource>,
        #[serde(with = "nil")]
        pub devices: Vec<AllocatedDevice>,
    }

    pub struct AllocatedDevice {
        pub vendor: String,
        #[serde(rename = "Type")]
        pub kind: String,
        pub name: String,
        #[serde(rename = "DeviceIDs", with = "nil")]
        pub device_ids: Vec<String>,
    }

    pub struct AllocatedCpu {
        /// MHz.
        pub cpu_shares: i64,
        /// Ids of the cores that are the task's alone.
        #[serde(with = "nil")]
        pub reserved_cores: Vec<u16>,
    }

    pub struct AllocatedMemory {
        #[serde(rename = "MemoryMB")]
        pub memory_mb: i64,
        #[serde(rename = "MemoryMaxMB")]
        pub memory_max_mb: i64,
    }

    pub struct AllocatedSharedResources {
        #[serde(with = "nil")]
        pub networks: Vec<NetworkResource>,
        #[serde(rename = "DiskMB")]
        pub disk_mb: i64,
        #[serde(with = "nil")]
        pub ports: Vec<PortMapping>,
    }

    pub struct PortMapping {
        pub label: String,
        pub value: i64,
        pub to: i64,
        #[serde(rename = "HostIP")]
        pub host_ip: String,
        #[serde(skip_serializing_if = "is_default")]
        pub ignore_collision: bool,
    }
}

fn task_states(alloc: &model::Allocation) -> Map<TaskState> {
    alloc.tasks.iter().map(|(name, state)| (name.clone(), state.into())).collect()
}

fn deployment_status(alloc: &model::Allocation) -> Option<AllocDeploymentStatus> {
    alloc.deployment?;
    Some(match &alloc.health {
        Some(health) => AllocDeploymentStatus {
            healthy: Some(health.healthy),
            timestamp: health.since.into(),
            canary: alloc.canary,
            modify_index: health.modify_index,
        },
        None => AllocDeploymentStatus { canary: alloc.canary, ..AllocDeploymentStatus::default() },
    })
}

fn reschedule_tracker(alloc: &model::Allocation) -> Option<RescheduleTracker> {
    if alloc.reschedules.is_empty() {
        return None;
    }
    let events = alloc.reschedules.iter().map(|event| RescheduleEvent {
        reschedule_time: event.time.as_nanos(),
        prev_alloc_id: event.previous.to_string(),
        prev_node_id: event.previous_node.to_string(),
        delay: nanos(event.delay),
    });
    Some(RescheduleTracker { events: events.collect(), last_reschedule: String::from("ok") })
}

/// The ports given to one asker (a task, or the group for `None`) as a network.
fn network(
    alloc: &model::Allocation,
    asker: Option<&str>,
    ask: &model::NetworkAsk,
    address: &str,
) -> NetworkResource {
    let mut network = NetworkResource {
        mode: String::from("host"),
        ip: address.to_owned(),
        mbits: i64::from(ask.mbits),
        ..NetworkResource::default()
    };
    for port in alloc.ports.iter().filter(|port| port.task.as_deref() == asker) {
        let is_fixed = ask.ports.iter().any(|ask| ask.label == *port.label && ask.fixed.is_some());
        let ports = if is_fixed { &mut network.reserved_ports } else { &mut network.dynamic_ports };
        ports.push(Port {
            label: port.label.to_string(),
            value: i64::from(port.value),
            to: i64::from(port.to),
            ignore_collision: port.ignore_collision,
            ..Port::default()
        });
    }
    network
}

impl From<&model::ClaimedDevices> for AllocatedDevice {
    fn from(given: &model::ClaimedDevices) -> Self {
        Self {
            vendor: given.name.vendor.clone(),
            kind: given.name.kind.clone(),
            name: given.name.model.clone(),
            device_ids: given.ids.clone(),
        }
    }
}

impl AllocatedResources {
    /// What the allocation holds. `address` is that of its node.
    pub fn new(alloc: &model::Allocation, group: &model::TaskGroup, address: &str) -> Self {
        let tasks = group.tasks.iter().map(|task| {
            let asks = task.resources.network.iter();
            let memory_max = task.resources.memory_max.filter(|_| alloc.oversubscribed);
            let claims = alloc.claims.as_ref().and_then(|claims| claims.of(&task.name));
            let of_cores = claims.map_or(0, |claims| claims.cpu_mhz);
            let resources = AllocatedTaskResources {
                cpu: AllocatedCpu {
                    cpu_shares: i64::from(task.resources.cpu_mhz) + i64::from(of_cores),
                    reserved_cores: claims.map(|claims| claims.cores.clone()).unwrap_or_default(),
                },
                memory: AllocatedMemory {
                    memory_mb: i64::from(task.resources.memory_mb),
                    // 0 where no more than what is reserved may be used.
                    memory_max_mb: memory_max.map_or(0, model::MemoryMax::to_number),
                },
                networks: asks.map(|ask| network(alloc, Some(&task.name), ask, address)).collect(),
                devices: claims.into_iter().flat_map(|claims| &claims.devices).map(Into::into).collect(),
            };
            (task.name.clone(), resources)
        });
        Self {
            tasks: tasks.collect(),
            task_lifecycles: group
                .tasks
                .iter()
                .map(|task| (task.name.clone(), task.lifecycle.map(Into::into)))
                .collect(),
            shared: AllocatedSharedResources {
                networks: group.network.iter().map(|ask| network(alloc, None, ask, address)).collect(),
                disk_mb: i64::from(group.ephemeral_disk.size_mb),
                ports: alloc
                    .ports
                    .iter()
                    .filter(|port| port.task.is_none())
                    .map(|port| PortMapping {
                        label: port.label.to_string(),
                        value: i64::from(port.value),
                        to: i64::from(port.to),
                        host_ip: address.to_owned(),
                        ignore_collision: false,
                    })
                    .collect(),
            },
        }
    }
}

impl Allocation {
    /// `job` is the version that the allocation runs; without it (it was removed) resources are left out.
    pub fn new(alloc: &model::Allocation, job: Option<&model::Job>, node: Option<&model::Node>) -> Self {
        let address = node.map(|node| node.address.as_str()).unwrap_or_default();
        let group = job.and_then(|job| job.group(&alloc.group));
        let allocated = group.map(|group| AllocatedResources::new(alloc, group, address));
        let task_resources: BTreeMap<String, Resources> = allocated
            .iter()
            .flat_map(|allocated| &allocated.tasks)
            .map(|(name, task)| (name.clone(), old_form(task)))
            .collect();
        Self {
            id: alloc.id.to_string(),
            namespace: alloc.job.namespace.to_string(),
            eval_id: alloc.eval.to_string(),
            name: alloc.name(),
            node_id: alloc.node.to_string(),
            node_name: node.map(|node| node.name.clone()).unwrap_or_default(),
            job_id: alloc.job.id.to_string(),
            job: job.map(Into::into),
            task_group: alloc.group.to_string(),
            resources: group.map(|group| {
                let sum = group.capacity();
                let of_cores = alloc.claims.as_ref().map_or(0, |claims| claims.cpu_mhz());
                Resources {
                    cpu: Some(i64::from(sum.cpu_mhz) + i64::from(of_cores)),
                    cores: i64::from(group.cores()),
                    memory_mb: Some(i64::from(sum.memory_mb)),
                    disk_mb: i64::from(sum.disk_mb),
                    networks: task_resources.values().flat_map(|task| task.networks.clone()).collect(),
                    ..Resources::default()
                }
            }),
            shared_resources: allocated.as_ref().map(|allocated| Resources {
                cpu: Some(0),
                memory_mb: Some(0),
                disk_mb: allocated.shared.disk_mb,
                networks: allocated.shared.networks.clone(),
                ..Resources::default()
            }),
            task_resources,
            allocated_resources: allocated,
            metrics: alloc.metric.as_deref().map(Into::into),
            desired_status: alloc.desired.as_str().to_owned(),
            desired_description: alloc.desired_description.clone(),
            desired_transition: DesiredTransition {
                migrate: alloc.migrate.then_some(true),
                no_shutdown_delay: alloc.no_shutdown_delay.then_some(true),
                ..DesiredTransition::default()
            },
            client_status: alloc.client.as_str().to_owned(),
            client_description: alloc.client_description.clone(),
            task_states: task_states(alloc),
            previous_allocation: id_text(alloc.previous),
            next_allocation: id_text(alloc.next),
            deployment_id: id_text(alloc.deployment),
            deployment_status: deployment_status(alloc),
            reschedule_tracker: reschedule_tracker(alloc),
            followup_eval_id: id_text(alloc.followup_eval),
            preempted_allocations: preempted(alloc),
            preempted_by_allocation: id_text(alloc.preempted_by),
            create_index: alloc.create_index,
            modify_index: alloc.modify_index,
            alloc_modify_index: alloc.alloc_modify_index,
            create_time: alloc.create_time.as_nanos(),
            modify_time: alloc.modify_time.as_nanos(),
            ..Self::default()
        }
    }
}

fn preempted(alloc: &model::Allocation) -> Vec<String> {
    alloc.preempted.iter().map(ToString::to_string).collect()
}

fn old_form(task: &AllocatedTaskResources) -> Resources {
    Resources {
        cpu: Some(task.cpu.cpu_shares),
        cores: task.cpu.reserved_cores.len() as i64,
        memory_mb: Some(task.memory.memory_mb),
        networks: task.networks.clone(),
        ..Resources::default()
    }
}

impl AllocListStub {
    pub fn new(alloc: &model::Allocation, job: Option<&model::Job>, node: Option<&model::Node>) -> Self {
        Self {
            id: alloc.id.to_string(),
            eval_id: alloc.eval.to_string(),
            name: alloc.name(),
            namespace: alloc.job.namespace.to_string(),
            node_id: alloc.node.to_string(),
            node_name: node.map(|node| node.name.clone()).unwrap_or_default(),
            job_id: alloc.job.id.to_string(),
            job_type: job.map(|job| job.kind.as_str().to_owned()).unwrap_or_default(),
            job_version: alloc.job_version,
            task_group: alloc.group.to_string(),
            allocated_resources: None,
            desired_status: alloc.desired.as_str().to_owned(),
            desired_description: alloc.desired_description.clone(),
            client_status: alloc.client.as_str().to_owned(),
            client_description: alloc.client_description.clone(),
            desired_transition: DesiredTransition {
                migrate: alloc.migrate.then_some(true),
                no_shutdown_delay: alloc.no_shutdown_delay.then_some(true),
                ..DesiredTransition::default()
            },
            task_states: task_states(alloc),
            deployment_status: deployment_status(alloc),
            followup_eval_id: id_text(alloc.followup_eval),
            next_allocation: id_text(alloc.next),
            reschedule_tracker: reschedule_tracker(alloc),
            preempted_allocations: preempted(alloc),
            preempted_by_allocation: id_text(alloc.preempted_by),
            create_index: alloc.create_index,
            modify_index: alloc.modify_index,
            create_time: alloc.create_time.as_nanos(),
            modify_time: alloc.modify_time.as_nanos(),
        }
    }
}
