//! `troupe sim`: real servers, simulated nodes; and nothing is left of them.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::ran::ran;

fn sim(dir: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_troupe"));
    command.arg("sim").arg(format!("-data-dir={}", dir.display())).args(words.split(' '));
    command
}

#[test]
fn a_small_cluster_runs_and_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let plot = dir.path().join("growth.svg");
    let line = format!(
        "-servers 3 -nodes 12 -jobs 4 -groups 2 -count 3 -ports 1 -constraint -probe 2 -json -plot {}",
        plot.display()
    );
    // Half of 40 nodes may be used; with 12 all are in the wrong half.
    let run = ran("sim", &mut sim(dir.path(), &line));
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("0 allocations are placed, 24 are wanted"), "{run:?}");
    let run = ran("sim", &mut sim(dir.path(), &line.replace("-nodes 12", "-nodes 40"))).ok();
    run.has(&["Allocations placed", "= 24 of 24", "Placements per second", "Log per placement"]);
    let last: serde_json::Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["placed"], &last["running"], &last["servers"]), (&24.into(), &24.into(), &3.into()));
    for name in ["wall_s", "placements_per_s", "rss_mb", "eval_p50_ms", "eval_p99_ms", "probe_p50_ms"] {
        assert!(last[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {last}");
    }
    for name in ["cpu_us_per_placement", "log_bytes_per_placement"] {
        assert!(last[name].is_number(), "{name}: {last}");
    }
    assert!(std::fs::read_to_string(plot).unwrap().contains("<polyline"));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_interrupted_simulation_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = sim(dir.path(), "-nodes 5 -jobs 1 -count 5 -idle 10m")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let servers = || {
        let ran = Command::new("pgrep").arg("-f").arg(dir.path().join("troupe-sim")).output().unwrap();
        !ran.stdout.is_empty()
    };
    while !servers() {
        assert!(Instant::now() < deadline, "no server was started");
        std::thread::yield_now();
    }
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().try_into().unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert!(!child.wait().unwrap().success());
    while servers() {
        assert!(Instant::now() < deadline, "a server was left");
        std::thread::yield_now();
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
