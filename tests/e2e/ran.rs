//! What a command did, and what tests look for in it: parts, tables, `Name = value`.

use std::process::Command;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub line: String,
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}{}", self.line, self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn has(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(
                self.stdout.contains(part),
                "{}: lacks {part:?} in\n{}{}",
                self.line,
                self.stdout,
                self.stderr
            );
        }
        self
    }

    /// The lines below a heading up to the next empty one, split at two or more blanks.
    #[track_caller]
    pub(crate) fn table(&self, heading: &str) -> Vec<Vec<String>> {
        let lines: Vec<&str> = self.stdout.lines().collect();
        let begin = lines.iter().position(|line| *line == heading);
        let begin = begin.unwrap_or_else(|| panic!("{}: no {heading:?} in\n{}", self.line, self.stdout));
        let rows = lines[begin + 1..].iter().take_while(|line| !line.trim().is_empty());
        rows.map(|line| {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(String::from).collect()
        })
        .collect()
    }

    /// The value of a line `Name = value`.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> String {
        let pairs = self.stdout.lines().filter_map(|line| line.split_once('='));
        let found =
            pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next();
        found.unwrap_or_else(|| panic!("{}: no {name:?} in\n{}", self.line, self.stdout))
    }
}

/// Runs a command to its end.
pub(crate) fn ran(line: &str, command: &mut Command) -> Ran {
    let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
    Ran {
        line: line.to_owned(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(-1),
    }
}
