//! Functions that consul-template adds and that only compute: texts, lists, maps, numbers, JSON, YAML, TOML, and all of
//! sprig that needs nothing else. A host calls them from its own `Functions`.
//!
//! The value that comes through a pipe is the last argument, so `{{ 10 | subtract 2 }}` is 8.

mod collections; // lists, maps, groups of services
mod encodings; // JSON, digits of bytes
mod numbers; // sums
mod spew; // values with their kinds
mod sprig; // the functions of sprig
mod texts; // indented, replaced, matched
mod toml; // maps as TOML
mod yaml; // YAML, both ways

use std::{collections::BTreeMap, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use md5::Digest;

use self::{
    collections::{explode, grouped, holds},
    encodings::{hex, json},
    numbers::arithmetic,
    texts::{bounded_replace, indent, title},
};
use crate::{Value, print::TooLong};

/// Those without a prefix.
const NAMES: &[&str] = &[
    "add",
    "base64Decode",
    "base64Encode",
    "base64URLDecode",
    "base64URLEncode",
    "byAddress",
    "byMeta",
    "byPort",
    "byTag",
    "contains",
    "containsAll",
    "containsAny",
    "containsNone",
    "containsNotAll",
    "divide",
    "explodeMap",
    "hmacSHA256Hex",
    "in",
    "indent",
    "join",
    "loop",
    "maximum",
    "md5sum",
    "mergeMap",
    "mergeMapWithOverride",
    "minimum",
    "modulo",
    "multiply",
    "parseBool",
    "parseFloat",
    "parseInt",
    "parseJSON",
    "parseUint",
    "parseYAML",
    "regexMatch",
    "regexReplaceAll",
    "replaceAll",
    "sha256Hex",
    "spew_dump",
    "spew_printf",
    "spew_sdump",
    "spew_sprintf",
    "split",
    "splitToMap",
    "subtract",
    "toJSON",
    "toJSONPretty",
    "toLower",
    "toTOML",
    "toTitle",
    "toUnescapedJSON",
    "toUnescapedJSONPretty",
    "toUpper",
    "toYAML",
    "trim",
    "trimAll",
    "trimLeft",
    "trimPrefix",
    "trimRight",
    "trimSpace",
    "trimSuffix",
];

/// What a call may use beside its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Bytes of a text that comes out; lists and maps may have four times as much.
    pub bytes: usize,
    /// Nanoseconds since 1970, UTC.
    pub now: i64,
}

impl Setting {
    /// Items of a list or map.
    fn most_items(&self) -> usize {
        self.bytes / 16
    }

    fn holds(&self, items: usize) -> Result<(), String> {
        if items > self.most_items() {
            return Err(format!("the list grows beyond {} items", self.most_items()));
        }
        Ok(())
    }

    /// A value that is walked through as a whole must not be endless.
    fn bounded(&self, value: &Value) -> Result<(), String> {
        let most = self.bytes.saturating_mul(4);
        value.weight(most).map(drop).ok_or_else(|| format!("the value takes more than {most} bytes"))
    }
}

/// Whether `call` knows the function.
pub fn knows(name: &str) -> bool {
    NAMES.contains(&name) || sprig::knows(name)
}

/// Whether the function changes the map that is its first argument (`Functions::changes_first`).
pub fn changes_first(name: &str) -> bool {
    sprig::changes_first(name)
}

/// Calls a function that is known here.
///
/// # Errors
/// A sentence about the arguments.
pub fn call(name: &str, arguments: &[Value], setting: &Setting) -> Result<Value, String> {
    let limit = setting.bytes;
    let arguments = Arguments(arguments);
    if !NAMES.contains(&name) {
        return sprig::call(name, arguments, setting);
    }
    match name {
        "add" | "subtract" | "multiply" | "divide" | "modulo" | "minimum" | "maximum" => {
            let [second, first] = arguments.exactly()?;
            arithmetic(name, first, second)
        }
        "contains" => {
            let [item, list] = arguments.exactly()?;
            Ok(Value::Bool(holds(list, item)?))
        }
        "in" => {
            let [list, item] = arguments.exactly()?;
            Ok(Value::Bool(holds(list, item)?))
        }
        "containsAll" | "containsAny" | "containsNone" | "containsNotAll" => {
            let [wanted, list] = arguments.exactly()?;
            let found = items(wanted)?.iter().map(|item| holds(list, item));
            let found = found.collect::<Result<Vec<bool>, String>>()?;
            let (all, any) = (found.iter().all(|found| *found), found.iter().any(|found| *found));
            Ok(Value::Bool(match name {
                "containsAll" => all,
                "containsAny" => any,
                "containsNone" => !any,
                _ => !all,
            }))
        }
        "join" => {
            let [separator, list] = arguments.exactly()?;
            let (texts, separator) = (items(list)?.iter().map(text), text(separator)?);
            let texts: Vec<&str> = texts.collect::<Result<_, _>>()?;
            let bytes: usize = texts.iter().map(|text| text.len() + separator.len()).sum();
            if bytes > limit + separator.len() {
                return Err(TooLong::message(limit));
            }
            Ok(Value::text(texts.join(separator)))
        }
        "split" => {
            let [separator, whole] = arguments.texts()?;
            let whole = whole.trim();
            if whole.is_empty() {
                return Ok(Value::list([]));
            }
            setting.holds(whole.split(separator).count())?;
            Ok(Value::list(whole.split(separator).map(Value::text)))
        }
        "splitToMap" => {
            let [pairs, keys, whole] = arguments.texts()?;
            let pairs = whole.split(pairs).filter(|pair| !pair.is_empty());
            Ok(Value::map(pairs.map(|pair| match pair.split_once(keys) {
                Some((key, value)) => (key, Value::text(value)),
                None => (pair, Value::text("")),
            })))
        }
        "indent" => indent(arguments.exactly()?, limit),
        "byTag" | "byPort" | "byAddress" | "byMeta" => grouped(name, arguments.0),
        "explodeMap" => {
            let [map] = arguments.exactly()?;
            explode(self::map(map)?)
        }
        "mergeMap" | "mergeMapWithOverride" => {
            let [target, source] = arguments.exactly()?;
            let (target, source) = (self::map(target)?, self::map(source)?);
            let (weak, strong) = if name == "mergeMap" { (source, target) } else { (target, source) };
            let mut merged = weak.clone();
            merged.extend(strong.iter().map(|(key, value)| (key.clone(), value.clone())));
            Ok(Value::Map(Arc::new(merged)))
        }
        "parseJSON" => {
            let [json] = arguments.texts()?;
            if json.trim().is_empty() {
                return Ok(Value::map::<String>([]));
            }
            serde_json::from_str::<serde_json::Value>(json)
                .map(Value::from)
                .map_err(|error| format!("not JSON: {error}"))
        }
        "toJSON" | "toJSONPretty" | "toUnescapedJSON" | "toUnescapedJSONPretty" => {
            let [value] = arguments.exactly()?;
            json(value, name.ends_with("Pretty"), name.starts_with("toJSON"), setting)
        }
        "parseYAML" => {
            let [yaml] = arguments.texts()?;
            yaml::parse(yaml, setting)
        }
        "toYAML" | "toTOML" => {
            let [value] = arguments.exactly()?;
            setting.bounded(value)?;
            if name == "toYAML" { yaml::write(value, limit) } else { toml::write(value, limit) }
        }
        "spew_dump" | "spew_printf" | "spew_sdump" | "spew_sprintf" => spew::call(name, arguments.0, setting),
        "loop" => numbers::range(arguments.0, setting),
        "hmacSHA256Hex" => {
            let [message, key] = arguments.texts()?;
            Ok(Value::text(encodings::hmac_sha256(message, key)))
        }
        "regexMatch" => {
            let [pattern, whole] = arguments.texts()?;
            Ok(Value::Bool(texts::pattern(pattern)?.is_match(whole)))
        }
        "regexReplaceAll" => {
            let [pattern, replacement, whole] = arguments.texts()?;
            bounded_replace(&texts::pattern(pattern)?, whole, replacement, limit)
        }
        "replaceAll" => {
            let [from, to, whole] = arguments.texts()?;
            let growth = whole.matches(from).count().saturating_mul(to.len());
            if whole.len().saturating_add(growth) > limit {
                return Err(format!("the text grows beyond {limit} bytes"));
            }
            Ok(Value::text(whole.replace(from, to)))
        }
        "trim" | "trimAll" | "trimLeft" | "trimRight" | "trimPrefix" | "trimSuffix" => {
            let [what, whole] = arguments.texts()?;
            let is_cut = |c: char| what.contains(c);
            Ok(Value::text(match name {
                "trimLeft" => whole.trim_start_matches(is_cut),
                "trimRight" => whole.trim_end_matches(is_cut),
                "trimPrefix" => whole.strip_prefix(what).unwrap_or(whole),
                "trimSuffix" => whole.strip_suffix(what).unwrap_or(whole),
                _ => whole.trim_matches(is_cut),
            }))
        }
        _ => {
            let [one] = arguments.exactly()?;
            of_one(name, one)
        }
    }
}

/// Functions of one text.
fn of_one(name: &str, value: &Value) -> Result<Value, String> {
    let whole = text(value)?;
    let not = |what: &str| format!("{whole:?} is not {what}");
    let decoded = |bytes: Result<Vec<u8>, base64::DecodeError>| {
        let bytes = bytes.map_err(|error| format!("not base64: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|_| String::from("what was encoded is not text"))?;
        Ok(Value::text(text))
    };
    Ok(match name {
        "base64Decode" => return decoded(STANDARD.decode(whole)),
        "base64URLDecode" => return decoded(URL_SAFE.decode(whole)),
        "base64Encode" => Value::text(STANDARD.encode(whole)),
        "base64URLEncode" => Value::text(URL_SAFE.encode(whole)),
        "md5sum" => Value::text(hex(&md5::Md5::digest(whole))),
        "sha256Hex" => Value::text(hex(&sha2::Sha256::digest(whole))),
        "toLower" => Value::text(whole.to_lowercase()),
        "toUpper" => Value::text(whole.to_uppercase()),
        "toTitle" => Value::text(title(whole)),
        "trimSpace" => Value::text(whole.trim()),
        "parseBool" => match whole {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Value::Bool(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" | "" => Value::Bool(false),
            _ => return Err(not("a boolean")),
        },
        // Nothing is zero.
        "parseInt" | "parseUint" | "parseFloat" if whole.is_empty() => Value::Int(0),
        "parseInt" => Value::Int(whole.parse().map_err(|_| not("a whole number"))?),
        "parseUint" => {
            let number: i64 = whole.parse().map_err(|_| not("a whole number"))?;
            Value::Int(Some(number).filter(|number| *number >= 0).ok_or_else(|| not("positive"))?)
        }
        "parseFloat" => Value::Float(whole.parse().map_err(|_| not("a number"))?),
        other => return Err(format!("function {other:?} not defined")),
    })
}

#[derive(Clone, Copy)]
struct Arguments<'a>(&'a [Value]);

impl<'a> Arguments<'a> {
    fn exactly<const N: usize>(&self) -> Result<[&'a Value; N], String> {
        let found: Vec<&Value> = self.0.iter().collect();
        found.try_into().map_err(|_| format!("wrong number of arguments: want {N}, got {}", self.0.len()))
    }

    fn texts<const N: usize>(&self) -> Result<[&'a str; N], String> {
        let mut texts = [""; N];
        for (place, value) in texts.iter_mut().zip(self.exactly::<N>()?) {
            *place = text(value)?;
        }
        Ok(texts)
    }
}

fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Null => Ok(""),
        value => value.as_text().ok_or_else(|| format!("wants a string, found a {}", value.kind())),
    }
}

fn items(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::List(items) => Ok(items),
        Value::Null => Ok(&[]),
        other => Err(format!("wants a list, found a {}", other.kind())),
    }
}

fn map(value: &Value) -> Result<&BTreeMap<String, Value>, String> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(format!("wants a map, found a {}", other.kind())),
    }
}

#[cfg(test)]
mod tests;
