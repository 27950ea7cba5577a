//! Writing, in blocks: maps indented by two blanks, lists in maps not at all, keys in order, long lines folded.

use std::{cmp::Ordering, sync::LazyLock};

use regex::Regex;

use super::plain;
use crate::{
    Value, number,
    print::{Sink, TooLong},
};

/// Behind this column a text goes on in the next line, at its next blank.
const WIDTH: usize = 80;
/// Longer keys are marked with `?`.
const LONGEST_KEY: usize = 128;

/// Sixties, as in times, and dates: they are no texts in YAML 1.1.
static TIMES: LazyLock<Regex> = LazyLock::new(|| {
    let sixties = r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?";
    let date = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}";
    let time = r"[Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})?";
    Regex::new(&format!("^({sixties}|{date}({time})?)$")).expect("the pattern is a constant")
});

/// # Errors
/// The text is longer than `limit` bytes.
pub(in crate::helpers) fn write(value: &Value, limit: usize) -> Result<Value, String> {
    let mut writer = Writer { out: Sink::new(limit), column: 0 };
    let done = match value {
        Value::Map(map) if !map.is_empty() => writer.value(value, 0),
        Value::List(items) if !items.is_empty() => writer.value(value, 0),
        other => writer.scalar(other, 2, false),
    };
    done.map_err(|TooLong| TooLong::message(limit))?;
    Ok(Value::text(writer.out.text.trim()))
}

type Done = Result<(), TooLong>;

struct Writer {
    out: Sink,
    /// Characters on the line.
    column: usize,
}

impl Writer {
    fn push(&mut self, text: &str) -> Done {
        self.column = match text.rsplit_once('\n') {
            Some((_, last)) => last.chars().count(),
            None => self.column + text.chars().count(),
        };
        self.out.push(text)
    }

    fn line(&mut self, indent: usize) -> Done {
        self.push("\n")?;
        self.push(&" ".repeat(indent))
    }

    /// A list or map that is not empty; its first line begins where the writer is.
    fn value(&mut self, value: &Value, indent: usize) -> Done {
        match value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.line(indent)?;
                    }
                    self.push("- ")?;
                    if is_block(item) {
                        self.value(item, indent + 2)?;
                    } else {
                        self.scalar(item, indent + 2, false)?;
                    }
                }
            }
            Value::Map(map) => {
                let mut entries: Vec<(&String, &Value)> = map.iter().collect();
                entries.sort_by(|(one, _), (other, _)| key_order(one, other));
                for (index, (key, item)) in entries.into_iter().enumerate() {
                    if index > 0 {
                        self.line(indent)?;
                    }
                    self.key(key, indent)?;
                    match item {
                        item if !is_block(item) => {
                            self.push(" ")?;
                            self.scalar(item, indent + 2, false)?;
                        }
                        Value::List(_) => {
                            self.line(indent)?;
                            self.value(item, indent)?;
                        }
                        _ => {
                            self.line(indent + 2)?;
                            self.value(item, indent + 2)?;
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn key(&mut self, key: &str, indent: usize) -> Done {
        if key.len() <= LONGEST_KEY {
            self.text(key, indent + 2, true)?;
            return self.push(":");
        }
        self.push("? ")?;
        self.text(key, indent + 2, false)?;
        self.line(indent)?;
        self.push(":")
    }

    /// `indent`: of lines that go on.
    fn scalar(&mut self, value: &Value, indent: usize, is_key: bool) -> Done {
        match value {
            Value::Null | Value::Object(_) => self.push("null"),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            Value::Int(value) => self.push(&value.to_string()),
            Value::Float(value) if value.is_nan() => self.push(".nan"),
            Value::Float(value) if value.is_infinite() => {
                self.push(if *value > 0.0 { ".inf" } else { "-.inf" })
            }
            Value::Float(value) => self.push(&number::general(*value, None)),
            Value::Text(text) => self.text(text, indent, is_key),
            Value::List(_) => self.push("[]"),
            Value::Map(_) => self.push("{}"),
        }
    }

    fn text(&mut self, text: &str, indent: usize, is_key: bool) -> Done {
        let means_itself = matches!(plain(text), Value::Text(_)) && text != "<<" && !TIMES.is_match(text);
        let allowed = Allowed::of(text);
        if text.contains('\n') {
            if allowed.block && !is_key {
                return self.literal(text, indent);
            }
        } else if means_itself && allowed.plain {
            return self.folded(text, indent, is_key, Style::Plain);
        } else if means_itself && allowed.single {
            return self.folded(text, indent, is_key, Style::Single);
        }
        self.folded(text, indent, is_key, Style::Double)
    }

    /// `|`, and the lines below.
    fn literal(&mut self, text: &str, indent: usize) -> Done {
        self.push("|")?;
        if text.starts_with([' ', '\n']) {
            self.push("2")?;
        }
        if !text.ends_with('\n') {
            self.push("-")?;
        } else if text == "\n" || text.ends_with("\n\n") {
            self.push("+")?;
        }
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if line.is_empty() {
                self.push("\n")?;
            } else {
                self.line(indent)?;
                self.push(line)?;
            }
        }
        Ok(())
    }

    fn folded(&mut self, text: &str, indent: usize, is_key: bool, style: Style) -> Done {
        let quote = style.quote();
        self.push(quote)?;
        let mut chars = text.chars().enumerate().peekable();
        let last = text.chars().count().saturating_sub(1);
        let mut behind_blank = false;
        while let Some((at, c)) = chars.next() {
            if c != ' ' {
                behind_blank = false;
                let escaped = style.escaped(c);
                self.push(&escaped)?;
                continue;
            }
            let next_is_blank = chars.peek().is_some_and(|(_, next)| *next == ' ');
            let inside = style == Style::Plain || (at > 0 && at < last);
            let folds = !is_key && !behind_blank && self.column > WIDTH && inside;
            if folds && (style == Style::Double || !next_is_blank) {
                self.line(indent)?;
                if next_is_blank {
                    self.push("\\")?;
                }
            } else {
                self.push(" ")?;
            }
            behind_blank = true;
        }
        self.push(quote)
    }
}

/// The order that people expect: `a2` before `a10`, and what is no letter before letters.
fn key_order(one: &str, other: &str) -> Ordering {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let Some(at) = one.iter().zip(&other).position(|(one, other)| one != other) else {
        return one.len().cmp(&other.len());
    };
    let behind_digits = at > 0 && one[at - 1].is_ascii_digit();
    match (one[at].is_alphabetic(), other[at].is_alphabetic()) {
        (true, true) => return one[at].cmp(&other[at]),
        // A number that ends here is smaller than one that goes on.
        (true, false) => return if behind_digits { Ordering::Less } else { Ordering::Greater },
        (false, true) => return if behind_digits { Ordering::Greater } else { Ordering::Less },
        (false, false) => {}
    }
    let begin = one[..at].iter().rposition(|c| !c.is_ascii_digit()).map_or(0, |before| before + 1);
    let number =
        |chars: &[char]| chars[begin..].iter().take_while(|c| c.is_ascii_digit()).collect::<String>();
    let (first, second) = (number(&one), number(&other));
    let (value, other_value) = (first.trim_start_matches('0'), second.trim_start_matches('0'));
    let by_value = value.len().cmp(&other_value.len()).then_with(|| value.cmp(other_value));
    by_value.then_with(|| first.len().cmp(&second.len())).then_with(|| one[at].cmp(&other[at]))
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
}

impl Style {
    fn quote(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Single => "'",
            Self::Double => "\"",
        }
    }

    fn escaped(self, c: char) -> String {
        match (self, c) {
            (Self::Single, '\'') => String::from("''"),
            (Self::Double, '"') => String::from("\\\""),
            (Self::Double, '\\') => String::from("\\\\"),
            (Self::Double, c) if c == '\n' || is_break(c) || !is_printable(c) => match c {
                '\0' => String::from("\\0"),
                '\x07' => String::from("\\a"),
                '\x08' => String::from("\\b"),
                '\t' => String::from("\\t"),
                '\n' => String::from("\\n"),
                '\x0b' => String::from("\\v"),
                '\x0c' => String::from("\\f"),
                '\r' => String::from("\\r"),
                '\x1b' => String::from("\\e"),
                '\u{85}' => String::from("\\N"),
                '\u{2028}' => String::from("\\L"),
                '\u{2029}' => String::from("\\P"),
                c if u32::from(c) <= 0xff => format!("\\x{:02X}", u32::from(c)),
                c if u32::from(c) <= 0xffff => format!("\\u{:04X}", u32::from(c)),
                c => format!("\\U{:08X}", u32::from(c)),
            },
            (_, c) => c.to_string(),
        }
    }
}

/// What else ends a line in YAML.
fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// For yaml.v2 nothing beyond the basic plane is.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{fffd}') && c != '\u{feff}'
}

/// Ways to write a text that read as the same text.
struct Allowed {
    plain: bool,
    single: bool,
    block: bool,
}

impl Allowed {
    fn of(text: &str) -> Self {
        let special = text.chars().any(|c| is_break(c) || !is_printable(c));
        let breaks = text.contains('\n');
        let blank_at_end = text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']);
        let plain = !special && !breaks && !blank_at_end && !has_indicator(text);
        Self {
            plain,
            single: !special && !text.contains("\n ") && !text.contains(" \n"),
            block: !special && !text.ends_with(' ') && !text.contains(" \n"),
        }
    }
}

/// Whether something in it means something in YAML.
fn has_indicator(text: &str) -> bool {
    if text.starts_with("---") || text.starts_with("...") {
        return true;
    }
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let ends_word = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
        let found = match (before, c) {
            (
                None,
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
                | '`',
            ) => true,
            (None, '?' | '-') => ends_word,
            (_, ':') => ends_word,
            (Some(' ' | '\t'), '#') => true,
            _ => false,
        };
        if found {
            return true;
        }
        before = Some(c);
    }
    false
}
