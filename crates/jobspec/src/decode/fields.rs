//! Reads the arguments and blocks of one block. What nobody asked for when it is finished is unknown.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use super::Decoder;
use crate::{
    codes, duration,
    suggest::nearest,
    syntax::{Attribute, Body, Kind, Name, Span, Value},
};

/// Whoever has more unknown names than that in one block has another problem.
const MAX_UNKNOWN: usize = 20;

/// Names that belong elsewhere, and where.
const ELSEWHERE: [(&str, &str); 24] = [
    ("driver", "a `task`"),
    ("config", "a `task`"),
    ("env", "a `task`"),
    ("resources", "a `task`"),
    ("logs", "a `task`"),
    ("leader", "a `task`"),
    ("kill_timeout", "a `task`"),
    ("image", "the `config` of a task"),
    ("port_map", "the `config` of a task"),
    ("command", "the `config` of a task"),
    ("args", "the `config` of a task"),
    ("count", "a `group`"),
    ("restart", "a `group` or a `task`"),
    ("service", "a `group` or a `task`"),
    ("network", "a `group`, or the `resources` of a task"),
    ("ephemeral_disk", "a `group`"),
    ("check", "a `service`"),
    ("cpu", "the `resources` of a task"),
    ("cores", "the `resources` of a task"),
    ("device", "the `resources` of a task"),
    ("memory", "the `resources` of a task"),
    ("port", "a `network`"),
    ("datacenters", "the `job`"),
    ("priority", "the `job`"),
];

/// A block found in a body, or an argument whose value is a map: `resources = { cpu = 1 }`.
pub(super) struct Section<'a> {
    pub(super) labels: Vec<Name>,
    pub(super) body: Cow<'a, Body>,
    pub(super) span: Span,
}

/// A value that changes nothing, so that it may be written although the argument is not supported.
#[derive(Clone, Copy)]
pub(super) enum Noop {
    Never,
    Bool(bool),
    Zero,
    Text(&'static [&'static str]),
}

pub(super) struct Fields<'a> {
    body: &'a Body,
    /// What the block is called in messages: `task`.
    what: &'static str,
    known: Vec<&'static str>,
    /// Known and refused; not offered as a suggestion.
    refused: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(body: &'a Body, what: &'static str) -> Self {
        Self { body, what, known: Vec::new(), refused: Vec::new() }
    }

    /// The attribute; a block of that name is reported. `null` counts as absent.
    fn attribute(&mut self, d: &mut Decoder, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        if let Some(block) = self.body.blocks.iter().find(|block| block.kind.text == name) {
            d.taint(name);
            d.report(
                codes::LABEL,
                block.kind.span,
                format!("`{name}` is an argument, not a block"),
                format!("write `{name} = ..`"),
            );
        }
        let attribute = self.body.attributes.iter().find(|attribute| attribute.name.text == name)?;
        d.set_position(name, attribute.value.span);
        match attribute.value.kind {
            Kind::Null => None,
            Kind::Invalid => {
                d.taint(name);
                None
            }
            _ => Some(&attribute.value),
        }
    }

    fn wrong_type(d: &mut Decoder, name: &str, value: &Value, wanted: &str, example: &str) {
        d.taint(name);
        d.report(
            codes::WRONG_TYPE,
            value.span,
            format!("`{name}` must be {wanted}, found {}", value.describe()),
            example,
        );
    }

    pub(super) fn text(&mut self, d: &mut Decoder, name: &'static str) -> Option<String> {
        let value = self.attribute(d, name)?;
        let text = value.to_text();
        if text.is_none() {
            Self::wrong_type(d, name, value, "text", &format!("write `{name} = \"..\"`"));
        }
        text
    }

    /// Reports an argument that the block cannot do without, if it is left out.
    pub(super) fn require(&self, d: &mut Decoder, name: &str, block: Span, help: &str) {
        if self.raw(name).is_none_or(|value| value.kind == Kind::Null) {
            d.taint(name);
            d.report(codes::MISSING, block, format!("`{}` needs `{name}`", self.what), help);
        }
    }

    pub(super) fn bool(&mut self, d: &mut Decoder, name: &'static str) -> Option<bool> {
        let value = self.attribute(d, name)?;
        let found = as_bool(value);
        if found.is_none() {
            Self::wrong_type(
                d,
                name,
                value,
                "true or false",
                &format!("write `{name} = true` or `{name} = false`"),
            );
        }
        found
    }

    /// A whole number within the bounds. With `max = u32::MAX` only the lower bound is spoken of.
    pub(super) fn number(&mut self, d: &mut Decoder, name: &'static str, min: i64, max: u32) -> Option<i64> {
        let value = self.attribute(d, name)?;
        let Some(number) = as_number(value) else {
            let wanted = if matches!(value.kind, Kind::Float(_)) { "a whole number" } else { "a number" };
            Self::wrong_type(d, name, value, wanted, &format!("write `{name} = {}`", min.max(1)));
            return None;
        };
        if number < min || number > i64::from(max) {
            d.taint(name);
            let bounds = if max == u32::MAX && number < min {
                format!("at least {min}")
            } else {
                format!("between {min} and {max}")
            };
            let message = format!("`{name}` must be {bounds}, found {number}");
            d.report(codes::OUT_OF_RANGE, value.span, message, range_help(self.what, name));
            return None;
        }
        Some(number)
    }

    pub(super) fn u32(&mut self, d: &mut Decoder, name: &'static str, min: u32) -> Option<u32> {
        self.number(d, name, i64::from(min), u32::MAX).and_then(|number| u32::try_from(number).ok())
    }

    /// `"30s"`, `"1h30m"`, or a number of nanoseconds.
    pub(super) fn duration(&mut self, d: &mut Decoder, name: &'static str) -> Option<Duration> {
        let value = self.attribute(d, name)?;
        let parsed = match &value.kind {
            Kind::Text(text) => duration::parse(text),
            Kind::Int(nanos) => u64::try_from(*nanos)
                .map(Duration::from_nanos)
                .map_err(|_| format!("a duration cannot be negative, found {nanos}")),
            _ => {
                Self::wrong_type(d, name, value, "a duration", &format!("write `{name} = \"30s\"`"));
                return None;
            }
        };
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(reason) => {
                d.taint(name);
                let help = match &value.kind {
                    Kind::Text(text) if text.trim().parse::<f64>().is_ok_and(|number| number >= 0.0) => {
                        format!("write `{name} = \"{}s\"` if seconds are meant", text.trim())
                    }
                    _ => format!(
                        "write a number with a unit (ns, us, ms, s, m, h), such as `{name} = \"1m30s\"`"
                    ),
                };
                d.report(codes::DURATION, value.span, format!("`{name}`: {reason}"), help);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        d: &mut Decoder,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(d, name)?;
        if let Some((_, found)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*found);
        }
        d.taint(name);
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let span = self.span(name);
        let help = match nearest(&text, &words) {
            Some(word) => format!("did you mean \"{word}\"?"),
            None => String::new(),
        };
        d.report(codes::CHOICE, span, format!("`{name}` must be {}, found \"{text}\"", one_of(&words)), help);
        None
    }

    pub(super) fn texts(&mut self, d: &mut Decoder, name: &'static str) -> Option<Vec<String>> {
        let value = self.attribute(d, name)?;
        let Kind::List(items) = &value.kind else {
            let example = match value.to_text() {
                Some(text) => format!("write `{name} = [\"{text}\"]`"),
                None => format!("write `{name} = [\"..\"]`"),
            };
            Self::wrong_type(d, name, value, "a list", &example);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.to_text() {
                Some(text) => texts.push(text),
                None if item.kind == Kind::Invalid => d.taint(name),
                None => {
                    d.taint(name);
                    let message =
                        format!("`{name}` must be a list of texts, found {} in it", item.describe());
                    d.report(codes::WRONG_TYPE, item.span, message, "");
                }
            }
        }
        Some(texts)
    }

    /// A map of texts, written as a block or as an argument.
    pub(super) fn map(&mut self, d: &mut Decoder, name: &'static str) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        if let Some(section) = self.block(d, name) {
            d.set_position(name, section.span);
            for Attribute { name: key, value } in &section.body.attributes {
                match value.to_text() {
                    Some(text) => {
                        map.insert(key.text.clone(), text);
                    }
                    None if matches!(value.kind, Kind::Invalid | Kind::Null) => {}
                    None => d.report(
                        codes::WRONG_TYPE,
                        value.span,
                        format!("`{}` in `{name}` must be text, found {}", key.text, value.describe()),
                        format!("write `{} = \"..\"`", key.text),
                    ),
                }
            }
            for block in &section.body.blocks {
                d.report(
                    codes::WRONG_TYPE,
                    block.kind.span,
                    format!("`{}` in `{name}` must be text, found a block", block.kind.text),
                    format!("write `{} = \"..\"`", block.kind.text),
                );
            }
        }
        map
    }

    /// All blocks of that name; a map or a list of maps counts as well.
    pub(super) fn blocks(&mut self, d: &mut Decoder, name: &'static str) -> Vec<Section<'a>> {
        self.known.push(name);
        let mut sections = Vec::new();
        for attribute in self.body.attributes.iter().filter(|attribute| attribute.name.text == name) {
            let values = match &attribute.value.kind {
                Kind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(&attribute.value),
            };
            for value in values {
                match &value.kind {
                    Kind::Object(items) => sections.push(Section {
                        labels: Vec::new(),
                        body: Cow::Owned(Body { attributes: items.clone(), blocks: Vec::new() }),
                        span: attribute.name.span,
                    }),
                    Kind::Null | Kind::Invalid => {}
                    _ => d.report(
                        codes::LABEL,
                        attribute.name.span,
                        format!("`{name}` is a block, found {}", value.describe()),
                        format!("write `{name} {{ .. }}`"),
                    ),
                }
            }
        }
        for block in self.body.blocks.iter().filter(|block| block.kind.text == name) {
            sections.push(Section {
                labels: block.labels.clone(),
                body: Cow::Borrowed(&block.body),
                span: block.kind.span,
            });
        }
        sections
    }

    /// Blocks that carry a name: `task "redis" { .. }`. One without a name is reported and gets an empty one.
    pub(super) fn named_blocks(&mut self, d: &mut Decoder, name: &'static str) -> Vec<(String, Section<'a>)> {
        let sections = self.blocks(d, name);
        sections.into_iter().map(|section| (label(d, name, &section), section)).collect()
    }

    /// The block of that name, of which there may be only one.
    pub(super) fn block(&mut self, d: &mut Decoder, name: &'static str) -> Option<Section<'a>> {
        let mut sections = self.blocks(d, name).into_iter();
        let first = sections.next()?;
        for other in sections {
            d.report(
                codes::REPEATED,
                other.span,
                format!("a second `{name}` block"),
                format!("a {} has at most one; put its content into the first", self.what),
            );
        }
        if let Some(label) = first.labels.first() {
            d.report(
                codes::LABEL,
                label.span,
                format!("`{name}` takes no name"),
                format!("write `{name} {{ .. }}`"),
            );
        }
        Some(first)
    }

    /// Known to Nomad and not to this release: refused unless the value changes nothing.
    pub(super) fn refuse(&mut self, d: &mut Decoder, name: &'static str, noop: Noop, help: &str) {
        self.refused.push(name);
        for attribute in self.body.attributes.iter().filter(|attribute| attribute.name.text == name) {
            let value = &attribute.value;
            let harmless = match (noop, &value.kind) {
                (_, Kind::Null | Kind::Invalid) => true,
                (Noop::Bool(harmless), _) => as_bool(value) == Some(harmless),
                (Noop::Zero, _) => as_number(value) == Some(0) || value.to_text().as_deref() == Some("0s"),
                (Noop::Text(words), _) => value.to_text().is_some_and(|text| words.contains(&text.as_str())),
                (Noop::Never, _) => false,
            };
            if !harmless {
                d.taint(name);
                let what = match &value.kind {
                    Kind::List(_) | Kind::Object(_) => format!("`{name}`"),
                    Kind::Text(text) => format!("`{name} = \"{}\"`", crate::syntax::shorten(text)),
                    _ => format!("`{name} = {}`", value.to_text().unwrap_or_default()),
                };
                d.report(
                    codes::UNSUPPORTED,
                    attribute.name.span,
                    format!("{what} is not supported yet"),
                    help,
                );
            }
        }
        for block in self.body.blocks.iter().filter(|block| block.kind.text == name) {
            d.taint(name);
            d.report(codes::UNSUPPORTED, block.kind.span, format!("`{name}` is not supported yet"), help);
        }
    }

    pub(super) fn refuse_all(&mut self, d: &mut Decoder, names: &[(&'static str, &str)]) {
        for (name, help) in names {
            self.refuse(d, name, Noop::Never, help);
        }
    }

    /// The value as it stands in the file.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Value> {
        self.body
            .attributes
            .iter()
            .find(|attribute| attribute.name.text == name)
            .map(|attribute| &attribute.value)
    }

    /// Where the value of an argument stands.
    pub(super) fn span(&self, name: &str) -> Span {
        self.raw(name).map(|value| value.span).unwrap_or_default()
    }

    /// Reports what nobody asked for.
    pub(super) fn finish(self, d: &mut Decoder) {
        let attributes = self.body.attributes.iter().map(|attribute| (&attribute.name, "argument"));
        let blocks = self.body.blocks.iter().map(|block| (&block.kind, "block"));
        let unknown = attributes.chain(blocks).filter(|(name, _)| {
            !self.known.contains(&name.text.as_str()) && !self.refused.contains(&name.text.as_str())
        });
        for (name, form) in unknown.take(MAX_UNKNOWN) {
            let text = name.text.as_str();
            let help = if let Some((_, home)) = ELSEWHERE.iter().find(|(known, _)| *known == text) {
                format!("`{text}` belongs into {home}")
            } else if let Some(near) = nearest(text, &self.known) {
                format!("did you mean `{near}`?")
            } else {
                let mut known = self.known.clone();
                known.sort_unstable();
                known.dedup();
                format!("known here: {}", known.join(", "))
            };
            let message = format!("unknown {form} `{text}` in `{}`", self.what);
            d.report(codes::UNKNOWN_NAME, name.span, message, help);
        }
    }
}

/// The one label that a block must carry.
pub(super) fn label(d: &mut Decoder, kind: &str, section: &Section<'_>) -> String {
    match section.labels.as_slice() {
        [label] => label.text.clone(),
        [] => {
            let message = format!("`{kind}` needs a name");
            d.report(codes::LABEL, section.span, message, format!("write `{kind} \"name\" {{ .. }}`"));
            String::new()
        }
        [first, second, ..] => {
            let message = format!("`{kind}` takes one name, found a second one, \"{}\"", second.text);
            d.report(
                codes::LABEL,
                second.span,
                message,
                format!("write `{kind} \"{}\" {{ .. }}`", first.text),
            );
            first.text.clone()
        }
    }
}

fn as_bool(value: &Value) -> Option<bool> {
    match &value.kind {
        Kind::Bool(value) => Some(*value),
        Kind::Int(1) => Some(true),
        Kind::Int(0) => Some(false),
        Kind::Text(text) => match text.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn as_number(value: &Value) -> Option<i64> {
    match &value.kind {
        Kind::Int(number) => Some(*number),
        Kind::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// What to do about a number out of its range, for the numbers people ask about.
fn range_help(what: &str, name: &str) -> &'static str {
    match (what, name) {
        ("port", "to") => "use the port the container listens on, or leave `to` out to use the host port",
        ("port", "static") => "use a port of the host, or leave `static` out to let one be chosen",
        ("job", "priority") => "the default is 50; higher goes first",
        ("resources", "cpu") => "`cpu` is in MHz; the default is 100",
        ("resources", "cores") => crate::validate::resources::CORES_HELP,
        ("device", "count") => "`count` is how many devices the task gets; leave the block out for none",
        ("resources", "memory") => "`memory` is in MB; the default is 300",
        ("affinity" | "spread", "weight") => "the default is 50",
        ("group", "count") => "lower `count`, or split the job",
        _ => "",
    }
}

/// `"a", "b" or "c"`
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
