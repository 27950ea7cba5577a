//! What there is one of: namespaces.

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
}
