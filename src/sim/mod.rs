//! A whole cluster on one machine: real servers with log and fsync, and real node agents on simulated machines. And
//! what would happen to a cluster that is there, without touching it.
//!
//! `troupe sim` starts so many servers as processes of their own, connects thousands of nodes from this process, registers
//! jobs over HTTP and tells what it took. Figures of the servers are read from `/proc`.

mod machine; // what a node has instead of a machine
mod nodes; // the simulated nodes
mod servers; // the server processes
mod jobs; // what is registered
mod load; // who registers it
mod check; // whether the placements are right
mod report; // figures
mod plot; // the picture
mod what_if; // what would happen to a cluster

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};

use self::{
    jobs::is_everywhere,
    load::User,
    nodes::Nodes,
    report::{Figures, Sample, grouped, percentile},
    servers::{Servers, Used, process},
};
use crate::{
    actors::kit::Fatal,
    cli::{SimArgs, WhatIfArgs},
};

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Without any progress for so long, evaluations are looked at: perhaps nothing more will come.
const STUCK: Duration = Duration::from_secs(5);
/// Nodes that do not say for so long that what they were given runs will not say it any more.
const SILENT: Duration = Duration::from_secs(60);
/// Widest bar, in characters.
const BAR: u64 = 40;

/// Why there are no figures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Problem(String);

/// Runs what is asked for and prints figures. The exit code is 1 when something was not placed, or placed wrongly.
pub fn run(args: SimArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("edge").build() {
        Ok(runtime) => runtime,
        Err(problem) => return complain(&format!("no threads can be started: {problem}")),
    };
    let handle = runtime.handle().clone();
    let code = actix::System::new().block_on(async move {
        let ended = async {
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                ended = tokio::signal::ctrl_c() => ended,
                _ = terminate.recv() => Ok(()),
            }
        };
        tokio::select! {
            code = all_runs(args, handle) => code,
            // The servers end with the future above.
            ended = ended => complain(&ended.map_or_else(|problem| problem.to_string(), |()| "interrupted".into())),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Predicts what would happen to a cluster and prints it. The exit code is 2 when something would find no room.
pub fn predict(args: WhatIfArgs) -> ExitCode {
    what_if::run(&args)
}

fn complain(words: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "==> Error: {words}");
    ExitCode::FAILURE
}

async fn all_runs(args: SimArgs, runtime: Handle) -> ExitCode {
    let mut runs: Vec<(Figures, Vec<Sample>)> = Vec::new();
    let mut wrong = false;
    for nodes in args.nodes.clone() {
        match one_run(&args, nodes, &runtime).await {
            Ok((figures, samples, problems)) => {
                let mut out = io::stdout();
                let _ = writeln!(out, "{}\n{}", figures.words(), report::growth(&samples, figures.wanted));
                for problem in &problems {
                    let _ = writeln!(io::stderr(), "==> Wrong: {problem}");
                }
                wrong |= !problems.is_empty();
                runs.push((figures, samples));
            }
            Err(problem) => return complain(&problem.to_string()),
        }
    }
    if let Some(path) = &args.plot
        && let Err(problem) = std::fs::write(path, plot::svg(&runs))
    {
        return complain(&format!("{} cannot be written: {problem}", path.display()));
    }
    if args.json
        && let Some((figures, _)) = runs.last()
    {
        let line = serde_json::to_string(figures).unwrap_or_default();
        let _ = writeln!(io::stdout(), "{line}");
    }
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One cluster from its start to its end.
async fn one_run(
    args: &SimArgs,
    count: usize,
    runtime: &Handle,
) -> Result<(Figures, Vec<Sample>, Vec<String>), Problem> {
    let until = Instant::now() + args.timeout;
    let base = args.data_dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = base.join(format!("troupe-sim-{}-{:08x}", std::process::id(), rand::random::<u32>()));
    let mut servers = Servers::start(args.servers, dir, false)?;
    let user = User::new(servers.http())?;
    let bar = Bar::new();
    bar.show("starting the servers");
    tokio::select! {
        set = user.set_algorithm(&args.algorithm, until) => set?,
        ended = watch_servers(&mut servers) => return Err(ended),
    }
    let (fatal, mut reports) = Fatal::channel();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let nodes = Nodes::start(count, threads, &servers.rpc(), runtime, &fatal).await;
    while nodes.tally.registered() < count as u64 {
        bar.show(&format!("{} of {} nodes registered", nodes.tally.registered(), count));
        give_up(until, &mut servers, &mut reports, "the nodes to register")?;
        tokio::time::sleep(LOOK).await;
    }
    let eligible =
        if args.constraint { (0..count).filter(|n| n / machine::RACKS % 2 == 1).count() } else { count };
    let each = if is_everywhere(args) { eligible } else { args.count };
    let wanted = (args.jobs * args.groups * each) as u64;

    let before = servers.used();
    let own_before = process(std::process::id()).0;
    let begun = Instant::now();
    let begun_stored = model_now();
    let mut registering = tokio::spawn({
        let (user, args) = (user.clone(), args.clone());
        async move { user.register_all(&args, until).await }
    });
    let mut samples = Vec::new();
    let mut moved = (Instant::now(), 0);
    let mut registered = false;
    loop {
        if !registered && registering.is_finished() {
            (&mut registering).await.map_err(|error| Problem(error.to_string()))??;
            registered = true;
        }
        let sample = sample(&servers, &nodes, begun, before);
        samples.push(sample);
        bar.progress(&sample, wanted);
        if sample.running >= wanted && registered {
            break;
        }
        if sample.placed + sample.running != moved.1 {
            moved = (Instant::now(), sample.placed + sample.running);
        }
        if moved.0.elapsed() > STUCK && registered {
            // What is blocked stays so: nothing else happens in this cluster.
            let open = user.evals().await?.iter().any(|eval| eval.status == "pending");
            // Nodes that have much to start say nothing for a while.
            if !open && (sample.running >= sample.placed || moved.0.elapsed() > SILENT) {
                break;
            }
        }
        give_up(until, &mut servers, &mut reports, "the allocations to run")?;
        tokio::time::sleep(LOOK).await;
    }
    let wall = begun.elapsed();
    let after = servers.used();
    let (own_after, own_rss) = process(std::process::id());
    bar.end();

    let evals = user.evals().await?;
    let first: Vec<&load::Eval> = evals.iter().filter(|eval| eval.triggered_by == "job-register").collect();
    let mut latencies: Vec<f64> =
        first.iter().map(|eval| (eval.modify_time - eval.create_time) as f64 / 1e6).collect();
    let last = evals.iter().filter(|eval| eval.status == "complete").map(|eval| eval.modify_time).max();
    let placing =
        last.map_or(wall, |last| Duration::from_nanos(u64::try_from(last - begun_stored).unwrap_or(0)));
    let (placed, running) = (nodes.tally.placed(), nodes.tally.running());
    let per = |total: f64| total / placed.max(1) as f64;
    let used_nodes = nodes.tally.lock().values().filter(|allocs| !allocs.is_empty()).count();
    let problems = check::problems(args, &nodes, wanted);

    if args.probe > 0 || !args.idle.is_zero() {
        bar.show("waiting until the servers are at rest");
        at_rest(&servers).await;
    }
    let mut probes = Vec::new();
    for number in 0..args.probe {
        bar.show(&format!("{number} of {} further jobs", args.probe));
        probes.push(user.probe(args, number, until).await?.as_secs_f64() * 1e3);
    }
    bar.end();
    let mut idle = 0.0;
    if !args.idle.is_zero() {
        at_rest(&servers).await;
        let (cpu, start) = (servers.used().cpu, Instant::now());
        tokio::time::sleep(args.idle).await;
        idle = (servers.used().cpu - cpu).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    }
    let figures = Figures {
        servers: args.servers,
        nodes: count,
        jobs: args.jobs,
        wanted,
        placed,
        running,
        nodes_used: used_nodes,
        wall_s: wall.as_secs_f64(),
        placing_s: placing.as_secs_f64(),
        placements_per_s: placed as f64 / placing.as_secs_f64().max(1e-9),
        cpu_us_per_placement: per((after.cpu - before.cpu).as_secs_f64() * 1e6),
        node_cpu_us_per_placement: per((own_after - own_before).as_secs_f64() * 1e6),
        rss_mb: after.rss_bytes as f64 / 1e6,
        node_rss_mb: own_rss as f64 / 1e6,
        rss_bytes_per_placement: per(after.rss_bytes.saturating_sub(before.rss_bytes) as f64),
        eval_p50_ms: percentile(&mut latencies, 0.5),
        eval_p99_ms: percentile(&mut latencies, 0.99),
        log_bytes_per_placement: per(after.log_bytes.saturating_sub(before.log_bytes) as f64),
        probe_p50_ms: percentile(&mut probes, 0.5),
        probe_p99_ms: percentile(&mut probes, 0.99),
        idle_cpu_percent: idle,
    };
    nodes.stop();
    Ok((figures, samples, problems))
}

/// Waits until the servers have done what the last allocations left to do, a snapshot perhaps; not for ever.
async fn at_rest(servers: &Servers) {
    for _ in 0..10 {
        let before = servers.used().cpu;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if (servers.used().cpu - before).as_secs_f64() < 0.05 {
            return;
        }
    }
}

fn sample(servers: &Servers, nodes: &Nodes, begun: Instant, before: Used) -> Sample {
    let used = servers.used();
    Sample {
        seconds: begun.elapsed().as_secs_f64(),
        placed: nodes.tally.placed(),
        running: nodes.tally.running(),
        cpu: used.cpu.saturating_sub(before.cpu),
        rss_bytes: used.rss_bytes,
        log_bytes: used.log_bytes.saturating_sub(before.log_bytes),
    }
}

/// Stored times are nanoseconds of the wall clock.
fn model_now() -> i64 {
    use crate::actors::ports::Clock as _;
    crate::agent::SystemClock.now().0
}

fn give_up(
    until: Instant,
    servers: &mut Servers,
    reports: &mut tokio::sync::mpsc::UnboundedReceiver<String>,
    what: &str,
) -> Result<(), Problem> {
    if let Some(words) = servers.ended() {
        return Err(Problem(format!("a server ended: {words}")));
    }
    if let Ok(words) = reports.try_recv() {
        return Err(Problem(format!("a simulated node failed: {words}")));
    }
    if Instant::now() >= until {
        return Err(Problem(format!("waited too long for {what}; -timeout gives more time")));
    }
    Ok(())
}

async fn watch_servers(servers: &mut Servers) -> Problem {
    loop {
        if let Some(words) = servers.ended() {
            return Problem(format!("a server ended: {words}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A line that is written over again and again, where somebody looks.
struct Bar {
    shown: bool,
    begun: Instant,
}

impl Bar {
    fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), begun: Instant::now() }
    }

    fn show(&self, words: &str) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K{words}, {:.0} s", self.begun.elapsed().as_secs_f64());
        }
    }

    fn progress(&self, sample: &Sample, wanted: u64) {
        let full = usize::try_from(sample.running * BAR / wanted.max(1)).unwrap_or(0);
        let bar: String = (0..BAR as usize).map(|at| if at < full { '#' } else { '.' }).collect();
        let (placed, running) = (grouped(sample.placed as f64), grouped(sample.running as f64));
        self.show(&format!("[{bar}] {placed} placed, {running} of {} running", grouped(wanted as f64)));
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
