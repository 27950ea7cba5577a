//! A network without sockets and without waiting.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::*;

#[derive(Default)]
struct Network {
    members: BTreeMap<SocketAddr, Swim>,
    now: Duration,
    /// By time, then by the order in which they were planned.
    planned: BTreeMap<(Duration, u64), (SocketAddr, What)>,
    next: u64,
    events: Vec<(SocketAddr, Event)>,
}

enum What {
    Arrives(SocketAddr, Bytes),
    Wakes(Alarm),
}

fn address(node: u128) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, u8::try_from(node).unwrap()), 4648).into()
}

impl Network {
    fn add(&mut self, node: u128, started: u64) {
        let pace = Pace { forget_after: Duration::from_secs(300), ..Pace::lan() };
        let tags = Tags { name: format!("node-{node}"), ..Tags::default() };
        let seed = u64::try_from(node).unwrap();
        let (swim, effects) = Swim::new(node, address(node), started, tags, pace, seed).unwrap();
        self.members.insert(address(node), swim);
        self.perform(address(node), effects);
    }

    fn of(count: u128) -> Self {
        let mut network = Self::default();
        for node in 1..=count {
            network.add(node, 1);
            network.with(node, |swim| swim.join([address(1)]));
        }
        network.run(Duration::from_secs(30));
        for node in 1..=count {
            assert_eq!(network.alive(node), usize::try_from(count).unwrap(), "seen by {node}");
        }
        network
    }

    fn with(&mut self, node: u128, act: impl FnOnce(&mut Swim) -> Effects) {
        let effects = act(self.members.get_mut(&address(node)).unwrap());
        self.perform(address(node), effects);
    }

    fn perform(&mut self, from: SocketAddr, effects: Effects) {
        let sent = effects
            .send
            .into_iter()
            .map(|(to, bytes)| (Duration::from_millis(1), to, What::Arrives(from, bytes)));
        let woken = effects.wake.into_iter().map(|(after, alarm)| (after, from, What::Wakes(alarm)));
        for (after, whom, what) in sent.chain(woken) {
            self.planned.insert((self.now + after, self.next), (whom, what));
            self.next += 1;
        }
        self.events.extend(effects.events.into_iter().map(|event| (from, event)));
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.planned.first_entry().filter(|entry| entry.key().0 <= end) {
            self.now = entry.key().0;
            let (whom, what) = entry.remove();
            let Some(swim) = self.members.get_mut(&whom) else { continue };
            let effects = match what {
                What::Arrives(from, bytes) => {
                    assert!(bytes.len() <= MAX_DATAGRAM);
                    swim.received(from, &bytes)
                }
                What::Wakes(alarm) => swim.woken(alarm),
            };
            self.perform(whom, effects);
        }
        self.now = end;
    }

    fn seen(&self, by: u128, node: u128) -> Member {
        let members = self.members[&address(by)].members();
        members.into_iter().find(|member| member.node == node).unwrap()
    }

    /// Members that are alive and known by name.
    fn alive(&self, by: u128) -> usize {
        let members = self.members[&address(by)].members();
        let known = |member: &&Member| {
            member.status == Status::Alive && member.name == format!("node-{}", member.node)
        };
        members.iter().filter(known).count()
    }
}

#[test]
fn a_dead_member_is_failed_everywhere_and_its_restart_is_seen() {
    let mut network = Network::of(10);
    network.members.remove(&address(4)).unwrap();
    network.run(Duration::from_secs(20));
    for by in [1, 2, 3, 5, 10] {
        assert_eq!(network.seen(by, 4).status, Status::Failed, "seen by {by}");
        assert_eq!(network.alive(by), 9);
    }
    network.add(4, 1000);
    network.with(4, |swim| swim.join([address(7)]));
    network.run(Duration::from_secs(20));
    for by in 1..=10 {
        assert_eq!(network.alive(by), 10, "seen by {by}");
    }
    let garbage: u64 = network.members.values().map(Swim::garbage).sum();
    assert_eq!(garbage, 0);
}

#[test]
fn a_member_that_said_goodbye_is_left_and_never_failed() {
    let mut network = Network::of(10);
    network.events.clear();
    network.with(4, Swim::say_goodbye);
    network.run(Duration::from_secs(1));
    network.with(4, Swim::leave);
    network.members.remove(&address(4)).unwrap();
    network.run(Duration::from_secs(20));
    for by in [1, 2, 3, 5, 10] {
        assert_eq!(network.seen(by, 4).status, Status::Left, "seen by {by}");
    }
    assert!(
        !network.events.iter().any(|(_, event)| matches!(event, Event::Failed(_))),
        "{:?}",
        network.events
    );
}

#[test]
fn a_quick_restart_at_another_address_is_the_same_node() {
    let mut network = Network::of(5);
    network.members.remove(&address(4)).unwrap();
    let tags = Tags { name: "node-4".into(), ..Tags::default() };
    let moved = address(44);
    let (swim, effects) = Swim::new(4, moved, 2000, tags, Pace::lan(), 4).unwrap();
    network.members.insert(moved, swim);
    network.perform(moved, effects);
    let effects = network.members.get_mut(&moved).unwrap().join([address(1)]);
    network.perform(moved, effects);
    network.run(Duration::from_secs(60));
    for by in [1, 2, 3, 5] {
        let seen = network.seen(by, 4);
        assert_eq!((seen.address, seen.status), (moved, Status::Alive), "seen by {by}");
        assert_eq!(network.members[&address(by)].members().len(), 5, "no ghost of the old address");
    }
}

#[test]
fn the_dead_are_forgotten() {
    let mut network = Network::of(3);
    network.members.remove(&address(3)).unwrap();
    network.run(Duration::from_secs(20));
    assert_eq!(network.seen(1, 3).status, Status::Failed);
    network.run(Duration::from_secs(300));
    assert_eq!(network.members[&address(1)].members().len(), 2);
    assert!(
        network.events.iter().any(|(_, event)| matches!(event, Event::Forgotten(member) if member.node == 3))
    );
}

#[test]
fn no_garbage_harms() {
    let mut network = Network::of(2);
    let mut genuine = Vec::new();
    network.with(2, |swim| {
        let effects = swim.join([address(1)]);
        genuine = effects.send.iter().map(|(_, bytes)| bytes.clone()).collect();
        effects
    });
    let before = network.seen(1, 2);
    for bytes in genuine {
        for cut in 0..bytes.len() {
            network.with(1, |swim| swim.received(address(2), &bytes[..cut]));
        }
        for position in 0..bytes.len() {
            let mut bad = bytes.to_vec();
            bad[position] ^= 0xff;
            network.with(1, |swim| swim.received(address(2), &bad));
        }
    }
    let garbage = network.members[&address(1)].garbage();
    assert!(garbage > 0);
    // Whole, but with a sender that takes no part: read by nobody.
    let digest = Datagram::Digest(vec![KnownRumour { node: 1, version: 0 }]).encode();
    network.with(1, |swim| {
        let effects = swim.received(address(99), &digest);
        assert!(effects.send.is_empty());
        effects
    });
    network.with(1, |swim| {
        let effects = swim.received(address(2), &digest);
        assert_eq!(effects.send.len(), 1, "a member is told");
        effects
    });
    assert_eq!(network.seen(1, 2), before);
}
