//! Lists, and texts as lists. Lists do not change: functions make new ones.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use sha2::{Digest as _, Sha256};

use super::{Call, numbers, size, whole};
use crate::{
    Value,
    helpers::{items, text},
    print::TooLong,
};

pub(super) const NAMES: &[&str] = &[
    "append",
    "chunk",
    "compact",
    "concat",
    "first",
    "has",
    "initial",
    "join",
    "last",
    "list",
    "prepend",
    "push",
    "rest",
    "reverse",
    "slice",
    "sortAlpha",
    "split",
    "splitList",
    "splitn",
    "toStrings",
    "tuple",
    "uniq",
    "without",
];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    match call.name {
        "list" | "tuple" => call.list(call.all().iter().cloned()),
        "append" | "push" | "prepend" => {
            let [list, item] = call.exactly()?;
            let list = items(list)?.iter();
            if call.name == "prepend" {
                call.list([item].into_iter().chain(list).cloned())
            } else {
                call.list(list.chain([item]).cloned())
            }
        }
        "concat" => {
            let lists = call.all().iter().map(items).collect::<Result<Vec<&[Value]>, String>>()?;
            call.list(lists.into_iter().flatten().cloned())
        }
        "has" => {
            let [item, list] = call.exactly()?;
            call.bounded(call.all())?;
            Ok(Value::Bool(items(list)?.contains(item)))
        }
        "without" => {
            let (list, omitted) = call.first("a list, and items that are left out")?;
            call.bounded(call.all())?;
            call.list(items(list)?.iter().filter(|item| !omitted.contains(item)).cloned())
        }
        "slice" => slice(call),
        "chunk" => {
            let [count, list] = call.exactly()?;
            let count = size(count)?;
            if count == 0 {
                return Err(String::from("wants a number of items above 0"));
            }
            call.list(items(list)?.chunks(count).map(|chunk| Value::list(chunk.iter().cloned())))
        }
        "join" => joined(call),
        "split" | "splitn" | "splitList" => split(call),
        _ => of_one(call),
    }
}

fn of_one(call: &Call<'_>) -> Result<Value, String> {
    let [list] = call.exactly()?;
    if let "toStrings" | "sortAlpha" = call.name {
        let mut strings = call.strings(list)?;
        if call.name == "sortAlpha" {
            strings.sort();
        }
        return call.list(strings.into_iter().map(Value::from));
    }
    let items = items(list)?;
    match call.name {
        "first" => Ok(items.first().cloned().unwrap_or_default()),
        "last" => Ok(items.last().cloned().unwrap_or_default()),
        "rest" => call.list(items.iter().skip(1).cloned()),
        "initial" => call.list(items[..items.len().saturating_sub(1)].iter().cloned()),
        "reverse" => call.list(items.iter().rev().cloned()),
        "compact" => call.list(items.iter().filter(|item| item.is_true()).cloned()),
        _ => {
            call.bounded(call.all())?;
            let mut seen = BTreeSet::new();
            call.list(items.iter().filter(|item| seen.insert(key(item))).cloned())
        }
    }
}

/// Equal for equal values, different for others, and small for large ones.
fn key(value: &Value) -> [u8; 32] {
    struct Hashing(Sha256);
    impl fmt::Write for Hashing {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.update(text);
            Ok(())
        }
    }
    let mut hashing = Hashing(Sha256::new());
    write!(hashing, "{value:?}").expect("hashing never fails");
    hashing.0.finalize().into()
}

/// `slice list`, `slice list from`, `slice list from to`
fn slice(call: &Call<'_>) -> Result<Value, String> {
    let (list, bounds) = call.first("a list and at most two indexes")?;
    let items = items(list)?;
    if items.is_empty() {
        return Ok(Value::Null);
    }
    let (start, end) = match bounds {
        [] => (0, items.len()),
        [start] => (numbers::index(start, items.len())?, items.len()),
        [start, end] => (numbers::index(start, items.len())?, numbers::index(end, items.len())?),
        _ => return Err(String::from("wants a list and at most two indexes")),
    };
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    call.list(items[start..end].iter().cloned())
}

fn joined(call: &Call<'_>) -> Result<Value, String> {
    let [between, list] = call.exactly()?;
    let between = text(between)?;
    let mut sink = call.sink();
    for (index, part) in call.strings(list)?.iter().enumerate() {
        let between = if index > 0 { between } else { "" };
        sink.push(between).and_then(|()| sink.push(part)).map_err(|TooLong| call.too_long())?;
    }
    Ok(Value::text(sink.text))
}

/// `splitList` gives a list, the others a map with the keys `_0`, `_1`, ..
fn split(call: &Call<'_>) -> Result<Value, String> {
    let (separator, most, whole_text) = if call.name == "splitn" {
        let [separator, most, whole_text] = call.exactly()?;
        (text(separator)?, whole(most)?, text(whole_text)?)
    } else {
        let [separator, whole_text] = call.texts()?;
        (separator, -1, whole_text)
    };
    let parts = parts(whole_text, separator, most).take(call.setting.most_items() + 1);
    let parts: Vec<&str> = parts.collect();
    call.setting.holds(parts.len())?;
    let parts = parts.into_iter().map(Value::text);
    if call.name == "splitList" {
        return call.list(parts);
    }
    Ok(Value::map(parts.enumerate().map(|(index, part)| (format!("_{index}"), part))))
}

/// At most `most` parts, the last with all that is left; a negative number: as many as there are. Without a separator
/// the parts are characters.
fn parts<'a>(whole: &'a str, separator: &'a str, most: i64) -> impl Iterator<Item = &'a str> {
    let mut left = most;
    let mut rest = (!(separator.is_empty() && whole.is_empty())).then_some(whole);
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let text = rest?;
        let cut = if left == 1 {
            None
        } else if separator.is_empty() {
            text.chars().next().map(char::len_utf8).filter(|end| *end < text.len()).map(|end| (end, end))
        } else {
            text.find(separator).map(|at| (at, at + separator.len()))
        };
        left = if left > 0 { left - 1 } else { left };
        rest = cut.map(|(_, behind)| &text[behind..]);
        Some(cut.map_or(text, |(end, _)| &text[..end]))
    })
}
