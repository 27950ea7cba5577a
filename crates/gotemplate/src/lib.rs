//! Go's text/template language, as people write it in job files and behind `-t`.
//!
//! Pure: a text, a value and a set of functions give a text. Everything is bounded: nesting when a template is read;
//! steps, the size of texts and the depth of calls when it is rendered. Every error names line and column.
//!
//! Values are those of JSON. Where Go tells an integer from a float of the same size apart when it compares, we do not:
//! JSON does not, either.

mod builtins; // functions that every template has
pub mod helpers; // functions that consul-template adds
mod exec; // walks the tree
mod lexer; // text -> tokens
mod number; // numbers, as Go writes and reads them
mod parser; // tokens -> tree
mod print; // values as texts: print and the verbs of printf
mod printf; // formats with verbs
mod tree; // what a template consists of
mod value; // what templates compute with

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::tree::Node;
pub use crate::value::Value;

/// Why a template cannot be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub message: String,
}

/// What stands around actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiters {
    pub left: String,
    pub right: String,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self { left: String::from("{{"), right: String::from("}}") }
    }
}

/// Functions beside those that every template has.
pub trait Functions {
    /// Calls a function. The error is a sentence; the place is added to it.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String>;

    /// Whether the function changes the map that is its first argument, beside giving it back. A variable that the
    /// argument names has the new map from then on.
    fn changes_first(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Calls what an object can do (`scratch.Set "key" 1`): objects are made by `call`.
    fn method(&mut self, object: &str, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let _ = arguments;
        Err(format!("{object} has no field or method {name}"))
    }
}

/// No functions but those that every template has.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFunctions;

impl NoFunctions {
    /// What `Template::parse` asks of names that it does not know itself.
    pub fn check(name: &str) -> Result<(), String> {
        Err(format!("function {name:?} not defined"))
    }
}

impl Functions for NoFunctions {
    fn call(&mut self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(format!("function {name:?} not defined"))
    }
}

/// How far a template may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Actions, calls and turns of loops, and one for each 256 bytes of values that functions make. Default: 2,000,000.
    pub steps: usize,
    /// Bytes of the output, and of each text on the way; lists and maps may have four times as much. Default: 8 MiB.
    pub bytes: usize,
    /// A field that a map does not have is an error; else it is no value. Default: no.
    pub missing_key_is_error: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 2_000_000, bytes: 8 << 20, missing_key_is_error: false }
    }
}

/// A template that was read.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    main: Vec<Node>,
    /// By `define` and `block`.
    named: BTreeMap<String, Vec<Node>>,
}

impl Template {
    /// Reads a template. `known` says of each function that is not everywhere why it cannot be called.
    pub fn parse(
        text: &str,
        delimiters: &Delimiters,
        known: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<Self, Error> {
        let read = lexer::tokens(text, delimiters).and_then(|tokens| parser::parse(tokens, known));
        match read {
            Ok((main, named)) => Ok(Self { source: text.to_owned(), main, named }),
            Err(fault) => Err(fault.at_place(text)),
        }
    }

    /// What it says of `data` (`.`).
    pub fn render(
        &self,
        data: &Value,
        functions: &mut dyn Functions,
        limits: &Limits,
    ) -> Result<String, Error> {
        exec::render(&self.main, &self.named, data, functions, limits)
            .map_err(|fault| fault.at_place(&self.source))
    }
}

/// An error that knows its place as an offset only.
#[derive(Debug)]
pub(crate) struct Fault {
    /// In bytes.
    at: usize,
    message: String,
}

impl Fault {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    fn at_place(self, source: &str) -> Error {
        let mut end = self.at.min(source.len());
        while !source.is_char_boundary(end) {
            end -= 1;
        }
        let before = &source[..end];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Error { line, column, message: self.message }
    }
}
