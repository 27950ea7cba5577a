//! Filter expressions: `Status == "running" and Meta.team in ["a"]`, as lists take them.
//!
//! ```text
//! or    := and { "or" and }          and := not { "and" not }          not := "not" not | test | "(" or ")"
//! test  := selector ("==" | "!=" | ["not"] "contains" | ["not"] "matches") value
//!        | selector "is" ["not"] ("empty" | "nil") | value ["not"] "in" selector
//!        | ("any" | "all") selector "as" name ["," name] "{" or "}"
//! ```
//!
//! An expression is read once and asked for each row, which is the JSON that clients would read. A selector names fields
//! as they are called there. Length, depth and work per row are bounded.

mod fields; // which fields a twin has
mod parse; // text to expression
mod test; // expression and row to yes or no
#[cfg(test)]
mod tests;

use regex::Regex;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Bytes of an expression.
pub(crate) const LONGEST: usize = 8 * 1024;
/// Parentheses, `not` and `any` inside each other.
pub(crate) const DEEPEST: usize = 32;
/// Looks at one row; only nested `any` and `all` need many.
const STEPS: usize = 100_000;

/// Why an expression cannot be read, or says nothing about a row. Nothing was answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("failed to read filter expression: {0}")]
    Read(String),
    #[error("error finding value in datum: {0}")]
    Find(String),
    #[error("failed to evaluate filter expression: {0}")]
    Test(String),
}

/// An expression, ready to be asked.
#[derive(Debug, Clone)]
pub struct Filter {
    expression: Expression,
}

#[derive(Debug, Clone)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Test {
        selector: Vec<String>,
        test: Test,
        /// `!=`, `not in`, `is not empty`.
        negated: bool,
    },
    Each {
        selector: Vec<String>,
        names: (String, Option<String>),
        /// `all`, not `any`.
        all: bool,
        body: Box<Expression>,
    },
}

#[derive(Debug, Clone)]
enum Test {
    Equal(String),
    /// `value in selector`, `selector contains value`.
    Contains(String),
    Matches(Regex),
    Empty,
    Nil,
}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is too long, too deep, or none; the text says where.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::parse(text).map(|expression| Self { expression })
    }

    /// Whether a field of the row itself is looked at: what nobody asks for need not be filled in.
    pub fn mentions(&self, field: &str) -> bool {
        fn mentions(expression: &Expression, field: &str) -> bool {
            let begins = |selector: &[String]| selector.first().is_some_and(|first| first == field);
            match expression {
                Expression::All(parts) | Expression::Any(parts) => {
                    parts.iter().any(|part| mentions(part, field))
                }
                Expression::Not(part) => mentions(part, field),
                Expression::Test { selector, .. } => begins(selector),
                Expression::Each { selector, body, .. } => begins(selector) || mentions(body, field),
            }
        }
        mentions(&self.expression, field)
    }

    /// Whether the row is asked for.
    ///
    /// # Errors
    /// The expression names a field that the row cannot have, or compares it with what it cannot be.
    pub fn covers<T: Serialize + DeserializeOwned>(&self, row: &T) -> Result<bool, FilterError> {
        let value = serde_json::to_value(row).map_err(|error| FilterError::Test(error.to_string()))?;
        self.covers_value(&value, fields::of::<T>())
    }

    /// As [`Filter::covers`], of a row with these fields. Those that the value has not are empty.
    fn covers_value(&self, row: &Value, fields: &[&str]) -> Result<bool, FilterError> {
        test::Tester { row, fields, steps: STEPS }.test(&self.expression, &mut Vec::new())
    }
}
