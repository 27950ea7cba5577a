//! What comes in datagrams, and what rides along in those that go.
//!
//! A packet of foca is a header and members; rumours and accusations follow it. foca sees only members that are news.

use std::net::SocketAddr;

use bytes::Buf;
use foca::{Header, Message};

use super::{Identity, Letter, MAX_MEMBERS, MAX_PACKET, Rumour, Swim};
use crate::net::gossip::{
    letter::FOCA,
    news::{self, Life, Topic},
    rumour::Accusation,
    wire::{Garbage, read_header, read_member},
};

/// A packet that came.
struct Packet {
    header: Header<Identity>,
    /// For foca: the header, and of the members those that are news.
    members: Vec<u8>,
    /// Rumours and accusations.
    news: Vec<u8>,
}

/// What foca writes nothing behind.
fn is_bare(message: &Message<Identity>) -> bool {
    matches!(message, Message::Announce | Message::TurnUndead)
}

impl Swim {
    pub(super) fn read(&mut self, from: SocketAddr, letter: Letter) -> Result<(), String> {
        match letter {
            Letter::Foca(packet) => {
                let packet = self.open(packet).map_err(|error| error.to_string())?;
                self.read_packet(packet)
            }
            // Only for those who take part: nobody shall make us write to a stranger.
            _ if !self.knows(from) => Ok(()),
            // It need not be spread further: whoever misses it is written to, too.
            Letter::Rumour(rumour) => {
                self.rumours.receive(&rumour, self.news.len()).map(drop).map_err(|error| error.to_string())
            }
            Letter::Digest(known) => {
                let newer = known
                    .iter()
                    .filter_map(|(node, version)| {
                        self.rumours.newest.get(node).filter(|rumour| rumour.version > *version)
                    })
                    .map(|rumour| (from, Letter::Rumour(rumour.encode())));
                self.letters.extend(newer);
                Ok(())
            }
        }
    }

    /// Takes a packet apart. What is not for this member is foca's to refuse.
    fn open(&self, mut packet: Vec<u8>) -> Result<Packet, Garbage> {
        let mut rest = packet.as_slice();
        let header = read_header(&mut rest)?;
        let own = *self.foca.identity();
        if is_bare(&header.message) || header.dst != own || rest.len() < 2 {
            return Ok(Packet { header, members: packet, news: Vec::new() });
        }
        let head = packet.len() - rest.len();
        if header.message == Message::Broadcast {
            let news = packet.split_off(head);
            return Ok(Packet { header, members: packet, news });
        }
        let count = rest.get_u16();
        let mut news_of = Vec::with_capacity(usize::from(count).min(64));
        {
            let overheard = self.codec.overheard();
            for _ in 0..count {
                let begins = packet.len() - rest.len();
                let member = read_member(&mut rest)?;
                if member.id().addr == own.addr || overheard.ledger.is_news(&member) {
                    news_of.push(begins..packet.len() - rest.len());
                }
            }
        }
        let news = rest.to_vec();
        let kept = u16::try_from(news_of.len()).expect("no more than were counted");
        packet[head..head + 2].copy_from_slice(&kept.to_be_bytes());
        let mut end = head + 2;
        for range in news_of {
            let length = range.len();
            packet.copy_within(range, end);
            end += length;
        }
        packet.truncate(end);
        Ok(Packet { header, members: packet, news })
    }

    fn read_packet(&mut self, packet: Packet) -> Result<(), String> {
        let Packet { header, members, news } = packet;
        let full = self.foca.iter_membership_state().len() >= MAX_MEMBERS;
        {
            let mut overheard = self.codec.overheard();
            overheard.full = full;
            if full && overheard.ledger.get(header.src.addr).is_none() {
                return Err("there are too many members already".into());
            }
        }
        match self.foca.handle_data(&members, &mut self.runtime) {
            Ok(()) => {}
            Err(foca::Error::DataFromOurselves) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        // Of the dead nothing is believed.
        let takes_part = {
            let overheard = self.codec.overheard();
            let known = overheard.ledger.get(header.src.addr);
            known.is_some_and(|known| *known.id() == header.src) && overheard.ledger.is_alive(header.src.addr)
        };
        if !takes_part {
            return Ok(());
        }
        for item in news::read(&news).map_err(|error| error.to_string())? {
            let heard = self.rumours.receive(item, self.news.len()).map_err(|error| error.to_string())?;
            if let Some((topic, life)) = heard {
                self.news.add(topic, life, item.to_vec());
            }
        }
        Ok(())
    }

    /// Tells all, beginning at once with a few.
    pub(super) fn spread(&mut self, rumour: &Rumour) {
        if let Err(error) = self.rumours.hear(rumour.clone()) {
            tracing::warn!(%error, "the tags of a member cannot be spread");
            return;
        }
        let (topic, life) = rumour.topic();
        self.news.add(topic, life, rumour.encode());
        self.gossip();
    }

    /// Tells all, with what is written to them anyway.
    pub(super) fn accuse(&mut self, accusation: &Accusation) {
        if self.rumours.hear_accusation(accusation) {
            let (topic, life) = accusation.topic();
            self.news.add(topic, life, accusation.encode());
        }
    }

    /// foca does so by itself only when it has something to tell.
    pub(super) fn gossip(&mut self) {
        if let Err(error) = self.foca.gossip(&mut self.runtime) {
            tracing::debug!(%error, "there is nobody to tell the news");
        }
    }

    /// The packets that foca wrote, with news behind them, as letters.
    pub(super) fn packets(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut packets = Vec::new();
        let times = self.pace.transmissions(self.size() + 1);
        while let Some((to, packet)) = self.runtime.to_send() {
            let loads = !self.news.is_empty()
                && read_header(&mut packet.as_ref()).is_ok_and(|header| !is_bare(&header.message));
            let mut text = Vec::with_capacity(1 + if loads { MAX_PACKET } else { packet.len() });
            text.push(FOCA);
            text.extend_from_slice(&packet);
            if loads {
                let own = self.foca.identity().addr;
                let overheard = self.codec.overheard();
                // What is said of this member is refuted by what it writes. Of a life that is over nobody need hear.
                let is_over = |topic: &Topic, life: Life| match topic {
                    Topic::Rumour(_) => false,
                    Topic::Accusation { about, .. } => {
                        let known = overheard.ledger.get(*about);
                        let later = known.is_some_and(|known| {
                            known.state() == foca::State::Down
                                || (known.id().bump, known.incarnation()) > life
                        });
                        *about == own || later
                    }
                };
                self.news.ride(&mut text, 1 + MAX_PACKET, times.into(), is_over);
            }
            packets.push((to.addr, text));
        }
        packets
    }

    #[cfg(test)]
    pub(in crate::net::gossip) fn ledger_agrees(&self) -> bool {
        self.codec.overheard().ledger.agrees(self.foca.iter_membership_state(), self.foca.identity().addr)
    }
}
