//! Commands that people run inside tasks, by name.

use std::collections::BTreeSet;

use model::Task;

use super::Checker;
use crate::codes;

/// Longest name of an action.
const MAX_NAME: usize = 128;

impl Checker {
    pub(super) fn actions(&mut self, task: &Task) {
        let mut names = BTreeSet::new();
        for (index, action) in task.actions.iter().enumerate() {
            self.enter("action", index, &action.name);
            let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
            if action.name.is_empty() || action.name.len() > MAX_NAME || !action.name.chars().all(fits) {
                let message = format!(
                    "the name of an action has 1 to 128 letters, digits or `-`, found \"{}\"",
                    action.name
                );
                self.report(codes::NAME, "", message, "write `action \"clear-cache\" { .. }`");
            } else if !names.insert(&action.name) {
                let message = format!("a second action \"{}\" in task \"{}\"", action.name, task.name);
                self.report(codes::DUPLICATE, "", message, "give each action of a task a name of its own");
            }
            if action.command.is_empty() {
                self.report(
                    codes::EMPTY,
                    "command",
                    "the action has no command",
                    "write `command = \"/bin/date\"`",
                );
            }
            self.leave();
        }
    }
}
