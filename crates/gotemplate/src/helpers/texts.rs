//! Texts: indented, replaced, in other letters.

use super::text;
use crate::Value;

/// Patterns of this size are a mistake.
const MAX_PATTERN_BYTES: usize = 1 << 20;

pub(super) fn indent([spaces, whole]: [&Value; 2], limit: usize) -> Result<Value, String> {
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

pub(super) fn pattern(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|error| format!("{pattern:?} is not a regular expression: {error}"))
}

pub(super) fn bounded_replace(
    pattern: &regex::Regex,
    whole: &str,
    mut replacement: impl regex::Replacer,
    limit: usize,
) -> Result<Value, String> {
    let mut out = String::new();
    let mut from = 0;
    for found in pattern.captures_iter(whole) {
        let all = found.get(0).expect("the whole match is always there");
        out.push_str(&whole[from..all.start()]);
        replacement.replace_append(&found, &mut out);
        if out.len() > limit {
            return Err(format!("the text grows beyond {limit} bytes"));
        }
        from = all.end();
    }
    out.push_str(&whole[from..]);
    Ok(Value::text(out))
}

pub(super) fn title(whole: &str) -> String {
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
