//! Bodies, blocks, attributes and values: recursive descent over the text itself.

use super::{
    expression::{self, Reference},
    template::{self, Origin},
    tree::{Attribute, Block, Body, Kind, Name, Span, Value},
};
use crate::{codes, diagnostic::Finding};

/// A job file is stored with the job, and read by every server.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// Blocks, lists and maps inside each other. The parser recurses once per level.
pub(crate) const MAX_DEPTH: usize = 64;
/// After that many mistakes of form the rest of the file is guesswork.
const MAX_FINDINGS: usize = 20;

/// What came of a text.
pub(crate) struct Outcome {
    pub(crate) body: Body,
    pub(crate) findings: Vec<Finding>,
    /// The form was wrong somewhere, so that `body` may lack things that the author wrote.
    pub(crate) broken: bool,
}

pub(crate) fn parse(text: &str) -> Outcome {
    let mut parser = Parser {
        text,
        at: if text.starts_with('\u{feff}') { 3 } else { 0 },
        depth: 0,
        open_values: 0,
        findings: Vec::new(),
        broken: false,
        suspect: None,
    };
    let body = parser.body(None);
    Outcome { body, findings: parser.findings, broken: parser.broken }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// Lists and maps that were open when a mistake was met: where to go on depends on it.
    open_values: usize,
    findings: Vec<Finding>,
    broken: bool,
    /// The first block whose content does not stand to the right of it: it probably lacks its `}`.
    suspect: Option<(String, Span)>,
}

/// A mistake after which the entry cannot be read on.
type Read<T> = Result<T, Box<Finding>>;

fn wrong<T>(code: &'static str, span: Span, message: impl Into<String>, help: impl Into<String>) -> Read<T> {
    Err(Box::new(Finding::new(code, span, message, help)))
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn here(&self) -> Span {
        Span { start: self.at, end: self.at + self.peek().map_or(0, char::len_utf8) }
    }

    fn eat(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// What stands here, for "found ...".
    fn found(&self) -> String {
        match self.peek() {
            None => String::from("the end of the file"),
            Some('\n' | '\r') => String::from("the end of the line"),
            Some(letter) => format!("`{letter}`"),
        }
    }

    /// Skips blanks and comments; line ends too if `lines`.
    fn skip(&mut self, lines: bool) {
        loop {
            let rest = self.rest();
            if rest.starts_with('#') || rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(length) => self.at += length + 2,
                    None => {
                        self.report(
                            codes::SYNTAX,
                            Span { start: self.at, end: self.at + 2 },
                            "the comment is never closed",
                            "close it with `*/`",
                        );
                        self.at = self.text.len();
                    }
                }
            } else {
                match self.peek() {
                    Some('\n') if !lines => return,
                    Some(letter) if letter.is_whitespace() => self.at += letter.len_utf8(),
                    _ => return,
                }
            }
        }
    }

    fn report(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.broken = true;
        self.findings.push(Finding::new(code, span, message, help));
    }

    fn column(&self, offset: usize) -> usize {
        offset - self.text[..offset].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Entries up to the closing brace, which is consumed, or the end of the file.
    fn body(&mut self, owner: Option<(&str, Span)>) -> Body {
        let mut body = Body::default();
        loop {
            self.skip(true);
            if self.findings.len() >= MAX_FINDINGS && self.broken {
                self.at = self.text.len();
                return body;
            }
            match self.peek() {
                None => {
                    if let (Some((title, span)), false) = (owner, self.broken) {
                        let (title, span) = self.suspect.take().unwrap_or((title.to_string(), span));
                        self.report(
                            codes::SYNTAX,
                            span,
                            format!("the block `{title}` is never closed"),
                            "add the missing `}`",
                        );
                    }
                    return body;
                }
                Some('}') => {
                    if owner.is_some() {
                        self.at += 1;
                        return body;
                    }
                    let here = self.here();
                    self.report(
                        codes::SYNTAX,
                        here,
                        "this `}` closes nothing",
                        "remove it, or look for a `{` that is missing above",
                    );
                    self.at += 1;
                }
                Some(',' | ';') => self.at += 1,
                Some(_) => {
                    if let Some((title, span)) = owner {
                        let newline = self.text[span.start..self.at].contains('\n');
                        if newline
                            && self.suspect.is_none()
                            && self.column(self.at) <= self.column(span.start)
                        {
                            self.suspect = Some((title.to_string(), span));
                        }
                    }
                    self.open_values = 0;
                    if let Err(finding) = self.entry(&mut body) {
                        self.broken = true;
                        let fatal = finding.code == codes::LIMIT;
                        self.findings.push(*finding);
                        if fatal {
                            self.at = self.text.len();
                            return body;
                        }
                        self.recover();
                    }
                }
            }
        }
    }

    /// Goes to where the next entry may begin: behind the open lists and maps, else the next line.
    fn recover(&mut self) {
        let mut open = self.open_values;
        if open == 0 {
            let rest = self.rest();
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            self.at += line.len();
            // A block may have begun on the line that is skipped: go behind its end.
            open = line.matches('{').count().saturating_sub(line.matches('}').count());
        }
        while open > 0 {
            self.skip(true);
            match self.peek() {
                None => return,
                Some('[' | '{') => open += 1,
                Some(']' | '}') => open -= 1,
                Some('"') => {
                    let rest = self.rest();
                    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
                    self.at += quoted_length(line).map_or(line.len(), |length| length - 1);
                    if self.peek().is_none_or(|letter| letter == '\n') {
                        continue;
                    }
                }
                Some(_) => {}
            }
            self.at += self.peek().map_or(0, char::len_utf8);
        }
    }

    /// An attribute or a block.
    fn entry(&mut self, body: &mut Body) -> Read<()> {
        let name = self.name("the name of an argument or block")?;
        self.skip(false);
        if self.rest().starts_with('=') && !self.rest().starts_with("==") {
            self.at += 1;
            self.skip(true);
            let value = self.value()?;
            if let Some(first) = body.attributes.iter().find(|attribute| attribute.name.text == name.text) {
                let line = self.text[..first.name.span.start].matches('\n').count() + 1;
                self.findings.push(Finding::new(
                    codes::REPEATED,
                    name.span,
                    format!("`{}` is set twice, first in line {line}", name.text),
                    "remove one of the two",
                ));
            } else {
                body.attributes.push(Attribute { name, value });
            }
            return Ok(());
        }
        if self.peek() == Some(':') {
            return wrong(
                codes::SYNTAX,
                self.here(),
                format!("expected `=` after `{}`, found `:`", name.text),
                format!("write `{} = ..`", name.text),
            );
        }
        let mut labels = Vec::new();
        loop {
            self.skip(false);
            match self.peek() {
                Some('"') => labels.push(self.label()?),
                Some(letter) if starts_word(letter) => labels.push(self.name("a label")?),
                _ => break,
            }
        }
        let title = title(&name, &labels);
        let before = self.at;
        self.skip(true);
        if !self.eat("{") {
            self.at = before;
            let help = match labels.as_slice() {
                [label] => format!("write `{} = \"{}\"` to set a value", name.text, label.text),
                _ => format!("write `{} = ..` to set a value, or `{title} {{ .. }}` for a block", name.text),
            };
            let expected = if labels.is_empty() { "`=` or `{`" } else { "`{`" };
            return wrong(
                codes::SYNTAX,
                self.here(),
                format!("expected {expected} after `{title}`, found {}", self.found()),
                help,
            );
        }
        self.descend()?;
        let inner = self.body(Some((&title, name.span)));
        self.depth -= 1;
        body.blocks.push(Block { kind: name, labels, body: inner });
        Ok(())
    }

    fn descend(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return wrong(
                codes::LIMIT,
                self.here(),
                format!("blocks, lists and maps are nested more than {MAX_DEPTH} deep"),
                "no job needs that; look for braces that are opened and never closed",
            );
        }
        Ok(())
    }

    /// A bare or quoted word.
    fn name(&mut self, what: &str) -> Read<Name> {
        match self.peek() {
            Some('"') => self.label(),
            Some(letter) if starts_word(letter) => {
                let start = self.at;
                let rest = self.rest();
                let length = rest
                    .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.')))
                    .unwrap_or(rest.len());
                self.at += length;
                Ok(Name { text: rest[..length].to_string(), span: Span { start, end: self.at } })
            }
            _ => wrong(codes::SYNTAX, self.here(), format!("expected {what}, found {}", self.found()), ""),
        }
    }

    /// A quoted word in which nothing is interpolated.
    fn label(&mut self) -> Read<Name> {
        let value = self.quoted()?;
        let raw = &self.text[value.span.start..value.span.end];
        if raw.contains("${") && !raw.contains("$${") {
            self.findings.push(Finding::new(
                codes::TEXT,
                value.span,
                "nothing is interpolated in names and labels",
                "write the name itself",
            ));
        }
        let Kind::Text(text) = value.kind else {
            return wrong(codes::SYNTAX, value.span, "expected a name between quotes", "");
        };
        Ok(Name { text, span: value.span })
    }

    fn value(&mut self) -> Read<Value> {
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
            if !self.eat("=") && !self.eat(":") {
                return wrong(
                    codes::SYNTAX,
                    self.here(),
                    format!("expected `=` after `{}`, found {}", name.text, self.found()),
                    format!("write `{} = ..`", name.text),
                );
            }
            self.skip(true);
            let value = self.value()?;
            items.retain(|item| item.name.text != name.text);
            items.push(Attribute { name, value });
        }
        self.open_values -= 1;
        self.depth -= 1;
        Ok(Kind::Object(items))
    }

    fn quoted(&mut self) -> Read<Value> {
        let start = self.at;
        let rest = self.rest();
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let Some(length) = quoted_length(line) else {
            return wrong(
                codes::TEXT,
                Span { start, end: start + line.len() },
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

fn starts_word(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}

/// `task "redis"`
fn title(name: &Name, labels: &[Name]) -> String {
    labels.iter().fold(name.text.clone(), |title, label| format!("{title} \"{}\"", label.text))
}

/// Bytes of the quoted text at the start of `line`, both quotes included.
fn quoted_length(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 1,
            b'$' if line[at..].starts_with("$${") => at += 2,
            b'$' if line[at..].starts_with("${") => {
                at += template::interpolation_length(&line[at..]).unwrap_or(2) - 1;
            }
            _ => {}
        }
        at += 1;
        while at < bytes.len() && !line.is_char_boundary(at) {
            at += 1;
        }
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
                let rest = &text[at..];
                let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
                at += quoted_length(line).unwrap_or(line.len());
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
