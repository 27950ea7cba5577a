//! Placements per second: of the scheduler alone, and through the log with fsync.
//!
//! `cargo run --release --example bench_scheduler [-- nodes jobs count runs] [-alone]`: first what each demand of a job
//! costs the scheduler alone, then through the log. With any of `-constraint`, `-affinity`, `-spread`, `-unique` (spread
//! over all nodes), `-preempt` (nodes are full of less important tasks, ten on each, of ten jobs), `-system` (one on each
//! node, whatever the count says), `-ports N` only jobs with those demands are placed. `-alone` leaves the log out.
//!
//! Nodes are rows without agents (32,000 MHz, 128 GiB); a task asks for 100 MHz and 100 MiB, the sizes that the
//! table in docs/benchmarks.md compares with. Every run is checked: all placements there, no invariant broken.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Arbiter;
use model::{
    Affinity, Capacity, Constraint, DriverInfo, EvalId, EvalStatus, Evaluation, Job, JobType, MigratePolicy,
    NetworkAsk, Node, NodeId, NodeStatus, Operand, Port, Preemption, Resources, SchedulerSettings, Spread,
    Task, TaskGroup, Trigger,
};
use scheduler::{Input, schedule, verify};
use state::{Command, Root, invariants};
use troupe::{
    actors::{
        kit::{Fatal, Kind, Link, supervise},
        ports::{Clock, IdSource, Joined, Member, Members, Proposer, StateReader},
        server_leader::{LeaderLinks, Parts, ServerLeader},
    },
    agent::{RandomIds, SystemClock},
    raft,
};

/// What the jobs ask for beside room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Demands {
    /// Every second node fits.
    constraint: bool,
    /// A tenth of the nodes is liked.
    affinity: bool,
    /// Over 20 racks.
    spread: bool,
    /// Over all nodes.
    unique: bool,
    /// On nodes that are full: one less important task goes for each.
    preempt: bool,
    /// One on each node, instead of a count.
    system: bool,
    /// Dynamic ones.
    ports: usize,
}

const RACKS: usize = 20;
/// Of a node.
const TENTH_MHZ: u32 = 3200;

fn node(number: usize) -> Node {
    Node {
        meta: [
            ("rack".to_owned(), format!("r{}", number % RACKS)),
            ("half".to_owned(), format!("{}", number / RACKS % 2)),
            ("tenth".to_owned(), format!("{}", number / RACKS % 10)),
        ]
        .into(),
        id: NodeId(number as u128 + 1),
        name: format!("n{number}"),
        datacenter: "dc1".into(),
        address: "127.0.0.1".into(),
        capacity: Capacity { cpu_mhz: 32_000, memory_mb: 131_072, disk_mb: 1_000_000 },
        dynamic_ports: (20000, 32000),
        drivers: [(
            "mock_driver".to_owned(),
            DriverInfo { detected: true, healthy: true, ..DriverInfo::default() },
        )]
        .into(),
        status: NodeStatus::Ready,
        ..Node::default()
    }
}

fn job(number: usize, count: u32, demands: Demands) -> Job {
    let equal = |left: &str, right: &str| Constraint {
        left: left.into(),
        operand: Operand::Equal,
        right: right.into(),
    };
    let like = || Affinity { rule: equal("${meta.tenth}", "3"), weight: 50 };
    let over = |attribute: &str| Spread { attribute: attribute.into(), weight: 50, targets: vec![] };
    let spreads = [(demands.spread, "${meta.rack}"), (demands.unique, "${node.unique.id}")];
    let port = |number| Port { label: format!("p{number}"), ..Port::default() };
    Job {
        id: format!("job-{number}"),
        kind: if demands.system { JobType::System } else { JobType::Service },
        name: format!("job-{number}"),
        datacenters: vec!["dc1".into()],
        priority: if demands.preempt { 70 } else { 50 },
        constraints: demands.constraint.then(|| equal("${meta.half}", "1")).into_iter().collect(),
        affinities: demands.affinity.then(like).into_iter().collect(),
        groups: vec![TaskGroup {
            name: "g".into(),
            count: if demands.system { 1 } else { count },
            spreads: spreads
                .iter()
                .filter(|(asked, _)| *asked)
                .map(|(_, attribute)| over(attribute))
                .collect(),
            network: (demands.ports > 0).then(|| NetworkAsk {
                ports: (0..demands.ports).map(port).collect(),
                ..NetworkAsk::default()
            }),
            tasks: vec![Task {
                name: "t".into(),
                driver: "mock_driver".into(),
                resources: Resources {
                    cpu_mhz: if demands.preempt { TENTH_MHZ } else { 100 },
                    memory_mb: 100,
                    ..Resources::default()
                },
                ..Task::default()
            }],
            ..TaskGroup::default()
        }],
        ..Job::default()
    }
}

fn register(job: Job) -> Command {
    let now = SystemClock.now();
    let eval = Evaluation::new(
        EvalId(RandomIds.uuid()),
        job.key(),
        job.kind,
        job.priority,
        Trigger::JobRegister,
        now,
    );
    Command::RegisterJob { job: Box::new(job), enforce_index: None, eval: Some(eval), now }
}

/// Fills the nodes with ten jobs, one task of each on every node, and lets others take their room.
fn fill(root: &mut Root, nodes: usize) {
    let mut index = root.index;
    let mut apply = |root: &mut Root, command| {
        index += 1;
        root.apply(index, command);
    };
    for number in 0..10 {
        let demands = Demands { preempt: true, ..Demands::default() };
        let mut low = Job { priority: 20, ..job(number, nodes as u32, demands) };
        (low.id, low.name) = (format!("low-{number}"), format!("low-{number}"));
        low.groups[0].migrate = Some(MigratePolicy::default());
        let job = low.key();
        apply(root, register(low));
        let eval = root.evals_of_job(&job).next().expect("it was registered with one").clone();
        let mut ids = || RandomIds.uuid();
        let decision =
            schedule(Input { root, eval: &eval, now: SystemClock.now(), ids: &mut ids, rng_seed: 7 });
        apply(root, Command::ApplyPlan { plan: Box::new(decision.plan), evals: vec![decision.eval] });
    }
    let preemption = Preemption { service: true, ..Preemption::default() };
    let settings = SchedulerSettings { preemption, ..SchedulerSettings::default() };
    apply(root, Command::SetScheduler { settings, enforce_index: None });
}

/// The pure part: schedule, verify, apply; no log, no actors.
fn alone(nodes: usize, jobs: usize, count: u32, demands: Demands) -> f64 {
    let mut root = Root::default();
    let mut index = 0;
    let mut apply = |root: &mut Root, command| {
        index += 1;
        root.apply(index, command);
    };
    for number in 0..nodes {
        apply(&mut root, Command::RegisterNode { node: node(number), evals: vec![], now: SystemClock.now() });
    }
    if demands.preempt {
        fill(&mut root, nodes);
        index = root.index;
    }
    let mut apply = |root: &mut Root, command| {
        index += 1;
        root.apply(index, command);
    };
    for number in 0..jobs {
        apply(&mut root, register(job(number, count, demands)));
    }
    let open = root.evals.values().filter(|eval| !eval.status.is_terminal());
    let evals: Vec<Arc<Evaluation>> = open.cloned().collect();
    let start = Instant::now();
    for eval in evals {
        let mut ids = || RandomIds.uuid();
        let decision =
            schedule(Input { root: &root, eval: &eval, now: SystemClock.now(), ids: &mut ids, rng_seed: 7 });
        let verified = verify(&root, decision.plan);
        assert!(verified.complete, "nothing else changes the state here");
        apply(&mut root, Command::ApplyPlan { plan: Box::new(verified.plan), evals: vec![decision.eval] });
    }
    let took = start.elapsed();
    check(&root, jobs, count, demands);
    total(nodes, jobs, count, demands) as f64 / took.as_secs_f64()
}

/// How many allocations there will be.
fn total(nodes: usize, jobs: usize, count: u32, demands: Demands) -> usize {
    let halves = if demands.constraint { 2 } else { 1 };
    if demands.system { jobs * nodes / halves } else { jobs * count as usize }
}

fn check(root: &Root, jobs: usize, count: u32, demands: Demands) {
    let placed = root.allocs.values().filter(|alloc| !alloc.job.id.starts_with("low-")).count();
    assert_eq!(placed, total(root.nodes.len(), jobs, count, demands), "all placements are there");
    let evicted = root.allocs.values().filter(|alloc| alloc.preempted_by.is_some()).count();
    assert_eq!(evicted, if demands.preempt { placed } else { 0 }, "as few go as can");
    if let Err(broken) = invariants::check(root) {
        panic!("{broken}");
    }
    for job in root.jobs.keys().filter(|job| !job.id.starts_with("low-")) {
        let mut racks = [0u32; RACKS];
        let mut nodes: BTreeMap<NodeId, u32> = BTreeMap::new();
        for alloc in root.allocs_of_job(job) {
            let number = alloc.node.0 as usize - 1;
            assert!(!demands.constraint || number / RACKS % 2 == 1, "the constraint holds");
            assert_eq!(alloc.ports.len(), demands.ports);
            racks[number % RACKS] += 1;
            *nodes.entry(alloc.node).or_default() += 1;
        }
        let (least, most) = (racks.iter().min().copied(), racks.iter().max().copied());
        assert!(!demands.spread || most.unwrap_or(0) - least.unwrap_or(0) <= 1, "skew: {racks:?}");
        assert!(!demands.system || nodes.values().all(|&on| on == 1), "one on each node");
        let fair = (count as usize).div_ceil(root.nodes.len() / if demands.constraint { 2 } else { 1 });
        assert!(!demands.unique || nodes.values().all(|&on| on as usize <= fair), "no node has too many");
    }
}

/// No cluster around the one server.
struct Nobody;

#[async_trait::async_trait]
impl Members for Nobody {
    fn members(&self) -> Vec<Member> {
        Vec::new()
    }

    async fn join(&self, _: Vec<String>) -> Joined {
        Joined::default()
    }

    async fn force_leave(&self, _: &str, _: bool) -> Result<(), String> {
        Err("nobody is there".into())
    }

    async fn leave(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Through actors and the log: register, evaluate, plan, verify, fsync, apply.
async fn through_the_log(
    nodes: usize,
    jobs: usize,
    count: u32,
    demands: Demands,
    runtime: &tokio::runtime::Handle,
) -> (f64, u64) {
    let dir = std::env::temp_dir().join(format!("troupe-bench-{:x}", RandomIds.uuid()));
    let raft = raft::Server::start(raft::Config::new(&dir, 1, "127.0.0.1:1"), runtime.clone())
        .await
        .expect("a fresh directory can be used");
    raft.found([(1, String::from("127.0.0.1:1"))].into()).await.expect("nobody else is there");
    let (fatal, _reports) = Fatal::channel();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn IdSource> = Arc::new(RandomIds);
    let state: Arc<dyn StateReader> = Arc::new(raft.clone());
    let proposer: Arc<dyn Proposer> = Arc::new(raft.clone());
    let members = Arc::new(Nobody);
    let parts = Parts {
        state: state.clone(),
        proposer: proposer.clone(),
        clock,
        ids,
        members,
        senses: None,
        autopilot: None,
        fatal: fatal.clone(),
    };
    let arbiter = Arbiter::new();
    let leader: Link<ServerLeader> = Link::new("server leader");
    let (links, leadership) = (LeaderLinks::new(2), raft.leadership());
    let _ = raft.leadership().wait_for(|now| now.is_leader).await;
    supervise(&arbiter.handle(), Kind::ServerLeader, leader, fatal, move || {
        ServerLeader::new(parts.clone(), links.clone(), leadership.clone())
    });
    let registrations: Vec<Command> = (0..nodes)
        .map(|number| Command::RegisterNode { node: node(number), evals: vec![], now: SystemClock.now() })
        .collect();
    for part in registrations.chunks(500) {
        proposer.propose(part.to_vec()).await.expect("this server leads");
    }
    let disk = || std::fs::metadata(dir.join("log.redb")).map_or(0, |meta| meta.len());
    let before = disk();
    let start = Instant::now();
    for number in 0..jobs {
        proposer.propose(vec![register(job(number, count, demands))]).await.expect("this server leads");
    }
    let mut changes = state.changes();
    let all = |root: &Root| {
        root.allocs.len() == total(nodes, jobs, count, demands)
            && root.evals.values().all(|eval| eval.status == EvalStatus::Complete)
    };
    while !all(&state.root()) {
        tokio::time::timeout(Duration::from_secs(60), changes.changed())
            .await
            .expect("something is placed within a minute")
            .expect("the log lives");
    }
    let took = start.elapsed();
    let grown = disk().saturating_sub(before);
    check(&state.root(), jobs, count, demands);
    raft.shutdown().await;
    arbiter.stop();
    let _ = std::fs::remove_dir_all(&dir);
    let placed = total(nodes, jobs, count, demands);
    (placed as f64 / took.as_secs_f64(), grown / placed as u64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Each demand by itself, and all together.
fn variants() -> Vec<(&'static str, Demands)> {
    let none = Demands::default();
    let all = Demands { constraint: true, affinity: true, spread: true, ports: 1, ..none };
    vec![
        ("plain", none),
        ("constraint", Demands { constraint: true, ..none }),
        ("affinity", Demands { affinity: true, ..none }),
        ("spread", Demands { spread: true, ..none }),
        ("spread over nodes", Demands { unique: true, ..none }),
        ("spread over both", Demands { spread: true, unique: true, ..none }),
        ("on every node", Demands { system: true, ..none }),
        ("one port", Demands { ports: 1, ..none }),
        ("all but nodes", all),
    ]
}

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has =
        |flag: &str| words.iter().any(|word| word.trim_start_matches('-') == flag && word.starts_with('-'));
    let ports_at = words.iter().position(|word| word.trim_start_matches('-') == "ports").map(|at| at + 1);
    let ports = ports_at.and_then(|at| words.get(at)?.parse().ok()).unwrap_or(0);
    let asked = Demands {
        constraint: has("constraint"),
        affinity: has("affinity"),
        spread: has("spread"),
        unique: has("unique"),
        preempt: has("preempt"),
        system: has("system"),
        ports,
    };
    let numbers = words.iter().enumerate().filter(|(at, _)| Some(*at) != ports_at);
    let numbers: Vec<usize> = numbers.filter_map(|(_, text)| text.parse().ok()).collect();
    let (jobs, count, runs) = (
        numbers.get(1).copied().unwrap_or(100),
        numbers.get(2).copied().unwrap_or(100) as u32,
        numbers.get(3).copied().unwrap_or(3),
    );
    let sizes = numbers.first().map_or_else(|| vec![100, 1000, 5000], |&nodes| vec![nodes]);
    let mut out = io::stdout();
    writeln!(out, "placements per second, {jobs} jobs x {count}, median of {runs} runs (all runs)")?;
    let variants = if asked == Demands::default() { variants() } else { vec![("as asked", asked)] };
    for &nodes in &sizes {
        for (name, demands) in &variants {
            let rates: Vec<f64> = (0..runs).map(|_| alone(nodes, jobs, count, *demands)).collect();
            let middle = median(rates.clone());
            writeln!(out, "{nodes:>6} nodes, scheduler alone, {name:<18} {middle:>9.0}  {rates:.0?}")?;
        }
    }
    if has("alone") || asked.preempt {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for nodes in sizes {
        let handle = runtime.handle().clone();
        let logged: Vec<(f64, u64)> = actix::System::new().block_on(async {
            let mut results = Vec::new();
            for _ in 0..runs {
                results.push(through_the_log(nodes, jobs, count, asked, &handle).await);
            }
            results
        });
        let rates: Vec<f64> = logged.iter().map(|(rate, _)| *rate).collect();
        writeln!(
            out,
            "{nodes:>6} nodes, through the log: {:>9.0}  {rates:.0?}, log file grew by {} bytes per placement",
            median(rates.clone()),
            logged[0].1
        )?;
    }
    Ok(())
}
