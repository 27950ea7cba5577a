//! Members in bytes: who somebody is, and what foca writes about them.
//!
//! Small, because a member rides in every datagram about it, and two in each head: an address of IPv4 makes 31 bytes.

use std::{
    cmp::Ordering,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, BufMut, TryGetError};
use foca::{Codec, Header, Message, State};

use super::ledger::Ledger;

/// Bytes that no member of this version sends.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Garbage(pub(super) String);

impl From<TryGetError> for Garbage {
    fn from(error: TryGetError) -> Self {
        Self(error.to_string())
    }
}

/// Who is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// 0: whoever is at the address.
    pub(super) node: u128,
    pub(super) addr: SocketAddr,
    /// Grows with each start: milliseconds of the start time, and one more each time others wrongly gave us up.
    pub(super) bump: u64,
    /// Bits: 1 server, 2 client.
    pub(super) roles: u8,
}

impl Identity {
    pub(super) fn is_server(&self) -> bool {
        self.roles & 1 != 0
    }
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

const V6: u8 = 4;

pub(super) fn write_identity(identity: &Identity, buf: &mut impl BufMut) -> Result<(), Garbage> {
    let v6 = identity.addr.is_ipv6();
    if buf.remaining_mut() < if v6 { 43 } else { 31 } {
        return Err(Garbage("no room".into()));
    }
    buf.put_u8(identity.roles & 3 | if v6 { V6 } else { 0 });
    buf.put_u128(identity.node);
    match identity.addr.ip() {
        IpAddr::V4(ip) => buf.put_slice(&ip.octets()),
        IpAddr::V6(ip) => buf.put_slice(&ip.octets()),
    }
    buf.put_u16(identity.addr.port());
    buf.put_u64(identity.bump);
    Ok(())
}

pub(super) fn read_identity(buf: &mut impl Buf) -> Result<Identity, Garbage> {
    let bits = buf.try_get_u8()?;
    if bits & !(V6 | 3) != 0 {
        return Err(Garbage("an identity of another version".into()));
    }
    let node = buf.try_get_u128()?;
    let ip: IpAddr = if bits & V6 == 0 {
        Ipv4Addr::from_bits(buf.try_get_u32()?).into()
    } else {
        Ipv6Addr::from_bits(buf.try_get_u128()?).into()
    };
    let addr = SocketAddr::new(ip, buf.try_get_u16()?);
    // Far from the end, so that one more is always possible.
    let bump = buf.try_get_u64()?.min(u64::MAX >> 1);
    Ok(Identity { node, addr, bump, roles: bits & 3 })
}

pub(super) fn write_member(member: &foca::Member<Identity>, buf: &mut impl BufMut) -> Result<(), Garbage> {
    write_identity(member.id(), buf)?;
    if buf.remaining_mut() < 3 {
        return Err(Garbage("no room".into()));
    }
    buf.put_u16(member.incarnation());
    buf.put_u8(match member.state() {
        State::Alive => 0,
        State::Suspect => 1,
        State::Down => 2,
    });
    Ok(())
}

pub(super) fn read_member(buf: &mut impl Buf) -> Result<foca::Member<Identity>, Garbage> {
    let identity = read_identity(buf)?;
    let incarnation = buf.try_get_u16()?;
    let state = match buf.try_get_u8()? {
        0 => State::Alive,
        1 => State::Suspect,
        2 => State::Down,
        other => return Err(Garbage(format!("state {other} is unknown"))),
    };
    if identity.node == 0 || identity.addr.port() == 0 {
        return Err(Garbage("a member without id or port".into()));
    }
    Ok(foca::Member::new(identity, incarnation, state))
}

pub(super) fn write_header(header: &Header<Identity>, buf: &mut impl BufMut) -> Result<(), Garbage> {
    write_identity(&header.src, buf)?;
    buf.put_u16(header.src_incarnation);
    write_identity(&header.dst, buf)?;
    let (kind, number, other) = match &header.message {
        Message::Ping(number) => (0, *number, None),
        Message::Ack(number) => (1, *number, None),
        Message::PingReq { target, probe_number } => (2, *probe_number, Some(target)),
        Message::IndirectPing { origin, probe_number } => (3, *probe_number, Some(origin)),
        Message::IndirectAck { target, probe_number } => (4, *probe_number, Some(target)),
        Message::ForwardedAck { origin, probe_number } => (5, *probe_number, Some(origin)),
        Message::Announce => (6, 0, None),
        Message::Feed => (7, 0, None),
        Message::Gossip => (8, 0, None),
        Message::Broadcast => (9, 0, None),
        Message::TurnUndead => (10, 0, None),
    };
    buf.put_u8(kind);
    buf.put_u8(number);
    other.map_or(Ok(()), |other| write_identity(other, buf))
}

pub(super) fn read_header(buf: &mut impl Buf) -> Result<Header<Identity>, Garbage> {
    let src = read_identity(buf)?;
    let src_incarnation = buf.try_get_u16()?;
    let dst = read_identity(buf)?;
    let (kind, probe_number) = (buf.try_get_u8()?, buf.try_get_u8()?);
    let message = match kind {
        0 => Message::Ping(probe_number),
        1 => Message::Ack(probe_number),
        2 => Message::PingReq { target: read_identity(buf)?, probe_number },
        3 => Message::IndirectPing { origin: read_identity(buf)?, probe_number },
        4 => Message::IndirectAck { target: read_identity(buf)?, probe_number },
        5 => Message::ForwardedAck { origin: read_identity(buf)?, probe_number },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::TurnUndead,
        other => return Err(Garbage(format!("message {other} is unknown"))),
    };
    if src.node == 0 || src.addr.port() == 0 {
        return Err(Garbage("a sender without id or port".into()));
    }
    Ok(Header { src, src_incarnation, dst, message })
}

/// What foca does not tell, overheard where its messages become bytes.
#[derive(Debug, Default)]
pub(super) struct Overheard {
    /// Of this member, in the last message sent.
    pub(super) incarnation: u16,
    /// The last `Ping` of the current probe: whom, and its number.
    pub(super) probe: Option<(Identity, u8)>,
    pub(super) answered: bool,
    /// Nobody new is let in.
    pub(super) full: bool,
    /// All that foca knows.
    pub(super) ledger: Ledger,
}

/// Foca's messages as bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct PacketCodec(Arc<Mutex<Overheard>>);

impl PacketCodec {
    pub(super) fn overheard(&self) -> MutexGuard<'_, Overheard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Codec<Identity> for PacketCodec {
    type Error = Garbage;

    fn encode_header(&mut self, header: &Header<Identity>, mut buf: impl BufMut) -> Result<(), Garbage> {
        let mut overheard = self.overheard();
        overheard.incarnation = header.src_incarnation;
        if let Message::Ping(number) = header.message {
            overheard.probe = Some((header.dst, number));
            overheard.answered = false;
        }
        write_header(header, &mut buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Identity>, Garbage> {
        let header = read_header(&mut buf)?;
        let mut overheard = self.overheard();
        if let Some((target, current)) = overheard.probe {
            overheard.answered |= match &header.message {
                Message::Ack(number) => header.src == target && *number == current,
                Message::ForwardedAck { origin, probe_number } => {
                    *origin == target && *probe_number == current
                }
                _ => false,
            };
        }
        Ok(header)
    }

    fn encode_member(
        &mut self,
        member: &foca::Member<Identity>,
        mut buf: impl BufMut,
    ) -> Result<(), Garbage> {
        // Every change comes this way, to be passed on.
        self.overheard().ledger.note(member);
        write_member(member, &mut buf)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<foca::Member<Identity>, Garbage> {
        let member = read_member(&mut buf)?;
        if self.overheard().full {
            return Err(Garbage("there are too many members already".into()));
        }
        Ok(member)
    }
}
