//! Letters and words: upper and lower case, and what programs make of names.

use super::Call;
use crate::{Value, helpers::texts};

pub(super) const NAMES: &[&str] = &[
    "camelcase",
    "initials",
    "kebabcase",
    "lower",
    "nospace",
    "snakecase",
    "swapcase",
    "title",
    "untitle",
    "upper",
];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    let whole = call.text()?;
    Ok(Value::text(match call.name {
        "camelcase" => camel(whole),
        "initials" => whole.split_whitespace().filter_map(|word| word.chars().next()).collect(),
        "kebabcase" => separated(whole, '-'),
        "lower" => whole.to_lowercase(),
        "nospace" => whole.chars().filter(|c| !c.is_whitespace()).collect(),
        "snakecase" => separated(whole, '_'),
        "swapcase" => swapped(whole),
        "title" => texts::title(whole),
        "untitle" => untitled(whole),
        _ => whole.to_uppercase(),
    }))
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// `http_server` becomes `HttpServer`. Connectors at both ends stay, and of several all but one.
fn camel(whole: &str) -> String {
    let inner = whole.trim_matches(is_connector);
    if inner.is_empty() {
        return whole.to_owned();
    }
    let start = whole.len() - whole.trim_start_matches(is_connector).len();
    let mut out = whole[..start].to_owned();
    let mut fresh = true;
    for c in inner.chars() {
        if is_connector(c) {
            if fresh {
                out.push(c);
            }
            fresh = true;
        } else if fresh {
            out.extend(c.to_uppercase());
            fresh = false;
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out.push_str(&whole[start + inner.len()..]);
    out
}

/// `FirstName` becomes `first_name`, `HTTPServer` `http_server`, `http2xx` `http_2xx`.
fn separated(whole: &str, connector: char) -> String {
    let mut out = String::with_capacity(whole.len() + 8);
    let mut chars = whole.chars().peekable();
    let mut before: Option<char> = None;
    // Of the word that is being written.
    let mut begins_with_digit = false;
    while let Some(c) = chars.next() {
        if is_connector(c) {
            out.push(connector);
            before = None;
            continue;
        }
        let next = chars.peek().copied();
        let splits = before.is_some_and(|before| {
            if c.is_uppercase() {
                !before.is_uppercase() || next.is_some_and(char::is_lowercase)
            } else if c.is_ascii_digit() && !before.is_ascii_digit() {
                let behind = chars.clone().find(|c| !c.is_ascii_digit());
                !begins_with_digit && behind.is_some_and(char::is_lowercase)
            } else {
                false
            }
        });
        if splits {
            out.push(connector);
        }
        if splits || before.is_none() {
            begins_with_digit = c.is_ascii_digit();
        }
        out.extend(c.to_lowercase());
        before = Some(c);
    }
    out
}

/// Upper case for lower, lower for upper; small letters that begin a word are written as titles are, which is upper.
fn swapped(whole: &str) -> String {
    let mut out = String::with_capacity(whole.len());
    for c in whole.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
    }
    out
}

/// The first letter of each word is small.
fn untitled(whole: &str) -> String {
    let mut out = String::with_capacity(whole.len());
    let mut starts = true;
    for c in whole.chars() {
        if starts {
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
        starts = c.is_whitespace();
    }
    out
}
