//! What the whole function promises.

mod bad_input; // jobs nobody should write, events at the wrong moment
mod canaries; // new versions beside the old ones, and the way back
mod claiming; // whole cores and devices
mod every_node; // jobs that run on every node
mod placing; // where things go, and why not
mod pools; // nodes that a job asks for by one name
mod properties; // for any job and any cluster
mod preempting; // who goes for whom
mod preempting_oracle; // those against all that could go
mod oracle; // the choice against one made by looking at everything
mod returning; // nodes that are cut off, that come back, that are emptied
mod sticky; // groups that go where their data are
mod spreading; // over the values of an attribute
mod updating; // versions, roll-outs, failures, lost nodes
mod verifying; // plans that arrive late
