//! Lists and maps, groups of services among them.

use std::{collections::BTreeMap, sync::Arc};

use super::{Arguments, items, map, text};
use crate::Value;

/// Of a list its items, of a map its values, of a text its parts.
pub(super) fn holds(whole: &Value, item: &Value) -> Result<bool, String> {
    match whole {
        Value::List(items) => Ok(items.contains(item)),
        Value::Map(map) => Ok(map.values().any(|value| value == item)),
        Value::Text(whole) => Ok(whole.contains(text(item)?)),
        Value::Null => Ok(false),
        other => Err(format!("wants a list, found a {}", other.kind())),
    }
}

/// Instances of services by something they have: one that has several is there several times.
pub(super) fn grouped(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let arguments = Arguments(arguments);
    let (key, list) = if name == "byMeta" {
        let [key, list] = arguments.exactly()?;
        (text(key)?, list)
    } else {
        let [list] = arguments.exactly()?;
        ("", list)
    };
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for item in items(list)? {
        let fields = map(item)?;
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let keys: Vec<Value> = match name {
            "byTag" => items(&field("Tags"))?.to_vec(),
            "byPort" => vec![field("Port")],
            "byAddress" => vec![field("Address")],
            _ => vec![map(&field("ServiceMeta"))?.get(key).cloned().unwrap_or_default()],
        };
        for key in keys {
            let key = match key {
                Value::Text(text) => text.to_string(),
                Value::Int(number) => number.to_string(),
                _ => String::new(),
            };
            groups.entry(key).or_default().push(item.clone());
        }
    }
    Ok(Value::map(groups.into_iter().map(|(key, items)| (key, Value::list(items)))))
}

/// `{"a/b": 1}` becomes `{"a": {"b": 1}}`.
pub(super) fn explode(flat: &BTreeMap<String, Value>) -> Result<Value, String> {
    fn put(map: &mut BTreeMap<String, Value>, path: &str, value: &Value, depth: usize) -> Result<(), String> {
        if depth > 64 {
            return Err(String::from("the keys have more than 64 parts"));
        }
        match path.split_once('/') {
            None => {
                map.insert(path.to_owned(), value.clone());
                Ok(())
            }
            Some((head, rest)) => {
                let inner = map.entry(head.to_owned()).or_insert_with(|| Value::map::<String>([]));
                let Value::Map(inner) = inner else {
                    return Err(format!("{head:?} is a value and a part of another key"));
                };
                put(Arc::make_mut(inner), rest, value, depth + 1)
            }
        }
    }
    let mut whole = BTreeMap::new();
    for (key, value) in flat {
        put(&mut whole, key.trim_matches('/'), value, 0)?;
    }
    Ok(Value::Map(Arc::new(whole)))
}
