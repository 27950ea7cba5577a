//! The language alone: text -> a tree, for other files that are written as job files are, such as an agent's
//! configuration.

use crate::{
    codes,
    diagnostic::{Diagnostics, Finding, Source},
    eval,
    syntax::{self, Body, Span},
};

/// A file that was read, and where its lines begin.
#[derive(Debug, Clone)]
pub struct Document {
    pub body: Body,
    text: String,
}

impl Document {
    /// Reads HCL, or JSON when the text begins with `{`. `file_name` only appears in messages.
    ///
    /// # Errors
    /// What is wrong with the form, all of it, with file and line.
    pub fn read(file_name: &str, text: &str) -> Result<Self, Diagnostics> {
        let source = Source::new(file_name, text);
        if text.len() > syntax::MAX_BYTES {
            let message =
                format!("the file has {} bytes; at most {} are read", text.len(), syntax::MAX_BYTES);
            let finding = Finding::new(codes::LIMIT, Span::default(), message, "split it into several files");
            return Err(source.diagnostics(vec![finding]));
        }
        let (body, findings) = if syntax::is_object(text) { object(text) } else { entries(text) };
        if findings.is_empty() {
            Ok(Self { body, text: text.to_owned() })
        } else {
            Err(source.diagnostics(findings))
        }
    }

    /// Line and column of a byte, both from 1.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        Source::new("", &self.text).position(offset)
    }
}

fn entries(text: &str) -> (Body, Vec<Finding>) {
    let mut outcome = syntax::parse(text);
    if outcome.broken {
        return (Body::default(), outcome.findings);
    }
    let (body, findings) = eval::settings(&outcome.body);
    outcome.findings.extend(findings);
    (body, outcome.findings)
}

/// What stands in the object counts as attributes.
fn object(text: &str) -> (Body, Vec<Finding>) {
    let (object, mut findings, broken) = syntax::parse_object(text);
    let mut body = Body::default();
    if !broken {
        let (attributes, wrong) = eval::object_settings(&object);
        body.attributes = attributes;
        findings.extend(wrong);
    }
    (body, findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Kind;

    #[test]
    fn hcl_and_json_give_the_same_names() {
        let hcl =
            Document::read("a.hcl", "server = {\n  enabled = true join { retry = [\"a\"] }\n}\n").unwrap();
        let json =
            Document::read("a.json", "{\"server\": {\"enabled\": true, \"join\": {\"retry\": [\"a\"]}}}\n")
                .unwrap();
        for document in [hcl, json] {
            let server = &document.body.attributes[0];
            assert_eq!(server.name.text, "server");
            let Kind::Object(inner) = &server.value.kind else { panic!("{server:?}") };
            let names: Vec<&str> = inner.iter().map(|attribute| attribute.name.text.as_str()).collect();
            assert_eq!(names, ["enabled", "join"]);
        }
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, place) in [
            ("a = \n", (2, 1)),
            ("{\n \"a\": }", (2, 7)),
            ("{} x", (1, 4)),
            ("{\"a\": 1", (1, 1)),
            ("a {\n", (1, 1)),
        ] {
            let problems = Document::read("f", text).unwrap_err();
            assert_eq!((problems.0[0].line, problems.0[0].column), place, "{text:?}: {problems}");
        }
    }
}
