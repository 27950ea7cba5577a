//! What stands between quotes, and lists and maps of it.

use std::{collections::BTreeMap, time::Duration};

use hcl::{Expression, Object, ObjectKey, TemplateExpr};

/// A text. `${..}` that is filled in when the task runs stays as it is; what would be worked out when the file is read
/// is escaped, so that it comes out as it went in.
pub(super) fn quoted(text: &str) -> Expression {
    let mut out = String::with_capacity(text.len() + 2);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if rest.starts_with("${") {
            // After a dollar sign it would be taken for an escape.
            if !is_of_run_time(rest) || out.ends_with('$') {
                out.push('$');
            }
            out.push_str("${");
            rest = &rest[2..];
            continue;
        }
        if rest.starts_with("%{") {
            out.push_str("%%{");
            rest = &rest[2..];
            continue;
        }
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
        rest = &rest[letter.len_utf8()..];
    }
    Expression::from(TemplateExpr::QuotedString(out))
}

/// A plain name in braces that no file gives a meaning to.
fn is_of_run_time(text: &str) -> bool {
    let Some((inner, _)) = text[2..].split_once('}') else { return false };
    let root = inner.split('.').next().unwrap_or_default();
    let is_name = inner.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && inner.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'))
        && inner
            .split('.')
            .all(|part| part.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_'));
    is_name && !matches!(root, "var" | "local" | "true" | "false" | "null")
}

pub(super) fn texts(items: &[String]) -> Expression {
    Expression::Array(items.iter().map(|item| quoted(item)).collect())
}

pub(super) fn map(items: &BTreeMap<String, String>) -> Expression {
    object(items.iter().map(|(key, value)| (key.as_str(), quoted(value))))
}

pub(super) fn object<'a>(items: impl Iterator<Item = (&'a str, Expression)>) -> Expression {
    let entries = items.map(|(key, value)| (ObjectKey::from(quoted(key)), value));
    Expression::Object(entries.collect::<Object<_, _>>())
}

pub(super) fn span(span: Duration) -> Expression {
    Expression::from(model::time::format_duration(span))
}
