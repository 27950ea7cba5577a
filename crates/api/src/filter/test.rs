//! From an expression and a row to yes or no.

use serde_json::Value;

use super::{Expression, FilterError, Test};

/// Objects whose keys the user has chosen: one that is not there is not a mistake.
const MAPS: &[&str] = &[
    "Attributes",
    "CanaryMeta",
    "ClassEligibility",
    "ClassExhausted",
    "ClassFiltered",
    "Config",
    "ConstraintFiltered",
    "Details",
    "DimensionExhausted",
    "Drivers",
    "Env",
    "FailedTGAllocs",
    "Header",
    "HostNetworks",
    "HostVolumes",
    "Links",
    "Meta",
    "NodesAvailable",
    "Policy",
    "QueuedAllocations",
    "Scores",
    "Summary",
    "TaggedAddresses",
    "Target",
    "TaskGroups",
    "TaskLifecycles",
    "TaskResources",
    "TaskStates",
    "Tasks",
    "Volumes",
];

/// What a selector leads to.
enum Found<'a> {
    Value(&'a Value),
    /// A field that the row has and that is empty.
    Empty,
    /// A key of a map that is not there, or something of an object that is not there.
    Missing,
    /// A key or a number that `any` and `all` go through.
    Key(String),
}

/// A name that `any` or `all` has given.
pub(super) enum Bound<'a> {
    Value(&'a Value),
    Key(String),
}

pub(super) struct Tester<'a> {
    pub(super) row: &'a Value,
    /// All that the row may have.
    pub(super) fields: &'a [&'a str],
    pub(super) steps: usize,
}

type Names<'a> = Vec<(String, Bound<'a>)>;

impl<'a> Tester<'a> {
    pub(super) fn test(
        &mut self,
        expression: &Expression,
        names: &mut Names<'a>,
    ) -> Result<bool, FilterError> {
        self.steps = self.steps.checked_sub(1).ok_or_else(|| {
            FilterError::Test(String::from("a row needs too many looks; ask for less at once"))
        })?;
        match expression {
            Expression::All(parts) => {
                for part in parts {
                    if !self.test(part, names)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Expression::Any(parts) => {
                for part in parts {
                    if self.test(part, names)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Expression::Not(part) => self.test(part, names).map(|found| !found),
            Expression::Test { selector, test, negated } => {
                let found = self.find(selector, names)?;
                fulfils(&found, test, selector).map(|fulfils| fulfils != *negated)
            }
            Expression::Each { selector, names: (first, second), all, body } => {
                let found = match self.find(selector, names)? {
                    Found::Value(value) => Some(value),
                    _ => None,
                };
                let items: Vec<(String, &'a Value)> = match found {
                    Some(Value::Array(items)) => {
                        items.iter().enumerate().map(|(number, item)| (number.to_string(), item)).collect()
                    }
                    Some(Value::Object(members)) => {
                        members.iter().map(|(key, member)| (key.clone(), member)).collect()
                    }
                    Some(Value::Null) | None => Vec::new(),
                    Some(_) => return Err(wrong(selector, "is no list and no map")),
                };
                let is_map = matches!(found, Some(Value::Object(_)));
                for (key, item) in items {
                    let depth = names.len();
                    match second {
                        // Alone, the name of a map's item is its key.
                        None if is_map => names.push((first.clone(), Bound::Key(key))),
                        None => names.push((first.clone(), Bound::Value(item))),
                        Some(second) => {
                            names.push((first.clone(), Bound::Key(key)));
                            names.push((second.clone(), Bound::Value(item)));
                        }
                    }
                    let fulfils = self.test(body, names);
                    names.truncate(depth);
                    if fulfils? != *all {
                        return Ok(!all);
                    }
                }
                Ok(*all)
            }
        }
    }

    fn find(&self, selector: &[String], names: &Names<'a>) -> Result<Found<'a>, FilterError> {
        let (first, rest) = selector.split_first().expect("a selector has a name");
        if let Some((_, bound)) = names.iter().rev().find(|(name, _)| name == first && name != "_") {
            return match bound {
                Bound::Value(value) => walk(value, "", rest, selector),
                Bound::Key(key) if rest.is_empty() => Ok(Found::Key(key.clone())),
                Bound::Key(_) => Err(wrong(selector, "goes into a key")),
            };
        }
        match self.row.get(first) {
            Some(value) => walk(value, first, rest, selector),
            None if !self.fields.contains(&first.as_str()) => Err(unknown(selector, 0)),
            None if rest.is_empty() => Ok(Found::Empty),
            None => Ok(Found::Missing),
        }
    }
}

/// `under`: the key at which `value` stands.
fn walk<'a>(
    mut value: &'a Value,
    under: &str,
    steps: &[String],
    selector: &[String],
) -> Result<Found<'a>, FilterError> {
    let mut under = under.to_owned();
    for (number, step) in steps.iter().enumerate() {
        let next = match value {
            Value::Null => return Ok(Found::Missing),
            Value::Object(members) => members.get(step),
            Value::Array(items) => match step.parse::<usize>() {
                Ok(index) => items.get(index),
                Err(_) => return Err(unknown(selector, selector.len() - steps.len() + number)),
            },
            _ => return Err(unknown(selector, selector.len() - steps.len() + number)),
        };
        match next {
            Some(next) => value = next,
            None if value.is_array() || MAPS.contains(&under.as_str()) => return Ok(Found::Missing),
            None => return Err(unknown(selector, selector.len() - steps.len() + number)),
        }
        under.clone_from(step);
    }
    Ok(Found::Value(value))
}

fn unknown(selector: &[String], at: usize) -> FilterError {
    let path = selector.join("/");
    FilterError::Find(format!(
        "/{path} at part {at}: couldn't find key: struct field with name {:?}",
        selector[at]
    ))
}

fn wrong(selector: &[String], what: &str) -> FilterError {
    FilterError::Test(format!("{} {what}", selector.join(".")))
}

fn fulfils(found: &Found<'_>, test: &Test, selector: &[String]) -> Result<bool, FilterError> {
    let text;
    let value = match found {
        Found::Missing => {
            return Ok(matches!(test, Test::Empty | Test::Nil));
        }
        // The reader of the JSON cannot tell what it would be: it is nothing of everything.
        Found::Empty => {
            return Ok(match test {
                Test::Empty | Test::Nil => true,
                Test::Equal(value) => matches!(value.as_str(), "" | "0" | "false"),
                Test::Matches(pattern) => pattern.is_match(""),
                Test::Contains(_) => false,
            });
        }
        Found::Value(value) => value,
        Found::Key(key) => {
            text = Value::from(key.as_str());
            &text
        }
    };
    match (test, value) {
        (Test::Nil, value) => Ok(value.is_null()),
        (Test::Empty, Value::Null) => Ok(true),
        (Test::Empty, Value::String(text)) => Ok(text.is_empty()),
        (Test::Empty, Value::Array(items)) => Ok(items.is_empty()),
        (Test::Empty, Value::Object(members)) => Ok(members.is_empty()),
        (Test::Empty, _) => Err(wrong(selector, "is a number or a truth, which cannot be empty")),
        (_, Value::Null) => Ok(false),
        (Test::Equal(wanted), value) => equals(value, wanted, selector),
        (Test::Contains(wanted), Value::String(text)) => Ok(text.contains(wanted.as_str())),
        (Test::Contains(wanted), Value::Object(members)) => Ok(members.contains_key(wanted)),
        (Test::Contains(wanted), Value::Array(items)) => {
            for item in items {
                if equals(item, wanted, selector)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Test::Contains(_), _) => Err(wrong(selector, "holds one thing and cannot contain another")),
        (Test::Matches(pattern), Value::String(text)) => Ok(pattern.is_match(text)),
        (Test::Matches(_), _) => Err(wrong(selector, "is no text, and cannot match a pattern")),
    }
}

fn equals(value: &Value, wanted: &str, selector: &[String]) -> Result<bool, FilterError> {
    match value {
        Value::String(text) => Ok(text == wanted),
        Value::Bool(flag) => match wanted {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(*flag),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(!flag),
            _ => Err(wrong(selector, &format!("is true or false, and {wanted:?} is neither"))),
        },
        Value::Number(number) => {
            let same = if let (Some(number), Ok(wanted)) = (number.as_i64(), wanted.parse::<i64>()) {
                number == wanted
            } else if let (Some(number), Ok(wanted)) = (number.as_u64(), wanted.parse::<u64>()) {
                number == wanted
            } else if let (Some(number), Ok(wanted)) = (number.as_f64(), wanted.parse::<f64>()) {
                number == wanted
            } else {
                return Err(wrong(selector, &format!("is a number, and {wanted:?} is none")));
            };
            Ok(same)
        }
        Value::Null => Ok(false),
        Value::Array(_) | Value::Object(_) => {
            Err(wrong(selector, "is a list or a map; use `contains`, `in`, `any` or `all`"))
        }
    }
}
