//! Lists: of texts, and of blocks.

use serde_json::Value;

use super::{DiffType, FieldDiff, ObjectDiff, names, walk};

/// A list of texts: which of them came and went, or, if none did, which place changed.
pub(super) fn texts(
    key: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    contextual: bool,
) -> Option<ObjectDiff> {
    if old == new {
        return None;
    }
    let name = names::block(key);
    let (mut gone, mut come, alike) = compared(items(old), items(new));
    gone.sort_by_cached_key(|text| walk::text(text));
    come.sort_by_cached_key(|text| walk::text(text));
    let mut fields: Vec<FieldDiff> = Vec::new();
    if gone.is_empty() && come.is_empty() {
        for (at, (old, new)) in items(old).iter().zip(items(new)).enumerate() {
            fields.extend(walk::field(&format!("{name}[{at}]"), Some(old), Some(new), contextual));
        }
    } else {
        fields.extend(come.iter().filter_map(|item| walk::field(name, None, Some(item), true)));
        fields.extend(gone.iter().filter_map(|item| walk::field(name, Some(item), None, true)));
        if contextual {
            fields.extend(alike.iter().filter_map(|item| walk::field(name, Some(item), Some(item), true)));
        }
        fields.sort_by(|a, b| {
            (&a.name, a.old.as_str().max(&a.new)).cmp(&(&b.name, b.old.as_str().max(&b.new)))
        });
    }
    let is_empty = |value: Option<&Value>| items(value).is_empty();
    let kind = match (is_empty(old), is_empty(new)) {
        (true, false) => DiffType::Added,
        (false, true) => DiffType::Deleted,
        _ => DiffType::Edited,
    };
    Some(ObjectDiff { kind, name: name.to_owned(), fields, objects: Vec::new() })
}

/// A list of blocks: those that are on one side only, and those that are the same one with something else in it.
pub(super) fn blocks(
    key: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    contextual: bool,
) -> Vec<ObjectDiff> {
    let name = names::block(key);
    let name = if name == key { key.strip_suffix('s').unwrap_or(key) } else { name };
    let (gone, mut come, _) = compared(items(old), items(new));
    let mut found = Vec::new();
    for before in gone {
        let after = names::identity(key)
            .and_then(|id| come.iter().position(|item| item.get(id) == before.get(id)))
            .map(|at| come.remove(at));
        found.extend(walk::block(key, Some(before), after, contextual));
    }
    found.extend(come.into_iter().filter_map(|item| walk::block(key, None, Some(item), contextual)));
    for object in &mut found {
        name.clone_into(&mut object.name);
    }
    found.sort_by_cached_key(|object| {
        object.fields.iter().map(|field| (field.old.clone(), field.new.clone())).collect::<Vec<_>>()
    });
    found
}

/// Blocks under names as a list of blocks that know their names.
pub(super) fn of_named(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(name, member)| {
            let mut member = member.clone();
            if let Some(fields) = member.as_object_mut() {
                fields.insert(String::from("Name"), Value::from(name.as_str()));
            }
            member
        })
        .collect()
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What is in the first list only, in the second only, and in both. What is there twice counts twice.
fn compared<'a>(old: &'a [Value], new: &'a [Value]) -> (Vec<&'a Value>, Vec<&'a Value>, Vec<&'a Value>) {
    let mut come: Vec<&Value> = new.iter().collect();
    let (mut gone, mut alike) = (Vec::new(), Vec::new());
    for item in old {
        match come.iter().position(|other| *other == item) {
            Some(at) => alike.push(come.remove(at)),
            None => gone.push(item),
        }
    }
    (gone, come, alike)
}
