//! What members say about themselves, and what was heard of it.
//!
//! A rumour is one byte of version and a MessagePack map, wherever it rides. It is passed on with datagrams; who comes
//! later or missed it gets it by push and pull.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::Arc,
};

use bytes::{Buf, BufMut};
use serde::{Deserialize, Serialize};

use super::{
    news::{Life, Topic},
    wire::{Garbage, Identity, read_identity, write_identity},
};

/// First byte of a rumour.
const RUMOUR: u8 = 1;
/// First byte of an accusation.
const ACCUSATION: u8 = 2;
/// Suspects about whom accusations are kept, and accusers of each: with three, each of them knows two others.
const MAX_ACCUSED: usize = 4096;
const MAX_ACCUSERS: usize = 3;
/// Longest rumour. Longer ones may never find room in a datagram.
pub(super) const MAX_RUMOUR: usize = 512;
/// Nodes whose rumours are remembered: a bound for what strangers can make us keep.
const MAX_RUMOURS: usize = 32 * 1024;

/// What a member says about itself. At most some 490 bytes in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tags {
    #[serde(rename = "n", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `server`, `client` or `server,client`.
    #[serde(rename = "r", skip_serializing_if = "String::is_empty")]
    pub role: String,
    #[serde(rename = "g", skip_serializing_if = "String::is_empty")]
    pub region: String,
    #[serde(rename = "d", skip_serializing_if = "String::is_empty")]
    pub datacenter: String,
    /// `ip:port`; empty: none.
    #[serde(rename = "p", skip_serializing_if = "String::is_empty")]
    pub rpc_address: String,
    #[serde(rename = "h", skip_serializing_if = "String::is_empty")]
    pub http_address: String,
    /// Of the Consul API.
    #[serde(rename = "c", skip_serializing_if = "String::is_empty")]
    pub consul_address: String,
    #[serde(rename = "b", skip_serializing_if = "String::is_empty")]
    pub build: String,
    /// Id of the server in the log; `None`: no server.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    pub raft: Option<u64>,
    /// `bootstrap_expect`; 0: not set.
    #[serde(rename = "e", skip_serializing_if = "is_zero")]
    pub expect: u32,
    /// Whatever else.
    #[serde(rename = "m", skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Tags {
    pub fn is_server(&self) -> bool {
        self.role.split(',').any(|role| role == "server")
    }

    pub fn is_client(&self) -> bool {
        self.role.split(',').any(|role| role == "client")
    }
}

/// News of a node about itself, or of an operator about a node that is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rumour {
    #[serde(rename = "k", with = "halves")]
    pub(super) node: u128,
    /// The highest of a node counts.
    #[serde(rename = "v")]
    pub(super) version: u64,
    /// The node goes or went, on purpose: the identities up to this bump.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(super) leaving: Option<u64>,
    /// It shall be forgotten at once when it is gone.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) prune: bool,
    #[serde(rename = "t", default)]
    pub(super) tags: Arc<Tags>,
}

impl Rumour {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![RUMOUR];
        rmp_serde::encode::write_named(&mut bytes, self).expect("a vector takes any length");
        bytes
    }

    pub(super) fn topic(&self) -> (Topic, Life) {
        (Topic::Rumour(self.node), (0, 0))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Garbage> {
        match bytes.split_first() {
            Some((&RUMOUR, body)) if bytes.len() <= MAX_RUMOUR => {
                let mut rumour: Self =
                    rmp_serde::from_slice(body).map_err(|error| Garbage(error.to_string()))?;
                // Far from the end, so that one more is always possible.
                rumour.version = rumour.version.min(u64::MAX >> 1);
                Ok(rumour)
            }
            _ => Err(Garbage("a rumour of another version or length".into())),
        }
    }
}

/// Somebody probed a member in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accusation {
    pub(super) identity: Identity,
    pub(super) incarnation: u16,
    pub(super) accuser: u128,
}

impl Accusation {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![ACCUSATION];
        write_identity(&self.identity, &mut bytes).expect("a vector has room");
        bytes.put_u16(self.incarnation);
        bytes.put_u128(self.accuser);
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Garbage> {
        let accusation = Self {
            identity: read_identity(&mut bytes)?,
            incarnation: bytes.try_get_u16()?,
            accuser: bytes.try_get_u128()?,
        };
        if bytes.is_empty() { Ok(accusation) } else { Err(Garbage("a longer accusation".into())) }
    }

    /// Of several about one address, the greater is the later.
    fn life(&self) -> Life {
        (self.identity.bump, self.incarnation)
    }

    pub(super) fn topic(&self) -> (Topic, Life) {
        (Topic::Accusation { about: self.identity.addr, accuser: self.accuser }, self.life())
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

/// With so many news to pass on, what others say of themselves is only kept: when a large cluster starts at once, each
/// datagram would be chosen from thousands, and comparing what is known spreads the rest.
const MAX_BACKLOG: usize = 256;

/// The newest rumour of each node, and who accuses whom.
#[derive(Debug, Default)]
pub(super) struct Rumours {
    pub(super) newest: HashMap<u128, Rumour>,
    /// Nodes with news since this was last emptied.
    pub(super) fresh: Vec<u128>,
    /// By address: which life of the member is meant, and who accuses it.
    pub(super) accused: HashMap<SocketAddr, (Life, BTreeSet<u128>)>,
}

impl Rumours {
    pub(super) fn version(&self, node: u128) -> u64 {
        self.newest.get(&node).map_or(0, |rumour| rumour.version)
    }

    /// How many accuse the member of the same, without `but`.
    pub(super) fn accusers(&self, accusation: &Accusation, but: Option<u128>) -> usize {
        let known =
            self.accused.get(&accusation.identity.addr).filter(|(life, _)| *life == accusation.life());
        known.map_or(0, |(_, accusers)| accusers.iter().filter(|accuser| Some(**accuser) != but).count())
    }

    /// Whether it shall be passed on: it was news, and not many have confirmed.
    pub(super) fn hear_accusation(&mut self, accusation: &Accusation) -> bool {
        if self.accused.len() >= MAX_ACCUSED && !self.accused.contains_key(&accusation.identity.addr) {
            return false;
        }
        let (life, accusers) = self
            .accused
            .entry(accusation.identity.addr)
            .or_insert_with(|| (accusation.life(), BTreeSet::new()));
        if *life > accusation.life() {
            return false;
        }
        if *life < accusation.life() {
            *life = accusation.life();
            accusers.clear();
        }
        accusers.len() < MAX_ACCUSERS && accusers.insert(accusation.accuser)
    }

    /// Whether it was news.
    pub(super) fn hear(&mut self, rumour: Rumour) -> Result<bool, Garbage> {
        let known = self.newest.get(&rumour.node).map(|known| known.version);
        if known.is_some_and(|known| known >= rumour.version) {
            return Ok(false);
        }
        if known.is_none() && self.newest.len() >= MAX_RUMOURS {
            return Err(Garbage("more rumours than any cluster has".into()));
        }
        self.fresh.push(rumour.node);
        self.newest.insert(rumour.node, rumour);
        Ok(true)
    }

    /// A rumour or an accusation came with a datagram. What it is about, if it was news and is to be passed on;
    /// `backlog`: how much waits for that.
    pub(super) fn receive(&mut self, item: &[u8], backlog: usize) -> Result<Option<(Topic, Life)>, Garbage> {
        if let Some((&ACCUSATION, body)) = item.split_first() {
            let accusation = Accusation::decode(body)?;
            return Ok(self.hear_accusation(&accusation).then(|| accusation.topic()));
        }
        let rumour = Rumour::decode(item)?;
        let topic = rumour.topic();
        Ok((self.hear(rumour)? && backlog < MAX_BACKLOG).then_some(topic))
    }
}
