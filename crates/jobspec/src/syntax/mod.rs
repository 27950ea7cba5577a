//! The language of job files: text -> a tree of attributes and blocks that knows where everything stands.
//!
//! A parser of our own rather than that of hcl-rs, for three reasons: job files of 2016 to 2020 use forms that
//! HCL2 refuses (several arguments on one line, quoted names, commas between arguments), run-time interpolation
//! such as `${attr.kernel.name}` has to come out as it went in, and all mistakes shall be reported at once.
//! What the expressions give is worked out in `crate::eval`.

mod expr; // expressions as they were written
mod json; // the same language in JSON
mod operators; // operators, traversals, calls, loops
mod parser; // bodies, blocks, attributes
mod template; // what stands between quotes
mod tree; // what comes out
mod values; // text, numbers, lists, maps

pub(crate) use expr::{Binary, Expr, For, Key, Node, Part, Step, Unary};
pub(crate) use json::job_file;
pub(crate) use parser::{MAX_BYTES, is_object, parse, parse_object, parse_value};
pub(crate) use tree::shorten;
pub use tree::{Attribute, Block, Body, Kind, Name, Span, Value};
