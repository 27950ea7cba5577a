//! What a job file is given from outside. The crate itself reads no environment, no file and no chance.

use crate::{
    codes,
    diagnostic::{Diagnostic, Finding, Source},
    syntax::{self, Attribute, Expr, Key, Node, Span},
};

/// Values of variables, and the means of functions that need some.
///
/// Of several values for a variable the strongest counts: an assignment beats a file, a file beats the environment,
/// all beat the default; among assignments and among files the last wins.
#[derive(Clone)]
pub struct Inputs<'a> {
    /// Names without `NOMAD_VAR_`, and their values. Those that no variable is declared for mean nothing.
    pub environment: Vec<(String, String)>,
    pub files: Vec<VarFile>,
    /// `-var name=value`
    pub assignments: Vec<(String, String)>,
    /// Whether a value for a variable that is not declared is an error. Default: yes.
    pub strict: bool,
    /// What `file(..)` and its like look at; `None`: they are refused.
    pub disk: Option<&'a dyn Disk>,
    /// From this `uuidv4` and `bcrypt` take their randomness; `None`: they are refused. Must be drawn anew for each
    /// file.
    pub seed: Option<[u8; 32]>,
}

/// A file of `name = value` lines, or one JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarFile {
    /// How messages call it.
    pub name: String,
    pub text: String,
}

/// The files that functions may look at. Paths are as the job file has them; relative ones start where the
/// implementor says.
pub trait Disk {
    /// The content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// In words, if there is no such file, it cannot be read, or it is larger.
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String>;

    /// Whether there is a file (and not a folder) of that name.
    ///
    /// # Errors
    /// In words, if that cannot be found out.
    fn exists(&self, path: &str) -> Result<bool, String>;

    /// All files below a folder, at most `limit`, relative to it, with `/` between names.
    ///
    /// # Errors
    /// In words, if it is no folder, cannot be read, or holds more.
    fn below(&self, folder: &str, limit: usize) -> Result<Vec<String>, String>;

    /// The path from the root of the file system.
    ///
    /// # Errors
    /// In words, if it cannot be found out.
    fn absolute(&self, path: &str) -> Result<String, String>;

    /// The home folder of the user, without a `/` at its end; `None` if there is none.
    fn home(&self) -> Option<String>;
}

impl Default for Inputs<'_> {
    fn default() -> Self {
        Self {
            environment: Vec::new(),
            files: Vec::new(),
            assignments: Vec::new(),
            strict: true,
            disk: None,
            seed: None,
        }
    }
}

/// A text from outside that holds values, and what is wrong in it.
pub(super) struct Sheet<'a> {
    pub(super) source: Source<'a>,
    pub(super) text: &'a str,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        Self { source: Source::new(name, text), text, findings: Vec::new() }
    }

    pub(super) fn diagnostics(self) -> Vec<Diagnostic> {
        self.source.diagnostics(self.findings).0
    }

    pub(super) fn report(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding::new(codes::VARIABLE, span, message, help));
    }

    /// The entries of a file of values.
    pub(super) fn read(&mut self) -> Vec<Attribute<Expr>> {
        if self.text.len() > syntax::MAX_BYTES {
            let message =
                format!("the file has {} bytes; at most {} are read", self.text.len(), syntax::MAX_BYTES);
            self.findings.push(Finding::new(codes::LIMIT, Span::default(), message, "shorten its values"));
            return Vec::new();
        }
        if syntax::is_object(self.text) {
            let (object, findings, _) = syntax::parse_object(self.text);
            self.findings.extend(findings);
            let Node::Object(items) = object.node else { return Vec::new() };
            let mut found = Vec::new();
            for (key, value) in items {
                if let Key::Name(name) = key {
                    found.push(Attribute { name, value });
                }
            }
            return found;
        }
        let outcome = syntax::parse(self.text);
        self.findings.extend(outcome.findings);
        for block in &outcome.body.blocks {
            let message =
                format!("a file of values consists of `name = value`, found the block `{}`", block.kind.text);
            self.report(
                block.kind.span,
                message,
                "write `=` before the brace of a map; declare variables in the job file",
            );
        }
        outcome.body.attributes
    }
}
