//! The promises that every task driver keeps, and what each keeps beside them.

mod battery; // one list of promises
mod docker; // the battery against the machine's Docker Engine
mod fake_engine; // how the docker driver fails
mod images; // the program and the image that tasks run
mod mock; // the battery against the mock driver
mod raw_exec; // the battery against real processes, and the supervisor's own promises
