//! Agents, the network between them and the processor that they get, in virtual time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use troupe::net::gossip::{
    Event, Pace, Tags,
    pools::{Alarm, Call, Effects, Pools, Round, Setup},
};

pub(crate) const MS: Duration = Duration::from_millis(1);
/// Datagrams that wait in the socket of a process that does not run.
const SOCKET: usize = 256;
/// Headers of IP and UDP.
const HEADERS: u64 = 28;

enum What {
    Arrives(SocketAddr, Vec<u8>),
    Wakes(Alarm),
    Asks(SocketAddr, Round, Vec<u8>),
    Answers(SocketAddr, Round, Result<Vec<u8>, String>),
    /// Gets no processor for so long.
    Pauses(Duration),
    Resumes,
}

struct Planned {
    at: Duration,
    number: u64,
    whom: usize,
    life: u32,
    what: What,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Planned {}
impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[derive(Default)]
pub(crate) struct Agent {
    pub(crate) pools: Option<Pools>,
    life: u32,
    pub(crate) starved: bool,
    paused: bool,
    /// When it last began to get no processor, and for how long.
    pub(crate) last_pause: (Duration, Duration),
    datagrams: VecDeque<What>,
    waiting: VecDeque<What>,
}

#[derive(Default, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) cpu: Duration,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) stream_bytes: u64,
}

pub(crate) struct World {
    pub(crate) agents: Vec<Agent>,
    pub(crate) now: Duration,
    planned: BinaryHeap<Reverse<Planned>>,
    number: u64,
    pub(crate) loss: f64,
    random: StdRng,
    /// When, by whom, about whom, what.
    pub(crate) events: Vec<(Duration, usize, usize, Seen)>,
    /// Of each agent: whom it knows by name.
    known: Vec<Vec<bool>>,
    pub(crate) load: Load,
}

/// What an event told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Named,
    Suspected,
    Failed,
}

pub(crate) fn address(index: usize) -> SocketAddr {
    let [_, a, b, c] = u32::try_from(index).expect("few").to_be_bytes();
    (Ipv4Addr::new(10, a, b, c), 4648).into()
}

fn index(address: SocketAddr) -> usize {
    let SocketAddr::V4(v4) = address else { unreachable!("all have IPv4") };
    let [_, a, b, c] = v4.ip().octets();
    u32::from_be_bytes([0, a, b, c]) as usize
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            agents: Vec::new(),
            now: Duration::ZERO,
            planned: BinaryHeap::new(),
            number: 0,
            loss: 0.0,
            random: StdRng::seed_from_u64(seed),
            events: Vec::new(),
            known: Vec::new(),
            load: Load::default(),
        }
    }

    /// Tags as long as those of a real agent.
    pub(crate) fn add(&mut self, region: &str, server: bool) -> usize {
        let at = self.agents.len();
        let ip = address(at).ip();
        let tags = Tags {
            name: format!("node-{at:05}"),
            role: if server { "server" } else { "client" }.into(),
            region: region.into(),
            datacenter: "dc1".into(),
            rpc_address: format!("{ip}:4647"),
            http_address: format!("{ip}:4646"),
            consul_address: format!("{ip}:8500"),
            build: "0.1.0".into(),
            ..Tags::default()
        };
        let setup = Setup {
            node: at as u128 + 1,
            address: address(at),
            started: 1_700_000_000_000 + u64::try_from(self.now.as_millis()).expect("short"),
            tags,
            lan: Pace::lan(),
            wan: server.then(Pace::wan),
            keys: Vec::new(),
            seed: self.random.random(),
            known: Vec::new(),
        };
        let (pools, effects) = Pools::new(self.now, setup).expect("the tags are short");
        self.known.push(Vec::new());
        self.agents.push(Agent { pools: Some(pools), ..Agent::default() });
        self.perform(at, effects);
        at
    }

    fn plan(&mut self, at: Duration, whom: usize, what: What) {
        let (number, life) = (self.number, self.agents[whom].life);
        self.number += 1;
        self.planned.push(Reverse(Planned { at: at.max(self.now), number, whom, life, what }));
    }

    fn latency(&mut self) -> Duration {
        Duration::from_micros(self.random.random_range(200..1000))
    }

    fn perform(&mut self, from: usize, effects: Effects) {
        for (to, bytes) in effects.send {
            self.load.packets += 1;
            self.load.bytes += bytes.len() as u64 + HEADERS;
            if !self.random.random_bool(self.loss) {
                let at = self.now + self.latency();
                self.plan(at, index(to), What::Arrives(address(from), bytes));
            }
        }
        for (at, alarm) in effects.wake {
            self.plan(at, from, What::Wakes(alarm));
        }
        for Call { peer, round, request } in effects.calls {
            self.load.stream_bytes += request.len() as u64;
            let way = self.way_of_stream();
            if self.agents[index(peer)].pools.is_some() {
                self.plan(self.now + way, index(peer), What::Asks(address(from), round, request));
            } else {
                let nobody = Err("nobody listens".to_owned());
                self.plan(self.now + way, from, What::Answers(peer, round, nobody));
            }
        }
        for event in effects.events {
            let about = index(event.member().address);
            let seen = match &event {
                Event::Joined(member) | Event::Updated(member) if member.name.starts_with("node-") => {
                    Seen::Named
                }
                Event::Suspected(_) => Seen::Suspected,
                Event::Failed(_) => Seen::Failed,
                _ => continue,
            };
            if seen == Seen::Named {
                let known = &mut self.known[from];
                known.resize(known.len().max(about + 1), false);
                known[about] = true;
            }
            self.events.push((self.now, from, about, seen));
        }
    }

    /// Three ways and, after a loss, a pause of TCP.
    fn way_of_stream(&mut self) -> Duration {
        let mut way = 3 * self.latency();
        while self.random.random_bool(self.loss) {
            way += 200 * MS;
        }
        way
    }

    pub(crate) fn with(&mut self, whom: usize, act: impl FnOnce(&mut Pools, Duration) -> Effects) {
        let now = self.now;
        let Some(pools) = &mut self.agents[whom].pools else { return };
        let begun = Instant::now();
        let effects = act(pools, now);
        self.load.cpu += begun.elapsed();
        self.perform(whom, effects);
    }

    pub(crate) fn run_until(&mut self, end: Duration) {
        while self.planned.peek().is_some_and(|Reverse(next)| next.at <= end) {
            let Some(Reverse(Planned { at, whom, life, what, .. })) = self.planned.pop() else { break };
            self.now = at;
            if self.agents[whom].life == life {
                self.happens(whom, what);
            }
        }
        self.now = end;
    }

    pub(crate) fn run(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn happens(&mut self, whom: usize, what: What) {
        let agent = &mut self.agents[whom];
        match what {
            What::Pauses(time) => {
                agent.paused = true;
                agent.last_pause = (self.now, time);
                self.plan(self.now + time, whom, What::Resumes);
            }
            What::Resumes => {
                agent.paused = false;
                let mut datagrams = std::mem::take(&mut agent.datagrams);
                let waiting = std::mem::take(&mut agent.waiting);
                let later = datagrams.split_off(datagrams.len().min(64));
                for what in datagrams.into_iter().chain(waiting).chain(later) {
                    self.reaches(whom, what);
                }
                if self.agents[whom].starved {
                    self.plan_pause(whom);
                }
            }
            What::Arrives(..) if agent.paused => {
                if agent.datagrams.len() < SOCKET {
                    agent.datagrams.push_back(what);
                }
            }
            what if agent.paused => agent.waiting.push_back(what),
            what => self.reaches(whom, what),
        }
    }

    pub(crate) fn plan_pause(&mut self, whom: usize) {
        let runs = Duration::from_millis(self.random.random_range(0..5000));
        let pauses = Duration::from_millis(self.random.random_range(500..5000));
        self.plan(self.now + runs, whom, What::Pauses(pauses));
    }

    fn reaches(&mut self, whom: usize, what: What) {
        match what {
            What::Arrives(from, bytes) => self.with(whom, |pools, now| pools.received(now, from, &bytes)),
            What::Wakes(alarm) => self.with(whom, |pools, now| pools.woken(now, alarm)),
            What::Asks(from, round, request) => {
                let mut answer = Err("nobody".to_owned());
                self.with(whom, |pools, now| match pools.asked(now, from, &request) {
                    Ok((bytes, effects)) => {
                        answer = Ok(bytes);
                        effects
                    }
                    Err(reason) => {
                        answer = Err(reason);
                        Effects::default()
                    }
                });
                self.load.stream_bytes += answer.as_ref().map_or(0, Vec::len) as u64;
                let way = self.way_of_stream();
                self.plan(self.now + way, index(from), What::Answers(address(whom), round, answer));
            }
            What::Answers(peer, round, answer) => {
                self.with(whom, |pools, now| pools.answered(now, peer, round, answer).0);
            }
            What::Pauses(_) | What::Resumes => {}
        }
    }

    pub(crate) fn kill(&mut self, whom: usize) {
        let agent = &mut self.agents[whom];
        *agent = Agent { life: agent.life + 1, ..Agent::default() };
    }

    /// Runs until each of `who` knows so many members by name.
    pub(crate) fn until_known(&mut self, who: &[usize], count: usize, limit: Duration) -> Option<Duration> {
        let begun = self.now;
        let mut open = who.to_vec();
        while self.now < begun + limit {
            self.run(100 * MS);
            open.retain(|whom| self.known[*whom].iter().filter(|known| **known).count() + 1 < count);
            if open.is_empty() {
                return Some(self.now - begun);
            }
        }
        None
    }

    /// When events about a member reached whom since `since`: the first, and the last of all.
    pub(crate) fn reached(&self, since: Duration, node: usize, what: Seen) -> Vec<Duration> {
        let mut first: BTreeMap<usize, Duration> = BTreeMap::new();
        for (at, by, about, seen) in &self.events {
            if *at >= since && *about == node && *seen == what {
                first.entry(*by).or_insert(*at - since);
            }
        }
        let mut times: Vec<_> = first.into_values().collect();
        times.sort();
        times
    }
}
