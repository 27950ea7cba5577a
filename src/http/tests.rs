//! The whole API in process, on a state without a cluster.

mod alloc_act; // stop, restart, signal, files
mod bad_input; // jobs nobody should send
mod built_in; // namespaces, pools, policies
mod cluster; // members, servers in the log, writes of nodes
mod deployments; // by hand: pause, fail, promote, health
mod compatibility; // docs/compatibility.md
mod errors; // refusals, limits, methods
mod events; // the event stream
mod filters; // expressions that choose rows
mod history; // texts, names and counts of versions
mod jobs; // register, versions, stop
mod logs; // frames, rotation, following
mod names; // answers against the table of names
mod node_meta; // metadata of a node
mod node_pools; // pools of nodes
mod passed_on; // what other agents have to answer
mod plan; // dry runs; differences of versions, and the way back
mod reads; // lists, objects, blocking queries
mod scale; // counts of groups
mod snapshot; // the whole state
mod services; // services of allocations
mod server; // on a socket; clients that go away
mod talk; // sessions inside tasks
mod world; // a state that commits at once, a node with files
