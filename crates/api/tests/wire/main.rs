//! The wire form, as clients see it.

mod keys;
mod refusals;
mod round_trip;
