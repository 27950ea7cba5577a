//! Functions that every template has.

use std::cmp::Ordering;

use crate::{
    Value,
    print::{self, Sink, TooLong},
    printf,
};

pub(crate) const NAMES: &[&str] = &[
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice", "urlquery",
];

/// `and` and `or` do not come here: they look at their arguments one by one.
pub(crate) fn call(name: &str, arguments: &[Value], limit: usize) -> Result<Value, String> {
    let mut sink = Sink::new(limit);
    let sized = |done: Result<(), TooLong>, sink: Sink| match done {
        Ok(()) => Ok(Value::text(sink.text)),
        Err(TooLong) => Err(TooLong::message(limit)),
    };
    let together = || {
        let mut sink = Sink::new(limit);
        print::together(arguments, &mut sink).map_err(|TooLong| TooLong::message(limit))?;
        Ok::<String, String>(sink.text)
    };
    match name {
        "not" => Ok(Value::Bool(!one(arguments)?.is_true())),
        "len" => length(one(arguments)?).map(Value::Int),
        "index" => index(arguments),
        "slice" => slice(arguments),
        "eq" => equals_any(arguments),
        "ne" => match arguments {
            [left, right] => Ok(Value::Bool(!equal(left, right)?)),
            _ => Err(count(2, arguments.len())),
        },
        "lt" | "le" | "gt" | "ge" => {
            let [left, right] = arguments else { return Err(count(2, arguments.len())) };
            let order = order(left, right)?;
            Ok(Value::Bool(match (name, order) {
                (_, None) => false,
                ("lt", Some(order)) => order == Ordering::Less,
                ("le", Some(order)) => order != Ordering::Greater,
                ("gt", Some(order)) => order == Ordering::Greater,
                (_, Some(order)) => order != Ordering::Less,
            }))
        }
        "print" => {
            let done = print::together(arguments, &mut sink);
            sized(done, sink)
        }
        "println" => {
            let done = print::line(arguments, &mut sink);
            sized(done, sink)
        }
        "printf" => {
            let Some((Value::Text(format), rest)) = arguments.split_first() else {
                return Err(String::from("wants a format first, a string"));
            };
            let done = printf::format(format, rest, &mut sink);
            sized(done, sink)
        }
        "html" => Ok(Value::text(html(&together()?))),
        "js" => Ok(Value::text(js(&together()?))),
        "urlquery" => Ok(Value::text(query(&together()?))),
        "call" => Err(String::from("there are no values that are functions")),
        other => Err(format!("function {other:?} not defined")),
    }
}

fn count(wanted: usize, found: usize) -> String {
    format!("wrong number of arguments: want {wanted}, got {found}")
}

fn one(arguments: &[Value]) -> Result<&Value, String> {
    match arguments {
        [one] => Ok(one),
        _ => Err(count(1, arguments.len())),
    }
}

fn length(value: &Value) -> Result<i64, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("a {} has no length", other.kind())),
    };
    i64::try_from(length).map_err(|_| String::from("too long"))
}

/// An index up to and with `end`.
fn within(value: &Value, end: usize) -> Result<usize, String> {
    let Value::Int(number) = value else {
        return Err(format!("cannot index with a {}", value.kind()));
    };
    usize::try_from(*number)
        .ok()
        .filter(|number| *number <= end)
        .ok_or_else(|| format!("index out of range: {number}"))
}

fn index(arguments: &[Value]) -> Result<Value, String> {
    let Some((first, keys)) = arguments.split_first() else {
        return Err(String::from("wants a list or map, and keys"));
    };
    let mut value = first.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::List(items), key) => {
                let at = within(key, items.len().saturating_sub(1))?;
                items.get(at).cloned().ok_or_else(|| format!("index out of range: {at}"))?
            }
            (Value::Text(text), key) => {
                let at = within(key, text.len().saturating_sub(1))?;
                let byte = text.as_bytes().get(at).ok_or_else(|| format!("index out of range: {at}"))?;
                Value::Int(i64::from(*byte))
            }
            (Value::Map(map), Value::Text(key)) => map.get(key.as_ref()).cloned().unwrap_or_default(),
            (Value::Map(_), key) => return Err(format!("keys are strings, found a {}", key.kind())),
            (Value::Null, _) => return Err(String::from("index of nil")),
            (other, _) => return Err(format!("can't index a {}", other.kind())),
        };
    }
    Ok(value)
}

fn slice(arguments: &[Value]) -> Result<Value, String> {
    let Some((value, bounds)) = arguments.split_first().filter(|(_, bounds)| bounds.len() <= 2) else {
        return Err(String::from("wants a list or string and at most two indexes"));
    };
    let whole = usize::try_from(length(value).map_err(|_| format!("can't slice a {}", value.kind()))?)
        .unwrap_or_default();
    let end = bounds.get(1).map_or(Ok(whole), |end| within(end, whole))?;
    let begin = bounds.first().map_or(Ok(0), |begin| within(begin, whole))?;
    if begin > end {
        return Err(format!("invalid slice index: {begin} > {end}"));
    }
    match value {
        Value::Text(text) => text
            .get(begin..end)
            .map(Value::text)
            .ok_or_else(|| String::from("the slice would cut a character in two")),
        Value::List(items) => Ok(Value::list(items[begin..end].iter().cloned())),
        other => Err(format!("can't slice a {}", other.kind())),
    }
}

fn equals_any(arguments: &[Value]) -> Result<Value, String> {
    let Some((first, rest)) = arguments.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Err(String::from("missing argument for comparison"));
    };
    for other in rest {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn equal(left: &Value, right: &Value) -> Result<bool, String> {
    match (left, right) {
        (Value::Null, other) | (other, Value::Null) => Ok(*other == Value::Null),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Text(left), Value::Text(right)) => Ok(left == right),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            Ok(order(left, right)? == Some(Ordering::Equal))
        }
        _ => Err(incompatible(left, right)),
    }
}

/// `None`: one of them is not a number.
fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, String> {
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Float(right)) => (*left as f64).partial_cmp(right),
        (Value::Float(left), Value::Int(right)) => left.partial_cmp(&(*right as f64)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => return Err(incompatible(left, right)),
    })
}

fn incompatible(left: &Value, right: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", left.kind(), right.kind())
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
