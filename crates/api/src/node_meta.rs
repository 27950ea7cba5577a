//! Metadata of a node that people change while it runs.

use crate::wire::{Map, nil, wire};

wire! {
    pub struct NodeMetaApplyRequest {
        /// Empty: the node of the agent that is asked.
        #[serde(rename = "NodeID")]
        pub node_id: String,
        /// `null` takes a key away.
        #[serde(with = "nil")]
        pub meta: Map<Option<String>>,
    }

    pub struct NodeMetaResponse {
        /// Both together.
        pub meta: Map<String>,
        /// `null`: the configuration says it, and it was taken away.
        pub dynamic: Map<Option<String>>,
        /// Of the configuration.
        #[serde(rename = "Static")]
        pub fixed: Map<String>,
    }
}
