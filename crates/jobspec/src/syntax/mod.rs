//! The language of job files: text -> a tree of attributes and blocks that knows where everything stands.
//!
//! A parser of our own rather than that of hcl-rs, for three reasons: job files of 2016 to 2020 use forms that
//! HCL2 refuses (several arguments on one line, quoted names, commas between arguments), run-time interpolation
//! such as `${attr.kernel.name}` has to come out as it went in, and all mistakes shall be reported at once.
//! Arithmetic on literals is handed to hcl-rs.

mod expression; // what is not a plain value
mod parser; // bodies, blocks, attributes
mod template; // what stands between quotes
mod tree; // what comes out
mod values; // text, numbers, lists, maps

pub(crate) use parser::{MAX_BYTES, parse, parse_json};
pub(crate) use tree::shorten;
pub use tree::{Attribute, Block, Body, Kind, Name, Span, Value};
