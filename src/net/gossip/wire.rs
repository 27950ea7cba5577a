//! What members say to each other, in bytes.
//!
//! A datagram is a version, a checksum, a kind and a body: what foca wrote with our codec, or rumours without foca.
//! A rumour is one byte of version and a MessagePack map, wherever it rides.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, BufMut, Bytes};
use foca::{BroadcastHandler, Codec, Header, Invalidates};
use serde::{Deserialize, Serialize};

/// First byte of every datagram.
const VERSION: u8 = 1;
/// Bytes before the body.
pub(super) const HEAD: usize = 6;
/// First byte of every rumour.
const RUMOUR_VERSION: u8 = 1;
/// Longest rumour. Longer ones may never find room in a datagram.
pub(super) const MAX_RUMOUR: usize = 512;
/// Nodes whose rumours are remembered: a bound for what strangers can make us keep.
const MAX_RUMOURS: usize = 16 * 1024;

/// What a datagram is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Datagram {
    /// Membership, with rumours riding along.
    Foca(Bytes),
    /// One rumour, for a member that may have missed it.
    Rumour(Bytes),
    /// Versions of rumours: whoever knows newer ones sends them back.
    Digest(Vec<Known>),
}

/// Which rumour of a node is known; 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    #[serde(with = "halves")]
    pub(super) node: u128,
    pub(super) version: u64,
}

impl Datagram {
    pub(super) fn encode(&self) -> Bytes {
        let (kind, body) = match self {
            Self::Foca(body) => (0, body.clone()),
            Self::Rumour(body) => (1, body.clone()),
            Self::Digest(known) => (2, rmp_serde::to_vec(known).expect("numbers can be encoded").into()),
        };
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&checksum(kind, &body).to_le_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(&body);
        bytes.into()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Garbage> {
        let Some((&[VERSION, a, b, c, d, kind], body)) = bytes.split_first_chunk::<HEAD>() else {
            return Err(Garbage("not of this version".into()));
        };
        if u32::from_le_bytes([a, b, c, d]) != checksum(kind, body) {
            return Err(Garbage("the checksum does not fit".into()));
        }
        match kind {
            0 => Ok(Self::Foca(Bytes::copy_from_slice(body))),
            1 => Ok(Self::Rumour(Bytes::copy_from_slice(body))),
            2 => rmp_serde::from_slice(body).map(Self::Digest).map_err(|error| Garbage(error.to_string())),
            _ => Err(Garbage(format!("kind {kind} is unknown"))),
        }
    }
}

/// FNV-1a: against accidents, not against enemies.
fn checksum(kind: u8, body: &[u8]) -> u32 {
    std::iter::once(&kind)
        .chain(body)
        .fold(0x811c_9dc5, |sum: u32, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Who is at an address. Rides in every datagram, so it is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// 0: whoever is at the address.
    #[serde(with = "halves")]
    pub(super) node: u128,
    pub(super) addr: SocketAddr,
    /// Grows with each start: milliseconds of the start time, and one more each time others wrongly gave us up.
    pub(super) bump: u64,
    /// Bits: 1 server, 2 client.
    pub(super) roles: u8,
}

impl foca::Identity for Identity {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        Some(Self { bump: self.bump + 1, ..*self })
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        match self.bump.cmp(&adversary.bump) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => self.node > adversary.node,
        }
    }
}

/// MessagePack has no 128 bit numbers.
mod halves {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::cast_possible_truncation, reason = "both halves are kept")]
    pub(super) fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        ((number >> 64) as u64, *number as u64).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let (high, low) = <(u64, u64)>::deserialize(deserializer)?;
        Ok(u128::from(high) << 64 | u128::from(low))
    }
}

/// What a member says about itself. At most `MAX_RUMOUR` bytes in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tags {
    pub name: String,
    /// `server`, `client` or `server,client`.
    pub role: String,
    pub region: String,
    pub datacenter: String,
    /// `ip:port`; empty: none.
    pub rpc_address: String,
    pub http_address: String,
    pub build: String,
    /// Whatever else: `expect`, `id`.
    pub more: BTreeMap<String, String>,
}

/// News of a node about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rumour {
    #[serde(with = "halves")]
    pub(super) node: u128,
    /// The highest of a node counts.
    pub(super) version: u64,
    /// The node will go, on purpose: the identities up to this bump.
    #[serde(default)]
    pub(super) leaving: Option<u64>,
    #[serde(default)]
    pub(super) tags: Tags,
}

impl Rumour {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![RUMOUR_VERSION];
        rmp_serde::encode::write_named(&mut bytes, self).expect("a vector takes any length");
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Garbage> {
        match bytes.split_first() {
            Some((&RUMOUR_VERSION, body)) if bytes.len() <= MAX_RUMOUR => {
                rmp_serde::from_slice(body).map_err(|error| Garbage(error.to_string()))
            }
            _ => Err(Garbage("a rumour of another version or length".into())),
        }
    }
}

/// Bytes that no member of this version sends.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Garbage(String);

/// The newest rumour of each node. Shared between foca, which brings them, and the brain, which reads them.
#[derive(Debug, Clone, Default)]
pub(super) struct Rumours(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) newest: HashMap<u128, Rumour>,
    /// Nodes with news since this was last emptied.
    pub(super) fresh: Vec<u128>,
}

impl Rumours {
    pub(super) fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A newer rumour of a node replaces the older.
#[derive(Debug)]
pub(super) struct RumourKey {
    node: u128,
    version: u64,
}

impl Invalidates for RumourKey {
    fn invalidates(&self, other: &Self) -> bool {
        self.node == other.node && self.version >= other.version
    }
}

impl BroadcastHandler<Identity> for Rumours {
    type Key = RumourKey;
    type Error = Garbage;

    fn receive_item(&mut self, data: &[u8], sender: Option<&Identity>) -> Result<Option<RumourKey>, Garbage> {
        let rumour = Rumour::decode(data)?;
        let key = RumourKey { node: rumour.node, version: rumour.version };
        let mut heard = self.lock();
        let known = heard.newest.get(&rumour.node).map(|known| known.version);
        let news = known.is_none_or(|known| known < rumour.version);
        if news {
            if known.is_none() && heard.newest.len() >= MAX_RUMOURS {
                return Err(Garbage("more rumours than any cluster has".into()));
            }
            heard.fresh.push(rumour.node);
            heard.newest.insert(rumour.node, rumour);
        }
        // Without a sender it is our own, repeated for those who came later.
        Ok((news || sender.is_none()).then_some(key))
    }
}

/// Compact MessagePack: the version byte of the datagram guards it.
#[derive(Debug, Clone, Copy)]
pub(super) struct PacketCodec;

impl Codec<Identity> for PacketCodec {
    type Error = Garbage;

    fn encode_header(&mut self, header: &Header<Identity>, buf: impl BufMut) -> Result<(), Garbage> {
        rmp_serde::encode::write(&mut buf.writer(), header).map_err(|error| Garbage(error.to_string()))
    }

    fn decode_header(&mut self, buf: impl Buf) -> Result<Header<Identity>, Garbage> {
        rmp_serde::from_read(buf.reader()).map_err(|error| Garbage(error.to_string()))
    }

    fn encode_member(&mut self, member: &foca::Member<Identity>, buf: impl BufMut) -> Result<(), Garbage> {
        rmp_serde::encode::write(&mut buf.writer(), member).map_err(|error| Garbage(error.to_string()))
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<foca::Member<Identity>, Garbage> {
        rmp_serde::from_read(buf.reader()).map_err(|error| Garbage(error.to_string()))
    }
}
