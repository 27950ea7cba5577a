//! `format("%-5s %03d", ..)`.

use super::{
    arguments::{Answer, Call, Refusal},
    encodings::write_json,
};
use crate::eval::{Growing, Val};

/// Widths and precisions beyond that are mistakes.
const MAX_WIDTH: usize = 4096;

/// What stands between `%` and the letter.
#[derive(Debug, Default)]
struct Verb {
    minus: bool,
    plus: bool,
    zero: bool,
    space: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

pub(super) fn format(call: &mut Call<'_, '_>) -> Answer {
    let pattern = call.text(0)?;
    Ok(Val::text(fill(&pattern, &call.args[1..])?))
}

/// Lists among the arguments are gone through side by side.
pub(super) fn formatlist(call: &mut Call<'_, '_>) -> Answer {
    let pattern = call.text(0)?;
    let lists = call.args[1..].iter().filter_map(|arg| match arg {
        Val::List(list) => Some(list.items.len()),
        _ => None,
    });
    let lengths: Vec<usize> = lists.collect();
    let length = lengths.first().copied().unwrap_or(1);
    if lengths.iter().any(|other| *other != length) {
        return Err(Refusal::new("the lists have not all the same length"));
    }
    let mut found = Vec::new();
    for at in 0..length {
        let row: Vec<Val> = call.args[1..]
            .iter()
            .map(|arg| match arg {
                Val::List(list) => list.items[at].clone(),
                other => other.clone(),
            })
            .collect();
        let text = fill(&pattern, &row)?;
        call.limits.make(text.len() + 32)?;
        found.push(Val::text(text));
    }
    Ok(Val::list(found))
}

fn fill(pattern: &str, args: &[Val]) -> Result<String, Refusal> {
    let mut out = Growing::default();
    let mut rest = pattern;
    let mut next = 0;
    let mut highest = 0;
    let mut picked = false;
    while let Some(at) = rest.find('%') {
        out.push(&rest[..at])?;
        let (verb, position, length) = read(&rest[at + 1..])?;
        rest = &rest[at + 1 + length..];
        if verb.letter == '%' {
            out.push("%")?;
            continue;
        }
        if let Some(position) = position {
            next = position;
            picked = true;
        }
        let Some(value) = args.get(next) else {
            let message = format!("the pattern asks for argument {}, and there are {}", next + 1, args.len());
            return Err(Refusal::of(0, message));
        };
        next += 1;
        highest = highest.max(next);
        let text =
            one(&verb, value).map_err(|reason| Refusal { argument: Some(next), ..Refusal::new(reason) })?;
        out.push(&pad(&verb, text))?;
    }
    if highest < args.len() && !picked {
        let message = format!("the pattern uses {highest} of {} arguments", args.len());
        return Err(Refusal::of(0, message));
    }
    out.push(rest)?;
    Ok(out.finish())
}

/// The verb, which argument it picks, and its bytes.
fn read(text: &str) -> Result<(Verb, Option<usize>, usize), Refusal> {
    let mut verb = Verb::default();
    let mut rest = text;
    loop {
        match rest.bytes().next() {
            Some(b'-') => verb.minus = true,
            Some(b'+') => verb.plus = true,
            Some(b'0') => verb.zero = true,
            Some(b' ') => verb.space = true,
            Some(b'#') => verb.sharp = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    verb.width = number(&mut rest)?.unwrap_or(0);
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        verb.precision = Some(number(&mut rest)?.unwrap_or(0));
    }
    let mut position = None;
    if let Some(after) = rest.strip_prefix('[') {
        rest = after;
        position = number(&mut rest)?.and_then(|position| position.checked_sub(1));
        let Some(after) = rest.strip_prefix(']').filter(|_| position.is_some()) else {
            return Err(Refusal::of(0, "an argument is picked by its number from 1 on, `%[1]s`"));
        };
        rest = after;
    }
    match rest.chars().next() {
        Some(letter) => {
            verb.letter = letter;
            rest = &rest[letter.len_utf8()..];
            Ok((verb, position, text.len() - rest.len()))
        }
        None => Err(Refusal::of(0, "the pattern ends with a `%`").help("write `%%` for a percent sign")),
    }
}

fn number(rest: &mut &str) -> Result<Option<usize>, Refusal> {
    let length = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    if length == 0 {
        return Ok(None);
    }
    let number = rest[..length].parse().ok().filter(|number| *number <= MAX_WIDTH);
    *rest = &rest[length..];
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(Refusal::of(0, format!("widths and precisions are at most {MAX_WIDTH}"))),
    }
}

fn one(verb: &Verb, value: &Val) -> Result<String, String> {
    let misfit = |wanted: &str| format!("`%{}` takes {wanted}, found {}", verb.letter, value.describe());
    let whole = || value.to_int().ok_or_else(|| misfit("a whole number"));
    let signed = |text: String| match (text.starts_with('-'), verb.plus, verb.space) {
        (false, true, _) => format!("+{text}"),
        (false, false, true) => format!(" {text}"),
        _ => text,
    };
    let cut = |text: &str| match verb.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    let radix = |digits: String| {
        let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
        let mark = match (verb.sharp, verb.letter) {
            (true, 'x') => "0x",
            (true, 'X') => "0X",
            (true, 'o') => "0",
            _ => "",
        };
        format!("{sign}{mark}{digits}")
    };
    let magnitude = |number: i64| (if number < 0 { "-" } else { "" }, number.unsigned_abs());
    match verb.letter {
        'v' if !verb.sharp => match value {
            Val::Null | Val::List(_) | Val::Object(_) => json(value),
            plain => Ok(cut(&plain.to_text().unwrap_or_default())),
        },
        'v' => json(value),
        's' => value.to_text().map(|text| cut(&text)).ok_or_else(|| misfit("text")),
        'q' => {
            let text = value.to_text().ok_or_else(|| misfit("text"))?;
            json(&Val::text(cut(&text)))
        }
        't' => value.to_bool().map(|truth| truth.to_string()).ok_or_else(|| misfit("true or false")),
        'd' => whole().map(|number| signed(number.to_string())),
        'b' => whole().map(magnitude).map(|(sign, number)| radix(format!("{sign}{number:b}"))),
        'o' => whole().map(magnitude).map(|(sign, number)| radix(format!("{sign}{number:o}"))),
        'x' => whole().map(magnitude).map(|(sign, number)| radix(format!("{sign}{number:x}"))),
        'X' => whole().map(magnitude).map(|(sign, number)| radix(format!("{sign}{number:X}"))),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number = value.to_number().ok_or_else(|| misfit("a number"))?;
            Ok(signed(float(verb, number)))
        }
        other => Err(format!("there is no `%{other}`; known are %v %s %q %t %d %b %o %x %X %e %f %g and %%")),
    }
}

fn float(verb: &Verb, number: f64) -> String {
    let precision = verb.precision.unwrap_or(6);
    match verb.letter {
        'f' | 'F' => format!("{number:.precision$}"),
        'e' | 'E' => {
            let text = format!("{number:.precision$e}");
            // Exponents have a sign and at least two digits.
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) =
                exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}{}{sign}{exponent:0>2}", verb.letter)
        }
        _ => number.to_string(),
    }
}

fn json(value: &Val) -> Result<String, String> {
    let mut out = Growing::default();
    write_json(value, &mut out).map_err(|refusal| refusal.message)?;
    Ok(out.finish())
}

fn pad(verb: &Verb, text: String) -> String {
    let missing = verb.width.saturating_sub(text.chars().count());
    if missing == 0 {
        text
    } else if verb.minus {
        format!("{text}{}", " ".repeat(missing))
    } else if verb.zero {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) if "dbxXofeEgG".contains(verb.letter) => (&text[..1], digits),
            _ => ("", text.as_str()),
        };
        format!("{sign}{}{digits}", "0".repeat(missing))
    } else {
        format!("{}{text}", " ".repeat(missing))
    }
}
