//! Where a job may run, where it would rather run, and how it is spread.

use serde::{Deserialize, Serialize};

/// How large regular expressions may be. Patterns come from job files, and every server compiles them with every
/// evaluation of the job: a few letters such as `(a{1000}){1000}` can ask for gigabytes.
pub mod pattern {
    /// Bytes of text.
    pub const MAX_BYTES: usize = 4096;
    /// Bytes when compiled, roughly. One `\w` takes about 40 KiB, for it means the letters of all languages.
    pub const MAX_COMPILED_BYTES: usize = 1 << 20;
    /// Different ones in a job. Beyond the usual by far, and a bound for what one evaluation compiles.
    pub const MAX_PER_JOB: usize = 128;
}

/// How the two sides of a constraint are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Version,
    Semver,
    Regexp,
    SetContains,
    SetContainsAny,
    IsSet,
    IsNotSet,
    /// No two allocations of the job (or group) on one node.
    DistinctHosts,
    /// At most so many allocations of the job (or group) where the attribute has the same value.
    DistinctProperty,
}

impl Operand {
    /// As the HTTP API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Version => "version",
            Self::Semver => "semver",
            Self::Regexp => "regexp",
            Self::SetContains => "set_contains",
            Self::SetContainsAny => "set_contains_any",
            Self::IsSet => "is_set",
            Self::IsNotSet => "is_not_set",
            Self::DistinctHosts => "distinct_hosts",
            Self::DistinctProperty => "distinct_property",
        }
    }

    /// Asks something of a node by itself, whatever else runs where.
    pub fn compares(self) -> bool {
        !matches!(self, Self::DistinctHosts | Self::DistinctProperty)
    }

    /// Reads every spelling that job files use.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" | "=" | "==" | "is" => Self::Equal,
            "!=" | "not" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "version" => Self::Version,
            "semver" => Self::Semver,
            "regexp" => Self::Regexp,
            "set_contains" | "set_contains_all" => Self::SetContains,
            "set_contains_any" => Self::SetContainsAny,
            "is_set" => Self::IsSet,
            "is_not_set" => Self::IsNotSet,
            "distinct_hosts" => Self::DistinctHosts,
            "distinct_property" => Self::DistinctProperty,
            _ => return None,
        })
    }
}

/// A requirement that a node must meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// Usually an interpolation such as `${attr.kernel.name}`.
    pub left: String,
    pub operand: Operand,
    pub right: String,
}

impl Constraint {
    /// Of a [`Operand::DistinctProperty`], how many allocations may share a value; `None` if that is no such number.
    pub fn allowed(&self) -> Option<u32> {
        match self.right.as_str() {
            "" => Some(1),
            number => number.parse().ok().filter(|allowed| *allowed > 0),
        }
    }
}

/// A liking for nodes that meet a rule, or a dislike of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affinity {
    /// With an operand that compares.
    pub rule: Constraint,
    /// -100 to 100 and not 0; negative: rather not there. Default: 50.
    pub weight: i8,
}

impl Affinity {
    pub const DEFAULT_WEIGHT: i8 = 50;
}

/// A wish that the allocations of a group are spread over the values of an attribute of their nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// An interpolation such as `${node.datacenter}`.
    pub attribute: String,
    /// 1 to 100, against the other spreads of job and group. Default: 50.
    pub weight: u8,
    /// Empty: evenly over all values.
    pub targets: Vec<SpreadTarget>,
}

impl Spread {
    pub const DEFAULT_WEIGHT: u8 = 50;
}

/// How much of a group shall be where the attribute has a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpreadTarget {
    pub value: String,
    /// Of the group's count. What the targets leave of 100 is for all other values.
    pub percent: u8,
}
