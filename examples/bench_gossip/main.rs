//! Membership in numbers: real brains of gossip in a simulated network, in virtual time, from a seed.
//!
//! `cargo run --release --example bench_gossip [-- --members 10,100,1000 --runs 3 --soak 60 --crowd 10000]`
//!
//! | flag | default | |
//! | --- | --- | --- |
//! | `--members` | 10,100,1000 | sizes of the pool of one region; empty: leave this part out |
//! | `--runs` | 3 | seeds for each size; medians are printed |
//! | `--soak` | 60 | minutes of virtual time with 10 % loss and 5 % of the members starved; 0: leave it out |
//! | `--soak-members` | 1000 | |
//! | `--crowd` | 10000 | size of a pool of which only some members are simulated in full; 0: leave it out |
//! | `--whole` | 100 | so many of them |
//! | `--regions` | 1,10,100 | regions of 3 servers each, federated; empty: leave this part out |
//! | `--seed` | 1 | |
//!
//! A datagram takes 0.2 to 1 ms. A starved member runs for up to 5 s, then gets no processor for 0.5 to 5 s; up to
//! 256 datagrams wait in its socket, its timers come late. CPU is that of the brains and their envelopes, without the
//! system calls.

mod stand_in; // members that are not simulated in full
mod world; // the simulated network

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use logic::node_watch::{Checked, Effect, NodeWatch, Settings, Word};
use model::NodeId;

use self::world::{Load, MS, Seen, World, address};

const SECOND: Duration = Duration::from_secs(1);

/// A pool of one region where all know all. They join one after the other; all at once is not how a cluster of
/// thousands begins.
fn pool(members: usize, each: Duration, seed: u64) -> (World, Option<Duration>) {
    let mut world = World::new(seed);
    for at in 0..members {
        let whom = world.add("global", at < 3);
        if at > 0 {
            world.with(whom, |pools, now| pools.join(now, [address(0)]));
        }
        world.run(each);
    }
    let all: Vec<_> = (0..members).collect();
    let complete = world.until_known(&all, members, Duration::from_secs(300));
    (world, complete)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or(Duration::MAX)
}

fn seconds(time: Duration) -> String {
    if time == Duration::MAX { "never".into() } else { format!("{:.2} s", time.as_secs_f64()) }
}

fn spread(times: &[Duration]) -> String {
    let (least, most) = (times.iter().min().copied(), times.iter().max().copied());
    let middle = median(times.to_vec());
    let [least, most] = [least, most].map(|time| time.unwrap_or(Duration::MAX));
    format!("{} ({:.2} to {:.2})", seconds(middle), least.as_secs_f64(), most.as_secs_f64())
}

/// How long the leader needs to give up a node after gossip told it of a suspicion: its own brain, asking in vain.
fn verdict(members: usize, whom: usize) -> Duration {
    /// As the actor around the brain does it: four times, half a second each.
    const ASKING: Duration = Duration::from_secs(2);
    let node = |at: usize| NodeId(at as u128 + 1);
    let mut brain = NodeWatch::new(Settings::default(), Duration::ZERO);
    brain.sync(Duration::ZERO, (0..members).map(node));
    let mut effects = brain.word(Duration::ZERO, node(whom), Word::Suspect);
    let mut asked = None;
    let mut now = Duration::ZERO;
    while now < 60 * SECOND {
        for effect in effects {
            match effect {
                Effect::Check { round, .. } => asked = Some((now + ASKING, round)),
                Effect::Declare(_) => return now,
                Effect::Confirm => {}
            }
        }
        now += 100 * MS;
        effects = match asked.take_if(|(at, _)| *at <= now) {
            Some((_, round)) => brain.checked(now, node(whom), round, Checked::Silent),
            None => brain.tick(now),
        };
    }
    Duration::MAX
}

fn size(members: usize, runs: u64, seed: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let [mut cold, mut seen, mut suspected, mut first, mut all] = [const { Vec::new() }; 5];
    let mut given_up = Vec::new();
    let (mut steady, mut false_alarms) = (Vec::new(), 0);
    for run in 0..runs {
        let (mut world, complete) = pool(members, if members > 200 { 5 * MS } else { MS }, seed + run);
        cold.push(complete.unwrap_or(Duration::MAX));
        world.run(Duration::from_secs(90));
        world.events.clear();
        let watched = if members >= 1000 { 30 * SECOND } else { 120 * SECOND };
        let load = world.watch(watched);
        let per = watched.as_secs_f64() * members as f64;
        steady.push((
            load.cpu.as_secs_f64() * 1e6 / per,
            load.packets as f64 / per,
            load.bytes as f64 / per,
            load.stream_bytes as f64 / per,
        ));
        false_alarms += world.events.iter().filter(|(_, _, _, seen)| *seen == Seen::Failed).count();
        for joins in 0..3 {
            let whom = world.add("global", false);
            let begun = world.now;
            world.with(whom, |pools, now| pools.join(now, [address(joins + 1)]));
            world.run(Duration::from_secs(5));
            let times = world.reached(begun, whom, Seen::Named);
            let complete = times.len() >= members;
            seen.push(times.last().copied().filter(|_| complete).unwrap_or(Duration::MAX));
            world.events.clear();
        }
        for kills in 0..5 {
            let whom = members / 2 - kills % 2;
            let whom = if members < 20 { members + kills % 3 } else { whom + kills };
            if world.agents[whom].pools.is_none() {
                continue;
            }
            world.kill(whom);
            let alive = world.agents.iter().filter(|agent| agent.pools.is_some()).count();
            let begun = world.now;
            world.run(Duration::from_secs(30));
            let heard = world.events.iter().find(|(_, by, about, seen)| {
                (*by, *about) == (0, whom) && matches!(seen, Seen::Suspected | Seen::Failed)
            });
            given_up.push(
                heard.map_or(Duration::MAX, |(at, ..)| (*at - begun).saturating_add(verdict(members, whom))),
            );
            let suspicions = world.reached(begun, whom, Seen::Suspected);
            let failures = world.reached(begun, whom, Seen::Failed);
            suspected.push(suspicions.first().copied().unwrap_or(Duration::MAX));
            first.push(failures.first().copied().unwrap_or(Duration::MAX));
            let complete = failures.len() >= alive;
            all.push(failures.last().copied().filter(|_| complete).unwrap_or(Duration::MAX));
            world.events.clear();
        }
    }
    let middle = |pick: fn(&(f64, f64, f64, f64)) -> f64| {
        let mut values: Vec<_> = steady.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    writeln!(out, "members {members}, {runs} runs")?;
    writeln!(out, "  all know all after the last joined  {}", spread(&cold))?;
    writeln!(out, "  one more joins -> seen by all       {}", spread(&seen))?;
    writeln!(out, "  killed -> first suspicion           {}", spread(&suspected))?;
    writeln!(out, "  killed -> given up by the leader    {}", spread(&given_up))?;
    writeln!(out, "  killed -> failed at first           {}", spread(&first))?;
    writeln!(out, "  killed -> failed at all             {}", spread(&all))?;
    writeln!(
        out,
        "  each agent: CPU {:.0} us/s, {:.1} packets/s, {:.0} B/s in datagrams (sent, with headers), {:.0} B/s in streams; false alarms {false_alarms}",
        middle(|load| load.0),
        middle(|load| load.1),
        middle(|load| load.2),
        middle(|load| load.3),
    )
}

/// What members do in a large pool when nothing happens: those of `members` that are whole.
fn crowd(whole: usize, members: usize, seed: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (mut world, complete) = stand_in::crowd(whole.min(members), members, seed);
    let took = seconds(complete.unwrap_or(Duration::MAX));
    writeln!(out, "members {members}, {whole} of them whole: these know all {took} after the first joined")?;
    // Until all has been told that there is to tell.
    for _ in 0..10 {
        world.events.clear();
        let watched = 60 * SECOND;
        let load = world.watch(watched);
        let per = watched.as_secs_f64() * whole as f64;
        let alarms = world.events.iter().filter(|(_, _, _, seen)| *seen != Seen::Named).count();
        writeln!(
            out,
            "  {}: each whole one: CPU {:.0} us/s, {:.1} packets/s, {:.0} B/s in datagrams, {:.0} B/s in streams; each half of an exchange {:.0} us; suspicions and failures {alarms}",
            seconds(world.now),
            load.cpu.as_secs_f64() * 1e6 / per,
            load.packets as f64 / per,
            load.bytes as f64 / per,
            load.stream_bytes as f64 / per,
            load.exchanging.as_secs_f64() * 1e6 / f64::from(load.exchanges.max(1)),
        )?;
    }
    Ok(())
}

fn soak(members: usize, minutes: u64, seed: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    // Slowly enough that each passes on all it hears at once: a backlog takes longer to simulate than the hour.
    let (mut world, _) = pool(members, 50 * MS, seed);
    world.run(Duration::from_secs(60));
    world.loss = 0.1;
    for whom in (0..members).step_by(20) {
        world.agents[whom].starved = true;
        world.plan_pause(whom);
    }
    world.events.clear();
    let mut load = Load::default();
    let (mut failed, mut suspected) = (0, 0);
    // When each was last taken for dead by anybody: one verdict reaches all.
    let mut verdicts: BTreeMap<usize, Duration> = BTreeMap::new();
    for minute in 1..=minutes {
        load.add(world.watch(Duration::from_secs(60)));
        for (at, by, about, seen) in std::mem::take(&mut world.events) {
            match seen {
                Seen::Failed => {
                    let before = verdicts.insert(about, at);
                    if before.is_none_or(|before| at > before + Duration::from_secs(60)) {
                        failed += 1;
                        let (since, length) = world.agents[about].last_pause;
                        writeln!(
                            out,
                            "  {by} takes {about} for dead at {}; last pause of {about}: at {} for {}",
                            seconds(at),
                            seconds(since),
                            seconds(length),
                        )?;
                    }
                }
                Seen::Suspected => suspected += 1,
                Seen::Named => {}
            }
        }
        if minute % 5 == 0 || minute == minutes {
            let per = (minute * 60) as f64 * members as f64;
            writeln!(
                out,
                "soak {members} members, loss 10 %, 5 % starved: {minute} min, false verdicts {failed}, suspicions seen per member and min {:.1}, CPU {:.0} us/s, {:.1} packets/s, {:.0} B/s",
                f64::from(suspected) / minute as f64 / members as f64,
                load.cpu.as_secs_f64() * 1e6 / per,
                load.packets as f64 / per,
                load.bytes as f64 / per,
            )?;
        }
    }
    world.loss = 0.0;
    Ok(())
}

fn federation(regions: usize, seed: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut world = World::new(seed);
    for region in 0..regions {
        for server in 0..3 {
            let whom = world.add(&format!("region-{region:03}"), true);
            if server > 0 {
                world.with(whom, |pools, now| pools.join(now, [address(region * 3)]));
            } else if region > 0 {
                // Each region joins the one before it.
                world.with(whom, |pools, now| pools.join(now, [address(region * 3 - 3)]));
            }
            world.run(20 * MS);
        }
    }
    let servers = regions * 3;
    let all: Vec<_> = (0..servers).collect();
    let complete = world.until_known(&all, servers, Duration::from_secs(600));
    world.run(Duration::from_secs(120));
    let load = world.watch(Duration::from_secs(120));
    let per = 120.0 * servers as f64;
    world.events.clear();
    let begun = world.now;
    world.kill(servers - 1);
    world.run(Duration::from_secs(120));
    let failures = world.reached(begun, servers - 1, Seen::Failed);
    let near = failures.first().copied().unwrap_or(Duration::MAX);
    let far = failures.last().copied().filter(|_| failures.len() >= servers - 1).unwrap_or(Duration::MAX);
    writeln!(
        out,
        "regions {regions} x 3 servers: all see all {} after the last joined; killed server: known at first {}, by all {}; each server: CPU {:.0} us/s, {:.1} packets/s, {:.0} B/s in datagrams, {:.0} B/s in streams",
        seconds(complete.unwrap_or(Duration::MAX)),
        seconds(near),
        seconds(far),
        load.cpu.as_secs_f64() * 1e6 / per,
        load.packets as f64 / per,
        load.bytes as f64 / per,
        load.stream_bytes as f64 / per,
    )
}

fn main() -> io::Result<()> {
    let mut flags: BTreeMap<String, String> = BTreeMap::from(
        [
            ("members", "10,100,1000"),
            ("runs", "3"),
            ("crowd", "10000"),
            ("whole", "100"),
            ("soak", "60"),
            ("soak-members", "1000"),
            ("regions", "1,10,100"),
            ("seed", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let name = arg.trim_start_matches('-').to_owned();
        match flags.get_mut(&name) {
            Some(value) => *value = args.next().unwrap_or_default(),
            None => return Err(io::Error::other(format!("{arg:?} is no flag: {:?}", flags.keys()))),
        }
    }
    let number = |name: &str| flags[name].parse::<u64>().map_err(io::Error::other);
    let list = |name: &str| {
        let texts = flags[name].split(',').filter(|text| !text.is_empty());
        texts.map(|text| text.parse::<usize>().map_err(io::Error::other)).collect::<io::Result<Vec<_>>>()
    };
    let seed = number("seed")?;
    for members in list("members")? {
        size(members, number("runs")?, seed)?;
    }
    for regions in list("regions")? {
        federation(regions, seed)?;
    }
    let size = |name: &str| number(name).and_then(|number| usize::try_from(number).map_err(io::Error::other));
    if size("crowd")? > 0 {
        crowd(size("whole")?, size("crowd")?, seed)?;
    }
    let minutes = number("soak")?;
    if minutes > 0 {
        soak(size("soak-members")?, minutes, seed)?;
    }
    Ok(())
}
