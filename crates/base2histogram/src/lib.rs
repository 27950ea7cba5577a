//! Stands in for the crate of this name, with which openraft counts batch sizes and latencies.
//!
//! The original builds tables for all its resolutions when the first histogram is made: about 25 MB that stay, half of
//! what an idle agent needs. openraft uses one resolution and a handful of calls; those are here, written anew. Four
//! buckets per power of two, so a percentile is off by at most a quarter.

use std::{fmt, marker::PhantomData};

/// Buckets per power of two.
const STEPS: usize = 4;
/// Values up to here have a bucket each.
const SMALL: u64 = STEPS as u64;
const BUCKETS: usize = STEPS * 64;

/// Counts values. `T` is there for the signature of the original, which keeps data per period in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: Vec<u64>,
    samples: u64,
    periods: PhantomData<T>,
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Histogram<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("samples", &self.samples).finish_non_exhaustive()
    }
}

impl<T> Histogram<T> {
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], samples: 0, periods: PhantomData }
    }

    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts `value` as if it had come `times` times.
    pub fn record_n(&mut self, value: u64, times: u64) {
        self.counts[bucket(value)] += times;
        self.samples += times;
    }

    /// The smallest value of the bucket in which the given share (in thousandths) of all values is reached; 0 without
    /// values.
    fn at_permille(&self, permille: u64) -> u64 {
        let wanted = (self.samples * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return lowest(index);
            }
        }
        0
    }

    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.samples,
            p0_1: self.at_permille(1),
            p1: self.at_permille(10),
            p5: self.at_permille(50),
            p10: self.at_permille(100),
            p50: self.at_permille(500),
            p90: self.at_permille(900),
            p99: self.at_permille(990),
            p99_9: self.at_permille(999),
        }
    }
}

/// Small values have a bucket each; above, the two bits behind the leading one choose among four.
fn bucket(value: u64) -> usize {
    if value < SMALL {
        return value as usize;
    }
    let power = 63 - value.leading_zeros() as usize;
    let step = (value >> (power - 2)) as usize & (STEPS - 1);
    (power - 1) * STEPS + step
}

fn lowest(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let power = bucket / STEPS + 1;
    (STEPS as u64 + (bucket % STEPS) as u64) << (power - 2)
}

/// Values below which a share of all samples lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "n={} p50={} p90={} p99={} p99.9={}",
            self.samples, self.p50, self.p90, self.p99, self.p99_9
        )
    }
}

/// Several histograms, one line each. The original draws bars.
#[derive(Debug, Clone)]
pub struct AsciiChart<T = ()> {
    series: Vec<(String, Histogram<T>)>,
}

impl<T> Default for AsciiChart<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> AsciiChart<T> {
    pub fn new() -> Self {
        Self { series: Vec::new() }
    }

    #[must_use]
    pub fn add(mut self, name: &str, histogram: Histogram<T>) -> Self {
        self.series.push((name.to_owned(), histogram));
        self
    }

    pub fn detailed(&self) -> impl fmt::Display {
        let lines =
            self.series.iter().map(|(name, histogram)| format!("{name}: {}\n", histogram.percentile_stats()));
        lines.collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bucket_and_the_buckets_are_in_order() {
        let mut last = 0;
        for power in 0..64 {
            for value in [1u64 << power, (1 << power) | (1 << power >> 1), (1u64 << power) - 1] {
                assert!(lowest(bucket(value)) <= value);
                assert!(value - lowest(bucket(value)) <= value / 4, "{value}");
            }
            assert!(bucket(1 << power) >= last);
            last = bucket(1 << power);
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn percentiles_of_a_thousand() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!(histogram.percentile_stats(), PercentileStats::default());
        (1..=1000).for_each(|value| histogram.record(value));
        let stats = histogram.percentile_stats();
        assert_eq!((stats.samples, stats.p50, stats.p99_9), (1000, 448, 896));
    }
}
