//! Real processes, real containers: what the tutorials do, and what must not break an agent.
//!
//! Each test has an agent of its own, on ports from the system and in a directory of its own, so all run in
//! parallel. Docker tests use the machine's engine and images made by `images.rs`; without an engine they fail.

mod agent; // starts and ends agents
mod harness; // an agent per test, commands, waiting
#[expect(dead_code, reason = "one image is for the next tutorial, some helpers for the demo")]
mod images; // what the tasks run
mod ran; // what a command did
mod web; // a small HTTP client

mod canaries; // new versions that have to prove themselves, and the way back
mod clients; // programs of others: python-nomad, what Terraform and Prometheus ask
mod deploying; // the tutorial of the microservice: an image that is not there, other names of the program
mod files; // templates, artifacts
mod exec; // commands inside tasks, files that are followed
mod every_node; // system and sysbatch jobs, and a drain of their node
mod over_tls; // artifacts and checks of servers that speak TLS
mod keeping_data; // what goes from one allocation to the next
mod launching; // calendar, dispatch, one allocation
mod first_steps; // the tutorial of redis, and raw processes
mod node_meta; // metadata of a node, changed while it runs
mod own_addresses; // services at the address of their container
mod pools; // pools of nodes
mod reloading; // a configuration that is read again
mod refusals; // bad job files, bad bodies, garbage
mod simulating; // troupe sim
mod sharing_ports; // the training: http-echo, static ports
mod surviving; // kill -9, a Docker Engine that goes away
mod two_tasks; // whoami, the to-do list
