//! How well an allocation does on a node. Parts lie between -1 and 1; the score is the mean of those that apply.

use model::{Algorithm, Capacity};

/// The parts of one node's score that no other placement changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    fit: f64,
    anti_affinity: Option<f64>,
    affinity: Option<f64>,
    preemption: Option<f64>,
    devices: Option<f64>,
}

impl Score {
    /// So many parts it may have.
    pub(super) const MOST_PARTS: u32 = 5;

    /// `used` counts the new allocation in; `beside` are allocations of its group on the node already; `liking` is
    /// what the affinities say of the node.
    pub(super) fn new(
        algorithm: Algorithm,
        used: Capacity,
        total: Capacity,
        beside: u32,
        count: u32,
        liking: f64,
    ) -> Self {
        Self {
            fit: fit(algorithm, used, total),
            anti_affinity: (beside > 0).then(|| -(f64::from(beside) + 1.0) / f64::from(count.max(1))),
            affinity: (liking != 0.0).then_some(liking),
            preemption: None,
            devices: None,
        }
    }

    /// What affinities say of the devices that it would be given; `None` where nothing is said.
    pub(super) fn with_devices(self, liking: Option<f64>) -> Self {
        Self { devices: liking, ..self }
    }

    /// Others have to go for it; `net_priority` says how much is lost with them.
    pub(super) fn preempting(self, net_priority: f64) -> Self {
        let preemption = 1.0 / (1.0 + (PREEMPTION_RATE * (net_priority - PREEMPTION_ORIGIN)).exp());
        Self { preemption: Some(preemption), ..self }
    }

    /// The sum of the parts, and how many there are.
    pub(super) fn sum(self) -> (f64, u32) {
        let extra = [self.anti_affinity, self.affinity, self.preemption, self.devices];
        let count = 1 + extra.iter().flatten().count() as u32;
        (self.fit + extra.iter().flatten().sum::<f64>(), count)
    }

    /// Under the names of the HTTP API, where the fit is called `binpack` also when the emptier node is the better one.
    pub(super) fn parts(self) -> impl Iterator<Item = (&'static str, f64)> {
        let extra = [
            ("job-anti-affinity", self.anti_affinity),
            ("node-affinity", self.affinity),
            ("preemption", self.preemption),
            ("devices", self.devices),
        ];
        let extra = extra.into_iter().filter_map(|(name, part)| part.map(|part| (name, part)));
        std::iter::once(("binpack", self.fit)).chain(extra)
    }
}

/// The curve of the part for evictions: near 1 when little is lost, a half where the net priority is this.
const PREEMPTION_ORIGIN: f64 = 2048.0;
const PREEMPTION_RATE: f64 = 0.0048;

/// Less than this is zero and the rest of rounding: spreads may outweigh each other exactly.
const ROUNDING: f64 = 1e-9;

/// The part of the spreads counts as one.
pub(super) fn is_part(spread: f64) -> bool {
    spread.abs() > ROUNDING
}

/// The mean of `parts` parts with this sum and, unless it is zero, the part of the spreads.
pub(super) fn mean(sum: f64, parts: u32, spread: f64) -> f64 {
    if !is_part(spread) { sum / f64::from(parts) } else { (sum + spread) / f64::from(parts + 1) }
}

/// Google's "best fit v3": 18 for a node that is filled exactly, 0 for an empty one, divided by 18; or the opposite.
fn fit(algorithm: Algorithm, used: Capacity, total: Capacity) -> f64 {
    let free =
        |used: u32, total: u32| if total == 0 { 0.0 } else { 1.0 - f64::from(used) / f64::from(total) };
    let cpu = free(used.cpu_mhz, total.cpu_mhz);
    let memory = free(used.memory_mb, total.memory_mb);
    let ten = std::f64::consts::LN_10;
    let emptiness = (cpu * ten).exp() + (memory * ten).exp();
    let fit = match algorithm {
        Algorithm::Binpack => 20.0 - emptiness,
        Algorithm::Spread => emptiness - 2.0,
    };
    fit.clamp(0.0, 18.0) / 18.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(cpu_mhz: u32, memory_mb: u32) -> Capacity {
        Capacity { cpu_mhz, memory_mb, disk_mb: 0 }
    }

    fn normalized(score: Score) -> f64 {
        let (sum, parts) = score.sum();
        mean(sum, parts, 0.0)
    }

    #[test]
    fn scores() {
        let check = |used, total, beside, count, expected: f64| {
            let score = normalized(Score::new(Algorithm::Binpack, used, total, beside, count, 0.0));
            assert!((score - expected).abs() < 1e-3, "{used:?} of {total:?}: {score}, expected {expected}");
        };
        check(capacity(0, 0), capacity(100, 100), 0, 1, 0.0);
        check(capacity(100, 100), capacity(100, 100), 0, 1, 1.0);
        check(capacity(50, 50), capacity(100, 100), 0, 1, (20.0 - 2.0 * 10f64.sqrt()) / 18.0);
        check(capacity(200, 200), capacity(100, 100), 0, 1, 1.0);
        check(capacity(100, 100), capacity(100, 100), 1, 4, 0.25);
        check(capacity(10, 10), capacity(0, 0), 0, 1, 1.0);
    }

    #[test]
    fn the_less_is_lost_the_better() {
        let score = Score::new(Algorithm::Binpack, capacity(1, 1), capacity(1, 1), 0, 1, 0.0);
        let part = |net| score.preempting(net).parts().find(|(name, _)| *name == "preemption").unwrap().1;
        assert!((part(2048.0) - 0.5).abs() < 1e-9);
        assert!((part(51.0) - 0.999_931).abs() < 1e-6);
        assert!(part(20.0) > part(51.0));
        assert!((normalized(score.preempting(2048.0)) - 0.75).abs() < 1e-9);
    }

    #[test]
    fn the_emptier_one_may_be_the_better_one() {
        let score = |used| {
            normalized(Score::new(Algorithm::Spread, capacity(used, used), capacity(100, 100), 0, 1, 0.0))
        };
        assert!((score(0) - 1.0).abs() < 1e-9);
        assert!((score(50) - (2.0 * 10f64.sqrt() - 2.0) / 18.0).abs() < 1e-9);
        assert!(score(100).abs() < 1e-9);
    }

    #[test]
    fn what_is_liked_is_one_more_part() {
        let score =
            |liking| Score::new(Algorithm::Binpack, capacity(100, 100), capacity(100, 100), 1, 4, liking);
        assert!((normalized(score(1.0)) - 0.5).abs() < 1e-9);
        assert!((normalized(score(-1.0)) + 0.5 / 3.0).abs() < 1e-9);
        assert_eq!(score(0.0).parts().count(), 2);
        let (sum, parts) = score(1.0).sum();
        assert!((mean(sum, parts, 0.5) - 0.5).abs() < 1e-9);
    }
}
