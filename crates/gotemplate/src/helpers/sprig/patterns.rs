//! Regular expressions. The pattern is the first argument, the text the second.

use regex::NoExpand;

use super::{Call, whole};
use crate::{
    Value,
    helpers::{
        text,
        texts::{bounded_replace, pattern},
    },
};

pub(super) const NAMES: &[&str] = &[
    "regexFind",
    "regexFindAll",
    "regexMatch",
    "regexQuoteMeta",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "regexSplit",
];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    match call.name {
        "regexQuoteMeta" => Ok(Value::text(quoted(call.text()?))),
        "regexMatch" | "regexFind" => {
            let [wanted, whole] = call.texts()?;
            let found = pattern(wanted)?.find(whole);
            Ok(if call.name == "regexMatch" {
                Value::Bool(found.is_some())
            } else {
                Value::text(found.map_or("", |found| found.as_str()))
            })
        }
        "regexReplaceAll" | "regexReplaceAllLiteral" => {
            let [wanted, whole, replacement] = call.texts()?;
            let pattern = pattern(wanted)?;
            if call.name == "regexReplaceAll" {
                bounded_replace(&pattern, whole, replacement, call.setting.bytes)
            } else {
                bounded_replace(&pattern, whole, NoExpand(replacement), call.setting.bytes)
            }
        }
        _ => {
            let [wanted, whole_text, most] = call.exactly()?;
            let (pattern, whole_text) = (pattern(text(wanted)?)?, text(whole_text)?);
            // A negative number: all.
            let most = usize::try_from(whole(most)?).unwrap_or(usize::MAX);
            if most == 0 {
                return Ok(Value::list([]));
            }
            if call.name == "regexFindAll" {
                let found = pattern.find_iter(whole_text).take(most);
                return call.list(found.map(|found| Value::text(found.as_str())));
            }
            call.list(split(&pattern, whole_text, most))
        }
    }
}

/// The parts between the matches; the last of `most` has all that is left. Empty matches at both ends divide nothing.
fn split<'a>(pattern: &'a regex::Regex, whole: &'a str, most: usize) -> impl Iterator<Item = Value> + 'a {
    let mut matches = pattern.find_iter(whole).filter(|found| found.end() > 0);
    let mut from = Some(0);
    let mut count = 0;
    std::iter::from_fn(move || {
        let begin = from?;
        count += 1;
        let next = if count < most { matches.next() } else { None };
        let next = next.filter(|next| !(next.is_empty() && next.start() == whole.len()));
        from = next.map(|next| next.end());
        Some(Value::text(&whole[begin..next.map_or(whole.len(), |next| next.start())]))
    })
}

/// With a backslash before each character that means something in a pattern.
fn quoted(whole: &str) -> String {
    let mut out = String::with_capacity(whole.len());
    for c in whole.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
