//! Values: text, numbers, lists, maps, and where an expression ends.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    expression::{self, Reference},
    parser::{Parser, Read, starts_word, wrong},
    template::{self, Origin},
    tree::{Attribute, Kind, Span, Value},
};
use crate::{codes, diagnostic::Finding};

impl Parser<'_> {
    pub(super) fn value(&mut self) -> Read<Value> {
        let start = self.at;
        let kind = match self.peek() {
            Some('"') => self.quoted()?.kind,
            Some('<') if self.rest().starts_with("<<") => return self.heredoc(),
            Some('[') => self.list()?,
            Some('{') => self.object()?,
            Some(letter) if letter.is_ascii_digit() || letter == '-' => self.number()?,
            Some(letter) if starts_word(letter) => {
                let word = self.name("a value")?;
                match word.text.as_str() {
                    "true" => Kind::Bool(true),
                    "false" => Kind::Bool(false),
                    "null" => Kind::Null,
                    _ => return Ok(self.expression(start)),
                }
            }
            Some('(' | '!') => return Ok(self.expression(start)),
            _ => {
                return wrong(
                    codes::SYNTAX,
                    self.here(),
                    format!("expected a value, found {}", self.found()),
                    "",
                );
            }
        };
        let end = self.at;
        if matches!(self.peek(), Some('[' | '.')) {
            return Ok(self.expression(start));
        }
        self.skip(false);
        if at_operator(self.rest()) {
            return Ok(self.expression(start));
        }
        self.at = end;
        Ok(Value { kind, span: Span { start, end } })
    }

    /// What began at `start` is more than a plain value: reads to its end and evaluates it.
    fn expression(&mut self, start: usize) -> Value {
        let length = expression_length(&self.text[start..]);
        self.at = start + length;
        let text = &self.text[start..self.at];
        let span = Span { start, end: start + text.trim_end().len() };
        let finding = match expression::references(text) {
            Reference::Nothing => match expression::evaluate(text) {
                Ok(kind) => return Value { kind, span },
                Err(reason) => {
                    Finding::new(codes::EXPRESSION, span, reason, "write the resulting value here")
                }
            },
            Reference::Runtime(name) => {
                let help = if name.contains('.') || name.starts_with("NOMAD_") {
                    format!("write \"${{{name}}}\" for a value that is known at run time")
                } else {
                    format!("put text between double quotes: \"{name}\"")
                };
                Finding::new(codes::EXPRESSION, span, format!("`{name}` is not a value"), help)
            }
            reference => template::refusal(&reference, span),
        };
        self.findings.push(finding);
        Value { kind: Kind::Invalid, span }
    }

    fn number(&mut self) -> Read<Kind> {
        let rest = self.rest();
        let mut length = usize::from(rest.starts_with('-'));
        for (at, letter) in rest.char_indices().skip(length) {
            let exponent_sign = matches!(letter, '+' | '-') && rest[..at].ends_with(['e', 'E']);
            if !(letter.is_alphanumeric() || letter == '.' || exponent_sign) {
                break;
            }
            length = at + letter.len_utf8();
        }
        let text = &rest[..length];
        let span = Span { start: self.at, end: self.at + length };
        self.at += length;
        if let Ok(whole) = text.parse::<i64>() {
            return Ok(Kind::Int(whole));
        }
        let digits = text.trim_start_matches('-');
        let plain = digits.starts_with(|letter: char| letter.is_ascii_digit())
            && digits.chars().all(|letter| letter.is_ascii_digit() || ".eE+-".contains(letter));
        match text.parse::<f64>() {
            Ok(value) if plain && value.is_finite() => Ok(expression::whole_or_float(value)),
            _ => wrong(
                codes::SYNTAX,
                span,
                format!("`{text}` is not a number"),
                format!("put text between double quotes: \"{text}\""),
            ),
        }
    }

    fn list(&mut self) -> Read<Kind> {
        let start = self.at;
        self.at += 1;
        self.open_values += 1;
        self.descend()?;
        let mut items = Vec::new();
        loop {
            self.skip(true);
            if self.eat("]") {
                break;
            }
            if self.peek().is_none() {
                return wrong(
                    codes::SYNTAX,
                    Span { start, end: start + 1 },
                    "the list is never closed",
                    "add the missing `]`",
                );
            }
            if self.loops() {
                let length = expression_length(&self.text[start..]);
                self.at = start + length;
                let span = Span { start, end: self.at };
                self.findings.push(template::refusal(&Reference::Loop, span));
                self.open_values -= 1;
                self.depth -= 1;
                return Ok(Kind::Invalid);
            }
            items.push(self.value()?);
            self.skip(true);
            if !self.eat(",") && self.peek() != Some(']') {
                return wrong(
                    codes::SYNTAX,
                    self.here(),
                    format!("expected `,` or `]` in the list, found {}", self.found()),
                    "separate the items with commas and close the list with `]`",
                );
            }
        }
        self.open_values -= 1;
        self.depth -= 1;
        Ok(Kind::List(items))
    }

    fn loops(&self) -> bool {
        self.rest().strip_prefix("for").is_some_and(|rest| {
            rest.starts_with([' ', '\t'])
                && rest.trim_start().starts_with(|letter: char| letter.is_alphabetic())
        })
    }

    fn object(&mut self) -> Read<Kind> {
        let start = self.at;
        self.at += 1;
        self.open_values += 1;
        self.descend()?;
        let mut items: Vec<Attribute> = Vec::new();
        let mut places = BTreeMap::new();
        loop {
            self.skip(true);
            if self.eat("}") {
                break;
            }
            if self.eat(",") {
                continue;
            }
            if self.peek().is_none() {
                return wrong(
                    codes::SYNTAX,
                    Span { start, end: start + 1 },
                    "the map is never closed",
                    "add the missing `}`",
                );
            }
            if self.loops() {
                self.at = start + expression_length(&self.text[start..]);
                let span = Span { start, end: self.at };
                self.findings.push(template::refusal(&Reference::Loop, span));
                self.open_values -= 1;
                self.depth -= 1;
                return Ok(Kind::Invalid);
            }
            let name = self.name("a name in the map")?;
            self.skip(false);
            // A block inside of a map, as HCL 1 has it: `server = { server_join { .. } }`.
            let block = self.peek() == Some('{');
            if !block && !self.eat("=") && !self.eat(":") {
                return wrong(
                    codes::SYNTAX,
                    self.here(),
                    format!("expected `=` after `{}`, found {}", name.text, self.found()),
                    format!("write `{} = ..`", name.text),
                );
            }
            self.skip(true);
            let value = self.value()?;
            // The last one wins, as it does in JSON.
            match places.entry(name.text.clone()) {
                Entry::Occupied(place) => items[*place.get()] = Attribute { name, value },
                Entry::Vacant(place) => {
                    place.insert(items.len());
                    items.push(Attribute { name, value });
                }
            }
        }
        self.open_values -= 1;
        self.depth -= 1;
        Ok(Kind::Object(items))
    }

    pub(super) fn quoted(&mut self) -> Read<Value> {
        let start = self.at;
        let rest = self.rest();
        let Some(length) = quoted_length(rest) else {
            return wrong(
                codes::TEXT,
                Span { start, end: start + 1 },
                "the text is not closed on its line",
                "add the missing `\"`; text of several lines is written between `<<EOF` and `EOF`",
            );
        };
        self.at += length;
        let content = &rest[1..length - 1];
        let text = template::expand(content, Origin::Quoted { offset: start + 1 }, &mut self.findings);
        Ok(Value { kind: Kind::Text(text), span: Span { start, end: self.at } })
    }

    fn heredoc(&mut self) -> Read<Value> {
        let start = self.at;
        self.at += 2;
        let dedent = self.eat("-");
        let rest = self.rest();
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let mark = rest[..line_end].trim();
        let head = Span { start, end: self.at + line_end };
        if mark.is_empty() || !mark.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
            return wrong(
                codes::TEXT,
                head,
                "expected a word after `<<`",
                "write `<<EOF`, and `EOF` on a line of its own after the text",
            );
        }
        let mut lines = Vec::new();
        let mut at = self.at + line_end + 1;
        loop {
            if at >= self.text.len() {
                self.at = self.text.len();
                return wrong(
                    codes::TEXT,
                    head,
                    format!("the text after `<<{mark}` never ends"),
                    format!("write `{mark}` on a line of its own after the text"),
                );
            }
            let rest = &self.text[at..];
            let length = rest.find('\n').unwrap_or(rest.len());
            let line = rest[..length].trim_end_matches('\r');
            if line.trim() == mark {
                self.at = at + length;
                break;
            }
            lines.push(line);
            at += length + 1;
        }
        let indent = if dedent {
            let used = lines.iter().filter(|line| !line.trim().is_empty());
            used.map(|line| line.len() - line.trim_start_matches([' ', '\t']).len()).min().unwrap_or(0)
        } else {
            0
        };
        let mut content = String::new();
        for line in lines {
            content.push_str(line.get(indent..).unwrap_or_default());
            content.push('\n');
        }
        let span = Span { start, end: self.at };
        let text = template::expand(&content, Origin::Heredoc { span: head }, &mut self.findings);
        Ok(Value { kind: Kind::Text(text), span })
    }
}

/// Bytes of the quoted text at the start, both quotes included; `None` if it does not end on its line. Looks no
/// further than that, so that many texts on one long line stay cheap.
pub(super) fn quoted_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut interpolates = true;
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at + 1),
            b'\n' => return None,
            b'\\' if bytes.get(at + 1) != Some(&b'\n') => at += 1,
            b'$' if bytes[at..].starts_with(b"$${") => at += 2,
            b'$' if interpolates && bytes[at..].starts_with(b"${") => {
                // One that never ends is not looked for again: the next would look as far.
                match template::interpolation_length(&text[at..]) {
                    Some(length) => at += length - 1,
                    None => interpolates = false,
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn at_operator(rest: &str) -> bool {
    const OPERATORS: [&str; 13] = ["==", "!=", "<=", ">=", "&&", "||", "+", "-", "*", "/", "%", "?", ">"];
    let comment = rest.starts_with("//") || rest.starts_with("/*");
    !comment
        && (OPERATORS.iter().any(|operator| rest.starts_with(operator))
            || (rest.starts_with('<') && !rest.starts_with("<<")))
}

/// Bytes up to the end of the line, or to what closes or separates outside of the expression's own brackets.
fn expression_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut open = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += quoted_length(&text[at..]).unwrap_or(1);
                continue;
            }
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' if open == 0 => return at,
            b')' | b']' | b'}' => open -= 1,
            b'\n' | b',' | b'#' if open == 0 => return at,
            b'/' if open == 0 && (text[at..].starts_with("//") || text[at..].starts_with("/*")) => return at,
            _ => {}
        }
        at += 1;
        while at < bytes.len() && !text.is_char_boundary(at) {
            at += 1;
        }
    }
    bytes.len()
}
