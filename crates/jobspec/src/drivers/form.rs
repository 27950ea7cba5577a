//! Types of settings: what they look like, and what is said when they do not.

use std::collections::BTreeMap;

use model::Value;

use crate::duration;

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Texts,
    Int {
        min: i64,
        max: i64,
    },
    Bool,
    /// Only `false` is taken.
    OnlyFalse(&'static str),
    /// Text in the form of a duration.
    Duration,
    TextMap,
    /// Label of a port -> port inside the container.
    PortMap,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A block with these settings.
    Record(&'static [Setting]),
    /// Any number of such blocks, or a list of maps.
    Records(&'static [Setting]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) form: Form,
}

pub(super) const fn setting(name: &'static str, form: Form) -> Setting {
    Setting { name, form }
}

pub(super) const ANY_INT: Form = Form::Int { min: i64::MIN, max: i64::MAX };
pub(super) const AT_LEAST_0: Form = Form::Int { min: 0, max: i64::MAX };

impl Form {
    pub(super) fn normal(self, value: Value) -> Value {
        match (self, value) {
            (_, Value::Null) => Value::Null,
            (Self::Text | Self::OneOf(_) | Self::Duration, value) => {
                as_text(&value).map_or(value, Value::Text)
            }
            (Self::Texts, Value::List(items)) => {
                Value::List(items.into_iter().map(|item| as_text(&item).map_or(item, Value::Text)).collect())
            }
            (Self::Int { .. }, Value::Text(text)) => {
                text.trim().parse().map(Value::Int).unwrap_or(Value::Text(text))
            }
            (Self::Bool | Self::OnlyFalse(_), value) => match as_text(&value).as_deref() {
                Some("true" | "1") => Value::Bool(true),
                Some("false" | "0") => Value::Bool(false),
                _ => value,
            },
            (Self::Record(settings), value) => record(settings, merged(value)),
            (Self::Records(settings), Value::List(items)) => {
                Value::List(items.into_iter().map(|item| record(settings, item)).collect())
            }
            (Self::Records(settings), value @ Value::Map(_)) => Value::List(vec![record(settings, value)]),
            (Self::TextMap | Self::PortMap, value) => {
                let item = if self == Self::PortMap { Self::Int { min: 1, max: 65535 } } else { Self::Text };
                match merged(value) {
                    Value::Map(map) => {
                        Value::Map(map.into_iter().map(|(key, value)| (key, item.normal(value))).collect())
                    }
                    other => other,
                }
            }
            (_, value) => value,
        }
    }

    /// What is wrong with a normal value, and what to write.
    pub(super) fn fault(self, name: &str, value: &Value) -> Option<(String, String)> {
        let wrong = |wanted: &str, example: &str| {
            Some((
                format!("`{name}` must be {wanted}, found {}", describe(value)),
                format!("write `{name} {example}`"),
            ))
        };
        match (self, value) {
            (Self::OnlyFalse(help), Value::Bool(true)) => {
                Some((format!("`{name} = true` is not supported yet"), help.to_string()))
            }
            (Self::OnlyFalse(_) | Self::Bool, Value::Bool(_)) | (Self::Text, Value::Text(_)) => None,
            (Self::OnlyFalse(_) | Self::Bool, _) => wrong("true or false", "= true"),
            (Self::Text, _) => wrong("text", "= \"..\""),
            (Self::Texts, Value::List(items)) if items.iter().all(|item| matches!(item, Value::Text(_))) => {
                None
            }
            (Self::Texts, Value::Text(text)) => wrong("a list", &format!("= [\"{text}\"]")),
            (Self::Texts, _) => wrong("a list of texts", "= [\"..\"]"),
            (Self::Int { min, max }, Value::Int(number)) => (*number < min || *number > max).then(|| {
                let bounds = if max == i64::MAX {
                    format!("at least {min}")
                } else {
                    format!("between {min} and {max}")
                };
                (format!("`{name}` must be {bounds}, found {number}"), String::new())
            }),
            (Self::Int { .. }, _) => wrong("a number", "= 1"),
            (Self::Duration, Value::Text(text)) => duration::parse(text)
                .err()
                .map(|reason| (format!("`{name}`: {reason}"), format!("write `{name} = \"30s\"`"))),
            (Self::Duration, _) => wrong("a duration", "= \"30s\""),
            (Self::TextMap, Value::Map(map)) => {
                map.iter().find_map(|(key, value)| Self::Text.fault(&format!("{name}.{key}"), value))
            }
            (Self::TextMap, _) => wrong("a map", "{ name = \"..\" }"),
            (Self::PortMap, Value::Map(map)) => map.iter().find_map(|(key, value)| {
                Self::Int { min: 1, max: 65535 }.fault(&format!("{name}.{key}"), value)
            }),
            (Self::PortMap, _) => wrong("a map of port labels", "{ http = 8080 }"),
            (Self::OneOf(words), Value::Text(text)) if words.contains(&text.as_str()) => None,
            (Self::OneOf(words), _) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                wrong(&words.join(" or "), &format!("= {}", words[0]))
            }
            (Self::Record(settings), Value::Map(map)) => fault_inside(settings, name, map),
            (Self::Record(_), _) => wrong("a block", "{ .. }"),
            (Self::Records(settings), Value::List(items)) => items.iter().find_map(|item| match item {
                Value::Map(map) => fault_inside(settings, name, map),
                _ => wrong("blocks or a list of maps", "{ .. }"),
            }),
            (Self::Records(_), _) => wrong("blocks or a list of maps", "{ .. }"),
        }
    }
}

/// The settings inside a block, in their normal forms.
fn record(settings: &[Setting], value: Value) -> Value {
    let Value::Map(map) = value else { return value };
    let normal = map.into_iter().map(|(name, value)| {
        let known = settings.iter().find(|setting| setting.name == name);
        let value = known.map_or_else(|| value.clone(), |setting| setting.form.normal(value.clone()));
        (name, value)
    });
    Value::Map(normal.filter(|(_, value)| *value != Value::Null).collect())
}

/// The first fault inside a block.
fn fault_inside(settings: &[Setting], name: &str, map: &BTreeMap<String, Value>) -> Option<(String, String)> {
    map.iter().find_map(|(key, value)| match settings.iter().find(|setting| setting.name == key) {
        Some(setting) => setting.form.fault(&format!("{name}.{key}"), value),
        None => {
            let known: Vec<&str> = settings.iter().map(|setting| setting.name).collect();
            Some((format!("`{name}` has no setting `{key}`"), format!("known are {}", known.join(", "))))
        }
    })
}

/// `[{a = 1}, {b = 2}]`, as repeated blocks give it, is the map `{a = 1, b = 2}`.
fn merged(value: Value) -> Value {
    let Value::List(items) = value else { return value };
    let mut map = BTreeMap::new();
    if !items.iter().all(|item| matches!(item, Value::Map(_))) {
        return Value::List(items);
    }
    for item in items {
        if let Value::Map(item) = item {
            map.extend(item);
        }
    }
    Value::Map(map)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Text(value) => Some(value.clone()),
        _ => None,
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::List(_) => String::from("a list"),
        Value::Map(_) => String::from("a map"),
        Value::Null => String::from("null"),
        Value::Text(text) => format!("\"{}\"", crate::syntax::shorten(text)),
        Value::Int(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Bool(value) => value.to_string(),
    }
}
