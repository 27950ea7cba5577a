use proptest::prelude::*;

use super::*;

const STEP: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(250);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[derive(Debug, Clone)]
enum Input {
    Word(u128, Word),
    Parted(u128),
    /// This server stands still.
    Stall(Duration),
    Dies(u128),
    Returns(u128),
    Goodbye(u128),
    Answer(NodeId, u64),
    Confirmed,
    Written(Vec<NodeId>),
}

/// Nodes that beat, a majority that confirms or not, a log that takes verdicts or not; in virtual time.
struct World {
    watch: NodeWatch,
    now: Duration,
    ticked: Duration,
    live: BTreeSet<NodeId>,
    /// By living node: its next heartbeat.
    beats: BTreeMap<NodeId, Duration>,
    queue: BTreeMap<(Duration, u64), Input>,
    count: u64,
    verdicts: Vec<(Duration, NodeId, Reason)>,
    confirmations: usize,
    leads: bool,
    writes: bool,
}

impl World {
    fn new(nodes: u128) -> Self {
        let mut world = Self {
            watch: NodeWatch::new(Settings::default(), Duration::ZERO),
            now: Duration::ZERO,
            ticked: Duration::ZERO,
            live: (0..nodes).map(NodeId).collect(),
            beats: (0..nodes).map(|node| (NodeId(node), ms(37 * node as u64))).collect(),
            queue: BTreeMap::new(),
            count: 0,
            verdicts: Vec::new(),
            confirmations: 0,
            leads: true,
            writes: true,
        };
        let effects = world.watch.sync(Duration::ZERO, world.live.clone());
        assert_eq!(effects, []);
        world
    }

    fn at(&mut self, at: Duration, input: Input) {
        self.count += 1;
        self.queue.insert((at, self.count), input);
    }

    fn run_until(&mut self, end: Duration) {
        while self.now < end {
            self.now += STEP;
            if self.now >= self.ticked + TICK {
                self.ticked = self.now;
                let effects = self.watch.tick(self.now);
                self.perform(effects);
            }
            while let Some((&key, _)) = self.queue.first_key_value().filter(|((at, _), _)| *at <= self.now) {
                let input = self.queue.remove(&key).unwrap();
                self.input(input);
            }
            let due: Vec<NodeId> =
                self.beats.iter().filter(|(_, at)| **at <= self.now).map(|(node, _)| *node).collect();
            for node in due {
                let jitter = (node.0 % 7) as f64 / 7.0;
                let (ttl, effects) = self.watch.heartbeat(self.now, node, jitter);
                self.perform(effects);
                self.beats.insert(node, self.now + ttl.map_or(secs(1), |ttl| ttl / 2));
            }
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now;
        let effects = match input {
            Input::Word(node, word) => self.watch.word(now, NodeId(node), word),
            Input::Parted(node) => self.watch.parted(now, NodeId(node)),
            Input::Goodbye(node) => {
                self.beats.remove(&NodeId(node));
                self.watch.goodbye(now, NodeId(node))
            }
            Input::Stall(how_long) => {
                // Time is seen to have passed before anything that came meanwhile is read.
                self.now += how_long;
                let now = self.now;
                self.watch.tick(now)
            }
            Input::Dies(node) => {
                self.beats.remove(&NodeId(node));
                return;
            }
            Input::Returns(node) => {
                self.live.insert(NodeId(node));
                self.beats.insert(NodeId(node), now);
                self.watch.sync(now, self.live.clone())
            }
            Input::Answer(node, round) => {
                let outcome =
                    if self.beats.contains_key(&node) { Checked::Answered } else { Checked::Silent };
                self.watch.checked(now, node, round, outcome)
            }
            Input::Confirmed => self.watch.confirmed(now, self.leads),
            Input::Written(nodes) => {
                let mut effects = self.watch.declared(now, &nodes, self.writes);
                if self.writes {
                    self.live.retain(|node| !nodes.contains(node));
                    effects.extend(self.watch.sync(now, self.live.clone()));
                }
                effects
            }
        };
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Check { node, round } => {
                    let takes = if self.beats.contains_key(&node) { ms(20) } else { secs(2) };
                    self.at(self.now + takes, Input::Answer(node, round));
                }
                Effect::Confirm => {
                    self.confirmations += 1;
                    self.at(self.now + ms(20), Input::Confirmed);
                }
                Effect::Declare(verdicts) => {
                    for (node, reason) in &verdicts {
                        self.verdicts.push((self.now, *node, *reason));
                    }
                    let nodes = verdicts.into_iter().map(|(node, _)| node).collect();
                    self.at(self.now + ms(100), Input::Written(nodes));
                }
            }
        }
    }
}

#[test]
fn a_suspect_that_is_silent_is_given_up_within_three_seconds() {
    let mut world = World::new(5);
    world.run_until(secs(20));
    world.at(secs(20), Input::Dies(3));
    world.at(secs(20) + ms(700), Input::Word(3, Word::Suspect));
    world.run_until(secs(90));
    let [(at, node, reason)] = world.verdicts[..] else { panic!("{:?}", world.verdicts) };
    assert_eq!((node, reason), (NodeId(3), Reason::NoAnswer));
    assert!(at <= secs(23), "{at:?}");
    assert_eq!(world.confirmations, 0);
}

#[test]
fn without_gossip_the_heartbeat_decides() {
    let mut world = World::new(5);
    world.run_until(secs(20));
    world.at(secs(20), Input::Dies(3));
    world.run_until(secs(90));
    let [(at, node, reason)] = world.verdicts[..] else { panic!("{:?}", world.verdicts) };
    assert_eq!((node, reason), (NodeId(3), Reason::HeartbeatMissed));
    // At the earliest 10 s + 10 s after the last one, which was at most 10 s ago; at the latest 20 s + 10 s.
    assert!((secs(30)..secs(51)).contains(&at), "{at:?}");
}

#[test]
fn an_agent_that_says_goodbye_has_until_its_next_heartbeat() {
    let mut world = World::new(5);
    world.run_until(secs(20));
    world.at(secs(20), Input::Goodbye(3));
    world.at(secs(20) + ms(100), Input::Parted(3));
    world.at(secs(20) + ms(200), Input::Word(3, Word::Left));
    world.at(secs(35), Input::Returns(3));
    world.at(secs(35), Input::Word(3, Word::Alive));
    world.at(secs(60), Input::Goodbye(2));
    world.run_until(secs(120));
    let [(at, node, reason)] = world.verdicts[..] else { panic!("{:?}", world.verdicts) };
    assert_eq!((node, reason), (NodeId(2), Reason::HeartbeatMissed));
    assert!((secs(80)..secs(91)).contains(&at), "{at:?}");
}

#[test]
fn a_node_that_leaves_for_good_is_gone_at_once_except_under_a_new_leader() {
    let mut world = World::new(5);
    world.at(secs(1), Input::Dies(2));
    // Said goodbye to the leader before, perhaps.
    world.at(secs(1), Input::Word(2, Word::Left));
    world.at(secs(10), Input::Dies(3));
    world.at(secs(10), Input::Word(3, Word::Left));
    world.run_until(secs(11));
    let [(_, node, reason)] = world.verdicts[..] else { panic!("{:?}", world.verdicts) };
    assert_eq!((node, reason), (NodeId(3), Reason::Left));
    world.run_until(secs(40));
    assert_eq!(world.verdicts[1].1, NodeId(2));
}

#[test]
fn a_new_leader_is_patient_with_heartbeats_and_not_with_the_accused() {
    let mut world = World::new(5);
    world.beats.remove(&NodeId(1));
    world.beats.remove(&NodeId(2));
    world.at(ms(10), Input::Word(1, Word::Failed));
    world.run_until(secs(200));
    let [(at, node, _)] = world.verdicts[..] else { panic!("{:?}", world.verdicts) };
    assert!(node == NodeId(1) && at < secs(3), "{at:?}");
    world.run_until(secs(310));
    let [_, (at, node, _)] = world.verdicts[..] else { panic!("{:?}", world.verdicts) };
    assert!(node == NodeId(2) && at >= secs(300), "{at:?}");
}

#[test]
fn when_many_are_silent_a_majority_has_to_confirm() {
    let kill_four = |leads: bool| {
        let mut world = World::new(6);
        world.leads = leads;
        world.run_until(secs(20));
        for node in 0..4 {
            world.at(secs(20), Input::Dies(node));
            world.at(secs(21) + ms(300 * node as u64), Input::Word(node, Word::Suspect));
        }
        world
    };
    let mut world = kill_four(true);
    world.run_until(secs(25));
    let mut gone: Vec<_> = world.verdicts.iter().map(|(_, node, _)| node.0).collect();
    gone.sort_unstable();
    assert_eq!(gone, [0, 1, 2, 3]);
    assert!(world.confirmations > 0);

    let mut minority = kill_four(false);
    minority.run_until(secs(25));
    // The first one may have been alone at the time.
    assert!(minority.verdicts.len() <= 1, "{:?}", minority.verdicts);
    minority.leads = true;
    minority.run_until(secs(30));
    assert_eq!(minority.verdicts.len(), 4, "{:?}", minority.verdicts);
}

#[test]
fn a_verdict_that_was_not_written_is_repeated() {
    let mut world = World::new(5);
    world.run_until(secs(20));
    world.writes = false;
    world.at(secs(20), Input::Dies(3));
    world.at(secs(20), Input::Parted(3));
    world.run_until(secs(26));
    assert!(world.verdicts.len() > 1 && world.verdicts.iter().all(|(_, node, _)| *node == NodeId(3)));
    world.writes = true;
    world.run_until(secs(30));
    let so_far = world.verdicts.len();
    world.run_until(secs(120));
    assert_eq!(world.verdicts.len(), so_far);
}

#[test]
fn a_node_that_gossip_takes_for_dead_is_asked_again_and_again() {
    let mut world = World::new(5);
    world.run_until(secs(20));
    world.at(secs(20), Input::Word(3, Word::Failed));
    world.at(secs(100), Input::Dies(3));
    world.run_until(secs(100));
    assert_eq!(world.verdicts, []);
    world.run_until(secs(113));
    assert_eq!(world.verdicts.len(), 1);
}

#[test]
fn a_sign_of_life_beats_a_silent_answer() {
    let mut watch = NodeWatch::new(Settings::default(), Duration::ZERO);
    watch.sync(Duration::ZERO, (0..5).map(NodeId));
    let [Effect::Check { node, round }] = watch.parted(secs(1), NodeId(3))[..] else { panic!() };
    assert_eq!(watch.heard(secs(2), node), []);
    assert_eq!(watch.checked(secs(3), node, round, Checked::Silent), []);
    // Nor does an answer to an earlier question count for a later one.
    let [Effect::Check { round: next, .. }] = watch.parted(secs(4), node)[..] else { panic!() };
    assert_eq!(watch.checked(secs(4), node, round, Checked::Silent), []);
    let verdict = Effect::Declare(vec![(node, Reason::NoAnswer)]);
    assert_eq!(watch.checked(secs(6), node, next, Checked::Silent), [verdict]);
}

#[test]
fn a_node_that_was_held_and_speaks_up_is_watched_again() {
    let mut watch = NodeWatch::new(Settings::default(), Duration::ZERO);
    watch.sync(Duration::ZERO, [NodeId(1)]);
    watch.heartbeat(Duration::ZERO, NodeId(1), 0.0);
    let mut now = secs(17);
    for second in 1..17 {
        watch.tick(secs(second));
    }
    let [Effect::Check { node, round }] = watch.word(now, NodeId(1), Word::Suspect)[..] else { panic!() };
    assert_eq!(watch.parted(now, node), [], "it is being asked already");
    assert_eq!(watch.checked(now, node, round, Checked::Silent), [Effect::Confirm]);
    // Its heartbeat is overdue while the majority is asked.
    for second in 18..22 {
        now = secs(second);
        assert_eq!(watch.tick(now), []);
    }
    assert_eq!(watch.word(now, node, Word::Alive), []);
    assert_eq!(watch.confirmed(now, true), []);
    assert_eq!(watch.tick(now + secs(1)), [Effect::Confirm]);
    let verdict = Effect::Declare(vec![(node, Reason::HeartbeatMissed)]);
    assert_eq!(watch.confirmed(now + secs(1), true), [verdict]);
}

#[test]
fn many_nodes_get_more_time() {
    let watch = NodeWatch::new(Settings::default(), Duration::ZERO);
    // At half the time: 50 in a second.
    assert_eq!(watch.base_ttl(10_000), secs(400));
    assert_eq!(watch.base_ttl(100), secs(10));
}

fn accusation(nodes: u128) -> impl Strategy<Value = (Duration, Input)> {
    let word = prop_oneof![Just(Word::Alive), Just(Word::Suspect), Just(Word::Failed)];
    let input = prop_oneof![
        6 => (0..nodes, word).prop_map(|(node, word)| Input::Word(node, word)),
        3 => (0..nodes).prop_map(Input::Parted),
        1 => (100..90_000_u64).prop_map(|stall| Input::Stall(ms(stall))),
    ];
    (0..200_000_u64, input).prop_map(|(at, input)| (ms(at), input))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_beats_and_answers_is_never_given_up(
        script in proptest::collection::vec(accusation(7), 0..60),
    ) {
        let mut world = World::new(7);
        for (at, input) in script {
            world.at(at, input);
        }
        world.run_until(secs(400));
        prop_assert_eq!(world.verdicts, []);
    }

    #[test]
    fn whoever_dies_is_given_up_once_and_in_time(
        script in proptest::collection::vec(accusation(7), 0..40),
        deaths in proptest::collection::btree_map(0..7_u128, 0..200_000_u64, 0..7),
        seen_by_gossip in any::<bool>(),
    ) {
        let mut world = World::new(7);
        for (at, input) in script {
            // A server that stands still sees nothing in time; and a word of life after death would be a miracle.
            if !matches!(input, Input::Stall(_) | Input::Word(_, Word::Alive)) {
                world.at(at, input);
            }
        }
        for (node, at) in &deaths {
            world.at(ms(*at), Input::Dies(*node));
            if seen_by_gossip {
                // A second one that changes the word for sure.
                world.at(ms(at + 1000), Input::Word(*node, Word::Suspect));
                world.at(ms(at + 1001), Input::Word(*node, Word::Failed));
            }
        }
        world.run_until(secs(600));
        prop_assert_eq!(world.verdicts.len(), deaths.len(), "{:?}", world.verdicts);
        for (at, node, _) in &world.verdicts {
            let died = deaths.get(&node.0).map(|at| ms(*at));
            prop_assert!(died.is_some_and(|died| died <= *at), "{} at {:?}", node, at);
            // A node that never beat has the time of a new leader.
            let patience = if seen_by_gossip { secs(5) } else { secs(301) };
            prop_assert!(*at <= died.unwrap_or_default() + patience, "{} at {:?}", node, at);
        }
    }
}
