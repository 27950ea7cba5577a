//! Text between quotes or heredoc marks: escapes, interpolation, directives.
//!
//! What stands in `${ }` and is an expression is read as one. Much that looks like it is meant for somebody else, for
//! the run time or for a shell, and comes out as it went in.

use super::{
    expr::{Expr, Part},
    parser::{Parser, Read, starts_word},
    tree::Span,
};
use crate::{codes, diagnostic::Finding};

/// How a text is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    /// Between double quotes: `\n` and the like are escapes.
    Quoted,
    /// A heredoc: backslashes stand for themselves, and each line loses `indent` bytes of indentation.
    Heredoc { indent: usize },
}

/// What `%{ .. }` says.
enum Directive {
    If(Expr),
    Else,
    EndIf,
    For(Option<String>, String, Expr),
    EndFor,
}

/// A directive that is open, and the parts before it.
struct Frame {
    before: Vec<Part>,
    opener: Opener,
    span: Span,
}

enum Opener {
    If { condition: Expr, yes: Option<Vec<Part>> },
    For { key: Option<String>, value: String, source: Expr },
}

/// The text between `start` and `end` of the file, piece by piece.
struct Reader<'p, 'a> {
    parser: &'p mut Parser<'a>,
    style: Style,
    end: usize,
    parts: Vec<Part>,
    literal: String,
    frames: Vec<Frame>,
    /// `~}` was read: blanks that follow belong to nobody.
    trims: bool,
}

impl<'a> Parser<'a> {
    /// Reads a text of the file. Whatever cannot be meant is reported; the text then holds it as it was written.
    pub(super) fn template(&mut self, start: usize, end: usize, style: Style) -> Read<Vec<Part>> {
        self.at = start;
        let mut reader = Reader {
            parser: self,
            style,
            end,
            parts: Vec::new(),
            literal: String::new(),
            frames: Vec::new(),
            trims: false,
        };
        reader.read();
        reader.finish()
    }

    /// A reader of what stands in `${ }`: it goes no further than `end`, and shares the depth.
    fn within(&self, at: usize, end: usize) -> Read<Parser<'a>> {
        let mut inner = Parser::inside(&self.text[..end], at, self.depth);
        inner.descend()?;
        Ok(inner)
    }
}

impl Reader<'_, '_> {
    fn read(&mut self) {
        if let Style::Heredoc { .. } = self.style {
            self.begin_line();
        }
        while self.parser.at < self.end {
            let at = self.parser.at;
            let rest = &self.parser.text[at..self.end];
            if rest.starts_with("$${") || rest.starts_with("%%{") {
                self.push(&rest[1..3]);
                self.parser.at += 3;
            } else if rest.starts_with("${") {
                if !self.interpolate() {
                    return;
                }
            } else if rest.starts_with("%{") {
                if !self.direct() {
                    return;
                }
            } else {
                self.letter();
            }
        }
    }

    fn letter(&mut self) {
        let at = self.parser.at;
        let rest = &self.parser.text[at..self.end];
        let Some(letter) = rest.chars().next() else { return };
        match (letter, self.style) {
            ('\\', Style::Quoted) => {
                let mut out = String::new();
                let length = unescape(rest, at, &mut out, &mut self.parser.findings);
                self.push(&out);
                self.parser.at += length;
            }
            ('\r', Style::Heredoc { .. }) if rest.starts_with("\r\n") => self.parser.at += 1,
            ('\n', Style::Heredoc { .. }) => {
                self.push("\n");
                self.parser.at += 1;
                self.begin_line();
            }
            _ => {
                let special = |letter: char| matches!(letter, '$' | '%' | '\\' | '\n' | '\r');
                let first = letter.len_utf8();
                let length = first + rest[first..].find(special).unwrap_or(rest.len() - first);
                let text = rest[..length].to_owned();
                self.push(&text);
                self.parser.at += length;
            }
        }
    }

    /// Drops the indentation of a line.
    fn begin_line(&mut self) {
        if let Style::Heredoc { indent, .. } = self.style {
            let line = &self.parser.text[self.parser.at..self.end];
            let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
            self.parser.at += indent.min(blank);
        }
    }

    fn push(&mut self, text: &str) {
        let text = if self.trims { text.trim_start() } else { text };
        if !text.is_empty() {
            self.trims = false;
            self.literal.push_str(text);
        }
    }

    fn flush(&mut self, trim: bool) {
        let mut literal = std::mem::take(&mut self.literal);
        if trim {
            literal.truncate(literal.trim_end().len());
        }
        if !literal.is_empty() {
            self.parts.push(Part::Literal(literal));
        }
    }

    fn finding(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.parser.findings.push(Finding::new(codes::TEXT, span, message, help));
    }

    /// `${..}`; false if nothing can be read after it.
    fn interpolate(&mut self) -> bool {
        let start = self.parser.at;
        let mut failure = None;
        if let Some((trim, expr, after, end)) = self.sequence(2, |parser| parser.inner(), &mut failure) {
            let raw = self.parser.text[start..end].to_owned();
            self.flush(trim);
            self.parts.push(Part::Value { expr, raw });
            self.trims = after;
            self.parser.at = end;
            return true;
        }
        // Not an expression: perhaps somebody else understands it.
        let rest = &self.parser.text[start..self.end];
        let Some(length) = interpolation_length(rest) else {
            let span = Span { start, end: start + 2 };
            let help = "close it with `}`, or write `$${` for a literal `${`";
            match failure.filter(|_| rest.contains('}') && speaks_to_us(rest)) {
                Some(failure) => self.parser.findings.push(failure),
                None => self.finding(span, "`${` is never closed", help),
            }
            return false;
        };
        let raw = rest[..length].to_owned();
        let inner = raw[2..length - 1].trim();
        let span = Span { start, end: start + length };
        if inner.is_empty() {
            let help =
                "write a name between the braces, such as `${NOMAD_PORT_http}`, or `$${` for a literal `${`";
            self.finding(span, "`${}` names nothing", help);
        } else if let Some(failure) =
            failure.filter(|failure| failure.code == codes::LIMIT || speaks_to_us(inner))
        {
            self.parser.findings.push(failure);
        }
        self.push(&raw);
        self.parser.at += length;
        true
    }

    /// Reads `${` or `%{`, what `content` reads, and `}`: whether blanks before go, the content, whether blanks
    /// after go, and where it ends. `None` leaves everything as it was.
    fn sequence<T>(
        &mut self,
        skip: usize,
        content: impl FnOnce(&mut Parser<'_>) -> Read<T>,
        failure: &mut Option<Finding>,
    ) -> Option<(bool, T, bool, usize)> {
        let read = || {
            let mut inner = self.parser.within(self.parser.at + skip, self.end)?;
            let before = inner.eat("~");
            inner.skip(true);
            let content = content(&mut inner)?;
            inner.skip(true);
            let after = inner.eat("~");
            if !inner.eat("}") {
                let message = format!("expected `}}` after the expression, found {}", inner.found());
                return super::parser::wrong(codes::SYNTAX, inner.here(), message, "close it with `}`");
            }
            Ok((before, content, after, inner.at, inner.findings))
        };
        match read() {
            Ok((before, content, after, end, findings)) => {
                self.parser.findings.extend(findings);
                Some((before, content, after, end))
            }
            Err(finding) => {
                *failure = Some(*finding);
                None
            }
        }
    }

    /// `%{..}`; false if nothing can be read after it.
    fn direct(&mut self) -> bool {
        let start = self.parser.at;
        let mut failure = None;
        let Some((trim, directive, after, end)) = self.sequence(2, directive, &mut failure) else {
            if let Some(failure) = failure {
                self.parser.findings.push(failure);
            }
            return false;
        };
        self.flush(trim);
        self.parser.at = end;
        self.trims = after;
        let span = Span { start, end };
        match directive {
            Directive::If(condition) => self.open(Opener::If { condition, yes: None }, span),
            Directive::For(key, value, source) => self.open(Opener::For { key, value, source }, span),
            Directive::Else => {
                if let Some(Frame { opener: Opener::If { yes: yes @ None, .. }, .. }) = self.frames.last_mut()
                {
                    *yes = Some(std::mem::take(&mut self.parts));
                } else {
                    self.finding(span, "this `%{ else }` belongs to no `%{ if }`", "remove it");
                }
            }
            Directive::EndIf | Directive::EndFor => self.close(&directive, span),
        }
        true
    }

    fn open(&mut self, opener: Opener, span: Span) {
        let before = std::mem::take(&mut self.parts);
        self.frames.push(Frame { before, opener, span });
    }

    fn close(&mut self, directive: &Directive, span: Span) {
        let matching = self.frames.pop_if(|frame| {
            matches!(
                (&frame.opener, directive),
                (Opener::If { .. }, Directive::EndIf) | (Opener::For { .. }, Directive::EndFor)
            )
        });
        let Some(frame) = matching else {
            let (word, other) =
                if matches!(directive, Directive::EndIf) { ("endif", "if") } else { ("endfor", "for") };
            self.finding(span, format!("this `%{{ {word} }}` belongs to no `%{{ {other} }}`"), "remove it");
            return;
        };
        let last = std::mem::replace(&mut self.parts, frame.before);
        self.parts.push(match frame.opener {
            Opener::If { condition, yes: Some(yes) } => Part::If { condition, yes, no: last },
            Opener::If { condition, yes: None } => Part::If { condition, yes: last, no: Vec::new() },
            Opener::For { key, value, source } => Part::For { key, value, source, body: last },
        });
    }

    fn finish(mut self) -> Read<Vec<Part>> {
        let rest = self.parser.text[self.parser.at.min(self.end)..self.end].to_owned();
        self.push(&rest);
        self.flush(false);
        if let Some(frame) = self.frames.first() {
            let (word, span) = match frame.opener {
                Opener::If { .. } => ("if", frame.span),
                Opener::For { .. } => ("for", frame.span),
            };
            self.finding(
                span,
                format!("`%{{ {word} }}` is never closed"),
                format!("write `%{{ end{word} }}` behind what belongs to it"),
            );
        }
        Ok(self.parts)
    }
}

fn directive(parser: &mut Parser<'_>) -> Read<Directive> {
    let start = parser.at;
    let help = "known are if, else, endif, for and endfor; write `%%{` if a literal `%{` is meant";
    if parser.loops() {
        let (key, value, source) = parser.for_head()?;
        return Ok(Directive::For(key, value, source));
    }
    let word = if parser.peek().is_some_and(starts_word) { parser.identifier().text } else { String::new() };
    match word.as_str() {
        "if" => parser.inner().map(Directive::If),
        "else" => Ok(Directive::Else),
        "endif" => Ok(Directive::EndIf),
        "endfor" => Ok(Directive::EndFor),
        _ => {
            let span = Span { start, end: parser.at.max(start + 1) };
            super::parser::wrong(codes::TEXT, span, "`%{` begins a directive, and this is none", help)
        }
    }
}

/// Whether a text that is no expression was meant as one: it names a variable, a local value, a function or a loop.
fn speaks_to_us(text: &str) -> bool {
    let mut before = ' ';
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if letter.is_alphabetic() && !(before.is_alphanumeric() || matches!(before, '_' | '-' | '.')) {
            let length = rest
                .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '-')))
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            if matches!(word, "var" | "local") && after.starts_with(['.', '[']) || after.starts_with('(') {
                return true;
            }
            (before, rest) = (word.chars().next_back().unwrap_or(' '), after);
        } else {
            (before, rest) = (letter, &rest[letter.len_utf8()..]);
        }
    }
    false
}

/// What stands in `${ }` on one line. It is looked through for its end from each place where it might begin.
const MAX_LENGTH: usize = 4096;

/// Bytes from `${` to its `}`, both included. Braces and quotes inside may nest.
pub(super) fn interpolation_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let bytes = &bytes[..bytes.len().min(MAX_LENGTH)];
    let mut braces = 0_usize;
    let mut quoted = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'{' if !quoted => braces += 1,
            b'}' if !quoted => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            b'\n' => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Bytes consumed; `at` is where `rest` begins.
fn unescape(rest: &str, at: usize, out: &mut String, findings: &mut Vec<Finding>) -> usize {
    let Some(letter) = rest[1..].chars().next() else {
        out.push('\\');
        return 1;
    };
    let simple = match letter {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '"' => Some('"'),
        '\\' => Some('\\'),
        // JSON writes it.
        '/' => Some('/'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        _ => None,
    };
    if let Some(simple) = simple {
        out.push(simple);
        return 2;
    }
    let digits = match letter {
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let code = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        if let Some(letter) = code.and_then(char::from_u32) {
            out.push(letter);
            return 2 + digits;
        }
    }
    findings.push(Finding::new(
        codes::TEXT,
        Span { start: at, end: at + 2 },
        format!("`\\{letter}` is not an escape"),
        "known are \\n \\r \\t \\\" \\\\ \\uNNNN and \\UNNNNNNNN; write \\\\ for a backslash",
    ));
    out.push('\\');
    out.push(letter);
    1 + letter.len_utf8()
}
