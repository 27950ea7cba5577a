//! What is said: sections of lines.

use serde::Serialize;

use crate::cli::table::Table;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Page {
    pub(super) sections: Vec<Section>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Section {
    /// Empty for the first one.
    pub(super) title: String,
    pub(super) lines: Vec<String>,
}

impl Page {
    /// Adds a section, unless there is nothing to say in it.
    pub(super) fn section(&mut self, title: &str, lines: Vec<String>) {
        if !lines.is_empty() {
            self.sections.push(Section { title: title.to_owned(), lines });
        }
    }
}

/// A table as lines.
pub(super) fn rows(table: &Table) -> Vec<String> {
    table.to_string().lines().map(str::to_owned).collect()
}

#[cfg(test)]
impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for section in &self.sections {
            if !section.title.is_empty() {
                writeln!(f, "\n{}", section.title)?;
            }
            for line in &section.lines {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}
