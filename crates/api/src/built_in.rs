//! What there is one of: namespaces, pools of nodes.

use crate::wire::{Absent, Map, nil, wire};

wire! {
    pub struct Namespace {
        pub name: String,
        pub description: String,
        pub quota: String,
        pub capabilities: Absent,
        pub node_pool_configuration: Absent,
        pub vault_configuration: Absent,
        pub consul_configuration: Absent,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        pub hash: Absent,
        pub required_extra_claims: Absent,
        pub optional_extra_claims: Absent,
        pub create_index: u64,
        pub modify_index: u64,
    }

    pub struct NodePool {
        pub name: String,
        pub description: String,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        pub scheduler_configuration: Absent,
        #[serde(rename = "NodeIdentityTTL")]
        pub node_identity_ttl: u64,
        pub hash: Absent,
        pub create_index: u64,
        pub modify_index: u64,
    }
}
