//! What waits to be passed on: rumours and accusations. They ride along with foca's datagrams, behind what foca wrote,
//! each a number of times: first what was told least, of that the newest.
//!
//! foca has such a queue, too, which it searches and sorts for each datagram. With fifty members of a thousand that
//! pause and come back all the time that was nine tenths of all work.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use bytes::{Buf, BufMut};

use super::wire::Garbage;

/// Entries in a row that find no room, before a datagram counts as full.
const MISSES: usize = 4;
/// No entry is shorter, with its length.
const SHORTEST: usize = 34;

/// How often each passes on an accusation, at most. It need not reach all, only others who probed in vain, and the few
/// that it misses wait longer for their verdict. Told as often as rumours are, accusations of members that pause and
/// come back filled every datagram in a pool of a thousand.
const TELL_ACCUSATION: u32 = 6;

/// What news are about. Newer ones replace older ones about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// What a node says about itself.
    Rumour(u128),
    /// Somebody probed this one in vain.
    Accusation { about: SocketAddr, accuser: u128 },
}

/// Which life of the accused is meant: bump and incarnation.
pub(super) type Life = (u64, u16);

#[derive(Debug)]
struct Entry {
    topic: Topic,
    /// Of accusations.
    life: Life,
    bytes: Vec<u8>,
}

/// How often it was told; then the newest has the lowest number.
type Place = (u32, u64);

#[derive(Debug)]
pub(super) struct News {
    queue: BTreeMap<Place, Entry>,
    places: HashMap<Topic, Place>,
    next: u64,
}

impl News {
    pub(super) fn new() -> Self {
        Self { queue: BTreeMap::new(), places: HashMap::new(), next: u64::MAX }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn add(&mut self, topic: Topic, life: Life, bytes: Vec<u8>) {
        self.next -= 1;
        let place = (0, self.next);
        if let Some(before) = self.places.insert(topic, place) {
            self.queue.remove(&before);
        }
        self.queue.insert(place, Entry { topic, life, bytes });
    }

    /// Appends what has room to a packet, each entry with its length before it. Those that were told `times` times go,
    /// and those that are over.
    pub(super) fn ride(
        &mut self,
        packet: &mut Vec<u8>,
        longest: usize,
        times: u32,
        is_over: impl Fn(&Topic, Life) -> bool,
    ) {
        let (mut told, mut over, mut misses) = (Vec::new(), Vec::new(), 0);
        for (place, entry) in &self.queue {
            let room = longest.saturating_sub(packet.len());
            if room < SHORTEST || misses > MISSES {
                break;
            }
            if is_over(&entry.topic, entry.life) {
                over.push(*place);
            } else if let Ok(length) = u16::try_from(entry.bytes.len())
                && room >= entry.bytes.len() + 2
            {
                packet.put_u16(length);
                packet.extend_from_slice(&entry.bytes);
                told.push(*place);
            } else {
                misses += 1;
            }
        }
        for place in over {
            if let Some(entry) = self.queue.remove(&place) {
                self.places.remove(&entry.topic);
            }
        }
        for (often, number) in told {
            let Some(entry) = self.queue.remove(&(often, number)) else { continue };
            let times = match entry.topic {
                Topic::Rumour(_) => times,
                Topic::Accusation { .. } => times.min(TELL_ACCUSATION),
            };
            if often + 1 >= times {
                self.places.remove(&entry.topic);
            } else {
                let place = (often + 1, number);
                self.places.insert(entry.topic, place);
                self.queue.insert(place, entry);
            }
        }
    }
}

/// Takes apart what [`News::ride`] appended.
pub(super) fn read(mut bytes: &[u8]) -> Result<Vec<&[u8]>, Garbage> {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(bytes.try_get_u16()?);
        match bytes.split_at_checked(length) {
            Some((item, rest)) if length > 0 => {
                items.push(item);
                bytes = rest;
            }
            _ => return Err(Garbage("news that are cut off".into())),
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: fn(&Topic, Life) -> bool = |_, _| false;

    fn with(nodes: impl IntoIterator<Item = (u128, usize)>) -> News {
        let mut news = News::new();
        for (node, length) in nodes {
            news.add(Topic::Rumour(node), (0, 0), vec![u8::try_from(node).unwrap(); length]);
        }
        news
    }

    /// The first bytes of what rides.
    fn ride(news: &mut News, longest: usize, times: u32) -> Vec<u8> {
        let mut packet = Vec::new();
        news.ride(&mut packet, longest, times, NEVER);
        assert!(packet.len() <= longest);
        read(&packet).unwrap().into_iter().map(|item| item[0]).collect()
    }

    #[test]
    fn what_was_told_least_goes_first_and_each_goes_so_many_times() {
        let mut news = with((1..=3).map(|node| (node, 48)));
        // There is room for two.
        assert_eq!(ride(&mut news, 100, 2), [3, 2]);
        assert_eq!(ride(&mut news, 100, 2), [1, 3]);
        assert_eq!(ride(&mut news, 100, 2), [2, 1]);
        assert_eq!((news.len(), news.places.len()), (0, 0));
        assert_eq!(ride(&mut news, 100, 2), [0; 0]);
    }

    #[test]
    fn a_newer_one_replaces_the_older() {
        let mut news = with([(1, 48), (2, 48)]);
        assert_eq!(ride(&mut news, 50, 9), [2]);
        news.add(Topic::Rumour(2), (0, 0), vec![22; 48]);
        assert_eq!(ride(&mut news, 1000, 9), [22, 1]);
        assert_eq!(news.len(), 2);
    }

    #[test]
    fn shorter_ones_take_the_room_that_longer_ones_leave() {
        let mut news = with([(1, 40), (2, 400)]);
        assert_eq!(ride(&mut news, 100, 9), [1]);
        assert_eq!(ride(&mut news, 1000, 9), [2, 1]);
        let mut packet = vec![0; 100];
        news.ride(&mut packet, 90, 9, NEVER);
        assert_eq!(packet.len(), 100, "it is too long already");
    }

    #[test]
    fn what_is_over_is_dropped() {
        let mut news = with([(1, 48)]);
        let about: SocketAddr = ([10, 0, 0, 1], 4648).into();
        news.add(Topic::Accusation { about, accuser: 7 }, (5, 1), vec![9; 50]);
        let mut packet = Vec::new();
        news.ride(&mut packet, 1000, 9, |topic, life| {
            matches!(topic, Topic::Accusation { .. }) && life < (5, 2)
        });
        assert_eq!(read(&packet).unwrap(), [&[1; 48]]);
        assert_eq!((news.len(), news.places.len()), (1, 1));
    }

    #[test]
    fn accusations_are_told_less_often_than_rumours() {
        let mut news = with([(1, 48)]);
        let about: SocketAddr = ([10, 0, 0, 1], 4648).into();
        news.add(Topic::Accusation { about, accuser: 7 }, (5, 1), vec![9; 50]);
        let mut told = [0, 0];
        for _ in 0..40 {
            for first in ride(&mut news, 1000, 19) {
                told[usize::from(first == 9)] += 1;
            }
        }
        assert_eq!(told, [19, TELL_ACCUSATION]);
    }

    #[test]
    fn news_that_are_cut_off_are_not_read() {
        let mut packet = Vec::new();
        with([(1, 40), (2, 50)]).ride(&mut packet, 1000, 9, NEVER);
        assert_eq!(read(&packet).unwrap().len(), 2);
        for cut in 0..packet.len() {
            assert_eq!(read(&packet[..cut]).is_ok(), cut == 0 || cut == 52, "{cut}");
        }
    }
}
