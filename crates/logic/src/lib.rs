//! The brains of the actors: inputs and `now` in, effects out. One file per actor, named like its shell in
//! `src/actors`, and the pure pieces that several of them use.

pub mod eval_broker; // hands each evaluation to one worker at a time
pub mod blocked_evals; // evaluations that wait for room
pub mod plan_applier; // the only place where plans become true
pub mod scheduler_worker; // what to do with a plan's result
pub mod deployment_watcher; // when a roll-out goes on, ends or fails
pub mod what_if; // what would happen if a job were registered, or a node lost
pub mod dry_run; // what the scheduler would do with a job
pub mod founding; // many empty servers, one cluster
pub mod autopilot; // which servers are in the log
pub mod node_watch; // which nodes are there, and when one is given up
pub mod node_loss; // what is written when a node is given up
pub mod per_node_jobs; // jobs that run on every node, when nodes come
pub mod roll; // the table of agents against what gossip says
pub mod drainer; // empties nodes, group by group
pub mod launcher; // periodic jobs, slot by slot
pub mod node_gateway; // which evaluations a node's report or loss calls for
pub mod node_agent; // desired against running
pub mod heritage; // what an allocation takes over of the one before it
pub mod node_meta; // metadata that people change while the node runs
pub mod alloc_runner; // the status of an allocation from its tasks
pub mod alloc_health; // when a deployment may count on it
pub mod task_runner; // start, exit, restart, kill
pub mod check_runner; // from probe results to a check's status
pub mod service_address; // where services are found and checks go
pub mod templates; // what templates of tasks see, and when it changed
pub mod sockaddr; // address templates: interfaces of a machine in, a text out
pub mod events; // what happened, for followers of the event stream
pub mod environment; // what a task sees: NOMAD_* and ${...}

#[cfg(test)]
mod testing; // what the tests of several brains need
