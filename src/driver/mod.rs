//! The edges of a node: what runs tasks, keeps their directories and looks at the machine.
//!
//! Each module implements one port of `actors::ports`. All of them take the `Handle` of a multi-thread runtime and do
//! their work there, so that they may be called from an actor's single-threaded arbiter without stopping it.

pub mod alloc_disk; // directories of allocations
mod alloc_data; // what they leave behind
mod beneath; // files below a directory, wherever links lead
pub mod config; // reading a task's `config` block
pub mod docker; // containers of the Docker Engine
pub mod host; // what the machine is and uses
pub mod fetch; // artifacts
mod gpus; // its graphics cards
pub mod log_writer; // rotated log files
pub mod mock; // tasks that only pretend
pub mod node_store; // what the node remembers across restarts
pub mod prober; // probes of checks
pub mod raw_exec; // plain processes under a supervisor
pub mod signals; // names of signals

use std::future::Future;

use model::Timestamp;
use tokio::runtime::Handle;

/// Names one start of one task.
#[expect(clippy::disallowed_methods, reason = "no decision depends on it: it only has to be new")]
fn fresh_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The present, as stored times want it. Edges may read the clock; the core may not.
#[expect(clippy::disallowed_methods, reason = "an edge: the actors get their time from a Clock")]
fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}

/// Runs blocking work on the runtime's threads for that.
async fn blocking<T: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<T> {
    runtime.spawn_blocking(work).await.map_err(std::io::Error::other)
}

/// Runs a future on the runtime and stops it when the caller loses interest.
async fn on_runtime<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> std::io::Result<T> {
    let task = tokio_util::task::AbortOnDropHandle::new(runtime.spawn(work));
    task.await.map_err(std::io::Error::other)
}
