//! What is wrong with a job file, where, and what to write instead.

use std::fmt;

use serde::Serialize;

use crate::syntax::Span;

/// One problem of a job file.
///
/// `Display` is the three-line form that the command line prints; `{:#}` adds the line of the file and a mark under
/// the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// `T0203` and the like; [`crate::explain`] has a page for each.
    pub code: &'static str,
    /// What was found and what is allowed, without a full stop.
    pub message: String,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// `group "cache", task "redis"`; empty outside of groups.
    pub context: String,
    /// What to write instead; empty where the message already says it.
    pub help: String,
    /// The text of `line`.
    pub source_line: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        write!(f, "\n  --> {}:{}:{}", self.file, self.line, self.column)?;
        if !self.context.is_empty() {
            write!(f, ", in {}", self.context)?;
        }
        if f.alternate() && !self.source_line.trim().is_empty() {
            let mark: String = self
                .source_line
                .chars()
                .take(self.column.saturating_sub(1))
                .map(|letter| if letter == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n   | {}\n   | {mark}^", self.source_line)?;
        }
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

/// All problems of a job file in the order of their lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, diagnostic) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n\n")?;
            }
            fmt::Display::fmt(diagnostic, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// A problem before its place is turned into line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: String,
    pub(crate) context: String,
}

impl Finding {
    pub(crate) fn new(
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { code, span, message: message.into(), help: help.into(), context: String::new() }
    }
}

/// Nobody reads more; and each carries its line.
const MAX_DIAGNOSTICS: usize = 200;

/// A named text that knows where its lines begin.
pub(crate) struct Source<'a> {
    name: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(name: &'a str, text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { name, text, line_starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// Line and column of a byte offset, both from 1; a byte order mark does not count as a column.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.trim_start_matches('\u{feff}').chars().count() + 1)
    }

    pub(crate) fn line(&self, line: usize) -> &'a str {
        let start = self.line_starts[line - 1];
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        self.text
            .get(start..end)
            .unwrap_or_default()
            .trim_end_matches(['\n', '\r'])
            .trim_start_matches('\u{feff}')
    }

    /// Places the findings, in the order of the file.
    pub(crate) fn diagnostics(&self, mut findings: Vec<Finding>) -> Diagnostics {
        findings.sort_by_key(|finding| finding.span.start);
        findings.dedup();
        findings.truncate(MAX_DIAGNOSTICS);
        Diagnostics(
            findings
                .into_iter()
                .map(|finding| {
                    let (line, column) = self.position(finding.span.start);
                    Diagnostic {
                        code: finding.code,
                        message: finding.message,
                        file: self.name.to_string(),
                        line,
                        column,
                        context: finding.context,
                        help: finding.help,
                        source_line: clip(self.line(line)),
                    }
                })
                .collect(),
        )
    }
}

/// A line of a minified file may be a megabyte; what is shown of it ends here.
fn clip(line: &str) -> String {
    line.chars().take(400).collect()
}
