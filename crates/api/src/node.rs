//! Nodes.

use model::Eligibility;

pub use crate::node_resources::{
    DeviceAttribute, NodeCpu, NodeDevice, NodeDeviceLocality, NodeDeviceResource, NodeDisk, NodeMemory,
    NodeNetworkAddress, NodeNetworkResource, NodeProcessors, NodeReservedCpu, NodeReservedNetworks,
    NodeReservedResources, NodeResources, NodeTopology,
};
use crate::{
    time::Time,
    wire::{Absent, Map, is_default, nanos, nil, wire},
};

wire! {
    pub struct Node {
        #[serde(rename = "ID")]
        pub id: String,
        /// Always empty.
        #[serde(rename = "SecretID")]
        pub secret_id: String,
        pub datacenter: String,
        pub name: String,
        #[serde(rename = "HTTPAddr")]
        pub http_addr: String,
        #[serde(rename = "TLSEnabled")]
        pub tls_enabled: bool,
        #[serde(with = "nil")]
        pub attributes: Map<String>,
        pub node_resources: Option<NodeResources>,
        pub reserved_resources: Option<NodeReservedResources>,
        #[serde(with = "nil")]
        pub links: Map<String>,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        pub node_class: String,
        pub node_pool: String,
        pub computed_class: String,
        pub drain: bool,
        pub drain_strategy: Option<DrainStrategy>,
        pub scheduling_eligibility: String,
        pub status: String,
        pub status_description: String,
        /// Seconds since 1970.
        pub status_updated_at: i64,
        #[serde(with = "nil")]
        pub events: Vec<NodeEvent>,
        #[serde(with = "nil")]
        pub drivers: Map<DriverInfo>,
        #[serde(rename = "CSIControllerPlugins")]
        pub csi_controller_plugins: Absent,
        #[serde(rename = "CSINodePlugins")]
        pub csi_node_plugins: Absent,
        pub host_volumes: Absent,
        pub host_networks: Absent,
        #[serde(rename = "GCVolumesOnNodeGC")]
        pub gc_volumes_on_node_gc: bool,
        pub last_drain: Option<DrainMetadata>,
        pub node_max_allocs: i64,
        pub cgroup_parent: String,
        #[serde(rename = "IdentitySigningKeyID")]
        pub identity_signing_key_id: String,
        pub last_missed_heartbeat_index: u64,
        pub last_alloc_update_index: u64,
        pub create_index: u64,
        pub modify_index: u64,
    }

    /// A drain that goes on.
    pub struct DrainStrategy {
        /// Nanoseconds; 0: none; negative: everything moves at once.
        pub deadline: i64,
        pub ignore_system_jobs: bool,
        pub force_deadline: Time,
        pub started_at: Time,
    }

    /// The newest drain.
    pub struct DrainMetadata {
        pub started_at: Time,
        pub updated_at: Time,
        /// `draining`, `complete` or `canceled`.
        pub status: String,
        #[serde(rename = "AccessorID")]
        pub accessor_id: String,
        #[serde(with = "nil")]
        pub meta: Map<String>,
    }

    /// How to empty a node.
    pub struct DrainSpec {
        /// Nanoseconds; 0: none; negative: everything moves at once.
        pub deadline: i64,
        pub ignore_system_jobs: bool,
    }

    pub struct NodeDrainRequest {
        #[serde(rename = "NodeID")]
        pub node_id: String,
        /// None: the drain ends.
        pub drain_spec: Option<DrainSpec>,
        /// When a drain ends: the node takes allocations again.
        pub mark_eligible: bool,
        #[serde(with = "nil")]
        pub meta: Map<String>,
    }

    pub struct NodeEligibilityRequest {
        #[serde(rename = "NodeID")]
        pub node_id: String,
        /// `eligible` or `ineligible`.
        pub eligibility: String,
    }

    /// Answer to a drain or a change of eligibility.
    pub struct NodeModifyResponse {
        pub node_modify_index: u64,
        #[serde(rename = "EvalIDs", with = "nil")]
        pub eval_ids: Vec<String>,
        pub eval_create_index: u64,
        pub index: u64,
    }

    /// Answer to a purge or an evaluation of a node.
    pub struct NodeUpdateResponse {
        #[serde(rename = "HeartbeatTTL")]
        pub heartbeat_ttl: i64,
        #[serde(rename = "EvalIDs", with = "nil")]
        pub eval_ids: Vec<String>,
        pub eval_create_index: u64,
        pub node_modify_index: u64,
        pub features: u64,
        #[serde(rename = "LeaderRPCAddr")]
        pub leader_rpc_addr: String,
        pub num_nodes: i64,
        #[serde(with = "nil")]
        pub servers: Vec<NodeServerInfo>,
        pub scheduling_eligibility: String,
        pub signed_identity: Option<String>,
        pub index: u64,
        /// Nanoseconds.
        pub last_contact: i64,
        pub known_leader: bool,
        pub next_token: String,
    }

    pub struct NodeServerInfo {
        #[serde(rename = "RPCAdvertiseAddr")]
        pub rpc_advertise_addr: String,
        #[serde(rename = "RPCMajorVersion")]
        pub rpc_major_version: i64,
        #[serde(rename = "RPCMinorVersion")]
        pub rpc_minor_version: i64,
        pub datacenter: String,
    }

    pub struct NodeEvent {
        pub message: String,
        pub subsystem: String,
        #[serde(with = "nil")]
        pub details: Map<String>,
        pub timestamp: Time,
        pub create_index: u64,
    }

    pub struct DriverInfo {
        #[serde(with = "nil")]
        pub attributes: Map<String>,
        pub detected: bool,
        pub healthy: bool,
        pub health_description: String,
        pub update_time: Time,
    }

    /// A node in lists.
    pub struct NodeListStub {
        /// The IP address alone.
        pub address: String,
        #[serde(rename = "ID")]
        pub id: String,
        #[serde(skip_serializing_if = "is_default")]
        pub attributes: Map<String>,
        pub datacenter: String,
        pub name: String,
        pub node_pool: String,
        pub node_class: String,
        pub version: String,
        pub drain: bool,
        pub scheduling_eligibility: String,
        pub status: String,
        pub status_description: String,
        #[serde(with = "nil")]
        pub drivers: Map<DriverInfo>,
        pub host_volumes: Absent,
        /// Only with `?resources=true`.
        #[serde(skip_serializing_if = "is_default")]
        pub node_resources: Option<NodeResources>,
        #[serde(skip_serializing_if = "is_default")]
        pub reserved_resources: Option<NodeReservedResources>,
        pub last_drain: Option<DrainMetadata>,
        pub create_index: u64,
        pub modify_index: u64,
    }
}

fn eligibility(node: &model::Node) -> String {
    String::from(match node.eligibility {
        Eligibility::Eligible if node.drain.is_none() => "eligible",
        _ => "ineligible",
    })
}

impl From<&model::Drain> for DrainStrategy {
    fn from(drain: &model::Drain) -> Self {
        Self {
            deadline: match drain.deadline {
                model::DrainDeadline::Never => 0,
                model::DrainDeadline::After(deadline) => nanos(deadline),
                model::DrainDeadline::Force => -1,
            },
            ignore_system_jobs: drain.ignore_system,
            force_deadline: drain.force_at.unwrap_or(model::Timestamp::ZERO).into(),
            started_at: drain.started_at.into(),
        }
    }
}

impl From<&model::LastDrain> for DrainMetadata {
    fn from(last: &model::LastDrain) -> Self {
        Self {
            started_at: last.started_at.into(),
            updated_at: last.updated_at.into(),
            status: last.status.as_str().to_owned(),
            accessor_id: String::new(),
            meta: last.meta.clone(),
        }
    }
}

fn drivers(node: &model::Node) -> Map<DriverInfo> {
    node.drivers.iter().map(|(name, driver)| (name.clone(), driver.into())).collect()
}

impl From<&model::DriverInfo> for DriverInfo {
    fn from(driver: &model::DriverInfo) -> Self {
        Self {
            attributes: driver.attributes.clone(),
            detected: driver.detected,
            healthy: driver.healthy,
            health_description: driver.description.clone(),
            update_time: driver.updated_at.into(),
        }
    }
}

impl From<&model::NodeEvent> for NodeEvent {
    fn from(event: &model::NodeEvent) -> Self {
        Self {
            message: event.message.clone(),
            subsystem: event.subsystem.clone(),
            details: event.details.clone(),
            timestamp: event.time.into(),
            create_index: event.index,
        }
    }
}

impl From<&model::Node> for Node {
    fn from(node: &model::Node) -> Self {
        Self {
            id: node.id.to_string(),
            datacenter: node.datacenter.clone(),
            name: node.name.clone(),
            http_addr: node.http_addr.clone(),
            attributes: node.attributes.clone(),
            node_resources: Some(node.into()),
            reserved_resources: Some(node.into()),
            meta: node.meta.clone(),
            node_class: node.class.clone(),
            node_pool: node.pool.to_string(),
            computed_class: node.computed_class.clone(),
            drain: node.drain.is_some(),
            drain_strategy: node.drain.as_ref().map(Into::into),
            last_drain: node.last_drain.as_ref().map(Into::into),
            scheduling_eligibility: eligibility(node),
            status: node.status.as_str().to_owned(),
            status_updated_at: node.status_updated_at.as_nanos() / 1_000_000_000,
            events: node.events.iter().map(Into::into).collect(),
            drivers: drivers(node),
            create_index: node.create_index,
            modify_index: node.modify_index,
            ..Self::default()
        }
    }
}

impl From<&model::Node> for NodeListStub {
    fn from(node: &model::Node) -> Self {
        Self {
            address: node.address.clone(),
            id: node.id.to_string(),
            datacenter: node.datacenter.clone(),
            name: node.name.clone(),
            node_pool: node.pool.to_string(),
            node_class: node.class.clone(),
            version: node.attributes.get("nomad.version").cloned().unwrap_or_default(),
            drain: node.drain.is_some(),
            last_drain: node.last_drain.as_ref().map(Into::into),
            scheduling_eligibility: eligibility(node),
            status: node.status.as_str().to_owned(),
            drivers: drivers(node),
            create_index: node.create_index,
            modify_index: node.modify_index,
            ..Self::default()
        }
    }
}
