//! What expressions begin with: text, numbers, lists, maps.

use super::{
    expr::{Expr, Key, Node, Part, move_parts_to},
    parser::{Parser, Read, starts_word, wrong},
    template::{self, Style},
    tree::{Kind, Span},
};
use crate::{codes, diagnostic::Finding};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Read<Expr> {
        match self.peek() {
            Some('"') => self.quoted(),
            Some('<') if self.rest().starts_with("<<") => self.heredoc(),
            Some('[') => self.list(),
            Some('{') => self.object(),
            Some('(') => self.parenthesis(),
            Some(letter) if letter.is_ascii_digit() || letter == '-' => self.number(),
            Some(letter) if starts_word(letter) => self.word(),
            _ => wrong(codes::SYNTAX, self.here(), format!("expected a value, found {}", self.found()), ""),
        }
    }

    fn number(&mut self) -> Read<Expr> {
        let start = self.at;
        let rest = self.rest();
        let mut length = usize::from(rest.starts_with('-'));
        for (at, letter) in rest.char_indices().skip(length) {
            let exponent_sign = matches!(letter, '+' | '-') && rest[..at].ends_with(['e', 'E']);
            let point = letter == '.' && rest[at + 1..].starts_with(|next: char| next.is_alphanumeric());
            if !(letter.is_alphanumeric() || point || exponent_sign) {
                break;
            }
            length = at + letter.len_utf8();
        }
        let text = &rest[..length];
        self.at += length;
        match number(text) {
            Some(node) => self.make(node, start),
            None => wrong(
                codes::SYNTAX,
                Span { start, end: self.at },
                format!("`{text}` is not a number"),
                format!("put text between double quotes: \"{text}\""),
            ),
        }
    }

    fn list(&mut self) -> Read<Expr> {
        let start = self.at;
        self.at += 1;
        self.open_values += 1;
        let mut items = Vec::new();
        if self.loops() {
            let value = self.for_expression(start, false)?;
            self.open_values -= 1;
            return Ok(value);
        }
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
            items.push(self.inner()?);
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
        self.make(Node::List(items), start)
    }

    pub(super) fn object(&mut self) -> Read<Expr> {
        let start = self.at;
        self.at += 1;
        self.open_values += 1;
        let mut items: Vec<(Key, Expr)> = Vec::new();
        if self.loops() {
            let value = self.for_expression(start, true)?;
            self.open_values -= 1;
            return Ok(value);
        }
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
            let key = self.key()?;
            self.skip(false);
            // A block inside of a map, as HCL 1 has it: `server = { server_join { .. } }`.
            let block = self.peek() == Some('{');
            if !block && !self.eat("=") && !self.eat(":") {
                let name = match &key {
                    Key::Name(name) => name.text.clone(),
                    Key::Computed(key) => self.text[key.span.start..key.span.end].to_string(),
                };
                return wrong(
                    codes::SYNTAX,
                    self.here(),
                    format!("expected `=` after `{name}`, found {}", self.found()),
                    format!("write `{name} = ..`"),
                );
            }
            self.skip(true);
            items.push((key, self.value()?));
        }
        self.open_values -= 1;
        self.make(Node::Object(items), start)
    }

    fn key(&mut self) -> Read<Key> {
        match self.peek() {
            Some('(') => self.parenthesis().map(Key::Computed),
            Some('"') => {
                let key = self.quoted()?;
                Ok(match key.node {
                    Node::Text(text) => Key::Name(super::tree::Name { text, span: key.span }),
                    _ => Key::Computed(key),
                })
            }
            Some(letter) if letter.is_ascii_digit() => {
                let key = self.number()?;
                let text = self.text[key.span.start..key.span.end].to_string();
                Ok(Key::Name(super::tree::Name { text, span: key.span }))
            }
            _ => self.name("a name in the map").map(Key::Name),
        }
    }

    pub(super) fn quoted(&mut self) -> Read<Expr> {
        let start = self.at;
        let rest = self.rest();
        if let Some((content, length)) = self.in_json.then(|| json_text(rest)).flatten() {
            return self.quoted_in_json(&content, length);
        }
        let Some(length) = quoted_length(rest) else {
            return wrong(
                codes::TEXT,
                Span { start, end: start + 1 },
                "the text is not closed on its line",
                "add the missing `\"`; text of several lines is written between `<<EOF` and `EOF`",
            );
        };
        let parts = self.template(start + 1, start + length - 1, Style::Quoted)?;
        self.at = start + length;
        self.make(text_of(parts), start)
    }

    /// In JSON the escapes of JSON are undone first; what is in the text then has no place of its own in the file.
    fn quoted_in_json(&mut self, content: &str, length: usize) -> Read<Expr> {
        let start = self.at;
        let span = Span { start, end: start + length };
        let mut inner = Parser::inside(content, 0, self.depth);
        let mut parts = match inner.template(0, content.len(), Style::Heredoc { indent: 0 }) {
            Ok(parts) => parts,
            Err(mut finding) => {
                finding.span = span;
                return Err(finding);
            }
        };
        move_parts_to(&mut parts, span);
        self.findings.extend(inner.findings.into_iter().map(|finding| Finding { span, ..finding }));
        self.at = span.end;
        self.make(text_of(parts), start)
    }

    fn heredoc(&mut self) -> Read<Expr> {
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
        if self.inside_text {
            return wrong(
                codes::TEXT,
                head,
                "text of several lines cannot begin inside `${ }`",
                "give the text a name in `locals`",
            );
        }
        let from = self.at + line_end + 1;
        let mut indent = usize::MAX;
        let mut at = from;
        let end = loop {
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
            let line = &rest[..length];
            if line.trim() == mark {
                break at + length;
            }
            if !line.trim().is_empty() {
                indent = indent.min(line.len() - line.trim_start_matches([' ', '\t']).len());
            }
            at += length + 1;
        };
        let indent = if dedent && indent < usize::MAX { indent } else { 0 };
        let parts = self.template(from, at, Style::Heredoc { indent })?;
        self.at = end;
        self.make(text_of(parts), start)
    }
}

/// The text of a JSON string at the start, and its bytes, if it has both escapes and something to evaluate.
fn json_text(text: &str) -> Option<(String, usize)> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while *bytes.get(at)? != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    let raw = &text[..at + 1];
    let special = raw.contains('\\') && (raw.contains("${") || raw.contains("%{"));
    special.then(|| serde_json::from_str(raw).ok()).flatten().map(|content| (content, at + 1))
}

/// Text without anything in it is a literal.
fn text_of(mut parts: Vec<Part>) -> Node {
    match parts.as_mut_slice() {
        [] => Node::Text(String::new()),
        [Part::Literal(text)] => Node::Text(std::mem::take(text)),
        _ => Node::Template(parts),
    }
}

/// `5`, `-1.5e3`
fn number(text: &str) -> Option<Node> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Node::Int(whole));
    }
    let digits = text.trim_start_matches('-');
    let plain = digits.starts_with(|letter: char| letter.is_ascii_digit())
        && digits.chars().all(|letter| letter.is_ascii_digit() || ".eE+-".contains(letter));
    let value = text.parse::<f64>().ok().filter(|value| plain && value.is_finite())?;
    Some(match Kind::number(value) {
        Kind::Int(whole) => Node::Int(whole),
        _ => Node::Float(value),
    })
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
            b'%' if bytes[at..].starts_with(b"%%{") => at += 2,
            b'$' | b'%' if interpolates && bytes.get(at + 1) == Some(&b'{') => {
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
