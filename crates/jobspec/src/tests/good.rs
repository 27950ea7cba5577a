//! Files that parse.
