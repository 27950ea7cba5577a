//! A snapshot of many allocations while others write, and how long a server takes to come back with it.
//!
//! `cargo run --release --example bench_snapshot [-- jobs count nodes]`, by default 1,000 jobs of 1,000 on 5,000 nodes: a
//! server with its log on disk and fsync, rows as they are when all tasks run. One writer proposes a small entry at a time,
//! first when nothing else happens, then while a snapshot is written. Then the server is stopped and started again. The
//! state after that is compared with the one before.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use model::{
    AllocId, AllocUpdate, Capacity, ClientStatus, EvalId, Evaluation, Job, Node, NodeId, NodeStatus,
    Placement, Plan, Resources, SmallMap, Task, TaskEvent, TaskGroup, TaskPhase, TaskState, Timestamp,
    Trigger, event_type,
};
use state::{Command, Root};
use troupe::{
    actors::ports::{Clock as _, Proposer as _, StateReader as _},
    agent::SystemClock,
    raft::{Config, Server},
};

/// Nobody calls it.
const ADDRESS: &str = "127.0.0.1:1";
/// How long the writer writes before the snapshot.
const CALM: Duration = Duration::from_secs(5);

fn node(number: usize) -> Node {
    Node {
        id: NodeId(number as u128 + 1),
        name: format!("n{number}"),
        datacenter: "dc1".into(),
        capacity: Capacity { cpu_mhz: 1_000_000, memory_mb: 1_000_000, disk_mb: 10_000_000 },
        status: NodeStatus::Ready,
        ..Node::default()
    }
}

fn job(number: usize, count: usize) -> Job {
    let resources = Resources { cpu_mhz: 100, memory_mb: 100, ..Resources::default() };
    let task = Task { name: "t".into(), driver: "mock_driver".into(), resources, ..Task::default() };
    let group =
        TaskGroup { name: "g".into(), count: count as u32, tasks: vec![task], ..TaskGroup::default() };
    let id = format!("job-{number}");
    Job { name: id.clone(), id, groups: vec![group], ..Job::default() }
}

/// The plan of a job, its allocations in turn on all nodes.
fn plan(job: &Job, number: usize, count: usize, nodes: usize, job_index: u64, now: Timestamp) -> Plan {
    let eval = EvalId(number as u128 + 1);
    let mut plan = Plan::new(eval, job.key(), job.priority, job_index, now);
    plan.job_index = job_index;
    let group: Arc<str> = "g".into();
    plan.placements.extend((0..count).map(|index| {
        let at = number * count + index;
        Placement {
            // Ids that lie as random ones do.
            id: AllocId((at as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
            node: NodeId((at % nodes) as u128 + 1),
            group: group.clone(),
            index: index as u32,
            ..Placement::default()
        }
    }));
    plan
}

fn runs(id: AllocId, now: Timestamp) -> AllocUpdate {
    let event = |kind: &'static str, message: &'static str| TaskEvent {
        kind: kind.into(),
        message: message.into(),
        time: now,
        ..TaskEvent::default()
    };
    let state = TaskState {
        phase: TaskPhase::Running,
        started_at: now,
        events: vec![
            event(event_type::RECEIVED, "Task received by client"),
            event(event_type::TASK_SETUP, "Building Task Directory"),
            event(event_type::STARTED, "Task started by client"),
        ],
        ..TaskState::default()
    };
    AllocUpdate {
        id,
        client: ClientStatus::Running,
        client_description: "Tasks are running".into(),
        tasks: Arc::new(SmallMap::from([("t".to_owned(), state)])),
        services: vec![],
        health: None,
        deployment: None,
        time: now,
    }
}

/// One small entry after the other while the condition holds; milliseconds each.
async fn write_while(server: &Server, mut goes_on: impl FnMut() -> bool) -> Vec<f64> {
    let mut took = Vec::new();
    while goes_on() {
        let now = SystemClock.now();
        let eval = Evaluation::new(
            EvalId(u128::MAX - took.len() as u128 % 64),
            model::JobKey::new("default", "probe"),
            model::JobType::Service,
            50,
            Trigger::JobRegister,
            now,
        );
        let begun = Instant::now();
        server.propose(vec![Command::UpdateEvals { evals: vec![eval] }]).await.expect("this server leads");
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took
}

fn say(words: &str) {
    let _ = writeln!(io::stdout(), "{words}");
}

fn latencies(when: &str, mut took: Vec<f64>) {
    // Each write begins when the one before it ended.
    let longest_at = (0..took.len()).max_by(|&a, &b| took[a].total_cmp(&took[b])).unwrap_or(0);
    let began = took[..longest_at].iter().sum::<f64>() / 1e3;
    took.sort_by(f64::total_cmp);
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    let (p50, p99, longest) = (at(0.5), at(0.99), at(1.0));
    let writes = took.len();
    say(&format!(
        "{when}: {writes} writes, p50 {p50:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms, {began:.1} s after the first"
    ));
}

fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

fn rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1000
}

async fn start(dir: &Path) -> Server {
    let config = Config::new(dir, 1, ADDRESS);
    let server =
        Server::start(config, tokio::runtime::Handle::current()).await.expect("the directory can be used");
    if server.is_empty().await.expect("the server lives") {
        server.found([(1, ADDRESS.to_owned())].into()).await.expect("nobody else is there");
    }
    server.leadership().wait_for(|now| now.is_leader).await.expect("the server lives");
    server
}

/// Rows that everything else is derived from, in one number.
fn fingerprint(root: &Root) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    for alloc in root.allocs.values() {
        hasher.write(&rmp_serde::to_vec(&**alloc).expect("rows can be encoded"));
    }
    hasher.finish()
}

async fn fill(server: &Server, jobs: usize, count: usize, nodes: usize) {
    let now = SystemClock.now();
    for number in 0..nodes {
        let node = Command::RegisterNode { node: node(number), evals: vec![], now };
        server.propose(vec![node]).await.expect("this server leads");
    }
    for number in 0..jobs {
        let row = job(number, count);
        let register =
            Command::RegisterJob { job: Box::new(row.clone()), enforce_index: None, eval: None, now };
        server.propose(vec![register]).await.expect("this server leads");
        let job_index = server.root().jobs[&row.key()].job_modify_index;
        let plan = plan(&row, number, count, nodes, job_index, now);
        let updates = plan.placements.iter().map(|one| runs(one.id, now)).collect();
        let apply = Command::ApplyPlan { plan: Box::new(plan), evals: vec![] };
        server.propose(vec![apply]).await.expect("this server leads");
        let report = Command::UpdateAllocs { updates, evals: vec![], synced: None, now };
        server.propose(vec![report]).await.expect("this server leads");
    }
}

#[tokio::main]
async fn main() {
    let mut numbers =
        std::env::args().skip(1).map(|word| word.parse().expect("jobs, count, nodes: whole numbers"));
    let mut next = |default: usize| numbers.next().unwrap_or(default);
    let (jobs, count, nodes) = (next(1000), next(1000), next(5000));
    let dir = std::env::temp_dir().join(format!("troupe-bench-snapshot-{}", std::process::id()));
    let server = start(&dir).await;
    let begun = Instant::now();
    fill(&server, jobs, count, nodes).await;
    let allocs = server.root().allocs.len();
    say(&format!(
        "{allocs} allocations in the log after {:.1} s, RSS {} MB",
        begun.elapsed().as_secs_f64(),
        rss_mb()
    ));

    let until = Instant::now() + CALM;
    latencies("nothing else", write_while(&server, || Instant::now() < until).await);
    let wanted = server.stats().applied_index;
    let begun = Instant::now();
    server.snapshot().await.expect("this server lives");
    let took = write_while(&server, || server.stats().snapshot_index < wanted).await;
    let snapshot = begun.elapsed();
    latencies("while a snapshot is written", took);
    let bytes = size(&dir.join("snapshots"));
    say(&format!(
        "the snapshot took {:.1} s, the files have {} MB, RSS {} MB",
        snapshot.as_secs_f64(),
        bytes / 1_000_000,
        rss_mb()
    ));

    let before = fingerprint(&server.root());
    server.shutdown().await;
    drop(server);
    let begun = Instant::now();
    let server = start(&dir).await;
    let restored = begun.elapsed();
    let same = fingerprint(&server.root()) == before;
    say(&format!(
        "restored and leading after {:.1} s; the state is {}",
        restored.as_secs_f64(),
        if same { "the same" } else { "ANOTHER" }
    ));
    server.shutdown().await;
    let _ = std::fs::remove_dir_all(&dir);
    assert!(same, "a restart changed the state");
}
