//! Values that a template keeps while it is rendered.

use std::{collections::BTreeMap, sync::Arc};

use gotemplate::Value;

/// More would be a way to fill the memory.
const MAX_KEYS: usize = 10_000;

/// Of a value in a map.
const MAX_WEIGHT: usize = 4 * super::MAX_BYTES;

#[derive(Debug, Default)]
pub(super) struct Scratch {
    values: BTreeMap<String, Value>,
}

impl Scratch {
    pub(super) fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let Some((Value::Text(key), rest)) = arguments.split_first() else {
            return Err(String::from("wants a key, which is a string"));
        };
        let key = key.to_string();
        if self.values.len() >= MAX_KEYS && !self.values.contains_key(&key) {
            return Err(format!("more than {MAX_KEYS} keys"));
        }
        match (name, rest) {
            ("Key", []) => Ok(Value::Bool(self.values.contains_key(&key))),
            ("Get", []) => Ok(self.values.get(&key).cloned().unwrap_or_default()),
            ("Set", [value]) => {
                self.values.insert(key, value.clone());
                Ok(Value::text(""))
            }
            ("SetX", [value]) => {
                self.values.entry(key).or_insert_with(|| value.clone());
                Ok(Value::text(""))
            }
            ("MapSet" | "MapSetX", [Value::Text(inner), value]) => {
                let Value::Map(map) = self.values.entry(key).or_insert_with(|| Value::map::<String>([]))
                else {
                    return Err(String::from("the key has a value that is no map"));
                };
                // A map that is put into itself again and again would be deeper each time.
                if value.weight(MAX_WEIGHT).is_none() {
                    return Err(String::from("the value is too large, or too deep"));
                }
                let map = Arc::make_mut(map);
                if map.len() >= MAX_KEYS {
                    return Err(format!("more than {MAX_KEYS} keys"));
                }
                if name == "MapSet" || !map.contains_key(inner.as_ref()) {
                    map.insert(inner.to_string(), value.clone());
                }
                Ok(Value::text(""))
            }
            ("MapValues", []) => match self.values.get(&key) {
                None => Ok(Value::list([])),
                Some(Value::Map(map)) => Ok(Value::list(map.values().cloned())),
                Some(_) => Err(String::from("the key has a value that is no map")),
            },
            _ => Err(format!("no method {name} with {} arguments", arguments.len())),
        }
    }
}
