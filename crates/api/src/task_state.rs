//! How the tasks of an allocation stand, and what happened to them.

use crate::{
    time::Time,
    wire::{Map, nil, wire},
};

wire! {
    pub struct TaskState {
        /// `pending`, `running` or `dead`.
        pub state: String,
        pub failed: bool,
        pub restarts: u64,
        pub last_restart: Time,
        pub started_at: Time,
        pub finished_at: Time,
        /// Oldest first.
        #[serde(with = "nil")]
        pub events: Vec<TaskEvent>,
        pub paused: String,
    }

    pub struct TaskEvent {
        #[serde(rename = "Type")]
        pub kind: String,
        /// Nanoseconds since 1970.
        pub time: i64,
        pub message: String,
        /// The sentence to show.
        pub display_message: String,
        #[serde(with = "nil")]
        pub details: Map<String>,
        pub fails_task: bool,
        pub restart_reason: String,
        pub setup_error: String,
        pub driver_error: String,
        pub exit_code: i64,
        pub signal: i64,
        /// Nanoseconds.
        pub kill_timeout: i64,
        pub kill_error: String,
        pub kill_reason: String,
        /// Nanoseconds.
        pub start_delay: i64,
        pub download_error: String,
        pub validation_error: String,
        pub disk_limit: i64,
        pub failed_sibling: String,
        pub vault_error: String,
        pub task_signal_reason: String,
        pub task_signal: String,
        pub driver_message: String,
        pub generic_source: String,
    }
}

impl From<&model::TaskEvent> for TaskEvent {
    fn from(event: &model::TaskEvent) -> Self {
        let text = |key: &str| event.details.get(key).cloned().unwrap_or_default();
        let mut details = Map::from(&event.details);
        let message =
            details.entry(String::from("message")).or_insert_with(|| event.message.to_string()).clone();
        let number = |key: &str| event.details.get(key).and_then(|text| text.parse().ok()).unwrap_or(0);
        Self {
            kind: event.kind.to_string(),
            time: event.time.as_nanos(),
            message,
            display_message: event.message.to_string(),
            details,
            fails_task: event.details.get("fails_task").is_some_and(|text| text == "true"),
            restart_reason: text("restart_reason"),
            setup_error: text("setup_error"),
            driver_error: text("driver_error"),
            exit_code: number("exit_code"),
            signal: number("signal"),
            kill_timeout: number("kill_timeout"),
            kill_error: text("kill_error"),
            kill_reason: text("kill_reason"),
            start_delay: number("start_delay"),
            download_error: text("download_error"),
            validation_error: text("validation_error"),
            disk_limit: number("disk_limit"),
            failed_sibling: text("failed_sibling"),
            vault_error: text("vault_error"),
            task_signal_reason: text("task_signal_reason"),
            task_signal: text("task_signal"),
            driver_message: text("driver_message"),
            generic_source: String::new(),
        }
    }
}

impl From<&model::TaskState> for TaskState {
    fn from(state: &model::TaskState) -> Self {
        Self {
            state: state.phase.as_str().to_owned(),
            failed: state.failed,
            restarts: u64::from(state.restarts),
            last_restart: state.last_restart.into(),
            started_at: state.started_at.into(),
            finished_at: state.finished_at.into(),
            events: state.events.iter().map(Into::into).collect(),
            paused: String::new(),
        }
    }
}
