//! A file as a list of settings: dotted names with values and places, blocks and `name = { .. }` alike.

use jobspec::{Attribute, Body, Document, Kind, Value};

/// One setting found in a file.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// `server.enabled`, `plugin.docker.config.endpoint`
    pub path: String,
    pub value: Kind,
    /// `server.hcl:3:5`
    pub place: String,
}

/// All settings of a file, in its order.
///
/// # Errors
/// What is wrong with its form, each with file, line and column.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Setting>, Vec<String>> {
    let document = Document::read(file, text).map_err(|problems| {
        let words = |problem: jobspec::Diagnostic| {
            let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
            let help = if problem.help.is_empty() { String::new() } else { format!("; {}", problem.help) };
            format!("{place}: {}{help}", problem.message)
        };
        problems.0.into_iter().map(words).collect::<Vec<_>>()
    })?;
    let mut walk = Walk { file, document: &document, out: Vec::new() };
    walk.body(&document.body, "");
    // The tree has attributes before blocks; what is wrong is said in the order of the file.
    walk.out.sort_by_key(|(at, _)| *at);
    Ok(walk.out.into_iter().map(|(_, setting)| setting).collect())
}

struct Walk<'a> {
    file: &'a str,
    document: &'a Document,
    /// With the byte of the file where each stands.
    out: Vec<(usize, Setting)>,
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

impl Walk<'_> {
    fn found(&mut self, path: String, value: Kind, at: usize) {
        let (line, column) = self.document.position(at);
        self.out.push((at, Setting { path, value, place: format!("{}:{line}:{column}", self.file) }));
    }

    fn body(&mut self, body: &Body, prefix: &str) {
        self.attributes(&body.attributes, prefix);
        for block in &body.blocks {
            let path = block
                .labels
                .iter()
                .fold(join(prefix, &block.kind.text), |path, label| join(&path, &label.text));
            if block.body.attributes.is_empty() && block.body.blocks.is_empty() {
                // An empty block says nothing, but its name must be known.
                self.found(path, Kind::Null, block.kind.span.start);
            } else {
                self.body(&block.body, &path);
            }
        }
    }

    fn attributes(&mut self, attributes: &[Attribute], prefix: &str) {
        for attribute in attributes {
            self.value(&attribute.value, join(prefix, &attribute.name.text), attribute.name.span.start);
        }
    }

    fn value(&mut self, value: &Value, path: String, at: usize) {
        match &value.kind {
            Kind::Object(inner) if inner.is_empty() => self.found(path, Kind::Null, at),
            Kind::Object(inner) => self.attributes(inner, &path),
            // JSON writes a block that may be repeated as a list.
            Kind::List(items)
                if !items.is_empty() && items.iter().all(|item| matches!(item.kind, Kind::Object(_))) =>
            {
                for item in items {
                    self.value(item, path.clone(), item.span.start);
                }
            }
            kind => self.found(path, kind.clone(), at),
        }
    }
}
