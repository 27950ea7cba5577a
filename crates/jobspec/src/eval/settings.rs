//! Files in the same language that are not job files: plain values, and arithmetic on them.

use super::{Evaluator, Language};
use crate::{
    diagnostic::Finding,
    functions::Means,
    syntax::{Attribute, Body, Expr, Kind},
};

/// The entries of a file, and what is wrong with them.
pub(crate) fn settings(body: &Body<Expr>) -> (Body, Vec<Finding>) {
    let mut evaluator = Evaluator::new(Language::Settings, Means::default());
    let body = evaluator.body(body);
    (body, evaluator.findings)
}

/// The entries of a file that is one object.
pub(crate) fn object_settings(object: &Expr) -> (Vec<Attribute>, Vec<Finding>) {
    let mut evaluator = Evaluator::new(Language::Settings, Means::default());
    let attributes = match evaluator.resolve(object).kind {
        Kind::Object(attributes) => attributes,
        _ => Vec::new(),
    };
    (attributes, evaluator.findings)
}
