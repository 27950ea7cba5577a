//! Real raft servers in one process, on a clock that stands still when nothing happens, over a network that loses,
//! delays and cuts, on disks that lose what was not durable. A seed drives the faults.
//!
//! What must hold: every acknowledged write is there; equal states at equal indexes; a read behind a barrier sees all
//! writes that were acknowledged before it; one leader per term; and when the faults end, the cluster serves again.
//!
//! `TROUPE_SIM_SEEDS=5000` plays more seeds, `TROUPE_SIM_SEED=17` one. openraft's own dice are not seeded: a seed gives
//! the same faults, not the same run.

mod net; // messages between servers
mod world; // servers and clients
mod faults; // what breaks

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use world::Summary;

/// Seeds that a plain test run plays.
const SEEDS: u64 = 40;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn play(seed: u64) -> Summary {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(world::play(seed))
}

#[test]
#[expect(clippy::print_stderr, reason = "how to repeat a failure, and how much was played")]
fn servers_keep_their_promises_whatever_happens() {
    if let Some(seed) = number("TROUPE_SIM_SEED") {
        eprintln!("{:?}", play(seed));
        return;
    }
    let seeds = number("TROUPE_SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(1);
    let total = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds {
                        return;
                    }
                    let played = std::panic::catch_unwind(|| play(seed));
                    match played {
                        Ok(summary) => total.lock().unwrap().add(&summary),
                        Err(panic) => {
                            next.store(seeds + 1, Ordering::Relaxed);
                            eprintln!("repeat with TROUPE_SIM_SEED={seed}");
                            std::panic::resume_unwind(panic);
                        }
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    eprintln!("{seeds} seeds: {total:?}");
    assert!(total.writes > seeds && total.reads > seeds, "hardly anything happened: {total:?}");
}
