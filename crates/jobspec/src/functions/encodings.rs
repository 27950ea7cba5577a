//! Base64, JSON, CSV, URLs.

use std::{collections::BTreeMap, rc::Rc};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::arguments::{Answer, Call, Refusal};
use crate::eval::{Growing, MAX_DEPTH, Val};

pub(super) fn base64decode(call: &mut Call<'_, '_>) -> Answer {
    let text = call.text(0)?;
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|error| {
        Refusal::of(0, format!("this is not base64: {}", error.to_string().to_lowercase()))
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Val::text(text)),
        Err(_) => Err(Refusal::of(0, "what is encoded is not text in UTF-8")),
    }
}

pub(super) fn base64encode(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(STANDARD.encode(call.text(0)?.as_bytes())))
}

/// What is not a letter, digit, `-`, `_`, `.` or `~` becomes `%XX`; a blank becomes `+`.
pub(super) fn urlencode(call: &mut Call<'_, '_>) -> Answer {
    let text = call.text(0)?;
    let mut out = Growing::default();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte).encode_utf8(&mut [0; 4]))?;
            }
            b' ' => out.push("+")?,
            _ => out.push(&format!("%{byte:02X}"))?,
        }
    }
    Ok(Val::text(out.finish()))
}

pub(super) fn jsondecode(call: &mut Call<'_, '_>) -> Answer {
    let text = call.text(0)?;
    // Numbers and empty lists take more room than the two letters that they are written with.
    call.limits.make(text.len().saturating_mul(8).min(crate::eval::MAX_WEIGHT))?;
    let value: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Refusal::of(0, format!("this is not JSON: {}", error.to_string().to_lowercase())))?;
    from_json(value, MAX_DEPTH)
}

fn from_json(value: serde_json::Value, depth: usize) -> Answer {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Refusal::of(0, format!("lists and maps are nested more than {MAX_DEPTH} deep")));
    };
    Ok(match value {
        serde_json::Value::Null => Val::Null,
        serde_json::Value::Bool(value) => Val::Bool(value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Val::Int(whole),
            None => number.as_f64().and_then(Val::number).unwrap_or(Val::Null),
        },
        serde_json::Value::String(text) => Val::text(text),
        serde_json::Value::Array(items) => {
            Val::list(items.into_iter().map(|item| from_json(item, depth)).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(items) => {
            let mut found = BTreeMap::new();
            for (name, item) in items {
                found.insert(Rc::from(name), from_json(item, depth)?);
            }
            Val::object(found)
        }
    })
}

pub(super) fn jsonencode(call: &mut Call<'_, '_>) -> Answer {
    let mut out = Growing::default();
    write_json(&call.args[0], &mut out)?;
    Ok(Val::text(out.finish()))
}

pub(super) fn write_json(value: &Val, out: &mut Growing) -> Result<(), Refusal> {
    match value {
        Val::Null => out.push("null")?,
        Val::Text(text) => out.push(&quoted(text))?,
        Val::List(list) => {
            out.push("[")?;
            for (number, item) in list.items.iter().enumerate() {
                if number > 0 {
                    out.push(",")?;
                }
                write_json(item, out)?;
            }
            out.push("]")?;
        }
        Val::Object(object) => {
            out.push("{")?;
            for (number, (name, item)) in object.items.iter().enumerate() {
                if number > 0 {
                    out.push(",")?;
                }
                out.push(&quoted(name))?;
                out.push(":")?;
                write_json(item, out)?;
            }
            out.push("}")?;
        }
        plain => out.push(&plain.to_text().unwrap_or_default())?,
    }
    Ok(())
}

/// Between double quotes; `<`, `>` and `&` are escaped, so that the text may stand in a page.
fn quoted(text: &str) -> String {
    let plain = serde_json::Value::from(text).to_string();
    plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// The first line has the names; every other one becomes a map.
pub(super) fn csvdecode(call: &mut Call<'_, '_>) -> Answer {
    let text = call.text(0)?;
    call.limits.make(text.len().saturating_mul(16).min(crate::eval::MAX_WEIGHT))?;
    let mut rows = rows(&text)?.into_iter();
    let Some(names) = rows.next() else {
        return Err(Refusal::of(0, "there is not even a line of names"));
    };
    let names: Vec<Rc<str>> = names.into_iter().map(Rc::from).collect();
    let mut found = Vec::new();
    for (number, row) in rows.enumerate() {
        if row.len() != names.len() {
            let message =
                format!("line {} has {} fields, and there are {} names", number + 2, row.len(), names.len());
            return Err(Refusal::of(0, message));
        }
        call.limits.make(row.len() * 64)?;
        found.push(Val::object(names.iter().cloned().zip(row.into_iter().map(Val::text)).collect()));
    }
    Ok(Val::list(found))
}

/// Fields of each line; those between quotes may hold commas, line ends, and quotes written twice.
fn rows(text: &str) -> Result<Vec<Vec<String>>, Refusal> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut field = String::new();
    let mut letters = text.chars().peekable();
    let mut written = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' if field.is_empty() && !written => {
                written = true;
                loop {
                    match letters.next() {
                        Some('"') if letters.peek() == Some(&'"') => field.extend(letters.next()),
                        Some('"') => break,
                        Some(letter) => field.push(letter),
                        None => return Err(Refusal::of(0, "a field between quotes is never closed")),
                    }
                }
            }
            ',' => {
                row.push(std::mem::take(&mut field));
                written = false;
            }
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => {
                if !row.is_empty() || !field.is_empty() || written {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                written = false;
            }
            letter => field.push(letter),
        }
    }
    if !row.is_empty() || !field.is_empty() || written {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}
