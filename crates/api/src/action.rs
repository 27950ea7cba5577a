//! Commands that people run inside tasks, by name.

use crate::wire::{nil, wire};

wire! {
    /// An action with the task it belongs to.
    pub struct JobAction {
        pub name: String,
        pub command: String,
        #[serde(with = "nil")]
        pub args: Vec<String>,
        pub task_name: String,
        pub task_group_name: String,
    }

    /// A command that people run inside the task, by name.
    pub struct Action {
        pub name: String,
        pub command: String,
        #[serde(with = "nil")]
        pub args: Vec<String>,
    }
}
