//! The actors: one file each, thin. Decisions live in `crates/logic` under the same file name.

pub mod kit; // links, ask and tell, supervision
pub mod ports; // what actors ask of the outside

pub mod server_leader; // starts and stops what only the leader does
pub mod eval_broker; // hands each evaluation to one worker at a time
pub mod blocked_evals; // evaluations that wait for room
pub mod plan_applier; // the only place where plans become true
pub mod scheduler_worker; // evaluation in, plan out
pub mod deployment_watcher; // when a roll-out goes on, ends or fails
pub mod drainer; // empties nodes, group by group
pub mod launcher; // periodic jobs, slot by slot
pub mod founder; // many empty servers, one cluster
pub mod autopilot; // which servers are in the log
pub mod servers; // which members of gossip they are
pub mod collector; // forgets what is over
pub mod roll; // the table of agents, from gossip to the log

pub mod node_gateway; // the servers, as nodes see them
pub mod node_watcher; // which nodes are there: heartbeats, accusations, verdicts
pub mod node_agent; // desired against running on this node
pub mod alloc_runner; // one allocation on this node
pub mod task_runner; // one task of it
pub mod check_runner; // one check of one of its services

#[cfg(test)]
mod testing; // a log, a cluster and a clock for the tests of actors
