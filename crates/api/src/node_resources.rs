//! What a node has, and what of it is kept back.

use crate::{
    job::NetworkResource,
    wire::{Absent, Map, is_default, nil, wire},
};

wire! {
    pub struct NodeResources {
        pub cpu: NodeCpu,
        pub processors: NodeProcessors,
        pub memory: NodeMemory,
        pub disk: NodeDisk,
        #[serde(with = "nil")]
        pub devices: Vec<NodeDeviceResource>,
        #[serde(with = "nil")]
        pub node_networks: Vec<NodeNetworkResource>,
        #[serde(with = "nil")]
        pub networks: Vec<NetworkResource>,
        pub min_dynamic_port: i64,
        pub max_dynamic_port: i64,
    }

    pub struct NodeProcessors {
        /// Not told.
        pub topology: Option<NodeTopology>,
    }

    pub struct NodeTopology {
        pub nodes: Absent,
        pub distances: Absent,
        pub cores: Absent,
        pub override_total_compute: i64,
        pub override_withold_compute: i64,
    }

    pub struct NodeNetworkResource {
        pub mode: String,
        pub device: String,
        pub mac_address: String,
        pub speed: i64,
        #[serde(with = "nil")]
        pub addresses: Vec<NodeNetworkAddress>,
    }

    pub struct NodeNetworkAddress {
        /// `ipv4` or `ipv6`.
        pub family: String,
        pub alias: String,
        pub address: String,
        pub reserved_ports: String,
        pub gateway: String,
    }

    /// The devices of one name.
    pub struct NodeDeviceResource {
        pub vendor: String,
        #[serde(rename = "Type")]
        pub kind: String,
        pub name: String,
        #[serde(with = "nil")]
        pub instances: Vec<NodeDevice>,
        #[serde(with = "nil")]
        pub attributes: Map<DeviceAttribute>,
    }

    pub struct NodeDevice {
        #[serde(rename = "ID")]
        pub id: String,
        pub healthy: bool,
        pub health_description: String,
        pub locality: Option<NodeDeviceLocality>,
    }

    pub struct NodeDeviceLocality {
        #[serde(rename = "PciBusID")]
        pub pci_bus_id: String,
    }

    /// One of the first four is set.
    pub struct DeviceAttribute {
        #[serde(skip_serializing_if = "is_default")]
        pub float: Option<f64>,
        #[serde(skip_serializing_if = "is_default")]
        pub int: Option<i64>,
        #[serde(skip_serializing_if = "is_default")]
        pub string: Option<String>,
        #[serde(skip_serializing_if = "is_default")]
        pub bool: Option<bool>,
        #[serde(skip_serializing_if = "is_default")]
        pub unit: String,
    }

    pub struct NodeReservedResources {
        pub cpu: NodeReservedCpu,
        pub memory: NodeMemory,
        pub disk: NodeDisk,
        pub networks: NodeReservedNetworks,
    }

    pub struct NodeCpu {
        /// MHz.
        pub cpu_shares: i64,
        pub total_cpu_cores: i64,
        #[serde(with = "nil")]
        pub reservable_cpu_cores: Vec<u16>,
    }

    pub struct NodeReservedCpu {
        /// MHz.
        pub cpu_shares: i64,
        #[serde(with = "nil")]
        pub reserved_cpu_cores: Vec<u16>,
    }

    pub struct NodeMemory {
        #[serde(rename = "MemoryMB")]
        pub memory_mb: i64,
    }

    pub struct NodeDisk {
        #[serde(rename = "DiskMB")]
        pub disk_mb: i64,
    }

    pub struct NodeReservedNetworks {
        /// `22,80,443`
        pub reserved_host_ports: String,
    }
}

impl From<&model::DeviceGroup> for NodeDeviceResource {
    fn from(group: &model::DeviceGroup) -> Self {
        let device = |device: &model::Device| NodeDevice {
            id: device.id.clone(),
            healthy: device.healthy,
            health_description: device.description.clone(),
            locality: Some(device.pci_bus_id.clone())
                .filter(|id| !id.is_empty())
                .map(|pci_bus_id| NodeDeviceLocality { pci_bus_id }),
        };
        let attribute = |(name, text): (&String, &String)| (name.clone(), DeviceAttribute::read(text));
        Self {
            vendor: group.name.vendor.clone(),
            kind: group.name.kind.clone(),
            name: group.name.model.clone(),
            instances: group.devices.iter().map(device).collect(),
            attributes: group.attributes.iter().map(attribute).collect(),
        }
    }
}

impl DeviceAttribute {
    /// `11264 MiB` is a number with a unit.
    fn read(text: &str) -> Self {
        let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
        let unit = unit.to_owned();
        if let Ok(int) = number.parse() {
            Self { int: Some(int), unit, ..Self::default() }
        } else if let Some(float) = number.parse().ok().filter(|float: &f64| float.is_finite()) {
            Self { float: Some(float), unit, ..Self::default() }
        } else if let Ok(bool) = text.parse() {
            Self { bool: Some(bool), ..Self::default() }
        } else {
            Self { string: Some(text.to_owned()), ..Self::default() }
        }
    }
}

impl From<&model::Node> for NodeResources {
    fn from(node: &model::Node) -> Self {
        let told = node.attributes.get("cpu.numcores").and_then(|cores| cores.parse().ok()).unwrap_or(0);
        let cores = if node.core_count > 0 { i64::from(node.core_count) } else { told };
        Self {
            cpu: NodeCpu {
                cpu_shares: i64::from(node.capacity.cpu_mhz),
                total_cpu_cores: cores,
                reservable_cpu_cores: node.reservable_cores.clone(),
            },
            memory: NodeMemory { memory_mb: i64::from(node.capacity.memory_mb) },
            disk: NodeDisk { disk_mb: i64::from(node.capacity.disk_mb) },
            devices: node.devices.iter().map(Into::into).collect(),
            networks: vec![NetworkResource {
                mode: String::from("host"),
                ip: node.address.clone(),
                ..NetworkResource::default()
            }],
            node_networks: vec![NodeNetworkResource {
                mode: String::from("host"),
                addresses: vec![NodeNetworkAddress {
                    family: String::from(if node.address.contains(':') { "ipv6" } else { "ipv4" }),
                    alias: String::from("default"),
                    address: node.address.clone(),
                    ..NodeNetworkAddress::default()
                }],
                ..NodeNetworkResource::default()
            }],
            min_dynamic_port: i64::from(node.dynamic_ports.0),
            max_dynamic_port: i64::from(node.dynamic_ports.1),
            ..Self::default()
        }
    }
}

impl From<&model::Node> for NodeReservedResources {
    fn from(node: &model::Node) -> Self {
        Self {
            cpu: NodeReservedCpu {
                cpu_shares: i64::from(node.reserved.cpu_mhz),
                reserved_cpu_cores: node.reserved_cores.clone(),
            },
            memory: NodeMemory { memory_mb: i64::from(node.reserved.memory_mb) },
            disk: NodeDisk { disk_mb: i64::from(node.reserved.disk_mb) },
            networks: NodeReservedNetworks {
                reserved_host_ports: node
                    .reserved_ports
                    .iter()
                    .map(u16::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            },
        }
    }
}
