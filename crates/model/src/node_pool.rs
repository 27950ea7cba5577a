//! Pools: nodes that a job can ask for by one name.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// The name of a pool. Default: `default`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolName(String);

impl PoolName {
    /// Where nodes and jobs are that say nothing.
    pub const DEFAULT: &str = "default";
    /// Every node is in it, whatever its own pool. No node can name it as its own.
    pub const ALL: &str = "all";
    /// Bytes of the longest name.
    pub const LONGEST: usize = 128;

    /// Empty text is the default.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        if name.is_empty() { Self::default() } else { Self(name) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
    }

    pub fn is_all(&self) -> bool {
        self.0 == Self::ALL
    }

    /// There without anybody having made it; it can be neither changed nor deleted.
    pub fn is_built_in(&self) -> bool {
        self.is_default() || self.is_all()
    }

    /// Whether a job that asks for this pool may use nodes of that one.
    pub fn takes(&self, of_node: &Self) -> bool {
        self.is_all() || self == of_node
    }

    /// Letters, digits, `-` and `_`, one to 128 of them.
    pub fn is_valid(&self) -> bool {
        (1..=Self::LONGEST).contains(&self.0.len())
            && self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }
}

impl Default for PoolName {
    fn default() -> Self {
        Self(String::from(Self::DEFAULT))
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for PoolName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// What is known of a pool besides who is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodePool {
    pub name: PoolName,
    pub description: String,
    pub meta: BTreeMap<String, String>,
    pub create_index: u64,
    pub modify_index: u64,
}

impl NodePool {
    /// Bytes of the longest description.
    pub const LONGEST_DESCRIPTION: usize = 256;

    /// Those that nobody has to make, in the order of their names.
    pub fn built_in() -> [Self; 2] {
        let pool = |name: &str, description: &str| Self {
            name: PoolName::new(name),
            description: description.to_owned(),
            create_index: 1,
            modify_index: 1,
            ..Self::default()
        };
        [
            pool(PoolName::ALL, "Node pool with all nodes in the cluster."),
            pool(PoolName::DEFAULT, "Default node pool."),
        ]
    }

    /// The same but for the indexes, which the state sets.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.name == other.name && self.description == other.description && self.meta == other.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_use_whose_nodes() {
        let check = |job: &str, node: &str, expected| {
            assert_eq!(PoolName::new(job).takes(&PoolName::new(node)), expected, "{job} {node}");
        };
        check("", "", true);
        check("default", "gpu", false);
        check("gpu", "gpu", true);
        check("gpu", "", false);
        check("all", "gpu", true);
        check("all", "default", true);
    }

    #[test]
    fn names() {
        for (name, expected) in [("gpu-1_A", true), ("", true), ("a b", false), ("a/b", false), ("ü", false)]
        {
            assert_eq!(PoolName::new(name).is_valid(), expected, "{name}");
        }
        assert!(PoolName::new("x".repeat(128)).is_valid() && !PoolName::new("x".repeat(129)).is_valid());
    }
}
