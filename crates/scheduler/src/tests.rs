//! What the whole function promises.

mod placing; // where things go, and why not
mod properties; // for any job and any cluster
mod returning; // nodes that are cut off, that come back, that are emptied
mod updating; // versions, roll-outs, failures, lost nodes
mod verifying; // plans that arrive late
