//! What a process does to itself before it becomes the program of a task: no process can do that to another one.
//!
//! Told on the command line of this program (`troupe attend ...`), which then becomes the other.

use std::{ffi::OsString, path::PathBuf};

/// Empty: nothing but becoming the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attendance {
    /// It leads a session on the terminal that is its stdin.
    pub terminal: bool,
    /// User and group id.
    pub user: Option<(u32, u32)>,
    /// Directories of the cgroups that it joins, before it is that user.
    pub cgroups: Vec<PathBuf>,
}

impl Attendance {
    /// The arguments of this program; the other program and its arguments follow.
    pub fn words(&self) -> Vec<OsString> {
        let mut words = vec![OsString::from("attend")];
        if self.terminal {
            words.push("--terminal".into());
        }
        if let Some((user, group)) = self.user {
            words.extend(["--user".into(), format!("{user}:{group}").into()]);
        }
        for dir in &self.cgroups {
            words.extend(["--cgroup".into(), dir.into()]);
        }
        words.push("--".into());
        words
    }

    /// Reads what follows `attend`; gives back the rest, which is the other program and its arguments. `None` for
    /// anything else.
    pub fn parse(mut words: &[OsString]) -> Option<(Self, &[OsString])> {
        let mut found = Self::default();
        loop {
            let (word, rest) = words.split_first()?;
            words = rest;
            match word.to_str()? {
                "--" => return Some((found, words)),
                "--terminal" => found.terminal = true,
                option => {
                    let (value, rest) = words.split_first()?;
                    words = rest;
                    match option {
                        "--user" => found.user = Some(ids(value.to_str()?)?),
                        "--cgroup" => found.cgroups.push(value.into()),
                        _ => return None,
                    }
                }
            }
        }
    }
}

fn ids(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_told_is_read(
            terminal in any::<bool>(),
            user in prop::option::of(any::<(u32, u32)>()),
            cgroups in prop::collection::vec("[a-z/-]{0,9}", 0..3),
            program in prop::collection::vec("[a-z/-]{0,9}", 0..4),
        ) {
            let cgroups = cgroups.into_iter().map(PathBuf::from).collect();
            let told = Attendance { terminal, user, cgroups };
            let program: Vec<OsString> = program.into_iter().map(OsString::from).collect();
            let words: Vec<OsString> = told.words().into_iter().chain(program.clone()).collect();
            prop_assert_eq!(Attendance::parse(&words[1..]), Some((told, &program[..])));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for words in [&[][..], &["--terminal"], &["--user", "root", "--"], &["--what", "x", "--"], &["sh"]] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(Attendance::parse(&words), None, "{words:?}");
        }
    }
}
