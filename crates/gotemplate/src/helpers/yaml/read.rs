//! Reading. Anchors and aliases are followed: what they stand for is shared, and counted wherever it stands, so that a
//! short text cannot become an endless value.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use yaml_rust2::{
    Event,
    parser::{Parser, Tag},
    scanner::{Marker, TScalarStyle},
};

use super::plain;
use crate::{Value, helpers::Setting, value::DEEPEST};

/// The first document of a text; of an empty one an empty map.
///
/// # Errors
/// What is wrong, with the line.
pub(in crate::helpers) fn parse(text: &str, setting: &Setting) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::map::<String>([]));
    }
    let mut builder = Builder {
        open: Vec::new(),
        anchors: BTreeMap::new(),
        result: None,
        rest: setting.bytes.saturating_mul(4),
    };
    // Event by event: to read it at one go the parser would recurse.
    let mut parser = Parser::new_from_str(text).keep_tags(true);
    loop {
        let (event, at) = parser.next_token().map_err(|error| format!("not YAML: {error}"))?;
        if let Event::DocumentEnd | Event::StreamEnd = event {
            return Ok(builder.result.unwrap_or_default());
        }
        builder.event(event).map_err(|reason| format!("not YAML for a template: {reason}{}", place(at)))?;
    }
}

fn place(at: Marker) -> String {
    format!(" at line {} column {}", at.line(), at.col() + 1)
}

struct Builder {
    open: Vec<Open>,
    /// By their numbers, with what they weigh.
    anchors: BTreeMap<usize, (Value, usize)>,
    result: Option<Value>,
    /// Bytes that the value may still grow by.
    rest: usize,
}

/// A list or map that is not finished.
struct Open {
    anchor: usize,
    /// What was left of the bytes before it.
    rest: usize,
    items: Items,
}

enum Items {
    List(Vec<Value>),
    Map { map: BTreeMap<String, Value>, key: Option<String>, merged: Vec<Value> },
}

impl Builder {
    fn takes(&mut self, weight: usize) -> Result<(), String> {
        self.rest = self.rest.checked_sub(weight).ok_or("the value is too large")?;
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let before = self.rest;
                self.takes(16 + text.len())?;
                let value = if self.wants_key() { Value::from(text) } else { scalar(text, style, tag)? };
                self.put(value, anchor, before)
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, Items::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.begin(anchor, Items::Map { map: BTreeMap::new(), key: None, merged: Vec::new() })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.items {
                    Items::List(items) => Value::list(items),
                    Items::Map { map, merged, .. } => self.merge(map, merged)?,
                };
                self.put(value, open.anchor, open.rest)
            }
            Event::Alias(anchor) => {
                let found = self.anchors.get(&anchor).cloned();
                let (value, weight) = found.ok_or("an alias stands inside of what it stands for")?;
                let before = self.rest;
                self.takes(weight)?;
                self.put(value, 0, before)
            }
            _ => Ok(()),
        }
    }

    /// Keys are texts as they were written: `y` is no truth there.
    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { items: Items::Map { key: None, .. }, .. }))
    }

    fn begin(&mut self, anchor: usize, items: Items) -> Result<(), String> {
        let rest = self.rest;
        self.takes(16)?;
        self.open.push(Open { anchor, rest, items });
        if self.open.len() > DEEPEST {
            return Err(format!("more than {DEEPEST} lists and maps inside one another"));
        }
        Ok(())
    }

    /// `before`: what was left of the bytes before the value was read.
    fn put(&mut self, value: Value, anchor: usize, before: usize) -> Result<(), String> {
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), before.saturating_sub(self.rest)));
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.result = Some(value),
            Some(Items::List(items)) => items.push(value),
            Some(Items::Map { map, key, merged }) => match key.take() {
                None => {
                    let text =
                        value.as_text().ok_or_else(|| format!("a {} is the key of a map", value.kind()))?;
                    *key = Some(text.to_owned());
                }
                Some(key) if key == "<<" => match value {
                    Value::List(items) => merged.extend(items.iter().cloned()),
                    value => merged.push(value),
                },
                Some(key) => {
                    map.insert(key, value);
                }
            },
        }
        Ok(())
    }

    /// With the entries of other maps (`<<`) that it does not have; the first ones count.
    fn merge(&mut self, mut map: BTreeMap<String, Value>, merged: Vec<Value>) -> Result<Value, String> {
        for other in merged {
            let Value::Map(other) = other else {
                return Err(String::from("<< wants a map, or a list of maps"));
            };
            for (key, value) in other.iter() {
                if !map.contains_key(key) {
                    map.insert(key.clone(), value.clone());
                }
            }
        }
        Ok(Value::Map(Arc::new(map)))
    }
}

fn scalar(text: String, style: TScalarStyle, tag: Option<Tag>) -> Result<Value, String> {
    let tag = tag.map(|tag| tag.suffix).unwrap_or_default();
    Ok(match (tag.as_str(), style) {
        ("binary", _) => {
            let plain: String = text.split_whitespace().collect();
            let bytes = STANDARD.decode(plain).map_err(|error| format!("not base64: {error}"))?;
            Value::text(
                String::from_utf8(bytes)
                    .map_err(|_| String::from("!!binary holds bytes that are no text"))?,
            )
        }
        ("str", _) => Value::from(text),
        ("int" | "float" | "bool" | "null", _) | (_, TScalarStyle::Plain) => plain(&text),
        _ => Value::from(text),
    })
}
