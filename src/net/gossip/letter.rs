//! What is inside an envelope that comes as a datagram: what foca wrote, or rumours without foca.

use bytes::{Buf, BufMut};

use super::{envelope::ENVELOPE, swim::MAX_DATAGRAM, wire::Garbage};

/// Nodes in one digest.
pub(super) const MAX_DIGEST: usize = (MAX_DATAGRAM - ENVELOPE - 1) / 24;

/// First byte of what foca wrote.
pub(super) const FOCA: u8 = 0;

/// One datagram, unwrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Letter {
    /// Membership, with rumours riding along.
    Foca(Vec<u8>),
    /// One rumour, for a member that may have missed it.
    Rumour(Vec<u8>),
    /// Which version of the rumour of each node is known (0: none); whoever knows newer ones sends them back.
    Digest(Vec<(u128, u64)>),
}

impl Letter {
    pub(super) fn encode(&self) -> Vec<u8> {
        let with = |kind: u8, body: &[u8]| {
            let mut bytes = Vec::with_capacity(1 + body.len());
            bytes.push(kind);
            bytes.extend_from_slice(body);
            bytes
        };
        match self {
            Self::Foca(body) => with(FOCA, body),
            Self::Rumour(body) => with(1, body),
            Self::Digest(known) => {
                let mut bytes = vec![2];
                for (node, version) in known {
                    bytes.put_u128(*node);
                    bytes.put_u64(*version);
                }
                bytes
            }
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Garbage> {
        match bytes.split_first() {
            Some((&FOCA, body)) => Ok(Self::Foca(body.to_vec())),
            Some((1, body)) => Ok(Self::Rumour(body.to_vec())),
            Some((2, body)) if body.len().is_multiple_of(24) => {
                Ok(Self::Digest(body.chunks(24).map(|mut row| (row.get_u128(), row.get_u64())).collect()))
            }
            _ => Err(Garbage("a letter of another version".into())),
        }
    }
}
