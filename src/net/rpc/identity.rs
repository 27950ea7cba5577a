//! Who talks to whom: both sides of a connection say it before anything else, and part when it does not fit.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, ErrorKind};

/// The newest version of the protocol that this agent speaks.
const VERSION: u32 = 1;
/// The oldest one that it still speaks.
const OLDEST: u32 = 1;

/// Shows that two agents have the same gossip key without showing the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    /// The first bytes of a hash that is used for nothing else.
    pub fn of(gossip_key: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"troupe rpc: fingerprint of the gossip key, 1\0");
        hash.update(gossip_key);
        let hash = hash.finalize();
        Self(std::array::from_fn(|at| hash[at]))
    }
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Role {
    #[default]
    Server,
    Client,
    /// Of a newer version.
    #[serde(other)]
    Other,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Other => "agent",
        })
    }
}

/// What an agent says of itself to every agent it talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Default: `global`.
    pub region: String,
    /// Of the key in `encrypt`; `None`: gossip is not encrypted. Both sides must have the same.
    pub key: Option<Fingerprint>,
    /// UUID of the agent; for logs.
    pub agent: String,
    pub role: Role,
}

impl Default for Identity {
    fn default() -> Self {
        Self { region: "global".into(), key: None, agent: String::new(), role: Role::Server }
    }
}

/// The first frame in each direction. Every version can read it: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    version: u32,
    /// The oldest version that its sender still speaks.
    oldest: u32,
    pub(super) region: String,
    #[serde(default)]
    key: Option<Fingerprint>,
    #[serde(default)]
    pub(super) agent: String,
    #[serde(default)]
    pub(super) role: Role,
}

/// Why two agents do not talk. The words are for both logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    Version,
    Key,
}

impl Identity {
    pub(super) fn hello(&self) -> Hello {
        Hello {
            version: VERSION,
            oldest: OLDEST,
            region: self.region.clone(),
            key: self.key,
            agent: self.agent.clone(),
            role: self.role,
        }
    }

    /// Whether this agent talks to the one at `address` that said `hello`.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`], with the remedy.
    pub(super) fn accepts(&self, hello: &Hello, address: &str) -> Result<(), (Misfit, Error)> {
        let refused = |misfit, words| Err((misfit, Error::new(ErrorKind::Refused, words)));
        let who = format!("the {} at {address} (region {:?})", hello.role, hello.region);
        if hello.oldest > VERSION {
            let needed = hello.oldest;
            return refused(
                Misfit::Version,
                format!(
                    "{who} speaks version {needed} of the protocol and no older one, this agent version {VERSION}: \
                     install the same version of troupe on both"
                ),
            );
        }
        if hello.version < OLDEST {
            let spoken = hello.version;
            return refused(
                Misfit::Version,
                format!(
                    "{who} speaks version {spoken} of the protocol, this agent no older one than {OLDEST}: install the \
                     same version of troupe on both"
                ),
            );
        }
        let key = match (self.key, hello.key) {
            (own, theirs) if own == theirs => return Ok(()),
            (Some(_), Some(_)) => format!("{who} has another gossip key: set the same `encrypt` on both"),
            (Some(_), None) => {
                format!("{who} has no gossip key, and this agent has one: set the same `encrypt` on both")
            }
            (None, _) => {
                format!("{who} has a gossip key, and this agent has none: set the same `encrypt` on both")
            }
        };
        refused(Misfit::Key, key)
    }

    /// # Errors
    /// The caller is of another region, and the method is not for those.
    pub(super) fn at_home(&self, caller: &Hello, method: &str) -> Result<(), Error> {
        if self.region == caller.region {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "this agent is of region {:?} and the caller of region {:?}, and {method} is for the own region only: set \
                 the same `region` on both, or correct the address",
                self.region, caller.region
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &Identity, hello: &Hello, expected: Option<(Misfit, &str)>) {
        let found = own.accepts(hello, "10.0.0.1:4647").map_err(|(misfit, error)| {
            assert_eq!(error.kind, ErrorKind::Refused);
            (misfit, error.message)
        });
        assert_eq!(found, expected.map_or(Ok(()), |(misfit, words)| Err((misfit, words.to_owned()))));
    }

    #[test]
    fn the_same_key_talks_and_another_does_not() {
        let open = Identity::default();
        let one = Identity { key: Some(Fingerprint::of(b"one")), region: "eu".into(), ..Identity::default() };
        let two = Identity { key: Some(Fingerprint::of(b"two")), role: Role::Client, ..Identity::default() };
        check(&open, &open.hello(), None);
        check(&one, &one.hello(), None);
        check(&one, &Hello { region: "us".into(), ..one.hello() }, None);
        check(
            &one,
            &two.hello(),
            Some((
                Misfit::Key,
                "the client at 10.0.0.1:4647 (region \"global\") has another gossip key: set the same `encrypt` on both",
            )),
        );
        check(
            &two,
            &open.hello(),
            Some((
                Misfit::Key,
                "the server at 10.0.0.1:4647 (region \"global\") has no gossip key, and this agent has one: set the same \
                 `encrypt` on both",
            )),
        );
        check(
            &open,
            &one.hello(),
            Some((
                Misfit::Key,
                "the server at 10.0.0.1:4647 (region \"eu\") has a gossip key, and this agent has none: set the same \
                 `encrypt` on both",
            )),
        );
    }

    #[test]
    fn versions_must_overlap() {
        let own = Identity::default();
        check(&own, &Hello { version: 7, oldest: 1, ..own.hello() }, None);
        let newer = "the server at 10.0.0.1:4647 (region \"global\") speaks version 5 of the protocol and no older one, \
                     this agent version 1: install the same version of troupe on both";
        check(&own, &Hello { version: 7, oldest: 5, ..own.hello() }, Some((Misfit::Version, newer)));
        let older = "the server at 10.0.0.1:4647 (region \"global\") speaks version 0 of the protocol, this agent no older \
                     one than 1: install the same version of troupe on both";
        check(&own, &Hello { version: 0, oldest: 0, ..own.hello() }, Some((Misfit::Version, older)));
    }

    #[test]
    fn the_fingerprint_is_not_the_plain_hash() {
        assert_eq!(Fingerprint::of(b"key"), Fingerprint::of(b"key"));
        assert_ne!(Fingerprint::of(b"key"), Fingerprint::of(b"kez"));
        assert_ne!(Fingerprint::of(b"key").0, Sha256::digest(b"key")[..8]);
    }

    #[test]
    fn a_hello_of_a_newer_version_can_be_read() {
        #[derive(Serialize)]
        struct Newer {
            version: u32,
            oldest: u32,
            region: &'static str,
            role: &'static str,
            favourite_colour: &'static str,
        }
        let newer = Newer { version: 9, oldest: 1, region: "eu", role: "Witness", favourite_colour: "blue" };
        let bytes = rmp_serde::to_vec_named(&newer).unwrap();
        let hello: Hello = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!((hello.region.as_str(), hello.role, hello.key), ("eu", Role::Other, None));
    }
}
