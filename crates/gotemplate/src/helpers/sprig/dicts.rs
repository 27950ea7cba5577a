//! Maps. `set`, `unset` and the merging ones change the map that the variable in their first argument has; the engine
//! sees to that (`Functions::changes_first`).

use std::{collections::BTreeMap, sync::Arc};

use super::Call;
use crate::{
    Value,
    helpers::{map, text},
};

pub(super) const NAMES: &[&str] = &[
    "dict",
    "dig",
    "get",
    "hasKey",
    "keys",
    "merge",
    "mergeOverwrite",
    "omit",
    "pick",
    "pluck",
    "set",
    "unset",
    "values",
];

type Map = BTreeMap<String, Value>;

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    call.setting.holds(call.all().len())?;
    match call.name {
        "dict" => {
            let mut new = Map::new();
            for pair in call.all().chunks(2) {
                let value = pair.get(1).cloned().unwrap_or_else(|| Value::text(""));
                new.insert(call.shown(&pair[0])?, value);
            }
            Ok(Value::Map(Arc::new(new)))
        }
        "get" => {
            let [whole, key] = call.exactly()?;
            Ok(map(whole)?.get(text(key)?).cloned().unwrap_or_else(|| Value::text("")))
        }
        "hasKey" => {
            let [whole, key] = call.exactly()?;
            Ok(Value::Bool(map(whole)?.contains_key(text(key)?)))
        }
        "set" => {
            let [whole, key, value] = call.exactly()?;
            let mut new = map(whole)?.clone();
            new.insert(text(key)?.to_owned(), value.clone());
            call.setting.holds(new.len())?;
            Ok(Value::Map(Arc::new(new)))
        }
        "unset" => {
            let [whole, key] = call.exactly()?;
            let mut new = map(whole)?.clone();
            new.remove(text(key)?);
            Ok(Value::Map(Arc::new(new)))
        }
        "keys" => {
            let maps = maps(call.all())?;
            call.list(maps.into_iter().flat_map(BTreeMap::keys).map(Value::text))
        }
        "values" => {
            let [whole] = call.exactly()?;
            call.list(map(whole)?.values().cloned())
        }
        "pluck" => {
            let (key, rest) = call.first("a key, and maps")?;
            let key = text(key)?;
            call.list(maps(rest)?.into_iter().filter_map(|map| map.get(key)).cloned())
        }
        "pick" | "omit" => {
            let (whole, keys) = call.first("a map, and keys")?;
            let keys = keys.iter().map(text).collect::<Result<Vec<&str>, String>>()?;
            let wanted = |key: &&str| keys.contains(key) == (call.name == "pick");
            let kept = map(whole)?.iter().filter(|(key, _)| wanted(&key.as_str()));
            Ok(Value::map(kept.map(|(key, value)| (key.clone(), value.clone()))))
        }
        "dig" => dig(call),
        _ => {
            let (target, sources) = call.first("maps")?;
            call.bounded(call.all())?;
            let mut merged = map(target)?.clone();
            for source in maps(sources)? {
                merge(&mut merged, source, call.name == "mergeOverwrite");
                call.setting.holds(merged.len())?;
            }
            Ok(Value::Map(Arc::new(merged)))
        }
    }
}

fn maps(values: &[Value]) -> Result<Vec<&Map>, String> {
    values.iter().map(map).collect()
}

/// Maps in maps are merged as well; empty values count as absent.
fn merge(target: &mut Map, source: &Map, overwrites: bool) {
    for (key, value) in source {
        match (target.get_mut(key), value) {
            (Some(Value::Map(inner)), Value::Map(more)) if !inner.is_empty() => {
                merge(Arc::make_mut(inner), more, overwrites);
            }
            (Some(old), new) => {
                if if overwrites { new.is_true() } else { !old.is_true() } {
                    *old = new.clone();
                }
            }
            (None, new) => {
                target.insert(key.clone(), new.clone());
            }
        }
    }
}

/// `dig "a" "b" default map`: what is found on the way through the keys.
fn dig(call: &Call<'_>) -> Result<Value, String> {
    let [keys @ .., default, whole] = call.all() else {
        return Err(String::from("wants keys, a default and a map"));
    };
    if keys.is_empty() {
        return Err(String::from("wants keys, a default and a map"));
    }
    let mut found = whole;
    for key in keys {
        match map(found)?.get(text(key)?) {
            Some(inner) => found = inner,
            None => return Ok(default.clone()),
        }
    }
    Ok(found.clone())
}
