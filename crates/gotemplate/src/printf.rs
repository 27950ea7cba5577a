//! Formats with verbs, as Go's fmt understands them. Mistakes stand in the text (`%!d(string=x)`), as they do there.

use crate::{
    Value, number,
    print::{self, Sink, TooLong},
};

/// Wider columns are mistakes.
const WIDEST: usize = 1_000_000;

#[derive(Debug, Default, Clone)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

pub(crate) fn format(format: &str, arguments: &[Value], out: &mut Sink) -> Result<(), TooLong> {
    let mut chars = format.char_indices().peekable();
    let mut next = 0usize;
    let mut reordered = false;
    let mut plain = 0;
    while let Some((at, c)) = chars.next() {
        if c != '%' {
            continue;
        }
        out.push(&format[plain..at])?;
        let mut flags = Flags::default();
        while let Some((_, c)) = chars.peek().copied() {
            match c {
                '+' => flags.plus = true,
                '-' => flags.minus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            chars.next();
        }
        let rest = |chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>| {
            chars.peek().map_or(format.len(), |(at, _)| *at)
        };
        let mut position = rest(&mut chars);
        let mut bad_index = false;
        let choose = |position: &mut usize, next: &mut usize, reordered: &mut bool, bad: &mut bool| {
            let Some(inside) = format[*position..].strip_prefix('[') else { return };
            *reordered = true;
            let Some(end) = inside.find(']') else {
                *bad = true;
                return;
            };
            match inside[..end].parse::<usize>() {
                Ok(number) if (1..=arguments.len()).contains(&number) => *next = number - 1,
                _ => *bad = true,
            }
            *position += end + 2;
        };
        choose(&mut position, &mut next, &mut reordered, &mut bad_index);
        let bytes = format.as_bytes();
        flags.width = match bytes.get(position) {
            Some(b'*') => {
                position += 1;
                let width = star(arguments, &mut next);
                if width.is_none() {
                    out.push("%!(BADWIDTH)")?;
                }
                flags.minus |= width.is_some_and(|width| width < 0);
                width.map(|width| usize::try_from(width.unsigned_abs()).unwrap_or(0))
            }
            _ => digits(format, &mut position),
        };
        if bytes.get(position) == Some(&b'.') {
            position += 1;
            choose(&mut position, &mut next, &mut reordered, &mut bad_index);
            flags.precision = if bytes.get(position) == Some(&b'*') {
                position += 1;
                let precision = star(arguments, &mut next).and_then(|value| usize::try_from(value).ok());
                if precision.is_none() {
                    out.push("%!(BADPREC)")?;
                }
                precision
            } else {
                Some(digits(format, &mut position).unwrap_or(0))
            };
        }
        choose(&mut position, &mut next, &mut reordered, &mut bad_index);
        let Some(verb) = format[position..].chars().next() else {
            return out.push("%!(NOVERB)");
        };
        plain = position + verb.len_utf8();
        while chars.peek().is_some_and(|(at, _)| *at < plain) {
            chars.next();
        }
        if verb == '%' {
            out.push("%")?;
        } else if bad_index {
            out.push(&format!("%!{verb}(BADINDEX)"))?;
        } else if let Some(argument) = arguments.get(next) {
            next += 1;
            one(verb, &flags, argument, out)?;
        } else {
            out.push(&format!("%!{verb}(MISSING)"))?;
        }
    }
    out.push(&format[plain..])?;
    if !reordered && next < arguments.len() {
        out.push("%!(EXTRA ")?;
        for (index, argument) in arguments[next..].iter().enumerate() {
            if index > 0 {
                out.push(", ")?;
            }
            typed(argument, out)?;
        }
        out.push(")")?;
    }
    Ok(())
}

/// The number that stands for `*`.
fn star(arguments: &[Value], next: &mut usize) -> Option<i64> {
    let value = arguments.get(*next);
    *next += 1;
    match value {
        Some(Value::Int(value)) if value.unsigned_abs() <= WIDEST as u64 => Some(*value),
        _ => None,
    }
}

fn digits(format: &str, position: &mut usize) -> Option<usize> {
    let rest = &format[*position..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    *position += end;
    rest[..end].parse::<usize>().ok().map(|value| value.min(WIDEST))
}

/// `int=5`: the words behind mistakes.
fn typed(argument: &Value, out: &mut Sink) -> Result<(), TooLong> {
    if *argument == Value::Null {
        return out.push("<nil>");
    }
    out.push(argument.kind())?;
    out.push("=")?;
    print::value(argument, out)
}

fn one(verb: char, flags: &Flags, argument: &Value, out: &mut Sink) -> Result<(), TooLong> {
    match (verb, argument) {
        ('T', _) => {
            let kind = if *argument == Value::Null { "<nil>" } else { argument.kind() };
            padded(kind, flags, out)
        }
        ('v', Value::Null) => padded("<nil>", flags, out),
        // Each element by itself, as in Go.
        (_, Value::List(items)) => {
            out.push("[")?;
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(" ")?;
                }
                one(verb, flags, item, out)?;
            }
            out.push("]")
        }
        (_, Value::Map(map)) => {
            out.push("map[")?;
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(" ")?;
                }
                one(verb, flags, &Value::text(key), out)?;
                out.push(":")?;
                one(verb, flags, item, out)?;
            }
            out.push("]")
        }
        ('v' | 't', Value::Bool(value)) => padded(if *value { "true" } else { "false" }, flags, out),
        (_, Value::Int(value)) => integer(verb, flags, *value, out),
        (_, Value::Float(value)) => float(verb, flags, *value, out),
        (_, Value::Text(text)) => string(verb, flags, text, out),
        ('v', Value::Object(name)) => padded(name, flags, out),
        _ => wrong(verb, argument, out),
    }
}

fn wrong(verb: char, argument: &Value, out: &mut Sink) -> Result<(), TooLong> {
    out.push(&format!("%!{verb}("))?;
    typed(argument, out)?;
    out.push(")")
}

fn padded(text: &str, flags: &Flags, out: &mut Sink) -> Result<(), TooLong> {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    let fill = " ".repeat(missing);
    if flags.minus {
        out.push(text)?;
        out.push(&fill)
    } else {
        out.push(&fill)?;
        out.push(text)
    }
}

/// Digits behind a sign, filled up with zeros if asked for.
fn signed(sign: &str, digits: &str, flags: &Flags, out: &mut Sink) -> Result<(), TooLong> {
    let length = sign.len() + digits.chars().count();
    let missing = flags.width.unwrap_or(0).saturating_sub(length);
    if flags.zero && !flags.minus {
        return out.push(&format!("{sign}{}{digits}", "0".repeat(missing)));
    }
    padded(&format!("{sign}{digits}"), flags, out)
}

fn sign(negative: bool, flags: &Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn integer(verb: char, flags: &Flags, value: i64, out: &mut Sink) -> Result<(), TooLong> {
    let size = value.unsigned_abs();
    let (prefix, digits) = match verb {
        'v' | 'd' => ("", size.to_string()),
        'b' => ("0b", format!("{size:b}")),
        'o' => ("0", format!("{size:o}")),
        'O' => ("0o", format!("{size:o}")),
        'x' => ("0x", format!("{size:x}")),
        'X' => ("0X", format!("{size:X}")),
        'c' | 'q' | 'U' => {
            let letter = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            let text = match verb {
                'c' => letter.to_string(),
                'q' => format!("{letter:?}"),
                _ => format!("U+{:04X}", value),
            };
            return padded(&text, flags, out);
        }
        _ => return wrong(verb, &Value::Int(value), out),
    };
    let prefix = if flags.sharp || verb == 'O' { prefix } else { "" };
    let filled = flags.precision.map_or(0, |wanted| wanted.saturating_sub(digits.len()));
    let sign = format!("{}{prefix}", sign(value < 0, flags));
    let digits = format!("{}{digits}", "0".repeat(filled));
    // A precision says how many digits there are: then there are no further zeros.
    let flags = &Flags { zero: flags.zero && flags.precision.is_none(), ..flags.clone() };
    signed(&sign, &digits, flags, out)
}

fn float(verb: char, flags: &Flags, value: f64, out: &mut Sink) -> Result<(), TooLong> {
    let size = value.abs();
    let precision = flags.precision;
    let text = match verb {
        'v' | 'g' => number::general(size, precision),
        'G' => number::general(size, precision).to_uppercase(),
        'e' => number::exponent(size, Some(precision.unwrap_or(6))),
        'E' => number::exponent(size, Some(precision.unwrap_or(6))).to_uppercase(),
        'f' | 'F' => number::fixed(size, Some(precision.unwrap_or(6))),
        _ => return wrong(verb, &Value::Float(value), out),
    };
    let negative = value.is_sign_negative() && !value.is_nan();
    signed(sign(negative, flags), text.trim_start_matches('+'), flags, out)
}

fn string(verb: char, flags: &Flags, text: &str, out: &mut Sink) -> Result<(), TooLong> {
    let cut: String = match flags.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    };
    match verb {
        'v' if flags.sharp => padded(&quoted(&cut), flags, out),
        'v' | 's' => padded(&cut, flags, out),
        'q' if flags.sharp && !cut.contains('`') => padded(&format!("`{cut}`"), flags, out),
        'q' => padded(&quoted(&cut), flags, out),
        'x' | 'X' => {
            let apart = if flags.space { " " } else { "" };
            let bytes: Vec<String> = cut
                .bytes()
                .map(|byte| if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") })
                .collect();
            padded(&bytes.join(apart), flags, out)
        }
        _ => wrong(verb, &Value::text(text), out),
    }
}

/// In double quotes, with Go's escapes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\x0b' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
