//! The process that keeps raw processes: it outlives the agent.
//!
//! One per data directory, started by the agent when it first needs it, in a session of its own. One thread: it
//! starts processes, copies what they say into rotated files, keeps their exit statuses until the agent destroys
//! them, and ends when nothing runs and nobody is connected. Output goes through named pipes that each process holds
//! open for both reading and writing: when the supervisor is killed, no process dies of a broken pipe, and the next
//! supervisor reads on where this one stopped.

mod attend; // becomes a program, after what it does to itself
mod inherit; // what a process has from its first moment
mod server; // the socket
mod tasks; // processes: start, copy output, reap, adopt

pub use self::attend::attend_main;

use std::{fs::File, io, path::Path, process::ExitCode};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Runs the supervisor of a directory; what `troupe supervise <dir>` does. Ends at once, and well, when the directory
/// has one already.
pub fn supervise_main(dir: &Path) -> ExitCode {
    let _ = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).try_init();
    match supervise(dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, dir = %dir.display(), "the supervisor failed");
            ExitCode::FAILURE
        }
    }
}

fn supervise(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir.join("runs"))?;
    let dir = dir.canonicalize()?;
    let lock = File::create(dir.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(()),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    // Fails when a shell made us the leader of a group already: then it is detached enough.
    let _ = nix::unistd::setsid();
    nix::unistd::chdir("/")?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = tokio::task::LocalSet::new().block_on(&runtime, server::serve(&dir, soft));
    drop(lock);
    result
}
