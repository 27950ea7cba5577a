//! A network without sockets and without waiting.

use std::net::Ipv4Addr;

use rand::RngExt;

use super::*;
use crate::net::gossip::{
    letter::Letter,
    wire::{Identity, read_header, write_header},
};

struct Network {
    members: BTreeMap<SocketAddr, Pools>,
    now: Duration,
    /// By time, then by the order in which they were planned.
    planned: BTreeMap<(Duration, u64), (SocketAddr, What)>,
    next: u64,
    events: Vec<(SocketAddr, Event)>,
    joined: Vec<(SocketAddr, SocketAddr, Progress)>,
    /// Share of datagrams that get lost.
    loss: f64,
    /// Between these two nothing gets through.
    cut: Option<(BTreeSet<SocketAddr>, BTreeSet<SocketAddr>)>,
    /// Those that get no processor, and what waits for them.
    paused: BTreeMap<SocketAddr, Vec<What>>,
    random: StdRng,
}

enum What {
    Arrives(SocketAddr, Vec<u8>),
    Wakes(Alarm),
    Asks(SocketAddr, Round, Vec<u8>),
    Answers(SocketAddr, Round, Result<Vec<u8>, String>),
}

fn address(node: u128) -> SocketAddr {
    let [.., a, b] = u32::try_from(node).unwrap().to_be_bytes();
    (Ipv4Addr::new(10, 0, a, b), 4648).into()
}

fn tags(node: u128, region: &str) -> Tags {
    Tags { name: format!("node-{node}"), role: "server".into(), region: region.into(), ..Tags::default() }
}

fn setup(node: u128, started: u64, region: &str) -> Setup {
    Setup {
        node,
        address: address(node),
        started,
        tags: tags(node, region),
        lan: Pace { forget_after: Duration::from_secs(300), ..Pace::lan() },
        wan: None,
        keys: Vec::new(),
        seed: u64::try_from(node).unwrap(),
        known: Vec::new(),
    }
}

impl Network {
    fn new() -> Self {
        Self {
            members: BTreeMap::new(),
            now: Duration::ZERO,
            planned: BTreeMap::new(),
            next: 0,
            events: Vec::new(),
            joined: Vec::new(),
            loss: 0.0,
            cut: None,
            paused: BTreeMap::new(),
            random: StdRng::seed_from_u64(1),
        }
    }

    fn start(&mut self, setup: Setup) {
        let at = setup.address;
        let (pools, effects) = Pools::new(self.now, setup).unwrap();
        self.members.insert(at, pools);
        self.perform(at, effects);
    }

    fn add(&mut self, node: u128, started: u64) {
        self.start(setup(node, started, "global"));
    }

    fn join(&mut self, node: u128, at: SocketAddr) {
        self.with(node, |pools, now| pools.join(now, [at]));
    }

    /// So many of one region, that all know each other.
    fn of(count: u128) -> Self {
        let mut network = Self::new();
        for node in 1..=count {
            network.add(node, 1);
            network.join(node, address(1));
        }
        network.run(Duration::from_secs(30));
        for node in 1..=count {
            assert_eq!(network.alive(node), usize::try_from(count).unwrap(), "seen by {node}");
        }
        network.events.clear();
        network
    }

    fn with(&mut self, node: u128, act: impl FnOnce(&mut Pools, Duration) -> Effects) {
        let effects = act(self.members.get_mut(&address(node)).unwrap(), self.now);
        self.perform(address(node), effects);
    }

    fn passes(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let parted = |(a, b): &(BTreeSet<_>, BTreeSet<_>)| {
            a.contains(&from) && b.contains(&to) || b.contains(&from) && a.contains(&to)
        };
        !self.cut.as_ref().is_some_and(parted)
    }

    fn perform(&mut self, from: SocketAddr, effects: Effects) {
        let soon = self.now + Duration::from_millis(1);
        for (to, bytes) in effects.send {
            assert!(bytes.len() <= MAX_DATAGRAM);
            if self.passes(from, to) && !self.random.random_bool(self.loss) {
                self.plan(soon, to, What::Arrives(from, bytes));
            }
        }
        for (at, alarm) in effects.wake {
            self.plan(at, from, What::Wakes(alarm));
        }
        for Call { peer, round, request } in effects.calls {
            if self.members.contains_key(&peer) && self.passes(from, peer) {
                self.plan(soon, peer, What::Asks(from, round, request));
            } else {
                self.plan(soon, from, What::Answers(peer, round, Err("nobody listens".into())));
            }
        }
        self.events.extend(effects.events.into_iter().map(|event| (from, event)));
    }

    fn plan(&mut self, at: Duration, whom: SocketAddr, what: What) {
        self.planned.insert((at.max(self.now), self.next), (whom, what));
        self.next += 1;
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.planned.first_entry().filter(|entry| entry.key().0 <= end) {
            self.now = entry.key().0;
            let (whom, what) = entry.remove();
            match self.paused.get_mut(&whom) {
                Some(waiting) => waiting.push(what),
                None => self.reach(whom, what),
            }
        }
        self.now = end;
        for (address, pools) in &self.members {
            assert!(pools.lan.ledger_agrees(), "the ledger of {address} differs from foca's list");
        }
    }

    fn reach(&mut self, whom: SocketAddr, what: What) {
        let now = self.now;
        let Some(pools) = self.members.get_mut(&whom) else { return };
        let effects = match what {
            What::Arrives(from, bytes) => pools.received(now, from, &bytes),
            What::Wakes(alarm) => pools.woken(now, alarm),
            What::Asks(from, round, request) => {
                let (answer, effects) = match pools.asked(now, from, &request) {
                    Ok((answer, effects)) => (Ok(answer), effects),
                    Err(reason) => (Err(reason), Effects::default()),
                };
                self.plan(now + Duration::from_millis(1), from, What::Answers(whom, round, answer));
                effects
            }
            What::Answers(peer, round, answer) => {
                let (effects, progress) = pools.answered(now, peer, round, answer);
                self.joined.push((whom, peer, progress));
                effects
            }
        };
        self.perform(whom, effects);
    }

    /// Gets no processor for so long, like a process that is stopped.
    fn pause(&mut self, node: u128, time: Duration) {
        self.paused.insert(address(node), Vec::new());
        self.run(time);
        self.resume(node);
    }

    /// What is in the socket is read before timers are looked at.
    fn resume(&mut self, node: u128) {
        let waiting = self.paused.remove(&address(node)).unwrap();
        let (came, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|what| matches!(what, What::Arrives(..)));
        for what in came.into_iter().chain(rest) {
            self.reach(address(node), what);
        }
    }

    fn failures(&self) -> Vec<(SocketAddr, String)> {
        let failed = self.events.iter().filter(|(_, event)| matches!(event, Event::Failed(_)));
        failed.map(|(by, event)| (*by, event.member().name.clone())).collect()
    }

    fn kill(&mut self, node: u128) {
        self.members.remove(&address(node)).unwrap();
        // What it had planned dies with it.
        self.planned.retain(|_, (whom, _)| *whom != address(node));
    }

    fn of_node(&self, by: u128, node: u128) -> Option<Member> {
        let members = self.members[&address(by)].members();
        members.into_iter().find(|member| member.node == node)
    }

    fn seen(&self, by: u128, node: u128) -> Member {
        self.of_node(by, node).unwrap()
    }

    /// Members that are alive and known by name.
    fn alive(&self, by: u128) -> usize {
        let members = self.members[&address(by)].members();
        let known = |member: &&Member| {
            member.status == Status::Alive && member.name == format!("node-{}", member.node)
        };
        members.iter().filter(known).count()
    }

    fn refused(&self) -> u64 {
        self.members.values().map(|pools| pools.refused().total()).sum()
    }
}

#[test]
fn a_dead_member_is_failed_everywhere_and_its_restart_is_seen() {
    let mut network = Network::of(10);
    network.kill(4);
    network.run(Duration::from_secs(20));
    for by in [1, 2, 3, 5, 10] {
        assert_eq!(network.seen(by, 4).status, Status::Failed, "seen by {by}");
        assert_eq!(network.alive(by), 9);
    }
    network.add(4, 1000);
    network.join(4, address(7));
    network.run(Duration::from_secs(20));
    for by in 1..=10 {
        assert_eq!(network.alive(by), 10, "seen by {by}");
    }
    assert_eq!(network.refused(), 0);
}

#[test]
fn a_member_that_said_goodbye_is_left_and_never_failed() {
    let mut network = Network::of(10);
    network.with(4, Pools::say_goodbye);
    network.run(Duration::from_secs(1));
    network.with(4, Pools::leave);
    network.run(Duration::from_secs(1));
    for by in [1, 2, 3, 5, 10] {
        assert_eq!(network.seen(by, 4).status, Status::Left, "seen by {by} after a second");
    }
    network.kill(4);
    network.run(Duration::from_secs(20));
    assert!(
        !network.events.iter().any(|(_, event)| matches!(event, Event::Failed(_))),
        "{:?}",
        network.events
    );
}

#[test]
fn a_quick_restart_at_another_address_is_the_same_node() {
    let mut network = Network::of(5);
    network.kill(4);
    let moved = address(44);
    network.start(Setup { address: moved, ..setup(4, 2000, "global") });
    network.with(44, |pools, now| pools.join(now, [address(1)]));
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
    network.kill(3);
    network.run(Duration::from_secs(20));
    assert_eq!(network.seen(1, 3).status, Status::Failed);
    network.run(Duration::from_secs(340));
    assert_eq!(network.members[&address(1)].members().len(), 2);
    assert!(
        network.events.iter().any(|(_, event)| matches!(event, Event::Forgotten(member) if member.node == 3))
    );
}

#[test]
fn an_operator_makes_a_failed_member_left_or_forgotten() {
    let mut network = Network::of(5);
    for node in [4, 5] {
        network.kill(node);
    }
    let error = network.members.get_mut(&address(1)).unwrap().force_leave(network.now, "node-4", false);
    assert!(matches!(error, Err(Error::IsAlive(_))), "not yet");
    network.run(Duration::from_secs(20));
    let error = network.members.get_mut(&address(1)).unwrap().force_leave(network.now, "node-9", false);
    assert!(matches!(error, Err(Error::NoSuchMember(_))));
    network.with(1, |pools, now| pools.force_leave(now, "node-4.global", false).unwrap());
    network.with(2, |pools, now| pools.force_leave(now, "node-5", true).unwrap());
    network.run(Duration::from_secs(5));
    for by in [1, 2, 3] {
        assert_eq!(network.seen(by, 4).status, Status::Left, "seen by {by}");
        assert_eq!(network.of_node(by, 5), None, "seen by {by}");
    }
    // It was a mistake: they come back.
    for node in [4, 5] {
        network.add(node, 1000);
        network.join(node, address(1));
    }
    network.run(Duration::from_secs(20));
    for by in 1..=5 {
        assert_eq!(network.alive(by), 5, "seen by {by}");
    }
}

#[test]
fn a_late_one_gets_the_tags_of_all() {
    let mut network = Network::of(60);
    network.add(61, 1);
    network.join(61, address(30));
    network.run(Duration::from_millis(100));
    assert_eq!(network.alive(61), 61, "with the first exchange");
    network.run(Duration::from_secs(3));
    for by in 1..=60 {
        assert_eq!(network.alive(by), 61, "seen by {by}");
    }
}

#[test]
fn servers_of_two_regions_see_each_other_and_clients_only_their_own() {
    let mut network = Network::new();
    for node in 1..=8 {
        let region = if node <= 4 { "east" } else { "west" };
        let client = node == 4 || node == 8;
        let mut setup = setup(node, 1, region);
        if client {
            setup.tags.role = "client".into();
        } else {
            setup.wan = Some(Pace::wan());
        }
        network.start(setup);
        network.join(node, address(if node <= 4 { 1 } else { 5 }));
    }
    network.run(Duration::from_secs(5));
    // One server joins one server; all others follow.
    network.join(2, address(7));
    network.run(Duration::from_secs(120));
    for by in [1, 2, 3] {
        assert_eq!(network.alive(by), 7, "seen by {by}: {:#?}", network.members[&address(by)].members());
    }
    for by in [4, 8] {
        assert_eq!(network.alive(by), 4, "seen by {by}");
    }
    assert_eq!(network.refused(), 0);
    // A client has nothing to do with another region.
    network.join(4, address(5));
    network.run(Duration::from_secs(1));
    let failed = network.joined.iter().rev().find(|(who, _, _)| *who == address(4)).unwrap();
    assert!(matches!(&failed.2, Progress::Failed(why) if why.contains("\"west\"")), "{failed:?}");
    // A server that dies is known elsewhere.
    network.events.clear();
    network.kill(6);
    network.run(Duration::from_secs(60));
    for by in [1, 2, 3, 5, 7, 8] {
        let told = network.events.iter().any(|(who, event)| {
            *who == address(by) && matches!(event, Event::Failed(member) if member.node == 6)
        });
        assert!(told, "{by} knows");
    }
}

#[test]
fn no_garbage_harms() {
    let mut network = Network::of(2);
    let mut genuine = Vec::new();
    network.with(2, |pools, now| {
        let effects = pools.set_tags(now, tags(2, "global")).unwrap();
        genuine.clone_from(&effects.send);
        effects
    });
    network.run(Duration::from_secs(5));
    let before = network.seen(1, 2);
    assert!(!genuine.is_empty());
    for (_, bytes) in genuine {
        for cut in 0..bytes.len() {
            network.with(1, |pools, now| pools.received(now, address(2), &bytes[..cut]));
        }
        for position in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[position] ^= 0xff;
            network.with(1, |pools, now| pools.received(now, address(2), &bad));
        }
    }
    assert!(network.refused() > 0);
    assert_eq!(network.seen(1, 2), before);
}

#[test]
fn a_dead_member_is_suspected_soon_and_failed_in_time() {
    for count in [3, 10, 50] {
        let mut network = Network::of(count);
        network.run(Duration::from_millis(317));
        let begun = network.now;
        network.kill(2);
        let mut suspected = None;
        while network.seen(1, 2).status == Status::Alive {
            network.run(Duration::from_millis(50));
            if suspected.is_none() && network.seen(1, 2).suspected {
                suspected = Some(network.now - begun);
            }
            assert!(network.now < begun + Duration::from_secs(8), "of {count}");
        }
        assert!(suspected.unwrap() < Duration::from_secs(3), "of {count}: {suspected:?}");
        let told: Vec<_> = network
            .events
            .iter()
            .filter(|(by, event)| *by == address(1) && event.member().node == 2)
            .map(|(_, event)| std::mem::discriminant(event))
            .collect();
        let member = network.seen(1, 2);
        let expected = [Event::Suspected(member.clone()), Event::Failed(member)];
        assert_eq!(told, expected.map(|event| std::mem::discriminant(&event)), "of {count}");
        assert!(!network.seen(1, 2).suspected, "failed is more than suspected");
    }
}

#[test]
fn a_paused_process_is_never_failed_and_accuses_nobody() {
    for count in [2, 3, 5, 30] {
        let mut network = Network::of(count);
        for _ in 0..10 {
            network.pause(2, Duration::from_secs(2));
            network.run(Duration::from_millis(4321));
        }
        assert_eq!(network.failures(), [], "of {count}");
        let by_it = network.events.iter().filter(|(by, event)| {
            *by == address(2) && matches!(event, Event::Suspected(member) if member.node != 2)
        });
        assert_eq!(by_it.count(), 0, "of {count}: it was its own fault");
        let by_others = |which: fn(&Event) -> bool| {
            network.events.iter().filter(|(by, event)| *by == address(1) && which(event)).count()
        };
        let suspected = by_others(|event| matches!(event, Event::Suspected(_)));
        let refuted = by_others(|event| matches!(event, Event::Refuted(_)));
        assert!(suspected >= 5, "of {count}: {suspected}");
        assert_eq!(suspected, refuted, "of {count}");
    }
}

#[test]
fn starvation_and_loss_fail_nobody() {
    let mut network = Network::of(20);
    network.loss = 0.1;
    for round in 0..40 {
        let node = 1 + round % 2;
        let time = network.random.random_range(500..2200);
        network.pause(node, Duration::from_millis(time));
        let between = network.random.random_range(0..3000);
        network.run(Duration::from_millis(between));
    }
    assert_eq!(network.failures(), []);
}

#[test]
fn who_pauses_longer_than_others_wait_comes_back_by_itself() {
    let mut network = Network::of(5);
    network.pause(3, Duration::from_secs(30));
    assert_eq!(network.seen(1, 3).status, Status::Failed);
    network.run(Duration::from_secs(60));
    for by in 1..=5 {
        assert_eq!(network.alive(by), 5, "seen by {by}");
    }
}

#[test]
fn a_partition_heals() {
    let mut network = Network::of(9);
    let side = |nodes: std::ops::RangeInclusive<u128>| nodes.map(address).collect::<BTreeSet<_>>();
    network.cut = Some((side(1..=3), side(4..=9)));
    network.run(Duration::from_secs(60));
    for (by, alive) in [(1, 3), (2, 3), (4, 6), (9, 6)] {
        assert_eq!(network.alive(by), alive, "seen by {by}");
    }
    network.cut = None;
    network.run(Duration::from_secs(90));
    for by in 1..=9 {
        assert_eq!(network.alive(by), 9, "seen by {by}");
    }
}

#[test]
fn one_that_is_cut_off_alone_gives_up_the_others_and_comes_back() {
    let mut network = Network::of(6);
    network.cut = Some((BTreeSet::from([address(6)]), (1..=5).map(address).collect()));
    network.run(Duration::from_secs(180));
    assert_eq!(network.alive(6), 1);
    assert_eq!(network.alive(1), 5);
    network.cut = None;
    network.run(Duration::from_secs(90));
    for by in 1..=6 {
        assert_eq!(network.alive(by), 6, "seen by {by}");
    }
}

#[test]
fn many_come_and_go() {
    let mut network = Network::of(12);
    network.loss = 0.05;
    for round in 0..30_u64 {
        let node = 2 + u128::from(round % 11);
        match round % 3 {
            0 => {
                network.with(node, Pools::say_goodbye);
                network.run(Duration::from_secs(1));
                network.with(node, Pools::leave);
                network.kill(node);
            }
            _ => network.kill(node),
        }
        network.run(Duration::from_millis(100 + 700 * (round % 5)));
        network.add(node, 1000 * (round + 1));
        network.join(node, address(1));
        network.run(Duration::from_secs(2));
    }
    network.loss = 0.0;
    network.run(Duration::from_secs(60));
    for by in 1..=12 {
        assert_eq!(network.alive(by), 12, "seen by {by}");
    }
}

#[test]
fn a_former_life_is_found_again_without_being_told() {
    let mut network = Network::of(4);
    network.kill(3);
    network.start(Setup { known: vec![address(9), address(4)], ..setup(3, 1000, "global") });
    network.run(Duration::from_secs(5));
    for by in 1..=4 {
        assert_eq!(network.alive(by), 4, "seen by {by}");
    }
    assert_eq!(network.failures(), []);
}

#[test]
fn other_keys_and_regions_are_refused_and_say_why() {
    let key = |text| Key::from_base64(text).unwrap();
    let (one, two) = (key("AAAAAAAAAAAAAAAAAAAAAA=="), key("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    let sealed = |keys: &[&Key]| keys.iter().map(|key| (*key).clone()).collect::<Vec<_>>();
    let check = |mine: Setup, theirs: Setup, wanted: Result<(), Refused>| {
        let sender = Envelope::new(&theirs.tags.region, theirs.keys, &[]).wrap(Pool::Lan, b"text");
        let read = Envelope::new(&mine.tags.region, mine.keys, &[]).open(&sender);
        assert_eq!(read.map(|(_, text)| assert_eq!(*text, *b"text")), wanted);
    };
    let with = |keys: &[&Key], region| Setup { keys: sealed(keys), ..setup(1, 1, region) };
    check(with(&[], "a"), with(&[], "a"), Ok(()));
    check(with(&[&one], "a"), with(&[&one], "a"), Ok(()));
    check(with(&[&two, &one], "a"), with(&[&one, &two], "a"), Ok(()));
    check(with(&[&one], "a"), with(&[&two, &one], "a"), Err(Refused::Key));
    check(with(&[], "a"), with(&[&one], "a"), Err(Refused::KeyMissingHere));
    check(with(&[&one], "a"), with(&[], "a"), Err(Refused::KeyMissingThere));
    check(with(&[], "a"), with(&[], "b"), Err(Refused::Region));
    check(with(&[&one], "a"), with(&[&one], "b"), Err(Refused::Region));
    assert!(Refused::Key.to_string().contains("`encrypt`"));
}

#[test]
fn a_flood_of_made_up_members_has_an_end() {
    let mut network = Network::of(3);
    let own = network.members[&address(1)].lan.identity();
    let mut envelope = Envelope::new("global", Vec::new(), &[]);
    for node in 0..3000_u128 {
        let src = Identity { node: node + 1000, addr: address(node + 1000), bump: 1, roles: 1 };
        let header = foca::Header { src, src_incarnation: 0, dst: own, message: foca::Message::Gossip };
        let mut packet = Vec::new();
        write_header(&header, &mut packet).unwrap();
        packet.extend_from_slice(&[0, 0]);
        let text = Letter::Foca(packet).encode();
        let datagram = envelope.wrap(Pool::Lan, &text);
        let now = network.now;
        // What it would send is not sent: the made-up ones do not exist.
        network.members.get_mut(&address(1)).unwrap().received(now, src.addr, &datagram);
    }
    let pools = &network.members[&address(1)];
    assert!(pools.members().len() <= 2001, "{}", pools.members().len());
    assert!(pools.refused().full >= 900, "{:?}", pools.refused());
    assert_eq!(network.seen(1, 2).status, Status::Alive);
}

mod bytes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn of_any_kind_do_not_harm(
            texts in prop::collection::vec((any::<bool>(), 0..4_u8, prop::collection::vec(any::<u8>(), 0..300)), 1..20),
            raw in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let (mut pools, _) = Pools::new(Duration::ZERO, Setup { wan: Some(Pace::wan()), ..setup(1, 1, "global") }).unwrap();
            let mut envelope = Envelope::new("global", Vec::new(), &[]);
            let from = address(2);
            for (wan, kind, text) in texts {
                let mut with_kind = vec![kind];
                with_kind.extend_from_slice(&text);
                let pool = if wan { Pool::Wan } else { Pool::Lan };
                let datagram = envelope.wrap(pool, &with_kind);
                pools.received(Duration::ZERO, from, &datagram);
                let _ = pools.asked(Duration::ZERO, from, &text);
                let mut stream = vec![0x81];
                stream.extend_from_slice(&text);
                let _ = pools.asked(Duration::ZERO, from, &stream);
                let _ = pools.answered(Duration::ZERO, from, Round::First, Ok(stream));
            }
            pools.received(Duration::ZERO, from, &raw);
            prop_assert!(pools.members().len() <= 2000);
        }

        #[test]
        fn of_a_header_come_back(
            node in 1..u128::MAX, ip: u32, port in 1..u16::MAX, bump in 0..u64::MAX >> 1, roles in 0..4_u8,
            incarnation: u16, number: u8, kind in 0..11_u8, cut in 0..200_usize,
        ) {
            let identity = Identity { node, addr: (Ipv4Addr::from_bits(ip), port).into(), bump, roles };
            let other = Identity { addr: (std::net::Ipv6Addr::from_bits(node), port).into(), ..identity };
            use foca::Message::*;
            let message = match kind {
                0 => Ping(number),
                1 => Ack(number),
                2 => PingReq { target: other, probe_number: number },
                3 => IndirectPing { origin: other, probe_number: number },
                4 => IndirectAck { target: other, probe_number: number },
                5 => ForwardedAck { origin: other, probe_number: number },
                6 => Announce,
                7 => Feed,
                8 => Gossip,
                9 => Broadcast,
                _ => TurnUndead,
            };
            let header = foca::Header { src: identity, src_incarnation: incarnation, dst: other, message };
            let mut bytes = Vec::new();
            write_header(&header, &mut bytes).unwrap();
            prop_assert_eq!(read_header(&mut bytes.as_slice()).unwrap(), header);
            if cut < bytes.len() {
                prop_assert!(read_header(&mut &bytes[..cut]).is_err());
            }
        }
    }
}
