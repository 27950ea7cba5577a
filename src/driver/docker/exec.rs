//! Commands inside a running container (script checks).

use std::time::Duration;

use bollard::{
    container::LogOutput,
    errors::Error,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use futures::StreamExt;
use tokio::time::timeout;

use super::{Inner, Result, engine::status};
use crate::actors::ports::{DriverError, ExecResult};

const OUTPUT_LIMIT: usize = 4096;

impl Inner {
    pub(super) async fn exec(
        &self,
        container: &str,
        task: &str,
        command: Vec<String>,
        limit: Duration,
    ) -> Result<ExecResult> {
        let failed = |error: Error| match status(&error) {
            // 409: the container does not run.
            Some(404 | 409) => DriverError::NotFound(task.to_owned()),
            _ => self.engine.recoverable(&error),
        };
        let client = self.engine.client().await.map_err(failed)?;
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.clone()),
            ..ExecConfig::default()
        };
        let id = client.create_exec(container, config).await.map_err(failed)?.id;
        let mut kept = Vec::new();
        let run = async {
            let started = client.start_exec(&id, None::<StartExecOptions>).await?;
            if let StartExecResults::Attached { mut output, .. } = started {
                while let Some(piece) = output.next().await {
                    let piece: LogOutput = piece?;
                    let room = OUTPUT_LIMIT.saturating_sub(kept.len());
                    kept.extend_from_slice(&piece.as_ref()[..piece.as_ref().len().min(room)]);
                }
            }
            Ok::<_, Error>(())
        };
        let ended = timeout(limit, run).await;
        let answer = client.inspect_exec(&id).await.map_err(failed);
        match ended {
            Ok(result) => result.map_err(failed)?,
            Err(_) => {
                // The engine cannot end it; the machine we share with the engine can.
                let pid =
                    answer.ok().filter(|answer| answer.running == Some(true)).and_then(|answer| answer.pid);
                if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0) {
                    let _ = nix::sys::signal::kill(
                        nix::unistd::Pid::from_raw(pid),
                        nix::sys::signal::Signal::SIGKILL,
                    );
                }
                let command = command.join(" ");
                return Err(DriverError::Recoverable(format!("`{command}` did not end within {limit:?}")));
            }
        }
        let exit_code = answer?.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
        Ok(ExecResult { exit_code, output: String::from_utf8_lossy(&kept).into_owned() })
    }
}
