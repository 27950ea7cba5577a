//! Text.

use regex::RegexBuilder;

use super::arguments::{Answer, Call, Refusal};
use crate::eval::{Growing, Val};

/// Bytes of a compiled pattern.
const MAX_PATTERN: usize = 64 * 1024;

pub(super) fn chomp(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(call.text(0)?.trim_end_matches(['\n', '\r'])))
}

pub(super) fn indent(call: &mut Call<'_, '_>) -> Answer {
    let (spaces, text) = (call.int(0)?, call.text(1)?);
    let Some(spaces) = usize::try_from(spaces).ok().filter(|spaces| *spaces <= 1000) else {
        return Err(Refusal::of(0, format!("the indentation must be between 0 and 1000, found {spaces}")));
    };
    let mut out = Growing::default();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push("\n")?;
            out.push(&" ".repeat(spaces))?;
        }
        out.push(line)?;
    }
    Ok(Val::text(out.finish()))
}

pub(super) fn join(call: &mut Call<'_, '_>) -> Answer {
    let separator = call.text(0)?;
    let mut out = Growing::default();
    let mut first = true;
    for at in 1..call.args.len() {
        for text in call.texts(at)? {
            if !std::mem::replace(&mut first, false) {
                out.push(&separator)?;
            }
            out.push(&text)?;
        }
    }
    Ok(Val::text(out.finish()))
}

pub(super) fn lower(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(call.text(0)?.to_lowercase()))
}

pub(super) fn upper(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(call.text(0)?.to_uppercase()))
}

pub(super) fn replace(call: &mut Call<'_, '_>) -> Answer {
    let (text, old, new) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let mut out = Growing::default();
    for (number, piece) in text.split(old.as_ref()).enumerate() {
        if number > 0 {
            out.push(&new)?;
        }
        out.push(piece)?;
    }
    Ok(Val::text(out.finish()))
}

/// `$1` and `${name}` in the replacement stand for groups of the pattern.
pub(super) fn regex_replace(call: &mut Call<'_, '_>) -> Answer {
    let (text, pattern, replacement) = (call.text(0)?, call.text(1)?, call.text(2)?);
    // Each letter may be looked at from many places of the pattern.
    call.limits.work(text.len().saturating_mul(200).saturating_add(MAX_PATTERN))?;
    let compiled = RegexBuilder::new(&pattern).size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN).build();
    let pattern = compiled.map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Refusal::of(1, format!("\"{pattern}\" is not a regular expression: {reason}"))
    })?;
    let mut out = Growing::default();
    let mut last = 0;
    let mut piece = String::new();
    for found in pattern.captures_iter(&text) {
        let Some(whole) = found.get(0) else { continue };
        out.push(&text[last..whole.start()])?;
        // What one replacement gives is bounded by its own length and that of the text.
        call.limits.make(replacement.len())?;
        piece.clear();
        found.expand(&replacement, &mut piece);
        out.push(&piece)?;
        last = whole.end();
    }
    out.push(&text[last..])?;
    Ok(Val::text(out.finish()))
}

pub(super) fn split(call: &mut Call<'_, '_>) -> Answer {
    let (separator, text) = (call.text(0)?, call.text(1)?);
    if separator.is_empty() {
        call.limits.make(text.len().saturating_mul(32))?;
        return Ok(Val::list(
            text.chars().map(|letter| Val::text(letter.encode_utf8(&mut [0; 4]))).collect(),
        ));
    }
    call.limits.make(text.matches(separator.as_ref()).count().saturating_mul(32))?;
    Ok(Val::texts(text.split(separator.as_ref())))
}

/// In characters.
pub(super) fn strlen(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::Int(i64::try_from(call.text(0)?.chars().count()).unwrap_or(i64::MAX)))
}

pub(super) fn strrev(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(call.text(0)?.chars().rev().collect::<String>()))
}

/// A negative offset counts from the end, a negative length goes up to the end.
pub(super) fn substr(call: &mut Call<'_, '_>) -> Answer {
    let (text, offset, length) = (call.text(0)?, call.int(1)?, call.int(2)?);
    let count = text.chars().count();
    let offset = match usize::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => count.saturating_sub(usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(Val::text(text.chars().skip(offset).take(length).collect::<String>()))
}

/// The first letter of each word becomes large.
pub(super) fn title(call: &mut Call<'_, '_>) -> Answer {
    let text = call.text(0)?;
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for letter in text.chars() {
        if inside {
            out.push(letter);
        } else {
            out.extend(letter.to_uppercase());
        }
        inside = letter.is_alphanumeric() || matches!(letter, '_' | '\'');
    }
    Ok(Val::text(out))
}

/// The second argument is a set of characters.
pub(super) fn trim(call: &mut Call<'_, '_>) -> Answer {
    let (text, letters) = (call.text(0)?, call.text(1)?);
    let letters: std::collections::BTreeSet<char> = letters.chars().collect();
    Ok(Val::text(text.trim_matches(|letter| letters.contains(&letter))))
}

pub(super) fn trimprefix(call: &mut Call<'_, '_>) -> Answer {
    let (text, prefix) = (call.text(0)?, call.text(1)?);
    Ok(Val::text(text.strip_prefix(prefix.as_ref()).unwrap_or(&text)))
}

pub(super) fn trimsuffix(call: &mut Call<'_, '_>) -> Answer {
    let (text, suffix) = (call.text(0)?, call.text(1)?);
    Ok(Val::text(text.strip_suffix(suffix.as_ref()).unwrap_or(&text)))
}

pub(super) fn trimspace(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(call.text(0)?.trim()))
}
