//! Reading a task's `config`: every driver asks for its keys by name and type.

use std::{collections::BTreeMap, time::Duration};

use model::{Value, time::parse_duration};

use crate::actors::ports::DriverError;

/// The `config` of one task.
#[derive(Debug, Clone, Copy)]
pub struct Config<'a>(pub &'a BTreeMap<String, Value>);

type Result<T> = std::result::Result<T, DriverError>;

impl<'a> Config<'a> {
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| **value != Value::Null)
    }

    /// Fails on a key that the driver does not know: nothing is ignored.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(DriverError::Fatal(format!("config has no field `{key}` in this driver"))),
            None => Ok(()),
        }
    }

    /// Numbers and booleans are taken as they are written.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        self.get(key)
            .map(|value| plain(value).ok_or_else(|| wrong(key, "a string", value)))
            .transpose()
            .map(|text| text.filter(|text| !text.is_empty()))
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.get(key)
            .map(|value| match value {
                Value::Bool(flag) => Ok(*flag),
                Value::Text(text) => text.parse().map_err(|_| wrong(key, "true or false", value)),
                _ => Err(wrong(key, "true or false", value)),
            })
            .transpose()
    }

    pub fn int(&self, key: &str) -> Result<Option<i64>> {
        self.get(key)
            .map(|value| match value {
                Value::Int(number) => Ok(*number),
                Value::Float(number) if number.fract() == 0.0 => Ok(*number as i64),
                Value::Text(text) => text.trim().parse().map_err(|_| wrong(key, "a number", value)),
                _ => Err(wrong(key, "a number", value)),
            })
            .transpose()
    }

    /// `90s`, `1m30s`, or a bare number of nanoseconds as the HTTP API writes it.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>> {
        self.get(key)
            .map(|value| {
                match value {
                    Value::Int(nanos) => u64::try_from(*nanos).ok().map(Duration::from_nanos),
                    Value::Text(text) => parse_duration(text.trim()),
                    _ => None,
                }
                .ok_or_else(|| wrong(key, "a duration like \"90s\"", value))
            })
            .transpose()
    }

    /// A single string stands for a list of one.
    pub fn list(&self, key: &str) -> Result<Vec<String>> {
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::List(items)) => items
                .iter()
                .map(|item| plain(item).ok_or_else(|| wrong(key, "a list of strings", item)))
                .collect(),
            Some(value) => {
                plain(value).map(|one| vec![one]).ok_or_else(|| wrong(key, "a list of strings", value))
            }
        }
    }

    /// A block of which there is one; as job files give it, a list of one, or as the API does, a map.
    pub fn block(&self, key: &str) -> Result<Option<&'a BTreeMap<String, Value>>> {
        let mut blocks = self.blocks(key)?;
        match (blocks.pop(), blocks.is_empty()) {
            (Some(_), false) => {
                Err(DriverError::Fatal(format!("config field `{key}` is there more than once")))
            }
            (only, _) => Ok(only),
        }
    }

    /// Blocks, or a list of maps.
    pub fn blocks(&self, key: &str) -> Result<Vec<&'a BTreeMap<String, Value>>> {
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Map(map)) => Ok(vec![map]),
            Some(Value::List(items)) => items
                .iter()
                .map(|item| match item {
                    Value::Map(map) => Ok(map),
                    _ => Err(wrong(key, "a map", item)),
                })
                .collect(),
            Some(value) => Err(wrong(key, "a map", value)),
        }
    }

    /// Job files write maps as blocks too, which arrive as lists of maps: they are joined.
    pub fn map(&self, key: &str) -> Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for (name, value) in self.blocks(key)?.into_iter().flatten() {
            all.insert(name.clone(), plain(value).ok_or_else(|| wrong(key, "a map of strings", value))?);
        }
        Ok(all)
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn wrong(key: &str, wanted: &str, found: &Value) -> DriverError {
    let found = serde_json::to_string(found).unwrap_or_default();
    DriverError::Fatal(format!("config field `{key}` must be {wanted}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> BTreeMap<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn reads_each_shape() {
        let map = config(
            r#"{"image":"redis:3.2","n":5,"flag":true,"list":["a",1],"one":"x","wait":"1m30s",
                "ports":[{"db":6379},{"http":"80"}],"none":null}"#,
        );
        let config = Config(&map);
        assert_eq!(config.text("image").unwrap().as_deref(), Some("redis:3.2"));
        assert_eq!(config.int("n").unwrap(), Some(5));
        assert_eq!(config.flag("flag").unwrap(), Some(true));
        assert_eq!(config.list("list").unwrap(), ["a", "1"]);
        assert_eq!(config.list("one").unwrap(), ["x"]);
        assert_eq!(config.duration("wait").unwrap(), Some(Duration::from_secs(90)));
        let ports = config.map("ports").unwrap();
        assert_eq!(ports["db"], "6379");
        assert_eq!(ports["http"], "80");
        assert_eq!(config.text("none").unwrap(), None);
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        let map = config(r#"{"image":["x"],"commnd":"x"}"#);
        let error = Config(&map).text("image").unwrap_err();
        assert_eq!(error.to_string(), "config field `image` must be a string, found [\"x\"]");
        assert!(Config(&map).only(&["image"]).unwrap_err().to_string().contains("commnd"));
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("10s", Some(10_000)),
            ("1.5s", Some(1500)),
            ("250ms", Some(250)),
            ("1h1m", Some(3_660_000)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("s", None),
        ] {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }
}
