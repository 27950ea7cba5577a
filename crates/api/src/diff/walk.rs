//! Fields and blocks: two JSON objects, key by key.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as Object, Value};

use super::{DiffType, FieldDiff, ObjectDiff, Parts, kind_of, lists, names};

/// What is different between two objects. `fields`: also those fields that are alike; `blocks`: the same in blocks.
pub(super) fn parts(
    old: &Object<String, Value>,
    new: &Object<String, Value>,
    fields: bool,
    blocks: bool,
) -> Parts {
    let mut keys: Vec<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
    keys.sort_unstable_by_key(|&key| (names::rank(key), key));
    keys.dedup();
    let mut found = Parts::default();
    for key in keys {
        let is_text = old.get(key).or(new.get(key)).is_some_and(Value::is_string);
        let (old, new) = (given(old.get(key)), given(new.get(key)));
        match old.or(new) {
            None if is_text => found.fields.extend(field(key, None, None, fields)),
            None => {}
            Some(Value::Object(_)) if names::is_map(key) => map(key, old, new, fields, &mut found.fields),
            Some(Value::Object(_)) if names::is_free(key) => {
                found.objects.extend(free(key, old, new, blocks))
            }
            Some(Value::Object(_)) if names::is_named_blocks(key) => {
                let listed = |value: Option<&Value>| value.map(lists::of_named);
                found.objects.extend(lists::blocks(key, listed(old).as_ref(), listed(new).as_ref(), blocks));
            }
            Some(Value::Object(_)) => found.objects.extend(block(key, old, new, blocks)),
            Some(Value::Array(items)) if items.iter().any(Value::is_object) => {
                found.objects.extend(lists::blocks(key, old, new, blocks));
            }
            Some(Value::Array(_)) => found.objects.extend(lists::texts(key, old, new, blocks)),
            Some(_) => found.fields.extend(field(key, old, new, fields)),
        }
    }
    found.fields.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Absent, null and no text are one thing for the fields of a twin.
fn given(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null() && value.as_str() != Some(""))
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // An empty list or block has no inner fields to be shown by.
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Object(members) if members.is_empty() => String::new(),
        value => value.to_string(),
    }
}

/// One field; nothing if it is alike and that is not to be shown.
pub(super) fn field(
    name: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    with_alike: bool,
) -> Option<FieldDiff> {
    let differ = old != new;
    if !differ && !with_alike {
        return None;
    }
    let shown = |value: Option<&Value>| value.map(text).unwrap_or_default();
    Some(FieldDiff {
        kind: kind_of(old, new, differ),
        name: name.to_owned(),
        old: shown(old),
        new: shown(new),
        annotations: Vec::new(),
    })
}

/// `Meta[owner]`, `Env[PORT]`.
fn map(key: &str, old: Option<&Value>, new: Option<&Value>, with_alike: bool, fields: &mut Vec<FieldDiff>) {
    let leaves = |value| leaves(vec![Step::Name(key.to_owned())], value);
    fields.extend(of_leaves(&leaves(old), &leaves(new), with_alike));
}

/// A block of which only the user knows what is in it.
fn free(key: &str, old: Option<&Value>, new: Option<&Value>, contextual: bool) -> Option<ObjectDiff> {
    let mut fields = of_leaves(&leaves(Vec::new(), old), &leaves(Vec::new(), new), contextual);
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    object(key, old, new, Parts { fields, objects: Vec::new() })
}

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Name(String),
    Item(usize),
    /// Into a block inside a block of the user's: shown as the first of a list, for it could be given again.
    Block,
}

/// Values that hold no others, under what leads to them.
type Leaves = BTreeMap<Vec<Step>, Value>;

fn of_leaves(old: &Leaves, new: &Leaves, with_alike: bool) -> Vec<FieldDiff> {
    let paths: BTreeSet<&Vec<Step>> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| field(&name_of(path), old.get(path), new.get(path), with_alike))
        .collect()
}

/// `port_map[0][http]`
fn name_of(path: &[Step]) -> String {
    let mut name = String::new();
    for (at, step) in path.iter().enumerate() {
        let text = match step {
            Step::Name(text) => text.clone(),
            Step::Item(number) => number.to_string(),
            Step::Block => String::from("0"),
        };
        name += &if at == 0 { text } else { format!("[{text}]") };
    }
    name
}

fn leaves(mut root: Vec<Step>, value: Option<&Value>) -> Leaves {
    let mut leaves = Leaves::new();
    if let Some(value) = value {
        flatten(&mut root, value, &mut leaves);
    }
    leaves
}

fn flatten(path: &mut Vec<Step>, value: &Value, leaves: &mut Leaves) {
    let mut below = |step: Step, value: &Value| {
        // The name of a setting alone stands before this: a map there was written as a block.
        let is_block = path.is_empty() && value.as_object().is_some_and(|members| !members.is_empty());
        let length = path.len();
        path.push(step);
        if is_block {
            path.push(Step::Block);
        }
        flatten(path, value, leaves);
        path.truncate(length);
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, item)| below(Step::Item(at), item));
        }
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, member)| below(Step::Name(name.clone()), member));
        }
        leaf => {
            leaves.insert(path.clone(), leaf.clone());
        }
    }
}

/// One block; nothing if it is alike: context ends at the blocks that differ.
pub(super) fn block(
    key: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    contextual: bool,
) -> Option<ObjectDiff> {
    let none = Object::new();
    let old_members = old.and_then(Value::as_object).unwrap_or(&none);
    let new_members = new.and_then(Value::as_object).unwrap_or(&none);
    let parts = parts(old_members, new_members, contextual, contextual);
    object(key, old, new, parts)
}

fn object(key: &str, old: Option<&Value>, new: Option<&Value>, parts: Parts) -> Option<ObjectDiff> {
    let kind = kind_of(old, new, parts.differ());
    (kind != DiffType::None).then(|| ObjectDiff {
        kind,
        name: names::block(key).to_owned(),
        fields: parts.fields,
        objects: parts.objects,
    })
}
