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

use super::stand_in::Name;

pub(crate) const MS: Duration = Duration::from_millis(1);
/// Datagrams that wait in the socket of a process that does not run.
const SOCKET: usize = 256;
/// Headers of IP and UDP.
const HEADERS: u64 = 28;

pub(crate) enum What {
    Arrives(SocketAddr, Vec<u8>),
    Wakes(Alarm),
    /// Who asks, and whom: a whole one may answer in the name of a stand-in.
    Asks(SocketAddr, SocketAddr, Round, Vec<u8>),
    Answers(SocketAddr, Round, Result<Vec<u8>, String>),
    /// Gets no processor for so long.
    Pauses(Duration),
    Resumes,
    /// A stand-in's turn.
    Probes,
    Repeats,
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
    pub(crate) stand_in: bool,
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
    /// What of it went into exchanges, and how many acts these were.
    pub(crate) exchanging: Duration,
    pub(crate) exchanges: u32,
}

impl Load {
    pub(crate) fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.stream_bytes += other.stream_bytes;
        self.exchanging += other.exchanging;
        self.exchanges += other.exchanges;
    }
}

pub(crate) struct World {
    pub(crate) agents: Vec<Agent>,
    pub(crate) names: Vec<Name>,
    pub(crate) now: Duration,
    planned: BinaryHeap<Reverse<Planned>>,
    number: u64,
    pub(crate) loss: f64,
    pub(crate) random: StdRng,
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

pub(crate) fn index(address: SocketAddr) -> usize {
    let SocketAddr::V4(v4) = address else { unreachable!("all have IPv4") };
    let [_, a, b, c] = v4.ip().octets();
    u32::from_be_bytes([0, a, b, c]) as usize
}

/// What this thread has had of the processor. (Linux: proc(5), schedstat)
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or_default())
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            agents: Vec::new(),
            names: Vec::new(),
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
    pub(crate) fn enlist(&mut self, region: &str, server: bool, stand_in: bool) -> (usize, Tags) {
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
        let started = 1_700_000_000_000 + u64::try_from(self.now.as_millis()).expect("short");
        self.names.push(Name { at, started, server });
        self.known.push(Vec::new());
        self.agents.push(Agent { stand_in, ..Agent::default() });
        (at, tags)
    }

    pub(crate) fn add(&mut self, region: &str, server: bool) -> usize {
        let (at, tags) = self.enlist(region, server, false);
        let setup = Setup {
            node: at as u128 + 1,
            address: address(at),
            started: self.names[at].started,
            tags,
            lan: Pace::lan(),
            wan: server.then(Pace::wan),
            keys: Vec::new(),
            seed: self.random.random(),
            known: Vec::new(),
        };
        let (pools, effects) = Pools::new(self.now, setup).expect("the tags are short");
        self.agents[at].pools = Some(pools);
        self.perform(at, effects);
        at
    }

    pub(crate) fn plan(&mut self, at: Duration, whom: usize, what: What) {
        let (number, life) = (self.number, self.agents[whom].life);
        self.number += 1;
        self.planned.push(Reverse(Planned { at: at.max(self.now), number, whom, life, what }));
    }

    pub(crate) fn latency(&mut self) -> Duration {
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
            let asked = &self.agents[index(peer)];
            if asked.pools.is_some() || asked.stand_in {
                let whom = if asked.stand_in { self.whole_but(from) } else { index(peer) };
                self.plan(self.now + way, whom, What::Asks(address(from), peer, round, request));
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

    /// Runs, and what that cost the agents. Others may use the processor in between: of the time that passed in the
    /// brains as much counts as this thread got of all time.
    pub(crate) fn watch(&mut self, time: Duration) -> Load {
        self.load = Load::default();
        let (begun, had) = (Instant::now(), processor_time());
        self.run(time);
        let got = processor_time().saturating_sub(had).as_secs_f64() / begun.elapsed().as_secs_f64();
        let mut load = self.load;
        load.cpu = load.cpu.mul_f64(got.min(1.0));
        load.exchanging = load.exchanging.mul_f64(got.min(1.0));
        load
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
            What::Arrives(from, bytes) if self.agents[whom].stand_in => {
                self.stand_in_receives(whom, from, &bytes);
            }
            What::Probes => self.stand_in_probes(whom),
            What::Repeats => self.stand_in_repeats(whom),
            What::Arrives(from, bytes) => self.with(whom, |pools, now| pools.received(now, from, &bytes)),
            What::Wakes(alarm) => self.with(whom, |pools, now| pools.woken(now, alarm)),
            What::Asks(from, name, round, request) => {
                let before = self.load.cpu;
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
                self.count_exchange(before);
                self.load.stream_bytes += answer.as_ref().map_or(0, Vec::len) as u64;
                let way = self.way_of_stream();
                self.plan(self.now + way, index(from), What::Answers(name, round, answer));
            }
            What::Answers(peer, round, answer) => {
                let before = self.load.cpu;
                self.with(whom, |pools, now| pools.answered(now, peer, round, answer).0);
                self.count_exchange(before);
            }
            What::Pauses(_) | What::Resumes => {}
        }
    }

    fn count_exchange(&mut self, before: Duration) {
        self.load.exchanging += self.load.cpu - before;
        self.load.exchanges += 1;
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
