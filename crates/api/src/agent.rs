//! Members, the agent itself, search.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::{Map, is_default, nil, wire};

wire! {
    pub struct Member {
        /// `<node>.<region>`
        pub name: String,
        pub addr: String,
        /// Of gossip.
        pub port: u16,
        pub tags: Map<String>,
        /// `alive`, `leaving`, `left` or `failed`.
        pub status: String,
        pub protocol_min: u8,
        pub protocol_max: u8,
        pub protocol_cur: u8,
        pub delegate_min: u8,
        pub delegate_max: u8,
        pub delegate_cur: u8,
    }

    pub struct AgentMembers {
        pub server_name: String,
        pub server_region: String,
        #[serde(rename = "ServerDC")]
        pub server_dc: String,
        pub members: Vec<Member>,
    }

    pub struct SearchRequest {
        pub prefix: String,
        /// `all` (or empty), `jobs`, `allocs`, `nodes`, `evals`, `deployment`.
        pub context: String,
    }

    pub struct FuzzySearchRequest {
        /// At least two characters.
        pub text: String,
        pub context: String,
    }

    pub struct FuzzySearchResponse {
        /// What was found, per context.
        pub matches: Map<Vec<FuzzyMatch>>,
        /// Whether there are more than are listed, per context.
        pub truncations: Map<bool>,
        pub index: u64,
        /// Nanoseconds.
        pub last_contact: i64,
        pub known_leader: bool,
        pub next_token: String,
    }

    pub struct FuzzyMatch {
        /// The id, or the name of what has none.
        #[serde(rename = "ID")]
        pub id: String,
        /// Where it is: namespace, job, group, task.
        #[serde(skip_serializing_if = "is_default")]
        pub scope: Vec<String>,
    }

    pub struct SearchResponse {
        /// Ids per context.
        pub matches: Map<Vec<String>>,
        /// Whether there are more than are listed, per context.
        pub truncations: Map<bool>,
        pub index: u64,
        /// Nanoseconds.
        pub last_contact: i64,
        pub known_leader: bool,
        pub next_token: String,
    }
}

/// `/v1/agent/self`: lower-case keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentSelf {
    #[serde(with = "nil")]
    pub config: Map<Value>,
    pub member: Member,
    /// Groups of facts, all of them text.
    pub stats: Map<Map<String>>,
}

/// `/v1/agent/health`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentHealth {
    #[serde(skip_serializing_if = "is_default")]
    pub client: Option<HealthNote>,
    #[serde(skip_serializing_if = "is_default")]
    pub server: Option<HealthNote>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthNote {
    pub ok: bool,
    pub message: String,
}

/// `/v1/agent/join`: lower-case keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoinResponse {
    pub num_joined: usize,
    pub error: String,
    pub warning: String,
}
