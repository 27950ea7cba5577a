//! Numbers, as Go writes and reads them.

use crate::Value;

/// No float has more digits behind the point. Rust's formats know no more than 65,535.
const MOST_DIGITS: usize = 1100;

/// A literal: `12`, `-0x1f`, `0b11`, `0o17`, `1_000`, `1.5e3`. `None`: it is none.
pub(crate) fn literal(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || digits.ends_with('_') {
        return None;
    }
    let plain = digits.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    let whole = match lower.get(..2) {
        Some("0x") => i128::from_str_radix(&lower[2..], 16).ok(),
        Some("0b") => i128::from_str_radix(&lower[2..], 2).ok(),
        Some("0o") => i128::from_str_radix(&lower[2..], 8).ok(),
        // As in C: a leading zero means octal.
        _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|c| c.is_ascii_digit()) => {
            i128::from_str_radix(&lower, 8).ok()
        }
        _ => lower.parse::<i128>().ok(),
    };
    if let Some(whole) = whole {
        return i64::try_from(if negative { -whole } else { whole }).ok().map(Value::Int);
    }
    if !lower.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'+' | b'-')) {
        return None;
    }
    let value = lower.parse::<f64>().ok().filter(|value| value.is_finite())?;
    Some(Value::Float(if negative { -value } else { value }))
}

/// `%e`: mantissa and an exponent of at least two digits. `precision` digits behind the point; `None`: as many as needed.
pub(crate) fn exponent(value: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(digits) => format!("{value:.*e}", digits.min(MOST_DIGITS)),
        None => format!("{value:e}"),
    };
    let Some((mantissa, power)) = text.split_once('e') else { return special(value) };
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}{}e{sign}{:02}", zeros(precision), power.abs())
}

/// `%f`.
pub(crate) fn fixed(value: f64, precision: Option<usize>) -> String {
    if !value.is_finite() {
        return special(value);
    }
    match precision {
        Some(digits) => format!("{value:.*}{}", digits.min(MOST_DIGITS), zeros(precision)),
        None => format!("{value}"),
    }
}

/// What is missing behind the last digit that a float has.
fn zeros(precision: Option<usize>) -> String {
    "0".repeat(precision.unwrap_or(0).saturating_sub(MOST_DIGITS))
}

/// `%g`, and how floats are printed: `%e` where the exponent is large, else `%f`, without zeros at the end.
pub(crate) fn general(value: f64, precision: Option<usize>) -> String {
    if !value.is_finite() {
        return special(value);
    }
    let digits = precision.map(|digits| digits.clamp(1, MOST_DIGITS));
    let text = match digits {
        Some(digits) => format!("{value:.*e}", digits - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, power) = text.split_once('e').expect("finite numbers have an exponent in this format");
    let power: i32 = power.parse().unwrap_or(0);
    let shown = mantissa.bytes().filter(u8::is_ascii_digit).count();
    // Without a precision the exponent counts as it does for six digits.
    let most = digits.map_or(6, |digits| i32::try_from(digits).unwrap_or(i32::MAX));
    if value != 0.0 && (power < -4 || power >= most) {
        let mantissa = if mantissa.contains('.') && digits.is_some() {
            mantissa.trim_end_matches('0').trim_end_matches('.')
        } else {
            mantissa
        };
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", power.abs());
    }
    if digits.is_none() {
        return format!("{value}");
    }
    let behind = usize::try_from(i32::try_from(shown).unwrap_or(0) - 1 - power).unwrap_or(0);
    let text = format!("{value:.behind$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn special(value: f64) -> String {
    if value.is_nan() { String::from("NaN") } else { String::from(if value > 0.0 { "+Inf" } else { "-Inf" }) }
}
