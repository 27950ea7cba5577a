//! Functions that consul-template adds and that only compute: texts, lists, maps, numbers, JSON. A host calls them from
//! its own `Functions`.
//!
//! The value that comes through a pipe is the last argument, so `{{ 10 | subtract 2 }}` is 8.

use std::{collections::BTreeMap, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use md5::Digest;

use crate::Value;

pub const NAMES: &[&str] = &[
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
    "in",
    "indent",
    "join",
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
    "regexMatch",
    "regexReplaceAll",
    "replaceAll",
    "sha256Hex",
    "split",
    "splitToMap",
    "subtract",
    "toJSON",
    "toJSONPretty",
    "toLower",
    "toTitle",
    "toUnescapedJSON",
    "toUnescapedJSONPretty",
    "toUpper",
    "trim",
    "trimAll",
    "trimLeft",
    "trimPrefix",
    "trimRight",
    "trimSpace",
    "trimSuffix",
];

/// Patterns of this size are a mistake.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Calls one of `NAMES`. `limit`: bytes of a text that comes out.
///
/// # Errors
/// A sentence about the arguments.
pub fn call(name: &str, arguments: &[Value], limit: usize) -> Result<Value, String> {
    let arguments = Arguments(arguments);
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
            let texts: Vec<&str> = items(list)?.iter().map(text).collect::<Result<_, _>>()?;
            Ok(Value::text(texts.join(text(separator)?)))
        }
        "split" => {
            let [separator, whole] = arguments.texts()?;
            let whole = whole.trim();
            if whole.is_empty() {
                return Ok(Value::list([]));
            }
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
            json(value, name.ends_with("Pretty"), name.starts_with("toJSON"))
        }
        "regexMatch" => {
            let [pattern, whole] = arguments.texts()?;
            Ok(Value::Bool(self::pattern(pattern)?.is_match(whole)))
        }
        "regexReplaceAll" => {
            let [pattern, replacement, whole] = arguments.texts()?;
            bounded_replace(&self::pattern(pattern)?, whole, replacement, limit)
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

/// Of a list its items, of a map its values, of a text its parts.
fn holds(whole: &Value, item: &Value) -> Result<bool, String> {
    match whole {
        Value::List(items) => Ok(items.contains(item)),
        Value::Map(map) => Ok(map.values().any(|value| value == item)),
        Value::Text(whole) => Ok(whole.contains(text(item)?)),
        Value::Null => Ok(false),
        other => Err(format!("wants a list, found a {}", other.kind())),
    }
}

fn arithmetic(name: &str, first: &Value, second: &Value) -> Result<Value, String> {
    if let (Value::Int(first), Value::Int(second)) = (first, second) {
        let number = match name {
            "add" => first.checked_add(*second),
            "subtract" => first.checked_sub(*second),
            "multiply" => first.checked_mul(*second),
            "minimum" => Some(*first.min(second)),
            "maximum" => Some(*first.max(second)),
            _ if *second == 0 => return Err(String::from("division by zero")),
            "divide" => first.checked_div(*second),
            _ => first.checked_rem(*second),
        };
        return number.map(Value::Int).ok_or_else(|| String::from("the number does not fit into 64 bits"));
    }
    let number = |value: &Value| match value {
        Value::Int(number) => Ok(*number as f64),
        Value::Float(number) => Ok(*number),
        other => Err(format!("wants numbers, found a {}", other.kind())),
    };
    let (first, second) = (number(first)?, number(second)?);
    Ok(Value::Float(match name {
        "add" => first + second,
        "subtract" => first - second,
        "multiply" => first * second,
        "divide" => first / second,
        "minimum" => first.min(second),
        "maximum" => first.max(second),
        _ => return Err(String::from("wants whole numbers")),
    }))
}

fn indent([spaces, whole]: [&Value; 2], limit: usize) -> Result<Value, String> {
    let Value::Int(spaces) = spaces else { return Err(String::from("wants a number and a string")) };
    let spaces = usize::try_from(*spaces).map_err(|_| String::from("wants a number that is not negative"))?;
    let whole = text(whole)?;
    let lines = whole.matches('\n').count() + 1;
    if spaces.saturating_mul(lines).saturating_add(whole.len()) > limit {
        return Err(format!("the text grows beyond {limit} bytes"));
    }
    let fill = " ".repeat(spaces);
    let mut out = String::with_capacity(whole.len() + fill.len() * lines);
    for line in whole.split_inclusive('\n') {
        out.push_str(&fill);
        out.push_str(line);
    }
    Ok(Value::text(out))
}

/// Instances of services by something they have: one that has several is there several times.
fn grouped(name: &str, arguments: &[Value]) -> Result<Value, String> {
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
fn explode(flat: &BTreeMap<String, Value>) -> Result<Value, String> {
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

fn json(value: &Value, pretty: bool, escaped: bool) -> Result<Value, String> {
    let json = value.to_json();
    let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
    let mut text = text.map_err(|error| error.to_string())?;
    if escaped {
        text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    }
    Ok(Value::text(text))
}

fn pattern(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|error| format!("{pattern:?} is not a regular expression: {error}"))
}

fn bounded_replace(
    pattern: &regex::Regex,
    whole: &str,
    replacement: &str,
    limit: usize,
) -> Result<Value, String> {
    let mut out = String::new();
    let mut from = 0;
    for found in pattern.captures_iter(whole) {
        let all = found.get(0).expect("the whole match is always there");
        out.push_str(&whole[from..all.start()]);
        found.expand(replacement, &mut out);
        if out.len() > limit {
            return Err(format!("the text grows beyond {limit} bytes"));
        }
        from = all.end();
    }
    out.push_str(&whole[from..]);
    Ok(Value::text(out))
}

fn title(whole: &str) -> String {
    let mut starts = true;
    let mut out = String::with_capacity(whole.len());
    for c in whole.chars() {
        if starts {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        starts = !(c.is_alphanumeric() || matches!(c, '_' | '\''));
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delimiters, Functions, Limits, Template};

    struct Helpers;

    impl Functions for Helpers {
        fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
            call(name, arguments, 10_000)
        }
    }

    fn render(text: &str) -> Result<String, crate::Error> {
        let known = |name: &str| {
            if NAMES.contains(&name) { Ok(()) } else { Err(format!("function {name:?} not defined")) }
        };
        let instance = |name: &str, tags: &[&str]| {
            Value::map([
                ("Name", Value::text(name)),
                ("Tags", Value::list(tags.iter().map(Value::text))),
                ("Port", Value::Int(80)),
            ])
        };
        let data = Value::list([instance("a", &["x", "y"]), instance("b", &["y"])]);
        Template::parse(text, &Delimiters::default(), &known)?.render(&data, &mut Helpers, &Limits::default())
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        match render(text) {
            Ok(found) => assert_eq!(found, expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = render(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }

    #[test]
    fn numbers() {
        check(
            "{{10 | subtract 2}} {{add 1 2}} {{7 | divide 2}} {{7 | modulo 4}} {{2 | multiply 3}}",
            "8 3 3 3 6",
        );
        check("{{maximum 2 5}} {{minimum 2 5}} {{7.0 | divide 2}} {{add 0.5 1}}", "5 2 3.5 1.5");
        check(
            "{{\"12\" | parseInt | add 1}} {{parseFloat \"1.5\"}} {{parseBool \"true\"}} {{parseUint \"\"}}",
            "13 1.5 true 0",
        );
        refused("{{1 | divide 0}}", "division by zero");
        refused("{{9223372036854775807 | add 1}}", "64 bits");
        refused("{{parseUint \"-1\"}}", "not positive");
        refused("{{parseInt \"x\"}}", "\"x\" is not a whole number");
    }

    #[test]
    fn texts() {
        check("{{\"a,b\" | split \",\" | join \"-\"}}{{range split \",\" \"\"}}x{{end}}", "a-b");
        check("{{\"x y\" | toUpper}} {{toLower \"AB\"}} {{toTitle \"the end\"}}", "X Y ab The End");
        check(
            "{{\"xxaxx\" | trim \"x\"}} {{trimLeft \"x\" \"xax\"}} {{trimSuffix \".d\" \"a.d\"}} {{trimSpace \" a \"}}|",
            "a ax a a|",
        );
        check(
            "{{\"a.b.c\" | replaceAll \".\" \"_\"}} {{\"a1b22\" | regexReplaceAll \"[0-9]+\" \"<$0>\"}}",
            "a_b_c a<1>b<22>",
        );
        check("{{\"foo\" | regexMatch \"^f\"}} {{regexMatch \"^x\" \"foo\"}}", "true false");
        check("{{\"a\\nb\\n\" | indent 2}}|", "  a\n  b\n|");
        check(
            "{{base64Encode \"hi\"}} {{base64Decode \"aGk=\"}} {{md5sum \"\"}}",
            "aGk= hi d41d8cd98f00b204e9800998ecf8427e",
        );
        check("{{sha256Hex \"\" | printf \"%.8s\"}}", "e3b0c442");
        refused("{{regexMatch \"(\" \"x\"}}", "is not a regular expression");
        refused("{{\"a\\nb\" | indent 9000}}", "grows beyond");
        refused("{{base64Decode \"%\"}}", "not base64");
    }

    #[test]
    fn lists_and_maps() {
        check(
            "{{range $tag, $services := byTag .}}{{$tag}}:{{range $services}}{{.Name}}{{end}} {{end}}",
            "x:a y:ab ",
        );
        check("{{range byPort .}}{{len .}}{{end}}", "2");
        check(
            "{{with index . 0}}{{.Tags | contains \"x\"}} {{containsAll (split \",\" \"x,z\") .Tags}} {{in .Tags \"z\"}}{{end}}",
            "true false false",
        );
        check("{{(splitToMap \",\" \":\" \"a:1,b:2\").b}}", "2");
        check("{{with parseJSON \"{\\\"a/b\\\":1,\\\"c\\\":2}\" | explodeMap}}{{.a.b}}{{.c}}{{end}}", "12");
        check(
            "{{$a := parseJSON \"{\\\"x\\\":1}\"}}{{$b := parseJSON \"{\\\"x\\\":2,\\\"y\\\":3}\"}}{{mergeMap $a $b | toJSON}}{{mergeMapWithOverride $a $b | toJSON}}",
            "{\"x\":1,\"y\":3}{\"x\":2,\"y\":3}",
        );
        check("{{\"<\" | toJSON}} {{\"<\" | toUnescapedJSON}}", "\"\\u003c\" \"<\"");
        refused("{{parseJSON \"{\"}}", "not JSON");
        refused("{{join \",\" 5}}", "wants a list, found a int");
    }

    #[test]
    fn every_name_is_a_function() {
        for name in NAMES {
            for arguments in
                [vec![], vec![Value::text("1")], vec![Value::Int(1); 2], vec![Value::text("1"); 3]]
            {
                let found = call(name, &arguments, 100);
                assert!(!matches!(&found, Err(error) if error.contains("not defined")), "{name}: {found:?}");
            }
        }
    }
}
