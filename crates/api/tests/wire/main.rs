//! The wire form, as clients see it.

mod bad_input;
mod diff;
mod keys;
mod names;
mod refusals;
mod round_trip;
mod table;
