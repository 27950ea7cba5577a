//! Typed identifiers, so that an evaluation can never be passed where a node is meant.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text is not a UUID in the form `8-4-4-4-12` hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a UUID (expected 8-4-4-4-12 hexadecimal digits)")]
pub struct ParseIdError(pub String);

fn format_uuid(value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let hex = format!("{value:032x}");
    write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn parse_uuid(text: &str) -> Result<u128, ParseIdError> {
    let error = || ParseIdError(text.to_owned());
    let bytes = text.as_bytes();
    if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|&at| bytes[at] != b'-') {
        return Err(error());
    }
    let hex: String = text.split('-').collect();
    if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(error());
    }
    u128::from_str_radix(&hex, 16).map_err(|_| error())
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u128);

        impl $name {
            /// The first eight hexadecimal digits, as tables show them.
            pub fn short(&self) -> String {
                format!("{:08x}", (self.0 >> 96) as u32)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                format_uuid(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                format_uuid(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_uuid(text).map(Self)
            }
        }

        // Text where people read it (JSON), 16 bytes where machines do (log, RPC).
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0.to_be_bytes())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct IdVisitor;
                impl serde::de::Visitor<'_> for IdVisitor {
                    type Value = u128;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a UUID as text or 16 bytes")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u128, E> {
                        parse_uuid(text).map_err(E::custom)
                    }

                    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<u128, E> {
                        let bytes: [u8; 16] =
                            bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                        Ok(u128::from_be_bytes(bytes))
                    }
                }
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(IdVisitor).map(Self)
                } else {
                    deserializer.deserialize_bytes(IdVisitor).map(Self)
                }
            }
        }
    };
}

uuid_id!(
    /// A machine. Made once by its agent and kept in the agent's data directory.
    NodeId
);
uuid_id!(
    /// One instance of a task group.
    AllocId
);
uuid_id!(
    /// One look of the scheduler at a job.
    EvalId
);
uuid_id!(
    /// The roll-out of one job version.
    DeploymentId
);

/// Names a job: unique within its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobKey {
    /// Default: `default`.
    pub namespace: Arc<str>,
    pub id: Arc<str>,
}

impl JobKey {
    pub fn new(namespace: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), id: id.into() }
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_round_trip() {
        let id: AllocId = "7a38da91-7c57-4ad5-c5a4-b83058d46f30".parse().unwrap();
        assert_eq!(id.to_string(), "7a38da91-7c57-4ad5-c5a4-b83058d46f30");
        assert_eq!(id.short(), "7a38da91");
    }

    #[test]
    fn refuses_what_is_not_a_uuid() {
        for text in
            ["", "7a38da91", "7a38da91-7c57-4ad5-c5a4-b83058d46f3g", "7a38da917c574ad5c5a4b83058d46f30----"]
        {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
    }
}
