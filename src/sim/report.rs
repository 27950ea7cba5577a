//! Figures of one run, in words and as JSON.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

/// What one run showed. Latencies are 0 where nothing was measured.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Figures {
    pub(super) servers: usize,
    pub(super) nodes: usize,
    pub(super) jobs: usize,
    pub(super) wanted: u64,
    pub(super) placed: u64,
    pub(super) running: u64,
    /// Nodes that run anything.
    pub(super) nodes_used: usize,
    /// From the first registration until the last allocation is known to run.
    pub(super) wall_s: f64,
    /// From the first registration until the last evaluation is over.
    pub(super) placing_s: f64,
    pub(super) placements_per_s: f64,
    /// Of all servers, over `wall_s`.
    pub(super) cpu_us_per_placement: f64,
    /// Of the nodes' side, over `wall_s`.
    pub(super) node_cpu_us_per_placement: f64,
    /// Of the largest server.
    pub(super) rss_mb: f64,
    /// Of the nodes' side, all nodes together.
    pub(super) node_rss_mb: f64,
    /// Above what it had with all nodes and no job.
    pub(super) rss_bytes_per_placement: f64,
    pub(super) eval_p50_ms: f64,
    pub(super) eval_p99_ms: f64,
    pub(super) log_bytes_per_placement: f64,
    /// One job after the other, when all others run.
    pub(super) probe_p50_ms: f64,
    pub(super) probe_p99_ms: f64,
    /// Of all servers, in percent of one core, when nothing happens.
    pub(super) idle_cpu_percent: f64,
}

/// How far a run had come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    pub(super) seconds: f64,
    pub(super) placed: u64,
    pub(super) running: u64,
    pub(super) cpu: Duration,
    pub(super) rss_bytes: u64,
    pub(super) log_bytes: u64,
}

/// The value below which that part of all lies; 0 for none. Sorts.
pub(super) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let at = (values.len() as f64 * part) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// A whole number with commas.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Figures {
    pub(super) fn words(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<34}= {value}");
        };
        row(
            "Allocations placed",
            format!("{} of {}", grouped(self.placed as f64), grouped(self.wanted as f64)),
        );
        row("Allocations running", grouped(self.running as f64));
        row("Nodes used", format!("{} of {}", grouped(self.nodes_used as f64), grouped(self.nodes as f64)));
        row("Until all were placed", format!("{:.2} s", self.placing_s));
        row("Until all were known to run", format!("{:.2} s", self.wall_s));
        row("Placements per second", grouped(self.placements_per_s));
        row("Evaluation, p50 / p99", format!("{:.1} / {:.1} ms", self.eval_p50_ms, self.eval_p99_ms));
        row("Servers' CPU per placement", format!("{:.0} us", self.cpu_us_per_placement));
        row("Nodes' CPU per placement", format!("{:.0} us", self.node_cpu_us_per_placement));
        row("Memory of a server", format!("{:.0} MB", self.rss_mb));
        row("Memory of all nodes", format!("{:.0} MB", self.node_rss_mb));
        row("Memory per placement", format!("{} bytes", grouped(self.rss_bytes_per_placement)));
        row("Log per placement", format!("{} bytes", grouped(self.log_bytes_per_placement)));
        if self.probe_p50_ms > 0.0 {
            row("One job more, p50 / p99", format!("{:.2} / {:.2} ms", self.probe_p50_ms, self.probe_p99_ms));
        }
        if self.idle_cpu_percent > 0.0 {
            row("Servers' CPU when idle", format!("{:.1} % of a core", self.idle_cpu_percent));
        }
        text
    }
}

/// How the cost of a placement grew within a run: a row for each tenth that was seen.
pub(super) fn growth(samples: &[Sample], wanted: u64) -> String {
    let mut text = format!(
        "{:>12}  {:>9}  {:>12}  {:>12}  {:>12}\n",
        "Running", "Seconds", "CPU us each", "RSS MB", "Log bytes each"
    );
    let mut last = Sample::default();
    for tenth in 1..=10 {
        let Some(now) = samples.iter().find(|sample| sample.running * 10 >= wanted * tenth) else { break };
        if now.running == last.running {
            // It went on by several tenths between two looks.
            continue;
        }
        let new = now.running.saturating_sub(last.running).max(1) as f64;
        let cpu = now.cpu.saturating_sub(last.cpu).as_secs_f64() * 1e6 / new;
        let log = now.log_bytes.saturating_sub(last.log_bytes) as f64 / new;
        let _ = writeln!(
            text,
            "{:>12}  {:>9.2}  {:>12.0}  {:>12.0}  {:>12}",
            grouped(now.running as f64),
            now.seconds,
            cpu,
            now.rss_bytes as f64 / 1e6,
            grouped(log),
        );
        last = *now;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_numbers() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((percentile(&mut values, 0.5), percentile(&mut values, 0.99)), (51.0, 100.0));
        assert!(percentile(&mut [], 0.5) == 0.0 && percentile(&mut [7.0], 0.99) == 7.0);
        assert_eq!([0.0, 999.0, 1000.0, 1_234_567.0].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn growth_has_a_row_for_each_tenth_that_was_reached() {
        let sample =
            |running| Sample { running, cpu: Duration::from_micros(running * 100), ..Sample::default() };
        let text = growth(&[sample(0), sample(10), sample(50)], 100);
        assert_eq!(text.lines().count(), 1 + 2);
        assert!(text.lines().nth(1).is_some_and(|row| row.contains("         100")), "{text}");
    }
}
