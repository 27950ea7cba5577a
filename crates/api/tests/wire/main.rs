//! The wire form, as clients see it.

mod bad_input;
mod diff;
mod keys;
mod refusals;
mod round_trip;
