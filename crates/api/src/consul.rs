//! Consul's objects of catalog and health, under its names.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::{Map, is_default, wire};

wire! {
    pub struct Node {
        #[serde(rename = "ID")]
        pub id: String,
        pub node: String,
        pub address: String,
        pub datacenter: String,
        /// `lan`, `wan` and the like.
        pub tagged_addresses: Map<String>,
        pub meta: Map<String>,
        pub create_index: u64,
        pub modify_index: u64,
    }

    /// A service instance with the node it is on, in one flat object.
    pub struct CatalogService {
        #[serde(rename = "ID")]
        pub id: String,
        pub node: String,
        /// Of the node: what clients use when `ServiceAddress` is empty.
        pub address: String,
        pub datacenter: String,
        pub tagged_addresses: Map<String>,
        pub node_meta: Map<String>,
        pub service_kind: String,
        #[serde(rename = "ServiceID")]
        pub service_id: String,
        pub service_name: String,
        pub service_tags: Vec<String>,
        pub service_address: String,
        #[serde(skip_serializing_if = "is_default")]
        pub service_tagged_addresses: Map<ServiceAddress>,
        pub service_weights: Weights,
        pub service_meta: Map<String>,
        pub service_port: u16,
        pub service_socket_path: String,
        pub service_enable_tag_override: bool,
        pub service_proxy: ServiceProxy,
        pub service_connect: ServiceConnect,
        pub create_index: u64,
        pub modify_index: u64,
    }

    pub struct NodeService {
        #[serde(skip_serializing_if = "is_default")]
        pub kind: String,
        #[serde(rename = "ID")]
        pub id: String,
        pub service: String,
        pub tags: Vec<String>,
        pub address: String,
        #[serde(skip_serializing_if = "is_default")]
        pub tagged_addresses: Map<ServiceAddress>,
        pub meta: Map<String>,
        pub port: u16,
        pub weights: Weights,
        pub enable_tag_override: bool,
        pub proxy: ServiceProxy,
        pub connect: ServiceConnect,
        pub peer_name: String,
        pub create_index: u64,
        pub modify_index: u64,
    }

    pub struct ServiceAddress {
        pub address: String,
        pub port: u16,
    }

    pub struct ServiceProxy {
        pub mode: String,
        pub mesh_gateway: Empty,
        pub expose: Empty,
    }

    pub struct ServiceConnect {}

    pub struct Empty {}

    pub struct HealthCheck {
        pub node: String,
        #[serde(rename = "CheckID")]
        pub check_id: String,
        pub name: String,
        /// `passing`, `warning` or `critical`.
        pub status: String,
        pub notes: String,
        pub output: String,
        #[serde(rename = "ServiceID")]
        pub service_id: String,
        pub service_name: String,
        pub service_tags: Vec<String>,
        #[serde(rename = "Type")]
        pub kind: String,
        /// `10s`
        pub interval: String,
        pub timeout: String,
        pub exposed_port: u16,
        pub definition: Map<Value>,
        pub create_index: u64,
        pub modify_index: u64,
    }

    /// One instance with its node and its checks (the node's included).
    pub struct ServiceEntry {
        pub node: Node,
        pub service: NodeService,
        pub checks: Vec<HealthCheck>,
    }
}

/// How much of the traffic an instance takes, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Weights {
    pub passing: u32,
    pub warning: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1, warning: 1 }
    }
}
