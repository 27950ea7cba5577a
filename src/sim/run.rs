//! One cluster from its start to its end.

use std::time::{Duration, Instant};

use tokio::{runtime::Handle, sync::mpsc::UnboundedReceiver};

use super::{
    Problem,
    bar::Bar,
    check,
    jobs::is_everywhere,
    load::{Eval, User},
    machine::{WANTED_HALF, half_of},
    nodes::Nodes,
    report::{Figures, Sample, percentile},
    servers::{Servers, Used, process},
    wall_clock,
};
use crate::{actors::kit::Fatal, cli::SimArgs};

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Without any progress for so long, evaluations are looked at: perhaps nothing more will come.
const STUCK: Duration = Duration::from_secs(5);
/// Nodes that do not say for so long that what they were given runs will not say it any more.
const SILENT: Duration = Duration::from_secs(60);

/// What a run showed.
pub(super) struct Outcome {
    pub(super) figures: Figures,
    pub(super) samples: Vec<Sample>,
    /// What is wrong with the placements, in words.
    pub(super) problems: Vec<String>,
}

/// Starts a cluster of so many nodes, gives it its jobs, looks at it, and ends it.
pub(super) async fn run(args: &SimArgs, nodes: usize, runtime: &Handle) -> Result<Outcome, Problem> {
    let bar = Bar::new();
    let mut cluster = Cluster::start(args, nodes, runtime, &bar).await?;
    let (before, own_before) = (cluster.servers.used(), process(std::process::id()).0);
    let (begun, begun_stored) = (Instant::now(), wall_clock());
    let samples = cluster.place_all(&bar, begun, before).await?;
    let wall = begun.elapsed();
    let after = cluster.servers.used();
    let (own_after, own_rss) = process(std::process::id());
    bar.end();

    let evals = cluster.user.evals().await?;
    let is_first = |eval: &&Eval| eval.triggered_by == "job-register";
    let latency = |eval: &Eval| (eval.modify_time - eval.create_time) as f64 / 1e6;
    let mut latencies: Vec<f64> = evals.iter().filter(is_first).map(latency).collect();
    let last = evals.iter().filter(|eval| eval.status == "complete").map(|eval| eval.modify_time).max();
    let placing =
        last.map_or(wall, |last| Duration::from_nanos(u64::try_from(last - begun_stored).unwrap_or(0)));
    let tally = &cluster.nodes.tally;
    let (placed, running) = (tally.placed(), tally.running());
    let per = |total: f64| total / placed.max(1) as f64;
    let nodes_used = tally.lock().values().filter(|allocs| !allocs.is_empty()).count();
    let problems = check::problems(args, &cluster.nodes, cluster.wanted);

    let mut probes = cluster.probe(&bar).await?;
    let figures = Figures {
        servers: args.servers,
        nodes,
        jobs: args.jobs,
        wanted: cluster.wanted,
        placed,
        running,
        nodes_used,
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
        idle_cpu_percent: cluster.idle(&bar).await,
    };
    cluster.nodes.stop();
    Ok(Outcome { figures, samples, problems })
}

/// Servers, nodes and who uses them.
struct Cluster<'a> {
    args: &'a SimArgs,
    servers: Servers,
    nodes: Nodes,
    user: User,
    /// Allocations that there shall be.
    wanted: u64,
    until: Instant,
    reports: UnboundedReceiver<String>,
}

impl<'a> Cluster<'a> {
    /// Returns when all nodes are registered.
    async fn start(args: &'a SimArgs, count: usize, runtime: &Handle, bar: &Bar) -> Result<Self, Problem> {
        let until = Instant::now() + args.timeout;
        let base = args.data_dir.clone().unwrap_or_else(std::env::temp_dir);
        let dir = base.join(format!("troupe-sim-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        let mut servers = Servers::start(args.servers, dir)?;
        let user = User::new(servers.http())?;
        bar.show("starting the servers");
        tokio::select! {
            set = user.set_algorithm(&args.algorithm, until) => set?,
            ended = watch_servers(&mut servers) => return Err(ended),
        }
        let (fatal, reports) = Fatal::channel();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let nodes = Nodes::start(count, threads, &servers.rpc(), runtime, &fatal).await;
        let eligible =
            (0..count).filter(|number| !args.constraint || half_of(*number) == WANTED_HALF).count();
        let each = if is_everywhere(args) { eligible } else { args.count };
        let wanted = (args.jobs * args.groups * each) as u64;
        let mut cluster = Self { args, servers, nodes, user, wanted, until, reports };
        while cluster.nodes.tally.registered() < count as u64 {
            bar.show(&format!("{} of {count} nodes registered", cluster.nodes.tally.registered()));
            cluster.wait_for("the nodes to register").await?;
        }
        Ok(cluster)
    }

    /// Registers all jobs and returns when all runs, or nothing more will.
    async fn place_all(&mut self, bar: &Bar, begun: Instant, before: Used) -> Result<Vec<Sample>, Problem> {
        let mut registering = tokio::spawn({
            let (user, args, until) = (self.user.clone(), self.args.clone(), self.until);
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
            let sample = self.sample(begun, before);
            samples.push(sample);
            bar.progress(&sample, self.wanted);
            if sample.running >= self.wanted && registered {
                return Ok(samples);
            }
            if sample.placed + sample.running != moved.1 {
                moved = (Instant::now(), sample.placed + sample.running);
            }
            if moved.0.elapsed() > STUCK && registered {
                // What is blocked stays so: nothing else happens in this cluster.
                let open = self.user.evals().await?.iter().any(|eval| eval.status == "pending");
                // Nodes that have much to start say nothing for a while.
                if !open && (sample.running >= sample.placed || moved.0.elapsed() > SILENT) {
                    return Ok(samples);
                }
            }
            self.wait_for("the allocations to run").await?;
        }
    }

    fn sample(&self, begun: Instant, before: Used) -> Sample {
        let used = self.servers.used();
        Sample {
            seconds: begun.elapsed().as_secs_f64(),
            placed: self.nodes.tally.placed(),
            running: self.nodes.tally.running(),
            cpu: used.cpu.saturating_sub(before.cpu),
            rss_bytes: used.rss_bytes,
            log_bytes: used.log_bytes.saturating_sub(before.log_bytes),
        }
    }

    /// One job after the other on the full cluster: milliseconds each.
    async fn probe(&self, bar: &Bar) -> Result<Vec<f64>, Problem> {
        let mut took = Vec::new();
        if self.args.probe > 0 {
            self.rest(bar).await;
        }
        for number in 0..self.args.probe {
            bar.show(&format!("{number} of {} further jobs", self.args.probe));
            took.push(self.user.probe(self.args, number, self.until).await?.as_secs_f64() * 1e3);
        }
        bar.end();
        Ok(took)
    }

    /// What the servers use when nothing happens, in percent of one core.
    async fn idle(&self, bar: &Bar) -> f64 {
        if self.args.idle.is_zero() {
            return 0.0;
        }
        self.rest(bar).await;
        bar.show("looking at the servers at rest");
        let (cpu, start) = (self.servers.used().cpu, Instant::now());
        tokio::time::sleep(self.args.idle).await;
        let used = self.servers.used().cpu.saturating_sub(cpu);
        bar.end();
        used.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0
    }

    /// Waits until the servers have done what the last allocations left to do, a snapshot perhaps; not for ever.
    async fn rest(&self, bar: &Bar) {
        bar.show("waiting until the servers are at rest");
        for _ in 0..10 {
            let before = self.servers.used().cpu;
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.servers.used().cpu.saturating_sub(before) < Duration::from_millis(50) {
                return;
            }
        }
    }

    /// Waits a moment, unless there is nothing to wait for any more.
    async fn wait_for(&mut self, what: &str) -> Result<(), Problem> {
        if let Some(words) = self.servers.ended() {
            return Err(Problem(format!("a server ended: {words}")));
        }
        if let Ok(words) = self.reports.try_recv() {
            return Err(Problem(format!("a simulated node failed: {words}")));
        }
        if Instant::now() >= self.until {
            return Err(Problem(format!("waited too long for {what}; -timeout gives more time")));
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}

async fn watch_servers(servers: &mut Servers) -> Problem {
    loop {
        if let Some(words) = servers.ended() {
            return Problem(format!("a server ended: {words}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
