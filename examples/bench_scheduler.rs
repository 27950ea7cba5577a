//! Placements per second: of the scheduler alone, and through the log with fsync.
//!
//! `cargo run --release --example bench_scheduler [-- nodes jobs count runs]`
//!
//! Nodes are rows without agents (32,000 MHz, 128 GiB); a task asks for 100 MHz and 100 MiB, the sizes that the
//! table in docs/benchmarks.md compares with. Every run is checked: all placements there, no invariant broken.

use std::{
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Arbiter;
use model::{
    Capacity, DriverInfo, EvalId, EvalStatus, Evaluation, Job, Node, NodeId, NodeStatus, Resources, Task,
    TaskGroup, Trigger,
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

fn node(number: usize) -> Node {
    Node {
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

fn job(number: usize, count: u32) -> Job {
    Job {
        id: format!("job-{number}"),
        name: format!("job-{number}"),
        datacenters: vec!["dc1".into()],
        groups: vec![TaskGroup {
            name: "g".into(),
            count,
            tasks: vec![Task {
                name: "t".into(),
                driver: "mock_driver".into(),
                resources: Resources { cpu_mhz: 100, memory_mb: 100, network: None },
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

/// The pure part: schedule, verify, apply; no log, no actors.
fn alone(nodes: usize, jobs: usize, count: u32) -> f64 {
    let mut root = Root::default();
    let mut index = 0;
    let mut apply = |root: &mut Root, command| {
        index += 1;
        root.apply(index, command);
    };
    for number in 0..nodes {
        apply(&mut root, Command::RegisterNode { node: node(number), evals: vec![], now: SystemClock.now() });
    }
    for number in 0..jobs {
        apply(&mut root, register(job(number, count)));
    }
    let evals: Vec<Arc<Evaluation>> = root.evals.values().cloned().collect();
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
    check(&root, jobs, count);
    (jobs * count as usize) as f64 / took.as_secs_f64()
}

fn check(root: &Root, jobs: usize, count: u32) {
    assert_eq!(root.allocs.len(), jobs * count as usize, "all placements are there");
    if let Err(broken) = invariants::check(root) {
        panic!("{broken}");
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
    runtime: &tokio::runtime::Handle,
) -> (f64, u64) {
    let dir = std::env::temp_dir().join(format!("troupe-bench-{:x}", RandomIds.uuid()));
    let raft = raft::Server::start(raft::Config::new(&dir, 1, "127.0.0.1:1"), runtime.clone())
        .await
        .expect("a fresh directory can be used");
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
        proposer.propose(vec![register(job(number, count))]).await.expect("this server leads");
    }
    let mut changes = state.changes();
    let all = |root: &Root| {
        root.allocs.len() == jobs * count as usize
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
    check(&state.root(), jobs, count);
    raft.shutdown().await;
    arbiter.stop();
    let _ = std::fs::remove_dir_all(&dir);
    let placed = jobs * count as usize;
    (placed as f64 / took.as_secs_f64(), grown / placed as u64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> io::Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let (jobs, count, runs) = (
        numbers.get(1).copied().unwrap_or(100),
        numbers.get(2).copied().unwrap_or(100) as u32,
        numbers.get(3).copied().unwrap_or(3),
    );
    let sizes = numbers.first().map_or_else(|| vec![1000, 5000], |&nodes| vec![nodes]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut out = io::stdout();
    writeln!(out, "placements per second, {jobs} jobs x {count}, median of {runs} runs (all runs)")?;
    for nodes in sizes {
        let pure: Vec<f64> = (0..runs).map(|_| alone(nodes, jobs, count)).collect();
        writeln!(out, "{nodes:>6} nodes, scheduler alone:  {:>9.0}  {pure:.0?}", median(pure.clone()))?;
        let handle = runtime.handle().clone();
        let logged: Vec<(f64, u64)> = actix::System::new().block_on(async {
            let mut results = Vec::new();
            for _ in 0..runs {
                results.push(through_the_log(nodes, jobs, count, &handle).await);
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
