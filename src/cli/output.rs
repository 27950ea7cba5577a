//! Where commands write, and how they fail.

use std::{fmt, io, io::Write};

/// The two streams of a command: what one could pipe goes to `out`, everything else to `err`.
pub struct Output<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
    /// Headings bold, warnings yellow, errors red.
    pub color: bool,
    /// `out` is a terminal: what is written may be written over.
    pub terminal: bool,
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("color", &self.color).finish_non_exhaustive()
    }
}

impl Output<'_> {
    /// Writes text and a newline to `out`.
    pub(super) fn line(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Writes bytes as they are, and passes them on at once.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes)?;
        Ok(self.out.flush()?)
    }

    /// A blank line and the title of a section.
    pub(super) fn section(&mut self, title: &str) -> Result<(), Failure> {
        let title = self.paint("1", title);
        self.line(format_args!("\n{title}"))
    }

    /// The title of a section that begins the output, or follows a blank line.
    pub(super) fn heading(&mut self, title: &str) -> Result<(), Failure> {
        let title = self.paint("1", title);
        self.line(title)
    }

    pub(super) fn warn(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        let text = self.paint("33", text);
        Ok(writeln!(self.err, "{text}")?)
    }

    pub(super) fn error(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        let text = self.paint("31", text);
        Ok(writeln!(self.err, "{text}")?)
    }

    fn paint(&self, code: &str, text: impl fmt::Display) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Whoever read our output has gone: nothing more to say, and nothing to complain about.
    Pipe,
    /// Printed to `err`; ends with exit code 1.
    Message(String),
    /// As `Message`, followed by the hint where help is.
    Usage(String),
}

impl Failure {
    pub(super) fn message(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }

    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Message(format!("Error writing output: {error}")),
        }
    }
}

/// The exit code of a command that ran, or why it did not.
pub(super) type Outcome = Result<u8, Failure>;
