//! Values as texts: `print` and everything that an action prints.

use crate::{Value, number};

/// A text that grows up to a limit.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) text: String,
    limit: usize,
}

/// The text would be longer than its limit.
#[derive(Debug)]
pub(crate) struct TooLong;

impl TooLong {
    pub(crate) fn message(limit: usize) -> String {
        format!("the text grows beyond {limit} bytes")
    }
}

impl Sink {
    pub(crate) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit }
    }

    pub(crate) fn push(&mut self, text: &str) -> Result<(), TooLong> {
        if self.text.len() + text.len() > self.limit {
            return Err(TooLong);
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// What `print` shows of a value.
pub(crate) fn value(value: &Value, out: &mut Sink) -> Result<(), TooLong> {
    match value {
        Value::Null => out.push("<no value>"),
        Value::Bool(value) => out.push(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push(&value.to_string()),
        Value::Float(value) => out.push(&number::general(*value, None)),
        Value::Text(text) => out.push(text),
        Value::Object(name) => out.push(name),
        Value::List(items) => {
            out.push("[")?;
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(" ")?;
                }
                self::inner(item, out)?;
            }
            out.push("]")
        }
        Value::Map(map) => {
            out.push("map[")?;
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(" ")?;
                }
                out.push(key)?;
                out.push(":")?;
                self::inner(item, out)?;
            }
            out.push("]")
        }
    }
}

/// Inside another value nothing is `<nil>`.
pub(crate) fn inner(item: &Value, out: &mut Sink) -> Result<(), TooLong> {
    match item {
        Value::Null => out.push("<nil>"),
        other => value(other, out),
    }
}

/// The arguments one after the other, with a blank between two of which none is a text.
pub(crate) fn together(arguments: &[Value], out: &mut Sink) -> Result<(), TooLong> {
    for (index, argument) in arguments.iter().enumerate() {
        let apart = index > 0
            && !matches!(argument, Value::Text(_))
            && !matches!(arguments[index - 1], Value::Text(_));
        if apart {
            out.push(" ")?;
        }
        inner(argument, out)?;
    }
    Ok(())
}

/// The arguments with a blank between them, and the end of a line.
pub(crate) fn line(arguments: &[Value], out: &mut Sink) -> Result<(), TooLong> {
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            out.push(" ")?;
        }
        inner(argument, out)?;
    }
    out.push("\n")
}
