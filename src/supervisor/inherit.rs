//! What a process has from the first moment, because the thread that starts it has it just then.

use std::{fs, io};

use model::claims::format_cpuset;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Starts a process on these cores; none: wherever there is time.
pub(super) fn on_cores<T>(cores: &[u16], start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if cores.is_empty() {
        return start();
    }
    let this_thread = Pid::from_raw(0);
    let before = sched_getaffinity(this_thread)?;
    let mut own = CpuSet::new();
    for core in cores {
        own.set(usize::from(*core))?;
    }
    sched_setaffinity(this_thread, &own)
        .map_err(|error| io::Error::other(format!("cores {}: {error}", format_cpuset(cores))))?;
    let started = start();
    let _ = sched_setaffinity(this_thread, &before);
    started
}

/// Starts a process that the kernel kills the sooner the higher the number, when memory runs out; 0: like ourselves.
pub(super) fn with_oom_score<T>(score: i32, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if score == 0 {
        return start();
    }
    let before = fs::read_to_string(OOM_SCORE)?;
    fs::write(OOM_SCORE, score.to_string())
        .map_err(|error| io::Error::new(error.kind(), format!("oom_score_adj {score}: {error}")))?;
    let started = start();
    if let Err(error) = fs::write(OOM_SCORE, before.trim()) {
        tracing::error!(%error, "the supervisor keeps the oom_score_adj of a task");
    }
    started
}
