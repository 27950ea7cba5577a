//! The wires between agents: calls over TCP, membership over UDP.

pub mod gossip; // who is there: SWIM
pub mod node_link; // a node's way to the servers, over calls
pub mod rpc; // calls
