//! Bodies, blocks and attributes: recursive descent over the text itself. Values are read in `values`.

use std::collections::BTreeMap;

use super::{
    expr::{Expr, Node},
    tree::{Attribute, Block, Body, Name, Span},
    values::quoted_length,
};
use crate::{codes, diagnostic::Finding};

/// A job file is stored with the job, and read by every server.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// Blocks, lists and maps inside each other. The parser recurses once per level.
pub(crate) const MAX_DEPTH: usize = 64;
/// After that many mistakes of form the rest of the file is guesswork.
const MAX_FINDINGS: usize = 50;

/// What came of a text.
pub(crate) struct Outcome {
    pub(crate) body: Body<Expr>,
    pub(crate) findings: Vec<Finding>,
    /// The form was wrong somewhere, so that `body` may lack things that the author wrote.
    pub(crate) broken: bool,
}

pub(crate) fn parse(text: &str) -> Outcome {
    let mut parser = Parser::new(text);
    let body = parser.body(None);
    Outcome { body, findings: parser.findings, broken: parser.broken }
}

/// Whether a text is one object, in JSON or nearly so.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

/// One expression that is the whole text, such as the value of a variable.
pub(crate) fn parse_value(text: &str) -> Result<Expr, Vec<Finding>> {
    let mut parser = Parser::new(text);
    let value = parser.inner();
    parser.skip(true);
    match value {
        Ok(_) if parser.peek().is_some() => {
            let message = format!("the value is over, found {}", parser.found());
            parser.findings.push(Finding::new(codes::SYNTAX, parser.here(), message, "remove what follows"));
        }
        Ok(value) if parser.findings.is_empty() => return Ok(value),
        Ok(_) => {}
        Err(finding) => parser.findings.push(*finding),
    }
    Err(parser.findings)
}

/// The entries of a file that is one JSON object.
pub(crate) fn parse_object(text: &str) -> (Expr, Vec<Finding>, bool) {
    let mut parser = Parser::new(text);
    parser.in_json = true;
    parser.skip(true);
    let mut object = Expr::leaf(Node::Object(Vec::new()), Span::default());
    match parser.value() {
        Ok(value) if matches!(value.node, Node::Object(_)) => object = value,
        Ok(value) => parser.report(codes::JSON, value.span, "the file must be one object", "write `{ .. }`"),
        Err(finding) => {
            parser.broken = true;
            parser.findings.push(*finding);
        }
    }
    parser.skip(true);
    if !parser.broken && parser.peek().is_some() {
        let (here, found) = (parser.here(), parser.found());
        parser.report(codes::JSON, here, format!("the object is over, found {found}"), "remove what follows");
    }
    (object, parser.findings, parser.broken)
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    /// Where the lines after the first begin.
    lines: Vec<usize>,
    pub(super) at: usize,
    pub(super) depth: usize,
    /// Lists and maps that were open when a mistake was met: where to go on depends on it.
    pub(super) open_values: usize,
    /// Between brackets a line end does not end an expression.
    pub(super) lines_are_blanks: bool,
    /// This reader sees what stands in `${ }`: there are no comments and no heredocs.
    pub(super) inside_text: bool,
    /// Texts are strings of JSON before they are texts of the language.
    pub(super) in_json: bool,
    pub(super) findings: Vec<Finding>,
    broken: bool,
    /// The first block whose content does not stand to the right of it: it probably lacks its `}`.
    suspect: Option<(String, Span)>,
}

/// A mistake after which the entry cannot be read on.
pub(super) type Read<T> = Result<T, Box<Finding>>;

pub(super) fn wrong<T>(
    code: &'static str,
    span: Span,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Read<T> {
    Err(Box::new(Finding::new(code, span, message, help)))
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let mut parser = Self::inside(text, if text.starts_with('\u{feff}') { 3 } else { 0 }, 0);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        parser.lines = breaks.map(|(at, _)| at + 1).collect();
        parser.inside_text = false;
        parser
    }

    /// A reader of what stands in a text from `at` on. It reads no blocks, so it need not know where lines begin.
    pub(super) fn inside(text: &'a str, at: usize, depth: usize) -> Self {
        Self {
            text,
            lines: Vec::new(),
            at,
            depth,
            open_values: 0,
            lines_are_blanks: false,
            inside_text: true,
            in_json: false,
            findings: Vec::new(),
            broken: false,
            suspect: None,
        }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn here(&self) -> Span {
        Span { start: self.at, end: self.at + self.peek().map_or(0, char::len_utf8) }
    }

    pub(super) fn eat(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// What stands here, for "found ...".
    pub(super) fn found(&self) -> String {
        match self.peek() {
            None => String::from("the end of the file"),
            Some('\n' | '\r') => String::from("the end of the line"),
            Some(letter) => format!("`{letter}`"),
        }
    }

    /// Skips blanks and comments; line ends too if `lines`.
    pub(super) fn skip(&mut self, lines: bool) {
        loop {
            let rest = self.rest();
            let comment = rest.starts_with(['#', '/']) && !self.inside_text;
            if !comment {
                match self.peek() {
                    Some('\n') if !lines => return,
                    Some(letter) if letter.is_whitespace() => self.at += letter.len_utf8(),
                    _ => return,
                }
            } else if rest.starts_with('#') || rest.starts_with("//") {
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
                return;
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
        let line = self.line(offset);
        offset - if line == 0 { 0 } else { self.lines[line - 1] }
    }

    /// From 0.
    fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// What stands at `offset` is on a later line than the block, and not to the right of it.
    fn leaves(&self, block: Span, offset: usize, strictly: bool) -> bool {
        let (outer, inner) = (self.column(block.start), self.column(offset));
        self.line(offset) > self.line(block.start) && (inner < outer || (!strictly && inner == outer))
    }

    /// Entries up to the closing brace, which is consumed, or the end of the file.
    fn body(&mut self, owner: Option<(&str, Span)>) -> Body<Expr> {
        let mut body = Body::default();
        let mut seen = BTreeMap::new();
        let depth = self.depth;
        loop {
            self.skip(true);
            if self.findings.len() >= MAX_FINDINGS {
                self.broken = true;
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
                    if let Some((title, span)) = owner {
                        if self.suspect.is_none() && self.leaves(span, self.at, true) {
                            self.suspect = Some((title.to_string(), span));
                        }
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
                Some(',') => self.at += 1,
                Some(_) => {
                    if let Some((title, span)) = owner
                        && self.suspect.is_none()
                        && self.leaves(span, self.at, false)
                    {
                        self.suspect = Some((title.to_string(), span));
                    }
                    self.open_values = 0;
                    if let Err(finding) = self.entry(&mut body, &mut seen) {
                        self.broken = true;
                        let fatal = finding.code == codes::LIMIT;
                        self.findings.push(*finding);
                        if fatal {
                            self.at = self.text.len();
                            return body;
                        }
                        self.depth = depth;
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
                    self.at += quoted_length(self.rest()).map_or(0, |length| length - 1);
                }
                Some(_) => {}
            }
            self.at += self.peek().map_or(0, char::len_utf8);
        }
    }

    /// An attribute or a block.
    fn entry(&mut self, body: &mut Body<Expr>, seen: &mut BTreeMap<String, usize>) -> Read<()> {
        let name = self.name("the name of an argument or block")?;
        self.skip(false);
        if self.rest().starts_with('=') && !self.rest().starts_with("==") {
            self.at += 1;
            self.skip(true);
            let value = self.value()?;
            if let Some(first) = seen.insert(name.text.clone(), name.span.start) {
                let line = self.line(first) + 1;
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

    pub(super) fn descend(&mut self) -> Read<()> {
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
    pub(super) fn name(&mut self, what: &str) -> Read<Name> {
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
            _ => {
                let help = if self.rest().starts_with("...") {
                    "`...` stands for what an article leaves out: write it out, or remove the dots"
                } else {
                    ""
                };
                wrong(codes::SYNTAX, self.here(), format!("expected {what}, found {}", self.found()), help)
            }
        }
    }

    /// A quoted word in which nothing is interpolated.
    fn label(&mut self) -> Read<Name> {
        let value = self.quoted()?;
        let text = match value.node {
            Node::Text(text) => text,
            _ => {
                self.findings.push(Finding::new(
                    codes::TEXT,
                    value.span,
                    "nothing is interpolated in names and labels",
                    "write the name itself",
                ));
                self.text[value.span.start + 1..value.span.end - 1].to_string()
            }
        };
        Ok(Name { text, span: value.span })
    }
}

pub(super) fn starts_word(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}

/// `task "redis"`
fn title(name: &Name, labels: &[Name]) -> String {
    labels.iter().fold(name.text.clone(), |title, label| format!("{title} \"{}\"", label.text))
}
