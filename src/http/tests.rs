//! The whole API in process, on a state without a cluster.

mod errors; // refusals, limits, methods
mod jobs; // register, versions, stop
mod logs; // frames, rotation, following
mod reads; // lists, objects, blocking queries
mod server; // on a socket; clients that go away
mod world; // a state that commits at once, a node with files
