//! How often nodes are told of changes. Each telling has a price of its own, whatever is in it: when many allocations are
//! placed within a short time, nodes are told of several at once instead of one by one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Between two turns, on average: 4,000 each second.
const GAP: Duration = Duration::from_micros(250);
/// Turns that may be taken at once after a quiet time.
const BURST: u32 = 128;

/// Clones share the turns.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Mutex<Instant>>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Turns {
    /// Waits for a turn: not at all, unless there were many within a short time.
    pub(super) async fn take(&self) {
        let now = Instant::now();
        let at = {
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let quiet = now.checked_sub(GAP * BURST).unwrap_or(now);
            let at = (*next).max(quiet);
            *next = at + GAP;
            at
        };
        if at > now {
            tokio::time::sleep_until(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_wait_and_few_do_not() {
        let turns = Turns::default();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        for _ in 0..BURST {
            turns.take().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for _ in 0..4000 {
            turns.take().await;
        }
        let took = begun.elapsed();
        assert!((990..1010).contains(&took.as_millis()), "{took:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        turns.take().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
