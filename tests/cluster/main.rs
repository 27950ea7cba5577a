//! Clusters of real processes, each agent on a host of its own: what dies, what is cut off, what is lost.
//!
//! Needs root, for network namespaces; elsewhere the tests say so and fail, unless `TROUPE_SKIP_NETNS` is set. Each test
//! has a network of its own, so all run in parallel.

mod cluster; // three servers, two clients, writers, what must hold
mod host; // a machine and its agent
#[expect(dead_code, reason = "shared with the other tests of real processes")]
#[path = "../e2e/images.rs"]
mod images; // what containers run
mod machine; // a machine with files, names and Docker of its own
mod net; // namespaces, cuts, losses
#[path = "../e2e/ran.rs"]
mod ran; // what a command did
#[expect(dead_code, reason = "shared with the other tests of real processes")]
#[path = "../e2e/web.rs"]
mod web; // a small HTTP client

mod clients; // cut off, killed
mod moving_data; // from node to node
mod network; // the harness itself: cuts and losses do what they say
mod servers; // killed, cut off, moved, without disk or data
mod strangers; // other keys, other regions
mod tutorials; // the tutorials' clusters, command by command

fn program() -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_troupe").into()
}
