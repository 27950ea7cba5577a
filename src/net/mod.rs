//! The wires between agents: calls over TCP, membership over UDP.

pub mod gossip; // who is there: SWIM
pub mod mirror; // the catalog for agents without a log
pub mod rpc; // calls
pub mod remote; // calls to whoever leads, serves or runs something
pub mod proposals; // writes to the log from any server
pub mod contacts; // the servers, told by one of them
pub mod web; // HTTP requests for other agents
pub mod data_of_others; // data of allocations on other nodes
pub mod node_link; // a node's way to the servers, over calls
