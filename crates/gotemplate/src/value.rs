//! What templates compute with.

use std::{collections::BTreeMap, sync::Arc};

/// Lists and maps inside one another. As many as JSON that is read has.
pub(crate) const DEEPEST: usize = 128;

/// A value. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    List(Arc<Vec<Value>>),
    /// Walked in the order of its keys.
    Map(Arc<BTreeMap<String, Value>>),
    /// Something that only its methods reach (`Functions::method`).
    Object(&'static str),
}

impl Value {
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    pub fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Self::List(Arc::new(items.into_iter().collect()))
    }

    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether `if` takes it for true: everything that is not the zero of its kind.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(_) => true,
        }
    }

    /// Its kind in words of the language.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Object(name) => name,
        }
    }

    /// What it takes when it is written out: 16 for each value in it, and the bytes of texts and keys. `None`: more
    /// than `most`, or more than `DEEPEST` lists and maps inside one another.
    ///
    /// Lists and maps are shared, so a short template can make a value that is small in memory and endless when somebody
    /// walks through it.
    pub fn weight(&self, most: usize) -> Option<usize> {
        fn add(value: &Value, depth: usize, most: usize, sum: &mut usize) -> bool {
            *sum = sum.saturating_add(16);
            let fits = match value {
                Value::Text(text) => {
                    *sum = sum.saturating_add(text.len());
                    true
                }
                Value::List(items) => {
                    depth < DEEPEST && items.iter().all(|item| add(item, depth + 1, most, sum))
                }
                Value::Map(map) => {
                    depth < DEEPEST
                        && map.iter().all(|(key, item)| {
                            *sum = sum.saturating_add(key.len());
                            add(item, depth + 1, most, sum)
                        })
                }
                _ => true,
            };
            fits && *sum <= most
        }
        let mut sum = 0;
        add(self, 0, most, &mut sum).then_some(sum)
    }

    /// Whether nobody else has it: it was made just now.
    pub(crate) fn is_fresh(&self) -> bool {
        match self {
            Self::Text(text) => Arc::strong_count(text) == 1,
            Self::List(items) => Arc::strong_count(items) == 1,
            Self::Map(map) => Arc::strong_count(map) == 1,
            _ => false,
        }
    }

    /// As JSON. Floats that JSON cannot write and objects are null; whole floats are whole numbers, as in Go.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null | Self::Object(_) => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Json::from(*value as i64),
            Self::Float(value) => Json::from(*value),
            Self::Text(text) => Json::String(text.to_string()),
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(map) => {
                Json::Object(map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => {
                number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or(f64::NAN)), Self::Int)
            }
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.into_iter().map(Self::from)),
            Json::Object(map) => Self::map(map.into_iter().map(|(key, value)| (key, Self::from(value)))),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
