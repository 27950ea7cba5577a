//! Clusters of real processes, each agent on a host of its own: what dies, what is cut off, what is lost.
//!
//! Needs root, for network namespaces; elsewhere the tests say so and fail, unless `TROUPE_SKIP_NETNS` is set. Each test
//! has a network of its own, so all run in parallel.

mod cluster; // three servers, two clients, writers, what must hold
mod host; // a machine and its agent
mod net; // namespaces, cuts, losses
#[expect(dead_code, reason = "shared with the other tests of real processes")]
#[path = "../e2e/web.rs"]
mod web; // a small HTTP client

mod clients; // cut off, killed
mod network; // the harness itself: cuts and losses do what they say
mod servers; // killed, cut off, moved, without disk or data
mod strangers; // other keys, other regions

fn program() -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_troupe").into()
}
