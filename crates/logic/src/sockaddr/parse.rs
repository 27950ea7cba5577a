//! The form of a template: text, and pipelines between `{{` and `}}`.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Pipeline(Vec<Call>),
}

/// `include "name" "eth0"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) args: Vec<String>,
}

/// Longer texts are not addresses.
const MAX_BYTES: usize = 4096;

pub(super) fn parse(template: &str) -> Result<Vec<Part>, String> {
    if template.len() > MAX_BYTES {
        return Err(format!("the template is longer than {MAX_BYTES} bytes"));
    }
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let mut text = &rest[..start];
        rest = &rest[start + 2..];
        if let Some(trimmed) = rest.strip_prefix("- ") {
            text = text.trim_end();
            rest = trimmed;
        }
        push_text(&mut parts, text);
        let end = closing(rest).ok_or("`{{` is never closed; close it with `}}`")?;
        let mut inner = &rest[..end];
        rest = &rest[end + 2..];
        if let Some(trimmed) = inner.strip_suffix(" -") {
            inner = trimmed;
            rest = rest.trim_start();
        }
        parts.push(Part::Pipeline(pipeline(inner)?));
    }
    push_text(&mut parts, rest);
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// Where the `}}` stands that is not inside of quotes.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quote) = (0, None);
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(b'"'), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'`')) => quote = Some(byte),
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn pipeline(text: &str) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(letter) = rest.chars().next() {
        match letter {
            '|' => {
                calls.push(call(&mut words)?);
                rest = &rest[1..];
            }
            '"' => {
                let (word, after) = quoted(&rest[1..])?;
                words.push(word);
                rest = after;
            }
            '`' => {
                let end = rest[1..].find('`').ok_or("a text in a template is never closed")?;
                words.push(rest[1..=end].to_owned());
                rest = &rest[end + 2..];
            }
            '(' | ')' | '$' | '.' | ':' | ',' | '=' => {
                return Err(format!(
                    "`{letter}` is not understood in a template: write functions with texts between quotes, joined by `|`"
                ));
            }
            _ => {
                let end = rest.find(|letter: char| letter.is_whitespace() || "|\"`".contains(letter));
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                words.push(word.to_owned());
                rest = after;
            }
        }
        rest = rest.trim_start();
    }
    calls.push(call(&mut words)?);
    Ok(calls)
}

fn call(words: &mut Vec<String>) -> Result<Call, String> {
    if words.is_empty() {
        return Err("a function is missing in the template".into());
    }
    let name = words.remove(0);
    Ok(Call { name, args: std::mem::take(words) })
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                // `"\d+"` is a regular expression more often than a mistake.
                Some((_, escaped @ ('"' | '\\'))) => out.push(escaped),
                Some((_, other)) => out.extend(['\\', other]),
                None => break,
            },
            letter => out.push(letter),
        }
    }
    Err("a text in a template is never closed".into())
}
