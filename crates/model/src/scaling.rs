//! Bounds of a group's count, and what became of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{EvalId, JobKey},
    job::Value,
    time::Timestamp,
};

/// `scaling` of a group: between what counts whoever scales it may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scaling {
    /// Default: the count in the job file.
    pub min: u32,
    pub max: u32,
    /// Whether the scaler shall act. Default: true.
    pub enabled: bool,
    /// Free words for the scaler; nothing here understands them.
    pub policy: BTreeMap<String, Value>,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { min: 0, max: 0, enabled: true, policy: BTreeMap::new() }
    }
}

impl Scaling {
    /// The id of the policy of a group: the same for as long as job and group are called so.
    pub fn policy_id(job: &JobKey, group: &str) -> String {
        // FNV-1a with 128 bits. Lengths keep the three names apart.
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        for name in [&*job.namespace, &*job.id, group] {
            for byte in (name.len() as u64).to_be_bytes().iter().chain(name.as_bytes()) {
                hash = (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
            }
        }
        // Version 8 of the UUIDs: made by a rule of one's own.
        let id = hash & !(0xf << 76) & !(0b11 << 62) | 0x8 << 76 | 0b10 << 62;
        EvalId(id).to_string()
    }
}

/// A change of a group's count, or a note about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScalingEvent {
    pub time: Timestamp,
    /// The new one; `None`: a note.
    pub count: Option<u32>,
    /// The count before.
    pub previous: u32,
    pub message: String,
    /// Something went wrong; only of notes.
    pub error: bool,
    pub meta: BTreeMap<String, Value>,
    pub eval: Option<EvalId>,
    /// Log index at which it was written.
    #[serde(default)]
    pub create_index: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_policies_are_stable_and_differ() {
        let id = |job: &str, group: &str| Scaling::policy_id(&JobKey::new("default", job), group);
        assert_eq!(id("web", "front"), id("web", "front"));
        assert_ne!(id("web", "front"), id("webf", "ront"));
        assert!(id("web", "front").parse::<EvalId>().is_ok());
    }
}
