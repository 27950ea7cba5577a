//! How servers that have never been part of a cluster become one, exactly one.
//!
//! `bootstrap_expect` says how many servers must see each other first. Only the one with the lowest id founds, and only
//! after each of the others promised to take part in no other founding meanwhile: two that see different parts of the
//! cluster can then not both succeed, as long as one server is in both parts. (Should that one be cut off from its
//! cluster for longer than the promise holds, the number of the cluster in its log keeps it out of the other.)

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::Timestamp;

/// How long a server keeps its promise to whoever asked for it.
pub const PROMISE: Duration = Duration::from_secs(10);
/// A promise that is older is asked for again rather than relied on.
const RELY: Duration = Duration::from_secs(4);
/// Between two questions to a server.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The id in the log of the server whose agent has this UUID. Never 0.
pub fn server_id(agent: u128) -> u64 {
    // Both halves of a random UUID hold fixed bits; together they hold none.
    let mixed = (agent >> 64) as u64 ^ (agent as u64).rotate_left(32);
    mixed.max(1)
}

/// A server of the region that gossip knows to be alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: u64,
    /// RPC.
    pub address: String,
    /// Its `bootstrap_expect`; 0: it leaves the founding to others.
    pub expect: u32,
}

/// What a server says when another one wants to found a cluster with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Its log is empty, and it takes part in no other founding for [`PROMISE`].
    Promised,
    /// It is part of a cluster.
    HasLog,
    /// It promised itself to this one.
    Taken { by: u64 },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing but to look again; why, in words.
    Wait(String),
    /// As `Wait`, and only people can change it.
    Refuse(String),
    /// These have to promise first.
    Ask(Vec<Candidate>),
    /// All of them, this one included.
    Found(BTreeMap<u64, String>),
    /// A cluster exists: its leader adds this server.
    Join,
}

/// The brain of one server whose log is empty.
#[derive(Debug, Default)]
pub struct Founding {
    own: u64,
    /// To whom this server promised itself, and when.
    promised: Option<(u64, Timestamp)>,
    founded: bool,
    /// What others answered, and when they were asked.
    answers: BTreeMap<u64, (Answer, Timestamp)>,
    asked: BTreeMap<u64, Timestamp>,
    /// Those that were found to be part of a cluster.
    in_cluster: BTreeSet<u64>,
}

impl Founding {
    pub fn new(own: u64) -> Self {
        Self { own, ..Self::default() }
    }

    /// Looks at who is there.
    pub fn look(&mut self, own: &Candidate, others: &[Candidate], now: Timestamp) -> Step {
        let others: BTreeMap<u64, &Candidate> =
            others.iter().filter(|other| other.id != own.id).map(|other| (other.id, other)).collect();
        self.in_cluster.retain(|id| others.contains_key(id));
        if self.in_cluster.is_empty() { self.decide(own, &others, now) } else { Step::Join }
    }

    fn decide(&mut self, own: &Candidate, others: &BTreeMap<u64, &Candidate>, now: Timestamp) -> Step {
        if self.founded {
            return Step::Wait("the cluster was founded".into());
        }
        if own.expect == 0 {
            return Step::Wait(
                "waits for a server of a cluster: bootstrap_expect is not set, so this one founds none"
                    .into(),
            );
        }
        let differing: Vec<_> = others
            .values()
            .filter(|other| other.expect != 0 && other.expect != own.expect)
            .map(|other| format!("{} expects {}", other.address, other.expect))
            .collect();
        if !differing.is_empty() {
            return Step::Refuse(format!(
                "bootstrap_expect is {} here and differs elsewhere ({}); set the same number on all servers",
                own.expect,
                differing.join(", ")
            ));
        }
        let here = others.len() + 1;
        let expected = usize::try_from(own.expect).unwrap_or(usize::MAX);
        if here < expected {
            return Step::Wait(format!("waits for {} more of {expected} servers", expected - here));
        }
        if let Some(lower) = others.values().find(|other| other.id < own.id && other.expect != 0) {
            return Step::Wait(format!("the server at {} founds the cluster", lower.address));
        }
        if let Some((to, since)) = self.promised
            && to != own.id
            && now.since(since) < PROMISE
        {
            return Step::Wait(format!("server {to} wants to found the cluster"));
        }
        self.promised = Some((own.id, now));
        let missing: Vec<_> = others
            .values()
            .filter(|other| {
                !matches!(self.answers.get(&other.id), Some((Answer::Promised, asked)) if now.since(*asked) < RELY)
            })
            .collect();
        if missing.is_empty() {
            self.founded = true;
            let members = others.values().map(|other| (other.id, other.address.clone()));
            return Step::Found(members.chain([(own.id, own.address.clone())]).collect());
        }
        let due: Vec<_> = missing
            .iter()
            .filter(|other| self.asked.get(&other.id).is_none_or(|asked| now.since(*asked) >= ASK_AGAIN))
            .map(|other| Candidate::clone(other))
            .collect();
        if due.is_empty() {
            let missing: Vec<_> = missing.iter().map(|other| other.address.as_str()).collect();
            return Step::Wait(format!("waits for the answer of {}", missing.join(", ")));
        }
        for other in &due {
            self.asked.insert(other.id, now);
            self.answers.remove(&other.id);
        }
        Step::Ask(due)
    }

    /// Notes what another server answered to a question that was asked at `asked`.
    pub fn answered(&mut self, id: u64, answer: Answer, asked: Timestamp) {
        if answer == Answer::HasLog {
            self.in_cluster.insert(id);
        }
        if self.asked.get(&id) == Some(&asked) {
            self.answers.insert(id, (answer, asked));
        }
    }

    /// Founding failed for another reason than that there is a cluster: look again.
    pub fn failed(&mut self) {
        self.founded = false;
        self.answers.clear();
    }

    /// Another server wants to found a cluster with this one, whose log is empty or not.
    pub fn claimed(&mut self, by: u64, empty: bool, now: Timestamp) -> Answer {
        if !empty || self.founded {
            return Answer::HasLog;
        }
        if let Some((to, since)) = self.promised
            && to != by
            && now.since(since) < PROMISE
        {
            // Only its own plan may be given up: another server relies on the promise it has.
            if to != self.own || by > self.own {
                return Answer::Taken { by: to };
            }
        }
        if by != self.own {
            self.answers.clear();
            self.asked.clear();
        }
        self.promised = Some((by, now));
        Answer::Promised
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(id: u64, expect: u32) -> Candidate {
        Candidate { id, address: format!("10.0.0.{id}:4647"), expect }
    }

    fn check(own: Candidate, others: &[Candidate], expected: &str) {
        let step = Founding::new(own.id).look(&own, others, Timestamp::from_secs(1));
        let words = match &step {
            Step::Wait(words) | Step::Refuse(words) => words.clone(),
            other => format!("{other:?}"),
        };
        assert!(words.contains(expected), "{words}");
    }

    #[test]
    fn what_a_server_waits_for_is_said() {
        check(candidate(1, 0), &[], "bootstrap_expect is not set");
        check(candidate(1, 3), &[candidate(2, 3)], "waits for 1 more of 3");
        check(candidate(2, 2), &[candidate(1, 2)], "10.0.0.1:4647 founds");
        check(candidate(1, 3), &[candidate(2, 5)], "10.0.0.2:4647 expects 5");
        check(candidate(1, 1), &[], "Found");
        check(candidate(1, 2), &[candidate(2, 0)], "Ask");
        // Who expects nothing does not found, however low its id.
        check(candidate(2, 2), &[candidate(1, 0)], "Ask");
    }

    #[test]
    fn a_server_with_a_log_makes_the_others_join() {
        let now = Timestamp::from_secs(1);
        let own = candidate(1, 3);
        let others = [candidate(2, 3), candidate(3, 3)];
        let mut brain = Founding::new(1);
        assert!(matches!(brain.look(&own, &others, now), Step::Ask(asked) if asked.len() == 2));
        brain.answered(2, Answer::HasLog, now);
        brain.answered(3, Answer::Promised, now);
        assert_eq!(brain.look(&own, &others, now), Step::Join);
    }

    #[test]
    fn all_promises_are_needed_and_they_grow_old() {
        let own = candidate(1, 3);
        let others = [candidate(2, 3), candidate(3, 3)];
        let mut brain = Founding::new(1);
        let early = Timestamp::from_secs(1);
        brain.look(&own, &others, early);
        brain.answered(2, Answer::Promised, early);
        assert!(matches!(brain.look(&own, &others, early), Step::Wait(_)));
        let late = early.plus(RELY);
        assert!(matches!(brain.look(&own, &others, late), Step::Ask(asked) if asked.len() == 2));
        brain.answered(2, Answer::Promised, late);
        brain.answered(3, Answer::Promised, late);
        assert!(matches!(brain.look(&own, &others, late), Step::Found(members) if members.len() == 3));
    }

    #[test]
    fn ids_of_agents_are_never_zero() {
        assert_eq!(server_id(0), 1);
        assert_ne!(server_id(1), server_id(2));
    }

    /// One event in the life of some servers that found a cluster.
    #[derive(Debug, Clone)]
    enum Event {
        /// This server looks and sees these.
        Look {
            who: usize,
            sees: u8,
        },
        /// The oldest message on its way arrives, or is lost.
        Deliver {
            which: usize,
            lost: bool,
        },
        Pass {
            millis: u16,
        },
    }

    fn event(servers: usize) -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0..servers, any::<u8>()).prop_map(|(who, sees)| Event::Look { who, sees }),
            6 => (any::<usize>(), prop::bool::weighted(0.1))
                .prop_map(|(which, lost)| Event::Deliver { which, lost }),
            1 => (0u16..12_000).prop_map(|millis| Event::Pass { millis }),
        ]
    }

    enum Message {
        Claim { from: usize, to: usize, asked: Timestamp },
        Answer { from: usize, to: usize, answer: Answer, asked: Timestamp },
    }

    /// Plays the events and returns what was founded.
    fn play(servers: usize, events: impl IntoIterator<Item = Event>) -> Vec<BTreeMap<u64, String>> {
        let id = |server: usize| server as u64 + 1;
        let mut brains: Vec<_> = (0..servers).map(|server| Founding::new(id(server))).collect();
        let mut empty = vec![true; servers];
        let mut founded: Vec<BTreeMap<u64, String>> = Vec::new();
        let mut messages = Vec::new();
        let mut now = Timestamp::from_secs(1);
        for event in events {
            match event {
                Event::Pass { millis } => {
                    now = now.plus(Duration::from_millis(millis.into()));
                    // The log reaches those for whom it was founded while their promise holds.
                    for members in &founded {
                        BTreeMap::keys(members).for_each(|id| empty[*id as usize - 1] = false);
                    }
                }
                Event::Look { who, sees } if empty[who] => {
                    let expect = servers.min(3) as u32;
                    let others: Vec<_> = (0..servers)
                        .filter(|other| *other != who && sees & (1 << other) != 0)
                        .map(|other| candidate(id(other), expect))
                        .collect();
                    match brains[who].look(&candidate(id(who), expect), &others, now) {
                        Step::Ask(asked) => messages.extend(asked.iter().map(|other| Message::Claim {
                            from: who,
                            to: other.id as usize - 1,
                            asked: now,
                        })),
                        Step::Found(members) => {
                            empty[who] = false;
                            founded.push(members);
                        }
                        Step::Wait(_) | Step::Refuse(_) | Step::Join => {}
                    }
                }
                Event::Deliver { which, lost } if !messages.is_empty() => {
                    let message = messages.remove(which % messages.len());
                    match message {
                        _ if lost => {}
                        Message::Claim { from, to, asked } => {
                            let answer = brains[to].claimed(id(from), empty[to], now);
                            messages.push(Message::Answer { from: to, to: from, answer, asked });
                        }
                        Message::Answer { from, to, answer, asked } => {
                            brains[to].answered(id(from), answer, asked);
                        }
                    }
                }
                Event::Look { .. } | Event::Deliver { .. } => {}
            }
        }
        founded
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever the servers see of each other and whatever is lost: no server is in two clusters.
        #[test]
        fn no_server_is_founded_twice(events in prop::collection::vec(event(5), 0..200)) {
            let founded = play(5, events);
            let all: usize = founded.iter().map(BTreeMap::len).sum();
            let different: BTreeSet<u64> = founded.iter().flat_map(|members| members.keys().copied()).collect();
            prop_assert_eq!(all, different.len(), "{:?}", founded);
        }

        /// Servers that see each other found one cluster in the end, whatever happened before.
        #[test]
        fn those_that_see_each_other_found_one(events in prop::collection::vec(event(3), 0..50)) {
            let calm = (0..40).flat_map(|_| {
                let looks = (0..3).map(|who| Event::Look { who, sees: 0xff });
                let deliveries = (0..20).map(|_| Event::Deliver { which: 0, lost: false });
                looks.chain(deliveries).chain([Event::Pass { millis: 500 }])
            });
            let founded = play(3, events.into_iter().chain(calm));
            prop_assert_eq!(founded.len(), 1, "{:?}", founded);
            prop_assert_eq!(founded[0].len(), 3);
        }
    }
}
