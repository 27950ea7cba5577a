//! YAML, both ways. Anchors and aliases are followed, at no cost: a value is shared and counted where it is used.

use std::{collections::BTreeMap, rc::Rc};

use yaml_rust2::{
    Event,
    parser::{MarkedEventReceiver, Parser},
    scanner::{Marker, TScalarStyle},
};

use super::arguments::{Answer, Call, Refusal};
use crate::eval::{Growing, MAX_DEPTH, MAX_WEIGHT, Val, read_number};

/// Builds a value of what the parser reports.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Val>,
    result: Option<Val>,
    documents: usize,
    failure: Option<String>,
}

/// A list or map that is not finished.
enum Open {
    List { items: Vec<Val>, weight: usize, anchor: usize },
    Map { items: BTreeMap<Rc<str>, Val>, weight: usize, name: Option<Rc<str>>, anchor: usize },
}

impl Builder {
    fn fail(&mut self, reason: impl Into<String>) {
        self.failure.get_or_insert_with(|| reason.into());
    }

    fn value(&mut self, value: Val, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        let added = value.weight() + 32;
        let weight = match self.open.last_mut() {
            None => {
                self.result = Some(value);
                return;
            }
            Some(Open::List { items, weight, .. }) => {
                items.push(value);
                weight
            }
            Some(Open::Map { items, weight, name, .. }) => {
                match name.take() {
                    Some(name) => {
                        items.insert(name, value);
                    }
                    None => match value.to_text() {
                        Some(text) => *name = Some(text),
                        None => {
                            self.failure.get_or_insert_with(|| String::from("names in maps must be plain"));
                            return;
                        }
                    },
                }
                weight
            }
        };
        *weight = weight.saturating_add(added);
        if *weight > MAX_WEIGHT {
            self.fail(format!("the value would have more than {} MiB", MAX_WEIGHT >> 20));
        }
    }

    fn open(&mut self, open: Open) {
        self.open.push(open);
        if self.open.len() > MAX_DEPTH {
            self.fail(format!("lists and maps are nested more than {MAX_DEPTH} deep"));
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::List { items, anchor, .. }) => self.value(Val::list(items), anchor),
            Some(Open::Map { mut items, anchor, .. }) => {
                if let Some(Val::Object(base)) = items.get("<<").cloned() {
                    items.remove("<<");
                    for (name, item) in &base.items {
                        items.entry(name.clone()).or_insert_with(|| item.clone());
                    }
                }
                self.value(Val::object(items), anchor);
            }
            None => {}
        }
    }
}

impl MarkedEventReceiver for Builder {
    fn on_event(&mut self, event: Event, _: Marker) {
        if self.failure.is_some() {
            return;
        }
        match event {
            Event::DocumentStart => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fail("there is more than one document");
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.suffix == "str");
                let value =
                    if style == TScalarStyle::Plain && !is_text { plain(&text) } else { Val::text(text) };
                self.value(value, anchor);
            }
            Event::SequenceStart(anchor, _) => self.open(Open::List { items: Vec::new(), weight: 0, anchor }),
            Event::MappingStart(anchor, _) => {
                self.open(Open::Map { items: BTreeMap::new(), weight: 0, name: None, anchor });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(value) => self.value(value, 0),
                None => self.fail("an alias stands inside of what it stands for"),
            },
            _ => {}
        }
    }
}

/// A word without quotes.
fn plain(text: &str) -> Val {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Val::Null,
        "true" | "True" | "TRUE" => Val::Bool(true),
        "false" | "False" | "FALSE" => Val::Bool(false),
        _ => read_number(text.strip_prefix('+').unwrap_or(text)).unwrap_or_else(|| Val::text(text)),
    }
}

pub(super) fn yamldecode(call: &mut Call<'_, '_>) -> Answer {
    let text = call.text(0)?;
    call.limits.make(text.len().saturating_mul(8).min(MAX_WEIGHT))?;
    if nests_too_deep(&text) {
        return Err(Refusal::of(0, format!("lists and maps are nested more than {MAX_DEPTH} deep")));
    }
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(&text);
    if let Err(error) = parser.load(&mut builder, true) {
        return Err(Refusal::of(0, format!("this is not YAML: {error}")));
    }
    match builder.failure {
        Some(reason) => Err(Refusal::of(0, reason)),
        None => Ok(builder.result.unwrap_or(Val::Null)),
    }
}

/// The parser recurses: brackets and dashes that open more than is allowed do not reach it.
fn nests_too_deep(text: &str) -> bool {
    let mut brackets = 0_usize;
    for line in text.lines() {
        let mut dashes = 0;
        let mut rest = line.trim_start();
        while let Some(after) = rest.strip_prefix("- ").or_else(|| rest.strip_prefix("? ")) {
            dashes += 1;
            rest = after.trim_start();
        }
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => brackets += 1,
                b']' | b'}' => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            if brackets + dashes > MAX_DEPTH {
                return true;
            }
        }
        // Each level of a block is indented further.
        if line.len() - line.trim_start().len() > 16 * MAX_DEPTH && !rest.is_empty() {
            return true;
        }
    }
    false
}

pub(super) fn yamlencode(call: &mut Call<'_, '_>) -> Answer {
    let mut out = Growing::default();
    write(&call.args[0], 0, false, &mut out)?;
    Ok(Val::text(out.finish()))
}

/// `inline`: something stands on the line already.
fn write(value: &Val, level: usize, inline: bool, out: &mut Growing) -> Result<(), Refusal> {
    match value {
        Val::List(list) if !list.items.is_empty() => {
            for (number, item) in list.items.iter().enumerate() {
                if number > 0 || !inline {
                    out.push(&"  ".repeat(level))?;
                }
                out.push("- ")?;
                write(item, level + 1, true, out)?;
            }
            Ok(())
        }
        Val::Object(object) if !object.items.is_empty() => {
            for (number, (name, item)) in object.items.iter().enumerate() {
                if number > 0 || !inline {
                    out.push(&"  ".repeat(level))?;
                }
                super::encodings::write_json(&Val::Text(name.clone()), out)?;
                let nested = match item {
                    Val::List(list) => !list.items.is_empty(),
                    Val::Object(object) => !object.items.is_empty(),
                    _ => false,
                };
                if nested {
                    out.push(":\n")?;
                    let deeper = level + usize::from(matches!(item, Val::Object(_)));
                    write(item, deeper, false, out)?;
                } else {
                    out.push(": ")?;
                    write(item, level, true, out)?;
                }
            }
            Ok(())
        }
        other => {
            super::encodings::write_json(other, out)?;
            out.push("\n")?;
            Ok(())
        }
    }
}
