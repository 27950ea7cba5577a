//! Services of allocations, as the Nomad API shows them.

use crate::wire::wire;

wire! {
    pub struct ServiceList {
        pub namespace: String,
        pub services: Vec<ServiceStub>,
    }

    pub struct ServiceStub {
        pub service_name: String,
        /// Of all its instances, each once.
        pub tags: Vec<String>,
    }

    pub struct ServiceRegistration {
        #[serde(rename = "ID")]
        pub id: String,
        pub service_name: String,
        pub namespace: String,
        #[serde(rename = "NodeID")]
        pub node_id: String,
        pub datacenter: String,
        #[serde(rename = "JobID")]
        pub job_id: String,
        #[serde(rename = "AllocID")]
        pub alloc_id: String,
        pub tags: Vec<String>,
        pub address: String,
        pub port: u16,
        pub create_index: u64,
        pub modify_index: u64,
    }
}
