//! Texts: cut, shortened, wrapped, quoted, indented.

use super::{Call, size, whole};
use crate::{Value, print::TooLong, printf};

pub(super) const NAMES: &[&str] = &[
    "abbrev",
    "abbrevboth",
    "cat",
    "contains",
    "fail",
    "hasPrefix",
    "hasSuffix",
    "hello",
    "indent",
    "nindent",
    "plural",
    "quote",
    "repeat",
    "replace",
    "squote",
    "substr",
    "toString",
    "trim",
    "trimAll",
    "trimPrefix",
    "trimSuffix",
    "trimall",
    "trunc",
    "wrap",
    "wrapWith",
];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    Ok(match call.name {
        "hello" => {
            let [] = call.exactly()?;
            Value::text("Hello!")
        }
        "fail" => return Err(call.text()?.to_owned()),
        "trim" => Value::text(call.text()?.trim()),
        "contains" | "hasPrefix" | "hasSuffix" => {
            let [part, whole] = call.texts()?;
            Value::Bool(match call.name {
                "contains" => whole.contains(part),
                "hasPrefix" => whole.starts_with(part),
                _ => whole.ends_with(part),
            })
        }
        "trimAll" | "trimall" | "trimPrefix" | "trimSuffix" => {
            let [cut, whole] = call.texts()?;
            Value::text(match call.name {
                "trimPrefix" => whole.strip_prefix(cut).unwrap_or(whole),
                "trimSuffix" => whole.strip_suffix(cut).unwrap_or(whole),
                _ => whole.trim_matches(|c| cut.contains(c)),
            })
        }
        "quote" | "squote" | "cat" => joined(call)?,
        "toString" => {
            let [value] = call.exactly()?;
            Value::text(call.shown(value)?)
        }
        "plural" => {
            let [one, many, count] = call.exactly()?;
            let chosen = if whole(count)? == 1 { one } else { many };
            Value::text(super::super::text(chosen)?)
        }
        "replace" => {
            let [from, to, whole] = call.texts()?;
            let growth = whole.matches(from).count().saturating_mul(to.len());
            call.grows_to(whole.len().saturating_add(growth))?;
            Value::text(whole.replace(from, to))
        }
        _ => measured(call)?,
    })
}

/// Those that begin with numbers.
fn measured(call: &Call<'_>) -> Result<Value, String> {
    let Some((subject, numbers)) = call.all().split_last() else {
        return Err(String::from("wants numbers and a string"));
    };
    let subject = super::super::text(subject)?;
    Ok(match (call.name, numbers) {
        ("repeat", [count]) => {
            let count = size(count)?;
            call.grows_to(subject.len().saturating_mul(count))?;
            Value::text(subject.repeat(count))
        }
        ("trunc", [length]) => Value::text(truncated(subject, whole(length)?)),
        ("substr", [start, end]) => Value::text(part(subject, whole(start)?, whole(end)?)?),
        ("abbrev", [width]) => Value::text(abbreviated(subject, 0, whole(width)?)),
        ("abbrevboth", [left, right]) => Value::text(abbreviated(subject, whole(left)?, whole(right)?)),
        ("indent" | "nindent", [spaces]) => {
            let spaces = size(spaces)?;
            let lines = subject.matches('\n').count() + 1;
            call.grows_to(spaces.saturating_mul(lines).saturating_add(subject.len()))?;
            let fill = " ".repeat(spaces);
            let indented = format!("{fill}{}", subject.replace('\n', &format!("\n{fill}")));
            Value::text(if call.name == "indent" { indented } else { format!("\n{indented}") })
        }
        ("wrap", [width]) => wrapped(call, subject, whole(width)?, "\n", false)?,
        ("wrapWith", [width, between]) => {
            let between = super::super::text(between)?;
            let between = if between.is_empty() { "\n" } else { between };
            wrapped(call, subject, whole(width)?, between, true)?
        }
        (_, found) => {
            let wanted = if let "substr" | "abbrevboth" | "wrapWith" = call.name { 3 } else { 2 };
            return Err(format!("wrong number of arguments: want {wanted}, got {}", found.len() + 1));
        }
    })
}

/// Values with blanks between them, quoted or not; what is nothing is left out.
fn joined(call: &Call<'_>) -> Result<Value, String> {
    let mut sink = call.sink();
    for value in call.all().iter().filter(|value| **value != Value::Null) {
        let shown = call.shown(value)?;
        let shown = match call.name {
            "quote" => printf::quoted(&shown),
            "squote" => format!("'{shown}'"),
            _ => shown,
        };
        let between = if sink.text.is_empty() { "" } else { " " };
        sink.push(between).and_then(|()| sink.push(&shown)).map_err(|TooLong| call.too_long())?;
    }
    Ok(Value::text(sink.text))
}

/// The first bytes, or with a negative length the last ones. A character that would be cut in two is left out.
fn truncated(whole: &str, length: i64) -> &str {
    let bytes = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if bytes >= whole.len() {
        whole
    } else if length < 0 {
        let mut start = whole.len() - bytes;
        while !whole.is_char_boundary(start) {
            start += 1;
        }
        &whole[start..]
    } else {
        let mut end = bytes;
        while !whole.is_char_boundary(end) {
            end -= 1;
        }
        &whole[..end]
    }
}

/// From byte to byte. A negative start is the start of the text, a negative end its end.
fn part(whole: &str, start: i64, end: i64) -> Result<&str, String> {
    let outside = || format!("{start} to {end} is not inside of a string of {} bytes", whole.len());
    let (start_at, end_at) = if start < 0 {
        (0, usize::try_from(end).map_err(|_| outside())?)
    } else {
        let end_at = usize::try_from(end).unwrap_or(whole.len()).min(whole.len());
        (usize::try_from(start).map_err(|_| outside())?, end_at)
    };
    if start_at > end_at || end_at > whole.len() {
        return Err(outside());
    }
    whole.get(start_at..end_at).ok_or_else(|| String::from("a character would be cut in two"))
}

/// At most `width` characters with `...` where something is missing; from `offset` on, if that is worth it.
fn abbreviated(whole: &str, offset: i64, width: i64) -> String {
    let chars: Vec<char> = whole.chars().collect();
    let Some(width) = usize::try_from(width).ok().filter(|width| *width >= 4) else {
        return whole.to_owned();
    };
    if chars.len() <= width || (offset > 0 && width < 7) {
        return whole.to_owned();
    }
    let kept = width - 3;
    let offset = usize::try_from(offset).unwrap_or(0).min(chars.len() - kept);
    let text = |chars: &[char]| chars.iter().collect::<String>();
    if offset <= 4 {
        return format!("{}...", text(&chars[..kept]));
    }
    if width < 7 {
        return whole.to_owned();
    }
    if offset + kept < chars.len() {
        return format!("...{}...", text(&chars[offset..offset + kept - 3]));
    }
    format!("...{}", text(&chars[chars.len() - kept..]))
}

/// Lines of at most `width` characters, cut at blanks; `long`: words that are longer are cut as well.
fn wrapped(call: &Call<'_>, whole: &str, width: i64, between: &str, long: bool) -> Result<Value, String> {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let chars: Vec<char> = whole.chars().collect();
    let mut sink = call.sink();
    let mut line = |from: usize, to: usize, between: &str| {
        let text: String = chars[from..to].iter().collect();
        sink.push(&text).and_then(|()| sink.push(between)).map_err(|TooLong| call.too_long())
    };
    let mut at = 0;
    while chars.len() - at > width {
        if chars[at] == ' ' {
            at += 1;
            continue;
        }
        let blank = |range: &[char]| range.iter().position(|c| *c == ' ');
        if let Some(end) = chars[at..=at + width].iter().rposition(|c| *c == ' ') {
            line(at, at + end, between)?;
            at += end + 1;
        } else if long {
            line(at, at + width, between)?;
            at += width;
        } else if let Some(end) = blank(&chars[at + width..]) {
            line(at, at + width + end, between)?;
            at += width + end + 1;
        } else {
            break;
        }
    }
    line(at, chars.len(), "")?;
    Ok(Value::text(sink.text))
}
