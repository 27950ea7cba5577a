//! How containers ended, in the words of tasks.

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};

use crate::actors::ports::TaskExit;

/// `None` while it runs.
pub(super) fn exit_of(answer: &ContainerInspectResponse) -> Option<TaskExit> {
    let state = answer.state.as_ref()?;
    if state.running == Some(true) || state.restarting == Some(true) {
        return None;
    }
    if state.status == Some(ContainerStateStatusEnum::CREATED) {
        let message = String::from("the container was created but never started");
        return Some(TaskExit { exit_code: 128, message, ..TaskExit::default() });
    }
    let exit_code = state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
    let oom_killed = state.oom_killed == Some(true);
    let message = match state.error.as_deref() {
        _ if oom_killed => String::from("OOM Killed"),
        Some(error) if !error.is_empty() => error.to_owned(),
        _ if exit_code != 0 => format!("Docker container exited with non-zero exit code: {exit_code}"),
        _ => String::new(),
    };
    Some(TaskExit { exit_code, signal: 0, oom_killed, message })
}

pub(super) fn removed() -> TaskExit {
    let message = String::from("the container was removed from outside");
    TaskExit { exit_code: 137, message, ..TaskExit::default() }
}
