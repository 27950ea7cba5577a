//! What every datagram and every exchange of gossip is wrapped in: which pool, which region, sealed or not.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 | `T` |
//! | 1 | version, 2 |
//! | 2 | bit 0: pool of the servers of all regions; bit 1: sealed |
//! | 3 to 6 | hash of the region, 0 in the pool of all regions |
//! | then, sealed | nonce (24), secret text, tag (16); the bytes before and the region are authenticated, too |
//! | then, not sealed | checksum (4), text |

use std::borrow::Cow;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

use super::key::{Key, SEAL};

/// First two bytes.
const MAGIC: [u8; 2] = [b'T', 2];
const HEAD: usize = 7;
/// What an envelope adds at most.
pub(super) const ENVELOPE: usize = HEAD + SEAL;

const WAN: u8 = 1;
const SEALED: u8 = 2;

/// Members that know each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pool {
    /// All agents of one region.
    Lan,
    /// The servers of all regions.
    Wan,
}

/// Why something that came is not read. None of these changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum Refused {
    #[error("it is not from an agent of this version, or it is damaged")]
    Garbage,
    #[error(
        "an agent of another region takes this one for one of its own: only servers join servers of another region"
    )]
    Region,
    #[error("an agent uses another key: set the same `encrypt` on all agents")]
    Key,
    #[error("an agent uses no key, and this one does: set the same `encrypt` on all agents")]
    KeyMissingThere,
    #[error("an agent uses a key, and this one does not: set the same `encrypt` on all agents")]
    KeyMissingHere,
    #[error("a server of another region writes to an agent that is no server: join servers only")]
    Pool,
    /// More members than any cluster has.
    #[error("there are too many members already")]
    Full,
}

/// Wraps and unwraps. One per agent.
#[derive(Debug)]
pub(super) struct Envelope {
    region: String,
    /// The first one seals, all open.
    keys: Vec<Key>,
    nonces: StdRng,
}

impl Envelope {
    /// `unique` must differ with each start of each agent: the nonces follow from it.
    pub(super) fn new(region: &str, keys: Vec<Key>, unique: &[&[u8]]) -> Self {
        let mut seed = Sha256::new();
        for part in unique {
            seed.update(part);
        }
        let seed: [u8; 32] = seed.finalize().into();
        Self { region: region.to_owned(), keys, nonces: StdRng::from_seed(seed) }
    }

    pub(super) fn set_keys(&mut self, keys: Vec<Key>) {
        self.keys = keys;
    }

    pub(super) fn wrap(&mut self, pool: Pool, text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENVELOPE + text.len());
        bytes.extend_from_slice(&MAGIC);
        let bits = if pool == Pool::Wan { WAN } else { 0 } | if self.keys.is_empty() { 0 } else { SEALED };
        bytes.push(bits);
        bytes.extend_from_slice(&self.region_of(pool).to_le_bytes());
        match self.keys.first() {
            Some(key) => {
                bytes.extend_from_slice(text);
                key.seal(self.nonces.random(), &self.about(pool), &mut bytes, HEAD);
            }
            None => {
                bytes.extend_from_slice(&checksum(&[&bytes[2..], text]).to_le_bytes());
                bytes.extend_from_slice(text);
            }
        }
        bytes
    }

    pub(super) fn open<'a>(&self, bytes: &'a [u8]) -> Result<(Pool, Cow<'a, [u8]>), Refused> {
        let Some((head @ &[b'T', 2, bits, a, b, c, d], body)) = bytes.split_first_chunk::<HEAD>() else {
            return Err(Refused::Garbage);
        };
        let pool = if bits & WAN == 0 { Pool::Lan } else { Pool::Wan };
        let (sealed, region) = (bits & SEALED != 0, u32::from_le_bytes([a, b, c, d]));
        if bits & !(WAN | SEALED) != 0 {
            return Err(Refused::Garbage);
        }
        if !sealed {
            let Some((sum, text)) = body.split_first_chunk::<4>() else { return Err(Refused::Garbage) };
            if u32::from_le_bytes(*sum) != checksum(&[&head[2..], text]) {
                return Err(Refused::Garbage);
            }
            if !self.keys.is_empty() {
                return Err(Refused::KeyMissingThere);
            }
            return if region == self.region_of(pool) {
                Ok((pool, Cow::Borrowed(text)))
            } else {
                Err(Refused::Region)
            };
        }
        if region != self.region_of(pool) {
            return Err(Refused::Region);
        }
        if self.keys.is_empty() {
            return Err(Refused::KeyMissingHere);
        }
        let about = self.about(pool);
        let text = self.keys.iter().find_map(|key| key.open(&about, body));
        text.map(|text| (pool, Cow::Owned(text))).ok_or(Refused::Key)
    }

    fn region_of(&self, pool: Pool) -> u32 {
        match pool {
            Pool::Lan => checksum(&[self.region.as_bytes()]) | 1,
            Pool::Wan => 0,
        }
    }

    /// What is authenticated beside the text.
    fn about(&self, pool: Pool) -> Vec<u8> {
        let mut about = vec![MAGIC[0], MAGIC[1], u8::from(pool == Pool::Wan)];
        if pool == Pool::Lan {
            about.extend_from_slice(self.region.as_bytes());
        }
        about
    }
}

/// FNV-1a: against accidents, not against enemies.
pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(0x811c_9dc5, |sum: u32, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
