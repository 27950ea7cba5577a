//! The table of names: every object that clients read, its keys, and what they hold.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const TABLE: &str = include_str!("names.txt");

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// A word of the table: `text`, `int`, ...
    Plain(String),
    Word(String),
    Object(String),
    List(Box<Type>),
    Map(Box<Type>),
    /// Or null.
    Maybe(Box<Type>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// Left out when it says nothing.
    Filled,
    /// Read, never written.
    Input,
}

pub(crate) type Objects = BTreeMap<String, BTreeMap<String, (Type, When)>>;

fn read_type(text: &str) -> Type {
    let inner = |text: &str| Box::new(read_type(text));
    if let Some(text) = text.strip_suffix('?') {
        Type::Maybe(inner(text))
    } else if let Some(text) = text.strip_prefix('[') {
        Type::List(inner(text.strip_suffix(']').expect("a list ends with ]")))
    } else if let Some(text) = text.strip_prefix('{') {
        Type::Map(inner(text.strip_suffix('}').expect("a map ends with }")))
    } else if let Some(word) = text.strip_prefix("word:") {
        Type::Word(word.to_owned())
    } else if text.starts_with(|first: char| first.is_ascii_uppercase()) {
        Type::Object(text.to_owned())
    } else {
        assert!(["text", "int", "num", "bool", "time", "b64", "any"].contains(&text), "no type {text:?}");
        Type::Plain(text.to_owned())
    }
}

pub(crate) fn table() -> Objects {
    let mut objects = Objects::new();
    let mut object = String::new();
    for line in TABLE.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if !line.starts_with(' ') {
            object = line.trim().to_owned();
            assert!(objects.insert(object.clone(), BTreeMap::new()).is_none(), "{object} is there twice");
            continue;
        }
        for entry in line.split_whitespace() {
            let (key, text) = entry.split_once('=').unwrap_or_else(|| panic!("{object}: {entry:?}"));
            let (text, when) = match text.chars().last() {
                Some('~') => (&text[..text.len() - 1], When::Filled),
                Some('<') => (&text[..text.len() - 1], When::Input),
                _ => (text, When::Always),
            };
            let keys = objects.get_mut(&object).expect("put above");
            assert!(keys.insert(key.to_owned(), (read_type(text), when)).is_none(), "{object}.{key} twice");
        }
    }
    objects
}

/// A value of the type in which every key says something. `above`: the objects that it is part of.
pub(crate) fn sample(objects: &Objects, kind: &Type, above: &[&str]) -> Value {
    match kind {
        Type::Plain(word) => match word.as_str() {
            "int" => json!(7),
            "num" => json!(1.5),
            "bool" => json!(true),
            "time" => json!("2026-01-02T03:04:05Z"),
            "b64" => json!("eA=="),
            "any" => json!({"some": "thing"}),
            _ => json!("some"),
        },
        Type::Word(word) => json!(word),
        Type::Maybe(inner) => match &**inner {
            // An object inside itself ends somewhere.
            Type::List(items) if matches!(&**items, Type::Object(name) if above.contains(&name.as_str())) => {
                Value::Null
            }
            inner => sample(objects, inner, above),
        },
        Type::List(inner) => json!([sample(objects, inner, above)]),
        Type::Map(inner) => json!({"some": sample(objects, inner, above)}),
        Type::Object(name) => {
            let above: Vec<&str> = above.iter().copied().chain([name.as_str()]).collect();
            let keys = objects.get(name).unwrap_or_else(|| panic!("no object {name}")).iter();
            // What is only read is not there when it is written again.
            let keys = keys.filter(|(_, (_, when))| *when != When::Input);
            keys.map(|(key, (kind, _))| (key.clone(), sample(objects, kind, &above)))
                .collect::<Map<_, _>>()
                .into()
        }
    }
}

/// All that is wrong with a value, with its place.
pub(crate) fn wrong(objects: &Objects, kind: &Type, value: &Value, place: &str, all: &mut Vec<String>) {
    let fits = match (kind, value) {
        (Type::Maybe(_), Value::Null) => true,
        (Type::Maybe(inner), value) => return wrong(objects, inner, value, place, all),
        (Type::List(inner), Value::Array(items)) => {
            for (number, item) in items.iter().enumerate() {
                wrong(objects, inner, item, &format!("{place}[{number}]"), all);
            }
            true
        }
        (Type::Map(inner), Value::Object(members)) => {
            for (key, member) in members {
                wrong(objects, inner, member, &format!("{place}[{key}]"), all);
            }
            true
        }
        (Type::Object(name), Value::Object(members)) => {
            let keys = &objects[name];
            for (key, (kind, when)) in keys {
                match members.get(key) {
                    Some(member) => wrong(objects, kind, member, &format!("{place}.{key}"), all),
                    None if *when == When::Always => all.push(format!("{place}.{key} ({name}) is missing")),
                    None => {}
                }
            }
            all.extend(
                members
                    .keys()
                    .filter(|key| !keys.contains_key(*key))
                    .map(|key| format!("{place}.{key}: not in {name}")),
            );
            true
        }
        (Type::Word(_), Value::String(_)) => true,
        (Type::Plain(word), value) => match word.as_str() {
            "int" => value.is_i64() || value.is_u64(),
            "num" => value.is_number(),
            "bool" => value.is_boolean(),
            "time" => value.is_null() || value.as_str().is_some_and(|text| api::Time::parse(text).is_some()),
            "text" | "b64" => value.is_string(),
            _ => true,
        },
        _ => false,
    };
    if !fits {
        all.push(format!("{place} is {value}, not {kind:?}"));
    }
}
