//! Maps as TOML: keys in order, plain values before tables, tables indented by what they are in.

use std::collections::BTreeMap;

use crate::{
    Value,
    print::{Sink, TooLong},
};

type Map = BTreeMap<String, Value>;

/// # Errors
/// It is no map, there is nothing in a list, or the text is longer than `limit` bytes.
pub(super) fn write(value: &Value, limit: usize) -> Result<Value, String> {
    let map = super::map(value)?;
    let mut writer = Writer { out: Sink::new(limit), limit };
    writer.table(&[], map)?;
    Ok(Value::text(writer.out.text.trim()))
}

struct Writer {
    out: Sink,
    limit: usize,
}

/// A list of maps alone is written as tables of one name.
fn is_tables(value: &Value) -> bool {
    let Value::List(items) = value else { return false };
    !items.is_empty() && items.iter().all(|item| matches!(item, Value::Map(_)))
}

impl Writer {
    fn push(&mut self, text: &str) -> Result<(), String> {
        self.out.push(text).map_err(|TooLong| TooLong::message(self.limit))
    }

    /// A blank line, but not at the start.
    fn gap(&mut self) -> Result<(), String> {
        if self.out.text.is_empty() { Ok(()) } else { self.push("\n") }
    }

    /// `path`: the keys that lead to the table.
    fn table(&mut self, path: &[&str], map: &Map) -> Result<(), String> {
        let (tables, plain): (Vec<_>, Vec<_>) =
            map.iter().partition(|(_, value)| matches!(value, Value::Map(_)) || is_tables(value));
        let indent = "  ".repeat(path.len());
        for (key, value) in plain {
            if !matches!(value, Value::Null | Value::Object(_)) {
                self.push(&format!("{indent}{} = ", shown_key(key)))?;
                self.inline(value)?;
                self.push("\n")?;
            }
        }
        for (key, value) in tables {
            let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
            let name = path.iter().map(|key| shown_key(key)).collect::<Vec<String>>().join(".");
            match value {
                Value::Map(inner) => {
                    if path.len() == 1 {
                        self.gap()?;
                    }
                    self.push(&format!("{indent}[{name}]\n"))?;
                    self.table(&path, inner)?;
                }
                Value::List(items) => {
                    for item in items.iter() {
                        self.gap()?;
                        self.push(&format!("{indent}[[{name}]]\n"))?;
                        self.table(&path, super::map(item)?)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// On one line.
    fn inline(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Null | Value::Object(_) => Err(String::from("TOML has no word for nothing in a list")),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            Value::Int(value) => self.push(&value.to_string()),
            Value::Float(value) => self.push(&shown_float(*value)),
            Value::Text(text) => {
                let text = quoted(text);
                self.push(&text)
            }
            Value::List(items) => {
                self.push("[")?;
                for (index, item) in items.iter().enumerate() {
                    self.push(if index > 0 { ", " } else { "" })?;
                    self.inline(item)?;
                }
                self.push("]")
            }
            Value::Map(map) => {
                self.push("{")?;
                let present =
                    map.iter().filter(|(_, value)| !matches!(value, Value::Null | Value::Object(_)));
                for (index, (key, value)) in present.enumerate() {
                    self.push(if index > 0 { ", " } else { "" })?;
                    self.push(&format!("{} = ", shown_key(key)))?;
                    self.inline(value)?;
                }
                self.push("}")
            }
        }
    }
}

/// Bare if it may be.
fn shown_key(key: &str) -> String {
    let is_bare =
        !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    if is_bare { key.to_owned() } else { quoted(key) }
}

/// Always with a point, so that it stays a float.
fn shown_float(value: f64) -> String {
    if value.is_nan() {
        return String::from("nan");
    }
    if value.is_infinite() {
        return String::from(if value > 0.0 { "+inf" } else { "-inf" });
    }
    let text = value.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
