//! Members of which only the outside is there: they answer as members do, and write to the whole ones as often as
//! members would, but know nothing. With them a few hundred whole brains live in a pool of ten thousand.
//!
//! A stand-in probes a random member twice in a second, and every 30 s announces itself to one and sends one a digest.
//! Exchanges that a whole one asks of a stand-in are answered by another whole one; so each answers as often as it asks.
//! News end at a stand-in: figures are good only when nothing happens.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use rand::RngExt;
use serde::Serialize;
use troupe::net::gossip::{Pace, Tags};

use super::world::{MS, What, World, address, index};

/// Nodes in a digest: as many as have room.
const DIGEST: usize = 56;
/// Members in the answer to an announcement.
const FEED: usize = 37;

/// Who somebody is, as it stands in each head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) at: usize,
    pub(crate) started: u64,
    pub(crate) server: bool,
}

impl Name {
    fn write(self, bytes: &mut Vec<u8>) {
        let SocketAddr::V4(address) = address(self.at) else { unreachable!("all have IPv4") };
        bytes.push(if self.server { 1 } else { 2 });
        bytes.extend((self.at as u128 + 1).to_be_bytes());
        bytes.extend(address.ip().octets());
        bytes.extend(address.port().to_be_bytes());
        bytes.extend(self.started.to_be_bytes());
    }
}

/// What stands in a rumour, the same names as there.
#[derive(Serialize)]
struct Rumour<'a> {
    #[serde(rename = "k")]
    node: (u64, u64),
    #[serde(rename = "v")]
    version: u64,
    #[serde(rename = "t")]
    tags: &'a Tags,
}

/// Kinds of messages, as on the wire.
const PING: u8 = 0;
const ACK: u8 = 1;
const PING_REQ: u8 = 2;
const INDIRECT_PING: u8 = 3;
const INDIRECT_ACK: u8 = 4;
const FORWARDED_ACK: u8 = 5;
const ANNOUNCE: u8 = 6;
const FEED_ME: u8 = 7;
const GOSSIP: u8 = 8;

fn checksum(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(0x811c_9dc5, |sum: u32, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// As a datagram of the pool of region `global`, not sealed.
fn envelope(text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'T', 2, 0];
    bytes.extend((checksum(&[b"global"]) | 1).to_le_bytes());
    bytes.extend(checksum(&[&bytes[2..], text]).to_le_bytes());
    bytes.extend(text);
    bytes
}

/// A packet of foca as it goes over the wire, without what rides along.
fn packet(from: Name, to: Name, kind: u8, number: u8, third: Option<Name>, rest: &[u8]) -> Vec<u8> {
    let mut text = vec![0];
    from.write(&mut text);
    text.extend([0, 0]);
    to.write(&mut text);
    text.extend([kind, number]);
    if let Some(third) = third {
        third.write(&mut text);
    }
    text.extend(rest);
    envelope(&text)
}

impl World {
    /// A stand-in that the first agent hears of.
    pub(crate) fn stand_in(&mut self) -> usize {
        let (at, tags) = self.enlist("global", false, true);
        let (own, first) = (self.names[at], self.names[0]);
        let rumour = Rumour { node: (0, at as u64 + 1), version: own.started, tags: &tags };
        let mut item = vec![1];
        item.extend(rmp_serde::to_vec_named(&rumour).expect("tags have no surprises"));
        let mut rest = vec![0, 0];
        rest.extend(u16::try_from(item.len()).expect("short").to_be_bytes());
        rest.extend(item);
        let hello = packet(own, first, GOSSIP, 0, None, &rest);
        self.plan(self.now + MS, 0, What::Arrives(address(at), hello));
        let (probes, repeats) = (Pace::lan().probe_every, Pace::lan().repeat_every);
        let first_probe = probes.mul_f64(self.random.random());
        self.plan(self.now + first_probe, at, What::Probes);
        let first_repeat = repeats.mul_f64(self.random.random());
        self.plan(self.now + first_repeat, at, What::Repeats);
        at
    }

    fn anybody_but(&mut self, at: usize) -> Name {
        loop {
            let other = self.random.random_range(0..self.names.len());
            if other != at {
                return self.names[other];
            }
        }
    }

    /// Another whole one, to answer in the name of a stand-in.
    pub(crate) fn whole_but(&mut self, at: usize) -> usize {
        loop {
            let other = self.random.random_range(0..self.names.len());
            if other != at && self.agents[other].pools.is_some() {
                return other;
            }
        }
    }

    /// Stand-ins have nothing to tell each other.
    fn post(&mut self, from: usize, to: usize, datagram: impl FnOnce(&mut Self) -> Vec<u8>) {
        if self.agents[to].pools.is_some() {
            let bytes = datagram(self);
            let way = self.latency();
            self.plan(self.now + way, to, What::Arrives(address(from), bytes));
        }
    }

    pub(crate) fn stand_in_probes(&mut self, at: usize) {
        self.plan(self.now + Pace::lan().probe_every, at, What::Probes);
        let (own, whom) = (self.names[at], self.anybody_but(at));
        self.post(at, whom.at, |_| packet(own, whom, PING, 1, None, &[0, 0]));
    }

    pub(crate) fn stand_in_repeats(&mut self, at: usize) {
        self.plan(self.now + Pace::lan().repeat_every, at, What::Repeats);
        let (own, whom) = (self.names[at], self.anybody_but(at));
        self.post(at, whom.at, |_| packet(own, whom, ANNOUNCE, 0, None, &[]));
        let whom = self.anybody_but(at);
        self.post(at, whom.at, |world| {
            let mut text = vec![2];
            for _ in 0..DIGEST {
                let known = world.anybody_but(at);
                text.extend((known.at as u128 + 1).to_be_bytes());
                text.extend(known.started.to_be_bytes());
            }
            envelope(&text)
        });
    }

    /// A whole one wrote to a stand-in, or one stand-in asks another to probe: that one answers at once.
    pub(crate) fn stand_in_receives(&mut self, at: usize, from: SocketAddr, bytes: &[u8]) {
        const HEAD: usize = 7 + 4 + 1;
        const NAME: usize = 31;
        let Some((&[0], text)) = bytes.get(HEAD - 1..).and_then(|text| text.split_first_chunk::<1>()) else {
            // A digest or a rumour.
            return;
        };
        let Some(&[kind, number]) = text.get(2 * NAME + 2..2 * NAME + 4) else { return };
        let third = text.get(2 * NAME + 4..3 * NAME + 4).and_then(|name| {
            let ip = name.get(17..21)?.first_chunk::<4>()?;
            let ip = Ipv4Addr::from(*ip);
            self.names.get(index(SocketAddr::V4(SocketAddrV4::new(ip, 0)))).copied()
        });
        let (own, asker) = (self.names[at], self.names[index(from)]);
        match (kind, third) {
            (PING, _) => self.post(at, asker.at, |_| packet(own, asker, ACK, number, None, &[0, 0])),
            (PING_REQ, Some(target)) if self.agents[target.at].pools.is_some() => {
                self.post(at, target.at, |_| packet(own, target, INDIRECT_PING, number, Some(asker), &[0, 0]))
            }
            (PING_REQ, Some(target)) if self.agents[target.at].stand_in => {
                self.post(at, asker.at, |_| packet(own, asker, FORWARDED_ACK, number, Some(target), &[0, 0]))
            }
            (INDIRECT_PING, Some(origin)) => {
                self.post(at, asker.at, |_| packet(own, asker, INDIRECT_ACK, number, Some(origin), &[0, 0]))
            }
            (INDIRECT_ACK, Some(target)) => {
                self.post(at, target.at, |_| packet(own, target, FORWARDED_ACK, number, Some(asker), &[0, 0]))
            }
            (ANNOUNCE, _) => self.post(at, asker.at, |world| {
                let mut rest = vec![0, u8::try_from(FEED).expect("few")];
                for _ in 0..FEED {
                    world.anybody_but(asker.at).write(&mut rest);
                    rest.extend([0, 0, 0]);
                }
                packet(own, asker, FEED_ME, 0, None, &rest)
            }),
            _ => {}
        }
    }
}

/// A pool of `members`, of which `whole` are whole, and the time from the first join of a whole one until all whole
/// ones knew all.
pub(crate) fn crowd(whole: usize, members: usize, seed: u64) -> (World, Option<Duration>) {
    let mut world = World::new(seed);
    for at in 0..whole {
        world.add("global", at < 3);
    }
    for _ in whole..members {
        world.stand_in();
        world.run(MS);
    }
    let begun = world.now;
    for at in 1..whole {
        world.with(at, |pools, now| pools.join(now, [address(0)]));
        world.run(5 * MS);
    }
    let all: Vec<_> = (0..whole).collect();
    let complete = world.until_known(&all, members, Duration::from_secs(600));
    let took = complete.map(|_| world.now - begun);
    (world, took)
}
