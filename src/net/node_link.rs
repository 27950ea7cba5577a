//! The port `ServerLink` over calls: the node's half and the servers' half.

mod calls; // what goes over the wire
mod servers; // the node's list of servers
mod serving; // the servers' half

pub use self::{
    calls::OneServer,
    servers::RemoteServers,
    serving::{NodePings, register_node_methods, register_ping},
};

#[cfg(test)]
mod tests;
