//! Tables and blocks of keys and values, the two shapes in which commands print.

use std::fmt;

/// What stands where there is nothing to show.
const NONE: &str = "<none>";

/// Columns, left-aligned, two blanks apart; the last one is not padded.
#[derive(Debug, Clone)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    empty: &'static str,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()], empty: NONE }
    }

    /// A table without a head.
    pub(super) fn bare() -> Self {
        Self { rows: Vec::new(), empty: NONE }
    }

    /// Leaves empty cells empty instead of writing `<none>`.
    pub(super) fn with_blanks(mut self) -> Self {
        self.empty = "";
        self
    }

    pub(super) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |cell: &'_ String| -> String {
            let cell = cell.trim();
            if cell.is_empty() { self.empty.to_owned() } else { cell.to_owned() }
        };
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(show).collect()).collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|at| {
                rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if at + 1 < row.len() {
                    line.extend(std::iter::repeat_n(' ', widths[at] + 2 - cell.chars().count()));
                }
            }
            write!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Lines of `Key = value`, the keys padded to the longest.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    rows: Vec<(String, String)>,
}

impl Block {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn row(&mut self, key: impl Into<String>, value: impl fmt::Display) -> &mut Self {
        self.rows.push((key.into(), value.to_string()));
        self
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
        for (number, (key, value)) in self.rows.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let value = if value.trim().is_empty() { NONE } else { value };
            write!(f, "{key:width$} = {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_fill_empty_cells() {
        let mut table = Table::new(&["ID", "Node ID", "Status"]);
        table.row(["bc057046", "", "running"]);
        table.row(["x", "58b5acd3", ""]);
        assert_eq!(
            table.to_string(),
            "ID        Node ID   Status\nbc057046  <none>    running\nx         58b5acd3  <none>"
        );
        assert!(!table.is_empty());
        assert!(Table::new(&["ID"]).is_empty());
    }

    #[test]
    fn blank_cells_leave_no_trailing_blanks() {
        let mut table = Table::new(&["Name", "Leader"]).with_blanks();
        table.row(["a", ""]);
        assert_eq!(table.to_string(), "Name  Leader\na");
    }

    #[test]
    fn blocks_pad_keys() {
        let mut block = Block::new();
        block.row("ID", "redis").row("Parameterized", false).row("Note", "");
        assert_eq!(block.to_string(), "ID            = redis\nParameterized = false\nNote          = <none>");
    }
}
